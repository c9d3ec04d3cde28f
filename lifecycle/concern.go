package lifecycle

import (
	"fmt"
	"strings"
	"time"
)

// A Concern is something that an operator ought to look at.
type Concern struct {
	What    Reason
	Subject string // the rule, sweep or channel that it is about; empty: the deployment
	Text    *Said  // what is so
	Next    *Said  // the next command to type, or what to do
}

// What may be of concern.
const (
	DatabaseAway      Reason = "databaseAway"
	QueueAway         Reason = "queueAway"
	StandsStill       Reason = "standstill"        // everything is on hold
	SchedulerSilent   Reason = "schedulerSilent"   // nobody has ticked for two intervals
	NobodyWorks       Reason = "nobodyWorks"       // chunks wait, and none has been done lately
	SweepIsHeld       Reason = "sweepHeld"         // it waits for an operator's word
	RuleOverdue       Reason = "overdue"           // a timer has been due for two intervals
	ObjectiveMissed   Reason = "objectiveMissed"   // fewer were on time in the last 24 hours than the policy wants
	WorkersAtLimit    Reason = "atCapacity"        // see [Condition.AtCapacity]
	ChannelIsOff      Reason = "channelOff"        // nothing is sent on it
	ChannelFails      Reason = "channelFailing"    // for a while already
	LettersDead       Reason = "deadLetters"       // given up
	AccessStuck       Reason = "accessStuck"       // another system has not given access, or not taken it away
	OtherTimers       Reason = "otherPolicy"       // the stored timers go by another policy
	ReplicationBehind Reason = "replicationBehind" // a copy of the database is far behind
)

// ConcernReasons lists them all.
var ConcernReasons = []Reason{DatabaseAway, QueueAway, StandsStill, SweepIsHeld, SchedulerSilent, NobodyWorks, RuleOverdue, ObjectiveMissed, WorkersAtLimit,
	ChannelIsOff, ChannelFails, LettersDead, AccessStuck, OtherTimers, ReplicationBehind}

const (
	soon    = time.Minute      // the least that a sweep is given
	idleFor = 30 * time.Second // without a chunk done, nobody works

	ticksMissed     = 2                // so many intervals without a tick, or with a timer due, are of concern
	tickAllowance   = 20 * time.Second // for the tick that is just being worked on
	failingAttempts = 5                // in a row are more than a server that restarts
	replicaBehind   = 5 * time.Minute
)

// What is of concern.
var (
	databaseIsAway  = NewSentence("databaseIsAway", "The database cannot be read: {fault}")
	redisIsAway     = NewSentence("redisIsAway", "Redis is away: {fault}")
	heldByNote      = NewSentence("everythingHeld", "Everything is on hold since {since}: {note}")
	heldByCause     = NewSentence("everythingHeldBy", "Everything is on hold since {since}: {cause}")
	heldByBoth      = NewSentence("everythingHeldByAndNote", "Everything is on hold since {since}: {cause}, {note}")
	sweepIsHeld     = NewSentence("sweepIsHeld", "Sweep {sweep} ({rules}) is held: {records} would change of {population}")
	neverTicked     = NewSentence("neverTicked", "No scheduler has ever ticked")
	notTicked       = NewSentence("notTicked", "No scheduler has ticked for {span}")
	chunksWait      = NewSentence("chunksWait", "{chunks} of running sweeps: nobody works on them")
	isOverdue       = NewSentence("isOverdue", "{rule}: {due} due, the oldest for {span}; it is looked at every {interval}")
	missedObjective = NewSentence("missedObjective", "{rule}: {share} on time in 24h (within {span}), {wanted}% wanted")
	sweepsTooLong   = NewSentence("sweepsTooLong", "{rule}: sweeps take longer than it is from one to the next")
	channelIsOff    = NewSentence("channelIsOff", "Channel {channel} is off: {error}")
	channelFails    = NewSentence("channelFails", "Channel {channel} has failed {n} times in a row: {error}")
	noticesDead     = NewSentence("noticesDead", "{notices} given up")
	accessStuck     = NewSentence("accessIsStuck", "{relationships} waiting for another system for too long")
	otherPolicy     = NewSentence("timersOfOtherPolicy", "The timers were set by another policy than the one given here")
	replicaIsBehind = NewSentence("replicaIsBehind", "A copy of the database is behind by {span}")
)

