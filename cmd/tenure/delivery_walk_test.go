package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

// A wire is what passes between a process and the servers that it talks to, in pieces as they come. At one of the pieces,
// counted from the first claim of letters on, the process is killed, and neither that piece nor anything after it arrives.
type wire struct {
	t      *testing.T
	killAt int

	mu     sync.Mutex
	kill   func() error
	begun  bool
	pieces int
	cut    bool
}

// claiming is part of the statement with which a courier claims letters.
const claiming = "UPDATE notices SET"

func (w *wire) passes(piece []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return false
	}
	if w.begun = w.begun || bytes.Contains(piece, []byte(claiming)); !w.begun {
		return true
	}
	if w.pieces++; w.pieces == w.killAt {
		w.cut = true
		_ = w.kill()
	}
	return !w.cut
}

// run runs the process to its end, or to where it is killed.
func (w *wire) run(process *exec.Cmd) (output string, err error) {
	var out bytes.Buffer
	process.Stdout, process.Stderr = &out, &out
	w.mu.Lock()
	err = process.Start()
	require.NoError(w.t, err)
	w.kill = process.Process.Kill // SIGKILL: nothing is tidied up
	w.mu.Unlock()
	err = process.Wait()
	return out.String(), err
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// through listens on this machine and passes everything on to address.
func (w *wire) through(address string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", address)
			if err != nil {
				_ = from.Close()
				continue
			}
			go w.pass(from, to)
			go w.pass(to, from)
		}
	}()
	return listener.Addr().String()
}

func (w *wire) pass(from, to net.Conn) {
	defer to.Close()   //nolint:errcheck // it is over
	defer from.Close() //nolint:errcheck // it is over
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 && w.passes(piece[:n]) {
			_, err = to.Write(piece[:n])
		}
		if err != nil {
			return
		}
	}
}

// An inbox is a mail server that keeps what it accepts.
type inbox struct {
	mu       sync.Mutex
	messages map[string][]string // by Message-ID: each time it arrived
}

func startInbox(t *testing.T) (*inbox, string) {
	t.Helper()
	in := &inbox{messages: map[string][]string{}}
	address, _ := serveMail(t, in)
	return in, address
}

// serveMail has a mail server accept what comes, until the test ends or it is stopped.
func serveMail(t *testing.T, in *inbox) (address string, stop func()) {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return in, nil }))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }()
	stop = func() { _ = server.Close() }
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

func (*inbox) Reset()                               {}
func (*inbox) Logout() error                        { return nil }
func (*inbox) Mail(string, *smtp.MailOptions) error { return nil }
func (*inbox) Rcpt(string, *smtp.RcptOptions) error { return nil }

// Data keeps a message that arrived as a whole.
func (in *inbox) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	message, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return err
	}
	id := strings.Trim(message.Header.Get("Message-Id"), "<>")
	in.mu.Lock()
	defer in.mu.Unlock()
	in.messages[id] = append(in.messages[id], string(text))
	return nil
}

func (in *inbox) arrived(id string) []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.messages[id]
}

// TestProcessKilledBetweenAnyTwoStepsOfADelivery kills a process that delivers two notices at the first piece that passes between it
// and the database or the mail server, then another one at the second piece, and so on, until one lives to its end. Each time a
// courier comes by later, when the leases are over.
func TestProcessKilledBetweenAnyTwoStepsOfADelivery(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	in, mailServer := startInbox(t)
	tenure, err := plainBinary() // the way is walked through the database and the mail server, which know of no race detector
	require.NoError(t, err)
	db, courier := later(t, database, mailServer)

	twice, killed := 0, 0
	for ; ; killed++ {
		require.Less(t, killed, 400, "it never comes to an end")
		due(t, db, killed)
		w := &wire{t: t, killAt: killed + 1}
		process := exec.CommandContext(t.Context(), tenure, "--db", strings.Replace(database, hostOf(database), w.through(hostOf(database)), 1),
			"sweep", "--rule", "expire-pending", "--channel", "mail=smtp://"+w.through(mailServer)+"#tls=none&connections=1")
		process.Env = append(os.Environ(), "HOME="+t.TempDir())
		output, err := w.run(process)
		if err != nil {
			require.True(t, w.isCut(), "it ended by itself: %s", output)
		}
		// PostgreSQL may take a moment to see that somebody died in a transaction, whose letters are passed over until then.
		require.Eventually(t, func() bool {
			require.NoError(t, courier.Deliver(t.Context()))
			return told(t, db, killed)
		}, 10*time.Second, 10*time.Millisecond, "killed at step %d: not everybody was told", killed+1)
		twice += requireTold(t, db, in, killed)
		if !w.isCut() {
			break
		}
	}
	t.Logf("killed at each of %d steps; %d messages arrived twice, and show it", killed, twice)
	require.Greater(t, killed, 20, "that is not all of the way")
	require.Positive(t, twice, "a message that is accepted and not noted arrives twice; were there none, this test would not see it")
}

