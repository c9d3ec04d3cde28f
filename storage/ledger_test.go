package storage

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// sequenced logs what waits in pages of at least so many events.
func sequenced(t testing.TB, db *DB, most int) lifecycle.LedgerHead {
	t.Helper()
	for {
		page, err := db.NextForLedger(ctx, most)
		require.NoError(t, err)
		if len(page.Events) == 0 {
			return head(t, db)
		}
		grown, err := ledger.Grow(page)
		require.NoError(t, err)
		done, err := db.AppendToLedger(ctx, grown)
		require.NoError(t, err)
		require.True(t, done)
	}
}

func head(t testing.TB, db *DB) (head lifecycle.LedgerHead) {
	t.Helper()
	require.NoError(t, db.snap(ctx, func(s *Snapshot) (err error) {
		head, err = s.LedgerHead(ctx)
		return err
	}))
	return head
}

// proven are the findings of ledger.Verify, each with its kind in front.
func proven(t testing.TB, db *DB, checkpoints ...ledger.Checkpoint) (found []string, summary ledger.Summary) {
	t.Helper()
	require.NoError(t, db.snap(ctx, func(s *Snapshot) error {
		found, summary = provenBy(t, s, checkpoints...)
		return nil
	}))
	return found, summary
}

func provenBy(t testing.TB, s *Snapshot, checkpoints ...ledger.Checkpoint) (found []string, summary ledger.Summary) {
	t.Helper()
	summary, err := ledger.Verify(ctx, s, ledger.Options{Checkpoints: checkpoints}, func(f ledger.Finding) error {
		found = append(found, string(f.Kind)+": "+f.String())
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(len(found)), summary.Findings)
	return found, summary
}

// tampered looks at the database as it would be after statements that only somebody gives who wants to change the history; then
// all is as it was.
func tampered(t testing.TB, db *DB, statements []string, look func(*Snapshot)) {
	t.Helper()
	if db.dialect == postgres {
		statements = append([]string{"ALTER TABLE events DISABLE TRIGGER ALL"}, statements...)
	} else {
		statements = append([]string{"DROP TRIGGER events_not_altered", "DROP TRIGGER events_not_deleted"}, statements...)
	}
	tx, err := db.begin(ctx)
	require.NoError(t, err)
	defer tx.end()
	for _, statement := range statements {
		n, err := tx.exec(ctx, statement, nil)
		require.NoError(t, err, statement)
		require.True(t, n > 0 || strings.Contains(statement, "TRIGGER"), "%s touches nothing", statement)
	}
	look(&Snapshot{tx: tx.Tx, session: tx.session})
}

func checkpoint(h lifecycle.LedgerHead) ledger.Checkpoint {
	return ledger.Checkpoint{Origin: "test", Size: h.Size, Root: h.Root, Signed: true, From: fmt.Sprintf("at-%d", h.Size)}
}

// history writes some 1,000 events: arrivals, ends, an action with its caller, a refusal.
func history(t testing.TB, db *DB) {
	t.Helper()
	const records = 500
	batch := make([]lifecycle.Record, records)
	for i := range batch {
		batch[i] = active(i+1, start.AddDate(0, 1, 0))
	}
	_, err := db.ImportRelationships(ctx, incoming(batch...), policy, start)
	require.NoError(t, err)
	var stored []lifecycle.Stored
	require.NoError(t, db.EachRelationship(ctx, func(r lifecycle.Stored) error { stored = append(stored, r); return nil }))
	_, err = db.Apply(ctx, decide(start.AddDate(0, 2, 0), stored...))
	require.NoError(t, err)
	require.NoError(t, db.RecordRefusal(ctx, lifecycle.RefusedRequest{RelationshipID: id(7), Action: "terminate", Code: lifecycle.WrongStatus, By: *anna, At: start}))
	require.NoError(t, db.RecordRefusal(ctx, lifecycle.RefusedRequest{Subject: "unknown", Action: "terminate", Code: lifecycle.WrongStatus, By: *anna, At: start}))
}

func TestEveryEventIsLoggedOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		require.Zero(t, head(t, db).Size)
		found, _ := proven(t, db)
		require.Empty(t, found, "an empty ledger")
		history(t, db)
		events := int64(count(t, db, "SELECT count(*) FROM events"))
		size, err := db.LedgerSize(ctx)
		require.NoError(t, err)
		require.Equal(t, lifecycle.LedgerSize{Waiting: events}, size)
		require.Equal(t, events, size.Events())
		found, _ = proven(t, db)
		require.Empty(t, found, "all of them wait")

		first := sequenced(t, db, 300)
		require.Equal(t, events, first.Size)
		size, err = db.LedgerSize(ctx)
		require.NoError(t, err)
		require.Equal(t, lifecycle.LedgerSize{Logged: events}, size)
		found, summary := proven(t, db, checkpoint(first))
		require.Empty(t, found)
		require.Equal(t, ledger.Summary{Head: first, Events: events, Checkpoints: 1}, summary)

		require.NoError(t, db.RecordRefusal(ctx, lifecycle.RefusedRequest{Action: "terminate", Code: lifecycle.WrongStatus, By: *anna, At: start}))
		found, summary = proven(t, db, checkpoint(first))
		require.Empty(t, found)
		require.Equal(t, int64(1), summary.Waiting)
		second := sequenced(t, db, 300)
		require.Equal(t, events+1, second.Size)
		found, _ = proven(t, db, checkpoint(second), checkpoint(first))
		require.Empty(t, found, "it continues both")
	})
}

