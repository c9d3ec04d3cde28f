//go:build unix

package storm

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/audit"
	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// Races whose order somebody else decides: they keep a row locked until everybody has come to where they have to be.

// raw is the database past the program.
func (t *track) raw() *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", t.url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// lock keeps the rows that a query finds locked until they are let go of.
func (t *track) lock(raw *sql.DB, query string) (letGo func()) {
	t.Helper()
	tx, err := raw.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), query+" FOR UPDATE")
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback()) }
}

// waiting returns once n connections wait for a lock, or fails when one of those that have to has gone on.
func (t *track) waiting(raw *sql.DB, n int, gone ...<-chan error) {
	t.Helper()
	for range 1500 {
		var waiting int
		require.NoError(t, raw.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		if waiting == n {
			return
		}
		for _, g := range gone {
			select {
			case err := <-g:
				require.FailNow(t, "it did not wait", "%v", err)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	require.FailNow(t, "nobody waits")
}

func inBackground(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return done
}

// TestRaceOfAHoldAndASweepThatWrites: the sweep has looked whether anything is on hold, and has not written yet.
func TestRaceOfAHoldAndASweepThatWrites(t *testing.T) {
	tr := newTrack(t)
	raw := tr.raw()
	letGo := tr.lock(raw, `SELECT 1 FROM relationships`)
	var tally lifecycle.Tally
	sweep := inBackground(func() (err error) {
		tally, err = tr.db.Apply(t.Context(), tr.decided())
		return err
	})
	tr.waiting(raw, 1, sweep)
	hold := inBackground(func() error {
		_, err := tr.db.PlaceHold(t.Context(), lifecycle.Hold{Kind: lifecycle.HoldRule, Subject: string(lifecycle.EndTerm), Note: "to be looked at"},
			lifecycle.Caller{Name: "ann"}, tr.now)
		return err
	})
	tr.waiting(raw, 2, sweep, hold)
	letGo()
	require.NoError(t, <-sweep)
	require.NoError(t, <-hold)
	require.Equal(t, int64(1), tally.Changed, "it came before the hold")
}

// TestRaceOfTwoPeople: both want something of one relationship at once. Whoever is told that it was done has changed it.
func TestRaceOfTwoPeople(t *testing.T) {
	tr := newTrack(t)
	raw := tr.raw()
	letGo := tr.lock(raw, `SELECT 1 FROM relationships`)
	act := func(a lifecycle.Action) <-chan error {
		return inBackground(func() error {
			_, err := tr.db.Act(t.Context(), "race", tr.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
				return c.Act(tr.policy, tr.due.End.Add(-time.Hour), a)
			})
			return err
		})
	}
	one := act(lifecycle.Action{Kind: lifecycle.SetAutoExtend, AutoExtend: true, By: lifecycle.Partner})
	other := act(lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer})
	tr.waiting(raw, 2, one, other)
	letGo()
	accepted := 1 // it was imported
	for _, err := range []error{<-one, <-other} {
		if err == nil {
			accepted++
		}
	}
	events, err := tr.db.Events(t.Context(), "race")
	require.NoError(t, err)
	require.Len(t, events, accepted)
}

// TestRaceOfTwoWhoReleaseAHold: one of them is told that it is released already.
func TestRaceOfTwoWhoReleaseAHold(t *testing.T) {
	tr := newTrack(t)
	placed, err := tr.db.PlaceHold(t.Context(), lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: "race", Note: "to be looked at"}, lifecycle.Caller{Name: "ann"}, tr.now)
	require.NoError(t, err)
	release := func() error {
		_, err := tr.db.ReleaseHold(t.Context(), placed.ID, "looked at", lifecycle.Caller{Name: "ann"}, tr.now, tr.now)
		return err
	}
	require.NoError(t, release())
	require.ErrorIs(t, release(), lifecycle.ErrReleased)
}

// claimed is a letter that somebody has claimed, and not begun to send.
func (t *track) claimed() []lifecycle.Letter {
	t.Helper()
	_, err := t.db.Apply(t.Context(), t.decided())
	require.NoError(t, err)
	letters, err := t.db.ClaimLetters(t.Context(), lifecycle.Claim{Channel: lifecycle.DefaultChannel, Now: t.now, Wall: t.now, LeaseUntil: t.now.Add(time.Hour), Most: 10})
	require.NoError(t, err)
	require.Len(t, letters, 1)
	letters[0].MessageID, letters[0].Message = "one@storm.example", []byte("one")
	return letters
}

// TestRaceOfACourierAndTheQuarantine: everything is put on hold when a letter is claimed, and not sent yet.
func TestRaceOfACourierAndTheQuarantine(t *testing.T) {
	tr := newTrack(t)
	letters := tr.claimed()
	placed, err := tr.db.PlaceQuarantine(t.Context(), storage.Quarantine{Cause: lifecycle.LargeBacklog, Note: "too much", At: tr.now})
	require.NoError(t, err)
	require.True(t, placed)
	begun, err := tr.db.BeginLetters(t.Context(), letters)
	require.NoError(t, err)
	require.Empty(t, begun)
}

// TestRaceOfACourierAndARestore: the database is put back beneath a process that runs.
func TestRaceOfACourierAndARestore(t *testing.T) {
	tr := newTrack(t)
	_, err := tr.db.Apply(t.Context(), tr.decided())
	require.NoError(t, err)
	_, _, err = tr.db.AdvanceHighWater(t.Context(), lifecycle.QuarantinePolicy{}, tr.now)
	require.NoError(t, err)
	_, err = tr.raw().ExecContext(t.Context(), `UPDATE meta SET value = '2026-06-01T00:00:00.000000Z' WHERE name = 'seen'`)
	require.NoError(t, err)
	letters, err := tr.db.ClaimLetters(t.Context(), lifecycle.Claim{Channel: lifecycle.DefaultChannel, Now: tr.now, Wall: tr.now, LeaseUntil: tr.now.Add(time.Hour), Most: 10})
	require.NoError(t, err)
	require.Empty(t, letters)
}

// TestRaceOfTwoWhoMoveTheMark: the slower one must not move it back.
func TestRaceOfTwoWhoMoveTheMark(t *testing.T) {
	tr := newTrack(t)
	raw := tr.raw()
	letGo := tr.lock(raw, `SELECT 1 FROM meta WHERE name = 'kind'`)
	slow := inBackground(func() error {
		_, _, err := tr.db.AdvanceHighWater(t.Context(), lifecycle.QuarantinePolicy{}, tr.now)
		return err
	})
	tr.waiting(raw, 1, slow)
	letGo()
	require.NoError(t, <-slow)
}

// TestRaceOfTwoWhoMoveTheTestClock: both have read what it says.
func TestRaceOfTwoWhoMoveTheTestClock(t *testing.T) {
	tr := newTrack(t)
	now, err := tr.db.TestClock(t.Context())
	require.NoError(t, err)
	require.NoError(t, tr.db.SetTestClock(t.Context(), now, now.Add(48*time.Hour)))
	require.ErrorIs(t, tr.db.SetTestClock(t.Context(), now, now.Add(24*time.Hour)), storage.ErrClockMoved)
}

// TestVerifyFindsNothing where nobody has meddled.
func TestVerifyFindsNothing(t *testing.T) {
	tr := newTrack(t)
	_, err := tr.db.Apply(t.Context(), tr.decided())
	require.NoError(t, err)
	snapshot, err := tr.db.Snapshot(t.Context())
	require.NoError(t, err)
	defer snapshot.Close()
	var found []string
	_, err = audit.Verify(t.Context(), snapshot, audit.Options{Now: tr.now, Policy: tr.policy}, func(f audit.Finding) error {
		found = append(found, fmt.Sprint(f))
		return nil
	})
	require.NoError(t, err)
	_, err = ledger.Verify(t.Context(), snapshot, ledger.Options{}, func(f ledger.Finding) error {
		found = append(found, f.String())
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, found)
}
