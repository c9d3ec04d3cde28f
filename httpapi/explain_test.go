package httpapi

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/explain"
	"github.com/tenure-dev/tenure/lifecycle"
)

// explained tells stories as cmd does, with no policy file.
func explained(_ context.Context, d *lifecycle.Dossier, by *lifecycle.Caller, language string) (Explanation, error) {
	story := explain.Tell(d, explain.Given{Now: noon, Policy: lifecycle.DefaultPolicy(), Set: map[string]bool{}, Viewer: by, Language: explain.Language(language)})
	told := Explanation{RelationshipID: story.Relationship, Title: story.Title, AsOfDateTime: lifecycle.FormatInstant(story.At), Language: language, Sections: []ExplanationSection{}}
	for _, section := range story.Sections {
		shown := ExplanationSection{Name: string(section.Name), Heading: section.Heading}
		for _, s := range section.Sentences {
			sentence := ExplanationSentence{Text: s.Text, DateTime: instantOrNull(s.At)}
			if s.Policy != nil {
				sentence.Policy = &ExplanationPolicy{Key: s.Policy.Key, Value: s.Policy.Value, Source: string(s.Policy.Source)}
			}
			shown.Sentences = append(shown.Sentences, sentence)
		}
		told.Sections = append(told.Sections, shown)
	}
	return told, nil
}

func TestWhoeverSeesARelationshipMayHaveItExplained(t *testing.T) {
	w := newWorld(t)
	records(w)
	path := func(id string) string { return "/v1/relationships/" + id + "/explain" }
	manager := w.token
	for _, c := range []struct {
		name, token string
		sees        []string
		not         []string
	}{
		{"operator", manager, []string{activeID, invitingID, pendingID, draftID}, []string{relationshipID(999)}},
		{"read-only operator", w.newToken("looks", ScopeRead), []string{activeID, draftID}, nil},
		{"partner", w.tenantToken(partner, lifecycle.AdminAgents), []string{activeID, invitingID, pendingID, draftID}, nil},
		{"its reader", w.tenantToken(partner, lifecycle.Reader), []string{activeID, draftID}, nil},
		{"customer", w.tenantToken(contoso, lifecycle.GlobalAdministrators), []string{activeID, pendingID}, []string{draftID, invitingID}},
		{"another partner", w.tenantToken(stranger, lifecycle.AdminAgents), nil, []string{activeID, draftID}},
		{"another customer", w.tenantToken(fabrikam, lifecycle.GlobalAdministrators), nil, []string{activeID, pendingID}},
	} {
		w.token = c.token
		for _, id := range c.sees {
			r := w.do("GET", path(id), "")
			require.Equal(t, 200, r.status, "%s: %s", c.name, r.body)
			var e Explanation
			r.read(&e)
			require.Equal(t, id, e.RelationshipID)
			require.NotEmpty(t, e.Sections, c.name)
		}
		for _, id := range c.not {
			w.do("GET", path(id), "").problem(unknownRecord)
		}
	}
	w.token = manager
	var e Explanation
	w.do("GET", path(activeID)+"?lang=ja", "").read(&e)
	require.Equal(t, "概要", e.Sections[0].Heading)
	w.do("GET", path(activeID)+"?lang=tlh", "").problem(badValue)
}

func TestTenantsAreExplainedNobodysAddress(t *testing.T) {
	w := newWorld(t)
	records(w)
	_, err := w.fake.DB.ImportContacts(t.Context(), []lifecycle.Contact{
		{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "agents@partner.example"},
		{TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "it@contoso.example"}}, &w.server.policy.Notices, noon)
	require.NoError(t, err)
	for token, addresses := range map[string]int{w.token: 1, w.newToken("looks", ScopeRead): 0, w.tenantToken(partner, lifecycle.AdminAgents): 0,
		w.tenantToken(contoso, lifecycle.GlobalAdministrators): 0} {
		w.token = token
		r := w.do("GET", "/v1/relationships/"+activeID+"/explain", "")
		require.Equal(t, 200, r.status)
		require.True(t, json.Valid(r.body))
		if addresses == 0 {
			require.NotContains(t, string(r.body), "agents@")
			require.NotContains(t, string(r.body), "it@")
			continue
		}
		require.Contains(t, string(r.body), "agents@partner.example")
		require.Contains(t, string(r.body), "it@contoso.example")
	}
}

// explainExchanges are those that only explaining has.
func explainExchanges() []exchange {
	return []exchange{
		{operation: "explainRelationship", want: 200, method: "GET", path: "/v1/relationships/" + activeID + "/explain?lang=ja", before: records},
		{operation: "explainRelationship", want: 404, method: "GET", path: "/v1/relationships/x/explain", before: records},
		{operation: "explainRelationship", want: 422, method: "GET", path: "/v1/relationships/x/explain?lang=x"},
	}
}
