package storage

import (
	"bytes"
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
	end(t, db, n)
}

// end has n relationships end of which only the partner is told.
func end(t testing.TB, db *DB, n int) {
	t.Helper()
	endAt(t, db, n, start)
}

// endAt has them end at start, which is noted later.
func endAt(t testing.TB, db *DB, n int, noted time.Time) {
	t.Helper()
	var known int
	require.NoError(t, db.pool.GetContext(ctx, &known, "SELECT count(*) FROM relationships"))
	var records []lifecycle.Record
	for i := range n {
		r := active(known+i+1, start)
		r.Customer = lifecycle.Tenant{}
		records = append(records, r)
	}
	intakes, err := db.ImportRelationships(ctx, incoming(records...), policy, start)
	require.NoError(t, err)
	require.Equal(t, lifecycle.TakenNew, intakes[0].Taken, intakes[0].Fault)
	stored, err := db.Relationships(ctx, lifecycle.RelationshipQuery{After: &lifecycle.Cursor{Key: int64(known)}})
	require.NoError(t, err)
	tally, err := db.Apply(ctx, decide(noted, stored...))
	require.NoError(t, err)
	require.EqualValues(t, n, tally.Changed)
}

// asked is a claim of a minute, by two clocks that agree.
func asked(wall time.Time, most int) lifecycle.Claim {
	return lifecycle.Claim{Channel: lifecycle.DefaultChannel, Now: wall, Wall: wall, LeaseUntil: wall.Add(time.Minute), Most: most}
}

func claimed(t testing.TB, db *DB, c lifecycle.Claim) []lifecycle.Letter {
	t.Helper()
	letters, err := db.ClaimLetters(ctx, c)
	require.NoError(t, err)
	return letters
}

// one claims the only letter that there is to be had.
func one(t testing.TB, db *DB, wall time.Time) lifecycle.Letter {
	t.Helper()
	letters := claimed(t, db, asked(wall, 10))
	require.Len(t, letters, 1)
	return letters[0]
}

func begun(t testing.TB, db *DB, letters ...lifecycle.Letter) []lifecycle.Letter {
	t.Helper()
	begun, err := db.BeginLetters(ctx, letters)
	require.NoError(t, err)
	return begun
}

func settled(t testing.TB, db *DB, letters ...lifecycle.Settled) {
	t.Helper()
	require.NoError(t, db.SettleLetters(ctx, letters))
}

func outcome(l *lifecycle.Letter, status lifecycle.NoticeStatus, when time.Time) lifecycle.Settled {
	s := lifecycle.Settled{NoticeID: l.NoticeID, Claim: l.Claim, Status: status, At: when}
	switch status {
	case lifecycle.NoticeSent:
		s.SentAt = when
	case lifecycle.NoticeFailed:
		s.LastError, s.NextAttempt = "no luck", when
	}
	return s
}

func stored(t testing.TB, db *DB, id lifecycle.NoticeID) lifecycle.Letter {
	t.Helper()
	l, err := db.Letter(ctx, id)
	require.NoError(t, err)
	return l
}

func waiting(t testing.TB, db *DB, wall time.Time) map[string]int64 {
	t.Helper()
	n, err := db.WaitingLetters(ctx, wall, wall)
	require.NoError(t, err)
	return n
}

