package lifecycle

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Announcements are notices to programs: those who subscribe are told of what happens to relationships, as it happens, late or
// not. Their kinds are apart from [NoticeKinds], which are for people and have wordings and routes.
const (
	AnnounceCreated           NoticeKind = "relationship.created" // by a partner, or by an import
	AnnounceLocked            NoticeKind = "relationship.locked"
	AnnounceApproved          NoticeKind = "relationship.approved"
	AnnounceActivated         NoticeKind = "relationship.activated"
	AnnounceRejected          NoticeKind = "relationship.rejected"
	AnnounceLapsed            NoticeKind = "relationship.request_lapsed"
	AnnounceAutoExtendChanged NoticeKind = "relationship.auto_extend_changed"
	AnnounceExtended          NoticeKind = "relationship.extended"
	AnnounceExpiringSoon      NoticeKind = "relationship.expiring_soon"
	AnnounceExpired           NoticeKind = "relationship.expired"
	AnnounceTerminated        NoticeKind = "relationship.terminated"
	AnnounceNameReleased      NoticeKind = "relationship.name_released"
)

// AnnouncementKinds lists them all.
var AnnouncementKinds = []NoticeKind{AnnounceCreated, AnnounceLocked, AnnounceApproved, AnnounceActivated, AnnounceRejected, AnnounceLapsed,
	AnnounceAutoExtendChanged, AnnounceExtended, AnnounceExpiringSoon, AnnounceExpired, AnnounceTerminated, AnnounceNameReleased}

// IsAnnouncement says whether a notice of this kind is for subscribers.
func (k NoticeKind) IsAnnouncement() bool { return slices.Contains(AnnouncementKinds, k) }

// announced is what subscribers are told of an event.
var announced = map[EventType]NoticeKind{
	EventCreated: AnnounceCreated, EventImported: AnnounceCreated, EventLocked: AnnounceLocked, EventApproved: AnnounceApproved,
	EventActivated: AnnounceActivated, EventRejected: AnnounceRejected, EventLapsed: AnnounceLapsed,
	EventAutoExtendChanged: AnnounceAutoExtendChanged, EventExtended: AnnounceExtended, EventTermEnded: AnnounceExpired,
	EventTerminated: AnnounceTerminated, EventNameReleased: AnnounceNameReleased,
}

// Why an announcement is left unsaid.
const (
	Unsubscribed Reason = "unsubscribed" // the subscription has been removed
	DraftDeleted Reason = "draftDeleted" // what it tells of is no more
)

// An Announcement is something that subscribers are told of one record.
type Announcement struct {
	Version int64 // of the record after the step
	Kind    NoticeKind
	Stage   Period    // of expiringSoon: how long before the end
	End     time.Time // the record's End after the step
	Due     time.Time // when it took effect
	Draft   bool      // the record is a draft after the step, of which its customer is not told
}

// Announcements is what the decision's changes and warnings are to subscribers. At most three are of one version.
func (d *Decision) Announcements() []Announcement {
	var told []Announcement
	for i := range d.Changes {
		c := &d.Changes[i]
		kind, ok := announced[c.Type]
		if ok {
			told = append(told, Announcement{Version: c.Version, Kind: kind, End: c.End, Due: c.Effective, Draft: !c.To.Locked()})
		}
		if c.Type == EventApproved && c.To == Active {
			told = append(told, Announcement{Version: c.Version, Kind: AnnounceActivated, End: c.End, Due: c.Effective})
		}
	}
	for i := range d.Notices {
		if n := &d.Notices[i]; n.Kind == KindWarnExpiry && n.Status != NoticeSuperseded {
			told = append(told, Announcement{Version: n.Version, Kind: AnnounceExpiringSoon, Stage: n.Stage, End: n.End, Due: n.Due})
		}
	}
	return told
}

// MostSubscriptions is how many a tenant may have, and how many there may be that are told of all tenants: each costs a message
// for everything that happens.
const MostSubscriptions = 20

// ErrTooMany is about one more than there may be.
var ErrTooMany = errors.New("there are as many as there may be; remove one first")

// A Subscription is a program that is told of what happens to the relationships of a tenant.
type Subscription struct {
	ID      int64
	Tenant  string       // of the partner or the customer, lower case; empty: of all of them
	URL     string       // https, and secret in all but its host
	Kinds   []NoticeKind // empty: all of them
	Secrets []string     // that messages are signed with, the newest first: "whsec_…"
	By      string       // who made it
	Created time.Time
}

// Channel is the name under which letters to the subscription leave, and by which operators switch it off and on.
func (s *Subscription) Channel() string { return SubscriptionChannel(s.ID) }

const subscriptionPrefix = "subscription-"

// Wants says whether the subscription is told of announcements of this kind.
func (s *Subscription) Wants(kind NoticeKind) bool {
	return len(s.Kinds) == 0 || slices.Contains(s.Kinds, kind)
}

// Side is the side of the relationship for which the subscription is told of it; empty where it is not. One for all tenants is
// told as the partner is, and a customer's is told of no draft.
func (s *Subscription) Side(r *Record, draft bool) Side {
	switch {
	case s.Tenant == "" || s.Tenant == r.Partner:
		return PartnerSide
	case s.Tenant == r.Customer.TenantID && !draft:
		return CustomerSide
	}
	return ""
}

// SubscriptionChannel is the name of the channel of a subscription.
func SubscriptionChannel(id int64) string { return subscriptionPrefix + strconv.FormatInt(id, 10) }

// IsSubscriptionChannel says whether a channel of this name is that of a subscription.
func IsSubscriptionChannel(name string) bool { return strings.HasPrefix(name, subscriptionPrefix) }
