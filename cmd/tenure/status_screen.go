package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	screenWidth  = 98
	mostConcerns = 6 // that are shown; JSON has all of them
	mostNotes    = 3 // on paused rules
)

// statusScreen is a condition for people: the verdict first, then what it rests on.
func statusScreen(c *lifecycle.Condition, p *lifecycle.Policy) string {
	var b strings.Builder
	writeConcerns(&b, c.Concerns(p))
	b.WriteString("\n")
	facts := newTable()
	for _, line := range statusFacts(c) {
		facts.AppendRow(table.Row{line[0], wrapped(line[1], screenWidth-len("scheduler  "), "")})
	}
	_ = facts.writeTo(&b) // into memory
	if len(c.Rules) == 0 {
		return b.String()
	}
	b.WriteString("\n")
	rules := newTable()
	rules.AppendHeader(table.Row{"rule", "every", "last tick", "next", "due", "oldest", "held", "24h", "7d", "30d", "worst"})
	for i := range c.Rules {
		rules.AppendRow(ruleRow(c, &c.Rules[i], p))
	}
	_ = rules.writeTo(&b)
	b.WriteString("\n" + wrapped(objectiveText(c, p), screenWidth, "") + "\n")
	return b.String()
}

func writeConcerns(b *strings.Builder, concerns []lifecycle.Concern) {
	if len(concerns) == 0 {
		b.WriteString(lifecycle.Verdict(nil) + "\n")
		return
	}
	if len(concerns) == 1 {
		b.WriteString("1 thing needs attention:\n")
	} else {
		fmt.Fprintf(b, "%d things need attention:\n", len(concerns))
	}
	for i, concern := range concerns {
		if i == mostConcerns {
			fmt.Fprintf(b, "  and %d more: --output json\n", len(concerns)-i)
			return
		}
		b.WriteString("- " + wrapped(concern.Text.Error()+".", screenWidth, "  ") + "\n")
		b.WriteString("    next: " + wrapped(concern.Next.Error(), screenWidth-len("next: "), "    ") + "\n")
	}
}

