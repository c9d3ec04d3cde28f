package httpapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestBulkJobIsOpenedForItsCallerAndSeenByTheirTenant(t *testing.T) {
	w := recordsWorld(t)
	agent := w.agentOf(partner)
	r := agent.do("POST", bulkPath+"/auto-extend", `{"filter":"status eq 'active'","autoExtendDuration":"P180D","dryRun":true}`)
	require.Equal(t, 202, r.status, "%s", r.body)
	require.Equal(t, "/v1/bulk/1", r.header.Get("Location"))
	var shown BulkJob
	r.read(&shown)
	require.True(t, shown.DryRun)
	require.Equal(t, "partner", shown.Side)
	require.Equal(t, "P180D", *shown.AutoExtend)
	job, err := w.fake.BulkJob(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, partner, job.Caller.Tenant)

	for _, by := range []*world{w.agentOf(stranger), w.customerOf(contoso), w.readerOf(fabrikam)} {
		by.do("GET", "/v1/bulk/1", "").problem(unknownBulk)
		by.do("GET", "/v1/bulk/1/results", "").problem(unknownBulk)
		by.do("POST", "/v1/bulk/1/cancel", "").problem(unknownBulk)
		var list BulkJobList
		by.do("GET", bulkPath, "").read(&list)
		require.Empty(t, list.Jobs)
	}
	w.readerOf(partner).do("POST", "/v1/bulk/1/cancel", "").problem(roleMissing)
	w.readerOf(partner).do("POST", bulkPath+"/auto-extend", `{"filter":"status eq 'active'","autoExtendDuration":"P180D"}`).problem(roleMissing)
	require.Equal(t, 200, w.do("GET", "/v1/bulk/1", "").status)
	for range 2 {
		agent.do("POST", "/v1/bulk/1/cancel", "").read(&shown)
		require.Equal(t, "cancelled", shown.State)
	}
	require.Equal(t, 202, w.customerOf(contoso).do("POST", bulkPath+"/auto-extend", `{"filter":"status eq 'active'","autoExtendDuration":"PT0S"}`).status)
	w.do("GET", "/v1/bulk/2", "").read(&shown)
	require.Equal(t, "customer", shown.Side)
	var list BulkJobList
	w.do("GET", bulkPath+"?limit=1", "").read(&list)
	require.Equal(t, "/v1/bulk?before=2&limit=1", list.Next)
}

func TestBulkRequestsThatMeanEverythingOrNothingAreRefused(t *testing.T) {
	w := recordsWorld(t)
	for body, kind := range map[string]kind{
		``: badValue, `{}`: badValue, `{"filter":"status eq 'active'"}`: badValue, `{"autoExtendDuration":"P180D"}`: badValue,
		`{"filter":"","autoExtendDuration":"P180D"}`: badValue, `{"filter":"  ","autoExtendDuration":"P180D"}`: badValue,
		`{"filter":"nonsense","autoExtendDuration":"P180D"}`: badValue, `{"filter":"status eq 'active'","autoExtendDuration":"P1D"}`: badValue,
		`{"filter":null,"autoExtendDuration":"P180D"}`: badValue, `{"filter":"status eq 'active'","autoExtendDuration":"P180D","all":true}`: unknownField,
	} {
		w.do("POST", bulkPath+"/auto-extend", body).problem(kind)
	}
	require.Contains(t, w.do("POST", bulkPath+"/auto-extend", `{"filter":"x","autoExtendDuration":"P180D"}`).problem(badValue).Detail, "column 1")
	w.server.parseFilter = nil
	w.do("POST", bulkPath+"/auto-extend", `{"filter":"status eq 'active'","autoExtendDuration":"P180D"}`).problem(badValue)
}

func TestResultsOfABulkJobArePaged(t *testing.T) {
	w := newWorld(t)
	finishedBulk(w)
	var job BulkJob
	w.do("GET", "/v1/bulk/1", "").read(&job)
	require.Equal(t, "done", job.State)
	require.EqualValues(t, 1, job.Found)
	var results BulkResultList
	w.do("GET", "/v1/bulk/1/results?outcome=changed,unchanged&limit=1", "").read(&results)
	require.Equal(t, []BulkResult{{RelationshipID: activeID, Outcome: "changed"}}, results.Results)
	require.Empty(t, results.Next)
	w.do("GET", "/v1/bulk/1/results?outcome=refused", "").read(&results)
	require.Empty(t, results.Results)
}

