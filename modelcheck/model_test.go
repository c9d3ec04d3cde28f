package modelcheck

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// The model of docs/domain.md. It is meant to be read next to that page and to be too plain to be wrong: one
// record at a time, walked through every sweep and every action of the run in turn. No next-due computation,
// no indexes, no shared code. Section numbers below are those of docs/domain.md.

// ---------------------------------------------------------------------------------------------------------
// Instants and periods
// ---------------------------------------------------------------------------------------------------------

// instant is a moment in microseconds since 1970-01-01T00:00:00Z. Zero stands for "none" (null on the wire).
type instant int64

const (
	none   instant = 0
	micro  instant = 1
	second         = 1_000_000 * micro
	minute         = 60 * second
	hour           = 60 * minute
	day            = 24 * hour // section 1: days are 24 h
)

func (i instant) String() string {
	if i == none {
		return "null"
	}
	return time.UnixMicro(int64(i)).UTC().Format("2006-01-02T15:04:05.999999Z07:00")
}

func (i instant) MarshalJSON() ([]byte, error) {
	if i == none {
		return []byte("null"), nil
	}
	return json.Marshal(i.String())
}

func (i *instant) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*i = none
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	parsed, err := parseInstant(text)
	*i = parsed
	return err
}

// parseInstant reads RFC 3339 and insists on UTC and on nothing finer than microseconds.
func parseInstant(text string) (instant, error) {
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return none, err
	}
	if !strings.HasSuffix(text, "Z") {
		return none, fmt.Errorf("instant %q is not in UTC", text)
	}
	if parsed.Nanosecond()%1000 != 0 {
		return none, fmt.Errorf("instant %q is finer than a microsecond", text)
	}
	return instant(parsed.UnixMicro()), nil
}

// period is an ISO 8601 duration: calendar months (12 for a year), and exact time (days are 24 h).
type period struct {
	months int
	exact  instant
}

// parsePeriod reads PnYnMnWnDTnHnMnS. A bare "P" is zero: that is how Graph clients write PT0S (section 1).
func parsePeriod(text string) (period, error) {
	var p period
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return p, fmt.Errorf("period %q does not start with P", text)
	}
	number, digits, inTime := 0, 0, false
	for _, c := range rest {
		if c >= '0' && c <= '9' {
			number, digits = number*10+int(c-'0'), digits+1
			continue
		}
		if c == 'T' && !inTime && digits == 0 {
			inTime = true
			continue
		}
		if digits == 0 {
			return p, fmt.Errorf("period %q: no number before %q", text, c)
		}
		switch {
		case c == 'Y' && !inTime:
			p.months += 12 * number
		case c == 'M' && !inTime:
			p.months += number
		case c == 'W' && !inTime:
			p.exact += instant(7*number) * day
		case c == 'D' && !inTime:
			p.exact += instant(number) * day
		case c == 'H' && inTime:
			p.exact += instant(number) * hour
		case c == 'M' && inTime:
			p.exact += instant(number) * minute
		case c == 'S' && inTime:
			p.exact += instant(number) * second
		default:
			return p, fmt.Errorf("period %q: unknown unit %q", text, c)
		}
		number, digits = 0, 0
	}
	if digits != 0 {
		return p, fmt.Errorf("period %q ends in a number without a unit", text)
	}
	return p, nil
}

func mustPeriod(text string) period {
	p, err := parsePeriod(text)
	if err != nil {
		panic(err)
	}
	return p
}

func daysInYear(year int) int {
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 366
	}
	return 365
}

func daysInMonth(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		return daysInYear(year) - 337
	default:
		return 31
	}
}

// calendarDay turns a count of days since 1970-01-01 into year, month (1–12) and day (1–31), by walking there.
func calendarDay(days int) (year, month, dayOfMonth int) {
	year, month = 1970, 1
	for days >= daysInYear(year) {
		days -= daysInYear(year)
		year++
	}
	for days >= daysInMonth(year, month) {
		days -= daysInMonth(year, month)
		month++
	}
	return year, month, days + 1
}

// dayCount is the way back.
func dayCount(year, month, dayOfMonth int) int {
	days := dayOfMonth - 1
	for y := 1970; y < year; y++ {
		days += daysInYear(y)
	}
	for m := 1; m < month; m++ {
		days += daysInMonth(year, m)
	}
	return days
}