// wrapped is a text in lines of so many characters, those after the first behind an indent.
func wrapped(s string, width int, indent string) string {
	lines := strings.Split(text.WrapSoft(s, width-len(indent)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n"+indent)
}

// statusFacts are names and what there is to say of each.
func statusFacts(c *lifecycle.Condition) [][2]string {
	facts := [][2]string{{"clock", clockText(c)}, {"version", c.Version}, {"database", dependencyText(&c.Database) + replicationText(c)}}
	if queue := c.Queue; queue.Name == "" {
		facts = append(facts, [2]string{"queue", "in the process of `tenure serve`"})
	} else {
		facts = append(facts, [2]string{"queue", dependencyText(&queue)})
	}
	if c.Database.Fault != "" {
		return facts
	}
	policy := "the one given here"
	if c.OtherPolicy {
		policy = "another one than the one given here"
	}
	facts = append(facts, [2]string{"policy", "the timers were set by " + policy}, [2]string{"scheduler", tickText(c)}, [2]string{"workers", workText(c)})
	if sweeps := sweepsText(c); sweeps != "" {
		facts = append(facts, [2]string{"sweeps", sweeps})
	}
	facts = append(facts, [2]string{"notices", noticesText(c)}, [2]string{"channels", channelsText(c)}, [2]string{"on hold", holdsText(c)})
	notes := 0
	for i := range c.Holds {
		if hold := &c.Holds[i]; hold.Kind == lifecycle.HoldRule && notes < mostNotes {
			notes++
			facts = append(facts, [2]string{"", fmt.Sprintf("%s since %s: %s", hold.Subject, instant(hold.PlacedAt.Truncate(time.Second)), shortNote(hold.Note))})
		}
	}
	return append(facts, [2]string{"ledger", ledgerText(c)})
}

func shortNote(note string) string {
	return text.Snip(strings.Join(strings.Fields(note), " "), 50, "…")
}

func clockText(c *lifecycle.Condition) string {
	shown := instant(c.At.Truncate(time.Second))
	switch {
	case c.Database.Fault != "":
		return shown + ", this machine's"
	case c.Sandbox:
		return fmt.Sprintf("%s, a sandbox's; this machine's shows %s", shown, instant(c.Wall.Truncate(time.Second)))
	}
	return shown + ", live"
}

func dependencyText(d *lifecycle.Dependency) string {
	if d.Fault != "" {
		return d.Name + " does not answer"
	}
	return fmt.Sprintf("%s, answers in %s", d.Name, quickText(d.Took))
}

// quickText is a short time to a tenth of a millisecond.
func quickText(d time.Duration) string {
	return d.Round(time.Millisecond / 10).String()
}

func replicationText(c *lifecycle.Condition) string {
	r := c.Replication
	switch {
	case r.Standby:
		return fmt.Sprintf("; a standby, %s behind", quickText(r.Lag))
	case r.Replicas > 0:
		return fmt.Sprintf("; %s, at most %s behind", copies(r.Replicas), quickText(r.Lag))
	}
	return ""
}

func copies(n int64) string {
	if n == 1 {
		return "1 copy"
	}
	return fmt.Sprintf("%d copies", n)
}

func tickText(c *lifecycle.Condition) string {
	var last time.Time
	for i := range c.Rules {
		if tick := c.Rules[i].LastTick; tick.After(last) {
			last = tick
		}
	}
	if last.IsZero() {
		return "has never ticked"
	}
	return "last tick " + agoText(c.Wall.Sub(last))
}

func agoText(d time.Duration) string {
	if d < 0 {
		return "ahead of this clock by " + lifecycle.Spoken(-d)
	}
	return lifecycle.Spoken(d) + " ago"
}

func workText(c *lifecycle.Condition) string {
	work := "nothing to do"
	if c.Chunks.Waiting+c.Chunks.AtWork > 0 {
		work = fmt.Sprintf("%s waiting, %d at work", plural(c.Chunks.Waiting, "chunk"), c.Chunks.AtWork)
	}
	for i := range c.Rules {
		if c.AtCapacity(&c.Rules[i]) {
			work += ", at capacity"
			break
		}
	}
	if c.Chunks.LastDone.IsZero() {
		return work
	}
	return work + "; last change recorded " + agoText(c.At.Sub(c.Chunks.LastDone))
}

func sweepsText(c *lifecycle.Condition) string {
	const most = 5
	var sweeps []string
	for i := range c.Sweeps {
		if i == most {
			sweeps = append(sweeps, fmt.Sprintf("and %d more", len(c.Sweeps)-i))
			break
		}
		s := &c.Sweeps[i]
		sweeps = append(sweeps, fmt.Sprintf("%d %s (%s) for %s", s.ID, stateText(*s), rulesText(*s), lifecycle.Spoken(max(0, c.Wall.Sub(s.OpenedAt)))))
	}
	return strings.Join(sweeps, ", ")
}

func noticesText(c *lifecycle.Condition) string {
	n := c.Notices
	return fmt.Sprintf("%d queued, %d failed, %d for a digest, %d dead, %d without recipient, %d unknown", n[lifecycle.NoticeQueued], n[lifecycle.NoticeFailed],
		n[lifecycle.NoticeWaiting], n[lifecycle.NoticeDead], n[lifecycle.NoticeNoRecipient], c.Unknown)
}

func channelsText(c *lifecycle.Condition) string {
	var troubled []string
	for i := range c.Channels {
		switch r := &c.Channels[i]; {
		case r.Off:
			troubled = append(troubled, r.Name+" off")
		case r.Failures > 0:
			troubled = append(troubled, r.Name+" failing")
		}
	}
	if len(troubled) == 0 {
		return "none is off or failing"
	}
	return strings.Join(troubled, ", ")
}

func holdsText(c *lifecycle.Condition) string {
	var held []string
	if c.HoldCounts[lifecycle.HoldEverything] > 0 {
		held = append(held, "everything")
	}
	for _, kind := range []lifecycle.HoldKind{lifecycle.HoldRule, lifecycle.HoldTenant, lifecycle.HoldRelationship} {
		if n := c.HoldCounts[kind]; n > 0 {
			held = append(held, plural(n, string(kind)))
		}
	}
	if len(held) == 0 {
		return "nothing"
	}
	return strings.Join(held, ", ")
}

func ledgerText(c *lifecycle.Condition) string {
	if c.Ledger.Waiting == 0 {
		return plural(c.Ledger.Logged, "event") + " logged"
	}
	return fmt.Sprintf("%s logged, %d not yet", plural(c.Ledger.Logged, "event"), c.Ledger.Waiting)
}

func ruleRow(c *lifecycle.Condition, r *lifecycle.RuleCondition, p *lifecycle.Policy) table.Row {
	row := table.Row{r.Rule, "off", "-", "-", r.Due, "-", r.Held}
	if r.Interval > 0 {
		row[1] = lifecycle.Spoken(r.Interval)
	}
	if !r.LastTick.IsZero() {
		row[2] = agoText(c.Wall.Sub(r.LastTick))
		if r.LastTick.After(c.Wall) {
			row[2] = "ahead"
		}
	}
	if !r.NextTick.IsZero() {
		row[3] = "in " + lifecycle.Spoken(r.NextTick.Sub(c.Wall))
	}
	if overdue := r.Overdue(c.At); r.Due > 0 {
		row[5] = lifecycle.Spoken(overdue)
	}
	if r.Paused {
		row[6] = "paused"
	}
	for w := range lifecycle.LatenessWindows {
		row = append(row, lifecycle.Share(r.OnTime(p, w)))
	}
	worst := "-"
	if late := r.Late[lifecycle.LastDay].Greatest(); late > 0 {
		worst = lifecycle.Spoken(late)
	}
	return append(row, worst)
}

// objectiveText says what the shares mean.
func objectiveText(c *lifecycle.Condition, p *lifecycle.Policy) string {
	if p.Lateness.Allowed() == 0 {
		return "The policy has no objective for lateness."
	}
	var others []string
	for i := range c.Rules {
		if allowed := c.Rules[i].Objective(p).Allowed(); allowed != p.Lateness.Allowed() {
			others = append(others, fmt.Sprintf("%s %s", c.Rules[i].Rule, lifecycle.Spoken(allowed)))
		}
	}
	also := ""
	if len(others) > 0 {
		also = " (" + strings.Join(others, ", ") + ")"
	}
	said := fmt.Sprintf("24h, 7d, 30d: share of changes on time, which is within %s%s; %v%% are to be. Time on hold is not counted.",
		lifecycle.Spoken(p.Lateness.Allowed()), also, p.Lateness.Share)
	if c.Sandbox {
		said += " A sandbox's clock moves in steps, so nothing here is late."
	}
	return said
}
