package bench

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// measureEmbedded is the race on the embedded default: everything in one process, a file, a queue in memory. The yardstick is a bare
// loop over the same file.
func measureEmbedded(t *testing.T, h *house) {
	w := world{Records: *records / 5, Due: *dueRecords}
	took := race(*rounds,
		runner{"bare loop on SQLite", func() time.Duration { return h.bareLoop(w) }},
		runner{"tenure serve on SQLite", func() time.Duration { return h.sweepEmbedded(w) }},
	)
	bare, mine := took[0].rates(w.Due), took[1].rates(w.Due)
	figures.record(measured("embedded: the best bare batch loop on SQLite", "records/s", bare),
		measured("embedded: tenure, one process on SQLite", "records/s", mine).against("bare loop", mine, bare).ratioAtLeast(0.8))
}

// sweepEmbedded is how long `tenure serve` takes over a fresh copy of a world on SQLite.
func (h *house) sweepEmbedded(w world) time.Duration {
	h.t.Helper()
	db := h.freshFile(w)
	defer db.drop()
	d := h.serve(db)
	defer d.stop()
	took := d.AwaitSweep(d.Sweep())
	d.stop()
	fmt.Println("processor time:", d.CPU)
	db.check()
	db.checkLogged()
	return took
}

// serve starts everything in one process, with no schedule of its own.
func (h *house) serve(db *database) *deployment {
	h.t.Helper()
	d := &deployment{h: h, db: db, address: freeAddress(h), CPU: map[string]time.Duration{}}
	h.t.Cleanup(d.stop)
	args := append([]string{"serve", "--listen", d.address}, noSchedule()...)
	d.API = d.Start(args...)
	d.Workers = append(d.Workers, d.API)
	d.await("the interface", func() bool { return d.get("/readyz", nil) == nil })
	return d
}

// freshFile is a copy of a world on SQLite.
func (h *house) freshFile(w world) *database {
	h.t.Helper()
	template := h.fileTemplate(w)
	*h.clones++
	path := filepath.Join(filepath.Dir(template), fmt.Sprintf("clone%d.db", *h.clones))
	from, err := os.Open(template)
	require.NoError(h.t, err)
	defer from.Close()
	to, err := os.Create(path)
	require.NoError(h.t, err)
	_, err = io.Copy(to, from)
	require.NoError(h.t, err)
	require.NoError(h.t, to.Sync())
	require.NoError(h.t, to.Close())
	return h.openFile(path, w)
}