func TestSubscriptionShowsItsSecretOnceAndItsAddressNever(t *testing.T) {
	w := recordsWorld(t)
	agent := w.agentOf(partner)
	r := agent.do("POST", subscriptionsPath, `{"url":"https://crm.example.com/hooks/s3cret?key=hunter2","kinds":["relationship.extended","relationship.created","relationship.extended"]}`)
	require.Equal(t, 201, r.status, "%s", r.body)
	require.Equal(t, "/v1/subscriptions/1", r.header.Get("Location"))
	var made SubscriptionSecret
	r.read(&made)
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{43}=$`, made.Secret)
	require.Equal(t, "https://crm.example.com/…", made.URL)
	require.Equal(t, []AnnouncementKind{"relationship.created", "relationship.extended"}, made.Kinds)
	require.Equal(t, partner, *made.TenantID)
	kept, err := w.fake.Subscription(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{made.Secret}, kept.Secrets)
	require.Equal(t, "https://crm.example.com/hooks/s3cret?key=hunter2", kept.URL)

	for _, shown := range []reply{agent.do("GET", subscriptionsPath, ""), agent.do("GET", subscriptionsPath+"/1", ""), w.do("GET", subscriptionsPath, "")} {
		require.Equal(t, 200, shown.status)
		for _, secret := range []string{"whsec", "s3cret", "hunter2"} {
			require.NotContains(t, string(shown.body), secret)
		}
	}
	var renewed SubscriptionSecret
	agent.do("POST", subscriptionsPath+"/1/secret", "").read(&renewed)
	require.NotEqual(t, made.Secret, renewed.Secret)
	require.Equal(t, 2, renewed.Secrets)
	require.NotContains(t, w.log.String(), "s3cret")
	require.NotContains(t, w.log.String(), "whsec")
}

func TestSubscriptionsOfOthersAreNotThere(t *testing.T) {
	w := recordsWorld(t)
	require.Equal(t, 201, w.agentOf(partner).do("POST", subscriptionsPath, `{"url":"https://crm.example.com/x"}`).status)
	require.Equal(t, 201, w.do("POST", subscriptionsPath, `{"url":"https://all.example.com/x"}`).status)
	for _, by := range []*world{w.agentOf(stranger), w.customerOf(contoso)} {
		for _, id := range []string{"/1", "/2", "/3"} {
			by.do("GET", subscriptionsPath+id, "").problem(unknownTarget)
			by.do("DELETE", subscriptionsPath+id, "").problem(unknownTarget)
			by.do("POST", subscriptionsPath+id+"/secret", "").problem(unknownTarget)
		}
		var list SubscriptionList
		by.do("GET", subscriptionsPath, "").read(&list)
		require.Empty(t, list.Subscriptions)
	}
	w.readerOf(partner).do("DELETE", subscriptionsPath+"/1", "").problem(roleMissing)
	w.as(w.newToken("watcher", ScopeRead)).do("DELETE", subscriptionsPath+"/1", "").problem(roleMissing)
	w.readerOf(partner).do("POST", subscriptionsPath, `{"url":"https://crm.example.com/x"}`).problem(roleMissing)
	require.Equal(t, 204, w.agentOf(partner).do("DELETE", subscriptionsPath+"/1", "").status)
	w.agentOf(partner).do("DELETE", subscriptionsPath+"/1", "").problem(unknownTarget)
}

func TestSubscriptionsThatWillNotDoAreRefused(t *testing.T) {
	w := recordsWorld(t)
	agent := w.agentOf(partner)
	for _, body := range []string{``, `{}`, `{"url":"http://crm.example.com"}`, `{"url":"ftp://x"}`, `{"url":"https://"}`, `{"url":7}`, `{"url":"https://x","kinds":["warn-expiry"]}`,
		`{"url":"https://x","kinds":null}`, `{"url":"https://x","tenantId":"` + contoso + `"}`, `{"url":"https://x","tenantId":"x"}`, `{"url":"https://x/` + strings.Repeat("x", longestURL) + `"}`} {
		r := agent.do("POST", subscriptionsPath, body)
		r.problem(badValue)
	}
	w.server.checkSubscription = func(string) error { return errors.New("points to a private address") }
	require.Contains(t, agent.do("POST", subscriptionsPath, `{"url":"https://10.0.0.1/x"}`).problem(badValue).Detail, "body.url: points to a private address")
}

func TestOperatorSetsAStandingAndItCounts(t *testing.T) {
	w := recordsWorld(t)
	var set Partner
	w.do("PUT", partnersPath+"/"+strings.ToUpper(partner), `{"standing":"suspended","note":"no contract"}`).read(&set)
	require.Equal(t, Partner{TenantID: partner, Standing: "suspended", Note: "no contract"}, set)
	var list PartnerList
	w.do("GET", partnersPath, "").read(&list)
	require.Equal(t, []Partner{set}, list.Partners)
	var shown Relationship
	w.customerOf(contoso).do("GET", customerPath+"/"+pendingID, "").read(&shown)
	require.Equal(t, []string{"reject"}, shown.Allowed)
	r := w.customerOf(contoso).do("POST", customerPath+"/"+pendingID+"/approve", "")
	require.Equal(t, "Approve by customer refused: the partner is suspended; possible now: reject.", r.problem(badStanding).Detail)
	require.Equal(t, 200, w.customerOf(contoso).do("POST", customerPath+"/"+activeID+"/terminate", "").status)
	for _, body := range []string{``, `{}`, `{"standing":"king"}`, `{"standing":"suspended","note":"a\u0007"}`} {
		w.do("PUT", partnersPath+"/"+partner, body).problem(badValue)
	}
	w.do("PUT", partnersPath+"/x", `{"standing":"suspended"}`).problem(badValue)
}

func TestAnswerToAnOrderBringsTheRelationshipOn(t *testing.T) {
	w := newWorld(t)
	provisioned(w)
	hook := w.as(w.newToken("hook", ScopeProvision))
	var list ProvisioningList
	w.do("GET", provisioningPath, "").read(&list)
	require.Len(t, list.Orders, 1)
	order := list.Orders[0]
	require.Equal(t, "grant", order.What)
	require.Equal(t, "approved", order.Status)
	require.False(t, order.Stuck)
	path := provisioningPath + "/" + activeID
	body := func(result string) string {
		return fmt.Sprintf(`{"version":%d,"result":%q,"detail":"by hand"}`, order.Version, result)
	}

	hook.do("GET", provisioningPath, "").problem(scopeMissing)
	hook.do("GET", customerPath, "").problem(scopeMissing)
	hook.do("POST", path, strings.Replace(body("done"), fmt.Sprint(order.Version), "1", 1)).problem(staleOrder)
	hook.do("POST", path, body("perhaps")).problem(badValue)
	require.Equal(t, 200, hook.do("POST", path, body("failed")).status)
	w.do("GET", provisioningPath, "").read(&list)
	require.Equal(t, "by hand", *list.Orders[0].LastError)
	require.Equal(t, lifecycle.Approved, w.status(activeID))

	var settled ProvisioningSettled
	hook.do("POST", path, body("done")).read(&settled)
	require.Equal(t, ProvisioningSettled{activeID, "active"}, settled)
	hook.do("POST", path, body("done")).problem(notWaiting)
	hook.do("POST", provisioningPath+"/"+relationshipID(99), body("done")).problem(unknownRecord)
	var log ActivityList
	w.do("GET", "/v1/relationships/"+activeID+"/activity?limit=500", "").read(&log)
	kinds := map[EventType]string{}
	for _, a := range log.Activities {
		if a.Caller != nil {
			kinds[a.Type] = *a.Caller.Name
		}
	}
	require.Equal(t, "hook", kinds["activated"])
	require.Equal(t, "hook", kinds["refused"])
}

func TestOrdersThatWaitTooLongAreStuck(t *testing.T) {
	now := noon
	w := newWorld(t, func(o *Options) { o.Now = func() time.Time { return now } })
	provisioned(w)
	var list ProvisioningList
	for late, want := range map[time.Duration]int{24*time.Hour - time.Microsecond: 0, 24 * time.Hour: 1} {
		now = noon.Add(-time.Hour).Add(late)
		w.do("GET", provisioningPath+"?stuck=true", "").read(&list)
		require.Len(t, list.Orders, want, late)
		w.do("GET", provisioningPath, "").read(&list)
		require.Equal(t, want == 1, list.Orders[0].Stuck)
	}
	w.server.policy.Provisioning.StuckAfter = lifecycle.Period{}
	list = ProvisioningList{}
	w.do("GET", provisioningPath+"?stuck=true", "").read(&list)
	require.Empty(t, list.Orders)
}
