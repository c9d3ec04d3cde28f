package storage

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// everyNotice is all that table notices holds, by key.
func everyNotice(t *testing.T, db *DB) (rows []map[string]any) {
	t.Helper()
	found, err := db.pool.QueryxContext(ctx, "SELECT * FROM notices ORDER BY relationship_key, version, ordinal")
	require.NoError(t, err)
	defer found.Close()
	for found.Next() {
		row := map[string]any{}
		require.NoError(t, found.MapScan(row))
		rows = append(rows, row)
	}
	require.NoError(t, found.Err())
	return rows
}

func TestWhatIsPassedAtOnceIsAsIfItWerePassedRightAfterwards(t *testing.T) {
	for name, url := range map[string]func() string{
		"SQLite":     func() string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") + "?solitary" },
		"PostgreSQL": func() string { return testenv.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			live := func(atOnce bool) *DB {
				db := migrated(t, url(), Sandbox)
				if atOnce {
					db.PassAtOnce("desk", lifecycle.DefaultChannel)
				}
				importContactsOf(t, db, reading(lifecycle.DailyDigest, "daily@example.com"), reading(lifecycle.NoDigest, "each@example.com"))
				warned := active(1, start.Add(7*lifecycle.Day))
				warned.WarnAfter = warned.Activated
				stored := load(t, db, warned, active(2, start), active(3, start))
				for _, at := range []time.Time{start, start.Add(time.Hour)} {
					due := stored[:2]
					if !at.Equal(start) {
						due = stored[2:]
					}
					tally, err := db.Apply(ctx, decide(at, due...))
					require.NoError(t, err)
					require.EqualValues(t, len(due), tally.Notices, "letters to be sent count, whenever they are")
					n := passed(t, db, asked(at, 100))
					require.Equal(t, atOnce, n == 0)
				}
				return db
			}
			at := live(true)
			require.Len(t, letters(t, at, withStatus(lifecycle.NoticeSent)), 3)
			require.Len(t, letters(t, at, withStatus(lifecycle.NoticeWaiting)), 3)
			require.NotEmpty(t, letters(t, at, withStatus(lifecycle.NoticeNoRecipient)))
			require.Equal(t, everyNotice(t, live(false)), everyNotice(t, at))
		})
	}
}

func TestOnlyWhatWouldBePassedIsPassedAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		db.PassAtOnce(lifecycle.DefaultChannel)
		require.NoError(t, db.SwitchChannel(ctx, lifecycle.DefaultChannel, false, "it is tried out", start))
		queue(t, db, 1)
		require.Len(t, letters(t, db, withStatus(lifecycle.NoticeQueued)), 1, "the channel is off")

		require.NoError(t, db.SwitchChannel(ctx, lifecycle.DefaultChannel, true, "", start))
		end(t, db, 1)
		require.Len(t, letters(t, db, withStatus(lifecycle.NoticeSent)), 1)

		placed(t, db, lifecycle.HoldEverything, "")
		nowhere, err := nowhereNow(ctx, session{q: db.pool, dialect: db.dialect, nowhere: db.nowhere})
		require.NoError(t, err)
		require.Empty(t, nowhere, "everything is on hold")
	})
	d := lifecycle.Decided{Decision: lifecycle.Decision{Record: lifecycle.Record{Version: 3}}}
	row := noticeRow{letterKey: letterKey{Version: 2}, Status: lifecycle.NoticeQueued, Channel: lifecycle.DefaultChannel}
	row.passes([]string{lifecycle.DefaultChannel}, &d)
	require.Equal(t, lifecycle.NoticeQueued, row.Status, "the record has gone on since what it tells of")
}

func TestIndexesOfListsAreThereUntilTheyAreForgone(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		if db.dialect == postgres {
			require.ErrorContains(t, db.ForgoLists(ctx), "only a scratch file")
			return
		}
		require.NoError(t, db.ForgoLists(ctx), "each of them is there")
		var left int
		require.NoError(t, db.pool.GetContext(ctx, &left, `SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name IN
			('agreements_by_name', 'clocks_ends', 'clocks_ended', 'notices_to_erase')`))
		require.Zero(t, left)
		queue(t, db, 2)
		require.Len(t, letters(t, db, withStatus(lifecycle.NoticeQueued)), 2)
	})
}

