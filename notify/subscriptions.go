package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Subscribers is where it stands who subscribes.
type Subscribers interface {
	// Subscriptions lists them all.
	Subscriptions(ctx context.Context) ([]lifecycle.Subscription, error)
}

// Subscriptions are the programs that are told of what happens to relationships. Each has a channel of its own, so that one that
// is down holds no other up; they come and go while letters go out. What is sent is described in docs/webhooks.md.
//
// An address here was written by whoever may subscribe, and not by who runs the deployment: it has no options, and what only
// this machine can reach is out of its reach.
type Subscriptions struct {
	from    Subscribers
	setting Setting
	private bool // addresses of private networks and of this machine are allowed

	mu    sync.Mutex
	known map[string]*subscriber // by channel
	askAt time.Time              // the last time
	fault string                 // why they could not be read then
}

const (
	subscribersKeptFor = 3 * time.Second
	askingTakes        = 5 * time.Second // at most

	// goneFor is how long letters that are on their way to a subscription may still arrive after it was removed.
	goneFor = time.Minute
)

// A subscriber is one subscription, ready to be told.
type subscriber struct {
	lifecycle.Subscription
	*poster           // nil: it cannot be told
	fault   error     // why not
	gone    time.Time // when it was found to be removed; zero: it is there
}

// NewSubscriptions tells those who stand in from. allowPrivate is for deployments whose subscribers are in the same house.
func NewSubscriptions(from Subscribers, s Setting, allowPrivate bool) *Subscriptions {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Policy == nil {
		s.Policy = lifecycle.DefaultPolicy()
	}
	return &Subscriptions{from: from, setting: s, private: allowPrivate, known: map[string]*subscriber{}}
}

// channels are those of the subscriptions, and how many letters each takes at a time. Who subscribes is read again every few
// seconds; while that cannot be read, those who were there stay.
func (s *Subscriptions) channels(ctx context.Context) map[string]int {
	if s.due() {
		s.read(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	atOnce := make(map[string]int, len(s.known))
	for name, c := range s.known {
		if c.gone.IsZero() {
			atOnce[name] = defaultAtOnce
		}
	}
	return atOnce
}

// due says whether it is time to read again, to the first who asks.
func (s *Subscriptions) due() bool {
	now := s.setting.Wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.askAt); since >= 0 && since < subscribersKeptFor {
		return false
	}
	s.askAt = now
	return true
}

func (s *Subscriptions) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askingTakes)
	defer cancel()
	subscriptions, err := s.from.Subscriptions(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.fault != err.Error() && !errors.Is(err, context.Canceled) {
			s.setting.Log.WarnContext(ctx, "the subscriptions cannot be read, those read before stay in use", "error", err)
		}
		s.fault = err.Error()
		return
	}
	s.fault = ""
	s.replace(ctx, subscriptions)
}

// replace takes in what stands there now. Of a subscription that has not changed the connections stay.
func (s *Subscriptions) replace(ctx context.Context, subscriptions []lifecycle.Subscription) {
	now := s.setting.Wall()
	next := make(map[string]*subscriber, len(subscriptions))
	for i := range subscriptions {
		subscription := &subscriptions[i]
		name := subscription.Channel()
		was := s.known[name]
		if was != nil && was.URL == subscription.URL && slices.Equal(was.Secrets, subscription.Secrets) {
			was.gone = time.Time{}
			next[name] = was
			continue
		}
		next[name] = s.open(subscription)
		if fault := next[name].fault; fault != nil {
			s.setting.Log.WarnContext(ctx, "a subscription cannot be told; remove it and subscribe again", "channel", name, "error", fault)
		}
	}
	for name, was := range s.known {
		switch {
		case next[name] == was:
			continue
		case next[name] != nil:
		case was.gone.IsZero():
			gone := *was
			gone.gone = now
			next[name] = &gone
		case now.Sub(was.gone) < goneFor:
			next[name] = was
		}
		was.rest()
	}
	s.known = next
}

// open makes a subscription ready to be told. What is wrong with it shows when it is told.
func (s *Subscriptions) open(subscription *lifecycle.Subscription) *subscriber {
	to, err := subscriptionURL(subscription.URL, s.private)
	secrets, badSecrets := parseSecrets(subscription.Secrets)
	if err := errors.Join(err, badSecrets); err != nil {
		return &subscriber{Subscription: *subscription, fault: err}
	}
	p := &poster{to: to, shown: maskURL(subscription.URL), redact: newRedactor(to), keys: secrets, setting: s.setting,
		timeout: defaultTimeout, drain: drainFor, atOnce: defaultAtOnce, agent: agentOf(s.setting.Version)}
	p.client = newClient(p.transport(subscriberGuard(s.private), &addressOptions{}))
	return &subscriber{Subscription: *subscription, poster: p}
}

// rest closes the connections that nothing is on its way on.
func (c *subscriber) rest() {
	if c.poster != nil {
		c.client.CloseIdleConnections()
	}
}

func (s *Subscriptions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.known {
		c.rest()
	}
}

// Compose writes what subscribers are told of, and its id; both are the same on every attempt. Nothing in it names a person.
func (s *Subscriptions) Compose(l lifecycle.Letter) (messageID string, message []byte, err error) {
	return composeEvent(&l, &s.setting)
}

// Send posts l.Message to the subscription whose channel the letter is on. How it fails is as with a [Webhook].
func (s *Subscriptions) Send(ctx context.Context, l lifecycle.Letter) error {
	s.mu.Lock()
	c := s.known[l.Channel]
	s.mu.Unlock()
	switch {
	case c == nil:
		return fmt.Errorf("post notice %s: %s has been removed: %w", l.NoticeID, l.Channel, lifecycle.ErrPermanent)
	case c.fault != nil:
		return fmt.Errorf("post notice %s: %w: %w", l.NoticeID, c.fault, lifecycle.ErrUnavailable)
	}
	return (&Webhook{c.poster}).Send(ctx, l)
}

// parseSecrets reads the secrets of a subscription, the newest first.
func parseSecrets(written []string) (secrets secretList, err error) {
	if len(written) == 0 {
		return nil, errors.New("it has no secret")
	}
	for _, w := range written {
		secret, err := parseSecret(w)
		if err != nil {
			return nil, fmt.Errorf("what it is signed with %w", err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// CheckSubscription says what is wrong with the address of a subscription, without showing it. What its name resolves to is
// looked at each time it is told.
func CheckSubscription(address string, allowPrivate bool) error {
	_, err := subscriptionURL(address, allowPrivate)
	return err
}

func subscriptionURL(address string, allowPrivate bool) (*url.URL, error) {
	o := &addressOptions{}
	if strings.Contains(address, "#") {
		o.fault("there is a # in it, behind which nothing would be sent; one that is part of the address is written %%23")
	}
	to := readURL(address, o)
	if to != nil {
		ip, literal := addressOf(to)
		if literal {
			if fault := subscriberGuard(allowPrivate).check(ip); fault != nil {
				o.fault("%w", fault)
			}
		}
		loopback := literal && inner(ip).IsLoopback()
		if to.Scheme != "https" && (to.Scheme != "http" || !loopback || !allowPrivate) {
			o.fault("it must begin with https://")
		}
	}
	return to, o.err()
}

// subscriberGuard names what operators can do: who subscribes can do nothing about it.
func subscriberGuard(allowPrivate bool) guard {
	return guard{private: allowPrivate, unless: "whoever runs tenure can allow them with --allow-private-subscriptions"}
}
