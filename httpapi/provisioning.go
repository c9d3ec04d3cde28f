package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A ProvisioningStore keeps what another system is asked to do. It may be called from many goroutines.
type ProvisioningStore interface {
	// ProvisioningOrders lists what is asked for, by the keys of the relationships.
	ProvisioningOrders(ctx context.Context, q lifecycle.ProvisioningQuery) ([]lifecycle.ProvisioningOrder, error)

	// SettleProvisioning notes what became of asking; false where somebody else has taken the order up since.
	SettleProvisioning(ctx context.Context, a lifecycle.ProvisioningAnswer) (bool, error)

	// RetryProvisioning has the other system asked at once; [lifecycle.ErrNotFound], or [lifecycle.ErrWrongStatus] where there is nothing to ask for.
	RetryProvisioning(ctx context.Context, id string, wall, now time.Time) error
}

// A ProvisioningOrder is what another system is asked to do about a relationship.
type ProvisioningOrder struct {
	RelationshipID      string  `json:"relationshipId"`
	Version             int64   `json:"version" doc:"Of the relationship when it was called for; an answer must name it"`
	What                string  `json:"what" enum:"grant,revoke"`
	Status              string  `json:"status" enum:"approved,activating,expiring,terminationRequested,terminating"`
	SinceDateTime       string  `json:"sinceDateTime" format:"date-time" doc:"When it was called for"`
	Accepted            bool    `json:"accepted" doc:"The other system has taken it on, and will call back"`
	Attempts            int     `json:"attempts"`
	NextAttemptDateTime *string `json:"nextAttemptDateTime" format:"date-time" doc:"When it is asked again, by the machine's clock"`
	LastError           *string `json:"lastError"`
	Stuck               bool    `json:"stuck" doc:"It has waited for longer than the policy thinks it should"`
}

// A ProvisioningList is a page of orders.
type ProvisioningList struct {
	Orders []ProvisioningOrder `json:"orders" nullable:"false"`
	Next   string              `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

// A ProvisioningResult is the body of an answer to an order.
type ProvisioningResult struct {
	Version int64    `json:"version" minimum:"1" doc:"Of the order"`
	Result  string   `json:"result" enum:"done,failed" doc:"failed: it is asked again in a minute"`
	Detail  string   `json:"detail,omitempty" maxLength:"500" doc:"For people; kept"`
	_       struct{} `additionalProperties:"false"`
}

// ProvisioningSettled says what became of an answer.
type ProvisioningSettled struct {
	RelationshipID     string `json:"relationshipId"`
	RelationshipStatus string `json:"relationshipStatus" doc:"Of the relationship now"`
}

const (
	provisioningPath    = "/v1/provisioning"
	provisioningTag     = "Provisioning"
	provisioningExample = `write {"version":7,"result":"done"}, with the version of the order`
	resultDone          = "done"
	resultFailed        = "failed"
)

// failedPause is how long after a failed order it is asked for again.
const failedPause = time.Minute

// ShowProvisioning brings an order into the form in which it is shown, here and on the command line.
func ShowProvisioning(o *lifecycle.ProvisioningOrder, p *lifecycle.Policy, now time.Time) ProvisioningOrder {
	return ProvisioningOrder{o.Relationship.ID, o.Version, string(o.What()), string(o.Relationship.Status), lifecycle.FormatInstant(o.Since), o.Accepted, o.Attempts,
		instantOrNull(o.ReadyAt), textOrNull(o.LastError), o.Stuck(p, now)}
}

func (s *Server) addProvisioning() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "listProvisioning", Method: http.MethodGet, Path: provisioningPath, Tags: []string{provisioningTag},
		Summary:   "List what another system is asked to do",
		Responses: s.answers(badValue),
	}, s.listProvisioning)
	path := provisioningPath + "/{id}"
	register(s, ScopeProvision, s.about(huma.Operation{
		OperationID: "answerProvisioning", Method: http.MethodPost, Path: path, Tags: []string{provisioningTag},
		Summary:     "Say what became of an order",
		Description: "By the system that was asked. Done, the relationship goes on; failed, it is asked again.",
		Responses:   s.answers(append(bodyProblems, unknownRecord, notWaiting, staleOrder)...),
	}, "answer provisioning"), s.answerProvisioning)
	s.describeBody(s.api.OpenAPI().Paths[path].Post, schemaOf[ProvisioningResult](s), true)
	register(s, ScopeManage, huma.Operation{
		OperationID: "retryProvisioning", Method: http.MethodPost, Path: path + "/retry", Tags: []string{provisioningTag},
		Summary:   "Ask the other system again, at once",
		Responses: s.answers(unknownRecord, notWaiting),
	}, s.retryProvisioning)
}

type listProvisioningInput struct {
	Stuck bool  `query:"stuck" doc:"Only those that have waited for longer than the policy thinks they should"`
	After int64 `query:"after" minimum:"0" doc:"Only those behind this place in the list; next names it"`
	Limit int   `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many"`
}

