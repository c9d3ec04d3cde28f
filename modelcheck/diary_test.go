package modelcheck

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The model held against diaries that were worked out by hand from docs/domain.md; and the generator and the
// comparison held against themselves. None of this needs the command.

const (
	partnerTenant  = "aaaaaaaa-0000-4000-8000-000000000001"
	customerTenant = "cccccccc-0000-4000-8000-000000000001"
	theID          = "00000000-0000-4000-8000-000000000001-00000000-0000-4000-8000-000000000002"
	otherID        = "00000000-0000-4000-8000-000000000003-00000000-0000-4000-8000-000000000004"
)

// on reads a date, or a date and a time, of a diary.
func on(text string) instant {
	if len(text) == len("2006-01-02") {
		text += "T00:00:00Z"
	}
	at, err := parseInstant(text)
	if err != nil {
		panic(err)
	}
	return at
}

// short writes it back.
func short(at instant) string { return strings.TrimSuffix(at.String(), "T00:00:00Z") }

// a makes the relationship of a diary.
func a(status string, with ...func(*wireRecord)) wireRecord {
	r := wireRecord{
		ID: theID, DisplayName: "Contoso helpdesk", Duration: "P365D", AutoExtendDuration: "PT0S", Status: status,
		Partner: tenant{TenantID: partnerTenant}, Customer: &tenant{TenantID: customerTenant},
		AccessDetails:   accessDetails{[]unifiedRole{{ordinaryRoles[0]}}},
		CreatedDateTime: on("2024-01-01"), LastModifiedDateTime: on("2024-01-01"),
	}
	if status == statusActive {
		r.ActivatedDateTime = on("2024-01-02")
	}
	for _, change := range with {
		change(&r)
	}
	return r
}

func ending(text string) func(*wireRecord) { return func(r *wireRecord) { r.EndDateTime = on(text) } }
func locked(text string) func(*wireRecord) {
	return func(r *wireRecord) { r.LockedDateTime = on(text) }
}
func lasting(text string) func(*wireRecord) {
	return func(r *wireRecord) { r.Duration = text }
}
func extending(r *wireRecord) { r.AutoExtendDuration = "P180D" }
func withGlobalAdministrator(r *wireRecord) {
	r.AccessDetails.UnifiedRoles = append(r.AccessDetails.UnifiedRoles, unifiedRole{globalAdministrator})
}

func does(at, what, by string) action {
	what, value, _ := strings.Cut(what, " ")
	return action{At: on(at), RelationshipID: theID, Action: what, AutoExtendDuration: value, By: by}
}

var oneOnEachSide = []contact{
	{TenantID: partnerTenant, Role: roleAdminAgent, Mail: "agent@example.com", PreferredLanguage: "en"},
	{TenantID: partnerTenant, Role: roleGlobalAdministrator, Mail: "not-told@example.com", PreferredLanguage: "en"},
	{TenantID: customerTenant, Role: roleGlobalAdministrator, Mail: "admin@example.com", PreferredLanguage: "ja"},
	{TenantID: customerTenant, Role: roleAdminAgent, Mail: "nor-told@example.com", PreferredLanguage: "ja"},
}

type diary struct {
	name        string
	relation    wireRecord
	from, until string
	step        string
	actions     []action
	nobody      bool // no contacts at all
	want        []string
}