func TestPagesOfAnySizeGiveTheSameLedger(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		history(t, db)
		page, err := db.NextForLedger(ctx, 1_000_000)
		require.NoError(t, err)
		all, err := ledger.Grow(page)
		require.NoError(t, err)
		require.Equal(t, all.Head, sequenced(t, db, 1))
	})
}

func TestTamperingIsFound(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		history(t, db)
		h := sequenced(t, db, 300)
		for _, c := range []struct {
			name, statement string
			want            []string // what the findings begin with; the checkpoint's is last but for those about single events
		}{
			{"a changed reason", "UPDATE events SET reason = 'other' WHERE relationship_key = 300 AND version = 2",
				[]string{"changedEvent: leaf ", "otherHistory: the events are not those of checkpoint at-"}},
			{"a changed instant", "UPDATE events SET effective_at = recorded_at WHERE relationship_key = 300 AND version = 2",
				[]string{"changedEvent: leaf ", "otherHistory: "}},
			{"an address beside no caller", "UPDATE events SET address = '10.0.0.1' WHERE relationship_key = 300 AND version = 2",
				[]string{"changedEvent: leaf ", "otherHistory: "}},
			{"another fingerprint", "UPDATE events SET fingerprint = '' WHERE relationship_key = 1 AND version = 1",
				[]string{"changedEvent: leaf 0: event 1 of r-000001: is not what was logged; it now reads {", "otherHistory: "}},
			{"another relationship's id", "UPDATE agreements SET id = 'r-other' WHERE key = 500",
				[]string{"changedEvent: ", "changedEvent: ", "otherHistory: "}},
			{"a removed event", "DELETE FROM events WHERE relationship_key = 300 AND version = 2",
				[]string{"removedEvent: leaf ", "otherHistory: "}},
			{"a removed refusal", "DELETE FROM events WHERE version = -1",
				[]string{"removedEvent: leaf ", "otherHistory: "}},
			{"an event that nobody wrote", "INSERT INTO events (relationship_key, version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor) " +
				"SELECT relationship_key, 9, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor FROM events WHERE relationship_key = 9 AND version = 2",
				[]string{"insertedEvent: event 9 of r-000009: is there and was never logged"}},
			{"an event that changed places", "UPDATE events SET version = 9 WHERE relationship_key = 300 AND version = 2",
				[]string{"removedEvent: leaf ", "otherHistory: ", "insertedEvent: event 9 of r-000300"}},
			{"a tile of events", "UPDATE ledger_tiles SET hashes = (SELECT hashes FROM ledger_tiles WHERE level = 0 AND n = 1) WHERE level = 0 AND n = 0",
				append(slices.Repeat([]string{"changedEvent: leaf "}, 256), "otherHistory: the events are those of", "changedTile: tile 0 of level 1", "changedHead: ")},
			{"a tile further up", "UPDATE ledger_tiles SET hashes = (SELECT hashes FROM ledger_tiles WHERE level = 0 AND n = 1) WHERE level = 1",
				[]string{"changedTile: tile 0 of level 1"}},
			{"a tile that is gone", "DELETE FROM ledger_tiles WHERE level = 1", []string{"changedTile: tile 0 of level 1"}},
			{"a root", "UPDATE ledger_head SET root = (SELECT hashes FROM ledger_tiles WHERE level = 1)", []string{"changedHead: "}},
			{"the head", "DELETE FROM ledger_head", append([]string{"changedHead: ", "missingHistory: "}, slices.Repeat([]string{"insertedEvent: "}, 1002)...)},
			{"a size", "UPDATE ledger_head SET size = 1000000000000000", []string{"changedTile: leaf 768", "changedHead: the head of the ledger says that it has 1000000000000000 leaves"}},
			{"a bundle that is gone", "DELETE FROM ledger_bundles WHERE n = 1", append([]string{"changedBundle: leaf 256", "otherHistory: "}, slices.Repeat([]string{"insertedEvent: "}, 256)...)},
		} {
			t.Run(c.name, func(t *testing.T) {
				tampered(t, db, []string{c.statement}, func(s *Snapshot) {
					found, _ := provenBy(t, s, checkpoint(h))
					for i, f := range found[:min(len(found), len(c.want))] {
						require.True(t, strings.HasPrefix(f, c.want[i]), "finding %d is %q, want %q", i, f, c.want[i])
					}
					require.Len(t, found, len(c.want), "%q", found)
				})
			})
		}
	})
}

