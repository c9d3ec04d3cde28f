package storage

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// queue puts n letters into the outbox, each about a relationship of its own.
func queue(t *testing.T, db *DB, n int) {
	t.Helper()
	agents(t, db, "agent@example.com")
	var records []lifecycle.Record
	for i := range n {
		r := active(i+1, start)
		r.Customer = lifecycle.Tenant{}
		records = append(records, r)
	}
	load(t, db, records...)
	sweep := opened(t, db, start)
	for _, ref := range cutAll(t, db, sweep.ID, 100, 10) {
		chunk := claim(t, db, ref, start)
		due, _, err := db.DueRecords(ctx, chunk, nil, start)
		require.NoError(t, err)
		tally, err := db.ApplyChunk(ctx, chunk.ChunkRef, decide(start, due...), lifecycle.Tally{}, nil, start)
		require.NoError(t, err)
		require.EqualValues(t, len(due), tally.Notices)
	}
}

func TestLetterIsInOneHand(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const letters = 60
		queue(t, db, letters)
		waiting, err := db.WaitingLetters(ctx, start)
		require.NoError(t, err)
		require.EqualValues(t, letters, waiting)

		var mu sync.Mutex
		taken := map[lifecycle.NoticeID]int{}
		var wait sync.WaitGroup
		for range 6 {
			wait.Go(func() {
				for {
					claimed, err := db.ClaimLetters(ctx, start, start.Add(time.Minute), 7)
					if err != nil {
						t.Error(err)
					}
					if len(claimed) == 0 {
						return
					}
					mu.Lock()
					for _, l := range claimed {
						taken[l.NoticeID]++
					}
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		require.Len(t, taken, letters)
		for id, n := range taken {
			require.Equal(t, 1, n, id)
		}
		waiting, err = db.WaitingLetters(ctx, start)
		require.NoError(t, err)
		require.Zero(t, waiting)
	})
}

func TestLetterComesBackUntilItIsSettled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		take := func(wall time.Time) []lifecycle.Letter {
			letters, err := db.ClaimLetters(ctx, wall, wall.Add(time.Minute), 10)
			require.NoError(t, err)
			return letters
		}
		first := take(start)
		require.Len(t, first, 1)
		require.Equal(t, 1, first[0].Attempts)
		require.Equal(t, lifecycle.Expired, first[0].Relationship.Status, "as it is now")
		require.Equal(t, id(1), first[0].Relationship.ID)
		require.Empty(t, take(start.Add(59*time.Second)), "its lease still runs")

		bytes := []byte{0, 0xff, 'x'}
		first[0].MessageID, first[0].Message = "<first@test>", bytes
		require.NoError(t, db.KeepMessages(ctx, first))
		second := take(start.Add(time.Minute))
		require.Len(t, second, 1, "whoever had it is gone")
		require.Equal(t, 2, second[0].Attempts)
		require.Equal(t, "<first@test>", second[0].MessageID)
		require.Equal(t, bytes, second[0].Message)
		second[0].MessageID = "<second@test>"
		require.NoError(t, db.KeepMessages(ctx, second))

		retry := start.Add(time.Hour)
		require.NoError(t, db.SettleLetters(ctx, []lifecycle.Settled{{NoticeID: second[0].NoticeID, Attempt: second[0].Attempts, Status: lifecycle.NoticeFailed, LastError: "no luck", NextAttempt: retry}}))
		require.Empty(t, take(retry.Add(-time.Microsecond)))
		third := take(retry)
		require.Len(t, third, 1)
		require.Equal(t, "<first@test>", third[0].MessageID, "the first one stays")
		require.Equal(t, "no luck", third[0].LastError)

		sent := lifecycle.Settled{NoticeID: third[0].NoticeID, Status: lifecycle.NoticeSent, SentAt: retry}
		require.NoError(t, db.SettleLetters(ctx, []lifecycle.Settled{sent}))
		require.NoError(t, db.SettleLetters(ctx, []lifecycle.Settled{{NoticeID: third[0].NoticeID, Status: lifecycle.NoticeFailed}}))
		require.Empty(t, take(retry.AddDate(1, 0, 0)))
		letter, err := db.Letter(ctx, third[0].NoticeID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.NoticeSent, letter.Status)
		require.Equal(t, retry, letter.SentAt)
		counts, err := db.NoticeCounts(ctx)
		require.NoError(t, err)
		require.Equal(t, map[lifecycle.NoticeStatus]int64{lifecycle.NoticeSent: 1, lifecycle.NoticeNoRecipient: 1}, counts)
	})
}

func TestLetterAboutASpoiltRecordDoesNotKeepTheOthersBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 2)
		_, err := db.pool.ExecContext(ctx, "UPDATE relationships SET roles = '?' WHERE key = 1")
		require.NoError(t, err)
		letters, err := db.ClaimLetters(ctx, start, start.Add(time.Minute), 10)
		require.NoError(t, err)
		require.Len(t, letters, 1)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM notices WHERE relationship_key = 1 AND status = 'dead' AND last_error <> ''"))
	})
}

func TestLettersAreListedPageByPage(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 5)
		all, err := db.Letters(ctx, LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeQueued}, Kinds: []lifecycle.NoticeKind{lifecycle.KindTermEnded}})
		require.NoError(t, err)
		require.Len(t, all, 5)
		var paged []lifecycle.Letter
		q := LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeQueued}, Limit: 2}
		for {
			page, err := db.Letters(ctx, q)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
			q.After = page[len(page)-1].NoticeID
		}
		require.Equal(t, all, paged)
		of, err := db.Letters(ctx, LetterQuery{Relationship: id(3)})
		require.NoError(t, err)
		require.Len(t, of, 2)
		require.Equal(t, fmt.Sprintf("%d-2-1", of[0].Key), of[0].String())
		_, err = db.Letter(ctx, lifecycle.NoticeID{Key: 99})
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
	})
}
