package storage

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// preparedChunk claims the one chunk of a sweep of all that is due at start, and has it prepared.
func preparedChunk(t *testing.T, db *DB) (decided []lifecycle.Decided, write lifecycle.WriteChunk) {
	t.Helper()
	refs := cutAll(t, db, opened(t, db, start).ID, 1000, 1)
	require.Len(t, refs, 1)
	chunk := claim(t, db, refs[0], start)
	due, _, err := db.DueRecords(ctx, chunk, nil, start)
	require.NoError(t, err)
	decided = decide(start, due...)
	return decided, db.PrepareChunk(ctx, chunk.ChunkRef, decided)
}

func toldBy(t *testing.T, db *DB) (mails []string) {
	t.Helper()
	for _, l := range letters(t, db, lifecycle.LetterQuery{}) {
		if l.Recipient.Mail != "" {
			mails = append(mails, l.Recipient.Mail)
		}
	}
	return mails
}

func TestPreparedChunkIsWrittenOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@example.com")
		load(t, db, active(1, start), active(2, start.Add(-time.Hour)))
		_, write := preparedChunk(t, db)
		tally, err := write(ctx, lifecycle.Tally{Found: 2}, nil, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Found: 2, Changed: 2, Notices: 2, Lateness: time.Hour}, tally)
		tally, err = write(ctx, lifecycle.Tally{Found: 2}, nil, start)
		require.NoError(t, err)
		require.Zero(t, tally, "it is closed")
		require.Equal(t, 2, count(t, db, "SELECT count(*) FROM events WHERE rule = 'end-term' AND length(fingerprint) = 32"))
		require.Equal(t, []string{"a@example.com", "a@example.com"}, toldBy(t, db))
	})
}

func TestContactsThatChangeBehindAPreparedChunkAreToldAsTheyAreByThen(t *testing.T) {
	for name, change := range map[string]struct {
		do   func(t *testing.T, db *DB)
		told []string
	}{
		"one comes":    {func(t *testing.T, db *DB) { agents(t, db, "b@example.com") }, []string{"a@example.com", "b@example.com"}},
		"nobody comes": {func(*testing.T, *DB) {}, []string{"a@example.com"}},
		"one leaves": {func(t *testing.T, db *DB) {
			removed, err := db.RemoveContacts(ctx, lifecycle.ContactQuery{Mail: "a@example.com"})
			require.NoError(t, err)
			require.EqualValues(t, 1, removed)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, db *DB) {
				agents(t, db, "a@example.com")
				load(t, db, active(1, start))
				_, write := preparedChunk(t, db)
				change.do(t, db)
				_, err := write(ctx, lifecycle.Tally{Found: 1}, nil, start)
				require.NoError(t, err)
				require.Equal(t, change.told, toldBy(t, db))
			})
		})
	}
}

func TestRecordsThatChangeBehindAPreparedChunkAreSkipped(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@example.com")
		load(t, db, active(1, start), active(2, start), active(3, start))
		decided, write := preparedChunk(t, db)
		_, err := db.Apply(ctx, decided[1:2])
		require.NoError(t, err)
		tally, err := write(ctx, lifecycle.Tally{Found: 3}, nil, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Found: 3, Changed: 2, Skipped: 1, Notices: 2}, tally)
		require.Equal(t, 3, count(t, db, "SELECT count(*) FROM events WHERE rule = 'end-term'"))
		require.Len(t, toldBy(t, db), 3)
	})
}

func TestRulePausedBehindAPreparedChunkDoesNotTakeEffect(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start))
		_, write := preparedChunk(t, db)
		_, err := db.PlaceHold(ctx, lifecycle.Hold{Kind: lifecycle.HoldRule, Subject: string(lifecycle.EndTerm), Note: "wait"}, lifecycle.Caller{}, start)
		require.NoError(t, err)
		tally, err := write(ctx, lifecycle.Tally{Found: 1}, nil, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Found: 1, Skipped: 1}, tally)
		require.Zero(t, count(t, db, "SELECT count(*) FROM events WHERE rule = 'end-term'"))
	})
}

func TestWhoWasMetInOneChunkIsToldInTheNextAsContactsAreByThen(t *testing.T) {
	change := map[string]func(t *testing.T, db *DB){
		"nobody changes": func(*testing.T, *DB) {},
		"one comes":      func(t *testing.T, db *DB) { agents(t, db, "b@example.com") },
		"all leave": func(t *testing.T, db *DB) {
			_, err := db.RemoveContacts(ctx, lifecycle.ContactQuery{Mail: "a@example.com"})
			require.NoError(t, err)
		},
	}
	told := map[string][]string{"nobody changes": {"a@example.com"}, "one comes": {"a@example.com", "b@example.com"}, "all leave": nil}
	for name := range change {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, db *DB) {
				agents(t, db, "a@example.com")
				load(t, db, active(1, start.Add(-time.Hour)), active(2, start))
				refs := cutAll(t, db, opened(t, db, start).ID, 1, 2)
				require.Len(t, refs, 2)
				var all []string
				for i, ref := range refs {
					if i == 1 {
						change[name](t, db)
					}
					chunk := claim(t, db, ref, start)
					due, _, err := db.DueRecords(ctx, chunk, nil, start)
					require.NoError(t, err)
					_, err = db.PrepareChunk(ctx, chunk.ChunkRef, decide(start, due...))(ctx, lifecycle.Tally{Found: 1}, nil, start)
					require.NoError(t, err)
					all = append(all, "chunk")
					all = append(all, toldBy(t, db)[len(all)-1-i:]...)
				}
				require.Equal(t, append([]string{"chunk", "a@example.com", "chunk"}, told[name]...), all)
			})
		})
	}
}

func TestAcquaintancesAreOfOneSweepAndOneMarkAndNotEndless(t *testing.T) {
	var db DB
	agents := lifecycle.Audience{TenantID: "t", Role: lifecycle.AdminAgents}
	known := db.acquainted(1, "m")
	known.meet(agents, []person{{mail: "a@example.com"}})
	known.meet(lifecycle.Audience{TenantID: "c", Role: lifecycle.GlobalAdministrators}, []person{{mail: "b@example.com"}})
	people, met := db.acquainted(1, "m").of(agents)
	require.True(t, met)
	require.Equal(t, []person{{mail: "a@example.com"}}, people)
	_, met = known.of(lifecycle.Audience{TenantID: "c", Role: lifecycle.GlobalAdministrators})
	require.False(t, met, "of customers there are too many")
	for _, other := range []*acquaintances{db.acquainted(1, "n"), db.acquainted(2, "n"), db.acquainted(1, "m")} {
		_, met = other.of(agents)
		require.False(t, met)
	}
	known = db.acquainted(1, "m")
	for n := range mostAcquaintances {
		known.meet(lifecycle.Audience{TenantID: strconv.Itoa(n), Role: lifecycle.AdminAgents}, make([]person, 1))
	}
	require.Len(t, known.people, mostAcquaintances/2)
}
