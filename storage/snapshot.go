package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"

	"github.com/jmoiron/sqlx"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Snapshot is the database as it was at one moment, to be read from end to end in bounded memory, while others go on
// writing. It belongs to one goroutine, and while one of its methods runs nothing else may be asked of it; on a database in
// memory, which has one connection, nothing at all.
type Snapshot struct {
	tx *sqlx.Tx // nil: in the transaction that all share; see ForgoUndoing
	session
	letGo func() // of the turn to write, which a snapshot has where it has no transaction of its own
}

// Snapshot begins to read. It has to be closed; one that is kept open for long keeps the database from tidying up.
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) {
	const doing = "take a snapshot"
	if err := db.usable(ctx); err != nil {
		return nil, said(doing, err)
	}
	if db.tears {
		if err := db.turn(ctx); err != nil {
			return nil, said(doing, err)
		}
		return &Snapshot{session: db.shared(), letGo: sync.OnceFunc(db.yield)}, nil
	}
	options := &sql.TxOptions{ReadOnly: true}
	if db.dialect == postgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.pool.BeginTxx(ctx, options)
	if err != nil {
		return nil, said(doing, err)
	}
	snapshot := &Snapshot{tx: tx, session: session{q: tx, dialect: db.dialect}}
	// On both databases the moment is that of the first query, not of BEGIN.
	if _, err := meta(ctx, snapshot.session, "kind"); err != nil {
		return nil, said(doing, errors.Join(err, snapshot.Close()))
	}
	return snapshot, nil
}

// Close ends the snapshot. Where its connection is gone, as it is when a query was broken off, it has ended with that.
func (s *Snapshot) Close() error {
	if s.tx == nil {
		s.letGo()
		return nil
	}
	err := rollback(s.tx)
	if errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return said("end a snapshot", err)
}

// EachRelationship hands over every relationship as it is stored, by key. It stops at the first error of fn's.
func (s *Snapshot) EachRelationship(ctx context.Context, fn func(lifecycle.Stored) error) error {
	return said("read all relationships", each(ctx, s.session, selectRelationships+`ORDER BY t.key`, nil, func(row *relationshipRow) error {
		stored, err := row.stored()
		if err != nil {
			return err
		}
		return fn(stored)
	}))
}

// EachEvent hands over every step in the life of every relationship, by when it was recorded, when it took effect, and then
// relationship and version. Refusals, which are none, are left out; see [DB.EachActivity].
func (s *Snapshot) EachEvent(ctx context.Context, fn func(lifecycle.Event) error) error {
	return said("read all events", each(ctx, s.session, selectEvents+`WHERE e.version > 0
		ORDER BY e.recorded_at, e.effective_at, e.relationship_key, e.version`, nil, func(row *storedEventRow) error { return fn(row.event()) }))
}

// EachChange is [Snapshot.EachEvent], only quicker: it leaves out the imports, and reads of each event what changed, when and why, and of the
// relationship the id.
func (s *Snapshot) EachChange(ctx context.Context, fn func(lifecycle.Event) error) error {
	return said("read all changes", each(ctx, s.session, selectChanges+`WHERE e.version > 0 AND e.type <> 'imported'
		ORDER BY e.recorded_at, e.effective_at, e.relationship_key, e.version`, nil, func(row *storedEventRow) error { return fn(row.event()) }))
}

// EachLetter hands over every letter, by when it was recorded, when it fell due, and then relationship, version and ordinal.
func (s *Snapshot) EachLetter(ctx context.Context, fn func(lifecycle.Letter) error) error {
	return said("read all letters", each(ctx, s.session, selectLetters+`ORDER BY n.recorded_at, n.due_at, n.relationship_key, n.version, n.ordinal`, nil,
		func(row *letterRow) error {
			letter, err := row.letter()
			if err != nil {
				return err
			}
			return fn(letter)
		}))
}

// EachNotice is [Snapshot.EachLetter], only quicker: it reads what each letter tells of, whom it is for and what has become of it, and of the
// relationship the id.
func (s *Snapshot) EachNotice(ctx context.Context, fn func(lifecycle.Letter) error) error {
	return said("read all notices", each(ctx, s.session, selectNotices+`ORDER BY n.recorded_at, n.due_at, n.relationship_key, n.version, n.ordinal`, nil,
		func(row *letterRow) error {
			letter, err := row.letter()
			if err != nil {
				return err
			}
			return fn(letter)
		}))
}

// EachContact hands over every contact, by tenant, role and mail address.
func (s *Snapshot) EachContact(ctx context.Context, fn func(lifecycle.Contact) error) error {
	return said("read all contacts", each(ctx, s.session, selectContacts+`ORDER BY c.tenant_id, c.role, c.mail_key`, nil,
		func(row *contactRow) error { return fn(row.contact()) }))
}

// EachRelationship is [Snapshot.EachRelationship] on a snapshot of its own.
func (db *DB) EachRelationship(ctx context.Context, fn func(lifecycle.Stored) error) error {
	return db.snap(ctx, func(s *Snapshot) error { return s.EachRelationship(ctx, fn) })
}

// EachEvent is [Snapshot.EachEvent] on a snapshot of its own.
func (db *DB) EachEvent(ctx context.Context, fn func(lifecycle.Event) error) error {
	return db.snap(ctx, func(s *Snapshot) error { return s.EachEvent(ctx, fn) })
}

// EachChange is [Snapshot.EachChange] on a snapshot of its own.
func (db *DB) EachChange(ctx context.Context, fn func(lifecycle.Event) error) error {
	return db.snap(ctx, func(s *Snapshot) error { return s.EachChange(ctx, fn) })
}

// EachLetter is [Snapshot.EachLetter] on a snapshot of its own.
func (db *DB) EachLetter(ctx context.Context, fn func(lifecycle.Letter) error) error {
	return db.snap(ctx, func(s *Snapshot) error { return s.EachLetter(ctx, fn) })
}

// EachNotice is [Snapshot.EachNotice] on a snapshot of its own.
func (db *DB) EachNotice(ctx context.Context, fn func(lifecycle.Letter) error) error {
	return db.snap(ctx, func(s *Snapshot) error { return s.EachNotice(ctx, fn) })
}

// EachContact is [Snapshot.EachContact] on a snapshot of its own.
func (db *DB) EachContact(ctx context.Context, fn func(lifecycle.Contact) error) error {
	return db.snap(ctx, func(s *Snapshot) error { return s.EachContact(ctx, fn) })
}

func (db *DB) snap(ctx context.Context, fn func(*Snapshot) error) error {
	s, err := db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return fn(s)
}
