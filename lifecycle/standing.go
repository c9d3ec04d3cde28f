package lifecycle

import "slices"

// A Standing is what a partner may do, as the programme that it belongs to sees it. The zero Standing is a good one.
type Standing string

// The standings. Source: docs/domain.md, section 6. A restricted partner with an active indirect reseller is as good as an
// authorized one, and is kept as that.
const (
	Authorized Standing = "authorized"
	Restricted Standing = "restricted" // nothing new
	Suspended  Standing = "suspended"  // nothing new, and nothing old is changed; terminating always goes
)

// Standings lists them all.
var Standings = []Standing{Authorized, Restricted, Suspended}

// Known says whether s is one of [Standings].
func (s Standing) Known() bool { return slices.Contains(Standings, s) }

// MayCreate says whether the partner may ask customers for new relationships.
func (s Standing) MayCreate() bool { return s == "" || s == Authorized }

// Allows says whether the partner's standing allows an action. It binds the partner, and keeps the customer from giving new
// rights to one who is suspended; taking rights away is always allowed.
func (s Standing) Allows(a ActionKind, by Actor) bool {
	if s != Suspended || a == Terminate || a == Reject || a == Unassign || a == Delete {
		return true
	}
	return by != Partner && (by != Customer || a != Approve)
}

// A Partnership is what tenure keeps of a partner beside its relationships.
type Partnership struct {
	TenantID string // lower case
	Standing Standing
	Note     string // why, by the operator who set it
}
