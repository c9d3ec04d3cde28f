package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// books judges what is said of the deployment as a whole. What excuses that something has not happened was ordered by somebody, and
// of each order there is an event.
func (a *auditor) books() {
	a.summary.Orders = a.Orders
	for _, guard := range a.MissingGuards {
		a.report(Finding{Kind: MissingKey, Text: guard + " is missing in the database"})
	}
	for _, id := range a.RepeatedIDs {
		a.report(Finding{Kind: Duplicate, RelationshipID: id, Text: "two relationships have this id"})
	}
	if want := a.NextOrder - 1; a.NextOrder > 0 && (a.Orders != want || a.LowestOrder != -want) {
		a.report(wrong(OrderMissing, "refusals and orders are numbered without a gap, and there are others than were written", want, a.Orders))
	}
	a.paused()
	for i := range a.Holds {
		a.ordered(&a.Holds[i])
	}
	for i := range a.Placed {
		e := &a.Placed[i]
		if (e.Type == lifecycle.EventHoldPlaced || e.Type == lifecycle.EventHoldReleased) && !slices.ContainsFunc(a.Holds, func(h lifecycle.Hold) bool { return number(&h) == e.Action }) {
			a.report(wrong(Holds, fmt.Sprintf("%s was noted of hold %s, and there is no such hold", e.Type, e.Action), e.Subject, "nothing"))
		}
	}
	a.set()
	for i := range a.Sweeps {
		a.waited(&a.Sweeps[i])
	}
}

// waited holds that the history tells of a sweep's being held and ruled on: it excuses that nothing has happened.
func (a *auditor) waited(s *lifecycle.Sweep) {
	about := func(e *lifecycle.Event) bool { return e.Subject == strconv.FormatInt(s.ID, 10) }
	if s.State == lifecycle.SweepHeld && !slices.ContainsFunc(a.Placed, func(e lifecycle.Event) bool { return e.Type == lifecycle.EventSweepHeld && about(&e) }) {
		a.report(Finding{Kind: Holds, Text: fmt.Sprintf("that sweep %d is held is not noted in the history", s.ID)})
	}
	if r := s.Ruling; r != nil && a.noted(lifecycle.EventSweepApproved, r.At, about)+a.noted(lifecycle.EventSweepRejected, r.At, about) == 0 {
		a.report(Finding{Kind: Holds, Text: fmt.Sprintf("that sweep %d was ruled on at %s is not noted in the history", s.ID, say(r.At))})
	}
}

// set holds that the policies that are kept are those of which the history says that they were set, word for word.
func (a *auditor) set() {
	noted := func(p *lifecycle.PolicyInForce, e *lifecycle.Event) bool {
		return e.Subject == p.Mark && e.Recorded.Equal(p.SetAt) && (e.Action == "" || e.Action == p.Digest)
	}
	for i := range a.Policies {
		p := &a.Policies[i]
		if a.noted(lifecycle.EventPolicySet, p.SetAt, func(e *lifecycle.Event) bool { return noted(p, e) }) == 0 {
			a.report(Finding{Kind: Holds, Text: fmt.Sprintf("that policy %d, as it is kept, was set at %s is not noted in the history", p.ID, say(p.SetAt))})
		}
	}
	for i := range a.Placed {
		if e := &a.Placed[i]; e.Type == lifecycle.EventPolicySet && !slices.ContainsFunc(a.Policies, func(p lifecycle.PolicyInForce) bool { return noted(&p, e) }) {
			a.report(Finding{Kind: Holds, Text: fmt.Sprintf("the history says that a policy was set at %s, and it is not kept", say(e.Recorded))})
		}
	}
}

func number(h *lifecycle.Hold) string { return strconv.FormatInt(h.ID, 10) }

// noted counts the orders of a type that were recorded at an instant and fit.
func (a *auditor) noted(order lifecycle.EventType, at time.Time, fits func(*lifecycle.Event) bool) (n int) {
	for i := range a.Placed {
		if e := &a.Placed[i]; e.Type == order && e.Recorded.Equal(at) && fits(e) {
			n++
		}
	}
	return n
}

// said says whether the event names the one who gave the order, and why.
func said(e *lifecycle.Event, by, why string) bool {
	caller := ""
	if e.By != nil {
		caller = e.By.Name
	}
	begins, shortened := strings.CutSuffix(e.Detail, "…") // an event keeps no more than so much
	return caller == by && (e.Detail == why || shortened && strings.HasPrefix(why, begins))
}

// ordered holds that the history tells of a hold's being placed and released, by whom and why.
func (a *auditor) ordered(h *lifecycle.Hold) {
	of := func(e *lifecycle.Event) bool {
		return e.Action == number(h) && e.Subject == h.About() && e.Reason == h.Cause
	}
	placed := func(e *lifecycle.Event) bool { return of(e) && said(e, h.PlacedBy, h.Note) }
	released := func(e *lifecycle.Event) bool { return of(e) && said(e, h.ReleasedBy, h.ReleaseNote) }
	if a.noted(lifecycle.EventHoldPlaced, h.PlacedAt, placed) != 1 {
		a.report(Finding{Kind: Holds, Text: fmt.Sprintf("that hold %d of %s %s was placed at %s is not noted in the history, or more than once", h.ID, h.Kind, h.Subject, say(h.PlacedAt))})
	}
	if !h.ReleasedAt.IsZero() && a.noted(lifecycle.EventHoldReleased, h.ReleasedAt, released) != 1 {
		a.report(Finding{Kind: Holds, Text: fmt.Sprintf("that hold %d of %s %s was released at %s is not noted in the history, or more than once", h.ID, h.Kind, h.Subject, say(h.ReleasedAt))})
	}
}

// paused holds that the rules that are noted as paused are those that holds say, and that nothing is held twice.
func (a *auditor) paused() {
	seen, everything := map[string]bool{}, false
	for i := range a.Holds {
		h := &a.Holds[i]
		if !h.ReleasedAt.IsZero() {
			continue
		}
		everything = everything || h.Kind == lifecycle.HoldEverything
		key := string(h.Kind) + " " + h.Subject
		if seen[key] {
			a.report(Finding{Kind: Holds, Text: key + " is held twice"})
		}
		seen[key] = true
	}
	var rules []string
	for _, rule := range lifecycle.RuleNames() {
		if seen[string(lifecycle.HoldRule)+" "+string(rule)] {
			rules = append(rules, string(rule))
		}
	}
	if everything {
		rules = []string{"*"}
	}
	slices.Sort(rules)
	if noted := slices.Sorted(strings.FieldsSeq(a.Paused)); !slices.Equal(rules, noted) {
		a.report(wrong(Holds, "other rules are noted as paused than the holds in force say", orNone(strings.Join(rules, " ")), orNone(a.Paused)))
	}
}
