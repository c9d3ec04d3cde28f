package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// testClock is the name under which a sandbox keeps what time it is. A live database has no such row.
const testClock = "testClock"

// TestClock is what time it is in a sandbox; [ErrLive] on a live database.
func (db *DB) TestClock(ctx context.Context) (now time.Time, err error) {
	err = db.read(ctx, "read the test clock", func(s session) error {
		now, err = readTestClock(ctx, s)
		return err
	})
	return now, err
}

func readTestClock(ctx context.Context, s session) (time.Time, error) {
	value, err := meta(ctx, s, testClock)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("%w; try it in a sandbox", ErrLive)
	}
	if err != nil {
		return time.Time{}, err
	}
	var now dbTime
	return now.Time, now.Scan(value)
}

// SetTestClock moves the test clock from one instant to a later one. [ErrLive] on a live database, [ErrClockBack] where to
// lies before from, [ErrClockMoved] where the clock does not stand at from any more.
func (db *DB) SetTestClock(ctx context.Context, from, to time.Time) error {
	return db.write(ctx, "move the test clock", func(s session) error {
		now, err := readTestClock(ctx, s)
		if err != nil {
			return err
		}
		if lifecycle.Instant(to).Before(lifecycle.Instant(from)) {
			return fmt.Errorf("%w: %s lies before %s", ErrClockBack, lifecycle.FormatInstant(to), lifecycle.FormatInstant(from))
		}
		n, err := s.exec(ctx, `UPDATE meta SET value = :to WHERE name = :name AND value = :from`,
			args{"name": testClock, "from": at(from).String(), "to": at(to).String()})
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: it shows %s, not %s", ErrClockMoved, lifecycle.FormatInstant(now), lifecycle.FormatInstant(from))
		}
		return err
	})
}
