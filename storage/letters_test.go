package storage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestNoticesOfARareStatusAreFoundByTheirIndex(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 3000)
		for _, change := range []string{`UPDATE notices SET status = 'sent'`, `UPDATE notices SET status = 'withdrawn' WHERE relationship_key > 2990`, `ANALYZE`} {
			_, err := db.pool.ExecContext(ctx, change)
			require.NoError(t, err)
		}
		q := lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeWithdrawn}, After: lifecycle.NoticeID{Key: 5}}
		w := letterConditions(&q)
		text, a := w.order(letterOrder, 51)
		p := plan(t, db, selectLetters+text, a)
		require.Contains(t, p, "notices_of_status", p)
		require.NotContains(t, p, "USE TEMP B-TREE", p)
		require.NotContains(t, p, "Sort", p)
		letters, err := db.Letters(ctx, q)
		require.NoError(t, err)
		require.Len(t, letters, 20)

		q.Statuses = []lifecycle.NoticeStatus{lifecycle.NoticeSent}
		q.Limit = 7
		letters, err = db.Letters(ctx, q)
		require.NoError(t, err)
		require.Len(t, letters, 7)
	})
}
