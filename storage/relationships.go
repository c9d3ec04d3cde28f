package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A relationshipRow is a row of table relationships, on its way in or out.
type relationshipRow struct {
	Key            int64              `json:"key"`
	ID             string             `json:"id"`
	PartnerID      string             `json:"partner_id"`
	DisplayName    string             `json:"display_name"`
	NameKey        string             `json:"name_key"`
	Duration       string             `json:"duration"`
	AutoExtend     bool               `json:"auto_extend"`
	Status         lifecycle.Status   `json:"status"`
	CustomerID     string             `json:"customer_id"`
	CustomerName   string             `json:"customer_name"`
	Roles          string             `json:"roles"`
	CreatedAt      triedTime          `json:"created_at"`
	ModifiedAt     triedTime          `json:"modified_at"`
	LockedAt       triedTime          `json:"locked_at"`
	ActivatedAt    triedTime          `json:"activated_at"`
	EndAt          triedTime          `json:"end_at"`
	WarnAfter      triedTime          `json:"warn_after"`
	NameReleasedAt triedTime          `json:"name_released_at"`
	Digest         string             `json:"digest"`
	Version        int64              `json:"version"`
	NextRule       lifecycle.RuleName `json:"next_rule"`
	NextAt         triedTime          `json:"next_at"`
	ApprovedAt     triedTime          `json:"approved_at"`
	Assigned       int                `json:"assigned"`

	// Neither is ever written from here: see stayedOf and the gate.
	Stayed bool   `json:"stayed,omitempty"` // a hold of the relationship or of one of its tenants is in force
	Paused string `json:"paused,omitempty"` // of the deployment as a whole: see pausedRules
}

// What people agreed on and what clocks move are two tables, which whoever reads finds in view relationships. These are their
// columns, as a page of rows declares them.
const (
	agreementColumns = `key BIGINT, id TEXT, partner_id TEXT, display_name TEXT, name_key TEXT, duration TEXT, auto_extend BOOLEAN,
		customer_id TEXT, customer_name TEXT, roles TEXT, created_at INSTANT, locked_at INSTANT, approved_at INSTANT, activated_at INSTANT,
		name_released_at INSTANT, digest TEXT`
	clockColumns = `version BIGINT, modified_at INSTANT, end_at INSTANT, warn_after INSTANT, next_at INSTANT, next_rule TEXT,
		assigned INTEGER, status TEXT`
	relationshipColumns = agreementColumns + ", " + clockColumns
)

// ofRelationship lists the names of all of them: with the table that they are read from, and with the field that they are read into,
// where one is given.
func ofRelationship(table, field string) string {
	return columnNames(relationshipColumns, table, field)
}

