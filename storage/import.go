package storage

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// ImportRelationships takes records in, in one transaction, and answers for each of them, in their order, what became of it.
// What each record comes to is for [lifecycle.Receive] to say; whether its name is free is said here. A record that is
// refused does not keep the others out. Doing it twice is doing it once.
func (db *DB) ImportRelationships(ctx context.Context, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time) (intakes []lifecycle.Intake, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	intakes, _, err = db.importRelationships(ctx, batch, p, now, false)
	return intakes, err
}

// importRelationships is ImportRelationships, and says whether the database knew anything of the batch. A hopeful one expects not.
func (db *DB) importRelationships(ctx context.Context, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time, hopeful bool) (intakes []lifecycle.Intake, met bool, err error) {
	err = db.write(ctx, "import relationships", func(s session) error {
		if err := atGate(ctx, s, enterGate); err != nil {
			return err
		}
		intakes, met, err = importRelationships(ctx, s, batch, p, now, hopeful)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return intakes, met, nil
}

func importRelationships(ctx context.Context, s session, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time, hopeful bool) (intakes []lifecycle.Intake, met bool, err error) {
	if s.tears {
		return nil, false, errors.New("nothing that fails is undone any more, and imports rely on that") // a caller of ours is wrong
	}
	// One import at a time: nobody else takes an id or a name between our look and our writing.
	if _, err := holdCounter(ctx, s, relationshipCounter); err != nil {
		return nil, false, err
	}
	if hopeful {
		intakes, err = importUnmet(ctx, s, batch, p, now)
		if err != nil || intakes != nil {
			return intakes, false, err
		}
	}
	r, err := openRegister(ctx, s, wantedOf(batch), p)
	if err != nil {
		return nil, false, err
	}
	r.now = now
	met = len(r.byID) > 0
	intakes = r.receiveAll(batch)
	return intakes, met, r.write(ctx, s)
}

// importUnmet takes in a batch of which the database knows neither an id nor a name, without looking for them: its unique keys
// say whether it does. Where it does, or where there is more to say of any record than that it is new, nothing is written and the
// answer is nil.
func importUnmet(ctx context.Context, s session, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time) ([]lifecycle.Intake, error) {
	var held bool
	if err := s.get(ctx, &held, `SELECT EXISTS (SELECT 1 FROM holds WHERE released_at IS NULL)`, nil); err != nil || held {
		return nil, err
	}
	r := newRegister(p)
	r.now = now
	intakes := r.receiveAll(batch)
	if slices.ContainsFunc(intakes, func(in lifecycle.Intake) bool { return in.Taken != lifecycle.TakenNew }) {
		return nil, nil
	}
	written, err := attempt(ctx, s, func() error { return r.write(ctx, s) })
	if !written {
		return nil, err
	}
	return intakes, nil
}

// attempt runs fn, and undoes what it has written where that meets a unique key that is there already. Nothing else in the
// transaction is undone.
func attempt(ctx context.Context, s session, fn func() error) (done bool, err error) {
	if _, err := s.exec(ctx, "SAVEPOINT attempt", nil); err != nil {
		return false, err
	}
	err = fn()
	if err == nil {
		_, err = s.exec(ctx, "RELEASE SAVEPOINT attempt", nil)
		return err == nil, err
	}
	if !isUnique(err) {
		return false, err
	}
	for _, statement := range []string{"ROLLBACK TO SAVEPOINT attempt", "RELEASE SAVEPOINT attempt"} {
		if _, err := s.exec(ctx, statement, nil); err != nil {
			return false, err
		}
	}
	return false, nil
}

func wantedOf(batch []lifecycle.Incoming) []wantedName {
	wanted := make([]wantedName, len(batch))
	for i := range batch {
		name := nameOf(&batch[i].Record)
		wanted[i] = wantedName{clean(batch[i].ID), heldName{clean(name.Partner), clean(name.NameKey)}}
	}
	return wanted
}

// An Import is several batches that belong together. It belongs to one goroutine.
type Import struct {
	db    *DB
	tx    *transaction                      // of an atomic import
	again []func(ctx context.Context) error // to be done once it is committed
	over  bool
	unmet int // batches in a row of which the database knew nothing
}

// hopeful says whether the next batch is likely to be unknown as well. A file is mostly new as a whole, or known as a whole, and
// hoping in vain leaves dead rows behind on PostgreSQL. So the first batch is looked up, and several after one that was known.
func (im *Import) hopeful() bool { return im.unmet > 0 }

// learn takes to heart whether a batch was known.
func (im *Import) learn(met bool) {
	const cautious = 8 // batches
	switch {
	case !met:
		im.unmet++
	case im.unmet > 0: // in vain
		im.unmet = -cautious
	}
}

// BeginImport begins an import. An atomic one keeps one transaction until Commit, so that all of it comes in or nothing;
// whatever else wants to write to a file of SQLite waits that long, and so does who wants to place or release a hold. Otherwise each batch is a transaction of its own, and
// Rollback undoes nothing. Either Commit or Rollback has to be called; Rollback after Commit does nothing.
func (db *DB) BeginImport(ctx context.Context, atomic bool) (*Import, error) {
	const doing = "begin an import"
	if err := db.usable(ctx); err != nil {
		return nil, said(doing, err)
	}
	im := &Import{db: db}
	if atomic {
		tx, err := db.begin(ctx)
		if err != nil {
			return nil, said(doing, err)
		}
		if err := atGate(ctx, tx.session, enterGate); err != nil {
			return nil, said(doing, errors.Join(err, tx.end()))
		}
		im.tx = tx
	}
	return im, nil
}

// Relationships is [DB.ImportRelationships] for one batch.
func (im *Import) Relationships(ctx context.Context, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time) ([]lifecycle.Intake, error) {
	switch {
	case im.over:
		return nil, ErrImportIsOver
	case len(batch) == 0:
		return nil, nil
	}
	var intakes []lifecycle.Intake
	var met bool
	var err error
	if im.tx == nil {
		intakes, met, err = im.db.importRelationships(ctx, batch, p, now, im.hopeful())
	} else {
		intakes, met, err = importRelationships(ctx, im.tx.session, batch, p, now, im.hopeful())
		err = said("import relationships", err)
	}
	im.learn(met)
	return intakes, err
}

// Contacts is [DB.ImportContacts] for one batch.
func (im *Import) Contacts(ctx context.Context, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (lifecycle.ContactCounts, error) {
	switch {
	case im.over:
		return lifecycle.ContactCounts{}, ErrImportIsOver
	case im.tx == nil:
		return im.db.ImportContacts(ctx, batch, p, now)
	case len(batch) == 0:
		return lifecycle.ContactCounts{}, nil
	}
	counts, err := importContacts(ctx, im.tx.session, batch, p, now)
	im.again = append(im.again, func(ctx context.Context) error {
		_, err := im.db.offerAgain(ctx, batch, p, now)
		return err
	})
	return counts, said("import contacts", err)
}

// Commit ends the import and keeps it.
func (im *Import) Commit() error {
	if im.over {
		return ErrImportIsOver
	}
	im.over = true
	if im.tx == nil {
		return nil
	}
	err := im.tx.Commit()
	_ = im.tx.end() // after a commit there is nothing to undo
	for i := 0; err == nil && i < len(im.again); i++ {
		err = im.again[i](context.Background()) // what is committed is to be followed up, whoever has gone away meanwhile
	}
	return said("commit the import", err)
}

// Rollback ends the import; an atomic one leaves nothing behind.
func (im *Import) Rollback() error {
	if im.over {
		return nil
	}
	im.over = true
	if im.tx == nil {
		return nil
	}
	return said("undo the import", im.tx.end())
}
