package modelcheck

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The generator: one seed, one run. It aims: due instants are placed exactly on, one microsecond before and
// one microsecond after the sweeps and the actions of the run, because that is where an implementation errs.

// recordsPerRun is how many relationships one run has.
const recordsPerRun = 240

// Choices that docs/domain.md leaves open and that can be taken out of the runs here, should the command
// settle them otherwise.
const (
	// withTransitionalStatuses imports some records as approved, activating, expiring, terminationRequested
	// or terminating. Section 3 has no timer for them, so nothing happens to them.
	withTransitionalStatuses = true
	// withUnsortedActions writes the actions of some runs in no order of time.
	withUnsortedActions = true
)

// generated is a run with what belongs to it.
type generated struct {
	run
	seed   uint64
	shape  string
	format string // of the relationships: list, ndjson or array
}

// shape is how the run's sweeps lie in time.
type shape struct {
	name string
	step string
	span func(g *generator) instant
}

var shapes = []shape{
	{"every hour over weeks", "PT1H", func(g *generator) instant { return g.between(20*day, 45*day) / hour * hour }},
	{"every day over years", "P1D", func(g *generator) instant { return g.between(730*day, 1095*day) / day * day }},
	{"one gap of 500 days", "P500D", func(*generator) instant { return 500 * day }},
	{"the default step", "", func(g *generator) instant { return g.between(40*day, 80*day) / day * day }},
	{"every 17 hours, off the grid at the end", "PT17H", func(g *generator) instant { return g.between(150*day, 300*day) }},
	{"every 37 days, off the grid at the end", "P37D", func(g *generator) instant { return g.between(700*day, 1200*day) }},
	{"a step longer than the run", "P1000D", func(g *generator) instant { return g.between(1*day, 800*day) }},
	{"every week and a bit", "P1W1DT5H30M", func(g *generator) instant { return g.between(300*day, 800*day) }},
}

// Periods of relationships; all between P1D and P2Y (section 1).
var (
	shortDurations = []string{"P1D", "P2D", "P7D", "P1W", "P8D", "P30D", "P31D", "P1M"}
	longDurations  = []string{
		"P90D", "P3M", "P180D", "P25W5D", "P6M", "P11M30D", "P365D", "P1Y", "P1Y1M", "P1Y6M", "P400D",
		"P730D", "P104W2D", "P2Y", "P24M",
	}
	calendarDurations = []string{"P1M", "P3M", "P6M", "P1Y", "P1Y1M", "P1Y6M", "P2Y", "P24M"}

	offPeriods = []string{"PT0S", "P0D", "P"}
	onPeriods  = []string{"P180D", "P25W5D"}
	badPeriods = []string{"P90D", "P181D", "P360D", "P1Y"}
)

var ordinaryRoles = []string{
	"729827e3-9c14-49f7-bb1b-9608f156bbb8", "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
	"fe930be7-5e62-47db-91af-98c3a49a38b1", "29232cdf-9323-42fd-ade2-1d097af3e4de",
}

type generator struct {
	*rand.Rand
	out       generated
	grid      []instant // the sweeps
	partners  []string
	customers []string
}

func generate(seed uint64) generated {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x7e0e7e))}
	s := shapes[seed%uint64(len(shapes))]
	g.out.seed, g.out.shape, g.out.step = seed, s.name, s.step
	g.out.format = []string{"list", "ndjson", "array"}[seed/2%3]
	g.out.from = g.start()
	g.out.until = g.out.from + s.span(g)
	g.grid = g.out.sweeps()

	g.people()
	for n := range recordsPerRun {
		g.relationship(n)
	}
	for range 4 {
		g.do(g.id(), g.near(), pick(g, "lockForApproval", "terminate"), byPartner) // nobody's id
	}
	slices.SortStableFunc(g.out.actions, func(a, b action) int { return int(a.At - b.At) })
	if withUnsortedActions && g.chance(25) {
		// Those of one instant keep their order among themselves: it is the order that counts.
		g.shuffleKeepingTies()
	}
	return g.out
}

