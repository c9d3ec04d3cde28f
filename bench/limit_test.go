package bench

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
)

// The yardstick L: one single statement that does all of it to tenure's own tables, written as well as we can. It decides nothing,
// asks nobody, and cannot be broken off half-way; it is what the database itself takes for these rows.
//
//   - Only the clocks are written; what was agreed on is joined in the UPDATE itself, which came out no slower than a join of what it
//     returns, mostly faster.
//   - MATERIALIZED, since the updated rows feed both the events and the notices.
//   - Recipients by two joins one after the other, not one with OR: that would be a nested loop over all contacts.
//   - What is the same for all rows is written as a constant.
//   - Memory for sorting and hashing is what the server gives from the factory, as for tenure; 256 MB gained nothing.
const limitStatement = `WITH ended AS MATERIALIZED (
		UPDATE clocks AS c SET status = 'expired', version = version + 1, modified_at = end_at, next_rule = 'release-name',
			next_at = end_at + interval '365 days'
		FROM agreements AS a
		WHERE a.key = c.key AND c.next_at <= now() AND c.stayed = FALSE
		RETURNING c.key, c.version, c.end_at, a.partner_id, a.customer_id, a.id || a.partner_id || a.display_name || a.duration || a.customer_id
			|| a.customer_name || a.roles || a.created_at || a.activated_at AS facts),
	told AS (
		INSERT INTO events (relationship_key, version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor, fingerprint)
		SELECT key, version, 'termEnded', 'end-term', end_at, now(), 'active', 'expired', end_at, 'termEnded', 'system',
			substr(encode(sha256(convert_to(facts || end_at, 'UTF8')), 'base64'), 1, 32)
		FROM ended)
	INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail,
		recipient_name, language, time_zone, channel, endpoint, ready_at)
	SELECT u.key, u.version, row_number() OVER (PARTITION BY u.key ORDER BY u.role, c.mail_key), 'term-ended', 'PT0S', u.end_at, u.end_at, now(), 'queued', '',
		c.tenant_id, c.role, c.mail, c.display_name, c.language, c.time_zone, 'mail', FALSE, '0001-01-02 00:00:00Z'
	FROM (SELECT key, version, end_at, partner_id AS tenant_id, 'adminAgent' AS role FROM ended
		UNION ALL SELECT key, version, end_at, customer_id, 'globalAdministrator' FROM ended) AS u
	JOIN contacts AS c ON c.tenant_id = u.tenant_id AND c.role = u.role`

// limit runs L on a fresh copy of a world, checks what it did, and says how long it took to its commit.
func (h *house) limit(w world) time.Duration {
	h.t.Helper()
	db := h.fresh(w)
	defer db.drop()
	took := db.timed(limitStatement)
	db.check()
	return took
}

// timed runs a statement in a transaction of its own on one connection.
func (db *database) timed(statement string) time.Duration {
	db.h.t.Helper()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	require.NoError(db.h.t, err)
	defer conn.Close()
	began := time.Now()
	tx, err := conn.BeginTx(ctx, nil)
	require.NoError(db.h.t, err)
	_, err = tx.ExecContext(ctx, statement)
	require.NoError(db.h.t, err)
	require.NoError(db.h.t, tx.Commit())
	return time.Since(began)
}
