package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tenure-dev/tenure/explain"
	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type explainCmd struct {
	ID     string `arg:"" help:"Id of the relationship, the beginning of one, or its name, as far as only one fits."`
	Lang   string `default:"en" placeholder:"LANGUAGE" help:"In which language: en or ja (default: ${default})."`
	Output string `short:"o" env:"TENURE_OUTPUT" enum:"table,text,json,ndjson" default:"table" help:"table or text, which are the same here, json or ndjson (default: ${default})."`
}

func (c *explainCmd) Run(a *app) error {
	language, err := explain.ParseLanguage(c.Lang)
	if err != nil {
		return usageError("--lang: %w", err)
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	if err := a.limit(db, policy); err != nil {
		return err
	}
	dossier, err := findDossier(a.ctx, db, c.ID)
	if err != nil {
		return err
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	given := explain.Given{Now: now(), Policy: policy, Language: language}
	if err := a.know(a.ctx, db, &given); err != nil {
		return err
	}
	story := explain.Tell(&dossier, given)
	switch c.Output {
	case "json":
		return writeJSON(a.stdout, explanationOf(&story), "  ")
	case "ndjson":
		return writeJSON(a.stdout, explanationOf(&story), "")
	}
	return story.WriteText(a.stdout)
}

// know finds out what a story tells about the policy beside what it says: where each line is from, and whether the timers go by it.
func (a *app) know(ctx context.Context, db *storage.DB, g *explain.Given) (err error) {
	if g.Set, err = setKeys(a.Policy); err != nil {
		return err
	}
	g.Another, err = db.TimedByAnother(ctx, g.Policy)
	return err
}

// explainer explains relationships to those who ask over HTTP.
func (a *app) explainer(w *works) httpapi.Explainer {
	return func(ctx context.Context, d *lifecycle.Dossier, by *lifecycle.Caller, language string) (httpapi.Explanation, error) {
		given := explain.Given{Now: w.sweeper.Now(), Policy: w.policy, Viewer: by, Language: explain.Language(language)}
		if err := a.know(ctx, w.db, &given); err != nil {
			return httpapi.Explanation{}, err
		}
		story := explain.Tell(d, given)
		return explanationOf(&story), nil
	}
}

// explanationOf brings a story into the form in which it is shown over HTTP.
func explanationOf(s *explain.Story) httpapi.Explanation {
	shown := httpapi.Explanation{RelationshipID: s.Relationship, Title: s.Title, AsOfDateTime: lifecycle.FormatInstant(s.At), Language: string(s.Language),
		Sections: make([]httpapi.ExplanationSection, len(s.Sections))}
	for i := range s.Sections {
		section := &s.Sections[i]
		shown.Sections[i] = httpapi.ExplanationSection{Name: string(section.Name), Heading: section.Heading}
		for j := range section.Sentences {
			sentence := &section.Sentences[j]
			said := httpapi.ExplanationSentence{Text: sentence.Text, DateTime: orNull(sentence.At)}
			if p := sentence.Policy; p != nil {
				said.Policy = &httpapi.ExplanationPolicy{Key: p.Key, Value: p.Value, Source: string(p.Source)}
			}
			shown.Sections[i].Sentences = append(shown.Sections[i].Sentences, said)
		}
	}
	return shown
}

// setKeys are the keys that a policy file sets, with a dot before each that stands below another; none without a file.
func setKeys(path string) (map[string]bool, error) {
	keys := map[string]bool{}
	if path == "" {
		return keys, nil
	}
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, usageError("reading the policy: %w", err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return nil, usageError("the policy %s is not YAML: %w", path, err)
	}
	addKeys(keys, "", file)
	return keys, nil
}

func addKeys(keys map[string]bool, before string, file map[string]any) {
	for key, value := range maps.All(file) {
		if below, ok := value.(map[string]any); ok {
			addKeys(keys, before+key+".", below)
			continue
		}
		keys[before+key] = true
	}
}

// The shortest beginning of an id that is looked for, and how many relationships are named where several fit.
const shortestPrefix, mostNamed = 4, 10

// findDossier reads the one relationship that somebody means: by its id, by the beginning of that, or by its name. One that was
// deleted as a draft is found by its id alone.
func findDossier(ctx context.Context, db *storage.DB, meant string) (lifecycle.Dossier, error) {
	id := lifecycle.CanonicalID(meant)
	if d, err := db.Dossier(ctx, id); !errors.Is(err, lifecycle.ErrNotFound) {
		return d, err
	}
	found, err := similar(ctx, db, meant, id)
	if err != nil {
		return lifecycle.Dossier{}, err
	}
	if len(found) == 1 {
		return db.Dossier(ctx, found[0].ID)
	}
	if len(found) == 0 {
		return lifecycle.Dossier{}, fmt.Errorf("relationship %s: %w; `tenure relationships list --name TEXT` finds those whose name holds a text",
			printable(meant), lifecycle.ErrNotFound)
	}
	var b strings.Builder
	for i := range found {
		if i == mostNamed {
			b.WriteString("\n  …")
			break
		}
		r := &found[i].Record
		fmt.Fprintf(&b, "\n  %s  %s, %s", r.ID, printable(r.DisplayName), r.Status)
	}
	return lifecycle.Dossier{}, fmt.Errorf("%s is the name, or the beginning of the id, of several relationships; give the id of one:%s", printable(meant), b.String())
}

// similar lists the relationships with this name, or whose id begins so; one more than are named.
func similar(ctx context.Context, db *storage.DB, name, id string) ([]lifecycle.Stored, error) {
	compare := func(f lifecycle.Field, by lifecycle.Comparison, text string) lifecycle.Filter {
		return lifecycle.Compare{Field: f, By: by, Value: lifecycle.Value{Text: text}}
	}
	fits := lifecycle.Any{compare(lifecycle.FieldName, lifecycle.Equal, name)}
	if len(id) >= shortestPrefix {
		fits = append(fits, compare(lifecycle.FieldID, lifecycle.StartsWith, id))
	}
	return db.Relationships(ctx, lifecycle.RelationshipQuery{Filter: fits, Limit: mostNamed + 1})
}

// printable is a text from elsewhere as a message to a terminal may show it.
func printable(s string) string {
	quoted := fmt.Sprintf("%q", s)
	if quoted == `"`+s+`"` {
		return s
	}
	return quoted
}