// add is section 1: months and years are calendar, together and clamped to the last day of the month they
// lead to; then the days, of 24 h each.
func (p period) add(at instant) instant {
	days, timeOfDay := int(at/day), at%day
	year, month, dayOfMonth := calendarDay(days)
	for range p.months {
		month++
		if month == 13 {
			year, month = year+1, 1
		}
	}
	dayOfMonth = min(dayOfMonth, daysInMonth(year, month))
	return instant(dayCount(year, month, dayOfMonth))*day + timeOfDay + p.exact
}

// parseAutoExtend is section 1: off, on, or not accepted.
func parseAutoExtend(text string) (on, accepted bool) {
	p, err := parsePeriod(text)
	switch {
	case err != nil || p.months != 0:
		return false, false
	case p.exact == 0:
		return false, true
	case p.exact == 180*day:
		return true, true
	default:
		return false, false
	}
}

// ---------------------------------------------------------------------------------------------------------
// What goes in
// ---------------------------------------------------------------------------------------------------------

// Statuses (section 1).
const (
	statusCreated              = "created"
	statusApprovalPending      = "approvalPending"
	statusApproved             = "approved"
	statusActivating           = "activating"
	statusActive               = "active"
	statusExpiring             = "expiring"
	statusExpired              = "expired"
	statusTerminationRequested = "terminationRequested"
	statusTerminating          = "terminating"
	statusTerminated           = "terminated"
)

// globalAdministrator's template id (section 1).
const globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"

// Sides of a relationship, and the roles whose holders hear of it (section 4).
const (
	byPartner  = "partner"
	byCustomer = "customer"

	roleAdminAgent          = "adminAgent"
	roleGlobalAdministrator = "globalAdministrator"
)

type tenant struct {
	TenantID    string `json:"tenantId"`
	DisplayName string `json:"displayName,omitempty"`
}

type unifiedRole struct {
	RoleDefinitionID string `json:"roleDefinitionId"`
}

type accessDetails struct {
	UnifiedRoles []unifiedRole `json:"unifiedRoles"`
}

// wireRecord is a relationship on the wire (section 1), with the partner's tenant and lockedDateTime added.
type wireRecord struct {
	Etag                 string        `json:"@odata.etag,omitempty"`
	ID                   string        `json:"id"`
	DisplayName          string        `json:"displayName"`
	Duration             string        `json:"duration"`
	AutoExtendDuration   string        `json:"autoExtendDuration"`
	Status               string        `json:"status"`
	Partner              tenant        `json:"partner"`
	Customer             *tenant       `json:"customer"`
	AccessDetails        accessDetails `json:"accessDetails"`
	CreatedDateTime      instant       `json:"createdDateTime"`
	LockedDateTime       instant       `json:"lockedDateTime"`
	ActivatedDateTime    instant       `json:"activatedDateTime"`
	EndDateTime          instant       `json:"endDateTime"`
	LastModifiedDateTime instant       `json:"lastModifiedDateTime"`
}

type contact struct {
	TenantID          string `json:"tenantId"`
	Role              string `json:"role"`
	Mail              string `json:"mail"`
	DisplayName       string `json:"displayName"`
	PreferredLanguage string `json:"preferredLanguage"`
}

type action struct {
	At                 instant `json:"at"`
	RelationshipID     string  `json:"relationshipId"`
	Action             string  `json:"action"`
	AutoExtendDuration string  `json:"autoExtendDuration,omitempty"`
	By                 string  `json:"by"`
}

// run is the whole input of one simulation. An empty step is the default, PT6H.
type run struct {
	from, until instant
	step        string
	records     []wireRecord
	contacts    []contact
	actions     []action
}

// ---------------------------------------------------------------------------------------------------------
// What comes out
// ---------------------------------------------------------------------------------------------------------

type event struct {
	what       string // the model's own name of the change; not on the wire
	rule       string // one of the five rules of section 3; empty for a person's action
	effective  instant
	recorded   instant
	fromStatus string
	toStatus   string
	end        instant // endDateTime after the change
	reason     string  // only where docs/domain.md names one
	actor      string  // the side that acted; empty for a timer
}

// Statuses of a notice. The model does not tell queued from sent.
const (
	noticeQueued      = "queued"
	noticeSuperseded  = "superseded"
	noticeSuppressed  = "suppressed"
	noticeWithdrawn   = "withdrawn"
	noticeNoRecipient = "noRecipient"
)

type notice struct {
	kind     string
	stage    string // P30D, P7D, P1D; empty for everything but warnings
	end      instant
	due      instant
	recorded instant
	status   string
	reason   string // only where docs/domain.md names one
	tenantID string
	role     string
	mail     string // empty: nobody to tell
	language string
}

// outcome is what became of one relationship.
type outcome struct {
	record  record
	refused []refusal
}

type refusal struct {
	action action
	why    string
}