func (g *generator) shuffleKeepingTies() {
	var groups [][]action
	for _, a := range g.out.actions {
		if n := len(groups); n > 0 && groups[n-1][0].At == a.At {
			groups[n-1] = append(groups[n-1], a)
		} else {
			groups = append(groups, []action{a})
		}
	}
	g.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	g.out.actions = slices.Concat(groups...)
}

// chance is true in so many cases of a hundred.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) between(low, high instant) instant {
	return low + instant(g.Int64N(int64(high-low)+1))
}

// start is any moment of four years, and often one where the calendar is awkward.
func (g *generator) start() instant {
	at := func(year int, month time.Month, dayOfMonth int) instant {
		return instant(time.Date(year, month, dayOfMonth, 0, 0, 0, 0, time.UTC).UnixMicro())
	}
	first := pick(g,
		at(2024, 2, 29), at(2024, 2, 28), at(2023, 12, 31), at(2025, 1, 31), at(2026, 8, 31), at(2027, 11, 30),
		at(2024, 1, 1)+instant(g.IntN(1400))*day, at(2024, 1, 1)+instant(g.IntN(1400))*day)
	switch g.IntN(3) {
	case 0:
		return first
	case 1:
		return first + instant(g.IntN(24))*hour
	default:
		return first + g.between(0, day-1)
	}
}

func (g *generator) id() string {
	guid := func() string {
		a, b := g.Uint64(), g.Uint64()
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0xfff, b&0xffffffffffff)
	}
	return guid() + "-" + guid()
}

// people are a few partners and some customers. Some have nobody to tell, and all have somebody who must not
// be told.
func (g *generator) people() {
	staff := func(tenantID, role string, n int) {
		for i := range n {
			number := len(g.out.contacts)
			g.out.contacts = append(g.out.contacts, contact{
				TenantID: tenantID, Role: role, Mail: fmt.Sprintf("person%d.%d@example.com", number, i),
				DisplayName: fmt.Sprintf("Person %d", number), PreferredLanguage: pick(g, "en", "ja"),
			})
		}
	}
	for n := range 4 {
		id := g.id()[:36]
		g.partners = append(g.partners, id)
		staff(id, roleAdminAgent, []int{2, 1, 0, 3}[n])
		staff(id, roleGlobalAdministrator, 1)
	}
	for n := range 30 {
		id := g.id()[:36]
		g.customers = append(g.customers, id)
		staff(id, roleGlobalAdministrator, []int{1, 2, 0, 1, 3}[n%5])
		staff(id, roleAdminAgent, n%2)
	}
	g.Shuffle(len(g.out.contacts), func(i, j int) {
		g.out.contacts[i], g.out.contacts[j] = g.out.contacts[j], g.out.contacts[i]
	})
}

// near is a moment of the run, most often one that matters: a sweep, an end of the run, an action already
// planned; or one microsecond off.
func (g *generator) near() instant {
	var at instant
	switch n := g.IntN(100); {
	case n < 40:
		at = pick(g, g.grid...)
	case n < 50:
		at = g.out.from
	case n < 60:
		at = g.out.until
	case n < 70 && len(g.out.actions) > 0:
		at = pick(g, g.out.actions...).At
	default:
		at = g.between(g.out.from, g.out.until)
	}
	return at + g.nudge()
}

// nudge is nothing, a microsecond to either side, or a little.
func (g *generator) nudge() instant {
	switch n := g.IntN(100); {
	case n < 40:
		return 0
	case n < 60:
		return -micro
	case n < 80:
		return micro
	default:
		return g.between(-2*day, 2*day)
	}
}

func (g *generator) duration() string {
	short := 30
	if g.out.until-g.out.from < 100*day {
		short = 80
	}
	if g.chance(short) {
		return pick(g, shortDurations...)
	}
	return pick(g, longDurations...)
}

