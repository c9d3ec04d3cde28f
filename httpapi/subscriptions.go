package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A SubscriptionStore keeps who is told of what happens. It may be called from many goroutines.
type SubscriptionStore interface {
	// AddSubscription keeps a new one, whose id it gives; [lifecycle.ErrTooMany] where the tenant has as many as it may.
	AddSubscription(ctx context.Context, sub lifecycle.Subscription) (id int64, err error)

	// Subscriptions lists them all, by id.
	Subscriptions(ctx context.Context) ([]lifecycle.Subscription, error)

	// Subscription reads one; [lifecycle.ErrNotFound].
	Subscription(ctx context.Context, id int64) (lifecycle.Subscription, error)

	// RemoveSubscription removes one, and what waits to be sent there; [lifecycle.ErrNotFound].
	RemoveSubscription(ctx context.Context, id int64, now time.Time) error

	// RenewSecret gives one another secret. The one before goes on being used beside it; [lifecycle.ErrNotFound].
	RenewSecret(ctx context.Context, id int64, secret string, now time.Time) error
}

// A NewSubscription is the body of a request to be told of what happens.
type NewSubscription struct {
	URL      string             `json:"url" format:"uri" maxLength:"2000" example:"https://crm.example.com/tenure?key=…" doc:"https; kept, and from then on shown as scheme and host only"`
	Kinds    []AnnouncementKind `json:"kinds,omitempty" nullable:"false" doc:"Of what; left out or empty: of everything"`
	TenantID string             `json:"tenantId,omitempty" format:"uuid" doc:"Of whose relationships: an operator says so, and left out it is everybody's; everybody else is told of their own tenant's"`
	_        struct{}           `additionalProperties:"false"`
}

// A Subscription is a program that is told of what happens, as it is shown.
type Subscription struct {
	ID              int64              `json:"id" minimum:"1"`
	TenantID        *string            `json:"tenantId" doc:"Of whose relationships; null: everybody's"`
	URL             string             `json:"url" example:"https://crm.example.com/…" doc:"The rest of it is a secret"`
	Kinds           []AnnouncementKind `json:"kinds" nullable:"false" doc:"Of what; empty: of everything"`
	Channel         string             `json:"channel" example:"subscription-3" doc:"On which messages leave, as /v1/channels lists it"`
	Secrets         int                `json:"secrets" doc:"With how many secrets messages are signed; two after one was renewed"`
	CreatedBy       string             `json:"createdBy"`
	CreatedDateTime *string            `json:"createdDateTime" format:"date-time"`
}

// A SubscriptionSecret is a subscription with its newest secret, which is shown this once.
type SubscriptionSecret struct {
	Subscription
	Secret string `json:"secret" example:"whsec_…" doc:"Messages are signed with it; it cannot be shown again"`
}

// A SubscriptionList is all subscriptions that the caller may see, by id.
type SubscriptionList struct {
	Subscriptions []Subscription `json:"subscriptions" nullable:"false"`
}

// An AnnouncementKind is something that programs are told of.
type AnnouncementKind string

// Schema describes the kinds. It satisfies [huma.SchemaProvider].
func (AnnouncementKind) Schema(huma.Registry) *huma.Schema {
	return enumSchema(lifecycle.AnnouncementKinds)
}

const (
	subscriptionsPath   = "/v1/subscriptions"
	subscriptionTag     = "Subscriptions"
	subscriptionExample = `write {"url":"https://crm.example.com/tenure","kinds":["relationship.expiring_soon"]}`
	longestURL          = 2000
)

// NewSecret makes a secret that messages are signed with. Source: Standard Webhooks.
func NewSecret() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it does not fail
	return "whsec_" + base64.StdEncoding.EncodeToString(secret[:])
}

// ShowSubscription brings a subscription into the form in which it is shown, here and on the command line.
func ShowSubscription(sub *lifecycle.Subscription) Subscription {
	shown := Subscription{ID: sub.ID, TenantID: textOrNull(sub.Tenant), URL: maskURL(sub.URL), Kinds: []AnnouncementKind{}, Channel: sub.Channel(),
		Secrets: len(sub.Secrets), CreatedBy: sub.By, CreatedDateTime: instantOrNull(sub.Created)}
	for _, kind := range sub.Kinds {
		shown.Kinds = append(shown.Kinds, AnnouncementKind(kind))
	}
	return shown
}

