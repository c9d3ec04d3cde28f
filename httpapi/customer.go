package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What a customer does with relationships Microsoft Graph leaves to the portals. Here it has a path of its own: look at a request by
// its link, approve it, reject it, terminate, switch autoExtend.

// A Relationship is a relationship as its customer is shown it.
type Relationship struct {
	ID                   string          `json:"id"`
	DisplayName          string          `json:"displayName"`
	Partner              Tenant          `json:"partner" doc:"Who asks"`
	Customer             *Tenant         `json:"customer,omitempty" doc:"Who is asked; missing: whoever takes it up"`
	AccessDetails        RelationshipFor `json:"accessDetails"`
	Duration             string          `json:"duration" example:"P365D" doc:"Of the term, from the approval"`
	AutoExtendDuration   string          `json:"autoExtendDuration" example:"PT0S" doc:"By how much it is extended at its end; PT0S: it is not"`
	Status               string          `json:"status" enum:"created,approvalPending,approved,activating,active,expiring,expired,terminationRequested,terminating,terminated"`
	CreatedDateTime      *string         `json:"createdDateTime" format:"date-time"`
	LockedDateTime       *string         `json:"lockedDateTime" format:"date-time" doc:"When it was asked for"`
	LapsesDateTime       *string         `json:"lapsesDateTime" format:"date-time" doc:"Of a request: when it lapses; null: it does not, or is none"`
	ActivatedDateTime    *string         `json:"activatedDateTime" format:"date-time"`
	EndDateTime          *string         `json:"endDateTime" format:"date-time"`
	LastModifiedDateTime *string         `json:"lastModifiedDateTime" format:"date-time"`
	OnHold               bool            `json:"onHold" doc:"Its timers take no effect at present: whoever runs the deployment has them on hold"`
	Allowed              []string        `json:"allowed" nullable:"false" doc:"What the customer may ask for now"`
}

// A Tenant is a party to a relationship.
type Tenant struct {
	TenantID    string  `json:"tenantId" format:"uuid"`
	DisplayName *string `json:"displayName" doc:"null: not known"`
}

// RelationshipFor is what a relationship gives access to.
type RelationshipFor struct {
	UnifiedRoles []RelationshipRole `json:"unifiedRoles" nullable:"false"`
}

// A RelationshipRole is a directory role.
type RelationshipRole struct {
	RoleDefinitionID string `json:"roleDefinitionId" doc:"Template id of a built-in role"`
}