func TestLetterIsInOneHand(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const n = 60
		queue(t, db, n)
		require.Equal(t, map[string]int64{"mail": n}, waiting(t, db, start))

		var mu sync.Mutex
		hands := map[lifecycle.NoticeID]int{}
		var wait sync.WaitGroup
		for range 6 {
			wait.Go(func() {
				for {
					letters, err := db.ClaimLetters(ctx, asked(start, 7))
					if err != nil {
						t.Error(err)
					}
					if len(letters) == 0 {
						return
					}
					mu.Lock()
					for _, l := range letters {
						hands[l.NoticeID]++
					}
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		require.Len(t, hands, n)
		for id, times := range hands {
			require.Equal(t, 1, times, id)
		}
		require.Empty(t, waiting(t, db, start))
	})
}

func TestLetterComesBackUntilItIsSettled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		first := one(t, db, start)
		require.Zero(t, first.Attempts, "none has begun")
		require.Equal(t, lifecycle.Expired, first.Relationship.Status, "as it is now")
		require.Equal(t, id(1), first.Relationship.ID)
		require.Empty(t, claimed(t, db, asked(start.Add(59*time.Second), 10)), "its lease still runs")

		message := []byte{0, 0xff, 'x'}
		first.MessageID, first.Message = "<first@test>", message
		first = begun(t, db, first)[0]
		require.Equal(t, 1, first.Attempts)
		second := one(t, db, start.Add(time.Minute)) // whoever had it is gone
		require.Equal(t, 1, second.Unknown, "nobody knows what became of the first attempt")
		require.Equal(t, "<first@test>", second.MessageID)
		require.Equal(t, message, second.Message)
		require.Empty(t, begun(t, db, first), "it is somebody else's now")
		second.MessageID = "<second@test>"
		second = begun(t, db, second)[0]
		require.Equal(t, 2, second.Attempts)

		retry := start.Add(time.Hour)
		settled(t, db, outcome(&second, lifecycle.NoticeFailed, retry))
		require.Empty(t, claimed(t, db, asked(retry.Add(-time.Microsecond), 10)))
		third := one(t, db, retry)
		require.Equal(t, "<first@test>", third.MessageID, "the first one stays")
		require.Equal(t, "no luck", third.LastError)
		require.Equal(t, 1, third.Unknown, "how the second one ended is known")

		third = begun(t, db, third)[0]
		settled(t, db, outcome(&third, lifecycle.NoticeSent, retry))
		settled(t, db, outcome(&third, lifecycle.NoticeFailed, retry))
		require.Empty(t, claimed(t, db, asked(retry.AddDate(1, 0, 0), 10)))
		letter := stored(t, db, third.NoticeID)
		require.Equal(t, lifecycle.NoticeSent, letter.Status)
		require.Equal(t, retry, letter.SentAt)
		require.Equal(t, retry, letter.SettledAt)
		require.Equal(t, 3, letter.Attempts)
		counts, err := db.NoticeCounts(ctx)
		require.NoError(t, err)
		require.Equal(t, map[lifecycle.NoticeStatus]int64{lifecycle.NoticeSent: 1, lifecycle.NoticeNoRecipient: 1}, counts)
		byChannel, err := db.NoticeCountsByChannel(ctx)
		require.NoError(t, err)
		require.Equal(t, map[string]map[lifecycle.NoticeStatus]int64{"mail": counts}, byChannel)
	})
}

func TestSettlingTwiceIsSettlingOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		l := begun(t, db, one(t, db, start))[0]
		failed := outcome(&l, lifecycle.NoticeFailed, start)
		failed.Unknown = true
		settled(t, db, failed)
		settled(t, db, failed)
		require.Equal(t, 1, stored(t, db, l.NoticeID).Unknown)

		l = begun(t, db, one(t, db, start))[0]
		require.Equal(t, 2, l.Attempts)
		back := lifecycle.Settled{NoticeID: l.NoticeID, Claim: l.Claim, Status: lifecycle.NoticeFailed, Uncounted: true}
		settled(t, db, back)
		settled(t, db, back)
		again := stored(t, db, l.NoticeID)
		require.Equal(t, 1, again.Attempts, "nobody was reached")
		require.Zero(t, again.NextAttempt, "at once")
		require.Zero(t, again.SettledAt)
		require.Equal(t, 1, again.Unknown)
	})
}

func TestOnlyThatItWasSentCountsOnceALetterHasChangedHands(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		slow := begun(t, db, one(t, db, start))[0]
		quick := begun(t, db, one(t, db, start.Add(time.Minute)))[0]
		settled(t, db, outcome(&slow, lifecycle.NoticeDead, start))
		require.Equal(t, lifecycle.NoticeQueued, stored(t, db, slow.NoticeID).Status)
		settled(t, db, outcome(&slow, lifecycle.NoticeSent, start))
		settled(t, db, outcome(&quick, lifecycle.NoticeFailed, start))
		l := stored(t, db, slow.NoticeID)
		require.Equal(t, lifecycle.NoticeSent, l.Status)
		require.Equal(t, 1, l.Unknown, "there may be two of it, and it shows")
	})
}

func TestLeaseIsKeptWhileALetterIsHeldAndNotBeyond(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 2)
		held := claimed(t, db, asked(start, 2))
		settled(t, db, outcome(&held[0], lifecycle.NoticeFailed, start.Add(2*time.Minute)))
		kept, err := db.KeepLetters(ctx, held, start.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, []lifecycle.NoticeID{held[1].NoticeID}, kept)
		kept, err = db.KeepLetters(ctx, nil, start)
		require.NoError(t, err)
		require.Empty(t, kept)
		back := one(t, db, start.Add(2*time.Minute))
		require.Equal(t, held[0].NoticeID, back.NoticeID, "a settled one is nobody's")
		require.Len(t, claimed(t, db, asked(start.Add(time.Hour), 2)), 2)
		kept, err = db.KeepLetters(ctx, held, start.Add(9*time.Hour))
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Len(t, claimed(t, db, asked(start.Add(2*time.Hour), 2)), 2, "nobody keeps what is somebody else's")
	})
}

