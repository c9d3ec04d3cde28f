package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/testenv"
)

const (
	partners = 20
	lookups  = 1000 // of each kind
	page     = 100
)

// howMany relationships there are, partners × templates at the least: TENURE_BENCH_RELATIONSHIPS.
func howMany(t *testing.T) int {
	const otherwise = 200_000
	text := os.Getenv("TENURE_BENCH_RELATIONSHIPS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "TENURE_BENCH_RELATIONSHIPS")
	return max(n, partners*templates)
}

// TestGraphPostgres measures the Graph-shaped interface on PostgreSQL: pages, single records and creation, each beside bare SQL that
// does the same to the same tables through database/sql and does nothing else. Unless TENURE_TEST_POSTGRES_URL names another, the
// server does not wait for its disk.
func TestGraphPostgres(t *testing.T) {
	database := testenv.Postgres(t)
	measure(t, "PostgreSQL", database, openBare(t, "postgres", database), openBare(t, "postgres", database))
}

// TestGraphSQLite is the same on the embedded database. It has one writer, so what is bare writes into a copy.
func TestGraphSQLite(t *testing.T) {
	dir := t.TempDir()
	file, copied := filepath.Join(dir, "tenure.db"), filepath.Join(dir, "copy.db")
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)"}, "_txlock": {"immediate"}}.Encode()
	reader := openBare(t, "sqlite", "file:"+file+"?mode=rw&"+pragmas)
	writer := openBare(t, "sqlite", "file:"+copied+"?"+pragmas)
	writer.SetMaxOpenConns(1) // they would only wait for each other
	measure(t, "SQLite", "sqlite:"+file, reader, writer)
}

func openBare(t *testing.T, driver, source string) *sql.DB {
	db, err := sql.Open(driver, source)
	require.NoError(t, err)
	db.SetMaxIdleConns(32)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// measure fills the database, serves it with the built program, and prints what came of it. The bare reader reads the same tables as
// the program; the bare writer's may be a copy of them.
func measure(t *testing.T, name, database string, reader, writer *sql.DB) {
	n := howMany(t)
	began := time.Now()
	fill(t, database, reader, n)
	if name == "SQLite" {
		_, err := reader.ExecContext(t.Context(), "VACUUM INTO ?", copyOf(database))
		require.NoError(t, err)
	}
	server := serve(t, database)
	fmt.Printf("%s: %d relationships of %d partners, made in %s\n\n", name, n, partners, time.Since(began).Round(time.Second))
	fmt.Println(latencies(t, fmt.Sprintf("%s: answered over HTTP, beside the bare query of the same rows", name), shapes(t, server, reader)...))
	for _, abreast := range []int{1, 8, 32} {
		pieces := min(150*abreast, 2000)
		fmt.Println(contest(t, fmt.Sprintf("%s: creating, %d at a time", name, abreast), "relationships", pieces, 3,
			contender{"bare INSERT of rows and event, a transaction each", func(t *testing.T, n int) time.Duration { return insertBare(t, writer, name, abreast, n) }},
			contender{"POST over HTTP", func(t *testing.T, n int) time.Duration { return create(t, server, abreast, n) }},
		))
	}
}

func copyOf(database string) string {
	return filepath.Join(filepath.Dir(strings.TrimPrefix(database, "sqlite:")), "copy.db")
}

// A shape is something that is read, by way of HTTP and without. Both bring the rows into this process.
type shape struct {
	name string
	over func(i int) error
	bare func(i int) error
}

// shapes are what is read. Partners and records differ from one time to the next, so that no one page is always at hand.
func shapes(t *testing.T, s *server, db *sql.DB) []shape {
	deep := make([]string, partners)
	from := make([]int64, partners)
	ids := make([]string, partners)
	for p := range partners {
		deep[p], ids[p] = s.middle(t, p, db)
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT key FROM relationships WHERE id = $1", ids[p]).Scan(&from[p]))
	}
	rows := func(where string, args func(p int) []any) func(i int) error {
		query := "SELECT " + columns + " FROM relationships WHERE " + where
		return func(i int) error { return readBare(t.Context(), db, query, args(i%partners)...) }
	}
	paged := fmt.Sprintf(" ORDER BY key LIMIT %d", page)
	list := fmt.Sprintf("%s?$top=%d", relationshipsPath, page)
	return []shape{
		{"one record by its id", func(i int) error { return s.read(t.Context(), i%partners, relationshipsPath+"/"+ids[i%partners], 0) },
			rows("id = $1", func(p int) []any { return []any{ids[p]} })},
		{"first page of 100", func(i int) error { return s.read(t.Context(), i%partners, list, page) },
			rows("partner_id = $1"+paged, func(p int) []any { return []any{partnerID(p)} })},
		{"page of 100 in the middle", func(i int) error { return s.read(t.Context(), i%partners, deep[i%partners], page) },
			rows("partner_id = $1 AND key > $2"+paged, func(p int) []any { return []any{partnerID(p), from[p]} })},
		{"page of 100, status eq 'active'", func(i int) error {
			return s.read(t.Context(), i%partners, list+"&$filter="+url.QueryEscape("status eq 'active'"), page)
		}, rows("partner_id = $1 AND status = 'active'"+paged, func(p int) []any { return []any{partnerID(p)} })},
	}
}

// latencies has both ways of each shape take turns, and tells how long they took.
func latencies(t *testing.T, title string, shapes ...shape) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d of each, taking turns\n\n", title, lookups)
	b.WriteString("| | p50, ms | p99, ms | bare p50 | bare p99 | ratio of p50 | of p99 |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, s := range shapes {
		over, bare := make([]time.Duration, 0, lookups), make([]time.Duration, 0, lookups)
		for i := -partners * 2; i < lookups; i++ { // those below zero warm up
			viaHTTP, viaSQL := timed(t, s.over, i+partners*2), timed(t, s.bare, i+partners*2)
			if i >= 0 {
				over, bare = append(over, viaHTTP), append(bare, viaSQL)
			}
		}
		o50, o99, b50, b99 := quantile(over, 50), quantile(over, 99), quantile(bare, 50), quantile(bare, 99)
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", s.name, ms(o50), ms(o99), ms(b50), ms(b99),
			float64(o50)/float64(b50), float64(o99)/float64(b99))
	}
	return b.String()
}

