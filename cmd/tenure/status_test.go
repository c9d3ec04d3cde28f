package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

var statusNow = time.Date(2027, 3, 1, 10, 0, 30, 0, time.UTC)

// wellCondition is that of a deployment on which all is well.
func wellCondition() *lifecycle.Condition {
	ago := func(d time.Duration) time.Time { return statusNow.Add(-d) }
	c := &lifecycle.Condition{At: statusNow, Wall: statusNow, Version: "1.4.0",
		Database: lifecycle.Dependency{Name: "postgres", Took: 840 * time.Microsecond}, Queue: lifecycle.Dependency{Name: "rediss://redis.example:6379/0", Took: 310 * time.Microsecond},
		Replication: lifecycle.Replication{Replicas: 2, Lag: 12 * time.Millisecond}, Chunks: lifecycle.ChunkCounts{LastDone: ago(28 * time.Second)},
		Notices: map[lifecycle.NoticeStatus]int64{lifecycle.NoticeQueued: 3, lifecycle.NoticeNoRecipient: 1}, Ledger: lifecycle.LedgerSize{Logged: 48211, Waiting: 6}}
	for _, rule := range lifecycle.RuleNames() {
		c.Rules = append(c.Rules, lifecycle.RuleCondition{Rule: rule, LastTick: statusNow.Truncate(time.Minute),
			Late: [lifecycle.LatenessWindows]lifecycle.LatenessCounts{{31: 40}, {31: 300}, {31: 1200, 960: 1}}})
	}
	c.Rules[1].LastTick, c.Rules[4].LastTick = ago(5*time.Minute+30*time.Second), ago(10*time.Minute+30*time.Second)
	jobs.DefaultSchedules().Beats(statusNow).Set(c)
	return c
}

