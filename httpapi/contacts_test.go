package httpapi

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	contoso = "11111111-1111-4111-8111-111111111111"
	partner = "99999999-9999-4999-8999-999999999999"
)

// ann is a contact as JSON; edits replace one text by the next.
func ann(edits ...string) string {
	return strings.NewReplacer(edits...).Replace(`{"tenantId":"` + partner + `","role":"adminAgent","mail":"ann@partner.example","displayName":"Ann",` +
		`"preferredLanguage":"en-GB","timeZone":"Europe/London","digest":"daily"}`)
}

func TestContactIsAddedChangedAndLeftAsItIs(t *testing.T) {
	w := newWorld(t)
	w.fake.offered = 3
	for _, step := range []struct{ body, want string }{
		{ann(), `{"created":1,"updated":0,"unchanged":0,"offered":3,"refused":[]}`},
		{"[" + ann() + "]", `{"created":0,"updated":0,"unchanged":1,"offered":0,"refused":[]}`},
		{ann("daily", "none"), `{"created":0,"updated":1,"unchanged":0,"offered":0,"refused":[]}`},
		{"[]", `{"created":0,"updated":0,"unchanged":0,"offered":0,"refused":[]}`},
	} {
		r := w.do("PUT", "/v1/contacts", step.body)
		require.Equal(t, 200, r.status, "%s", r.body)
		require.JSONEq(t, step.want, string(r.body))
	}
	r := w.do("GET", "/v1/contacts", "")
	require.JSONEq(t, `{"contacts":[`+ann("daily", "none")+`]}`, string(r.body))
	require.Contains(t, w.log.String(), `route="PUT /v1/contacts" path=/v1/contacts by=operator status=200`)
	require.NotContains(t, w.log.String(), "ann@")
}

func TestWhatIsLeftOutOfAContactIsEmptyAfterwards(t *testing.T) {
	w := newWorld(t)
	w.do("PUT", "/v1/contacts", ann())
	r := w.do("PUT", "/v1/contacts", `{"tenantId":"`+strings.ToUpper(partner)+`","role":"adminAgent","mail":"Ann@partner.example","displayName":null}`)
	require.Equal(t, 200, r.status, "%s", r.body)
	require.Equal(t, []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "Ann@partner.example"}}, w.fake.contacts)
}

func TestContactsThatWillNotDoAreRefusedAndTheOthersTaken(t *testing.T) {
	w := newWorld(t)
	w.fake.full = contoso
	r := w.do("PUT", "/v1/contacts", "["+strings.Join([]string{ann(partner, contoso), ann("Europe/London", "Mars", "en-GB", "?"), ann(), ann("ann@", "ANN@"), ann("ann@", "bob@")}, ",")+"]")
	require.Equal(t, 200, r.status, "%s", r.body)
	require.JSONEq(t, `{"created":2,"updated":0,"unchanged":0,"offered":0,"refused":[
		{"index":0,"faults":[{"field":"tenantId","value":"`+contoso+`","reason":"has enough contacts"}]},
		{"index":1,"faults":[{"field":"preferredLanguage","value":"?","reason":"is not a BCP 47 language tag; write it like ja or en-GB, or leave it empty","sentence":"noLanguage"},
			{"field":"timeZone","value":"Mars","reason":"is not a time zone of the IANA database; write it like Asia/Tokyo, or leave it empty","sentence":"noTimeZone"}]},
		{"index":3,"faults":[{"field":"mail","value":"ANN@partner.example","reason":"is in the list twice with this tenant and role, first at body[2]; that one counts"}]}]}`, string(r.body))
}

func TestRequestOfWhichNoContactWillDoIsRefused(t *testing.T) {
	w := newWorld(t)
	w.fake.full = contoso
	p := w.do("PUT", "/v1/contacts", ann("ann@partner.example", "Ann <ann@partner.example>", "Europe/London", "Local")).problem(badValue)
	require.Equal(t, []string{"body.mail", "body.timeZone"}, locations(p))
	p = w.do("PUT", "/v1/contacts", ann(partner, contoso)).problem(badValue)
	require.Equal(t, []string{"body.tenantId"}, locations(p))
	p = w.do("PUT", "/v1/contacts", "["+ann("daily", "x")+","+ann("daily", "y")+"]").problem(badValue)
	require.Equal(t, []string{"body[0].digest", "body[1].digest"}, locations(p))
	require.Empty(t, w.fake.contacts)
}

func locations(p Problem) (at []string) {
	for _, bad := range p.Errors {
		at = append(at, bad.Location)
	}
	return at
}

