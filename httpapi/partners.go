package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A PartnerStore keeps what partners may do. It may be called from many goroutines.
type PartnerStore interface {
	// SetPartnership keeps a partner's standing, and who set it.
	SetPartnership(ctx context.Context, p lifecycle.Partnership, by string, now time.Time) error

	// Partnership is a partner's; an authorized one where nobody has said anything of it.
	Partnership(ctx context.Context, tenant string) (lifecycle.Partnership, error)

	// Partnerships lists the partners that an operator has said something of, by tenant id.
	Partnerships(ctx context.Context) ([]lifecycle.Partnership, error)
}

// A Partner is what is kept of a partner beside its relationships.
type Partner struct {
	TenantID    string   `json:"tenantId" format:"uuid"`
	DisplayName *string  `json:"displayName" doc:"As the policy has it; null: it has none"`
	Standing    Standing `json:"standing" doc:"restricted: nothing new; suspended: nothing new, and nothing old is changed; to terminate is always allowed"`
	Note        string   `json:"note" doc:"Why"`
}

// A PartnerList is the partners of which there is something to say. All others are authorized.
type PartnerList struct {
	Partners []Partner `json:"partners" nullable:"false"`
}

// A PartnerStanding is the body of a request to set a partner's standing.
type PartnerStanding struct {
	Standing Standing `json:"standing"`
	Note     string   `json:"note,omitempty" maxLength:"500" doc:"Why"`
	_        struct{} `additionalProperties:"false"`
}

// A Standing is what a partner may do.
type Standing string

// Schema describes the standings. It satisfies [huma.SchemaProvider].
func (Standing) Schema(huma.Registry) *huma.Schema { return enumSchema(lifecycle.Standings) }

const (
	partnersPath   = "/v1/partners"
	partnerTag     = "Partners"
	partnerExample = `write {"standing":"suspended","note":"the contract has ended"}`
)

// ShowPartner brings a partner into the form in which it is shown, here and on the command line.
func ShowPartner(p *lifecycle.Partnership, policy *lifecycle.Policy) Partner {
	return Partner{p.TenantID, textOrNull(policy.Notices.Partners[p.TenantID]), Standing(p.Standing), p.Note}
}

func (s *Server) addPartners() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "listPartners", Method: http.MethodGet, Path: partnersPath, Tags: []string{partnerTag},
		Summary:     "List the partners whose standing an operator has set",
		Description: "All others are authorized.",
	}, s.listPartners)
	path := partnersPath + "/{id}"
	register(s, ScopeManage, huma.Operation{
		OperationID: "setPartner", Method: http.MethodPut, Path: path, Tags: []string{partnerTag},
		Summary:     "Set a partner's standing",
		Description: "It counts from now on, for what partners and customers ask for. Timers go on in every standing.",
		Responses:   s.answers(bodyProblems...),
	}, s.setPartner)
	s.describeBody(s.api.OpenAPI().Paths[path].Put, schemaOf[PartnerStanding](s), true)
}

type listPartnersOutput struct{ Body PartnerList }

func (s *Server) listPartners(ctx context.Context, _ *struct{}) (*listPartnersOutput, error) {
	partners, err := s.store.Partnerships(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the partners: %w", err)
	}
	out := &listPartnersOutput{PartnerList{[]Partner{}}}
	for i := range partners {
		out.Body.Partners = append(out.Body.Partners, ShowPartner(&partners[i], s.policy))
	}
	return out, nil
}

type setPartnerInput struct {
	Asked
	ID string `path:"id" format:"uuid" doc:"The partner's tenant id"`
}

type setPartnerOutput struct{ Body Partner }

func (s *Server) setPartner(ctx context.Context, in *setPartnerInput) (*setPartnerOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	partner, p := readPartner(body, in.ID)
	if p != nil {
		return nil, p
	}
	if err := s.store.SetPartnership(ctx, partner, in.by(), s.now()); err != nil {
		return nil, fmt.Errorf("setting the standing of partner %s: %w", partner.TenantID, err)
	}
	return &setPartnerOutput{ShowPartner(&partner, s.policy)}, nil
}

// readPartner reads what standing a partner is to have.
func readPartner(body json.RawMessage, id string) (partner lifecycle.Partnership, p *Problem) {
	var bad badValues
	partner.TenantID = strings.ToLower(id)
	if !lifecycle.IsGUID(id) {
		bad.refuse(badValue, "path.id", quoted(id), "is not a GUID")
	}
	if body != nil {
		bad.object("body", body, partnerExample,
			field("standing", bad.text(func(standing string) error {
				partner.Standing = lifecycle.Standing(standing)
				return known(partner.Standing, lifecycle.Standings)
			})),
			field("note", bad.text(func(note string) error {
				partner.Note = strings.TrimSpace(note)
				return badNote(partner.Note)
			})))
	}
	if partner.Standing == "" && len(bad.bad) == 0 {
		bad.refuse(badValue, "body.standing", nil, "is missing; "+partnerExample)
	}
	return partner, bad.problem()
}

// badNote says why a note will not do; none is one, too.
func badNote(note string) error {
	if note == "" {
		return nil
	}
	return badReason(note)
}
