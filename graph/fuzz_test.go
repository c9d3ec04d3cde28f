package graph_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/graph"
	"github.com/tenure-dev/tenure/lifecycle"
)

// A forgetful store holds two relationships and keeps nothing, so that a body can be tried many thousand times a second.
type forgetful struct{ cases map[string]lifecycle.Case }

func (f *forgetful) Relationships(context.Context, lifecycle.RelationshipQuery) ([]lifecycle.Stored, error) {
	return nil, nil
}
func (f *forgetful) CountRelationships(context.Context, lifecycle.Filter) (int64, error) {
	return 0, nil
}
func (f *forgetful) Customers(context.Context, lifecycle.CustomerQuery) ([]lifecycle.Tenant, error) {
	return nil, nil
}
func (f *forgetful) Activity(context.Context, lifecycle.ActivityQuery) ([]lifecycle.Event, error) {
	return nil, nil
}
func (f *forgetful) RecordRefusal(context.Context, lifecycle.RefusedRequest) error { return nil }

func (f *forgetful) Case(_ context.Context, id string) (lifecycle.Case, error) {
	if c, ok := f.cases[id]; ok {
		return c, nil
	}
	return lifecycle.Case{}, lifecycle.ErrNotFound
}

func (f *forgetful) Relationship(ctx context.Context, id string) (lifecycle.Stored, error) {
	c, err := f.Case(ctx, id)
	return lifecycle.Stored{Record: c.Record}, err
}

func (f *forgetful) CreateRelationship(_ context.Context, _ string, _ *lifecycle.Policy, decide func(lifecycle.Standing) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	return decide(lifecycle.Authorized)
}

func (f *forgetful) Act(ctx context.Context, id string, _ *lifecycle.Policy, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	c, err := f.Case(ctx, id)
	if err != nil {
		return lifecycle.Decision{}, err
	}
	return decide(c)
}

// FuzzBody sends bodies to everything that takes one: whatever they hold, the answer is one in Graph's form, and nothing breaks.
func FuzzBody(f *testing.F) {
	for _, body := range []string{draft("A"), assign(group, helpdesk), assign("", helpdesk), `{"action":"lockForApproval"}`, `{"displayName":null,"duration":"P"}`,
		`{"requests":[{"id":"1","method":"GET","url":"/x","headers":{"a":"b"},"dependsOn":["1"]}]}`, `{"accessDetails":{"unifiedRoles":[{}]}}`, `{"id":1,"status":"\ud800"}`,
		`{"autoExtendDuration":"P25W5D","customer":null,"partner":{"tenantId":"x"}}`, `[`, `null`, `""`, `{"a":{"b":[1e999]}}`,
		`{"requests":[{"id":"1","method":"POST","url":"/tenantRelationships/delegatedAdminRelationships","body":` + draft("B") + `}]}`} {
		f.Add([]byte(body))
	}
	policy := lifecycle.DefaultPolicy()
	drafted := lifecycle.Record{ID: "draft", Partner: fabrikam, DisplayName: "A", Duration: lifecycle.Days(90), Status: lifecycle.Created, Roles: []string{helpdesk, reader},
		Created: start, Modified: start, Version: 1}
	active := drafted
	active.ID, active.Status, active.Assigned, active.Activated, active.End = "active", lifecycle.Active, 1, start, start.Add(90*lifecycle.Day)
	assigned := lifecycle.Assignment{ID: adatum, Group: adatum, Roles: []string{helpdesk}, Status: lifecycle.AssignmentActive, Created: start, Modified: start, Version: 1}
	store := &forgetful{map[string]lifecycle.Case{"draft": {Record: drafted}, "active": {Record: active, Assignments: []lifecycle.Assignment{assigned}}}}
	api, err := graph.New(graph.Options{Store: store, Policy: policy, Now: (&world{now: start}).clock})
	require.NoError(f, err)
	targets := [][2]string{{"POST", list}, {"PATCH", list + "/draft"}, {"PATCH", list + "/active"}, {"POST", list + "/draft/requests"},
		{"POST", list + "/active/requests"}, {"POST", list + "/active/accessAssignments"}, {"PATCH", list + "/active/accessAssignments/" + adatum}, {"POST", "/v1.0/$batch"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, to := range targets {
			for _, caller := range []string{"agent", "operator"} {
				r := httptest.NewRequestWithContext(t.Context(), to[0], to[1], strings.NewReader(string(body)))
				r.Header.Set("If-Match", "*")
				answered := httptest.NewRecorder()
				api.ServeAs(answered, r, callers[caller])
				require.Less(t, answered.Code, 500, "%s %s\n%s", to, body, answered.Body)
				if answered.Body.Len() > 0 {
					require.True(t, json.Valid(answered.Body.Bytes()), "%s", answered.Body)
				}
				if answered.Code >= 400 {
					require.Contains(t, answered.Body.String(), `{"error":{"code":`)
				}
			}
		}
	})
}
