package lifecycle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestHoldThatIsReleasedChangesOnlyWhenThingsAreRecorded(t *testing.T) {
	rapid.Check(t, holdThatIsReleasedChangesOnlyWhenThingsAreRecorded)
}

func holdThatIsReleasedChangesOnlyWhenThingsAreRecorded(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	sweeps := someInstants(t, 4, &r, p)

	free := life{record: r, policy: p}
	for _, now := range sweeps {
		free.sweep(now)
	}
	held := life{record: r, policy: p}
	held.sweep(sweeps[0])
	held.record.Stayed = someRules.Draw(t, "on hold")
	held.sweep(sweeps[1])
	held.sweep(sweeps[2])
	held.record.Stayed = nil
	held.sweep(sweeps[3])

	require.Equal(t, settled(free.record), settled(held.record))
	require.Equal(t, steps(free.changes), steps(held.changes))
	require.Equal(t, news(free.notices), news(held.notices))
	if !free.record.Status.Ended() && free.record.Status != Expiring {
		require.Equal(t, free.record, held.record)
	}
}

func TestTimerOnHoldTakesNoEffect(t *testing.T) { rapid.Check(t, timerOnHoldTakesNoEffect) }

func timerOnHoldTakesNoEffect(t *rapid.T) {
	r, p := someRecordAndPolicy(t)
	r.Stayed = someRules.Draw(t, "on hold")
	instants := someInstants(t, 3, &r, p)
	l := life{record: r, policy: p}
	for _, now := range instants {
		fired := func(d *Decision) {
			for _, rule := range d.Fired() {
				require.NotContains(t, r.Stayed, rule)
			}
			require.Equal(t, r.Stayed, d.Record.Stayed, "a hold is nobody's to release but whoever runs the deployment")
		}
		d := l.sweep(now)
		fired(&d)
		if withheld := d.withheld(); withheld.Rule != "" {
			a := someAction.Draw(t, "action")
			_, err := Act(l.record, p, a, now)
			require.ErrorIs(t, err, ErrRefused, "what it meets is not settled")
		}
		if kinds := AllowedActions(&l.record, Standing(""), Partner); len(kinds) > 0 {
			if d, err := Act(l.record, p, Action{Kind: kinds[0], By: Partner}, now); err == nil {
				fired(&d)
			}
		}
	}
}

var someRules = rapid.Custom(func(t *rapid.T) []RuleName {
	return slices.DeleteFunc(RuleNames(), func(RuleName) bool { return rapid.Bool().Draw(t, "not this one") })
})

func TestActionMeetsNoRecordThatIsNotSettled(t *testing.T) {
	p, r := DefaultPolicy(), contoso()
	r.Stayed = RuleNames()
	terminate := Action{Kind: Terminate, By: Partner}

	_, err := Act(r, p, terminate, r.End.Add(-microsecond))
	require.NoError(t, err, "nothing is due but a warning, which changes nothing")

	_, err = Act(r, p, terminate, r.End)
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, OnHold, refusal.Reason)
	require.Equal(t, Active, refusal.Status)
	require.Equal(t, "terminate by partner refused: end-term fell due at 2027-01-07T10:00:00Z and is on hold; "+
		"whoever runs this deployment can release it", err.Error())

	r.Stayed = []RuleName{ReleaseName}
	_, err = Act(r, p, terminate, r.End)
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, WrongStatus, refusal.Reason, "another timer is on hold: the end has come")
}

func TestHoldCoversWhatItIsAbout(t *testing.T) {
	r := contoso()
	for about, covers := range map[Hold]bool{
		{Kind: HoldRelationship, Subject: r.ID}:                                 true,
		{Kind: HoldRelationship, Subject: "another"}:                            false,
		{Kind: HoldTenant, Subject: fabrikamTenant}:                             true,
		{Kind: HoldTenant, Subject: contosoTenant}:                              true,
		{Kind: HoldTenant, Subject: somebodysTenant}:                            false,
		{Kind: HoldTenant, Subject: contosoTenant, ReleasedAt: at(farFuture)}:   false,
		{Kind: HoldRule, Subject: string(EndTerm)}:                              true,
		{Kind: HoldEverything}:                                                  true,
		{Kind: HoldEverything, ReleasedAt: at("2026-01-01T00:00:00Z")}:          false,
		{Kind: HoldRelationship, Subject: r.ID, ReleasedAt: at(farFuture)}:      false,
		{Kind: HoldRule, Subject: string(EndTerm), ReleasedAt: at(farFuture)}:   false,
		{Kind: HoldTenant, Subject: fabrikamTenant, PlacedAt: at(farFuture)}:    true,
		{Kind: HoldRule, Subject: string(ReleaseName), PlacedAt: at(farFuture)}: true,
	} {
		require.Equal(t, covers, about.Covers(&r), "%+v", about)
	}
	require.Equal(t, []RuleName{EndTerm}, Stayed([]Hold{{Kind: HoldRule, Subject: string(EndTerm)}}, &r))
	require.Equal(t, RuleNames(), Stayed([]Hold{{Kind: HoldRule, Subject: string(EndTerm)}, {Kind: HoldTenant, Subject: contosoTenant}}, &r))
	require.Equal(t, RuleNames(), Stayed([]Hold{{Kind: HoldEverything}}, &r))
	require.Empty(t, Stayed([]Hold{{Kind: HoldTenant, Subject: somebodysTenant}, {Kind: HoldEverything, ReleasedAt: time.Unix(1, 0)}}, &r))
}

func TestHoldIsCheckedBeforeItIsPlaced(t *testing.T) {
	h := Hold{Kind: HoldTenant, Subject: " " + strings.ToUpper(fabrikamTenant) + " ", Note: "  a court asks \n"}
	require.NoError(t, h.Check())
	require.Equal(t, Hold{Kind: HoldTenant, Subject: fabrikamTenant, Note: "a court asks"}, h)

	h = Hold{Kind: HoldRelationship, Subject: strings.ToUpper(contosoID), Note: "x"}
	require.NoError(t, h.Check())
	require.Equal(t, contosoID, h.Subject)

	for _, wrong := range []struct {
		hold Hold
		says string
	}{
		{Hold{Kind: "world", Note: "x"}, `kind "world": must be one of relationship, tenant, rule, everything`},
		{Hold{Kind: HoldRule, Subject: "end-terms", Note: "x"}, `subject "end-terms": is no rule; there are expire-pending, warn-expiry, auto-extend, end-term, release-name`},
		{Hold{Kind: HoldTenant, Subject: "Contoso", Note: "x"}, `subject "contoso": is no tenant id, which is a GUID`},
		{Hold{Kind: HoldRelationship, Note: "x"}, `subject: is missing; give the id of the relationship`},
		{Hold{Kind: HoldEverything, Subject: "all", Note: "x"}, `subject "all": must be left out: everything is everything`},
		{Hold{Kind: HoldEverything}, `note: is missing; say why, for whoever asks later`},
		{Hold{Kind: HoldEverything, Note: "a\x00b"}, `note: holds control characters or is not valid UTF-8; take them out`},
		{Hold{Kind: HoldEverything, Note: strings.Repeat("é", 501)}, `note "` + strings.Repeat("é", 80) + `…": has more than 500 characters; shorten it`},
	} {
		err := wrong.hold.Check()
		require.EqualError(t, err, wrong.says)
		var faults Faults
		require.ErrorAs(t, err, &faults)
	}
}
