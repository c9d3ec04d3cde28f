package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/audit"
	"github.com/tenure-dev/tenure/lifecycle"
)

func TestWhatTheEngineHasMadeIsAsItShouldBe(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onSQLite(t), seed)
			for range 2 {
				w.live(70)
				requireNone(t, w)
			}
		})
	}
}

func requireNone(t *testing.T, w *world) {
	t.Helper()
	found, summary := w.verify()
	for _, f := range found {
		t.Errorf("%s %s version %d: %s; expected %s, found %s\n  %s", f.Kind, f.RelationshipID, f.Version, f.Text, f.Expected, f.Found,
			strings.Join(w.history(f.RelationshipID), "\n  "))
	}
	require.Zero(t, summary.Total())
	require.NotZero(t, summary.Events)
}

func TestAnExportIsJudgedLikeItsDatabase(t *testing.T) {
	w := newWorld(t, onSQLite(t), 99)
	w.live(100)
	_, want := w.verify()
	for _, name := range []string{"history.ndjson", "history.ndjson.gz"} {
		path := filepath.Join(t.TempDir(), name)
		w.export(path)
		export, err := audit.OpenExport(path)
		require.NoError(t, err)
		require.True(t, export.TakenAt.Equal(w.now))
		found, summary := verifySource(t, export, w.options())
		require.Empty(t, found)
		require.Equal(t, want, summary)
	}
}

// Late is what could have been done in time. What was on hold, or came in late, is not.
func TestLatenessCountsFromWhenTenureCouldHaveKnown(t *testing.T) {
	w := newWorld(t, onSQLite(t), 5)
	policy := *w.policy
	policy.Lateness = lifecycle.LatenessPolicy{Within: lifecycle.Days(1), Share: 99}
	w.policy = &policy
	w.later(1)
	w.goBy()
	late := w.lasting(lifecycle.Days(10))
	held := w.lasting(lifecycle.Days(10))
	hold, err := w.db.PlaceHold(t.Context(), lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: held, Note: "in dispute"}, lifecycle.Caller{Name: "operator"}, w.now)
	require.NoError(t, err)

	w.later(10) // both have just ended
	found, summary := w.verify()
	require.Empty(t, found)
	require.Equal(t, map[audit.Wait]int64{audit.WaitsOnTime: 1, audit.WaitsForHold: 1}, summary.Waiting)

	w.later(2)
	found, summary = w.verify()
	require.Len(t, found, 1)
	require.Equal(t, audit.Missing, found[0].Kind)
	require.Equal(t, late, found[0].RelationshipID)
	require.Equal(t, map[audit.Wait]int64{audit.WaitsForHold: 1}, summary.Waiting)

	w.sweep()
	_, err = w.db.ReleaseHold(t.Context(), hold.ID, "it is settled", lifecycle.Caller{Name: "operator"}, w.now, w.now)
	require.NoError(t, err)
	w.sweep()
	found, summary = w.verify()
	require.Len(t, found, 1)
	require.Equal(t, audit.Late, found[0].Kind)
	require.Equal(t, late, found[0].RelationshipID)
	require.Equal(t, &audit.RuleLateness{OnTime: 1, All: 2, Worst: 2 * lifecycle.Day, WorstID: late}, summary.Lateness[lifecycle.EndTerm])

	found, _ = w.verify(func(o *audit.Options) { o.Since = w.now.Add(time.Second) }) // what was before is forgiven
	require.Empty(t, found)
}

// Who a request is for need not be known before somebody approves it, so a customer's program was rightly not told before.
func TestWhoeverApprovesWasNotToldBefore(t *testing.T) {
	w := newWorld(t, onSQLite(t), 5)
	_, err := w.db.AddSubscription(t.Context(), lifecycle.Subscription{Tenant: contoso, URL: "https://contoso.example/hook", Secrets: []string{"whsec_x"}, Created: w.now})
	require.NoError(t, err)
	w.later(1)
	w.lasting(lifecycle.Days(10))
	requireNone(t, w)
}

