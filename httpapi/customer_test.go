package httpapi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestCustomerLooksAtARequestByItsLinkAndApprovesIt(t *testing.T) {
	w := recordsWorld(t)
	w.server.policy.Notices.Partners = map[string]string{partner: "Northwind"}
	customer := w.customerOf(fabrikam)
	var shown Relationship
	customer.do("GET", customerPath+"/"+strings.ToUpper(invitingID), "").read(&shown)
	require.Equal(t, "Northwind", *shown.Partner.DisplayName)
	require.Nil(t, shown.Customer)
	require.Equal(t, "2026-05-31T11:00:00.123456Z", *shown.LapsesDateTime)
	require.Equal(t, []string{"approve", "reject"}, shown.Allowed)

	customer.do("POST", customerPath+"/"+invitingID+"/approve", `{"customer":{"displayName":"Fabrikam"}}`, "X-Request-Id: yes-1").read(&shown)
	require.Equal(t, "active", shown.Status)
	require.Equal(t, fabrikam, shown.Customer.TenantID)
	require.Equal(t, "2027-03-02T12:00:00.123456Z", *shown.EndDateTime)

	w.customerOf(contoso).do("GET", customerPath+"/"+invitingID, "").problem(unknownRecord)
	var log ActivityList
	customer.do("GET", "/v1/relationships/"+invitingID+"/activity?limit=1", "").read(&log)
	approved := log.Activities[0]
	require.EqualValues(t, "approved", approved.Type)
	require.Equal(t, "yes-1", *approved.Caller.RequestID)
	require.Equal(t, "127.0.0.1", *approved.Caller.Address)
	require.Equal(t, fabrikam, *approved.Caller.TenantID)
	require.Contains(t, log.Next, "/v1/relationships/"+invitingID+"/activity?after=")
	log = ActivityList{}
	w.agentOf(partner).do("GET", "/v1/relationships/"+invitingID+"/activity?limit=1", "").read(&log)
	require.EqualValues(t, "customer", *log.Activities[0].Actor)
	require.Nil(t, log.Activities[0].Caller, "the other side's tokens are its own affair")
}

func TestReasonOfACustomerIsKept(t *testing.T) {
	w := recordsWorld(t)
	customer := w.customerOf(contoso)
	path := customerPath + "/" + activeID + "/terminate"
	customer.do("POST", path, "", "Tenure-Reason: 100%").problem(badValue)
	customer.do("POST", path, "", "Tenure-Reason: a%0Ab").problem(badValue)
	require.Equal(t, 200, customer.do("POST", path, "", "Tenure-Reason: %E5%A5%91%E7%B4%84 ends").status)
	var log ActivityList
	customer.do("GET", "/v1/relationships/"+activeID+"/activity?limit=1", "").read(&log)
	require.Equal(t, "契約 ends", *log.Activities[0].Detail)
}

func TestNobodySeesAnothersRelationshipsNorGuessesThem(t *testing.T) {
	w := recordsWorld(t)
	missing := relationshipID(99)
	// body without what differs by the id and the request
	told := func(r reply, id string) string {
		p := r.problem(unknownRecord)
		require.NotContains(t, p.Detail, id)
		p.RequestID = ""
		text, _ := json.Marshal(p)
		return string(text)
	}
	for name, by := range map[string]*world{"another customer": w.customerOf(fabrikam), "another partner": w.agentOf(stranger), "a reader": w.readerOf(fabrikam)} {
		for _, route := range []string{"GET /v1/customer/relationships/%", "POST /v1/customer/relationships/%/approve", "POST /v1/customer/relationships/%/reject",
			"POST /v1/customer/relationships/%/terminate", "POST /v1/customer/relationships/%/auto-extend", "GET /v1/relationships/%/activity"} {
			method, path, _ := strings.Cut(route, " ")
			body := ""
			if strings.HasSuffix(path, "auto-extend") {
				body = `{"autoExtendDuration":"P180D"}`
			}
			want := told(by.do(method, strings.ReplaceAll(path, "%", missing), body), missing)
			for _, id := range []string{activeID, pendingID, draftID} {
				require.Equal(t, want, told(by.do(method, strings.ReplaceAll(path, "%", id), body), id), "%s %s", name, route)
			}
		}
		var list RelationshipList
		by.do("GET", customerPath, "").read(&list)
		require.Empty(t, list.Relationships)
		var log ActivityList
		by.do("GET", activityPath+"?limit=500", "").read(&log)
		for _, a := range log.Activities {
			require.EqualValues(t, "refused", a.Type)
			require.Nil(t, a.RelationshipID)
		}
	}
	require.Equal(t, lifecycle.Active, w.status(activeID))
	require.Equal(t, lifecycle.ApprovalPending, w.status(pendingID))
	w.customerOf(contoso).do("GET", customerPath+"/"+draftID, "").problem(unknownRecord)
	w.agentOf(partner).do("GET", customerPath+"/"+draftID, "").problem(unknownRecord)
}

