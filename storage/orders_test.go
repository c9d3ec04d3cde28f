package storage

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func ordered(t *testing.T, db *DB, action lifecycle.NoticeAction, q lifecycle.LetterQuery) int64 {
	t.Helper()
	o := lifecycle.NoticeOrder{Action: action, Note: "they asked", By: "cli:eve", At: start.Add(time.Hour)}
	o.DryRun = true
	before := letters(t, db, lifecycle.LetterQuery{})
	would, err := db.OrderLetters(ctx, o, q)
	require.NoError(t, err)
	require.Equal(t, before, letters(t, db, lifecycle.LetterQuery{}), "a dry run changes nothing")
	o.DryRun = false
	changed, err := db.OrderLetters(ctx, o, q)
	require.NoError(t, err)
	require.Equal(t, would, changed)
	return changed
}

var everybody = lifecycle.LetterQuery{Tenant: partner}

func TestDeadLetterIsRetriedFromTheBeginning(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 3)
		held := begun(t, db, claimed(t, db, asked(start, 3))...)
		settled(t, db, outcome(&held[0], lifecycle.NoticeDead, start), outcome(&held[1], lifecycle.NoticeFailed, start.AddDate(0, 0, 1)))
		require.EqualValues(t, 2, ordered(t, db, lifecycle.RetryNotice, everybody), "the third one is queued as it is")
		for _, l := range held[:2] {
			again := stored(t, db, l.NoticeID)
			require.Equal(t, lifecycle.NoticeQueued, again.Status)
			require.Zero(t, again.Attempts)
			require.Zero(t, again.NextAttempt)
			require.Empty(t, again.LastError)
			require.Zero(t, again.SettledAt)
			require.Equal(t, "they asked", again.Note)
			require.Equal(t, "cli:eve", again.NotedBy)
		}
		require.Len(t, claimed(t, db, rationed(start, 10, 1)), 2, "beside the day's ration")
	})
}

func TestSuppressedLetterIsNotSent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 3)
		held := claimed(t, db, asked(start, 2))
		sending := begun(t, db, held[0])[0]
		require.EqualValues(t, 3, ordered(t, db, lifecycle.SuppressNotice, everybody))
		require.Empty(t, begun(t, db, held[1]))
		l := stored(t, db, held[1].NoticeID)
		require.Equal(t, lifecycle.NoticeSuppressed, l.Status)
		require.Equal(t, lifecycle.ByOperator, l.Reason)
		require.Equal(t, start.Add(time.Hour), l.SettledAt)
		require.Equal(t, 1, stored(t, db, sending.NoticeID).Unknown)
		settled(t, db, outcome(&sending, lifecycle.NoticeFailed, start))
		require.Equal(t, lifecycle.NoticeSuppressed, stored(t, db, sending.NoticeID).Status)
		settled(t, db, outcome(&sending, lifecycle.NoticeSent, start))
		require.Equal(t, lifecycle.NoticeSent, stored(t, db, sending.NoticeID).Status, "it was too late")
		require.Empty(t, claimed(t, db, asked(start.AddDate(0, 0, 1), 10)))

		require.EqualValues(t, 2, ordered(t, db, lifecycle.ReleaseNotice, everybody))
		require.Len(t, claimed(t, db, asked(start, 10)), 2)
	})
}

func TestWaitingLetterIsReleasedFromItsDigest(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		importContactsOf(t, db, reading(lifecycle.DailyDigest, "a@example.com"))
		end(t, db, 2)
		waits := letters(t, db, withStatus(lifecycle.NoticeWaiting))
		require.EqualValues(t, 1, ordered(t, db, lifecycle.ReleaseNotice, lifecycle.LetterQuery{IDs: []lifecycle.NoticeID{waits[0].NoticeID}}))
		l := one(t, db, start)
		require.Equal(t, waits[0].NoticeID, l.NoticeID)
		require.Zero(t, l.DigestAt)
		require.Empty(t, l.Reason)
	})
}

