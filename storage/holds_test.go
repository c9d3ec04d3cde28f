package storage

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var operator = lifecycle.Caller{Name: "ops", Role: lifecycle.Operator}

func placed(t testing.TB, db *DB, kind lifecycle.HoldKind, subject string) lifecycle.Hold {
	t.Helper()
	h, err := db.PlaceHold(ctx, lifecycle.Hold{Kind: kind, Subject: subject, Note: "a court asks"}, operator, start)
	require.NoError(t, err)
	return h
}

func released(t testing.TB, db *DB, h lifecycle.Hold) {
	t.Helper()
	_, err := db.ReleaseHold(ctx, h.ID, "settled", operator, start.Add(time.Hour), start.Add(time.Hour))
	require.NoError(t, err)
}

// swept reads what a sweep of all rules would look at by an instant, and decides on it.
func swept(t testing.TB, db *DB, now time.Time) []lifecycle.Decided {
	t.Helper()
	everything := lifecycle.Chunk{UpTo: lifecycle.Position{At: now, Key: 1 << 60}}
	due, failures, err := db.DueRecords(ctx, everything, nil, now)
	require.NoError(t, err)
	require.Empty(t, failures)
	return decide(now, due...)
}

// stayedRows are the ids of the relationships whose column stayed is set.
func stayedRows(t testing.TB, db *DB) (ids []string) {
	t.Helper()
	require.NoError(t, db.pool.SelectContext(ctx, &ids, `SELECT id FROM relationships WHERE stayed = TRUE ORDER BY id`))
	return ids
}

func TestWhatIsOnHoldHappensAfterTheReleaseAsItFellDue(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.Add(-time.Hour)
		load(t, db, active(1, end), active(2, end))
		before := swept(t, db, start)
		h := placed(t, db, lifecycle.HoldRelationship, id(1))
		require.Equal(t, lifecycle.Hold{ID: 1, Kind: lifecycle.HoldRelationship, Subject: id(1), Note: "a court asks", PlacedAt: start, PlacedBy: "ops"}, h)

		require.Len(t, swept(t, db, start), 1, "the other one")
		tally, err := db.Apply(ctx, before)
		require.NoError(t, err)
		require.EqualValues(t, 1, tally.Changed)
		require.EqualValues(t, 1, tally.Skipped, "decided before the hold came in")
		held := mustRead(t, db, id(1))
		require.Equal(t, lifecycle.Active, held.Status)
		require.Equal(t, lifecycle.RuleNames(), held.Stayed)
		on, err := db.HoldsOn(ctx, &held.Record)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.Hold{h}, on)

		_, err = tries(db, 1, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Partner}, start)
		var refusal *lifecycle.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, lifecycle.OnHold, refusal.Reason)
		backlogs, err := db.Backlogs(ctx, start)
		require.NoError(t, err)
		require.Contains(t, backlogs, lifecycle.Backlog{Rule: lifecycle.EndTerm, Held: 1})

		later := start.Add(48 * time.Hour)
		done, err := db.ReleaseHold(ctx, h.ID, " settled ", operator, later, later)
		require.NoError(t, err)
		require.Equal(t, "settled", done.ReleaseNote)
		require.Equal(t, later, done.ReleasedAt)
		_, err = db.Apply(ctx, swept(t, db, later))
		require.NoError(t, err)
		events, err := db.Events(ctx, id(1))
		require.NoError(t, err)
		last := events[len(events)-1]
		require.Equal(t, lifecycle.EventTermEnded, last.Type)
		require.Equal(t, end, last.Effective)
		require.Equal(t, later, last.Recorded)
		require.Empty(t, mustRead(t, db, id(1)).Stayed)
	})
}

