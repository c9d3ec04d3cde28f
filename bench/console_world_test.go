package bench

import (
	"fmt"

	"github.com/stretchr/testify/require"
)

// A lookedAtWorld is what the console's pages are measured in: years of a deployment, with its history, its notices and its people. Partners and
// customers have from few to very many relationships, some statuses are rare, and a little is due, on hold, dead or without anybody to
// tell. It lies around the moment at which it is filled.
type lookedAtWorld int // relationships

// fill writes the world straight into the tables, each in the order of its keys.
func (w lookedAtWorld) fill(db *database) {
	db.must(fmt.Sprintf(consoleSeed, int(w)))
	for _, part := range consoleParts {
		db.must(part)
	}
	db.must(`UPDATE counters SET next = $1 WHERE name = 'relationship'`, int(w)+1)
	db.must(`DROP TABLE seed`)
	db.must(`DROP FUNCTION dice`)
	require.Equal(db.h.t, int64(w), db.number("SELECT count(*) FROM relationships"))
	db.must("VACUUM (FREEZE, ANALYZE)")
}

// dice(key, n) is a number from 0 to 1 that has nothing to do with others. Of a hundred relationships 65 are active, 10 wait for approval, 5 are
// drafts and 20 have ended; of a hundred thousand some dozens are in passing.
const consoleSeed = `CREATE FUNCTION dice(k bigint, n bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT (hashint8extended(k, n) & 2147483647) / 2147483648.0 $$;

CREATE UNLOGGED TABLE seed AS
	SELECT k, status, partner, customer, extends, admin, ends, ends - interval '730 days' AS since, at
	FROM (SELECT *, CASE
			WHEN status IN ('active', 'terminationRequested', 'terminating') THEN at + interval '1 second' * floor(1800 + dice(k, 4) * 728 * 86400)
			WHEN status = 'expiring' THEN at - interval '1 minute'
			WHEN status IN ('expired', 'terminated') THEN at - interval '1 second' * floor(60 + dice(k, 4) * 1000 * 86400) END AS ends
		FROM (SELECT k, date_trunc('second', now()) AS at, CASE
				WHEN dice(k, 1) < 0.65 THEN 'active' WHEN dice(k, 1) < 0.75 THEN 'approvalPending' WHEN dice(k, 1) < 0.80 THEN 'created'
				WHEN dice(k, 1) < 0.92 THEN 'expired' WHEN dice(k, 1) < 0.9995 THEN 'terminated' WHEN dice(k, 1) < 0.9998 THEN 'approved'
				WHEN dice(k, 1) < 0.9999 THEN 'activating' WHEN dice(k, 1) < 0.99995 THEN 'terminationRequested'
				WHEN dice(k, 1) < 0.99998 THEN 'expiring' ELSE 'terminating' END AS status,
			CAST(floor(500 * power(dice(k, 2), 3)) AS bigint) AS partner,
			CAST(floor(%[1]d / 4 * power(dice(k, 3), 1.5)) AS bigint) AS customer,
			dice(k, 5) < 0.4 AS extends, dice(k, 6) < 0.05 AS admin
			FROM generate_series(1, CAST(%[1]d AS bigint)) AS k) AS kinds) AS lives
	ORDER BY k;
ANALYZE seed`