// Whoever can write to the database can rewrite the ledger, too; the database alone shows nothing then. That is what checkpoints
// are for.
func TestHistoryThatWasRewrittenWithItsHashesIsFoundByACheckpoint(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(0, 1, 0)), active(2, start.AddDate(0, 1, 0)))
		early := sequenced(t, db, 300)
		load(t, db, active(3, start.AddDate(0, 1, 0)), active(4, start.AddDate(0, 1, 0)))
		late := sequenced(t, db, 300)
		tampered(t, db, []string{"UPDATE events SET actor = 'system' WHERE relationship_key = 3"}, func(s *Snapshot) {
			relog(t, s)
			found, _ := provenBy(t, s)
			require.Empty(t, found, "the database fits itself")
			found, summary := provenBy(t, s, checkpoint(late), checkpoint(early))
			require.Equal(t, []string{"otherHistory: neither the events nor the hashes in the ledger are those of checkpoint at-4 (size 4): both were rewritten, " +
				"at or after leaf 2, since they are those of checkpoint at-2 (size 2)"}, found)
			require.Equal(t, 1, summary.Checkpoints)
			require.NotEqual(t, late, summary.Head)
		})
		tampered(t, db, []string{"DELETE FROM events WHERE relationship_key > 2"}, func(s *Snapshot) {
			relog(t, s)
			found, _ := provenBy(t, s, checkpoint(late), checkpoint(early))
			require.Equal(t, []string{"missingHistory: when checkpoint at-4 (size 4) was written there were 2 more events in the ledger: " +
				"they were removed, or the database was restored from a backup"}, found)
		})
		found, _ := proven(t, db, checkpoint(late), checkpoint(early))
		require.Empty(t, found)
	})
}

// relog makes a ledger anew over the events as they are.
func relog(t testing.TB, s *Snapshot) {
	t.Helper()
	var ids []loggedRow
	require.NoError(t, s.list(ctx, &ids, "SELECT relationship_key AS key, version FROM events ORDER BY recorded_at, relationship_key, version", nil))
	page := lifecycle.LedgerPage{Head: lifecycle.LedgerHead{Root: emptyRoot}}
	wanted := make([]lifecycle.EventID, len(ids))
	for i := range ids {
		wanted[i] = lifecycle.EventID(ids[i])
	}
	require.NoError(t, eachLogged(ctx, s.session, 0, wanted, func(l lifecycle.Logged) error {
		page.Events = append(page.Events, *l.Event)
		return nil
	}))
	g, err := ledger.Grow(page)
	require.NoError(t, err)
	for _, statement := range []string{"DELETE FROM ledger_tiles", "DELETE FROM ledger_bundles"} {
		_, err := s.exec(ctx, statement, nil)
		require.NoError(t, err)
	}
	var was int64
	require.NoError(t, s.get(ctx, &was, "SELECT size FROM ledger_head", nil))
	g.From = was
	done, err := appendToLedger(ctx, s.session, g)
	require.NoError(t, err)
	require.True(t, done)
}

