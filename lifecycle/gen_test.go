package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What the tests of this package make their records and policies from: by hand (contoso), and at random (someRecord).

const (
	helpdesk        = "729827e3-9c14-49f7-bb1b-9608f156bbb8" // a directory role like any other
	fabrikamTenant  = "22222222-2222-4222-8222-222222222222" // the partner
	contosoTenant   = "11111111-1111-4111-8111-111111111111" // the customer
	contosoID       = "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001"
	microsecond     = time.Microsecond
	farFuture       = "2100-01-01T00:00:00Z"
	otherRoleID     = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	somebodysTenant = "33333333-3333-4333-8333-333333333333"
)

// at reads an instant that is known to be good.
func at(s string) time.Time {
	t, err := ParseInstant(s)
	if err != nil {
		panic(s + " " + err.Error())
	}
	return t
}

// period reads a period that is known to be good.
func period(s string) Period {
	p, err := ParsePeriod(s)
	if err != nil {
		panic(err)
	}
	return p
}

func periods(texts ...string) []Period {
	all := make([]Period, len(texts))
	for i, s := range texts {
		all[i] = period(s)
	}
	return all
}

// contoso is an active relationship of one year, from 7 January 2026 10:00 to the same in 2027.
func contoso(changes ...func(r *Record)) Record {
	r := Record{
		ID: contosoID, Partner: fabrikamTenant, DisplayName: "Contoso helpdesk 2026", Duration: Days(365), Status: Active,
		Customer: Tenant{contosoTenant, "Contoso"}, Roles: []string{helpdesk},
		Created: at("2026-01-05T09:00:00Z"), Locked: at("2026-01-06T09:00:00Z"), Activated: at("2026-01-07T10:00:00Z"),
		Modified: at("2026-01-07T10:00:00Z"), WarnAfter: at("2026-01-07T10:00:00Z"), End: at("2027-01-07T10:00:00Z"), Version: 3,
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

// In what contoso may differ.
func extending(r *Record)                  { r.AutoExtend = true }
func withGlobalAdministrator(r *Record)    { r.Roles = append(slices.Clone(r.Roles), GlobalAdministrator) }
func ending(end time.Time) func(r *Record) { return func(r *Record) { r.End = end } }
func expired(r *Record)                    { r.Status = Expired }

func created(r *Record) {
	r.Status, r.Version = Created, 1
	r.Locked, r.Activated, r.End, r.WarnAfter, r.Modified = time.Time{}, time.Time{}, time.Time{}, time.Time{}, r.Created
}

func pending(r *Record) {
	r.Status, r.Version = ApprovalPending, 2
	r.Activated, r.End, r.WarnAfter, r.Modified = time.Time{}, time.Time{}, time.Time{}, r.Locked
}

// The choices of the generators. The first of each list is the plainest: that is what a failing example is shrunk to.
var (
	someDurations   = periods("P365D", "P1D", "PT36H", "P7D", "P8D", "P30D", "P31D", "P1M", "P6M", "P1Y", "P23M28D", "P730D", "P2Y")
	someStages      = [][]Period{periods("P30D", "P7D", "P1D"), nil, periods("P1D", "P30D", "P7D"), periods("P1M", "P30D"), periods("P1Y"), periods("PT1H")}
	someStarts      = []string{"2026-01-05T09:00:00Z", "2024-02-29T23:59:59.999999Z", "2025-01-31T00:00:00Z", "2027-12-31T12:00:00.000001Z", "2023-08-31T06:30:00Z"}
	someOffsets     = []time.Duration{0, -microsecond, microsecond, Day, -Day, 7 * Day, 7*Day + microsecond, 45 * Day, 400 * Day}
	someWaits       = []time.Duration{0, microsecond, time.Hour, Day, 10 * Day, 89 * Day, 200 * Day, 400 * Day, 1000 * Day}
	endedStatuses   = []Status{Expired, Terminated}
	waitingStatuses = []Status{Approved, Activating, Expiring, TerminationRequested, Terminating}
)

// somePolicy makes policies that Validate accepts, with zero periods among them.
var somePolicy = rapid.Custom(func(t *rapid.T) *Policy {
	p := DefaultPolicy()
	if rapid.Bool().Draw(t, "otherPolicy") {
		p.Requests.LapseAfter = rapid.SampledFrom(periods("P90D", "PT0S", "P3M", "PT1H")).Draw(t, "requests.lapseAfter")
		p.Warnings.Before = rapid.SampledFrom(someStages).Draw(t, "warnings.before")
		p.AutoExtend.By = rapid.SampledFrom(periods("P180D", "P6M", "P1M", "P20D")).Draw(t, "autoExtend.by")
		p.Names.HoldFor = rapid.SampledFrom(periods("P365D", "PT0S", "P1Y", "PT1S")).Draw(t, "names.holdFor")
		p.Notices.StaleAfter = rapid.SampledFrom(periods("P7D", "PT0S", "P1M")).Draw(t, "notices.staleAfter")
		p.Provisioning.External = rapid.Bool().Draw(t, "provisioning.external")
		p.Notices.TellExtended = rapid.Bool().Draw(t, "notices.tellExtended")
	}
	return p
})

// someRecord makes records that Validate accepts under p, in every status.
func someRecord(p *Policy) *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		r := contoso()
		r.Status = rapid.SampledFrom(slices.Concat([]Status{Active, Active, ApprovalPending}, Statuses)).Draw(t, "status")
		r.Duration = rapid.SampledFrom(someDurations).Draw(t, "duration")
		r.AutoExtend = rapid.Bool().Draw(t, "autoExtend")
		r.Roles = rapid.SampledFrom([][]string{{helpdesk}, {helpdesk, GlobalAdministrator}, {GlobalAdministrator}, nil}).Draw(t, "roles")
		r.Version = rapid.Int64Range(1, 9).Draw(t, "version")
		wait := func(label string) time.Duration { return rapid.SampledFrom(someWaits[:6]).Draw(t, label) }

		r.Created = at(rapid.SampledFrom(someStarts).Draw(t, "created"))
		r.Locked = r.Created.Add(wait("until locked"))
		r.Activated = r.Locked.Add(wait("until activated"))
		r.End = r.Duration.After(r.Activated)
		r.WarnAfter, r.Modified = r.Activated, r.Activated
		switch {
		case r.Status == Created:
			r.Locked, r.Activated, r.End, r.WarnAfter, r.Modified = time.Time{}, time.Time{}, time.Time{}, time.Time{}, r.Created
		case r.Status == ApprovalPending || r.Status == Approved || r.Status == Activating:
			if r.Status != ApprovalPending && rapid.Bool().Draw(t, "approved here") { // otherwise it came in from elsewhere
				r.Approved = r.Activated
			}
			r.Activated, r.End, r.WarnAfter, r.Modified = time.Time{}, time.Time{}, time.Time{}, latest(r.Locked, r.Approved)
		case r.Status.Ended():
			r.Modified = r.End
			if rapid.Bool().Draw(t, "nameReleased") {
				r.NameReleased = p.Names.HoldFor.After(r.End)
			}
		default:
			r.Assigned = rapid.IntRange(0, 2).Draw(t, "assigned")
			if ahead := rapid.SampledFrom(append(periods("PT0S", "P10D"), p.Warnings.Before...)).Draw(t, "warnAfter"); !ahead.IsZero() {
				r.WarnAfter = latest(r.Activated, ahead.Before(r.End))
			}
		}
		return r
	})
}

