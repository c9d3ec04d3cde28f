package lifecycle

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What holds for every record, policy and instant. Each law is a function of rapid's, so that FuzzEvaluate can run them all.

func TestSecondEvaluateFindsNothing(t *testing.T) { rapid.Check(t, secondEvaluateFindsNothing) }

func secondEvaluateFindsNothing(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	now := someInstant(&r, p, r.Modified).Draw(t, "now")

	first := Evaluate(r, p, now)
	second := Evaluate(first.Record, p, now)

	require.True(t, second.Empty())
	require.Equal(t, first.Record, second.Record)
	require.Equal(t, first.Next, second.Next)
}

func TestDowntimeChangesOnlyWhenThingsAreRecorded(t *testing.T) {
	rapid.Check(t, downtimeChangesOnlyWhenThingsAreRecorded)
}

func downtimeChangesOnlyWhenThingsAreRecorded(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	sweeps := someInstants(t, 3, &r, p)

	often := life{record: r, policy: p}
	for _, now := range sweeps {
		often.sweep(now)
	}
	once := life{record: r, policy: p}
	once.sweep(sweeps[2])

	require.Equal(t, settled(once.record), settled(often.record))
	require.Equal(t, steps(once.changes), steps(often.changes))
	require.Equal(t, news(once.notices), news(often.notices))
	if !once.record.Status.Ended() && once.record.Status != Expiring {
		// Warnings apart means: of an end that has come. While it has not, they come to the same, too.
		require.Equal(t, once.record, often.record)
	}
}

func TestNothingLeadsOutOfExpiredOrTerminated(t *testing.T) {
	rapid.Check(t, nothingLeadsOutOfExpiredOrTerminated)
}

func nothingLeadsOutOfExpiredOrTerminated(t *rapid.T) {
	l := someLife(t)
	for _, c := range l.changes {
		require.False(t, c.From.Ended() && c.To != c.From, "%s led from %s to %s", c.Type, c.From, c.To)
	}
}

func TestEffectiveInstantsNeverDecreaseAndNeverLieAhead(t *testing.T) {
	rapid.Check(t, effectiveInstantsNeverDecreaseAndNeverLieAhead)
}

func effectiveInstantsNeverDecreaseAndNeverLieAhead(t *rapid.T) {
	l := someLife(t)
	for i, c := range l.changes {
		require.False(t, c.Effective.After(l.recorded[i]), "%s takes effect after it is recorded", c.Type)
		require.False(t, i > 0 && c.Effective.Before(l.changes[i-1].Effective), "%s takes effect before the step it follows", c.Type)
		require.False(t, l.record.Modified.Before(c.Effective), "the record was last modified before %s", c.Type)
	}
}

func TestEveryStepFollowsALineOfTransitions(t *testing.T) {
	rapid.Check(t, everyStepFollowsALineOfTransitions)
}

func everyStepFollowsALineOfTransitions(t *rapid.T) {
	l := someLife(t)
	status := l.born.Status
	for _, c := range l.changes {
		require.Equal(t, status, c.From, "%s begins where no step led", c.Type)
		status = c.To
		require.True(t, slices.ContainsFunc(Transitions, func(line Transition) bool { return partOf(&c, &line) }), "%+v is in no line", c)
	}
	require.Equal(t, status, l.record.Status)
}

// partOf says whether a step is a line of the table, or goes a part of its way: to a status that it passes through, or on from there.
func partOf(c *Change, line *Transition) bool {
	if line.Rule != c.Rule || line.Reason != c.Reason || !slices.Contains(line.By, c.Actor) {
		return false
	}
	whole := line.From == c.From && line.To == c.To && line.Event == c.Type
	there := line.From == c.From && slices.Contains(line.Via, c.To) && passing[c.To] == c.Type
	onward := slices.Contains(line.Via, c.From) && line.To == c.To && line.Event == c.Type
	return whole || there || onward
}

func TestAccessIsTakenAwayBeforeTheStatusSaysEnded(t *testing.T) {
	rapid.Check(t, accessIsTakenAwayBeforeTheStatusSaysEnded)
}

func accessIsTakenAwayBeforeTheStatusSaysEnded(t *rapid.T) {
	l := someLife(t)
	had := l.born.Assigned > 0
	for i, c := range l.changes {
		if !c.To.Ended() || c.From.Ended() || !had {
			continue
		}
		require.True(t, c.From.Passing(), "%s ended it with access to take away", c.Type)
		require.True(t, i == 0 || l.changes[i-1].To == c.From)
	}
	if l.record.Status.Ended() {
		require.True(t, !had || l.record.Assigned == 0 || l.born.Status.Ended())
	}
}

