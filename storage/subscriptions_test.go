package storage

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// subscribed has a program told of what happens to a tenant's relationships.
func subscribed(t testing.TB, db *DB, tenant string, kinds ...lifecycle.NoticeKind) lifecycle.Subscription {
	t.Helper()
	sub := lifecycle.Subscription{Tenant: tenant, URL: "https://hooks.example.com/in", Kinds: kinds, Secrets: []string{"whsec_1"}, By: "ops", Created: start}
	id, err := db.AddSubscription(ctx, sub)
	require.NoError(t, err)
	sub.ID = id
	return sub
}

// toldOn are the kinds of a subscription's letters, in the order of their ids.
func toldOn(t testing.TB, db *DB, sub lifecycle.Subscription, statuses ...lifecycle.NoticeStatus) []lifecycle.NoticeKind {
	t.Helper()
	letters, err := db.Letters(ctx, lifecycle.LetterQuery{Channel: sub.Channel(), Statuses: statuses})
	require.NoError(t, err)
	kinds := []lifecycle.NoticeKind{}
	for i := range letters {
		kinds = append(kinds, letters[i].Kind)
	}
	return kinds
}

// ofSubscription is a claim of its letters.
func ofSubscription(sub lifecycle.Subscription, wall time.Time) lifecycle.Claim {
	c := asked(wall, 10)
	c.Channel, c.PerDay, c.DigestAt = sub.Channel(), 1, wall.Add(time.Hour)
	return c
}

func TestATenantHasSoManySubscriptionsAndNoMore(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var added, refused atomic.Int32
		var all sync.WaitGroup
		for range 2 * lifecycle.MostSubscriptions {
			all.Go(func() {
				_, err := db.AddSubscription(ctx, lifecycle.Subscription{Tenant: partner, URL: "https://x.example", Secrets: []string{"whsec_1"}, Created: start})
				switch {
				case err == nil:
					added.Add(1)
				case errors.Is(err, lifecycle.ErrTooMany):
					refused.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, lifecycle.MostSubscriptions, added.Load())
		require.EqualValues(t, lifecycle.MostSubscriptions, refused.Load())
		subscribed(t, db, "") // others have room
	})
}

func TestSubscriptions(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		subs, err := db.Subscriptions(ctx)
		require.NoError(t, err)
		require.Empty(t, subs)
		first := subscribed(t, db, "")
		second := subscribed(t, db, partner, lifecycle.AnnounceExtended, lifecycle.AnnounceExpired)
		subs, err = db.Subscriptions(ctx)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.Subscription{first, second}, subs)

		for n := range 3 {
			require.NoError(t, db.RenewSecret(ctx, second.ID, fmt.Sprintf("whsec_%d", n+2), start))
		}
		second.Secrets = []string{"whsec_4", "whsec_3"}
		found, err := db.Subscription(ctx, second.ID)
		require.NoError(t, err)
		require.Equal(t, second, found, "the new secret and the one before")

		require.NoError(t, db.RemoveSubscription(ctx, second.ID, start))
		require.ErrorIs(t, db.RemoveSubscription(ctx, second.ID, start), lifecycle.ErrNotFound)
		require.ErrorIs(t, db.RenewSecret(ctx, second.ID, "whsec_5", start), lifecycle.ErrNotFound)
		_, err = db.Subscription(ctx, second.ID)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		require.Greater(t, subscribed(t, db, "").ID, second.ID, "a number is given once")
	})
}

