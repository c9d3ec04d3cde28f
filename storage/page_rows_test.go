package storage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A travellingRow has a column of each type.
type travellingRow struct {
	Key    int64            `json:"key"`
	N      int              `json:"n"`
	Text   string           `json:"text"`
	Yes    bool             `json:"yes"`
	At     dbTime           `json:"at"`
	Period lifecycle.Period `json:"period"`
}

func TestPageArrivesAsItWasSent(t *testing.T) {
	sent := []travellingRow{
		{1, -1, "", false, dbTime{}, lifecycle.Days(90)},
		{1 << 40, 1<<31 - 1, "Größe 日本 \" \\ '", true, at(start), lifecycle.Period{}},
		{-3, 0, "x", true, dawn, lifecycle.Days(1)},
		{4, 7, "later", false, at(start.AddDate(300, 0, 0)), lifecycle.Days(7)},
	}
	type cameRow struct {
		Key    int64  `json:"key"`
		N      int    `json:"n"`
		Text   string `json:"text"`
		Yes    bool   `json:"yes"`
		At     dbTime `json:"at"`
		Period string `json:"period"`
	}
	eachDatabase(t, func(t *testing.T, db *DB) {
		const query = `SELECT r.key, r.n, r.text, r.yes, r.at, r.period FROM {{rows text TEXT, key BIGINT, n INTEGER, yes BOOLEAN, at INSTANT, period TEXT}}`
		s := session{q: db.pool, dialect: db.dialect}
		var came []cameRow
		require.NoError(t, s.list(ctx, &came, query, args{"rows": page[travellingRow](sent)}))
		require.Len(t, came, len(sent))
		for i, row := range sent {
			require.Equal(t, cameRow{row.Key, row.N, row.Text, row.Yes, row.At, row.Period.String()}, came[i])
		}
		came = nil
		require.NoError(t, s.list(ctx, &came, query, args{"rows": page[travellingRow]{}}))
		require.Empty(t, came)
		// Two of them in one query, with their columns in different orders.
		var keys []int64
		require.NoError(t, s.list(ctx, &keys, `SELECT r.key FROM {{rows key BIGINT, text TEXT}} WHERE r.text IN (SELECT r.text FROM {{rows text TEXT, key BIGINT}}
			WHERE r.key > 1) ORDER BY r.key`, args{"rows": page[travellingRow](sent)}))
		require.Equal(t, []int64{4, 1 << 40}, keys)
	})
}

func TestTornPageIsRefused(t *testing.T) {
	db := migrated(t, "sqlite:"+t.TempDir()+"/torn.db", Live)
	one := page[travellingRow]{{Key: 1, Text: "abc"}}
	keys, err := one.column("key", "BIGINT")
	require.NoError(t, err)
	texts, err := one.column("text", "TEXT")
	require.NoError(t, err)
	more, err := append(one, one...).column("text", "TEXT")
	require.NoError(t, err)
	whole := appendArray(appendArray(nil, keys), texts)
	for name, bad := range map[string][]byte{"cut off": whole[:len(whole)-1], "of two lengths": appendArray(appendArray(nil, keys), more),
		"without a head": appendArray(nil, []byte("too short"))} {
		var n int
		require.Error(t, db.pool.Get(&n, `SELECT count(c0) + count(c1) FROM temp.pages(?)`, bad), name)
	}
	var n int
	require.NoError(t, db.pool.Get(&n, `SELECT count(c0) + count(c1) FROM temp.pages(?)`, whole))
	require.Equal(t, 2, n)
	require.ErrorContains(t, db.pool.Get(&n, `SELECT count(*) FROM temp.pages`), "called with one page")
}
