package notify

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"

	"golang.org/x/text/language"
)

//go:embed templates
var embedded embed.FS

// A templateFile is a file of templates and what its errors call it.
type templateFile struct {
	name, place, text string
}

// longestTemplate is more than anybody has to say.
const longestTemplate = 256 << 10

// builtinFiles are the templates that come with the program.
func builtinFiles() map[string]templateFile {
	files := map[string]templateFile{}
	entries, _ := embedded.ReadDir("templates") // which is there
	for _, entry := range entries {
		text, _ := embedded.ReadFile("templates/" + entry.Name())
		files[entry.Name()] = templateFile{entry.Name(), entry.Name() + " (built in)", string(text)}
	}
	return files
}

// readFolder reads an operator's own templates. Names that begin with a dot are left alone: editors and mounted volumes make
// such files. Any other file that is no template is taken for a mistyped one.
func readFolder(dir string) (files map[string]templateFile, faults []error) {
	if dir == "" {
		return nil, nil
	}
	folder := os.DirFS(dir)
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, []error{fmt.Errorf("folder of templates %s: %w; see that it is there and may be read", dir, err)}
	}
	files = map[string]templateFile{}
	for _, entry := range entries {
		name := entry.Name()
		place := filepath.Join(dir, name)
		switch {
		case strings.HasPrefix(name, "."):
		case name != "layout.html" && name != "layout.txt" && path.Ext(name) != ".tmpl":
			faults = append(faults, fmt.Errorf("%s: this is no template; they are called layout.html, layout.txt, or after a language, such as en.tmpl", place))
		default:
			text, err := readTemplate(folder, name)
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", place, err))
				continue
			}
			files[name] = templateFile{name, place, text}
		}
	}
	return files, faults
}

func readTemplate(folder fs.FS, name string) (string, error) {
	switch about, err := fs.Stat(folder, name); {
	case err != nil:
		return "", err
	case about.Size() > longestTemplate:
		return "", fmt.Errorf("it is larger than %d KiB", longestTemplate>>10)
	}
	text, err := fs.ReadFile(folder, name)
	if err == nil && !utf8.Valid(text) {
		err = errors.New("it is not UTF-8")
	}
	return strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n"), err
}

// readWordings reads all languages, and reports all faults. An operator's file replaces the phrases that it defines; in a
// language that is not built in it must define all of them.
func readWordings(builtin, own map[string]templateFile) (wordings []*wording, faults []error) {
	byTag := map[string]*wording{}
	ours := phraseNames(builtin)
	for _, files := range []map[string]templateFile{builtin, own} {
		taken := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			file := files[name]
			if path.Ext(name) != ".tmpl" {
				continue
			}
			tag, err := language.Parse(strings.TrimSuffix(name, ".tmpl"))
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: its name is not a language tag, such as en, ja or fr-CA", file.place))
				continue
			}
			if other, ok := taken[tag.String()]; ok {
				faults = append(faults, fmt.Errorf("%s: the language %s is that of %s already", file.place, tag, other))
				continue
			}
			taken[tag.String()] = file.place
			w := byTag[tag.String()]
			if w == nil {
				w = &wording{tag: tag, file: file.place, phrases: template.New("")}
				byTag[tag.String()] = w
				wordings = append(wordings, w)
			}
			faults = append(faults, w.take(file, ours)...)
		}
	}
	if len(faults) > 0 {
		return wordings, faults
	}
	for _, w := range wordings {
		if sizes := checkSizes(w.phrases); len(sizes) > 0 {
			faults = append(faults, sizes...)
			continue // nothing of it is to be said
		}
		faults = append(faults, w.readCalendar()...)
	}
	return wordings, faults
}

// phraseNames are the names of all phrases of the languages that are built in.
func phraseNames(builtin map[string]templateFile) map[string]bool {
	names := map[string]bool{}
	for name, file := range builtin {
		if path.Ext(name) != ".tmpl" {
			continue
		}
		if set, err := template.New(file.place).Parse(file.text); err == nil {
			for _, t := range set.Templates() {
				names[t.Name()] = true
			}
		}
	}
	return names
}

// take adds the phrases of a file to those that there are.
func (w *wording) take(file templateFile, ours map[string]bool) (faults []error) {
	if _, err := template.New(file.place).Parse(file.text); err != nil {
		return parseFaults(file)
	}
	added, _ := template.New(file.place).Parse(file.text)
	faults = checkPhrases(file, added, ours)
	for _, t := range added.Templates() {
		if t.Name() == file.place {
			continue // what stands between the phrases
		}
		if _, err := w.phrases.AddParseTree(t.Name(), t.Tree); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

// parseFaults finds what is wrong with each phrase of a file that cannot be read as a whole: a parser stops at the first fault,
// so each phrase is read by itself, on the line where it stands.
func parseFaults(file templateFile) (faults []error) {
	const begin = "{{define"
	text := strings.ReplaceAll(file.text, "{{- define", "{{define  ")
	starts := []int{0}
	for at := 0; ; {
		i := strings.Index(text[at:], begin)
		if i < 0 {
			break
		}
		starts = append(starts, at+i)
		at += i + len(begin)
	}
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		lines := strings.Repeat("\n", strings.Count(text[:start], "\n"))
		if _, err := template.New(file.place).Parse(lines + text[start:end]); err != nil {
			faults = append(faults, errors.New(strings.TrimPrefix(err.Error(), "template: ")))
		}
	}
	if len(faults) == 0 { // each for itself is well, such as one that is there twice
		_, err := template.New(file.place).Parse(file.text)
		faults = append(faults, err)
	}
	return faults
}
