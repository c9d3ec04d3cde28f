package testenv

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPostgresKeepsWhatWasCommittedAcrossEveryEnd(t *testing.T) {
	t.Parallel()
	server := StartPostgres(t)
	db := openPostgres(t, server.URL())
	db.SetMaxIdleConns(0)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE numbers (n integer)")
	require.NoError(t, err)
	for n, end := range []func(){server.Stop, server.Crash} {
		_, err = db.ExecContext(t.Context(), "INSERT INTO numbers VALUES ($1)", n)
		require.NoError(t, err)
		end()
		end() // once more is harmless
		require.Error(t, db.PingContext(t.Context()))
		server.Start()
		var have int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM numbers").Scan(&have))
		require.Equal(t, n+1, have)
	}
}

func TestFullPostgresRefusesToGrowAndGoesOnOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	server := StartPostgres(t)
	if runtime.GOOS != "linux" {
		t.Skip("only Linux limits other processes")
	}
	require.True(t, server.CanFill(), "prlimit is missing; it comes with util-linux")
	db := openPostgres(t, server.URL())
	db.SetMaxIdleConns(0)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE pages (n integer, text text); ALTER TABLE pages ALTER text SET STORAGE PLAIN")
	require.NoError(t, err)
	grow := func() error {
		_, err := db.ExecContext(t.Context(), "INSERT INTO pages SELECT n, repeat('x', 4000) FROM generate_series(1, 400) AS n")
		return err
	}
	server.Fill()
	require.ErrorContains(t, grow(), "could not extend file")
	server.Clear()
	require.NoError(t, grow())
	var have int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pages").Scan(&have))
	require.Equal(t, 400, have, "of what was refused nothing is there")
}

func TestPausedPostgresTakesNobodyNew(t *testing.T) {
	t.Parallel()
	server := StartPostgres(t)
	db := openPostgres(t, server.URL()+fmt.Sprintf("&connect_timeout=%d", 1))
	server.Pause()
	began := time.Now()
	require.Error(t, db.PingContext(t.Context()))
	require.Less(t, time.Since(began), 10*time.Second)
	server.Resume()
	require.NoError(t, db.PingContext(t.Context()))
}