func TestBodyOfContactsThatIsOfTheWrongFormIsRefusedAsAWhole(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]struct {
		kind     kind
		location string
	}{
		"":                                {badValue, "body"},
		`"ann@partner.example"`:           {badValue, "body"},
		"null":                            {badValue, "body"},
		"[" + ann() + `,"bob"]`:           {badValue, "body[1]"},
		ann(`"Ann"`, "7"):                 {badValue, "body.displayName"},
		ann("displayName", "displayname"): {unknownField, "body.displayname"},
		ann("displayName", "mail"):        {badValue, "body.mail"},
		"[" + ann() + "," + ann("displayName", "name") + "]":                                      {unknownField, "body[1].name"},
		"[" + strings.Repeat(ann()+",", 1000) + ann() + "]":                                       {badValue, "body"},
		"[" + strings.TrimSuffix(strings.Repeat(`{"name":1},`, 30), ",") + "]":                    {unknownField, "body[0].name"},
		`{"tenantId":["` + contoso + `"],"role":"adminAgent","mail":"ann@partner.example","x":1}`: {badValue, "body.tenantId"},
	} {
		p := w.do("PUT", "/v1/contacts", body).problem(want.kind)
		require.Equal(t, want.location, p.Errors[0].Location, body)
	}
	require.Empty(t, w.fake.contacts)
	w.do("PUT", "/v1/contacts", "[").problem(badJSON)
	w.do("PUT", "/v1/contacts", ann(), "Content-Type: text/csv").problem(wrongContentType)
}

func TestContactsAreListedPageByPage(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.fake.contacts = append(w.fake.contacts, lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: fmt.Sprintf("a/%d+x@partner.example", i)})
	}
	w.fake.contacts = append(w.fake.contacts, lifecycle.Contact{TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "it@contoso.example"})
	var mails []string
	pages := 0
	for next := "/v1/contacts?role=adminAgent&limit=3&tenantId=" + strings.ToUpper(partner); next != ""; pages++ {
		r := w.do("GET", next, "")
		require.Equal(t, 200, r.status, "%s", r.body)
		var page ContactList
		r.read(&page)
		for _, c := range page.Contacts {
			mails = append(mails, c.Mail)
		}
		next = page.Next
	}
	require.Len(t, mails, 7)
	require.IsIncreasing(t, mails)
	require.Equal(t, 3, pages)

	var found ContactList
	w.do("GET", "/v1/contacts?mail=IT@contoso.example", "").read(&found)
	require.Len(t, found.Contacts, 1)
}

func TestContactsAreRemovedTenantByTenant(t *testing.T) {
	w := newWorld(t)
	w.do("PUT", "/v1/contacts", "["+ann()+","+ann("ann@", "bob@")+","+ann("adminAgent", "globalAdministrator")+"]")
	for _, step := range []struct {
		query url.Values
		want  int
	}{
		{url.Values{"tenantId": {partner}, "mail": {"BOB@partner.example"}}, 1},
		{url.Values{"tenantId": {partner}, "mail": {"BOB@partner.example"}}, 0},
		{url.Values{"tenantId": {partner}, "role": {"globalAdministrator"}}, 1},
		{url.Values{"tenantId": {strings.ToUpper(partner)}}, 1},
	} {
		r := w.do("DELETE", "/v1/contacts?"+step.query.Encode(), "")
		require.Equal(t, 200, r.status)
		require.JSONEq(t, fmt.Sprintf(`{"removed":%d}`, step.want), string(r.body))
	}
	w.do("PUT", "/v1/contacts", ann())
	for query, location := range map[string]string{"": "query.tenantId", "?tenantId=": "query.tenantId", "?mail=&tenantId=" + partner: "query.mail", "?role&tenantId=" + partner: "query.role", "?mail=ann@partner.example": "query.tenantId", "?tenantId=contoso": "query.tenantId",
		"?tenantId=" + partner + "&role=helpdesk": "query.role", "?tenantId=" + partner + "&name=Ann": "query.name"} {
		require.Equal(t, []string{location}, locations(w.do("DELETE", "/v1/contacts"+query, "").problem(badValue)), query)
	}
	require.Len(t, w.fake.contacts, 1)
}

func TestBadParametersOfContactsAreNamed(t *testing.T) {
	w := newWorld(t)
	for query, location := range map[string]string{"tenantId=contoso": "query.tenantId", "role=helpdesk": "query.role", "limit=1001": "query.limit",
		"after=x": "query.after", "after=a/b/c": "query.after"} {
		require.Equal(t, []string{location}, locations(w.do("GET", "/v1/contacts?"+query, "").problem(badValue)), query)
	}
}

func TestAudiencesThatNobodyIsInAreListed(t *testing.T) {
	w := newWorld(t)
	require.JSONEq(t, `{"audiences":[]}`, string(w.do("GET", "/v1/contacts/unreached", "").body))
	w.fake.unreached = []lifecycle.Unreached{{Audience: lifecycle.Audience{TenantID: contoso, Role: lifecycle.GlobalAdministrators}, Notices: 7, Latest: noon},
		{Audience: lifecycle.Audience{Role: lifecycle.GlobalAdministrators}, Notices: 1, Latest: noon}}
	require.JSONEq(t, `{"audiences":[{"tenantId":"`+contoso+`","role":"globalAdministrator","notices":7,"latestDateTime":"2026-03-02T12:00:00.123456Z"},
		{"tenantId":null,"role":"globalAdministrator","notices":1,"latestDateTime":"2026-03-02T12:00:00.123456Z"}]}`, string(w.do("GET", "/v1/contacts/unreached", "").body))
	var one UnreachedList
	w.do("GET", "/v1/contacts/unreached?limit=1", "").read(&one)
	require.Len(t, one.Audiences, 1)
}