// landmarks are the instants at which something may happen to r.
func landmarks(r *Record, p *Policy) []time.Time {
	marks := []time.Time{r.Created}
	add := func(from time.Time, by Period) {
		if !from.IsZero() {
			marks = append(marks, by.After(from))
		}
	}
	add(r.End, Period{})
	add(r.Locked, p.Requests.LapseAfter)
	for _, stage := range p.Warnings.Before {
		if !r.End.IsZero() {
			marks = append(marks, stage.Before(r.End))
		}
	}
	add(r.End, p.AutoExtend.By)
	add(r.End, p.Names.HoldFor)
	return marks
}

// someInstant makes instants that lie in r's life, most of them exactly on one of its landmarks or beside it, none before
// floor.
func someInstant(r *Record, p *Policy, floor time.Time) *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		mark := rapid.SampledFrom(landmarks(r, p)).Draw(t, "landmark")
		offset := rapid.SampledFrom(someOffsets).Draw(t, "offset")
		if rapid.IntRange(0, 4).Draw(t, "anywhere") == 4 {
			offset = time.Duration(rapid.Int64Range(0, int64(1500*Day/microsecond)).Draw(t, "microseconds")) * microsecond
		}
		return latest(floor, mark.Add(offset))
	})
}

// someInstants makes n of them, in order.
func someInstants(t *rapid.T, n int, r *Record, p *Policy) []time.Time {
	instants := make([]time.Time, n)
	for i := range instants {
		instants[i] = someInstant(r, p, r.Modified).Draw(t, "instant")
	}
	slices.SortFunc(instants, time.Time.Compare)
	return instants
}

// someAction makes actions, lawful ones and others.
var someAction = rapid.Custom(func(t *rapid.T) Action {
	return Action{
		Kind:       rapid.SampledFrom(append(slices.Clone(ActionKinds), BeginProvisioning, CompleteProvisioning, Delete, "", "extend")).Draw(t, "action"),
		By:         rapid.SampledFrom([]Actor{Partner, Customer, Provisioner, System, Import, ""}).Draw(t, "by"),
		AutoExtend: rapid.Bool().Draw(t, "on"),
	}
})

func TestGeneratedRecordsAndPoliciesAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePolicy.Draw(t, "policy")
		require.NoError(t, p.Validate())
		r := someRecord(p).Draw(t, "record")
		require.Empty(t, r.Validate(p))
	})
	met := map[Status]bool{} // by the same examples every time: however few are drawn above, one of each is made
	for seed := range 300 {
		r := someRecord(DefaultPolicy()).Example(seed)
		met[r.Status] = true
	}
	for _, s := range slices.Concat([]Status{Created, ApprovalPending, Active}, endedStatuses, waitingStatuses) {
		require.True(t, met[s], "no record in status %s was made", s)
	}
}