func TestPlacingAndReleasingAreWrittenDown(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start))
		h := placed(t, db, lifecycle.HoldRelationship, id(1))
		released(t, db, h)
		own, err := db.PlaceHold(ctx, lifecycle.Hold{Kind: lifecycle.HoldEverything, Cause: lifecycle.ClockBack, Note: "the clock went back"},
			lifecycle.Caller{}, start.Add(2*time.Hour))
		require.NoError(t, err)
		require.Equal(t, "tenure", own.Who())

		log := activity(t, db, lifecycle.ActivityQuery{Types: []lifecycle.EventType{lifecycle.EventHoldPlaced, lifecycle.EventHoldReleased}, OldestFirst: true})
		require.Len(t, log, 3)
		require.Equal(t, lifecycle.Event{RelationshipID: id(1), Key: log[0].Key, Recorded: start, Change: lifecycle.Change{Version: -1,
			Type: lifecycle.EventHoldPlaced, Effective: start, Action: "1", Subject: "relationship " + id(1), Detail: "a court asks", By: &operator}}, log[0])
		require.Equal(t, "settled", log[1].Detail)
		require.Equal(t, lifecycle.Change{Version: -3, Type: lifecycle.EventHoldPlaced, Effective: own.PlacedAt, Reason: lifecycle.ClockBack,
			Actor: lifecycle.System, Action: "2", Subject: "everything", Detail: "the clock went back"}, log[2].Change)
		require.False(t, log[0].StepInLife())
		require.Len(t, activity(t, db, lifecycle.ActivityQuery{Viewer: somebody("x", partner, lifecycle.AdminAgents)}), 1,
			"what operators do about timers is theirs")

		holds, err := db.Holds(ctx, lifecycle.HoldQuery{})
		require.NoError(t, err)
		require.Len(t, holds, 2)
		require.Equal(t, own, holds[0])
		holds, err = db.Holds(ctx, lifecycle.HoldQuery{Active: true, Kind: lifecycle.HoldRelationship})
		require.NoError(t, err)
		require.Empty(t, holds)
		holds, err = db.Holds(ctx, lifecycle.HoldQuery{Before: 2, Limit: 1, Subject: id(1)})
		require.NoError(t, err)
		require.Len(t, holds, 1)
		still, is, err := db.Standstill(ctx)
		require.NoError(t, err)
		require.True(t, is)
		require.Equal(t, own, still)
		released(t, db, own)
		_, is, err = db.Standstill(ctx)
		require.NoError(t, err)
		require.False(t, is)
	})
}

func TestHoldThatCannotBePlacedSaysWhy(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start))
		place := func(kind lifecycle.HoldKind, subject, note string) error {
			_, err := db.PlaceHold(ctx, lifecycle.Hold{Kind: kind, Subject: subject, Note: note}, operator, start)
			return err
		}
		var faults lifecycle.Faults
		require.ErrorAs(t, place(lifecycle.HoldRelationship, id(1), " "), &faults)
		require.ErrorAs(t, place(lifecycle.HoldRule, "end-terms", "typo"), &faults)
		require.ErrorIs(t, place(lifecycle.HoldRelationship, id(2), "unknown"), lifecycle.ErrNotFound)
		require.NoError(t, place(lifecycle.HoldTenant, "cccccccc-0000-4000-8000-000000000009", "nobody yet"))
		h := placed(t, db, lifecycle.HoldRelationship, id(1))
		err := place(lifecycle.HoldRelationship, id(1), "again")
		require.ErrorIs(t, err, lifecycle.ErrHeldAlready)
		require.ErrorContains(t, err, fmt.Sprintf("hold %d, which ops placed on %s: a court asks", h.ID, lifecycle.FormatInstant(start)))

		_, err = db.ReleaseHold(ctx, h.ID, "", operator, start, start)
		require.ErrorAs(t, err, &faults)
		_, err = db.ReleaseHold(ctx, 99, "x", operator, start, start)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		_, err = db.Hold(ctx, 99)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		released(t, db, h)
		_, err = db.ReleaseHold(ctx, h.ID, "again", operator, start, start)
		require.ErrorIs(t, err, lifecycle.ErrReleased)
		require.ErrorContains(t, err, "by ops")
		placed(t, db, lifecycle.HoldRelationship, id(1))
		require.Equal(t, 3, count(t, db, `SELECT count(*) FROM holds`), "what was refused left nothing behind")
		require.Equal(t, 4, count(t, db, `SELECT count(*) FROM events WHERE version < 0`))
	})
}

