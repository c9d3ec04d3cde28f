package notify

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"

	"golang.org/x/text/language"

	"github.com/tenure-dev/tenure/lifecycle"
)

//go:embed templates
var embedded embed.FS

// A wording is everything that is said in one language: named phrases, read from templates/<language tag>.tmpl. The phrases are
// plain text, a paragraph to a line, and are given facts. Which ones there must be: see compose.
type wording struct {
	tag     language.Tag
	phrases *template.Template
	instant string // how an instant is written, as a layout of package time
}

// readWordings reads all languages, and reports all faults.
func readWordings(templates fs.FS) (wordings []*wording, faults []error) {
	names, err := fs.Glob(templates, "templates/*.tmpl")
	if err != nil || len(names) == 0 {
		return nil, []error{errors.Join(errors.New("templates: there is no language"), err)}
	}
	for _, name := range names {
		w, err := readWording(templates, name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			continue
		}
		wordings = append(wordings, w)
	}
	return wordings, faults
}

func readWording(templates fs.FS, name string) (*wording, error) {
	tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".tmpl"))
	if err != nil {
		return nil, fmt.Errorf("its name is not a language tag: %w", err)
	}
	phrases, err := template.ParseFS(templates, name)
	if err != nil {
		return nil, err
	}
	w := &wording{tag: tag, phrases: phrases}
	w.instant, err = w.say("instant", nil)
	return w, err
}

// say is the phrase of that name, told with the facts.
func (w *wording) say(name string, f *facts) (string, error) {
	t := w.phrases.Lookup(name)
	if t == nil {
		return "", fmt.Errorf("there is no phrase %q in %s", name, w.tag)
	}
	var b strings.Builder
	if err := t.Execute(&b, f); err != nil {
		return "", fmt.Errorf("in %s: %w", w.tag, err)
	}
	said := strings.TrimSpace(b.String())
	if said == "" {
		return "", fmt.Errorf("the phrase %q in %s is empty", name, w.tag)
	}
	return said, nil
}

// at writes an instant out, to the second where it is not a whole minute.
func (w *wording) at(t time.Time) string {
	t = t.UTC()
	layout := w.instant
	if t.Second() != 0 {
		layout = strings.Replace(layout, "15:04", "15:04:05", 1)
	}
	return t.Format(layout)
}

// Facts are what the phrases may speak of. Every text in it is one harmless line.
type facts struct {
	Partner        bool   // the reader is on the partner's side, otherwise on the customer's
	Reader         string // their name; may be empty
	ReaderTenant   string
	Name           string // of the relationship
	ID             string
	PartnerTenant  string
	Customer       string // its name; empty where there is none
	CustomerTenant string // empty where it is not known

	Roles               int
	GlobalAdministrator bool // is among them
	AutoExtend          bool // is switched on, which is of no use with Global Administrator

	Due, End, Written string // instants, written out
	Days              int    // of the calendar, from the writing to the end: 0 is today; below 0 if the end was over already
	Notice            string
}

func (w *wording) facts(l *lifecycle.Letter) *facts {
	r := &l.Relationship
	f := &facts{
		Partner:             l.Recipient.Role == lifecycle.AdminAgents,
		Reader:              clean(l.Recipient.DisplayName, longestName),
		ReaderTenant:        clean(l.Recipient.TenantID, longestID),
		Name:                clean(r.DisplayName, longestName),
		ID:                  clean(r.ID, longestID),
		PartnerTenant:       clean(r.Partner, longestID),
		Customer:            clean(r.Customer.DisplayName, longestName),
		CustomerTenant:      clean(r.Customer.TenantID, longestID),
		Roles:               len(r.Roles),
		GlobalAdministrator: r.HoldsGlobalAdministrator(),
		AutoExtend:          r.AutoExtend,
		Due:                 w.at(l.Due),
		End:                 w.at(l.End), // the letter's: the record's may have moved on
		Written:             w.at(l.Recorded),
		Days:                daysLeft(l),
		Notice:              fmt.Sprint(l.NoticeID),
	}
	if f.Name == "" {
		f.Name = f.ID
	}
	return f
}

// daysLeft is the distance that a warning names, in days of the UTC calendar. It counts from the writing, so "today" and
// "tomorrow" are true on the day of the message; but a 30-day warning that was written an hour late, and after midnight,
// still says 30.
func daysLeft(l *lifecycle.Letter) int {
	days := calendarDays(l.Recorded, l.End)
	if days > 1 && l.Recorded.Sub(l.Due) < lifecycle.Day {
		return calendarDays(l.Due, l.End)
	}
	return days
}

