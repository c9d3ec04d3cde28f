package console_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const subscriptionsPage = "/console/subscriptions"

// subscribed adds a program that is told of a tenant's relationships, and answers with the subscription's id.
func (w *world) subscribed(tenant string, kinds ...lifecycle.NoticeKind) int64 {
	w.t.Helper()
	id, err := w.db.AddSubscription(w.t.Context(), lifecycle.Subscription{Tenant: tenant, URL: "https://hooks.example.com/tenure?key=secret", Kinds: kinds,
		Secrets: []string{"whsec_secret"}, By: "ann", Created: w.clock()})
	require.NoError(w.t, err)
	return id
}

func TestSubscriptionsShowHowTheyFare(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, wordsOf(w.get(w.anyone, subscriptionsPage)), "No program is told.")
	w.subscribed("", "relationship.approved", "relationship.extended")
	id := w.subscribed(contoso)
	w.approved(1)
	require.NoError(t, w.db.SetChannel(t.Context(), lifecycle.ChannelState{Name: lifecycle.SubscriptionChannel(id), Failures: 3, LastError: "no such host " + hostile,
		ReadyAt: w.wall(), ChangedAt: start}))
	browser := w.signedIn("ann", "manage")
	p := w.get(browser, subscriptionsPage)
	require.NotContains(t, p.body, "secret", "of the address only the host is shown")
	require.NotContains(t, p.body, "<script>alert")
	said := wordsOf(p)
	require.Contains(t, said, "https://hooks.example.com/… subscription-1 everybody’s On")
	require.Contains(t, said, "relationship.approved relationship.extended")
	require.Contains(t, said, "subscription-2 "+contoso+" Failing failed 3 times in a row")
	require.Contains(t, said, "no such host")
	require.Contains(t, p.body, "/console/channels/subscription-2/off")
	require.Contains(t, p.body, "/console/notices?channel=subscription-2&amp;status=queued")
	require.NotContains(t, wordsOf(w.get(browser, subscriptionsPage+"?tenant="+contoso)), "subscription-1")
	reader := w.get(w.signedIn("looks", "read"), subscriptionsPage)
	require.Contains(t, wordsOf(reader), "no such host")
	require.NotContains(t, reader.body, "/remove")
	require.NotContains(t, reader.body, "/off")
	require.Contains(t, wordsOf(w.get(browser, subscriptionsPage, "Accept-Language", "ja")), "サブスクリプション")
}

func TestASubscriptionIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.subscribed(contoso)
	w.approved(1)
	browser := w.signedIn("ann", "manage")
	path := subscriptionsPage + "/1/remove"
	asked := wordsOf(w.get(browser, path))
	require.Contains(t, asked, "Remove subscription 1?")
	require.Contains(t, asked, "Of whose relationships "+contoso)
	require.Regexp(t, `To be sent [1-9]`, asked)
	require.Equal(t, http.StatusForbidden, w.post(w.signedIn("looks", "read"), path).status)
	p := w.post(browser, path)
	require.Equal(t, subscriptionsPage, p.header.Get("Location"), p.body)
	gone := wordsOf(w.get(browser, subscriptionsPage))
	require.Contains(t, gone, "Subscription 1 is removed.")
	require.Contains(t, gone, "No program is told.")
	require.Equal(t, http.StatusSeeOther, w.get(browser, path).status)
	require.Contains(t, wordsOf(w.get(browser, subscriptionsPage)), "There is no subscription 1 any more.")
}

func TestSubscriptionsArePaged(t *testing.T) {
	w := newWorld(t)
	for n := range 60 {
		w.subscribed(fmt.Sprintf("99999999-0000-4000-8000-%012d", n/10))
	}
	p := w.get(w.anyone, subscriptionsPage)
	require.Equal(t, 50, countIn(p.body, "/remove\""))
	_, next := w.names(w.anyone, subscriptionsPage)
	p = w.get(w.anyone, next)
	require.Equal(t, 10, countIn(p.body, "/remove\""))
	require.Contains(t, p.body, "subscription-60")
}
