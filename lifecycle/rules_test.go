package lifecycle

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestZeroDecisionAsksForNothing(t *testing.T) {
	var d Decision
	require.True(t, d.Empty())
	require.Zero(t, d.Next)
	require.Zero(t, d.Lateness())
}

func TestZeroRecordIsLeftAlone(t *testing.T) {
	d := Evaluate(Record{}, DefaultPolicy(), at(farFuture))
	require.True(t, d.Empty())
	require.Zero(t, d.Next)
}

func TestZeroPolicyLeavesOnlyTheEndThatWasAgreedOn(t *testing.T) {
	for _, r := range []Record{contoso(created), contoso(pending), contoso(expired), contoso(extending)} {
		d := Evaluate(r, &Policy{}, at(farFuture))
		require.True(t, d.Empty(), r.Status)
		require.Zero(t, d.Next, r.Status)
	}
	d := Evaluate(contoso(), &Policy{}, at(farFuture))
	require.Equal(t, Expired, d.Record.Status)
	require.Equal(t, NoticeQueued, d.Notices[0].Status, "nothing is ever stale")
}

func TestStatusesWithoutATimerAreLeftAlone(t *testing.T) {
	for _, s := range append([]Status{Created, "unheardOf", ""}, waitingStatuses...) {
		d := Evaluate(contoso(func(r *Record) { r.Status = s }), DefaultPolicy(), at(farFuture))
		require.True(t, d.Empty(), s)
		require.Zero(t, d.Next, s)
	}
}

func TestRequestWithoutALockNeverLapses(t *testing.T) {
	d := Evaluate(contoso(pending, func(r *Record) { r.Locked = time.Time{} }), DefaultPolicy(), at(farFuture))
	require.True(t, d.Empty())
}

func TestActiveRecordWithoutAnEndNeverEnds(t *testing.T) {
	for _, r := range []Record{contoso(ending(time.Time{})), contoso(ending(time.Time{}), extending)} {
		require.True(t, ptr(Evaluate(r, DefaultPolicy(), at(farFuture))).Empty())
	}
}

// ptr is for methods that want one.
func ptr[T any](v T) *T { return &v }

func TestOfTwoStagesAtOneMomentOneIsSent(t *testing.T) {
	p := DefaultPolicy()
	p.Warnings.Before = periods("P30D", "P1M")
	r := contoso(ending(at("2026-07-30T10:00:00Z"))) // both moments are 30 June 10:00
	d := Evaluate(r, p, at("2026-07-01T00:00:00Z"))
	require.Len(t, d.Notices, 1)
	require.Equal(t, Days(30), d.Notices[0].Stage, "the first in the policy")
}

func TestEvaluateLeavesItsArgumentAlone(t *testing.T) {
	r := contoso()
	was := contoso()
	Evaluate(r, DefaultPolicy(), at(farFuture))
	require.Equal(t, was, r)
}

func TestLatenessIsThatOfTheOldestChange(t *testing.T) {
	d := Evaluate(contoso(), DefaultPolicy(), at("2028-02-07T10:00:00Z")) // ended 396 days ago, name released 31 days ago
	require.Equal(t, 396*Day, d.Lateness())
}

func TestRulesHaveNamesOfTheirOwn(t *testing.T) {
	require.Equal(t, []RuleName{ExpirePending, WarnExpiry, AutoExtend, EndTerm, ReleaseName}, RuleNames())
	for i, n := range RuleNames() {
		require.True(t, n.Known())
		require.NotEmpty(t, Rules[i].Summary)
		require.True(t, Rules[i].YieldsTo == "" || Rules[i].YieldsTo.Known())
	}
	require.False(t, RuleName("").Known())
	require.False(t, RuleName("warn_expiry").Known())
}

func TestScanForAddsTheRulesThatYield(t *testing.T) {
	require.Equal(t, RuleNames(), ScanFor(nil))
	require.Equal(t, []RuleName{WarnExpiry, EndTerm}, ScanFor([]RuleName{EndTerm}))
	require.Equal(t, []RuleName{WarnExpiry}, ScanFor([]RuleName{WarnExpiry}))
	require.Equal(t, []RuleName{ExpirePending, ReleaseName}, ScanFor([]RuleName{ReleaseName, ExpirePending}))
	require.Equal(t, RuleNames(), ScanFor(RuleNames()))
	require.Empty(t, ScanFor([]RuleName{"unheardOf"}))
}

