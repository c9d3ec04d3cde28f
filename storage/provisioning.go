package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An orderedRow is an order as it comes into the table.
type orderedRow struct {
	Key     int64  `json:"relationship_key"`
	Version int64  `json:"version"`
	Since   dbTime `json:"since"`
}

// orderProvisioning writes orders for records that have come to where another system has to bring them on, and drops those of
// records that are on their way no more. What an import says is on its way is ordered by nobody. Where nothing is on its way it
// asks the database nothing.
func orderProvisioning(ctx context.Context, s session, decided []lifecycle.Decided) error {
	var over []keyRow
	var begun []orderedRow
	for i := range decided {
		d := &decided[i]
		if len(d.Changes) == 0 {
			continue
		}
		was, is := d.Changes[0].From.Provision(), d.Record.Status.Provision()
		if was == is {
			continue
		}
		if was != "" {
			over = append(over, keyRow{d.Key})
		}
		if c := callFor(d); c != nil && is != "" {
			begun = append(begun, orderedRow{d.Key, c.Version, at(d.Recorded)})
		}
	}
	if len(over) > 0 {
		if _, err := s.exec(ctx, `DELETE FROM provisioning WHERE relationship_key IN (SELECT r.key FROM {{rows key BIGINT}})`,
			args{"rows": page[keyRow](over)}); err != nil {
			return err
		}
	}
	if len(begun) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO provisioning (relationship_key, version, since, ready_at)
		SELECT r.relationship_key, r.version, r.since, CAST(:at_once AS {{instant}}) FROM {{rows relationship_key BIGINT, version BIGINT, since INSTANT}}
		WHERE TRUE ON CONFLICT (relationship_key) DO NOTHING`, args{"rows": page[orderedRow](begun), "at_once": dawn})
	return err
}

// callFor is the last change with which something has come to be asked of another system; nil where an import says so.
func callFor(d *lifecycle.Decided) (last *lifecycle.Change) {
	for i := range d.Changes {
		if c := &d.Changes[i]; c.To.Provision() != c.From.Provision() {
			last = c
		}
	}
	if last == nil || last.Actor == lifecycle.Import {
		return nil
	}
	return last
}

// A provisioningRow is an order with its relationship as it is now. Of one that came in on its way there may be no order yet.
type provisioningRow struct {
	Version   int64           `json:"version"`
	Since     dbTime          `json:"since"`
	Accepted  bool            `json:"accepted"`
	Attempts  int             `json:"attempts"`
	ReadyAt   dbTime          `json:"ready_at"`
	LastError string          `json:"last_error"`
	Claim     int             `json:"claim"`
	Of        relationshipRow `json:"of"`
}

func (row *provisioningRow) order() (lifecycle.ProvisioningOrder, error) {
	stored, err := row.Of.stored()
	return lifecycle.ProvisioningOrder{Relationship: stored.Record, Key: row.Of.Key, Version: row.Version, Since: row.Since.Time,
		Accepted: row.Accepted, Attempts: row.Attempts, ReadyAt: row.ReadyAt.unlessDawn(), LastError: row.LastError, Claim: row.Claim}, err
}

// onItsWay is [lifecycle.Status.Passing], in the words of index clocks_passing.
const onItsWay = ` t.status IN ('approved', 'activating', 'expiring', 'terminationRequested', 'terminating') `

// calledForAt is since when an order waits; of one that came in on its way, since when it was last changed.
const calledForAt = ` COALESCE(p.since, t.modified_at, CAST(:dawn AS {{instant}})) `

var selectProvisioning = `SELECT COALESCE(p.version, t.version) AS version, ` + calledForAt + ` AS since, COALESCE(p.accepted, FALSE) AS accepted,
		COALESCE(p.attempts, 0) AS attempts, p.ready_at, COALESCE(p.last_error, '') AS last_error, COALESCE(p.claim, 0) AS claim, ` +
	ofRelationship("t", "of") + `, t.stayed AS "of.stayed", ` + paused + ` AS "of.paused" FROM relationships AS t LEFT JOIN provisioning AS p ON p.relationship_key = t.key `

// listProvisioning reads orders, with the assignments that are live or to be taken away. One whose relationship cannot be read
// is left to unreadable.
func listProvisioning(ctx context.Context, s session, query string, a args, unreadable func(*lifecycle.ProvisioningOrder, error) error) ([]lifecycle.ProvisioningOrder, error) {
	a["dawn"] = dawn
	var orders []lifecycle.ProvisioningOrder
	var keys []keyRow
	err := each(ctx, s, query, a, func(row *provisioningRow) error {
		order, err := row.order()
		if err != nil {
			return unreadable(&order, err)
		}
		orders, keys = append(orders, order), append(keys, keyRow{order.Key})
		return nil
	})
	if err != nil || len(orders) == 0 {
		return nil, err
	}
	assigned, err := assignmentsOf(ctx, s, keys)
	for i := range orders {
		orders[i].Assignments = slices.DeleteFunc(assigned[orders[i].Key], func(a lifecycle.Assignment) bool {
			return !a.Status.Live() && a.Status != lifecycle.AssignmentDeleting
		})
	}
	return orders, err
}

// ClaimProvisioning takes orders up until the lease ends, those that have waited longest first, and counts the attempt. No
// order is in two hands while a lease lasts. While everything is on hold there are none.
func (db *DB) ClaimProvisioning(ctx context.Context, wall, leaseUntil time.Time, most int) (orders []lifecycle.ProvisioningOrder, err error) {
	err = db.writeToLatest(ctx, "claim what is to be provisioned", func(s session) error {
		orders = nil
		var claimed []keyRow
		err := s.list(ctx, &claimed, `WITH mine AS MATERIALIZED (
				SELECT relationship_key FROM provisioning WHERE (ready_at <= :wall OR ready_at > :far) AND`+goesOn+`
				ORDER BY ready_at, relationship_key LIMIT :most {{lock skip}})
			UPDATE provisioning SET claim = claim + 1, attempts = attempts + 1, ready_at = :lease FROM mine
			WHERE provisioning.relationship_key = mine.relationship_key RETURNING provisioning.relationship_key AS key`,
			args{"wall": at(wall), "far": at(wall.Add(farAhead)), "lease": at(leaseUntil), "most": most})
		if err != nil || len(claimed) == 0 {
			return err
		}
		var spoilt []faultRow
		orders, err = listProvisioning(ctx, s, selectProvisioning+`JOIN {{rows key BIGINT}} ON r.key = t.key ORDER BY t.key`,
			args{"rows": page[keyRow](claimed)}, func(order *lifecycle.ProvisioningOrder, err error) error {
				spoilt = append(spoilt, faultRow{order.Key, clean(err.Error())})
				return nil
			})
		if err != nil || len(spoilt) == 0 {
			return err
		}
		_, err = s.exec(ctx, `UPDATE provisioning SET last_error = r.fault FROM {{rows key BIGINT, fault TEXT}} WHERE relationship_key = r.key`,
			args{"rows": page[faultRow](spoilt)})
		return err
	})
	return orders, err
}

// A faultRow says what is wrong with the record of an order, which is looked at again when the lease has ended.
type faultRow struct {
	Key   int64  `json:"key"`
	Fault string `json:"fault"`
}

// SettleProvisioning writes what became of asking, and ends the claim. It changes nothing, and says so, where somebody else has
// taken the order up since, or it is done.
func (db *DB) SettleProvisioning(ctx context.Context, a lifecycle.ProvisioningAnswer) (settled bool, err error) {
	err = db.write(ctx, "write what became of a provisioning order", func(s session) error {
		n, err := s.exec(ctx, `UPDATE provisioning SET accepted = :accepted, last_error = :last_error, ready_at = :ready_at, claim = claim + 1
			WHERE relationship_key = :key AND version = :version AND claim = :claim`,
			args{"accepted": a.Accepted, "last_error": clean(a.LastError), "ready_at": orDawn(a.ReadyAt), "key": a.Key, "version": a.Version, "claim": a.Claim})
		settled = n > 0
		return err
	})
	return settled, err
}

// ProvisioningOrders lists what waits for another system, by key: the records that came in on their way too, of which nobody
// is asked until somebody says so ([DB.RetryProvisioning]).
func (db *DB) ProvisioningOrders(ctx context.Context, q lifecycle.ProvisioningQuery) (orders []lifecycle.ProvisioningOrder, err error) {
	w := where{conditions: []string{onItsWay}, args: args{}}
	w.and(q.Relationship != "", "t.id = :id", "id", clean(q.Relationship))
	w.and(!q.Before.IsZero(), calledForAt+"< :before", "before", at(q.Before))
	w.and(q.After != 0, "t.key > :after", "after", q.After)
	text, a := w.order("t.key", q.Limit)
	err = db.read(ctx, "list what is to be provisioned", func(s session) error {
		orders, err = listProvisioning(ctx, s, selectProvisioning+text, a, func(_ *lifecycle.ProvisioningOrder, err error) error { return err })
		return err
	})
	return orders, err
}

// RetryProvisioning has another system asked at once, whatever the order waits for. [lifecycle.ErrNotFound] where there is no
// such relationship, [lifecycle.ErrWrongStatus] where it is not on its way.
func (db *DB) RetryProvisioning(ctx context.Context, id string, wall, now time.Time) error {
	return db.write(ctx, "retry the provisioning of relationship "+id, func(s session) error {
		row, err := lockedRowOfID(ctx, s, id)
		if err != nil {
			return err
		}
		if !row.Status.Passing() {
			return fmt.Errorf("%w: it is %s, and waits for no other system", lifecycle.ErrWrongStatus, row.Status)
		}
		since := row.ModifiedAt.dbTime
		if since.IsZero() {
			since = at(now)
		}
		_, err = s.exec(ctx, `INSERT INTO provisioning (relationship_key, version, since, ready_at) VALUES (:key, :version, :since, :wall)
			ON CONFLICT (relationship_key) DO UPDATE SET ready_at = excluded.ready_at, claim = provisioning.claim + 1`,
			args{"key": row.Key, "version": row.Version, "since": since, "wall": at(wall)})
		return err
	})
}

// CountProvisioning counts what waits for another system, and what of it was called for before an instant.
func (db *DB) CountProvisioning(ctx context.Context, stuckBefore time.Time) (waiting, stuck int64, err error) {
	var row struct {
		Waiting int64 `json:"waiting"`
		Stuck   int64 `json:"stuck"`
	}
	err = db.read(ctx, "count what is to be provisioned", func(s session) error {
		return s.get(ctx, &row, `SELECT count(*) AS waiting, COALESCE(sum(CASE WHEN `+calledForAt+`< :before THEN 1 ELSE 0 END), 0) AS stuck
			FROM relationships AS t LEFT JOIN provisioning AS p ON p.relationship_key = t.key WHERE`+onItsWay, args{"before": at(stuckBefore), "dawn": dawn})
	})
	return row.Waiting, row.Stuck, err
}
