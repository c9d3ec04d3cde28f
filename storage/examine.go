package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// ExamineSweep looks at what a sweep would do, before the first chunk of it is cut, and holds it where that is more than the
// breakers of p let through, or where everything is on hold. Rules that would do too much are held in a sweep of their own, and the
// others go on; held is the one that waits for an operator now, and the zero sweep where none does. A sweep is examined once; dry
// runs never are. Where nothing is left for it to do, the sweep is over with that, and closed says so. wall is the machine's clock, by
// which sweeps are closed.
func (db *DB) ExamineSweep(ctx context.Context, id int64, p *lifecycle.Policy, now, wall time.Time) (held lifecycle.Sweep, closed bool, err error) {
	const attempts = 10 // ticks may move it along meanwhile
	doing := fmt.Sprintf("examine sweep %d", id)
	for range attempts {
		var e *examination
		err = db.snap(ctx, func(s *Snapshot) (err error) {
			e, err = examine(ctx, s.session, id, p)
			return err
		})
		if err != nil || e == nil {
			return lifecycle.Sweep{}, false, said(doing, err)
		}
		err = db.write(ctx, doing, func(s session) error {
			held, closed, err = e.conclude(ctx, s, now, wall)
			return err
		})
		if !errors.Is(err, errMovedOn) {
			return held, closed, err
		}
	}
	return lifecycle.Sweep{}, false, err
}

// errMovedOn says that a sweep is not as it was examined.
var errMovedOn = errors.New("it has moved on meanwhile, again and again; look whether the schedulers' clocks agree")

// An examination is what a sweep would do, found in a snapshot: nobody waits meanwhile.
type examination struct {
	sweep   lifecycle.Sweep
	policy  *lifecycle.Policy
	standby bool                 // everything is on hold
	nothing bool                 // is due
	plan    *lifecycle.SweepPlan // nil where so little is due that nothing has to be counted
}

// examine is nil where there is nothing to be found out: the sweep has begun, is over, or nothing limits it.
func examine(ctx context.Context, s session, id int64, p *lifecycle.Policy) (*examination, error) {
	var row sweepRow
	if err := s.get(ctx, &row, `SELECT `+sweepColumns+` FROM sweeps AS s WHERE s.id = :id`, args{"id": id}); err != nil {
		return nil, err
	}
	if row.State != lifecycle.SweepRunning || row.DryRun || row.begun() {
		return nil, nil
	}
	e := &examination{policy: p}
	var err error
	if e.sweep, err = row.sweep(); err != nil {
		return nil, err
	}
	cause, err := standstillCause(ctx, s)
	if err != nil {
		return nil, err
	}
	e.standby = cause != ""
	floor, limited := smallestFloor(p, e.sweep.Fires())
	if !limited && !e.standby {
		return nil, nil
	}
	if e.standby {
		floor = 0
	}
	due, err := countDue(ctx, s, &e.sweep, floor+1)
	if err != nil || due <= floor {
		e.nothing = due == 0
		return e, err
	}
	if e.plan, err = foresee(ctx, s, e); err != nil {
		return nil, err
	}
	e.plan.Cause = cause
	if cause == "" {
		e.plan.Cause = lifecycle.BreakerTripped
		e.tripped()
	}
	return e, nil
}

// begun says whether the sweep's instant moves no more.
func (row *sweepRow) begun() bool { return row.Cut || row.NextChunk > 1 || row.Examined }

// tripped looks which breakers say no; where none does, the plan is of no more use.
func (e *examination) tripped() {
	e.plan.Tripped = e.policy.Tripped(e.plan.Records, e.plan.Population)
	e.plan.Limits = map[lifecycle.RuleName]int64{}
	for _, rule := range e.plan.Tripped {
		e.plan.Limits[rule], _ = e.policy.Breakers[rule].Limit(e.plan.Population)
	}
	if len(e.plan.Tripped) == 0 {
		e.plan = nil
	}
}

// smallestFloor is how many records pass under any of the rules, without a look at how many there are.
func smallestFloor(p *lifecycle.Policy, rules []lifecycle.RuleName) (floor int64, limited bool) {
	for _, rule := range rules {
		if most, limits := p.Breakers[rule].Floor(); limits && (!limited || most < floor) {
			floor, limited = most, true
		}
	}
	return floor, limited
}

const selectCountDue = `SELECT count(*) FROM (SELECT key FROM clocks WHERE next_at >= {{floor}} AND next_at <= :as_of AND stayed = FALSE
	AND next_rule {{in rules}} ORDER BY next_at, key LIMIT :most) AS due`