func TestTenantsHoldCoversWhatBecomesItsOwnLater(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const other = "bbbbbbbb-0000-4000-8000-000000000002"
		elsewhere := active(2, start)
		elsewhere.Customer.TenantID = other
		open := active(3, start) // asked of nobody in particular
		open.Status, open.Customer, open.Activated, open.End, open.WarnAfter = lifecycle.ApprovalPending, lifecycle.Tenant{}, time.Time{}, time.Time{}, time.Time{}
		open.Locked = start
		load(t, db, active(1, start), elsewhere, open)
		mustDraft(t, db, 4, "Draft")
		h := placed(t, db, lifecycle.HoldTenant, strings.ToUpper(customer))
		require.Equal(t, []string{id(1)}, stayedRows(t, db))

		load(t, db, active(5, start))
		_, err := tries(db, 3, lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer, Customer: lifecycle.Tenant{TenantID: customer}}, start)
		require.NoError(t, err)
		require.Equal(t, []string{id(1), id(3), id(5)}, stayedRows(t, db), "created, and approved, under the hold")
		require.Equal(t, lifecycle.RuleNames(), mustRead(t, db, id(3)).Stayed)

		moved := active(5, start)
		moved.Customer.TenantID = other
		words, _ := taken(t, db, start, moved)
		require.Equal(t, []lifecycle.Taken{lifecycle.TakenChanged}, words)
		require.Equal(t, []string{id(1), id(3)}, stayedRows(t, db), "a file says that it is another customer's")

		of := placed(t, db, lifecycle.HoldTenant, partner)
		require.Equal(t, []string{id(1), id(2), id(3), id(4), id(5)}, stayedRows(t, db), "as partner too")
		one := placed(t, db, lifecycle.HoldRelationship, id(1))
		released(t, db, of)
		require.Equal(t, []string{id(1), id(3)}, stayedRows(t, db))
		released(t, db, h)
		require.Equal(t, []string{id(1)}, stayedRows(t, db), "it is on hold by itself")
		released(t, db, one)
		require.Empty(t, stayedRows(t, db))
	})
}

func TestPausedRuleTakesNoEffectAndTheOthersGoOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.Add(-time.Hour)
		extends := active(2, end)
		extends.AutoExtend = true
		load(t, db, active(1, end), extends)
		before := swept(t, db, start)
		h := placed(t, db, lifecycle.HoldRule, string(lifecycle.EndTerm))
		rules, err := db.Paused(ctx)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.RuleName{lifecycle.EndTerm}, rules)
		require.Equal(t, []lifecycle.RuleName{lifecycle.EndTerm}, mustRead(t, db, id(1)).Stayed)

		tally, err := db.Apply(ctx, before)
		require.NoError(t, err)
		require.EqualValues(t, 1, tally.Changed, "extended")
		require.EqualValues(t, 1, tally.Skipped, "decided before the rule was paused")
		require.Equal(t, lifecycle.Active, mustRead(t, db, id(1)).Status)
		for _, d := range swept(t, db, start) {
			require.True(t, d.Empty())
		}
		_, cut, err := db.CutChunks(ctx, opened(t, db, start, lifecycle.EndTerm).ID, 10, 10)
		require.NoError(t, err)
		require.True(t, cut, "there is nothing to look at")
		chunks, _, err := db.CutChunks(ctx, opened(t, db, start).ID, 10, 10)
		require.NoError(t, err)
		require.Empty(t, chunks)

		all := placed(t, db, lifecycle.HoldEverything, "")
		rules, err = db.Paused(ctx)
		require.NoError(t, err)
		require.Equal(t, lifecycle.RuleNames(), rules)
		require.Equal(t, lifecycle.RuleNames(), caseNamed(t, db, 1).Stayed)
		released(t, db, h)
		require.Equal(t, lifecycle.RuleNames(), mustRead(t, db, id(1)).Stayed)
		released(t, db, all)
		require.Empty(t, mustRead(t, db, id(1)).Stayed)
		_, err = db.Apply(ctx, swept(t, db, start))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Expired, mustRead(t, db, id(1)).Status)
	})
}

