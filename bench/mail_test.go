package bench

import (
	"fmt"
	"log/slog"
	"net/smtp"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

const (
	letters, mailRounds = 4000, 5
	partner             = "99999999-9999-4999-8999-999999999999"
	from                = "tenure@example.com"
	agent               = "agents@partner.example"
)

// TestMail measures messages per second through a local SMTP server: a bare loop that sends finished messages over one connection
// and does nothing else, which is the limit; tenure, from the notices in its database to the note that they were sent; and a
// connection for each message, which is how mail is sent where nobody thought about it.
func TestMail(t *testing.T) {
	server := startSMTP(t)
	messages := rendered(t, server)
	table := contest(t, "Mail through a local SMTP server", "messages", letters, mailRounds,
		contender{"bare loop over one connection, messages ready", func(t *testing.T, n int) time.Duration { return bareLoop(t, server, messages[:n]) }},
		contender{"tenure, SQLite, one connection", func(t *testing.T, n int) time.Duration { return tenure(t, sqlite(t), server, 1, n) }},
		contender{"tenure, SQLite, four connections", func(t *testing.T, n int) time.Duration { return tenure(t, sqlite(t), server, 4, n) }},
		contender{"tenure, PostgreSQL, four connections", func(t *testing.T, n int) time.Duration { return tenure(t, testenv.Postgres(t), server, 4, n) }},
		contender{"a connection for each message, messages ready", func(t *testing.T, n int) time.Duration { return dialEach(t, server, messages[:n]) }},
	)
	fmt.Println(table)
}

func sqlite(t *testing.T) string {
	return "sqlite:" + filepath.Join(t.TempDir(), fmt.Sprintf("%d.db", time.Now().UnixNano()))
}

// bareLoop is what the server can take over one connection.
func bareLoop(t *testing.T, server string, messages [][]byte) time.Duration {
	client, err := smtp.Dial(server)
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.Hello("localhost"))
	began := time.Now()
	for _, m := range messages {
		require.NoError(t, transaction(client, m))
	}
	return time.Since(began)
}

func transaction(client *smtp.Client, message []byte) error {
	if err := client.Mail(from); err != nil {
		return err
	}
	if err := client.Rcpt(agent); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	return w.Close()
}

func dialEach(t *testing.T, server string, messages [][]byte) time.Duration {
	began := time.Now()
	for _, m := range messages {
		require.NoError(t, smtp.SendMail(server, nil, from, []string{agent}, m))
	}
	return time.Since(began)
}

// tenure delivers n notices that wait in the outbox, from claiming them to noting that they were sent. What comes before, the
// import and the sweep, is not counted.
func tenure(t *testing.T, database, server string, connections, n int) time.Duration {
	db, courier := outbox(t, database, server, connections, n)
	defer db.Close()
	began := time.Now()
	require.NoError(t, courier.Deliver(t.Context()))
	took := time.Since(began)
	counts, err := db.NoticeCounts(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[lifecycle.NoticeStatus]int64{lifecycle.NoticeSent: int64(n), lifecycle.NoticeNoRecipient: int64(n)}, counts)
	return took
}

func now() time.Time { return lifecycle.Instant(time.Now()) }

// outbox is a deployment in which n relationships have just ended and one person is to be told of each.
func outbox(t *testing.T, database, server string, connections, n int) (*storage.DB, *jobs.Courier) {
	ctx, policy, log := t.Context(), lifecycle.DefaultPolicy(), slog.New(slog.DiscardHandler)
	db, err := storage.Open(ctx, database)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(ctx, storage.Live, now()))
	_, err = db.ImportContacts(ctx, []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: agent, DisplayName: "Alex Wilber"}},
		&policy.Notices, now())
	require.NoError(t, err)
	began := now()
	for done := 0; done < n; {
		batch := make([]lifecycle.Incoming, min(1000, n-done))
		for i := range batch {
			batch[i] = ending(done+i, began)
		}
		_, err := db.ImportRelationships(ctx, batch, policy, began.Add(-time.Second))
		require.NoError(t, err)
		done += len(batch)
	}
	notifier := notifierFor(t, server, connections)
	sweeper := &jobs.Sweeper{Store: db, Policy: policy, Bell: jobs.Silence{}, Now: now, Wall: now, Log: log, Parallel: 1}
	_, err = sweeper.Run(ctx, lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	return db, &jobs.Courier{Store: db, Notifier: notifier, Policy: policy, Now: now, Wall: now, Log: log}
}

func ending(i int, end time.Time) lifecycle.Incoming {
	activated := end.Add(-365 * lifecycle.Day)
	r := lifecycle.Record{ID: fmt.Sprintf("0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-%012d", i), Partner: partner,
		DisplayName: fmt.Sprintf("Contoso helpdesk %d", i), Duration: lifecycle.Days(365), Status: lifecycle.Active,
		Customer: lifecycle.Tenant{TenantID: "11111111-1111-4111-8111-111111111111", DisplayName: "Contoso"},
		Roles:    []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}, Created: activated, Modified: activated, Locked: activated,
		Activated: activated, End: end, WarnAfter: end}
	return lifecycle.Incoming{Record: r, Digest: r.ID}
}

func notifierFor(t *testing.T, server string, connections int) *notify.Notifier {
	setting := notify.Setting{Domain: "tenure.example.com", Wall: now}
	channel, err := notify.Open(fmt.Sprintf("smtp://%s#tls=none&connections=%d", server, connections), setting)
	require.NoError(t, err)
	n, err := notify.New(notify.Options{Channels: map[string]notify.Channel{lifecycle.DefaultChannel: channel}, From: from, Domain: setting.Domain})
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// rendered are the messages that tenure sends, ready to be sent by somebody else.
func rendered(t *testing.T, server string) [][]byte {
	n := notifierFor(t, server, 1)
	messages := make([][]byte, letters)
	for i := range messages {
		r := ending(i, now()).Record
		r.Status = lifecycle.Expired
		_, message, err := n.Render(lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: int64(i + 1), Version: 2, Ordinal: 1}, Kind: lifecycle.KindTermEnded,
			End: r.End, Due: r.End, Recorded: r.End, Channel: lifecycle.DefaultChannel, Relationship: r,
			Recipient: lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: agent, DisplayName: "Alex Wilber"}})
		require.NoError(t, err)
		messages[i] = message
	}
	return messages
}
