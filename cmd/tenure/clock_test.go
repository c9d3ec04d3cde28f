package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/storage"
)

// A server that was told to stop finishes what it has begun, by the time that it is then.
func TestWhoIsToldToStopStillKnowsWhatTimeItIs(t *testing.T) {
	db, err := storage.Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	defer db.Close()
	begin := time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)
	require.NoError(t, db.Migrate(t.Context(), storage.Sandbox, begin))
	ctx, stop := context.WithCancel(t.Context())
	now, err := (&app{ctx: ctx}).clock(db)
	require.NoError(t, err)
	require.Equal(t, begin, now())
	stop()
	require.NoError(t, db.SetTestClock(t.Context(), begin, begin.AddDate(0, 2, 0)))
	require.Equal(t, begin.AddDate(0, 2, 0), now())
}
