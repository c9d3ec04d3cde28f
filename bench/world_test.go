package bench

import (
	"fmt"

	"github.com/stretchr/testify/require"
)

// A world is a table of relationships, of which some are due: their timers fell due in the course of the last hour, in an order that
// has nothing to do with that of their keys. Partners and customers have two people each who are told.
type world struct {
	Records int
	Due     int
	Mixed   bool // of the due ones a quarter ends; the others are extended, warned of, lapse as requests, and give names free
}

// Each partner has so many relationships in the end, and each customer fewer.
const (
	worldPartners  = 2_000
	worldCustomers = 50_000
	worldPeople    = 2 // who are told, of each tenant
)

// template is the database in which a world was filled; once per run.
func (h *house) template(w world) string {
	h.t.Helper()
	if name, ok := h.worlds[w]; ok {
		return name
	}
	name := fmt.Sprintf("world_%d_%d", w.Records, w.Due)
	if w.Mixed {
		name += "_mixed"
	}
	h.admin("CREATE DATABASE " + name)
	db := h.connect(name)
	defer db.Close()
	h.run(db.URL, "migrate")
	h.run(db.URL, "sweep") // so that the policy is known; there is nothing to do
	h.run(db.URL, "notices", "channels", "off", "mail", "--reason", "mail is measured by itself")
	db.fill(w)
	require.Equal(h.t, int64(w.Records), db.number("SELECT count(*) FROM relationships"))
	db.must("VACUUM ANALYZE")
	h.worlds[w] = name
	return name
}

// fill writes a world straight into the tables. The timers are what tenure would have computed: a due record ends within the last
// hour, or some whole stage before or after that.
func (db *database) fill(w world) {
	db.seed(w)
	db.must(fillRelationships)
	db.must(`DROP VIEW seed`)
	db.must(fmt.Sprintf(fillContacts, "p", worldPartners, "adminAgent", worldPeople))
	db.must(fmt.Sprintf(fillContacts, "c", worldCustomers, "globalAdministrator", worldPeople))
	db.must(`UPDATE counters SET next = $1 WHERE name = 'relationship'`, w.Records+1)
}

// seed makes a view of the world's keys: which sort each is of, and when its timer is due.
func (db *database) seed(w world) {
	db.must(fmt.Sprintf(`CREATE VIEW seed AS
		SELECT k, h, h < %[2]d AS is_due, %[3]s AS sort,
			CASE WHEN h < %[2]d THEN date_trunc('second', now()) - interval '1 second' * floor(h * 3600.0 / %[2]d)
			     ELSE date_trunc('second', now()) + interval '40 days' + interval '1 second' * (h %% 50000000) END AS at
		FROM (SELECT k, (k * 7919) %% %[1]d AS h FROM generate_series(1, CAST(%[1]d AS BIGINT)) AS k) AS keys`,
		w.Records, w.Due, w.sort()))
}

// sort is which kind of record a key has, in SQL; a record that is not due is always one that ends.
func (w world) sort() string {
	if !w.Mixed {
		return "0"
	}
	return fmt.Sprintf("CASE WHEN h < %d THEN h %% 8 ELSE 0 END", w.Due)
}

// The sorts of a mixed world: 0, 1 end; 2, 3 are extended; 4, 5 are warned of seven days ahead; 6 lapse; 7 give their names free.
// at is when the timer is due.
const fillRelationships = `CREATE VIEW lives AS
	SELECT *, term_end - interval '730 days' + CASE sort WHEN 6 THEN interval '640 days' ELSE interval '0' END AS since
	FROM (SELECT *, CASE sort WHEN 4 THEN at + interval '7 days' WHEN 5 THEN at + interval '7 days' WHEN 7 THEN at - interval '365 days'
		ELSE at END AS term_end FROM seed) AS s;

INSERT INTO agreements (key, created_at, locked_at, activated_at, auto_extend, id, partner_id, display_name, name_key, duration, customer_id, customer_name,
		roles, digest)
	SELECT k, since, since, CASE sort WHEN 6 THEN NULL ELSE since END, sort IN (2, 3),
		md5('a' || k)::uuid::text || '-' || md5('b' || k)::uuid::text, md5('p' || k % 2000)::uuid::text,
		'Relationship ' || k, 'relationship ' || k, 'P730D', md5('c' || k % 50000)::uuid::text, 'Customer ' || k % 50000,
		'["f2ef992c-3afb-46b9-b7cf-a126ee74c451","729827e3-9c14-49f7-bb1b-9608f156bbb8"]', ''
	FROM lives;

INSERT INTO clocks (key, version, modified_at, end_at, warn_after, next_at, assigned, stayed, status, next_rule)
	SELECT k, 5, CASE sort WHEN 6 THEN since ELSE term_end - interval '1 day' END, CASE sort WHEN 6 THEN NULL ELSE term_end END,
		CASE sort WHEN 6 THEN NULL WHEN 4 THEN term_end - interval '30 days' WHEN 5 THEN term_end - interval '30 days'
			ELSE term_end - interval '1 day' END,
		at, 0, FALSE, CASE sort WHEN 6 THEN 'approvalPending' WHEN 7 THEN 'expired' ELSE 'active' END,
		CASE sort WHEN 2 THEN 'auto-extend' WHEN 3 THEN 'auto-extend' WHEN 4 THEN 'warn-expiry' WHEN 5 THEN 'warn-expiry'
			WHEN 6 THEN 'expire-pending' WHEN 7 THEN 'release-name' ELSE 'end-term' END
	FROM lives;

DROP VIEW lives`

const fillContacts = `INSERT INTO contacts (tenant_id, role, mail_key, mail, display_name, language)
	SELECT md5('%[1]s' || t)::uuid::text, '%[3]s', '%[1]s' || t || '.' || i || '@tenant.example', '%[1]s' || t || '.' || i || '@tenant.example',
		'Person ' || t || ' ' || i, 'en' FROM generate_series(0, %[2]d - 1) AS t, generate_series(1, %[4]d) AS i`
