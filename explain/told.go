package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// mostAddresses is how many of them stand in one sentence.
const mostAddresses = 5

// mostTold is how many sentences tell of notices, the latest; a long life has more.
const mostTold = 60

// A shipment is the letters of one notice that share everything but to whom they went: one sentence.
type shipment struct {
	of   lifecycle.Letter // the first
	to   []readers
	sent time.Time // the latest
}

// Readers are those of an audience that a shipment went to.
type readers struct {
	lifecycle.Audience
	people []lifecycle.Contact
	erased int
}

// alike says whether a letter belongs to the shipment.
func (p *shipment) alike(l *lifecycle.Letter) bool {
	o := &p.of
	return o.Key == l.Key && o.Version == l.Version && o.Kind == l.Kind && o.Stage == l.Stage && o.Status == l.Status && o.Reason == l.Reason && o.Channel == l.Channel &&
		o.Endpoint == l.Endpoint && o.Digest == l.Digest && o.LastError == l.LastError && o.Note == l.Note && o.Attempts == l.Attempts && o.Unknown == l.Unknown &&
		o.DigestAt.Equal(l.DigestAt) && (o.Status != lifecycle.NoticeFailed || o.NextAttempt.Equal(l.NextAttempt))
}

// add takes a letter in.
func (p *shipment) add(l *lifecycle.Letter) {
	at := slices.IndexFunc(p.to, func(r readers) bool { return r.TenantID == l.Recipient.TenantID && r.Role == l.Recipient.Role })
	if at < 0 {
		at = len(p.to)
		p.to = append(p.to, readers{Audience: lifecycle.Audience{TenantID: l.Recipient.TenantID, Role: l.Recipient.Role}})
	}
	switch {
	case l.Recipient.Mail != "":
		p.to[at].people = append(p.to[at].people, l.Recipient)
	case l.Erased:
		p.to[at].erased++
	}
	if l.SentAt.After(p.sent) {
		p.sent = l.SentAt
	}
}

// shipments groups the letters that the viewer may know of, in their order.
func (t *teller) shipments() []shipment {
	var all []shipment
	for i := range t.dossier.Letters {
		l := &t.dossier.Letters[i]
		if !t.mayKnow(l) {
			continue
		}
		at := -1
		for j := len(all) - 1; j >= 0 && all[j].of.Key == l.Key && all[j].of.Version == l.Version; j-- {
			if all[j].alike(l) {
				at = j
			}
		}
		if at < 0 {
			all, at = append(all, shipment{of: *l}), len(all)
		}
		all[at].add(l)
	}
	return all
}

// mayKnow says whether the viewer may know of a letter: a tenant knows that the people of both sides were told, and nothing of
// the programs of others.
func (t *teller) mayKnow(l *lifecycle.Letter) bool {
	if t.knowsAll() {
		return true
	}
	if l.Endpoint || l.Kind.IsAnnouncement() {
		return strings.EqualFold(l.Recipient.TenantID, t.given.Viewer.Tenant) && l.Recipient.TenantID != ""
	}
	return true
}

// told tells who was told of what, and what was left unsaid.
func (t *teller) told(s *section) {
	shipments := t.shipments()
	if len(shipments) == 0 {
		s.say(time.Time{}, "", "told.nothing", nil)
		return
	}
	if left := len(shipments) - mostTold; left > 0 {
		s.say(time.Time{}, "", t.withCommand("told.left out"), facts{"notices": t.count(left, "notices"), "id": t.dossier.ID})
		shipments = shipments[left:]
	}
	for i := range shipments {
		t.shipment(s, &shipments[i])
	}
}

func (t *teller) shipment(s *section, p *shipment) {
	l := &p.of
	at := l.Due
	if !p.sent.IsZero() {
		at = p.sent
	}
	f := facts{"what": t.notice(l.Kind, l.Stage, l.End, l.Due), "to": t.shippedTo(p), "sent": t.when(p.sent), "due": t.when(l.Due), "next": t.when(l.NextAttempt),
		"attempts": t.count(l.Attempts, "attempts"), "reason": t.reason(l.Reason), "digest at": t.when(l.DigestAt), "digest": l.Digest.String(),
		"fate": t.fateOf(l.Digest)}
	phrase := "told." + string(l.Status)
	if !l.Status.Final() && t.standstill() {
		phrase = "told.held"
	}
	s.say(at, keyOfReason(l), phrase, f)
	last := &s.sentences[len(s.sentences)-1]
	add := func(phrase string, f facts) { last.Text += t.phrase("joint", nil) + t.phrase(phrase, f) }
	if l.Unknown > 0 {
		add("told.unknown", facts{"attempts": t.count(l.Unknown, "attempts")})
	}
	if !t.knowsAll() {
		return
	}
	if l.Status == lifecycle.NoticeDead || l.Status == lifecycle.NoticeFailed {
		if l.LastError != "" {
			add("told.error", facts{"error": t.errorText(l.LastError)})
		}
	}
	if l.Note != "" {
		add("told.note", facts{"note": l.Note, "by": l.NotedBy})
	}
}

