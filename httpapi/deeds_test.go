package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// fakeDeeds keeps deeds in memory, the earliest first.
type fakeDeeds struct {
	deeds     []lifecycle.Deed
	deedsAway error // what comes of writing one down
}

func (f *fake) RecordDeed(_ context.Context, d lifecycle.Deed) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deedsAway != nil {
		return f.deedsAway
	}
	d.ID = int64(len(f.deeds) + 1)
	f.deeds = append(f.deeds, d)
	return nil
}

func (f *fake) RecordRefusedSignIn(ctx context.Context, d lifecycle.Deed) error {
	return f.RecordDeed(ctx, d)
}

func (f *fake) Deeds(_ context.Context, q lifecycle.DeedQuery) (page []lifecycle.Deed, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.deeds) - 1; i >= 0 && len(page) < q.Limit; i-- {
		d := &f.deeds[i]
		if (q.After == 0 || d.ID < q.After) && (q.Caller == "" || d.By.Name == q.Caller) && (!q.Refused || d.Refused()) {
			page = append(page, *d)
		}
	}
	return page, nil
}

func (w *world) deeds(query string) (list DeedList) {
	w.Helper()
	r := w.do("GET", "/v1/deeds"+query, "")
	require.Equal(w, http.StatusOK, r.status, string(r.body))
	require.NoError(w, json.Unmarshal(r.body, &list))
	return list
}

func TestWhatPeopleAskOfTheDeploymentIsKept(t *testing.T) {
	w := newWorld(t)
	w.do("GET", "/v1/sweeps", "")
	require.Equal(t, 202, w.do("POST", "/v1/sweeps", "").status)
	require.Equal(t, 200, w.do("POST", "/v1/channels/mail/off", `{"reason":"it moves"}`, "X-Request-Id: move-1").status)
	w.do("POST", "/v1/channels/pigeon/off", `{"reason":"it moves"}`).problem(unknownChannel)
	w.do("POST", "/v1/notices/actions", `{"action":"retry","filter":{"status":["dead"]},"reason":"again","dryRun":true}`)
	w.do("POST", "/v1/notices/actions", `{"action":"retry","filter":{"status":["dead"]},"reason":"again"}`)
	w.do("DELETE", "/v1/contacts?tenantId="+partner+"&mail=ann@example.com", "")
	deeds := w.deeds("").Deeds
	require.Len(t, deeds, 5, "looking and counting are no deeds")
	require.Equal(t, "DELETE /v1/contacts", deeds[0].What)
	require.Equal(t, "/v1/contacts?tenantId="+partner, *deeds[0].Subject, "addresses are not kept")
	require.Equal(t, "retry: again", *deeds[1].Detail)
	require.Equal(t, 404, deeds[2].Status)
	require.Contains(t, *deeds[2].Detail, "There is no channel", "why it was refused")
	require.Equal(t, "it moves", *deeds[3].Detail)
	require.Equal(t, "operator", *deeds[3].Caller.Name)
	require.Equal(t, "127.0.0.1", *deeds[3].Caller.Address)
	require.Equal(t, "move-1", *deeds[3].Caller.RequestID)
	require.Equal(t, lifecycle.FormatInstant(noon), deeds[3].DateTime)
	require.Equal(t, "/v1/sweeps/1", *deeds[4].Subject, "what came into being")

	first := w.deeds("?limit=2&refused=false&caller=operator")
	require.Len(t, first.Deeds, 2)
	require.Equal(t, "/v1/deeds?after=4&caller=operator&limit=2", first.Next)
	require.Len(t, w.deeds("?refused=true").Deeds, 1)
	w.do("GET", "/v1/deeds?since=yesterday", "").problem(badValue)
}

