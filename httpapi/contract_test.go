package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var update = flag.Bool("update", false, "rewrite docs/openapi.yaml")

const openapiFile = "../docs/openapi.yaml"

func TestOpenAPIFileIsWhatTheServerSays(t *testing.T) {
	w := newWorld(t)
	r := w.do("GET", "/openapi.yaml", "")
	require.Equal(t, 200, r.status)
	require.Equal(t, "application/yaml", r.header.Get("Content-Type"))
	if *update {
		require.NoError(t, os.WriteFile(openapiFile, r.body, 0o644))
	}
	file, err := os.ReadFile(openapiFile)
	require.NoError(t, err)
	require.Equal(t, string(file), string(r.body), "go test ./httpapi -run OpenAPIFile -update rewrites docs/openapi.yaml")
}

// An exchange is a request and the answer that it is to get.
type exchange struct {
	operation string
	want      int
	method    string
	path      string
	body      string
	headers   []string
	before    func(*world)
}

// own are the exchanges that only one operation has.
func own() []exchange {
	running := func(w *world) { w.fake.open([]lifecycle.RuleName{"end-term"}, false) }
	finished := func(w *world) {
		running(w)
		w.fake.sweeps[0].State, w.fake.sweeps[0].FinishedAt, w.fake.sweeps[0].Failed = lifecycle.SweepDone, noon, 1
		w.fake.failures = map[int64][]lifecycle.Failure{1: {{Sweep: 1, RelationshipID: "r", Reason: "broken", At: noon}}}
		w.fake.keys = map[string]lifecycle.Sweep{"used": {ID: 1, Rules: []lifecycle.RuleName{"end-term"}}}
	}
	const sweeps = "/v1/sweeps"
	all := []exchange{
		{operation: "requestSweep", want: 202, method: "POST", path: sweeps, body: `{"rules":["end-term"],"dryRun":true}`},
		{operation: "requestSweep", want: 202, method: "POST", path: sweeps, before: running, body: `{"rules":["end-term"]}`},
		{operation: "requestSweep", want: 202, method: "POST", path: sweeps},
		{operation: "requestSweep", want: 400, method: "POST", path: sweeps, body: "{"},
		{operation: "requestSweep", want: 408, method: "POST", path: sweeps, before: func(w *world) { w.server.mux = slowBody(w.server, "POST", "/v1/sweeps") }},
		{operation: "requestSweep", want: 415, method: "POST", path: sweeps, body: "{}", headers: []string{"Content-Type: text/plain"}},
		{operation: "requestSweep", want: 422, method: "POST", path: sweeps, body: `{"rules":["x"]}`},
		{operation: "requestSweep", want: 422, method: "POST", path: sweeps, body: `{"x":1}`},
		{operation: "requestSweep", want: 422, method: "POST", path: sweeps, before: finished, headers: []string{"Idempotency-Key: used"}},
		{operation: "listSweeps", want: 200, method: "GET", path: sweeps},
		{operation: "listSweeps", want: 200, method: "GET", path: sweeps + "?limit=1", before: func(w *world) { finished(w); running(w) }},
		{operation: "listSweeps", want: 422, method: "GET", path: sweeps + "?limit=x"},
		{operation: "getSweep", want: 200, method: "GET", path: sweeps + "/1", before: running},
		{operation: "getSweep", want: 200, method: "GET", path: sweeps + "/1", before: finished},
		{operation: "getSweep", want: 404, method: "GET", path: sweeps + "/1"},
		{operation: "getSweep", want: 422, method: "GET", path: sweeps + "/x"},
		{operation: "cancelSweep", want: 200, method: "POST", path: sweeps + "/1/cancel", before: running},
		{operation: "cancelSweep", want: 404, method: "POST", path: sweeps + "/1/cancel"},
		{operation: "cancelSweep", want: 409, method: "POST", path: sweeps + "/1/cancel", before: finished},
		{operation: "cancelSweep", want: 422, method: "POST", path: sweeps + "/x/cancel"},
		{operation: "getSweep", want: 200, method: "GET", path: sweeps + "/1", before: heldSweep},
		{operation: "approveSweep", want: 404, method: "POST", path: sweeps + "/1/approve", body: `{"reason":"x"}`},
		{operation: "approveSweep", want: 409, method: "POST", path: sweeps + "/1/approve", body: `{"reason":"x"}`, before: finished},
		{operation: "approveSweep", want: 409, method: "POST", path: sweeps + "/1/approve", body: `{"reason":"x"}`, before: stillSweep},
		{operation: "rejectSweep", want: 404, method: "POST", path: sweeps + "/1/reject", body: `{"reason":"x"}`},
		{operation: "rejectSweep", want: 409, method: "POST", path: sweeps + "/1/reject", body: `{"reason":"x"}`, before: finished},
		{operation: "getQuarantine", want: 200, method: "GET", path: quarantinePath},
		{operation: "getQuarantine", want: 200, method: "GET", path: quarantinePath, before: stillSweep},
		{operation: "getReadiness", want: 200, method: "GET", path: "/readyz", before: stillSweep},
		{operation: "listContacts", want: 200, method: "GET", path: "/v1/contacts?limit=1", before: directory},
		{operation: "listContacts", want: 422, method: "GET", path: "/v1/contacts?tenantId=x"},
		{operation: "removeContacts", want: 200, method: "DELETE", path: "/v1/contacts?tenantId=" + contoso, before: directory},
		{operation: "removeContacts", want: 422, method: "DELETE", path: "/v1/contacts"},
		{operation: "listUnreached", want: 200, method: "GET", path: "/v1/contacts/unreached", before: directory},
		{operation: "listUnreached", want: 422, method: "GET", path: "/v1/contacts/unreached?limit=0"},
		{operation: "listNotices", want: 200, method: "GET", path: "/v1/notices?limit=1", before: outbox},
		{operation: "listNotices", want: 422, method: "GET", path: "/v1/notices?status=x"},
		{operation: "getNotice", want: 200, method: "GET", path: "/v1/notices/1-7-1", before: outbox},
		{operation: "getNotice", want: 200, method: "GET", path: "/v1/notices/0-7-1", before: outbox},
		{operation: "getNotice", want: 404, method: "GET", path: "/v1/notices/1-7-1"},
		{operation: "getNotice", want: 422, method: "GET", path: "/v1/notices/x"},
		{operation: "listChannels", want: 200, method: "GET", path: "/v1/channels", before: outbox},
		{operation: "switchChannelOn", want: 404, method: "POST", path: "/v1/channels/crm/on", body: `{"reason":"x"}`},
		{operation: "switchChannelOff", want: 404, method: "POST", path: "/v1/channels/crm/off", body: `{"reason":"x"}`},
		{operation: "orderNotices", want: 200, method: "POST", path: "/v1/notices/actions", before: outbox, body: `{"action":"release","ids":["1-7-1"],"reason":"x"}`},
		{operation: "listCustomerRelationships", want: 200, method: "GET", path: customerPath + "?limit=1", before: records},
		{operation: "listCustomerRelationships", want: 422, method: "GET", path: customerPath + "?status=created"},
		{operation: "getCustomerRelationship", want: 200, method: "GET", path: customerPath + "/" + pendingID, before: records},
		{operation: "getCustomerRelationship", want: 404, method: "GET", path: customerPath + "/x", before: records},
		{operation: "rejectRelationship", want: 409, method: "POST", path: customerPath + "/" + activeID + "/reject", before: records},
		{operation: "approveRelationship", want: 403, method: "POST", path: customerPath + "/" + pendingID + "/approve", before: func(w *world) {
			records(w)
			require.NoError(w, w.fake.SetPartnership(w.Context(), lifecycle.Partnership{TenantID: partner, Standing: lifecycle.Suspended}, "x", noon))
		}},
		{operation: "listDeeds", want: 200, method: "GET", path: deedsPath + "?limit=1", before: func(w *world) {
			for range 2 {
				w.do("POST", "/v1/channels/mail/off", `{"reason":"it moves"}`)
			}
		}},
		{operation: "listDeeds", want: 422, method: "GET", path: deedsPath + "?since=x"},
		{operation: "listActivity", want: 200, method: "GET", path: activityPath + "?limit=2", before: records},
		{operation: "listActivity", want: 422, method: "GET", path: activityPath + "?after=x"},
		{operation: "listRelationshipActivity", want: 200, method: "GET", path: "/v1/relationships/" + activeID + "/activity", before: records},
		{operation: "listRelationshipActivity", want: 404, method: "GET", path: "/v1/relationships/x/activity", before: records},
		{operation: "listRelationshipActivity", want: 422, method: "GET", path: "/v1/relationships/x/activity?limit=0"},
		{operation: "exportActivityCSV", want: 200, method: "GET", path: activityPath + ".csv", before: records},
		{operation: "exportActivityCSV", want: 422, method: "GET", path: activityPath + ".csv?since=x"},
		{operation: "exportActivityNDJSON", want: 200, method: "GET", path: activityPath + ".ndjson", before: records},
		{operation: "exportActivityNDJSON", want: 422, method: "GET", path: activityPath + ".ndjson?since=x"},
		{operation: "listBulkJobs", want: 200, method: "GET", path: bulkPath, before: bulkJob},
		{operation: "listBulkJobs", want: 422, method: "GET", path: bulkPath + "?limit=0"},
		{operation: "getBulkJob", want: 200, method: "GET", path: bulkPath + "/1", before: bulkJob},
		{operation: "getBulkJob", want: 404, method: "GET", path: bulkPath + "/2", before: bulkJob},
		{operation: "getBulkJob", want: 422, method: "GET", path: bulkPath + "/x"},
		{operation: "listBulkResults", want: 200, method: "GET", path: bulkPath + "/1/results", before: bulkJob},
		{operation: "listBulkResults", want: 404, method: "GET", path: bulkPath + "/2/results", before: bulkJob},
		{operation: "listBulkResults", want: 422, method: "GET", path: bulkPath + "/1/results?outcome=x"},
		{operation: "cancelBulkJob", want: 200, method: "POST", path: bulkPath + "/1/cancel", before: bulkJob},
		{operation: "cancelBulkJob", want: 404, method: "POST", path: bulkPath + "/2/cancel", before: bulkJob},
		{operation: "cancelBulkJob", want: 409, method: "POST", path: bulkPath + "/1/cancel", before: finishedBulk},
		{operation: "cancelBulkJob", want: 422, method: "POST", path: bulkPath + "/x/cancel"},
		{operation: "listSubscriptions", want: 200, method: "GET", path: subscriptionsPath, before: subscribed(1)},
		{operation: "getSubscription", want: 200, method: "GET", path: subscriptionsPath + "/1", before: subscribed(1)},
		{operation: "getSubscription", want: 404, method: "GET", path: subscriptionsPath + "/2", before: subscribed(1)},
		{operation: "getSubscription", want: 422, method: "GET", path: subscriptionsPath + "/x"},
		{operation: "removeSubscription", want: 204, method: "DELETE", path: subscriptionsPath + "/1", before: subscribed(1)},
		{operation: "removeSubscription", want: 404, method: "DELETE", path: subscriptionsPath + "/2", before: subscribed(1)},
		{operation: "removeSubscription", want: 422, method: "DELETE", path: subscriptionsPath + "/x"},
		{operation: "renewSubscriptionSecret", want: 200, method: "POST", path: subscriptionsPath + "/1/secret", before: subscribed(1)},
		{operation: "renewSubscriptionSecret", want: 404, method: "POST", path: subscriptionsPath + "/2/secret", before: subscribed(1)},
		{operation: "renewSubscriptionSecret", want: 422, method: "POST", path: subscriptionsPath + "/x/secret"},
		{operation: "addSubscription", want: 409, method: "POST", path: subscriptionsPath, body: `{"url":"https://crm.example.com/x"}`, before: subscribed(lifecycle.MostSubscriptions)},
		{operation: "listProvisioning", want: 200, method: "GET", path: provisioningPath + "?stuck=false", before: provisioned},
		{operation: "listProvisioning", want: 422, method: "GET", path: provisioningPath + "?limit=0"},
		{operation: "answerProvisioning", want: 404, method: "POST", path: provisioningPath + "/x", body: `{"version":3,"result":"done"}`, before: provisioned},
		{operation: "answerProvisioning", want: 409, method: "POST", path: provisioningPath + "/" + activeID, body: `{"version":2,"result":"done"}`, before: provisioned},
		{operation: "retryProvisioning", want: 200, method: "POST", path: provisioningPath + "/" + activeID + "/retry", before: provisioned},
		{operation: "retryProvisioning", want: 404, method: "POST", path: provisioningPath + "/x/retry", before: provisioned},
		{operation: "retryProvisioning", want: 409, method: "POST", path: provisioningPath + "/" + pendingID + "/retry", before: provisioned},
		{operation: "listPartners", want: 200, method: "GET", path: partnersPath, before: records},
		{operation: "getStatus", want: 200, method: "GET", path: "/v1/status"},
		{operation: "getHealth", want: 200, method: "GET", path: "/healthz"},
		{operation: "getReadiness", want: 200, method: "GET", path: "/readyz"},
		{operation: "getReadiness", want: 503, method: "GET", path: "/readyz", before: func(w *world) {
			w.server.readiness.checks = []Check{{"database", func(context.Context) error { return errors.New("no") }}}
		}},
		{operation: "getMetrics", want: 200, method: "GET", path: "/metrics"},
		{operation: "getDescription", want: 200, method: "GET", path: "/openapi.yaml"},
	}
	for _, kind := range []string{"approve", "reject", "terminate", "auto-extend"} {
		id := map[string]string{"approve": "approveRelationship", "reject": "rejectRelationship", "terminate": "terminateRelationship", "auto-extend": "switchAutoExtend"}[kind]
		body := map[string]string{"auto-extend": `{"autoExtendDuration":"PT0S"}`}[kind]
		path := customerPath + "/" + invitingID + "/" + kind
		if kind == "approve" || kind == "reject" {
			path = customerPath + "/" + activeID + "/" + kind
		}
		all = append(all, exchange{operation: id, want: 409, method: "POST", path: path, body: body, before: records},
			exchange{operation: id, want: 404, method: "POST", path: customerPath + "/x/" + kind, body: body, before: records})
	}
	for _, e := range []exchange{
		{operation: "putContacts", method: "PUT", path: "/v1/contacts", before: directory, body: "[" + ann() + "," + ann("daily", "x") + "]"},
		{operation: "orderNotices", method: "POST", path: "/v1/notices/actions", before: outbox, body: `{"action":"retry","filter":{"channel":"mail"},"reason":"x"}`},
		{operation: "switchChannelOn", method: "POST", path: "/v1/channels/mail/on", body: `{"reason":"x"}`},
		{operation: "switchChannelOff", method: "POST", path: "/v1/channels/mail/off", body: `{"reason":"x"}`},
		{operation: "approveRelationship", method: "POST", path: customerPath + "/" + pendingID + "/approve", before: records, body: `{"customer":{"displayName":"Contoso"}}`},
		{operation: "rejectRelationship", method: "POST", path: customerPath + "/" + pendingID + "/reject", before: records, body: "{}"},
		{operation: "terminateRelationship", method: "POST", path: customerPath + "/" + activeID + "/terminate", before: records, body: "{}"},
		{operation: "switchAutoExtend", method: "POST", path: customerPath + "/" + activeID + "/auto-extend", before: records, body: `{"autoExtendDuration":"P180D"}`},
		{operation: "requestBulkAutoExtend", want: 202, method: "POST", path: bulkPath + "/auto-extend", before: records, body: `{"filter":"status eq 'active'","autoExtendDuration":"P180D"}`},
		{operation: "addSubscription", want: 201, method: "POST", path: subscriptionsPath, before: records, body: `{"url":"https://crm.example.com/x"}`},
		{operation: "answerProvisioning", method: "POST", path: provisioningPath + "/" + activeID, before: provisioned, body: `{"version":3,"result":"done"}`},
		{operation: "approveSweep", method: "POST", path: sweeps + "/1/approve", before: heldSweep, body: `{"reason":"x"}`},
		{operation: "rejectSweep", method: "POST", path: sweeps + "/1/reject", before: heldSweep, body: `{"reason":"x"}`},
		{operation: "releaseQuarantine", method: "POST", path: quarantinePath + "/release", before: stillSweep, body: `{"reason":"x"}`},
		{operation: "setPartner", method: "PUT", path: partnersPath + "/" + partner, before: records, body: `{"standing":"suspended"}`},
	} {
		all = append(all, bodies(e)...)
	}
	all = append(all, holdExchanges()...)
	all = append(all, explainExchanges()...)
	all = append(all, queueExchanges()...)
	all = append(all, outlookExchanges()...)
	return all
}

