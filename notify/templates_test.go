package notify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// folder is a folder of templates.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func withTemplates(t testing.TB, files map[string]string) (*Notifier, error) {
	t.Helper()
	o := options()
	o.TemplateDir = folder(t, files)
	return New(o)
}

func TestOnePhraseIsReplacedAndTheOthersStay(t *testing.T) {
	n, err := withTemplates(t, map[string]string{
		"en.tmpl":    "\ufeff{{define \"closing\"}}\r\nAsk {{template \"desk\"}} about {{.Name}}.\r\n{{end}}\r\n{{define \"desk\"}}https://desk.example/{{end}}",
		".gitignore": "*",
	})
	require.NoError(t, err)
	p := rendered(t, n, letter(lifecycle.KindWarnExpiry))
	require.Contains(t, p.said(), "-- Ask https://desk.example/ about Contoso helpdesk 2026.")
	require.Contains(t, p.said(), "What to do next")
	require.NotContains(t, p.said(), "You receive this message")
	require.Contains(t, rendered(t, n, letter(lifecycle.KindWarnExpiry, inJapanese)).text, "本メールは")
}

func TestLanguageCanBeAdded(t *testing.T) {
	en := builtinFiles()["en.tmpl"].text
	fr := strings.NewReplacer("Hello{{with", "Bonjour{{with", "2 January 2006, 15:04\u00a0UTC{{end}}", "2 January 2006 à 15:04\u00a0UTC{{end}}").Replace(en) +
		`{{define "months"}}janvier février mars avril mai juin juillet août septembre octobre novembre décembre{{end}}
		{{define "weekdays"}}dimanche lundi mardi mercredi jeudi vendredi samedi{{end}}`
	n, err := withTemplates(t, map[string]string{"fr.tmpl": fr})
	require.NoError(t, err)
	require.Equal(t, []string{"en", "ja", "fr"}, n.Languages())
	l := letter(lifecycle.KindApproved, func(l *lifecycle.Letter) { l.Recipient.Language = "fr-CA" })
	p := rendered(t, n, l)
	require.Equal(t, "fr", p.header.Get("Content-Language"))
	require.Contains(t, p.said(), "Bonjour Alex Wilber")
	require.Contains(t, p.said(), "samedi 31 janvier 2026 à 09:00 UTC")

	o := options()
	o.DefaultLanguage, o.TemplateDir = "fr", folder(t, map[string]string{"fr.tmpl": fr})
	n, err = New(o)
	require.NoError(t, err)
	require.Equal(t, "fr", n.Languages()[0])
}

func TestLayoutsCanBeReplacedAndStillEscape(t *testing.T) {
	n, err := withTemplates(t, map[string]string{
		"layout.html": `<html><body><p title="{{.Subject}}">{{.Greeting}}</p>{{range .Groups}}{{range .Rows}}{{.Name}}{{end}}{{end}}</body></html>`,
		"layout.txt":  `{{wrap 0 .Greeting}}{{range .What}} {{.}}{{end}}`,
	})
	require.NoError(t, err)
	p := rendered(t, n, letter(lifecycle.KindApproved, func(l *lifecycle.Letter) {
		l.Recipient.DisplayName, l.Relationship.DisplayName = "<b>Eve</b>", `" onclick="x`
	}))
	require.Contains(t, p.html, "Hello &lt;b&gt;Eve&lt;/b&gt;,")
	require.Equal(t, 2, strings.Count(p.html, `"`))
	require.Contains(t, p.text, "Hello <b>Eve</b>,")
}

