package storage

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestChannelThatFailedIsProbedWithOneLetter(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 20)
		state, err := db.Channel(ctx, "mail")
		require.NoError(t, err)
		require.Equal(t, lifecycle.ChannelState{Name: "mail"}, state)

		ready := start.Add(time.Minute)
		failing := lifecycle.ChannelState{Name: "mail", Failures: 3, ReadyAt: ready, LastError: "no route", ChangedAt: start}
		require.NoError(t, db.SetChannel(ctx, failing))
		state, err = db.Channel(ctx, "mail")
		require.NoError(t, err)
		require.Equal(t, failing, state)
		require.Empty(t, claimed(t, db, asked(start, 10)), "not yet")
		require.Empty(t, waiting(t, db, start))
		require.Equal(t, map[string]int64{"mail": 20}, waiting(t, db, ready))

		var had atomic.Int64
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				letters, err := db.ClaimLetters(ctx, asked(ready, 10))
				if err != nil {
					t.Error(err)
				}
				had.Add(int64(len(letters)))
			})
		}
		wait.Wait()
		require.EqualValues(t, 1, had.Load(), "one letter for all")
		require.Len(t, claimed(t, db, asked(ready.Add(time.Minute), 10)), 1, "nobody said how the first one fared")

		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail"}))
		require.Len(t, claimed(t, db, asked(ready, 10)), 10, "it works again")
	})
}

func TestProbeWithoutALetterHoldsNobodyUp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail", Failures: 1}))
		require.Empty(t, claimed(t, db, asked(start, 10)))
		queue(t, db, 2)
		require.Len(t, claimed(t, db, asked(start, 10)), 1)
	})
}

func TestChannelThatIsOffStaysOffUntilAnOperatorSwitchesItOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 2)
		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail", Off: true, LastError: "410 gone", ChangedAt: start}))
		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail", ChangedAt: start}))
		state, err := db.Channel(ctx, "mail")
		require.NoError(t, err)
		require.True(t, state.Off)
		require.Equal(t, "410 gone", state.LastError)
		require.Empty(t, claimed(t, db, asked(start, 10)))
		require.Empty(t, waiting(t, db, start))

		require.NoError(t, db.SwitchChannel(ctx, "mail", true, "they are back", start.Add(time.Hour)))
		require.NoError(t, db.SwitchChannel(ctx, "other", false, "not used", start))
		reports, err := db.Channels(ctx)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.ChannelReport{
			{ChannelState: lifecycle.ChannelState{Name: "mail", ChangedAt: start.Add(time.Hour)}, Statuses: map[lifecycle.NoticeStatus]int64{lifecycle.NoticeQueued: 2}},
			{ChannelState: lifecycle.ChannelState{Name: "other", Off: true, LastError: "not used", ChangedAt: start}, Statuses: map[lifecycle.NoticeStatus]int64{}},
		}, reports)
		require.Len(t, claimed(t, db, asked(start, 10)), 2)
	})
}

func TestChannelsShowWhatWaitsDeadAndUnknown(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 3)
		held := begun(t, db, claimed(t, db, asked(start, 10))...)
		unknown := outcome(&held[1], lifecycle.NoticeFailed, start)
		unknown.Unknown = true
		settled(t, db, outcome(&held[0], lifecycle.NoticeDead, start), unknown, outcome(&held[2], lifecycle.NoticeSent, start))
		reports, err := db.Channels(ctx)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.ChannelReport{{ChannelState: lifecycle.ChannelState{Name: "mail"}, Unknown: 1,
			Statuses: map[lifecycle.NoticeStatus]int64{lifecycle.NoticeDead: 1, lifecycle.NoticeFailed: 1}}}, reports)
	})
}
