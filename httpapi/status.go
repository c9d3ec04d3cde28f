package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Status is how the deployment fares, as it is shown.
type Status struct {
	Well     bool      `json:"well" doc:"Nothing needs attention"`
	Verdict  string    `json:"verdict" example:"All is well."`
	Concerns []Concern `json:"concerns" nullable:"false" doc:"What needs attention, the gravest first"`

	DateTime        string `json:"dateTime" format:"date-time" doc:"By the deployment's clock"`
	MachineDateTime string `json:"machineDateTime" format:"date-time" doc:"By the clock of the machine that answers"`
	Version         string `json:"version"`
	Kind            string `json:"kind" enum:"live,sandbox,unknown"`
	OtherPolicy     bool   `json:"otherPolicy" doc:"The stored timers go by another policy than the one that whoever answers was given"`

	Database    StatusOf          `json:"database"`
	Queue       StatusOf          `json:"queue"`
	Replication StatusReplication `json:"replication"`

	Objective StatusObjective `json:"objective"`
	Rules     []StatusRule    `json:"rules" nullable:"false"`
	Sweeps    []StatusSweep   `json:"sweeps" nullable:"false" doc:"Running and held ones, the oldest first"`
	Chunks    StatusChunks    `json:"chunks"`
	Holds     StatusHolds     `json:"holds"`
	Notices   StatusNotices   `json:"notices"`
	Channels  []Channel       `json:"channels" nullable:"false" doc:"Those that failed, or that something waits for"`
	Stuck     int64           `json:"stuck" doc:"Relationships that wait for another system for too long"`
	Ledger    StatusLedger    `json:"ledger"`
}

// A Concern is something that needs attention.
type Concern struct {
	What    string `json:"what" example:"overdue"`
	Subject string `json:"subject,omitempty" doc:"The rule, sweep or channel that it is about"`
	Text    string `json:"text"`
	Next    string `json:"next" doc:"The next command to type, or what to do"`
}

// StatusOf is whether something that tenure needs answers.
type StatusOf struct {
	Name    string   `json:"name" doc:"Empty: it is inside of another process"`
	State   string   `json:"state" enum:"up,down,unknown"`
	Fault   *string  `json:"fault"`
	Seconds *float64 `json:"seconds" doc:"How long it took to answer"`
}

// StatusReplication is what PostgreSQL knows of copies of the database.
type StatusReplication struct {
	Standby    bool    `json:"standby" doc:"What is looked at is a copy itself"`
	Replicas   int64   `json:"replicas"`
	LagSeconds float64 `json:"lagSeconds" doc:"Of the copy that is behind most; 0 where it is not known"`
}

// StatusObjective is what the policy wants.
type StatusObjective struct {
	WithinSeconds float64 `json:"withinSeconds" doc:"0: there is no objective"`
	Share         float64 `json:"share" doc:"Percent of changes that are to be on time"`
}

// A StatusRule is how one rule fares.
type StatusRule struct {
	Rule                 RuleName         `json:"rule"`
	Schedule             string           `json:"schedule" doc:"In cron's fields, UTC; off: nobody looks by itself"`
	IntervalSeconds      float64          `json:"intervalSeconds" doc:"The longest time between two ticks; 0: there are none"`
	LastTickDateTime     *string          `json:"lastTickDateTime" format:"date-time"`
	NextTickDateTime     *string          `json:"nextTickDateTime" format:"date-time"`
	Due                  int64            `json:"due" doc:"Records whose next timer is due, and not on hold by itself or by its tenant"`
	OldestDueDateTime    *string          `json:"oldestDueDateTime" format:"date-time"`
	OldestOverdueSeconds float64          `json:"oldestOverdueSeconds"`
	Held                 int64            `json:"held" doc:"Records whose next timer is due and on hold"`
	Paused               bool             `json:"paused" doc:"The rule is on hold for all records"`
	AtCapacity           bool             `json:"atCapacity" doc:"Sweeps take longer than it is from one to the next, though workers work"`
	ObjectiveSeconds     float64          `json:"objectiveSeconds" doc:"How late a change may be and still be on time"`
	Lateness             []StatusLateness `json:"lateness" nullable:"false"`
}

