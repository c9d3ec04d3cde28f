package storage

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// digestAt is when those are told who want digests: the next morning.
var digestMorning = policy.Notices.Digests.Next(lifecycle.DailyDigest, start)

func reading(digest lifecycle.Digest, mail string) lifecycle.Contact {
	return lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: mail, DisplayName: "Name of " + mail, Language: "ja",
		TimeZone: "Asia/Tokyo", Digest: digest}
}

func folded(t *testing.T, db *DB, now time.Time) int {
	t.Helper()
	n, err := db.FoldLetters(ctx, now, 100)
	require.NoError(t, err)
	return n
}

func letters(t *testing.T, db *DB, q lifecycle.LetterQuery) []lifecycle.Letter {
	t.Helper()
	found, err := db.Letters(ctx, q)
	require.NoError(t, err)
	return found
}

func withStatus(statuses ...lifecycle.NoticeStatus) lifecycle.LetterQuery {
	return lifecycle.LetterQuery{Statuses: statuses}
}

func TestThoseWhoWantDigestsGetOneLetterForMany(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		importContactsOf(t, db, reading(lifecycle.DailyDigest, "daily@example.com"), reading(lifecycle.WeeklyDigest, "weekly@example.com"),
			reading(lifecycle.NoDigest, "each@example.com"))
		monday := start.Add(lifecycle.Day)
		morning := policy.Notices.Digests.Next(lifecycle.DailyDigest, monday)
		endAt(t, db, 3, monday)
		waits := letters(t, db, withStatus(lifecycle.NoticeWaiting))
		require.Len(t, waits, 6)
		require.Equal(t, lifecycle.ForDigest, waits[0].Reason)
		require.Equal(t, morning, waits[0].DigestAt)
		require.Equal(t, policy.Notices.Digests.Next(lifecycle.WeeklyDigest, monday), waits[1].DigestAt)
		require.Zero(t, waits[0].SettledAt)
		require.Len(t, claimed(t, db, asked(monday, 100)), 3)

		require.Zero(t, folded(t, db, morning.Add(-time.Microsecond)))
		require.Equal(t, map[string]int64{"": 1, "mail": 3}, waiting(t, db, morning), "one recipient, and three leases that are over")
		require.Equal(t, 1, folded(t, db, morning))
		require.Zero(t, folded(t, db, morning))

		digest := letters(t, db, lifecycle.LetterQuery{Kinds: []lifecycle.NoticeKind{lifecycle.KindDigest}})[0]
		require.Equal(t, "0-1-1", digest.String())
		require.Equal(t, lifecycle.NoticeQueued, digest.Status)
		require.Equal(t, lifecycle.ForDigest, digest.Reason)
		require.Equal(t, morning, digest.Due)
		require.Equal(t, morning, digest.Recorded)
		require.Equal(t, "mail", digest.Channel)
		want := reading(lifecycle.NoDigest, "daily@example.com")
		require.Equal(t, want, digest.Recipient)

		taken := claimed(t, db, asked(morning, 100))
		require.Len(t, taken, 4, "three came back")
		require.True(t, taken[0].IsDigest())
		require.Len(t, taken[0].Items, 3)
		for i, item := range taken[0].Items {
			require.Equal(t, id(i+1), item.Relationship.ID)
			require.Equal(t, lifecycle.NoticeDigested, item.Status)
			require.Equal(t, digest.NoticeID, item.Digest)
			require.Equal(t, morning, item.SettledAt)
		}
		require.Equal(t, taken[0].Items, stored(t, db, digest.NoticeID).Items)
		require.Len(t, letters(t, db, lifecycle.LetterQuery{Digest: digest.NoticeID}), 3)

		gone := taken[0].Items[0]
		settled(t, db, lifecycle.Settled{NoticeID: gone.NoticeID, Status: lifecycle.NoticeWithdrawn, Reason: lifecycle.EndMoved, At: morning})
		require.Equal(t, lifecycle.NoticeWithdrawn, stored(t, db, gone.NoticeID).Status)
		require.Len(t, stored(t, db, digest.NoticeID).Items, 2)
	})
}