// What to do about it.
const (
	thenRelease = "`tenure quarantine show`, then `tenure quarantine release --reason TEXT`"
	caughtUpOn  = "mend it; `tenure healthcheck --dependencies` says when it answers, and what fell due meanwhile is caught up on"
	whichPolicy = "give the one that the schedulers have, with --policy, or `tenure plan --policy FILE` to see what this one would change"
)

var (
	mendDatabase   = NewSentence("mendDatabase", caughtUpOn)
	mendRedis      = NewSentence("mendRedis", "mend Redis; until then the scheduler does the work itself, more slowly")
	releaseAll     = NewSentence("releaseEverything", thenRelease)
	rightClock     = NewSentence("rightClock", "put the clock right if it is wrong; "+thenRelease)
	laterCopy      = NewSentence("laterCopy", "restore a later copy if there is one; "+thenRelease)
	rightPolicy    = NewSentence("rightPolicy", "put the policy right if it has a typo; "+thenRelease)
	showSweep      = NewSentence("showSweep", "`tenure sweeps show {sweep}`")
	startScheduler = NewSentence("startScheduler", "`tenure serve`, or `tenure scheduler` beside PostgreSQL and Redis")
	startWorker    = NewSentence("startWorker", "`tenure serve`, or `tenure worker` beside PostgreSQL and Redis")
	sweepRule      = NewSentence("sweepRule", "`tenure sweeps list`; if none is running, `tenure sweep --rule {name}`")
	seeLateness    = NewSentence("seeLateness", "`tenure sweeps list`: the column lateness says which sweeps")
	moreWorkers    = NewSentence("moreWorkers", "start another `tenure worker`, or give the database more room")
	switchOn       = NewSentence("switchChannelOn", "`tenure notices channels on {channel} --reason TEXT`")
	mendChannel    = NewSentence("mendChannel", "mend it; `tenure notices channels on {channel} --reason TEXT` tries at once")
	listDead       = NewSentence("listDead", "`tenure notices list --status dead`")
	listStuck      = NewSentence("listStuck", "`tenure provisioning list --stuck`")
	givePolicy     = NewSentence("givePolicy", whichPolicy)
	seeReplication = NewSentence("seeReplication", "look at pg_stat_replication")
)

// Concerns lists what needs attention, the gravest first; none: all is well. Of a database that does not answer nothing else is
// known. In a sandbox nothing is late, since its clock moves in steps.
func (c *Condition) Concerns(p *Policy) []Concern {
	var found []Concern
	if c.Database.Fault != "" {
		found = append(found, Concern{DatabaseAway, "", databaseIsAway.Say("fault", c.Database.Fault), mendDatabase.Say()})
	}
	if c.Queue.Fault != "" {
		found = append(found, Concern{QueueAway, "", redisIsAway.Say("fault", c.Queue.Fault), mendRedis.Say()})
	}
	if c.Database.Fault != "" {
		return found
	}
	found = append(found, c.heldUp()...)
	if !c.Sandbox {
		found = append(found, c.late(p)...)
	}
	return append(append(found, c.unsaid()...), c.elsewhere()...)
}

// released is what comes before a quarantine is released: to release it says that this clock, or this database, is the right one.
func released(cause Reason) *Said {
	switch cause {
	case ClockAhead, ClockBack:
		return rightClock.Say()
	case EventsMissing:
		return laterCopy.Say()
	case LargeBacklog:
		return rightPolicy.Say()
	}
	return releaseAll.Say()
}

