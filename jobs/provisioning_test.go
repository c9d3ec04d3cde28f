package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

// A hook is the other system, as the test wants it to be. It remembers what it was asked.
type hook struct {
	mu     sync.Mutex
	answer func(o lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) // nil: it is done
	asked  []lifecycle.ProvisioningOrder
}

func (h *hook) Provision(_ context.Context, o lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
	h.mu.Lock()
	h.asked = append(h.asked, o)
	answer := h.answer
	h.mu.Unlock()
	if answer == nil {
		return lifecycle.ProvisioningReply{}, nil
	}
	return answer(o)
}

// ids are the orders that it was asked about, in that order.
func (h *hook) ids() (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.asked {
		ids = append(ids, fmt.Sprintf("%s %s %d", o.What(), o.Relationship.ID, o.Version))
	}
	return ids
}

var errHookDown = errors.New("the directory is down")

func failing(lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
	return lifecycle.ProvisioningReply{}, errHookDown
}

func accepting(lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
	return lifecycle.ProvisioningReply{Accepted: true}, nil
}

// provisioning has another system give access and take it away.
func (d *deployment) provisioning(h *hook) *jobs.Provisioning {
	d.policy.Provisioning.External = true
	return &jobs.Provisioning{Store: d.db, Provisioner: h, Policy: d.policy, Log: d.sweeper.Log,
		Now: func() time.Time { return d.now }, Wall: func() time.Time { return d.wall }}
}

const relationshipID = "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001"

// requestedFor makes a relationship that waits for approval.
func (d *deployment) requestedFor(id string, duration lifecycle.Period) {
	d.t.Helper()
	name := "Helpdesk " + id[len(id)-4:]
	_, err := d.db.CreateRelationship(d.t.Context(), partner, d.policy, func(s lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id, partner, lifecycle.Draft{DisplayName: &name, Duration: &duration, Customer: &lifecycle.Tenant{TenantID: customer, DisplayName: "Contoso"},
			Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}}, d.policy, s, nil, d.now)
	})
	require.NoError(d.t, err)
	d.act(id, lifecycle.LockForApproval, lifecycle.Partner)
}

func (d *deployment) act(id string, kind lifecycle.ActionKind, by lifecycle.Actor) {
	d.t.Helper()
	require.NoError(d.t, d.tryToAct(id, lifecycle.Action{Kind: kind, By: by}))
}

func (d *deployment) tryToAct(id string, a lifecycle.Action) error {
	_, err := d.db.Act(d.t.Context(), id, d.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(d.policy, d.now, a)
	})
	return err
}

func (d *deployment) assign(id string) {
	d.t.Helper()
	_, err := d.db.Act(d.t.Context(), id, d.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		decision, _, err := c.AssignTo("44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555",
			[]string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}, d.policy, lifecycle.Action{By: lifecycle.Partner}, d.now)
		return decision, err
	})
	require.NoError(d.t, err)
}

func (d *deployment) record(id string) lifecycle.Record {
	d.t.Helper()
	r, err := d.db.Relationship(d.t.Context(), id)
	require.NoError(d.t, err)
	return r.Record
}

func (d *deployment) once(p *jobs.Provisioning) {
	d.t.Helper()
	require.NoError(d.t, p.Once(d.t.Context()))
}

// order is the one order that waits.
func (d *deployment) order() lifecycle.ProvisioningOrder {
	d.t.Helper()
	orders, err := d.db.ProvisioningOrders(d.t.Context(), lifecycle.ProvisioningQuery{})
	require.NoError(d.t, err)
	require.Len(d.t, orders, 1)
	return orders[0]
}

func TestTermCountsFromTheApprovalHoweverLongTheOtherSystemTakes(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		h := &hook{answer: failing}
		p := d.provisioning(h)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.pass(89*lifecycle.Day + 23*time.Hour)
		approved := d.now
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		require.Equal(t, lifecycle.Approved, d.record(relationshipID).Status)
		require.True(t, d.record(relationshipID).End.IsZero(), "its term has not begun")

		for range 5 {
			d.once(p)
			d.pass(6 * time.Hour)
			d.sweep()
		}
		require.Equal(t, lifecycle.Approved, d.record(relationshipID).Status, "it was approved in time, and lapses no more")
		require.Len(t, h.asked, 5)
		require.Equal(t, []int{1, 5}, []int{h.asked[0].Attempts, h.asked[4].Attempts})
		require.Len(t, distinct(h.ids()), 1, "one order, however often it is asked")
		var refused *lifecycle.Refusal
		require.ErrorAs(t, d.tryToAct(relationshipID, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Partner}), &refused)

		h.answer = nil
		d.once(p)
		r := d.record(relationshipID)
		require.Equal(t, lifecycle.Active, r.Status)
		require.Equal(t, approved, r.Activated)
		require.Equal(t, approved.Add(90*lifecycle.Day), r.End)
		d.pass(lifecycle.Day)
		d.once(p)
		require.Len(t, h.asked, 6, "and then no more")
	})
}

