package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// contractExample is the full relationship of docs/domain.md, section 7, with the partner added that it leaves out.
const contractExample = `{"@odata.etag":"W/\"7\"","id":"0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001",
 "displayName":"Contoso helpdesk 2026","duration":"P365D","autoExtendDuration":"PT0S","status":"active",
 "partner":{"tenantId":"22222222-2222-4222-8222-222222222222"},
 "customer":{"tenantId":"11111111-1111-4111-8111-111111111111","displayName":"Contoso"},
 "accessDetails":{"unifiedRoles":[{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"}]},
 "createdDateTime":"2026-01-05T09:00:00Z","lastModifiedDateTime":"2026-01-07T10:00:00Z",
 "activatedDateTime":"2026-01-07T10:00:00Z","endDateTime":"2027-01-07T10:00:00Z"}`

var importedAt = at("2026-06-01T00:00:00Z")

// example is the contract's example with some fields changed.
func example(t *testing.T, changes ...func(w *Wire)) *Wire {
	t.Helper()
	w, err := DecodeWire([]byte(contractExample))
	require.NoError(t, err)
	for _, change := range changes {
		change(w)
	}
	return w
}

// read reads w, which is to be without fault.
func read(t *testing.T, w *Wire) (Record, []Advice) {
	t.Helper()
	r, advice, faults := w.Record(DefaultPolicy(), importedAt)
	require.Empty(t, faults)
	return r, advice
}

func pendingWire(w *Wire) { w.Status, w.EndDateTime, w.ActivatedDateTime = "approvalPending", nil, nil }

func TestContractExampleIsRead(t *testing.T) {
	r, advice := read(t, example(t))
	require.Empty(t, advice)
	require.Equal(t, contoso(func(r *Record) {
		r.Version, r.Locked, r.WarnAfter = 0, time.Time{}, importedAt
	}), r)
}

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	for _, r := range []Record{
		contoso(), contoso(created), contoso(pending), contoso(expired), contoso(extending),
		contoso(func(r *Record) { r.Customer = Tenant{} }),
		contoso(func(r *Record) { r.Customer = Tenant{DisplayName: "Contoso"} }),
		contoso(expired, func(r *Record) { r.End, r.NameReleased = at("2024-01-07T10:00:00Z"), at("2025-01-06T10:00:00Z") }, func(r *Record) { r.Activated = time.Time{} }),
		contoso(func(r *Record) { r.ID = "hand-made_1.A" }),
	} {
		r.Version, r.WarnAfter = 0, importedAt // neither is in the file
		text, err := json.Marshal(r.Wire(DefaultPolicy()))
		require.NoError(t, err)
		w, err := DecodeWire(text)
		require.NoError(t, err)
		again, _ := read(t, w)
		require.Equal(t, r, again)
	}
}

func TestWireIsTheContractsJSON(t *testing.T) {
	text, err := json.MarshalIndent(ptr(contoso(expired, extending, ending(at("2026-05-01T00:00:00.00012Z")))).Wire(DefaultPolicy()), "", " ")
	require.NoError(t, err)
	require.Equal(t, `{
 "id": "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001",
 "displayName": "Contoso helpdesk 2026",
 "duration": "P365D",
 "autoExtendDuration": "P180D",
 "status": "expired",
 "partner": {
  "tenantId": "22222222-2222-4222-8222-222222222222"
 },
 "customer": {
  "tenantId": "11111111-1111-4111-8111-111111111111",
  "displayName": "Contoso"
 },
 "accessDetails": {
  "unifiedRoles": [
   {
    "roleDefinitionId": "729827e3-9c14-49f7-bb1b-9608f156bbb8"
   }
  ]
 },
 "createdDateTime": "2026-01-05T09:00:00Z",
 "lastModifiedDateTime": "2026-01-07T10:00:00Z",
 "lockedDateTime": "2026-01-06T09:00:00Z",
 "activatedDateTime": "2026-01-07T10:00:00Z",
 "endDateTime": "2026-05-01T00:00:00.00012Z",
 "endedDateTime": "2026-05-01T00:00:00.00012Z",
 "nameReleased": false
}`, string(text))
}