func (g *generator) relationship(n int) {
	r := wireRecord{
		Etag: fmt.Sprintf("W/\"%d\"", n+1), ID: g.id(),
		DisplayName: fmt.Sprintf("%s %d", pick(g, "Contoso helpdesk", "Fabrikam tier 2", "株式会社コントソ", "Größe"), n),
		Duration:    g.duration(), AutoExtendDuration: pick(g, offPeriods...),
		Partner:  tenant{TenantID: pick(g, g.partners...)},
		Customer: &tenant{TenantID: pick(g, g.customers...), DisplayName: "Customer"},
	}
	if g.chance(45) {
		r.AutoExtendDuration = pick(g, onPeriods...)
	}
	r.AccessDetails.UnifiedRoles = []unifiedRole{{pick(g, ordinaryRoles...)}}
	if g.chance(25) {
		r.AccessDetails.UnifiedRoles = append(r.AccessDetails.UnifiedRoles, unifiedRole{globalAdministrator})
	}

	switch n := g.IntN(100); {
	case n < 46:
		g.active(&r)
	case n < 62:
		g.pending(&r)
	case n < 79:
		g.created(&r)
	case n < 94:
		g.ended(&r)
	case withTransitionalStatuses:
		g.transitional(&r)
	default:
		g.active(&r)
	}
	g.out.records = append(g.out.records, r)
}

// earlier is a moment before at, and now and then that moment itself.
func (g *generator) earlier(at, most instant) instant {
	if g.chance(10) {
		return at
	}
	return at - g.between(0, most)
}

func (g *generator) active(r *wireRecord) {
	from := g.out.from
	r.Status = statusActive
	switch n := g.IntN(100); {
	case n < 25:
		// From the calendar: activated on an awkward day, ends where the duration says, perhaps long ago.
		r.ActivatedDateTime = g.earlier(from, 760*day)
		if g.chance(40) {
			year, month, _ := calendarDay(int(r.ActivatedDateTime / day))
			last := instant(dayCount(year, month, daysInMonth(year, month))) * day
			if last <= from {
				r.ActivatedDateTime = last
			}
		}
		r.EndDateTime = mustPeriod(r.Duration).add(r.ActivatedDateTime)
	default:
		// From a moment of the run back or forth to an end that makes something due at that moment.
		aim := pick(g, 0, 0, 0, 30*day, 7*day, day, -180*day, -360*day, -365*day, -staleAfter)
		r.EndDateTime = min(g.near()+aim, from+729*day)
		days := 1
		if left := r.EndDateTime - from; left > 0 {
			days = int((left + day - 1) / day) // at least so long, for it is active already
		}
		if days < 730 {
			days += g.IntN(730 - days)
		}
		days = min(days, 730)
		r.Duration = fmt.Sprintf("P%dD", days)
		if g.chance(30) {
			r.Duration = fmt.Sprintf("P%dW%dD", days/7, days%7)
		}
		r.ActivatedDateTime = r.EndDateTime - instant(days)*day
	}
	r.CreatedDateTime = g.earlier(r.ActivatedDateTime, 40*day)
	r.LastModifiedDateTime = r.ActivatedDateTime
	if g.chance(50) {
		r.LockedDateTime = g.earlier(r.ActivatedDateTime, r.ActivatedDateTime-r.CreatedDateTime)
	}
	if left := r.EndDateTime - from; left > 0 && left < 400*day && g.chance(10) {
		g.warnedTwice(r)
		return
	}
	if g.chance(60) {
		g.actionsOnActive(*r, r.EndDateTime)
	}
}

// warnedTwice lets it be warned for one end, extended after all, and warned for the next.
func (g *generator) warnedTwice(r *wireRecord) {
	r.AutoExtendDuration = pick(g, offPeriods...)
	r.AccessDetails.UnifiedRoles = r.AccessDetails.UnifiedRoles[:1]
	set := func(at instant, value string) {
		g.out.actions = append(g.out.actions, action{
			At: max(at, g.out.from), RelationshipID: r.ID, Action: "setAutoExtend", AutoExtendDuration: value,
			By: pick(g, byPartner, byCustomer),
		})
	}
	set(r.EndDateTime-pick(g, 20*day, 3*day, hour), pick(g, onPeriods...))
	set(r.EndDateTime+pick(g, 0, hour, 100*day, 155*day), pick(g, offPeriods...))
}