// maskURL leaves of an address its scheme and its host: paths and queries hold keys.
func maskURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "…"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// isHTTPS is what is asked of an address where nobody asks for more.
func isHTTPS(address string) error {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("is not an https address; write it like https://crm.example.com/tenure")
	}
	return nil
}

func (s *Server) addSubscriptions() {
	register(s, party, huma.Operation{
		OperationID: "addSubscription", Method: http.MethodPost, Path: subscriptionsPath, DefaultStatus: http.StatusCreated, Tags: []string{subscriptionTag},
		Summary:     "Have a program told of what happens to relationships",
		Description: "The answer holds the secret that messages are signed with, this once.",
		Responses:   s.answers(append(bodyProblems, enoughTargets)...),
	}, s.addSubscription)
	s.describeBody(s.api.OpenAPI().Paths[subscriptionsPath].Post, schemaOf[NewSubscription](s), true)
	register(s, party, huma.Operation{
		OperationID: "listSubscriptions", Method: http.MethodGet, Path: subscriptionsPath, Tags: []string{subscriptionTag},
		Summary:     "List the subscriptions",
		Description: "A tenant is shown its own.",
	}, s.listSubscriptions)
	register(s, party, huma.Operation{
		OperationID: "getSubscription", Method: http.MethodGet, Path: subscriptionsPath + "/{id}", Tags: []string{subscriptionTag},
		Summary:   "Show a subscription",
		Responses: s.answers(unknownTarget, badValue),
	}, s.getSubscription)
	register(s, party, huma.Operation{
		OperationID: "removeSubscription", Method: http.MethodDelete, Path: subscriptionsPath + "/{id}", DefaultStatus: http.StatusNoContent, Tags: []string{subscriptionTag},
		Summary:     "Remove a subscription",
		Description: "What waits to be sent there is not sent any more.",
		Responses:   s.answers(unknownTarget, badValue),
	}, s.removeSubscription)
	register(s, party, huma.Operation{
		OperationID: "renewSubscriptionSecret", Method: http.MethodPost, Path: subscriptionsPath + "/{id}/secret", Tags: []string{subscriptionTag},
		Summary: "Give a subscription another secret",
		Description: "The answer holds it, this once. Messages are signed with the one before as well, until the next renewal, " +
			"so that a receiver can change over in its own time.",
		Responses: s.answers(unknownTarget, badValue),
	}, s.renewSecret)
}

type addSubscriptionInput struct{ Asked }

type addSubscriptionOutput struct {
	Location string `header:"Location" format:"uri-reference" doc:"Where the subscription is shown"`
	Body     SubscriptionSecret
}

func (s *Server) addSubscription(ctx context.Context, in *addSubscriptionInput) (*addSubscriptionOutput, error) {
	if p := in.maySubscribe(); p != nil {
		return nil, p
	}
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	sub, p := s.readSubscription(body, in.caller())
	if p != nil {
		return nil, p
	}
	secret := NewSecret()
	sub.Secrets, sub.By, sub.Created = []string{secret}, in.by(), s.now()
	id, err := s.store.AddSubscription(ctx, sub)
	if errors.Is(err, lifecycle.ErrTooMany) {
		return nil, enoughTargets.problem("There are %d subscriptions of the tenant already, and that is the most; remove one first.", lifecycle.MostSubscriptions)
	}
	if err != nil {
		return nil, fmt.Errorf("adding a subscription: %w", err)
	}
	sub.ID = id
	return &addSubscriptionOutput{subscriptionsPath + "/" + strconv.FormatInt(id, 10), SubscriptionSecret{ShowSubscription(&sub), secret}}, nil
}

// maySubscribe says why the caller may not change subscriptions; nil if they may.
func (in *Asked) maySubscribe() *Problem {
	if sideOf(in.caller()) == "" {
		return roleMissing.problem("To change subscriptions needs a role that acts, and %s.", powerOf(in.caller()))
	}
	return nil
}

