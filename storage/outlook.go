package storage

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
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
	Readers int       // connections that read at once, where the database is PostgreSQL; 0: one
}

// An Outlook is the database as it was at one moment, for looking ahead: relationships page by page in the order of their keys,
// and who would be told. It may be used from several goroutines.
type Outlook struct {
	db     *DB
	query  OutlookQuery
	text   string
	paused []lifecycle.RuleName
	idle   chan *outlookReader // who reads, and does not at the moment

	mu    sync.Mutex // of pages
	after int64
	over  bool
	ahead *readAhead // nil: each page is read when it is asked for

	counting sync.Mutex
	asked    int                 // audiences, of which people were counted one by one
	people   lifecycle.Headcount // of everybody; nil: not counted, or too many
}

// Outlook begins to look ahead. It has to be closed.
func (db *DB) Outlook(ctx context.Context, q OutlookQuery) (*Outlook, error) {
	snapshot, err := db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if q.Readers < 1 || db.dialect != postgres {
		q.Readers = 1
	}
	o := &Outlook{db: db, query: q, text: outlookText(&q, db.dialect), idle: make(chan *outlookReader, q.Readers)}
	if o.paused, err = pausedNow(ctx, snapshot.session); err != nil {
		return nil, said("look ahead", errors.Join(err, snapshot.Close()))
	}
	o.idle <- &outlookReader{Snapshot: snapshot}
	return o, nil
}

// Close ends it.
func (o *Outlook) Close() (err error) {
	if o.ahead != nil {
		o.ahead.end()
	}
	for range len(o.idle) {
		r := <-o.idle
		err = errors.Join(err, r.Close()) // what was prepared on its connection goes with the transaction's end
	}
	return err
}

// most is how many relationships are read at a time: enough to keep several processors busy, and no more of those that are looked
// at closely, about which much is kept.
func (q *OutlookQuery) most() int {
	if q.Timers {
		return 4000
	}
	return 1000
}

// allColumns are all of a record, in the order in which [readRecord] takes them.
const allColumns = `t.key, t.partner_id, t.status, t.auto_extend, t.customer_id, t.locked_at, t.end_at, t.warn_after, t.name_released_at, t.version,
	t.assigned, t.stayed, t.id, t.display_name, t.customer_name, t.duration, t.created_at, t.modified_at, t.activated_at, t.approved_at, t.roles`

// outlookText reads a page. It goes by key, whatever is due: where much is due that is the order in which the table lies, and where
// little is, PostgreSQL takes the index of what is due by itself. Both tables are told where the page begins and where it ends at the
// latest: PostgreSQL does not conclude it, and would read the clocks of all pages before.
func outlookText(q *OutlookQuery, d *dialect) string {
	columns, page := onClock(allColumns), packed
	switch {
	case q.Timers && d == postgres:
		columns, page = joinedTimers, joined
	case q.Timers:
		columns = timerColumns
	}
	text := `SELECT ` + columns + ` FROM agreements AS t JOIN clocks AS k ON k.key = t.key
		WHERE t.key > :after AND t.key <= :up_to AND k.key > :after AND k.key <= :up_to`
	if q.Partner != "" {
		text += ` AND t.partner_id = :partner`
	}
	if !q.DueBy.IsZero() {
		text += ` AND k.next_at <= :due_by`
	}
	text += ` ORDER BY t.key LIMIT :most`
	if d == postgres {
		return page(text)
	}
	return text
}

func (o *Outlook) args(after, upTo int64) args {
	return args{"after": after, "up_to": upTo, "partner": clean(strings.ToLower(o.query.Partner)), "due_by": at(o.query.DueBy), "most": o.query.most()}
}

// Next reads a page. What it answers with makes the next records of it, as many as are wanted, in the memory of into where that is
// enough, and may be called in another goroutine; those that cannot be read are failures. Once it has made all it answers with neither.
// more is false, and there is no page, when all have been read.
func (o *Outlook) Next(ctx context.Context) (decode func(into []lifecycle.Stored, most int) ([]lifecycle.Stored, []lifecycle.Failure), more bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return nil, false, nil
	}
	page, err := o.next(ctx)
	if err != nil {
		return nil, false, said("read relationships", err)
	}
	if page.n == 0 {
		o.over = true
		return nil, false, nil
	}
	return newRecordReader(page.read, page.n, o.paused).next, true, nil
}

// next is the next page; one without rows where there is none.
func (o *Outlook) next(ctx context.Context) (page outlookPage, err error) {
	if o.ahead != nil {
		return o.ahead.next(ctx)
	}
	if page, err = o.read(ctx, o.after, math.MaxInt64); err != nil {
		return page, err
	}
	o.after, o.over = page.last, page.n < o.query.most()
	if !o.over && o.query.Readers > 1 {
		err = o.readAhead(ctx)
	}
	return page, err
}

// read reads a page of the relationships behind one key, as far as another.
func (o *Outlook) read(ctx context.Context, after, upTo int64) (page outlookPage, err error) {
	err = o.with(ctx, func(r *outlookReader) error {
		page, err = r.page(ctx, o, after, upTo)
		return err
	})
	return page, err
}

// An outlookPage is one as it was read.
type outlookPage struct {
	n    int   // rows
	last int64 // key
	read readRow
}

// A readRow makes a record of the next row, and says whether it is on hold. Where it cannot be read it makes what it can of it.
type readRow = func(*lifecycle.Stored) (stays bool, err error)

// A recordReader makes records of rows, in the order in which they came.
type recordReader struct {
	read            readRow
	left            int
	paused, stopped []lifecycle.RuleName
}

