package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What a simulation asks of its database and no deployment does. What comes out of it is the same without; it comes sooner.

// listIndexes serve lists, pages and erasing, which a simulation has none of. Each is written to by imports or sweeps.
var listIndexes = []string{"agreements_by_name", "agreements_global_admin", "agreements_of_customer", "agreements_of_customer_names",
	"agreements_of_partner", "clocks_ended", "clocks_ends", "clocks_ends_of_others", "clocks_modified", "clocks_unapproved", "events_recorded", "events_refused",
	"notices_dead", "notices_of_status", "notices_to_erase", "notices_unknown"}

// ForgoLists takes away the indexes that only serve whoever looks at the deployment. It is for a scratch file of SQLite that goes when the
// process does: nothing brings them back.
func (db *DB) ForgoLists(ctx context.Context) error {
	return db.write(ctx, "do without the indexes of lists", func(s session) error {
		if s.dialect != sqlite {
			return errors.New("only a scratch file can do without them")
		}
		for _, index := range listIndexes {
			if _, err := s.exec(ctx, "DROP INDEX "+index, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// ForgoUndoing does without the journal out of which SQLite undoes what has failed halfway. It is for a scratch file with one connection: once
// something fails after it has written, nobody knows what is in the file, and everything else is refused with that failure ([ErrTorn]).
// Imports need the journal, and come before.
func (db *DB) ForgoUndoing(ctx context.Context) error {
	if !db.solitary {
		return said("do without a journal", errors.New("only a solitary scratch file can"))
	}
	if err := db.usable(ctx); err != nil {
		return said("do without a journal", err)
	}
	var mode string
	if err := db.pool.GetContext(ctx, &mode, "PRAGMA journal_mode = OFF"); err != nil {
		return said("do without a journal", err)
	}
	if mode != "off" {
		return said("do without a journal", fmt.Errorf("SQLite stays with the journal mode %q", mode))
	}
	db.tears = true
	return nil
}

// onceForAll is once where nothing is undone: what it writes is in a transaction that all share, since nobody else is to see it, and nothing is to
// be had back. A commit would go through all that is in the cache.
func (db *DB) onceForAll(ctx context.Context, fn func(session) error) error {
	if err := db.turn(ctx); err != nil {
		return err
	}
	defer db.yield()
	s := db.shared()
	if !db.underway {
		if _, err := s.exec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
			return err
		}
		db.underway = true
	}
	before, err := changes(ctx, s)
	if err != nil {
		return err
	}
	if err = fn(s); err == nil {
		err = ctx.Err() // perhaps nobody waits for it any more
	}
	if err != nil {
		return db.tear(s, before, err)
	}
	return nil
}

// shared is a session in the transaction that all share. The pool has one connection.
func (db *DB) shared() session {
	return session{q: db.pool, dialect: db.dialect, nowhere: db.nowhere, tears: true}
}

// changes counts the rows that were ever written on the one connection.
func changes(ctx context.Context, s session) (n int64, err error) {
	err = s.get(ctx, &n, "SELECT total_changes()", nil)
	return n, err
}

// tear remembers a failure that cannot be undone: one after something was written, or of a statement that may have written a part.
func (db *DB) tear(s session, before int64, failure error) error {
	now, err := changes(context.Background(), s)
	if code, _ := codes(failure); code == 0 && err == nil && now == before {
		return failure
	}
	torn := fmt.Errorf("%w: %w", ErrTorn, failure)
	db.torn.CompareAndSwap(nil, &torn)
	return torn
}

// PassAtOnce says that these channels lead nowhere, and that whoever writes letters to them delivers right afterwards, at the same instant:
// then [DB.PassLetters] would count them as sent, and they are written so in the first place. Those that it would leave alone are written
// to be sent as ever. Recipients must not have a daily limit. It is called before anything else is asked of the database.
func (db *DB) PassAtOnce(channels ...string) { db.nowhere = channels }

// nowhereNow are the channels whose letters may be written as sent: none while everything is on hold, and none that is off or failed.
func nowhereNow(ctx context.Context, s session) (channels []string, err error) {
	if len(s.nowhere) == 0 {
		return nil, nil
	}
	if still, err := standstill(ctx, s); err != nil || still {
		return nil, err
	}
	var states []channelRow
	err = s.list(ctx, &states, selectChannels+`WHERE name {{in names}}`, args{"names": page[string](s.nowhere)})
	shut := func(name string) bool {
		return slices.ContainsFunc(states, func(row channelRow) bool {
			return row.Name == name && (row.IsOff || row.Failures > 0 || !row.ReadyAt.Equal(dawn.Time))
		})
	}
	return slices.DeleteFunc(slices.Clone(s.nowhere), shut), err
}

// passes writes the row as sent if its channel leads nowhere and it tells of the latest change of its record, as [DB.PassLetters] does.
func (row *noticeRow) passes(nowhere []string, d *lifecycle.Decided) {
	if row.Status == lifecycle.NoticeQueued && row.Version == d.Record.Version && slices.Contains(nowhere, row.Channel) {
		row.Status, row.SentAt, row.SettledAt, row.Claim, row.Attempts = lifecycle.NoticeSent, row.RecordedAt, row.RecordedAt, 1, 1
	}
}

// sentColumns are those that differ from their defaults in a letter that is written as sent.
const sentColumns = `, sent_at, claim, attempts`