func TestAnotherSystemIsWaitedForAndCostsNobodyTime(t *testing.T) {
	rapid.Check(t, anotherSystemIsWaitedForAndCostsNobodyTime)
}

// Whether tenure keeps the books of access alone, or another system takes its time, comes to the same record in the end.
func anotherSystemIsWaitedForAndCostsNobodyTime(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	alone, external := *p, *p
	alone.Provisioning.External, external.Provisioning.External = false, true
	r.Status, r.Approved = rapid.SampledFrom([]Status{ApprovalPending, Active}).Draw(t, "status"), time.Time{}
	if r.Status == Active && r.End.IsZero() || r.Locked.IsZero() {
		t.Skip("not a record of this status")
	}
	if r.Status == ApprovalPending {
		r.Activated, r.End, r.WarnAfter, r.Assigned, r.NameReleased = time.Time{}, time.Time{}, time.Time{}, 0, time.Time{}
	}
	r.NameReleased = time.Time{}
	acted := someInstant(&r, p, r.Modified).Draw(t, "acted")
	later := acted.Add(rapid.SampledFrom(someWaits).Draw(t, "wait"))
	kind, by := Terminate, Partner
	if r.Status == ApprovalPending {
		kind, by = Approve, Customer
	}

	at1, at2 := life{record: r, policy: &alone}, life{record: r, policy: &external}
	require.Equal(t, at1.act(Action{Kind: kind, By: by}, acted) == nil, at2.act(Action{Kind: kind, By: by}, acted) == nil)
	at1.sweep(later)
	at2.sweep(later)
	for range 5 { // what is completed may call for more
		_ = at2.act(Action{Kind: CompleteProvisioning, By: Provisioner}, later)
	}

	want, got := at1.record, at2.record
	got.Version, got.WarnAfter, got.Approved = want.Version, want.WarnAfter, want.Approved
	require.Equal(t, want, got)
	ends := func(l *life) (ends []Change) {
		for _, c := range l.changes {
			if c.To == Active || c.To.Ended() {
				c.Version, c.From, c.Rule, c.Actor, c.Type = 0, "", "", "", ""
				ends = append(ends, c)
			}
		}
		return ends
	}
	require.Equal(t, ends(&at1), ends(&at2))
	require.Equal(t, len(news(at1.notices)), len(news(at2.notices)))
}

func TestVersionsGrowByOneWithEachStep(t *testing.T) { rapid.Check(t, versionsGrowByOneWithEachStep) }

func versionsGrowByOneWithEachStep(t *rapid.T) {
	l := someLife(t)
	var versions []int64 // of the steps: the changes, and the warnings, which are steps without an event
	for _, c := range l.changes {
		versions = append(versions, c.Version)
	}
	for _, n := range l.notices {
		if n.Kind == KindWarnExpiry {
			versions = append(versions, n.Version)
		} else {
			require.Contains(t, versions, n.Version, "a notice of %s tells of no step", n.Kind)
		}
	}
	slices.Sort(versions)
	for i, v := range versions {
		require.Equal(t, l.born.Version+int64(i)+1, v)
	}
	require.Equal(t, l.born.Version+int64(len(versions)), l.record.Version)
}

func TestEachStageOfAnEndIsWarnedOfOnce(t *testing.T) { rapid.Check(t, eachStageOfAnEndIsWarnedOfOnce) }

func eachStageOfAnEndIsWarnedOfOnce(t *rapid.T) {
	l := someLife(t)
	type warning struct {
		end   time.Time
		stage Period
	}
	recorded, sent := map[warning]bool{}, map[time.Time]bool{}
	for i, n := range l.notices {
		if n.Kind != KindWarnExpiry {
			continue
		}
		w := warning{n.End, n.Stage}
		require.False(t, recorded[w], "the end %s was warned of twice at %s", n.End, n.Stage)
		recorded[w] = true
		require.Equal(t, n.Stage.Before(n.End), n.Due)
		require.True(t, l.told[i].Before(n.End), "a warning came when the end had come")
		if n.Status == NoticeQueued {
			require.False(t, sent[l.told[i]], "somebody got two warnings at once")
			sent[l.told[i]] = true
		} else {
			require.Equal(t, NoticeSuperseded, n.Status, "a warning is sent or superseded, never %s", n.Reason)
		}
	}
}

func TestNewsOfTheLatestStepIsNotOutdatedAtOnce(t *testing.T) {
	rapid.Check(t, newsOfTheLatestStepIsNotOutdatedAtOnce)
}

