package storage

import (
	"context"
	"database/sql"
	"errors"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Dossier reads everything that is kept about the relationship with this id, as it is at one moment; [lifecycle.ErrNotFound] where
// there is none and never was. Of a draft that was deleted there is what its tombstone says.
func (db *DB) Dossier(ctx context.Context, id string) (d lifecycle.Dossier, err error) {
	err = db.snap(ctx, func(snapshot *Snapshot) error {
		s := snapshot.session
		row, err := rowOfID(ctx, s, id)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			err = buried(ctx, s, id, &d)
		case err == nil:
			err = living(ctx, s, &row, &d)
		}
		if err != nil {
			return err
		}
		return related(ctx, s, &d)
	})
	return d, said("read all about relationship "+id, err)
}

// living reads what there is of a relationship beside its history.
func living(ctx context.Context, s session, row *relationshipRow, d *lifecycle.Dossier) error {
	stored, err := row.stored()
	if err != nil {
		return err
	}
	d.Key, d.Next = row.Key, row.next()
	if d.Case, err = caseOf(ctx, s, stored); err != nil {
		return err
	}
	if d.Holds, err = holdsOn(ctx, s, &d.Record); err != nil {
		return err
	}
	if d.Sweeps, err = heldSweeps(ctx, s); err != nil {
		return err
	}
	for _, audience := range []lifecycle.Audience{{TenantID: d.Partner, Role: lifecycle.AdminAgents}, {TenantID: d.Customer.TenantID, Role: lifecycle.GlobalAdministrators}} {
		people, err := peopleOf(ctx, s, audience)
		if err != nil {
			return err
		}
		for i := range people {
			d.Contacts = append(d.Contacts, people[i].contact())
		}
	}
	orders, err := listProvisioning(ctx, s, selectProvisioning+`WHERE `+onItsWay+` AND t.key = :key`, args{"key": d.Key},
		func(_ *lifecycle.ProvisioningOrder, err error) error { return err })
	if err == nil && len(orders) > 0 {
		d.Order = &orders[0]
	}
	return err
}

// buried reads what is left of the draft with this id that was deleted last.
func buried(ctx context.Context, s session, id string, d *lifecycle.Dossier) error {
	var row struct {
		Key         int64  `json:"key"`
		PartnerID   string `json:"partner_id"`
		DisplayName string `json:"display_name"`
		DeletedAt   dbTime `json:"deleted_at"`
	}
	err := s.get(ctx, &row, `SELECT key, partner_id, display_name, deleted_at FROM tombstones WHERE id = :id ORDER BY key DESC LIMIT 1`, args{"id": id})
	d.Key, d.Gone = row.Key, row.DeletedAt.Time
	d.ID, d.Partner, d.DisplayName = id, row.PartnerID, row.DisplayName
	return err
}

// related reads the history and the letters.
func related(ctx context.Context, s session, d *lifecycle.Dossier) error {
	if err := each(ctx, s, selectEvents+`WHERE e.relationship_key = :key ORDER BY e.recorded_at, e.version`, args{"key": d.Key},
		func(row *storedEventRow) error {
			d.Events = append(d.Events, row.event())
			return nil
		}); err != nil {
		return err
	}
	var digests []letterKey
	seen := map[lifecycle.NoticeID]bool{}
	letters, err := listLetters(ctx, s, selectBareLetters+`WHERE n.relationship_key = :key ORDER BY `+letterOrder, args{"key": d.Key})
	if err != nil {
		return err
	}
	d.Letters = letters
	for i := range letters {
		if in := letters[i].Digest; in != (lifecycle.NoticeID{}) && !seen[in] {
			seen[in] = true
			digests = append(digests, keyOf(in))
		}
	}
	if len(digests) > 0 {
		d.Digests, err = listLetters(ctx, s, selectBareLetters+`JOIN {{rows `+letterKeyColumns+`}} ON `+sameLetter+`ORDER BY `+letterOrder,
			args{"rows": page[letterKey](digests)})
	}
	return err
}