// heldUp is what waits for an operator's word.
func (c *Condition) heldUp() (found []Concern) {
	if hold := c.Standstill(); hold != nil {
		found = append(found, Concern{StandsStill, "", why(hold, FormatInstant(hold.PlacedAt.Truncate(time.Second))), released(hold.Cause)})
	}
	for i := range c.Sweeps {
		s := &c.Sweeps[i]
		if s.State != SweepHeld || s.Plan == nil || s.Plan.Cause != BreakerTripped { // the others are held with everything
			continue
		}
		var records int64
		for _, n := range s.Plan.Records {
			records += n
		}
		found = append(found, Concern{SweepIsHeld, fmt.Sprint(s.ID), sweepIsHeld.Say("sweep", s.ID, "rules", names(s.Plan.Tripped),
			"records", count(records, "record"), "population", s.Plan.Population), showSweep.Say("sweep", s.ID)})
	}
	return found
}

func why(h *Hold, since string) *Said {
	note := strings.TrimRight(h.Note, ",. ")
	switch {
	case h.Cause == "":
		return heldByNote.Say("since", since, "note", note)
	case note == "":
		return heldByCause.Say("since", since, "cause", h.Cause)
	}
	return heldByBoth.Say("since", since, "cause", h.Cause, "note", note)
}

// late is what is late, and who should see to it.
func (c *Condition) late(p *Policy) (found []Concern) {
	last, silent := c.schedulerSilent()
	if silent {
		text := neverTicked.Say()
		if !last.IsZero() {
			text = notTicked.Say("span", Span(c.Wall.Sub(last)))
		}
		found = append(found, Concern{SchedulerSilent, "", text, startScheduler.Say()})
	}
	if c.Chunks.Waiting > 0 && c.Chunks.AtWork == 0 && !c.doneLately() && c.runningFor() > idleFor {
		found = append(found, Concern{NobodyWorks, "", chunksWait.Say("chunks", count(c.Chunks.Waiting, "chunk")), startWorker.Say()})
	}
	for i := range c.Rules {
		found = append(found, c.ruleLate(&c.Rules[i], p, silent)...)
	}
	return found
}

// ruleLate is what is late under a rule. Where the scheduler is silent, that something is overdue follows, and is not said again.
func (c *Condition) ruleLate(r *RuleCondition, p *Policy, silent bool) (found []Concern) {
	name := string(r.Rule)
	overdue := r.Overdue(c.At)
	if r.Interval > 0 && !silent && !r.Paused && overdue > ticksMissed*r.Interval+tickAllowance && !c.held(r.Rule) {
		found = append(found, Concern{RuleOverdue, name, isOverdue.Say("rule", r.Rule, "due", r.Due, "span", Span(overdue), "interval", Span(r.Interval)),
			sweepRule.Say("name", name)})
	}
	if c.Missed(r, p, LastDay) {
		objective := r.Objective(p)
		onTime, all := r.OnTime(p, LastDay)
		found = append(found, Concern{ObjectiveMissed, name, missedObjective.Say("rule", r.Rule, "share", Share(onTime, all), "span", Span(objective.Allowed()),
			"wanted", fmt.Sprint(objective.Share)), seeLateness.Say()})
	}
	if c.AtCapacity(r) {
		found = append(found, Concern{WorkersAtLimit, name, sweepsTooLong.Say("rule", r.Rule), moreWorkers.Say()})
	}
	return found
}

// held says whether a sweep of the rule waits for an operator's word, which is said already.
func (c *Condition) held(rule RuleName) bool {
	if c.Standstill() != nil {
		return true
	}
	for i := range c.Sweeps {
		if c.Sweeps[i].State == SweepHeld && c.Sweeps[i].Covers([]RuleName{rule}) {
			return true
		}
	}
	return false
}

// schedulerSilent says whether no rule has ticked for too long, and when one did last. Ticks ahead of the clock were taken by one
// that was wrong.
func (c *Condition) schedulerSilent() (last time.Time, silent bool) {
	var shortest time.Duration
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.Interval > 0 && (shortest == 0 || r.Interval < shortest) {
			shortest = r.Interval
		}
		if r.LastTick.After(last) && !r.LastTick.After(c.Wall.Add(tickAllowance)) {
			last = r.LastTick
		}
	}
	return last, shortest > 0 && c.Wall.Sub(last) > ticksMissed*shortest+tickAllowance
}

