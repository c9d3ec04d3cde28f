package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func passed(t *testing.T, db *DB, c lifecycle.Claim) int64 {
	t.Helper()
	n, err := db.PassLetters(ctx, c)
	require.NoError(t, err)
	return n
}

func TestLettersToNowhereAreSentInOneGo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 5)
		elsewhere := asked(start, 10)
		elsewhere.Channel = "desk"
		require.Zero(t, passed(t, db, elsewhere), "letters of another channel")
		require.EqualValues(t, 3, passed(t, db, asked(start, 3)))
		require.EqualValues(t, 2, passed(t, db, asked(start, 3)))
		require.Zero(t, passed(t, db, asked(start, 3)))
		sent := letters(t, db, withStatus(lifecycle.NoticeSent))
		require.Len(t, sent, 5)
		for _, l := range sent {
			require.Equal(t, start, l.SentAt)
			require.Equal(t, start, l.SettledAt)
			require.Equal(t, 1, l.Attempts)
			require.Zero(t, l.Unknown)
		}
		require.Empty(t, waiting(t, db, start))
	})
}

// Whatever something may have overtaken is claimed as ever, and looked at again.
func TestOnlyFreshNewsGoesToNowhereUnseen(t *testing.T) {
	hour := start.Add(time.Hour)
	for name, c := range map[string]struct {
		happens func(t *testing.T, db *DB)
		claim   lifecycle.Claim
	}{
		"written earlier": {func(t *testing.T, db *DB) { queue(t, db, 1) }, asked(hour, 10)},
		"the record has changed since": {func(t *testing.T, db *DB) {
			agents(t, db, "agent@example.com")
			r := active(1, start.Add(7*lifecycle.Day))
			r.WarnAfter, r.Customer = r.Activated, lifecycle.Tenant{}
			_, err := db.Apply(ctx, decide(start, load(t, db, r)...))
			require.NoError(t, err)
			_, err = db.Act(ctx, r.ID, policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
				return c.Act(policy, start, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true})
			})
			require.NoError(t, err)
		}, asked(start, 10)},
		"somebody began to send it": {func(t *testing.T, db *DB) {
			queue(t, db, 1)
			begun(t, db, one(t, db, start))
		}, lifecycle.Claim{Channel: lifecycle.DefaultChannel, Now: start, Wall: hour, LeaseUntil: hour.Add(time.Minute), Most: 10}},
		"a digest": {func(t *testing.T, db *DB) {
			importContactsOf(t, db, reading(lifecycle.DailyDigest, "reader@example.com"))
			end(t, db, 2)
			require.Equal(t, 1, folded(t, db, digestMorning))
		}, asked(digestMorning, 10)},
		"a daily limit": {func(t *testing.T, db *DB) { queue(t, db, 1) }, rationed(start, 10, 5)},
	} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, db *DB) {
				c.happens(t, db)
				require.Zero(t, passed(t, db, c.claim))
				require.Len(t, claimed(t, db, c.claim), 1)
			})
		})
	}
}

func TestNothingGoesToNowhereThatIsHeldUp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		require.NoError(t, db.SwitchChannel(ctx, "mail", false, "not today", start))
		require.Zero(t, passed(t, db, asked(start, 10)))
		require.NoError(t, db.SwitchChannel(ctx, "mail", true, "today", start))
		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail", Failures: 1, ReadyAt: start, ChangedAt: start}))
		require.Zero(t, passed(t, db, asked(start, 10)), "a channel that failed is tried with one letter")
		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: "mail", ChangedAt: start}))
		_, err := db.PlaceQuarantine(ctx, Quarantine{Cause: lifecycle.ClockAhead, Note: "a year", At: start})
		require.NoError(t, err)
		require.Zero(t, passed(t, db, asked(start, 10)))
	})
}
