package lifecycle

import (
	"slices"
	"time"
)

// Roles in which somebody asks for something, beside those that are told of things.
const (
	Operator Role = "operator" // runs this deployment, for every tenant
	Reader   Role = "reader"   // looks, and changes nothing
)

// CallerRoles lists the roles that a caller may have.
var CallerRoles = []Role{AdminAgents, Reader, GlobalAdministrators, Operator}

// A Caller is the person or program that asks for something, as it is kept with what came of it.
type Caller struct {
	Name      string // of the token, or of whoever sits at the terminal
	Tenant    string // lower case; empty for an operator
	Role      Role
	ReadsOnly bool   // an operator's token that may look and change nothing
	Address   string // from where the request came; empty: from this machine's terminal
	Request   string // the id of the request
}

// Acts is the side for which the caller may act; empty for who may only look. An operator acts for either.
func (c *Caller) Acts(side Actor) bool {
	switch c.Role {
	case Operator:
		return !c.ReadsOnly
	case AdminAgents:
		return side == Partner
	case GlobalAdministrators:
		return side == Customer
	}
	return false
}

// Sees says whether the caller may know that the relationship exists. A customer sees what it was asked for, and no drafts.
func (c *Caller) Sees(r *Record) bool {
	partner, customer := r.Partner == c.Tenant, r.Customer.TenantID == c.Tenant && r.Status.Locked()
	switch {
	case c.Role == Operator:
		return true
	case c.Tenant == "":
		return false
	}
	switch c.Role {
	case AdminAgents:
		return partner
	case GlobalAdministrators:
		return customer
	case Reader:
		return partner || customer
	}
	return false
}

// Scope is Sees as a filter of lists; nil where there is nothing to leave out.
func (c *Caller) Scope() Filter {
	partner := Compare{FieldPartner, Equal, Value{Text: c.Tenant}}
	customer := All{Compare{FieldCustomer, Equal, Value{Text: c.Tenant}}, Compare{FieldStatus, NotEqual, Value{Text: string(Created)}}}
	switch {
	case c.Role == Operator:
		return nil
	case c.Tenant == "":
		return Any{}
	}
	switch c.Role {
	case AdminAgents:
		return partner
	case GlobalAdministrators:
		return customer
	case Reader:
		return Any{partner, customer}
	}
	return Any{}
}

// Invited says whether the caller may look at a request whose link they hold, and answer it: one that names no customer is
// whose who takes it up, but not the partner's own. Source: the invitation links of partner relationships.
func (c *Caller) Invited(r *Record) bool {
	return c.Role == GlobalAdministrators && r.Status == ApprovalPending && r.Customer.TenantID == "" && c.Tenant != r.Partner
}

// A Token is what lets a program in. The secret itself is not kept, only its hash.
type Token struct {
	ID      int64
	Name    string   // one of its own among those that are not revoked
	Scopes  []string // of an operator's token: what it may do
	Tenant  string   // of a tenant's token; lower case
	Role    Role     // of a tenant's token: adminAgent, reader or globalAdministrator
	Created time.Time
	Revoked time.Time // zero while it is good
}

// A Session is somebody who has signed in to the console: an operator, until it ends or the token that it was begun with is revoked.
type Session struct {
	Caller Caller
	Scopes []string  // what they may do
	Token  int64     // the id of the token that it was begun with; 0: an issuer vouched for them
	Began  time.Time // by the machine's clock
	Ends   time.Time

	Subject string    // whom the issuer speaks of that vouched for them; empty where a token did
	Checked time.Time // when it last did, by the machine's clock
}

// An issuer's word is asked for anew once it is older than StaleAfter, as soon as they look at a page, and is good for no longer than
// VouchedFor.
const (
	StaleAfter = 30 * time.Minute
	VouchedFor = time.Hour
)

// Vouched says whether an issuer's word is all that the session stands on.
func (s *Session) Vouched() bool { return s.Subject != "" }

// Stale says whether the issuer should be asked whether it still knows them.
func (s *Session) Stale(wall time.Time) bool {
	return s.Vouched() && wall.Sub(s.Checked) >= StaleAfter
}

// Manage is the scope that holds all others.
const Manage = "manage"

// May says whether the scope is among theirs.
func (s *Session) May(scope string) bool {
	return slices.Contains(s.Scopes, Manage) || slices.Contains(s.Scopes, scope)
}
