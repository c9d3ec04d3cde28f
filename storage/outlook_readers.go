package storage

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jmoiron/sqlx"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An outlookReader is a connection that sees the database as it was at the moment of an outlook.
type outlookReader struct {
	*Snapshot
	packed *sqlx.Stmt // PostgreSQL: what reads a page; nil until the first
}

// page reads a page of the relationships behind one key, as far as another.
func (r *outlookReader) page(ctx context.Context, o *Outlook, after, upTo int64) (page outlookPage, err error) {
	page.last = after
	if r.dialect != postgres {
		var rows outlookRows
		rows, page.n, err = readRows(ctx, r.session, o.text, o.args(after, upTo), o.query.most(), &page.last)
		if page.read = readWhole(rows); o.query.Timers {
			page.read = func(stored *lifecycle.Stored) (bool, error) { return readTimers(rows, stored) }
		}
		return page, err
	}
	text, values, err := r.bound(o.text, o.args(after, upTo))
	if err != nil {
		return page, err
	}
	if r.packed == nil { // the driver gets bytes as bytes from a prepared statement, and otherwise as text
		if r.packed, err = r.tx.PreparexContext(ctx, text); err != nil {
			return page, err
		}
	}
	var rows sql.NullString // none where there are no rows
	err = r.packed.QueryRowContext(ctx, values...).Scan(&page.n, &page.last, &rows)
	if page.read = readWhole(&packedRows{rest: rows.String}); o.query.Timers {
		page.read = (&joinedRows{rows.String}).read
	}
	return page, err
}

// with lends a reader to whoever reads something.
func (o *Outlook) with(ctx context.Context, read func(*outlookReader) error) error {
	select {
	case r := <-o.idle:
		defer func() { o.idle <- r }()
		return read(r)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readerAt sees what PostgreSQL's transaction sees that exported its moment, and is still open.
func (db *DB) readerAt(ctx context.Context, moment string) (*outlookReader, error) {
	tx, err := db.pool.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return nil, err
	}
	r := &outlookReader{Snapshot: &Snapshot{tx: tx, session: session{q: tx, dialect: db.dialect}}}
	if _, err := tx.ExecContext(ctx, `SET TRANSACTION SNAPSHOT '`+moment+`'`); err != nil { // which takes no parameters
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
