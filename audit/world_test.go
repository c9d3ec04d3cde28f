package audit_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/audit"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// A world is a deployment with a history that the real engine has made: imports, actions of all kinds, sweeps that come in time and
// late, holds, changes of the policy, another system that gives access. The clock goes forward in steps of hours and days.
type world struct {
	t      *testing.T
	db     *storage.DB
	policy *lifecycle.Policy
	now    time.Time
	rand   *rand.Rand
	ids    []string
	holds  []int64
	n      int
}

const (
	fabrikam = "22222222-2222-4222-8222-222222222222"
	contoso  = "11111111-1111-4111-8111-111111111111"
	litware  = "33333333-3333-4333-8333-333333333333"
	helpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	reader   = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	group    = "44444444-4444-4444-8444-444444444444"
)

var begin = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func onSQLite(t *testing.T) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "world.db") + "?scratch"
}

func newWorld(t *testing.T, url string, seed uint64) *world {
	db := opened(t, url)
	w := &world{t: t, db: db, policy: lifecycle.DefaultPolicy(), now: begin, rand: rand.New(rand.NewPCG(seed, 0))}
	w.policy.Lateness = lifecycle.LatenessPolicy{} // the sweeps here come as they like
	require.NoError(t, db.Migrate(t.Context(), storage.Live, begin))
	w.goBy()
	_, err := db.ImportContacts(t.Context(), []lifecycle.Contact{
		{TenantID: fabrikam, Role: lifecycle.AdminAgents, Mail: "agent@fabrikam.example"},
		{TenantID: fabrikam, Role: lifecycle.AdminAgents, Mail: "other@fabrikam.example", Digest: lifecycle.DailyDigest},
		{TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "admin@contoso.example"},
	}, &w.policy.Notices, begin)
	require.NoError(t, err)
	return w
}

func opened(t *testing.T, url string) *storage.DB {
	db, err := storage.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// goBy sets the policy, as whoever leads does at start.
func (w *world) goBy() {
	_, err := w.db.Retime(w.t.Context(), w.policy, w.now)
	require.NoError(w.t, err)
	require.NoError(w.t, w.db.KeepPolicy(w.t.Context(), w.policy, w.now))
}

func (w *world) chance(percent int) bool { return w.rand.IntN(100) < percent }

func pick[T any](w *world, from ...T) T { return from[w.rand.IntN(len(from))] }

func (w *world) newID() string {
	w.n++
	return fmt.Sprintf("0d9ab5ca-7f33-4f5c-a4d1-%012d-1b2c3d4e-0000-4000-8000-%012d", w.n, w.n)
}

func guid(w *world) string {
	w.n++
	return fmt.Sprintf("55555555-5555-4555-8555-%012d", w.n)
}

// create makes a draft.
func (w *world) create() string {
	id := w.newID()
	name, duration, extend := fmt.Sprintf("Ünit %d", w.n), pick(w, lifecycle.Days(30), lifecycle.Days(365), lifecycle.Months(24), lifecycle.Days(1), lifecycle.Days(8)), w.chance(40)
	draft := lifecycle.Draft{DisplayName: &name, Duration: &duration, AutoExtend: &extend, Roles: []string{helpdesk, reader}}
	if w.chance(20) {
		draft.Roles = append(draft.Roles, lifecycle.GlobalAdministrator)
	}
	if w.chance(70) {
		draft.Customer = &lifecycle.Tenant{TenantID: pick(w, contoso, litware), DisplayName: "Somebody"}
	}
	_, err := w.db.CreateRelationship(w.t.Context(), fabrikam, w.policy, func(s lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id, fabrikam, draft, w.policy, s, nil, w.now)
	})
	require.NoError(w.t, err)
	w.ids = append(w.ids, id)
	return id
}

// act does to a relationship what decide says, and says whether it was allowed.
func (w *world) act(id string, decide func(c lifecycle.Case) (lifecycle.Decision, error)) bool {
	_, err := w.db.Act(w.t.Context(), id, w.policy, decide)
	var faults lifecycle.Faults
	var taken *lifecycle.AssignmentTaken
	if errors.Is(err, lifecycle.ErrRefused) || errors.Is(err, lifecycle.ErrNotFound) || errors.As(err, &faults) || errors.As(err, &taken) {
		return false
	}
	require.NoError(w.t, err)
	return true
}

func (w *world) do(id string, actions ...lifecycle.Action) bool {
	return w.act(id, func(c lifecycle.Case) (lifecycle.Decision, error) { return c.Act(w.policy, w.now, actions...) })
}

func (w *world) lock(id string) bool {
	return w.do(id, lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner})
}

func (w *world) approve(id string) bool {
	return w.do(id, lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer, Customer: lifecycle.Tenant{TenantID: contoso, DisplayName: "Contoso"}}) ||
		w.do(id, lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer})
}