func TestWhatIsNotYetIsNull(t *testing.T) {
	text, err := json.Marshal(ptr(contoso(created, func(r *Record) { r.Customer, r.Roles = Tenant{}, nil })).Wire(DefaultPolicy()))
	require.NoError(t, err)
	for _, field := range []string{"customer", "lockedDateTime", "activatedDateTime", "endDateTime", "endedDateTime"} {
		require.Contains(t, string(text), `"`+field+`":null`)
	}
	require.Contains(t, string(text), `"unifiedRoles":[]`)
}

func TestInstantIsCutToMicrosecondsWithAdvice(t *testing.T) {
	r, advice := read(t, example(t, func(w *Wire) { w.EndDateTime = ptr("2027-01-07T10:00:00.1234569Z") }))
	require.Equal(t, at("2027-01-07T10:00:00.123456Z"), r.End)
	require.Equal(t, []Advice{PrecisionCut}, advice)

	_, advice = read(t, example(t, func(w *Wire) { w.EndDateTime = ptr("2027-01-07T10:00:00.123456000Z") }))
	require.Empty(t, advice, "zeros are no precision")
}

func TestOffsetIsConvertedToUTC(t *testing.T) {
	r, _ := read(t, example(t, func(w *Wire) { w.EndDateTime = ptr("2027-01-07T19:00:00+09:00") }))
	require.Equal(t, at("2027-01-07T10:00:00Z"), r.End)
	require.Equal(t, time.UTC, r.End.Location())
}

func TestUnreadableInstantIsRefusedWithTheWayToMendIt(t *testing.T) {
	for text, reason := range map[string]string{
		"2027-01-07T10:00:00":       "has no time zone; end it with Z or an offset like +09:00",
		"2027-01-07T10:00:00.5":     "has no time zone",
		"0001-01-01T00:00:00Z":      "lies outside the years 1970 to 2999; if it stands for none or never, write null",
		"9999-12-31T23:59:59Z":      "write null",
		"1969-12-31T23:59:59Z":      "write null",
		"3000-01-01T00:00:00Z":      "write null",
		"2999-12-31T23:59:59-01:00": "write null", // in UTC it is the year 3000
		"1970-01-01T00:30:00+01:00": "write null", // and here 1969
		"":                          "is not an RFC 3339 instant; write it like 2026-01-31T09:00:00Z",
		"2027-01-07":                "is not an RFC 3339 instant",
		"2027-02-29T10:00:00Z":      "is not an RFC 3339 instant",
		"2027-01-07 10:00:00Z":      "is not an RFC 3339 instant",
		"2027-01-07T10:00:00z":      "is not an RFC 3339 instant",
		"2027-01-07T24:00:00Z":      "is not an RFC 3339 instant",
		"2027-01-07T10:00:60Z":      "is not an RFC 3339 instant",
		"1799316000":                "is not an RFC 3339 instant",
		"tomorrow":                  "is not an RFC 3339 instant",
	} {
		_, err := ParseInstant(text)
		require.ErrorContains(t, err, reason, text)

		_, _, faults := example(t, func(w *Wire) { w.EndDateTime = &text }).Record(DefaultPolicy(), importedAt)
		require.Equal(t, []Fault{{"endDateTime", text, err.Error(), SaidBy(err)}}, faults, "one complaint, and none that it is missing")
	}
	for _, text := range []string{"1970-01-01T00:00:00Z", "2999-12-31T23:59:59.999999Z"} {
		_, err := ParseInstant(text)
		require.NoError(t, err, text)
	}
}

func TestInstantIsWrittenWithTheDigitsItNeeds(t *testing.T) {
	require.Equal(t, "2026-01-31T09:00:00Z", FormatInstant(at("2026-01-31T09:00:00Z")))
	require.Equal(t, "2026-01-31T09:00:00.5Z", FormatInstant(at("2026-01-31T09:00:00.500Z")))
	require.Equal(t, "2026-01-31T09:00:00.000001Z", FormatInstant(at("2026-01-31T09:00:00.000001Z")))
	require.Equal(t, "2026-01-31T00:00:00Z", FormatInstant(time.Date(2026, 1, 31, 9, 0, 0, 0, time.FixedZone("JST", 9*3600))))
	require.Empty(t, FormatInstant(time.Time{}))
}

