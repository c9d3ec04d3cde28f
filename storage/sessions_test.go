package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestSessions(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		token, err := db.CreateToken(ctx, lifecycle.Token{Name: "ops", Scopes: []string{"read"}, Created: start}, []byte("token"))
		require.NoError(t, err)
		begun := lifecycle.Session{Caller: lifecycle.Caller{Name: "ops", Role: lifecycle.Operator, ReadsOnly: true}, Scopes: []string{"read"}, Token: token,
			Began: start, Ends: start.Add(time.Hour)}
		require.NoError(t, db.BeginSession(ctx, begun, []byte("one")))
		found, err := db.SessionByHash(ctx, []byte("one"), start)
		require.NoError(t, err)
		require.Equal(t, begun, found)
		_, err = db.SessionByHash(ctx, []byte("two"), start)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		_, err = db.SessionByHash(ctx, []byte("one"), begun.Ends)
		require.ErrorIs(t, err, lifecycle.ErrNotFound, "at its end it has ended")

		vouched := begun
		vouched.Token = 0
		require.NoError(t, db.BeginSession(ctx, vouched, []byte("two")))
		require.NoError(t, db.RevokeToken(ctx, "ops", start))
		_, err = db.SessionByHash(ctx, []byte("one"), start)
		require.ErrorIs(t, err, lifecycle.ErrNotFound, "it ends with its token")
		_, err = db.SessionByHash(ctx, []byte("two"), start)
		require.NoError(t, err)
		require.NoError(t, db.EndSession(ctx, []byte("two")))
		require.NoError(t, db.EndSession(ctx, []byte("two")))
		_, err = db.SessionByHash(ctx, []byte("two"), start)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)

		later := vouched
		later.Began, later.Ends = start.Add(2*time.Hour), start.Add(3*time.Hour)
		require.NoError(t, db.BeginSession(ctx, later, []byte("three")))
		require.Equal(t, 1, count(t, db, `SELECT count(*) FROM sessions`), "those that have ended are forgotten")
	})
}

func TestSessionsOfAnIssuerStandOnItsLatestWord(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		begun := lifecycle.Session{Caller: lifecycle.Caller{Name: "oidc:ann", Role: lifecycle.Operator}, Scopes: []string{"manage"}, Subject: "jwt https://login.example ann",
			Began: start, Checked: start, Ends: start.Add(12 * time.Hour)}
		require.NoError(t, db.BeginSession(ctx, begun, []byte("one")))
		hour := start.Add(lifecycle.VouchedFor)
		found, err := db.SessionByHash(ctx, []byte("one"), hour.Add(-time.Microsecond))
		require.NoError(t, err)
		require.Equal(t, begun, found)
		_, err = db.SessionByHash(ctx, []byte("one"), hour)
		require.ErrorIs(t, err, lifecycle.ErrNotFound, "nobody has vouched for them for an hour")

		begun.Scopes, begun.Checked, begun.Caller.ReadsOnly = []string{"read"}, start.Add(30*time.Minute), true
		require.NoError(t, db.CheckSession(ctx, []byte("one"), begun))
		found, err = db.SessionByHash(ctx, []byte("one"), hour)
		require.NoError(t, err)
		require.Equal(t, begun, found, "with what they may do now")
		require.NoError(t, db.CheckSession(ctx, []byte("two"), begun))
		require.Equal(t, 1, count(t, db, `SELECT count(*) FROM sessions`), "one that is over does not begin again")
	})
}
