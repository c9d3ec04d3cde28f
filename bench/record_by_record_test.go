package bench

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A clerk does what most people would write: one job, one record, one transaction. It has the same effect on the same tables as a
// sweep, decides with the same Evaluate, and talks to PostgreSQL through pgx, which keeps its statements prepared.
type clerk struct {
	pool   *pgxpool.Pool
	policy *lifecycle.Policy
}

func (h *house) clerk(db *database, connections int) *clerk {
	h.t.Helper()
	config, err := pgxpool.ParseConfig(db.URL)
	require.NoError(h.t, err)
	config.MaxConns, config.MinConns = int32(connections), int32(connections)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(h.t, err)
	h.t.Cleanup(pool.Close)
	return &clerk{pool, lifecycle.DefaultPolicy()}
}

// due lists what is due, as a scanner would.
func (c *clerk) due(ctx context.Context, now time.Time) ([]int64, error) {
	rows, err := c.pool.Query(ctx, `SELECT key FROM clocks WHERE next_at <= $1 AND stayed = FALSE ORDER BY next_at, key`, now)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// do does one record in a transaction of its own.
func (c *clerk) do(ctx context.Context, key int64, now time.Time) error {
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		r, err := readRecord(ctx, tx, key)
		if err != nil {
			return err
		}
		before := r.Version
		return writeDecision(ctx, tx, key, before, lifecycle.Evaluate(r, c.policy, now))
	})
}

const readOne = `SELECT a.id, a.partner_id, a.display_name, a.duration, a.auto_extend, c.status, a.customer_id, a.customer_name, a.roles, a.created_at,
		c.modified_at, a.locked_at, a.approved_at, a.activated_at, c.end_at, c.warn_after, a.name_released_at, c.assigned, c.version
	FROM clocks AS c JOIN agreements AS a ON a.key = c.key WHERE c.key = $1 FOR UPDATE OF c`

func readRecord(ctx context.Context, tx pgx.Tx, key int64) (r lifecycle.Record, err error) {
	var duration, roles string
	var locked, approved, activated, end, warned, released *time.Time
	err = tx.QueryRow(ctx, readOne, key).Scan(&r.ID, &r.Partner, &r.DisplayName, &duration, &r.AutoExtend, &r.Status, &r.Customer.TenantID,
		&r.Customer.DisplayName, &roles, &r.Created, &r.Modified, &locked, &approved, &activated, &end, &warned, &released, &r.Assigned, &r.Version)
	if err != nil {
		return r, err
	}
	for to, from := range map[*time.Time]*time.Time{&r.Locked: locked, &r.Approved: approved, &r.Activated: activated, &r.End: end,
		&r.WarnAfter: warned, &r.NameReleased: released} {
		if from != nil {
			*to = from.UTC()
		}
	}
	r.Created, r.Modified = r.Created.UTC(), r.Modified.UTC()
	return r, errors.Join(r.Duration.UnmarshalText([]byte(duration)), json.Unmarshal([]byte(roles), &r.Roles))
}

const (
	updateOne = `UPDATE clocks SET status = $3, version = $4, modified_at = $5, end_at = $6, warn_after = $7, next_rule = $8, next_at = $9
		WHERE key = $1 AND version = $2`
	insertOneEvent = `INSERT INTO events (relationship_key, version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor, fingerprint)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	insertNoticesOfOne = `INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail,
			recipient_name, language, time_zone, channel, endpoint, ready_at)
		SELECT $1, $2, $3 + row_number() OVER (ORDER BY mail_key), $4, $5, $6, $7, $8, $9, $10, tenant_id, role, mail, display_name, language, time_zone,
			$11, FALSE, '0001-01-02 00:00:00Z'
		FROM contacts WHERE tenant_id = $12 AND role = $13`
)

func writeDecision(ctx context.Context, tx pgx.Tx, key, before int64, d lifecycle.Decision) error {
	if d.Empty() {
		return nil
	}
	r := &d.Record
	if _, err := tx.Exec(ctx, updateOne, key, before, r.Status, r.Version, r.Modified, orNull(r.End), orNull(r.WarnAfter),
		d.Next.Rule, orNull(d.Next.At)); err != nil {
		return err
	}
	for i := range d.Changes {
		c := &d.Changes[i]
		if _, err := tx.Exec(ctx, insertOneEvent, key, c.Version, c.Type, c.Rule, c.Effective, d.Recorded, c.From, c.To, orNull(c.End), c.Reason, c.Actor,
			r.Fingerprint()); err != nil {
			return err
		}
	}
	for i := range d.Notices {
		n := &d.Notices[i]
		told := int64(0)
		for _, to := range n.To {
			tag, err := tx.Exec(ctx, insertNoticesOfOne, key, n.Version, told, n.Kind, n.Stage.String(), orNull(n.End), n.Due, d.Recorded, n.Status, n.Reason,
				to.Channel, to.TenantID, to.Role)
			if err != nil {
				return err
			}
			told += tag.RowsAffected()
		}
	}
	return nil
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