// standstill says whether everything is on hold, notices too.
func (t *teller) standstill() bool {
	return slices.ContainsFunc(t.dossier.Holds, func(h lifecycle.Hold) bool { return h.Active() && h.Kind == lifecycle.HoldEverything })
}

// keyOfReason is the line of the policy because of which a letter was left unsaid, or is told later.
func keyOfReason(l *lifecycle.Letter) string {
	switch l.Reason {
	case lifecycle.Stale:
		return keyStale
	case lifecycle.NotRouted:
		return keyRoutes
	case lifecycle.TooManyToday:
		return keyMost
	case lifecycle.ForDigest:
		return keyDigests
	case lifecycle.LaterStageDue:
		return keyWarnings
	}
	return ""
}

// fateOf is what became of a digest.
func (t *teller) fateOf(id lifecycle.NoticeID) string {
	for i := range t.dossier.Digests {
		if d := &t.dossier.Digests[i]; d.NoticeID == id {
			return t.phrase("fate."+string(d.Status), facts{"sent": t.when(d.SentAt)})
		}
	}
	return t.phrase("fate.", nil)
}

// notice is what a notice is about, e.g. "the warning 30 days before the end".
func (t *teller) notice(kind lifecycle.NoticeKind, stage lifecycle.Period, end, due time.Time) string {
	return t.phrase("kind."+string(kind), facts{"stage": t.period(stage), "end": t.when(end), "due": t.when(due)})
}

// shippedTo is to whom a shipment went.
func (t *teller) shippedTo(p *shipment) string {
	l := &p.of
	switch {
	case lifecycle.IsSubscriptionChannel(l.Channel):
		return t.phrase("to.subscription", facts{"channel": l.Channel})
	case l.Endpoint:
		return t.phrase("to.endpoint", facts{"channel": l.Channel})
	}
	parts := make([]string, len(p.to))
	for i := range p.to {
		switch r := &p.to[i]; {
		case len(r.people) > 0:
			parts[i] = t.people(r.Role, r.people, r.erased)
		case r.erased > 0:
			parts[i] = t.phrase("to.erased", facts{"people": t.count(r.erased, string(r.Role))})
		default:
			parts[i] = t.phrase("to.role."+string(r.Role), nil)
		}
	}
	return strings.Join(parts, t.phrase("to.both", nil))
}

// people are so many holders of a role, with the addresses that the viewer may know.
func (t *teller) people(role lifecycle.Role, people []lifecycle.Contact, more int) string {
	counted := t.count(len(people)+more, string(role))
	if !t.knowsAll() {
		return counted
	}
	shown := make([]string, 0, mostAddresses+1)
	for i := range people {
		if i == mostAddresses {
			shown = append(shown, t.phrase("to.more", facts{"n": fmt.Sprint(len(people) - mostAddresses)}))
			break
		}
		c := &people[i]
		if c.Language == "" {
			shown = append(shown, t.address(c.Mail))
			continue
		}
		shown = append(shown, t.phrase("to.address", facts{"mail": t.address(c.Mail), "language": c.Language}))
	}
	return t.phrase("to.people", facts{"people": counted, "addresses": strings.Join(shown, t.phrase("to.joint", nil))})
}

// address is a mail address, masked for those who may only read: its first character and its domain.
func (t *teller) address(mail string) string {
	if v := t.given.Viewer; v == nil || !v.ReadsOnly {
		return mail
	}
	_, size := utf8.DecodeRuneInString(mail)
	at := max(strings.LastIndexByte(mail, '@'), size)
	return mail[:size] + "***" + mail[at:]
}

// errorText is what a server had to say. It may name an address, so those who may only read are told that there was something.
func (t *teller) errorText(s string) string {
	if v := t.given.Viewer; v == nil || !v.ReadsOnly || !strings.Contains(s, "@") {
		return s
	}
	return t.phrase("error.hidden", nil)
}
