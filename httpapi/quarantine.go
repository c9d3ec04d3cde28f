package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A QuarantineStore knows whether everything is on hold, and why. It may be called from many goroutines.
type QuarantineStore interface {
	// Standstill is the hold of everything, and whether there is one.
	Standstill(ctx context.Context) (lifecycle.Hold, bool, error)

	// HighWater is how far the deployment had come when it was looked last.
	HighWater(ctx context.Context) (lifecycle.HighWater, error)

	// Backlogs says how far the sweeps are behind, per rule. A rule with nothing due may be missing.
	Backlogs(ctx context.Context, now time.Time) ([]lifecycle.Backlog, error)

	// NoticeCountsByChannel counts the notices of each status, by channel.
	NoticeCountsByChannel(ctx context.Context) (map[string]map[lifecycle.NoticeStatus]int64, error)

	// HeldSweeps lists the sweeps that wait for an operator's word.
	HeldSweeps(ctx context.Context) ([]lifecycle.Sweep, error)
}

// A QuarantineReleaser ends the hold of everything.
type QuarantineReleaser interface {
	// ReleaseQuarantine says that this clock and this database are right; [lifecycle.Faults]. wall is the machine's clock.
	ReleaseQuarantine(ctx context.Context, note string, by lifecycle.Caller, now, wall time.Time) (lifecycle.Hold, error)
}

// A QuarantineState is all that there is to know of why nothing happens, or why all goes on.
type QuarantineState struct {
	Still  bool // everything is on hold
	Hold   lifecycle.Hold
	Mark   lifecycle.HighWater
	Now    time.Time
	Astray lifecycle.Reason // why the clock is not believed; empty: it is
	Due    int64            // relationships
	Unsent int64            // notices that go out once nothing is on hold
	Held   []lifecycle.Sweep
}

// ReadQuarantine reads that. now is what the deployment's clock shows.
func ReadQuarantine(ctx context.Context, store QuarantineStore, policy lifecycle.QuarantinePolicy, now time.Time) (q QuarantineState, err error) {
	q.Now = now
	if q.Hold, q.Still, err = store.Standstill(ctx); err != nil {
		return q, fmt.Errorf("looking whether everything is on hold: %w", err)
	}
	if q.Mark, err = store.HighWater(ctx); err != nil {
		return q, fmt.Errorf("reading the high-water mark: %w", err)
	}
	q.Astray = policy.Astray(q.Mark.Seen, now)
	backlogs, err := store.Backlogs(ctx, now)
	if err != nil {
		return q, fmt.Errorf("measuring the backlog: %w", err)
	}
	for _, b := range backlogs {
		q.Due += b.Due
	}
	counts, err := store.NoticeCountsByChannel(ctx)
	if err != nil {
		return q, fmt.Errorf("counting the notices: %w", err)
	}
	for _, of := range counts {
		for status, n := range of {
			if !status.Final() {
				q.Unsent += n
			}
		}
	}
	if q.Held, err = store.HeldSweeps(ctx); err != nil {
		return q, fmt.Errorf("listing the held sweeps: %w", err)
	}
	return q, nil
}

// A Quarantine is that as it is shown.
type Quarantine struct {
	Active        bool        `json:"active" doc:"Everything is on hold: no timer takes effect, and no notice is sent"`
	Hold          *Hold       `json:"hold,omitempty" doc:"Missing where nothing of the kind is in force"`
	ClockShows    string      `json:"clockShows" format:"date-time"`
	LastSeen      *string     `json:"lastSeen" format:"date-time" doc:"The latest time that was believed; null where nobody has looked yet"`
	ClockCause    *string     `json:"clockCause" doc:"Why the clock is not believed; null: it is"`
	Events        int64       `json:"events" doc:"How many were ever written"`
	DueRecords    int64       `json:"dueRecords" doc:"Relationships whose next timer is due"`
	UnsentNotices int64       `json:"unsentNotices" doc:"Notices that are written and not sent; in an older copy of a database, some may have been sent before"`
	DeploymentID  *string     `json:"deploymentId"`
	HeldSweeps    []HeldSweep `json:"heldSweeps" nullable:"false" doc:"What would happen; each is dropped when the quarantine is released, except those that a breaker has held"`
}

// A HeldSweep is a sweep that waits for an operator, in short.
type HeldSweep struct {
	ID    int64      `json:"id" minimum:"1"`
	Rules []RuleName `json:"rules" nullable:"false"`
	Plan  *SweepPlan `json:"plan,omitempty"`
}