// ---------------------------------------------------------------------------------------------------------
// Numbers: the defaults of the policy
// ---------------------------------------------------------------------------------------------------------

const (
	pendingLasts = 90 * day
	extension    = 180 * day
	nameHeld     = 365 * day
	staleAfter   = 7 * day
	defaultStep  = "PT6H"
)

// stages of warning, earliest first.
var stages = []struct {
	name   string
	before instant
}{{"P30D", 30 * day}, {"P7D", 7 * day}, {"P1D", 1 * day}}

// ---------------------------------------------------------------------------------------------------------
// One record
// ---------------------------------------------------------------------------------------------------------

type record struct {
	id, displayName   string
	partner, customer string // tenant ids
	duration          period
	autoExtend        bool
	roles             []string
	status            string
	created           instant
	locked            instant
	activated         instant
	end               instant
	ended             instant // when it came to its end; none while it lives
	nameReleased      bool
	certainSince      instant         // section 3, "Warnings, exactly"
	warned            map[string]bool // stages already recorded, by end date and stage
	queuedBySettling  []int           // warnings that the settling under way has queued: places in notices
	addressBook       []contact
	events            []event
	notices           []notice
	lockedIsOurGuess  bool // imported pending without lockedDateTime
	endedIsUnsaid     bool // imported between two states: docs/domain.md does not say what endedDateTime is then
}

// imported is a record as it stands when the run begins. The import is no event and mails nobody.
func imported(in wireRecord, contacts []contact, from instant) record {
	r := record{
		id: in.ID, displayName: in.DisplayName, partner: in.Partner.TenantID,
		duration: mustPeriod(in.Duration), status: in.Status,
		created: in.CreatedDateTime, locked: in.LockedDateTime,
		activated: in.ActivatedDateTime, end: in.EndDateTime,
		certainSince: from, // section 3: "or the import of the record"
		warned:       map[string]bool{}, addressBook: contacts,
	}
	if in.Customer != nil {
		r.customer = in.Customer.TenantID
	}
	for _, role := range in.AccessDetails.UnifiedRoles {
		r.roles = append(r.roles, role.RoleDefinitionID)
	}
	on, accepted := parseAutoExtend(in.AutoExtendDuration)
	if !accepted {
		panic("model: bad autoExtendDuration " + in.AutoExtendDuration)
	}
	r.autoExtend = on
	switch in.Status {
	case statusApprovalPending:
		if r.locked == none {
			// Graph does not send the moment of locking. Section 2: "from here the content is frozen", so the
			// last change to a pending record is its locking.
			r.locked, r.lockedIsOurGuess = in.LastModifiedDateTime, true
		}
	case statusExpired, statusTerminated:
		r.ended = in.EndDateTime // section 1: ended: the instant it did
	case statusApproved, statusActivating, statusExpiring, statusTerminationRequested, statusTerminating:
		r.endedIsUnsaid = true // section 3 has no timer for these: nothing happens to them
	}
	return r
}

func (r *record) holdsGlobalAdministrator() bool {
	return slices.Contains(r.roles, globalAdministrator)
}

// extends: section 2, "a relationship that holds Global Administrator is never extended, whatever its flag says".
func (r *record) extends() bool { return r.autoExtend && !r.holdsGlobalAdministrator() }

// settle fires every timer of section 3 that is due by now ("due when due <= now"), in the order they fell due.
func (r *record) settle(now instant) {
	r.queuedBySettling = nil
	for r.settleOne(now) {
	}
	r.warn(now)
}

func (r *record) settleOne(now instant) bool {
	switch {
	case r.status == statusApprovalPending && r.locked+pendingLasts <= now: // expire-pending
		due := r.locked + pendingLasts
		r.end, r.ended = due, due // section 1: of a lapsed request: the instant it lapsed
		r.change(event{
			what: "expire-pending", rule: "expire-pending", effective: due, recorded: now,
			toStatus: statusExpired, reason: "requestLapsed",
		})
		r.tellOfChange("request-lapsed", due, now, r.partnerSide())
		return true

	case r.status == statusActive && r.end <= now && r.extends(): // auto-extend
		due := r.end
		r.end = due + extension // section 2: from the old end, not from now
		r.certainSince = max(r.certainSince, due)
		r.change(event{what: "auto-extend", rule: "auto-extend", effective: due, recorded: now, toStatus: statusActive})
		return true // section 4: extended: nobody by default

	case r.status == statusActive && r.end <= now: // end-term
		due := r.end
		r.ended = due
		r.change(event{
			what: "end-term", rule: "end-term", effective: due, recorded: now,
			toStatus: statusExpired, reason: "termEnded",
		})
		r.tellOfChange("term-ended", due, now, r.partnerSide(), r.customerSide())
		return true

	case r.hasEnded() && !r.nameReleased && r.ended+nameHeld <= now: // release-name
		r.nameReleased = true
		r.change(event{
			what: "release-name", rule: "release-name", effective: r.ended + nameHeld, recorded: now,
			toStatus: r.status,
		})
		return true
	}
	return false
}

