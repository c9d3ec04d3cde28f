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

// NoticeKinds lists them all.
var NoticeKinds = []NoticeKind{KindWarnExpiry, KindTermEnded, KindRequestLapsed, KindTerminated, KindApproved, KindExtended}

// A NoticeStatus is how far a notice has come.
type NoticeStatus string

// The statuses of a notice. All but queued and failed are final, until an operator says otherwise.
const (
	NoticeQueued      NoticeStatus = "queued"      // to be sent
	NoticeSent        NoticeStatus = "sent"        // a channel has accepted it
	NoticeSuperseded  NoticeStatus = "superseded"  // a later stage of the same warning was sent instead
	NoticeSuppressed  NoticeStatus = "suppressed"  // kept back, e.g. because it is old news
	NoticeWithdrawn   NoticeStatus = "withdrawn"   // no longer true when it was about to be sent
	NoticeNoRecipient NoticeStatus = "noRecipient" // there was nobody to tell
	NoticeFailed      NoticeStatus = "failed"      // an attempt failed, another will follow
	NoticeDead        NoticeStatus = "dead"        // given up
)

// NoticeStatuses lists them all.
var NoticeStatuses = []NoticeStatus{NoticeQueued, NoticeSent, NoticeSuperseded, NoticeSuppressed, NoticeWithdrawn,
	NoticeNoRecipient, NoticeFailed, NoticeDead}

// Why a notice is left unsaid.
const (
	LaterStageDue Reason = "laterStageDue" // of several warnings due at once only the latest is sent
	Stale         Reason = "stale"         // old news: it fell due too long before it was recorded
	NobodyToTell  Reason = "nobodyToTell"
	EndMoved      Reason = "endMoved" // the record no longer ends on the date that the warning names
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

// An Audience is everybody who holds a role in a tenant. The tenant may be unknown: a request without a customer.
type Audience struct {
	TenantID string
	Role     Role
}

// A Contact is a person who holds a role in a tenant, and how to reach them.
type Contact struct {
	TenantID    string
	Role        Role
	Mail        string
	DisplayName string
	Language    string // BCP 47, e.g. "ja" or "en-GB"; empty: not known
}

// A Notice is something to tell, to everybody in its audiences. Who that is in person is taken from the directory in the
// transaction that writes the notice.
type Notice struct {
	Version int64 // of the record, after the step that the notice tells of
	Kind    NoticeKind
	Stage   Period    // of a warning: how long before the end
	End     time.Time // the record's End as the notice tells it
	Due     time.Time // when there was something to tell
	To      []Audience
	Status  NoticeStatus
	Reason  Reason
}

// Outdated says what becomes of a notice that is about to be sent, r being the record as it is now, and why: a warning is
// withdrawn once the relationship no longer ends on the date that it names, and superseded once a later stage was settled.
// The empty status means that it is worth sending.
func (r *Record) Outdated(kind NoticeKind, end, due time.Time) (NoticeStatus, Reason) {
	switch {
	case kind != KindWarnExpiry:
		return "", ""
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
	n := Notice{Version: d.Record.Version, Kind: kind, End: d.Record.End, Due: due, To: to, Status: NoticeQueued}
	if stale := dueAfter(due, p.Notices.StaleAfter); !stale.IsZero() && d.Recorded.After(stale) {
		n.Status, n.Reason = NoticeSuppressed, Stale
	}
	d.Notices = append(d.Notices, n)
}

// warn adds a warning of the coming end. A late one is never old news: until the end has come it is worth knowing.
func (d *Decision) warn(stage Period, due time.Time) {
	d.Notices = append(d.Notices, Notice{Version: d.Record.Version, Kind: KindWarnExpiry, Stage: stage, End: d.Record.End, Due: due,
		To: []Audience{d.Record.partnerSide(), d.Record.customerSide()}, Status: NoticeQueued})
}
