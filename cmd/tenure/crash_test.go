package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

// A fleet is tenure as operations teams run it: processes that share PostgreSQL and Redis, each of which may be killed.
type fleet struct {
	t       *testing.T
	binary  string
	env     []string
	mail    string
	members []*member
}

type member struct {
	role string
	cmd  *exec.Cmd
}

// plainBinary is the program as it is delivered, without the race detector. It is built when it is first asked for.
var plainBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tenure-plain-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	binary := filepath.Join(dir, "tenure")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return binary, nil
})

// builtIn is where plainBinary has put the program; empty where nobody has asked for it.
var builtIn string

func removeBinary() {
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
}

func newFleet(t *testing.T, database, redis string) *fleet {
	dir := t.TempDir()
	binary, err := plainBinary()
	require.NoError(t, err)
	f := &fleet{t: t, binary: binary, mail: filepath.Join(dir, "mail")}
	// So much falls due at once here that a breaker would hold it.
	policy := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("breakers: off\nquarantine: off\n"), 0o600))
	f.env = append(os.Environ(), "TENURE_DB="+database, "TENURE_REDIS="+redis, "TENURE_MAIL_DIR="+f.mail, "TENURE_POLICY="+policy, "TENURE_LOG_LEVEL=warn")
	t.Cleanup(f.stop)
	return f
}

// run runs a command to its end.
func (f *fleet) run(args ...string) {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), f.binary, args...)
	cmd.Env = f.env
	out, err := cmd.CombinedOutput()
	require.NoError(f.t, err, "%s", out)
}

func (f *fleet) start(roles ...string) {
	for _, role := range roles {
		f.members = append(f.members, &member{role: role, cmd: f.process(role)})
	}
}

func (f *fleet) process(role string) *exec.Cmd {
	cmd := exec.Command(f.binary, role)
	cmd.Env = f.env
	if testing.Verbose() {
		cmd.Stderr = os.Stderr
	}
	require.NoError(f.t, cmd.Start())
	return cmd
}

// replace kills a member without a warning, and starts another in its place.
func (f *fleet) replace(m *member) {
	require.NoError(f.t, m.cmd.Process.Kill())
	_ = m.cmd.Wait()
	m.cmd = f.process(m.role)
}

func (f *fleet) stop() {
	var ending sync.WaitGroup
	for _, m := range f.members {
		ending.Go(func() {
			_ = m.cmd.Process.Signal(os.Interrupt)
			timer := time.AfterFunc(40*time.Second, func() { _ = m.cmd.Process.Kill() })
			defer timer.Stop()
			_ = m.cmd.Wait()
		})
	}
	ending.Wait()
}

// dueRelationships writes a file of active relationships whose end has just come, all of one partner and one customer.
func dueRelationships(t *testing.T, n int) string {
	path := filepath.Join(t.TempDir(), "due.ndjson")
	file, err := os.Create(path)
	require.NoError(t, err)
	w := bufio.NewWriter(file)
	end := wall().Add(-time.Minute)
	for i := range n {
		r := lifecycle.Record{ID: fmt.Sprintf("r-%07d", i), DisplayName: fmt.Sprintf("Relationship %d", i), Duration: lifecycle.Days(90), Status: lifecycle.Active,
			Partner: "aaaaaaaa-0000-4000-8000-000000000001", Customer: lifecycle.Tenant{TenantID: "bbbbbbbb-0000-4000-8000-000000000001"},
			Created: end.Add(-91 * lifecycle.Day), Modified: end.Add(-91 * lifecycle.Day), Activated: end.Add(-90 * lifecycle.Day),
			End: end.Add(time.Duration(i) * time.Microsecond)}
		require.NoError(t, writeJSON(w, r.Wire(lifecycle.DefaultPolicy()), ""))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, file.Close())
	return path
}

const twoContacts = `tenantId,role,mail,displayName,preferredLanguage
aaaaaaaa-0000-4000-8000-000000000001,adminAgent,agent@partner.example,,en
bbbbbbbb-0000-4000-8000-000000000001,globalAdministrator,admin@customer.example,,ja
`