func columnNames(columns, table, field string) string {
	var names []string
	for column := range strings.SplitSeq(columns, ",") {
		name := strings.Fields(column)[0]
		switch {
		case field != "":
			name = table + "." + name + ` AS "` + field + "." + name + `"`
		case table != "":
			name = table + "." + name
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

var selectRelationships = "SELECT " + ofRelationship("t", "") + ", t.stayed, " + paused + " AS paused FROM relationships AS t "

// selectRecords leaves out what is no part of a record. A page of a list is read so often that this counts.
var selectRecords = strings.NewReplacer("t.name_key, ", "", "t.digest, ", "", "t.next_rule, ", "", "t.next_at, ", "").Replace(selectRelationships)

func rowOf(key int64, d *lifecycle.Decision) relationshipRow {
	r := &d.Record
	return relationshipRow{
		Key: key, ID: r.ID, PartnerID: r.Partner, DisplayName: r.DisplayName, NameKey: nameKey(r.DisplayName),
		Duration: r.Duration.String(), AutoExtend: r.AutoExtend, Status: r.Status,
		CustomerID: r.Customer.TenantID, CustomerName: r.Customer.DisplayName, Roles: jsonList(r.Roles),
		CreatedAt: tried(r.Created), ModifiedAt: tried(r.Modified), LockedAt: tried(r.Locked), ActivatedAt: tried(r.Activated),
		EndAt: tried(r.End), WarnAfter: tried(r.WarnAfter), NameReleasedAt: tried(r.NameReleased),
		Version: r.Version, NextRule: d.Next.Rule, NextAt: tried(d.Next.At), ApprovedAt: tried(r.Approved), Assigned: r.Assigned,
	}
}

// record reads the row. The error says which column holds what nobody here has written.
func (row *relationshipRow) record() (lifecycle.Stored, error) {
	r := lifecycle.Record{
		ID: row.ID, Partner: row.PartnerID, DisplayName: row.DisplayName, AutoExtend: row.AutoExtend, Status: row.Status,
		Customer: lifecycle.Tenant{TenantID: row.CustomerID, DisplayName: row.CustomerName}, Version: row.Version,
		Stayed: row.stays(),
	}
	var faults []error
	check := func(column string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("column %s cannot be read: %w", column, err))
		}
	}
	instant := func(column string, t triedTime) time.Time {
		check(column, t.fault)
		return t.Time
	}
	check("duration", r.Duration.UnmarshalText([]byte(row.Duration)))
	check("roles", json.Unmarshal([]byte(row.Roles), &r.Roles))
	r.Created, r.Modified = instant("created_at", row.CreatedAt), instant("modified_at", row.ModifiedAt)
	r.Locked, r.Activated = instant("locked_at", row.LockedAt), instant("activated_at", row.ActivatedAt)
	r.End, r.WarnAfter = instant("end_at", row.EndAt), instant("warn_after", row.WarnAfter)
	r.NameReleased = instant("name_released_at", row.NameReleasedAt)
	r.Approved, r.Assigned = instant("approved_at", row.ApprovedAt), row.Assigned
	check("next_at", row.NextAt.fault)
	if len(r.Roles) == 0 {
		r.Roles = nil
	}
	return lifecycle.Stored{Key: row.Key, Record: r}, errors.Join(faults...)
}

// stays lists the timers that must not take effect at present.
func (row *relationshipRow) stays() []lifecycle.RuleName {
	if row.Stayed {
		return lifecycle.RuleNames()
	}
	return pausedRules(row.Paused)
}

// next is the timer that is stored with the record.
func (row *relationshipRow) next() lifecycle.Timer {
	return lifecycle.Timer{Rule: row.NextRule, At: row.NextAt.Time}
}

func jsonList[T ~string](values []T) string {
	if len(values) == 0 {
		return "[]"
	}
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // strings can always be written
	}
	return string(text)
}

// stored reads a row that must be readable.
func (row *relationshipRow) stored() (lifecycle.Stored, error) {
	stored, err := row.record()
	if err != nil {
		return stored, fmt.Errorf("relationship %s: %w", row.ID, err)
	}
	return stored, nil
}

// Relationship reads the relationship with this id as it is stored; [lifecycle.ErrNotFound] where there is none.
func (db *DB) Relationship(ctx context.Context, id string) (stored lifecycle.Stored, err error) {
	err = db.read(ctx, "read relationship "+id, func(s session) error {
		row, err := rowOfID(ctx, s, id)
		if err != nil {
			return err
		}
		stored, err = row.stored()
		return err
	})
	return stored, err
}

func rowOfID(ctx context.Context, s session, id string) (row relationshipRow, err error) {
	if clean(id) != id {
		return row, lifecycle.ErrNotFound // no database could hold it
	}
	err = s.get(ctx, &row, selectRelationships+`WHERE t.id = :id`, args{"id": id})
	return row, err
}

// lockedRowOfID is rowOfID, and keeps the relationship from being changed until the transaction ends.
func lockedRowOfID(ctx context.Context, s session, id string) (relationshipRow, error) {
	if err := lockClocks(ctx, s, `= (SELECT key FROM agreements WHERE id = :id)`, args{"id": clean(id)}); err != nil {
		return relationshipRow{}, err
	}
	return rowOfID(ctx, s, id)
}

// lockClocks keeps the relationships that it finds, by their key, from being changed until the transaction ends. They are read
// afterwards, as they are by then. Everybody locks in the order of the keys.
func lockClocks(ctx context.Context, s session, byKey string, a args) error {
	_, err := s.exec(ctx, `SELECT key FROM clocks WHERE key `+byKey+` ORDER BY key {{lock}}`, a)
	return err
}

