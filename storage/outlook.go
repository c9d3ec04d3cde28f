package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An OutlookQuery says which relationships are looked at, and how closely. The zero query wants all of all of them.
type OutlookQuery struct {
	Partner string    // tenant id; empty: every partner's
	DueBy   time.Time // only those whose stored timer is due by then, on hold or not; the zero time: all
	Timers  bool      // only what timers go by: ids, names and the like stay empty, which is read several times as fast
}

// An Outlook is the database as it was at one moment, for looking ahead: relationships page by page in the order of their keys,
// and who would be told. It may be used from several goroutines, of which one at a time gets its answer.
type Outlook struct {
	mu       sync.Mutex
	snapshot *Snapshot
	query    OutlookQuery
	text     string
	after    int64
	over     bool
	paused   []lifecycle.RuleName
}

// Outlook begins to look ahead. It has to be closed.
func (db *DB) Outlook(ctx context.Context, q OutlookQuery) (*Outlook, error) {
	snapshot, err := db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	o := &Outlook{snapshot: snapshot, query: q, text: outlookText(&q)}
	if o.paused, err = pausedNow(ctx, snapshot.session); err != nil {
		return nil, said("look ahead", errors.Join(err, snapshot.Close()))
	}
	return o, nil
}

// Close ends it.
func (o *Outlook) Close() error { return o.snapshot.Close() }

// relationshipsInPage is how many relationships are read at a time: enough to keep several processors busy.
const relationshipsInPage = 1000

// timerColumns are what timers go by, and what they change.
const timerColumns = `t.key, t.partner_id, t.status, t.auto_extend, t.customer_id, t.roles, t.locked_at, t.end_at, t.warn_after, t.name_released_at,
	t.version, t.assigned, t.stayed`

const restColumns = `, t.id, t.display_name, t.customer_name, t.duration, t.created_at, t.modified_at, t.activated_at, t.approved_at`

func outlookText(q *OutlookQuery) string {
	columns := timerColumns
	if !q.Timers {
		columns += restColumns
	}
	text := `SELECT ` + columns + ` FROM relationships AS t WHERE t.key > :after`
	if q.Partner != "" {
		text += ` AND t.partner_id = :partner`
	}
	if !q.DueBy.IsZero() {
		text += ` AND t.next_at <= :due_by`
	}
	return text + ` ORDER BY t.key LIMIT :most`
}

// An outlookRow is a relationship as it comes from the driver. To make a record of it is work that others than the one who reads
// can do.
type outlookRow struct {
	key, version, assigned              int64
	partner, status, customer, roles    string
	autoExtend, stayed                  bool
	locked, end, warnAfter, released    any
	id, name, customerName, duration    string
	created, modified, active, approved any
}

// Next reads a page. What it answers with makes the records, and may be called in another goroutine; those that cannot be read
// are failures. more is false, and there is no page, when all have been read.
func (o *Outlook) Next(ctx context.Context) (decode func() ([]lifecycle.Stored, []lifecycle.Failure), more bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return nil, false, nil
	}
	rows, err := o.page(ctx)
	if err != nil {
		return nil, false, said("read relationships", err)
	}
	if o.over = len(rows) < relationshipsInPage; len(rows) == 0 {
		return nil, false, nil
	}
	o.after = rows[len(rows)-1].key
	return func() ([]lifecycle.Stored, []lifecycle.Failure) { return o.decode(rows) }, true, nil
}