func calendarDays(from, to time.Time) int {
	return int(to.UTC().Truncate(lifecycle.Day).Sub(from.UTC().Truncate(lifecycle.Day)) / lifecycle.Day)
}

// rejected is a story of its own that the record's kind does not tell: a request that was said no to ends as terminated, and
// was never active. (That it was locked tells it from an old record that was imported without the date of its activation.)
const rejected lifecycle.NoticeKind = "rejected"

func storyOf(l *lifecycle.Letter) lifecycle.NoticeKind {
	r := &l.Relationship
	if l.Kind == lifecycle.KindTerminated && r.Activated.IsZero() && !r.Locked.IsZero() {
		return rejected
	}
	return l.Kind
}

// A page is what a message says, before it is laid out.
type page struct {
	Language string // its tag
	Subject  string
	Sandbox  string // says that this is a test; empty where it is none
	Greeting string
	What     []string // happened or will happen, in paragraphs
	Details  []detail
	Sections []section
	Closing  []string // why the reader gets this, and when it was written
}

// A detail is a line of the table: "Ends: 31 January 2027, 09:00 UTC".
type detail struct {
	Line, Label, Value string
}

// A section is a part of the page under its own heading.
type section struct {
	Heading    string
	Paragraphs []string
}

// compose writes the page of l. The phrases that it takes are those that a language must have: for every kind (and for
// rejected) subject, what, dates, access and next; for all of them the ones that are named in full here.
func (w *wording) compose(l *lifecycle.Letter, sandbox bool) (*page, error) {
	switch {
	case !l.Recipient.Role.Known():
		return nil, fmt.Errorf("the recipient's role %q is neither the partner's nor the customer's", l.Recipient.Role)
	case l.End.IsZero():
		return nil, errors.New("it names no end")
	}
	c := composing{wording: w, facts: w.facts(l)}
	kind := string(storyOf(l)) + "."
	p := &page{
		Language: w.tag.String(),
		Subject:  c.line(kind + "subject"),
		Greeting: c.line("greeting"),
		What:     c.lines(kind + "what"),
		Details:  c.details("details", kind+"dates"),
		Sections: []section{
			{c.line("heading.access"), c.lines(kind + "access")},
			{c.line("heading.next"), c.lines(kind + "next")},
		},
		Closing: c.lines("closing"),
	}
	if sandbox {
		p.Subject = c.line("sandbox.subject") + " " + p.Subject
		p.Sandbox = c.line("sandbox")
	}
	return p, errors.Join(c.faults...)
}

// A composing collects what goes wrong while a page is written, so that all of it is reported.
type composing struct {
	*wording
	facts  *facts
	faults []error
}

func (c *composing) lines(phrase string) []string {
	said, err := c.say(phrase, c.facts)
	if err != nil {
		c.faults = append(c.faults, err)
		return nil
	}
	lines := strings.Split(said, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return slices.DeleteFunc(lines, func(s string) bool { return s == "" })
}

func (c *composing) line(phrase string) string { return strings.Join(c.lines(phrase), " ") }

func (c *composing) details(phrases ...string) []detail {
	var details []detail
	for _, phrase := range phrases {
		for _, line := range c.lines(phrase) {
			label, value, found := cutLabel(line)
			if !found {
				c.faults = append(c.faults, fmt.Errorf("the phrase %q in %s has a line without a colon: %q", phrase, c.tag, line))
			}
			details = append(details, detail{line, label, value})
		}
	}
	return details
}

// cutLabel parts a detail after its first colon, be it Western or Japanese. Labels hold none, values may.
func cutLabel(line string) (label, value string, found bool) {
	i := strings.IndexAny(line, ":：")
	if i < 0 {
		return line, "", false
	}
	return line[:i], strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(line[i:], ":"), "：")), true
}

// Layouts turn a page into the two forms of one message.
type layouts struct {
	text *template.Template
	html *htmltemplate.Template
}

func readLayouts(templates fs.FS) (layouts, error) {
	text, textErr := template.ParseFS(templates, "templates/layout.txt")
	html, htmlErr := htmltemplate.ParseFS(templates, "templates/layout.html")
	return layouts{text, html}, errors.Join(textErr, htmlErr)
}

// lay fills the page into both layouts. Lines end in CRLF, as RFC 2045 wants them before they are encoded.
func (ls *layouts) lay(p *page) (text, html string, err error) {
	var t, h strings.Builder
	if err := errors.Join(ls.text.Execute(&t, p), ls.html.Execute(&h, p)); err != nil {
		return "", "", err
	}
	return crlf(t.String()), crlf(h.String()), nil
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