func distinct(ids []string) map[string]bool {
	set := map[string]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// A term of a day, and another system that takes a week: what has begun is over, with its own end, and access is taken away again.
func TestTermThatIsOverBeforeItsAccessHasComeEndsAtItsEnd(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		h := &hook{answer: failing}
		p := d.provisioning(h)
		d.requestedFor(relationshipID, lifecycle.Days(1))
		approved := d.now
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		d.once(p)
		d.pass(lifecycle.Day * 7)
		h.answer = func(o lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
			if o.What() == lifecycle.Revoke {
				return failing(o)
			}
			return lifecycle.ProvisioningReply{}, nil
		}
		d.once(p)
		r := d.record(relationshipID)
		require.Equal(t, lifecycle.Expiring, r.Status, "the grant is done, and the end has come long since")
		require.Equal(t, approved.Add(lifecycle.Day), r.End)
		order := d.order()
		require.Equal(t, lifecycle.Revoke, order.What())
		require.Equal(t, 1, order.Attempts, "an order of its own")
		require.Equal(t, errHookDown.Error(), order.LastError)

		d.pass(364 * lifecycle.Day)
		h.answer = nil
		d.once(p)
		r = d.record(relationshipID)
		require.Equal(t, lifecycle.Expired, r.Status)
		require.Equal(t, approved.Add(lifecycle.Day), r.End)
		require.Equal(t, approved.Add(366*lifecycle.Day), r.NameReleased, "counted from the end")
	})
}

func TestEndIsTheMomentOfTerminationHoweverLongTheOtherSystemTakes(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		h := &hook{}
		p := d.provisioning(h)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		d.once(p)
		d.assign(relationshipID)
		h.answer = failing
		d.pass(10 * lifecycle.Day)
		terminated := d.now
		d.act(relationshipID, lifecycle.Terminate, lifecycle.Customer)
		require.Equal(t, lifecycle.TerminationRequested, d.record(relationshipID).Status)
		d.once(p)
		require.Len(t, h.asked[1].Assignments, 1, "what is to be taken away is named")

		d.pass(100 * lifecycle.Day) // its old end has passed, too
		d.sweep()
		require.Equal(t, lifecycle.TerminationRequested, d.record(relationshipID).Status, "it is over already, and does not expire")
		h.answer = nil
		d.once(p)
		r := d.record(relationshipID)
		require.Equal(t, lifecycle.Terminated, r.Status)
		require.Equal(t, terminated, r.End)
		require.Zero(t, r.Assigned)
		c, err := d.db.Case(t.Context(), relationshipID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.AssignmentDeleted, c.Assignments[0].Status)

		d.now = terminated.Add(365*lifecycle.Day - time.Microsecond)
		d.sweep()
		require.True(t, d.record(relationshipID).NameReleased.IsZero())
		d.now = terminated.Add(365 * lifecycle.Day)
		d.sweep()
		require.Equal(t, d.now, d.record(relationshipID).NameReleased)
	})
}

func TestAcceptedOrderIsAskedAgainOnlyWhereNobodyCallsBack(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		h := &hook{answer: accepting}
		p := d.provisioning(h)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		approved := d.now
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		for range 10 {
			d.once(p)
			d.pass(5 * time.Minute)
		}
		require.Equal(t, lifecycle.Activating, d.record(relationshipID).Status)
		require.True(t, d.order().Accepted)
		require.Len(t, h.asked, 1)
		h.answer = func(lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
			return lifecycle.ProvisioningReply{Accepted: true, Again: 10 * time.Minute}, nil
		}
		d.pass(10 * time.Minute)
		d.once(p)
		require.Len(t, h.asked, 2, "after an hour")
		d.pass(10 * time.Minute)
		d.once(p)
		require.Len(t, h.asked, 3, "after the wait that it named")
		require.Len(t, distinct(h.ids()), 1)
		steps := 0
		require.NoError(t, d.db.EachEvent(t.Context(), func(e lifecycle.Event) error {
			if e.Type == lifecycle.EventActivating {
				steps++
			}
			return nil
		}))
		require.Equal(t, 1, steps, "the step is taken once")

		d.act(relationshipID, lifecycle.CompleteProvisioning, lifecycle.Provisioner) // it calls back
		d.pass(lifecycle.Day)
		d.once(p)
		require.Len(t, h.asked, 3)
		require.Equal(t, approved, d.record(relationshipID).Activated)
	})
}