func TestSubscribersAreToldOfWhatTheyWant(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		all, ours := subscribed(t, db, ""), subscribed(t, db, partner)
		theirs := subscribed(t, db, customer)
		some := subscribed(t, db, customer, lifecycle.AnnounceExpiringSoon, lifecycle.AnnounceCreated)
		others := subscribed(t, db, otherPartner)

		draft := draftBy(t, db, 1, partner, lifecycle.Tenant{TenantID: customer}, anna, start)
		actsOn(t, db, draft, start, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true})
		actsOn(t, db, draft, start, lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner})
		actsOn(t, db, draft, start, lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer})
		actsOn(t, db, draft, start, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Customer})
		end := start.Add(90 * lifecycle.Day)
		sweep := func(now time.Time) {
			r, err := db.Relationship(ctx, draft)
			require.NoError(t, err)
			_, err = db.Apply(ctx, decide(now, r))
			require.NoError(t, err)
		}
		sweep(end.Add(-30 * lifecycle.Day))
		sweep(end.Add(-1 * lifecycle.Day)) // the stage before is superseded
		sweep(end.Add(30 * lifecycle.Day)) // old news
		sweep(end.Add(400 * lifecycle.Day))

		locked := []lifecycle.NoticeKind{lifecycle.AnnounceLocked, lifecycle.AnnounceApproved, lifecycle.AnnounceActivated, lifecycle.AnnounceAutoExtendChanged,
			lifecycle.AnnounceExpiringSoon, lifecycle.AnnounceExpiringSoon, lifecycle.AnnounceExpired, lifecycle.AnnounceNameReleased}
		whole := append([]lifecycle.NoticeKind{lifecycle.AnnounceCreated, lifecycle.AnnounceAutoExtendChanged}, locked...)
		require.Equal(t, whole, toldOn(t, db, all, lifecycle.NoticeQueued))
		require.Equal(t, whole, toldOn(t, db, ours, lifecycle.NoticeQueued))
		require.Equal(t, locked, toldOn(t, db, theirs, lifecycle.NoticeQueued), "of a draft its customer is not told")
		require.Equal(t, []lifecycle.NoticeKind{lifecycle.AnnounceExpiringSoon, lifecycle.AnnounceExpiringSoon}, toldOn(t, db, some))
		require.Empty(t, toldOn(t, db, others))

		l := letters(t, db, lifecycle.LetterQuery{Channel: some.Channel()})[1]
		require.Equal(t, lifecycle.Days(1), l.Stage)
		require.Equal(t, end, l.End)
		require.Equal(t, end.Add(-lifecycle.Day), l.Due)
		require.True(t, l.Endpoint)
		require.Equal(t, lifecycle.Contact{TenantID: customer, Role: lifecycle.GlobalAdministrators}, l.Recipient)
		require.Equal(t, announcedFrom*9+int(some.ID), l.Ordinal)
		require.Equal(t, draft, l.Relationship.ID)
		require.Equal(t, lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents}, letters(t, db, lifecycle.LetterQuery{Channel: all.Channel()})[0].Recipient)
		unreached, err := db.Unreached(ctx, 0)
		require.NoError(t, err)
		require.Len(t, unreached, 2, "of the notices for people")
	})
}

func TestImportIsAnnounced(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		sub := subscribed(t, db, customer)
		var records []lifecycle.Record
		for n := range rowsAtOnce + 1 {
			records = append(records, active(n+1, start.AddDate(0, 1, 0)))
		}
		intakes, err := db.ImportRelationships(ctx, incoming(records...), policy, start)
		require.NoError(t, err)
		require.Len(t, intakes, len(records))
		require.Len(t, toldOn(t, db, sub, lifecycle.NoticeQueued), len(records))
	})
}

func TestAnnouncementIsSentLikeAnyLetter(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		sub := subscribed(t, db, "")
		for n := range 3 {
			draftBy(t, db, n+1, partner, lifecycle.Tenant{}, anna, start)
		}
		require.Equal(t, map[string]int64{sub.Channel(): 3}, waiting(t, db, start))
		mine := claimed(t, db, ofSubscription(sub, start))
		require.Len(t, mine, 3, "no ration, however many")
		for i := range mine {
			mine[i].MessageID, mine[i].Message = mine[i].String(), []byte("{}")
		}
		mine = begun(t, db, mine...)
		settled(t, db, outcome(&mine[0], lifecycle.NoticeSent, start), outcome(&mine[1], lifecycle.NoticeDead, start), outcome(&mine[2], lifecycle.NoticeFailed, start))
		require.Equal(t, map[string]int64{sub.Channel(): 1}, waiting(t, db, start))

		require.EqualValues(t, 1, ordered(t, db, lifecycle.RetryNotice, withStatus(lifecycle.NoticeDead)))
		require.EqualValues(t, 2, ordered(t, db, lifecycle.SuppressNotice, lifecycle.LetterQuery{Channel: sub.Channel()}))
		require.EqualValues(t, 2, ordered(t, db, lifecycle.ReleaseNotice, lifecycle.LetterQuery{Channel: sub.Channel()}))
		require.NoError(t, db.SetChannel(ctx, lifecycle.ChannelState{Name: sub.Channel(), Failures: 3, ReadyAt: start.Add(time.Minute), ChangedAt: start}))
		require.Empty(t, claimed(t, db, ofSubscription(sub, start)), "its channel rests")
		require.Len(t, claimed(t, db, ofSubscription(sub, start.Add(time.Minute))), 1, "a probe")
		erased, err := db.EraseRecipients(ctx, start.AddDate(1, 0, 0), 10)
		require.NoError(t, err)
		require.Zero(t, erased, "it names no person")
	})
}

