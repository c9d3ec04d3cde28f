package graph_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// records are all requests about a relationship, without its address.
func records(assignment string) []struct{ method, path, body string } {
	return []struct{ method, path, body string }{
		{"GET", "", ""}, {"PATCH", "", `{"displayName":"x"}`}, {"PATCH", "", `{"nonsense":1}`}, {"DELETE", "", ""},
		{"GET", "/requests", ""}, {"POST", "/requests", `{"action":"terminate"}`}, {"POST", "/requests", `{"action":"nonsense"}`},
		{"GET", "/requests/" + group, ""}, {"GET", "/operations", ""}, {"GET", "/operations/" + group, ""},
		{"GET", "/accessAssignments", ""}, {"POST", "/accessAssignments", assign(group, helpdesk)}, {"POST", "/accessAssignments", `[`},
		{"GET", "/accessAssignments/" + assignment, ""}, {"PATCH", "/accessAssignments/" + assignment, assign("", helpdesk)},
		{"DELETE", "/accessAssignments/" + assignment, ""},
	}
}

var secrets = regexp.MustCompile(`"(date|request-id|client-request-id)":"[^"]*"`)

func TestNobodyLearnsOfAnothersRelationship(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.active("A")
		assignment := w.ask("agent", "POST", list+"/"+id+"/accessAssignments", assign(group, helpdesk)).is(201).field("id")
		for _, who := range []string{"rival", "adatum"} {
			for _, with := range [][]string{{anyTag}, {`If-Match: W/"1"`}, {}} {
				for _, r := range records(assignment) {
					theirs := w.ask(who, r.method, list+"/"+id+r.path, r.body, with...)
					none := w.ask(who, r.method, list+"/"+nowhere+r.path, r.body, with...)
					theirs.refused(404, "notFound")
					require.Equal(t, secrets.ReplaceAllString(string(none.body), ""), secrets.ReplaceAllString(string(theirs.body), ""))
					require.Equal(t, len(none.header), len(theirs.header))
				}
			}
		}
		before := len(w.refusals())
		w.request("rival", id, "terminate").refused(404, "notFound")
		refusals := w.refusals()
		require.Len(t, refusals, before+1)
		slices.SortFunc(refusals, func(a, b lifecycle.Event) int { return cmp.Compare(a.Version, b.Version) }) // all of one instant
		require.Equal(t, "", refusals[0].RelationshipID)
		require.Equal(t, id, refusals[0].Subject)
		require.Equal(t, "terminate", refusals[0].Action)
		require.Equal(t, lifecycle.Reason("notFound"), refusals[0].Reason)
	})
}

func TestWhoMayOnlyLookChangesNothing(t *testing.T) {
	w := newWorld(t, sqlite(t))
	id := w.active("A")
	assignment := w.ask("agent", "POST", list+"/"+id+"/accessAssignments", assign(group, helpdesk)).is(201).field("id")
	for _, who := range []string{"reader", "watcher"} {
		for _, r := range records(assignment) {
			if r.method != "GET" {
				require.Contains(t, w.ask(who, r.method, list+"/"+id+r.path, r.body, anyTag).refused(403, "accessDenied"), who+" may look and change nothing.")
			}
		}
		w.ask(who, "POST", list, draft("B")).refused(403, "accessDenied")
		w.ask(who, "GET", list+"/"+id, "").is(200)
	}
	w.ask("contoso", "GET", list+"/"+id, "").is(200)
	w.ask("contoso", "POST", list+"/"+id+"/accessAssignments", assign(group, helpdesk)).refused(403, "accessDenied")
}

func TestEveryRefusedWriteIsOnRecordOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.active("A")
		w.request("agent", id, "reject")
		w.ask("agent", "POST", list, draft("a"))
		w.ask("agent", "PATCH", list+"/"+id, "{}")
		w.ask("agent", "PATCH", list+"/"+id, `{"duration":5}`, anyTag)
		w.ask("agent", "POST", "/v1.0/nowhere", "{}")
		w.ask("agent", "PUT", list, "{}")
		w.ask("agent", "GET", list+"/x", "")
		w.ask("nobody", "POST", list, "{}").refused(401, "InvalidAuthenticationToken")
		var told []string
		for _, e := range w.refusals() {
			require.Equal(t, "agent", e.By.Name)
			require.Equal(t, "192.0.2.1", e.By.Address)
			require.NotEmpty(t, e.By.Request)
			told = append(told, fmt.Sprint(e.Action, " ", e.Reason, " ", e.Subject, " ", e.RelationshipID))
		}
		require.ElementsMatch(t, []string{"PUT methodNotAllowed " + list + " ", "POST notFound /v1.0/nowhere ", "edit badRequest " + id + " " + id,
			"edit preconditionRequired " + id + " " + id, "create nameAlreadyExists a ", "reject accessDenied " + id + " " + id}, told)
	})
}

func TestEveryFaultOfABodyIsToldAtOnce(t *testing.T) {
	w := newWorld(t, sqlite(t))
	for _, tt := range []struct {
		body    string
		targets []string
	}{
		{`{}`, []string{"displayName missingValue", "duration missingValue", "accessDetails missingValue"}},
		{`{"displayName":"","duration":"P3Y","accessDetails":{"unifiedRoles":[]},"status":"active","nonsense":1}`,
			[]string{"nonsense unknownProperty", "status readOnlyProperty", "accessDetails.unifiedRoles missingValue", "displayName missingValue", "duration invalidValue"}},
		{`{"displayName":null,"duration":12,"customer":[],"accessDetails":null}`,
			[]string{"displayName invalidValue", "duration invalidValue", "customer invalidValue", "accessDetails invalidValue"}},
		{`{"displayName":"A","displayname":"B","displayName":"C","duration":"1 year","autoExtendDuration":"P90D","customer":{"tenantId":"x","name":"y"},
			"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"x"},{"roleDefinitionId":"` + helpdesk + `"},{"roleDefinitionId":"` + helpdesk + `"},{},7]}}`,
			[]string{"displayname unknownProperty", "displayName duplicateProperty", "duration invalidValue", "autoExtendDuration invalidValue", "customer.name unknownProperty",
				"accessDetails.unifiedRoles[4] invalidValue", "customer.tenantId invalidValue", "accessDetails.unifiedRoles[0].roleDefinitionId invalidValue"}},
		{`{"displayName":"A\u0000","duration":"P","accessDetails":{"unifiedRoles":[{"roleDefinitionId":"` + helpdesk + `","@odata.type":"x"}]},"@odata.type":"y","customer@odata.bind":"z"}`,
			[]string{"displayName invalidValue", "duration invalidValue"}},
		{`{"displayName":"` + strings.Repeat("é", 51) + `","duration":"P1D","accessDetails":{"unifiedRoles":[` + strings.Repeat(`{"roleDefinitionId":"x"},`, 600) + `{}]}}`,
			[]string{"accessDetails.unifiedRoles invalidValue", "displayName invalidValue"}},
	} {
		r := w.ask("agent", "POST", list, tt.body)
		r.refused(400, "badRequest")
		targets := r.targets()
		for _, want := range tt.targets {
			require.Contains(t, targets, want, "%s", r.body)
		}
		require.Less(t, len(r.body), 8000)
	}
	require.Empty(t, w.ask("agent", "GET", list, "").values())
}

