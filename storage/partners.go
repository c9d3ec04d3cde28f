package storage

import (
	"context"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type partnerRow struct {
	TenantID string             `json:"tenant_id"`
	Standing lifecycle.Standing `json:"standing"`
	Note     string             `json:"note"`
}

const selectPartners = `SELECT tenant_id, standing, note FROM partners `

// SetPartnership writes what an operator says of a partner, in place of what was said before.
func (db *DB) SetPartnership(ctx context.Context, p lifecycle.Partnership, by string, now time.Time) error {
	return db.write(ctx, "write the standing of partner "+p.TenantID, func(s session) error {
		_, err := s.exec(ctx, `INSERT INTO partners (tenant_id, standing, note, changed_by, changed_at)
			VALUES (:tenant, :standing, :note, :by, :now)
			ON CONFLICT (tenant_id) DO UPDATE SET standing = excluded.standing, note = excluded.note,
				changed_by = excluded.changed_by, changed_at = excluded.changed_at`,
			args{"tenant": clean(strings.ToLower(p.TenantID)), "standing": p.Standing, "note": clean(p.Note), "by": clean(by), "now": at(now)})
		return err
	})
}

// Partnership is what is kept of a partner. One that nothing has been said of is authorized.
func (db *DB) Partnership(ctx context.Context, tenant string) (p lifecycle.Partnership, err error) {
	err = db.read(ctx, "read the standing of partner "+tenant, func(s session) error {
		p, err = partnershipOf(ctx, s, clean(strings.ToLower(tenant)))
		return err
	})
	return p, err
}

// Partnerships lists the partners that something has been said of, by tenant id.
func (db *DB) Partnerships(ctx context.Context) (partners []lifecycle.Partnership, err error) {
	err = db.read(ctx, "list partners", func(s session) error {
		partners = nil
		return each(ctx, s, selectPartners+`ORDER BY tenant_id {{plain}}`, nil, func(row *partnerRow) error {
			partners = append(partners, lifecycle.Partnership(*row))
			return nil
		})
	})
	return partners, err
}

// standingOf is what a partner may do. tenant is in lower case.
func standingOf(ctx context.Context, s session, tenant string) (lifecycle.Standing, error) {
	p, err := partnershipOf(ctx, s, tenant)
	return p.Standing, err
}

func partnershipOf(ctx context.Context, s session, tenant string) (lifecycle.Partnership, error) {
	row := partnerRow{TenantID: tenant, Standing: lifecycle.Authorized}
	err := s.get(ctx, &row, selectPartners+`WHERE tenant_id = :tenant`, args{"tenant": tenant})
	return lifecycle.Partnership(row), unlessNone(err)
}