var emptyRoot = sha256.Sum256(nil)

func TestOrderOfTheLedgerIsHeldToo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(0, 1, 0)), active(2, start.AddDate(0, 1, 0)), active(3, start.AddDate(0, 1, 0)))
		h := sequenced(t, db, 300)
		tampered(t, db, nil, func(s *Snapshot) {
			swapped := packBundle([]lifecycle.EventID{{Key: 1, Version: 1}, {Key: 3, Version: 1}, {Key: 2, Version: 1}})
			_, err := s.exec(ctx, "UPDATE ledger_bundles SET entries = :entries", args{"entries": swapped})
			require.NoError(t, err)
			found, _ := provenBy(t, s, checkpoint(h))
			require.Equal(t, []string{"changedEvent: leaf 1: event 1 of r-000003: stands where another event was logged; this one was leaf 2",
				"changedEvent: leaf 2: event 1 of r-000002: stands where another event was logged; this one was leaf 1",
				"otherHistory: the events are not those of checkpoint at-3 (size 3); the hashes in the ledger still are, and say which ones were changed"}, found)
		})
		tampered(t, db, nil, func(s *Snapshot) {
			twice := packBundle([]lifecycle.EventID{{Key: 1, Version: 1}, {Key: 1, Version: 1}, {Key: 2, Version: 1}})
			_, err := s.exec(ctx, "UPDATE ledger_bundles SET entries = :entries", args{"entries": twice})
			require.NoError(t, err)
			found, _ := provenBy(t, s)
			require.Len(t, found, 4, "%q", found)
			require.Equal(t, "repeatedEvent: event 1 of r-000001: was logged more than once, or is logged and waits for that again", found[2])
			require.Equal(t, "insertedEvent: event 1 of r-000003: is there and was never logged", found[3])
		})
		tampered(t, db, nil, func(s *Snapshot) {
			_, err := s.exec(ctx, "UPDATE ledger_bundles SET entries = :entries", args{"entries": []byte{0xff}})
			require.NoError(t, err)
			found, _ := provenBy(t, s)
			require.Contains(t, found[0], "changedBundle: leaf 0: which event the leaf is about is not to be found")
		})
	})
}

func TestEventThatIsGoneBeforeItWasLoggedLeavesATrace(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(0, 1, 0)), active(2, start.AddDate(0, 1, 0)))
		tampered(t, db, []string{"DELETE FROM events WHERE relationship_key = 1"}, func(s *Snapshot) {
			found, _ := provenBy(t, s)
			require.Equal(t, []string{"removedEvent: event 1 of r-000001: waits for the ledger and is not there"}, found)
			page := lifecycle.LedgerPage{Head: lifecycle.LedgerHead{Root: emptyRoot}}
			require.NoError(t, readBatches(ctx, s.session, []int64{1}, &page))
			require.Len(t, page.Events, 2)
			g, err := ledger.Grow(page)
			require.NoError(t, err)
			_, err = appendToLedger(ctx, s.session, g)
			require.NoError(t, err)
			found, _ = provenBy(t, s)
			require.Equal(t, []string{"removedEvent: leaf 0: event 1 of r-000001: was logged and is not there"}, found)
		})
	})
}

func TestSpoiltInstantIsFoundAndStopsNothing(t *testing.T) {
	db := migrated(t, "sqlite:"+t.TempDir()+"/test.db", Live)
	load(t, db, active(1, start.AddDate(0, 1, 0)), active(2, start.AddDate(0, 1, 0)))
	sequenced(t, db, 300)
	tampered(t, db, []string{"UPDATE events SET recorded_at = 'yesterday' WHERE relationship_key = 1"}, func(s *Snapshot) {
		found, _ := provenBy(t, s)
		require.Len(t, found, 1)
		require.Contains(t, found[0], `changedEvent: leaf 0: event 1 of r-000001: is not what was logged, and cannot be read: "yesterday" is not an instant`)
	})
}