func TestSweepCoversWhatItFires(t *testing.T) {
	for _, c := range []struct {
		running, asked []RuleName
		want           bool
	}{
		{nil, nil, true},
		{nil, []RuleName{EndTerm}, true},
		{[]RuleName{EndTerm}, nil, false},
		{[]RuleName{EndTerm}, []RuleName{EndTerm}, true},
		{[]RuleName{EndTerm}, []RuleName{WarnExpiry}, false},
		{[]RuleName{EndTerm, WarnExpiry}, []RuleName{WarnExpiry}, true},
		{[]RuleName{EndTerm}, []RuleName{EndTerm, WarnExpiry}, false},
	} {
		require.Equal(t, c.want, (&Sweep{Rules: c.running}).Covers(c.asked), "%v covers %v", c.running, c.asked)
	}
}

func TestTallyAddsCountsAndKeepsTheGreatestLateness(t *testing.T) {
	sum := Tally{Found: 1, Changed: 2, Skipped: 3, Failed: 4, Notices: 5, Lateness: time.Hour}
	sum.Add(Tally{Found: 10, Changed: 20, Skipped: 30, Failed: 40, Notices: 50, Lateness: time.Minute})
	require.Equal(t, Tally{Found: 11, Changed: 22, Skipped: 33, Failed: 44, Notices: 55, Lateness: time.Hour}, sum)
}

func TestTransitionsUseEachWayOnce(t *testing.T) {
	type way struct {
		from   Status
		rule   RuleName
		action ActionKind
	}
	seen := map[way]bool{}
	for _, line := range Transitions {
		w := way{line.From, line.Rule, line.Action}
		require.False(t, seen[w], "%v is there twice", w)
		seen[w] = true
		require.NotEqual(t, line.Rule == "", line.Action == "", "either a timer or a person: %v", w)
		require.True(t, line.Rule == "" || line.Rule.Known())
		require.Equal(t, line.Rule != "", slices.Contains(line.By, System))
		require.False(t, line.From.Ended() && line.To != line.From)
		for _, s := range line.Via {
			require.True(t, s.Passing(), s)
		}
		for _, s := range append([]Status{line.From, line.To}, line.Via...) {
			require.True(t, s.Known())
		}
	}
	for i := range Rules {
		require.True(t, Rules[i].Name == WarnExpiry || slices.ContainsFunc(Transitions, func(line Transition) bool { return line.Rule == Rules[i].Name }))
	}
}

func TestContentIsFrozenFromTheLockOn(t *testing.T) {
	for _, s := range Statuses {
		require.Equal(t, s != Created, s.Locked(), s)
		require.True(t, s.Known())
	}
	require.False(t, Status("Active").Known())
}

func TestEndedIsTheEndOfWhatHasEnded(t *testing.T) {
	require.Zero(t, ptr(contoso()).Ended())
	for _, s := range endedStatuses {
		require.Equal(t, contoso().End, ptr(contoso(func(r *Record) { r.Status = s })).Ended())
	}
}

func TestAllowedActionsByStatusAndActor(t *testing.T) {
	terminated := func(r *Record) { r.Status = Terminated }
	waiting := func(r *Record) { r.Status = Activating }
	for _, c := range []struct {
		name   string
		record Record
		by     Actor
		want   []ActionKind
	}{
		{"created", contoso(created), Partner, []ActionKind{LockForApproval, Edit, Delete, SetAutoExtend}},
		{"created, Global Administrator", contoso(created, withGlobalAdministrator), Partner, []ActionKind{LockForApproval, Edit, Delete, SetAutoExtend, RemoveGlobalAdministrator}},
		{"created", contoso(created), Customer, nil},
		{"pending", contoso(pending), Partner, nil},
		{"pending", contoso(pending), Customer, []ActionKind{Approve, Reject}},
		{"active", contoso(), Partner, []ActionKind{SetAutoExtend, Terminate, Assign}},
		{"active, with access", contoso(func(r *Record) { r.Assigned = 1 }), Partner, []ActionKind{SetAutoExtend, Terminate, Assign, Reassign, Unassign}},
		{"active", contoso(), Customer, []ActionKind{SetAutoExtend, Terminate}},
		{"active, Global Administrator", contoso(withGlobalAdministrator), Partner, []ActionKind{RemoveGlobalAdministrator, Terminate, Assign}},
		{"active, Global Administrator", contoso(withGlobalAdministrator), Customer, []ActionKind{Terminate}},
		{"active", contoso(), System, nil},
		{"active", contoso(), Import, nil},
		{"active", contoso(), "", nil},
		{"activating", contoso(waiting), Partner, nil},
		{"activating", contoso(waiting), Provisioner, []ActionKind{CompleteProvisioning}},
		{"expired", contoso(expired), Partner, nil},
		{"terminated", contoso(terminated), Customer, nil},
	} {
		require.Equal(t, c.want, AllowedActions(&c.record, Authorized, c.by), "%s, by %s", c.name, c.by)
	}
}

