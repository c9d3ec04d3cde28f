package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var conditionNow = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// aCondition is one in which all is well.
func aCondition() *Condition {
	c := &Condition{At: conditionNow, Wall: conditionNow, Version: "dev", Database: Dependency{Name: "postgres", Took: time.Millisecond},
		Queue: Dependency{Name: "redis://redis:6379/0", Took: time.Millisecond}, Notices: map[NoticeStatus]int64{NoticeQueued: 3},
		Chunks: ChunkCounts{LastDone: conditionNow.Add(-time.Hour)}}
	for _, rule := range RuleNames() {
		c.Rules = append(c.Rules, RuleCondition{Rule: rule, Schedule: "* * * * *", Interval: time.Minute, LastTick: conditionNow.Add(-20 * time.Second),
			NextTick: conditionNow.Add(40 * time.Second)})
	}
	return c
}

func (c *Condition) of(rule RuleName) *RuleCondition {
	for i := range c.Rules {
		if c.Rules[i].Rule == rule {
			return &c.Rules[i]
		}
	}
	panic(rule)
}

func TestConcernsAreWhatNeedsAttentionAndNothingElse(t *testing.T) {
	ago := func(d time.Duration) time.Time { return conditionNow.Add(-d) }
	running := func(c *Condition, since time.Duration) {
		c.Sweeps = []Sweep{{ID: 7, Rules: []RuleName{EndTerm}, State: SweepRunning, OpenedAt: ago(since)}}
	}
	seen := map[Reason]bool{}
	for _, c := range []struct {
		name   string
		change func(*Condition)
		want   []Reason
	}{
		{"all is well", func(*Condition) {}, nil},
		{"what is due is being swept", func(c *Condition) { c.of(EndTerm).Due, c.of(EndTerm).Oldest = 5, ago(2*time.Minute) }, nil},
		{"two ticks have gone by", func(c *Condition) { c.of(EndTerm).Due, c.of(EndTerm).Oldest = 5, ago(3*time.Minute) }, []Reason{RuleOverdue}},
		{"a rule that is looked at once a day", func(c *Condition) {
			*c.of(EndTerm) = RuleCondition{Rule: EndTerm, Interval: Day, Backlog: Backlog{Due: 5, Oldest: ago(Day)}}
		}, nil},
		{"its schedule is off", func(c *Condition) {
			*c.of(EndTerm) = RuleCondition{Rule: EndTerm, Schedule: "off", Backlog: Backlog{Due: 5, Oldest: ago(Day)}}
		}, nil},
		{"overdue, and paused", func(c *Condition) {
			r := c.of(EndTerm)
			r.Due, r.Oldest, r.Paused = 5, ago(time.Hour), true
		}, nil},
		{"overdue, and its sweep is held", func(c *Condition) {
			c.of(EndTerm).Due, c.of(EndTerm).Oldest = 5, ago(time.Hour)
			c.Sweeps = []Sweep{{ID: 4, Rules: []RuleName{EndTerm}, State: SweepHeld, OpenedAt: ago(time.Hour),
				Plan: &SweepPlan{Cause: BreakerTripped, Tripped: []RuleName{EndTerm}, Records: map[RuleName]int64{EndTerm: 5}, Population: 10}}}
		}, []Reason{SweepIsHeld}},
		{"quarantine", func(c *Condition) {
			c.Holds = []Hold{{Kind: HoldEverything, Cause: ClockAhead, PlacedAt: ago(time.Hour)}}
			c.of(EndTerm).Due, c.of(EndTerm).Oldest, c.of(EndTerm).Paused = 5, ago(time.Hour), true
			c.Sweeps = []Sweep{{ID: 4, State: SweepHeld, Plan: &SweepPlan{Cause: ClockAhead}}}
		}, []Reason{StandsStill}},
		{"a paused rule is as somebody wants it", func(c *Condition) {
			c.Holds = []Hold{{Kind: HoldRule, Subject: string(EndTerm), Note: "x", PlacedAt: ago(time.Hour)}}
			c.of(EndTerm).Paused = true
		}, nil},
		{"no scheduler", func(c *Condition) {
			for i := range c.Rules {
				c.Rules[i].LastTick = ago(3 * time.Minute)
			}
		}, []Reason{SchedulerSilent}},
		{"one rule ticks", func(c *Condition) {
			for i := range c.Rules[1:] {
				c.Rules[i].LastTick = ago(3 * time.Minute)
			}
		}, nil},
		{"ticks of a clock that was wrong", func(c *Condition) {
			for i := range c.Rules {
				c.Rules[i].LastTick = ago(-Day)
			}
		}, []Reason{SchedulerSilent}},
		{"999 of 1000 on time", func(c *Condition) { c.of(EndTerm).Late[LastDay] = LatenessCounts{60: 999, 400: 1} }, nil},
		{"998 of 1000 on time", func(c *Condition) { c.of(EndTerm).Late[LastDay] = LatenessCounts{60: 998, 400: 2} }, []Reason{ObjectiveMissed}},
		{"late last week", func(c *Condition) { c.of(EndTerm).Late[LastWeek] = LatenessCounts{400: 2} }, nil},
		{"as late as the schedule has it", func(c *Condition) {
			c.of(ReleaseName).Interval = 15 * time.Minute
			c.of(ReleaseName).Late[LastDay] = LatenessCounts{900: 2, 1200: 1}
		}, nil},
		{"a long sweep, and workers at work", func(c *Condition) { running(c, 2*time.Minute); c.Chunks.AtWork, c.Chunks.Waiting = 2, 40 }, []Reason{WorkersAtLimit}},
		{"a long sweep, and one was done just now", func(c *Condition) {
			running(c, 2*time.Minute)
			c.Chunks = ChunkCounts{Waiting: 40, LastDone: ago(time.Second)}
		}, []Reason{WorkersAtLimit}},
		{"a short sweep", func(c *Condition) { running(c, 20*time.Second); c.Chunks.Waiting = 40 }, nil},
		{"a sweep, and nobody works", func(c *Condition) { running(c, 2*time.Minute); c.Chunks.Waiting = 40 }, []Reason{NobodyWorks}},
		{"the database is away", func(c *Condition) {
			*c = Condition{At: conditionNow, Wall: conditionNow, Database: Dependency{Name: "postgres", Fault: "refused"}, Queue: Dependency{Fault: "refused"}}
		}, []Reason{DatabaseAway, QueueAway}},
		{"Redis is away", func(c *Condition) { c.Queue.Fault = "refused" }, []Reason{QueueAway}},
		{"letters", func(c *Condition) {
			c.Notices = map[NoticeStatus]int64{NoticeDead: 1, NoticeFailed: 3, NoticeNoRecipient: 9}
			c.Channels = []ChannelReport{{ChannelState: ChannelState{Name: "desk", Off: true}}, {ChannelState: ChannelState{Name: "mail", Failures: 1}},
				{ChannelState: ChannelState{Name: "crm", Failures: 5}}}
		}, []Reason{ChannelIsOff, ChannelFails, LettersDead}},
		{"elsewhere", func(c *Condition) { c.Stuck, c.OtherPolicy, c.Replication.Lag = 1, true, time.Hour }, []Reason{AccessStuck, OtherTimers, ReplicationBehind}},
		{"nothing is late in a sandbox", func(c *Condition) {
			c.Sandbox = true
			c.of(EndTerm).Due, c.of(EndTerm).Oldest, c.of(EndTerm).LastTick = 5, ago(Day), ago(Day)
			c.of(EndTerm).Late[LastDay] = LatenessCounts{86400: 5}
		}, nil},
	} {
		for _, what := range c.want {
			seen[what] = true
		}
		t.Run(c.name, func(t *testing.T) {
			condition := aCondition()
			c.change(condition)
			var got []Reason
			for _, concern := range condition.Concerns(DefaultPolicy()) {
				got = append(got, concern.What)
				require.NotEmpty(t, concern.Text.Error())
				require.NotEmpty(t, concern.Next.Error())
				require.NotRegexp(t, `[.:;]$`, concern.Text.Error(), "it becomes part of a sentence")
			}
			require.Equal(t, c.want, got)
		})
	}
	require.Len(t, seen, len(ConcernReasons), "each of them is tried here")
}

func TestVerdictIsOneLine(t *testing.T) {
	require.Equal(t, "All is well.", Verdict(nil))
	require.Equal(t, "1 thing needs attention: A.", Verdict([]Concern{{Text: &Said{text: "A"}}}))
	require.Equal(t, "2 things need attention: A; B.", Verdict([]Concern{{Text: &Said{text: "A"}}, {Text: &Said{text: "B"}}}))
}

func TestNumbersAreForPeople(t *testing.T) {
	require.Equal(t, []string{"-", "100%", "0.00%", "99.90%", "99.99%"}, []string{Share(0, 0), Share(7, 7), Share(0, 7), Share(999, 1000), Share(999_999, 1_000_000)})
	for d, want := range map[time.Duration]string{0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 90 * time.Second: "1m30s", 3*time.Hour + 20*time.Minute: "3h20m",
		Day: "1d", 4*Day + 3*time.Hour + time.Minute: "4d3h"} {
		require.Equal(t, want, Spoken(d))
	}
}