// bulkJob opens a job of the operator's.
func bulkJob(w *world) {
	records(w)
	_, err := w.fake.OpenBulk(w.Context(), lifecycle.BulkRequest{Action: lifecycle.SetAutoExtend, AutoExtend: true, Side: lifecycle.Partner, Filter: "status eq 'active'",
		Caller: lifecycle.Caller{Name: "operator", Role: lifecycle.Operator}, At: noon})
	require.NoError(w, err)
}

// finishedBulk is that job when it is done.
func finishedBulk(w *world) {
	bulkJob(w)
	job, claimed, err := w.fake.ClaimBulk(w.Context(), 1, noon, noon.Add(time.Minute))
	require.NoError(w, err)
	require.True(w, claimed)
	filter, err := onlyActive(job.Filter)
	require.NoError(w, err)
	for job.State == lifecycle.BulkRunning {
		job, claimed, err = w.fake.RunBulkPage(w.Context(), job, filter, 10, noon, noon.Add(time.Minute), func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Act(w.server.policy, noon, job.ActionFor())
		})
		require.NoError(w, err)
		require.True(w, claimed)
	}
}

// subscribed are the records, and so many subscriptions to all of them.
func subscribed(n int) func(*world) {
	return func(w *world) {
		records(w)
		for range n {
			_, err := w.fake.AddSubscription(w.Context(), lifecycle.Subscription{URL: "https://crm.example.com/secret?key=1", Secrets: []string{NewSecret()}, By: "operator", Created: noon})
			require.NoError(w, err)
		}
	}
}

