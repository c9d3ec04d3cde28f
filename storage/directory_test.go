package storage

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestNoticesThatFoundNobodyGoToWhoeverComesLater(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end(t, db, 3)
		unreached, err := db.Unreached(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.Unreached{
			{Audience: lifecycle.Audience{TenantID: partner, Role: lifecycle.AdminAgents}, Notices: 3, Latest: start},
			{Audience: lifecycle.Audience{Role: lifecycle.GlobalAdministrators}, Notices: 3, Latest: start},
		}, sortedUnreached(unreached))

		counts := importContactsOf(t, db, reading(lifecycle.NoDigest, "b@example.com"), reading(lifecycle.DailyDigest, "a@example.com"),
			reading(lifecycle.NoDigest, "c@example.com"))
		require.Equal(t, lifecycle.ContactCounts{Created: 3, Offered: 9}, counts)
		of := letters(t, db, lifecycle.LetterQuery{Relationship: id(1)})
		require.Len(t, of, 4)
		for i, mail := range []string{"a@example.com", "", "b@example.com", "c@example.com"} {
			require.Equal(t, i+1, of[i].Ordinal)
			require.Equal(t, mail, of[i].Recipient.Mail)
		}
		require.Equal(t, lifecycle.NoticeWaiting, of[0].Status)
		require.Equal(t, digestMorning, of[0].DigestAt)
		require.Zero(t, of[0].SettledAt)
		require.Equal(t, lifecycle.NoticeQueued, of[2].Status)
		require.Equal(t, reading(lifecycle.NoDigest, "b@example.com"), of[2].Recipient)
		require.Equal(t, of[0].Kind, of[2].Kind)
		require.Equal(t, of[0].Recorded, of[2].Recorded)

		require.Equal(t, lifecycle.ContactCounts{Created: 1}, importContactsOf(t, db, reading(lifecycle.NoDigest, "d@example.com")), "each is offered once")
		require.Len(t, claimed(t, db, asked(start, 100)), 6)
	})
}

func sortedUnreached(unreached []lifecycle.Unreached) []lifecycle.Unreached {
	if unreached[0].TenantID == "" { // as many of each: by tenant
		unreached[0], unreached[1] = unreached[1], unreached[0]
	}
	return unreached
}

func TestOldNewsIsNotOfferedAndAWarningOnlyWhileItIsTrue(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		soon := active(2, start.AddDate(0, 0, 7))
		soon.Customer, soon.WarnAfter = lifecycle.Tenant{}, soon.Activated
		gone := active(1, start)
		_, err := db.Apply(ctx, decide(start, load(t, db, gone, soon)...))
		require.NoError(t, err)
		adding := func(now time.Time, mail string) lifecycle.ContactCounts {
			counts, err := db.ImportContacts(ctx, []lifecycle.Contact{reading(lifecycle.NoDigest, mail)}, &policy.Notices, now)
			require.NoError(t, err)
			return counts
		}
		late := start.AddDate(0, 0, 8)
		require.Equal(t, lifecycle.ContactCounts{Created: 1}, adding(late, "a@example.com"))
		suppressed := letters(t, db, withStatus(lifecycle.NoticeSuppressed))
		require.Len(t, suppressed, 1)
		require.Equal(t, lifecycle.Stale, suppressed[0].Reason)
		require.Equal(t, late, suppressed[0].SettledAt)
		withdrawn := letters(t, db, withStatus(lifecycle.NoticeWithdrawn))
		require.Len(t, withdrawn, 1)
		require.Equal(t, lifecycle.EndPassed, withdrawn[0].Reason)
	})
}

func TestAtomicImportOffersToo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end(t, db, 2)
		im, err := db.BeginImport(ctx, true)
		require.NoError(t, err)
		counts, err := im.Contacts(ctx, []lifecycle.Contact{reading(lifecycle.NoDigest, "a@example.com")}, &policy.Notices, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.ContactCounts{Created: 1, Offered: 2}, counts)
		require.NoError(t, im.Commit())
		require.Len(t, claimed(t, db, asked(start, 100)), 2)
	})
}

