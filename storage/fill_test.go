package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An import that hopes to bring nothing but news answers and writes the same as one that looks everything up.
func TestHopingForNewsComesToTheSameAsLooking(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		hoped := migrated(t, url, Live)
		for _, atomic := range []bool{false, true} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("atomic %v, seed %d", atomic, seed), func(t *testing.T) {
					looked := migrated(t, "sqlite::memory:", Live)
					im, err := hoped.BeginImport(ctx, atomic)
					require.NoError(t, err)
					files := rand.New(rand.NewPCG(seed, 0))
					from := 1000 * int(seed) // other ids and names than those of the seeds before
					if atomic {
						from += 100_000
					}
					for range 20 {
						batch := someIncoming(files, from)
						want, err := looked.ImportRelationships(ctx, batch, policy, start)
						require.NoError(t, err)
						got, err := im.Relationships(ctx, batch, policy, start)
						require.NoError(t, err)
						require.Equal(t, want, got)
					}
					require.NoError(t, im.Commit())
					require.Equal(t, contentOf(t, looked, from), contentOf(t, hoped, from))
				})
			}
		}
		require.Equal(t, count(t, hoped, "SELECT count(*) FROM relationships"), count(t, hoped, "SELECT max(key) FROM relationships"), "keys have no gaps")
	})
}

const span = 600 // numbers of relationships in a file

// someIncoming is a batch as files have it: mostly all new, at times with an id or a name that is taken.
func someIncoming(files *rand.Rand, from int) []lifecycle.Incoming {
	var records []lifecycle.Record
	fresh, met := 12, map[int]bool{}
	for range fresh {
		n := from + files.IntN(span)
		if met[n] {
			continue
		}
		met[n] = true
		r := active(n, start.AddDate(0, 6, 0))
		switch files.IntN(60) {
		case 0:
			r.DisplayName = fmt.Sprintf("Relationship %d", from+files.IntN(span))
		case 1:
			r = ended(n, start.AddDate(-2, 0, 0))
		case 2:
			r.Roles = nil
		}
		records = append(records, r)
	}
	return incoming(records...)
}

type contentRow struct {
	ID          string `json:"id"`
	Version     int64  `json:"version"`
	Rule        string `json:"next_rule"`
	Digest      string `json:"digest"`
	Step        int64  `json:"step"`
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"` // of all that people have said
}

// contentOf is what the relationships from this number on come to, with their histories.
func contentOf(t *testing.T, db *DB, from int) (all []contentRow) {
	t.Helper()
	require.NoError(t, session{q: db.pool, dialect: db.dialect}.list(ctx, &all, `SELECT t.id, t.version, t.next_rule, t.digest, e.version AS step, e.type, e.fingerprint
		FROM relationships AS t JOIN events AS e ON e.relationship_key = t.key WHERE t.id >= :from AND t.id < :upto ORDER BY t.id, e.version`,
		args{"from": id(from), "upto": id(from + span)}))
	return all
}

func TestFilledRowsHoldWhatTheyWereGiven(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		odd := "tab\there, line\nend, return\r, \\N and \\. and \\\\, 'quotes\" , é 日 🎉"
		r := active(1, start)
		r.DisplayName, r.Customer.DisplayName, r.Locked = odd, odd, time.Time{}
		require.NoError(t, loaded(t, db, active(0, start), active(2, start)))
		im, err := db.BeginImport(ctx, false)
		require.NoError(t, err)
		im.unmet = 1
		intakes, err := im.Relationships(ctx, incoming(r), policy, start)
		require.NoError(t, err)
		require.Equal(t, created, intakes[0].Taken)
		got := mustRead(t, db, id(1)).Record
		r.Version = 1
		require.Equal(t, r, got)
		size, err := db.LedgerSize(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 3, size.Waiting, "each event waits for the ledger")
	})
}

func loaded(t *testing.T, db *DB, records ...lifecycle.Record) error {
	t.Helper()
	_, err := db.ImportRelationships(ctx, incoming(records...), policy, start)
	return err
}

func TestWhatIsFilledInMeetsHolds(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		placed(t, db, lifecycle.HoldTenant, customer)
		im, err := db.BeginImport(ctx, false)
		require.NoError(t, err)
		im.unmet = 1
		_, err = im.Relationships(ctx, incoming(active(1, start)), policy, start)
		require.NoError(t, err)
		require.Equal(t, []string{id(1)}, stayedRows(t, db))
	})
}

// Whoever stops an import in the middle of a batch finds nothing of it, and the database as usable as before.
func TestFillingThatIsStoppedLeavesNothingBehind(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		for range 10 {
			stopped, stop := context.WithCancel(ctx)
			batch := make([]lifecycle.Record, 3000)
			for i := range batch {
				batch[i] = active(i, start)
			}
			im, err := db.BeginImport(stopped, false)
			require.NoError(t, err)
			im.unmet = 1
			time.AfterFunc(time.Duration(rand.IntN(int(40*time.Millisecond))), stop) // somewhere in the middle
			_, err = im.Relationships(stopped, incoming(batch...), policy, start)
			stop()
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				require.Zero(t, count(t, db, "SELECT count(*) FROM relationships"))
				continue
			}
			require.Equal(t, len(batch), count(t, db, "SELECT count(*) FROM relationships"))
			return // it was quicker
		}
		require.NoError(t, loaded(t, db, active(1, start)))
	})
}

func TestInstantsAreWrittenInOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(-70_000_000_000, 250_000_000_000).Draw(t, "seconds")
		instant := at(time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")))
		require.Equal(t, instant.String(), string(instant.append(nil)))
	})
}

func TestPlainNamesAreComparedAsAllOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]*`)).Draw(t, "name")
		require.Equal(t, norm.NFC.String(cases.Fold().String(norm.NFD.String(name))), nameKey(name))
	})
}