func TestOnlyWhoActsForTheCustomerDoes(t *testing.T) {
	w := recordsWorld(t)
	path := customerPath + "/" + pendingID + "/approve"
	require.Contains(t, w.agentOf(partner).do("POST", path, "").problem(roleMissing).Detail, `has the role adminAgent`)
	w.readerOf(contoso).do("POST", path, "").problem(roleMissing)
	require.Contains(t, w.as(w.newToken("watcher", ScopeRead)).do("POST", path, "").problem(roleMissing).Detail, `the token "watcher" may only read`)
	w.as(w.newToken("sweeper", ScopeSweep)).do("POST", path, "").problem(scopeMissing)
	require.Equal(t, lifecycle.ApprovalPending, w.status(pendingID))
	require.Equal(t, 200, w.customerOf(contoso).do("POST", path, "").status)
	require.Equal(t, lifecycle.Active, w.status(pendingID))
}

func TestTenantsKeepOutOfWhatIsForOperators(t *testing.T) {
	w := recordsWorld(t)
	for _, role := range []lifecycle.Role{lifecycle.AdminAgents, lifecycle.Reader, lifecycle.GlobalAdministrators} {
		by := w.as(w.tenantToken(partner, role))
		for path := range map[string]bool{"/v1/sweeps": true, "/v1/notices": true, "/v1/contacts": true, "/v1/channels": true, "/metrics": true, provisioningPath: true, partnersPath: true} {
			by.do("GET", path, "").problem(roleMissing)
		}
		by.do("POST", "/v1/sweeps", "").problem(roleMissing)
		by.do("PUT", partnersPath+"/"+partner, `{"standing":"authorized"}`).problem(roleMissing)
		by.do("POST", provisioningPath+"/"+activeID, `{"version":1,"result":"done"}`).problem(roleMissing)
	}
}

func TestRefusedActionSaysWhatIsAllowedAndIsRecordedOnce(t *testing.T) {
	w := recordsWorld(t)
	customer := w.customerOf(contoso)
	r := customer.do("POST", customerPath+"/"+activeID+"/approve", "")
	require.Equal(t, 409, r.status)
	var p RefusedAction
	r.read(&p)
	require.Equal(t, "active", p.RelationshipStatus)
	require.Equal(t, []string{"setAutoExtend", "terminate"}, p.Allowed)
	require.Contains(t, p.Detail, "Approve by customer refused: the relationship is active; possible now: setAutoExtend, terminate.")
	customer.do("POST", customerPath+"/"+relationshipID(99)+"/reject", "").problem(unknownRecord)

	var log ActivityList
	customer.do("GET", activityPath+"?type=refused", "").read(&log)
	require.Len(t, log.Activities, 2)
	known, unknown := log.Activities[0], log.Activities[1]
	require.Nil(t, unknown.RelationshipID)
	require.Equal(t, relationshipID(99), *unknown.Subject)
	require.Equal(t, activeID, *known.RelationshipID)
	require.Equal(t, "approve", *known.Action)
	require.Equal(t, "wrongStatus", *known.Reason)
	require.Nil(t, known.Version)
	require.Equal(t, r.header.Get("X-Request-Id"), *known.Caller.RequestID)

	w.as("tnr_nonsense").do("POST", customerPath+"/"+activeID+"/approve", "").problem(tokenUnknown)
	require.Len(t, w.fake.refusals, 2)
}

