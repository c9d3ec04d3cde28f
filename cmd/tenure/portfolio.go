package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A portfolio is what a partner of some size may have: relationships, the people who hear of them, and what they will do.
// The same seed makes the same portfolio.
type portfolio struct {
	records  []lifecycle.Record
	contacts []lifecycle.Contact
	actions  []plannedAction // in the order of their instants
}

// A plannedAction is what somebody is going to do.
type plannedAction struct {
	at     time.Time
	id     string
	action lifecycle.Action
}

const (
	demoCustomers     = 60
	demoRelationships = 200
	demoYears         = 2
)

var (
	companyNames = []string{"Contoso", "Fabrikam", "Northwind", "Adatum", "Tailspin", "Wingtip", "Litware", "Proseware", "Trey", "Lucerne",
		"Woodgrove", "Humongous", "Alpine", "Relecloud", "Fourth Coffee", "VanArsdel", "Graphic Design", "Margie", "Coho", "Blue Yonder"}
	companyKinds = []string{"Trading", "Health", "Logistics"}
	purposes     = []string{"helpdesk", "security", "licensing", "migration", "devices"}

	// Template ids of Helpdesk Administrator, Security Reader, License Administrator, User Administrator, Intune Administrator.
	// Source: Microsoft Entra built-in roles.
	plainRoles = []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "5d6b6bb7-de71-4623-b4af-96380a352509",
		"4d6ac14f-3453-41d0-bef9-a3e0c569773a", "fe930be7-5e62-47db-91af-98c3a49a38b1", "3a2c62db-5318-420d-8d74-23affee5d9d5"}

	// How long relationships last: mostly long, as partners ask for what they can get.
	demoDurations = []lifecycle.Period{lifecycle.Days(730), lifecycle.Days(730), lifecycle.Days(365), lifecycle.Days(365),
		lifecycle.Days(180), lifecycle.Days(90), lifecycle.Months(24), lifecycle.Days(30)}
)

// makePortfolio makes a portfolio as it stands at start: four in five relationships are active, others wait for approval or
// have ended lately. What people do with them later is planned too.
func makePortfolio(seed uint64, start time.Time) *portfolio {
	m := &portfolioMaker{rand: rand.New(rand.NewPCG(seed, seed)), start: start} //nolint:gosec // repeatable, not secret
	partner := m.guid()
	m.staff(partner, lifecycle.AdminAgents, "partner.example", 3)
	customers := make([]lifecycle.Tenant, demoCustomers)
	for i := range customers {
		name := companyNames[i%len(companyNames)] + " " + companyKinds[i/len(companyNames)]
		customers[i] = lifecycle.Tenant{TenantID: m.guid(), DisplayName: name}
		if m.chance(90) { // some customers have nobody on file
			m.staff(customers[i].TenantID, lifecycle.GlobalAdministrators, fmt.Sprintf("customer%02d.example", i+1), 1+m.rand.IntN(2))
		}
	}
	for i := range demoRelationships {
		m.relationship(i, partner, customers[i%len(customers)])
	}
	slices.SortStableFunc(m.made.actions, func(a, b plannedAction) int { return a.at.Compare(b.at) })
	return &m.made
}

type portfolioMaker struct {
	rand  *rand.Rand
	start time.Time
	made  portfolio
}

func (m *portfolioMaker) chance(percent int) bool { return m.rand.IntN(100) < percent }

func (m *portfolioMaker) guid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(m.rand.UintN(256)) //nolint:gosec // below 256
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

// within is an instant in the n days after t, to the minute.
func (m *portfolioMaker) within(t time.Time, days int) time.Time {
	return t.Add(time.Duration(m.rand.IntN(days*24*60)) * time.Minute)
}

func (m *portfolioMaker) staff(tenant string, role lifecycle.Role, domain string, n int) {
	for i := range n {
		name, language := fmt.Sprintf("IT desk %d", i+1), "en"
		if m.chance(30) {
			name, language = fmt.Sprintf("情報システム部 %d", i+1), "ja"
		}
		m.made.contacts = append(m.made.contacts, lifecycle.Contact{TenantID: tenant, Role: role, DisplayName: name, Language: language,
			Mail: fmt.Sprintf("%s%d@%s", map[lifecycle.Role]string{lifecycle.AdminAgents: "agent", lifecycle.GlobalAdministrators: "admin"}[role], i+1, domain)})
	}
}