// TestKilledProcessesLoseAndDoubleNothing lets many records fall due at once before two schedulers and four workers, kills
// each of them in turn, and flushes Redis in between. TENURE_TEST_DUE sets how many records.
func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	due := 4_000
	if n, err := strconv.Atoi(os.Getenv("TENURE_TEST_DUE")); err == nil {
		due = n
	}
	database, redis := testenv.Postgres(t), testenv.StartRedis(t)
	f := newFleet(t, database, redis.URL())
	f.run("migrate")
	contacts := filepath.Join(t.TempDir(), "contacts.csv")
	require.NoError(t, os.WriteFile(contacts, []byte(twoContacts), 0o600))
	f.run("import", contacts, dueRelationships(t, due))

	db, err := storage.OpenReadOnly(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	client, err := jobs.ConnectRedis(redis.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })

	f.start("scheduler", "scheduler", "worker", "worker", "worker", "worker")
	began := wall()
	for i := range 2 * len(f.members) {
		time.Sleep(300 * time.Millisecond) // how long a process lives is the point here
		f.replace(f.members[i%len(f.members)])
		if i%4 == 3 {
			require.NoError(t, client.FlushAll(t.Context()).Err())
		}
	}
	killed := wall()
	expired := func() bool {
		counts, err := db.Counts(t.Context())
		return err == nil && counts[lifecycle.Expired] == int64(due)
	}
	require.Eventually(t, expired, 5*time.Minute, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		open, err := db.OpenChunks(t.Context())
		return err == nil && open == 0
	}, time.Minute, 50*time.Millisecond)
	t.Logf("%d records: %s from the first start, %s from the last kill, to the last chunk", due, wall().Sub(began), wall().Sub(killed))
	require.Eventually(t, func() bool {
		counts, err := db.NoticeCounts(t.Context())
		return err == nil && counts[lifecycle.NoticeSent] == int64(2*due)
	}, 10*time.Minute, 200*time.Millisecond)
	requireOnceEach(t, db, due)
	mails, err := filepath.Glob(filepath.Join(f.mail, "*.eml"))
	require.NoError(t, err)
	require.Len(t, mails, 2*due, "the same notice is the same file, however often it was sent")
}

// requireOnceEach counts what happened to each record.
func requireOnceEach(t *testing.T, db *storage.DB, due int) {
	ends := map[string]int{}
	require.NoError(t, db.EachEvent(context.Background(), func(e lifecycle.Event) error {
		if e.Rule == lifecycle.EndTerm {
			ends[e.RelationshipID]++
		}
		return nil
	}))
	require.Len(t, ends, due)
	for id, n := range ends {
		require.Equal(t, 1, n, id)
	}
	type told struct{ id, mail string }
	notices := map[told]int{}
	require.NoError(t, db.EachLetter(context.Background(), func(l lifecycle.Letter) error {
		notices[told{l.Relationship.ID, l.Recipient.Mail}]++
		return nil
	}))
	require.Len(t, notices, 2*due)
	for to, n := range notices {
		require.Equal(t, 1, n, to)
	}
}

// TestStoppedProcessFinishesWhatItHasBegun stops the embedded deployment in the middle of its work, as a deployment of a new
// version does, and starts it again.
func TestStoppedProcessFinishesWhatItHasBegun(t *testing.T) {
	t.Parallel()
	const due = 20_000
	database := "sqlite:" + filepath.Join(t.TempDir(), "tenure.db")
	f := newFleet(t, database, "")
	f.env = append(f.env, "TENURE_LISTEN=127.0.0.1:0")
	f.run("import", dueRelationships(t, due))
	db, err := storage.OpenReadOnly(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	expired := func() int64 {
		counts, err := db.Counts(t.Context())
		require.NoError(t, err)
		return counts[lifecycle.Expired]
	}

	first := f.process("serve")
	require.Eventually(t, func() bool { return expired() > 0 }, time.Minute, time.Millisecond)
	require.NoError(t, first.Process.Signal(syscall.SIGTERM))
	require.NoError(t, first.Wait(), "it ends with 0")
	require.Less(t, expired(), int64(due), "it was stopped before the end, else this test says nothing")
	require.Zero(t, expired()%jobs.DefaultChunkSize, "whole chunks only")

	f.start("serve")
	require.Eventually(t, func() bool { return expired() == due }, time.Minute, 20*time.Millisecond)
	events := 0
	require.NoError(t, db.EachEvent(t.Context(), func(e lifecycle.Event) error {
		if e.Rule == lifecycle.EndTerm {
			events++
		}
		return nil
	}))
	require.Equal(t, due, events)
}
