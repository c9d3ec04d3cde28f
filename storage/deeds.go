package storage

import (
	"context"

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
}

func (row *deedRow) deed() lifecycle.Deed {
	return lifecycle.Deed{ID: row.ID, At: row.At.Time, What: row.What, Subject: row.Subject, Status: row.Status, Detail: row.Detail,
		By: lifecycle.Caller{Name: row.Caller, Tenant: row.Tenant, Role: row.Role, Address: row.Address, Request: row.RequestID}}
}

const selectDeeds = `SELECT d.id, d.at, d.caller, d.tenant, d.role, d.address, d.request_id, d.what, d.subject, d.status, d.detail FROM deeds AS d `

// RecordDeed writes down what somebody did or was refused; its id is made here. Texts that are too long are cut.
func (db *DB) RecordDeed(ctx context.Context, d lifecycle.Deed) error {
	return db.write(ctx, "write down what somebody did", func(s session) error {
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
	})
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