var consoleParts = []string{
	`INSERT INTO agreements (key, created_at, locked_at, activated_at, approved_at, name_released_at, auto_extend, id, partner_id, display_name, name_key, duration,
			customer_id, customer_name, roles, digest)
		SELECT k, COALESCE(since, at - interval '1 day' * (1 + dice(k, 7) * 80)) - interval '2 days',
			CASE WHEN status <> 'created' THEN COALESCE(since, at - interval '1 day' * dice(k, 7) * 80) END, since,
			CASE WHEN status NOT IN ('created', 'approvalPending') THEN COALESCE(since, at) END,
			CASE WHEN ends < at - interval '365 days' THEN ends + interval '365 days' END, extends,
			md5('a' || k)::uuid::text || '-' || md5('b' || k)::uuid::text, md5('p' || partner)::uuid::text, name, lower(name), 'P730D',
			md5('c' || customer)::uuid::text, (ARRAY['Contoso', 'Fabrikam', 'Adatum', 'Northwind', 'Litware', 'Proseware', 'Tailspin', 'Wingtip'])[1 + customer % 8] || ' ' || customer,
			CASE WHEN admin THEN '["62e90394-69f5-4237-9190-012177145e10","729827e3-9c14-49f7-bb1b-9608f156bbb8"]'
				WHEN dice(k, 8) < 0.0001 THEN '["c4e39bd9-1100-46d3-8c65-fb160da0071f"]'
				ELSE (ARRAY['["f2ef992c-3afb-46b9-b7cf-a126ee74c451","729827e3-9c14-49f7-bb1b-9608f156bbb8"]', '["4d6ac14f-3453-41d0-bef9-a3e0c569773a"]',
					'["fe930be7-5e62-47db-91af-98c3a49a38b1","3a2c62db-5318-420d-8d74-23affee5d9d5"]'])[1 + k % 3] END, ''
		FROM (SELECT *, (ARRAY['Helpdesk', 'Licences', 'Security', 'Migration', 'Devices'])[1 + CAST(floor(dice(k, 9) * 5) AS int)] || ' ' || md5('n' || k) AS name FROM seed) AS s
		ORDER BY k`,

	// Some are due for up to ten minutes, one in ten thousand is on hold.
	`INSERT INTO clocks (key, version, modified_at, end_at, warn_after, next_at, assigned, stayed, status, next_rule)
		SELECT k, 4, CASE WHEN status IN ('expired', 'terminated') THEN ends ELSE COALESCE(since, at - interval '1 day' * dice(k, 7) * 80) END, ends, at,
			CASE WHEN status = 'active' AND dice(k, 10) < 0.001 THEN at - interval '1 second' * dice(k, 11) * 600 ELSE due END,
			0, dice(k, 12) < 0.0001 AND due IS NOT NULL, status, rule
		FROM (SELECT *, CASE rule WHEN 'auto-extend' THEN ends WHEN 'end-term' THEN ends WHEN 'expire-pending' THEN at + interval '1 day' * (1 + dice(k, 7) * 88)
				WHEN 'release-name' THEN ends + interval '365 days'
				WHEN 'warn-expiry' THEN ends - CASE WHEN ends > at + interval '30 days' THEN interval '30 days' WHEN ends > at + interval '7 days' THEN interval '7 days' ELSE interval '1 day' END END AS due
			FROM (SELECT *, CASE WHEN status = 'active' AND extends AND NOT admin THEN 'auto-extend' WHEN status = 'active' AND ends > at + interval '1 day' THEN 'warn-expiry'
				WHEN status = 'active' THEN 'end-term' WHEN status = 'approvalPending' THEN 'expire-pending'
				WHEN status IN ('expired', 'terminated') AND ends > at - interval '365 days' THEN 'release-name' ELSE '' END AS rule
			FROM seed) AS ruled) AS s
		ORDER BY k`,

	// What there is to tell of each life. One in two thousand drafts was asked for by somebody whose name is rare.
	`INSERT INTO events (relationship_key, version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor, caller, caller_tenant, caller_role,
			request_id, fingerprint)
		SELECT k, step, type, rule, happened, happened, was, becomes, NULL, '', actor, CASE WHEN actor = 'system' THEN '' WHEN dice(k, 13) < 0.0005 THEN 'auditor' ELSE 'portal ' || k % 40 END,
			CASE actor WHEN 'partner' THEN md5('p' || partner)::uuid::text WHEN 'customer' THEN md5('c' || customer)::uuid::text ELSE '' END,
			CASE actor WHEN 'partner' THEN 'adminAgent' WHEN 'customer' THEN 'globalAdministrator' ELSE '' END,
			CASE WHEN actor = 'system' THEN '' ELSE md5('r' || k || step) END, md5('f' || k || step)
		FROM seed, LATERAL (VALUES
			(1, 'created', '', '', 'created', 'partner', COALESCE(since, at - interval '1 day' * (1 + dice(k, 7) * 80)) - interval '2 days', TRUE),
			(2, 'lockedForApproval', '', 'created', 'approvalPending', 'partner', COALESCE(since, at - interval '1 day' * dice(k, 7) * 80), status <> 'created'),
			(3, 'approved', '', 'approvalPending', 'active', 'customer', since, since IS NOT NULL),
			(4, CASE status WHEN 'expired' THEN 'termEnded' ELSE 'terminated' END, CASE status WHEN 'expired' THEN 'end-term' ELSE '' END, 'active', status,
				CASE status WHEN 'expired' THEN 'system' ELSE 'partner' END, ends, status IN ('expired', 'terminated'))
			) AS steps (step, type, rule, was, becomes, actor, happened, there)
		WHERE there AND happened IS NOT NULL ORDER BY k, step`,

	// Four people are told that each one has ended, of a quarter of them after three warnings. A few letters are open, dead or reach nobody.
	`INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail, recipient_name, language, attempts,
			ready_at, sent_at, settled_at, channel)
		SELECT k, 4, n, kind, stage, ends, told, told, status,
			CASE status WHEN 'noRecipient' THEN 'nobodyToTell' WHEN 'suppressed' THEN 'stale' ELSE '' END,
			md5(side || CASE side WHEN 'p' THEN partner ELSE customer END)::uuid::text, CASE side WHEN 'p' THEN 'adminAgent' ELSE 'globalAdministrator' END,
			CASE status WHEN 'noRecipient' THEN '' ELSE side || CASE side WHEN 'p' THEN partner ELSE customer END || '.' || 1 + n % 2 || '@tenant.example' END, 'Person', 'en',
			CASE status WHEN 'sent' THEN 1 WHEN 'dead' THEN 10 ELSE 0 END, told, CASE status WHEN 'sent' THEN told END,
			CASE WHEN status NOT IN ('queued', 'failed') THEN told END, CASE WHEN dice(k * 64 + n, 17) < 0.001 THEN 'chat' ELSE 'mail' END
		FROM (SELECT s.k, s.partner, s.customer, s.ends, n, CASE WHEN n % 4 < 2 THEN 'p' ELSE 'c' END AS side, ends - CASE n / 4 WHEN 0 THEN interval '0' WHEN 1 THEN interval '1 day' WHEN 2 THEN interval '7 days'
					ELSE interval '30 days' END AS told,
				CASE WHEN n < 4 AND s.status = 'expired' THEN 'term-ended' WHEN n < 4 THEN 'terminated' ELSE 'warn-expiry' END AS kind,
				CASE n / 4 WHEN 0 THEN 'PT0S' WHEN 1 THEN 'P1D' WHEN 2 THEN 'P7D' ELSE 'P30D' END AS stage,
				CASE WHEN dice(k * 64 + n, 15) < 0.0002 THEN 'dead' WHEN dice(k * 64 + n, 15) < 0.0004 THEN 'queued' WHEN dice(k * 64 + n, 15) < 0.0005 THEN 'failed'
					WHEN dice(k * 64 + n, 15) < 0.01 THEN 'suppressed' WHEN n % 4 = 2 AND dice(s.customer, 16) < 0.02 THEN 'noRecipient' ELSE 'sent' END AS status
			FROM (SELECT k, partner, customer, ends, status FROM seed WHERE status IN ('expired', 'terminated')) AS s, generate_series(0, 15) AS n
			WHERE n < 4 OR dice(k, 14) < 0.5) AS letters
		ORDER BY k, n`,

	fmt.Sprintf(fillContacts, "p", 500, "adminAgent", 2),
	`INSERT INTO contacts (tenant_id, role, mail_key, mail, display_name, language)
		SELECT md5('c' || c)::uuid::text, 'globalAdministrator', 'c' || c || '.' || i || '@tenant.example', 'c' || c || '.' || i || '@tenant.example', 'Person ' || c, 'en'
		FROM (SELECT DISTINCT customer AS c FROM seed) AS theirs, generate_series(1, 2) AS i WHERE dice(c, 16) >= 0.02`,

	// A sweep each minute for a day, of which one in three found something, and what operators did.
	`INSERT INTO sweeps (id, rules, dry_run, opened_by, as_of, state, cut, cut_at, cut_key, next_chunk, opened_at, finished_at)
		SELECT n, '[]', FALSE, 'schedule', at, 'done', TRUE, at, 0, 2, at, at FROM (SELECT n, now() - interval '1 minute' * (1441 - n) AS at FROM generate_series(1, 1440) AS n) AS s;
	INSERT INTO chunks (sweep_id, n, after_at, after_key, upto_at, upto_key, state, ready_at, found, changed, notices, latenesses, done_at)
		SELECT id, n, as_of, 0, as_of, 1000, 'done', as_of, 1000, 1000, 4000, '{"end-term":{"1":1000}}', as_of FROM sweeps, generate_series(1, 5) AS n WHERE id % 3 = 0;
	UPDATE counters SET next = 1441 WHERE name = 'sweep'`,
	`INSERT INTO deeds (id, at, caller, tenant, role, address, request_id, what, subject, status, detail)
		SELECT n, now() - interval '1 minute' * (50000 - n), 'operator ' || n % 7, '', '', '127.0.0.1', md5('d' || n), 'POST /v1/sweeps', '', CASE WHEN n % 50 = 0 THEN 409 ELSE 201 END, ''
		FROM generate_series(1, 50000) AS n;
	UPDATE counters SET next = 50001 WHERE name = 'deed'`,

	// What is on hold, behind many holds that were released.
	`INSERT INTO holds (id, kind, subject, cause, note, placed_at, placed_by, released_at, released_by, release_note)
		SELECT row_number() OVER (ORDER BY stayed DESC, k), 'relationship', id, '', 'a court asks', at, 'operator', CASE WHEN NOT stayed THEN at END,
			CASE WHEN NOT stayed THEN 'operator' ELSE '' END, CASE WHEN NOT stayed THEN 'settled' ELSE '' END
		FROM seed JOIN clocks ON clocks.key = k JOIN agreements ON agreements.key = k WHERE stayed OR k <= 50000;
	UPDATE counters SET next = (SELECT max(id) + 1 FROM holds) WHERE name = 'hold'`,
}