// statusStories are conditions of which the screen is kept.
var statusStories = map[string]func(*lifecycle.Condition){
	"well": func(*lifecycle.Condition) {},
	"late": func(c *lifecycle.Condition) {
		c.Rules[3].Due, c.Rules[3].Oldest = 412, statusNow.Add(-25*time.Minute)
		c.Rules[3].Late[lifecycle.LastDay] = lifecycle.LatenessCounts{31: 9000, 1500: 120}
		c.Sweeps = []lifecycle.Sweep{{ID: 871, Rules: []lifecycle.RuleName{lifecycle.EndTerm}, State: lifecycle.SweepRunning, OpenedAt: statusNow.Add(-25 * time.Minute)}}
		c.Chunks = lifecycle.ChunkCounts{Waiting: 37, AtWork: 4, LastDone: statusNow.Add(-time.Second)}
	},
	"held": func(c *lifecycle.Condition) {
		c.Rules[0].Due, c.Rules[0].Oldest = 1214, statusNow.Add(-30*lifecycle.Day)
		c.Sweeps = []lifecycle.Sweep{{ID: 42, Rules: []lifecycle.RuleName{lifecycle.ExpirePending}, State: lifecycle.SweepHeld, OpenedAt: statusNow.Add(-time.Hour),
			Plan: &lifecycle.SweepPlan{Cause: lifecycle.BreakerTripped, Tripped: []lifecycle.RuleName{lifecycle.ExpirePending},
				Records: map[lifecycle.RuleName]int64{lifecycle.ExpirePending: 1214}, Population: 5210}}}
		c.Holds = []lifecycle.Hold{{ID: 3, Kind: lifecycle.HoldRule, Subject: "release-name", Note: "names are being sold to another reseller, ask Ann before anything is released", PlacedAt: statusNow.Add(-48 * time.Hour)}}
		c.HoldCounts = map[lifecycle.HoldKind]int64{lifecycle.HoldRule: 1, lifecycle.HoldTenant: 2, lifecycle.HoldRelationship: 14}
		c.Rules[4].Paused, c.Rules[3].Held = true, 9
	},
	"quarantine": func(c *lifecycle.Condition) {
		c.Holds = []lifecycle.Hold{{ID: 9, Kind: lifecycle.HoldEverything, Cause: lifecycle.ClockAhead, Note: "the clock shows 2028-03-01T10:00:00Z, and showed 2027-03-01T09:59:50Z ten seconds before",
			PlacedAt: statusNow.Add(-20 * time.Second)}}
		c.HoldCounts = map[lifecycle.HoldKind]int64{lifecycle.HoldEverything: 1}
		for i := range c.Rules {
			c.Rules[i].Paused = true
		}
	},
	"redis-away": func(c *lifecycle.Condition) { c.Queue.Fault = "dial tcp 192.0.2.7:6379: connect: connection refused" },
	"database-away": func(c *lifecycle.Condition) {
		*c = lifecycle.Condition{At: statusNow, Wall: statusNow, Version: "1.4.0", Queue: c.Queue, Database: lifecycle.Dependency{
			Name: "postgres://tenure:***@db.example:5432/tenure", Fault: "open the database: dial tcp 192.0.2.8:5432: connect: connection refused"}}
	},
	"everything": func(c *lifecycle.Condition) {
		c.OtherPolicy, c.Stuck, c.Queue.Fault, c.Replication = true, 4, "i/o timeout", lifecycle.Replication{Standby: true, Lag: 20 * time.Minute}
		c.Notices[lifecycle.NoticeDead], c.Unknown = 7, 2
		c.Channels = []lifecycle.ChannelReport{{ChannelState: lifecycle.ChannelState{Name: "desk", Off: true, LastError: "410 Gone: the receiver wants nothing more"}},
			{ChannelState: lifecycle.ChannelState{Name: "mail", Failures: 12, LastError: "535 5.7.8 authentication failed"}}}
		for i := range c.Rules {
			c.Rules[i].LastTick = statusNow.Add(-3 * time.Hour)
			c.Rules[i].Due, c.Rules[i].Oldest = 123456, statusNow.Add(-3*time.Hour)
			c.Rules[i].Late = [lifecycle.LatenessWindows]lifecycle.LatenessCounts{{400 * 86400: 99, 31: 9}, {400 * 86400: 99}, {31: 9}}
		}
		c.HoldCounts = map[lifecycle.HoldKind]int64{lifecycle.HoldRule: 1, lifecycle.HoldTenant: 2, lifecycle.HoldRelationship: 14}
	},
	"sandbox": func(c *lifecycle.Condition) {
		c.Sandbox, c.At, c.Queue, c.Replication = true, statusNow.AddDate(1, 0, 0), lifecycle.Dependency{}, lifecycle.Replication{}
		c.Database.Name, c.Chunks = "sqlite", lifecycle.ChunkCounts{}
		c.Rules[3].Late[lifecycle.LastDay] = lifecycle.LatenessCounts{86400: 3}
	},
}

func TestStatusIsReadAtAGlance(t *testing.T) {
	for name, change := range statusStories {
		t.Run(name, func(t *testing.T) {
			c := wellCondition()
			change(c)
			screen := statusScreen(c, lifecycle.DefaultPolicy())
			sameAsFile(t, filepath.Join("testdata", "status", name+".txt"), screen)
			lines := strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
			require.LessOrEqual(t, len(lines), 40, "one screen")
			for _, line := range lines {
				require.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
				require.Equal(t, strings.TrimRight(line, " "), line)
			}
		})
	}
}

func TestStatusForProgramsStaysAsItIs(t *testing.T) {
	c := wellCondition()
	statusStories["held"](c)
	var b bytes.Buffer
	require.NoError(t, writeJSON(&b, httpapi.ShowStatus(c, lifecycle.DefaultPolicy()), "  "))
	sameAsFile(t, filepath.Join("testdata", "status", "held.json"), b.String())
}

func TestConcernsAreThoseOfTheOperatorsGuide(t *testing.T) {
	var names []string
	for _, what := range lifecycle.ConcernReasons {
		names = append(names, "`"+string(what)+"`")
	}
	require.Equal(t, names, firstColumn(tableAfter(t, "../../docs/operating.md", "concerns")))
}

func TestOperatorsGuideShowsTheScreen(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operating.md")
	require.NoError(t, err)
	screen, err := os.ReadFile(filepath.Join("testdata", "status", "late.txt"))
	require.NoError(t, err)
	require.Contains(t, string(guide), "```console\n$ tenure status\n"+string(screen)+"```\n")
}

// sameAsFile compares with a file, or writes it with -update.
func sameAsFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test ./cmd/tenure -run Status -update rewrites it")
}
