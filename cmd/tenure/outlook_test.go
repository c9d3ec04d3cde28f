package main

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

// A smallWorld is some relationships in all states, on an embedded database, with a clock that the test moves.
type smallWorld struct {
	t       *testing.T
	db      *storage.DB
	policy  *lifecycle.Policy
	now     time.Time
	sweeper *jobs.Sweeper
}

var worldStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func worldTenant(n int) string { return fmt.Sprintf("%08d-1111-4111-8111-111111111111", n) }

// newSmallWorld makes one at random, of so many relationships; the seed makes it the same again.
func newSmallWorld(t *testing.T, seed uint64, relationships int) *smallWorld {
	db, err := storage.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db")+"?scratch")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(t.Context(), storage.Live, worldStart))
	p := &smallWorld{t: t, db: db, policy: lifecycle.DefaultPolicy(), now: worldStart}
	p.policy.Notices.TellExtended = true
	p.policy.Notices.Routes = []lifecycle.Route{
		{Kinds: []lifecycle.NoticeKind{lifecycle.KindExtended}, Tenants: []string{worldTenant(1)}}, // nobody
		{Sides: []lifecycle.Side{lifecycle.PartnerSide}, People: []string{"mail"}, Endpoints: []string{"hook"}},
		{People: []string{"mail"}},
	}
	clock := func() time.Time { return p.now }
	p.sweeper = &jobs.Sweeper{Store: db, Policy: p.policy, Bell: jobs.Silence{}, Now: clock, Wall: clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	_, err = db.Retime(t.Context(), p.policy, p.now)
	require.NoError(t, err)

	random := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // the same again with the same seed
	var batch []lifecycle.Incoming
	for i := range relationships {
		batch = append(batch, lifecycle.Incoming{Record: randomRelationship(random, i), Digest: fmt.Sprint(i)})
	}
	intakes, err := db.ImportRelationships(t.Context(), batch, p.policy, p.now)
	require.NoError(t, err)
	for _, intake := range intakes {
		require.Equal(t, lifecycle.TakenNew, intake.Taken, "%v", intake.Fault)
	}
	var contacts []lifecycle.Contact
	for tenant := range 20 {
		role := lifecycle.GlobalAdministrators
		if tenant < 3 {
			role = lifecycle.AdminAgents
		}
		for n := range tenant % 4 { // some have nobody
			contacts = append(contacts, lifecycle.Contact{TenantID: worldTenant(tenant), Role: role, Mail: fmt.Sprintf("p%d@t%d.example", n, tenant),
				Digest: []lifecycle.Digest{lifecycle.NoDigest, lifecycle.DailyDigest}[n%2]})
		}
	}
	_, err = db.ImportContacts(t.Context(), contacts, &p.policy.Notices, p.now)
	require.NoError(t, err)
	return p
}

func randomRelationship(random *rand.Rand, n int) lifecycle.Record {
	day := func(from, to int) time.Time {
		return worldStart.Add(time.Duration(from)*lifecycle.Day + time.Duration(random.Int64N(int64(to-from)*int64(lifecycle.Day/time.Microsecond)))*time.Microsecond)
	}
	r := lifecycle.Record{ID: fmt.Sprintf("r-%05d", n), Partner: worldTenant(random.IntN(3)), DisplayName: fmt.Sprintf("Relationship %d", n),
		Duration: lifecycle.Days(365), Customer: lifecycle.Tenant{TenantID: worldTenant(3 + random.IntN(17)), DisplayName: "Contoso"}, Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}}
	switch random.IntN(6) {
	case 0:
		r.Status, r.Created = lifecycle.Created, day(-100, 0)
		r.Modified = r.Created
	case 1:
		r.Status, r.Created = lifecycle.ApprovalPending, day(-120, 0) // some are overdue
		r.Locked, r.Modified = r.Created, r.Created
	case 2:
		r.Status, r.End = lifecycle.Terminated, day(-500, 0)
		r.Created, r.Modified = r.End.Add(-100*lifecycle.Day), r.End
		r.Locked, r.Activated = r.Created, r.Created
	default:
		r.Status, r.End, r.AutoExtend = lifecycle.Active, day(-300, 420), random.IntN(2) == 0
		r.Activated = r.End.Add(-365 * lifecycle.Day)
		r.Created, r.Locked, r.Modified, r.WarnAfter = r.Activated, r.Activated, r.Activated, r.Activated
		if random.IntN(4) == 0 {
			r.Roles = append(r.Roles, lifecycle.GlobalAdministrator)
		}
	}
	return r
}

// look asks what happens until then.
func (p *smallWorld) look(until time.Time, closely bool, each func(*outlook.Item) error) *outlook.Plan {
	p.t.Helper()
	in := inForce{policy: p.policy, timed: true}
	q := outlook.Question{Policy: p.policy, Now: p.now, Until: until}
	records, err := p.db.Outlook(p.t.Context(), in.query(&q, "", closely))
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, records.Close()) }()
	plan, err := outlook.Look(p.t.Context(), records, q, each)
	require.NoError(p.t, err)
	return plan
}