func TestRequestIsMetAsItStandsNow(t *testing.T) {
	now := noon
	w := recordsWorld(t, func(o *Options) { o.Now = func() time.Time { return now } })
	now = lifecycle.Days(90).After(noon.Add(-time.Hour))
	var shown Relationship
	w.customerOf(contoso).do("GET", customerPath+"/"+pendingID, "").read(&shown)
	require.Equal(t, "expired", shown.Status)
	require.Nil(t, shown.LapsesDateTime)
	require.Equal(t, 409, w.customerOf(contoso).do("POST", customerPath+"/"+pendingID+"/approve", "").status)
	w.customerOf(fabrikam).do("GET", customerPath+"/"+invitingID, "").problem(unknownRecord)
	require.Equal(t, 404, w.customerOf(fabrikam).do("POST", customerPath+"/"+invitingID+"/approve", "").status, "its link has lapsed with it")
}

func TestCustomerIsNobodyElse(t *testing.T) {
	w := recordsWorld(t)
	path := customerPath + "/" + invitingID + "/approve"
	w.customerOf(fabrikam).do("POST", path, `{"customer":{"tenantId":"`+contoso+`"}}`).problem(badValue)
	require.Contains(t, w.do("POST", path, "").problem(badValue).Detail, "say for whom it is approved")
	w.do("POST", path, `{"customer":{"tenantId":"x"}}`).problem(badValue)
	w.do("POST", path, `{"customer":{"displayName":"a\u0000b"}}`).problem(badValue)
	w.do("POST", path, `{"customer":null}`).problem(badValue)
	var shown Relationship
	w.do("POST", path, `{"customer":{"tenantId":"`+fabrikam+`"}}`).read(&shown)
	require.Equal(t, fabrikam, shown.Customer.TenantID)
}

func TestCustomersListHoldsItsOwnPageByPage(t *testing.T) {
	w := recordsWorld(t)
	customer := w.customerOf(contoso)
	var ids []string
	for next := customerPath + "?limit=1"; next != ""; {
		var page RelationshipList
		customer.do("GET", next, "").read(&page)
		for _, r := range page.Relationships {
			ids = append(ids, r.ID)
		}
		next = page.Next
	}
	require.Equal(t, []string{activeID, pendingID}, ids)
	var list RelationshipList
	customer.do("GET", customerPath+"?status=active", "").read(&list)
	require.Len(t, list.Relationships, 1)
	w.agentOf(partner).do("GET", customerPath, "").read(&list)
	require.Empty(t, list.Relationships, "the partner is nobody's customer here")
	w.do("GET", customerPath+"?tenantId="+contoso, "").read(&list)
	require.Len(t, list.Relationships, 2)
	w.do("GET", customerPath, "").read(&list)
	require.Len(t, list.Relationships, 3)
}

func TestCustomerSwitchesAutoExtendAndTerminates(t *testing.T) {
	w := recordsWorld(t)
	customer, path := w.customerOf(contoso), customerPath+"/"+activeID
	var shown Relationship
	for range 2 { // the second changes nothing
		customer.do("POST", path+"/auto-extend", `{"autoExtendDuration":"P25W5D"}`).read(&shown)
		require.Equal(t, "P180D", shown.AutoExtendDuration)
	}
	customer.do("POST", path+"/auto-extend", `{"autoExtendDuration":"P90D"}`).problem(badValue)
	customer.do("POST", path+"/auto-extend", "").problem(badValue)
	customer.do("POST", path+"/terminate", `{"x":1}`).problem(unknownField)
	customer.do("POST", path+"/terminate", "").read(&shown)
	require.Equal(t, "terminated", shown.Status)
	require.Empty(t, shown.Allowed)
	require.Equal(t, 409, customer.do("POST", path+"/terminate", "").status)
}

func TestActivityOfOthersCannotBeSearchedByName(t *testing.T) {
	w := recordsWorld(t)
	require.Equal(t, 200, w.customerOf(contoso).do("POST", customerPath+"/"+pendingID+"/approve", "", "X-Request-Id: theirs").status)
	agent := w.agentOf(partner)
	for _, search := range []string{"caller=" + "globalAdministrator%20of%201111", "requestId=theirs"} {
		var log ActivityList
		agent.do("GET", activityPath+"?"+search, "").read(&log)
		require.Empty(t, log.Activities)
		agent.do("GET", activityPath+"?tenant="+contoso+"&"+search, "").problem(badValue)
		w.do("GET", activityPath+"?"+search, "").read(&log)
		require.Len(t, log.Activities, 1)
	}
	agent.do("GET", activityPath+"?tenant="+contoso, "").problem(badValue)
}

