package storage

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"
)

// mostKept is how many statements a connection of SQLite keeps prepared: as many as all that a deployment does again and again.
const mostKept = 64

// A keepingConn is a connection of SQLite that keeps its statements prepared. To take a text apart costs more than most of what is asked
// with it, and the same texts come again and again.
type keepingConn struct {
	sqliteConn
	kept  map[string]*list.Element // of order, by the text
	order *list.List               // of the statements that are not in use: the one that was used last is the first
}

type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newKeepingConn(conn sqliteConn) *keepingConn {
	return &keepingConn{conn, map[string]*list.Element{}, list.New()}
}

// A keptStatement is in the hands of one user. Close gives it back.
type keptStatement struct {
	sqliteStatement
	text string
	of   *keepingConn
}

// Close keeps the statement for the next time.
func (s *keptStatement) Close() error { return s.of.keep(s) }

// take takes a statement that is kept, or prepares one: also where the same is in use already.
func (c *keepingConn) take(ctx context.Context, text string) (*keptStatement, error) {
	if place, ok := c.kept[text]; ok {
		delete(c.kept, text)
		return c.order.Remove(place).(*keptStatement), nil
	}
	prepared, err := c.sqliteConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &keptStatement{prepared.(sqliteStatement), text, c}, nil
}

// keep keeps a statement, and no longer the one that was not used for longest where that is one too many.
func (c *keepingConn) keep(s *keptStatement) error {
	if _, ok := c.kept[s.text]; ok {
		return s.sqliteStatement.Close()
	}
	c.kept[s.text] = c.order.PushFront(s)
	if c.order.Len() <= mostKept {
		return nil
	}
	oldest := c.order.Remove(c.order.Back()).(*keptStatement)
	delete(c.kept, oldest.text)
	return oldest.sqliteStatement.Close()
}

// PrepareContext satisfies [driver.ConnPrepareContext].
func (c *keepingConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	return c.take(ctx, text)
}

// ExecContext satisfies [driver.ExecerContext].
func (c *keepingConn) ExecContext(ctx context.Context, text string, values []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, values)
	return result, errors.Join(err, s.Close())
}

// QueryContext satisfies [driver.QueryerContext].
func (c *keepingConn) QueryContext(ctx context.Context, text string, values []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, values)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &keptRows{rows, s}, nil
}

// keptRows are those of a statement that is kept once they are closed.
type keptRows struct {
	driver.Rows
	of *keptStatement
}

// Close satisfies [driver.Rows].
func (r *keptRows) Close() error { return errors.Join(r.Rows.Close(), r.of.Close()) }

// Close lets go of all statements, and then of the connection.
func (c *keepingConn) Close() error {
	var errs []error
	for place := c.order.Front(); place != nil; place = place.Next() {
		errs = append(errs, place.Value.(*keptStatement).sqliteStatement.Close())
	}
	return errors.Join(append(errs, c.sqliteConn.Close())...)
}