func (h *house) fileTemplate(w world) string {
	h.t.Helper()
	path := filepath.Join(filepath.Dir(h.policy), fmt.Sprintf("world_%d_%d.db", w.Records, w.Due))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	h.run("sqlite:"+path, "migrate")
	h.run("sqlite:"+path, "sweep")
	h.run("sqlite:"+path, "notices", "channels", "off", "mail", "--reason", "mail is measured by itself")
	db := h.openFile(path, w)
	db.fillFile(w)
	db.must("ANALYZE")
	db.must("PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(h.t, db.Close())
	return path
}

// openFile opens a file as the product does: what is committed survives a power cut.
func (h *house) openFile(path string, w world) *database {
	h.t.Helper()
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "cache_size(-65536)", "journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sql.Open("sqlite", "file://"+path+"?"+pragmas.Encode())
	require.NoError(h.t, err)
	db.SetMaxOpenConns(1)
	return &database{DB: db, h: h, URL: "sqlite:" + path, of: w, file: path}
}

const fileInstant = "2006-01-02T15:04:05.000000Z"

func (db *database) fillFile(w world) {
	tx, err := db.Begin()
	require.NoError(db.h.t, err)
	agree, err := tx.Prepare(`INSERT INTO agreements (key, id, partner_id, display_name, name_key, customer_id, customer_name, roles, created_at, locked_at, activated_at,
			duration, auto_extend, digest)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9, 'P730D', FALSE, '')`)
	require.NoError(db.h.t, err)
	clock, err := tx.Prepare(`INSERT INTO clocks (key, modified_at, warn_after, end_at, next_at, version, assigned, stayed, status, next_rule)
		VALUES ($1, $2, $2, $3, $3, 5, 0, FALSE, 'active', 'end-term')`)
	require.NoError(db.h.t, err)
	const roles = `["f2ef992c-3afb-46b9-b7cf-a126ee74c451","729827e3-9c14-49f7-bb1b-9608f156bbb8"]`
	now := time.Now().UTC().Truncate(time.Second)
	for k := 1; k <= w.Records; k++ {
		end := now.Add(40*lifecycle.Day + time.Duration(k)*time.Second)
		if h := k * 7919 % w.Records; h < w.Due {
			end = now.Add(-time.Hour * time.Duration(h) / time.Duration(w.Due))
		}
		_, err := agree.Exec(k, guid("a", k)+"-"+guid("b", k), guid("p", k%worldPartners), fmt.Sprint("Relationship ", k), fmt.Sprint("relationship ", k),
			guid("c", k%worldCustomers), fmt.Sprint("Customer ", k%worldCustomers), roles,
			end.Add(-730*lifecycle.Day).Format(fileInstant))
		require.NoError(db.h.t, err)
		_, err = clock.Exec(k, end.Add(-lifecycle.Day).Format(fileInstant), end.Format(fileInstant))
		require.NoError(db.h.t, err)
	}
	person, err := tx.Prepare(`INSERT INTO contacts (tenant_id, role, mail_key, mail, display_name, language) VALUES ($1, $2, $3, $3, $4, 'en')`)
	require.NoError(db.h.t, err)
	for of, n := range map[string]int{"p": worldPartners, "c": worldCustomers} {
		role := map[string]lifecycle.Role{"p": lifecycle.AdminAgents, "c": lifecycle.GlobalAdministrators}[of]
		for t := range n {
			for i := range worldPeople {
				_, err := person.Exec(guid(of, t), string(role), fmt.Sprintf("%s%d.%d@tenant.example", of, t, i), fmt.Sprint("Person ", t, " ", i))
				require.NoError(db.h.t, err)
			}
		}
	}
	_, err = tx.Exec(`UPDATE counters SET next = $1 WHERE name = 'relationship'`, w.Records+1)
	require.NoError(db.h.t, err)
	require.NoError(db.h.t, tx.Commit())
}

// guid is the same one for the same thing, in no order.
func guid(of string, n int) string {
	sum := md5.Sum(fmt.Append(nil, of, n)) //nolint:gosec // no secret
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}

// bareLoop is the fastest loop that we could write on the same file: one connection, prepared statements, a thousand records to a
// transaction, and no decision worth the name. All notices of a record are one statement, since each statement costs more than a row.
func (h *house) bareLoop(w world) time.Duration {
	h.t.Helper()
	db := h.freshFile(w)
	defer db.drop()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	require.NoError(h.t, err)
	var statements [4]*sql.Stmt
	for i, text := range []string{bareLook, bareUpdate, bareEvent, bareNotices} {
		statements[i], err = conn.PrepareContext(ctx, text)
		require.NoError(h.t, err)
	}
	began := time.Now()
	now := began.UTC().Format(fileInstant)
	for n := 1; n > 0; {
		tx, err := conn.BeginTx(ctx, nil)
		require.NoError(h.t, err)
		n, err = bareBatch(ctx, tx, statements, now)
		require.NoError(h.t, err)
		require.NoError(h.t, tx.Commit())
	}
	took := time.Since(began)
	for _, s := range statements {
		require.NoError(h.t, s.Close())
	}
	require.NoError(h.t, conn.Close())
	db.check()
	return took
}

const (
	bareLook = `SELECT key, version, partner_id, customer_id, end_at, id || partner_id || display_name || duration || customer_id || customer_name || roles || created_at || activated_at
		FROM clocks JOIN agreements USING (key) WHERE next_at <= $1 AND stayed = FALSE ORDER BY next_at, key LIMIT 1000`
	bareUpdate = `UPDATE clocks SET status = 'expired', version = $1, modified_at = end_at, next_rule = 'release-name', next_at = $2 WHERE key = $3`
	bareEvent  = `INSERT INTO events (relationship_key, version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor, fingerprint)
		VALUES ($1, $2, 'termEnded', 'end-term', $3, $4, 'active', 'expired', $3, 'termEnded', 'system', $5)`
	bareNotices = `INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail,
			recipient_name, language, time_zone, channel, endpoint, ready_at)
		SELECT $1, $2, row_number() OVER (), 'term-ended', 'PT0S', $3, $3, $4, 'queued', '', tenant_id, role, mail, display_name, language, time_zone, 'mail', FALSE,
			'0001-01-02T00:00:00.000000Z'
		FROM (SELECT * FROM contacts WHERE tenant_id = $5 AND role = 'adminAgent'
			UNION ALL SELECT * FROM contacts WHERE tenant_id = $6 AND role = 'globalAdministrator')`
)

type bareRecord struct {
	key, version                  int64
	partner, customer, end, facts string
}

func bareBatch(ctx context.Context, tx *sql.Tx, statements [4]*sql.Stmt, now string) (int, error) {
	rows, err := tx.StmtContext(ctx, statements[0]).QueryContext(ctx, now)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var due []bareRecord
	for rows.Next() {
		var r bareRecord
		if err := rows.Scan(&r.key, &r.version, &r.partner, &r.customer, &r.end, &r.facts); err != nil {
			return 0, err
		}
		due = append(due, r)
	}
	if err := rows.Close(); err != nil {
		return 0, err
	}
	// In the order of the tables, so that neighbours are written together.
	slices.SortFunc(due, func(a, b bareRecord) int { return cmp.Compare(a.key, b.key) })
	update, event, notices := tx.StmtContext(ctx, statements[1]), tx.StmtContext(ctx, statements[2]), tx.StmtContext(ctx, statements[3])
	for i := range due {
		r := &due[i]
		end, err := time.Parse(fileInstant, r.end)
		if err != nil {
			return 0, err
		}
		sum := sha256.Sum256([]byte(r.facts + r.end))
		if _, err := update.ExecContext(ctx, r.version+1, end.Add(365*lifecycle.Day).Format(fileInstant), r.key); err != nil {
			return 0, err
		}
		if _, err := event.ExecContext(ctx, r.key, r.version+1, r.end, now, base64.RawURLEncoding.EncodeToString(sum[:24])); err != nil {
			return 0, err
		}
		if _, err := notices.ExecContext(ctx, r.key, r.version+1, r.end, now, r.partner, r.customer); err != nil {
			return 0, err
		}
	}
	return len(due), rows.Err()
}