// live lets time pass until then, a day at a time.
func (p *smallWorld) live(until time.Time) {
	for {
		backlogs, err := p.db.Backlogs(p.t.Context(), p.now)
		require.NoError(p.t, err)
		if slices.ContainsFunc(backlogs, func(b lifecycle.Backlog) bool { return b.Due > 0 }) {
			sweep, err := p.sweeper.Run(p.t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}, nil)
			require.NoError(p.t, err)
			require.Zero(p.t, sweep.Failed)
		}
		if !p.now.Before(until) {
			return
		}
		p.now = p.now.Add(min(lifecycle.Day, until.Sub(p.now)))
	}
}

// What was planned is what then happened: not one event more, less, or at another instant; not one letter to more or to fewer. The
// forecast counts the same.
func TestPlanAndForecastAreWhatThenHappens(t *testing.T) {
	t.Parallel()
	const relationships, days = 150, 400
	p := newSmallWorld(t, 20260101, relationships)
	until := worldStart.Add(days * lifecycle.Day)

	planned, letters := map[string]int{}, map[string]int{}
	plan := p.look(until, true, func(item *outlook.Item) error {
		for _, step := range item.Steps {
			if step.Type != "" {
				planned[fmt.Sprintf("%s %d %s %s %s until %s", item.ID, step.Version, step.Type, step.To, step.Effective, step.End)]++
			}
			for _, n := range step.Notices {
				for _, to := range n.Tells {
					letters[letterText(item.ID, n.Version, n.Kind, n.Stage, to.Audience, to.Channel, to.Endpoint, to.Unsaid)] += int(max(to.Recipients, 1))
				}
			}
		}
		return nil
	})
	quick := p.look(until, false, nil)
	require.Equal(t, plan, quick, "names and the like make no difference to the numbers")

	p.live(until)
	happened, told := map[string]int{}, map[string]int{}
	weeks := map[string]int64{}
	require.NoError(t, p.db.EachEvent(t.Context(), func(e lifecycle.Event) error {
		if e.Rule != "" {
			happened[fmt.Sprintf("%s %d %s %s %s until %s", e.RelationshipID, e.Version, e.Type, e.To, e.Effective, e.End)]++
			weeks[fmt.Sprint(outlook.MondayOf(laterOf(e.Effective, worldStart)), e.Rule)]++
		}
		return nil
	}))
	require.NoError(t, p.db.EachLetter(t.Context(), func(l lifecycle.Letter) error {
		unsaid := l.Reason
		if l.Status == lifecycle.NoticeWaiting { // for the recipient's digest
			unsaid = ""
		}
		told[letterText(l.Relationship.ID, l.Version, l.Kind, l.Stage, lifecycle.Audience{TenantID: l.Recipient.TenantID, Role: l.Recipient.Role}, l.Channel, l.Endpoint, unsaid)]++
		if l.Kind == lifecycle.KindWarnExpiry && unsaid != lifecycle.LaterStageDue && l.Recipient.Role == lifecycle.AdminAgents && l.Endpoint {
			weeks[fmt.Sprint(outlook.MondayOf(laterOf(l.Due, worldStart)), lifecycle.WarnExpiry)]++
		}
		return nil
	}))
	require.Greater(t, len(happened), relationships)
	require.Equal(t, happened, planned)
	for letter, n := range letters {
		require.Contains(t, told, letter)
		if !strings.Contains(letter, "for: ") { // what is suppressed is kept for each person, and planned for the audience
			require.Equal(t, told[letter], n, letter)
		}
	}
	require.Equal(t, len(told), len(letters))
	for _, week := range plan.Weeks() {
		for rule, sum := range week.Rules {
			require.Equal(t, weeks[fmt.Sprint(week.Monday, rule)], sum.Times, "%s %s", week.Name(), rule)
		}
	}
	require.Zero(t, p.look(until, false, nil).All, "nothing is left")
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func letterText(id string, version int64, kind lifecycle.NoticeKind, stage lifecycle.Period, to lifecycle.Audience, channel string, endpoint bool, unsaid lifecycle.Reason) string {
	text := fmt.Sprintf("%s %d %s %s to %s %s on %s %v", id, version, kind, stage, to.TenantID, to.Role, channel, endpoint)
	if unsaid != "" {
		text += " unsaid for: " + string(unsaid)
	}
	return text
}

func TestPlanUntilNowSaysWhatIsDueThoughTheClockGoesOn(t *testing.T) {
	p := newSmallWorld(t, 1, 60)
	now := worldStart.Add(100 * lifecycle.Day)
	clock := func() time.Time { now = now.Add(time.Microsecond); return now }
	plan, err := outlooks{p.db, p.policy, clock}.Plan(t.Context(), clock(), nil, "")
	require.NoError(t, err)
	require.Positive(t, plan.Relationships)
}