func timed(t *testing.T, do func(int) error, i int) time.Duration {
	began := time.Now()
	err := do(i)
	took := time.Since(began)
	require.NoError(t, err)
	return took
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func quantile(values []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)*percent/100]
}

// columns are those that an answer is made of.
const columns = `key, id, partner_id, display_name, duration, auto_extend, status, customer_id, customer_name, roles,
	created_at, modified_at, locked_at, approved_at, activated_at, end_at, name_released_at, version`

// readBare reads rows as a program does that knows its tables.
func readBare(ctx context.Context, db *sql.DB, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	found := 0
	for ; rows.Next(); found++ {
		var key, version int64
		var id, partner, name, duration, status, customer, customerName, roles string
		var extend bool
		var created, modified, locked, approved, activated, end, released any // text on SQLite
		if err := rows.Scan(&key, &id, &partner, &name, &duration, &extend, &status, &customer, &customerName, &roles,
			&created, &modified, &locked, &approved, &activated, &end, &released, &version); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found == 0 {
		return fmt.Errorf("%s: nothing was found", query)
	}
	return nil
}

const relationshipsPath = "/v1.0/tenantRelationships/delegatedAdminRelationships"

// read asks for something as a partner, and takes the whole answer in. Of a page it must be so many records.
func (s *server) read(ctx context.Context, partner int, path string, records int) error {
	answer, err := s.ask(ctx, partner, http.MethodGet, path, "", http.StatusOK)
	if err == nil && records > 0 && strings.Count(answer, `"displayName"`) < records {
		err = fmt.Errorf("GET %s: fewer than %d records: %.300s", path, records, answer)
	}
	return err
}

// middle walks to the middle of a partner's list: the path of the page there, and the id of the record before it.
func (s *server) middle(t *testing.T, partner int, db *sql.DB) (path, before string) {
	const most = 300
	var of int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM relationships WHERE partner_id = $1", partnerID(partner)).Scan(&of))
	path = fmt.Sprintf("%s?$top=%d&$select=id", relationshipsPath, most)
	if of <= 2*most {
		path = fmt.Sprintf("%s?$top=%d&$select=id", relationshipsPath, of/2)
	}
	for walked := 0; walked < of/2; {
		answer, err := s.ask(t.Context(), partner, http.MethodGet, path, "", http.StatusOK)
		require.NoError(t, err)
		var list struct {
			Value []struct{ ID string }
			Next  string `json:"@odata.nextLink"`
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &list))
		require.NotEmpty(t, list.Next)
		walked += len(list.Value)
		before = list.Value[len(list.Value)-1].ID
		next, err := url.Parse(list.Next)
		require.NoError(t, err)
		path = next.RequestURI()
	}
	next, err := url.Parse(path)
	require.NoError(t, err)
	query := next.Query()
	query.Set("$top", strconv.Itoa(page))
	query.Del("$select")
	return next.Path + "?" + query.Encode(), before
}

