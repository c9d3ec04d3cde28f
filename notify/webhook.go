package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Webhook tells a program: it posts each notice to it as JSON. What is sent is described in docs/webhooks.md.
type Webhook struct{ *poster }

var webhookKind = register(channelKind{
	schemes:   []string{"https", "http"},
	usage:     "https://HOST/PATH#secretFile=FILE: a webhook, told of each notice as signed JSON",
	endpoints: true,
	mask:      maskURL,
	open: func(address string, s Setting) (Channel, error) {
		return newWebhook(address, s, http.ProxyFromEnvironment)
	},
})

func newWebhook(address string, s Setting, proxyFor proxyFinder) (Channel, error) {
	p, err := newPoster(address, s, proxyFor)
	if err != nil {
		return nil, err
	}
	return &Webhook{p}, nil
}

// A hook is what is posted.
type hook struct {
	Type      string   `json:"type"`
	Timestamp string   `json:"timestamp"`
	Data      hookData `json:"data"`
}

type hookData struct {
	NoticeID         string               `json:"noticeId"`
	Kind             lifecycle.NoticeKind `json:"kind"`
	Stage            *string              `json:"stage"`
	Side             lifecycle.Side       `json:"side"`
	TenantID         string               `json:"tenantId"`
	Role             lifecycle.Role       `json:"role"`
	EndDateTime      *string              `json:"endDateTime"`
	DueDateTime      *string              `json:"dueDateTime"`
	RecordedDateTime *string              `json:"recordedDateTime"`
	Sandbox          bool                 `json:"sandbox"`
	Relationship     *lifecycle.Wire      `json:"relationship"`
}

// Compose writes what is posted of l, and its id, which is the same on every attempt. Nothing in it names a person.
func (w *Webhook) Compose(l lifecycle.Letter) (messageID string, message []byte, err error) {
	if l.IsDigest() {
		return "", nil, fmt.Errorf("write notice %s: a webhook is told of each notice by itself, and of no digest: %w", l.NoticeID, lifecycle.ErrPermanent)
	}
	h := hook{Type: hookType(l.Kind), Timestamp: lifecycle.FormatInstant(l.Due), Data: hookData{
		NoticeID: l.String(), Kind: l.Kind, Side: l.Recipient.Role.Side(), TenantID: l.Recipient.TenantID, Role: l.Recipient.Role,
		EndDateTime: wireInstant(l.End), DueDateTime: wireInstant(l.Due), RecordedDateTime: wireInstant(l.Recorded),
		Sandbox: w.setting.Sandbox, Relationship: l.Relationship.Wire(w.setting.Policy),
	}}
	if !l.Stage.IsZero() {
		stage := l.Stage.String()
		h.Data.Stage = &stage
	}
	message, err = json.Marshal(h)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s: %w", l.NoticeID, err)
	}
	return hookIDOf("notice", &l, w.setting.Domain), message, nil
}

// hookType is the kind in the letters that Standard Webhooks recommends.
func hookType(kind lifecycle.NoticeKind) string {
	return "notice." + strings.ReplaceAll(string(kind), "-", "_")
}

// hookIDOf names the message of l. There must be no full stop in it: that is what parts the id from what else is signed.
func hookIDOf(what string, l *lifecycle.Letter, domain string) string {
	return fmt.Sprintf("%s_%s_%s_%s", what, l.NoticeID, atom(l.Relationship.ID), atom(domain))
}

func wireInstant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := lifecycle.FormatInstant(t)
	return &s
}

// Send posts l.Message. No failure is permanent: a receiver that refuses is one that somebody has to mend, and what it has
// missed then goes out.
func (w *Webhook) Send(ctx context.Context, l lifecycle.Letter) error {
	if err := w.post(ctx, l.MessageID, l.Message, w.outcome); err != nil {
		return fmt.Errorf("post notice %s to %s: %w", l.NoticeID, w.to.Host, err)
	}
	return nil
}
