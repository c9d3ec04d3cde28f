package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Case reads a relationship with what else has to be known to act on it, all of it as it is at one moment;
// [lifecycle.ErrNotFound] where there is none.
func (db *DB) Case(ctx context.Context, id string) (c lifecycle.Case, err error) {
	err = db.snap(ctx, func(snapshot *Snapshot) error {
		s := snapshot.session
		row, err := rowOfID(ctx, s, id)
		if err != nil {
			return err
		}
		stored, err := row.stored()
		if err != nil {
			return err
		}
		c, err = caseOf(ctx, s, stored)
		return err
	})
	return c, said("read relationship "+id, err)
}

func caseOf(ctx context.Context, s session, stored lifecycle.Stored) (lifecycle.Case, error) {
	cases, err := casesOf(ctx, s, []lifecycle.Stored{stored})
	if err != nil {
		return lifecycle.Case{}, err
	}
	return cases[0], nil
}

// casesOf are the cases of relationships, in their order.
func casesOf(ctx context.Context, s session, stored []lifecycle.Stored) ([]lifecycle.Case, error) {
	keys := make([]keyRow, len(stored))
	for i := range stored {
		keys[i] = keyRow{stored[i].Key}
	}
	assignments, err := assignmentsOf(ctx, s, keys)
	if err != nil {
		return nil, err
	}
	standings := map[string]lifecycle.Standing{}
	cases := make([]lifecycle.Case, len(stored))
	for i := range stored {
		partner := stored[i].Partner
		standing, known := standings[partner]
		if !known {
			if standing, err = standingOf(ctx, s, partner); err != nil {
				return nil, err
			}
			standings[partner] = standing
		}
		cases[i] = lifecycle.Case{Record: stored[i].Record, Standing: standing, Assignments: assignments[stored[i].Key]}
	}
	return cases, nil
}

// A refusal carries what decide answered through a transaction that is undone for it, so that it comes out as it went in.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// asDecided takes the refusal out of what a transaction answered.
func asDecided(err error) error {
	var refused refusal
	if errors.As(err, &refused) {
		return refused.error
	}
	return err
}

// Act changes one record as decide says, in one transaction in which nobody else can change it. An error of decide's is
// returned as it is, and nothing is written. decide may be called again, after a deadlock or where a name is taken up, so it
// must do nothing but decide. [lifecycle.ErrNotFound] where there is no such relationship, *[lifecycle.NameHeld] where another
// holds the name that it is to have; one that is due to be released is released by p. [lifecycle.ErrClockAstray] where p's quarantine
// does not believe the clock that the decision was made by: what somebody agrees to a year ahead would stand for ever.
func (db *DB) Act(ctx context.Context, id string, p *lifecycle.Policy, decide func(lifecycle.Case) (lifecycle.Decision, error)) (decision lifecycle.Decision, err error) {
	const attempts = 5 // somebody else may give it another name every time
	doing := "act on relationship " + id
	err = db.writeThroughGate(ctx, doing, func(s session) error {
		if decision, err = act(ctx, s, id, decide); err == nil {
			err = believable(ctx, s, p, &decision)
		}
		return err
	})
	var renamed *renaming
	for i := 0; i < attempts && errors.As(err, &renamed); i++ {
		err = db.writeThroughGate(ctx, doing, func(s session) error {
			if decision, err = rename(ctx, s, id, renamed.to, p, decide); err == nil {
				err = believable(ctx, s, p, &decision)
			}
			return err
		})
	}
	return decision, asDecided(err)
}

// believable is an error where the decision's clock is not to be believed.
func believable(ctx context.Context, s session, p *lifecycle.Policy, d *lifecycle.Decision) error {
	if p == nil || d.Recorded.IsZero() {
		return nil
	}
	return checkClock(ctx, s, p.Quarantine, d.Recorded)
}

// decideOn is decide, and its errors are refusals.
func decideOn(c lifecycle.Case, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	d, err := decide(c)
	if err != nil {
		return d, refusal{err}
	}
	if fault := unstorable(&d.Record); fault != nil {
		return d, refusal{lifecycle.Faults{*fault}}
	}
	return d, nil
}

// A renaming is a decision that has to be made again: it takes up a name, and for that nobody else may take up one meanwhile.
type renaming struct{ to heldName }

func (r *renaming) Error() string { return "the name changes to one that is not looked up yet" }

// act changes a record that keeps its name; where it does not, the error is a *renaming.
func act(ctx context.Context, s session, id string, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	row, err := lockedRowOfID(ctx, s, id)
	if err != nil {
		return lifecycle.Decision{}, err
	}
	stored, err := row.stored()
	if err != nil {
		return lifecycle.Decision{}, err
	}
	c, err := caseOf(ctx, s, stored)
	if err != nil {
		return lifecycle.Decision{}, err
	}
	d, err := decideOn(c, decide)
	if err != nil {
		return d, err
	}
	if name := nameOf(&d.Record); name != nameOf(&c.Record) {
		return d, &renaming{name}
	}
	if d.Empty() && d.Next == row.next() {
		return d, nil
	}
	_, err = apply(ctx, s, []lifecycle.Decided{{Key: stored.Key, Version: stored.Version, Decision: d}})
	return d, err
}