// countDue counts what is due, up to most.
func countDue(ctx context.Context, s session, sweep *lifecycle.Sweep, most int64) (due int64, err error) {
	err = s.get(ctx, &due, selectCountDue,
		args{"as_of": at(sweep.AsOf), "rules": page[lifecycle.RuleName](lifecycle.ScanFor(sweep.Rules)), "most": most})
	return due, err
}

// foresee decides on every record that is due, page by page, and counts.
func foresee(ctx context.Context, s session, e *examination) (*lifecycle.SweepPlan, error) {
	plan := &lifecycle.SweepPlan{Records: map[lifecycle.RuleName]int64{}}
	var err error
	if plan.Population, err = population(ctx, s); err != nil {
		return nil, err
	}
	paused, err := pausedByName(ctx, s)
	if err != nil {
		return nil, err
	}
	for after := (lifecycle.Position{}); ; {
		records, last, n, err := duePage(ctx, s, &e.sweep, after)
		if err != nil {
			return nil, err
		}
		var told telling
		for i := range records {
			if e.standby {
				records[i].Stayed = paused // what would happen if everything were released
			}
			d, ok := decideSafely(&records[i], e.policy, &e.sweep)
			if !ok {
				continue // the sweep comes upon it, and says so
			}
			for _, rule := range d.Fired() {
				plan.Records[rule]++
			}
			told.add(d.Notices)
		}
		notices, err := told.count(ctx, s)
		plan.Notices += notices
		if err != nil || n < mostAtOnce {
			return plan, err
		}
		after = last
	}
}

func decideSafely(r *lifecycle.Stored, p *lifecycle.Policy, sweep *lifecycle.Sweep) (d lifecycle.Decision, ok bool) {
	defer func() { ok = recover() == nil }()
	return lifecycle.Evaluate(r.Record, p, sweep.AsOf, sweep.Rules...), true
}

var selectDuePage = selectRelationships + `JOIN (SELECT key FROM clocks WHERE (next_at, key) > {{after}} AND next_at <= :as_of
		AND stayed = FALSE AND next_rule {{in rules}} ORDER BY next_at, key LIMIT :most) AS due ON due.key = t.key
	ORDER BY t.next_at, t.key`

// duePage reads the next records that are due, as far as they can be read, and says which was the last and how many there were.
func duePage(ctx context.Context, s session, sweep *lifecycle.Sweep, after lifecycle.Position) (records []lifecycle.Stored, last lifecycle.Position, n int, err error) {
	err = each(ctx, s, selectDuePage, args{"after_at": orDawn(after.At), "after_key": after.Key, "as_of": at(sweep.AsOf),
		"rules": page[lifecycle.RuleName](lifecycle.ScanFor(sweep.Rules)), "most": mostAtOnce}, func(row *relationshipRow) error {
		n++
		last = lifecycle.Position{At: row.NextAt.Time, Key: row.Key}
		if stored, err := row.record(); err == nil {
			records = append(records, stored)
		}
		return nil
	})
	return records, last, n, err
}

// A telling is who would be told.
type telling struct {
	audiences []lifecycle.Audience
	endpoints int64
}

func (t *telling) add(notices []lifecycle.Notice) {
	for i := range notices {
		if notices[i].Status != lifecycle.NoticeQueued {
			continue
		}
		for _, to := range notices[i].To {
			switch {
			case to.Muted:
			case to.Endpoint:
				t.endpoints++
			default:
				t.audiences = append(t.audiences, to.Audience)
			}
		}
	}
}

func (t *telling) count(ctx context.Context, s session) (n int64, err error) {
	people, err := countPeople(ctx, s, t.audiences)
	n = t.endpoints
	for _, a := range t.audiences {
		n += people[a]
	}
	return n, err
}

// standstillCause is why everything is on hold; empty where it is not.
func standstillCause(ctx context.Context, s session) (lifecycle.Reason, error) {
	holds, err := listHolds(ctx, s, `WHERE released_at IS NULL AND kind = 'everything'`, nil)
	if err != nil || len(holds) == 0 {
		return "", err
	}
	if holds[0].Cause == "" {
		return lifecycle.ByOperator, nil
	}
	return holds[0].Cause, nil
}

// pausedByName are the rules that have a hold of their own.
func pausedByName(ctx context.Context, s session) ([]lifecycle.RuleName, error) {
	holds, err := listHolds(ctx, s, `WHERE released_at IS NULL AND kind = 'rule'`, nil)
	return lifecycle.Paused(holds), err
}