func hostOf(postgresURL string) string {
	_, rest, _ := strings.Cut(postgresURL, "@")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// later is a courier of another process that comes by when the leases of the killed ones are over.
func later(t *testing.T, database, mailServer string) (*storage.DB, *jobs.Courier) {
	db, err := storage.Open(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(t.Context(), storage.Live, wall()))
	policy := lifecycle.DefaultPolicy()
	_, err = db.Retime(t.Context(), policy, wall())
	require.NoError(t, err)
	_, err = db.ImportContacts(t.Context(), []lifecycle.Contact{
		{TenantID: walkPartner, Role: lifecycle.AdminAgents, Mail: "agent@partner.example"},
		{TenantID: walkCustomer, Role: lifecycle.GlobalAdministrators, Mail: "admin@customer.example", Language: "ja"},
	}, &policy.Notices, wall())
	require.NoError(t, err)
	setting := notify.Setting{Domain: "tenure.localhost", Wall: wall}
	channel, err := notify.Open("smtp://"+mailServer+"#tls=none", setting)
	require.NoError(t, err)
	notifier, err := notify.New(notify.Options{Channels: map[string]notify.Channel{lifecycle.DefaultChannel: channel}, From: "tenure@localhost", Domain: setting.Domain})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, notifier.Close()) })
	return db, &jobs.Courier{Store: db, Notifier: notifier, Policy: policy, Now: wall, Log: slog.New(slog.DiscardHandler),
		Wall: func() time.Time { return wall().Add(time.Hour) }}
}

const (
	walkPartner  = "aaaaaaaa-0000-4000-8000-000000000001"
	walkCustomer = "bbbbbbbb-0000-4000-8000-000000000001"
)

// due has one more relationship end, with somebody to tell on both sides.
func due(t *testing.T, db *storage.DB, n int) {
	t.Helper()
	policy, end := lifecycle.DefaultPolicy(), wall().Add(-time.Minute)
	r := lifecycle.Record{ID: walkID(n), DisplayName: walkID(n), Duration: lifecycle.Days(90), Status: lifecycle.Active, Partner: walkPartner,
		Customer: lifecycle.Tenant{TenantID: walkCustomer}, Created: end.Add(-91 * lifecycle.Day), Modified: end.Add(-91 * lifecycle.Day),
		Activated: end.Add(-90 * lifecycle.Day), End: end}
	_, err := db.ImportRelationships(t.Context(), []lifecycle.Incoming{{Record: r, Digest: r.ID}}, policy, end.Add(-time.Second))
	require.NoError(t, err)
	stored, err := db.Relationship(t.Context(), r.ID)
	require.NoError(t, err)
	_, err = db.Apply(t.Context(), []lifecycle.Decided{{Key: stored.Key, Version: stored.Version, Decision: lifecycle.Evaluate(stored.Record, policy, wall())}})
	require.NoError(t, err)
}

func walkID(n int) string {
	return "walk-" + string(rune('a'+n/26%26)) + string(rune('a'+n%26)) + string(rune('a'+n/676))
}

func told(t *testing.T, db *storage.DB, n int) bool {
	letters, err := db.Letters(t.Context(), lifecycle.LetterQuery{Relationship: walkID(n), Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeSent}})
	require.NoError(t, err)
	return len(letters) == 2
}

// requireTold requires that both sides were told of the n-th relationship, with one message each, and counts those that arrived
// more than once.
func requireTold(t *testing.T, db *storage.DB, in *inbox, n int) (twice int) {
	t.Helper()
	letters, err := db.Letters(t.Context(), lifecycle.LetterQuery{Relationship: walkID(n)})
	require.NoError(t, err)
	require.Len(t, letters, 2)
	for _, l := range letters {
		require.Equal(t, lifecycle.NoticeSent, l.Status, "killed at step %d: %s", n+1, l.LastError)
		copies := in.arrived(l.MessageID)
		require.NotEmpty(t, copies, "killed at step %d", n+1)
		for _, c := range copies {
			require.Equal(t, copies[0], c)
		}
		if len(copies) > 1 {
			twice++
			require.GreaterOrEqual(t, l.Unknown, len(copies)-1, "killed at step %d: it arrived %d times, and does not show it", n+1, len(copies))
		}
	}
	return twice
}
