// Package tenure_test holds the two promises about the house as a whole: which room may import which, and that the clock is
// read in one place. It uses the standard library alone, so that it keeps working whatever becomes of the rest.
package tenure_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// middleRooms know the domain and nothing else of ours.
var middleRooms = []string{"jobs", "storage", "notify", "httpapi", "graph", "transfer", "explain", "audit", "ledger", "outlook", "console"}

// clockRooms may read the clock: cmd, which hands it to all others, and what is no part of the product.
var clockRooms = []string{"cmd", "testenv", "bench"}

// clockReaders are the functions of package time that read it.
var clockReaders = []string{"Now", "Since", "Until"}

func TestArrowsPointInwardsAndTheClockIsReadInCmd(t *testing.T) {
	faults, err := check(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// A goFile is a Go file that is no test, with what matters here about it.
type goFile struct {
	path    string   // from the root of the repository
	room    string   // its topmost folder; empty for the root itself
	imports []string // import paths
	clock   []string // where it reads the clock, e.g. "12: time.Now"
}

// check walks a repository and lists what breaks the promises.
func check(repo fs.FS) (faults []string, err error) {
	module, err := modulePath(repo)
	if err != nil {
		return nil, err
	}
	files, err := goFiles(repo)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(files, func(f goFile) bool { return f.room == "lifecycle" }) {
		return nil, fmt.Errorf("there is no Go file in lifecycle/: this test is looking at the wrong tree")
	}
	rooms := map[string]map[string]bool{} // of a folder outside cmd, the rooms of ours that it imports
	for _, f := range files {
		for _, imported := range f.imports {
			room, ours := roomOf(module, imported)
			switch {
			case !ours:
				if f.room == "lifecycle" && strings.Contains(firstElement(imported), ".") {
					faults = append(faults, fmt.Sprintf("%s imports %s; lifecycle imports the standard library only", f.path, imported))
				}
			case room == f.room || f.room == "cmd":
			case f.room == "lifecycle":
				faults = append(faults, fmt.Sprintf("%s imports %s; lifecycle imports nothing of ours", f.path, imported))
			case slices.Contains(middleRooms, f.room) && room != "lifecycle":
				faults = append(faults, fmt.Sprintf("%s imports %s; %s imports nothing of ours but lifecycle", f.path, imported, f.room))
			default:
				folder := path.Dir(f.path)
				if rooms[folder] == nil {
					rooms[folder] = map[string]bool{}
				}
				rooms[folder][room] = true
			}
		}
		if !slices.Contains(clockRooms, f.room) {
			for _, place := range f.clock {
				faults = append(faults, fmt.Sprintf("%s:%s; take the instant as an argument, cmd reads the clock", f.path, place))
			}
		}
	}
	for folder, imported := range rooms {
		if len(imported) > 1 {
			faults = append(faults, fmt.Sprintf("%s imports %d rooms of ours; only cmd introduces them to each other", folder, len(imported)))
		}
	}
	slices.Sort(faults)
	return faults, nil
}

func modulePath(repo fs.FS) (string, error) {
	text, err := fs.ReadFile(repo, "go.mod")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if module, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return module, nil
		}
	}
	return "", fmt.Errorf("go.mod names no module")
}

// goFiles reads every Go file that is no test. A folder with a go.mod of its own is a house of its own.
func goFiles(repo fs.FS) ([]goFile, error) {
	var files []goFile
	err := fs.WalkDir(repo, ".", func(name string, entry fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case name == ".":
			return nil
		case entry.IsDir():
			if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' || isModule(repo, name) {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := readGoFile(repo, name)
		files = append(files, f)
		return err
	})
	return files, err
}

func isModule(repo fs.FS, folder string) bool {
	_, err := fs.Stat(repo, path.Join(folder, "go.mod"))
	return err == nil
}