func TestFaultyRecordIsRefused(t *testing.T) {
	setEnd := func(s string) func(w *Wire) { return func(w *Wire) { w.EndDateTime = &s } }
	setName := func(s string) func(w *Wire) { return func(w *Wire) { w.DisplayName = s } }
	for _, c := range []struct {
		name   string
		change func(w *Wire)
		want   string
	}{
		{"unknown status", func(w *Wire) { w.Status = "Active" },
			`status "Active": is not a status of a relationship; it is one of created, approvalPending, approved, activating, active, expiring, expired, terminationRequested, terminating, terminated`},
		{"no status", func(w *Wire) { w.Status = "" }, "status: is not a status"},
		{"end before activation", setEnd("2026-01-07T09:59:59Z"), `endDateTime "2026-01-07T09:59:59Z": lies before activatedDateTime, 2026-01-07T10:00:00Z`},
		{"active without end", func(w *Wire) { w.EndDateTime = nil }, "endDateTime: is missing: an active relationship ends at some instant"},
		{"ended without end", func(w *Wire) { w.Status, w.EndDateTime = "terminated", nil }, "endDateTime: is missing: name the instant at which it ended"},
		{"request with an end", func(w *Wire) { pendingWire(w); w.EndDateTime = ptr("2027-01-07T10:00:00Z") }, `endDateTime "2027-01-07T10:00:00Z": must be null before activation`},
		{"draft that was activated", func(w *Wire) { w.Status, w.EndDateTime = "created", nil }, `activatedDateTime "2026-01-07T10:00:00Z": must be null while the status is created`},
		{"another extension", func(w *Wire) { w.AutoExtendDuration = "P90D" }, `autoExtendDuration "P90D": must be P180D (on) or PT0S (off)`},
		{"extension that is no period", func(w *Wire) { w.AutoExtendDuration = "yes" }, `autoExtendDuration "yes": is not a period`},
		{"no duration", func(w *Wire) { w.Duration = "" }, "duration: is missing; write it like P365D"},
		{"duration that is no period", func(w *Wire) { w.Duration = "1 year" }, `duration "1 year": is not a period`},
		{"too long a duration", func(w *Wire) { w.Duration = "P731D" }, `duration "P731D": must be from P1D to P2Y`},
		{"no duration at all", func(w *Wire) { w.Duration = "P0D" }, `duration "P0D": must be from P1D to P2Y`},
		{"51 characters", setName(strings.Repeat("名", 51)), "has 51 characters; at most 50 are allowed"},
		{"no name", setName(""), "displayName: is empty; a name has 1 to 50 characters"},
		{"blank name", setName(" \u3000"), "is empty; a name has 1 to 50 characters"},
		{"line feed in the name", setName("Contoso\nBcc: all"), "contains the control character U+000A; take it out"},
		{"NUL in the name", setName("Contoso\x00"), "contains the control character U+0000"},
		{"C1 control in the name", setName("Contoso\u0085"), "contains the control character U+0085"},
		{"line separator in the name", setName("Contoso\u2028"), "contains the control character U+2028"},
		{"bytes that are no text", setName("Contoso\xff"), "is not valid UTF-8"},
		{"no id", func(w *Wire) { w.ID = "" }, "id: is missing"},
		{"long id", func(w *Wire) { w.ID += "0" }, "is longer than the 73 characters of a Graph id"},
		{"id with a slash", func(w *Wire) { w.ID = "a/b" }, `id "a/b": may hold letters, digits and - _ . only`},
		{"no partner", func(w *Wire) { w.Partner = nil }, "partner.tenantId: is not a GUID; name the partner's tenant"},
		{"partner by name", func(w *Wire) { w.Partner.TenantID = "fabrikam.example" }, `partner.tenantId "fabrikam.example": is not a GUID`},
		{"customer by name", func(w *Wire) { w.Customer.TenantID = "contoso.example" }, `customer.tenantId "contoso.example": is not a GUID`},
		{"role by name", func(w *Wire) {
			w.AccessDetails.UnifiedRoles = append(w.AccessDetails.UnifiedRoles, WireRole{"Helpdesk"})
		}, `accessDetails.unifiedRoles[1].roleDefinitionId "helpdesk": is not a GUID`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, faults := example(t, c.change).Record(DefaultPolicy(), importedAt)
			require.Len(t, faults, 1, "%v", faults)
			require.ErrorContains(t, faults[0], c.want)
		})
	}
}