func heldSweep(w *world) {
	sweep, _ := w.fake.open([]lifecycle.RuleName{"end-term"}, false)
	held := &w.fake.sweeps[sweep.ID-1]
	held.State = lifecycle.SweepHeld
	held.Plan = &lifecycle.SweepPlan{Cause: lifecycle.BreakerTripped, Tripped: held.Rules, Records: map[lifecycle.RuleName]int64{"end-term": 214},
		Limits: map[lifecycle.RuleName]int64{"end-term": 50}, Population: 400, Notices: 20}
}

func stillSweep(w *world) {
	heldSweep(w)
	w.fake.still = &lifecycle.Hold{ID: 1, Kind: lifecycle.HoldEverything, Cause: lifecycle.ClockAhead, Note: "a year", PlacedAt: noon}
	w.fake.mark = lifecycle.HighWater{Deployment: "d", Seen: noon, Events: 1042}
}

func directory(w *world) {
	w.fake.unreached = []lifecycle.Unreached{{Audience: lifecycle.Audience{Role: lifecycle.AdminAgents}, Notices: 1, Latest: noon}}
	w.fake.contacts = []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "ann@partner.example", Digest: lifecycle.WeeklyDigest},
		{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "bob@partner.example"}}
}

func outbox(w *world) {
	digest := letter(0)
	digest.Kind, digest.Items, digest.Relationship = lifecycle.KindDigest, []lifecycle.Letter{letter(7)}, lifecycle.Record{}
	w.fake.letters = []lifecycle.Letter{letter(1), digest, letter(2)}
	w.fake.states = []lifecycle.ChannelReport{{ChannelState: lifecycle.ChannelState{Name: "mail", Failures: 2, LastError: "refused", ReadyAt: noon, ChangedAt: noon}}}
}