func TestWhoMayNotIsKeptAndWhoIsUnknownIsNot(t *testing.T) {
	w := newWorld(t)
	manage := w.token
	w.token = w.newToken("reader", ScopeRead)
	w.do("POST", "/v1/sweeps", "").problem(scopeMissing)
	w.token = ""
	w.do("POST", "/v1/sweeps", "").problem(tokenMissing)
	w.token = manage
	deeds := w.deeds("").Deeds
	require.Len(t, deeds, 1)
	require.Equal(t, 403, deeds[0].Status)
	require.Equal(t, "reader", *deeds[0].Caller.Name)
}

// TestNothingStandsInBothLogs asks for what changes timers, and for what does not, and is refused both.
func TestNothingStandsInBothLogs(t *testing.T) {
	w := recordsWorld(t)
	hold := `{"kind":"rule","subject":"end-term","note":"looking"}`
	require.Equal(t, 201, w.do("POST", "/v1/holds", hold).status)
	w.do("POST", "/v1/holds", hold).problem(heldAlready)
	require.Equal(t, 200, w.do("POST", "/v1/channels/mail/off", `{"reason":"it moves"}`).status)
	w.do("POST", "/v1/channels/pigeon/off", `{"reason":"it moves"}`).problem(unknownChannel)
	var deeds []string
	for _, d := range w.deeds("").Deeds {
		deeds = append(deeds, fmt.Sprint(d.What, " ", d.Status))
	}
	require.Equal(t, []string{"POST /v1/channels/{name}/off 404", "POST /v1/channels/{name}/off 200"}, deeds)
	events, err := w.fake.Activity(t.Context(), lifecycle.ActivityQuery{Types: []lifecycle.EventType{lifecycle.EventHoldPlaced, lifecycle.EventRefused}})
	require.NoError(t, err)
	require.Len(t, events, 2)

	for route, needs := range w.server.needs {
		method, path, _ := strings.Cut(route, " ")
		if method == http.MethodGet || method == http.MethodHead || !strings.HasPrefix(path, "/v1/") || needs == open || needs == ScopeRead {
			continue // nobody changes anything there
		}
		event := w.server.actions[route] != ""
		require.NotEqual(t, event, w.server.isDeed(route), "%s stands in both logs, or in none", route)
	}
}

func TestReadersSeeNoAddressesInDeeds(t *testing.T) {
	w := newWorld(t)
	w.do("POST", "/v1/channels/mail/off", `{"reason":"ann@example.com asked for it"}`)
	require.Contains(t, *w.deeds("").Deeds[0].Detail, "ann@example.com")
	w.token = w.newToken("reader", ScopeRead)
	require.Equal(t, "a***@example.com asked for it", *w.deeds("").Deeds[0].Detail)
}

func TestDeedThatCannotBeKeptIsLogged(t *testing.T) {
	w := newWorld(t)
	w.fake.deedsAway = errors.New("the disk is full")
	require.Equal(t, 200, w.do("POST", "/v1/channels/mail/off", `{"reason":"it moves"}`).status, "it was done")
	require.Contains(t, w.log.String(), "what somebody did could not be recorded")
	require.Contains(t, w.log.String(), "the disk is full")
}

func TestSigningInAndOutIsKept(t *testing.T) {
	w := recordsWorld(t)
	_, err := w.fake.CreateToken(t.Context(), lifecycle.Token{Name: "operator", Scopes: []string{"manage"}, Created: noon}, []byte("hash"))
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/console/sign-in", nil)
	r.RemoteAddr = "192.0.2.7:5"
	secret, _, err := w.server.SignIn(r, w.token, "")
	require.NoError(t, err)
	require.NoError(t, w.server.SignOut(r, secret))
	require.NoError(t, w.server.SignOut(r, secret), "which is no news")
	deeds := w.deeds("").Deeds
	require.Len(t, deeds, 2)
	require.Equal(t, "sign out", deeds[0].What)
	require.Equal(t, "sign in", deeds[1].What)
	for _, d := range deeds {
		require.Equal(t, "operator", *d.Caller.Name)
		require.Equal(t, "192.0.2.7", *d.Caller.Address)
	}
}
