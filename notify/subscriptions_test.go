package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A roll is where it stands who subscribes.
type roll struct {
	mu    sync.Mutex
	all   []lifecycle.Subscription
	err   error
	asked int
}

func (r *roll) Subscriptions(context.Context) ([]lifecycle.Subscription, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return append([]lifecycle.Subscription(nil), r.all...), r.err
}

func (r *roll) set(all ...lifecycle.Subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = all
}

func subscription(id int64, address string, secrets ...string) lifecycle.Subscription {
	if len(secrets) == 0 {
		secrets = []string{oldSecret}
	}
	return lifecycle.Subscription{ID: id, URL: address, Secrets: secrets, Created: end}
}

// A subscribed notifier tells subscribers on this machine. The clock is moved by the test.
type subscribed struct {
	*Notifier
	roll *roll
	now  time.Time
	log  bytes.Buffer
}

func subscribers(t *testing.T, all ...lifecycle.Subscription) *subscribed {
	t.Helper()
	s := &subscribed{roll: &roll{all: all}, now: end}
	set := setting()
	set.Wall = func() time.Time { return s.now }
	set.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	s.Notifier = notifier(t, func(o *Options) { o.Subscriptions = NewSubscriptions(s.roll, set, true) })
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func (s *subscribed) pass(d time.Duration) { s.now = s.now.Add(d) }

// announcement tells subscription 3 of the sample relationship.
func announcement(kind lifecycle.NoticeKind) lifecycle.Letter {
	l := letter(lifecycle.KindTermEnded)
	l.Kind, l.Ordinal, l.Channel, l.Endpoint = kind, 8_000_003, lifecycle.SubscriptionChannel(3), true
	l.Recipient = lifecycle.Contact{TenantID: l.Relationship.Partner}
	if kind == lifecycle.AnnounceExpiringSoon {
		l.Stage = lifecycle.Days(30)
		l.Due = l.Stage.Before(l.End)
		l.Recorded = l.Due.Add(time.Minute + 42*time.Microsecond)
	}
	return l
}

func (s *subscribed) written(t *testing.T, kind lifecycle.NoticeKind) lifecycle.Letter {
	t.Helper()
	l := announcement(kind)
	var err error
	l.MessageID, l.Message, err = s.Render(l)
	require.NoError(t, err)
	return l
}

func TestEachEventIsWrittenAsItAlwaysWas(t *testing.T) {
	s := subscribers(t)
	for _, kind := range lifecycle.AnnouncementKinds {
		l := s.written(t, kind)
		again := s.written(t, kind)
		require.Equal(t, l.MessageID, again.MessageID)
		require.Equal(t, string(l.Message), string(again.Message))
		require.NotContains(t, l.MessageID, ".")
		require.NotContains(t, string(l.Message), "alex@partner.example")

		var pretty bytes.Buffer
		require.NoError(t, json.Indent(&pretty, l.Message, "", "  "))
		file := filepath.Join("testdata", "events", string(kind)+".json")
		if *update {
			require.NoError(t, os.WriteFile(file, append(pretty.Bytes(), '\n'), 0o600))
		}
		golden, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(golden), pretty.String()+"\n")
	}
}

// The second example in docs/webhooks.md is what subscribers are told, and the page knows all that they may be.
func TestEventsAreAsDocumented(t *testing.T) {
	s := subscribers(t)
	l := s.written(t, lifecycle.AnnounceExpiringSoon)
	page, err := os.ReadFile("../docs/webhooks.md")
	require.NoError(t, err)
	examples := strings.Split(string(page), "```json\n")
	require.Len(t, examples, 3)
	example, _, _ := strings.Cut(examples[2], "```")
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(example)))
	require.Equal(t, compact.String(), string(l.Message))
	require.Contains(t, string(page), l.MessageID)
	for _, kind := range lifecycle.AnnouncementKinds {
		require.Contains(t, string(page), "| `"+string(kind)+"` |")
	}
}

func TestSubscribersAreToldOfEventsOnly(t *testing.T) {
	s := subscribers(t)
	_, _, err := s.Render(announcement(lifecycle.KindTermEnded))
	require.ErrorIs(t, err, lifecycle.ErrPermanent)
}

