package transfer

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestActionsAreReadInTheOrderOfTheFile(t *testing.T) {
	inDir(t)
	lines := []string{
		`{"at":"2026-03-01T09:00:00+09:00","relationshipId":"` + strings.ToUpper(id(10)) + `","action":"lockForApproval","by":"partner"}`,
		`{"at":"2026-01-01T00:00:00.0000019Z", "relationshipId":"x", "action":"setAutoExtend", "autoExtendDuration":"P25W5D", "by":"customer"}`,
	}
	actions, faults, err := ReadActions(t.Context(), file(t, "a.ndjson", strings.Join(lines, "\r\n")), nil)
	require.NoError(t, err)
	require.Empty(t, faults)
	require.Equal(t, []TimedAction{
		{Line: 1, Raw: lines[0], At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), RelationshipID: id(10), Kind: lifecycle.LockForApproval, By: lifecycle.Partner},
		{Line: 2, Raw: lines[1], At: time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC), RelationshipID: "x", Kind: lifecycle.SetAutoExtend, By: lifecycle.Customer, AutoExtendDuration: "P25W5D"},
	}, actions)

	fromStdin, faults, err := ReadActions(t.Context(), Stdin, strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	require.Empty(t, faults)
	require.Equal(t, actions, fromStdin)
}

func TestFaultsOfActionsAreThoseOfTheirLines(t *testing.T) {
	golden := inDir(t)
	actions, faults, err := ReadActions(t.Context(), file(t, "actions.ndjson", strings.Join([]string{
		`{"at":"2026-03-01T09:00:00Z","relationshipId":"x","action":"approve","by":"customer"}`,
		`{"at":"2026-03-01T09:00:00","relationshipId":"x","action":"approve","by":"customer"}`,
		`{"at":"tomorrow","relationshipId":"x","action":"extend","by":"admin"}`,
		`{"action":"approve"}`,
		`{"at":"2026-03-01T09:00:00Z",`,
		`{"at":1772323200,"relationshipId":"x","action":"approve","by":"customer"}`,
		`[]`,
		`{"at":"2026-03-01T09:00:00Z","relationshipId":"x","action":"terminate","by":"partner"}`,
	}, "\n")), nil)
	require.NoError(t, err)
	require.Len(t, actions, 2)
	require.Equal(t, 8, actions[1].Line)
	var b strings.Builder
	for _, f := range faults {
		b.WriteString(f.Error() + "\n")
	}
	golden("faults_actions.txt", b.String())
}

func TestFileThatHoldsNoActionsIsRefused(t *testing.T) {
	inDir(t)
	_, _, err := ReadActions(t.Context(), "missing", nil)
	require.EqualError(t, err, "missing: does not exist; check the name")
	_, _, err = ReadActions(t.Context(), file(t, "a.csv", "tenantId,role,mail\n"), nil)
	require.EqualError(t, err, "a.csv: is a CSV; give actions as NDJSON, one object per line")
	actions, faults, err := ReadActions(t.Context(), file(t, "cut.json", "[{\"at\":\"2026-03-01T09:00:00Z\",\n\"relationshipId\":\"x\",\"action\":\"terminate\",\"by\":\"partner\"},{"), nil)
	require.NoError(t, err)
	require.Len(t, actions, 1)
	require.NotContains(t, actions[0].Raw, "\n")
	require.Equal(t, "cut.json:2: column 60: the file ends in the middle; it was cut off, fetch or save it again; nothing after this place was read", faults[0].Error())
}

func TestPolicyJudgesTheAutoExtendDurationOfAnAction(t *testing.T) {
	p := lifecycle.DefaultPolicy()
	for given, want := range map[string]struct {
		on  bool
		why string
	}{
		"P180D":  {on: true},
		"P25W5D": {on: true},
		"PT0S":   {},
		"P":      {},
		"P90D":   {why: "must be P180D (on) or PT0S (off)"},
		"yes":    {why: `is not a period: an ISO 8601 period begins with P; write it like P90D, P2Y or PT6H`},
		"":       {why: "is missing; write P180D (on) or PT0S (off)"},
	} {
		a := TimedAction{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtendDuration: given}
		action, fault := a.Action(p)
		require.Equal(t, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: want.on}, action)
		if want.why == "" {
			require.Nil(t, fault)
		} else {
			require.Equal(t, &lifecycle.Fault{Field: "autoExtendDuration", Value: given, Reason: want.why}, fault)
		}
	}
	a := TimedAction{Kind: lifecycle.Terminate, AutoExtendDuration: "nonsense"}
	_, fault := a.Action(p)
	require.Nil(t, fault, "only setAutoExtend has a use for it")
}