// bodies are the exchanges of an operation that has a body, and takes that of e.
func bodies(e exchange) []exchange {
	with := func(want int, body string, headers ...string) exchange {
		return exchange{operation: e.operation, want: want, method: e.method, path: e.path, body: body, headers: headers, before: e.before}
	}
	late := with(408, e.body)
	late.before = func(w *world) {
		if e.before != nil {
			e.before(w)
		}
		w.server.mux = slowBody(w.server, e.method, e.path)
	}
	return []exchange{with(cmp.Or(e.want, 200), e.body), with(400, "{"), late, with(415, e.body, "Content-Type: text/plain"), with(422, `{"x":1}`)}
}

// common are the exchanges that the operation of e shares with others.
func common(e exchange, s *Server) []exchange {
	of := func(want int, body string, before func(*world), headers ...string) exchange {
		return exchange{operation: e.operation, want: want, method: e.method, path: e.path, body: body, before: before, headers: headers}
	}
	_, pattern := s.mux.Handler(httptest.NewRequest(e.method, e.path, nil))
	all := []exchange{
		of(413, "{}", func(w *world) { w.server.limits.body = 1 }),
		of(431, "", nil, "X-Long: "+strings.Repeat("x", 20_000)),
	}
	if s.needs[pattern] == open {
		return all
	}
	return append(all,
		of(401, "", nil, "Authorization: Bearer nonsense"),
		of(403, "", func(w *world) { w.token = w.newToken("nobody") }),
		of(429, "", func(w *world) { w.server.allowances = exhausted() }),
		of(500, "", func(w *world) { w.fake.lockedUp = errors.New("broken") }),
		of(503, "", func(w *world) { w.fake.lockedUp = context.DeadlineExceeded }))
}