// readSubscription reads who is to be told of what.
func (s *Server) readSubscription(body json.RawMessage, by *lifecycle.Caller) (sub lifecycle.Subscription, p *Problem) {
	var bad badValues
	said := false
	if body != nil {
		bad.object("body", body, subscriptionExample,
			field("url", bad.text(func(address string) error {
				said, sub.URL = true, address
				if len(address) > longestURL {
					return fmt.Errorf("has more than %d bytes", longestURL)
				}
				return s.checkSubscription(address)
			})),
			field("kinds", bad.list("kinds; leave it out for all of them", bad.text(func(kind string) error {
				sub.Kinds = append(sub.Kinds, lifecycle.NoticeKind(kind))
				return known(lifecycle.NoticeKind(kind), lifecycle.AnnouncementKinds)
			}))),
			field("tenantId", bad.text(func(tenant string) error {
				if sub.Tenant = strings.ToLower(tenant); !lifecycle.IsGUID(tenant) {
					return errors.New("is not a GUID; leave it out to be told of everybody's")
				}
				if by.Role != lifecycle.Operator && sub.Tenant != by.Tenant {
					return errors.New("is not the caller's tenant; leave it out")
				}
				return nil
			})))
	}
	if !said && len(bad.bad) == 0 {
		bad.refuse(badValue, "body.url", nil, "is missing; "+subscriptionExample)
	}
	if by.Role != lifecycle.Operator {
		sub.Tenant = by.Tenant
	}
	slices.Sort(sub.Kinds)
	sub.Kinds = slices.Compact(sub.Kinds)
	return sub, bad.problem()
}

type listSubscriptionsInput struct{ Asked }

type listSubscriptionsOutput struct{ Body SubscriptionList }

func (s *Server) listSubscriptions(ctx context.Context, in *listSubscriptionsInput) (*listSubscriptionsOutput, error) {
	all, err := s.store.Subscriptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing subscriptions: %w", err)
	}
	out := &listSubscriptionsOutput{SubscriptionList{[]Subscription{}}}
	for i := range all {
		if ownedBy(&all[i], in.caller()) {
			out.Body.Subscriptions = append(out.Body.Subscriptions, ShowSubscription(&all[i]))
		}
	}
	return out, nil
}

func ownedBy(sub *lifecycle.Subscription, by *lifecycle.Caller) bool {
	return by.Role == lifecycle.Operator || sub.Tenant == by.Tenant
}

type subscriptionInput struct {
	Asked
	ID int64 `path:"id" minimum:"1" doc:"The subscription's id"`
}

type subscriptionOutput struct{ Body Subscription }

// findSubscription reads one of the caller's.
func (s *Server) findSubscription(ctx context.Context, in *subscriptionInput) (lifecycle.Subscription, error) {
	sub, err := s.store.Subscription(ctx, in.ID)
	if err != nil && !errors.Is(err, lifecycle.ErrNotFound) {
		return sub, fmt.Errorf("reading subscription %d: %w", in.ID, err)
	}
	if err != nil || !ownedBy(&sub, in.caller()) {
		return sub, noSubscription(in.ID)
	}
	return sub, nil
}

func noSubscription(id int64) *Problem {
	return unknownTarget.problem("There is no subscription %d that the caller may see; GET %s lists those that there are.", id, subscriptionsPath)
}

func (s *Server) getSubscription(ctx context.Context, in *subscriptionInput) (*subscriptionOutput, error) {
	sub, err := s.findSubscription(ctx, in)
	if err != nil {
		return nil, err
	}
	return &subscriptionOutput{ShowSubscription(&sub)}, nil
}

// changeSubscription does something to one of the caller's, who must be one who acts.
func (s *Server) changeSubscription(ctx context.Context, in *subscriptionInput, change func() error) error {
	if _, err := s.findSubscription(ctx, in); err != nil {
		return err
	}
	if p := in.maySubscribe(); p != nil {
		return p
	}
	err := change()
	if errors.Is(err, lifecycle.ErrNotFound) {
		return noSubscription(in.ID)
	}
	return err
}

func (s *Server) removeSubscription(ctx context.Context, in *subscriptionInput) (*struct{}, error) {
	err := s.changeSubscription(ctx, in, func() error { return s.store.RemoveSubscription(ctx, in.ID, s.now()) })
	if err != nil {
		return nil, err
	}
	return &struct{}{}, nil
}

type renewSecretOutput struct{ Body SubscriptionSecret }

func (s *Server) renewSecret(ctx context.Context, in *subscriptionInput) (*renewSecretOutput, error) {
	secret := NewSecret()
	err := s.changeSubscription(ctx, in, func() error { return s.store.RenewSecret(ctx, in.ID, secret, s.now()) })
	if err != nil {
		return nil, err
	}
	sub, err := s.findSubscription(ctx, in)
	if err != nil {
		return nil, err
	}
	return &renewSecretOutput{SubscriptionSecret{ShowSubscription(&sub), secret}}, nil
}
