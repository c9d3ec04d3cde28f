package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A history is one account being gone through, step by step.
type history struct {
	*auditor
	account *lifecycle.Account
	who     subject
	steps   []step
	after   []content // of the relationship after each step, as far as it is known
	at      standing  // after the last step gone through
	firm    bool      // the step being judged was decided on by a policy that is known
}

// A step is one version of the record: an event, or a warning, which changes nothing else.
type step struct {
	version int64
	event   *lifecycle.Event    // nil: a warning
	letters []*lifecycle.Letter // to people and endpoints, that tell of it
	told    []*lifecycle.Letter // to programs
}

func (s *step) recorded() time.Time {
	if s.event != nil {
		return s.event.Recorded
	}
	return s.letters[0].Recorded
}

// find reports a finding about the account.
func (h *history) find(version int64, f Finding) {
	f.RelationshipID, f.Key, f.Version = h.account.ID, h.account.Key, version
	h.report(f)
}

// judge reports a finding that depends on the policy. Where that is only a guess it counts as something that could not be judged.
func (h *history) judge(version int64, f Finding) {
	if !h.firm {
		h.summary.Unchecked[NoPolicyKept]++
		return
	}
	h.find(version, f)
}

// goThrough judges every step, and then what has come of them.
func (h *history) goThrough() {
	h.line()
	h.contents()
	for i := range h.steps {
		s := &h.steps[i]
		h.order(i)
		_, h.firm = h.policiesAt(s.recorded())
		if s.event != nil {
			h.event(i)
		} else {
			h.warning(i)
		}
		h.at.version, h.at.recorded = s.version, s.recorded()
		h.notices(i)
	}
	if row := h.account.Row; row != nil && len(h.steps) > 0 {
		_, h.firm = h.policiesAt(h.opts.Now)
		h.row(row)
		h.open()
		h.nextTimer(row)
	}
}

// line puts events and warnings into one line, by version.
func (h *history) line() {
	events := h.account.Events
	for i := range events {
		if i > 0 && events[i].Version == events[i-1].Version {
			h.find(events[i].Version, wrong(Duplicate, "one version has two events", events[i-1].Type, events[i].Type))
			continue
		}
		h.steps = append(h.steps, step{version: events[i].Version, event: &events[i]})
	}
	var last lifecycle.NoticeID
	for i := range h.account.Letters {
		l := &h.account.Letters[i]
		if l.NoticeID == last {
			h.find(l.Version, Finding{Kind: NoticeTwice, Text: fmt.Sprintf("the notice %s is there twice", l.NoticeID)})
			continue
		}
		last = l.NoticeID
		h.place(l)
	}
}

// place puts a letter to the step that it tells of. A warning has a step of its own.
func (h *history) place(l *lifecycle.Letter) {
	i, found := slices.BinarySearchFunc(h.steps, l.Version, func(s step, version int64) int { return int(s.version - version) })
	if !found {
		if l.Kind != lifecycle.KindWarnExpiry {
			h.stray(l)
			return
		}
		h.steps = slices.Insert(h.steps, i, step{version: l.Version})
	}
	s := &h.steps[i]
	if l.Kind.IsAnnouncement() {
		s.told = append(s.told, l)
	} else {
		s.letters = append(s.letters, l)
	}
}

func (h *history) stray(l *lifecycle.Letter) {
	h.find(l.Version, Finding{Kind: NoticeUncalled, Found: string(l.Kind),
		Text: fmt.Sprintf("notice %s tells of a step that there is not", l.NoticeID)})
}

