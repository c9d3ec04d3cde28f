package storage

import (
	"context"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type deedRow struct {
	ID        int64          `json:"id"`
	At        dbTime         `json:"at"`
	Caller    string         `json:"caller"`
	Tenant    string         `json:"tenant"`
	Role      lifecycle.Role `json:"role"`
	Address   string         `json:"address"`
	RequestID string         `json:"request_id"`
	What      string         `json:"what"`
	Subject   string         `json:"subject"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Times     int64          `json:"times"`
}

func (row *deedRow) deed() lifecycle.Deed {
	return lifecycle.Deed{ID: row.ID, At: row.At.Time, What: row.What, Subject: row.Subject, Status: row.Status, Detail: row.Detail, Times: row.Times,
		By: lifecycle.Caller{Name: row.Caller, Tenant: row.Tenant, Role: row.Role, Address: row.Address, Request: row.RequestID}}
}

const selectDeeds = `SELECT d.id, d.at, d.caller, d.tenant, d.role, d.address, d.request_id, d.what, d.subject, d.status, d.detail, d.times FROM deeds AS d `

// RecordDeed writes down what somebody did or was refused; its id is made here. Texts that are too long are cut.
func (db *DB) RecordDeed(ctx context.Context, d lifecycle.Deed) error {
	return db.write(ctx, "write down what somebody did", func(s session) error { return insertDeed(ctx, s, &d) })
}

func insertDeed(ctx context.Context, s session, d *lifecycle.Deed) error {
	id, err := take(ctx, s, deedCounter, 1)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `INSERT INTO deeds (id, at, caller, tenant, role, address, request_id, what, subject, status, detail)
		VALUES (:id, :at, :caller, :tenant, :role, :address, :request, :what, :subject, :status, :detail)`,
		args{"id": id, "at": at(d.At), "caller": cut(d.By.Name, mostSubject), "tenant": d.By.Tenant, "role": d.By.Role, "address": d.By.Address,
			"request": d.By.Request, "what": cut(d.What, mostSubject), "subject": cut(d.Subject, mostSubject), "status": d.Status,
			"detail": cut(d.Detail, mostDetail)})
	return err
}

const (
	refusedFor  = time.Hour // that one deed tells of refused attempts to sign in from an address
	mostRefused = 100       // such deeds in that time; what comes from further addresses is told together, without an address
)

// RecordRefusedSignIn writes down that somebody tried to sign in whom nobody knows. Of an address there is one deed an hour, of the latest
// attempt, with how often it was tried; whoever has many addresses fills no table either.
func (db *DB) RecordRefusedSignIn(ctx context.Context, d lifecycle.Deed) error {
	return db.write(ctx, "write down a refused sign-in", func(s session) error {
		if _, err := holdCounter(ctx, s, deedCounter); err != nil { // one at a time, or two would write one each
			return err
		}
		type openRow struct {
			ID      int64  `json:"id"`
			Address string `json:"address"`
		}
		var open []openRow
		if err := s.list(ctx, &open, `SELECT id, address FROM deeds WHERE at > :since AND at <= :now AND status >= 400 AND what = :what AND caller = ''`,
			args{"since": at(d.At.Add(-refusedFor)), "now": at(d.At), "what": d.What}); err != nil {
			return err
		}
		from := func(address string) int {
			return slices.IndexFunc(open, func(o openRow) bool { return o.Address == address })
		}
		if from(d.By.Address) < 0 && len(open) >= mostRefused {
			d.By.Address = ""
		}
		i := from(d.By.Address)
		if i < 0 {
			return insertDeed(ctx, s, &d)
		}
		_, err := s.exec(ctx, `UPDATE deeds SET times = times + 1, request_id = :request, status = :status, detail = :detail WHERE id = :id`,
			args{"id": open[i].ID, "request": d.By.Request, "status": d.Status, "detail": cut(d.Detail, mostDetail)})
		return err
	})
}

// PruneDeeds forgets what people did before an instant, at most so many of the earliest, and says how many it were.
func (db *DB) PruneDeeds(ctx context.Context, before time.Time, most int) (pruned int64, err error) {
	err = db.write(ctx, "forget what people did long ago", func(s session) error {
		pruned, err = s.exec(ctx, `DELETE FROM deeds WHERE id IN (SELECT old.id FROM deeds AS old WHERE old.at < :before ORDER BY old.at, old.id LIMIT :most)`,
			args{"before": at(before), "most": most})
		return err
	})
	return pruned, err
}

// Deeds lists what people did and were refused, the latest first. Paging shows each once, whatever is written meanwhile.
func (db *DB) Deeds(ctx context.Context, q lifecycle.DeedQuery) (deeds []lifecycle.Deed, err error) {
	text, a := deedText(&q)
	err = db.read(ctx, "list what people did", func(s session) error {
		deeds = nil
		return each(ctx, s, text, a, func(row *deedRow) error {
			deeds = append(deeds, row.deed())
			return nil
		})
	})
	return deeds, err
}

func deedText(q *lifecycle.DeedQuery) (string, args) {
	w := where{args: args{}}
	w.and(q.Caller != "", "d.caller = :caller", "caller", clean(q.Caller))
	w.and(q.Request != "", "d.request_id = :request AND d.request_id <> ''", "request", clean(q.Request))
	w.and(!q.Since.IsZero(), "d.at >= :since", "since", at(q.Since))
	w.and(!q.Before.IsZero(), "d.at < :before", "before", at(q.Before))
	w.and(q.After != 0, "(d.at, d.id) < (SELECT last.at, last.id FROM deeds AS last WHERE last.id = :after)", "after", q.After)
	if q.Refused {
		w.conditions = append(w.conditions, "d.status >= 400")
	}
	text, a := w.order("d.at DESC, d.id DESC", q.Limit)
	return selectDeeds + text, a
}