func TestEveryFaultOfARecordIsFoundAtOnce(t *testing.T) {
	w := &Wire{Duration: "a year", AutoExtendDuration: "P90D", Status: "active", EndDateTime: ptr("tomorrow"), CreatedDateTime: ptr("0001-01-01T00:00:00Z")}
	_, _, faults := w.Record(DefaultPolicy(), importedAt)
	var fields []string
	for _, f := range faults {
		fields = append(fields, f.Field)
		require.NotEmpty(t, f.Reason)
	}
	require.Equal(t, []string{"duration", "createdDateTime", "endDateTime", "autoExtendDuration", "id", "displayName", "partner.tenantId"}, fields)
}

func TestRequestWithoutLockIsFaultyWhereNobodyFillsItIn(t *testing.T) {
	r := contoso(pending, func(r *Record) { r.Locked = time.Time{} })
	require.Equal(t, []Fault{{"lockedDateTime", "", "is missing: the time for approval runs from it", nil}}, r.Validate(DefaultPolicy()))
}

func TestFaultDoesNotFillTheScreen(t *testing.T) {
	f := Fault{"displayName", strings.Repeat("名", 1000), "has 1000 characters", nil}
	require.Equal(t, `displayName "`+strings.Repeat("名", 80)+`…": has 1000 characters`, f.Error())
}

func TestFiftyCharactersAreFifty(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 50), strings.Repeat("名", 50), strings.Repeat("😀", 50), "名"} {
		read(t, example(t, func(w *Wire) { w.DisplayName = name }))
	}
}

func TestExtensionBesideGlobalAdministratorIsTakenWithAdvice(t *testing.T) {
	r, advice := read(t, example(t, func(w *Wire) {
		w.AutoExtendDuration = "P25W5D"
		w.AccessDetails.UnifiedRoles = []WireRole{{strings.ToUpper(GlobalAdministrator)}}
	}))
	require.Equal(t, []Advice{NeverExtends}, advice)
	require.True(t, r.AutoExtend)
	require.False(t, r.Extends())
	require.True(t, r.ReallyEnds())
	require.Equal(t, "P180D", r.Wire(DefaultPolicy()).AutoExtendDuration)
}

func TestActiveRelationshipWithoutRolesIsTakenWithAdvice(t *testing.T) {
	_, advice := read(t, example(t, func(w *Wire) { w.AccessDetails = nil }))
	require.Equal(t, []Advice{NoRoles}, advice)
}

func TestMissingExtensionIsOff(t *testing.T) {
	for _, off := range []string{"", "P", "PT0S", "P0D"} {
		r, _ := read(t, example(t, func(w *Wire) { w.AutoExtendDuration = off }))
		require.False(t, r.AutoExtend)
		require.Equal(t, "PT0S", r.Wire(DefaultPolicy()).AutoExtendDuration)
	}
}