// While a secret is replaced, either one is good.
func TestEventIsSignedWithAllSecretsOfTheSubscription(t *testing.T) {
	var header http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	t.Cleanup(server.Close)
	s := subscribers(t, subscription(3, server.URL+"/pa55word", oldSecret))
	s.now = time.Now()
	require.Equal(t, map[string]int{lifecycle.DefaultChannel: 8, "subscription-3": 4}, s.Channels(t.Context()))
	l := s.written(t, lifecycle.AnnounceExtended)
	signedWith := func(secrets ...string) {
		t.Helper()
		require.NoError(t, s.Send(t.Context(), l))
		require.Equal(t, string(l.Message), string(body))
		require.Len(t, strings.Split(header.Get("Webhook-Signature"), " "), len(secrets))
		for _, secret := range secrets {
			receiver, err := standardwebhooks.NewWebhook(secret)
			require.NoError(t, err)
			require.NoError(t, receiver.Verify(body, header))
		}
	}
	signedWith(oldSecret)
	s.roll.set(subscription(3, server.URL+"/pa55word", newSecret, oldSecret))
	s.Channels(t.Context())
	signedWith(oldSecret)
	s.pass(subscribersKeptFor)
	s.Channels(t.Context())
	signedWith(newSecret, oldSecret)
	first, err := parseSecret(newSecret)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(header.Get("Webhook-Signature"), signature(first, l.MessageID, s.now, body)), "the newest one first")
}

func TestSubscriptionsComeAndGo(t *testing.T) {
	var told atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	t.Cleanup(server.Close)
	s := subscribers(t)
	require.Equal(t, map[string]int{lifecycle.DefaultChannel: 8}, s.Channels(t.Context()))
	s.roll.set(subscription(3, server.URL))
	for range 5 {
		require.Len(t, s.Channels(t.Context()), 1, "it is not asked each time")
	}
	require.Equal(t, 1, s.roll.asked)
	s.pass(subscribersKeptFor)
	require.Contains(t, s.Channels(t.Context()), "subscription-3")
	l := s.written(t, lifecycle.AnnounceExtended)
	require.NoError(t, s.Send(t.Context(), l))

	s.roll.set()
	s.pass(subscribersKeptFor)
	require.Len(t, s.Channels(t.Context()), 1)
	require.NoError(t, s.Send(t.Context(), l), "what was on its way arrives")
	s.pass(goneFor)
	s.Channels(t.Context())
	require.ErrorIs(t, s.Send(t.Context(), l), lifecycle.ErrPermanent)
	require.EqualValues(t, 2, told.Load())
}

func TestSubscribersStayWhileTheDatabaseIsAway(t *testing.T) {
	server := httptest.NewServer(answer(http.StatusNoContent))
	t.Cleanup(server.Close)
	s := subscribers(t, subscription(3, server.URL))
	require.Contains(t, s.Channels(t.Context()), "subscription-3")
	s.roll.err = errors.New("the database is away")
	for range 5 {
		s.pass(time.Hour)
		require.Contains(t, s.Channels(t.Context()), "subscription-3")
	}
	require.NoError(t, s.Send(t.Context(), s.written(t, lifecycle.AnnounceExtended)))
	require.Equal(t, 1, strings.Count(s.log.String(), "the subscriptions cannot be read"), "said once")
}

func TestAnswerOfASubscriberMeansWhatThatOfAWebhookMeans(t *testing.T) {
	for code, want := range map[int]error{204: nil, 410: lifecycle.ErrSwitchedOff, 429: lifecycle.ErrUnavailable, 503: lifecycle.ErrUnavailable, 504: lifecycle.ErrUnknown} {
		server := httptest.NewServer(answer(code))
		s := subscribers(t, subscription(3, server.URL+"/pa55word"))
		s.Channels(t.Context())
		err := s.Send(t.Context(), s.written(t, lifecycle.AnnounceExtended))
		require.ErrorIs(t, err, want)
		if err != nil {
			require.NotContains(t, err.Error(), "pa55word")
		}
		server.Close()
	}
}