func (g *generator) pending(r *wireRecord) {
	r.Status = statusApprovalPending
	locked := g.near() - pendingLasts - pick(g, 0, 0, 0, staleAfter)
	if locked > g.out.from {
		locked = g.earlier(g.out.from, 100*day)
	}
	r.CreatedDateTime = locked - g.between(1, 50*day)
	r.LastModifiedDateTime = locked
	if g.chance(60) {
		r.LockedDateTime = locked
	}
	g.perhapsNoCustomer(r)
	if g.chance(60) {
		g.actionsOnPending(*r, locked)
	}
}

// perhapsNoCustomer: the customer is optional until somebody approves (section 1).
func (g *generator) perhapsNoCustomer(r *wireRecord) {
	if g.chance(10) {
		r.Customer = nil
	}
}

// awkwardDay is a moment of a month's last day in the run, if there is one in the ninety days after that instant.
func (g *generator) awkwardDay(after instant) (at instant, ok bool) {
	year, month, _ := calendarDay(int(after / day))
	for range g.IntN(4) {
		if month++; month == 13 {
			year, month = year+1, 1
		}
	}
	at = instant(dayCount(year, month, daysInMonth(year, month)))*day + g.between(0, day-1)
	return at, at > after && at < after+pendingLasts && at <= g.out.until
}

func (g *generator) created(r *wireRecord) {
	r.Status = statusCreated
	if g.chance(35) {
		// Straight to a calendar duration from a day that not every month has.
		if at, ok := g.awkwardDay(g.out.from); ok {
			r.Duration = pick(g, calendarDurations...)
			r.CreatedDateTime = g.earlier(g.out.from, 200*day)
			r.LastModifiedDateTime = r.CreatedDateTime
			g.do(r.ID, at-g.between(0, at-g.out.from), "lockForApproval", byPartner)
			g.do(r.ID, at, "approve", byCustomer)
			return
		}
	}
	r.CreatedDateTime = g.earlier(g.out.from, 200*day)
	r.LastModifiedDateTime = g.earlier(g.out.from, g.out.from-r.CreatedDateTime)
	g.perhapsNoCustomer(r)
	if g.chance(15) {
		return
	}
	locked := g.near()
	if g.chance(60) {
		locked = g.out.from + (locked-g.out.from)/3 // leave time for what comes after
	}
	if g.chance(25) {
		g.do(r.ID, locked, "removeGlobalAdministrator", g.mostly(byPartner))
	}
	if g.chance(30) {
		g.setAutoExtend(r.ID, locked+pick(g, 0, -micro, -day), g.mostly(byPartner))
	}
	g.do(r.ID, locked, "lockForApproval", g.mostly(byPartner))
	if g.chance(80) {
		g.actionsOnPending(*r, locked)
	}
}

func (g *generator) ended(r *wireRecord) {
	from := g.out.from
	ended := g.near() - nameHeld
	if ended > from {
		ended = g.earlier(from, 400*day)
	}
	r.EndDateTime, r.LastModifiedDateTime = ended, ended
	r.Status = pick(g, statusExpired, statusExpired, statusTerminated)
	if g.chance(75) {
		r.ActivatedDateTime = ended - g.between(1, 700*day)
		r.CreatedDateTime = r.ActivatedDateTime - g.between(0, 20*day)
		if g.chance(50) {
			r.LockedDateTime = r.CreatedDateTime
		}
	} else { // it lapsed or was rejected
		r.LockedDateTime = ended - 90*day
		r.CreatedDateTime = r.LockedDateTime - g.between(0, 20*day)
	}
	if g.chance(30) {
		what := pick(g, "terminate", "approve", "reject", "lockForApproval", "removeGlobalAdministrator")
		g.do(r.ID, pick(g, g.near(), ended+nameHeld+pick(g, 0, -micro, micro)), what, pick(g, byPartner, byCustomer))
	}
}

func (g *generator) transitional(r *wireRecord) {
	from := g.out.from
	r.Status = pick(g, statusApproved, statusActivating, statusExpiring, statusTerminationRequested, statusTerminating)
	r.CreatedDateTime = from - g.between(100*day, 200*day)
	r.LockedDateTime = r.CreatedDateTime + day
	r.LastModifiedDateTime = from - g.between(0, 3*day)
	switch r.Status {
	case statusExpiring:
		r.ActivatedDateTime, r.EndDateTime = from-95*day, r.LastModifiedDateTime
	case statusTerminationRequested, statusTerminating:
		r.ActivatedDateTime, r.EndDateTime = from-95*day, from+g.between(0, 100*day)
	}
	if g.chance(30) {
		g.do(r.ID, g.near(), pick(g, "terminate", "approve", "reject"), pick(g, byPartner, byCustomer))
	}
}