func TestRefusalSaysWhyAndWhatIsPossibleInstead(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	for _, c := range []struct {
		record Record
		action Action
		want   string
	}{
		{contoso(), Action{Kind: Approve, By: Customer},
			"approve by customer refused: the relationship is active; possible now: setAutoExtend, terminate"},
		{contoso(withGlobalAdministrator), Action{Kind: SetAutoExtend, By: Partner, AutoExtend: true},
			"setAutoExtend by partner refused: it holds Global Administrator, and such a relationship is never extended; remove that role first; possible now: removeGlobalAdministrator, terminate, assignAccess"},
		{contoso(), Action{Kind: RemoveGlobalAdministrator, By: Partner},
			"removeGlobalAdministrator by partner refused: it does not hold Global Administrator; possible now: setAutoExtend, terminate, assignAccess"},
		{contoso(pending), Action{Kind: Terminate, By: Partner},
			"terminate by partner refused: the relationship is expired; nothing can be done with it any more"},
		{contoso(created), Action{Kind: Terminate, By: Customer},
			"terminate by customer refused: the relationship is created; the customer can do nothing with it now"},
		{contoso(), Action{Kind: Terminate, By: System},
			"terminate by system refused: while the relationship is active, this is not for the system; the system can do nothing with it now"},
		{contoso(), Action{Kind: SetAutoExtend, By: Partner, AutoExtend: true, Standing: Suspended},
			"setAutoExtend by partner refused: the partner is suspended; possible now: terminate"},
		{contoso(), Action{Kind: "extend", By: Partner},
			`extend by partner refused: the action "extend" is unknown; possible now: setAutoExtend, terminate, assignAccess`},
	} {
		_, err := Act(c.record, DefaultPolicy(), c.action, now)
		require.EqualError(t, err, c.want)
		require.ErrorIs(t, err, ErrRefused)
		require.NotErrorIs(t, err, ErrNotFound)
	}
}

func TestApprovalStartsTheTermAndItsWarnings(t *testing.T) {
	now := at("2026-02-01T00:00:00Z")
	d, err := Act(contoso(pending), DefaultPolicy(), Action{Kind: Approve, By: Customer}, now)
	require.NoError(t, err)
	require.Equal(t, contoso(pending, func(r *Record) {
		r.Status, r.Activated, r.WarnAfter, r.Modified, r.Version = Active, now, now, now, 3
		r.End = now.Add(365 * Day)
	}), d.Record)
}

func TestLockStartsTheTimeForApproval(t *testing.T) {
	now := at("2026-02-01T00:00:00Z")
	d, err := Act(contoso(created), DefaultPolicy(), Action{Kind: LockForApproval, By: Partner}, now)
	require.NoError(t, err)
	require.Equal(t, contoso(created, func(r *Record) {
		r.Status, r.Locked, r.Modified, r.Version = ApprovalPending, now, now, 2
	}), d.Record)
}

func TestExtensionMovesTheEndAndSettlesWarningsUpToTheOldOne(t *testing.T) {
	was := contoso(extending)
	d := Evaluate(was, DefaultPolicy(), was.End.Add(Day))
	require.Equal(t, contoso(extending, func(r *Record) {
		r.End, r.WarnAfter, r.Modified, r.Version = was.End.Add(180*Day), was.End, was.End, 4
	}), d.Record)

	imported := was.End.Add(10 * Day) // later than what is caught up with
	was.WarnAfter = imported
	d = Evaluate(was, DefaultPolicy(), imported)
	require.Equal(t, imported, d.Record.WarnAfter)
}

func TestLastModificationNeverGoesBack(t *testing.T) {
	later := contoso().End.Add(Day) // as a file from elsewhere may say
	d := Evaluate(contoso(func(r *Record) { r.Modified = later }), DefaultPolicy(), at("2027-02-01T00:00:00Z"))
	require.Equal(t, Expired, d.Record.Status)
	require.Equal(t, later, d.Record.Modified)
}