func TestActivityIsPagedWithoutGaps(t *testing.T) {
	w := recordsWorld(t)
	var all, paged []Activity
	var list ActivityList
	w.do("GET", activityPath+"?limit=500", "").read(&list)
	all = list.Activities
	require.Len(t, all, 8)
	for next := activityPath + "?limit=3&actor=partner,customer"; next != ""; {
		list = ActivityList{}
		w.do("GET", next, "").read(&list)
		paged = append(paged, list.Activities...)
		next = list.Next
	}
	require.Equal(t, all, paged)
	w.do("GET", activityPath+"?since="+lifecycle.FormatInstant(noon), "").read(&list)
	require.Empty(t, list.Activities)
}

func TestExportsHoldEverythingOldestFirstAndNoFormulas(t *testing.T) {
	w := recordsWorld(t)
	formula := w.as(w.addToken(lifecycle.Token{Name: `=HYPERLINK("http://evil.example")`, Tenant: contoso, Role: lifecycle.GlobalAdministrators}))
	require.Equal(t, 200, formula.do("POST", customerPath+"/"+pendingID+"/approve", "").status)

	r := formula.do("GET", activityPath+".csv", "")
	require.Equal(t, "text/csv", r.header.Get("Content-Type"))
	rows, err := csv.NewReader(bytes.NewReader(r.body)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, ActivityColumns, rows[0])
	last := rows[len(rows)-1]
	require.Equal(t, "approved", last[4])
	require.Equal(t, `'=HYPERLINK("http://evil.example")`, last[11])

	r = w.do("GET", activityPath+".ndjson?type=approved", "")
	lines := strings.Split(strings.TrimSpace(string(r.body)), "\n")
	require.Len(t, lines, 2)
	var first Activity
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.Equal(t, activeID, *first.RelationshipID)
}

func TestSoManyExportsAtOneTimeAreEnough(t *testing.T) {
	w := recordsWorld(t)
	for range cap(w.server.exporting) {
		w.server.exporting <- struct{}{}
	}
	require.Contains(t, w.do("GET", activityPath+".csv", "").problem(tooManyRequests).Detail, "4 exports are under way")
	<-w.server.exporting
	require.Equal(t, 200, w.do("GET", activityPath+".csv", "").status)
	require.Equal(t, 200, w.do("GET", activityPath+".csv", "").status, "room is given back")
}

func TestExportMayTakeLongerThanAnyOtherAnswer(t *testing.T) {
	w := recordsWorld(t)
	w.server.limits.request, w.server.limits.read = time.Nanosecond, 10*time.Millisecond
	w.fake.lockedUp = nil
	_, stop := w.serve()
	require.Equal(t, 200, w.do("GET", activityPath+".ndjson", "").status)
	w.do("GET", activityPath, "").problem(timedOut)
	require.NoError(t, stop())
}

func TestExportThatBreaksOffIsNotAWholeOne(t *testing.T) {
	w := recordsWorld(t)
	rows := 0
	breaks := &csvThatBreaks{after: 3, seen: &rows}
	w.server.mux.HandleFunc("GET /broken", func(answer http.ResponseWriter, r *http.Request) {
		in := &exportActivityInput{Asked: Asked{request: r, answer: answer.(*answerType)}}
		w.server.streamActivity(r.Context(), in, lifecycle.ActivityQuery{}, answer, "text/csv", func(to io.Writer) activityWriter { breaks.to = to; return breaks })
	})
	w.server.needs["GET /broken"] = open
	r, err := http.Get(w.url + "/broken")
	require.NoError(t, err)
	_, err = io.ReadAll(r.Body)
	require.NoError(t, r.Body.Close())
	require.Error(t, err)
	require.Contains(t, w.log.String(), "an export broke off")
}

type answerType = answer

// csvThatBreaks writes large rows, and then no more.
type csvThatBreaks struct {
	to    io.Writer
	after int
	seen  *int
}

func (c *csvThatBreaks) begin() error { return nil }
func (c *csvThatBreaks) end() error   { return nil }
func (c *csvThatBreaks) write(*Activity) error {
	if *c.seen++; *c.seen > c.after {
		return errors.New("no more")
	}
	_, err := io.WriteString(c.to, strings.Repeat("x", 100_000))
	return err
}
