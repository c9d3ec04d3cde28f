package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Provisioner asks another system to give access or to take it away: it posts each order to it as JSON, in the way in which a
// [Webhook] posts notices. What is sent, and what the answers mean, is described in docs/provisioning.md.
type Provisioner struct{ *poster }

// NewProvisioner reads the address, which is that of a webhook with the same options. The error says all that is wrong with it,
// without its secrets.
func NewProvisioner(address string, s Setting) (*Provisioner, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Policy == nil {
		s.Policy = lifecycle.DefaultPolicy()
	}
	if k, err := kindOf(address); err != nil || k != webhookKind {
		return nil, fmt.Errorf("%s is no address that orders can be posted to; write https://HOST/PATH#secretFile=FILE", MaskAddress(address))
	}
	p, err := newPoster(address, s, http.ProxyFromEnvironment)
	if err != nil {
		return nil, err
	}
	p.drain = p.timeout // the rest of the answer counts, too
	return &Provisioner{p}, nil
}

// An order is what is posted.
type order struct {
	Type      string    `json:"type"`
	Timestamp string    `json:"timestamp"`
	Data      orderData `json:"data"`
}

type orderData struct {
	OrderID       string            `json:"orderId"`
	Version       int64             `json:"version"`
	Attempt       int               `json:"attempt"`
	SinceDateTime *string           `json:"sinceDateTime"`
	Callback      string            `json:"callback"`
	Sandbox       bool              `json:"sandbox"`
	Relationship  *lifecycle.Wire   `json:"relationship"`
	Assignments   []orderAssignment `json:"assignments"`
}

// An orderAssignment is written as Microsoft Graph writes a delegatedAdminAccessAssignment.
type orderAssignment struct {
	ID              string               `json:"id"`
	Status          string               `json:"status"`
	AccessContainer orderContainer       `json:"accessContainer"`
	AccessDetails   lifecycle.WireAccess `json:"accessDetails"`
}

type orderContainer struct {
	ID   string `json:"accessContainerId"`
	Type string `json:"accessContainerType"`
}

// composeOrder writes what is posted of an order, and its id, which is the same on every attempt.
func composeOrder(o *lifecycle.ProvisioningOrder, s *Setting) (id string, message []byte, err error) {
	r := &o.Relationship
	id = fmt.Sprintf("order_%s_%d", atom(r.ID), o.Version)
	posted := order{Type: "provisioning." + string(o.What()), Timestamp: lifecycle.FormatInstant(o.Since), Data: orderData{
		OrderID: id, Version: o.Version, Attempt: o.Attempts, SinceDateTime: wireInstant(o.Since),
		Callback: "/v1/provisioning/" + url.PathEscape(r.ID), Sandbox: s.Sandbox,
		Relationship: r.Wire(s.Policy), Assignments: make([]orderAssignment, len(o.Assignments)),
	}}
	for i := range o.Assignments {
		a := &o.Assignments[i]
		posted.Data.Assignments[i] = orderAssignment{ID: a.ID, Status: string(a.Status),
			AccessContainer: orderContainer{a.Group, "securityGroup"}, AccessDetails: lifecycle.WireAccess{UnifiedRoles: wireRoles(a.Roles)}}
	}
	message, err = json.Marshal(posted)
	return id, message, err
}

func wireRoles(roles []string) []lifecycle.WireRole {
	wire := make([]lifecycle.WireRole, len(roles))
	for i, role := range roles {
		wire[i].RoleDefinitionID = role
	}
	return wire
}

// Provision posts the order. Whatever fails is to be tried again, after the wait of a [lifecycle.Later] where the other system
// names one.
func (p *Provisioner) Provision(ctx context.Context, o lifecycle.ProvisioningOrder) (reply lifecycle.ProvisioningReply, err error) {
	id, message, err := composeOrder(&o, &p.setting)
	if err != nil {
		return reply, fmt.Errorf("write an order for relationship %s: %w", o.Relationship.ID, err)
	}
	err = p.post(ctx, id, message, func(resp *http.Response) error {
		reply, err = p.reply(resp)
		return err
	})
	if err != nil {
		return lifecycle.ProvisioningReply{}, fmt.Errorf("post %s to %s: %w", id, p.to.Host, err)
	}
	return reply, nil
}

// The results that an answer may hold.
const (
	resultDone     = "done"
	resultAccepted = "accepted"
	resultFailed   = "failed"
)

// A verdict is what the body of an answer may say. It wins over the status.
type verdict struct {
	Result string `json:"result"`
	Detail string `json:"detail"`
}

// reply says what an answer means.
func (p *Provisioner) reply(resp *http.Response) (lifecycle.ProvisioningReply, error) {
	v := verdict{Result: resultDone}
	switch resp.StatusCode {
	case http.StatusAccepted:
		v.Result = resultAccepted
	case http.StatusOK, http.StatusNoContent:
	default:
		return lifecycle.ProvisioningReply{}, p.later(resp, p.failure(resp))
	}
	if err := v.read(resp.Body); err != nil {
		return lifecycle.ProvisioningReply{}, p.later(resp, fmt.Errorf("%s, %w", status(resp.StatusCode), err))
	}
	detail := p.redact.line(v.Detail)
	switch v.Result {
	case resultDone:
		return lifecycle.ProvisioningReply{Detail: detail}, nil
	case resultAccepted:
		return lifecycle.ProvisioningReply{Accepted: true, Again: p.wait(resp), Detail: detail}, nil
	case resultFailed:
		err := fmt.Errorf("%s, with the result failed", status(resp.StatusCode))
		if detail != "" {
			err = fmt.Errorf("%w: %s", err, strconv.QuoteToGraphic(detail))
		}
		return lifecycle.ProvisioningReply{}, p.later(resp, err)
	}
	return lifecycle.ProvisioningReply{}, p.later(resp, fmt.Errorf("%s, with the result %q; it must be done, accepted or failed",
		status(resp.StatusCode), p.redact.line(v.Result)))
}

// failure is an answer with a status that tells of one.
func (p *Provisioner) failure(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusSwitchingProtocols:
		return errors.New(status(code))
	case code >= 300 && code < 400:
		return fmt.Errorf("%s%s, and redirects are not followed; give --provisioner the address where it is now", status(code), redirectedTo(resp))
	case code >= 200 && code < 300:
		return fmt.Errorf("%s; write 200 or 204 for what is done, 202 for what is taken on", status(code))
	}
	return fmt.Errorf("%s%s", status(resp.StatusCode), p.read(resp.Body))
}

// read reads what the body says, where it is a JSON object that says something. One that breaks off may have said that it
// failed.
func (v *verdict) read(body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, mostOfAnAnswer+1))
	switch {
	case err != nil:
		return errors.New("and broke off")
	case len(text) > mostOfAnAnswer:
		return fmt.Errorf("with more than %d KB", mostOfAnAnswer>>10)
	}
	said := verdict{}
	err = json.Unmarshal(text, &said)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("with a %s that is no text", wrong.Field)
	case err == nil && said.Result != "":
		*v = said
	}
	return nil
}