// A RelationshipList is a page of relationships, those that came in first standing first.
type RelationshipList struct {
	Relationships []Relationship `json:"relationships" nullable:"false"`
	Next          string         `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

// An Approval is the body of a customer's yes. It may be left out.
type Approval struct {
	Customer *ApprovingCustomer `json:"customer,omitempty" nullable:"false"`
	_        struct{}           `additionalProperties:"false"`
}

// An ApprovingCustomer is who takes up a request that names nobody.
type ApprovingCustomer struct {
	TenantID    string   `json:"tenantId,omitempty" format:"uuid" doc:"An operator says whom they act for; everybody else acts for their own tenant"`
	DisplayName string   `json:"displayName,omitempty" maxLength:"256" doc:"What the customer is called"`
	_           struct{} `additionalProperties:"false"`
}

// An AutoExtendSwitch is the body of a request to switch the extension of a term on or off.
type AutoExtendSwitch struct {
	AutoExtendDuration string   `json:"autoExtendDuration" example:"P180D" doc:"As the policy has it, P180D unless it says otherwise: on; PT0S: off"`
	_                  struct{} `additionalProperties:"false"`
}

const (
	customerPath  = "/v1/customer/relationships"
	customerTag   = "Customers"
	autoExtending = `write {"autoExtendDuration":"P180D"}, or PT0S to switch it off`
)

// showRelationship brings a relationship into the form in which its customer is shown it.
func showRelationship(r *lifecycle.Record, standing lifecycle.Standing, p *lifecycle.Policy) Relationship {
	shown := Relationship{ID: r.ID, DisplayName: r.DisplayName, Partner: Tenant{r.Partner, textOrNull(p.Notices.Partners[r.Partner])},
		Duration: r.Duration.String(), AutoExtendDuration: p.AutoExtendDuration(r.AutoExtend).String(), Status: string(r.Status),
		CreatedDateTime: instantOrNull(r.Created), LockedDateTime: instantOrNull(r.Locked), ActivatedDateTime: instantOrNull(r.Activated),
		EndDateTime: instantOrNull(r.End), LastModifiedDateTime: instantOrNull(r.Modified),
		AccessDetails: RelationshipFor{[]RelationshipRole{}}, OnHold: r.HeldUp(p), Allowed: []string{}}
	if r.Customer.TenantID != "" {
		shown.Customer = &Tenant{r.Customer.TenantID, textOrNull(r.Customer.DisplayName)}
	}
	for _, role := range r.Roles {
		shown.AccessDetails.UnifiedRoles = append(shown.AccessDetails.UnifiedRoles, RelationshipRole{role})
	}
	if r.Status == lifecycle.ApprovalPending && !p.Requests.LapseAfter.IsZero() {
		shown.LapsesDateTime = instantOrNull(p.Requests.LapseAfter.After(r.Locked))
	}
	for _, a := range lifecycle.AllowedActions(r, standing, lifecycle.Customer) {
		shown.Allowed = append(shown.Allowed, string(a))
	}
	return shown
}

func (s *Server) addCustomer() {
	register(s, party, huma.Operation{
		OperationID: "listCustomerRelationships", Method: http.MethodGet, Path: customerPath, Tags: []string{customerTag},
		Summary: "List what partners have asked the customer for",
		Description: "Without drafts, and with what is stored: a record whose timer is due shows it once the next sweep has come by, or when it is asked for by itself. " +
			"An operator is shown all customers.",
		Responses: s.answers(badValue),
	}, s.listCustomerRelationships)
	register(s, party, huma.Operation{
		OperationID: "getCustomerRelationship", Method: http.MethodGet, Path: customerPath + "/{id}", Tags: []string{customerTag},
		Summary:     "Show a relationship, or a request by its link",
		Description: "As it stands now. A request that names no customer is shown to every Global administrator who has its id.",
		Responses:   s.answers(unknownRecord),
	}, s.getCustomerRelationship)
	for _, o := range []struct {
		kind                           lifecycle.ActionKind
		path, id, summary, description string
		body                           *huma.Schema
		required                       bool
	}{
		{lifecycle.Approve, "approve", "approveRelationship", "Approve a request",
			"The term begins. Whoever approves a request that names no customer becomes it, and may say what they are called.", schemaOf[Approval](s), false},
		{lifecycle.Reject, "reject", "rejectRelationship", "Reject a request", "It ends at once.", nil, false},
		{lifecycle.Terminate, "terminate", "terminateRelationship", "Terminate an active relationship", "It ends at once; both sides are told.", nil, false},
		{lifecycle.SetAutoExtend, "auto-extend", "switchAutoExtend", "Switch the extension of an active relationship on or off",
			"No consent is needed, and nobody is told. To switch what is so already changes nothing.", schemaOf[AutoExtendSwitch](s), true},
	} {
		path := customerPath + "/{id}/" + o.path
		register(s, party, s.about(huma.Operation{
			OperationID: o.id, Method: http.MethodPost, Path: path, Tags: []string{customerTag},
			Summary: o.summary, Description: o.description,
			Responses: s.refusals(append(bodyProblems, unknownRecord, badStanding)...),
		}, string(o.kind)), func(ctx context.Context, in *customerActionInput) (*relationshipOutput, error) {
			return s.actAsCustomer(ctx, in, o.kind)
		})
		if o.body != nil {
			s.describeBody(s.api.OpenAPI().Paths[path].Post, o.body, o.required)
		}
	}
}

// refusals describes the problems of an operation that the relationship itself may refuse.
func (s *Server) refusals(known ...kind) map[string]*huma.Response {
	responses := s.answers(append(known, actionRefused)...)
	responses["409"].Content[problemContent].Schema = schemaOf[RefusedAction](s)
	return responses
}

type listCustomerRelationshipsInput struct {
	Asked
	TenantID string `query:"tenantId" doc:"Only those of this customer"`
	Status   string `query:"status" enum:"approvalPending,approved,activating,active,expiring,expired,terminationRequested,terminating,terminated" doc:"Only those with this status"`
	After    int64  `query:"after" minimum:"0" doc:"Only those behind this place in the list; next names it"`
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many"`
}

// filter is what the caller sees as a customer.
func (in *listCustomerRelationshipsInput) filter(tenant string) lifecycle.Filter {
	equal := func(f lifecycle.Field, text string) lifecycle.Filter {
		return lifecycle.Compare{Field: f, By: lifecycle.Equal, Value: lifecycle.Value{Text: text}}
	}
	wanted := lifecycle.All{lifecycle.Not{Filter: equal(lifecycle.FieldStatus, string(lifecycle.Created))}}
	if by := in.caller(); by.Role != lifecycle.Operator {
		wanted = append(wanted, by.Scope(), equal(lifecycle.FieldCustomer, by.Tenant))
	}
	if tenant != "" {
		wanted = append(wanted, equal(lifecycle.FieldCustomer, tenant))
	}
	if in.Status != "" {
		wanted = append(wanted, equal(lifecycle.FieldStatus, in.Status))
	}
	return wanted
}