// While the answer was on its way the other system has called back, and the customer has terminated: the answer is about the
// grant, and not about the revocation.
func TestLateAnswerChangesNothingOfWhatHasMovedOn(t *testing.T) {
	for name, late := range map[string]lifecycle.ProvisioningReply{"done": {}, "accepted": {Accepted: true}} {
		t.Run(name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, d *deployment) {
				h := &hook{}
				p := d.provisioning(h)
				d.requestedFor(relationshipID, lifecycle.Days(90))
				d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
				h.answer = func(o lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
					if o.What() == lifecycle.Revoke {
						return failing(o)
					}
					d.act(relationshipID, lifecycle.CompleteProvisioning, lifecycle.Provisioner)
					d.act(relationshipID, lifecycle.Terminate, lifecycle.Customer)
					return late, nil
				}
				d.once(p)
				require.Equal(t, lifecycle.TerminationRequested, d.record(relationshipID).Status)
				require.False(t, d.order().Accepted)
				require.Equal(t, 1, d.order().Attempts)
			})
		})
	}
}

// A dying store dies before it can note what came of asking.
type dying struct {
	jobs.ProvisioningStore
	dead bool
}

func (s *dying) Act(ctx context.Context, id string, p *lifecycle.Policy, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	if s.dead {
		return lifecycle.Decision{}, errKilled
	}
	return s.ProvisioningStore.Act(ctx, id, p, decide)
}

func (s *dying) SettleProvisioning(ctx context.Context, a lifecycle.ProvisioningAnswer) (bool, error) {
	if s.dead {
		return false, errKilled
	}
	return s.ProvisioningStore.SettleProvisioning(ctx, a)
}

func TestOrderIsAskedAgainUnderTheSameIDWhereNobodyNotedTheAnswer(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		h := &hook{}
		p := d.provisioning(h)
		store := &dying{ProvisioningStore: d.db, dead: true}
		p.Store = store
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		d.once(p)
		require.Equal(t, lifecycle.Approved, d.record(relationshipID).Status)
		store.dead = false
		d.pass(time.Minute)
		d.once(p)
		require.Len(t, h.asked, 1, "its lease still runs")
		d.pass(time.Minute)
		d.once(p)
		require.Len(t, h.asked, 2)
		require.Len(t, distinct(h.ids()), 1)
		require.Equal(t, lifecycle.Active, d.record(relationshipID).Status)
	})
}

func TestOrderIsAskedByOneProcessAtATime(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		h := &hook{}
		first := d.provisioning(h)
		const records = 30
		for i := range records {
			id := fmt.Sprintf("%s%02d", relationshipID[:len(relationshipID)-2], i)
			d.requestedFor(id, lifecycle.Days(90))
			d.act(id, lifecycle.Approve, lifecycle.Customer)
		}
		second := *first
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i, p := range []*jobs.Provisioning{first, &second} {
			both.Go(func() { errs[i] = p.Once(t.Context()) })
		}
		both.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Len(t, h.asked, records)
		require.Len(t, distinct(h.ids()), records)
	})
}

// inBubble runs a deployment on the bubble's clock: all that waits, waits for nothing.
func inBubble(t *testing.T, what func(t *testing.T, d *deployment, p *jobs.Provisioning, h *hook)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := deploy(t)
		h := &hook{}
		p := d.provisioning(h)
		began := time.Now()
		p.Now = func() time.Time { return start.Add(time.Since(began)) }
		p.Wall = p.Now
		what(t, d, p, h)
	})
}

// running runs p until the test has had enough.
func running(t *testing.T, p *jobs.Provisioning) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func TestOrderIsAskedWithinASecondOrSo(t *testing.T) {
	inBubble(t, func(t *testing.T, d *deployment, p *jobs.Provisioning, h *hook) {
		stop := running(t, p)
		time.Sleep(10*time.Second + 300*time.Millisecond)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		require.Equal(t, lifecycle.Active, d.record(relationshipID).Status)
		stop()
	})
}