func TestRetryLooksForSomebodyToTellAgain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end(t, db, 3)
		require.Zero(t, ordered(t, db, lifecycle.RetryNotice, withStatus(lifecycle.NoticeNoRecipient)), "there is still nobody")
		// Somebody came in at a moment at which nobody noticed.
		_, err := db.pool.ExecContext(ctx, `INSERT INTO contacts (tenant_id, role, mail_key, mail, display_name, language, digest)
			VALUES ('`+partner+`', 'adminAgent', 'a@example.com', 'a@example.com', 'A', 'ja', ''), ('`+partner+`', 'adminAgent', 'b@example.com', 'b@example.com', 'B', 'ja', 'daily')`)
		require.NoError(t, err)
		require.EqualValues(t, 3, ordered(t, db, lifecycle.RetryNotice, withStatus(lifecycle.NoticeNoRecipient)))
		require.Len(t, letters(t, db, withStatus(lifecycle.NoticeNoRecipient)), 3, "at the customer's there is nobody")
		for _, l := range claimed(t, db, rationed(start, 10, 1)) {
			require.Equal(t, "a@example.com", l.Recipient.Mail)
			require.Equal(t, "they asked", l.Note)
		}
		require.Equal(t, 1, folded(t, db, start.Add(time.Hour)), "who wants digests gets one, at once")
	})
}

func TestErasedRecipientCannotBeWrittenTo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		l := one(t, db, start)
		settled(t, db, outcome(&l, lifecycle.NoticeDead, start))
		_, err := db.EraseRecipients(ctx, start.AddDate(1, 0, 0), 10)
		require.NoError(t, err)
		require.Zero(t, ordered(t, db, lifecycle.RetryNotice, everybody))
	})
}

func TestRetryLeavesAloneWhatIsBeingSent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		queue(t, db, 1)
		l := one(t, db, start)
		settled(t, db, outcome(&l, lifecycle.NoticeFailed, start))
		begun(t, db, one(t, db, start))
		require.Zero(t, ordered(t, db, lifecycle.RetryNotice, everybody))
	})
}

func TestOrderSaysWhatItMeans(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		_, err := db.OrderLetters(ctx, lifecycle.NoticeOrder{Action: "burn", Note: "x"}, everybody)
		require.ErrorContains(t, err, "write retry, release or suppress")
		_, err = db.OrderLetters(ctx, lifecycle.NoticeOrder{Action: lifecycle.RetryNotice}, everybody)
		require.ErrorContains(t, err, "give a reason")
		_, err = db.OrderLetters(ctx, lifecycle.NoticeOrder{Action: lifecycle.RetryNotice, Note: "x"}, lifecycle.LetterQuery{Limit: 9})
		require.ErrorIs(t, err, ErrNotNarrow)
	})
}

func TestLongOrderGoesPageByPage(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const n = 2*lettersPerOrder + 10
		queue(t, db, n)
		limited := everybody
		limited.Limit = lettersPerOrder + 5
		require.EqualValues(t, lettersPerOrder+5, ordered(t, db, lifecycle.SuppressNotice, limited))
		require.EqualValues(t, lettersPerOrder+5, ordered(t, db, lifecycle.SuppressNotice, everybody))
		require.EqualValues(t, n, ordered(t, db, lifecycle.ReleaseNotice, everybody))
	})
}

func TestOrdersSideBySideLoseNobody(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const steps, people = 100, 5
		records := make([]lifecycle.Record, steps) // the end of each tells two audiences, in which there is nobody
		for i := range records {
			records[i] = active(i+1, start)
		}
		_, err := db.ImportRelationships(ctx, incoming(records...), policy, start)
		require.NoError(t, err)
		ended, err := db.Relationships(ctx, lifecycle.RelationshipQuery{})
		require.NoError(t, err)
		_, err = db.Apply(ctx, decide(start, ended...))
		require.NoError(t, err)
		for _, a := range []lifecycle.Audience{{TenantID: partner, Role: lifecycle.AdminAgents}, {TenantID: customer, Role: lifecycle.GlobalAdministrators}} {
			for i := range people {
				// Written directly, so that nothing is offered by itself: as after a chunk that committed too late to be seen.
				_, err := db.pool.ExecContext(ctx, fmt.Sprintf(`INSERT INTO contacts (tenant_id, role, mail_key, mail, display_name, language)
					VALUES ('%s', '%s', '%d@example.com', '%d@example.com', '', '')`, a.TenantID, a.Role, i, i))
				require.NoError(t, err)
			}
		}
		var ordering sync.WaitGroup
		for _, tenant := range []string{partner, customer} {
			ordering.Go(func() {
				_, err := db.OrderLetters(ctx, lifecycle.NoticeOrder{Action: lifecycle.RetryNotice, Note: "they are there now", By: "me", At: start},
					lifecycle.LetterQuery{Tenant: tenant})
				assert.NoError(t, err)
			})
		}
		ordering.Wait()
		letters, err := db.Letters(ctx, lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeQueued}})
		require.NoError(t, err)
		require.Len(t, letters, 2*steps*people)
	})
}
