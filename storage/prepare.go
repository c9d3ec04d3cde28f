package storage

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A prepared page is decisions on their way into the database, in the order of their keys, with what could be done for them before the transaction
// that writes them began: while another chunk was written, that costs no time. What was not done beforehand, or holds no longer, the
// transaction does itself.
type prepared struct {
	decided []lifecycle.Decided

	update *boundQuery  // of all their clocks
	events []eventRow   // of all of them, with fingerprints
	people *audiences   // whom to tell of all of them
	mark   string       // of the contacts, before people were read
	held   *standstills // what explains why they are late
}

// A boundQuery is a query with its parameters, as the driver takes them.
type boundQuery struct {
	text   string
	values []any
}

// unprepared is a page for which nothing was done but to put it in order.
func unprepared(decided []lifecycle.Decided) *prepared { return &prepared{decided: byKey(decided)} }

// prepare does what can be done beforehand. What fails is left to the transaction, which says why if it fails there, too.
func (db *DB) prepare(ctx context.Context, sweep int64, decided []lifecycle.Decided) *prepared {
	d := unprepared(decided)
	if len(decided) == 0 || db.writer != nil { // SQLite is in this process: one more connection that reads ahead would cost memory, and no wait is saved
		return d
	}
	_ = db.snap(ctx, func(snapshot *Snapshot) error {
		s := snapshot.session
		if err := atGate(ctx, s, `SELECT `+pagesByIndex); err != nil { // as whoever writes it would read it
			return err
		}
		mark, err := contactsMark(ctx, s)
		if err != nil {
			return err
		}
		people, err := readAudiences(ctx, s, d.decided, db.acquainted(sweep, mark))
		if err != nil {
			return err
		}
		d.mark, d.people = mark, people
		held, err := readStandstills(ctx, s, d.decided)
		if err != nil {
			return err
		}
		d.held = &held
		d.update, err = bindUpdate(s, d.decided)
		return err
	})
	d.events = eventRowsOf(d.decided)
	return d
}

// all says whether these are all decisions of the page. Nothing but decisions of it is ever asked about.
func (d *prepared) all(some []lifecycle.Decided) bool { return len(some) == len(d.decided) }

// updateOf sets the clocks of some of the decisions.
func (d *prepared) updateOf(s session, some []lifecycle.Decided) (*boundQuery, error) {
	if d.update != nil && d.all(some) {
		return d.update, nil
	}
	return bindUpdate(s, some)
}

func bindUpdate(s session, decided []lifecycle.Decided) (*boundQuery, error) {
	rows := make([]clockRow, len(decided))
	for i := range decided {
		rows[i] = clockRowOf(&decided[i])
	}
	text, values, err := s.bound(updateClocks, args{"rows": page[clockRow](rows)})
	return &boundQuery{text, values}, err
}

// eventRowsOf are the events of some of the decisions.
func (d *prepared) eventRowsOf(some []lifecycle.Decided) []eventRow {
	if d.events != nil && d.all(some) {
		return d.events
	}
	return eventRowsOf(some)
}

// audiencesOf are who is to be told of some of the decisions: as they are in this transaction. Who was read beforehand is still right where
// nobody has changed contacts since.
func (d *prepared) audiencesOf(ctx context.Context, s session, some []lifecycle.Decided) (*audiences, error) {
	if d.people != nil {
		mark, err := contactsMark(ctx, s)
		if err != nil {
			return nil, err
		}
		if mark == d.mark {
			return d.people, nil
		}
	}
	return readAudiences(ctx, s, some, nil)
}

// standstills are what explains why the decisions are late. It lies before they were made, so it may have been read at any time since.
func (d *prepared) standstills(ctx context.Context, s session) (standstills, error) {
	if d.held != nil {
		return *d.held, nil
	}
	return readStandstills(ctx, s, d.decided)
}

// list reads all rows into a slice.
func (b *boundQuery) list(ctx context.Context, s session, into any) error {
	return sqlx.SelectContext(ctx, s.q, into, b.text, b.values...)
}
