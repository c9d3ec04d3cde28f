package storage

import (
	"testing"

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