type listCustomerRelationshipsOutput struct{ Body RelationshipList }

func (s *Server) listCustomerRelationships(ctx context.Context, in *listCustomerRelationshipsInput) (*listCustomerRelationshipsOutput, error) {
	var bad badValues
	tenant := bad.tenant("query.tenantId", in.TenantID)
	if p := bad.problem(); p != nil {
		return nil, p
	}
	q := lifecycle.RelationshipQuery{Filter: in.filter(tenant), Limit: in.Limit + 1}
	if in.After > 0 {
		q.After = &lifecycle.Cursor{Key: in.After}
	}
	found, err := s.store.Relationships(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("listing the relationships of a customer: %w", err)
	}
	out := &listCustomerRelationshipsOutput{Body: RelationshipList{Relationships: []Relationship{}}}
	standings := map[string]lifecycle.Standing{}
	for i := range found {
		if i == in.Limit {
			next := url.Values{"after": {strconv.FormatInt(found[i-1].Key, 10)}, "limit": {strconv.Itoa(in.Limit)}}
			setNonEmpty(next, map[string]string{"tenantId": in.TenantID, "status": in.Status})
			out.Body.Next = customerPath + "?" + next.Encode()
			break
		}
		partner := found[i].Partner
		if _, known := standings[partner]; !known {
			if standings[partner], err = s.standingOf(ctx, partner); err != nil {
				return nil, err
			}
		}
		out.Body.Relationships = append(out.Body.Relationships, showRelationship(&found[i].Record, standings[partner], s.policy))
	}
	return out, nil
}

type customerInput struct {
	Asked
	ID string `path:"id" doc:"The relationship's id"`
}

type customerActionInput struct {
	Asked
	ID     string `path:"id" doc:"The relationship's id"`
	Reason string `header:"Tenure-Reason" doc:"Why, percent-encoded, of 500 characters at most; kept with the change. What a switch of autoExtend was is kept in its place"`
}

// reason is why it is asked for; empty where the caller does not say.
func (in *customerActionInput) reason() (string, *Problem) {
	reason, err := url.PathUnescape(strings.TrimSpace(in.Reason))
	if err == nil && reason != "" {
		err = badReason(strings.TrimSpace(reason))
	}
	if err != nil {
		return "", refused(badValue, []BadValue{{"header.Tenure-Reason", in.Reason, err.Error(), sentenceOf(lifecycle.SaidBy(err))}})
	}
	return strings.TrimSpace(reason), nil
}

type relationshipOutput struct{ Body Relationship }

func (s *Server) getCustomerRelationship(ctx context.Context, in *customerInput) (*relationshipOutput, error) {
	stored, err := s.store.Relationship(ctx, lifecycle.CanonicalID(in.ID))
	if err != nil && !errors.Is(err, lifecycle.ErrNotFound) {
		return nil, fmt.Errorf("reading relationship %s: %w", shorten(in.ID), err)
	}
	now := lifecycle.Evaluate(stored.Record, s.policy, s.now()).Record
	if err != nil || !showsTo(in.caller(), &now) {
		return nil, noRelationship()
	}
	standing, err := s.standingOf(ctx, now.Partner)
	if err != nil {
		return nil, err
	}
	return &relationshipOutput{showRelationship(&now, standing, s.policy)}, nil
}

// standingOf is the standing of a partner, which keeps the customer from some things.
func (s *Server) standingOf(ctx context.Context, partner string) (lifecycle.Standing, error) {
	p, err := s.store.Partnership(ctx, partner)
	if err != nil {
		return "", fmt.Errorf("reading the standing of partner %s: %w", partner, err)
	}
	return p.Standing, nil
}

// showsTo says whether somebody may look at a relationship from the customer's side.
func showsTo(by *lifecycle.Caller, r *lifecycle.Record) bool {
	return r.Status.Locked() && by.Sees(r) || by.Invited(r)
}