func TestEventThatIsThereAlreadyIsRefusedAndNothingWaitsForTheLedger(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(0, 1, 0)))
		sequenced(t, db, 300)
		row := eventRow{Key: 1, Version: 1, Type: "x", EffectiveAt: at(start), RecordedAt: at(start)}
		next := row
		next.Version = 2
		write := func(rows ...eventRow) error {
			return db.write(ctx, "test", func(s session) error { return insertEventRows(ctx, s, rows) })
		}
		require.ErrorIs(t, write(row, next), lifecycle.ErrRefusedByDatabase, "the first is of a version that has its event")
		require.Equal(t, 0, count(t, db, "SELECT count(*) FROM event_batches"))
		require.NoError(t, write(next))
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM event_batches WHERE events = '[[1,2]]'"))
		require.ErrorIs(t, write(next), lifecycle.ErrRefusedByDatabase)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM event_batches"))
	})
}

func TestWhoComesSecondHasLoggedNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		history(t, db)
		events := count(t, db, "SELECT count(*) FROM events")
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				for {
					page, err := db.NextForLedger(ctx, 100)
					if err != nil || len(page.Events) == 0 {
						assert.NoError(t, err)
						return
					}
					grown, err := ledger.Grow(page)
					if !assert.NoError(t, err) {
						return
					}
					_, err = db.AppendToLedger(ctx, grown)
					assert.NoError(t, err)
				}
			})
		}
		wait.Wait()
		require.Equal(t, int64(events), head(t, db).Size)
		found, _ := proven(t, db)
		require.Empty(t, found)
	})
}

func TestEventsFromBeforeTheLedgerAreLogged(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := migratedTo(t, url, 5)
		rows := make([]eventRow, 2345)
		for i := range rows {
			rows[i] = eventRow{Key: int64(i/2 + 1), Version: int64(i%2 + 1), Type: "x", EffectiveAt: at(start), RecordedAt: at(start)}
		}
		tx, err := db.begin(ctx)
		require.NoError(t, err)
		require.NoError(t, fill(ctx, tx.session, "events", "relationship_key, "+timedColumns, "key, "+timedColumns, pointers(rows)))
		require.NoError(t, tx.Commit())
		require.NoError(t, tx.end())
		require.NoError(t, db.Migrate(ctx, Live, start))
		size, err := db.LedgerSize(ctx)
		require.NoError(t, err)
		require.Equal(t, lifecycle.LedgerSize{Waiting: 2345}, size)
		require.Equal(t, 3, count(t, db, "SELECT count(*) FROM event_batches"))
		require.Equal(t, int64(2345), sequenced(t, db, 1).Size)
		found, _ := proven(t, db)
		require.Empty(t, found)
	})
}

func TestHistoryOfOneRelationshipIsProven(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		history(t, db)
		h := sequenced(t, db, 300)
		require.NoError(t, db.snap(ctx, func(s *Snapshot) error {
			proof, err := ledger.Prove(ctx, s, id(7), ledger.Unsigned(h), checkpoint(h), nil)
			require.NoError(t, err)
			require.Len(t, proof.Events, 3, "it came, it ended, somebody was refused something")
			return nil
		}))
	})
}

// BenchmarkSequencer logs events as they come out of chunks of 1,000.
func BenchmarkSequencer(b *testing.B) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + b.TempDir() + "/bench.db", "PostgreSQL": testenv.Postgres(b)} {
		b.Run(name, func(b *testing.B) {
			const chunk = 1000
			db, err := Open(ctx, url)
			require.NoError(b, err)
			defer db.Close()
			require.NoError(b, db.Migrate(ctx, Live, start))
			n := int64(0)
			for b.Loop() {
				b.StopTimer()
				for range 4 {
					rows := make([]eventRow, chunk)
					for i := range rows {
						n++
						rows[i] = eventRow{Key: n, Version: 2, Type: lifecycle.EventTermEnded, Rule: "end-term", EffectiveAt: at(start), RecordedAt: at(start),
							Fingerprint: "0123456789abcdef0123456789abcdef"}
					}
					require.NoError(b, db.write(ctx, "bench", func(s session) error { return insertEventRows(ctx, s, rows) }))
				}
				b.StartTimer()
				sequenced(b, db, 4096)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
			var bytes int64
			require.NoError(b, db.pool.GetContext(ctx, &bytes, "SELECT (SELECT SUM(length(hashes)) FROM ledger_tiles) + (SELECT SUM(length(entries)) FROM ledger_bundles)"))
			b.ReportMetric(float64(bytes)/float64(n), "bytes/event")
		})
	}
}
