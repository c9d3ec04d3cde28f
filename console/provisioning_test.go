package console_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const waitingPage = "/console/provisioning"

func TestWhatWaitsForAnotherSystemIsShownAndAskedAgain(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, wordsOf(w.get(w.anyone, waitingPage)), "No other system is asked here")
	w.policy.Provisioning.External = true
	require.Contains(t, wordsOf(w.get(w.anyone, waitingPage)), "No relationship waits for another system like this.")
	one := w.approved(1)
	orders, err := w.db.ClaimProvisioning(t.Context(), w.wall(), w.wall().Add(time.Minute), 1)
	require.NoError(t, err)
	require.Len(t, orders, 1)
	ok, err := w.db.SettleProvisioning(t.Context(), lifecycle.ProvisioningAnswer{Key: orders[0].Key, Version: orders[0].Version, Claim: orders[0].Claim,
		LastError: "the tenant is locked " + hostile, ReadyAt: w.wall().Add(time.Hour)})
	require.NoError(t, err)
	require.True(t, ok)

	browser, reader := w.signedIn("ann", "manage"), w.signedIn("looks", "read")
	p := w.get(browser, waitingPage)
	require.NotContains(t, p.body, "<script>alert")
	require.Contains(t, p.body, `href="`+list+"/"+one+`"`)
	said := wordsOf(p)
	require.Contains(t, said, "Give access Approved")
	require.Contains(t, said, "the tenant is locked")
	require.NotContains(t, said, "ago too long")
	require.Contains(t, wordsOf(w.get(browser, waitingPage+"?stuck=yes")), "No relationship waits")
	w.policy.Provisioning.StuckAfter = lifecycle.Period{Span: 4 * time.Hour}
	w.advance(5 * time.Hour)
	require.Contains(t, wordsOf(w.get(browser, waitingPage+"?stuck=yes")), "5 hours ago too long")
	p = w.get(reader, waitingPage)
	require.Contains(t, wordsOf(p), "the tenant is locked")
	require.NotContains(t, p.body, "/retry")

	path := waitingPage + "/" + one + "/retry"
	require.Equal(t, http.StatusForbidden, w.get(reader, path).status)
	require.Contains(t, wordsOf(w.get(browser, path)), "Ask the other system again It is asked at once")
	w.advance(-5 * time.Hour)
	p = w.post(browser, path)
	require.Equal(t, waitingPage, p.header.Get("Location"), p.body)
	require.Contains(t, wordsOf(w.get(browser, waitingPage)), "It is asked again at once.")
	orders, err = w.db.ClaimProvisioning(t.Context(), w.wall(), w.wall().Add(time.Minute), 1)
	require.NoError(t, err)
	require.Len(t, orders, 1, "at once")

	_, err = w.db.Act(t.Context(), one, w.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(w.policy, w.clock(), lifecycle.Action{Kind: lifecycle.CompleteProvisioning, By: lifecycle.Provisioner})
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusSeeOther, w.get(browser, path).status)
	require.Contains(t, wordsOf(w.get(browser, waitingPage)), "This relationship waits for no other system any more.")
	w.policy.Provisioning.StuckAfter = lifecycle.Period{}
	require.Contains(t, wordsOf(w.get(browser, waitingPage+"?stuck=yes")), "No relationship waits")
}

func TestWhatWaitsIsPagedAndEachIsShownOnce(t *testing.T) {
	w := newWorld(t)
	var records []lifecycle.Record
	for n := range 60 {
		r := active(n+1, start.Add(-time.Hour))
		r.Status = lifecycle.Expiring
		records = append(records, r)
	}
	w.load(records...)
	first, next := w.names(w.anyone, waitingPage)
	require.Len(t, first, 50)
	second, last := w.names(w.anyone, next)
	require.Len(t, second, 10)
	require.Empty(t, last)
	require.Equal(t, fmt.Sprintf("Contoso desk %03d", 51), second[0])
}