// Where nothing is ever sent, storage counts such news as sent without another look at the record.
func newsOfTheLatestStepIsNotOutdatedAtOnce(t *rapid.T) {
	l := someLife(t)
	now := someInstant(&l.record, l.policy, l.record.Modified).Draw(t, "last")
	d, err := Evaluate(l.record, l.policy, now), error(nil)
	if rapid.Bool().Draw(t, "acts") {
		d, err = Act(l.record, l.policy, someAction.Draw(t, "last action"), now)
	}
	if err != nil {
		return
	}
	for _, n := range d.Notices {
		if n.Status == NoticeQueued && n.Version == d.Record.Version {
			status, reason := d.Record.Outdated(n.Kind, n.End, n.Due, d.Recorded)
			require.Empty(t, status, "%s: %s", n.Kind, reason)
		}
	}
}

func TestNextIsTheFirstInstantAtWhichSomethingHappens(t *testing.T) {
	rapid.Check(t, nextIsTheFirstInstantAtWhichSomethingHappens)
}

func nextIsTheFirstInstantAtWhichSomethingHappens(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	now := someInstant(&r, p, r.Modified).Draw(t, "now")
	d := Evaluate(r, p, now)
	require.Equal(t, d.Next, NextTimer(&d.Record, p))
	if d.Next == (Timer{}) {
		never := Evaluate(d.Record, p, at(farFuture))
		require.True(t, never.Empty(), "no timer was announced, and yet something happens")
		return
	}
	require.True(t, d.Next.At.After(now), "after an unrestricted look the next timer is due already")

	before := Evaluate(d.Record, p, d.Next.At.Add(-microsecond))
	require.True(t, before.Empty(), "something happens before the next timer")
	require.Equal(t, d.Next, before.Next)

	then := Evaluate(d.Record, p, d.Next.At)
	require.False(t, then.Empty(), "nothing happens at the next timer")
	if len(then.Changes) > 0 {
		require.Equal(t, d.Next, Timer{then.Changes[0].Rule, then.Changes[0].Effective})
	} else {
		require.Equal(t, d.Next, Timer{WarnExpiry, then.Notices[0].Due})
	}
}

func TestRulesMayBeSweptOneByOneInAnyOrder(t *testing.T) {
	rapid.Check(t, rulesMayBeSweptOneByOneInAnyOrder)
}

func rulesMayBeSweptOneByOneInAnyOrder(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	now := someInstant(&r, p, r.Modified).Draw(t, "now")

	parts := life{record: r, policy: p}
	for range rapid.IntRange(0, 6).Draw(t, "sweeps") {
		only := rapid.SliceOfNDistinct(rapid.SampledFrom(RuleNames()), 1, len(Rules), rapid.ID).Draw(t, "only")
		d := parts.sweep(now, only...)
		for _, c := range d.Changes {
			require.Contains(t, only, c.Rule, "a rule fired that was not asked for")
		}
		require.True(t, d.Next == (Timer{}) || d.Next.At.After(now) || !slices.Contains(only, d.Next.Rule), "it stopped at a rule that was asked for")
	}
	parts.sweep(now)
	whole := life{record: r, policy: p}
	whole.sweep(now)

	require.Equal(t, whole, parts)
}

func TestScanForFindsWhateverASweepWouldChange(t *testing.T) {
	rapid.Check(t, scanForFindsWhateverASweepWouldChange)
}

// What is stored beside a record is its next timer as of the last look. A sweep for some rules at a later instant reads the
// records by that, so it must find all that it would change.
func scanForFindsWhateverASweepWouldChange(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	looks := someInstants(t, 2, &r, p)
	d := Evaluate(r, p, looks[0])
	only := rapid.SliceOfDistinct(rapid.SampledFrom(RuleNames()), rapid.ID).Draw(t, "only")

	swept := Evaluate(d.Record, p, looks[1], only...)
	if !swept.Empty() {
		require.Contains(t, ScanFor(only), d.Next.Rule)
		require.False(t, d.Next.At.After(looks[1]))
	}
}

func TestRefusalChangesNothing(t *testing.T) { rapid.Check(t, refusalChangesNothing) }

func refusalChangesNothing(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	a := someAction.Draw(t, "action")
	now := someInstant(&r, p, r.Modified).Draw(t, "now")
	roles := slices.Clone(r.Roles)

	d, err := Act(r, p, a, now)

	require.Equal(t, roles, r.Roles, "the caller's own roles were changed")
	settled := Evaluate(r, p, now)
	allowed := slices.Contains(AllowedActions(&settled.Record, a.Standing, a.By), a.Kind)
	require.Equal(t, allowed, err == nil, "AllowedActions and Act disagree: %v", err)
	if err == nil {
		return
	}
	require.True(t, d.Empty())
	require.Equal(t, r, d.Record)
	require.ErrorIs(t, err, ErrRefused)
	var refusal *Refusal
	require.True(t, errors.As(err, &refusal))
	require.Equal(t, settled.Record.Status, refusal.Status)
	require.NotEmpty(t, refusal.Why)
}

