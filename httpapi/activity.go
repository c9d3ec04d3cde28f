package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An ActivityStore shows who did what. It may be called from many goroutines.
type ActivityStore interface {
	// ActivityAmong lists the events that the query wants. It looks at no more than most; 0: at all. reached is how far that was, if it was not to the end and there
	// are fewer than the limit.
	ActivityAmong(ctx context.Context, q lifecycle.ActivityQuery, most int) (events []lifecycle.Event, reached *lifecycle.ActivityPosition, err error)

	// EachActivity goes through them, as they stand when it begins, however many there are.
	EachActivity(ctx context.Context, q lifecycle.ActivityQuery, fn func(lifecycle.Event) error) error
}

// An Activity is something that happened to a relationship, or that somebody asked for and did not get.
type Activity struct {
	RelationshipID    *string         `json:"relationshipId" doc:"null: of a refusal that is about none that the caller may know of"`
	Version           *int64          `json:"version" doc:"Of the relationship afterwards; null: a refusal"`
	Type              EventType       `json:"type" doc:"What happened; refused: nothing did"`
	RecordedDateTime  string          `json:"recordedDateTime" format:"date-time" doc:"When it was written down"`
	EffectiveDateTime string          `json:"effectiveDateTime" format:"date-time" doc:"When it fell due, or was asked for"`
	From              *string         `json:"from" doc:"The status before"`
	To                *string         `json:"to" doc:"The status after"`
	EndDateTime       *string         `json:"endDateTime" format:"date-time" doc:"Of the relationship, afterwards"`
	Reason            *string         `json:"reason" example:"rejected" doc:"Why; of a refusal in a word"`
	Rule              *string         `json:"rule" doc:"The timer that did it; null: somebody did"`
	Actor             *string         `json:"actor" doc:"On whose side: partner, customer, system, import, provisioner"`
	Caller            *ActivityCaller `json:"caller,omitempty" doc:"Who asked; missing: a timer, somebody of another tenant, or not known"`
	Action            *string         `json:"action" doc:"Of a refusal: what was asked for"`
	Subject           *string         `json:"subject" doc:"Of a refusal: what it was about"`
	Detail            *string         `json:"detail"`
}

// An ActivityCaller is who asked. A tenant is shown its own callers; of those of another tenant the side is all there is to see.
type ActivityCaller struct {
	Name      *string `json:"name" doc:"Of the token, or of whoever sat at the terminal"`
	TenantID  *string `json:"tenantId" doc:"null: an operator"`
	Role      *string `json:"role"`
	Address   *string `json:"address" doc:"From where the request came; null: from the terminal"`
	RequestID *string `json:"requestId" doc:"As in the X-Request-Id header of the answer"`
}

