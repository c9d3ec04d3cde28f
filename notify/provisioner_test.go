package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// anOrder is to take the access of the sample relationship away, since its term is over.
func anOrder() lifecycle.ProvisioningOrder {
	r := letter(lifecycle.KindTermEnded).Relationship
	r.Status = lifecycle.Expiring
	return lifecycle.ProvisioningOrder{Relationship: r, Key: 1042, Version: 9, Since: end, Attempts: 3, Assignments: []lifecycle.Assignment{{
		ID: "44444444-4444-4444-8444-444444444444", Group: "55555555-5555-4555-8555-555555555555", Roles: r.Roles[:1], Status: lifecycle.AssignmentDeleting,
	}}}
}

// provisionerAt opens a provisioner on this machine.
func provisionerAt(t *testing.T, receive http.HandlerFunc, options ...string) *Provisioner {
	t.Helper()
	noLeaks(t)
	server := httptest.NewServer(receive)
	t.Cleanup(server.Close)
	options = append(options, "private=true", "secretFile="+secretFile(t, oldSecret))
	p, err := NewProvisioner(server.URL+"/services/pa55word#"+strings.Join(options, "&"), setting())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// The example in docs/provisioning.md is what is posted.
func TestOrderIsPostedAsDocumentedAndSigned(t *testing.T) {
	var header http.Header
	var body []byte
	p := provisionerAt(t, func(rw http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		rw.WriteHeader(http.StatusNoContent)
	})
	reply, err := p.Provision(t.Context(), anOrder())
	require.NoError(t, err)
	require.Zero(t, reply, "it is done")

	receiver, err := standardwebhooks.NewWebhook(oldSecret)
	require.NoError(t, err)
	require.NoError(t, receiver.Verify(body, header))
	page, err := os.ReadFile("../docs/provisioning.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(page), "```json\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "```")
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(example)))
	require.Equal(t, compact.String(), string(body))
	require.Contains(t, string(page), header.Get("Webhook-Id"))
	require.NotContains(t, header.Get("Webhook-Id"), ".")
}

func TestOrderKeepsItsIDOnEveryAttempt(t *testing.T) {
	var ids []string
	p := provisionerAt(t, func(_ http.ResponseWriter, r *http.Request) { ids = append(ids, r.Header.Get("Webhook-Id")) })
	o := anOrder()
	for range 2 {
		_, err := p.Provision(t.Context(), o)
		require.NoError(t, err)
		o.Attempts++
	}
	o.Version++
	_, err := p.Provision(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, ids[0], ids[1])
	require.NotEqual(t, ids[1], ids[2], "another order of the same relationship")
}

func TestGrantIsToldFromRevocation(t *testing.T) {
	for status, want := range map[lifecycle.Status]string{
		lifecycle.Approved: "provisioning.grant", lifecycle.Activating: "provisioning.grant", lifecycle.Expiring: "provisioning.revoke",
		lifecycle.TerminationRequested: "provisioning.revoke", lifecycle.Terminating: "provisioning.revoke",
	} {
		o := anOrder()
		o.Relationship.Status, o.Assignments = status, nil
		_, message, err := composeOrder(&o, &Setting{Policy: lifecycle.DefaultPolicy(), Sandbox: true})
		require.NoError(t, err)
		require.Contains(t, string(message), `"type":"`+want+`"`)
		require.Contains(t, string(message), `"assignments":[]`)
		require.Contains(t, string(message), `"sandbox":true`)
	}
}