func readGoFile(repo fs.FS, name string) (goFile, error) {
	f := goFile{path: name}
	if room, _, inside := strings.Cut(name, "/"); inside {
		f.room = room
	}
	text, err := fs.ReadFile(repo, name)
	if err != nil {
		return f, err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		return f, err
	}
	timeIs := "" // the name under which the file knows package time
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, imported)
		if imported == "time" {
			timeIs = "time"
			if spec.Name != nil {
				timeIs = spec.Name.Name
			}
		}
	}
	if timeIs == "." {
		f.clock = append(f.clock, "1: imports time with a dot, which hides who reads the clock")
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(clockReaders, s.Sel.Name) {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == timeIs {
				f.clock = append(f.clock, fmt.Sprintf("%d: time.%s", set.Position(s.Pos()).Line, s.Sel.Name))
			}
		}
		return true
	})
	return f, nil
}

// roomOf says whether an import path is one of ours, and in which room it lies.
func roomOf(module, imported string) (room string, ours bool) {
	rest, ours := strings.CutPrefix(imported+"/", module+"/")
	return firstElement(rest), ours
}

func firstElement(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

// The checker itself, held against small houses: one that stands, and every way of building it wrong.
func TestCheckerSeesEveryWrongArrow(t *testing.T) {
	const ours = "example.org/house"
	for name, c := range map[string]struct {
		file, text string
		want       string // in the one fault; empty: there is none
	}{
		"a sound house":                  {"jobs/a.go", `import "` + ours + `/lifecycle"`, ""},
		"a room within a room":           {"storage/a.go", `import "` + ours + `/storage/migrations"`, ""},
		"cmd introduces the parts":       {"cmd/x/a.go", `import ("` + ours + `/jobs"; "` + ours + `/storage"; "time"); var _ = time.Now`, ""},
		"others may use one room":        {"testenv/a.go", `import ("` + ours + `/storage"; "time"); var _ = time.Since`, ""},
		"tests are apart":                {"lifecycle/a_test.go", `import ("github.com/x/y"; "time"); var _ = time.Now`, ""},
		"another module is apart":        {"bench/a.go", `import ("` + ours + `/jobs"; "` + ours + `/storage")`, ""},
		"something else called Now":      {"jobs/a.go", `var c clock; var _ = c.Now`, ""},
		"lifecycle imports a library":    {"lifecycle/a.go", `import "github.com/x/y"`, "standard library only"},
		"lifecycle imports a room":       {"lifecycle/a.go", `import "` + ours + `/jobs"`, "nothing of ours"},
		"a middle room imports another":  {"jobs/sub/a.go", `import "` + ours + `/storage"`, "but lifecycle"},
		"a third room imports two":       {"testenv/a.go", `import ("` + ours + `/jobs"; "` + ours + `/storage")`, "only cmd"},
		"a middle room reads the clock":  {"jobs/a.go", `import "time"; var _ = time.Now()`, "jobs/a.go:1: time.Now"},
		"under another name":             {"jobs/a.go", `import clock "time"; var _ = clock.Until`, "time.Until"},
		"or without any":                 {"jobs/a.go", `import . "time"; var _ = Now()`, "with a dot"},
		"lifecycle reads the clock, too": {"lifecycle/a.go", `import "time"; var _ = time.Since`, "time.Since"},
	} {
		t.Run(name, func(t *testing.T) {
			house := fstest.MapFS{
				"go.mod":                     {Data: []byte("module " + ours + "\n")},
				"bench/go.mod":               {Data: []byte("module " + ours + "/bench\n")},
				"lifecycle/doc.go":           {Data: []byte("package lifecycle")},
				"lifecycle/testdata/bad.go":  {Data: []byte("this is no Go")},
				".git/bad.go":                {Data: []byte("nor this")},
				c.file:                       {Data: []byte("package x; " + c.text)},
				"docs/not-there-yet/page.md": {Data: []byte("# page")},
			}
			faults, err := check(house)
			switch {
			case err != nil:
				t.Fatal(err)
			case c.want == "" && len(faults) > 0:
				t.Fatalf("found %q in a sound house", faults)
			case c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], c.want)):
				t.Fatalf("found %q, want one fault about %q", faults, c.want)
			}
		})
	}
}

func TestCheckerWantsToFindLifecycle(t *testing.T) {
	house := fstest.MapFS{"go.mod": {Data: []byte("module example.org/house\n")}, "jobs/a.go": {Data: []byte("package jobs")}}
	if _, err := check(house); err == nil {
		t.Fatal("a house without lifecycle was taken for a good one")
	}
}