// A StatusLateness is how late the changes of a rule were in a time up to now, without the time on hold.
type StatusLateness struct {
	Window          string           `json:"window" enum:"24h,7d,30d"`
	Changes         int64            `json:"changes"`
	OnTime          int64            `json:"onTime"`
	Share           *float64         `json:"share" doc:"Percent; null where there were no changes"`
	GreatestSeconds float64          `json:"greatestSeconds"`
	Histogram       map[string]int64 `json:"histogram" doc:"Changes by how late they were: whole seconds, rounded up, and how many"`
}

// A StatusSweep is a sweep that is not over.
type StatusSweep struct {
	ID             int64      `json:"id"`
	State          string     `json:"state"`
	Rules          []RuleName `json:"rules" nullable:"false" doc:"Empty: all"`
	OpenedDateTime string     `json:"openedDateTime" format:"date-time"`
	Chunks         Chunks     `json:"chunks"`
}

// StatusChunks are the parts of running sweeps that are not done.
type StatusChunks struct {
	Waiting          int64   `json:"waiting" doc:"Nobody works on them"`
	AtWork           int64   `json:"atWork"`
	LastDoneDateTime *string `json:"lastDoneDateTime" format:"date-time" doc:"When a worker last finished one that changed something"`
}

// StatusHolds are the holds in force.
type StatusHolds struct {
	Everything    int64        `json:"everything"`
	Rules         int64        `json:"rules"`
	Tenants       int64        `json:"tenants"`
	Relationships int64        `json:"relationships"`
	Listed        []StatusHold `json:"listed" nullable:"false" doc:"Those of everything and of rules"`
}

// A StatusHold is one hold.
type StatusHold struct {
	ID             int64  `json:"id"`
	Kind           string `json:"kind"`
	Subject        string `json:"subject"`
	Cause          string `json:"cause"`
	Note           string `json:"note"`
	PlacedDateTime string `json:"placedDateTime" format:"date-time"`
}

// StatusNotices counts notices that are not settled well.
type StatusNotices struct {
	Queued      int64 `json:"queued"`
	Failed      int64 `json:"failed" doc:"An attempt failed, another will follow"`
	Waiting     int64 `json:"waiting" doc:"For the recipient's next digest"`
	Dead        int64 `json:"dead" doc:"Given up"`
	NoRecipient int64 `json:"noRecipient" doc:"There was nobody to tell"`
	Unknown     int64 `json:"unknown" doc:"With an attempt of which nobody knows how it ended"`
}

// StatusLedger is how many events are proven by the ledger.
type StatusLedger struct {
	Logged  int64 `json:"logged"`
	Waiting int64 `json:"waiting"`
}

const (
	statusPath   = "/v1/status"
	stateUnknown = "unknown"
)

func (s *Server) addStatus() {
	if s.condition == nil {
		return
	}
	register(s, ScopeRead, huma.Operation{
		OperationID: "getStatus", Method: http.MethodGet, Path: statusPath, Tags: []string{healthTag},
		Summary:     "Say whether all is well, and what needs attention",
		Description: "What `tenure status` shows. The answer is 200 whether all is well or not: look at well.",
	}, s.getStatus)
}

type statusOutput struct{ Body Status }

func (s *Server) getStatus(ctx context.Context, _ *struct{}) (*statusOutput, error) {
	c := s.condition(ctx)
	const away = "it does not answer" // /readyz says more, and the log has the whole error, which may hold addresses
	if c.Database.Fault != "" {
		c.Database.Fault = away
	}
	if c.Queue.Fault != "" {
		c.Queue.Fault = away
	}
	return &statusOutput{Body: ShowStatus(&c, s.policy)}, nil
}

