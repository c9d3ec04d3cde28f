package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// Orders are looked for each provisionEvery, with some chance to it, since other processes look too. Where tenure needs
	// nobody there are none but those that were left over, for which each leftoversEvery is soon enough.
	provisionEvery = time.Second
	leftoversEvery = time.Minute

	// askedAtOnce is how many orders are asked side by side.
	askedAtOnce = 8

	// longestAsking is how long asking about one order may take whatever the provisioner thinks. An order is claimed for longer
	// than that and noting what came of it: that of a process that died is asked again then.
	longestAsking     = 70 * time.Second
	provisioningLease = longestAsking + 20*time.Second

	// An order that failed is asked again after a wait that doubles between these, for ever; one that was accepted when nobody
	// has called back by then, unless the other system named a wait.
	firstReask, longestReask = 5 * time.Second, time.Hour
	calledBackWithin         = time.Hour

	// Who is stuck is looked for each watchStuckEvery, and told again each tellStuckEvery.
	watchStuckEvery = time.Minute
	tellStuckEvery  = 24 * time.Hour
	mostStuckTold   = 100 // in one look
)

// A ProvisioningStore hands out orders. Each method is one whole transaction.
type ProvisioningStore interface {
	// ClaimProvisioning takes up orders that are ready by wall until the lease ends, at most so many, those that have waited
	// longest first, and counts the attempt.
	ClaimProvisioning(ctx context.Context, wall, leaseUntil time.Time, most int) ([]lifecycle.ProvisioningOrder, error)

	// SettleProvisioning notes what became of asking; false where somebody else has claimed the order since, or it is over.
	SettleProvisioning(ctx context.Context, a lifecycle.ProvisioningAnswer) (bool, error)

	// ProvisioningOrders lists the records that another system has to bring to their goal.
	ProvisioningOrders(ctx context.Context, q lifecycle.ProvisioningQuery) ([]lifecycle.ProvisioningOrder, error)

	// Act changes one record as decide says, in one transaction in which nobody else can change it.
	Act(ctx context.Context, id string, p *lifecycle.Policy, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error)
}

// A Provisioner is the other system, which gives access and takes it away. It may be called from many goroutines.
type Provisioner interface {
	// Provision asks it to carry out an order. It may be asked the same again, also while it is at it. Any error means that it
	// is asked again; a [lifecycle.Later] says when.
	Provision(ctx context.Context, o lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error)
}

// Provisioning asks another system to give access and to take it away, and brings records to their goal when that is done. Any
// number of processes may do so side by side: an order is a row, claimed until a lease ends.
//
// Each order is asked at least once, under one id. Where a process dies between asking and noting what came of it, the next one
// asks again.
type Provisioning struct {
	Store       ProvisioningStore
	Provisioner Provisioner // nil where the policy leaves provisioning to tenure
	Policy      *lifecycle.Policy
	Now         func() time.Time // the deployment's clock: when things took effect, and what is stuck
	Wall        func() time.Time // the machine's clock: leases, and waits
	Log         *slog.Logger
	Metrics     *Metrics     // may be nil
	Tracer      trace.Tracer // nil: nothing is traced

	told map[stuckOrder]time.Time // by the machine's clock
}

var errNoProvisioner = errors.New("the policy says provisioning.external, and this process has nobody to ask")

// Run asks until ctx ends. What is on its way then may still take some seconds.
func (p *Provisioning) Run(ctx context.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { p.watchStuck(ctx) })
	at := begin(ctx)
	defer at.end()
	blind := false
	for ctx.Err() == nil {
		full, err := p.turn(ctx, at)
		blind = p.looked(ctx, blind, err)
		if full && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(p.pause()):
		}
	}
	return nil
}

// Once asks about all that is ready now, and waits for the answers. What failed waits to be asked again, and is no error.
func (p *Provisioning) Once(ctx context.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		at := begin(ctx)
		_, err := p.turn(ctx, at)
		if asked := at.end(); err != nil || asked == 0 {
			return err
		}
	}
	return ctx.Err()
}

func (p *Provisioning) check() error {
	if p.Policy.Provisioning.External && p.Provisioner == nil {
		return errNoProvisioner
	}
	return nil
}

// pause is how long to wait before the next look.
func (p *Provisioning) pause() time.Duration {
	every := provisionEvery
	if !p.Policy.Provisioning.External {
		every = leftoversEvery
	}
	return every - time.Duration(rand.Int64N(int64(every/4))) //nolint:gosec // spreading load needs no secrecy
}

// looked tells the log when orders cannot be looked for, and when they can again: once each, not each second.
func (p *Provisioning) looked(ctx context.Context, wasBlind bool, err error) (blind bool) {
	blind = err != nil
	switch {
	case ctx.Err() != nil:
	case blind && !wasBlind:
		p.Log.WarnContext(ctx, "what is to be provisioned cannot be read; it is tried again each second", "error", err)
	case !blind && wasBlind:
		p.Log.InfoContext(ctx, "what is to be provisioned can be read again")
	}
	return blind
}