// runningFor is how long the oldest running sweep has been.
func (c *Condition) runningFor() (longest time.Duration) {
	for i := range c.Sweeps {
		if c.Sweeps[i].State == SweepRunning {
			longest = max(longest, c.Wall.Sub(c.Sweeps[i].OpenedAt))
		}
	}
	return longest
}

// unsaid is what people are not told.
func (c *Condition) unsaid() (found []Concern) {
	for i := range c.Channels {
		switch channel := &c.Channels[i]; {
		case channel.Off:
			found = append(found, Concern{ChannelIsOff, channel.Name, channelIsOff.Say("channel", channel.Name, "error", shorten(channel.LastError)),
				switchOn.Say("channel", channel.Name)})
		case channel.Failures >= failingAttempts:
			found = append(found, Concern{ChannelFails, channel.Name, channelFails.Say("channel", channel.Name, "n", channel.Failures,
				"error", shorten(channel.LastError)), mendChannel.Say("channel", channel.Name)})
		}
	}
	if dead := c.Notices[NoticeDead]; dead > 0 {
		found = append(found, Concern{LettersDead, "", noticesDead.Say("notices", count(dead, "notice")), listDead.Say()})
	}
	return found
}

// elsewhere is what stands beside tenure.
func (c *Condition) elsewhere() (found []Concern) {
	if c.Stuck > 0 {
		found = append(found, Concern{AccessStuck, "", accessStuck.Say("relationships", count(c.Stuck, "relationship")), listStuck.Say()})
	}
	if c.OtherPolicy {
		found = append(found, Concern{OtherTimers, "", otherPolicy.Say(), givePolicy.Say()})
	}
	if c.Replication.Lag > replicaBehind {
		found = append(found, Concern{ReplicationBehind, "", replicaIsBehind.Say("span", Span(c.Replication.Lag)), seeReplication.Say()})
	}
	return found
}

// Verdict is what there is to say about the concerns in a line.
func Verdict(concerns []Concern) string {
	switch len(concerns) {
	case 0:
		return "All is well."
	case 1:
		return "1 thing needs attention: " + concerns[0].Text.Error() + "."
	}
	texts := make([]string, len(concerns))
	for i, c := range concerns {
		texts[i] = c.Text.Error()
	}
	return fmt.Sprintf("%d things need attention: %s.", len(concerns), strings.Join(texts, "; "))
}

// Share is a share as people read it: never 100% unless it is all of them.
func Share(part, all int64) string {
	const hundred, places = 100, 100
	switch {
	case all == 0:
		return "-"
	case part == all:
		return "100%"
	}
	return fmt.Sprintf("%.2f%%", float64(part*hundred*places/all)/places)
}

// Spoken is a span of time as people read it, e.g. 40s, 12m, 3h20m or 4d3h.
func Spoken(d time.Duration) string {
	const minute, hour = int64(time.Minute / time.Second), int64(time.Hour / time.Second)
	two := func(a int64, unit string, b int64, smaller string) string {
		if b == 0 {
			return fmt.Sprintf("%d%s", a, unit)
		}
		return fmt.Sprintf("%d%s%d%s", a, unit, b, smaller)
	}
	const day = 24 * hour
	switch s := int64(d / time.Second); {
	case s < minute:
		return fmt.Sprintf("%ds", s)
	case s < hour:
		return two(s/minute, "m", s%minute, "s")
	case s < day:
		return two(s/hour, "h", s%hour/minute, "m")
	default:
		return two(s/day, "d", s%day/hour, "h")
	}
}

// A Span is a length of time in a sentence.
type Span time.Duration

func (s Span) String() string { return Spoken(time.Duration(s)) }

// A Count is a number of things in a sentence, as in "3 chunks".
type Count struct {
	N     int64
	Thing string // in English, one of them
}

func (c Count) String() string {
	if c.N == 1 {
		return "1 " + c.Thing
	}
	return fmt.Sprintf("%d %ss", c.N, c.Thing)
}

func count(n int64, thing string) Count { return Count{n, thing} }

// names are rules in a sentence.
type names []RuleName

func (n names) String() string { return joined(n) }
