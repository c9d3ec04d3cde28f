package notify

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"golang.org/x/text/language"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A wording is everything that is said in one language: named phrases, read from a file that is called after it. The phrases
// are plain text, a paragraph to a line, and are given facts. Which ones there must be: see compose.
type wording struct {
	tag      language.Tag
	file     string // where most of it is from
	phrases  *template.Template
	calendar calendar
}

// mostSaid is how long a phrase may become, in bytes. The longest of ours has 600.
const mostSaid = 16 << 10

// say is the phrase of that name, told with the facts.
func (w *wording) say(name string, facts any) (string, error) {
	t := w.phrases.Lookup(name)
	if t == nil {
		return "", fmt.Errorf("%s: there is no phrase %q", w.file, name)
	}
	b := limited{most: mostSaid}
	if err := t.Execute(&b, facts); err != nil {
		return "", err // it names the file, the line and the phrase
	}
	said := strings.TrimSpace(b.String())
	if said == "" {
		return "", fmt.Errorf("%s: the phrase %q is empty", w.place(name), name)
	}
	return said, nil
}

// place is where a phrase stands: file and line.
func (w *wording) place(name string) string {
	t := w.phrases.Lookup(name)
	if t == nil || t.Tree == nil {
		return w.file
	}
	return placeOf(t.Tree, t.Root)
}

// A limited writer takes so much and no more, so that no template writes for ever.
type limited struct {
	strings.Builder
	most int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.most {
		return 0, fmt.Errorf("it becomes longer than %d bytes", l.most)
	}
	return l.Builder.Write(p)
}

// Facts are what the phrases may speak of. Every text in it is one harmless line.
type facts struct {
	Title          string // of the message, once it is known; the phrase "subject" begins with it
	Partner        bool   // the reader is on the partner's side, otherwise on the customer's
	Reader         string // their name; may be empty
	ReaderTenant   string
	Name           string // of the relationship
	ID             string
	PartnerName    string // empty where the policy names none
	PartnerTenant  string
	Customer       string // its name; empty where there is none
	CustomerTenant string // empty where it is not known

	Roles               int
	GlobalAdministrator bool // is among them
	AutoExtend          bool // is switched on, which is of no use with Global Administrator

	Due, End, Written string // instants, written out: by the reader's clock where that is known, and in UTC
	EndDay            string // of the reader's calendar
	Days              int    // of that calendar, from the writing to the end: 0 is today; below 0 if the end was over already
	Counting          bool   // the message counts days, which are true on the day of writing
	Notice            string

	// Of a digest, which has none of the relationship's.
	Count   int  // of notices
	Endings int  // of warnings among them
	Soon    int  // of those that tell of an end within a week
	Chosen  bool // the reader wants digests
	Fold    bool // there was more to tell than one reader is told in a day
}

// factsOf collects the facts of a letter. What a wording cannot write out is reported.
func (w *wording) factsOf(l *lifecycle.Letter, z zone) (*facts, error) {
	f := &facts{
		Partner:      l.Recipient.Role.Side() == lifecycle.PartnerSide,
		Reader:       clean(l.Recipient.DisplayName, longestName),
		ReaderTenant: clean(l.Recipient.TenantID, longestID),
		Notice:       l.String(),
	}
	var err error
	f.Written, err = w.at(writtenAt(l), z)
	return f, err
}

// writtenAt is when the message is written, from which its days count: a letter may have been kept back for weeks.
func writtenAt(l *lifecycle.Letter) time.Time {
	if l.Written.IsZero() {
		return l.Recorded
	}
	return l.Written
}

// Partners are the names of partner tenants, by their ids in lower case.
type partners map[string]string

// partnersOf are those of the names that can be shown.
func partnersOf(names map[string]string) partners {
	p := make(partners, len(names))
	for tenant, name := range names {
		if name = clean(name, longestName); name != "" {
			p[strings.ToLower(tenant)] = name
		}
	}
	return p
}

// aboutRelationship adds what the letter tells of its relationship.
func (f *facts) aboutRelationship(w *wording, l *lifecycle.Letter, z zone, p partners) error {
	r := &l.Relationship
	f.Name, f.ID = clean(r.DisplayName, longestName), clean(r.ID, longestID)
	if f.Name == "" {
		f.Name = f.ID
	}
	f.PartnerName, f.PartnerTenant = p[strings.ToLower(r.Partner)], clean(r.Partner, longestID)
	f.Customer, f.CustomerTenant = clean(r.Customer.DisplayName, longestName), clean(r.Customer.TenantID, longestID)
	f.Roles, f.GlobalAdministrator, f.AutoExtend = len(r.Roles), r.HoldsGlobalAdministrator(), r.AutoExtend

	// The end is the letter's: the record's may have moved on.
	f.EndDay = w.calendar.write(z.in(l.End), w.calendar.day)
	f.Days, f.Counting = z.daysUntil(writtenAt(l), l.End), l.Kind == lifecycle.KindWarnExpiry
	var dueErr, endErr error
	f.Due, dueErr = w.at(l.Due, z)
	f.End, endErr = f.Due, dueErr
	if !l.End.Equal(l.Due) {
		f.End, endErr = w.at(l.End, z)
	}
	return errors.Join(dueErr, endErr)
}

// unlink keeps mail programs from making links of the names. It is for the bodies: in a header nothing is made a link, and
// there the names stay as they are.
func (f *facts) unlink() {
	for _, name := range []*string{&f.Reader, &f.ReaderTenant, &f.Name, &f.ID, &f.PartnerName, &f.PartnerTenant, &f.Customer, &f.CustomerTenant} {
		*name = unlinked(*name)
	}
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
