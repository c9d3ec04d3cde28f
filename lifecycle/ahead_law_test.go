package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A step as everybody must see it, however late it was recorded.
type seenStep struct {
	Version   int64
	Type      EventType
	Rule      RuleName
	Effective time.Time
	From, To  Status
	End       time.Time
}

func seenSteps(changes []Change) (seen []seenStep) {
	for _, c := range changes {
		seen = append(seen, seenStep{c.Version, c.Type, c.Rule, c.Effective, c.From, c.To, c.End})
	}
	return seen
}

// What lies ahead is what then happens: sweeps at whatever moments, each rule in a sweep of its own, record the same changes.
func TestWhatLiesAheadIsWhatSweepsThenRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePolicy.Draw(t, "policy")
		r := someRecord(p).Draw(t, "record")
		instants := someInstants(t, 6, &r, p)
		now, until := instants[0], instants[len(instants)-1]

		var foreseen []seenStep
		for d := range Ahead(r, p, now, until) {
			foreseen = append(foreseen, withoutVersions(seenSteps(d.Changes))...)
		}
		var recorded []seenStep
		rules := rapid.Permutation(RuleNames()).Draw(t, "rules")
		for _, at := range instants {
			for changed := true; changed; { // until none of the sweeps finds anything
				changed = false
				for _, rule := range rules {
					d := Evaluate(r, p, at, rule)
					recorded = append(recorded, withoutVersions(seenSteps(d.Changes))...)
					changed = changed || !d.Empty()
					r = d.Record
				}
			}
		}
		require.Equal(t, foreseen, recorded)
	})
}

// withoutVersions leaves out what late warnings count otherwise: one that is skipped has no version.
func withoutVersions(steps []seenStep) []seenStep {
	for i := range steps {
		steps[i].Version = 0
	}
	return steps
}

// Where nobody is late, the notices are the same too, to the last addressee.
func TestNoticesAheadAreThoseOfSweepsThatAreNeverLate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePolicy.Draw(t, "policy")
		r := someRecord(p).Draw(t, "record")
		instants := someInstants(t, 2, &r, p)
		now, until := instants[0], instants[1]

		var foreseen []Notice
		var steps []seenStep
		for d := range Ahead(r, p, now, until) {
			foreseen, steps = append(foreseen, d.Notices...), append(steps, seenSteps(d.Changes)...)
		}
		var told []Notice
		var recorded []seenStep
		for at := now; !at.After(until); {
			d := Evaluate(r, p, at)
			told, recorded = append(told, d.Notices...), append(recorded, seenSteps(d.Changes)...)
			r = d.Record
			next := NextTimer(&r, p).At // a sweep that looks in vain in between changes nothing; the next one that does is here
			if next.IsZero() || !next.After(at) {
				break
			}
			at = next
		}
		require.Equal(t, foreseen, told)
		require.Equal(t, steps, recorded)
	})
}

// A rule that is paused, or not asked for, stops what comes after it; a pause of the warnings does not stop the end.
func TestPausedWarningsDoNotStopTheEnd(t *testing.T) {
	p := DefaultPolicy()
	r := contoso()
	r.Stayed = []RuleName{WarnExpiry}
	var rules []RuleName
	for d := range Ahead(r, p, r.Activated, farAfter(r.End)) {
		require.Empty(t, noticesOf(d, KindWarnExpiry))
		for _, c := range d.Changes {
			rules = append(rules, c.Rule)
		}
	}
	require.Equal(t, []RuleName{EndTerm, ReleaseName}, rules)

	r.Stayed, rules = nil, nil
	for d := range Ahead(r, p, r.Activated, farAfter(r.End), EndTerm) {
		for _, c := range d.Changes {
			rules = append(rules, c.Rule)
		}
	}
	require.Equal(t, []RuleName{EndTerm}, rules, "warnings that nobody asks for do not stop it either")
}

func farAfter(t time.Time) time.Time { return t.Add(1000 * Day) }

func noticesOf(d Decision, kind NoticeKind) (found []Notice) {
	for _, n := range d.Notices {
		if n.Kind == kind {
			found = append(found, n)
		}
	}
	return found
}

func TestWhatIsRecordedLaterIsDecidedAsOfThePlanAndToldAsOfNow(t *testing.T) {
	p := DefaultPolicy()
	r := contoso()
	by, now := r.End.Add(time.Hour), r.End.Add(400*Day)
	d := EvaluateBy(r, p, by, now)
	require.Len(t, d.Changes, 1, "that the name's year is over, too, is for the next sweep")
	require.Equal(t, r.End, d.Changes[0].Effective)
	require.Equal(t, now, d.Recorded)
	require.Equal(t, NoticeSuppressed, d.Notices[0].Status)
	require.Equal(t, Stale, d.Notices[0].Reason)
	require.Equal(t, p.Notices.Digests.WaitsUntil(DailyDigest, &d.Notices[0], now), d.Notices[0].DailyAt)
	require.Equal(t, Evaluate(r, p, by), EvaluateBy(r, p, by, by))
}

// However many records a Lookout has looked ahead for, it sees of the next what anybody sees.
func TestALookoutSeesOfEachRecordWhatThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePolicy.Draw(t, "policy")
		var l Lookout
		for range 3 {
			r := someRecord(p).Draw(t, "record")
			instants := someInstants(t, 2, &r, p)
			var want, got []Decision
			for d := range Ahead(r, p, instants[0], instants[1]) {
				want = append(want, d)
			}
			for d := range l.Ahead(&r, p, instants[0], instants[1]) {
				got = append(got, kept(d))
			}
			require.Equal(t, want, got)
		}
	})
}

// kept is a decision in memory of its own.
func kept(d *Decision) Decision {
	own := *d
	own.Changes, own.Notices = slices.Clone(d.Changes), slices.Clone(d.Notices)
	if len(own.Changes) == 0 {
		own.Changes = nil
	}
	if len(own.Notices) == 0 {
		own.Notices = nil
	}
	for i := range own.Notices {
		own.Notices[i].To = slices.Clone(own.Notices[i].To)
	}
	return own
}