// mostAtOnce is for how many records room is made before any is read.
const mostAtOnce = 1000

// Relationships lists relationships as they are stored.
func (db *DB) Relationships(ctx context.Context, q lifecycle.RelationshipQuery) (found []lifecycle.Stored, err error) {
	const doing = "list relationships"
	where, a, err := sifted(&q)
	if err != nil {
		return nil, said(doing, err)
	}
	err = db.read(ctx, doing, func(s session) error {
		found = make([]lifecycle.Stored, 0, min(q.Limit, mostAtOnce))
		return each(ctx, s, s.dialect.fill(selectRecords+where), a, func(row *relationshipRow) error {
			stored, err := row.stored()
			found = append(found, stored)
			return err
		})
	})
	return found, err
}

// CountRelationships says how many relationships the filter wants.
func (db *DB) CountRelationships(ctx context.Context, f lifecycle.Filter) (n int64, err error) {
	err = db.read(ctx, "count relationships", func(s session) error {
		v := sieve{args: args{}}
		return s.get(ctx, &n, s.dialect.fill(`SELECT count(*) FROM relationships AS t WHERE `+v.condition(f)), v.args)
	})
	return n, err
}

// where collects the conditions of a query, each with its one parameter.
type where struct {
	conditions []string
	args       args
}

func (w *where) and(wanted bool, condition, parameter string, value any) {
	if wanted {
		w.conditions = append(w.conditions, condition)
		w.args[parameter] = value
	}
}

// order ends the query.
func (w *where) order(by string, limit int) (string, args) {
	text := ""
	if len(w.conditions) > 0 {
		text = "WHERE " + strings.Join(w.conditions, " AND ") + " "
	}
	text += "ORDER BY " + by
	if limit > 0 {
		text += " LIMIT :limit"
		w.args["limit"] = limit
	}
	return text, w.args
}

// selectDue is a range of the index of timers.
var selectDue = `SELECT ` + onClock(allColumns) + ` FROM (SELECT key, version, modified_at, end_at, warn_after, next_at, assigned, stayed, status FROM clocks
		WHERE (next_at, key) > {{after}} AND (next_at, key) <= (:upto_at, :upto_key)
		AND next_at <= :as_of AND stayed = FALSE AND next_rule {{in rules}} ORDER BY next_at, key LIMIT :most) AS k
	JOIN agreements AS t ON t.key = k.key ORDER BY k.next_at, k.key`

// onClock has the columns of a clock read from table k, those of view relationships being read from t.
func onClock(columns string) string {
	columns += ","
	for column := range strings.SplitSeq(clockColumns+", stayed BOOLEAN", ",") {
		name := strings.Fields(column)[0]
		columns = strings.ReplaceAll(columns, "t."+name+",", "k."+name+",")
	}
	return strings.TrimSuffix(columns, ",")
}

// mostInChunk bounds what is read of a chunk. Between its being cut and its being read an import may bring any number of
// records into its range; what is left over stays due, and the next sweep finds it.
const mostInChunk = 5000

// DueRecords reads the records of a chunk that are due by asOf under one of the rules, in the order in which they are. What
// cannot be read comes back as a Failure, with no instant: that is for whoever writes it down.
func (db *DB) DueRecords(ctx context.Context, c lifecycle.Chunk, rules []lifecycle.RuleName, asOf time.Time) (due []lifecycle.Stored, failures []lifecycle.Failure, err error) {
	err = db.read(ctx, "read the due records of chunk "+c.String(), func(s session) error {
		paused, err := pausedNow(ctx, s)
		if err != nil {
			return err
		}
		rows, n, err := readPage(ctx, s, selectDue, args{"after_at": orDawn(c.After.At), "after_key": c.After.Key, "upto_at": orDawn(c.UpTo.At),
			"upto_key": c.UpTo.Key, "as_of": at(asOf), "rules": page[lifecycle.RuleName](lifecycle.ScanFor(rules)), "most": mostInChunk}, mostInChunk)
		if err != nil {
			return err
		}
		due, failures = newRecordReader(readWhole(rows), n, paused).next(nil, n)
		for i := range failures {
			failures[i].Sweep = c.Sweep
		}
		return nil
	})
	return due, failures, err
}