func TestOneOrderThatHangsHoldsNoOtherUp(t *testing.T) {
	inBubble(t, func(t *testing.T, d *deployment, p *jobs.Provisioning, h *hook) {
		const records = 40
		ids := make([]string, records)
		for i := range ids {
			ids[i] = fmt.Sprintf("%s%02d", relationshipID[:len(relationshipID)-2], i)
			d.requestedFor(ids[i], lifecycle.Days(90))
			d.act(ids[i], lifecycle.Approve, lifecycle.Customer)
		}
		hung := make(chan struct{})
		h.answer = func(o lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
			if o.Relationship.ID == ids[3] {
				<-hung
			}
			return lifecycle.ProvisioningReply{}, nil
		}
		stop := running(t, p)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for i, id := range ids {
			want := lifecycle.Active
			if i == 3 {
				want = lifecycle.Approved
			}
			require.Equal(t, want, d.record(id).Status, id)
		}
		close(hung)
		stop()
		require.Equal(t, lifecycle.Active, d.record(ids[3]).Status, "what is on its way when it is told to stop is noted")
	})
}

// A patient hook answers only when it is no longer waited for.
type patient struct{ asked, brokenOff int }

func (h *patient) Provision(ctx context.Context, _ lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
	h.asked++
	<-ctx.Done()
	h.brokenOff++
	return lifecycle.ProvisioningReply{}, ctx.Err()
}

func TestOrderThatHangsIsGivenUpAndAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, d *deployment, p *jobs.Provisioning, _ *hook) {
		h := &patient{}
		p.Provisioner = h
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		stop := running(t, p)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, 3, h.asked, "70 seconds each, and some between")
		require.Contains(t, d.order().LastError, "deadline exceeded")
		stop()
		require.Equal(t, 3, h.brokenOff)
		require.False(t, d.order().ReadyAt.After(p.Wall()), "what was broken off by ourselves is asked by whoever comes next")
	})
}

// An unhurried store holds one order, and spares the database the looks that would find nothing: days go by in a moment.
type unhurried struct {
	jobs.ProvisioningStore
	mu      sync.Mutex
	readyAt time.Time
}

func (s *unhurried) ClaimProvisioning(ctx context.Context, wall, leaseUntil time.Time, most int) ([]lifecycle.ProvisioningOrder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wall.Before(s.readyAt) {
		return nil, nil
	}
	s.readyAt = leaseUntil
	return s.ProvisioningStore.ClaimProvisioning(ctx, wall, leaseUntil, most)
}

func (s *unhurried) SettleProvisioning(ctx context.Context, a lifecycle.ProvisioningAnswer) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readyAt = a.ReadyAt
	return s.ProvisioningStore.SettleProvisioning(ctx, a)
}

func TestWaitsBetweenAttemptsGrowToAnHourAndEndNever(t *testing.T) {
	inBubble(t, func(t *testing.T, d *deployment, p *jobs.Provisioning, h *hook) {
		d.policy.Provisioning.StuckAfter = lifecycle.Period{}
		p.Store = &unhurried{ProvisioningStore: d.db}
		var mu sync.Mutex
		var asked []time.Time
		times := func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(asked)
		}
		h.answer = func(o lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) {
			mu.Lock()
			defer mu.Unlock()
			if asked = append(asked, time.Now()); len(asked) == 14 {
				return lifecycle.ProvisioningReply{}, &lifecycle.Later{Wait: 6 * time.Hour, Err: errHookDown}
			}
			return failing(o)
		}
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		stop := running(t, p)
		synctest.Wait()
		for len(times()) < 20 {
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Less(t, time.Since(times()[0]), 2*lifecycle.Day)
		}
		stop()
		at := times()
		for i := 1; i < len(at); i++ {
			wait, most := at[i].Sub(at[i-1]), min(5*time.Second<<min(i-1, 20), time.Hour)
			if i == 14 {
				most = 6 * time.Hour
				require.GreaterOrEqual(t, wait, most, "as long as it asked for")
			}
			require.GreaterOrEqual(t, wait, most*3/4)
			require.LessOrEqual(t, wait, most+2*time.Second)
		}
	})
}

