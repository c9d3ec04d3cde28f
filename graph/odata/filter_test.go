package odata_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	tenant = "11111111-1111-4111-8111-aaaaaaaaaaaa"
	id     = "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001"
)

var (
	policy = lifecycle.DefaultPolicy()
	noon   = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
)

func text(f lifecycle.Field, by lifecycle.Comparison, s string) lifecycle.Filter {
	return lifecycle.Compare{Field: f, By: by, Value: lifecycle.Value{Text: s}}
}

func status(s lifecycle.Status) lifecycle.Filter {
	return text(lifecycle.FieldStatus, lifecycle.Equal, string(s))
}

func ends(by lifecycle.Comparison, at time.Time) lifecycle.Filter {
	return lifecycle.Compare{Field: lifecycle.FieldEnd, By: by, Value: lifecycle.Value{At: at}}
}

func flag(f lifecycle.Field, by lifecycle.Comparison, on bool) lifecycle.Filter {
	return lifecycle.Compare{Field: f, By: by, Value: lifecycle.Value{Flag: on}}
}

func TestFiltersAreReadAsTheStandardHasThem(t *testing.T) {
	active, expired, created := status(lifecycle.Active), status(lifecycle.Expired), status(lifecycle.Created)
	for filter, want := range map[string]lifecycle.Filter{
		`status eq 'active'`:    active,
		` status  EQ	'active' `: active,
		`microsoft.graph.delegatedAdminRelationshipStatus'active' eq status`: active,
		`status ne 'active'`:                                                  text(lifecycle.FieldStatus, lifecycle.NotEqual, "active"),
		`status in ('active','expired')`:                                      lifecycle.Among{Field: lifecycle.FieldStatus, Values: []lifecycle.Value{{Text: "active"}, {Text: "expired"}}},
		`displayName eq 'O''Neill'`:                                           text(lifecycle.FieldName, lifecycle.Equal, "O'Neill"),
		`displayName eq ''''`:                                                 text(lifecycle.FieldName, lifecycle.Equal, "'"),
		`displayName ge '日本'`:                                                 text(lifecycle.FieldName, lifecycle.GreaterOrEqual, "日本"),
		`'M' lt displayName`:                                                  text(lifecycle.FieldName, lifecycle.Greater, "M"),
		`customer/tenantId eq '` + strings.ToUpper(tenant) + `'`:              text(lifecycle.FieldCustomer, lifecycle.Equal, tenant),
		`customer/tenantId eq null`:                                           text(lifecycle.FieldCustomer, lifecycle.Equal, ""),
		`customer/displayName in (null,'Contoso')`:                            lifecycle.Among{Field: lifecycle.FieldCustomerName, Values: []lifecycle.Value{{}, {Text: "Contoso"}}},
		`nextRule ne null`:                                                    text(lifecycle.FieldNext, lifecycle.NotEqual, ""),
		`id eq '` + strings.ToUpper(id) + `'`:                                 text(lifecycle.FieldID, lifecycle.Equal, id),
		`id eq 'Made-By-Hand'`:                                                text(lifecycle.FieldID, lifecycle.Equal, "Made-By-Hand"),
		`duration eq 'P104W2D'`:                                               text(lifecycle.FieldDuration, lifecycle.Equal, "P730D"),
		`duration eq duration'P24M'`:                                          text(lifecycle.FieldDuration, lifecycle.Equal, "P2Y"),
		`autoExtendDuration eq 'P25W5D'`:                                      flag(lifecycle.FieldAutoExtend, lifecycle.Equal, true),
		`autoExtendDuration ne 'P'`:                                           flag(lifecycle.FieldAutoExtend, lifecycle.NotEqual, false),
		`endDateTime lt 2026-01-31T21:00:00+09:00`:                            ends(lifecycle.Less, noon),
		`2026-01-31T12:00:00Z le endDateTime`:                                 ends(lifecycle.GreaterOrEqual, noon),
		`endDateTime eq NULL`:                                                 ends(lifecycle.Equal, time.Time{}),
		`endDateTime lt 2026-01-31T12:00:00.0000001Z`:                         ends(lifecycle.Less, noon.Add(time.Microsecond)),
		`endDateTime ge 2026-01-31T12:00:00.0000001Z`:                         ends(lifecycle.GreaterOrEqual, noon.Add(time.Microsecond)),
		`endDateTime gt 2026-01-31T12:00:00.0000001Z`:                         ends(lifecycle.Greater, noon),
		`endDateTime le 2026-01-31T12:00:00.0000000Z`:                         ends(lifecycle.LessOrEqual, noon),
		`nameReleased eq false`:                                               flag(lifecycle.FieldNameReleased, lifecycle.Equal, false),
		`nameReleased`:                                                        flag(lifecycle.FieldNameReleased, lifecycle.Equal, true),
		`STATUS eq 'active' or Customer/TenantID eq '` + tenant + `'`:         lifecycle.Any{active, text(lifecycle.FieldCustomer, lifecycle.Equal, tenant)},
		`not nameReleased`:                                                    lifecycle.Not{Filter: flag(lifecycle.FieldNameReleased, lifecycle.Equal, true)},
		`startswith(displayName,'Con')`:                                       text(lifecycle.FieldName, lifecycle.StartsWith, "Con"),
		`startsWith ( customer/displayName , '' )`:                            text(lifecycle.FieldCustomerName, lifecycle.StartsWith, ""),
		`contains(displayName,'100%_')`:                                       text(lifecycle.FieldName, lifecycle.Contains, "100%_"),
		`true`:                                                                lifecycle.All{},
		`not false`:                                                           lifecycle.Not{Filter: lifecycle.Any{}},
		`(((status eq 'active')))`:                                            active,
		`status eq 'active' or status eq 'expired' and status eq 'created'`:   lifecycle.Any{active, lifecycle.All{expired, created}},
		`(status eq 'active' or status eq 'expired') and status eq 'created'`: lifecycle.All{lifecycle.Any{active, expired}, created},
		`not (status eq 'active') and status eq 'expired'`:                    lifecycle.All{lifecycle.Not{Filter: active}, expired},
		`NOT NOT (status eq 'active')`:                                        lifecycle.Not{Filter: lifecycle.Not{Filter: active}},
		`not startswith(id,'x') or status eq 'active'`:                        lifecycle.Any{lifecycle.Not{Filter: text(lifecycle.FieldID, lifecycle.StartsWith, "x")}, active},
		`status eq 'active' and status eq 'expired' and status eq 'created'`:  lifecycle.All{active, expired, created},
		`(status eq 'active'and status eq 'expired')and status eq 'created'`:  lifecycle.All{lifecycle.All{active, expired}, created},
	} {
		got, err := odata.ParseFilter(filter, policy)
		require.NoError(t, err, filter)
		require.Equal(t, want, got, filter)
	}
}

