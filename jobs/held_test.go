package jobs

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// keeper is an outbox in which only some letters are still the caller's.
type keeper struct {
	OutboxStore
	kept []lifecycle.NoticeID
}

func (k keeper) KeepLetters(context.Context, []lifecycle.Letter, time.Time) ([]lifecycle.NoticeID, error) {
	return k.kept, nil
}

func TestLeaseThatWasLostStaysLost(t *testing.T) {
	wall := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	mine := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: 1, Version: 2, Ordinal: 1}, Claim: 1}
	taken := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: 2, Version: 2, Ordinal: 1}, Claim: 1}
	h := newHeld(&Courier{Store: keeper{kept: []lifecycle.NoticeID{mine.NoticeID}}, Wall: func() time.Time { return wall }, Log: slog.New(slog.DiscardHandler)})
	h.take([]lifecycle.Letter{mine, taken}, wall.Add(letterLease))
	require.True(t, h.holds(&mine) && h.holds(&taken))
	wall = wall.Add(2 * letterLease) // the database was away, and somebody else has claimed one of them since
	require.False(t, h.holds(&mine) || h.holds(&taken))
	h.prolong(t.Context())
	require.True(t, h.holds(&mine))
	require.False(t, h.holds(&taken))
}