func (r *record) hasEnded() bool { return r.status == statusExpired || r.status == statusTerminated }

// warn is section 3, "Warnings, exactly". Whatever has come to its end was settled before.
func (r *record) warn(now instant) {
	if r.status != statusActive || r.extends() {
		return // not really going to end
	}
	var due []int
	for i, stage := range stages {
		moment := r.end - stage.before
		exists := moment > r.certainSince
		if exists && moment <= now && !r.warned[r.end.String()+stage.name] {
			due = append(due, i)
		}
	}
	for _, i := range due {
		status := noticeSuperseded
		if i == due[len(due)-1] { // "only the latest is sent"
			status = noticeQueued
		}
		first := len(r.notices)
		r.tell(notice{
			kind: "warn-expiry", stage: stages[i].name, end: r.end,
			due: r.end - stages[i].before, recorded: now, status: status,
		}, r.partnerSide(), r.customerSide())
		r.warned[r.end.String()+stages[i].name] = true
		for n := first; n < len(r.notices); n++ {
			r.queuedBySettling = append(r.queuedBySettling, n)
		}
	}
}

// change records one event and moves the record.
func (r *record) change(e event) {
	e.fromStatus, e.end = r.status, r.end
	r.status = e.toStatus
	r.events = append(r.events, e)
}

// side is who hears of something in one tenant (section 4).
type side struct{ tenantID, role string }

func (r *record) partnerSide() side  { return side{r.partner, roleAdminAgent} }
func (r *record) customerSide() side { return side{r.customer, roleGlobalAdministrator} }

// tellOfChange is section 3, "Old news": more than seven days late is kept, not sent.
func (r *record) tellOfChange(kind string, due, recorded instant, sides ...side) {
	n := notice{kind: kind, end: r.end, due: due, recorded: recorded, status: noticeQueued}
	if recorded-due > staleAfter {
		n.status, n.reason = noticeSuppressed, "stale"
	}
	r.tell(n, sides...)
}

// tell makes a row for each person, or one row for a side that has nobody.
func (r *record) tell(n notice, sides ...side) {
	for _, s := range sides {
		n.tenantID, n.role = s.tenantID, s.role
		somebody := false
		for _, c := range r.addressBook {
			if c.TenantID != s.tenantID || c.Role != s.role {
				continue
			}
			somebody = true
			row := n
			row.mail, row.language = c.Mail, c.PreferredLanguage
			r.notices = append(r.notices, row)
		}
		if !somebody {
			row := n
			if row.status == noticeQueued {
				row.status = noticeNoRecipient
			}
			r.notices = append(r.notices, row)
		}
	}
}

// withdrawWarnings: the action has made untrue what the settling just before it has queued.
func (r *record) withdrawWarnings() {
	for _, n := range r.queuedBySettling {
		if r.notices[n].status == noticeQueued {
			r.notices[n].status = noticeWithdrawn
		}
	}
}

