package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestNoticeGoesWhereItsAddresseesSay(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		importContactsOf(t, db, reading(lifecycle.NoDigest, "a@example.com"), reading(lifecycle.DailyDigest, "b@example.com"))
		partners := lifecycle.Audience{TenantID: partner, Role: lifecycle.AdminAgents}
		customers := lifecycle.Audience{TenantID: customer, Role: lifecycle.GlobalAdministrators}
		decided := decide(start, load(t, db, active(1, start))...)
		decided[0].Notices[0].To = []lifecycle.Addressee{
			{Audience: partners, Channel: "Zulu"}, {Audience: partners, Channel: "chat"}, {Audience: partners, Channel: "crm", Endpoint: true},
			{Audience: customers, Channel: "mail", Muted: true},
		}
		tally, err := db.Apply(ctx, decided)
		require.NoError(t, err)
		require.EqualValues(t, 3, tally.Notices, "those that wait are not to be sent yet")
		type line struct {
			channel, mail string
			endpoint      bool
			status        lifecycle.NoticeStatus
			reason        lifecycle.Reason
			settled       bool
		}
		var lines []line
		for i, l := range letters(t, db, lifecycle.LetterQuery{}) {
			require.Equal(t, i+1, l.Ordinal)
			lines = append(lines, line{l.Channel, l.Recipient.Mail, l.Endpoint, l.Status, l.Reason, !l.SettledAt.IsZero()})
		}
		require.Equal(t, []line{
			{"Zulu", "a@example.com", false, "queued", "", false},
			{"Zulu", "b@example.com", false, "waiting", "forDigest", false},
			{"chat", "a@example.com", false, "queued", "", false},
			{"chat", "b@example.com", false, "waiting", "forDigest", false},
			{"crm", "", true, "queued", "", false},
			{"mail", "", false, "suppressed", "notRouted", true},
		}, lines)

		require.Len(t, claimed(t, db, lifecycle.Claim{Channel: "chat", Now: start, Wall: start, LeaseUntil: start, Most: 10}), 1, "each channel has its own")
		contacts(t, db, customer, lifecycle.GlobalAdministrators, "late@customer.example")
		require.Empty(t, letters(t, db, lifecycle.LetterQuery{Mail: "late@customer.example"}), "nobody wanted them told")
		require.EqualValues(t, 1, ordered(t, db, lifecycle.ReleaseNotice, lifecycle.LetterQuery{Tenant: customer}))
		require.Len(t, letters(t, db, lifecycle.LetterQuery{Mail: "late@customer.example"}), 1, "until somebody does")
	})
}

func TestEndpointIsToldWhoeverIsThere(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		decided := decide(start, load(t, db, active(1, start.AddDate(0, 0, -30)), active(2, start))...)
		for i := range decided {
			decided[i].Notices[0].To = []lifecycle.Addressee{{Audience: lifecycle.Audience{TenantID: partner, Role: lifecycle.AdminAgents}, Channel: "crm", Endpoint: true}}
		}
		_, err := db.Apply(ctx, decided)
		require.NoError(t, err)
		agents(t, db, "late@example.com")
		all := letters(t, db, lifecycle.LetterQuery{})
		require.Len(t, all, 2)
		require.Equal(t, lifecycle.NoticeSuppressed, all[0].Status, "old news")
		require.Equal(t, lifecycle.NoticeQueued, all[1].Status)
		require.EqualValues(t, 1, ordered(t, db, lifecycle.ReleaseNotice, everybody))
		require.Equal(t, lifecycle.NoticeQueued, stored(t, db, all[0].NoticeID).Status)
	})
}