// do plans an action.
func (g *generator) do(id string, at instant, what, by string) {
	g.out.actions = append(g.out.actions, action{At: at, RelationshipID: id, Action: what, By: by})
}

func (g *generator) setAutoExtend(id string, at instant, by string) {
	value := pick(g, pick(g, offPeriods...), pick(g, onPeriods...))
	if g.chance(6) {
		value = pick(g, badPeriods...)
	}
	g.out.actions = append(g.out.actions, action{
		At: at, RelationshipID: id, Action: "setAutoExtend", AutoExtendDuration: value, By: by,
	})
}

// mostly is that side, and at times the other.
func (g *generator) mostly(side string) string {
	if g.chance(12) {
		return map[string]string{byPartner: byCustomer, byCustomer: byPartner}[side]
	}
	return side
}

// actionsOnPending approves, rejects or does what one may not, around the ninety days.
func (g *generator) actionsOnPending(r wireRecord, locked instant) {
	lapses := locked + pendingLasts
	at := pick(g, locked, locked+micro, lapses-micro, lapses, lapses+micro, g.near(), g.near(),
		max(locked, g.out.from)+g.between(0, 20*day), max(locked, g.out.from)+g.between(0, 20*day))
	at = max(at, g.out.from-micro)
	if g.chance(15) {
		g.do(r.ID, at, pick(g, "terminate", "lockForApproval", "removeGlobalAdministrator"), byPartner)
	}
	if g.chance(8) {
		g.setAutoExtend(r.ID, at, byPartner)
	}
	if r.Customer == nil {
		return // who approves it becomes its customer: a run cannot say who
	}
	if g.chance(20) {
		g.do(r.ID, at, "reject", g.mostly(byCustomer))
	}
	if g.chance(75) {
		g.do(r.ID, at, "approve", g.mostly(byCustomer))
		if g.chance(50) {
			g.actionsOnActive(r, mustPeriod(r.Duration).add(at))
		}
	}
}

// actionsOnActive does one to four things to a record that may end at that instant.
func (g *generator) actionsOnActive(r wireRecord, end instant) {
	at := none
	for range 1 + g.IntN(4) {
		if at == none || !g.chance(25) { // else again at the same instant
			at = pick(g, end, end, end-micro, end+micro,
				end-30*day, end-7*day, end-day, end-10*day, end-7*day+g.between(0, 6*day),
				end-pick(g, 30*day, 7*day, day)+pick(g, -micro, micro),
				end+180*day, end+180*day-micro,
				g.near(), g.near(), g.near(), g.near())
			if (at < g.out.from || at > g.out.until) && !g.chance(5) { // else it is refused for that
				at = g.near()
			}
		}
		by := pick(g, byPartner, byCustomer)
		switching := 55 // of a hundred; while Global Administrator is held the flag may not be touched
		if slices.Contains(r.AccessDetails.UnifiedRoles, unifiedRole{globalAdministrator}) {
			switching = 20
		}
		switch n := g.IntN(100); {
		case n < switching:
			g.setAutoExtend(r.ID, at, by)
		case n < 70:
			g.do(r.ID, at, "removeGlobalAdministrator", g.mostly(byPartner))
		case n < 95:
			g.do(r.ID, at, "terminate", by)
		default:
			g.do(r.ID, at, pick(g, "lockForApproval", "approve", "reject"), by)
		}
	}
}

// describe is one line about the run.
func (s generated) describe() string {
	step := s.step
	if step == "" {
		step = defaultStep + " (default)"
	}
	return strings.Join([]string{
		fmt.Sprintf("seed %d", s.seed), s.shape, "from " + s.from.String(), "until " + s.until.String(), "step " + step,
		fmt.Sprintf("%d relationships, %d actions", len(s.records), len(s.actions)),
	}, ", ")
}