func TestDigestLeavesOutWhatIsOutdated(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		importContactsOf(t, db, reading(lifecycle.DailyDigest, "daily@example.com"))
		var records []lifecycle.Record
		for i := range 2 {
			r := active(i+1, start.AddDate(0, 0, 7))
			r.Customer, r.WarnAfter = lifecycle.Tenant{}, r.Activated
			records = append(records, r)
		}
		_, err := db.Apply(ctx, decide(start, load(t, db, records...)...))
		require.NoError(t, err)
		require.Len(t, letters(t, db, withStatus(lifecycle.NoticeWaiting)), 2)

		_, err = db.Act(ctx, id(1), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
			r := c.Record
			r.AutoExtend, r.Version = true, r.Version+1
			return lifecycle.Decision{Record: r, Recorded: start, Changes: []lifecycle.Change{{Version: r.Version, Type: "changed", Effective: start, From: r.Status, To: r.Status, End: r.End}}}, nil
		})
		require.NoError(t, err)
		require.Equal(t, 1, folded(t, db, digestMorning))
		withdrawn := letters(t, db, withStatus(lifecycle.NoticeWithdrawn))
		require.Len(t, withdrawn, 1)
		require.Equal(t, lifecycle.EndMoved, withdrawn[0].Reason)
		require.Equal(t, digestMorning, withdrawn[0].SettledAt)
		require.Len(t, letters(t, db, withStatus(lifecycle.NoticeDigested)), 1)
	})
}

func TestDigestOfNothingWorthTellingIsNotMade(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		importContactsOf(t, db, reading(lifecycle.DailyDigest, "daily@example.com"))
		end(t, db, 2)
		_, err := db.pool.ExecContext(ctx, "UPDATE agreements SET roles = '?'")
		require.NoError(t, err)
		require.Zero(t, folded(t, db, digestMorning))
		require.Equal(t, 2, count(t, db, "SELECT count(*) FROM notices WHERE status = 'dead' AND last_error <> ''"))
	})
}

func TestLongDigestGoesOnInAnother(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		importContactsOf(t, db, reading(lifecycle.DailyDigest, "a@example.com"), reading(lifecycle.DailyDigest, "b@example.com"))
		const each = itemsInDigest + 100
		end(t, db, each)
		n, err := db.FoldLetters(ctx, digestMorning, 1)
		require.NoError(t, err)
		require.Equal(t, 2, n, "one recipient")
		require.Equal(t, 2, folded(t, db, digestMorning))
		require.Equal(t, 2*each, count(t, db, "SELECT count(*) FROM notices WHERE status = 'digested'"))
		require.Equal(t, itemsInDigest, count(t, db, "SELECT max(n) FROM (SELECT count(*) AS n FROM notices WHERE digest > 0 GROUP BY digest) AS sizes"))
		require.Equal(t, 4, count(t, db, "SELECT count(DISTINCT digest) FROM notices WHERE digest > 0"))
	})
}

func TestManyMayFoldAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const readers = 10
		for i := range readers {
			importContactsOf(t, db, reading(lifecycle.DailyDigest, fmt.Sprintf("%d@example.com", i)))
		}
		end(t, db, 20)
		var made atomic.Int64
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for {
					n, err := db.FoldLetters(ctx, digestMorning, 3)
					if err != nil {
						t.Error(err)
					}
					if n == 0 {
						return
					}
					made.Add(int64(n))
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, readers, made.Load())
		require.Equal(t, readers, count(t, db, "SELECT count(*) FROM notices WHERE kind = 'digest'"))
		require.Equal(t, 20*readers, count(t, db, "SELECT count(*) FROM notices WHERE status = 'digested'"))
	})
}

func TestDigestIsNotTornWhereAPageEnds(t *testing.T) {
	full, part := make([]*lockedLetter, itemsInDigest), make([]*lockedLetter, 1)
	require.Len(t, withoutTornOne([][]*lockedLetter{full, part}), 1, "the next look has the rest of it")
	require.Len(t, withoutTornOne([][]*lockedLetter{part, full}), 2)
	require.Len(t, withoutTornOne([][]*lockedLetter{part}), 1, "or nothing would ever get on")
	require.Empty(t, withoutTornOne(nil))
}
