package bench

import (
	"maps"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A tally is what the tables say has happened to a world: by rule, how many records, and how many notices of what they tell.
type tally map[lifecycle.RuleName]happened

type happened struct {
	Records int64 // that were changed by the rule
	Events  int64 // that tell of it; a warning writes none
	Notices int64
}

// expected is what a sweep of all rules has to do to the world, each thing once.
func (w world) expected() tally {
	due, told := int64(w.Due), int64(2*worldPeople)
	if due == 0 {
		return tally{}
	}
	if !w.Mixed {
		return tally{lifecycle.EndTerm: {due, due, due * told}}
	}
	of := func(sorts ...int64) (n int64) {
		for _, sort := range sorts {
			n += (due + 7 - sort) / 8
		}
		return n
	}
	return tally{
		lifecycle.EndTerm:       {of(0, 1), of(0, 1), of(0, 1) * told},
		lifecycle.AutoExtend:    {of(2, 3), of(2, 3), 0},
		lifecycle.WarnExpiry:    {of(4, 5), 0, of(4, 5) * told},
		lifecycle.ExpirePending: {of(6), of(6), of(6) * worldPeople},
		lifecycle.ReleaseName:   {of(7), of(7), 0},
	}
}

// check fails unless each due record was changed once, with its event and with its notices, each once, and no other record was
// touched. It is asked after every single run of whoever claims to have done it.
func (db *database) check() {
	db.h.t.Helper()
	require.Equal(db.h.t, db.of.expected(), db.tally(), "what was due has to be done, each thing once")
	require.Zero(db.h.t, db.number(`SELECT count(*) FROM `+relationships+` WHERE next_at <= $1`, time.Now().UTC().Format(fileInstant)), "something is still due")
	require.Equal(db.h.t, int64(db.of.Records-db.of.Due), db.number(`SELECT count(*) FROM `+relationships+` WHERE version = 5`), "records that were not due")
	require.Equal(db.h.t, int64(db.of.Due), db.number(`SELECT count(*) FROM `+relationships+` WHERE version = 6`), "records that were changed once")
	require.Zero(db.h.t, db.number(`SELECT count(*) FROM events WHERE rule <> '' AND length(fingerprint) <> 32`), "events without a fingerprint")
	require.Zero(db.h.t, db.number(`SELECT count(*) FROM (SELECT 1 FROM notices GROUP BY relationship_key, version, tenant_id, role, mail
		HAVING count(*) > 1) AS twice`), "notices for the same person of the same thing")
	require.Zero(db.h.t, db.number(`SELECT count(*) FROM events AS e JOIN `+relationships+` AS r ON r.key = e.relationship_key
		WHERE e.version <> r.version OR e.to_status <> r.status`), "events that tell of another state than the record's")
}

// checkLogged fails unless each event was logged in the ledger, or waits for that.
func (db *database) checkLogged() {
	db.h.t.Helper()
	require.Equal(db.h.t, db.number(`SELECT count(*) FROM events`),
		db.number(`SELECT (SELECT size FROM ledger_head) + (SELECT COALESCE(sum(n), 0) FROM event_batches)`), "events in the ledger")
}

// relationships is where whole records are read.
const relationships = "relationships"

func (db *database) tally() tally {
	db.h.t.Helper()
	found := tally{}
	add := func(query string, into func(h *happened, n int64)) {
		rows, err := db.Query(query)
		require.NoError(db.h.t, err)
		defer rows.Close()
		for rows.Next() {
			var rule lifecycle.RuleName
			var n int64
			require.NoError(db.h.t, rows.Scan(&rule, &n))
			h := found[rule]
			into(&h, n)
			found[rule] = h
		}
		require.NoError(db.h.t, rows.Err())
	}
	// Each record is looked at as it is now; which rule moved it shows in what it has become.
	add(`SELECT CASE WHEN name_released_at IS NOT NULL THEN 'release-name' WHEN status = 'active' AND next_rule IN ('end-term', 'warn-expiry') THEN 'warn-expiry'
			WHEN status = 'active' THEN 'auto-extend' WHEN activated_at IS NULL THEN 'expire-pending' ELSE 'end-term' END AS rule, count(*)
		FROM `+relationships+` WHERE version > 5 GROUP BY rule`, func(h *happened, n int64) { h.Records = n })
	add(`SELECT rule, count(*) FROM events WHERE rule <> '' GROUP BY rule`, func(h *happened, n int64) { h.Events = n })
	add(`SELECT CASE kind WHEN 'term-ended' THEN 'end-term' WHEN 'request-lapsed' THEN 'expire-pending' ELSE kind END AS rule,
		count(*) FROM notices WHERE status NOT IN ('suppressed', 'noRecipient') GROUP BY kind`, func(h *happened, n int64) { h.Notices = n })
	return maps.Clone(found)
}
