package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestEveryBadBodyGetsItsOwnAnswer(t *testing.T) {
	rules := "the rules are expire-pending, warn-expiry, auto-extend, end-term, release-name"
	tests := []struct {
		body     string
		kind     kind
		location string
		value    any
		detail   string
	}{
		{`{"rules":["end-trem"]}`, unknownRule, "body.rules[0]", "end-trem", "is not a rule; " + rules},
		{`{"rules":["end-term",""]}`, unknownRule, "body.rules[1]", "", "is not a rule; " + rules},
		{`{"rules":["END-TERM"]}`, unknownRule, "body.rules[0]", "END-TERM", "is not a rule; " + rules},
		{`{"rule":["end-term"]}`, unknownField, "body.rule", []any{"end-term"}, "is unknown; there are rules and dryRun"},
		{`{"dryrun":true}`, unknownField, "body.dryrun", true, "is unknown; there are rules and dryRun"},
		{`{"":1}`, unknownField, "body.", 1.0, "is unknown; there are rules and dryRun"},
		{`{"dryRun":true,"dryRun":false}`, badValue, "body.dryRun", false, "is there twice"},
		{`{"dryRun":"yes"}`, badValue, "body.dryRun", "yes", "is not true or false; leave it out for false"},
		{`{"dryRun":null}`, badValue, "body.dryRun", nil, "is not true or false; leave it out for false"},
		{`{"rules":null}`, badValue, "body.rules", nil, "is not a list of rules; leave it out for all of them"},
		{`{"rules":"end-term"}`, badValue, "body.rules", "end-term", "is not a list of rules; leave it out for all of them"},
		{`{"rules":[4]}`, badValue, "body.rules[0]", 4.0, "is not a string; " + rules},
		{`{"rules":[null]}`, badValue, "body.rules[0]", nil, "is not a string; " + rules},
		{`["end-term"]`, badValue, "body", []any{"end-term"}, `is not an object; write {"rules":["end-term"]}, or nothing for all rules`},
		{`null`, badValue, "body", nil, `is not an object; write {"rules":["end-term"]}, or nothing for all rules`},
		{`{"rules":["end-term",]}`, badJSON, "body", nil, "line 1, column 22: invalid character ']' looking for beginning of value"},
		{"{\n  \"dryRün\": ?\n}", badJSON, "body", nil, "line 2, column 13: invalid character '?' looking for beginning of value"},
		{`{"rules":["end-term"]`, badJSON, "body", nil, "line 1, column 21: unexpected end of JSON input"},
		{`{} {}`, badJSON, "body", nil, "line 1, column 4: invalid character '{' after top-level value"},
		{`rules=end-term`, badJSON, "body", nil, "line 1, column 1: invalid character 'r' looking for beginning of value"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		p := w.do("POST", "/v1/sweeps", tt.body).problem(tt.kind)
		require.Equal(t, []BadValue{{Location: tt.location, Value: tt.value, Detail: tt.detail}}, p.Errors, tt.body)
		require.Equal(t, tt.location+": "+tt.detail, p.Detail)
		require.Empty(t, w.fake.sweeps)
	}
}

func TestAllBadValuesAreToldAtOnceAndCutShort(t *testing.T) {
	w := newWorld(t)
	p := w.do("POST", "/v1/sweeps", `{"rules":["a","end-term","b"],"dryRun":1,"x":"`+strings.Repeat("é", 500)+`"}`).problem(badValue)
	require.Len(t, p.Errors, 4)
	require.Equal(t, "body.rules[2]", p.Errors[1].Location)
	require.Contains(t, p.Detail, "body.rules[0]: is not a rule")
	require.Contains(t, p.Detail, "(and 3 more)")
	require.Len(t, []rune(p.Errors[3].Value.(string)), 51, "a quote, 49 characters that fit whole, an ellipsis")

	r := w.do("POST", "/v1/sweeps", `{"rules":["`+strings.Repeat(`x","`, 200_000)+`"]}`)
	require.Len(t, r.problem(unknownRule).Errors, 10)
	require.Less(t, len(r.body), 4096)
}

func TestBodyOfAMebibyteIsTakenAndOneByteMoreIsNot(t *testing.T) {
	w := newWorld(t)
	full := "{}" + strings.Repeat(" ", 1<<20-2)
	require.Equal(t, 202, w.do("POST", "/v1/sweeps", full).status)
	w.do("POST", "/v1/sweeps", full+" ").problem(bodyTooLarge)

	chunked, err := http.NewRequest("POST", w.url+"/v1/sweeps", io.MultiReader(strings.NewReader(full), strings.NewReader(" ")))
	require.NoError(t, err)
	chunked.Header.Set("Authorization", "Bearer "+w.token)
	require.EqualValues(t, 0, chunked.ContentLength, "nobody says beforehand how long it is")
	w.send(chunked).problem(bodyTooLarge)
	w.do("GET", "/v1/sweeps", full+" ").problem(bodyTooLarge)
}

func TestBodyThatIsNotSentAsJSONIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, sent := range []string{"application/x-www-form-urlencoded", "text/plain", "application/problem+json", "application/json;;", "json"} {
		r := w.do("POST", "/v1/sweeps", `{}`, "Content-Type: "+sent)
		require.Contains(t, r.problem(wrongContentType).Detail, "`Content-Type: application/json`", sent)
		require.Equal(t, "application/json", r.header.Get("Accept"))
	}
	w.do("POST", "/v1/sweeps", `{}`, "Content-Encoding: gzip").problem(wrongContentType)
	for _, sent := range []string{"application/json; charset=utf-8", "Application/JSON"} {
		require.Equal(t, 202, w.do("POST", "/v1/sweeps", `{}`, "Content-Type: "+sent).status, sent)
	}
	require.Equal(t, 202, w.do("POST", "/v1/sweeps", "", "Content-Type: application/x-www-form-urlencoded").status, "nothing is nothing in every form")
}