// rename is act for a record that is to take up the name to.
func rename(ctx context.Context, s session, id string, to heldName, p *lifecycle.Policy, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	if _, err := holdCounter(ctx, s, relationshipCounter); err != nil {
		return lifecycle.Decision{}, err
	}
	r, err := openRegister(ctx, s, []wantedName{{id, to}}, p)
	if err != nil {
		return lifecycle.Decision{}, err
	}
	e := r.byID[id]
	if e == nil {
		return lifecycle.Decision{}, lifecycle.ErrNotFound // it was there a moment ago
	}
	c, err := caseOf(ctx, s, lifecycle.Stored{Key: e.key, Record: e.Record})
	if err != nil {
		return lifecycle.Decision{}, err
	}
	d, err := decideOn(c, decide)
	if err != nil {
		return d, err
	}
	if name := nameOf(&d.Record); name != to && name != e.wasName {
		return d, &renaming{name}
	}
	return d, r.settle(ctx, s, e, &d)
}

// CreateRelationship takes in the new relationship that decide comes to, knowing the standing of the partner whose it is to be.
// An error of decide's is returned as it is, and nothing is written; decide may be called again.
// *[lifecycle.NameHeld] where another holds the name; one that is due to be released by then is released by p.
// [lifecycle.ErrClockAstray] as with [DB.Act].
func (db *DB) CreateRelationship(ctx context.Context, partner string, p *lifecycle.Policy, decide func(lifecycle.Standing) (lifecycle.Decision, error)) (decision lifecycle.Decision, err error) {
	const doing = "create a relationship"
	key, err := db.newKey(ctx)
	if err != nil {
		return lifecycle.Decision{}, said(doing, err)
	}
	write := func(make func(s session, d *lifecycle.Decision) error) error {
		return db.writeThroughGate(ctx, doing, func(s session) (err error) {
			if decision, err = decideOnNew(ctx, s, partner, decide); err != nil {
				return err
			}
			if err := believable(ctx, s, p, &decision); err != nil {
				return err
			}
			return make(s, &decision)
		})
	}
	// Nearly every name is free, and then nobody has to wait for anybody: the index of names settles who comes first.
	err = write(func(s session, d *lifecycle.Decision) error { return createAs(ctx, s, key, d) })
	if errors.Is(err, errTaken) {
		err = write(func(s session, d *lifecycle.Decision) error { return createBeside(ctx, s, d, p) })
	}
	return decision, asDecided(err)
}

func decideOnNew(ctx context.Context, s session, partner string, decide func(lifecycle.Standing) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	standing, err := standingOf(ctx, s, partner)
	if err != nil {
		return lifecycle.Decision{}, err
	}
	d, err := decide(standing)
	if err != nil {
		return d, refusal{err}
	}
	if fault := unstorable(&d.Record); fault != nil {
		return d, refusal{lifecycle.Faults{*fault}}
	}
	return d, nil
}

// errTaken says that somebody has the name, or the id.
var errTaken = errors.New("taken")

// createAs writes a relationship whose name nobody holds; [errTaken] where somebody does.
func createAs(ctx context.Context, s session, key int64, d *lifecycle.Decision) error {
	n, err := insertRelationships(ctx, s, []relationshipRow{rowOf(key, d)}, "ON CONFLICT DO NOTHING")
	if err != nil {
		return err
	}
	if n == 0 {
		return errTaken
	}
	return insertFollowing(ctx, s, []lifecycle.Decided{{Key: key, Decision: *d}})
}

// createBeside writes a relationship whose name somebody holds or held a moment ago. Nobody else takes up a name meanwhile.
func createBeside(ctx context.Context, s session, d *lifecycle.Decision, p *lifecycle.Policy) error {
	if _, err := holdCounter(ctx, s, relationshipCounter); err != nil {
		return err
	}
	r, err := openRegister(ctx, s, []wantedName{{d.Record.ID, nameOf(&d.Record)}}, p)
	if err != nil {
		return err
	}
	if r.byID[d.Record.ID] != nil {
		return fmt.Errorf("there is a relationship %s already; its id should have been a new one", d.Record.ID)
	}
	return r.settle(ctx, s, nil, d)
}

// settle writes the one decision that the register was opened for; e is nil where it is about a new record.
func (r *register) settle(ctx context.Context, s session, e *entry, d *lifecycle.Decision) error {
	r.now = d.Recorded
	if holder := r.makeWay(e, d); holder != nil {
		return refusal{held(d.Record.DisplayName, holder, r.policy)}
	}
	if e == nil {
		e = r.enter(d)
	}
	r.decide(e, d)
	return r.write(ctx, s)
}