// What a chunk has written while the contacts came in shows only when both are committed.
func TestNoticeWrittenBesideAnImportIsOfferedWhenItIsDone(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		if db.writer != nil {
			t.Skip("SQLite writes one thing after the other")
		}
		im, err := db.BeginImport(ctx, true)
		require.NoError(t, err)
		stored := load(t, db, active(1, start))
		counts, err := im.Contacts(ctx, []lifecycle.Contact{reading(lifecycle.NoDigest, "a@example.com")}, &policy.Notices, start)
		require.NoError(t, err)
		require.Zero(t, counts.Offered)
		_, err = db.Apply(ctx, decide(start, stored...))
		require.NoError(t, err)
		require.NoError(t, im.Commit())
		require.Len(t, claimed(t, db, asked(start, 100)), 1)
	})
}

func TestNoMoreThanAThousandHoldARole(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var batch []lifecycle.Contact
		for i := range lifecycle.MostContacts - 1 {
			batch = append(batch, reading(lifecycle.NoDigest, fmt.Sprintf("%d@example.com", i)))
		}
		require.Equal(t, lifecycle.ContactCounts{Created: lifecycle.MostContacts - 1}, importContactsOf(t, db, batch...))
		last, more, elsewhere := reading(lifecycle.NoDigest, "last@example.com"), reading(lifecycle.NoDigest, "more@example.com"), reading(lifecycle.NoDigest, "x@example.com")
		elsewhere.TenantID = customer
		counts := importContactsOf(t, db, batch[0], last, more, last, elsewhere)
		require.Equal(t, 2, counts.Created)
		require.Equal(t, 2, counts.Unchanged)
		require.Len(t, counts.Refused, 1)
		require.Equal(t, 2, counts.Refused[0].Index)
		require.Equal(t, "tenantId", counts.Refused[0].Fault.Field)
		require.Contains(t, counts.Refused[0].Fault.Reason, "1000 contacts")
	})
}

func TestContactsAreListedAndRemoved(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		a, b := reading(lifecycle.DailyDigest, "A@example.com"), reading(lifecycle.NoDigest, "b@example.com")
		admin := lifecycle.Contact{TenantID: customer, Role: lifecycle.GlobalAdministrators, Mail: "a@example.com"}
		importContactsOf(t, db, a, b, admin)
		list := func(q lifecycle.ContactQuery) []lifecycle.Contact {
			contacts, err := db.Contacts(ctx, q)
			require.NoError(t, err)
			return contacts
		}
		all := []lifecycle.Contact{a, b, admin}
		require.Equal(t, all, list(lifecycle.ContactQuery{}))
		require.Equal(t, all[1:2], list(lifecycle.ContactQuery{After: a, Limit: 1}))
		require.Equal(t, all[2:], list(lifecycle.ContactQuery{Tenant: customer}))
		require.Equal(t, all[:2], list(lifecycle.ContactQuery{Role: lifecycle.AdminAgents}))
		require.Equal(t, []lifecycle.Contact{a, admin}, list(lifecycle.ContactQuery{Mail: "a@EXAMPLE.com"}))
		require.Empty(t, list(lifecycle.ContactQuery{Tenant: "\x00\xff", Mail: "\x00\xff"}), "what no text column can hold is found nowhere")
		letters, err := db.Letters(ctx, lifecycle.LetterQuery{Relationship: "\x00\xff", Tenant: "\x00\xff", Mail: "\x00\xff", Channel: "\x00\xff"})
		require.NoError(t, err)
		require.Empty(t, letters)

		people, err := db.Recipients(ctx, []lifecycle.Audience{{TenantID: partner, Role: lifecycle.AdminAgents}, {TenantID: customer, Role: lifecycle.AdminAgents}})
		require.NoError(t, err)
		require.Equal(t, map[lifecycle.Audience]int64{{TenantID: partner, Role: lifecycle.AdminAgents}: 2}, people)

		removed := func(q lifecycle.ContactQuery) int64 {
			n, err := db.RemoveContacts(ctx, q)
			require.NoError(t, err)
			return n
		}
		_, err = db.RemoveContacts(ctx, lifecycle.ContactQuery{Limit: 1})
		require.ErrorIs(t, err, ErrNotNarrow)
		require.EqualValues(t, 1, removed(lifecycle.ContactQuery{Tenant: partner, Role: lifecycle.AdminAgents, Mail: "a@example.com"}))
		require.Zero(t, removed(lifecycle.ContactQuery{Tenant: "nobody"}))
		require.Equal(t, all[1:], list(lifecycle.ContactQuery{}))
	})
}
