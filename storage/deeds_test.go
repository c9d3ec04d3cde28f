package storage

import (
	"fmt"
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
			{ID: 1, At: start, By: by, What: lifecycle.SignedIn, Status: 200, Times: 1},
			{ID: 2, At: start, By: by, What: "POST /v1/sweeps", Subject: "/v1/sweeps/1", Status: 202, Detail: "now", Times: 1},
			{ID: 3, At: start.Add(time.Hour), By: lifecycle.Caller{Name: "bob", Role: lifecycle.Operator, Request: "r-2"}, What: "POST /v1/sweeps", Status: 403, Detail: "no", Times: 1},
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

// TestRefusedSignInsFillNoTable has ten thousand addresses try as often as they like, in a day.
func TestRefusedSignInsFillNoTable(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		refused := func(address, request string, at time.Time) {
			t.Helper()
			require.NoError(t, db.RecordRefusedSignIn(ctx, lifecycle.Deed{At: at, By: lifecycle.Caller{Address: address, Request: request}, What: lifecycle.SignedIn, Status: 401, Detail: "not known " + request}))
		}
		for n := range 5 {
			refused("192.0.2.1", fmt.Sprint("r-", n), start.Add(time.Duration(n)*time.Minute))
		}
		refused("192.0.2.2", "r-9", start.Add(5*time.Minute))
		found, err := db.Deeds(ctx, lifecycle.DeedQuery{Refused: true})
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Equal(t, lifecycle.Deed{ID: 1, At: start, By: lifecycle.Caller{Address: "192.0.2.1", Request: "r-4"}, What: lifecycle.SignedIn, Status: 401, Detail: "not known r-4", Times: 5}, found[1])

		for n := range 300 {
			refused(fmt.Sprintf("198.51.%d.%d", n/250, n%250), "many", start.Add(10*time.Minute))
		}
		require.Equal(t, mostRefused+1, count(t, db, `SELECT count(*) FROM deeds`), "and one for all the others")
		require.Equal(t, 306, count(t, db, `SELECT sum(times) FROM deeds`), "each is counted")
		require.Equal(t, 1, count(t, db, `SELECT count(*) FROM deeds WHERE address = '' AND times > 200`))
		refused("192.0.2.1", "r-5", start.Add(75*time.Minute))
		require.Equal(t, 2, count(t, db, `SELECT count(*) FROM deeds WHERE address = '192.0.2.1'`), "after an hour it is told anew")
	})
}

func TestOldDeedsAreForgottenTheEarliestFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		for n := range 5 {
			require.NoError(t, db.RecordDeed(ctx, lifecycle.Deed{At: start.Add(time.Duration(n) * time.Hour), What: lifecycle.SignedOut, Status: 200}))
		}
		for _, want := range []int64{2, 1, 0} {
			n, err := db.PruneDeeds(ctx, start.Add(3*time.Hour), 2)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		require.Equal(t, 2, count(t, db, `SELECT count(*) FROM deeds WHERE id > 3`), "what was done at that instant stays")
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