func TestWhatIsStuckIsToldOnceADay(t *testing.T) {
	inBubble(t, func(t *testing.T, d *deployment, p *jobs.Provisioning, h *hook) {
		var log syncBuffer
		p.Log = textLog(&log)
		p.Store = &unhurried{ProvisioningStore: d.db}
		h.answer = failing
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		stop := running(t, p)
		told := func() int {
			return strings.Count(log.String(), "level=ERROR msg=\"a relationship is stuck in provisioning")
		}
		for _, want := range []struct {
			after time.Duration
			told  int
		}{{lifecycle.Day - time.Minute, 0}, {3 * time.Minute, 1}, {lifecycle.Day - 10*time.Minute, 1}, {15 * time.Minute, 2}, {lifecycle.Day, 3}} {
			time.Sleep(want.after)
			synctest.Wait()
			require.Equal(t, want.told, told())
		}
		require.Contains(t, log.String(), relationshipID)
		require.Contains(t, log.String(), errHookDown.Error())
		h.mu.Lock()
		h.answer = nil
		h.mu.Unlock()
		time.Sleep(2 * lifecycle.Day)
		synctest.Wait()
		require.Equal(t, 3, told())
		stop()
	})
}

// A syncBuffer is a buffer that many goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestWhatWasLeftToAnotherSystemIsCompletedWhereTenureProvisionsByItself(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		h := &hook{answer: failing}
		p := d.provisioning(h)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		approved := d.now
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		d.once(p)
		d.pass(time.Hour)
		d.policy.Provisioning.External = false
		var log syncBuffer
		p.Provisioner, p.Log = nil, textLog(&log)
		d.once(p)
		r := d.record(relationshipID)
		require.Equal(t, lifecycle.Active, r.Status)
		require.Equal(t, approved, r.Activated)
		require.Len(t, h.asked, 1, "nobody is asked any more")
		require.Equal(t, 1, strings.Count(log.String(), "completing what was left to another system"))
	})
}

func TestProcessThatHasNobodyToAskSaysSo(t *testing.T) {
	d := deploy(t)
	p := d.provisioning(nil)
	p.Provisioner = nil
	require.ErrorContains(t, p.Run(t.Context()), "nobody to ask")
	require.ErrorContains(t, p.Once(t.Context()), "nobody to ask")
}

func TestHookThatPanicsIsAskedAgain(t *testing.T) {
	d := deploy(t)
	h := &hook{answer: func(lifecycle.ProvisioningOrder) (lifecycle.ProvisioningReply, error) { panic("oh") }}
	p := d.provisioning(h)
	d.requestedFor(relationshipID, lifecycle.Days(90))
	d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
	d.once(p)
	require.Contains(t, d.order().LastError, "asking it panicked: oh")
	h.answer = nil
	d.pass(10 * time.Second)
	d.once(p)
	require.Equal(t, lifecycle.Active, d.record(relationshipID).Status)
}

func TestWaitingAndStuckShowInTheMetrics(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		registry := prometheus.NewRegistry()
		metrics, err := jobs.NewMetrics(registry, lifecycle.LatenessPolicy{})
		require.NoError(t, err)
		h := &hook{answer: failing}
		p := d.provisioning(h)
		p.Metrics = metrics
		require.NoError(t, registry.Register(jobs.NewProvisioningCollector(d.db, d.policy, p.Now)))
		shown := func() map[string]float64 {
			t.Helper()
			families, err := registry.Gather()
			require.NoError(t, err)
			values := map[string]float64{}
			for _, f := range families {
				for _, m := range f.GetMetric() {
					labels := ""
					for _, l := range m.GetLabel() {
						labels += " " + l.GetValue()
					}
					if strings.HasPrefix(f.GetName(), "tenure_provisioning_") {
						values[strings.TrimPrefix(f.GetName(), "tenure_provisioning_")+labels] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
					}
				}
			}
			return values
		}
		require.Equal(t, map[string]float64{"waiting": 0, "stuck": 0}, shown())
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		d.once(p)
		require.Equal(t, map[string]float64{"waiting": 1, "stuck": 0, "attempts_total failed grant": 1}, shown())
		d.pass(lifecycle.Day + time.Second)
		require.Equal(t, 1., shown()["stuck"])
		h.answer = nil
		d.once(p)
		require.Equal(t, map[string]float64{"waiting": 0, "stuck": 0, "attempts_total failed grant": 1, "attempts_total done grant": 1}, shown())
	})
}
