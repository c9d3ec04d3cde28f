package outlook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Drift is how reality differs from what a plan was made from.
type Drift struct {
	ID      string
	Planned string // what the plan says
	Found   string // what is
}

// A Checked is an entry of a plan held against the record as it is.
type Checked struct {
	Decided lifecycle.Decided // to be written, where nothing stands against it
	Applied bool              // the record is as the plan leaves it: there is nothing to do any more
	Drift   *Drift            // nil: none
}

// Check holds an entry against the record as it is now, nil where there is none. Deciding anew must lead to the very same.
func (h *Header) Check(e *Entry, stored *lifecycle.Stored, p *lifecycle.Policy, now time.Time) Checked {
	drift := func(planned, format string, found ...any) Checked {
		return Checked{Drift: &Drift{e.ID, planned, fmt.Sprintf(format, found...)}}
	}
	version := fmt.Sprintf("version %d", e.Version)
	switch {
	case stored == nil:
		return drift(version, "there is no such relationship")
	case stored.Key != e.Key:
		return drift(version, "another relationship has the id")
	case stored.Version == e.Then.Version && stored.Fingerprint() == e.Then.Fingerprint:
		return Checked{Applied: true}
	case stored.Version != e.Version:
		return drift(version, "version %d, %s", stored.Version, stored.Status)
	case stored.Fingerprint() != e.Fingerprint:
		return drift(version+" as it was", "version %d with another content, which no event explains", stored.Version)
	}
	for _, rule := range stored.Stayed {
		if slices.ContainsFunc(e.Steps, func(s EntryStep) bool { return s.Rule == rule }) || rule == lifecycle.WarnExpiry && len(e.Steps) == 0 {
			return drift(e.said(), "%s is on hold", rule)
		}
	}
	d := lifecycle.EvaluateBy(stored.Record, p, h.Until, now, h.Rules...)
	anew := EntryOf(stored, &d)
	if !anew.same(e) {
		return drift(e.said(), "the timers call for %s", anew.said())
	}
	return Checked{Decided: lifecycle.Decided{Key: stored.Key, Version: stored.Version, Decision: d}}
}

// same compares as the file does: instants by what they say.
func (e *Entry) same(other *Entry) bool {
	a, errA := json.Marshal(e)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// said says in a line what an entry does.
func (e *Entry) said() string {
	var parts []string
	for _, step := range e.Steps {
		parts = append(parts, fmt.Sprintf("%s at %s", step.Type, lifecycle.FormatInstant(step.Effective)))
	}
	for _, n := range e.Notices {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("notice %s %s to %s", n.Kind, n.Stage, addressees(n.To))))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func addressees(to []EntryAddressee) string {
	if len(to) == 0 {
		return "nobody"
	}
	var parts []string
	for _, a := range to {
		switch {
		case a.Channel == "":
			parts = append(parts, "nobody")
		case a.Endpoint:
			parts = append(parts, a.Channel)
		default:
			parts = append(parts, string(a.Role)+" on "+a.Channel)
		}
	}
	return strings.Join(parts, " and ")
}
