package storage

import (
	"context"
	"errors"
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
	err = db.writeThroughGate(ctx, "import relationships", func(s session) error {
		intakes, err = importRelationships(ctx, s, batch, p, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return intakes, nil
}

func importRelationships(ctx context.Context, s session, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time) ([]lifecycle.Intake, error) {
	// One import at a time: nobody else takes an id or a name between our look and our writing.
	if _, err := holdCounter(ctx, s, relationshipCounter); err != nil {
		return nil, err
	}
	wanted := make([]wantedName, len(batch))
	for i := range batch {
		name := nameOf(&batch[i].Record)
		wanted[i] = wantedName{clean(batch[i].ID), heldName{clean(name.Partner), clean(name.NameKey)}}
	}
	r, err := openRegister(ctx, s, wanted, p)
	if err != nil {
		return nil, err
	}
	r.now = now
	intakes := make([]lifecycle.Intake, len(batch))
	for i := range batch {
		intakes[i] = r.receive(&batch[i])
	}
	return intakes, r.write(ctx, s)
}

// An Import is several batches that belong together. It belongs to one goroutine.
type Import struct {
	db    *DB
	tx    *transaction                      // of an atomic import
	again []func(ctx context.Context) error // to be done once it is committed
	over  bool
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
	case im.tx == nil:
		return im.db.ImportRelationships(ctx, batch, p, now)
	case len(batch) == 0:
		return nil, nil
	}
	intakes, err := importRelationships(ctx, im.tx.session, batch, p, now)
	return intakes, said("import relationships", err)
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