// A warning yields to the end, which must be found though the stored timer is that of a paused rule.
func TestEndIsFoundBehindPausedWarnings(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		r := active(1, start.Add(40*lifecycle.Day))
		r.WarnAfter = r.Activated
		load(t, db, r)
		placed(t, db, lifecycle.HoldRule, string(lifecycle.WarnExpiry))
		require.Empty(t, swept(t, db, r.End.Add(-lifecycle.Day))[0].Notices)
		chunks, _, err := db.CutChunks(ctx, opened(t, db, r.End, lifecycle.EndTerm).ID, 10, 10)
		require.NoError(t, err)
		require.Len(t, chunks, 1)
		_, err = db.Apply(ctx, swept(t, db, r.End))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Expired, mustRead(t, db, id(1)).Status)
	})
}

func TestNameOnHoldStaysTaken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, named(ended(1, start.AddDate(-2, 0, 0)), "Wanted"))
		h := placed(t, db, lifecycle.HoldRelationship, id(1))
		_, err := asksFor(db, 2, "Wanted", start)
		var taken *lifecycle.NameHeld
		require.ErrorAs(t, err, &taken, "its release fell due a year ago, and is on hold")

		// What a file brings is held as it comes: its own name is not released on the way in either.
		tenant := placed(t, db, lifecycle.HoldTenant, partner)
		intakes, err := db.ImportRelationships(ctx, incoming(named(ended(3, start.AddDate(-3, 0, 0)), "Wanted")), policy, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.TakenNot, intakes[0].Taken)

		released(t, db, h)
		released(t, db, tenant)
		_, err = asksFor(db, 2, "Wanted", start)
		require.NoError(t, err)
	})
}

// A draft has no timers, so a hold does not keep it from being deleted; and whoever comes back under its id is held again.
func TestHeldDraftMayBeDeleted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		mustDraft(t, db, 1, "Draft")
		h := placed(t, db, lifecycle.HoldRelationship, id(1))
		_, err := tries(db, 1, lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner}, start)
		require.NoError(t, err)
		load(t, db, active(1, start))
		require.Equal(t, []string{id(1)}, stayedRows(t, db))
		_, err = db.Retime(ctx, policy, start)
		require.NoError(t, err)
		require.Equal(t, []string{id(1)}, stayedRows(t, db), "a policy releases nothing")
		released(t, db, h)
		require.Empty(t, stayedRows(t, db))
	})
}

// Whatever is on its way when a hold comes in: what it covers is as it was when placing it returned.
func TestOnceAHoldIsPlacedNothingThatItCoversTakesEffect(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const records, writers = 240, 4
		all := make([]lifecycle.Record, records)
		for i := range all {
			all[i] = active(i+1, start.Add(-time.Hour))
		}
		load(t, db, all...)
		decided := swept(t, db, start)
		require.Len(t, decided, records)

		var applied atomic.Int64
		var first sync.Once
		begun := make(chan struct{})
		var work []func() error
		for w := range writers {
			work = append(work, func() error {
				defer first.Do(func() { close(begun) })
				for i := w; i < records; i += 3 * writers {
					tally, err := db.Apply(ctx, decided[i:min(i+3*writers, records)])
					applied.Add(tally.Changed)
					first.Do(func() { close(begun) }) // some of it goes before
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		var atReturn int
		work = append(work, func() error {
			<-begun
			_, err := db.PlaceHold(ctx, lifecycle.Hold{Kind: lifecycle.HoldTenant, Subject: customer, Note: "now"}, operator, start)
			if err == nil {
				atReturn = count(t, db, `SELECT count(*) FROM events WHERE type = 'termEnded'`)
			}
			return err
		})
		for _, err := range together(work...) {
			require.NoError(t, err)
		}
		require.Equal(t, atReturn, count(t, db, `SELECT count(*) FROM events WHERE type = 'termEnded'`))
		require.EqualValues(t, atReturn, applied.Load())
		require.Len(t, stayedRows(t, db), records)
	})
}
