package storage

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// onKeepingConn gives a database of one connection, and what it keeps.
func onKeepingConn(t *testing.T) (*sql.DB, *keepingConn) {
	t.Helper()
	pool, err := openPool("file::memory:", 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	conn, err := pool.Conn(ctx)
	require.NoError(t, err)
	var keeps *keepingConn
	require.NoError(t, conn.Raw(func(driverConn any) error {
		keeps = driverConn.(*keepingConn)
		return nil
	}))
	require.NoError(t, conn.Close())
	return pool, keeps
}

func TestStatementsAreKeptUpToANumber(t *testing.T) {
	pool, keeps := onKeepingConn(t)
	for range 2 {
		for n := range mostKept + 10 {
			var got int
			require.NoError(t, pool.QueryRowContext(ctx, fmt.Sprintf("SELECT ? + %d", n), 1).Scan(&got))
			require.Equal(t, n+1, got)
		}
		require.Len(t, keeps.kept, mostKept)
		require.Equal(t, mostKept, keeps.order.Len())
	}
}

func TestAStatementThatIsInUseIsPreparedAnew(t *testing.T) {
	pool, keeps := onKeepingConn(t)
	conn, err := pool.Conn(ctx)
	require.NoError(t, err)
	const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"
	first := func(of *sql.Rows) (i int) {
		require.True(t, of.Next())
		require.NoError(t, of.Scan(&i))
		return i
	}
	for range 2 {
		outer, err := conn.QueryContext(ctx, numbers, 3)
		require.NoError(t, err)
		require.Equal(t, 1, first(outer))
		inner, err := conn.QueryContext(ctx, numbers, 2)
		require.NoError(t, err)
		require.Equal(t, 1, first(inner))
		require.Equal(t, 2, first(outer))
		require.NoError(t, outer.Err())
		require.NoError(t, outer.Close()) //nolint:sqlclosecheck // while the other goes on
		require.Equal(t, 2, first(inner))
		require.NoError(t, inner.Err())
		require.NoError(t, inner.Close()) //nolint:sqlclosecheck // the same
		require.Len(t, keeps.kept, 1)
	}
	require.NoError(t, conn.Close())
}

func TestAKeptStatementSeesWhatHasBecomeOfItsTable(t *testing.T) {
	pool, _ := onKeepingConn(t)
	run := func(text string, values ...any) error {
		_, err := pool.ExecContext(ctx, text, values...)
		return err
	}
	require.NoError(t, run("CREATE TABLE t (i INTEGER PRIMARY KEY)"))
	require.NoError(t, run("INSERT INTO t VALUES (?)", 1))
	require.Error(t, run("INSERT INTO t VALUES (?)", 1))
	require.NoError(t, run("INSERT INTO t VALUES (?)", 2), "one that has failed is as good as before")
	require.NoError(t, run("ALTER TABLE t ADD COLUMN name TEXT"))
	require.Error(t, run("INSERT INTO t VALUES (?)", 3))
	require.NoError(t, run("DROP TABLE t"))
	require.ErrorContains(t, run("INSERT INTO t VALUES (?)", 3), "no such table")
}
