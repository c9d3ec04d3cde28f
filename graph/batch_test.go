package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/graph"
)

const batch = "/v1.0/$batch"

type batchReply struct {
	ID      string
	Status  int
	Headers map[string]string
	Body    json.RawMessage
}

func (r *reply) responses() []batchReply {
	r.t.Helper()
	var v struct{ Responses []batchReply }
	require.NoError(r.t, json.Unmarshal(r.is(200).body, &v))
	return v.Responses
}

func TestABatchIsAnsweredOneByOne(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.created("A")
		relative := strings.TrimPrefix(list, "/v1.0")
		responses := w.ask("agent", "POST", batch, `{"requests":[
			{"id":"look","method":"GET","url":"`+relative+`?%24filter=status%20eq%20'approvalPending'&$count=true","headers":{"accept":"application/json"},"body":null,"dependsOn":["LOCK"]},
			{"id":"lock","method":"POST","url":"`+relative+`/`+id+`/requests","headers":{"content-type":"application/json"},"body":{"action":"lockForApproval"},"dependsOn":[]},
			{"id":"twice","method":"post","url":"`+relative[1:]+`/`+id+`/requests","body":{"action":"lockForApproval"},"dependsOn":["lock"]},
			{"id":"after","method":"PATCH","url":"`+relative+`/`+id+`","headers":{"if-match":"*"},"body":{"displayName":"x"},"dependsOn":["twice"]},
			{"id":"name","method":"POST","url":"`+list+`","body":`+draft("B")+`},
			{"id":"nested","method":"POST","url":"/$batch","body":{"requests":[]}},
			{"id":"count","method":"GET","url":"`+relative+`/$count"}]}`).responses()
		var told []string
		requests := map[string]bool{}
		for _, r := range responses {
			told = append(told, fmt.Sprint(r.ID, " ", r.Status))
			requests[r.Headers["Request-Id"]] = true
		}
		require.Equal(t, []string{"lock 201", "look 200", "twice 409", "after 424", "name 201", "nested 400", "count 200"}, told)
		require.Len(t, requests, 7)
		require.Contains(t, string(responses[1].Body), id)
		require.True(t, strings.HasPrefix(responses[1].Headers["Content-Type"], "application/json"))
		require.Contains(t, string(responses[3].Body), `"failedDependency"`)
		require.JSONEq(t, `"2"`, string(responses[6].Body))
		var actions []string
		for _, e := range w.refusals() {
			actions = append(actions, e.Action+" "+string(e.Reason))
		}
		require.ElementsMatch(t, []string{"batch badRequest", "edit failedDependency", "lockForApproval invalidStatus"}, actions)
	})
}

func TestABatchThatIsNoneIsRefusedAsAWhole(t *testing.T) {
	w := newWorld(t, sqlite(t))
	one := func(id, more string) string { return `{"id":"` + id + `","method":"GET","url":"/x"` + more + `}` }
	for body, says := range map[string]string{
		`{}`:              "requests is missing",
		`{"requests":[]}`: "requests is empty",
		`{"requests":{}}`: "requests is not a list",
		`{"requests":[` + strings.Repeat(one("a", "")+",", 20) + one("b", "") + `]}`:         "more than the 20 requests",
		`{"requests":[` + one("a", "") + `,` + one("A", "") + `]}`:                           `the id "A" twice`,
		`{"requests":[` + one("a", `,"dependsOn":["b"]`) + `]}`:                              `names "b", and there is no request`,
		`{"requests":[` + one("a", `,"dependsOn":["a"]`) + `]}`:                              "in a circle",
		`{"requests":[` + one("a", `,"dependsOn":"a"`) + `]}`:                                "dependsOn is not a list of ids",
		`{"requests":[{"id":"a","method":"GET","url":"https://example.com/x"}]}`:             "requests[0].url is an absolute address; leave out what stands before tenantRelationships",
		`{"requests":[{"id":1,"method":"GET"}]}`:                                             "requests[0].id is not a string",
		`{"requests":[` + one("a", `,"headers":{"a":["b"]}`) + `]}`:                          "headers is not an object of up to 50 strings",
		`{"requests":[` + one("a", `,"nonsense":1`) + `]}`:                                   "requests[0].nonsense is unknown",
		`{"requests":[` + one("a", "") + `,null]}`:                                           "requests[1] is not an object",
		`{"requests":[{"id":"a","method":"GET","url":"/%zz"},` + one("", "") + `],"more":1}`: "is no address relative to /v1.0",
	} {
		require.Contains(t, w.ask("agent", "POST", batch, body).refused(400, "badRequest"), says, body)
	}
	responses := w.ask("agent", "POST", batch, `{"requests":[`+one("a", "")+`]}`).responses()
	require.Equal(t, 404, responses[0].Status)
}

// A sparing writer lets so many requests of a batch through.
type sparing struct {
	http.ResponseWriter
	left int
}

func (s *sparing) Spend() time.Duration {
	if s.left--; s.left < 0 {
		return 1500 * time.Millisecond
	}
	return 0
}

func TestRequestsOfABatchCountOneByOne(t *testing.T) {
	w := newWorld(t, sqlite(t))
	api, err := graph.New(graph.Options{Store: w.db, Policy: w.policy, Now: w.clock})
	require.NoError(t, err)
	var requests []string
	for i := range 5 {
		requests = append(requests, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/tenantRelationships/delegatedAdminRelationships"}`, i))
	}
	answer := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, batch, strings.NewReader(`{"requests":[`+strings.Join(requests, ",")+`]}`))
	r.Header.Set("Content-Type", "application/json")
	api.ServeAs(&sparing{answer, 2}, r, callers["agent"])
	responses := (&reply{t: t, status: answer.Code, body: answer.Body.Bytes()}).responses()
	var statuses []int
	for _, one := range responses {
		statuses = append(statuses, one.Status)
	}
	require.Equal(t, []int{200, 200, 200, 429, 429}, statuses)
	require.Equal(t, "2", responses[3].Headers["Retry-After"])
}