func TestRemovedSubscriptionIsToldNothingMore(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		sub, stays := subscribed(t, db, ""), subscribed(t, db, "")
		for n := range 4 {
			draftBy(t, db, n+1, partner, lifecycle.Tenant{}, anna, start)
		}
		mine := claimed(t, db, ofSubscription(sub, start))
		flying := begun(t, db, mine[0], mine[1], mine[2])
		settled(t, db, outcome(&flying[2], lifecycle.NoticeDead, start))
		require.NoError(t, db.SwitchChannel(ctx, sub.Channel(), false, "gone", start))

		require.NoError(t, db.RemoveSubscription(ctx, sub.ID, start.Add(time.Minute)))
		for _, l := range letters(t, db, lifecycle.LetterQuery{Channel: sub.Channel()}) {
			require.Equal(t, lifecycle.NoticeSuppressed, l.Status)
			require.Equal(t, lifecycle.Unsubscribed, l.Reason)
			require.Equal(t, start.Add(time.Minute), l.SettledAt)
		}
		require.Empty(t, begun(t, db, mine[3]), "what was claimed is not begun")
		settled(t, db, outcome(&flying[0], lifecycle.NoticeSent, start), outcome(&flying[1], lifecycle.NoticeFailed, start))
		require.Len(t, toldOn(t, db, sub, lifecycle.NoticeSent), 1, "what was on its way may arrive")
		require.Len(t, toldOn(t, db, sub, lifecycle.NoticeSuppressed), 3)
		require.Zero(t, ordered(t, db, lifecycle.ReleaseNotice, lifecycle.LetterQuery{Channel: sub.Channel()}), "there is nobody to send it to")
		state, err := db.Channel(ctx, sub.Channel())
		require.NoError(t, err)
		require.Equal(t, lifecycle.ChannelState{Name: sub.Channel()}, state)

		draftBy(t, db, 5, partner, lifecycle.Tenant{}, anna, start)
		require.Len(t, toldOn(t, db, sub), 4)
		require.Len(t, toldOn(t, db, stays, lifecycle.NoticeQueued), 5)
	})
}

func TestNoLetterIsLeftForASubscriptionThatGoesMeanwhile(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		for round := range 5 {
			sub := subscribed(t, db, "")
			var working sync.WaitGroup
			for n := range 4 {
				working.Go(func() {
					for i := range 5 {
						draftBy(t, db, 1+round*20+n*5+i, partner, lifecycle.Tenant{}, anna, start)
					}
				})
			}
			working.Go(func() { require.NoError(t, db.RemoveSubscription(ctx, sub.ID, start)) })
			working.Wait()
			require.Empty(t, toldOn(t, db, sub, lifecycle.NoticeQueued))
		}
	})
}

func TestLetterOfADeletedDraftIsWithdrawn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		sub := subscribed(t, db, "")
		gone, stays := draftBy(t, db, 1, partner, lifecycle.Tenant{}, anna, start), draftBy(t, db, 2, partner, lifecycle.Tenant{}, anna, start)
		actsOn(t, db, gone, start, lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner})
		require.Len(t, toldOn(t, db, sub, lifecycle.NoticeQueued), 2, "of the deletion nobody is told")

		for range 2 {
			mine := claimed(t, db, ofSubscription(sub, start))
			require.LessOrEqual(t, len(mine), 1)
			for i := range mine {
				require.Equal(t, stays, mine[i].Relationship.ID)
			}
			withdrawn := letters(t, db, lifecycle.LetterQuery{Relationship: gone})
			require.Len(t, withdrawn, 1)
			require.Equal(t, lifecycle.NoticeWithdrawn, withdrawn[0].Status)
			require.Equal(t, lifecycle.DraftDeleted, withdrawn[0].Reason)
			require.Equal(t, start, withdrawn[0].SettledAt)
			require.Equal(t, lifecycle.Record{ID: gone, Partner: partner, DisplayName: "Draft 1"}, withdrawn[0].Relationship)
		}
		n := 0
		require.NoError(t, db.EachLetter(ctx, func(lifecycle.Letter) error { n++; return nil }))
		require.Equal(t, 2, n)
	})
}

func TestOfferedNoticesKeepApartFromAnnouncements(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		subscribed(t, db, "")
		_, err := db.Apply(ctx, decide(start, load(t, db, active(1, start))...))
		require.NoError(t, err)
		agents(t, db, "a@example.com", "b@example.com", "c@example.com")
		var ordinals []int
		for _, l := range letters(t, db, lifecycle.LetterQuery{Kinds: []lifecycle.NoticeKind{lifecycle.KindTermEnded}}) {
			ordinals = append(ordinals, l.Ordinal)
		}
		require.True(t, slices.Equal([]int{1, 2, 3, 4}, ordinals), ordinals)
	})
}