// lasting makes a relationship that is active from now on.
func (w *world) lasting(duration lifecycle.Period) string {
	id, name, extend := w.newID(), fmt.Sprintf("Lasting %d", w.n), false
	_, err := w.db.CreateRelationship(w.t.Context(), fabrikam, w.policy, func(s lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id, fabrikam, lifecycle.Draft{DisplayName: &name, Duration: &duration, AutoExtend: &extend, Roles: []string{helpdesk}}, w.policy, s, nil, w.now)
	})
	require.NoError(w.t, err)
	require.True(w.t, w.lock(id))
	require.True(w.t, w.approve(id))
	return id
}

func (w *world) someAction(id string) {
	by := pick(w, lifecycle.Partner, lifecycle.Customer)
	switch w.rand.IntN(12) {
	case 0, 1, 2:
		w.lock(id)
	case 3, 4, 5:
		w.approve(id)
	case 6:
		w.do(id, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: by, AutoExtend: w.chance(50)})
	case 7:
		w.do(id, lifecycle.Action{Kind: lifecycle.RemoveGlobalAdministrator, By: lifecycle.Partner})
	case 8:
		assignment := guid(w)
		w.act(id, func(c lifecycle.Case) (lifecycle.Decision, error) {
			d, _, err := c.AssignTo(assignment, group, []string{helpdesk}, w.policy, lifecycle.Action{By: lifecycle.Partner}, w.now)
			return d, err
		})
	case 9:
		name := "Edited " + guid(w)[24:]
		w.act(id, func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Edit(lifecycle.Draft{DisplayName: &name}, w.policy, lifecycle.Action{By: lifecycle.Partner}, w.now)
		})
	case 10:
		if w.chance(30) {
			w.do(id, lifecycle.Action{Kind: pick(w, lifecycle.Terminate, lifecycle.Reject), By: lifecycle.Customer})
		}
	case 11:
		w.do(id, lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner})
	}
	w.do(id, lifecycle.Action{Kind: pick(w, lifecycle.BeginProvisioning, lifecycle.CompleteProvisioning), By: lifecycle.Provisioner})
}

// bring imports a record, new or other than it was.
func (w *world) bring(r lifecycle.Record, unsaid lifecycle.Unsaid) {
	w.n++
	r.WarnAfter = w.now
	intakes, err := w.db.ImportRelationships(w.t.Context(), []lifecycle.Incoming{{Record: r, Digest: fmt.Sprint(w.n), Unsaid: unsaid}}, w.policy, w.now)
	require.NoError(w.t, err)
	if intakes[0].Taken == lifecycle.TakenNew {
		w.ids = append(w.ids, r.ID)
	}
}

func (w *world) importNew() {
	r := lifecycle.Record{ID: w.newID(), Partner: fabrikam, DisplayName: fmt.Sprintf("Imported %d", w.n), Duration: lifecycle.Days(365), AutoExtend: w.chance(40),
		Customer: lifecycle.Tenant{TenantID: contoso, DisplayName: "Contoso"}, Roles: []string{helpdesk}, Created: w.now.AddDate(-1, 0, 0), Modified: w.now.AddDate(0, -11, 0)}
	r.Status = pick(w, lifecycle.Active, lifecycle.Active, lifecycle.ApprovalPending, lifecycle.Expired, lifecycle.Terminated)
	r.Locked = w.now.AddDate(0, 0, -w.rand.IntN(120))
	if r.Status != lifecycle.ApprovalPending {
		r.Activated = w.now.AddDate(0, -11, 0)
		r.End = w.now.AddDate(0, 0, 60-w.rand.IntN(100))
		if r.Status != lifecycle.Active {
			r.End = w.now.AddDate(0, 0, -w.rand.IntN(400))
		}
	}
	w.bring(r, lifecycle.Unsaid{})
}

// importAgain has a file say something else of a relationship.
func (w *world) importAgain(id string) {
	stored, err := w.db.Relationship(w.t.Context(), id)
	if errors.Is(err, lifecycle.ErrNotFound) {
		return
	}
	require.NoError(w.t, err)
	r := stored.Record
	r.Modified = w.now
	switch {
	case r.Status == lifecycle.Active && w.chance(50):
		r.End = r.End.AddDate(0, 0, 30)
	case r.Status == lifecycle.Active:
		r.AutoExtend = !r.AutoExtend
	case r.Status == lifecycle.ApprovalPending:
		r.Status, r.Activated, r.End = lifecycle.Active, w.now, r.Duration.After(w.now)
	}
	w.bring(r, lifecycle.Unsaid{})
}

// sweep does what is due, of some rules or of all.
func (w *world) sweep(only ...lifecycle.RuleName) {
	var decided []lifecycle.Decided
	require.NoError(w.t, w.db.EachRelationship(w.t.Context(), func(r lifecycle.Stored) error {
		d := lifecycle.Evaluate(r.Record, w.policy, w.now, only...)
		if !d.Empty() {
			decided = append(decided, lifecycle.Decided{Key: r.Key, Version: r.Version, Decision: d})
		}
		return nil
	}))
	_, err := w.db.Apply(w.t.Context(), decided)
	require.NoError(w.t, err)
}