func TestEveryBodyThatIsNoneGetsItsAnswer(t *testing.T) {
	w := newWorld(t, sqlite(t))
	gz := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return b.String()
	}
	for _, tt := range []struct {
		name, body string
		headers    []string
		status     int
		code, says string
	}{
		{"none", "", nil, 400, "badRequest", "The body is missing"},
		{"no JSON", `{"displayName":`, nil, 400, "badRequest", "The body is not JSON at line 1, column 15"},
		{"a list", `[]`, nil, 400, "badRequest", "body is not an object"},
		{"null", `null`, nil, 400, "badRequest", "body is not an object"},
		{"two", `{} {}`, nil, 400, "badRequest", "not JSON"},
		{"broken UTF-8", "{\"displayName\":\"\xff\"}", nil, 400, "badRequest", "not valid UTF-8"},
		{"deep", strings.Repeat(`[`, 20_000), nil, 400, "badRequest", "exceeded max depth"},
		{"deep inside", `{"customer":` + strings.Repeat(`{"a":`, 9_000) + `1` + strings.Repeat(`}`, 9_001), nil, 400, "badRequest", "unknown"},
		{"ten megabytes", `{"displayName":"` + strings.Repeat("x", 10<<20) + `"}`, nil, 413, "requestTooLarge", "1048576 bytes"},
		{"a bomb", gz(strings.Repeat(" ", 100<<20)), []string{"Content-Encoding: gzip"}, 413, "requestTooLarge", "1048576 bytes"},
		{"no gzip", draft("A"), []string{"Content-Encoding: gzip"}, 400, "badRequest", "is no gzip"},
		{"half a gzip", gz(draft("A"))[:50], []string{"Content-Encoding: gzip"}, 400, "badRequest", "broke off"},
		{"brotli", `{}`, []string{"Content-Encoding: br"}, 415, "unsupportedMediaType", "br"},
		{"XML", `<a/>`, []string{"Content-Type: application/xml"}, 415, "unsupportedMediaType", "application/xml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, w.ask("agent", "POST", list, tt.body, tt.headers...).refused(tt.status, tt.code), tt.says)
		})
	}
	w.ask("agent", "POST", list, gz(draft("gzip")), "Content-Encoding: gzip").is(201)
	w.ask("agent", "POST", list, draft("charset"), "Content-Type: application/json; charset=utf-8").is(201)
}

func TestEveryOtherAddressIsRefusedInTheSameForm(t *testing.T) {
	w := newWorld(t, sqlite(t))
	id := w.created("A")
	for _, path := range []string{"/v1.0/", "/v1.0/me", list + "/", list + "//x", list + "/../x", list + "/%2e%2e/x", list + "/a%2Fb", list + "/%00", list + "/%ff",
		list + "/" + strings.Repeat("a", 5000), list + "/" + id + "/requests/a/b", list + "/" + id + "/$count", "/v1.0/tenantRelationships",
		list + strings.Repeat("/a", 500), "/beta/tenantRelationships/delegatedAdminRelationships", list + "/" + id + "';--", list + "('"} {
		w.ask("agent", "GET", path, "").refused(404, "notFound")
	}
	require.Equal(t, "DELETE, GET, PATCH", func() string {
		r := w.ask("agent", "PUT", list+"/"+id, "{}")
		r.refused(405, "methodNotAllowed")
		return r.header.Get("Allow")
	}())
	w.ask("agent", "POST", "/v1.0/openapi.yaml", "{}").refused(405, "methodNotAllowed")
	for _, path := range []string{strings.ToLower(list) + "/" + strings.ToUpper(id), list + "('" + id + "')", list + "(%27" + id + "%27)"} {
		require.Equal(t, id, w.ask("agent", "GET", path, "").is(200).field("id"))
	}
	r := w.ask("agent", "HEAD", list+"/"+id, "").is(200)
	require.Empty(t, r.body)
	require.Equal(t, `W/"1"`, r.header.Get("ETag"))
}

