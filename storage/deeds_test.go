package storage

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestDeeds(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		by := lifecycle.Caller{Name: "ann", Role: lifecycle.Operator, Address: "192.0.2.7", Request: "r-1"}
		deeds := []lifecycle.Deed{
			{ID: 1, At: start, By: by, What: lifecycle.SignedIn, Status: 200},
			{ID: 2, At: start, By: by, What: "POST /v1/sweeps", Subject: "/v1/sweeps/1", Status: 202, Detail: "now"},
			{ID: 3, At: start.Add(time.Hour), By: lifecycle.Caller{Name: "bob", Role: lifecycle.Operator, Request: "r-2"}, What: "POST /v1/sweeps", Status: 403, Detail: "no"},
		}
		for _, d := range deeds {
			require.NoError(t, db.RecordDeed(ctx, d))
		}
		list := func(q lifecycle.DeedQuery) (ids []int64) {
			found, err := db.Deeds(ctx, q)
			require.NoError(t, err)
			for _, d := range found {
				require.Equal(t, deeds[d.ID-1], d)
				ids = append(ids, d.ID)
			}
			return ids
		}
		require.Equal(t, []int64{3, 2, 1}, list(lifecycle.DeedQuery{}))
		require.Equal(t, []int64{3, 2}, list(lifecycle.DeedQuery{Limit: 2}))
		require.Equal(t, []int64{1}, list(lifecycle.DeedQuery{Limit: 2, After: 2}), "two of one instant")
		require.Equal(t, []int64{2, 1}, list(lifecycle.DeedQuery{Caller: "ann"}))
		require.Equal(t, []int64{3}, list(lifecycle.DeedQuery{Refused: true}))
		require.Equal(t, []int64{3}, list(lifecycle.DeedQuery{Request: "r-2"}))
		require.Equal(t, []int64{3}, list(lifecycle.DeedQuery{Since: start.Add(time.Hour)}))
		require.Equal(t, []int64{2, 1}, list(lifecycle.DeedQuery{Before: start.Add(time.Hour)}))

		require.NoError(t, db.RecordDeed(ctx, lifecycle.Deed{At: start, By: by, What: "POST /", Subject: strings.Repeat("ö", 9999), Detail: strings.Repeat("x", 9999)}))
		require.Equal(t, 1, count(t, db, `SELECT count(*) FROM deeds WHERE length(subject) <= 200 AND length(detail) <= 500 AND id = 4`), "what is too long is cut")
	})
}

func TestDeedsAreFoundByTheirIndexes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		_, err := db.pool.ExecContext(ctx, db.pool.Rebind(`WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000)
			INSERT INTO deeds (id, at, caller, tenant, role, address, request_id, what, subject, status, detail)
			SELECT n, ?, 'caller ' || n % 50, '', 'operator', '', '', 'POST /v1/sweeps', '', 200, '' FROM numbers`), at(start))
		require.NoError(t, err)
		_, err = db.pool.ExecContext(ctx, `ANALYZE`)
		require.NoError(t, err)
		for index, q := range map[string]lifecycle.DeedQuery{
			"deeds_at":         {Limit: 100, Since: start.Add(-time.Hour)},
			"deeds_of_callers": {Limit: 100, Caller: "caller 7"},
			"deeds_refused":    {Limit: 100, Refused: true},
		} {
			text, a := deedText(&q)
			p := plan(t, db, text, a)
			require.Contains(t, p, index, p)
		}
	})
}