func TestWhatCannotBeUndoneIsTheEndOfASimulation(t *testing.T) {
	db := migrated(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db")+"?solitary", Sandbox)
	load(t, db, active(1, start), active(2, start))
	require.NoError(t, db.ForgoUndoing(ctx))
	_, err := db.ImportRelationships(ctx, incoming(active(3, start)), policy, start)
	require.ErrorContains(t, err, "imports rely on that")

	refused := errors.New("refused")
	require.ErrorIs(t, db.write(ctx, "decide", func(session) error { return refused }), refused)
	mustRead(t, db, id(1)) // nothing had been written, so nothing was to be undone

	halfway := func(s session) error {
		if _, err := s.exec(ctx, "UPDATE clocks SET version = version + 1", nil); err != nil {
			return err
		}
		return refused
	}
	err = db.write(ctx, "write half of it", halfway)
	require.ErrorIs(t, err, ErrTorn)
	require.ErrorIs(t, err, refused)
	for doing, err := range map[string]error{
		"read":  db.read(ctx, "read", func(session) error { return nil }),
		"write": db.write(ctx, "write", func(session) error { return nil }),
		"walk":  db.EachEvent(ctx, func(lifecycle.Event) error { return nil }),
	} {
		require.ErrorIs(t, err, ErrTorn, doing)
		require.ErrorIs(t, err, refused, doing)
	}
}

func TestASimulationReadsWhatItHasWrittenAndNotCommitted(t *testing.T) {
	db := migrated(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db")+"?solitary", Sandbox)
	stored := load(t, db, active(1, start), active(2, start))
	require.NoError(t, db.ForgoUndoing(ctx))
	for i := range stored {
		_, err := db.Apply(ctx, decide(start, stored[i]))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Expired, mustRead(t, db, stored[i].ID).Status)
		var all, changes int
		require.NoError(t, db.EachEvent(ctx, func(lifecycle.Event) error { all++; return nil }), "so does a snapshot")
		require.NoError(t, db.EachChange(ctx, func(e lifecycle.Event) error {
			changes++
			require.NotEqual(t, lifecycle.EventImported, e.Type)
			return nil
		}))
		require.Equal(t, i+1, changes)
		require.Equal(t, len(stored)+changes, all)
	}
}

func TestASnapshotOfASimulationKeepsOthersFromWritingUntilItIsClosed(t *testing.T) {
	db := migrated(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db")+"?solitary", Sandbox)
	stored := load(t, db, active(1, start))
	require.NoError(t, db.ForgoUndoing(ctx))
	snapshot, err := db.Snapshot(ctx)
	require.NoError(t, err)
	require.Len(t, db.writer, 1, "whoever writes waits")
	require.NoError(t, snapshot.Close())
	require.Empty(t, db.writer)
	require.NoError(t, snapshot.Close(), "once more does no harm")
	_, err = db.Apply(ctx, decide(start, stored...))
	require.NoError(t, err)
	require.Equal(t, lifecycle.Expired, mustRead(t, db, stored[0].ID).Status)
}

func TestAStatementThatFailsHalfwayIsTheEndOfASimulation(t *testing.T) {
	db := migrated(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db")+"?solitary", Sandbox)
	load(t, db, active(1, start), active(2, start))
	require.NoError(t, db.ForgoUndoing(ctx))
	err := db.write(ctx, "take a key twice", func(s session) error {
		_, err := s.exec(ctx, "UPDATE clocks SET key = 7", nil) // the second of the two has no room
		return err
	})
	require.ErrorIs(t, err, ErrTorn)
	require.ErrorIs(t, db.read(ctx, "read", func(session) error { return nil }), ErrTorn)
}

func TestOnlyAScratchFileDoesWithoutUndoing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		require.ErrorContains(t, db.ForgoUndoing(ctx), "only a solitary scratch file can")
	})
}