func (w *world) someHold() {
	if len(w.holds) > 0 && w.chance(70) {
		_, err := w.db.ReleaseHold(w.t.Context(), w.holds[0], "it is settled", lifecycle.Caller{Name: "operator"}, w.now, w.now)
		require.NoError(w.t, err)
		w.holds = w.holds[1:]
		return
	}
	h := lifecycle.Hold{Kind: pick(w, lifecycle.HoldKinds...), Note: "to look at it"}
	switch h.Kind {
	case lifecycle.HoldRelationship:
		h.Subject = pick(w, w.ids...)
	case lifecycle.HoldTenant:
		h.Subject = litware
	case lifecycle.HoldRule:
		h.Subject = string(pick(w, lifecycle.RuleNames()...))
	}
	placed, err := w.db.PlaceHold(w.t.Context(), h, lifecycle.Caller{Name: "operator"}, w.now)
	if err == nil { // it may be held already, or be gone
		w.holds = append(w.holds, placed.ID)
	}
}

func (w *world) somePolicy() {
	p := *w.policy
	p.Requests.LapseAfter = pick(w, lifecycle.Days(90), lifecycle.Days(60), lifecycle.Period{})
	p.Warnings.Before = pick(w, []lifecycle.Period{lifecycle.Days(30), lifecycle.Days(7), lifecycle.Days(1)}, []lifecycle.Period{lifecycle.Days(14)}, nil)
	p.AutoExtend.By = pick(w, lifecycle.Days(180), lifecycle.Days(20), lifecycle.Months(1))
	p.Names.HoldFor = pick(w, lifecycle.Days(365), lifecycle.Days(100))
	p.Notices.TellExtended = w.chance(50)
	p.Notices.StaleAfter = pick(w, lifecycle.Days(7), lifecycle.Period{})
	p.Provisioning.External = w.chance(30)
	w.policy = &p
	w.goBy()
}

// live lets so many steps pass.
func (w *world) live(steps int) {
	for range steps {
		w.now = lifecycle.Instant(w.now.Add(pick(w, time.Hour, 13*time.Hour, 3*lifecycle.Day, 17*lifecycle.Day)).Add(time.Duration(w.rand.IntN(1e9)) * time.Microsecond))
		switch w.rand.IntN(20) {
		case 0, 1, 2:
			w.create()
		case 3:
			w.importNew()
		case 4:
			if len(w.ids) > 0 {
				w.importAgain(pick(w, w.ids...))
			}
		case 5:
			if len(w.ids) > 0 {
				w.someHold()
			}
		case 6:
			if w.chance(40) {
				w.somePolicy()
			}
		case 7:
			w.sweep(pick(w, lifecycle.RuleNames()...))
		case 8, 9, 10, 11:
			w.sweep()
		default:
			if len(w.ids) > 0 {
				id := pick(w, w.ids...)
				w.someAction(id)
			}
		}
	}
	w.sweep()
}

// verify goes through the database as it is.
func (w *world) verify(change ...func(*audit.Options)) ([]audit.Finding, audit.Summary) {
	w.t.Helper()
	snapshot, err := w.db.Snapshot(w.t.Context())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, snapshot.Close()) }()
	return verifySource(w.t, snapshot, w.options(change...))
}

func (w *world) options(change ...func(*audit.Options)) audit.Options {
	o := audit.Options{Now: w.now, Policy: w.policy, Since: begin}
	for _, c := range change {
		c(&o)
	}
	return o
}

func verifySource(t *testing.T, source audit.Source, o audit.Options) (found []audit.Finding, summary audit.Summary) {
	t.Helper()
	summary, err := audit.Verify(context.Background(), source, o, func(f audit.Finding) error {
		found = append(found, f)
		return nil
	})
	require.NoError(t, err)
	return found, summary
}

// export writes the database as it is to a file.
func (w *world) export(path string) {
	snapshot, err := w.db.Snapshot(w.t.Context())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, snapshot.Close()) }()
	file, err := os.Create(path)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, file.Close()) }()
	var out io.WriteCloser = file
	if strings.HasSuffix(path, ".gz") {
		out = gzip.NewWriter(file)
		defer func() { require.NoError(w.t, out.Close()) }()
	}
	_, err = audit.WriteExport(w.t.Context(), out, snapshot, w.now)
	require.NoError(w.t, err)
}

// history writes the events of a relationship for people, to show beside a finding.
func (w *world) history(id string) (lines []string) {
	events, err := w.db.Events(w.t.Context(), id)
	require.NoError(w.t, err)
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%d %s %s→%s effective %s recorded %s end %s by %s", e.Version, e.Type, e.From, e.To, lifecycle.FormatInstant(e.Effective),
			lifecycle.FormatInstant(e.Recorded), lifecycle.FormatInstant(e.End), e.Actor))
	}
	return slices.Clip(lines)
}