// FuzzNoticeActions holds the same of what is done to notices, where what is taken must never mean more than it says.
func FuzzNoticeActions(f *testing.F) {
	for _, seed := range []string{"{}", `{"action":"retry","ids":["1-7-1"],"reason":"x"}`, `{"action":"release","filter":{"status":["dead"],"tenantId":""},"reason":"x"}`,
		`{"action":"suppress","filter":{"dueBefore":"2026-03-01T00:00:00Z","kind":["digest"]},"reason":"x","dryRun":true}`, `{"ids":[[]],"filter":{"mail":{}}}`} {
		f.Add([]byte(seed))
	}
	w := newWorld(f)
	schemas := w.server.api.OpenAPI().Components.Schemas
	f.Fuzz(func(t *testing.T, body []byte) {
		w.fake.letters, w.fake.orders, w.fake.queries = []lifecycle.Letter{letter(1)}, nil, nil
		got := w.sendBody(t, "POST", "/v1/notices/actions", body)
		if got.status != 200 {
			require.Empty(t, w.fake.orders)
			return
		}
		for _, q := range w.fake.queries {
			require.True(t, q.Narrow())
		}
		var taken any
		require.NoError(t, json.Unmarshal(body, &taken))
		require.Empty(t, disagreements(schemas, schemaOf[NoticeActions](w.server), huma.ModeWriteToServer, taken))
	})
}

// FuzzContacts holds that over HTTP nobody becomes a contact who could not be written into a file and read from it again.
func FuzzContacts(f *testing.F) {
	for _, seed := range []string{ann(), "[" + ann() + "," + ann("ann", "bob") + "]", ann("Ann", `\u202e`), `{"tenantId":null}`, "[[]]", `[{}]`} {
		f.Add([]byte(seed))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w.fake.contacts = nil
		w.sendBody(t, "PUT", "/v1/contacts", body)
		for _, c := range w.fake.contacts {
			wire := c.Wire()
			again, faults := wire.Contact()
			require.Empty(t, faults)
			require.Equal(t, c, again)
		}
	})
}

// sendBody sends a body without a connection. Whatever it is, the server must not break.
func (w *world) sendBody(t *testing.T, method, path string, body []byte) reply {
	r := httptest.NewRequest(method, path, strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+w.token)
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	require.Less(t, answer.Code, 500)
	if answer.Code >= 400 {
		require.Equal(t, "application/problem+json", answer.Header().Get("Content-Type"))
		require.Less(t, answer.Body.Len(), 8192)
	}
	return reply{t, answer.Code, answer.Header(), answer.Body.Bytes()}
}

// FuzzSweepBody holds that no body breaks the server, that whatever is refused is refused with a problem document, and that
// whatever is taken is what the OpenAPI file describes.
func FuzzSweepBody(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"rules":["end-term"],"dryRun":false}`, `{"rules":["end-term","x"]}`, `{"rules":null}`, `[[]]`, `{"a":1,"a":2}`,
		"\xff", `{"rules":["\ud800"]}`, `{"dryRun":1e999}`, strings.Repeat("[", 20_000), `{"dryRun":true}x`} {
		f.Add([]byte(seed), "application/json")
	}
	f.Add([]byte("{}"), "text/plain")
	f.Add([]byte("{}"), "+;")
	w := newWorld(f)
	schemas := w.server.api.OpenAPI().Components.Schemas
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		r := httptest.NewRequest("POST", "/v1/sweeps", strings.NewReader(string(body)))
		r.Header["Content-Type"] = []string{contentType}
		r.Header.Set("Authorization", "Bearer "+w.token)
		answer := httptest.NewRecorder()
		w.server.ServeHTTP(answer, r)
		got := reply{t, answer.Code, answer.Header(), answer.Body.Bytes()}
		w.fake.mu.Lock()
		w.fake.sweeps, w.fake.keys = nil, nil
		w.fake.mu.Unlock()
		if got.status != 202 {
			require.Less(t, got.status, 500)
			require.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
			var p Problem
			got.read(&p)
			require.Equal(t, got.status, p.Status)
			require.Less(t, len(got.body), 8192)
			return
		}
		var taken any
		if strings.TrimSpace(string(body)) == "" {
			return
		}
		require.NoError(t, json.Unmarshal(body, &taken))
		require.Empty(t, disagreements(schemas, schemaOf[SweepRequest](w.server), huma.ModeWriteToServer, taken))
	})
}