func TestEachMistakeIsSaidWithItsPlaceAndTheNextStep(t *testing.T) {
	for filter, want := range map[string]string{
		``:                                       `column 1: is empty`,
		`   `:                                    `column 4: found the end, expected a condition`,
		"status eq 'a\x00'":                      `column 13: there is a NUL character`,
		"status eq '\xff'":                       `column 12: is not valid UTF-8`,
		`status`:                                 `column 7: found the end, expected a comparison: eq, ne, lt, le, gt, ge or in`,
		`status = 'active'`:                      `column 8: found "=", expected a comparison`,
		`status eq "active"`:                     `column 11: found a double quote; texts are written in single quotes`,
		`status eq active`:                       `column 11: "active" is no field that can be filtered by`,
		`status eq 'aktiv'`:                      `column 11: "aktiv" is no status; it is one of created, approvalPending,`,
		`status eq 'Active'`:                     `column 11: "Active" is no status`,
		`status eq null`:                         `column 11: status is never null`,
		`status lt 'active'`:                     `column 8: status has no order; use eq, ne or in`,
		`startswith(status,'a')`:                 `column 1: startswith goes with names and ids, not with status`,
		`status eq 'active`:                      `column 11: the text that begins here has no end`,
		`status eq 'active' 'expired'`:           `column 20: found "'expired'", expected and, or, or the end`,
		`status eq 'active' and`:                 `column 23: found the end, expected a condition`,
		`status eq 'active')`:                    `column 19: found ")", expected and, or, or the end`,
		`(status eq 'active'`:                    `column 20: found the end, expected and, or, or )`,
		`status in ()`:                           `column 12: found ")", expected a value`,
		`status in 'active'`:                     `column 11: found "'active'", expected ( and the values`,
		`status in ('active' 'expired')`:         `column 21: found "'expired'", expected a comma or )`,
		`status in ('active',status)`:            `column 21: "status" is a field, expected a value`,
		`'active' in (status)`:                   `column 1: in has the field first`,
		`State eq 'active'`:                      `column 1: "State" is no field that can be filtered by; the fields are activatedDateTime, autoExtendDuration,`,
		`日本 eq 'x'`:                              `column 1: found "日本", expected a condition`,
		`displayName eq '日本' x`:                  `column 21: found "x", expected`,
		`duration gt 'P1Y'`:                      `column 10: duration has no order`,
		`duration eq P1Y`:                        `column 13: periods are written in single quotes; write 'P1Y'`,
		`duration eq 'soon'`:                     `column 13: duration "soon" is not a period: an ISO 8601 period begins with P`,
		`autoExtendDuration eq 'P90D'`:           `column 23: autoExtendDuration "P90D" must be P180D (on) or PT0S (off)`,
		`endDateTime eq '2026-01-31T12:00:00Z'`:  `column 16: found "'2026-01-31T12:00:00Z'", but endDateTime is compared with an instant without quotes`,
		`endDateTime eq 2026-01-31`:              `column 16: endDateTime "2026-01-31" is not an RFC 3339 instant`,
		`endDateTime eq 2026-01-31T12:00:00`:     `column 16: endDateTime "2026-01-31T12:00:00" has no time zone`,
		`endDateTime lt null`:                    `column 16: null is neither before nor after anything`,
		`endDateTime eq datetime'2026-01-31'`:    `column 16: found "datetime'2026-01-31'", but endDateTime`,
		`startswith(displayName,null)`:           `column 24: null is neither`,
		`startswith('a',displayName)`:            `column 12: startswith has the field first`,
		`startswith displayName`:                 `column 12: found "displayName", expected (`,
		`startswith(displayName)`:                `column 23: found ")", expected a comma`,
		`startswith(displayName,'a','b')`:        `column 27: found ",", expected )`,
		`contains(displayName,createdDateTime)`:  `column 22: "createdDateTime" is a field, expected a value`,
		`endswith(displayName,'a')`:              `column 1: the function "endswith" is not supported; the functions are startswith and contains`,
		`tolower(displayName) eq 'a'`:            `column 1: the function "tolower" is not supported`,
		`accessDetails/unifiedRoles/any(r:r)`:    `column 1: any and all are not supported`,
		`not status eq 'active'`:                 `column 5: not goes before the comparison as a whole; put that in parentheses`,
		`not`:                                    `column 4: found the end, expected a condition`,
		`displayName eq customer/displayName`:    `column 16: compares two fields with each other`,
		`'a' eq 'a'`:                             `column 1: compares two values with each other`,
		`nameReleased eq 'true'`:                 `column 17: found "'true'", but nameReleased is compared with true or false`,
		`customer/tenantId eq ` + tenant:         `column 22: found "11111111-1111-4111-8111-aaaaaaaaaaaa", but customer/tenantId is compared with a text in single quotes`,
		`id eq a` + tenant[1:]:                   `column 7: ids are written in single quotes`,
		`displayName eq 1`:                       `column 16: found "1", but displayName is compared with a text in single quotes`,
		`(status eq 'active') eq true`:           `column 22: found "eq", expected and, or, or the end`,
		`status eq '` + strings.Repeat("x", 99):  `column 11: the text`,
		`nextRule eq 'later'`:                    `column 13: "later" is no nextRule; it is one of expire-pending,`,
		`status has 'active'`:                    `column 8: found "has", expected a comparison`,
		`displayName eq @p`:                      `column 16: "@p" is no field`,
		`status eq 'active' & status eq 'ended'`: `column 20: found "&", expected and, or, or the end`,
	} {
		f, err := odata.ParseFilter(filter, policy)
		require.Nil(t, f, filter)
		require.ErrorContains(t, err, want, filter)
		var fault *odata.Fault
		require.ErrorAs(t, err, &fault, filter)
		require.Less(t, len(err.Error()), 420, filter)
	}
}