var diaries = []diary{
	{
		name:     "an outage of 400 days over an auto-extended relationship: three extensions, each from the old end",
		relation: a(statusActive, extending, ending("2025-01-11")), from: "2025-01-01", until: "2026-02-05", step: "P400D",
		want: []string{
			"auto-extend: active → active, effective 2025-01-11, recorded 2026-02-05, end 2025-07-10",
			"auto-extend: active → active, effective 2025-07-10, recorded 2026-02-05, end 2026-01-06",
			"auto-extend: active → active, effective 2026-01-06, recorded 2026-02-05, end 2026-07-05",
			"finally active, end 2026-07-05, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "the same swept every day: the same events but for the recording",
		relation: a(statusActive, extending, ending("2025-01-11")), from: "2025-01-01", until: "2026-02-05", step: "P1D",
		want: []string{
			"auto-extend: active → active, effective 2025-01-11, recorded 2025-01-11, end 2025-07-10",
			"auto-extend: active → active, effective 2025-07-10, recorded 2025-07-10, end 2026-01-06",
			"auto-extend: active → active, effective 2026-01-06, recorded 2026-01-06, end 2026-07-05",
			"finally active, end 2026-07-05, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "autoExtend switched off ten days before the end: warned at 7 and 1, not at once",
		relation: a(statusActive, extending, ending("2025-04-01")), from: "2025-03-01", until: "2025-04-15", step: "P1D",
		actions: []action{does("2025-03-22", "setAutoExtend PT0S", byCustomer)},
		want: []string{
			"customer: active → active, effective 2025-03-22, recorded 2025-03-22, end 2025-04-01",
			"end-term: active → expired, effective 2025-04-01, recorded 2025-04-01, end 2025-04-01, termEnded",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-25, queued, agent+admin",
			"warn-expiry P1D: end 2025-04-01, due 2025-03-31, recorded 2025-03-31, queued, agent+admin",
			"term-ended: end 2025-04-01, due 2025-04-01, recorded 2025-04-01, queued, agent+admin",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name held",
		},
	},
	{
		name:     "seven days: no 30-day and no 7-day warning",
		relation: a(statusCreated, lasting("P7D")), from: "2025-05-01", until: "2025-05-20", step: "P1D",
		actions: []action{
			does("2025-05-02", "lockForApproval", byPartner), does("2025-05-03T09:00:00.000001Z", "approve", byCustomer),
		},
		want: []string{
			"partner: created → approvalPending, effective 2025-05-02, recorded 2025-05-02, end null",
			"customer: approvalPending → active, effective 2025-05-03T09:00:00.000001Z, recorded 2025-05-03T09:00:00.000001Z, end 2025-05-10T09:00:00.000001Z",
			"end-term: active → expired, effective 2025-05-10T09:00:00.000001Z, recorded 2025-05-11, end 2025-05-10T09:00:00.000001Z, termEnded",
			"approved: end 2025-05-10T09:00:00.000001Z, due 2025-05-03T09:00:00.000001Z, recorded 2025-05-03T09:00:00.000001Z, queued, agent+admin",
			"warn-expiry P1D: end 2025-05-10T09:00:00.000001Z, due 2025-05-09T09:00:00.000001Z, recorded 2025-05-10, queued, agent+admin",
			"term-ended: end 2025-05-10T09:00:00.000001Z, due 2025-05-10T09:00:00.000001Z, recorded 2025-05-11, queued, agent+admin",
			"finally expired, end 2025-05-10T09:00:00.000001Z, ended 2025-05-10T09:00:00.000001Z, autoExtend false, name held",
		},
	},
	{
		name:     "one day: no warning at all",
		relation: a(statusCreated, lasting("P1D")), from: "2025-05-01", until: "2025-05-20", step: "PT1H",
		actions: []action{does("2025-05-03", "lockForApproval", byPartner), does("2025-05-03", "approve", byCustomer)},
		want: []string{
			"partner: created → approvalPending, effective 2025-05-03, recorded 2025-05-03, end null",
			"customer: approvalPending → active, effective 2025-05-03, recorded 2025-05-03, end 2025-05-04",
			"end-term: active → expired, effective 2025-05-04, recorded 2025-05-04, end 2025-05-04, termEnded",
			"approved: end 2025-05-04, due 2025-05-03, recorded 2025-05-03, queued, agent+admin",
			"term-ended: end 2025-05-04, due 2025-05-04, recorded 2025-05-04, queued, agent+admin",
			"finally expired, end 2025-05-04, ended 2025-05-04, autoExtend false, name held",
		},
	},
	{
		name:     "pending at exactly 90 days",
		relation: a(statusApprovalPending, locked("2025-01-01")), from: "2025-03-01", until: "2025-04-01", step: "P1000D",
		want: []string{
			"expire-pending: approvalPending → expired, effective 2025-04-01, recorded 2025-04-01, end 2025-04-01, requestLapsed",
			"request-lapsed: end 2025-04-01, due 2025-04-01, recorded 2025-04-01, queued, agent",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name held",
		},
	},
	{
		name:     "pending one microsecond before 90 days",
		relation: a(statusApprovalPending, locked("2025-01-01")), from: "2025-03-01", until: "2025-03-31T23:59:59.999999Z", step: "P1D",
		want: []string{"finally approvalPending, end null, ended null, autoExtend false, name held"},
	},
	{
		name:     "approved one microsecond before 90 days",
		relation: a(statusApprovalPending, locked("2025-01-01")), from: "2025-03-01", until: "2025-04-02", step: "P1D",
		actions: []action{does("2025-03-31T23:59:59.999999Z", "approve", byCustomer)},
		want: []string{
			"customer: approvalPending → active, effective 2025-03-31T23:59:59.999999Z, recorded 2025-03-31T23:59:59.999999Z, end 2026-03-31T23:59:59.999999Z",
			"approved: end 2026-03-31T23:59:59.999999Z, due 2025-03-31T23:59:59.999999Z, recorded 2025-03-31T23:59:59.999999Z, queued, agent+admin",
			"finally active, end 2026-03-31T23:59:59.999999Z, ended null, autoExtend false, name held",
		},
	},
	{
		name:     "approved at exactly 90 days: refused, and the refusal settles nothing",
		relation: a(statusApprovalPending, locked("2025-01-01")), from: "2025-03-01", until: "2025-04-06", step: "P1000D",
		actions: []action{does("2025-04-01", "approve", byCustomer)},
		want: []string{
			"expire-pending: approvalPending → expired, effective 2025-04-01, recorded 2025-04-06, end 2025-04-01, requestLapsed",
			"request-lapsed: end 2025-04-01, due 2025-04-01, recorded 2025-04-06, queued, agent",
			"refused: approve by customer at 2025-04-01",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name held",
		},
	},
	{
		name:     "pending over 500 days: lapsed and its name freed in the same catch-up, the news too old to send",
		relation: a(statusApprovalPending, locked("2025-01-01")), from: "2025-01-01", until: "2026-05-16", step: "P500D",
		want: []string{
			"expire-pending: approvalPending → expired, effective 2025-04-01, recorded 2026-05-16, end 2025-04-01, requestLapsed",
			"release-name: expired → expired, effective 2026-04-01, recorded 2026-05-16, end 2025-04-01",
			"request-lapsed: end 2025-04-01, due 2025-04-01, recorded 2026-05-16, suppressed stale, agent",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name free",
		},
	},
	{
		name:     "active over 500 days: ended and its name freed in the same catch-up, no warnings",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-01-01", until: "2026-05-16", step: "P500D",
		want: []string{
			"end-term: active → expired, effective 2025-04-01, recorded 2026-05-16, end 2025-04-01, termEnded",
			"release-name: expired → expired, effective 2026-04-01, recorded 2026-05-16, end 2025-04-01",
			"term-ended: end 2025-04-01, due 2025-04-01, recorded 2026-05-16, suppressed stale, agent+admin",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name free",
		},
	},
	{
		name:     "a name freed at exactly 365 days",
		relation: a(statusTerminated, ending("2024-03-01")), from: "2025-02-01", until: "2025-03-01", step: "P1D",
		want: []string{
			"release-name: terminated → terminated, effective 2025-03-01, recorded 2025-03-01, end 2024-03-01",
			"finally terminated, end 2024-03-01, ended 2024-03-01, autoExtend false, name free",
		},
	},
	{
		name:     "a name not freed one microsecond before",
		relation: a(statusTerminated, ending("2024-03-01")), from: "2025-02-01", until: "2025-02-28T23:59:59.999999Z", step: "P1D",
		want: []string{"finally terminated, end 2024-03-01, ended 2024-03-01, autoExtend false, name held"},
	},
	{
		name:     "terminated at exactly the end: meets an expired record, is refused; import on a stage's moment warns nobody",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-25", until: "2025-04-02", step: "P1D",
		actions: []action{does("2025-04-01", "terminate", byCustomer)},
		want: []string{
			"end-term: active → expired, effective 2025-04-01, recorded 2025-04-01, end 2025-04-01, termEnded",
			"warn-expiry P1D: end 2025-04-01, due 2025-03-31, recorded 2025-03-31, queued, agent+admin",
			"term-ended: end 2025-04-01, due 2025-04-01, recorded 2025-04-01, queued, agent+admin",
			"refused: terminate by customer at 2025-04-01",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name held",
		},
	},
	{
		name:     "terminated one microsecond before the end: wins",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-25", until: "2025-04-02", step: "P1D",
		actions: []action{does("2025-03-31T23:59:59.999999Z", "terminate", byCustomer)},
		want: []string{
			"customer: active → terminated, effective 2025-03-31T23:59:59.999999Z, recorded 2025-03-31T23:59:59.999999Z, end 2025-03-31T23:59:59.999999Z",
			"warn-expiry P1D: end 2025-04-01, due 2025-03-31, recorded 2025-03-31, queued, agent+admin",
			"terminated: end 2025-03-31T23:59:59.999999Z, due 2025-03-31T23:59:59.999999Z, recorded 2025-03-31T23:59:59.999999Z, queued, agent+admin",
			"finally terminated, end 2025-03-31T23:59:59.999999Z, ended 2025-03-31T23:59:59.999999Z, autoExtend false, name held",
		},
	},
	{
		name:     "import one microsecond before a stage's moment: that stage exists",
		relation: a(statusActive, ending("2025-01-31T00:00:00.000001Z")), from: "2025-01-01", until: "2025-01-03", step: "P1D",
		want: []string{
			"warn-expiry P30D: end 2025-01-31T00:00:00.000001Z, due 2025-01-01T00:00:00.000001Z, recorded 2025-01-02, queued, agent+admin",
			"finally active, end 2025-01-31T00:00:00.000001Z, ended null, autoExtend false, name held",
		},
	},
	{
		name:     "two stages due at once: the later is sent; after the end none",
		relation: a(statusActive, ending("2025-02-20")), from: "2025-01-01", until: "2025-02-25", step: "P45D",
		want: []string{
			"end-term: active → expired, effective 2025-02-20, recorded 2025-02-25, end 2025-02-20, termEnded",
			"warn-expiry P30D: end 2025-02-20, due 2025-01-21, recorded 2025-02-15, superseded, agent+admin",
			"warn-expiry P7D: end 2025-02-20, due 2025-02-13, recorded 2025-02-15, queued, agent+admin",
			"term-ended: end 2025-02-20, due 2025-02-20, recorded 2025-02-25, queued, agent+admin",
			"finally expired, end 2025-02-20, ended 2025-02-20, autoExtend false, name held",
		},
	},
	{
		name:     "news of exactly seven days is sent",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-31T12:00:00Z", until: "2025-04-08", step: "P1000D",
		want: []string{
			"end-term: active → expired, effective 2025-04-01, recorded 2025-04-08, end 2025-04-01, termEnded",
			"term-ended: end 2025-04-01, due 2025-04-01, recorded 2025-04-08, queued, agent+admin",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name held",
		},
	},
	{
		name:     "news of seven days and a microsecond is not",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-31T12:00:00Z", until: "2025-04-08T00:00:00.000001Z", step: "P1000D",
		want: []string{
			"end-term: active → expired, effective 2025-04-01, recorded 2025-04-08T00:00:00.000001Z, end 2025-04-01, termEnded",
			"term-ended: end 2025-04-01, due 2025-04-01, recorded 2025-04-08T00:00:00.000001Z, suppressed stale, agent+admin",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name held",
		},
	},
	{
		name:     "a warning more than seven days late is still a warning",
		relation: a(statusActive, ending("2025-02-20")), from: "2025-01-01", until: "2025-02-10", step: "P1000D",
		want: []string{
			"warn-expiry P30D: end 2025-02-20, due 2025-01-21, recorded 2025-02-10, queued, agent+admin",
			"finally active, end 2025-02-20, ended null, autoExtend false, name held",
		},
	},
	{
		name:     "terminating settles first: the warning it makes untrue is withdrawn",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-01", until: "2025-05-01", step: "P1000D",
		actions: []action{does("2025-03-26", "terminate", byPartner)},
		want: []string{
			"partner: active → terminated, effective 2025-03-26, recorded 2025-03-26, end 2025-03-26",
			"warn-expiry P30D: end 2025-04-01, due 2025-03-02, recorded 2025-03-26, superseded, agent+admin",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-26, withdrawn, agent+admin",
			"terminated: end 2025-03-26, due 2025-03-26, recorded 2025-03-26, queued, agent+admin",
			"finally terminated, end 2025-03-26, ended 2025-03-26, autoExtend false, name held",
		},
	},
	{
		name:     "autoExtend switched on: likewise, and the relationship goes on",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-01", until: "2025-05-01", step: "P1000D",
		actions: []action{does("2025-03-26", "setAutoExtend P25W5D", byCustomer)},
		want: []string{
			"customer: active → active, effective 2025-03-26, recorded 2025-03-26, end 2025-04-01",
			"auto-extend: active → active, effective 2025-04-01, recorded 2025-05-01, end 2025-09-28",
			"warn-expiry P30D: end 2025-04-01, due 2025-03-02, recorded 2025-03-26, superseded, agent+admin",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-26, withdrawn, agent+admin",
			"finally active, end 2025-09-28, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "each end has its own warnings",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-01", until: "2025-09-27T23:00:00Z", step: "P1D",
		actions: []action{
			does("2025-03-31T12:00:00Z", "setAutoExtend P180D", byPartner), does("2025-04-02", "setAutoExtend PT0S", byPartner),
		},
		want: []string{
			"partner: active → active, effective 2025-03-31T12:00:00Z, recorded 2025-03-31T12:00:00Z, end 2025-04-01",
			"auto-extend: active → active, effective 2025-04-01, recorded 2025-04-01, end 2025-09-28",
			"partner: active → active, effective 2025-04-02, recorded 2025-04-02, end 2025-09-28",
			"warn-expiry P30D: end 2025-04-01, due 2025-03-02, recorded 2025-03-02, queued, agent+admin",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-25, queued, agent+admin",
			"warn-expiry P1D: end 2025-04-01, due 2025-03-31, recorded 2025-03-31, queued, agent+admin",
			"warn-expiry P30D: end 2025-09-28, due 2025-08-29, recorded 2025-08-29, queued, agent+admin",
			"warn-expiry P7D: end 2025-09-28, due 2025-09-21, recorded 2025-09-21, queued, agent+admin",
			"warn-expiry P1D: end 2025-09-28, due 2025-09-27, recorded 2025-09-27, queued, agent+admin",
			"finally active, end 2025-09-28, ended null, autoExtend false, name held",
		},
	},
	{
		name:     "an accepted action that changes nothing withdraws nothing",
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-01", until: "2025-03-27", step: "P1000D",
		actions: []action{does("2025-03-26", "setAutoExtend P0D", byCustomer)},
		want: []string{
			"warn-expiry P30D: end 2025-04-01, due 2025-03-02, recorded 2025-03-26, superseded, agent+admin",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-26, queued, agent+admin",
			"finally active, end 2025-04-01, ended null, autoExtend false, name held",
		},
	},
	{
		name:     "an accepted action that changes nothing still settles",
		relation: a(statusActive, extending, ending("2025-04-01")), from: "2025-03-01", until: "2025-04-10", step: "P1000D",
		actions: []action{does("2025-04-05", "setAutoExtend P180D", byPartner)},
		want: []string{
			"auto-extend: active → active, effective 2025-04-01, recorded 2025-04-05, end 2025-09-28",
			"finally active, end 2025-09-28, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "Global Administrator: warned and ended, whatever its autoExtend says, and the flag may not be touched",
		relation: a(statusActive, extending, withGlobalAdministrator, ending("2025-04-01")), from: "2025-03-20", until: "2025-04-02", step: "P1D",
		actions: []action{does("2025-03-21", "setAutoExtend PT0S", byCustomer), does("2025-03-21", "setAutoExtend P180D", byPartner)},
		want: []string{
			"end-term: active → expired, effective 2025-04-01, recorded 2025-04-01, end 2025-04-01, termEnded",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-25, queued, agent+admin",
			"warn-expiry P1D: end 2025-04-01, due 2025-03-31, recorded 2025-03-31, queued, agent+admin",
			"term-ended: end 2025-04-01, due 2025-04-01, recorded 2025-04-01, queued, agent+admin",
			"refused: setAutoExtend by customer at 2025-03-21",
			"refused: setAutoExtend by partner at 2025-03-21",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend true, name held",
		},
	},
	{
		name:     "Global Administrator removed with autoExtend on: extended",
		relation: a(statusActive, extending, withGlobalAdministrator, ending("2025-04-01")), from: "2025-03-20", until: "2025-04-10", step: "P1D",
		actions: []action{
			does("2025-03-28", "removeGlobalAdministrator", byCustomer),
			does("2025-03-28", "removeGlobalAdministrator", byPartner),
			does("2025-03-28", "removeGlobalAdministrator", byPartner),
		},
		want: []string{
			"partner: active → active, effective 2025-03-28, recorded 2025-03-28, end 2025-04-01",
			"auto-extend: active → active, effective 2025-04-01, recorded 2025-04-01, end 2025-09-28",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-25, queued, agent+admin",
			"refused: removeGlobalAdministrator by customer at 2025-03-28",
			"refused: removeGlobalAdministrator by partner at 2025-03-28",
			"finally active, end 2025-09-28, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "Global Administrator removed as the warning falls due: withdrawn",
		relation: a(statusActive, extending, withGlobalAdministrator, ending("2025-04-01")), from: "2025-03-20", until: "2025-03-26", step: "P1D",
		actions: []action{does("2025-03-25", "removeGlobalAdministrator", byPartner)},
		want: []string{
			"partner: active → active, effective 2025-03-25, recorded 2025-03-25, end 2025-04-01",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-25, withdrawn, agent+admin",
			"finally active, end 2025-04-01, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "Global Administrator removed with autoExtend off: still ends, the warning stays",
		relation: a(statusActive, withGlobalAdministrator, ending("2025-04-01")), from: "2025-03-20", until: "2025-03-26", step: "P1D",
		actions: []action{does("2025-03-25", "removeGlobalAdministrator", byPartner)},
		want: []string{
			"partner: active → active, effective 2025-03-25, recorded 2025-03-25, end 2025-04-01",
			"warn-expiry P7D: end 2025-04-01, due 2025-03-25, recorded 2025-03-25, queued, agent+admin",
			"finally active, end 2025-04-01, ended null, autoExtend false, name held",
		},
	},
	{
		name: "nobody to tell", nobody: true,
		relation: a(statusActive, ending("2025-04-01")), from: "2025-03-30", until: "2025-04-02", step: "P1D",
		want: []string{
			"end-term: active → expired, effective 2025-04-01, recorded 2025-04-01, end 2025-04-01, termEnded",
			"warn-expiry P1D: end 2025-04-01, due 2025-03-31, recorded 2025-03-31, noRecipient, nobody of adminAgent+nobody of globalAdministrator",
			"term-ended: end 2025-04-01, due 2025-04-01, recorded 2025-04-01, noRecipient, nobody of adminAgent+nobody of globalAdministrator",
			"finally expired, end 2025-04-01, ended 2025-04-01, autoExtend false, name held",
		},
	},
	{
		name: "nobody to tell: old news is suppressed, an overtaken warning superseded all the same", nobody: true,
		relation: a(statusActive, ending("2025-02-20")), from: "2025-01-01", until: "2025-03-31", step: "P45D",
		want: []string{
			"end-term: active → expired, effective 2025-02-20, recorded 2025-03-31, end 2025-02-20, termEnded",
			"warn-expiry P30D: end 2025-02-20, due 2025-01-21, recorded 2025-02-15, superseded, nobody of adminAgent+nobody of globalAdministrator",
			"warn-expiry P7D: end 2025-02-20, due 2025-02-13, recorded 2025-02-15, noRecipient, nobody of adminAgent+nobody of globalAdministrator",
			"term-ended: end 2025-02-20, due 2025-02-20, recorded 2025-03-31, suppressed stale, nobody of adminAgent+nobody of globalAdministrator",
			"finally expired, end 2025-02-20, ended 2025-02-20, autoExtend false, name held",
		},
	},
	{
		name:     "rejected: the partner hears of it, the customer does not",
		relation: a(statusApprovalPending, locked("2025-01-01")), from: "2025-01-01", until: "2025-02-01", step: "P1D",
		actions: []action{
			does("2025-01-05", "terminate", byPartner), does("2025-01-05", "reject", byPartner),
			does("2025-01-05", "reject", byCustomer),
		},
		want: []string{
			"customer: approvalPending → terminated, effective 2025-01-05, recorded 2025-01-05, end 2025-01-05, rejected",
			"terminated: end 2025-01-05, due 2025-01-05, recorded 2025-01-05, queued, agent",
			"refused: terminate by partner at 2025-01-05",
			"refused: reject by partner at 2025-01-05",
			"finally terminated, end 2025-01-05, ended 2025-01-05, autoExtend false, name held",
		},
	},
	{
		name:     "imported long after its end, with autoExtend: caught up at the first sweep",
		relation: a(statusActive, extending, ending("2024-06-01")), from: "2025-01-01", until: "2025-01-02", step: "P1D",
		want: []string{
			"auto-extend: active → active, effective 2024-06-01, recorded 2025-01-01, end 2024-11-28",
			"auto-extend: active → active, effective 2024-11-28, recorded 2025-01-01, end 2025-05-27",
			"finally active, end 2025-05-27, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "an action at --from comes before the first sweep; one after the end of an extending one meets an extended one",
		relation: a(statusActive, extending, ending("2024-12-31")), from: "2025-01-01", until: "2025-01-02", step: "P1D",
		actions: []action{does("2025-01-01", "setAutoExtend P", byPartner), does("2025-01-02", "terminate", byPartner)},
		want: []string{
			"auto-extend: active → active, effective 2024-12-31, recorded 2025-01-01, end 2025-06-29",
			"partner: active → active, effective 2025-01-01, recorded 2025-01-01, end 2025-06-29",
			"partner: active → terminated, effective 2025-01-02, recorded 2025-01-02, end 2025-01-02",
			"terminated: end 2025-01-02, due 2025-01-02, recorded 2025-01-02, queued, agent+admin",
			"finally terminated, end 2025-01-02, ended 2025-01-02, autoExtend false, name held",
		},
	},
	{
		name:     "while created: autoExtend by the partner only; other values than off and 180 days by nobody; locking by the partner only",
		relation: a(statusCreated), from: "2025-01-01", until: "2025-01-05", step: "P1D",
		actions: []action{
			does("2025-01-02", "setAutoExtend P180D", byCustomer), does("2025-01-02", "setAutoExtend P360D", byPartner),
			does("2025-01-02", "setAutoExtend P180D", byPartner), does("2025-01-03", "lockForApproval", byCustomer),
			does("2025-01-03", "terminate", byPartner),
		},
		want: []string{
			"partner: created → created, effective 2025-01-02, recorded 2025-01-02, end null",
			"refused: setAutoExtend by customer at 2025-01-02", "refused: setAutoExtend by partner at 2025-01-02",
			"refused: lockForApproval by customer at 2025-01-03", "refused: terminate by partner at 2025-01-03",
			"finally created, end null, ended null, autoExtend true, name held",
		},
	},
	{
		name:     "29 February and two years",
		relation: a(statusCreated, lasting("P2Y")), from: "2024-02-29", until: "2024-03-01", step: "P1D",
		actions: []action{
			does("2024-02-29T12:00:00Z", "lockForApproval", byPartner), does("2024-02-29T12:00:00Z", "approve", byCustomer),
		},
		want: []string{
			"partner: created → approvalPending, effective 2024-02-29T12:00:00Z, recorded 2024-02-29T12:00:00Z, end null",
			"customer: approvalPending → active, effective 2024-02-29T12:00:00Z, recorded 2024-02-29T12:00:00Z, end 2026-02-28T12:00:00Z",
			"approved: end 2026-02-28T12:00:00Z, due 2024-02-29T12:00:00Z, recorded 2024-02-29T12:00:00Z, queued, agent+admin",
			"finally active, end 2026-02-28T12:00:00Z, ended null, autoExtend false, name held",
		},
	},
	{
		name:     "outside the run",
		relation: a(statusActive, ending("2026-01-01")), from: "2025-01-01", until: "2025-01-05", step: "P1D",
		actions: []action{
			does("2024-12-31T23:59:59.999999Z", "terminate", byPartner), does("2025-01-05T00:00:00.000001Z", "terminate", byPartner),
		},
		want: []string{
			"refused: terminate by partner at 2024-12-31T23:59:59.999999Z",
			"refused: terminate by partner at 2025-01-05T00:00:00.000001Z",
			"finally active, end 2026-01-01, ended null, autoExtend false, name held",
		},
	},
}

func TestModelDiaries(t *testing.T) {
	t.Parallel()
	for _, d := range diaries {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			in := run{
				from: on(d.from), until: on(d.until), step: d.step,
				records: []wireRecord{d.relation}, contacts: oneOnEachSide, actions: d.actions,
			}
			if d.nobody {
				in.contacts = nil
			}
			require.Equal(t, d.want, written(simulate(in)[theID]))
		})
	}
}

// written is an outcome as a diary writes it: events in order, notices in order with those who get the same
// one put together, refusals, the final record.
func written(o outcome) []string {
	var lines []string
	for _, e := range o.record.events {
		who := e.rule
		if who == "" {
			who = e.actor
		}
		line := fmt.Sprintf("%s: %s → %s, effective %s, recorded %s, end %s",
			who, e.fromStatus, e.toStatus, short(e.effective), short(e.recorded), short(e.end))
		if e.reason != "" {
			line += ", " + e.reason
		}
		lines = append(lines, line)
	}
	last := ""
	for _, n := range o.record.notices {
		what := strings.TrimSpace(n.kind + " " + n.stage)
		line := fmt.Sprintf("%s: end %s, due %s, recorded %s, %s, ",
			what, short(n.end), short(n.due), short(n.recorded), strings.TrimSpace(n.status+" "+n.reason))
		who := strings.TrimSuffix(n.mail, "@example.com")
		if who == "" {
			who = "nobody of " + n.role
		}
		if line == last {
			lines[len(lines)-1] += "+" + who
		} else {
			lines = append(lines, line+who)
		}
		last = line
	}
	for _, r := range o.refused {
		lines = append(lines, fmt.Sprintf("refused: %s by %s at %s", r.action.Action, r.action.By, short(r.action.At)))
	}
	name := map[bool]string{true: "name free", false: "name held"}[o.record.nameReleased]
	return append(lines, fmt.Sprintf("finally %s, end %s, ended %s, autoExtend %v, %s",
		o.record.status, short(o.record.end), short(o.record.ended), o.record.autoExtend, name))
}

func TestModelCalendar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ at, period, want string }{
		{"2024-02-29T12:00:00Z", "P2Y", "2026-02-28T12:00:00Z"},
		{"2024-02-29", "P1Y", "2025-02-28"},
		{"2024-02-29", "P4Y", "2028-02-29"},
		{"2024-02-29", "P1Y1M", "2025-03-29"},
		{"2024-01-31", "P1M", "2024-02-29"},
		{"2025-01-31", "P1M", "2025-02-28"},
		{"2025-01-31T23:59:59.999999Z", "P1M1D", "2025-03-01T23:59:59.999999Z"},
		{"2025-12-31", "P2M", "2026-02-28"},
		{"2025-10-31", "P13M", "2026-11-30"},
		{"2024-02-28", "P730D", "2026-02-27"},
		{"2024-02-28", "P104W2D", "2026-02-27"},
		{"2024-02-28", "P24M", "2026-02-28"},
		{"2025-06-30", "P1D", "2025-07-01"},
		{"2025-06-30", "P", "2025-06-30"},
		{"2025-06-30", "P1DT1H2M3S", "2025-07-01T01:02:03Z"},
	} {
		require.Equal(t, c.want, short(mustPeriod(c.period).add(on(c.at))), "%s + %s", c.at, c.period)
	}
	for _, bad := range []string{"", "1D", "P1", "PD", "P1H", "PT1D", "P1DT1Y", "P-1D", "P1.5D", "p1d"} {
		_, err := parsePeriod(bad)
		require.Error(t, err, bad)
	}
	for text, want := range map[string][2]bool{
		"PT0S": {false, true}, "P0D": {false, true}, "P": {false, true}, "P180D": {true, true}, "P25W5D": {true, true},
		"P6M": {false, false}, "P181D": {false, false}, "P360D": {false, false}, "": {false, false},
	} {
		on, accepted := parseAutoExtend(text)
		require.Equal(t, want, [2]bool{on, accepted}, text)
	}
	for days := 0; days < 40_000; days++ { // 1970 to 2079
		year, month, dayOfMonth := calendarDay(days)
		if want := time.Unix(int64(days)*86_400, 0).UTC().Format("2006-1-2"); want != fmt.Sprintf("%d-%d-%d", year, month, dayOfMonth) {
			t.Fatalf("day %d is %s, not %d-%d-%d", days, want, year, month, dayOfMonth)
		}
		if back := dayCount(year, month, dayOfMonth); back != days {
			t.Fatalf("day %d comes back as %d", days, back)
		}
	}
}

// TestModelForgetsHowOftenItWasSwept is section 3: catching up gives the same records, the same effective times
// and the same events as sweeping often; warnings and recorded times aside.
func TestModelForgetsHowOftenItWasSwept(t *testing.T) {
	t.Parallel()
	lasting := func(o outcome) []string {
		var lines []string
		for _, e := range o.record.events {
			e.recorded = none
			lines = append(lines, fmt.Sprintf("%+v", e))
		}
		for _, r := range o.refused {
			lines = append(lines, fmt.Sprintf("%+v", r))
		}
		return append(lines, recordLines(finalRow(o.record))...)
	}
	for seed := range uint64(len(shapes)) {
		in := generate(seed).run
		rare, often := in, in
		rare.step, often.step = "P5000D", "P1D"
		one, two, three := simulate(in), simulate(rare), simulate(often)
		for _, r := range in.records {
			require.Equal(t, lasting(one[r.ID]), lasting(two[r.ID]), "seed %d, %s", seed, r.ID)
			require.Equal(t, lasting(one[r.ID]), lasting(three[r.ID]), "seed %d, %s", seed, r.ID)
		}
	}
}

// TestGeneratorReachesEveryCorner: a comparison is worth what its runs contain.
func TestGeneratorReachesEveryCorner(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(defaultSeeds) {
		in := generate(seed)
		require.Equal(t, in, generate(seed), "one seed, one run")
		isSweep := map[instant]bool{}
		for _, at := range in.sweeps() {
			isSweep[at] = true
		}
		type deed struct {
			id string
			at instant
		}
		isAction := map[deed]bool{}
		for _, x := range in.actions {
			isAction[deed{x.RelationshipID, x.At}] = true
		}
		outcomes := simulate(in.run)
		for _, o := range outcomes {
			for _, r := range o.refused {
				seen["refused "+r.why]++
			}
		}
		for _, r := range in.records {
			id, o := r.ID, outcomes[r.ID]
			seen["imported "+r.Status]++
			require.True(t, o.record.end == none || o.record.activated == none || o.record.end >= o.record.activated, id)
			beside := func(rule string, due instant) {
				for name, by := range map[string]instant{"on": 0, "just before": micro, "just after": -micro} {
					if isSweep[due+by] {
						seen[fmt.Sprintf("%s due %s a sweep", rule, name)]++
					}
					if isAction[deed{id, due + by}] {
						seen[fmt.Sprintf("%s due %s an action on it", rule, name)]++
					}
				}
			}
			for _, e := range o.record.events {
				seen["event "+e.what]++
				if e.what == "approve" {
					_, _, begins := calendarDay(int(e.effective / day))
					_, _, ends := calendarDay(int(e.end / day))
					if o.record.duration.exact == 0 && ends < begins {
						seen["an end clamped to the month"]++
					}
				}
				if e.rule != "" {
					beside(e.rule, e.effective)
				}
			}
			for i, e := range o.record.events {
				if i > 1 && e.rule == "auto-extend" && e.recorded == o.record.events[i-2].recorded {
					seen["three extensions at once"]++
				}
				if i > 0 && e.rule == "release-name" && e.recorded == o.record.events[i-1].recorded {
					seen["name freed in the catch-up that ended it"]++
				}
			}
			for _, n := range o.record.notices {
				seen[strings.TrimSpace("notice "+n.kind+" "+n.stage)+" "+n.status]++
				if n.stage != "" {
					beside(n.kind, n.due)
				} else if late := n.recorded - n.due - staleAfter; late >= -micro && late <= micro {
					seen[fmt.Sprintf("news of seven days and %d µs", late)]++
				}
			}
			ends := map[string]instant{}
			for _, n := range o.record.notices {
				if end, ok := ends[n.stage]; ok && n.stage != "" && end != n.end {
					seen["one stage for two ends"]++
				}
				ends[n.stage] = n.end
			}
			for _, stage := range stages {
				moment := r.EndDateTime - stage.before - in.from
				if r.Status == statusActive && moment >= -micro && moment <= micro {
					seen[fmt.Sprintf("a stage's moment at the import and %d µs", moment)]++
				}
			}
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	if testing.Verbose() {
		for _, name := range names {
			t.Logf("%6d %s", seen[name], name)
		}
	}

	var must []string
	for _, rule := range []string{"expire-pending", "warn-expiry", "auto-extend", "end-term", "release-name"} {
		for _, where := range []string{"on", "just before", "just after"} {
			must = append(must, rule+" due "+where+" a sweep", rule+" due "+where+" an action on it")
		}
	}
	for _, by := range []string{"-1", "0", "1"} {
		must = append(must, "news of seven days and "+by+" µs", "a stage's moment at the import and "+by+" µs")
	}
	for _, what := range []string{"lock", "approve", "reject", "terminate", "autoExtend on", "autoExtend off", "removeGlobalAdministrator"} {
		must = append(must, "event "+what)
	}
	for _, stage := range []string{"P30D", "P7D", "P1D"} {
		for _, status := range []string{noticeQueued, noticeNoRecipient, noticeWithdrawn} {
			must = append(must, "notice warn-expiry "+stage+" "+status)
		}
	}
	must = append(must,
		"notice warn-expiry P30D superseded", "notice warn-expiry P7D superseded",
		"notice term-ended queued", "notice term-ended noRecipient", "notice term-ended suppressed",
		"notice request-lapsed queued", "notice request-lapsed noRecipient", "notice request-lapsed suppressed",
		"notice terminated queued", "notice terminated noRecipient",
		"notice approved queued", "notice approved noRecipient",
		"an end clamped to the month", "one stage for two ends", "three extensions at once", "name freed in the catch-up that ended it",
		"refused no such relationship", "refused outside the run",
		"refused lock: status is not created", "refused lock: only the partner",
		"refused approve: status is not approvalPending", "refused approve: only the customer",
		"refused reject: status is not approvalPending", "refused reject: only the customer",
		"refused terminate: status is not active",
		"refused autoExtend: value is neither off nor 180 days", "refused autoExtend: only the partner while created",
		"refused autoExtend: status is neither created nor active", "refused autoExtend: holds Global Administrator",
		"refused removeGlobalAdministrator: status is neither created nor active",
		"refused removeGlobalAdministrator: only the partner", "refused removeGlobalAdministrator: not held",
	)
	for _, name := range must {
		require.NotZero(t, seen[name], "no run of the default seeds has: %s", name)
	}
}

// TestComparisonSeesFaults writes what the model expects as the command would, and then spoils it.
func TestComparisonSeesFaults(t *testing.T) {
	t.Parallel()
	in := generate(1)
	expected := simulate(in.run)
	dir := t.TempDir()
	writeOutput(t, in, expected, dir)
	fresh := func() output {
		got, err := readOutput(dir)
		require.NoError(t, err)
		return got
	}
	require.Empty(t, differences(expected, fresh()))

	eventOf := func(got output, rule string) *eventRow {
		i := slices.IndexFunc(got.events, func(e eventRow) bool { return string(e.Rule) == rule })
		return &got.events[i]
	}
	sent := fresh()
	for i := range sent.notices {
		if sent.notices[i].Status == noticeQueued {
			sent.notices[i].Status = "sent"
		}
	}
	require.Empty(t, differences(expected, sent), "queued and sent are not told apart")

	for name, spoil := range map[string]func(got *output){
		"an event is missing":          func(got *output) { got.events = got.events[1:] },
		"an event is there twice":      func(got *output) { got.events = append(got.events[:1], got.events...) },
		"effective a microsecond late": func(got *output) { eventOf(*got, "end-term").EffectiveDateTime++ },
		"recorded a microsecond late":  func(got *output) { eventOf(*got, "auto-extend").RecordedDateTime++ },
		"another end":                  func(got *output) { eventOf(*got, "auto-extend").EndDateTime-- },
		"another reason":               func(got *output) { eventOf(*got, "expire-pending").Reason = "termEnded" },
		"an empty rule for null":       func(got *output) { eventOf(*got, "").Rule = `""` },
		"another type":                 func(got *output) { eventOf(*got, "release-name").Type = "other" },
		"a timer with a person's name": func(got *output) { eventOf(*got, "end-term").Actor = byPartner },
		"the other side acted":         func(got *output) { eventOf(*got, "").Actor = "somebody" },
		"a notice is missing":          func(got *output) { got.notices = got.notices[1:] },
		"a notice is there twice":      func(got *output) { got.notices = append(got.notices[:1], got.notices...) },
		"another status of a notice":   func(got *output) { got.notices[0].Status = "failed" },
		"another stage":                func(got *output) { got.notices[0].Stage = "P2D" },
		"another recipient":            func(got *output) { got.notices[0].Recipient.Mail = "x@example.com" },
		"another due time":             func(got *output) { got.notices[0].DueDateTime++ },
		"a refusal is missing":         func(got *output) { got.refused = got.refused[1:] },
		"a refusal has no reason":      func(got *output) { got.refused[0].Reason = "" },
		"a record is missing":          func(got *output) { got.records = got.records[1:] },
		"another status":               func(got *output) { got.records[0].Status = "gone" },
		"a name let go":                func(got *output) { yes := !*got.records[0].NameReleased; got.records[0].NameReleased = &yes },
		"a relationship from nowhere":  func(got *output) { got.records = append(got.records, recordRow{wireRecord: wireRecord{ID: otherID}}) },
		"out of order": func(got *output) {
			got.events[0], got.events[len(got.events)-1] = got.events[len(got.events)-1], got.events[0]
		},
	} {
		got := fresh()
		spoil(&got)
		require.NotEmpty(t, differences(expected, got), name)
	}
}

// writeOutput writes outcomes of the model in the form of the command's output.
func writeOutput(t *testing.T, in generated, outcomes map[string]outcome, dir string) {
	t.Helper()
	var out output
	for _, r := range in.records {
		o := outcomes[r.ID]
		out.events = append(out.events, eventRows(o.record)...)
		out.notices = append(out.notices, noticeRows(o.record)...)
		out.records = append(out.records, finalRow(o.record))
	}
	ids := make([]string, 0, len(outcomes))
	for id := range outcomes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		for _, r := range outcomes[id].refused {
			out.refused = append(out.refused, refusedRow{r.action, r.why})
		}
	}
	sort.SliceStable(out.events, func(i, j int) bool { return out.events[i].RecordedDateTime < out.events[j].RecordedDateTime })
	write := func(name string, data []byte, err error) {
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	events, err := ndjson(out.events)
	write("events.ndjson", events, err)
	notices, err := ndjson(out.notices)
	write("notices.ndjson", notices, err)
	records, err := ndjson(out.records)
	write("relationships.ndjson", records, err)
	refused, err := ndjson(out.refused)
	write("refused.ndjson", refused, err)
}

// TestInputIsOnTheWireAsAgreed looks at one record as it is written for the command.
func TestInputIsOnTheWireAsAgreed(t *testing.T) {
	t.Parallel()
	line, err := json.Marshal(a(statusActive, ending("2025-04-01T00:00:00.000001Z")))
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+theID+`","displayName":"Contoso helpdesk","duration":"P365D","autoExtendDuration":"PT0S",
		"status":"active","partner":{"tenantId":"`+partnerTenant+`"},"customer":{"tenantId":"`+customerTenant+`"},
		"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"`+ordinaryRoles[0]+`"}]},
		"createdDateTime":"2024-01-01T00:00:00Z","lockedDateTime":null,"activatedDateTime":"2024-01-02T00:00:00Z",
		"endDateTime":"2025-04-01T00:00:00.000001Z","lastModifiedDateTime":"2024-01-01T00:00:00Z"}`, string(line))
}
