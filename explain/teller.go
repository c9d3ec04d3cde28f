package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A teller knows the facts of one relationship and a language to tell them in.
type teller struct {
	*tongue
	dossier *lifecycle.Dossier
	policy  *lifecycle.Policy
	given   Given
	events  []lifecycle.Event // as far as the viewer may know of them

	now   lifecycle.Decision // the record as it is now, what is due and not recorded included
	ahead []lifecycle.Decision
}

// horizon is how far a story looks ahead.
var horizon = lifecycle.Months(24)

// mostAhead bounds the look ahead: a policy may extend terms by a day.
const mostAhead = 40

func newTeller(d *lifecycle.Dossier, g Given) *teller {
	t := &teller{tongue: tongueOf(g.Language), dossier: d, policy: g.Policy, given: g}
	t.now = lifecycle.Evaluate(d.Record, g.Policy, g.Now)
	for i := range d.Events {
		if e := d.Events[i]; t.shows(&e) {
			t.events = append(t.events, e)
		}
	}
	if t.gone() {
		return t
	}
	r := d.Record
	r.Stayed = nil // what happens after the release of a hold; that there is one is said beside it
	for decision := range lifecycle.Ahead(r, g.Policy, g.Now, horizon.After(g.Now)) {
		if t.ahead = append(t.ahead, decision); len(t.ahead) == mostAhead {
			break
		}
	}
	return t
}

// gone says whether it is a draft that was deleted.
func (t *teller) gone() bool { return !t.dossier.Gone.IsZero() }

// state is how it stands, in words.
func (t *teller) state() string {
	if t.gone() {
		return t.phrase("status.gone", nil)
	}
	return t.status(t.now.Record.Status)
}

// knowsAll says whether the viewer runs the deployment.
func (t *teller) knowsAll() bool {
	return t.given.Viewer == nil || t.given.Viewer.Role == lifecycle.Operator
}

// withCommand is a phrase that names a command; without it for those who cannot run one here.
func (t *teller) withCommand(phrase string) string {
	if t.knowsAll() {
		return phrase
	}
	return phrase + ".bare"
}

// shows takes out of the event what the viewer may not know, and says whether they may know of it at all.
func (t *teller) shows(e *lifecycle.Event) bool {
	viewer := t.given.Viewer
	if t.knowsAll() {
		return true
	}
	own := e.By != nil && e.By.Tenant == viewer.Tenant
	drafted := e.To == lifecycle.Created && t.dossier.Partner != viewer.Tenant // the partner's business
	e.ShowTo(viewer)
	return e.StepInLife() && !drafted || e.Type == lifecycle.EventRefused && own
}

// A section is a section that is being told.
type section struct {
	*teller
	sentences []Sentence
}

// say adds a sentence: what happens at an instant, or at none, because of a line of the policy, or of none.
func (s *section) say(at time.Time, key, phrase string, f facts) {
	sentence := Sentence{Text: strings.TrimSpace(s.phrase(phrase, f)), At: at}
	if key != "" {
		sentence.Policy = s.policyLine(key)
	}
	s.sentences = append(s.sentences, sentence)
}

// who did it: on whose side, and by name where that may be known.
func (t *teller) who(e *lifecycle.Event) string {
	actor := t.actor(e.Actor)
	if e.By == nil || e.By.Name == "" {
		return actor
	}
	return t.phrase("who", facts{"actor": actor, "name": e.By.Name})
}

// partner and customer are how the two sides are called, with their tenants.
func (t *teller) partner() string {
	tenant := t.dossier.Partner
	return t.tenantText("partner", t.policy.Notices.Partners[strings.ToLower(tenant)], tenant)
}

func (t *teller) customer() string {
	c := t.now.Record.Customer
	return t.tenantText("customer", c.DisplayName, c.TenantID)
}

func (t *teller) tenantText(side, name, tenant string) string {
	switch {
	case tenant == "" && name == "":
		return t.phrase(side+".unknown", nil)
	case name == "":
		return t.phrase(side+".tenant", facts{"tenant": tenant})
	case tenant == "":
		return name
	}
	return t.phrase(side+".named", facts{"name": name, "tenant": tenant})
}

// due says whether an instant has come.
func (t *teller) due(at time.Time) bool { return !at.IsZero() && !at.After(t.given.Now) }

// withheld is the timer that is due and on hold; the zero Timer where there is none.
func (t *teller) withheld() lifecycle.Timer {
	if n := t.now.Next; t.due(n.At) && slices.Contains(t.now.Record.Stayed, n.Rule) {
		return n
	}
	return lifecycle.Timer{}
}

// finally is the last event of a type; nil where there is none.
func (t *teller) finally(types ...lifecycle.EventType) *lifecycle.Event {
	for i := len(t.events) - 1; i >= 0; i-- {
		if slices.Contains(types, t.events[i].Type) {
			return &t.events[i]
		}
	}
	return nil
}
