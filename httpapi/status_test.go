package httpapi

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// fares says that there is a dead letter, and what else [Status] can show; where the fake is broken, that nothing can be said.
func (f *fake) fares(context.Context) lifecycle.Condition {
	c := lifecycle.Condition{At: noon, Wall: noon, Version: "1.2.3", Database: lifecycle.Dependency{Name: "postgres", Took: time.Millisecond}}
	if f.broken != nil {
		c.Database.Fault = f.broken.Error()
		return c
	}
	c.Queue = lifecycle.Dependency{Name: "redis", Fault: "dial tcp 192.0.2.7:6379: connection refused"}
	c.Notices = map[lifecycle.NoticeStatus]int64{lifecycle.NoticeDead: 1}
	c.Channels = []lifecycle.ChannelReport{{ChannelState: lifecycle.ChannelState{Name: "mail"}, Statuses: map[lifecycle.NoticeStatus]int64{lifecycle.NoticeDead: 1}}}
	c.Sweeps = []lifecycle.Sweep{{ID: 7, Rules: []lifecycle.RuleName{lifecycle.EndTerm}, State: lifecycle.SweepRunning, OpenedAt: noon}}
	c.Holds = []lifecycle.Hold{{ID: 2, Kind: lifecycle.HoldRule, Subject: "release-name", Note: "later", PlacedAt: noon}}
	c.HoldCounts = map[lifecycle.HoldKind]int64{lifecycle.HoldRule: 1}
	c.Rules = []lifecycle.RuleCondition{{Rule: lifecycle.EndTerm, Schedule: "* * * * *", Interval: time.Minute, LastTick: noon, NextTick: noon.Add(time.Minute),
		Backlog: lifecycle.Backlog{Rule: lifecycle.EndTerm, Due: 2, Oldest: noon.Add(-30 * time.Second)},
		Late:    [lifecycle.LatenessWindows]lifecycle.LatenessCounts{{1: 3, 360: 1}}}}
	return c
}

func TestStatusSaysWhatNeedsAttention(t *testing.T) {
	w := newWorld(t)
	r := w.do("GET", "/v1/status", "")
	require.Equal(t, 200, r.status)
	body := string(r.body)
	require.Contains(t, body, `"well":false,"verdict":"3 things need attention: Redis is away: it does not answer; end-term: 75.00% on time`)
	require.Contains(t, body, `{"what":"deadLetters","text":"1 notice given up","next":"`+"`tenure notices list --status dead`"+`"}`)
	require.Contains(t, body, `{"window":"24h","changes":4,"onTime":3,"share":75,"greatestSeconds":360,"histogram":{"1":3,"360":1}}`)
	require.Contains(t, body, `"oldestOverdueSeconds":30`)
	require.NotContains(t, body, "192.0.2.7", "whoever asks need not know addresses")

	w.fake.broken = errors.New("postgres://u:hunter2@h is gone")
	r = w.do("GET", "/v1/status", "")
	require.Equal(t, 200, r.status, "that the database is away is an answer")
	require.Contains(t, string(r.body), `"verdict":"1 thing needs attention: The database cannot be read: it does not answer."`)
	require.Contains(t, string(r.body), `"kind":"unknown"`)
	w.fake.broken = nil

	w.token = w.tenantToken(partner, lifecycle.AdminAgents)
	require.Equal(t, 403, w.do("GET", "/v1/status", "").status, "it is for operators")
}
