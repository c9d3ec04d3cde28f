package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/transfer"
)

// longestRun is more than anybody needs, and less than what a period can hold.
const longestRun = 100 * 366 * lifecycle.Day

type simulateCmd struct {
	Relationships string `required:"" placeholder:"FILE" help:"Relationships, in any form that import reads."`
	Contacts      string `placeholder:"FILE" help:"Contacts, in any form that import reads."`
	Actions       string `placeholder:"FILE" help:"What people do meanwhile, one JSON object a line."`
	From          string `required:"" placeholder:"INSTANT" help:"Import, and first sweep."`
	Until         string `required:"" placeholder:"INSTANT" help:"Last sweep."`
	Step          string `placeholder:"PERIOD" default:"PT6H" help:"Time between two sweeps (default: ${default})."`
	Partner       string `placeholder:"TENANT" help:"Whose the relationships are, where a record does not say (default: the one tenant whose Admin agents are among the contacts, else a made-up one)."`
	Partial       bool   `help:"Take a file that is one page of several as it is."`
	Out           string `required:"" placeholder:"DIR" help:"Folder for what comes out: events, notices, relationships, refused, as .ndjson."`
}

func (c *simulateCmd) Run(a *app) error {
	from, err := parseInstant("--from", c.From)
	if err != nil {
		return err
	}
	until, err := parseInstant("--until", c.Until)
	if err != nil {
		return err
	}
	if until.Sub(from) > longestRun {
		return usageError("from %s to %s is longer than 100 years", c.From, c.Until)
	}
	if until.Before(from) {
		return usageError("--until %s lies before --from %s", c.Until, c.From)
	}
	step, err := parseStep(c.Step)
	if err != nil {
		return err
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	policy.Provisioning.External = false // nobody is asked for what is only tried
	actions, faults, err := c.readActions(a)
	if err != nil {
		return err
	}
	s, err := a.newSimulation(policy, from)
	if err != nil {
		return err
	}

	for _, f := range faults {
		s.refused = append(s.refused, refusedAction{RelationshipID: f.ID, Reason: f.Error()})
	}
	faulty, err := c.load(a, s, from)
	if err != nil {
		return err
	}
	if err := s.db.ForgoUndoing(a.ctx); err != nil {
		return err
	}
	bar := newProgress(a.stderr, "simulating")
	err = s.live(a.ctx, from, until, step, actions, func(at time.Time) {
		bar.at(int64(at.Sub(from)/time.Hour), int64(until.Sub(from)/time.Hour), at.Format(time.DateOnly))
	})
	bar.end()
	if err != nil {
		return err
	}
	if err := s.write(a.ctx, c.Out); err != nil {
		return err
	}
	a.say("Simulated %s to %s: %d relationships, %d events, %d notices, %d actions refused. See %s",
		lifecycle.FormatInstant(from), lifecycle.FormatInstant(until), s.written.relationships, s.written.events, s.written.notices, len(s.refused), c.Out)
	if bad := faulty + len(faults); bad > 0 {
		return partial("%d faults in the input; each was reported above, and the rest was simulated", bad)
	}
	return nil
}

// load imports what the run begins with, each file as what its flag says, and counts the faults.
func (c *simulateCmd) load(a *app, s *simulation, from time.Time) (faults int, err error) {
	options := importOptions{policy: s.policy, now: from, partial: c.Partial}
	for _, in := range []struct {
		kind transfer.Kind
		file string
	}{{transfer.Contacts, c.Contacts}, {transfer.Relationships, c.Relationships}} {
		if in.file == "" {
			continue
		}
		options.kind = string(in.kind)
		if options.partner, err = c.partner(a, s); err != nil {
			return faults, err
		}
		into, err := s.db.BeginImport(a.ctx, false)
		if err != nil {
			return faults, err
		}
		report, err := a.importFiles(into, options, []string{in.file})
		if err != nil {
			return faults, err
		}
		faults += report.FaultCount
	}
	return faults, nil
}

// nobodysTenant stands for a partner of whom nothing is known.
const nobodysTenant = "00000000-0000-0000-0000-000000000000"

// partner says whose the relationships are that do not say so themselves.
func (c *simulateCmd) partner(a *app, s *simulation) (string, error) {
	if c.Partner != "" {
		return c.Partner, nil
	}
	partner := nobodysTenant
	err := s.db.EachContact(a.ctx, func(contact lifecycle.Contact) error {
		switch {
		case contact.Role != lifecycle.AdminAgents || contact.TenantID == partner:
		case partner == nobodysTenant:
			partner = contact.TenantID
		default:
			partner = nobodysTenant
			return errSeveral
		}
		return nil
	})
	if errors.Is(err, errSeveral) {
		err = nil
	}
	return partner, err
}

// errSeveral ends the search for the one partner.
var errSeveral = errors.New("several partners")

// readActions reads the actions in the order in which they take effect. Lines that cannot be read are reported and left out.
func (c *simulateCmd) readActions(a *app) ([]transfer.TimedAction, []transfer.FileFault, error) {
	if c.Actions == "" {
		return nil, nil, nil
	}
	actions, faults, err := transfer.ReadActions(a.ctx, c.Actions, os.Stdin)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range faults {
		a.say("%s", f.Error())
	}
	slices.SortStableFunc(actions, func(x, y transfer.TimedAction) int { return x.At.Compare(y.At) })
	return actions, faults, nil
}

// A simulation is a whole deployment in a folder of its own: database, sweeper and courier, with a clock that it moves itself.
type simulation struct {
	*works
	now     time.Time
	written struct{ relationships, events, notices int }
	refused []refusedAction
}

// newSimulation makes a scratch sandbox. Nothing in it is random, so the same input gives the same bytes.
func (a *app) newSimulation(policy *lifecycle.Policy, from time.Time) (*simulation, error) {
	dir, err := os.MkdirTemp("", "tenure-simulation-")
	if err != nil {
		return nil, fmt.Errorf("making a scratch folder: %w", err)
	}
	s := &simulation{now: from}
	db, err := storage.Open(a.ctx, "sqlite:"+filepath.Join(dir, "scratch.db")+"?solitary")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	a.opened = append(a.opened, scratch{db, dir})
	if err := db.Migrate(a.ctx, storage.Sandbox, from); err != nil {
		return nil, err
	}
	if err := db.ForgoLists(a.ctx); err != nil {
		return nil, err
	}
	channels := routedChannels(&policy.Notices)
	if policy.Notices.MostPerDay == 0 {
		db.PassAtOnce(channels...)
	}
	ofSimulation().allow()
	a.LogLevel = "warn" // what happens goes into the files
	s.works, err = a.assemble(db, policy, true, jobs.Silence{}, notify.NewDiscard("simulation.tenure.localhost", channels...), func() time.Time { return s.now }, nil)
	return s, err
}

// A scratch is a database that goes with its folder.
type scratch struct {
	*storage.DB
	dir string
}

// Close leaves nothing behind.
func (s scratch) Close() error { return errors.Join(s.DB.Close(), os.RemoveAll(s.dir)) }

// live sweeps at from, from + step, … and at until; between the sweeps the actions take effect, each at its own instant.
func (s *simulation) live(ctx context.Context, from, until time.Time, step lifecycle.Period, actions []transfer.TimedAction, progress func(time.Time)) error {
	for len(actions) > 0 && actions[0].At.Before(from) {
		s.refuse(actions[0], "it lies before --from")
		actions = actions[1:]
	}
	for at := range steps(from, until, step) {
		for len(actions) > 0 && !actions[0].At.After(at) {
			if err := s.act(ctx, actions[0]); err != nil {
				return err
			}
			actions = actions[1:]
		}
		s.now = at
		sweep, err := s.sweeper.Run(ctx, lifecycle.SweepRequest{Trigger: lifecycle.TriggerClock}, nil)
		if err != nil {
			return err
		}
		if sweep.Failed > 0 {
			return fmt.Errorf("the sweep at %s failed for %d records; the log above says why", lifecycle.FormatInstant(at), sweep.Failed)
		}
		if err := s.deliver(ctx); err != nil {
			return err
		}
		progress(at)
	}
	for _, late := range actions {
		s.refuse(late, "it lies after --until")
	}
	return nil
}

// deliver sends what waits to be sent. Mostly nothing does, and to have the courier come for that takes longer than to sweep.
func (s *simulation) deliver(ctx context.Context) error {
	waiting, err := s.db.WaitingLetters(ctx, s.now, s.courier.Wall())
	if err != nil || len(waiting) == 0 {
		return err
	}
	return s.courier.Deliver(ctx)
}

// act takes an action at its own instant, and sends what it has to say.
func (s *simulation) act(ctx context.Context, t transfer.TimedAction) error {
	s.now = t.At
	action, fault := t.Action(s.policy)
	if fault != nil {
		s.refuse(t, fault.Error())
		return nil
	}
	d, err := s.db.Act(ctx, t.RelationshipID, s.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		action.Standing = c.Standing
		return lifecycle.Act(c.Record, s.policy, action, t.At)
	})
	switch {
	case errors.Is(err, lifecycle.ErrRefused):
		s.refuse(t, err.Error())
		return nil
	case errors.Is(err, lifecycle.ErrNotFound):
		s.refuse(t, "there is no relationship with this id")
		return nil
	case err != nil:
		return fmt.Errorf("%s on %s at %s: %w", t.Kind, t.RelationshipID, lifecycle.FormatInstant(t.At), err)
	}
	if len(d.Notices) > 0 {
		err = s.courier.Deliver(ctx)
	}
	return err
}