// act does what a person asks (section 2) to a record that has been settled, or says why not.
func (r *record) act(a action) (refused string) {
	person := func(what, toStatus, reason string) {
		r.change(event{
			what: what, effective: a.At, recorded: a.At, toStatus: toStatus, reason: reason, actor: a.By,
		})
	}
	switch a.Action {
	case "lockForApproval":
		if r.status != statusCreated {
			return "lock: status is not created"
		}
		if a.By != byPartner {
			return "lock: only the partner"
		}
		r.locked = a.At
		person("lock", statusApprovalPending, "")

	case "approve":
		if r.status != statusApprovalPending {
			return "approve: status is not approvalPending"
		}
		if a.By != byCustomer {
			return "approve: only the customer"
		}
		r.activated, r.end = a.At, r.duration.add(a.At)
		r.certainSince = max(r.certainSince, a.At)
		person("approve", statusActive, "")
		r.tellOfChange("approved", a.At, a.At, r.partnerSide(), r.customerSide())

	case "reject":
		if r.status != statusApprovalPending {
			return "reject: status is not approvalPending"
		}
		if a.By != byCustomer {
			return "reject: only the customer"
		}
		r.end, r.ended = a.At, a.At
		person("reject", statusTerminated, "rejected")
		r.tellOfChange("terminated", a.At, a.At, r.partnerSide())

	case "terminate":
		if r.status != statusActive {
			return "terminate: status is not active"
		}
		r.end, r.ended = a.At, a.At // section 2: terminated takes endDateTime from that moment
		r.withdrawWarnings()
		person("terminate", statusTerminated, "")
		r.tellOfChange("terminated", a.At, a.At, r.partnerSide(), r.customerSide())

	case "setAutoExtend":
		on, accepted := parseAutoExtend(a.AutoExtendDuration)
		switch {
		case !accepted:
			return "autoExtend: value is neither off nor 180 days"
		case r.status == statusCreated && a.By != byPartner:
			return "autoExtend: only the partner while created"
		case r.status != statusCreated && r.status != statusActive:
			return "autoExtend: status is neither created nor active"
		case r.status == statusActive && r.holdsGlobalAdministrator(): // section 2: of a draft any field may be changed
			return "autoExtend: holds Global Administrator"
		case on == r.autoExtend:
			return "" // accepted; nothing changes, so no event, and no switching-off either
		}
		r.autoExtend = on
		if on {
			r.withdrawWarnings()
			person("autoExtend on", r.status, "")
		} else {
			r.certainSince = max(r.certainSince, a.At)
			person("autoExtend off", r.status, "")
		}

	case "removeGlobalAdministrator":
		switch {
		case r.status != statusCreated && r.status != statusActive:
			return "removeGlobalAdministrator: status is neither created nor active"
		case a.By != byPartner:
			return "removeGlobalAdministrator: only the partner"
		case !r.holdsGlobalAdministrator():
			return "removeGlobalAdministrator: not held"
		}
		r.roles = slices.DeleteFunc(slices.Clone(r.roles), func(id string) bool { return id == globalAdministrator })
		if r.autoExtend {
			r.withdrawWarnings()
		}
		person("removeGlobalAdministrator", r.status, "")

	default:
		return "no such action"
	}
	return ""
}

// copied is a copy that shares nothing changeable with the original.
func (r *record) copied() record {
	c := *r
	c.roles, c.events, c.notices = slices.Clone(r.roles), slices.Clone(r.events), slices.Clone(r.notices)
	c.warned = map[string]bool{}
	for k, v := range r.warned {
		c.warned[k] = v
	}
	return c
}

// ---------------------------------------------------------------------------------------------------------
// One run
// ---------------------------------------------------------------------------------------------------------

// sweeps are the instants of the run's sweeps: from, from+step, …, and once more at until.
func (in run) sweeps() []instant {
	step := mustPeriod(in.step + map[bool]string{true: defaultStep}[in.step == ""])
	var all []instant
	for at := in.from; at < in.until; at = step.add(at) {
		all = append(all, at)
	}
	return append(all, in.until)
}

// simulate walks every record through the run. Outcomes are by relationship id; an id that only actions know
// has an outcome of refusals alone.
func simulate(in run) map[string]outcome {
	outcomes := map[string]outcome{}
	todo := map[string][]action{}
	refuse := func(a action, why string) {
		o := outcomes[a.RelationshipID]
		o.refused = append(o.refused, refusal{a, why})
		outcomes[a.RelationshipID] = o
	}

	known := map[string]bool{}
	for _, r := range in.records {
		known[r.ID] = true
	}
	inOrder := slices.Clone(in.actions)
	sort.SliceStable(inOrder, func(i, j int) bool { return inOrder[i].At < inOrder[j].At })
	for _, a := range inOrder {
		switch {
		case !known[a.RelationshipID]:
			refuse(a, "no such relationship")
		case a.At < in.from || a.At > in.until:
			refuse(a, "outside the run")
		default:
			todo[a.RelationshipID] = append(todo[a.RelationshipID], a)
		}
	}

	sweeps := in.sweeps()
	for _, wire := range in.records {
		r := imported(wire, in.contacts, in.from)
		waiting := todo[wire.ID]
		for _, now := range sweeps {
			for len(waiting) > 0 && waiting[0].At <= now { // at the very instant of a sweep: before it
				a := waiting[0]
				waiting = waiting[1:]
				// Section 3, "Actions meet the record as it is": settle and act are one transaction. A refused
				// action changes nothing, not even the settling.
				after := r.copied()
				after.settle(a.At)
				if why := after.act(a); why != "" {
					refuse(a, why)
					continue
				}
				r = after
			}
			r.settle(now)
		}
		o := outcomes[wire.ID]
		o.record = r
		outcomes[wire.ID] = o
	}
	return outcomes
}