func TestEveryFaultOfAFolderIsToldAtOnceWithItsPlace(t *testing.T) {
	files := map[string]string{
		"en.tmpl": `{{define "closing"}}
{{.Custommer}}
{{end}}
{{define "closng"}}x{{end}}
This is never said.
{{define "greeting"}}{{range 1000000000}}{{end}}x{{end}}
{{define "details"}}no colon{{end}}
{{define "approved.next"}}{{printf "%1000000d" 1}}{{end}}
{{define "approved.access"}}{{if .Partner}}{{if .Dais}}x{{end}}{{end}}y{{end}}
`,
		"ja.tmpl":       "{{define \"greeting\"}}{{.Reader}\n{{end}}\n{{define \"closing\"}}{{if}}{{end}}",
		"fr.tmpl":       `{{define "greeting"}}Bonjour{{end}}`,
		"fr-FR.bak":     "",
		"klingon!.tmpl": "",
		"layout.html":   `{{.Subjct}}`,
		"layout.txt":    `{{range .What}}{{.}}`,
	}
	dir := folder(t, files)
	o := options()
	o.TemplateDir, o.From = dir, "nobody"
	_, err := New(o)
	for _, want := range []string{
		`from: "nobody"`,
		filepath.Join(dir, "en.tmpl") + ":2:2: there is no .Custommer; there are .AutoExtend",
		filepath.Join(dir, "en.tmpl") + `:4:19: nothing asks for a phrase "closng"; is it mistyped?`,
		filepath.Join(dir, "en.tmpl") + ":5:0: this stands outside of any {{define}}, and is never said",
		filepath.Join(dir, "en.tmpl") + ":6:",
		"a phrase has nothing to loop over",
		`there is no function "printf" here; there are and or not`,
		"there is no .Dais",
		filepath.Join(dir, "ja.tmpl") + ":1:",
		filepath.Join(dir, "ja.tmpl") + ":3:",
		filepath.Join(dir, "fr-FR.bak") + ": this is no template; they are called layout.html, layout.txt, or after a language",
		filepath.Join(dir, "klingon!.tmpl") + ": its name is not a language tag",
		filepath.Join(dir, "layout.html") + ":1:2: there is no .Subjct",
		filepath.Join(dir, "layout.txt") + ":1: unexpected EOF",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestSamplesFindWhatReadingDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"a language that says too little": {map[string]string{"fr.tmpl": `{{define "greeting"}}Bonjour{{end}}`},
			[]string{`fr.tmpl: there is no phrase "day"`, `fr.tmpl: there is no phrase "utc.other.day"`}},
		"a line without a colon": {map[string]string{"en.tmpl": `{{define "details"}}no colon{{end}}`},
			[]string{`en.tmpl:1:`, `the phrase "details" has a line without a colon: "no colon"`}},
		"a phrase that is empty for some": {map[string]string{"en.tmpl": "\n{{define \"approved.next\"}}{{if .Partner}}x{{end}}{{end}}"},
			[]string{`en.tmpl:2:`, `the phrase "approved.next" is empty`}},
		"a comparison of unlike things": {map[string]string{"en.tmpl": `{{define "approved.next"}}{{if lt .Name 3}}x{{end}}y{{end}}`},
			[]string{`en.tmpl:1:`, `incompatible types for comparison`}},
		"eleven months": {map[string]string{"en.tmpl": `{{define "months"}}1 2 3 4 5 6 7 8 9 10 11{{end}}`},
			[]string{`en.tmpl:1:`, `the phrase "months" lists 11 names, separated by spaces, where there are 12`}},
		"a phrase that is not there": {map[string]string{"en.tmpl": `{{define "closing"}}{{template "nowhere"}}{{end}}`},
			[]string{`en.tmpl:1:`, `template "nowhere" not defined`}},
		"two files of one language": {map[string]string{"en.tmpl": ``, "EN.tmpl": ``},
			[]string{`en.tmpl: the language en is that of `}},
		"markup that cannot be escaped": {map[string]string{"layout.html": `<a href={{if .Subject}}"{{end}}>`}, []string{"layout.html"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := withTemplates(t, c.files)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestNoTemplateHangs(t *testing.T) {
	doubling := ""
	for i := range 60 {
		doubling += "{{define \"d" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + "\"}}"
		next := "{{template \"d" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + "\"}}"
		doubling += next + next + "{{end}}"
	}
	doubling += `{{define "d60"}}{{end}}{{define "closing"}}{{template "d00"}}x{{end}}`
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"it includes itself":            {map[string]string{"en.tmpl": `{{define "closing"}}{{template "closing" .}}{{end}}`}, `"closing" includes itself`},
		"by way of a built-in one":      {map[string]string{"en.tmpl": `{{define "customer"}}{{template "of whom" .}}{{end}}`}, "includes itself"},
		"it doubles":                    {map[string]string{"en.tmpl": doubling}, "includes more than can be said"},
		"a layout counts":               {map[string]string{"layout.txt": `{{$n := 1000000000}}{{range $n}}{{end}}`}, "a loop goes over a list of the page"},
		"a layout counts by with":       {map[string]string{"layout.txt": `{{with 1000000000}}{{range .}}{{end}}{{end}}`}, "a loop goes over a list of the page"},
		"a layout loops in loops":       {map[string]string{"layout.txt": `{{range .What}}{{range $.What}}{{range $.What}}{{end}}{{end}}{{end}}`}, "nested more than 2 deep"},
		"a layout includes itself":      {map[string]string{"layout.txt": `{{define "x"}}{{template "x" .}}{{end}}{{template "x" .}}`}, `"x" includes itself`},
		"a phrase that is far too long": {map[string]string{"en.tmpl": `{{define "closing"}}` + strings.Repeat("long ", 4_000) + `{{end}}`}, "it becomes longer than 16384 bytes"},
		"a file that is far too long":   {map[string]string{"en.tmpl": strings.Repeat(" ", longestTemplate+1)}, "it is larger than 256 KiB"},
		"a file that is no text":        {map[string]string{"en.tmpl": "\xff\xfe"}, "it is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				_, err := withTemplates(t, c.files)
				done <- err
			}()
			select {
			case err := <-done:
				require.ErrorContains(t, err, c.want)
			case <-time.After(30 * time.Second):
				require.Fail(t, "it hangs")
			}
		})
	}
}

func TestFolderThatIsNotThereIsAFault(t *testing.T) {
	o := options()
	o.TemplateDir = filepath.Join(t.TempDir(), "nowhere")
	_, err := New(o)
	require.ErrorContains(t, err, "folder of templates ")
	require.ErrorContains(t, err, "nowhere")
}
