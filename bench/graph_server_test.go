package bench

import (
	"bufio"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// A server is the built program, as people run it, with a token for each partner.
type server struct {
	url    string
	client *http.Client
	tokens []string
}

var listening = regexp.MustCompile(`listening.*?(127\.0\.0\.1:[0-9]+)`)

// serve builds the program and serves a database with it until the test ends. Callers are not held to a rate.
func serve(t *testing.T, database string) *server {
	program := filepath.Join(t.TempDir(), "tenure")
	build := exec.Command("go", "build", "-o", program, "./cmd/tenure")
	build.Dir, build.Stderr = "..", os.Stderr
	require.NoError(t, build.Run())
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(program, args...)
		c.Dir = t.TempDir()
		c.Env = append(os.Environ(), "TENURE_DB="+database)
		return c
	}
	s := &server{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}}
	for p := range partners {
		token, err := command("token", "create", fmt.Sprintf("partner %d", p), "--role", "adminAgent", "--tenant", partnerID(p)).Output()
		require.NoError(t, err)
		s.tokens = append(s.tokens, strings.TrimSpace(string(token)))
	}
	process := command("serve", "--listen", "127.0.0.1:0", "--rate-limit", "0")
	log, err := process.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	where := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if found := listening.FindStringSubmatch(lines.Text()); found != nil {
				where <- found[1]
			}
		}
		close(where)
	}()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		require.NoError(t, process.Process.Signal(os.Interrupt))
		require.NoError(t, process.Wait())
	})
	address, ok := <-where
	require.True(t, ok, "tenure serve ended before it listened")
	s.url = "http://" + address
	return s
}

func partnerID(p int) string  { return fmt.Sprintf("99999999-9999-4999-8999-%012d", p) }
func customerID(i int) string { return fmt.Sprintf("11111111-1111-4111-8111-%012d", i%500) }

const templates = 50 // relationships of each partner that all others are copies of

// fill makes n relationships: the first of each partner as every import makes them, the others by copying those within the database.
// None of them falls due while it is measured.
func fill(t *testing.T, database string, db *sql.DB, n int) {
	importTemplates(t, database)
	first := partners * templates
	copies := n / first
	newID, numbers := "gen_random_uuid() || '-' || gen_random_uuid()", fmt.Sprintf("generate_series(1, %d) AS copies (n)", copies-1)
	if strings.HasPrefix(database, "sqlite:") {
		guid := "substr(hex(randomblob(4)), 1, 8) || '-' || substr(hex(randomblob(2)), 1, 4) || '-4' || substr(hex(randomblob(2)), 1, 3) || '-8' || substr(hex(randomblob(2)), 1, 3) || '-' || hex(randomblob(6))"
		newID = "lower(" + guid + " || '-' || " + guid + ")"
		numbers = fmt.Sprintf("(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c) AS copies", copies-1)
	}
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO agreements (key, id, partner_id, display_name, name_key, duration, auto_extend, customer_id, customer_name, roles,
				created_at, locked_at, approved_at, activated_at, name_released_at, digest)
			SELECT key + %d * copies.n, %s, partner_id, display_name || ' ' || copies.n, name_key || ' ' || copies.n, duration, auto_extend, customer_id,
				customer_name, roles, created_at, locked_at, approved_at, activated_at, name_released_at, digest
			FROM %s, agreements WHERE copies.n > 0 ORDER BY copies.n, key`, first, newID, numbers),
		fmt.Sprintf(`INSERT INTO clocks (key, version, modified_at, end_at, warn_after, next_at, assigned, stayed, status, next_rule)
			SELECT key + %d * copies.n, version, modified_at, end_at, warn_after, next_at, assigned, stayed, status, next_rule
			FROM %s, clocks WHERE copies.n > 0 ORDER BY copies.n, key`, first, numbers),
		fmt.Sprintf("UPDATE counters SET next = %d WHERE name = 'relationship'", copies*first+1),
		"ANALYZE",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

func importTemplates(t *testing.T, database string) {
	ctx, at := t.Context(), now()
	db, err := storage.Open(ctx, database)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Migrate(ctx, storage.Live, at))
	var batch []lifecycle.Incoming
	for i := range partners * templates {
		batch = append(batch, template(i, at))
	}
	_, err = db.ImportRelationships(ctx, batch, lifecycle.DefaultPolicy(), at)
	require.NoError(t, err)
}

// template is the i-th of them. Of ten, seven are active, one has ended, one waits for approval and one is a draft.
func template(i int, at time.Time) lifecycle.Incoming {
	began := at.Add(-time.Duration(i%100) * lifecycle.Day)
	r := lifecycle.Record{ID: fmt.Sprintf("0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-%012d", i), Partner: partnerID(i % partners),
		DisplayName: fmt.Sprintf("Contoso helpdesk %d", i), Duration: lifecycle.Days(365), Status: lifecycle.Active,
		Customer: lifecycle.Tenant{TenantID: customerID(i), DisplayName: fmt.Sprintf("Contoso %d", i%500)},
		Roles:    []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "29232cdf-9323-42fd-ade2-1d097af3e4de"},
		Created:  began, Modified: began, AutoExtend: i%3 == 0}
	switch i / partners % 10 {
	case 0:
		r.Status = lifecycle.Created
	case 1:
		r.Status, r.Locked = lifecycle.ApprovalPending, at
	case 2:
		r.Status, r.Locked, r.Activated, r.End = lifecycle.Terminated, began, began, at
	default:
		r.Locked, r.Activated, r.End, r.WarnAfter = began, began, began.Add(365*lifecycle.Day), at
	}
	return lifecycle.Incoming{Record: r, Digest: r.ID}
}