type listProvisioningOutput struct{ Body ProvisioningList }

func (s *Server) listProvisioning(ctx context.Context, in *listProvisioningInput) (*listProvisioningOutput, error) {
	now := s.now()
	out := &listProvisioningOutput{Body: ProvisioningList{Orders: []ProvisioningOrder{}}}
	q := lifecycle.ProvisioningQuery{After: in.After, Limit: in.Limit + 1}
	if in.Stuck {
		if q.Before = s.policy.StuckBefore(now); q.Before.IsZero() {
			return out, nil // nothing ever is
		}
	}
	orders, err := s.store.ProvisioningOrders(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("listing what is to be provisioned: %w", err)
	}
	for i := range orders {
		if i == in.Limit {
			next := url.Values{"after": {strconv.FormatInt(orders[i-1].Key, 10)}, "limit": {strconv.Itoa(in.Limit)}}
			if in.Stuck {
				next.Set("stuck", "true")
			}
			out.Body.Next = provisioningPath + "?" + next.Encode()
			break
		}
		out.Body.Orders = append(out.Body.Orders, ShowProvisioning(&orders[i], s.policy, now))
	}
	return out, nil
}

type provisioningInput struct {
	Asked
	ID string `path:"id" doc:"The relationship's id"`
}

type answerProvisioningOutput struct{ Body ProvisioningSettled }

func (s *Server) answerProvisioning(ctx context.Context, in *provisioningInput) (*answerProvisioningOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	answer, p := readProvisioningResult(body)
	if p != nil {
		return nil, p
	}
	const tries = 3 // somebody else may be at the same record
	for range tries {
		order, err := s.waitingOrder(ctx, in)
		if err != nil {
			return nil, err
		}
		if order.Version != answer.Version {
			return nil, staleOrder.problem("What waits is the order of version %d, and this answers that of version %d.", order.Version, answer.Version)
		}
		status, settled, err := s.settle(ctx, in, &order, &answer)
		if err != nil || settled {
			return &answerProvisioningOutput{ProvisioningSettled{order.Relationship.ID, string(status)}}, err
		}
	}
	return nil, staleOrder.problem("The relationship is being changed just now; send the answer again.")
}

// waitingOrder is what the other system is asked to do about a relationship.
func (s *Server) waitingOrder(ctx context.Context, in *provisioningInput) (order lifecycle.ProvisioningOrder, err error) {
	id := lifecycle.CanonicalID(in.ID)
	orders, err := s.store.ProvisioningOrders(ctx, lifecycle.ProvisioningQuery{Relationship: id, Limit: 1})
	if err != nil {
		return order, fmt.Errorf("reading what is to be provisioned of %s: %w", shorten(id), err)
	}
	if len(orders) == 1 {
		in.about(id)
		return orders[0], nil
	}
	return order, s.nothingWaits(ctx, in)
}