func TestActionForgetsTheTimerThatItMadePointless(t *testing.T) {
	p := DefaultPolicy()
	p.Names.HoldFor = Period{}
	d, err := Act(contoso(pending), p, Action{Kind: Reject, By: Customer}, at("2026-02-01T00:00:00Z"))
	require.NoError(t, err)
	require.Zero(t, d.Next)
}

func TestRemovingARoleLeavesTheCallersListAlone(t *testing.T) {
	roles := []string{GlobalAdministrator, helpdesk}
	r := contoso(func(r *Record) { r.Roles = roles })
	d, err := Act(r, DefaultPolicy(), Action{Kind: RemoveGlobalAdministrator, By: Partner}, at("2026-06-01T00:00:00Z"))
	require.NoError(t, err)
	require.Equal(t, []string{helpdesk}, d.Record.Roles)
	require.Equal(t, []string{GlobalAdministrator, helpdesk}, roles)
}

func TestWarningIsSentOnlyWhileItIsTrueAndTheLatest(t *testing.T) {
	end := contoso().End
	due := Days(7).Before(end)
	before := end.Add(-time.Microsecond)
	settled := func(until time.Time) func(*Record) { return func(r *Record) { r.WarnAfter = until } }
	for _, c := range []struct {
		name string
		r    Record
		kind NoticeKind
		end  time.Time
		now  time.Time
		want NoticeStatus
	}{
		{"it ends then", contoso(settled(due)), KindWarnExpiry, end, before, ""},
		{"it would extend, were it not for Global Administrator", contoso(extending, withGlobalAdministrator, settled(due)), KindWarnExpiry, end, before, ""},
		{"the end has moved", contoso(settled(due)), KindWarnExpiry, end.Add(Day), before, NoticeWithdrawn},
		{"it does not end any more", contoso(extending, settled(due)), KindWarnExpiry, end, before, NoticeWithdrawn},
		{"it has ended", contoso(expired, settled(due)), KindWarnExpiry, end, before, NoticeWithdrawn},
		{"a later stage has come", contoso(settled(Days(1).Before(end))), KindWarnExpiry, end, before, NoticeSuperseded},
		{"the end has come, though no sweep has seen it", contoso(settled(due)), KindWarnExpiry, end, end, NoticeWithdrawn},
		{"what has happened stays true", contoso(expired, settled(end)), KindTermEnded, end, before, ""},
	} {
		status, reason := c.r.Outdated(c.kind, c.end, due, c.now)
		require.Equal(t, c.want, status, c.name)
		require.Equal(t, status == "", reason == "", c.name)
	}
	over := contoso(expired, settled(due))
	_, reason := over.Outdated(KindWarnExpiry, end, due, end.Add(Day))
	require.Equal(t, EndPassed, reason, "nothing has moved: it was too late")
	_, reason = over.Outdated(KindWarnExpiry, end.Add(Day), due, end.Add(2*Day))
	require.Equal(t, EndMoved, reason)
}

func TestNoticeIDIsReadAsItIsWritten(t *testing.T) {
	for _, id := range []NoticeID{{1042, 7, 1}, {}, {1<<63 - 1, 1<<63 - 1, 1<<31 - 1}} {
		got, err := ParseNoticeID(id.String())
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
	require.Equal(t, "1042-7-1", NoticeID{1042, 7, 1}.String())
	text, err := json.Marshal(NoticeID{1042, 7, 1})
	require.NoError(t, err)
	require.Equal(t, `"1042-7-1"`, string(text), "in a log of JSON too")
	for _, text := range []string{"", "1042", "1042-7", "1042-7-1-0", "a-7-1", "1042-7-", "-1-7-1", "1042--7-1", "1042-7-1 ", "9223372036854775808-7-1", "1.5-7-1"} {
		id, err := ParseNoticeID(text)
		require.ErrorContains(t, err, "is not the id of a notice; it looks like 1042-7-1", text)
		require.Zero(t, id)
	}
}

func TestRolesThatAreTold(t *testing.T) {
	require.True(t, AdminAgents.Known())
	require.True(t, GlobalAdministrators.Known())
	require.False(t, Role("helpdesk").Known())
}

func TestChunkIsNamedBySweepNumberAndClaim(t *testing.T) {
	require.Equal(t, "12-3-1", ChunkRef{Sweep: 12, N: 3, Claim: 1}.String())
}