func TestMissingLockIsTakenFromTheLastModificationWithAdvice(t *testing.T) {
	for _, c := range []struct {
		name                     string
		locked, modified, create *string
		want                     time.Time
		advice                   []Advice
	}{
		{"there", ptr("2026-01-02T00:00:00Z"), ptr("2026-01-03T00:00:00Z"), ptr("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"), nil},
		{"missing", nil, ptr("2026-01-03T00:00:00Z"), ptr("2026-01-01T00:00:00Z"), at("2026-01-03T00:00:00Z"), []Advice{LockedAssumed}},
		{"no modification either", nil, nil, ptr("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), []Advice{LockedAssumed}}} {
		t.Run(c.name, func(t *testing.T) {
			r, advice := read(t, example(t, pendingWire, func(w *Wire) {
				w.LockedDateTime, w.LastModifiedDateTime, w.CreatedDateTime = c.locked, c.modified, c.create
			}))
			require.Equal(t, c.want, r.Locked)
			require.Equal(t, c.advice, advice)
		})
	}
}

func TestStatusThatAnotherSystemMustCompleteIsTakenWithAdvice(t *testing.T) {
	for _, s := range waitingStatuses {
		_, advice := read(t, example(t, func(w *Wire) {
			w.Status = string(s)
			if s == Approved || s == Activating {
				w.ActivatedDateTime, w.EndDateTime = nil, nil
			}
		}))
		require.Equal(t, []Advice{ProvisioningPending}, advice, s)
	}
}

func TestEndInTheFutureOfWhatHasEndedIsTakenWithAdvice(t *testing.T) {
	for _, s := range endedStatuses {
		r, advice := read(t, example(t, func(w *Wire) { w.Status = string(s) }))
		require.Equal(t, []Advice{EndedInFuture}, advice, s)
		require.Equal(t, at("2027-01-07T10:00:00Z"), r.Ended())
	}
}

func TestTermMayEndAtTheInstantOfItsActivation(t *testing.T) {
	r, _ := read(t, example(t, func(w *Wire) { w.Status, w.EndDateTime = "terminated", w.ActivatedDateTime }))
	require.Equal(t, r.Activated, r.End)
}

func TestReleasedNameIsFreeSinceThePolicysInstant(t *testing.T) {
	released := func(w *Wire) { w.NameReleased = true }
	ended := func(end string) Record {
		r, _ := read(t, example(t, released, func(w *Wire) { w.Status, w.ActivatedDateTime, w.EndDateTime = "expired", nil, &end }))
		require.True(t, r.Wire(DefaultPolicy()).NameReleased)
		return r
	}
	require.Equal(t, at("2025-01-31T00:00:00Z"), ended("2024-02-01T00:00:00Z").NameReleased)
	require.Equal(t, importedAt, ended("2026-02-01T00:00:00Z").NameReleased, "whoever wrote the file has let it go early")

	r, _ := read(t, example(t, released))
	require.Zero(t, r.NameReleased, "the name of an active relationship is held, whatever the file says")
}

func TestIdsAreBroughtIntoLowerCase(t *testing.T) {
	r, _ := read(t, example(t, func(w *Wire) {
		w.ID = strings.ToUpper(contosoID)
		w.Partner.TenantID = "ABCDEF00-0000-4000-8000-00000000000F"
		w.Customer.TenantID = "ABCDEF00-0000-4000-8000-00000000000E"
		w.AccessDetails.UnifiedRoles = []WireRole{{strings.ToUpper(helpdesk)}}
	}))
	require.Equal(t, contosoID, r.ID)
	require.Equal(t, "abcdef00-0000-4000-8000-00000000000f", r.Partner)
	require.Equal(t, "abcdef00-0000-4000-8000-00000000000e", r.Customer.TenantID)
	require.Equal(t, []string{helpdesk}, r.Roles)

	r, _ = read(t, example(t, func(w *Wire) { w.ID = "Hand-Made" }))
	require.Equal(t, "Hand-Made", r.ID, "an id that is no Graph id is somebody's own")
}

func TestGUIDsAreTold(t *testing.T) {
	for _, good := range []string{helpdesk, strings.ToUpper(helpdesk), "00000000-0000-0000-0000-000000000000"} {
		require.True(t, IsGUID(good), good)
	}
	for _, bad := range []string{"", helpdesk[1:], helpdesk + "0", strings.ReplaceAll(helpdesk, "-", "0"), strings.ReplaceAll(helpdesk, "7", "g"), "{" + helpdesk[2:] + "}", strings.Replace(helpdesk, "729827e3", "729827-3", 1)} {
		require.False(t, IsGUID(bad), bad)
	}
}

func TestJSONIsReadWithItsFaultsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                     "unexpected end",
		``:                      "unexpected end",
		`[]`:                    "cannot unmarshal array",
		`{} {}`:                 "after top-level value",
		`{"duration":365}`:      `duration "number": is not of the right type, want string`,
		`{"nameReleased":"no"}`: `nameReleased "string": is not of the right type, want bool`,
		`{"accessDetails":{"unifiedRoles":[{"roleDefinitionId":1}]}}`: "roleDefinitionId",
	} {
		_, err := DecodeWire([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	w, err := DecodeWire([]byte(`{"id":"x","isSomethingNew":{"a":[1]},"customer":null}`))
	require.NoError(t, err, "Graph may add fields")
	require.Equal(t, &Wire{ID: "x"}, w)
}

func TestMissingAndNullAreTheSame(t *testing.T) {
	missing, err := DecodeWire([]byte(`{"id":"x"}`))
	require.NoError(t, err)
	null, err := DecodeWire([]byte(`{"id":"x","partner":null,"customer":null,"accessDetails":null,"createdDateTime":null,"lastModifiedDateTime":null,
		"lockedDateTime":null,"activatedDateTime":null,"endDateTime":null,"endedDateTime":null,"nameReleased":null,"duration":null}`))
	require.NoError(t, err)
	require.Equal(t, missing, null)
}