func TestEveryAnswerIsAsTheOpenAPIFileSays(t *testing.T) {
	s := newWorld(t).server
	given := map[string]bool{}
	var all []exchange
	for _, e := range own() {
		if all = append(all, e); e.want < 300 {
			all = append(all, common(e, s)...)
		}
	}
	for i, e := range all {
		given[fmt.Sprint(e.operation, e.want)] = true
		t.Run(fmt.Sprintf("%d-%s-%d", i, e.operation, e.want), func(t *testing.T) { e.compare(t) })
	}
	for path, item := range s.api.OpenAPI().Paths {
		require.Equal(t, huma.PathItem{Get: item.Get, Post: item.Post, Put: item.Put, Delete: item.Delete}, *item, "other methods need exchanges too")
		for _, op := range operations(item) {
			for code := range op.Responses {
				require.True(t, given[op.OperationID+code], "%s of %s is described and never given", code, path)
			}
		}
	}
}

// compare has the exchange and holds the answer against its description.
func (e exchange) compare(t *testing.T) {
	w := newWorld(t)
	if e.before != nil {
		e.before(w)
	}
	got := w.do(e.method, e.path, e.body, e.headers...)
	require.Equal(t, e.want, got.status, "%s", got.body)
	op := operation(t, w.server, e.operation)
	described := op.Responses[strconv.Itoa(got.status)]
	require.NotNil(t, described, "%d is not described", got.status)
	for name := range described.Headers {
		require.NotEmpty(t, got.header.Get(name), name)
	}
	if got.status == http.StatusNoContent {
		require.Empty(t, got.body)
		require.Empty(t, described.Content)
		return
	}
	sent, _, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	require.NoError(t, err)
	media := described.Content[sent]
	require.NotNil(t, media, "%s is not described", sent)
	if media.Schema == nil {
		return
	}
	var body any
	require.NoError(t, json.Unmarshal(got.body, &body))
	require.Empty(t, disagreements(w.server.api.OpenAPI().Components.Schemas, media.Schema, huma.ModeReadFromServer, body), "%s", got.body)
}