func TestMessagesRepeatLittleOfWhatWasSent(t *testing.T) {
	for _, filter := range []string{
		strings.Repeat("x", 3000), "status eq '" + strings.Repeat("日", 3000) + "'", "status " + strings.Repeat("!", 3000),
		"endDateTime eq 2" + strings.Repeat("0", 3000), "duration eq 'P" + strings.Repeat("9", 3000) + "'", strings.Repeat("x", 2000) + "(",
	} {
		_, err := odata.ParseFilter(filter, policy)
		require.Error(t, err)
		require.Less(t, len(err.Error()), 500, err)
	}
}

func TestFiltersAreBounded(t *testing.T) {
	refused := func(filter, why string) {
		t.Helper()
		_, err := odata.ParseFilter(filter, policy)
		require.ErrorContains(t, err, why)
	}
	taken := func(filter string) {
		t.Helper()
		_, err := odata.ParseFilter(filter, policy)
		require.NoError(t, err)
	}
	nested := func(n int) string { return strings.Repeat("(", n) + "nameReleased" + strings.Repeat(")", n) }
	taken(nested(20))
	refused(nested(21), "column 21: is nested deeper than 20 levels")
	taken(strings.Repeat("not ", 20) + "true")
	refused(strings.Repeat("not ", 900)+"true", "deeper than 20 levels")
	refused(strings.Repeat("(", 4000), "deeper than 20 levels")
	many := func(n int) string { return strings.Repeat("nameReleased or ", n-1) + "nameReleased" }
	taken(many(100))
	refused(many(101), "there are more than 100 comparisons")
	values := func(n int) string { return "id in (" + strings.Repeat("'x',", n-1) + "'x')" }
	taken(values(200))
	refused(values(201), "in has more than 200 values")
	name := func(n int) string { return "displayName eq '" + strings.Repeat("日", n-17) + "'" }
	taken(name(4000))
	refused(name(4001), "column 4001: is longer than 4000 characters")
}