// nothingWaits says why there is no order about a relationship.
func (s *Server) nothingWaits(ctx context.Context, in *provisioningInput) error {
	stored, err := s.store.Relationship(ctx, lifecycle.CanonicalID(in.ID))
	switch {
	case errors.Is(err, lifecycle.ErrNotFound):
		return noRelationship()
	case err != nil:
		return fmt.Errorf("reading relationship %s: %w", shorten(in.ID), err)
	}
	in.about(stored.ID)
	return notWaiting.problem("The relationship is %s, so nothing is to be provisioned: it was done already, or something else has happened.", stored.Status)
}

// settle notes the answer to an order; not settled where the record or the order has changed since it was read.
func (s *Server) settle(ctx context.Context, in *provisioningInput, o *lifecycle.ProvisioningOrder, answer *ProvisioningResult) (status lifecycle.Status, settled bool, err error) {
	if answer.Result == resultFailed {
		settled, err = s.store.SettleProvisioning(ctx, lifecycle.ProvisioningAnswer{Key: o.Key, Version: o.Version, Claim: o.Claim,
			LastError: answer.Detail, ReadyAt: s.wall().Add(failedPause)})
		return o.Relationship.Status, settled, err
	}
	d, err := s.store.Act(ctx, o.Relationship.ID, s.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		if c.Version != o.Relationship.Version {
			return lifecycle.Decision{Record: c.Record}, lifecycle.ErrStaleVersion
		}
		return c.Act(s.policy, s.now(), lifecycle.Action{Kind: lifecycle.CompleteProvisioning, By: lifecycle.Provisioner,
			Caller: in.caller(), Detail: answer.Detail})
	})
	if errors.Is(err, lifecycle.ErrStaleVersion) {
		return "", false, nil
	}
	var refusal *lifecycle.Refusal
	if errors.As(err, &refusal) {
		return "", false, notWaiting.problem("%s.", upperFirst(refusal.Error()))
	}
	if err != nil {
		return "", false, problemOfAction(err)
	}
	return d.Record.Status, true, nil
}

// readProvisioningResult reads what became of an order.
func readProvisioningResult(body json.RawMessage) (answer ProvisioningResult, p *Problem) {
	var bad badValues
	if body != nil {
		bad.object("body", body, provisioningExample,
			field("version", func(location string, value json.RawMessage) {
				if json.Unmarshal(value, &answer.Version) != nil || answer.Version < 1 {
					bad.refuse(badValue, location, value, "is not the version of an order, a whole number")
				}
			}),
			field("result", bad.text(func(result string) error {
				answer.Result = result
				return known(result, []string{resultDone, resultFailed})
			})),
			field("detail", bad.text(func(detail string) error {
				answer.Detail = detail
				return badNote(detail)
			})))
	}
	switch {
	case len(bad.bad) > 0:
	case answer.Version == 0:
		bad.refuse(badValue, "body.version", nil, "is missing; "+provisioningExample)
	case answer.Result == "":
		bad.refuse(badValue, "body.result", nil, "is missing; "+provisioningExample)
	}
	if answer.Result == resultFailed && answer.Detail == "" {
		answer.Detail = "failed, without a detail"
	}
	return answer, bad.problem()
}

type retryProvisioningOutput struct{ Body ProvisioningOrder }

func (s *Server) retryProvisioning(ctx context.Context, in *provisioningInput) (*retryProvisioningOutput, error) {
	err := s.store.RetryProvisioning(ctx, lifecycle.CanonicalID(in.ID), s.wall(), s.now())
	switch {
	case errors.Is(err, lifecycle.ErrNotFound), errors.Is(err, lifecycle.ErrWrongStatus):
		return nil, s.nothingWaits(ctx, in)
	case err != nil:
		return nil, fmt.Errorf("having %s provisioned again: %w", shorten(in.ID), err)
	}
	order, err := s.waitingOrder(ctx, in)
	if err != nil {
		return nil, err
	}
	return &retryProvisioningOutput{ShowProvisioning(&order, s.policy, s.now())}, nil
}