func TestActionDoesNotDependOnHowOftenSweepsRan(t *testing.T) {
	rapid.Check(t, actionDoesNotDependOnHowOftenSweepsRan)
}

func actionDoesNotDependOnHowOftenSweepsRan(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	a := someAction.Draw(t, "action")
	instants := someInstants(t, 3, &r, p)
	now := instants[2]

	swept := life{record: r, policy: p}
	for _, earlier := range instants[:2] {
		swept.sweep(earlier)
	}
	sweptErr := swept.act(a, now)
	unswept := life{record: r, policy: p}
	unsweptErr := unswept.act(a, now)

	require.Equal(t, unsweptErr, sweptErr)
	if unsweptErr == nil {
		require.Equal(t, settled(unswept.record), settled(swept.record))
		require.Equal(t, steps(unswept.changes), steps(swept.changes))
		require.Equal(t, news(unswept.notices), news(swept.notices))
	}
}

func TestAfterAnActionNothingIsDue(t *testing.T) { rapid.Check(t, afterAnActionNothingIsDue) }

func afterAnActionNothingIsDue(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	now := someInstant(&r, p, r.Modified).Draw(t, "now")
	a := someAction.Draw(t, "action")
	d, err := Act(r, p, a, now)
	if err != nil {
		return
	}
	again := Evaluate(d.Record, p, now)
	require.True(t, again.Empty())
	require.Equal(t, again.Next, d.Next)
}

// A life is one record on its way, with everything that came of it.
type life struct {
	policy   *Policy
	born     Record // as it was at first
	record   Record // as it is now
	changes  []Change
	recorded []time.Time // of each change
	notices  []Notice
	told     []time.Time // of each notice
}

func (l *life) take(d Decision) Decision {
	l.record = d.Record
	l.changes = append(l.changes, d.Changes...)
	for range d.Changes {
		l.recorded = append(l.recorded, d.Recorded)
	}
	l.notices = append(l.notices, d.Notices...)
	for range d.Notices {
		l.told = append(l.told, d.Recorded)
	}
	return d
}

func (l *life) sweep(now time.Time, only ...RuleName) Decision {
	return l.take(Evaluate(l.record, l.policy, now, only...))
}

func (l *life) act(a Action, now time.Time) error {
	d, err := Act(l.record, l.policy, a, now)
	if err == nil {
		l.take(d)
	}
	return err
}

func someRecordAndPolicy(t *rapid.T) (Record, *Policy) {
	p := somePolicy.Draw(t, "policy")
	return someRecord(p).Draw(t, "record"), p
}

// someLife is one of sweeps and actions in turn, ever later.
func someLife(t *rapid.T) *life {
	r, p := someRecordAndPolicy(t)
	l := &life{record: r, born: r, policy: p}
	now := r.Modified
	for range rapid.IntRange(1, 10).Draw(t, "steps") {
		now = someInstant(&l.record, p, now).Draw(t, "now")
		switch rapid.IntRange(0, 3).Draw(t, "deed") {
		case 0, 1:
			l.sweep(now)
		case 2:
			l.sweep(now, rapid.SampledFrom(RuleNames()).Draw(t, "only"))
		case 3:
			// A refusal is an answer, too; half of the time something lawful is asked for.
			a := someAction.Draw(t, "action")
			if lawful := AllowedActions(&l.record, a.Standing, a.By); len(lawful) > 0 && rapid.Bool().Draw(t, "lawful") {
				a.Kind = rapid.SampledFrom(lawful).Draw(t, "kind")
			}
			_ = l.act(a, now)
		}
	}
	return l
}

// settled is a record without what warnings leave on it.
func settled(r Record) Record {
	r.Version, r.WarnAfter = 0, time.Time{}
	return r
}

// steps are changes without their versions, which count the warnings in between, too.
func steps(changes []Change) []Change {
	bare := slices.Clone(changes)
	for i := range bare {
		bare[i].Version = 0
	}
	return bare
}

// news are the notices of changes, without what depends on when they were recorded.
func news(notices []Notice) []Notice {
	var bare []Notice
	for _, n := range notices {
		if n.Kind != KindWarnExpiry {
			n.Version, n.Status, n.Reason, n.DailyAt, n.WeeklyAt = 0, "", "", time.Time{}, time.Time{} // depend on when it is recorded
			bare = append(bare, n)
		}
	}
	return bare
}