func TestOrderIsReadFieldByField(t *testing.T) {
	orders, err := odata.ParseOrderBy("DisplayName desc,  endDateTime\tASC ,id")
	require.NoError(t, err)
	require.Equal(t, []lifecycle.Order{{Field: lifecycle.FieldName, Descending: true}, {Field: lifecycle.FieldEnd}, {Field: lifecycle.FieldID}}, orders)
	for order, want := range map[string]string{
		"":                         "column 1: is empty",
		"duration":                 `column 1: "duration" is no field that can be sorted by; the fields are id, displayName`,
		"displayName, id desc, id": "column 23: id is there twice",
		"displayName down":         `column 13: found "down", expected asc, desc or a comma`,
		"displayName,,id":          "column 13: there is nothing between two commas",
		"displayName,":             "column 13: there is nothing",
		"id,displayName,status,createdDateTime,endDateTime,lockedDateTime": "sorts by more than 5 fields",
		"日本,x": `column 1: "日本"`,
	} {
		_, err := odata.ParseOrderBy(order)
		require.ErrorContains(t, err, want, order)
	}
}

func TestSelectionHoldsEachNameOnce(t *testing.T) {
	known := []string{"id", "displayName", "customer"}
	for selection, want := range map[string][]string{
		"displayName": {"displayName"}, " customer , Id,CUSTOMER": {"customer", "id"}, "*": known, "id,*": known,
	} {
		names, err := odata.ParseSelect(selection, known)
		require.NoError(t, err)
		require.Equal(t, want, names)
	}
	for selection, want := range map[string]string{
		"":                          "column 1: is empty",
		"id,name":                   `column 4: "name" is no property that can be selected; the properties are id, displayName, customer`,
		"customer/displayName":      `column 1: "customer/displayName" lies inside another property, which is selected as a whole; write "customer"`,
		strings.Repeat("id,", 1334): "column 4001: is longer than 4000 characters",
	} {
		_, err := odata.ParseSelect(selection, known)
		require.ErrorContains(t, err, want)
	}
}
