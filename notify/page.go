package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A page is what a message says, before it is laid out.
type page struct {
	Language string // its tag
	Subject  string
	Title    string // the subject without the names of the relationship and the customer
	Sandbox  string // says that this is a test; empty where it is none
	Greeting string
	What     []string // happened or will happen, in paragraphs
	Details  []detail
	Groups   []group // of a digest
	Sections []section
	Closing  []string // why the reader gets this, and when it was written
}

// A detail is a line of the table: "Ends: 31 January 2027, 09:00 UTC".
type detail struct {
	Label, Colon, Value string
}

// A group is a part of a digest's table: what happened to all of its rows.
type group struct {
	Heading      string
	Name, Moment string // what stands in the two columns
	Rows         []row
}

// A row is one notice of a digest.
type row struct {
	Name  string // of the relationship
	With  string // whom
	Note  string // what the instant means: "in 7 days"; may be empty
	When  string
	After string // what else there is to know: "runs until 31 January 2028"; may be empty
}

// A section is a part of the page under its own heading.
type section struct {
	Heading    string
	Paragraphs []string
}

// compose writes the page of l. The phrases that it takes are those that a language must have: for every kind, for rejected and
// for digest, title, what, access and next; for all but digest dates; and the ones that are named in full here and in digest.go.
func (w *wording) compose(l *lifecycle.Letter, z zone, names partners, sandbox bool) (*page, error) {
	switch {
	case !l.Recipient.Role.Known():
		return nil, fmt.Errorf("the recipient's role %q is neither the partner's nor the customer's", l.Recipient.Role)
	case l.End.IsZero() && !l.IsDigest():
		return nil, errors.New("it names no end")
	}
	f, err := w.factsOf(l, z)
	if err != nil {
		return nil, err
	}
	c := composing{wording: w, facts: f, zone: z, partners: names}
	if l.IsDigest() {
		c.digest(l)
	} else {
		c.notice(l)
	}
	p := &c.page
	p.Language, p.Greeting, p.Closing = w.tag.String(), c.line("greeting"), c.lines("closing")
	if sandbox {
		p.Subject, p.Sandbox = before(c.line("sandbox.subject"), p.Subject), c.line("sandbox")
	}
	p.Subject = clean(p.Subject, longestSubject)
	return p, errors.Join(c.faults...)
}

// before puts a mark before a subject: "[Sandbox] Request ...", and without a space where the mark ends in a wide bracket, which
// brings its own.
func before(mark, subject string) string {
	if last, _ := utf8.DecodeLastRuneInString(mark); widthOf(last) == 2 {
		return mark + subject
	}
	return mark + " " + subject
}

// A composing is a page while it is written. It collects what goes wrong, so that all of it is reported.
type composing struct {
	*wording
	page
	facts    *facts
	zone     zone
	partners partners
	faults   []error
}

func (c *composing) fault(err error) {
	if err != nil {
		c.faults = append(c.faults, err)
	}
}

// notice writes what one notice has to tell.
func (c *composing) notice(l *lifecycle.Letter) {
	c.fault(c.facts.aboutRelationship(c.wording, l, c.zone, c.partners))
	kind := string(storyOf(l)) + "."
	c.facts.Title = c.line(kind + "title")
	c.Subject = c.line("subject")
	c.facts.unlink()
	c.Title = c.line(kind + "title") // again, for the body: it may name the partner
	c.What = c.lines(kind + "what")
	c.Details = c.details(kind+"dates", "details")
	c.sections(kind)
}

func (c *composing) sections(kind string) {
	c.Sections = []section{
		{c.line("heading.access"), c.lines(kind + "access")},
		{c.line("heading.next"), c.lines(kind + "next")},
	}
}

func (c *composing) lines(phrase string) []string {
	said, err := c.say(phrase, c.facts)
	if err != nil {
		c.fault(err)
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
			d, found := cutLabel(line)
			if !found {
				c.fault(fmt.Errorf("%s: the phrase %q has a line without a colon: %q", c.place(phrase), phrase, line))
			}
			details = append(details, d)
		}
	}
	return details
}

// cutLabel parts a detail after its first colon, be it Western or Japanese. Labels hold none, values may.
func cutLabel(line string) (d detail, found bool) {
	i := strings.IndexAny(line, ":：")
	if i < 0 {
		return detail{Label: line}, false
	}
	d = detail{Label: line[:i], Colon: ":", Value: line[i:]}
	if strings.HasPrefix(d.Value, "：") {
		d.Colon = "："
	}
	d.Value = strings.TrimSpace(strings.TrimPrefix(d.Value, d.Colon))
	return d, true
}