func TestManyMessagesAreStoredEachAsItIs(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const letters = 40
		queue(t, db, letters)
		held := claimed(t, db, asked(start, letters))
		for i := range held {
			held[i].MessageID = fmt.Sprintf("<%d@test>", i)
			held[i].Message = bytes.Repeat([]byte{byte(i), 0, 0xfe, '\'', '\\'}, i*100) // the first is empty
		}
		require.Len(t, begun(t, db, held...), letters)
		for _, l := range held {
			have := stored(t, db, l.NoticeID)
			require.Equal(t, l.MessageID, have.MessageID)
			require.True(t, bytes.Equal(l.Message, have.Message), l.MessageID)
		}
		require.Empty(t, begun(t, db))
	})
}

func TestClockThatWasSetBackHoldsNothingUpForLong(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		ahead := start.AddDate(70, 0, 0)
		l := one(t, db, ahead)
		settled(t, db, outcome(&l, lifecycle.NoticeFailed, ahead.Add(time.Hour)))
		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail", Failures: 1, ReadyAt: ahead}))
		require.Equal(t, map[string]int64{"mail": 1}, waiting(t, db, start))
		one(t, db, start)

		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail", Failures: 1, ReadyAt: start.Add(time.Hour)}))
		require.Empty(t, claimed(t, db, asked(start, 1)), "that is an honest wait")
	})
}

func TestLetterAboutASpoiltRecordDoesNotKeepTheOthersBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 2)
		_, err := db.pool.ExecContext(ctx, "UPDATE agreements SET roles = '?' WHERE key = 1")
		require.NoError(t, err)
		require.Len(t, claimed(t, db, asked(start, 10)), 1)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM notices WHERE relationship_key = 1 AND status = 'dead' AND last_error <> '' AND settled_at IS NOT NULL"))
	})
}

func TestLettersAreListedPageByPage(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 5)
		list := func(q lifecycle.LetterQuery) []lifecycle.Letter {
			letters, err := db.Letters(ctx, q)
			require.NoError(t, err)
			return letters
		}
		all := list(lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeQueued}, Kinds: []lifecycle.NoticeKind{lifecycle.KindTermEnded}})
		require.Len(t, all, 5)
		var paged []lifecycle.Letter
		q := lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeQueued}, Limit: 2}
		for page := list(q); len(page) > 0; page = list(q) {
			paged = append(paged, page...)
			q.After = page[len(page)-1].NoticeID
		}
		require.Equal(t, all, paged)
		of := list(lifecycle.LetterQuery{Relationship: id(3)})
		require.Len(t, of, 2)
		require.Equal(t, fmt.Sprintf("%d-2-1", of[0].Key), of[0].String())
		_, err := db.Letter(ctx, lifecycle.NoticeID{Key: 99})
		require.ErrorIs(t, err, lifecycle.ErrNotFound)

		require.Equal(t, all[1:3], list(lifecycle.LetterQuery{IDs: []lifecycle.NoticeID{all[2].NoticeID, all[1].NoticeID, {Key: 99}}}))
		for want, q := range map[int]lifecycle.LetterQuery{
			10: {Channel: "mail"},
			5:  {Mail: "Agent@Example.com", Tenant: partner},
			0:  {Tenant: customer},
		} {
			require.Len(t, list(q), want, "%+v", q)
		}
		require.Len(t, list(lifecycle.LetterQuery{DueAfter: start, DueBefore: start.Add(time.Microsecond)}), 10)
		require.Empty(t, list(lifecycle.LetterQuery{DueBefore: start}))
		require.Empty(t, list(lifecycle.LetterQuery{DueAfter: start.Add(time.Microsecond)}))
		require.Empty(t, list(lifecycle.LetterQuery{Digest: all[0].NoticeID}))
	})
}

func TestErasingKeepsTheFactAndForgetsThePerson(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 3)
		held := claimed(t, db, asked(start, 3))
		for i := range held {
			held[i].MessageID, held[i].Message = "<x@test>", []byte("To: agent@example.com")
		}
		held = begun(t, db, held...)
		settled(t, db, outcome(&held[0], lifecycle.NoticeSent, start), outcome(&held[1], lifecycle.NoticeSent, start.Add(time.Hour)),
			outcome(&held[2], lifecycle.NoticeFailed, start.Add(time.Hour)))
		erased := func(before time.Time, most int) int {
			n, err := db.EraseRecipients(ctx, before, most)
			require.NoError(t, err)
			return n
		}
		require.Zero(t, erased(start, 10))
		require.Equal(t, 1, erased(start.Add(time.Microsecond), 10))
		l := stored(t, db, held[0].NoticeID)
		require.True(t, l.Erased)
		require.Equal(t, lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Language: "ja"}, l.Recipient)
		require.Empty(t, l.Message)
		require.Equal(t, "<x@test>", l.MessageID)
		require.Equal(t, start, l.SentAt)
		require.Equal(t, 1, erased(start.AddDate(1, 0, 0), 10), "what is not settled keeps its recipient, and nobody has none")
		require.Zero(t, erased(start.AddDate(1, 0, 0), 10))
		require.Equal(t, "agent@example.com", stored(t, db, held[2].NoticeID).Recipient.Mail)
	})
}