// What is told does not depend on how many are told of it, and each is told in the words that the directory has.
func TestEverybodyIsToldOnceInTheOrderOfTheirAddresses(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		odd := "tab\there, line\nend, return\r, \\N and \\. and \\\\, 'quotes\" , é 日 🎉"
		var people []lifecycle.Contact
		for _, mail := range []string{"b@example.com", "É@example.com", "a@example.com", "Z@example.com", "_@example.com"} {
			people = append(people, lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: mail, DisplayName: odd, Language: "ja", TimeZone: "Asia/Tokyo"})
		}
		importContactsOf(t, db, people...)
		const records = 1200 // more than one piece of a COPY
		var batch []lifecycle.Record
		for n := range records {
			batch = append(batch, active(n, start))
		}
		load(t, db, batch...)
		sweep := opened(t, db, start, lifecycle.EndTerm)
		toSend := int64(0)
		for _, ref := range cutAll(t, db, sweep.ID, records, 10) {
			chunk := claim(t, db, ref, start)
			due, _, err := db.DueRecords(ctx, chunk, nil, start)
			require.NoError(t, err)
			tally, err := db.ApplyChunk(ctx, chunk.ChunkRef, decide(start, due...), lifecycle.Tally{}, nil, start)
			require.NoError(t, err)
			toSend += tally.Notices
		}
		require.EqualValues(t, records*len(people), toSend)
		require.Equal(t, records, count(t, db, "SELECT count(*) FROM notices WHERE status = 'noRecipient' AND mail = '' AND settled_at = recorded_at"))
		require.Equal(t, records, count(t, db, "SELECT count(*) FROM events WHERE rule = 'end-term' AND length(fingerprint) = 32"))
		for i, mail := range []string{"_@example.com", "a@example.com", "b@example.com", "Z@example.com", "É@example.com"} {
			require.Equal(t, records, count(t, db, fmt.Sprintf("SELECT count(*) FROM notices WHERE ordinal = %d AND mail = '%s' AND status = 'queued' AND settled_at IS NULL", i+1, mail)), mail)
		}
		one := letters(t, db, lifecycle.LetterQuery{Mail: "É@example.com"})[0]
		require.Equal(t, people[1], one.Recipient)
	})
}

func TestNoticeThatIsThereAlreadyIsRefusedWithAllOfItsPage(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@example.com")
		stored := load(t, db, active(1, start), active(2, start))
		_, err := db.pool.ExecContext(ctx, fmt.Sprintf(`INSERT INTO notices (relationship_key, version, ordinal, kind, stage, due_at, recorded_at, status, reason,
			tenant_id, role, mail, recipient_name, language, ready_at) VALUES (%d, 2, 1, 'x', '', '%[2]s', '%[2]s', 'sent', '', '', '', '', '', '', '%[2]s')`, stored[1].Key, at(start)))
		require.NoError(t, err)
		_, err = db.Apply(ctx, decide(start, stored...))
		require.ErrorIs(t, err, lifecycle.ErrRefusedByDatabase)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM notices"))
		require.Equal(t, 2, count(t, db, "SELECT count(*) FROM events"), "they came")
		require.Equal(t, lifecycle.Active, mustRead(t, db, id(1)).Status)
		tally, err := db.Apply(ctx, decide(start, stored[0]))
		require.NoError(t, err)
		require.EqualValues(t, 1, tally.Changed, "the other one is free to go")
	})
}

// Whoever is stopped while writing a page leaves nothing of it behind, and the database as usable as before.
func TestPageThatIsStoppedLeavesNothingBehind(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@example.com", "b@example.com", "c@example.com")
		var batch []lifecycle.Record
		for n := range 1500 {
			batch = append(batch, active(n, start))
		}
		load(t, db, batch...)
		var stored []lifecycle.Stored
		require.NoError(t, db.snap(ctx, func(s *Snapshot) error {
			return s.EachRelationship(ctx, func(r lifecycle.Stored) error { stored = append(stored, r); return nil })
		}))
		decided := decide(start, stored...)
		for range 10 {
			stopped, stop := context.WithCancel(ctx)
			time.AfterFunc(time.Duration(rand.IntN(int(60*time.Millisecond))), stop) // somewhere in the middle
			_, err := db.Apply(stopped, decided)
			why := stopped.Err()
			stop()
			if err == nil { // it was quicker
				break
			}
			require.ErrorIs(t, why, context.Canceled, "the database has said: %s", err) // in words of its own, where a statement was stopped
			require.Zero(t, count(t, db, "SELECT count(*) FROM notices"))
			require.Equal(t, len(batch), count(t, db, "SELECT count(*) FROM events"))
			require.Zero(t, count(t, db, "SELECT count(*) FROM clocks WHERE version > 1"))
		}
		_, err := db.Apply(ctx, decided)
		require.NoError(t, err)
		require.Equal(t, 4*len(batch), count(t, db, "SELECT count(*) FROM notices"))
		require.Equal(t, 2*len(batch), count(t, db, "SELECT count(*) FROM events"))
	})
}

func TestWhatNobodyWaitsForAnyMoreIsNotCommitted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		stopped, stop := context.WithCancel(ctx)
		err := db.write(stopped, "test", func(s session) error {
			defer stop()
			return setMeta(stopped, s, metaValue{"test", "written"})
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, count(t, db, "SELECT count(*) FROM meta WHERE name = 'test'"))
	})
}
