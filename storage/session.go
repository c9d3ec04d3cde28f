package storage

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"

	"github.com/jmoiron/sqlx"
)

// A session runs queries, in a transaction or outside of one. Queries are written as [dialect] says, with named parameters.
type session struct {
	q       sqlx.ExtContext
	dialect *dialect
	conn    *sqlx.Conn // that a transaction has to itself; nil outside of one
	nowhere []string   // the database's
	tears   bool       // the database's
}

// args are the named parameters of a query.
type args map[string]any

func (s session) bound(query string, a args) (string, []any, error) {
	if a == nil {
		a = args{}
	}
	filled := s.dialect.text(query)
	if len(filled.columns)+len(filled.lists)+len(filled.pages) > 0 {
		var err error
		if a, err = asArrays(a, &filled); err != nil {
			return "", nil, err
		}
	}
	text, values, err := sqlx.Named(filled.text, map[string]any(a))
	return sqlx.Rebind(s.dialect.bind, text), values, err
}

// asArrays adds to the parameters the arrays that pages travel in.
func asArrays(a args, f *filled) (all args, err error) {
	all = make(args, len(a)+len(f.columns)+len(f.lists)+len(f.pages))
	maps.Copy(all, a)
	array := func(parameter, column, kind string) []byte {
		rows, ok := a[parameter].(columnar)
		if !ok {
			err = fmt.Errorf("parameter %s is a %T and no page", parameter, a[parameter]) // a query of ours is wrong
			return nil
		}
		values, fault := rows.column(column, kind)
		err = cmp.Or(err, fault)
		return values
	}
	for _, p := range f.columns {
		all[p.parameter] = array("rows", p.name, p.kind)
	}
	for _, p := range f.pages {
		var whole []byte
		for _, c := range p.columns {
			whole = appendArray(whole, array("rows", c.name, c.kind))
		}
		all[p.parameter] = whole
	}
	for _, p := range f.lists {
		all[p.parameter] = array(p.name, itself, p.kind)
	}
	return all, err
}

// exec runs a statement and says how many rows it touched.
func (s session) exec(ctx context.Context, query string, a args) (int64, error) {
	text, values, err := s.bound(query, a)
	if err != nil {
		return 0, err
	}
	result, err := s.q.ExecContext(ctx, text, values...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// get reads one row; sql.ErrNoRows, which said makes lifecycle.ErrNotFound, where there is none.
func (s session) get(ctx context.Context, into any, query string, a args) error {
	text, values, err := s.bound(query, a)
	if err != nil {
		return err
	}
	return sqlx.GetContext(ctx, s.q, into, text, values...)
}

// list reads all rows into a slice.
func (s session) list(ctx context.Context, into any, query string, a args) error {
	text, values, err := s.bound(query, a)
	if err != nil {
		return err
	}
	return sqlx.SelectContext(ctx, s.q, into, text, values...)
}

// each reads row by row, so that memory stays bounded. The row is the caller's until it returns.
func each[T any](ctx context.Context, s session, query string, a args, row func(*T) error) error {
	text, values, err := s.bound(query, a)
	if err != nil {
		return err
	}
	rows, err := s.q.QueryxContext(ctx, text, values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var t, empty T
	for rows.Next() {
		t = empty
		if err := rows.StructScan(&t); err != nil {
			return err
		}
		if err := row(&t); err != nil {
			return err
		}
	}
	return rows.Err()
}

// read runs queries that change nothing.
func (db *DB) read(ctx context.Context, doing string, fn func(session) error) error {
	if err := db.usable(ctx); err != nil {
		return said(doing, err)
	}
	return said(doing, fn(session{q: db.pool, dialect: db.dialect}))
}

// write runs fn in a transaction: all of it is written, or nothing. fn may be run again after a deadlock.
func (db *DB) write(ctx context.Context, doing string, fn func(session) error) error {
	const attempts = 5
	if err := db.usable(ctx); err != nil {
		return said(doing, err)
	}
	err := db.once(ctx, fn)
	for i := 1; i < attempts && passes(err); i++ {
		err = db.once(ctx, fn)
	}
	return said(doing, err)
}

func (db *DB) once(ctx context.Context, fn func(session) error) error {
	if db.tears {
		return db.onceForAll(ctx, fn)
	}
	tx, err := db.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.end() //nolint:errcheck // after a commit there is nothing to undo; before it, fn's error matters
	if err := fn(tx.session); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // perhaps nobody waits for it any more
		return err
	}
	return tx.Commit()
}

// A transaction is open until its end.
type transaction struct {
	session
	*sqlx.Tx
	db    *DB
	letGo func() // of the connection, which is cut where the end does not come
}

// begin waits for its turn where the database has one writer only: the order is fair then, and nobody is told "busy".
//
// The transaction does not end by itself when ctx does: the driver would send its ROLLBACK into the middle of a COPY (see fill), of which
// another goroutine reads the answers, and wait for ever. Every statement but those of fill is stopped by its own context all the
// same, and whoever began the transaction ends it; where not even that comes through, its line is cut.
func (db *DB) begin(ctx context.Context) (*transaction, error) {
	if db.readOnly {
		return nil, ErrReadOnly
	}
	if err := db.turn(ctx); err != nil {
		return nil, err
	}
	conn, err := db.writing.Connx(ctx)
	if err != nil {
		db.yield()
		return nil, err
	}
	letGo, err := db.watch(ctx, conn)
	if err != nil {
		db.yield()
		return nil, errors.Join(err, conn.Close())
	}
	tx, err := conn.BeginTxx(context.WithoutCancel(ctx), &sql.TxOptions{})
	if err != nil {
		letGo()
		db.yield()
		return nil, errors.Join(err, conn.Close())
	}
	return &transaction{session{tx, db.dialect, conn, db.nowhere, db.tears}, tx, db, letGo}, nil
}

// watch has the connection cut where ctx ends and the transaction on it does not.
func (db *DB) watch(ctx context.Context, conn *sqlx.Conn) (letGo func(), err error) {
	letGo = func() {}
	if db.lines == nil {
		return letGo, nil
	}
	err = raw(conn, func(driverConn any) error {
		if known, ok := driverConn.(driver.Conn); ok {
			letGo = db.lines.watch(ctx, known)
		}
		return nil
	})
	return letGo, err
}

// end undoes what was not committed, and lets the next writer in.
func (tx *transaction) end() error {
	defer tx.db.yield()
	err := rollback(tx.Tx)
	tx.letGo()
	return errors.Join(err, tx.conn.Close())
}

func (db *DB) turn(ctx context.Context) error {
	if db.writer == nil {
		return nil
	}
	select {
	case db.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (db *DB) yield() {
	if db.writer != nil {
		<-db.writer
	}
}