// An address that was good once rests with its reason, and its letters are not lost.
func TestSubscriptionThatCannotBeToldSaysWhy(t *testing.T) {
	for want, bad := range map[string]lifecycle.Subscription{
		"it must begin with https://":             subscription(3, "http://hooks.example.com/pa55word"),
		"what it is signed with is a secret of 6": subscription(3, "https://hooks.example.com/pa55word", "pa55word"),
		"169.254.169.254 is no address":           subscription(3, "https://169.254.169.254/pa55word"),
		"it has no secret":                        {ID: 3, URL: "https://hooks.example.com/pa55word"},
		"behind which nothing would be sent;":     subscription(3, "https://hooks.example.com/#pa55word"),
	} {
		s := subscribers(t, bad)
		require.Contains(t, s.Channels(t.Context()), "subscription-3")
		err := s.Send(t.Context(), s.written(t, lifecycle.AnnounceExtended))
		require.ErrorIs(t, err, lifecycle.ErrUnavailable)
		require.ErrorContains(t, err, want)
		require.Contains(t, s.log.String(), "a subscription cannot be told")
		require.NotContains(t, err.Error()+s.log.String(), "pa55word")
	}
}

func TestAddressOfASubscriptionIsCheckedStrictly(t *testing.T) {
	for address, want := range map[string]string{
		"https://hooks.example.com/a?b=c":                           "",
		"https://user:pa55word@hooks.example.com:8443/":             "",
		"http://hooks.example.com/pa55word":                         "it must begin with https://",
		"ftp://hooks.example.com/pa55word":                          "it must begin with https://",
		"hooks.example.com/pa55word":                                "it is not a URL such as",
		"":                                                          "it is not a URL such as",
		"https://hooks.example.com/pa55word#private=true":           "there is a # in it",
		"https://hooks.example.com/pa55word#":                       "there is a # in it",
		"https://hooks.example.com/" + strings.Repeat("x", 2000):    "the address is longer than 2000 characters",
		"https://localhost/pa55word":                                "::1 is a private address, and those are refused; if it is meant, whoever runs tenure can allow them with --allow-private-subscriptions",
		"https://127.0.0.1/pa55word":                                "127.0.0.1 is a private address",
		"http://127.0.0.1/pa55word":                                 "127.0.0.1 is a private address",
		"https://[::ffff:10.1.2.3]/pa55word":                        "10.1.2.3 is a private address",
		"https://169.254.169.254/latest/meta-data/iam/pa55word":     "169.254.169.254 is no address that anybody can be told at",
		"https://hooks.example.com:0/":                              "its port is not a number from 1 to 65535",
		"https://hooks.example.com/pa55word\r\nX-Injected: pa55wrd": "it is not a URL such as",
	} {
		err := CheckSubscription(address, false)
		if want == "" {
			require.NoError(t, err, address)
			continue
		}
		require.ErrorContains(t, err, want, address)
		require.NotContains(t, err.Error(), "pa55")
	}
	for _, good := range []string{"http://127.0.0.1:8080/", "http://localhost/", "https://10.1.2.3/", "https://[::1]/"} {
		require.NoError(t, CheckSubscription(good, true), good)
	}
	for _, bad := range []string{"http://10.1.2.3/", "http://hooks.example.com/", "https://169.254.169.254/"} {
		require.Error(t, CheckSubscription(bad, true), bad)
	}
}

// The name may resolve to anything: what is dialled is what counts.
func TestSubscriptionReachesNothingPrivateByAnotherName(t *testing.T) {
	r := &roll{all: []lifecycle.Subscription{subscription(3, "https://127.1:1/pa55word")}} // which some resolvers take for an address
	set := setting()
	subscriptions := NewSubscriptions(r, set, false)
	n := notifier(t, func(o *Options) { o.Subscriptions = subscriptions })
	n.Channels(t.Context())
	l := announcement(lifecycle.AnnounceExtended)
	var err error
	l.MessageID, l.Message, err = n.Render(l)
	require.NoError(t, err)
	require.ErrorIs(t, n.Send(t.Context(), l), lifecycle.ErrUnavailable)

	require.Error(t, subscriberGuard(false).control(t.Context(), "tcp", "127.0.0.1:443", nil))
	require.Error(t, subscriberGuard(true).control(t.Context(), "tcp", "169.254.169.254:80", nil))
}

func TestNoChannelTakesTheNameOfASubscription(t *testing.T) {
	require.ErrorContains(t, CheckChannelName("subscription-3"), "such names are those of subscriptions")
	require.NoError(t, CheckChannelName("subscriptions"))
}

// Announcements are for programs: there is nothing to word, and nothing to look at.
func TestAnnouncementsNeedNoWordings(t *testing.T) {
	for _, kind := range PreviewKinds() {
		require.False(t, kind.IsAnnouncement())
	}
}