// Asking is what one process asks at this moment. Its contexts last as long as one call of Run or Once: what is on its way when
// that is told to stop may still be answered, and what came of it is noted.
type asking struct {
	asks, notes context.Context
	stop        []context.CancelFunc
	all         sync.WaitGroup

	mu    sync.Mutex
	busy  int
	asked int
	freed chan struct{} // closed when one of them is done
}

func begin(ctx context.Context) *asking {
	a := &asking{freed: make(chan struct{})}
	var stopAsking, stopNoting context.CancelFunc
	a.asks, stopAsking = outliving(ctx, grace)
	a.notes, stopNoting = outliving(ctx, noteGrace)
	a.stop = []context.CancelFunc{stopAsking, stopNoting}
	return a
}

// end waits until all are done, and says how many there were.
func (a *asking) end() (asked int) {
	a.all.Wait()
	for _, stop := range a.stop {
		stop()
	}
	return a.asked
}

// room waits until there is room for at least one more, and says for how many; 0 where ctx ends before.
func (a *asking) room(ctx context.Context) int {
	for {
		a.mu.Lock()
		room, freed := askedAtOnce-a.busy, a.freed
		a.mu.Unlock()
		if room > 0 {
			return room
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return 0
		}
	}
}

// add has one more asked.
func (a *asking) add(ask func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy++
	a.asked++
	a.all.Go(func() {
		ask()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.busy--
		close(a.freed)
		a.freed = make(chan struct{})
	})
}

// turn claims as many orders as there is room for, and has them asked. full says that there may be more.
func (p *Provisioning) turn(ctx context.Context, at *asking) (full bool, err error) {
	room := at.room(ctx)
	if room == 0 {
		return false, nil
	}
	wall := p.Wall()
	orders, err := p.Store.ClaimProvisioning(ctx, wall, wall.Add(provisioningLease), room)
	if err != nil {
		return false, fmt.Errorf("looking for what is to be provisioned: %w", err)
	}
	for _, o := range orders {
		at.add(func() { p.attend(at, &o) })
	}
	return len(orders) == room, nil
}

// attend asks about one order, and notes what came of it.
func (p *Provisioning) attend(at *asking, o *lifecycle.ProvisioningOrder) {
	asks, span := startSpan(at.asks, p.Tracer, "ask provisioner", attrWhat.String(string(o.What())), attrAttempt.Int(o.Attempts))
	notes := trace.ContextWithSpan(at.notes, span)
	reply, err := p.ask(asks, o)
	brokenOff := err != nil && at.asks.Err() != nil
	switch {
	case err != nil:
	case reply.Accepted:
		err = p.accepted(notes, o, reply)
	default:
		err = p.done(notes, o, reply.Detail)
	}
	outcome := provisioningResult(reply.Accepted, err)
	span.SetAttributes(attrOutcome.String(outcome))
	if err != nil {
		span.SetStatus(codes.Error, outcome) // what the other system answered may name somebody
	}
	defer span.End()
	p.Metrics.provisioned(o.What(), reply.Accepted, err)
	switch {
	case brokenOff: // by ourselves: whoever comes next need not wait
		p.settle(notes, o, lifecycle.ProvisioningAnswer{Accepted: o.Accepted, LastError: err.Error(), ReadyAt: p.Wall()})
	case err != nil:
		p.failed(notes, o, err)
	}
}

// ask asks the provisioner. Where the policy leaves provisioning to tenure, an order is left over from before, and is as good as
// carried out.
func (p *Provisioning) ask(ctx context.Context, o *lifecycle.ProvisioningOrder) (reply lifecycle.ProvisioningReply, err error) {
	if o.What() == "" {
		return reply, fmt.Errorf("the relationship is %s, and there is nothing to be provisioned", o.Relationship.Status)
	}
	if !p.Policy.Provisioning.External {
		p.Log.InfoContext(ctx, "completing what was left to another system, which is asked no more", "relationship", o.Relationship.ID,
			"status", o.Relationship.Status, "since", o.Since)
		return reply, nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestAsking)
	defer cancel()
	defer func() {
		if x := recover(); x != nil {
			p.Log.ErrorContext(ctx, "asking the provisioner panicked", "relationship", o.Relationship.ID, "panic", x, "stack", string(debug.Stack()))
			err = fmt.Errorf("asking it panicked: %v", x)
		}
	}()
	return p.Provisioner.Provision(ctx, *o)
}

// errMovedOn is about a record that is not what was asked about any more. It is no fault.
var errMovedOn = errors.New("the relationship has moved on")