// exhausted leaves nobody anything to ask for.
func exhausted() *allowances {
	none := newAllowances(Rate{PerSecond: 1e-9, Burst: 1})
	none.take("token 1", time.Now())
	return none
}

func operation(t *testing.T, s *Server, id string) *huma.Operation {
	for _, item := range s.api.OpenAPI().Paths {
		for _, op := range operations(item) {
			if op.OperationID == id {
				return op
			}
		}
	}
	require.Fail(t, "no operation "+id)
	return nil
}

func operations(item *huma.PathItem) []*huma.Operation {
	return slices.DeleteFunc([]*huma.Operation{item.Get, item.Post, item.Put, item.Delete}, func(op *huma.Operation) bool { return op == nil })
}

// disagreements are where a value is not as its schema says.
func disagreements(schemas huma.Registry, schema *huma.Schema, mode huma.ValidateMode, value any) []error {
	var found huma.ValidateResult
	huma.Validate(schemas, schema, huma.NewPathBuffer(nil, 0), mode, value, &found)
	return found.Errors
}

// slowBody serves like s, but no body ever arrives.
func slowBody(s *Server, method, path string) *http.ServeMux {
	inner, mux := s.mux, http.NewServeMux()
	_, pattern := inner.Handler(httptest.NewRequest(method, path, nil))
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = io.NopCloser(iotest.ErrReader(os.ErrDeadlineExceeded))
		inner.ServeHTTP(w, r)
	})
	return mux
}