var made atomic.Int64 // so that names differ

// create makes n relationships over HTTP, so many at a time.
func create(t *testing.T, s *server, abreast, n int) time.Duration {
	return side(t, abreast, n, func(ctx context.Context) error {
		i := made.Add(1)
		body := fmt.Sprintf(`{"displayName":"Made %d","duration":"P365D","customer":{"tenantId":"%s","displayName":"Contoso"},`+
			`"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"}]}}`, i, customerID(int(i)))
		_, err := s.ask(ctx, int(i)%partners, http.MethodPost, relationshipsPath, body, http.StatusCreated)
		return err
	})
}

// insertBare writes what creating writes, an agreement, its clock and an event in a transaction, and looks after nothing else.
func insertBare(t *testing.T, db *sql.DB, name string, abreast, n int) time.Duration {
	const far = 1_000_000_000 // above every key that the program gives
	var at any = now()
	if name == "SQLite" {
		at = now().UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	return side(t, abreast, n, func(ctx context.Context) error {
		i := made.Add(1)
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, `INSERT INTO agreements (key, id, partner_id, display_name, name_key, duration, auto_extend,
				customer_id, customer_name, roles, created_at, digest)
			VALUES ($1, $2, $3, $4, $5, 'P365D', FALSE, $6, 'Contoso', '["729827e3-9c14-49f7-bb1b-9608f156bbb8"]', $7, '')`,
			far+i, fmt.Sprintf("%s-1b2c3d4e-0000-4000-9000-%012d", partnerID(0), i), partnerID(int(i)%partners), fmt.Sprintf("Made %d", i),
			fmt.Sprintf("made %d", i), customerID(int(i)), at); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO clocks (key, version, modified_at, status, next_rule, assigned) VALUES ($1, 1, $2, 'created', '', 0)`,
			far+i, at); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO events (relationship_key, version, type, rule, effective_at, recorded_at, from_status, to_status,
				reason, actor, caller, caller_tenant, caller_role, address, request_id)
			VALUES ($1, 1, 'created', '', $2, $2, '', 'created', '', 'partner', 'bench', $3, 'adminAgent', '127.0.0.1', 'f6acf1ca-1349-491c-9ea2-7f3abccc08e7')`,
			far+i, at, partnerID(int(i)%partners)); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// side does n pieces of work, so many at a time.
func side(t *testing.T, abreast, n int, do func(context.Context) error) time.Duration {
	group, ctx := errgroup.WithContext(t.Context())
	began := time.Now()
	for lane := range abreast {
		group.Go(func() error {
			for i := lane; i < n; i += abreast {
				if err := do(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	return time.Since(began)
}

// ask asks as a partner, and wants this status.
func (s *server) ask(ctx context.Context, partner int, method, path, body string, status int) (string, error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, content)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+s.tokens[partner])
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != status {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	return string(answer), err
}
