package lifecycle

import "time"

// A NoticeKind says what a notice is about.
type NoticeKind string

// The kinds. Source: docs/domain.md, section 4.
const (
	KindWarnExpiry    NoticeKind = "warn-expiry"
	KindTermEnded     NoticeKind = "term-ended"
	KindRequestLapsed NoticeKind = "request-lapsed"
	KindTerminated    NoticeKind = "terminated"
	KindApproved      NoticeKind = "approved"
	KindExtended      NoticeKind = "extended"
)

// KindDigest is the kind of a letter that tells one person of many notices. No rule calls for one.
const KindDigest NoticeKind = "digest"

// NoticeKinds lists what there is to tell; a digest is not among it.
var NoticeKinds = []NoticeKind{KindWarnExpiry, KindTermEnded, KindRequestLapsed, KindTerminated, KindApproved, KindExtended}

// A NoticeStatus is how far a notice has come.
type NoticeStatus string

// The statuses of a notice. All but queued, waiting and failed are final, until an operator says otherwise ([NoticeAction]).
const (
	NoticeQueued      NoticeStatus = "queued"      // to be sent
	NoticeWaiting     NoticeStatus = "waiting"     // for the recipient's next digest
	NoticeDigested    NoticeStatus = "digested"    // told in a digest, whose fate it shares
	NoticeSent        NoticeStatus = "sent"        // a channel has accepted it
	NoticeSuperseded  NoticeStatus = "superseded"  // a later stage of the same warning was sent instead
	NoticeSuppressed  NoticeStatus = "suppressed"  // kept back, e.g. because it is old news
	NoticeWithdrawn   NoticeStatus = "withdrawn"   // no longer true when it was about to be sent
	NoticeNoRecipient NoticeStatus = "noRecipient" // there was nobody to tell
	NoticeFailed      NoticeStatus = "failed"      // an attempt failed, another will follow
	NoticeDead        NoticeStatus = "dead"        // given up
)

// NoticeStatuses lists them all.
var NoticeStatuses = []NoticeStatus{NoticeQueued, NoticeWaiting, NoticeDigested, NoticeSent, NoticeSuperseded, NoticeSuppressed, NoticeWithdrawn,
	NoticeNoRecipient, NoticeFailed, NoticeDead}

// Final says whether nothing more happens to a notice of this status by itself.
func (s NoticeStatus) Final() bool {
	return s != NoticeQueued && s != NoticeWaiting && s != NoticeFailed
}

// Why a notice is left unsaid, or is told later.
const (
	LaterStageDue Reason = "laterStageDue" // of several warnings due at once only the latest is sent
	Stale         Reason = "stale"         // old news: it fell due too long before it was recorded
	NobodyToTell  Reason = "nobodyToTell"
	EndMoved      Reason = "endMoved"     // the record no longer ends on the date that the warning names
	EndPassed     Reason = "endPassed"    // the end that the warning names has come
	NotRouted     Reason = "notRouted"    // the policy's routes lead nowhere
	ForDigest     Reason = "forDigest"    // the recipient wants digests
	TooManyToday  Reason = "tooManyToday" // the recipient has had as many letters as the policy allows in a day
	ByOperator    Reason = "byOperator"   // the note says why
)

// A Role is a directory role whose holders are told of things.
type Role string

// Who is told: the partner's Admin agents, the customer's Global administrators.
const (
	AdminAgents          Role = "adminAgent"
	GlobalAdministrators Role = "globalAdministrator"
)

// Known says whether r is one of the two roles that are told.
func (r Role) Known() bool { return r == AdminAgents || r == GlobalAdministrators }

// A Side is one of the two sides of a relationship.
type Side string

// The sides.
const (
	PartnerSide  Side = "partner"
	CustomerSide Side = "customer"
)

// Side is the side on which the role is held.
func (r Role) Side() Side {
	if r == GlobalAdministrators {
		return CustomerSide
	}
	return PartnerSide
}

// An Audience is everybody who holds a role in a tenant. The tenant may be unknown: a request without a customer.
type Audience struct {
	TenantID string
	Role     Role
}

// A Headcount is how many people there are in audiences: by role, and then by tenant, which is found several times as fast as by both
// at once.
type Headcount map[Role]map[string]int64

// Of is how many there are in an audience, and whether that is known.
func (h Headcount) Of(a Audience) (people int64, known bool) {
	people, known = h[a.Role][a.TenantID]
	return people, known
}