// A refusedAction is an action that was not taken, and why. Of one that could not be read, only the reason is known for sure.
type refusedAction struct {
	At                 string               `json:"at"`
	RelationshipID     string               `json:"relationshipId"`
	Action             lifecycle.ActionKind `json:"action"`
	AutoExtendDuration *string              `json:"autoExtendDuration,omitempty"`
	By                 lifecycle.Actor      `json:"by"`
	Reason             string               `json:"reason"`
}

func (s *simulation) refuse(t transfer.TimedAction, why string) {
	s.refused = append(s.refused, refusedAction{At: lifecycle.FormatInstant(t.At), RelationshipID: t.RelationshipID, Action: t.Kind,
		AutoExtendDuration: textOrNull(t.AutoExtendDuration), By: t.By, Reason: why})
}

// write writes what came out. The import itself is where the run begins and no change in it.
func (s *simulation) write(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the folder for the results: %w", err)
	}
	return errors.Join(
		writeLines(filepath.Join(dir, "events.ndjson"), func(write func(lifecycle.Event) error) error {
			return s.db.EachChange(ctx, func(e lifecycle.Event) error {
				s.written.events++
				return write(e)
			})
		}, func(e lifecycle.Event) any { return eventJSON(e) }),
		writeLines(filepath.Join(dir, "notices.ndjson"), func(write func(lifecycle.Letter) error) error {
			return s.db.EachNotice(ctx, func(l lifecycle.Letter) error {
				s.written.notices++
				return write(l)
			})
		}, func(l lifecycle.Letter) any { return simulatedLetter(l) }),
		writeLines(filepath.Join(dir, "relationships.ndjson"), func(write func(lifecycle.Stored) error) error {
			return s.db.EachRelationship(ctx, func(r lifecycle.Stored) error {
				s.written.relationships++
				return write(r)
			})
		}, func(r lifecycle.Stored) any { return r.Wire(s.policy) }),
		writeLines(filepath.Join(dir, "refused.ndjson"), func(write func(refusedAction) error) error {
			for _, r := range s.refused {
				if err := write(r); err != nil {
					return err
				}
			}
			return nil
		}, func(r refusedAction) any { return r }),
	)
}

