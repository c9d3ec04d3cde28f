package storage

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// However few are looked at at a time, each letter that is wanted comes once, and in its place.
func TestLettersAmongFewAreAllInTheEnd(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 20)
		held := begun(t, db, claimed(t, db, asked(start, 9))...)
		settled(t, db, outcome(&held[1], lifecycle.NoticeDead, start), outcome(&held[4], lifecycle.NoticeSent, start), outcome(&held[7], lifecycle.NoticeDead, start))
		all := letters(t, db, lifecycle.LetterQuery{})
		rapid.Check(t, func(t *rapid.T) {
			of := rapid.SampledFrom(all).Draw(t, "of")
			q := lifecycle.LetterQuery{Limit: rapid.IntRange(1, 25).Draw(t, "limit")}
			if rapid.Bool().Draw(t, "by status") {
				q.Statuses = []lifecycle.NoticeStatus{of.Status}
			}
			if rapid.Bool().Draw(t, "by mail") {
				q.Mail = of.Recipient.Mail
			}
			if rapid.IntRange(0, 3).Draw(t, "by relationship") == 0 {
				q.Relationship = of.Relationship.ID
			}
			if rapid.IntRange(0, 3).Draw(t, "by tenant") == 0 {
				q.Tenant = rapid.SampledFrom([]string{partner, customer}).Draw(t, "tenant")
			}
			unbounded := q
			unbounded.Limit = 0
			want, err := db.Letters(ctx, unbounded)
			require.NoError(t, err)
			most := rapid.IntRange(0, 8).Draw(t, "most")
			var got []lifecycle.Letter
			for looks := 0; ; looks++ {
				require.LessOrEqual(t, looks, 2*len(all)+1, "it does not come to an end")
				page, reached, err := db.LettersAmong(ctx, q, most)
				require.NoError(t, err)
				if most > 0 {
					require.LessOrEqual(t, len(page), most)
				}
				got = append(got, page...)
				if q.After = reached; len(page) == q.Limit {
					require.Zero(t, reached)
					q.After = page[len(page)-1].NoticeID
				}
				if q.After == (lifecycle.NoticeID{}) {
					break
				}
			}
			require.Equal(t, want, got)
		})
	})
}

func TestActivityAmongFewIsAllInTheEnd(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		for n := range 12 {
			by := somebody(fmt.Sprint("caller ", n%3), partner, lifecycle.AdminAgents)
			draftBy(t, db, n, partner, lifecycle.Tenant{TenantID: customer}, by, start.Add(time.Duration(n/4)*time.Hour))
		}
		rapid.Check(t, func(t *rapid.T) {
			q := lifecycle.ActivityQuery{OldestFirst: rapid.Bool().Draw(t, "oldest first"), Limit: rapid.IntRange(1, 15).Draw(t, "limit"),
				Caller: rapid.SampledFrom([]string{"", "caller 1", "nobody"}).Draw(t, "caller")}
			if rapid.Bool().Draw(t, "since") {
				q.Since = start.Add(time.Hour)
			}
			if rapid.IntRange(0, 3).Draw(t, "of one") == 0 {
				q.Relationship = id(rapid.IntRange(0, 11).Draw(t, "which"))
			}
			if rapid.IntRange(0, 3).Draw(t, "for a tenant") == 0 {
				q.Viewer = anna
			}
			unbounded := q
			unbounded.Limit = 0
			want, err := db.Activity(ctx, unbounded)
			require.NoError(t, err)
			most := rapid.IntRange(0, 5).Draw(t, "most")
			var got []lifecycle.Event
			for looks := 0; ; looks++ {
				require.LessOrEqual(t, looks, 30, "it does not come to an end")
				page, reached, err := db.ActivityAmong(ctx, q, most)
				require.NoError(t, err)
				got = append(got, page...)
				if q.After = reached; len(page) == q.Limit {
					require.Nil(t, reached)
					q.After = page[len(page)-1].Position()
				}
				if q.After == nil {
					break
				}
			}
			require.Equal(t, want, got)
		})
	})
}