// Access is given, changed, narrowed and taken away in each way that there is, and each leaves the assignments that its events tell of.
func TestAccessIsWhatTheEventsTellOf(t *testing.T) {
	for _, external := range []bool{false, true} {
		w := newWorld(t, onSQLite(t), 5)
		id := w.lasting(lifecycle.Days(300))
		policy := *w.policy
		policy.Provisioning.External = external
		w.policy = &policy
		w.later(1)
		w.goBy()
		to := func(assignment, group string, roles ...string) {
			require.True(t, w.act(id, func(c lifecycle.Case) (lifecycle.Decision, error) {
				d, _, err := c.AssignTo(assignment, group, roles, w.policy, lifecycle.Action{By: lifecycle.Partner}, w.now)
				return d, err
			}))
		}
		first, second, third := guid(w), guid(w), guid(w)
		to(first, guid(w), helpdesk)
		to(second, guid(w), helpdesk)
		w.later(1)
		require.True(t, w.act(id, func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Unassign(first, 0, w.policy, lifecycle.Action{By: lifecycle.Partner}, w.now)
		}))
		stored, err := w.db.Relationship(t.Context(), id)
		require.NoError(t, err)
		more := stored.Record
		more.Roles, more.Modified = []string{helpdesk, reader, lifecycle.GlobalAdministrator}, w.now
		w.bring(more, lifecycle.Unsaid{})
		w.later(1)
		require.True(t, w.act(id, func(c lifecycle.Case) (lifecycle.Decision, error) {
			d, _, err := c.Reassign(second, []string{reader, lifecycle.GlobalAdministrator}, 0, w.policy, lifecycle.Action{By: lifecycle.Partner}, w.now)
			return d, err
		}))
		to(third, guid(w), lifecycle.GlobalAdministrator)
		w.later(1)
		require.True(t, w.do(id, lifecycle.Action{Kind: lifecycle.RemoveGlobalAdministrator, By: lifecycle.Partner}))
		requireNone(t, w)
		w.later(1)
		require.True(t, w.do(id, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer}))
		requireNone(t, w)
		w.later(1)
		require.Equal(t, external, w.do(id, lifecycle.Action{Kind: lifecycle.CompleteProvisioning, By: lifecycle.Provisioner}))
		requireNone(t, w)
	}
}

// A sweep that an operator has to look at first explains why nothing has happened, and one that is under way does.
func TestWhatASweepIsAboutToDoIsNotMissing(t *testing.T) {
	w := newWorld(t, onSQLite(t), 5)
	id := w.lasting(lifecycle.Days(10))
	w.later(20)
	found, _ := w.verify()
	require.Len(t, found, 1)
	require.Equal(t, id, found[0].RelationshipID)
	sweep, _, err := w.db.OpenSweep(t.Context(), lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerRequest, AsOf: w.now, OpenedAt: w.now})
	require.NoError(t, err)
	found, summary := w.verify()
	require.Empty(t, found)
	require.Equal(t, map[audit.Wait]int64{audit.WaitsForSweep: 1}, summary.Waiting)
	require.NoError(t, w.db.CancelSweep(t.Context(), sweep.ID, w.now))
	found, _ = w.verify()
	require.Len(t, found, 1)
}

func TestWhatWasRecordedBeforePoliciesWereKeptIsNotJudgedByThem(t *testing.T) {
	w := newWorld(t, onSQLite(t), 7)
	w.live(100)
	path := filepath.Join(t.TempDir(), "before.ndjson")
	w.export(path)
	export, err := audit.OpenExport(path)
	require.NoError(t, err)
	other := *w.policy
	other.Requests.LapseAfter, other.AutoExtend.By, other.Names.HoldFor = lifecycle.Days(11), lifecycle.Days(33), lifecycle.Days(44)
	found, summary := verifySource(t, upgraded{export}, w.options(func(o *audit.Options) { o.Policy = &other }))
	require.Empty(t, found)
	require.NotZero(t, summary.Unchecked[audit.NoPolicyKept])
	require.NotZero(t, summary.Unchecked[audit.NoFingerprint])
}

// upgraded is a database as an upgrade finds it: no policy, and no fingerprint.
type upgraded struct{ audit.Source }

func (u upgraded) Books(ctx context.Context) (lifecycle.Books, error) {
	b, err := u.Source.Books(ctx)
	b.Policies = nil
	b.Placed = slices.DeleteFunc(b.Placed, func(e lifecycle.Event) bool { return e.Type == lifecycle.EventPolicySet })
	return b, err
}

func (u upgraded) EachAccount(ctx context.Context, fn func(*lifecycle.Account) error) error {
	return u.Source.EachAccount(ctx, func(a *lifecycle.Account) error {
		for i := range a.Events {
			a.Events[i].Fingerprint = ""
		}
		return fn(a)
	})
}

func TestAnExportThatIsNotWholeIsRefused(t *testing.T) {
	w := newWorld(t, onSQLite(t), 3)
	w.live(20)
	path := filepath.Join(t.TempDir(), "history.ndjson")
	w.export(path)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(whole), "\n"), "\n")
	for name, part := range map[string]string{"without its end": strings.Join(lines[:len(lines)-1], ""), "without a line": strings.Join(append(lines[:1:1], lines[2:]...), "")} {
		require.NoError(t, os.WriteFile(path, []byte(part), 0o600))
		export, err := audit.OpenExport(path)
		require.NoError(t, err, name)
		_, err = audit.Verify(t.Context(), export, w.options(), func(audit.Finding) error { return nil })
		require.ErrorContains(t, err, "not whole", name)
	}
}

func TestEveryKindOfFindingIsExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/verify.md")
	require.NoError(t, err)
	for _, kind := range audit.Kinds {
		require.Contains(t, string(page), "| `"+string(kind)+"` |")
	}
}
