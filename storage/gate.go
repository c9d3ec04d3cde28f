package storage

import "context"

// The gate keeps holds and changes apart. Whoever writes relationships goes through it, many at a time; whoever places or
// releases a hold waits until all of them are out, and shuts it meanwhile. So what was decided before a hold came in is either
// written before it, or meets it; and once a hold is placed, nothing that it covers takes effect.
//
// It is entered in the first statement of a transaction: whoever waits for it must not have locked anything that those inside
// may need. On PostgreSQL it is a lock of this schema's own, which ends with the transaction; SQLite has one writer anyway. The triggers of table clocks
// go through it too, for whoever writes there by hand (see floor.go).
//
// Whoever goes through writes a page of rows, and has each of them looked up in an index until the transaction ends. Left to itself
// PostgreSQL would now and then read a whole table instead, which pays for one statement and not for a hundred.
const (
	enterGate = `SELECT pg_advisory_xact_lock_shared(1952804469, hashtext(current_schema())), ` + pagesByIndex
	shutGate  = `SELECT pg_advisory_xact_lock(1952804469, hashtext(current_schema()))`
	tryGate   = `pg_try_advisory_xact_lock(1952804469, hashtext(current_schema()))` // shuts it if nobody is inside, and says whether it did

	pagesByIndex = `set_config('enable_hashjoin', 'off', TRUE), set_config('enable_mergejoin', 'off', TRUE)`
)

func atGate(ctx context.Context, s session, statement string) error {
	if s.dialect != postgres {
		return nil
	}
	_, err := s.exec(ctx, statement, nil)
	return err
}

// writeThroughGate is [DB.write] for transactions that write table relationships.
func (db *DB) writeThroughGate(ctx context.Context, doing string, fn func(session) error) error {
	return db.write(ctx, doing, func(s session) error {
		if err := atGate(ctx, s, enterGate); err != nil {
			return err
		}
		return fn(s)
	})
}

// writeGateShut is [DB.write] for transactions that place or release holds. While one waits for those inside, nobody else gets in.
func (db *DB) writeGateShut(ctx context.Context, doing string, fn func(session) error) error {
	return db.write(ctx, doing, func(s session) error {
		if err := atGate(ctx, s, shutGate); err != nil {
			return err
		}
		return fn(s)
	})
}