func (m *portfolioMaker) relationship(i int, partner string, customer lifecycle.Tenant) {
	r := lifecycle.Record{
		ID: m.guid() + "-" + m.guid(), Partner: partner, Customer: customer,
		DisplayName: fmt.Sprintf("%s %s %d", customer.DisplayName, purposes[(i/demoCustomers)%len(purposes)], 2026+i/demoCustomers%2),
		Duration:    demoDurations[m.rand.IntN(len(demoDurations))],
		AutoExtend:  m.chance(45), Roles: []string{plainRoles[m.rand.IntN(len(plainRoles))], plainRoles[0]}, WarnAfter: m.start,
	}
	if m.chance(12) {
		r.Roles = append(r.Roles, lifecycle.GlobalAdministrator)
	}
	r.Roles = slices.Compact(r.Roles)
	switch {
	case m.chance(80):
		m.active(&r)
	case m.chance(60):
		m.pending(&r)
	default:
		m.ended(&r)
	}
	r.Modified = r.Created
	for _, t := range []time.Time{r.Locked, r.Activated} {
		if t.After(r.Modified) {
			r.Modified = t
		}
	}
	m.made.records = append(m.made.records, r)
}

// active makes a relationship that runs, and plans what may happen to it.
func (m *portfolioMaker) active(r *lifecycle.Record) {
	r.Status = lifecycle.Active
	length := int(r.Duration.After(m.start).Sub(m.start) / lifecycle.Day)
	r.Activated = m.within(m.start.Add(-time.Duration(length)*lifecycle.Day), length)
	r.Locked = r.Activated.Add(-time.Duration(1+m.rand.IntN(20)) * lifecycle.Day)
	r.Created = r.Locked.Add(-time.Hour)
	r.End = r.Duration.After(r.Activated)
	later := m.within(m.start, demoYears*365)
	switch {
	case m.chance(10):
		by := []lifecycle.Actor{lifecycle.Partner, lifecycle.Customer}[m.rand.IntN(2)]
		m.plan(later, r.ID, lifecycle.Action{Kind: lifecycle.Terminate, By: by})
	case m.chance(15):
		m.plan(later, r.ID, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: !r.AutoExtend})
	case r.HoldsGlobalAdministrator() && m.chance(30):
		m.plan(later, r.ID, lifecycle.Action{Kind: lifecycle.RemoveGlobalAdministrator, By: lifecycle.Partner})
	}
}

// pending makes a request that waits; half of them are answered in time.
func (m *portfolioMaker) pending(r *lifecycle.Record) {
	r.Status = lifecycle.ApprovalPending
	r.Locked = m.within(m.start.Add(-60*lifecycle.Day), 60)
	r.Created = r.Locked.Add(-time.Hour)
	switch answer := m.within(m.start, 30); {
	case m.chance(50):
		m.plan(answer, r.ID, lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer})
	case m.chance(20):
		m.plan(answer, r.ID, lifecycle.Action{Kind: lifecycle.Reject, By: lifecycle.Customer})
	}
}

// ended makes a relationship that ended in the last year, so that its name comes free in the next.
func (m *portfolioMaker) ended(r *lifecycle.Record) {
	r.Status = lifecycle.Expired
	if m.chance(40) {
		r.Status = lifecycle.Terminated
	}
	r.End = m.within(m.start.Add(-360*lifecycle.Day), 360)
	r.Activated = r.End.Add(-90 * lifecycle.Day)
	r.Locked, r.Created = r.Activated.Add(-lifecycle.Day), r.Activated.Add(-2*lifecycle.Day)
}

func (m *portfolioMaker) plan(at time.Time, id string, action lifecycle.Action) {
	m.made.actions = append(m.made.actions, plannedAction{at, id, action})
}
