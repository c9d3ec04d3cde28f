package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestEachPolicyThatTimersWentByIsKept(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start))
		_, err := db.LatestPolicy(ctx)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)

		_, err = db.Retime(ctx, policy, start)
		require.NoError(t, err)
		require.NoError(t, db.KeepPolicy(ctx, policy, start.Add(time.Hour)), "the same again is kept once")
		told := lifecycle.DefaultPolicy()
		told.Notices.TellExtended = true
		require.NoError(t, db.KeepPolicy(ctx, told, start.Add(2*time.Hour)))
		shorter := lifecycle.DefaultPolicy()
		shorter.Requests.LapseAfter = lifecycle.Days(60)
		_, err = db.Retime(ctx, shorter, start.Add(3*time.Hour))
		require.NoError(t, err)

		kept, err := db.Policies(ctx)
		require.NoError(t, err)
		require.Len(t, kept, 3)
		require.Equal(t, kept[0].Mark, kept[1].Mark, "who is told moves no timer")
		require.NotEqual(t, kept[1].Mark, kept[2].Mark)
		for i, want := range []*lifecycle.Policy{policy, told, shorter} {
			require.Empty(t, want.Differences(&kept[i].Policy))
		}
		require.Equal(t, start.Add(3*time.Hour), kept[2].SetAt)
		latest, err := db.LatestPolicy(ctx)
		require.NoError(t, err)
		require.Equal(t, kept[2].ID, latest.ID)

		set, err := db.Activity(ctx, lifecycle.ActivityQuery{Types: []lifecycle.EventType{lifecycle.EventPolicySet}, OldestFirst: true})
		require.NoError(t, err)
		require.Len(t, set, 3)
		require.Equal(t, kept[2].Mark, set[2].Subject)
		require.Contains(t, set[2].Detail, "requests.lapseAfter: P90D, then P60D")
	})
}
