package bench

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
)

// The yardstick L0: the same facts in the narrowest tables that could hold them, and one statement over those. Tenants and people are
// numbers, words are codes, what people agreed on is a digest of 24 bytes, a notice is a person and a number of the event that it
// tells of. There are no indexes but those that uniqueness and the look for what is due need. Nobody could run a product
// on it: nothing can be searched, shown, or sent from here; it is how far down one could go.
const narrowTables = `
	CREATE TABLE contacts (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, role SMALLINT NOT NULL);
	CREATE INDEX contacts_of ON contacts (tenant, role);
	CREATE TABLE records (key BIGINT PRIMARY KEY, end_at TIMESTAMPTZ NOT NULL, modified_at TIMESTAMPTZ NOT NULL, next_at TIMESTAMPTZ,
		partner INTEGER NOT NULL, customer INTEGER NOT NULL, version INTEGER NOT NULL, status SMALLINT NOT NULL, next_rule SMALLINT NOT NULL,
		agreed BYTEA NOT NULL);
	CREATE INDEX records_due ON records (next_at);
	CREATE TABLE events (key BIGINT NOT NULL, effective_at TIMESTAMPTZ NOT NULL, recorded_at TIMESTAMPTZ NOT NULL, end_at TIMESTAMPTZ,
		version INTEGER NOT NULL, type SMALLINT NOT NULL, rule SMALLINT NOT NULL, from_status SMALLINT NOT NULL, to_status SMALLINT NOT NULL,
		reason SMALLINT NOT NULL, actor SMALLINT NOT NULL, fingerprint BYTEA NOT NULL, PRIMARY KEY (key, version));
	CREATE TABLE notices (key BIGINT NOT NULL, ready_at TIMESTAMPTZ NOT NULL, version INTEGER NOT NULL, contact INTEGER NOT NULL,
		kind SMALLINT NOT NULL, stage SMALLINT NOT NULL, status SMALLINT NOT NULL, attempts SMALLINT NOT NULL,
		PRIMARY KEY (key, version, contact))`

const narrowStatement = `WITH ended AS MATERIALIZED (
		UPDATE records SET status = 7, version = version + 1, modified_at = end_at, next_rule = 5, next_at = end_at + interval '365 days'
		WHERE next_at <= now()
		RETURNING key, version, end_at, partner, customer, agreed),
	told AS (
		INSERT INTO events (key, version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor, fingerprint)
		SELECT key, version, 3, 4, end_at, now(), 6, 7, end_at, 3, 1, substr(sha256(agreed || timestamptz_send(end_at)), 1, 24) FROM ended)
	INSERT INTO notices (key, version, contact, kind, stage, status, attempts, ready_at)
	SELECT u.key, u.version, c.id, 2, 0, 1, 0, '0001-01-02 00:00:00Z'
	FROM (SELECT key, version, partner AS tenant, 1 AS role FROM ended UNION ALL SELECT key, version, customer, 2 FROM ended) AS u
	JOIN contacts AS c ON c.tenant = u.tenant AND c.role = u.role`

// narrow runs L0 on a fresh copy of a world in narrow tables, checks what it did, and says how long it took to its commit.
func (h *house) narrow(w world) time.Duration {
	h.t.Helper()
	db := h.clone(h.narrowTemplate(w), w)
	defer db.drop()
	took := db.timed(narrowStatement)
	due := int64(w.Due)
	require.Equal(h.t, []int64{due, due, due * 2 * worldPeople, 0, int64(w.Records) - due}, []int64{
		db.number(`SELECT count(*) FROM records WHERE status = 7 AND version = 6`),
		db.number(`SELECT count(*) FROM events JOIN records USING (key, version)`),
		db.number(`SELECT count(*) FROM notices JOIN records USING (key, version)`),
		db.number(`SELECT count(*) FROM records WHERE next_at <= now()`),
		db.number(`SELECT count(*) FROM records WHERE status = 6 AND version = 5`)})
	return took
}

func (h *house) narrowTemplate(w world) string {
	h.t.Helper()
	require.False(h.t, w.Mixed)
	name := fmt.Sprintf("narrow_%d_%d", w.Records, w.Due)
	if h.narrows[w] {
		return name
	}
	h.admin("CREATE DATABASE " + name)
	db := h.connect(name)
	defer db.Close()
	db.must(narrowTables)
	db.must(fmt.Sprintf(`INSERT INTO contacts SELECT t * %[3]d + i, t, CASE WHEN t < %[1]d THEN 1 ELSE 2 END
		FROM generate_series(0, %[1]d + %[2]d - 1) AS t, generate_series(0, %[3]d - 1) AS i`, worldPartners, worldCustomers, worldPeople))
	db.seed(w)
	db.must(fmt.Sprintf(`INSERT INTO records SELECT k, at, at - interval '1 day', at, k %% %[1]d, %[1]d + k %% %[2]d, 5, 6, 4,
		substr(sha256(convert_to('r' || k, 'UTF8')), 1, 24) FROM seed`, worldPartners, worldCustomers))
	db.must(`DROP VIEW seed`)
	db.must("VACUUM ANALYZE")
	h.narrows[w] = true
	return name
}