func (o *Outlook) page(ctx context.Context) ([]outlookRow, error) {
	text, values, err := o.snapshot.bound(o.text, args{"after": o.after, "partner": clean(strings.ToLower(o.query.Partner)),
		"due_by": at(o.query.DueBy), "most": relationshipsInPage})
	if err != nil {
		return nil, err
	}
	found, err := o.snapshot.q.QueryContext(ctx, text, values...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var row outlookRow
	into := []any{&row.key, &row.partner, &row.status, &row.autoExtend, &row.customer, &row.roles, &row.locked, &row.end, &row.warnAfter,
		&row.released, &row.version, &row.assigned, &row.stayed}
	if !o.query.Timers {
		into = append(into, &row.id, &row.name, &row.customerName, &row.duration, &row.created, &row.modified, &row.active, &row.approved)
	}
	rows := make([]outlookRow, 0, relationshipsInPage)
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, found.Err()
}

func (o *Outlook) decode(rows []outlookRow) ([]lifecycle.Stored, []lifecycle.Failure) {
	records := make([]lifecycle.Stored, 0, len(rows))
	var failures []lifecycle.Failure
	for i := range rows {
		stored, err := rows[i].record(o.query.Timers)
		if err != nil {
			failures = append(failures, lifecycle.Failure{RelationshipID: rows[i].id, Key: stored.Key, Reason: err.Error()})
			continue
		}
		if stored.Stayed = o.paused; rows[i].stayed {
			stored.Stayed = lifecycle.RuleNames()
		}
		records = append(records, stored)
	}
	return records, failures
}

// record is the row as a record. Of one that was read for its timers alone, the roles are those that timers look at.
func (row *outlookRow) record(timers bool) (lifecycle.Stored, error) {
	r := lifecycle.Record{
		ID: row.id, Partner: row.partner, DisplayName: row.name, AutoExtend: row.autoExtend, Status: lifecycle.Status(row.status),
		Customer: lifecycle.Tenant{TenantID: row.customer, DisplayName: row.customerName}, Version: row.version, Assigned: int(row.assigned),
	}
	var faults []error
	instant := func(column string, value any, into *time.Time) {
		var t dbTime
		if text, ok := value.([]byte); ok {
			value = string(text)
		}
		if err := t.Scan(value); err != nil {
			faults = append(faults, fmt.Errorf("column %s cannot be read: %w", column, err))
		}
		*into = t.Time
	}
	instant("locked_at", row.locked, &r.Locked)
	instant("end_at", row.end, &r.End)
	instant("warn_after", row.warnAfter, &r.WarnAfter)
	instant("name_released_at", row.released, &r.NameReleased)
	if timers {
		if strings.Contains(row.roles, lifecycle.GlobalAdministrator) {
			r.Roles = globalAdministrator
		}
		return lifecycle.Stored{Key: row.key, Record: r}, errors.Join(faults...)
	}
	instant("created_at", row.created, &r.Created)
	instant("modified_at", row.modified, &r.Modified)
	instant("activated_at", row.active, &r.Activated)
	instant("approved_at", row.approved, &r.Approved)
	if err := r.Duration.UnmarshalText([]byte(row.duration)); err != nil {
		faults = append(faults, fmt.Errorf("column duration cannot be read: %w", err))
	}
	if err := json.Unmarshal([]byte(row.roles), &r.Roles); err != nil {
		faults = append(faults, fmt.Errorf("column roles cannot be read: %w", err))
	}
	if len(r.Roles) == 0 {
		r.Roles = nil
	}
	return lifecycle.Stored{Key: row.key, Record: r}, errors.Join(faults...)
}

var globalAdministrator = []string{lifecycle.GlobalAdministrator}

// People counts who holds a role in a tenant, for each audience that there is somebody in.
func (o *Outlook) People(ctx context.Context, audiences []lifecycle.Audience) (map[lifecycle.Audience]int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	people, err := countPeople(ctx, o.snapshot.session, audiences)
	return people, said("count recipients", err)
}

// Mails lists the mail addresses of those who hold a role in a tenant.
func (o *Outlook) Mails(ctx context.Context, a lifecycle.Audience) (mails []string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	people, err := peopleOf(ctx, o.snapshot.session, a)
	for i := range people {
		mails = append(mails, people[i].Mail)
	}
	return mails, said("list recipients", err)
}

// Policies lists the policies that the stored timers went by, the oldest first.
func (o *Outlook) Policies(ctx context.Context) ([]lifecycle.PolicyInForce, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.snapshot.Policies(ctx)
}

// Named reads the relationships with these ids, in the order of their keys; those that are not there are missing.
func (o *Outlook) Named(ctx context.Context, ids []string) (found []lifecycle.Stored, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found, err = storedNamed(ctx, o.snapshot.session, ids)
	return found, said("read relationships", err)
}

// RelationshipsNamed reads the relationships with these ids as they are now, in the order of their keys; those that are not there
// are missing.
func (db *DB) RelationshipsNamed(ctx context.Context, ids []string) (found []lifecycle.Stored, err error) {
	err = db.read(ctx, "read relationships", func(s session) error {
		found, err = storedNamed(ctx, s, ids)
		return err
	})
	return found, err
}

func storedNamed(ctx context.Context, s session, ids []string) (found []lifecycle.Stored, err error) {
	wanted := make(page[string], len(ids))
	for i, id := range ids {
		wanted[i] = clean(id)
	}
	err = each(ctx, s, selectRelationships+`WHERE t.id IN {{list ids}} ORDER BY t.key`, args{"ids": wanted}, func(row *relationshipRow) error {
		stored, err := row.stored()
		found = append(found, stored)
		return err
	})
	return found, err
}

// CreatedAt is when the database was made, by the clock of its deployment.
func (db *DB) CreatedAt(ctx context.Context) (made time.Time, err error) {
	err = db.read(ctx, "read when the database was made", func(s session) error {
		value, err := meta(ctx, s, "createdAt")
		if err != nil {
			return err
		}
		var t dbTime
		err = t.Scan(value)
		made = t.Time
		return err
	})
	return made, err
}