func newRecordReader(read readRow, n int, paused []lifecycle.RuleName) *recordReader {
	return &recordReader{read, n, paused, lifecycle.RuleNames()}
}

// next makes records of the next rows, at most so many, in the memory of into where that is enough.
func (r *recordReader) next(into []lifecycle.Stored, most int) (records []lifecycle.Stored, failures []lifecycle.Failure) {
	most = min(most, r.left)
	r.left -= most
	records = slices.Grow(into[:0], most)
	for range most {
		records = append(records, lifecycle.Stored{})
		stored := &records[len(records)-1]
		stays, err := r.read(stored)
		if err != nil {
			failures = append(failures, lifecycle.Failure{RelationshipID: strings.Clone(stored.ID), Key: stored.Key, Reason: err.Error()})
			records = records[:len(records)-1]
			continue
		}
		if stored.Stayed = r.paused; stays {
			stored.Stayed = r.stopped
		}
	}
	return records, failures
}

// An alike is what many records of a page have in common: it is understood once, and shared. Nobody changes a record's roles in place.
type alike struct {
	roles     map[string][]string
	durations map[string]lifecycle.Period
}

func (known *alike) rolesOf(text string) (roles []string, err error) {
	roles, ok := known.roles[text]
	if ok {
		return roles, nil
	}
	if err := json.Unmarshal([]byte(text), &roles); err != nil {
		return nil, err
	}
	if len(roles) == 0 {
		roles = nil
	}
	known.roles[text] = roles
	return roles, nil
}

func (known *alike) durationOf(text string) (p lifecycle.Period, err error) {
	p, ok := known.durations[text]
	if !ok {
		if err = p.UnmarshalText([]byte(text)); err == nil {
			known.durations[text] = p
		}
	}
	return p, err
}

// readWhole makes records of rows with allColumns.
func readWhole(rows outlookRows) readRow {
	known := alike{map[string][]string{}, map[string]lifecycle.Period{}}
	return func(stored *lifecycle.Stored) (bool, error) { return known.readRecord(rows, stored) }
}

// readRecord makes a record of the next row, and says whether it is on hold.
func (known *alike) readRecord(row outlookRows, stored *lifecycle.Stored) (stays bool, err error) {
	row.next()
	r := &stored.Record
	stored.Key = row.number("key")
	r.Partner, r.Status = row.text("partner_id"), lifecycle.Status(row.text("status"))
	r.AutoExtend = row.truth("auto_extend")
	r.Customer.TenantID = row.text("customer_id")
	r.Locked, r.End = row.instant("locked_at"), row.instant("end_at")
	r.WarnAfter, r.NameReleased = row.instant("warn_after"), row.instant("name_released_at")
	r.Version, r.Assigned = row.number("version"), int(row.number("assigned"))
	stays = row.truth("stayed")
	r.ID, r.DisplayName, r.Customer.DisplayName = row.text("id"), row.text("display_name"), row.text("customer_name")
	r.Duration, err = known.durationOf(row.text("duration"))
	row.fault("duration", err)
	r.Created, r.Modified = row.instant("created_at"), row.instant("modified_at")
	r.Activated, r.Approved = row.instant("activated_at"), row.instant("approved_at")
	r.Roles, err = known.rolesOf(row.text("roles"))
	row.fault("roles", err)
	return stays, row.spoilt()
}

// Whoever asks for many audiences will ask for more: to count everybody in one go takes a tenth of the time for each. Unless there are so
// many that memory might not hold them.
const (
	manyAudiences = 3_000
	mostAudiences = 100_000
)

// People counts who holds a role in a tenant, for each audience that there is somebody in. all says that the answer has every such
// audience, asked for or not; it is shared then, and must not be changed.
func (o *Outlook) People(ctx context.Context, audiences []lifecycle.Audience) (people lifecycle.Headcount, all bool, err error) {
	o.counting.Lock()
	defer o.counting.Unlock()
	before := o.asked
	err = o.with(ctx, func(r *outlookReader) error {
		if o.asked += len(audiences); before < manyAudiences && o.asked >= manyAudiences {
			if o.people, err = countEverybody(ctx, r.session, mostAudiences); err != nil {
				return err
			}
		}
		if o.people == nil {
			people, err = countAudiences(ctx, r.session, audiences)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, false, said("count recipients", err)
	case o.people != nil:
		return o.people, true, nil
	}
	return people, false, nil
}

// Mails lists the mail addresses of those who hold a role in a tenant.
func (o *Outlook) Mails(ctx context.Context, a lifecycle.Audience) (mails []string, err error) {
	err = o.with(ctx, func(r *outlookReader) error {
		people, err := peopleOf(ctx, r.session, a)
		for i := range people {
			mails = append(mails, people[i].Mail)
		}
		return err
	})
	return mails, said("list recipients", err)
}

// Policies lists the policies that the stored timers went by, the oldest first.
func (o *Outlook) Policies(ctx context.Context) (policies []lifecycle.PolicyInForce, err error) {
	err = o.with(ctx, func(r *outlookReader) error {
		policies, err = r.Policies(ctx)
		return err
	})
	return policies, err
}

// Named reads the relationships with these ids, in the order of their keys; those that are not there are missing.
func (o *Outlook) Named(ctx context.Context, ids []string) (found []lifecycle.Stored, err error) {
	err = o.with(ctx, func(r *outlookReader) error {
		found, err = storedNamed(ctx, r.session, ids)
		return err
	})
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
	err = each(ctx, s, selectRelationships+`WHERE t.id {{in ids}} ORDER BY t.key`, args{"ids": wanted}, func(row *relationshipRow) error {
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