// act takes a step of an order, unless the record has moved on: it gives access once in its life, and takes it away once, so the
// record is still on its way as long as the same is to be done.
func (p *Provisioning) act(ctx context.Context, o *lifecycle.ProvisioningOrder, kind lifecycle.ActionKind, detail string) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	_, err := p.Store.Act(ctx, o.Relationship.ID, p.Policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		if c.Status.Provision() != o.What() {
			return lifecycle.Decision{}, errMovedOn
		}
		return c.Act(p.Policy, p.Now(), lifecycle.Action{Kind: kind, By: lifecycle.Provisioner, Detail: detail})
	})
	switch {
	case errors.Is(err, errMovedOn) || errors.Is(err, lifecycle.ErrNotFound):
		p.Log.DebugContext(ctx, "an answer came for a relationship that has moved on", "relationship", o.Relationship.ID, "version", o.Version)
		return errMovedOn
	case err != nil:
		return fmt.Errorf("noting that relationship %s took the step %s: %w", o.Relationship.ID, kind, err)
	}
	return nil
}

// done brings the record to its goal.
func (p *Provisioning) done(ctx context.Context, o *lifecycle.ProvisioningOrder, detail string) error {
	err := p.act(ctx, o, lifecycle.CompleteProvisioning, detail)
	if errors.Is(err, errMovedOn) {
		return nil
	}
	return err
}

// accepted notes that the other system is at it.
func (p *Provisioning) accepted(ctx context.Context, o *lifecycle.ProvisioningOrder, reply lifecycle.ProvisioningReply) error {
	err := p.act(ctx, o, lifecycle.BeginProvisioning, reply.Detail)
	var refused *lifecycle.Refusal
	switch {
	case errors.Is(err, errMovedOn):
		return nil // it has called back already
	case errors.As(err, &refused) && refused.Reason == lifecycle.WrongStatus: // it is known to be at it, or its status does not say so
	case err != nil:
		return err
	}
	wait := calledBackWithin
	if reply.Again > 0 {
		wait = min(reply.Again, longestLater)
	}
	p.settle(ctx, o, lifecycle.ProvisioningAnswer{Accepted: true, ReadyAt: p.Wall().Add(wait)})
	return nil
}

// failed has the order asked again.
func (p *Provisioning) failed(ctx context.Context, o *lifecycle.ProvisioningOrder, cause error) {
	wait := max(backOff(firstReask, longestReask, o.Attempts), askedFor(cause))
	a := lifecycle.ProvisioningAnswer{Accepted: o.Accepted, LastError: cause.Error(), ReadyAt: p.Wall().Add(wait)}
	p.Log.WarnContext(ctx, "access could not be provisioned and will be tried again", "relationship", o.Relationship.ID, "what", o.What(),
		"attempts", o.Attempts, "next", a.ReadyAt, "error", cause)
	p.settle(ctx, o, a)
}

// settle notes what became of asking. Where that cannot be noted, the order is asked again when its lease is over.
func (p *Provisioning) settle(ctx context.Context, o *lifecycle.ProvisioningOrder, a lifecycle.ProvisioningAnswer) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	a.Key, a.Version, a.Claim = o.Key, o.Version, o.Claim
	if _, err := p.Store.SettleProvisioning(ctx, a); err != nil {
		p.Log.WarnContext(ctx, "what the provisioner said could not be noted; it is asked again", "relationship", o.Relationship.ID, "error", err)
	}
}

// A stuckOrder is an order that has been told of.
type stuckOrder struct{ key, version int64 }

// watchStuck tells the log of orders that wait for too long, until ctx ends: when that is found, and each day again.
func (p *Provisioning) watchStuck(ctx context.Context) {
	tick := time.NewTicker(watchStuckEvery)
	defer tick.Stop()
	for {
		if err := p.lookForStuck(ctx); err != nil && ctx.Err() == nil {
			p.Log.DebugContext(ctx, "could not look for what is stuck in provisioning", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Provisioning) lookForStuck(ctx context.Context) error {
	before := p.Policy.StuckBefore(p.Now())
	if before.IsZero() || !p.Policy.Provisioning.External {
		return nil // what an import has brought halfway is for others to complete
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	orders, err := p.Store.ProvisioningOrders(ctx, lifecycle.ProvisioningQuery{Before: before, Limit: mostStuckTold})
	if err != nil {
		return err
	}
	wall, told := p.Wall(), map[stuckOrder]time.Time{}
	for i := range orders {
		o := &orders[i]
		id := stuckOrder{o.Key, o.Version}
		last, known := p.told[id]
		if since := wall.Sub(last); !known || since < 0 || since >= tellStuckEvery {
			last = wall
			p.Log.ErrorContext(ctx, "a relationship is stuck in provisioning; see `tenure provisioning list --stuck`", "relationship", o.Relationship.ID,
				"status", o.Relationship.Status, "since", o.Since, "attempts", o.Attempts, "accepted", o.Accepted, "error", o.LastError)
		}
		told[id] = last
	}
	p.told = told
	return nil
}