// An ActivityList is a page of activities, the latest first.
type ActivityList struct {
	Activities []Activity `json:"activities" nullable:"false"`
	Next       string     `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

// An EventType names what happened.
type EventType string

// Schema describes the types. It satisfies [huma.SchemaProvider].
func (EventType) Schema(huma.Registry) *huma.Schema { return enumSchema(lifecycle.EventTypes) }

// An EventActor is a side.
type EventActor string

// Schema describes the sides. It satisfies [huma.SchemaProvider].
func (EventActor) Schema(huma.Registry) *huma.Schema {
	return enumSchema(lifecycle.Actors)
}

const (
	activityPath = "/v1/activity"
	activityTag  = "Activity"
)

// ShowActivity brings an event into the form in which it is shown to somebody, here and on the command line; nil: to an operator.
func ShowActivity(e *lifecycle.Event, to *lifecycle.Caller) Activity {
	shown := Activity{
		RelationshipID: textOrNull(e.RelationshipID), Type: EventType(e.Type),
		RecordedDateTime: lifecycle.FormatInstant(e.Recorded), EffectiveDateTime: lifecycle.FormatInstant(e.Effective),
		From: textOrNull(e.From), To: textOrNull(e.To), EndDateTime: instantOrNull(e.End), Reason: textOrNull(e.Reason), Rule: textOrNull(e.Rule),
		Actor: textOrNull(e.Actor), Action: textOrNull(e.Action), Subject: textOrNull(e.Subject), Detail: textOrNull(e.Detail),
	}
	if e.Type != lifecycle.EventRefused {
		shown.Version = &e.Version
	}
	if by := e.By; by != nil && (to == nil || to.Role == lifecycle.Operator || to.Tenant == by.Tenant) {
		shown.Caller = &ActivityCaller{TenantID: textOrNull(by.Tenant), Role: textOrNull(by.Role),
			Name: textOrNull(by.Name), Address: textOrNull(by.Address), RequestID: textOrNull(by.Request)}
	}
	return shown
}

func (s *Server) addActivity() {
	register(s, party, huma.Operation{
		OperationID: "listActivity", Method: http.MethodGet, Path: activityPath, Tags: []string{activityTag},
		Summary: "List who did what, the latest first",
		Description: "A tenant is shown what is about its own relationships, and what its own callers were refused; " +
			"its own callers by name, those of others by their side only.",
		Responses: s.answers(badValue),
	}, s.listActivity)
	register(s, party, huma.Operation{
		OperationID: "listRelationshipActivity", Method: http.MethodGet, Path: "/v1/relationships/{id}/activity", Tags: []string{activityTag},
		Summary:   "List what happened to a relationship, the latest first",
		Responses: s.answers(unknownRecord, badValue),
	}, s.listRelationshipActivity)
	s.addExports()
}

// An ActivityFilter says which activities are meant.
type ActivityFilter struct {
	Relationship string       `query:"relationship" doc:"Only those about the relationship with this id"`
	Types        []EventType  `query:"type" doc:"Only those of one of these types"`
	Actors       []EventActor `query:"actor" doc:"Only those of one of these sides"`
	Caller       string       `query:"caller" doc:"Only those that the caller of this name asked for"`
	Tenant       string       `query:"tenant" doc:"Only those that callers of this tenant asked for"`
	Request      string       `query:"requestId" doc:"Only those of the request with this id"`
	Since        string       `query:"since" doc:"Only those recorded at this instant or later"`
	Before       string       `query:"before" doc:"Only those recorded before this instant"`
}

// query is what the filter means for somebody. Whose names they are not shown they cannot search by.
func (f *ActivityFilter) query(bad *badValues, by *lifecycle.Caller) lifecycle.ActivityQuery {
	q := lifecycle.ActivityQuery{Relationship: lifecycle.CanonicalID(f.Relationship), Caller: f.Caller, Tenant: bad.tenant("query.tenant", f.Tenant),
		Request: f.Request, Since: bad.instant("query.since", f.Since), Before: bad.instant("query.before", f.Before)}
	for _, t := range f.Types {
		q.Types = append(q.Types, lifecycle.EventType(t))
	}
	for _, a := range f.Actors {
		q.Actors = append(q.Actors, lifecycle.Actor(a))
	}
	if by.Role == lifecycle.Operator {
		return q
	}
	q.Viewer = by
	if f.Caller == "" && f.Request == "" && f.Tenant == "" {
		return q
	}
	if q.Tenant != "" && q.Tenant != by.Tenant {
		bad.refuse(badValue, "query.tenant", quoted(f.Tenant), "is another tenant, whose callers cannot be searched by; leave it out")
	}
	q.Tenant = by.Tenant
	return q
}

// values are the filter as the query of an address.
func (f *ActivityFilter) values() url.Values {
	v := url.Values{}
	setNonEmpty(v, map[string]string{"relationship": f.Relationship, "type": joined(f.Types), "actor": joined(f.Actors), "caller": f.Caller,
		"tenant": f.Tenant, "requestId": f.Request, "since": f.Since, "before": f.Before})
	return v
}

// An ActivityPage says where a page begins, and how long it is.
type ActivityPage struct {
	After string `query:"after" doc:"Only those behind this place in the list; next names it"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"At most this many"`
	Among int    `query:"among" minimum:"1" maximum:"1000000" doc:"Look at no more than this many: what is rare among very many takes long to find. There may be a next page then although this one is not full, or is empty. Without effect for tenants, and on what is about one relationship"`
}

type listActivityInput struct {
	Asked
	ActivityFilter
	ActivityPage
}

type listActivityOutput struct{ Body ActivityList }

func (s *Server) listActivity(ctx context.Context, in *listActivityInput) (*listActivityOutput, error) {
	var bad badValues
	q := in.query(&bad, in.caller())
	return s.pageActivity(ctx, &in.Asked, &in.ActivityPage, q, &bad, activityPath, in.values())
}

type listRelationshipActivityInput struct {
	Asked
	ID string `path:"id" doc:"The relationship's id"`
	ActivityPage
}

func (s *Server) listRelationshipActivity(ctx context.Context, in *listRelationshipActivityInput) (*listActivityOutput, error) {
	var bad badValues
	filter := ActivityFilter{Relationship: in.ID}
	q := filter.query(&bad, in.caller())
	out, err := s.pageActivity(ctx, &in.Asked, &in.ActivityPage, q, &bad, "/v1/relationships/"+url.PathEscape(in.ID)+"/activity", url.Values{})
	if err == nil && len(out.Body.Activities) == 0 && in.After == "" {
		return nil, noRelationship() // each has come into being in some way
	}
	return out, err
}

// pageActivity reads one page. path and values are the address of the list.
func (s *Server) pageActivity(ctx context.Context, asked *Asked, page *ActivityPage, q lifecycle.ActivityQuery, bad *badValues,
	path string, values url.Values) (*listActivityOutput, error) {
	q.After, q.Limit = bad.position("query.after", page.After), page.Limit+1
	if p := bad.problem(); p != nil {
		return nil, p
	}
	found, reached, err := s.store.ActivityAmong(ctx, q, page.Among)
	if err != nil {
		return nil, fmt.Errorf("listing activities: %w", err)
	}
	out := &listActivityOutput{Body: ActivityList{Activities: []Activity{}}}
	if reached != nil {
		out.Body.Next = page.address(path, values, reached)
	}
	for i := range found {
		if i == page.Limit {
			out.Body.Next = page.address(path, values, found[i-1].Position())
			break
		}
		out.Body.Activities = append(out.Body.Activities, ShowActivity(&found[i], asked.caller()))
	}
	return out, nil
}

// address is that of the page behind a place.
func (p *ActivityPage) address(path string, values url.Values, after *lifecycle.ActivityPosition) string {
	values.Set("after", after.String())
	values.Set("limit", strconv.Itoa(p.Limit))
	if p.Among > 0 {
		values.Set("among", strconv.Itoa(p.Among))
	}
	return path + "?" + values.Encode()
}

// position reads a place in the list.
func (b *badValues) position(location, value string) *lifecycle.ActivityPosition {
	if value == "" {
		return nil
	}
	at, err := lifecycle.ParseActivityPosition(value)
	if err != nil {
		b.unfit(location, quoted(value), noPlace.Say())
	}
	return at
}
