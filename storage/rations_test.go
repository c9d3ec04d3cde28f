package storage

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func rationed(wall time.Time, most, perDay int) lifecycle.Claim {
	c := asked(wall, most)
	c.PerDay, c.DigestAt = perDay, digestMorning
	return c
}

func TestNobodyGetsMoreThanTheirRation(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "Agent@example.com", "other@example.com")
		const letters, perDay = 30, 7
		end(t, db, letters)
		var sent atomic.Int64
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for {
					letters, err := db.ClaimLetters(ctx, rationed(start, 4, perDay))
					if err != nil {
						t.Error(err)
					}
					if len(letters) == 0 {
						return
					}
					sent.Add(int64(len(letters)))
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, 2*perDay, sent.Load())
		require.Equal(t, 2*(letters-perDay), count(t, db, "SELECT count(*) FROM notices WHERE status = 'waiting' AND reason = 'tooManyToday'"))

		require.Equal(t, 2, folded(t, db, digestMorning), "the rest, in one letter each")
		digests := 0
		for _, l := range claimed(t, db, rationed(digestMorning, 100, perDay)) {
			if l.IsDigest() {
				digests++
				require.Equal(t, lifecycle.TooManyToday, l.Reason)
			}
		}
		require.Equal(t, 2, digests, "which does not count")

		end(t, db, 1)
		require.Empty(t, claimed(t, db, rationed(start.Add(lifecycle.Day-time.Minute), 100, perDay))[2*perDay+2:], "still the same day")
		end(t, db, 1)
		next := claimed(t, db, rationed(start.Add(lifecycle.Day+time.Minute), 100, perDay))
		require.Equal(t, 2, len(next)-2*perDay-2, "a new day")
	})
}

func TestLetterCountsOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		for i := range 3 { // claimed by processes that die
			require.Len(t, claimed(t, db, rationed(start.Add(time.Duration(i)*time.Minute), 10, 1)), 1)
		}
		l := begun(t, db, claimed(t, db, rationed(start.Add(time.Hour), 10, 1))...)[0]
		settled(t, db, lifecycle.Settled{NoticeID: l.NoticeID, Claim: l.Claim, Status: lifecycle.NoticeQueued, Uncounted: true})
		require.Len(t, claimed(t, db, rationed(start.Add(time.Hour), 10, 1)), 1)
	})
}

func TestUrgentWarningBeyondTheRationIsToldInADigestAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "agent@example.com")
		r := active(1, start.Add(lifecycle.Day))
		r.Customer, r.WarnAfter = lifecycle.Tenant{}, r.End.AddDate(0, 0, -8)
		_, err := db.Apply(ctx, decide(start, load(t, db, r)...))
		require.NoError(t, err)
		_, err = db.pool.ExecContext(ctx, "INSERT INTO rations (channel, mail_key, since, letters) VALUES ('mail', 'agent@example.com', '"+at(start).String()+"', 5)")
		require.NoError(t, err)
		require.Empty(t, claimed(t, db, rationed(start, 10, 5)))
		require.Equal(t, start, letters(t, db, withStatus(lifecycle.NoticeWaiting))[0].DigestAt)
		require.Equal(t, 1, folded(t, db, start))
		require.True(t, claimed(t, db, rationed(start, 10, 5))[0].IsDigest())
	})
}

func TestRationsAreForgotten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 2)
		claimed(t, db, rationed(start, 10, 1))
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM rations"))
		require.Equal(t, 1, folded(t, db, digestMorning.AddDate(0, 0, 7)))
		require.Zero(t, count(t, db, "SELECT count(*) FROM rations"))
		claimed(t, db, rationed(start, 10, 1))
		end(t, db, 1)
		claimed(t, db, rationed(start, 10, 1))
		_, err := db.EraseRecipients(ctx, start.AddDate(0, 0, 2), 10)
		require.NoError(t, err)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM rations"), "of the day on which it was")
		_, err = db.EraseRecipients(ctx, start.AddDate(0, 0, 3), 10)
		require.NoError(t, err)
		require.Zero(t, count(t, db, "SELECT count(*) FROM rations"))
	})
}

func TestOfferedLettersCountAgainstTheLimit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end(t, db, 20) // with nobody to tell
		agents(t, db, "late@example.com")
		require.Len(t, claimed(t, db, rationed(start, 100, 5)), 5)
		require.Empty(t, claimed(t, db, rationed(start, 100, 5)))
	})
}

func TestErasingDoesNotForgetWhatSomebodyHadToday(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 20)
		now := start.Add(time.Hour)
		for _, l := range begun(t, db, claimed(t, db, rationed(now, 5, 5))...) {
			settled(t, db, outcome(&l, lifecycle.NoticeSent, now))
		}
		for range 2 { // under a policy that keeps addresses for an hour
			_, err := db.EraseRecipients(ctx, now.Add(time.Hour), 100)
			require.NoError(t, err)
		}
		require.Empty(t, claimed(t, db, rationed(now.Add(2*time.Hour), 5, 5)))
	})
}
