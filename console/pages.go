package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

// layoutFiles are part of every page: the frame, and the parts that pages are put together from.
var layoutFiles = []string{"templates/layout.html", "templates/parts.html", "templates/chart.html"}

// pages are the templates in one language.
type pages struct {
	words *words
	frame *template.Template // what is part of every page, by itself
	named map[string]*template.Template
}

func readPages(l language) (*pages, error) {
	w, err := readWords(l)
	if err != nil {
		return nil, err
	}
	p := &pages{words: w, named: map[string]*template.Template{}}
	frame, err := template.New("layout.html").Funcs(p.functions()).ParseFS(templateFiles, layoutFiles...)
	if err != nil {
		return nil, err
	}
	if p.frame, err = frame.Clone(); err != nil { // one that was used can no longer be cloned
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".html"); !slices.Contains(layoutFiles, file) {
			page, err := template.Must(frame.Clone()).ParseFS(templateFiles, file)
			if err != nil {
				return nil, err
			}
			p.named[name] = page
		}
	}
	return p, nil
}

// A sheet is what a template is given: who looks, and what there is to see.
type sheet struct {
	*visit
	Page string // the name of the page
	Body any
}

// make makes a whole page.
func (p *pages) make(name string, v *visit, body any) ([]byte, error) {
	return p.part(name, "layout.html", v, body)
}

// part makes one named template of a page by itself, to replace what a page shows.
func (p *pages) part(name, part string, v *visit, body any) ([]byte, error) {
	page := p.named[name]
	if page == nil {
		return nil, fmt.Errorf("there is no page %q", name)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, part, sheet{v, name, body}); err != nil {
		return nil, fmt.Errorf("making page %q: %w", name, err)
	}
	return b.Bytes(), nil
}