func TestEveryOptionThatIsNoneIsNamed(t *testing.T) {
	w := newWorld(t, sqlite(t))
	id := w.created("A")
	for query, says := range map[string]string{
		"?$expand=accessAssignments": "$expand is not supported here; supported are $filter",
		"?$search=x":                 "$search is not supported",
		"?api-version=1":             "api-version is not supported",
		"?$top=0":                    `$top: "0" is not a whole number from 1 to 300`,
		"?$top=301":                  "from 1 to 300",
		"?$top=+5":                   "from 1 to 300",
		"?$top=5&$top=6":             "$top is there twice",
		"?$top=5&top=6":              "$top is there twice",
		"?$count=yes":                "neither true nor false",
		"?$filter=":                  "$filter: ",
		"?$filter=status eq 'x'":     "$filter: column",
		"?$filter=" + strings.Repeat("(", 3000) + "status eq 'active'":   "$filter: ",
		"?$filter=" + strings.Repeat("not ", 900) + "status eq 'active'": "$filter: ",
		"?$filter=displayName eq '%00'":                                  "$filter: ",
		"?$filter=displayName eq '%ff'":                                  "$filter: ",
		"?$orderby=nonsense":                                             "$orderby: ",
		"?$select=nonsense":                                              "$select: ",
		"?$skiptoken=nonsense":                                           "$skiptoken is no skip token of this list",
		"?%zz":                                                           "The query cannot be read",
		"?a;b":                                                           "The query cannot be read",
	} {
		require.Contains(t, w.ask("agent", "GET", list+query, "").refused(400, "badRequest"), says, query)
	}
	w.ask("agent", "GET", list+"/"+id+"?$filter=status eq 'active'", "").refused(400, "badRequest")
	w.ask("agent", "GET", list+"/"+id+"/accessAssignments?$expand=principal", "").refused(400, "badRequest")
	require.Contains(t, w.ask("agent", "POST", list+"?$select=id", draft("B")).refused(400, "badRequest"), "there are no query options")
	w.ask("agent", "DELETE", list+"/"+id+"?x=1", "", anyTag).refused(400, "badRequest")

	require.Equal(t, map[string]any{"@odata.type": "#microsoft.graph.delegatedAdminRelationship", "@odata.etag": `W/"1"`, "id": id, "lockedDateTime": nil},
		w.ask("agent", "GET", list+"?%24SELECT=id,lockedDateTime&$count=true", "").values()[0])
	require.Equal(t, "1", string(w.ask("agent", "GET", list+"/$count?$filter=startswith(displayName,'a')", "", "Accept: text/plain").is(200).body))
	require.Equal(t, "0", string(w.ask("rival", "GET", list+"/$count", "").is(200).body))
}

func TestEveryStrangeIfMatchIsRefused(t *testing.T) {
	w := newWorld(t, sqlite(t))
	id := w.created("A")
	for tag, status := range map[string]int{"1": 400, `W/1`: 400, `"1`: 400, `""`: 412, `"01"`: 412, `"-1"`: 412, `W/"JyI0NzAw"`: 412, `"9223372036854775808"`: 412,
		strings.Repeat(`"7",`, 30) + `"1"`: 400, `"7", *`: 400, `w/"1"`: 400} {
		w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"B"}`, "If-Match: "+tag).is(status)
	}
	w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"B"}`, `If-Match: "7"`, `If-Match: W/"1"`).is(200)
}

func TestTwoCreatesOfOneNameMakeOne(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		statuses := make([]int, 8)
		var all sync.WaitGroup
		for i := range statuses {
			all.Go(func() { statuses[i] = w.ask("agent", "POST", list, draft([]string{"Straße", "STRASSE"}[i%2])).status })
		}
		all.Wait()
		made := 0
		for _, s := range statuses {
			if s == http.StatusCreated {
				made++
			} else {
				require.Equal(t, http.StatusConflict, s)
			}
		}
		require.Equal(t, 1, made)
		require.Len(t, w.ask("agent", "GET", list, "").values(), 1)
	})
}