// actAsCustomer does what the customer asks for, on the record as it stands now.
func (s *Server) actAsCustomer(ctx context.Context, in *customerActionInput, kind lifecycle.ActionKind) (*relationshipOutput, error) {
	action := lifecycle.Action{Kind: kind, By: lifecycle.Customer, Caller: in.caller()}
	sent, badSent := s.readCustomerAction(in, &action)
	if badSent == nil {
		action.Detail, badSent = in.reason()
	}
	var standing lifecycle.Standing
	d, err := s.store.Act(ctx, lifecycle.CanonicalID(in.ID), s.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		standing = c.Standing
		now := s.now()
		unchanged := lifecycle.Decision{Record: c.Record, Recorded: now}
		settled := lifecycle.Evaluate(c.Record, s.policy, now).Record
		if !showsTo(in.caller(), &settled) {
			return unchanged, lifecycle.ErrNotFound
		}
		in.about(c.ID)
		if !in.caller().Acts(lifecycle.Customer) {
			return unchanged, roleMissing.problem("To %s for the customer needs its Global administrator, and %s.", kind, powerOf(in.caller()))
		}
		if badSent != nil {
			return unchanged, badSent
		}
		act := action
		if kind == lifecycle.Approve {
			customer, p := in.approving(sent, &settled)
			if p != nil {
				return unchanged, p
			}
			act.Customer = customer
		}
		if kind == lifecycle.Reject {
			act.Customer.TenantID = in.caller().Tenant
		}
		return c.Act(s.policy, now, act)
	})
	if err != nil {
		return nil, problemOfAction(err)
	}
	return &relationshipOutput{showRelationship(&d.Record, standing, s.policy)}, nil
}

// readCustomerAction reads the body of what the customer asks for.
func (s *Server) readCustomerAction(in *customerActionInput, a *lifecycle.Action) (customer lifecycle.Tenant, p *Problem) {
	body, p := s.readBody(in.request)
	if p != nil {
		return customer, p
	}
	var bad badValues
	switch a.Kind {
	case lifecycle.Approve:
		if body != nil {
			customer = bad.approval(body)
		}
	case lifecycle.SetAutoExtend:
		a.AutoExtend = bad.autoExtend(body, s.policy)
	default:
		if body != nil {
			bad.object("body", body, "write {}, or nothing")
		}
	}
	return customer, bad.problem()
}

// approval reads who takes a request up.
func (b *badValues) approval(body json.RawMessage) (customer lifecycle.Tenant) {
	const instead = `write {"customer":{"displayName":"Contoso"}}, or nothing`
	b.object("body", body, instead, field("customer", func(location string, value json.RawMessage) {
		b.object(location, value, instead,
			field("tenantId", b.text(func(s string) error {
				if customer.TenantID = strings.ToLower(s); !lifecycle.IsGUID(s) {
					return lifecycle.NoGUID.Say()
				}
				return nil
			})),
			field("displayName", b.text(func(s string) error { customer.DisplayName = s; return badCustomerName(s) })))
	}))
	return customer
}

// badCustomerName says why a customer cannot be called so.
func badCustomerName(s string) error {
	const longest = 256
	switch {
	case utf8.RuneCountInString(s) > longest:
		return longerThan.Say("most", longest)
	case strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsAny(s, "\u2028\u2029"):
		return holdsControl.Say()
	}
	return nil
}

// autoExtend reads to what the extension is to be switched.
func (b *badValues) autoExtend(body json.RawMessage, p *lifecycle.Policy) (on bool) {
	said := false
	if body != nil {
		b.object("body", body, autoExtending, field("autoExtendDuration", b.text(func(s string) (err error) {
			said = true
			on, err = p.ParseAutoExtend(s)
			return err
		})))
	}
	if !said && len(b.bad) == 0 {
		b.refuse(badValue, "body.autoExtendDuration", nil, "is missing; "+autoExtending)
	}
	return on
}

// approving is who approves r: the caller's tenant; for an operator, whoever is asked or named.
func (in *customerActionInput) approving(sent lifecycle.Tenant, r *lifecycle.Record) (lifecycle.Tenant, *Problem) {
	by, who := in.caller(), sent
	switch {
	case by.Role != lifecycle.Operator && sent.TenantID != "" && sent.TenantID != by.Tenant:
		return who, refused(badValue, []BadValue{{"body.customer.tenantId", sent.TenantID, "is not the caller's tenant; leave it out", Sentence{}}})
	case by.Role != lifecycle.Operator:
		who.TenantID = by.Tenant
	case sent.TenantID == "" && r.Customer.TenantID == "":
		return who, refused(badValue, []BadValue{{"body.customer.tenantId", nil, customerMissing.English, sentenceOf(customerMissing.Say())}})
	case sent.TenantID == "":
		who.TenantID = r.Customer.TenantID
	}
	return who, nil
}