// writeLines writes what each hands over to a file, as JSON and one a line. Some of it is turned into text while the next is read.
func writeLines[T any](path string, each func(write func(T) error) error, line func(T) any) error {
	const atOnce, ahead = 256, 4 // values, and so many times as many
	return writeFile(path, func(w io.Writer) error {
		read := make(chan []T, ahead)
		group, ctx := errgroup.WithContext(context.Background())
		group.Go(func() error {
			encoder := json.NewEncoder(w)
			encoder.SetEscapeHTML(false)
			for values := range read {
				for _, v := range values {
					if err := encoder.Encode(line(v)); err != nil {
						return fmt.Errorf("writing the output: %w", err)
					}
				}
			}
			return nil
		})
		group.Go(func() error {
			defer close(read)
			values := make([]T, 0, atOnce)
			hand := func() error {
				select {
				case read <- values:
					values = make([]T, 0, atOnce)
					return nil
				case <-ctx.Done(): // what could not be written is said by whoever tried
					return ctx.Err()
				}
			}
			err := each(func(v T) error {
				if values = append(values, v); len(values) < atOnce {
					return nil
				}
				return hand()
			})
			if err == nil {
				err = hand()
			}
			return err
		})
		return group.Wait()
	})
}

// A letterLine is a notice to one recipient without what only a real deployment has.
type letterLine struct {
	RelationshipID   *string                `json:"relationshipId"` // null for a digest
	Kind             lifecycle.NoticeKind   `json:"kind"`
	Stage            *string                `json:"stage"`
	EndDateTime      *string                `json:"endDateTime"`
	Recipient        recipientLine          `json:"recipient"`
	Channel          string                 `json:"channel"`
	Endpoint         bool                   `json:"endpoint,omitempty"`
	DueDateTime      *string                `json:"dueDateTime"`
	RecordedDateTime *string                `json:"recordedDateTime"`
	Status           lifecycle.NoticeStatus `json:"status"`
	Reason           *lifecycle.Reason      `json:"reason"`
}

type recipientLine struct {
	TenantID *string        `json:"tenantId"`
	Mail     *string        `json:"mail"`
	Role     lifecycle.Role `json:"role"`
	Language *string        `json:"language"`
}

func simulatedLetter(l lifecycle.Letter) letterLine {
	line := letterLine{RelationshipID: textOrNull(l.Relationship.ID), Kind: l.Kind, EndDateTime: orNull(l.End),
		Recipient: recipientLine{textOrNull(l.Recipient.TenantID), textOrNull(l.Recipient.Mail), l.Recipient.Role, textOrNull(l.Recipient.Language)},
		Channel:   l.Channel, Endpoint: l.Endpoint,
		DueDateTime: orNull(l.Due), RecordedDateTime: orNull(l.Recorded), Status: l.Status, Reason: textOrNull(l.Reason)}
	if !l.Stage.IsZero() {
		line.Stage = textOrNull(l.Stage.String())
	}
	return line
}
