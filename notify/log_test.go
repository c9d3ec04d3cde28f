package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// logged sends l on a log channel and gives back the lines.
func logged(t *testing.T, level slog.Level, l lifecycle.Letter) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	s := setting()
	s.Log = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level}))
	c, err := Open("log:", s)
	require.NoError(t, err)
	l.MessageID, l.Message, err = c.(Composer).Compose(l)
	require.NoError(t, err)
	require.NoError(t, c.Send(t.Context(), l))

	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		delete(fields, "time")
		lines = append(lines, fields)
	}
	return lines
}

func TestLogSaysWhatHappenedAndNamesNobody(t *testing.T) {
	lines := logged(t, slog.LevelInfo, letter(lifecycle.KindWarnExpiry))
	require.Equal(t, []map[string]any{{
		"level": "INFO", "msg": "notice", "notice": "1042-7-1", "kind": "warn-expiry", "stage": "P30D",
		"messageId": "1042-7-1-0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001@tenure.example.com",
		"tenant":    "22222222-2222-4222-8222-222222222222", "role": "adminAgent", "side": "partner",
		"relationship": "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001", "end": "2027-01-31T09:00:00Z",
	}}, lines)
}

func TestLogHasMailAddressesAtLevelDebugOnly(t *testing.T) {
	lines := logged(t, slog.LevelDebug, letter(lifecycle.KindTermEnded))
	require.Len(t, lines, 2)
	require.NotContains(t, lines[0], "mail")
	require.Equal(t, map[string]any{"level": "DEBUG", "msg": "recipient of a notice", "notice": "1042-7-1", "mail": "alex@partner.example"}, lines[1])
}

func TestLogTakesDigestsAndEndpoints(t *testing.T) {
	digest := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Version: 3, Ordinal: 1}, Kind: lifecycle.KindDigest,
		Recipient: letter(lifecycle.KindApproved).Recipient, Items: make([]lifecycle.Letter, 12)}
	lines := logged(t, slog.LevelInfo, digest)
	require.EqualValues(t, 12, lines[0]["notices"])
	require.NotContains(t, lines[0], "relationship")

	endpoint := letter(lifecycle.KindApproved, func(l *lifecycle.Letter) {
		l.Endpoint, l.Recipient = true, lifecycle.Contact{TenantID: "t", Role: lifecycle.GlobalAdministrators}
	})
	require.Equal(t, "customer", logged(t, slog.LevelDebug, endpoint)[0]["side"])
	require.Len(t, logged(t, slog.LevelDebug, endpoint), 1)
}

func TestStoredMessageOfALogIsAsDiscreet(t *testing.T) {
	c, err := Open("log:", Setting{Domain: "tenure.example.com"})
	require.NoError(t, err)
	l := letter(lifecycle.KindWarnExpiry, func(l *lifecycle.Letter) { l.Relationship.ID = "an id\r\nInjected: yes" })
	_, message, err := c.(Composer).Compose(l)
	require.NoError(t, err)
	require.Equal(t, "notice 1042-7-1: warn-expiry of relationship \"an id\\r\\nInjected: yes\" to the partner side\n", string(message))
	require.NoError(t, c.Send(t.Context(), l), "without a log nothing is written")

	_, message, err = c.(Composer).Compose(lifecycle.Letter{Kind: lifecycle.KindDigest, Items: make([]lifecycle.Letter, 2)})
	require.NoError(t, err)
	require.Equal(t, "notice 0-0-0: digest of 2 to the partner side\n", string(message))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Send(ctx, l), context.Canceled)
}

func TestLogHasNothingToChoose(t *testing.T) {
	_, err := Open("log:stdout#level=debug", setting())
	require.ErrorContains(t, err, `there is no option "level"`)
	require.ErrorContains(t, err, "there is nothing to choose about a log; write log: and no more")
}