// Put says how many there are in an audience.
func (h Headcount) Put(a Audience, people int64) {
	of := h[a.Role]
	if of == nil {
		of = map[string]int64{}
		h[a.Role] = of
	}
	of[a.TenantID] = people
}

// A Contact is a person who holds a role in a tenant, and how to reach them.
type Contact struct {
	TenantID    string
	Role        Role
	Mail        string
	DisplayName string
	Language    string // BCP 47, e.g. "ja" or "en-GB"; empty: not known
	TimeZone    string // of the IANA database, e.g. "Asia/Tokyo"; empty: not known
	Digest      Digest // how often; empty: each notice in a letter of its own
}

// MostContacts is how many people may hold one role in one tenant, as far as they are told of things. A longer list is a
// mistake, such as a directory's whole membership.
const MostContacts = 1000

// An Addressee is where a notice goes: to each person of an audience, or to an endpoint that is told on the audience's behalf.
type Addressee struct {
	Audience
	Channel  string // on which it leaves, by the name that the deployment gives it
	Endpoint bool   // the channel itself is told, once, and no person
	Muted    bool   // nobody is told: the policy's routes lead nowhere
}

// A Notice is something to tell to its addressees. Who is in an audience in person is taken from the directory in the
// transaction that writes the notice.
type Notice struct {
	Version int64 // of the record, after the step that the notice tells of
	Kind    NoticeKind
	Stage   Period    // of a warning: how long before the end
	End     time.Time // the record's End as the notice tells it
	Due     time.Time // when there was something to tell
	To      []Addressee
	Status  NoticeStatus
	Reason  Reason

	DailyAt, WeeklyAt time.Time // when those are told who want digests; the zero time: at once
}

// Outdated says what becomes of a notice that is about to be sent at now, r being the record as it is, and why: a warning is
// withdrawn once the end that it names has come, or is no longer when the relationship ends, and superseded once a later stage
// was settled. The empty status means that it is worth sending.
func (r *Record) Outdated(kind NoticeKind, end, due, now time.Time) (NoticeStatus, Reason) {
	switch {
	case kind != KindWarnExpiry:
		return "", ""
	case r.End.Equal(end) && !end.After(now):
		return NoticeWithdrawn, EndPassed
	case !r.ReallyEnds() || !r.End.Equal(end):
		return NoticeWithdrawn, EndMoved
	case r.WarnAfter.After(due):
		return NoticeSuperseded, LaterStageDue
	}
	return "", ""
}

func (r *Record) partnerSide() Audience  { return Audience{r.Partner, AdminAgents} }
func (r *Record) customerSide() Audience { return Audience{r.Customer.TenantID, GlobalAdministrators} }

// tell adds a notice of the latest change. One that fell due too long ago is old news and kept back, so that catching up
// after an outage floods nobody.
func (d *Decision) tell(p *Policy, kind NoticeKind, due time.Time, to ...Audience) {
	n := Notice{Version: d.Record.Version, Kind: kind, End: d.Record.End, Due: due, To: p.Notices.addressees(d.spare(), kind, to), Status: NoticeQueued}
	if p.Notices.Stale(due, d.Recorded) {
		n.Status, n.Reason = NoticeSuppressed, Stale
	}
	d.add(p, n)
}

// warn adds a warning of the coming end. A late one is never old news: until the end has come it is worth knowing.
func (d *Decision) warn(p *Policy, stage Period, due time.Time) {
	d.add(p, Notice{Version: d.Record.Version, Kind: KindWarnExpiry, Stage: stage, End: d.Record.End, Due: due,
		To: p.Notices.addressees(d.spare(), KindWarnExpiry, []Audience{d.Record.partnerSide(), d.Record.customerSide()}), Status: NoticeQueued})
}

// spare is the memory for addressees that an earlier notice had in the place of the next one; none in a decision that is new.
func (d *Decision) spare() []Addressee {
	if n := len(d.Notices); n < cap(d.Notices) {
		return d.Notices[:n+1][n].To[:0]
	}
	return nil
}

func (d *Decision) add(p *Policy, n Notice) {
	n.DailyAt = p.Notices.Digests.WaitsUntil(DailyDigest, &n, d.Recorded)
	n.WeeklyAt = p.Notices.Digests.WaitsUntil(WeeklyDigest, &n, d.Recorded)
	d.Notices = append(d.Notices, n)
}
