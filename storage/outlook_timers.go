package storage

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What timers go by is read in a form of its own, since a plan reads it of everybody. How many assignments there are, the version and
// the roles are left out: timers fall due without them.

// timerColumns are what timers go by, in the order in which [readTimers] takes them.
const timerColumns = `t.key, k.end_at, k.warn_after, ` + lockedOrReleased + ` AS locked_or_released, ` + extends + ` AS extends, k.stayed,
	t.partner_id, t.customer_id, k.status`

// lockedOrReleased is when the request was locked, which counts until there is an end, or when the name was released, which counts from then on.
const lockedOrReleased = `CASE WHEN k.end_at IS NULL THEN t.locked_at ELSE t.name_released_at END`

// extends is whether a term that ends is extended.
const extends = `t.auto_extend AND {{find}}(t.roles, '` + lifecycle.GlobalAdministrator + `') = 0`

// joinedTimers are the same in one run of bytes, which costs PostgreSQL half of what it takes to send a row of columns: numbers and
// instants as they go over the wire, "never" being the earliest of them, and then a line of text.
const joinedTimers = `t.key, int8send(t.key) || timestamptz_send(coalesce(k.end_at, '-infinity')) || timestamptz_send(coalesce(k.warn_after, '-infinity'))
	|| timestamptz_send(coalesce(` + lockedOrReleased + `, '-infinity'))
	|| textsend(CASE WHEN ` + extends + ` THEN 't' ELSE 'f' END || CASE WHEN k.stayed THEN 't' ELSE 'f' END
		|| t.partner_id || ' ' || t.customer_id || ' ' || k.status || chr(10)) AS timers`

// joined has PostgreSQL send a page of joinedTimers as one value.
func joined(query string) string {
	return `SELECT count(*), coalesce(max(t.key), 0), string_agg(t.timers, CAST('' AS bytea)) FROM (` + query + `) AS t`
}

// readTimers makes of the next row a record that has what timers go by, and says whether it is on hold. AutoExtend says whether it
// extends, which the roles may forbid.
func readTimers(row outlookRows, stored *lifecycle.Stored) (stays bool, err error) {
	row.next()
	r := &stored.Record
	stored.Key = row.number("key")
	r.End, r.WarnAfter = row.instant("end_at"), row.instant("warn_after")
	setLockedOrReleased(r, row.instant("locked_or_released"))
	r.AutoExtend, stays = row.truth("extends"), row.truth("stayed")
	r.Partner, r.Customer.TenantID, r.Status = row.text("partner_id"), row.text("customer_id"), lifecycle.Status(row.text("status"))
	return stays, row.spoilt()
}

func setLockedOrReleased(r *lifecycle.Record, at time.Time) {
	if r.End.IsZero() {
		r.Locked = at
	} else {
		r.NameReleased = at
	}
}

// joinedRows are a page of joinedTimers. What texts there are share its memory.
type joinedRows struct{ rest string }

// read is readTimers.
func (rows *joinedRows) read(stored *lifecycle.Stored) (stays bool, err error) {
	const flags = 4 * 8 // behind the numbers
	row, end := rows.rest, -1
	if len(row) > flags {
		end = strings.IndexByte(row[flags:], '\n')
	}
	if end < 2 {
		rows.rest = ""
		return false, errors.New("the row has no end")
	}
	partner, texts, _ := strings.Cut(row[flags+2:flags+end], " ")
	customer, status, whole := strings.Cut(texts, " ")
	rows.rest = row[flags+end+1:]
	r := &stored.Record
	stored.Key = int64(bigEndian(row[:8])) //nolint:gosec // as it was written
	if !whole || strings.Contains(status, " ") {
		return false, fmt.Errorf("%q are not a partner, a customer and a status", row[flags+2:flags+end])
	}
	var lockedOrReleased time.Time
	for i, into := range [...]*time.Time{&r.End, &r.WarnAfter, &lockedOrReleased} {
		since := int64(bigEndian(row[8+8*i : 16+8*i])) //nolint:gosec // the same
		if since == math.MaxInt64 {
			err = errInfinite
		} else if since != math.MinInt64 {
			*into = sincePostgresBegins(since)
		}
	}
	setLockedOrReleased(r, lockedOrReleased)
	r.AutoExtend, stays = row[flags] == 't', row[flags+1] == 't'
	r.Partner, r.Customer.TenantID, r.Status = partner, customer, lifecycle.Status(status)
	return stays, err
}