// ShowQuarantine brings it into the form in which it is shown, here and on the command line.
func ShowQuarantine(q *QuarantineState) Quarantine {
	shown := Quarantine{Active: q.Still, ClockShows: lifecycle.FormatInstant(q.Now), LastSeen: instantOrNull(q.Mark.Seen),
		ClockCause: textOrNull(string(q.Astray)), Events: q.Mark.Events, DueRecords: q.Due, UnsentNotices: q.Unsent, DeploymentID: textOrNull(q.Mark.Deployment),
		HeldSweeps: make([]HeldSweep, 0, len(q.Held))}
	if q.Still {
		hold := ShowHold(&q.Hold)
		shown.Hold = &hold
	}
	for i := range q.Held {
		held := Show(&q.Held[i])
		shown.HeldSweeps = append(shown.HeldSweeps, HeldSweep{held.ID, held.Rules, held.Plan})
	}
	return shown
}

// A Word is the body of an operator's word about something that waits for it.
type Word struct {
	Reason string   `json:"reason" minLength:"1" maxLength:"500" doc:"Why; it is kept"`
	_      struct{} `additionalProperties:"false"`
}

const (
	quarantinePath = "/v1/quarantine"
	quarantineTag  = "Quarantine"
	wordExample    = `write {"reason":"the backup of last night is the latest there is"}`
)

func (s *Server) addQuarantine() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "getQuarantine", Method: http.MethodGet, Path: quarantinePath, Tags: []string{quarantineTag},
		Summary: "Show whether everything is on hold, and why",
	}, s.getQuarantine)
	path := quarantinePath + "/release"
	register(s, ScopeManage, s.about(huma.Operation{
		OperationID: "releaseQuarantine", Method: http.MethodPost, Path: path, Tags: []string{quarantineTag},
		Summary: "Say that this clock and this database are right",
		Description: "Ends the hold of everything. What is due happens with the next ticks, with the effective instants that it has anyway; " +
			"what trips a breaker is held. Where nothing is on hold, the time of this clock becomes the last one seen.",
		Responses: s.answers(bodyProblems...),
	}, "release quarantine"), s.releaseQuarantine)
	s.describeBody(s.api.OpenAPI().Paths[path].Post, schemaOf[Word](s), true)
}

type quarantineOutput struct{ Body Quarantine }

func (s *Server) getQuarantine(ctx context.Context, _ *struct{}) (*quarantineOutput, error) {
	q, err := ReadQuarantine(ctx, s.store, s.policy.Quarantine, s.now())
	if err != nil {
		return nil, err
	}
	return &quarantineOutput{ShowQuarantine(&q)}, nil
}

// readWord reads why somebody says so.
func (s *Server) readWord(r *http.Request) (reason string, p *Problem) {
	body, p := s.readBody(r)
	if p != nil {
		return "", p
	}
	var bad badValues
	if body != nil {
		bad.object("body", body, wordExample, field("reason", bad.text(func(text string) error {
			reason = strings.TrimSpace(text)
			return badReason(text)
		})))
	}
	if reason == "" && len(bad.bad) == 0 {
		bad.refuse(badValue, "body.reason", nil, "is missing; "+wordExample)
	}
	return reason, bad.problem()
}

type wordInput struct{ Asked }

func (s *Server) releaseQuarantine(ctx context.Context, in *wordInput) (*quarantineOutput, error) {
	reason, p := s.readWord(in.request)
	if p != nil {
		return nil, p
	}
	if _, err := s.store.ReleaseQuarantine(ctx, reason, *in.caller(), s.now(), s.wall()); err != nil {
		return nil, fmt.Errorf("releasing the quarantine: %w", err)
	}
	return s.getQuarantine(ctx, nil)
}

// problemOfHeld tells what became of an operator's word about a sweep.
func problemOfHeld(id int64, err error) error {
	switch {
	case errors.Is(err, lifecycle.ErrNotHeld):
		return notHeld.problem("Sweep %d does not wait for anybody's word; GET /v1/sweeps/%d shows how it stands.", id, id)
	case errors.Is(err, lifecycle.ErrStandstill):
		return standstill.problem("Everything is on hold, and no sweep runs before that is released; GET %s says why.", quarantinePath)
	}
	return fmt.Errorf("having a word about sweep %d: %w", id, err)
}
