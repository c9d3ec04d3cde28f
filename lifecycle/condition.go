package lifecycle

import "time"

// A Condition is how a deployment fares, as far as its database and those who ask can tell. What could not be found out is zero.
type Condition struct {
	At      time.Time // by the deployment's clock
	Wall    time.Time // by the machine's
	Version string    // of the program that looked
	Sandbox bool

	Database    Dependency
	Queue       Dependency
	Replication Replication
	OtherPolicy bool // the stored timers go by another policy than the one that whoever looks was given

	Rules  []RuleCondition // in the order of [Rules]
	Sweeps []Sweep         // running and held, the oldest first
	Chunks ChunkCounts

	Holds      []Hold // in force: that of everything, and of rules
	HoldCounts map[HoldKind]int64

	Notices  map[NoticeStatus]int64 // queued, failed, waiting, dead, noRecipient; those that none has are missing
	Unknown  int64                  // letters with an attempt of which nobody knows how it ended
	Channels []ChannelReport
	Stuck    int64 // relationships that wait for another system for too long

	Ledger LedgerSize
}

// A Dependency is something that tenure needs, and whether it answered.
type Dependency struct {
	Name  string        // such as postgres; empty: there is none, or it is inside of another process
	Fault string        // why it did not answer; empty: it did
	Took  time.Duration // to answer
}

// Replication is what PostgreSQL knows of copies of the database. The zero Replication is that there is none.
type Replication struct {
	Standby  bool          // this is a copy itself
	Replicas int64         // copies that follow this one
	Lag      time.Duration // how far the one behind most is, or this one; 0 where it is not known
}

// A LatenessWindow is a time up to now over which lateness is looked at.
type LatenessWindow int

// The windows, and how many there are.
const (
	LastDay LatenessWindow = iota
	LastWeek
	LastMonth
	LatenessWindows
)

// Span is how long the window is.
func (w LatenessWindow) Span() time.Duration {
	const week, month = 7 * Day, 30 * Day
	return [LatenessWindows]time.Duration{Day, week, month}[w]
}

func (w LatenessWindow) String() string { return [LatenessWindows]string{"24h", "7d", "30d"}[w] }

// LatenessReport counts how late changes were in each window.
type LatenessReport [LatenessWindows]Latenesses

// A RuleCondition is how one rule fares.
type RuleCondition struct {
	Rule     RuleName
	Schedule string        // as it is written; "off": nobody looks by itself; empty: not known
	Interval time.Duration // the longest time between two ticks of the schedule; 0: there are none

	LastTick, NextTick time.Time   // by the machine's clock; zero: there was none, there is none
	Upcoming           []time.Time // the next ticks, a few of them; NextTick is the first

	Backlog
	Paused bool // it is on hold for all relationships
	Late   [LatenessWindows]LatenessCounts
}

// ChunkCounts are the parts of running sweeps that are not done.
type ChunkCounts struct {
	Waiting  int64     // nobody works on them
	AtWork   int64     // somebody does
	LastDone time.Time // when a worker last finished one that changed something, by the deployment's clock
}

// Objective is what is on time for the rule.
func (r *RuleCondition) Objective(p *Policy) LatenessPolicy { return p.Lateness.For(r.Interval) }

// OnTime counts the changes of a window that were on time, and all of them.
func (r *RuleCondition) OnTime(p *Policy, w LatenessWindow) (onTime, all int64) {
	return r.Late[w].Within(r.Objective(p).Allowed())
}

// Missed says whether fewer of the rule's changes of a window were on time than the policy wants. A sandbox is not judged, since its clock
// moves in steps.
func (c *Condition) Missed(r *RuleCondition, p *Policy, w LatenessWindow) bool {
	return !c.Sandbox && !r.Objective(p).Met(r.OnTime(p, w))
}

// Overdue is for how long the oldest timer has been due; 0 where none is.
func (r *RuleCondition) Overdue(now time.Time) time.Duration {
	if r.Oldest.IsZero() {
		return 0
	}
	return max(0, now.Sub(r.Oldest))
}

// Standstill is the hold of everything; nil where there is none.
func (c *Condition) Standstill() *Hold {
	for i := range c.Holds {
		if c.Holds[i].Kind == HoldEverything {
			return &c.Holds[i]
		}
	}
	return nil
}

// AtCapacity says whether workers do what they can, and it is not enough: a sweep of the rule has been running for longer than
// its schedule leaves between two of them, and chunks of it are still being done.
func (c *Condition) AtCapacity(r *RuleCondition) bool {
	if c.Chunks.AtWork == 0 && !c.doneLately() {
		return false
	}
	for i := range c.Sweeps {
		s := &c.Sweeps[i]
		if s.State == SweepRunning && !s.DryRun && r.Interval > 0 && s.Covers([]RuleName{r.Rule}) && c.Wall.Sub(s.OpenedAt) > max(r.Interval, soon) {
			return true
		}
	}
	return false
}

// doneLately says whether a worker has finished something a moment ago.
func (c *Condition) doneLately() bool {
	return !c.Chunks.LastDone.IsZero() && c.At.Sub(c.Chunks.LastDone) <= idleFor
}