func TestAnswerSaysHowFarTheOrderHasCome(t *testing.T) {
	say := func(code int, body string, headers ...string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			answer(code, headers...)(rw, r)
			_, _ = io.WriteString(rw, body)
		}
	}
	for name, c := range map[string]struct {
		receive http.HandlerFunc
		want    lifecycle.ProvisioningReply
	}{
		"200":                  {say(200, ""), lifecycle.ProvisioningReply{}},
		"204":                  {answer(204), lifecycle.ProvisioningReply{}},
		"202":                  {answer(202), lifecycle.ProvisioningReply{Accepted: true}},
		"202 with a wait":      {answer(202, "Retry-After", "90"), lifecycle.ProvisioningReply{Accepted: true, Again: 90 * time.Second}},
		"a wait of years":      {answer(202, "Retry-After", "99999999"), lifecycle.ProvisioningReply{Accepted: true, Again: 24 * time.Hour}},
		"200 with text":        {say(200, "thank you"), lifecycle.ProvisioningReply{}},
		"200 with other JSON":  {say(200, `[{"result":"failed"}]`), lifecycle.ProvisioningReply{}},
		"200 that is accepted": {say(200, `{"result":"accepted"}`, "Retry-After", "5"), lifecycle.ProvisioningReply{Accepted: true, Again: 5 * time.Second}},
		"202 that is done":     {say(202, `{"result":"done","detail":"job\n 7"}`), lifecycle.ProvisioningReply{Detail: "job 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := provisionerAt(t, c.receive)
			reply, err := p.Provision(t.Context(), anOrder())
			require.NoError(t, err)
			require.Equal(t, c.want, reply)
		})
	}
	for name, c := range map[string]struct {
		receive http.HandlerFunc
		want    string
	}{
		"failed":            {say(200, `{"result":"failed","detail":"no such tenant, see /services/pa55word"}`), `it answered 200 OK, with the result failed: "no such tenant, see ***"`},
		"failed, and quiet": {say(202, `{"result":"failed"}`), "it answered 202 Accepted, with the result failed"},
		"unknown result":    {say(200, `{"result":"perhaps"}`), `it answered 200 OK, with the result "perhaps"; it must be done, accepted or failed`},
		"odd result":        {say(200, `{"result":{"ok":true}}`), "it answered 200 OK, with a result that is no text"},
		"endless":           {say(200, `{"result":"failed","detail":"`+strings.Repeat("x", mostOfAnAnswer)+`"}`), "it answered 200 OK, with more than 64 KB"},
		"201":               {answer(201), "it answered 201 Created; write 200 or 204 for what is done, 202 for what is taken on"},
		"308":               {answer(308, "Location", "https://elsewhere.example/pa55word"), "it answered 308 Permanent Redirect to elsewhere.example, and redirects are not followed; give --provisioner the address where it is now"},
		"404":               {say(404, "no POST at /services/pa55word"), `it answered 404 Not Found, saying "no POST at ***"`},
		"410":               {answer(410), "it answered 410 Gone"},
		"500":               {answer(500), "it answered 500 Internal Server Error"},
	} {
		t.Run(name, func(t *testing.T) {
			p := provisionerAt(t, c.receive)
			reply, err := p.Provision(t.Context(), anOrder())
			require.ErrorContains(t, err, fmt.Sprintf("post order_0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001_9 to %s: %s", p.to.Host, c.want))
			require.NotContains(t, err.Error(), "pa55word")
			require.Zero(t, reply)
		})
	}
}

func TestFailedOrderIsPutOffForAsLongAsTheOtherSystemSays(t *testing.T) {
	for _, code := range []int{429, 500, 503} {
		p := provisionerAt(t, answer(code, "Retry-After", "120"))
		_, err := p.Provision(t.Context(), anOrder())
		var later *lifecycle.Later
		require.ErrorAs(t, err, &later)
		require.Equal(t, 2*time.Minute, later.Wait)
	}
	p := provisionerAt(t, answer(500))
	_, err := p.Provision(t.Context(), anOrder())
	require.False(t, errors.As(err, new(*lifecycle.Later)))
}

// What breaks off may have said that it failed.
func TestAnswerThatBreaksOffIsNoSuccess(t *testing.T) {
	p := provisionerAt(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(rw, `{"result":`)
	})
	_, err := p.Provision(t.Context(), anOrder())
	require.ErrorContains(t, err, "it answered 200 OK, and broke off")
}

func TestProvisionerThatHangsIsGivenUpInTime(t *testing.T) {
	for name, receive := range map[string]http.HandlerFunc{
		"before it answers": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
		"within the answer": func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			rw.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := provisionerAt(t, receive, "timeout=1s")
			_, err := p.Provision(t.Context(), anOrder())
			require.Error(t, err)
		})
	}
}

func TestProvisionerAddressesAreThoseOfWebhooks(t *testing.T) {
	for address, want := range map[string]string{
		"smtp://mail.example.com":            "smtp://mail.example.com:587 is no address that orders can be posted to; write https://HOST/PATH#secretFile=FILE",
		"nonsense pa55word":                  "*** is no address that orders can be posted to",
		"":                                   "*** is no address that orders can be posted to",
		"https://hooks.example.com/pa55word": "option secretFile is missing",
		"https://10.0.0.1/pa55word#unsigned=true": "10.0.0.1 is a private address",
	} {
		_, err := NewProvisioner(address, setting())
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "pa55word")
	}
	p, err := NewProvisioner("https://hooks.example.com/pa55word#unsigned=true", Setting{Wall: time.Now})
	require.NoError(t, err)
	require.Equal(t, "https://hooks.example.com/***", p.String())
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", p, p, p), "pa55word")
}

func TestProvisioningEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := provisionerAt(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}, "timeout=60s")
	_, err := p.Provision(ctx, anOrder())
	require.Error(t, err)
}