// contents says what the relationship was after each step: backwards from the row, over what the events say of it.
func (h *history) contents() {
	h.after = make([]content, len(h.steps))
	var c content
	if row := h.account.Row; row != nil {
		c = content{known: true, extends: row.AutoExtend, global: row.HoldsGlobalAdministrator(), duration: row.Duration, customer: row.Customer.TenantID, named: true}
	}
	for i := len(h.steps) - 1; i >= 0; i-- {
		h.after[i] = c
		e := h.steps[i].event
		switch {
		case e == nil:
		case changesContent(e):
			c = content{}
		case e.Type == lifecycle.EventAutoExtendChanged:
			if c.known && e.Detail != "" && (e.Detail == "on") != c.extends {
				h.find(e.Version, wrong(RowDiffers, "autoExtend was switched, and what follows does not fit", e.Detail, onOff(c.extends)))
			}
			c.extends = !c.extends
		case e.Type == lifecycle.EventGlobalAdministratorRemoved:
			if c.known && c.global {
				h.find(e.Version, wrong(RowDiffers, "Global Administrator was removed, and the row has it among its roles", "removed", "held"))
			}
			c.global = true
		case e.Type == lifecycle.EventApproved || e.Type == lifecycle.EventRejected:
			c.named = false // whoever answers a request becomes its customer
		}
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// order holds that versions count up one by one, and that steps were recorded one after the other. In a sandbox the clock jumps
// while people act, so there the latter is left alone.
func (h *history) order(i int) {
	s := &h.steps[i]
	if want := h.at.version + 1; s.version > want {
		h.find(want, Finding{Kind: MissingStep, Text: fmt.Sprintf("the steps from version %d to %d are not there: neither an event nor a warning has them", want, s.version-1)})
	}
	recorded := s.recorded()
	if h.Live && !h.at.recorded.IsZero() && recorded.Add(clockBack).Before(h.at.recorded) {
		h.find(s.version, wrong(OutOfOrder, "it was recorded before the step that it follows", "not before "+say(h.at.recorded), recorded))
	}
	if now := later(h.opts.Now, h.Clock); recorded.After(now.Add(clockBack)) { // a test clock may have been moved since Now was read
		h.find(s.version, wrong(OutOfOrder, "it was recorded in the future", "at most "+say(now), recorded))
	}
}

// event judges one event, and goes on from where it says that the record stands: what comes after is judged by itself.
func (h *history) event(i int) {
	e, c := h.steps[i].event, &h.after[i]
	h.summary.Events++
	if i == 0 != begins(e) {
		text := "a history begins with the record's being created or imported"
		if i > 0 {
			text = "a record is created or imported once, and at the beginning"
		}
		h.find(e.Version, Finding{Kind: WrongTransition, Text: text, Found: string(e.Type)})
	}
	if i > 0 && e.From != h.at.status {
		h.find(e.Version, wrong(WrongTransition, "it begins at another status than the one that the step before led to", h.at.status, e.From))
	}
	if !lawful(e) {
		h.find(e.Version, Finding{Kind: WrongTransition, Text: "no rule and no person moves a record like this",
			Found: fmt.Sprintf("%s: %s to %s by %s", e.Type, orNone(e.From), e.To, e.Actor)})
	}
	switch e.Actor {
	case lifecycle.System:
		h.fired(i)
	case lifecycle.Provisioner:
		h.provisioned(i)
	default:
		h.acted(i)
	}
	h.fingerprints(i)
	h.move(e, c)
}

func orNone[T ~string](s T) string {
	if s == "" {
		return "nothing"
	}
	return string(s)
}

// move brings the standing to where the event leaves the record.
func (h *history) move(e *lifecycle.Event, c *content) {
	s := &h.at
	wasStatus, wasEnd := s.status, s.end
	s.status, s.end = e.To, e.End
	if e.Actor != lifecycle.System {
		s.since = e.Recorded
	}
	switch e.Type {
	case lifecycle.EventImported:
		h.cameIn(e)
		s.certain(e.Recorded)
	case lifecycle.EventUpdated:
		h.cameIn(e)
		if e.To != wasStatus || !e.End.Equal(wasEnd) {
			s.certain(e.Recorded)
		} else {
			s.possible = append(s.possible, e.Recorded)
		}
	case lifecycle.EventLocked:
		s.locked = e.Effective
	case lifecycle.EventApproved:
		if e.To == lifecycle.Approved {
			s.approved = e.Effective
			return
		}
		s.active = e.Effective
		s.certain(e.Effective)
	case lifecycle.EventActivated:
		s.active = e.Effective
		s.certain(e.Recorded)
	case lifecycle.EventExtended:
		s.certainAfter(e.Effective)
	case lifecycle.EventAutoExtendChanged:
		if e.Detail == "off" || e.Detail == "" && c.known && !c.extends {
			s.certainAfter(e.Effective)
		}
	case lifecycle.EventNameReleased:
		s.released = e.Effective
	}
}

// cameIn takes from the row what a file said and no event tells, where no later file has said something else.
func (h *history) cameIn(e *lifecycle.Event) {
	row := h.account.Row
	if row == nil || slices.ContainsFunc(h.account.Events, func(later lifecycle.Event) bool {
		return later.Version > e.Version && later.Type == lifecycle.EventUpdated
	}) {
		h.at.locked = time.Time{}
		return
	}
	has := func(t lifecycle.EventType) bool {
		return slices.ContainsFunc(h.account.Events, func(later lifecycle.Event) bool { return later.Version > e.Version && later.Type == t })
	}
	if !has(lifecycle.EventLocked) {
		h.at.locked = row.Locked
	}
	if !has(lifecycle.EventApproved) && !has(lifecycle.EventActivated) {
		h.at.active = row.Activated
	}
	if e.To.Ended() && h.at.released.IsZero() && !has(lifecycle.EventNameReleased) {
		h.at.released = row.NameReleased // a file may say that it is free
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