// conclude writes down what the examination comes to, if the sweep is still as it was.
func (e *examination) conclude(ctx context.Context, s session, now, wall time.Time) (held lifecycle.Sweep, closed bool, err error) {
	// One at a time decides which sweep it is that waits for an operator. Whoever opens one takes the same two locks in this order.
	var id int64
	if e.plan != nil {
		if id, err = holdCounter(ctx, s, sweepCounter); err != nil {
			return held, false, err
		}
	}
	row, err := lockSweep(ctx, s, e.sweep.ID)
	if err != nil || row.State != lifecycle.SweepRunning || row.begun() {
		return held, false, err
	}
	cause, err := standstillCause(ctx, s)
	if err != nil {
		return held, false, err
	}
	if !row.AsOf.Equal(e.sweep.AsOf) || row.Rules != jsonList(e.sweep.Rules) || e.standby != (cause != "") {
		return held, false, errMovedOn
	}
	if e.plan != nil {
		return e.hold(ctx, s, id, now, wall)
	}
	if e.nothing { // an answer of then; what has come since is not to be left lying
		due, err := countDue(ctx, s, &e.sweep, 1)
		if err != nil {
			return held, false, err
		}
		closed = due == 0
	}
	return held, closed, e.goOn(ctx, s, e.sweep.Rules, closed, wall)
}

// hold parts the sweep: what must wait is held, unless another sweep waits with it already, and the rest goes on; where there is none,
// the sweep is over.
func (e *examination) hold(ctx context.Context, s session, next int64, now, wall time.Time) (held lifecycle.Sweep, closed bool, err error) {
	waiting, err := waitingRules(ctx, s)
	if err != nil {
		return lifecycle.Sweep{}, false, err
	}
	stop := e.plan.Tripped
	if e.standby {
		stop = e.sweep.Fires()
	}
	rest := without(without(e.sweep.Fires(), stop), waiting)
	stop = without(stop, waiting)
	if len(stop) > 0 && len(rest) == 0 {
		held, err = e.holdAs(ctx, s, e.sweep, stop, now)
		return held, false, err
	}
	closed = len(rest) == 0
	if err := e.goOn(ctx, s, rest, closed, wall); err != nil || len(stop) == 0 {
		return lifecycle.Sweep{}, closed, err
	}
	own := e.sweep
	own.ID = next
	if err := insertSweep(ctx, s, &own); err != nil {
		return lifecycle.Sweep{}, closed, err
	}
	held, err = e.holdAs(ctx, s, own, stop, now)
	return held, closed, err
}

// goOn lets the sweep do the rest of its rules, or closes it where nothing is left to do.
func (e *examination) goOn(ctx context.Context, s session, rest []lifecycle.RuleName, over bool, wall time.Time) error {
	if over {
		_, err := s.exec(ctx, `UPDATE sweeps SET state = 'done', cut = TRUE, examined = TRUE, finished_at = :now WHERE id = :id`,
			args{"id": e.sweep.ID, "now": at(wall)})
		return err
	}
	_, err := s.exec(ctx, `UPDATE sweeps SET examined = TRUE, rules = :rules WHERE id = :id`, args{"id": e.sweep.ID, "rules": jsonList(rest)})
	return err
}

// holdAs holds a sweep of the rules stop, and writes down that it is.
func (e *examination) holdAs(ctx context.Context, s session, sweep lifecycle.Sweep, stop []lifecycle.RuleName, now time.Time) (lifecycle.Sweep, error) {
	plan := *e.plan
	plan.Tripped = slices.DeleteFunc(slices.Clone(plan.Tripped), func(rule lifecycle.RuleName) bool { return !slices.Contains(stop, rule) })
	text, err := json.Marshal(&plan)
	if err != nil {
		return lifecycle.Sweep{}, err
	}
	sweep.Rules, sweep.State, sweep.Plan = stop, lifecycle.SweepHeld, &plan
	if _, err := s.exec(ctx, `UPDATE sweeps SET state = 'held', rules = :rules, plan = :plan WHERE id = :id`,
		args{"id": sweep.ID, "rules": jsonList(stop), "plan": string(text)}); err != nil {
		return lifecycle.Sweep{}, err
	}
	return sweep, writeOrder(ctx, s, lifecycle.Change{Type: lifecycle.EventSweepHeld, Subject: strconv.FormatInt(sweep.ID, 10), Reason: plan.Cause,
		Actor: lifecycle.System, Detail: plan.Text(stop)}, 0, now)
}

// waitingRules are those that a held sweep waits with.
func waitingRules(ctx context.Context, s session) (waiting []lifecycle.RuleName, err error) {
	held, err := heldSweeps(ctx, s)
	for i := range held {
		waiting = append(waiting, held[i].Fires()...)
	}
	return waiting, err
}

func without(rules, these []lifecycle.RuleName) (rest []lifecycle.RuleName) {
	for _, rule := range rules {
		if !slices.Contains(these, rule) {
			rest = append(rest, rule)
		}
	}
	return rest
}