func TestTheClockDecidesBetweenAnActionAndATimer(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		early, late := w.created("early"), w.created("late")
		w.request("agent", early, "lockForApproval").is(201)
		w.request("agent", late, "lockForApproval").is(201)
		w.advance(90*lifecycle.Day - time.Microsecond)
		w.request("contoso", early, "approve").is(201)
		w.advance(time.Microsecond)
		require.Contains(t, w.request("contoso", late, "approve").refused(409, "invalidStatus"), "the relationship is expired")
		require.Equal(t, "expired", w.ask("agent", "GET", list+"/"+late, "").field("status"))

		ends := w.active("ends")
		assignment := w.ask("agent", "POST", list+"/"+ends+"/accessAssignments", assign(group, helpdesk)).is(201)
		w.advance(365*lifecycle.Day - 2*time.Microsecond)
		w.request("agent", early, "terminate").is(201) // it would have ended a microsecond later
		w.advance(2 * time.Microsecond)
		w.request("agent", ends, "terminate").refused(409, "invalidStatus")
		// Nothing has been swept, and yet its access is shown as what it is: taken away.
		require.Equal(t, "deleted", w.ask("agent", "GET", assignment.header.Get("Location"), "").field("status"))
		require.Contains(t, w.ask("agent", "PATCH", assignment.header.Get("Location"), assign("", reader), anyTag).refused(409, "invalidStatus"), "the relationship is expired")
		w.ask("agent", "DELETE", assignment.header.Get("Location"), "", anyTag).refused(409, "invalidStatus")
	})
}

func TestOfManyWritersOneWinsAtATime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.created("A")
		statuses := make([]int, 8)
		var all sync.WaitGroup
		for i := range statuses {
			all.Go(func() {
				statuses[i] = w.ask("agent", "PATCH", list+"/"+id, fmt.Sprintf(`{"displayName":"A%d"}`, i), `If-Match: W/"1"`).status
			})
		}
		all.Wait()
		made := 0
		for _, s := range statuses {
			if s == http.StatusOK {
				made++
			} else {
				require.Equal(t, http.StatusPreconditionFailed, s)
			}
		}
		require.Equal(t, 1, made)
		require.Equal(t, `W/"2"`, w.ask("agent", "GET", list+"/"+id, "").header.Get("ETag"))
	})
}

func TestPagesHoldEachRelationshipOnceWhileOthersChange(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		want := map[string]bool{}
		for i := range 23 {
			want[w.created(fmt.Sprintf("R %02d", i))] = true
		}
		for round, query := range []string{"?$top=5", "?$top=5&$orderby=displayName desc&$filter=startswith(displayName,'r ') and status ne 'terminated'&$count=true&$select=id",
			"?$orderby=endDateTime,createdDateTime desc&$top=4"} {
			seen := map[string]bool{}
			next, pages := list+query, 0
			for next != "" {
				pages++
				require.Less(t, pages, 20)
				page := w.ask("agent", "GET", next, "")
				for _, v := range page.values() {
					id := v["id"].(string)
					require.False(t, seen[id], id)
					seen[id] = true
				}
				next, _ = page.object()["@odata.nextLink"].(string)
				if pages == 2 { // one that was shown goes, one comes
					gone := page.values()[0]["id"].(string)
					w.ask("agent", "DELETE", list+"/"+gone, "", anyTag).is(204)
					w.created(fmt.Sprintf("R later %d", round))
				}
			}
			for id := range want {
				if !seen[id] {
					w.ask("agent", "GET", list+"/"+id, "").is(404) // gone on an earlier walk
				}
			}
		}
		first := w.ask("agent", "GET", list+"?$top=5", "").is(200).field("@odata.nextLink")
		w.ask("rival", "GET", first, "").refused(400, "badRequest") // the place in another's list
		w.ask("agent", "GET", first+"&$orderby=id", "").refused(400, "badRequest")
		preferring := w.ask("agent", "GET", list, "", "Prefer: odata.maxpagesize=3")
		require.Len(t, preferring.values(), 3)
		require.Equal(t, "odata.maxpagesize=3", preferring.header.Get("Preference-Applied"))
	})
}
