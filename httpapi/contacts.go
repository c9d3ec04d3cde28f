package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A DirectoryStore keeps the contacts. It may be called from many goroutines.
type DirectoryStore interface {
	// Contacts lists contacts, by tenant, role and mail address.
	Contacts(ctx context.Context, q lifecycle.ContactQuery) ([]lifecycle.Contact, error)

	// ImportContacts takes contacts in. Notices that had nobody to go to are offered to those who are new.
	ImportContacts(ctx context.Context, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (lifecycle.ContactCounts, error)

	// RemoveContacts removes contacts, and says how many.
	RemoveContacts(ctx context.Context, q lifecycle.ContactQuery) (int64, error)

	// Unreached lists the audiences of which notices found nobody, those with most notices first; limit 0: all.
	Unreached(ctx context.Context, limit int) ([]lifecycle.Unreached, error)
}

// A Contact is a person who is told of things, as it is shown: the fields of [lifecycle.WireContact].
type Contact struct {
	TenantID          string `json:"tenantId" format:"uuid" doc:"The tenant in which the contact holds the role"`
	Role              Role   `json:"role"`
	Mail              string `json:"mail" maxLength:"254"`
	DisplayName       string `json:"displayName" required:"false" maxLength:"256"`
	PreferredLanguage string `json:"preferredLanguage" required:"false" example:"en-GB" doc:"A BCP 47 language tag; empty: the deployment's own language"`
	TimeZone          string `json:"timeZone" required:"false" example:"Asia/Tokyo" doc:"Of the IANA database; empty: UTC"`
	Digest            string `json:"digest" required:"false" enum:"none,daily,weekly," doc:"Many notices in one letter; none: each in a letter of its own"`
}

// A ContactList is a page of contacts, by tenant, role and mail address.
type ContactList struct {
	Contacts []Contact `json:"contacts" nullable:"false"`
	Next     string    `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

// ContactsRemoved is the answer to a request to remove contacts.
type ContactsRemoved struct {
	Removed int64 `json:"removed"`
}

// An Unreached is an audience of which notices found nobody.
type Unreached struct {
	TenantID       *string `json:"tenantId" doc:"null: a request that names no customer"`
	Role           Role    `json:"role"`
	Notices        int64   `json:"notices" doc:"That had nobody to go to"`
	LatestDateTime string  `json:"latestDateTime" format:"date-time" doc:"When the latest of them fell due"`
}

// An UnreachedList is the audiences of which notices found nobody, those with most notices first.
type UnreachedList struct {
	Audiences []Unreached `json:"audiences" nullable:"false"`
}

// A Role is a directory role whose holders are told of things.
type Role string

// Schema describes the roles. It satisfies [huma.SchemaProvider].
func (Role) Schema(huma.Registry) *huma.Schema {
	return enumSchema([]lifecycle.Role{lifecycle.AdminAgents, lifecycle.GlobalAdministrators})
}

// enumSchema describes a text that is one of these.
func enumSchema[T ~string](values []T) *huma.Schema {
	schema := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		schema.Enum = append(schema.Enum, string(v))
	}
	return schema
}

// ShowContact brings a contact into the form in which it is shown, here and on the command line.
func ShowContact(c *lifecycle.Contact) Contact {
	w := c.Wire()
	return Contact{w.TenantID, Role(w.Role), w.Mail, w.DisplayName, w.PreferredLanguage, w.TimeZone, w.Digest}
}

// ShowUnreached does so with an audience that nobody is in.
func ShowUnreached(u *lifecycle.Unreached) Unreached {
	return Unreached{textOrNull(u.TenantID), Role(u.Role), u.Notices, lifecycle.FormatInstant(u.Latest)}
}

// textOrNull is nil, and so null, for the empty text.
func textOrNull[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	text := string(s)
	return &text
}

const (
	contactsPath = "/v1/contacts"

	contactTag = "Contacts"
)

func (s *Server) addContacts() {
	// Whoever pages through people must be told where they are, and that is an address; hence manage and not read.
	register(s, ScopeManage, huma.Operation{
		OperationID: "listContacts", Method: http.MethodGet, Path: contactsPath, Tags: []string{contactTag},
		Summary:   "List the contacts, by tenant, role and mail address",
		Responses: s.answers(badValue),
	}, s.listContacts)
	register(s, ScopeManage, huma.Operation{
		OperationID: "putContacts", Method: http.MethodPut, Path: contactsPath, Tags: []string{contactTag},
		Summary: "Add and change contacts",
		Description: "Takes one contact, or a list of up to 1,000. A contact is known by tenant, role and mail address; what is left out is empty afterwards. " +
			"Notices that had nobody to go to are offered to those who are new. Contacts that will not do are refused, and the others are taken.",
		Responses: s.answers(bodyProblems...),
	}, s.putContacts)
	contact := schemaOf[Contact](s)
	most := lifecycle.MostContacts
	s.describeBody(s.api.OpenAPI().Paths[contactsPath].Put, &huma.Schema{OneOf: []*huma.Schema{contact,
		{Type: huma.TypeArray, Items: contact, MaxItems: &most}}}, true)
	register(s, ScopeManage, huma.Operation{
		OperationID: "removeContacts", Method: http.MethodDelete, Path: contactsPath, Tags: []string{contactTag},
		Summary:     "Remove the contacts of a tenant, all of them or those of a role or an address",
		Description: "Notices that name them stay, and those that wait are sent to them still.",
		Responses:   s.answers(badValue),
	}, s.removeContacts)
	register(s, ScopeRead, huma.Operation{
		OperationID: "listUnreached", Method: http.MethodGet, Path: contactsPath + "/unreached", Tags: []string{contactTag},
		Summary:   "List the tenants and roles of which notices found nobody, those with most notices first",
		Responses: s.answers(badValue),
	}, s.listUnreached)
}

// A ContactFilter says which contacts are meant.
type ContactFilter struct {
	Tenant string `query:"tenantId" doc:"Only those of this tenant"`
	Role   Role   `query:"role" doc:"Only those who hold this role"`
	Mail   string `query:"mail" doc:"Only those with this address, in upper or lower case"`
}

func (in *ContactFilter) query(bad *badValues) lifecycle.ContactQuery {
	return lifecycle.ContactQuery{Tenant: bad.tenant("query.tenantId", in.Tenant), Role: lifecycle.Role(in.Role), Mail: in.Mail}
}

type listContactsInput struct {
	ContactFilter
	After string `query:"after" doc:"Only those behind this place in the list; next names it"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most this many"`
}

type listContactsOutput struct{ Body ContactList }

func (s *Server) listContacts(ctx context.Context, in *listContactsInput) (*listContactsOutput, error) {
	var bad badValues
	q := in.query(&bad)
	q.After, q.Limit = bad.place("query.after", in.After), in.Limit+1 // one more, to know whether there is a next page
	if p := bad.problem(); p != nil {
		return nil, p
	}
	contacts, err := s.store.Contacts(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("listing contacts: %w", err)
	}
	out := &listContactsOutput{Body: ContactList{Contacts: []Contact{}}}
	for i := range contacts {
		if i == in.Limit {
			next := url.Values{"after": {placeOf(&contacts[i-1])}, "limit": {strconv.Itoa(in.Limit)}}
			setNonEmpty(next, map[string]string{"tenantId": in.Tenant, "role": string(in.Role), "mail": in.Mail})
			out.Body.Next = contactsPath + "?" + next.Encode()
			break
		}
		out.Body.Contacts = append(out.Body.Contacts, ShowContact(&contacts[i]))
	}
	return out, nil
}

// placeOf is the place of a contact in the list. An address may hold a /, a tenant and a role do not.
func placeOf(c *lifecycle.Contact) string {
	return c.TenantID + "/" + string(c.Role) + "/" + c.Mail
}

// place reads what placeOf writes.
func (b *badValues) place(location, value string) (after lifecycle.Contact) {
	if value == "" {
		return after
	}
	parts := strings.SplitN(value, "/", 3)
	if len(parts) < 3 || !lifecycle.IsGUID(parts[0]) {
		b.unfit(location, quoted(value), noPlace.Say())
		return after
	}
	return lifecycle.Contact{TenantID: strings.ToLower(parts[0]), Role: lifecycle.Role(parts[1]), Mail: parts[2]}
}

// tenant reads a tenant id; an empty one stays empty.
func (b *badValues) tenant(location, value string) string {
	if value != "" && !lifecycle.IsGUID(value) {
		b.unfit(location, quoted(value), lifecycle.NoGUID.Say())
	}
	return strings.ToLower(value)
}

// setNonEmpty sets the values that are not empty.
func setNonEmpty(v url.Values, values map[string]string) {
	for name, value := range values {
		if value != "" {
			v.Set(name, value)
		}
	}
}

// removeContactsInput is a ContactFilter that must name the tenant, lest everybody is removed.
type removeContactsInput struct {
	Asked
	Tenant string `query:"tenantId" required:"true" doc:"Those of this tenant"`
	Role   Role   `query:"role" doc:"Only those who hold this role"`
	Mail   string `query:"mail" doc:"Only those with this address, in upper or lower case"`
}

type removeContactsOutput struct{ Body ContactsRemoved }

func (s *Server) removeContacts(ctx context.Context, in *removeContactsInput) (*removeContactsOutput, error) {
	var bad badValues
	filter := ContactFilter{in.Tenant, in.Role, in.Mail}
	q := filter.query(&bad)
	for _, name := range []string{"role", "mail"} { // a variable that is unset must not remove a whole tenant
		if sent := in.request.URL.Query(); sent.Has(name) && sent.Get(name) == "" {
			bad.refuse(badValue, "query."+name, nil, "is empty; leave it out to remove all of the tenant")
		}
	}
	if p := bad.problem(); p != nil {
		return nil, p
	}
	removed, err := s.store.RemoveContacts(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("removing contacts: %w", err)
	}
	return &removeContactsOutput{ContactsRemoved{removed}}, nil
}

type listUnreachedInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most this many"`
}

type listUnreachedOutput struct{ Body UnreachedList }

func (s *Server) listUnreached(ctx context.Context, in *listUnreachedInput) (*listUnreachedOutput, error) {
	audiences, err := s.store.Unreached(ctx, in.Limit)
	if err != nil {
		return nil, fmt.Errorf("listing whom nobody reaches: %w", err)
	}
	out := &listUnreachedOutput{UnreachedList{[]Unreached{}}}
	for i := range audiences {
		out.Body.Audiences = append(out.Body.Audiences, ShowUnreached(&audiences[i]))
	}
	return out, nil
}