// ShowStatus brings a condition into the form in which it is shown, here and on the command line.
func ShowStatus(c *lifecycle.Condition, p *lifecycle.Policy) Status {
	concerns := c.Concerns(p)
	shown := Status{Well: len(concerns) == 0, Verdict: lifecycle.Verdict(concerns), Concerns: make([]Concern, 0, len(concerns)),
		DateTime: lifecycle.FormatInstant(c.At), MachineDateTime: lifecycle.FormatInstant(c.Wall), Version: c.Version, Kind: kindOf(c), OtherPolicy: c.OtherPolicy,
		Database: showDependency(&c.Database), Queue: showDependency(&c.Queue),
		Replication: StatusReplication{c.Replication.Standby, c.Replication.Replicas, c.Replication.Lag.Seconds()},
		Objective:   StatusObjective{p.Lateness.Allowed().Seconds(), p.Lateness.Share},
		Rules:       make([]StatusRule, 0, len(c.Rules)), Sweeps: make([]StatusSweep, 0, len(c.Sweeps)), Channels: make([]Channel, 0, len(c.Channels)),
		Chunks: StatusChunks{c.Chunks.Waiting, c.Chunks.AtWork, instantOrNull(c.Chunks.LastDone)},
		Holds:  showStatusHolds(c), Stuck: c.Stuck, Ledger: StatusLedger{c.Ledger.Logged, c.Ledger.Waiting},
		Notices: StatusNotices{Queued: c.Notices[lifecycle.NoticeQueued], Failed: c.Notices[lifecycle.NoticeFailed], Waiting: c.Notices[lifecycle.NoticeWaiting],
			Dead: c.Notices[lifecycle.NoticeDead], NoRecipient: c.Notices[lifecycle.NoticeNoRecipient], Unknown: c.Unknown},
	}
	for _, concern := range concerns {
		shown.Concerns = append(shown.Concerns, Concern{string(concern.What), concern.Subject, concern.Text.Error(), concern.Next.Error()})
	}
	for i := range c.Rules {
		shown.Rules = append(shown.Rules, showStatusRule(c, &c.Rules[i], p))
	}
	for i := range c.Sweeps {
		sweep := Show(&c.Sweeps[i])
		shown.Sweeps = append(shown.Sweeps, StatusSweep{sweep.ID, sweep.State, sweep.Rules, sweep.OpenedDateTime, sweep.Chunks})
	}
	for i := range c.Channels {
		shown.Channels = append(shown.Channels, ShowChannel(&c.Channels[i]))
	}
	return shown
}

func kindOf(c *lifecycle.Condition) string {
	switch {
	case c.Database.Fault != "":
		return stateUnknown
	case c.Sandbox:
		return "sandbox"
	}
	return "live"
}

func showDependency(d *lifecycle.Dependency) StatusOf {
	shown := StatusOf{Name: d.Name, State: stateUp, Fault: textOrNull(d.Fault)}
	switch {
	case d.Fault != "":
		shown.State = stateDown
	case d.Name == "":
		shown.State = stateUnknown
	default:
		took := d.Took.Seconds()
		shown.Seconds = &took
	}
	return shown
}

func showStatusRule(c *lifecycle.Condition, r *lifecycle.RuleCondition, p *lifecycle.Policy) StatusRule {
	shown := StatusRule{Rule: RuleName(r.Rule), Schedule: r.Schedule, IntervalSeconds: r.Interval.Seconds(),
		LastTickDateTime: instantOrNull(r.LastTick), NextTickDateTime: instantOrNull(r.NextTick), Due: r.Due, OldestDueDateTime: instantOrNull(r.Oldest),
		OldestOverdueSeconds: r.Overdue(c.At).Seconds(), Held: r.Held, Paused: r.Paused, AtCapacity: c.AtCapacity(r),
		ObjectiveSeconds: r.Objective(p).Allowed().Seconds()}
	for w := range lifecycle.LatenessWindows {
		late := StatusLateness{Window: w.String(), GreatestSeconds: r.Late[w].Greatest().Seconds(), Histogram: map[string]int64{}}
		late.OnTime, late.Changes = r.OnTime(p, w)
		if late.Changes > 0 {
			const percent = 100
			share := float64(late.OnTime) * percent / float64(late.Changes)
			late.Share = &share
		}
		for seconds, n := range r.Late[w] {
			late.Histogram[strconv.FormatInt(seconds, 10)] = n
		}
		shown.Lateness = append(shown.Lateness, late)
	}
	return shown
}

func showStatusHolds(c *lifecycle.Condition) StatusHolds {
	shown := StatusHolds{Everything: c.HoldCounts[lifecycle.HoldEverything], Rules: c.HoldCounts[lifecycle.HoldRule],
		Tenants: c.HoldCounts[lifecycle.HoldTenant], Relationships: c.HoldCounts[lifecycle.HoldRelationship], Listed: make([]StatusHold, 0, len(c.Holds))}
	for i := range c.Holds {
		h := &c.Holds[i]
		shown.Listed = append(shown.Listed, StatusHold{h.ID, string(h.Kind), h.Subject, string(h.Cause), h.Note, lifecycle.FormatInstant(h.PlacedAt.Truncate(time.Microsecond))})
	}
	return shown
}
