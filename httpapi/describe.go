package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// descriptionPath is where the server shows docs/openapi.yaml.
const descriptionPath = "/openapi.yaml"

// describe begins the description of the API, to which each operation adds itself.
func (s *Server) describe() huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "tenure", Version: "1",
				Description: "Ask for sweeps, watch them, stop them; keep the directory of contacts; look after notices and the channels on which they leave; " +
					"what customers do with relationships, the log of activities, bulk jobs, subscriptions, provisioning, partners; health and metrics. Relationships in the shape of Microsoft Graph stand under /v1.0/, with a description of their own. Every error is an RFC 9457 problem document, and every answer has an " +
					"X-Request-Id. Later versions may add fields to answers.\n\n" +
					"While no token exists, only loopback addresses are served, and no token is needed."},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer",
					Description: "Made by `tenure token create`: an operator's, with the scopes read, sweep, provision or manage, which holds the others; " +
						"or a tenant's, with a role. Or a JSON Web Token of an issuer that the deployment trusts."}},
			},
		},
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.finishProblem},
	}
	c.AllowAdditionalPropertiesByDefault = true
	return c
}

// register adds an operation that needs a scope. The routes, the permission and the description all follow from this one
// call, so none of them can be forgotten. Errors come out as problem documents, whatever they are.
func register[I, O any](s *Server, needs Scope, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	s.needs[op.Method+" "+op.Path] = needs
	common := []kind{headersTooLarge, bodyTooLarge}
	op.Security = []map[string][]string{}
	if needs != open {
		op.Security = []map[string][]string{{"token": scopesFor(needs)}}
		common = append(common, tokenMissing, tokenUnknown, scopeMissing, roleMissing, localOnly, crossSite, tooManyRequests, internal, issuerAway, timedOut)
	}
	responses := s.answers(common...)
	for code, own := range op.Responses {
		if shared := responses[code]; shared != nil {
			own.Description += "; " + shared.Description
		}
		responses[code] = own
	}
	op.Responses = responses
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(err)
		}
		return out, nil
	})
}

// scopesFor are the scopes that an operation needs of an operator's token.
func scopesFor(needs Scope) []string {
	if needs == party {
		return []string{string(ScopeRead)}
	}
	return []string{string(needs)}
}

type describeOutput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Body        []byte
}

// addDescription shows the description. It is written down when somebody first asks for it: that takes a while, and nobody should
// wait for it at the start.
func (s *Server) addDescription() {
	description := sync.OnceValues(func() ([]byte, error) { return s.api.OpenAPI().YAML() })
	register(s, open, huma.Operation{
		OperationID: "getDescription", Method: http.MethodGet, Path: descriptionPath, Tags: []string{healthTag},
		Summary:   "Show this description",
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/yaml": {}}}},
	}, func(context.Context, *struct{}) (*describeOutput, error) {
		yaml, err := description()
		if err != nil {
			return nil, fmt.Errorf("writing the description of the API: %w", err)
		}
		return &describeOutput{"application/yaml", yaml}, nil
	})
	schemas := s.api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own form of an error, which never leaves this server
	delete(schemas, "ErrorDetail")
}

// schemaOf is a reference to how T is described.
func schemaOf[T any](s *Server) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}
