package jobs_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A told event is what a subscriber was told, as far as tests look at it.
type toldEvent struct {
	Type string
	Data struct {
		RelationshipID string
		Version        int64
		Stage          string
		EndDateTime    string
		DueDateTime    string
		Relationship   struct{ Status string }
	}
}

// A subscriber is a program on this machine that is told of events. It takes none that is not signed.
type subscriber struct {
	t   *testing.T
	URL string

	mu     sync.Mutex
	status int // that it answers with; 0: 204
	told   []toldEvent
	ids    map[string]int
	calls  int
}

func subscribe(t *testing.T) *subscriber {
	s := &subscriber{t: t, ids: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(s.t, err)
	key, err := standardwebhooks.NewWebhook(secret)
	assert.NoError(s.t, err)
	assert.NoError(s.t, key.VerifyIgnoringTimestamp(body, r.Header), "signed as Standard Webhooks says")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.status != 0 {
		w.WriteHeader(s.status)
		return
	}
	var e toldEvent
	assert.NoError(s.t, json.Unmarshal(body, &e))
	s.told = append(s.told, e)
	s.ids[r.Header.Get("Webhook-Id")]++
	w.WriteHeader(http.StatusNoContent)
}

func (s *subscriber) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// of are the events of one relationship, in the order in which they took effect.
func (s *subscriber) of(id string) (types []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := slices.Clone(s.told)
	slices.SortStableFunc(told, func(a, b toldEvent) int {
		return cmp.Or(cmp.Compare(a.Data.Version, b.Data.Version), cmp.Compare(nth(a.Type), nth(b.Type)))
	})
	for _, e := range told {
		if e.Data.RelationshipID == id {
			types = append(types, e.Type[len("relationship."):])
		}
	}
	return types
}

// nth is the place of a kind among those that there are: of one step, some take effect before others.
func nth(kind string) int {
	return slices.Index(lifecycle.AnnouncementKinds, lifecycle.NoticeKind(kind))
}

// telling has the courier tell subscriptions, over HTTP.
func (d *deployment) telling() {
	d.t.Helper()
	set := notify.Setting{Domain: "tenure.example.com", Policy: d.policy, Log: d.sweeper.Log, Wall: func() time.Time { return d.wall }}
	notifier, err := notify.New(notify.Options{Channels: map[string]notify.Channel{lifecycle.DefaultChannel: notify.NewDiscard(set.Domain)},
		From: "tenure@example.com", Domain: set.Domain, Subscriptions: notify.NewSubscriptions(d.db, set, true)})
	require.NoError(d.t, err)
	d.t.Cleanup(func() { require.NoError(d.t, notifier.Close()) })
	d.courier.Notifier = notifier
}

func (d *deployment) add(s *subscriber, kinds ...lifecycle.NoticeKind) int64 {
	d.t.Helper()
	id, err := d.db.AddSubscription(d.t.Context(), lifecycle.Subscription{Tenant: partner, URL: s.URL, Kinds: kinds, Secrets: []string{secret}, Created: d.now})
	require.NoError(d.t, err)
	return id
}

// live passes time, sweeps and delivers.
func (d *deployment) live(by time.Duration) {
	d.t.Helper()
	d.pass(by)
	d.sweep()
	d.deliver()
}

const otherID = "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000002"

// Two lives: one that is extended, then left to end, and whose name comes free; one that is terminated.
func TestSubscriberIsToldOfAWholeLifeOnceAndSigned(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.telling()
		all, few := subscribe(t), subscribe(t)
		d.add(all)
		d.add(few, lifecycle.AnnounceExtended)
		for _, id := range []string{relationshipID, otherID} {
			d.requestedFor(id, lifecycle.Days(90))
			d.act(id, lifecycle.Approve, lifecycle.Customer)
		}
		require.NoError(t, d.tryToAct(relationshipID, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true}))
		d.live(lifecycle.Day)
		d.act(otherID, lifecycle.Terminate, lifecycle.Customer)
		d.live(89 * lifecycle.Day) // it is extended at its end
		d.act(relationshipID, lifecycle.SetAutoExtend, lifecycle.Partner)
		for range 183 {
			d.live(lifecycle.Day)
		}
		d.live(370 * lifecycle.Day)
		d.deliver()

		require.Equal(t, []string{"created", "locked", "approved", "activated", "auto_extend_changed", "extended", "auto_extend_changed", "expiring_soon",
			"expiring_soon", "expiring_soon", "expired", "name_released"}, all.of(relationshipID))
		require.Equal(t, []string{"created", "locked", "approved", "activated", "terminated", "name_released"}, all.of(otherID))
		require.Equal(t, []string{"extended"}, few.of(relationshipID))
		require.Empty(t, few.of(otherID))
		for id, times := range all.ids {
			require.Equal(t, 1, times, id)
		}
		var stages []string
		for _, e := range all.told {
			if e.Data.Stage != "" {
				stages = append(stages, e.Data.Stage)
			}
			if e.Type == string(lifecycle.AnnounceExpired) {
				require.Equal(t, lifecycle.FormatInstant(start.Add(270*lifecycle.Day)), e.Data.DueDateTime)
				require.Equal(t, e.Data.DueDateTime, e.Data.EndDateTime)
			}
		}
		require.Equal(t, []string{"P30D", "P7D", "P1D"}, stages)
	})
}

func TestSubscriberThatIsDownRestsByItselfAndMissesNothing(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.telling()
		down, up := subscribe(t), subscribe(t)
		id := d.add(down)
		d.add(up)
		down.answer(http.StatusServiceUnavailable)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.deliver()
		require.Len(t, up.told, 2, "it holds no other up")
		require.Positive(t, d.channel(lifecycle.SubscriptionChannel(id)).Failures)
		asked := down.calls
		require.LessOrEqual(t, asked, 4)
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		d.deliver()
		require.Equal(t, asked, down.calls, "it is left alone")
		require.Len(t, up.told, 4)
		for range 30 {
			d.pass(time.Hour)
			d.deliver()
		}
		require.Less(t, down.calls, 60)

		down.answer(0)
		d.pass(time.Hour)
		d.deliver()
		require.Equal(t, []string{"created", "locked", "approved", "activated"}, down.of(relationshipID))
		require.Zero(t, d.channel(lifecycle.SubscriptionChannel(id)).Failures)
		for _, l := range d.all() {
			if l.Endpoint {
				require.Equal(t, lifecycle.NoticeSent, l.Status)
				require.Equal(t, 1, l.Attempts, "nothing was used up")
			}
		}
	})
}

func TestSubscriberThatIsGoneIsToldNothingMore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.telling()
		gone := subscribe(t)
		id := d.add(gone)
		gone.answer(http.StatusGone)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.deliver()
		require.True(t, d.channel(lifecycle.SubscriptionChannel(id)).Off)
		calls := gone.calls
		d.live(lifecycle.Day)
		require.Equal(t, calls, gone.calls)

		// An operator switches it on again: nothing was lost.
		gone.answer(0)
		require.NoError(t, d.db.SwitchChannel(t.Context(), lifecycle.SubscriptionChannel(id), true, "", d.now))
		d.deliver()
		require.Equal(t, []string{"created", "locked"}, gone.of(relationshipID))
	})
}

func TestRemovedSubscriptionIsToldNothingMore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.telling()
		s := subscribe(t)
		id := d.add(s)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		d.deliver()
		require.Len(t, s.told, 2)
		d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
		require.NoError(t, d.db.RemoveSubscription(t.Context(), id, d.now))
		d.live(lifecycle.Day)
		require.Len(t, s.told, 2)
		require.Equal(t, 2, d.letters()[lifecycle.NoticeSuppressed])
	})
}

// A draft that is deleted before anybody was told of it keeps nobody from being told of others.
func TestDeletedDraftHoldsNobodyUp(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.telling()
		s := subscribe(t)
		d.add(s)
		d.requestedFor(relationshipID, lifecycle.Days(90))
		name, duration := "A draft", lifecycle.Days(90)
		_, err := d.db.CreateRelationship(t.Context(), partner, d.policy, func(standing lifecycle.Standing) (lifecycle.Decision, error) {
			return lifecycle.Create(otherID, partner, lifecycle.Draft{DisplayName: &name, Duration: &duration,
				Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}}, d.policy, standing, nil, d.now)
		})
		require.NoError(t, err)
		d.act(otherID, lifecycle.Delete, lifecycle.Partner)
		d.deliver()
		require.Equal(t, []string{"created", "locked"}, s.of(relationshipID))
		for _, l := range d.all() {
			require.True(t, l.Status.Final(), "%s of %s is %s", l.Kind, l.Relationship.ID, l.Status)
		}
	})
}

// A lively notifier has channels that come and go.
type lively struct {
	*postbox
	mu       sync.Mutex
	channels map[string]int
}

func (n *lively) Channels(context.Context) map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := map[string]int{lifecycle.DefaultChannel: 1}
	for name, atOnce := range n.channels {
		all[name] = atOnce
	}
	return all
}

func (n *lively) add(channel string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.channels = map[string]int{channel: 1}
}

// While a mail is on its way for half an hour, somebody subscribes, and is told before that has arrived.
func TestSubscriptionIsToldWhileADeliveryIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := ended(t, 1)
		n := &lively{postbox: d.outbox}
		d.courier.Notifier = n
		slow := make(chan struct{})
		var order []string
		d.outbox.answer = func(l lifecycle.Letter) error {
			if l.Channel == lifecycle.DefaultChannel {
				<-slow
			}
			d.outbox.mu.Lock()
			defer d.outbox.mu.Unlock()
			order = append(order, l.Channel)
			return nil
		}
		delivered := make(chan error)
		go func() { delivered <- d.courier.Deliver(t.Context()) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		id, err := d.db.AddSubscription(t.Context(), lifecycle.Subscription{Tenant: partner, URL: "https://hooks.example.com", Secrets: []string{secret}, Created: d.now})
		require.NoError(t, err)
		n.add(lifecycle.SubscriptionChannel(id))
		for i := range 3 {
			d.requestedFor(fmt.Sprintf("%s%02d", relationshipID[:len(relationshipID)-2], i), lifecycle.Days(90))
			time.Sleep(3 * time.Second)
			synctest.Wait()
			d.outbox.mu.Lock()
			require.Len(t, order, 2*(i+1), "created and locked, each time")
			d.outbox.mu.Unlock()
		}
		close(slow)
		require.NoError(t, <-delivered)
		require.Equal(t, lifecycle.DefaultChannel, order[len(order)-1])
	})
}

// Many subscriptions that have nothing to be told cost nothing but one look.
func TestQuietSubscriptionsAreNotClaimed(t *testing.T) {
	d := deploy(t)
	n := &lively{postbox: d.outbox, channels: map[string]int{}}
	for i := range int64(500) {
		n.channels[lifecycle.SubscriptionChannel(i+1)] = 4
	}
	store := &counting{OutboxStore: d.db}
	d.courier.Notifier, d.courier.Store = n, store
	d.deliver()
	require.LessOrEqual(t, store.claims, 2, "the default channel")
}

type counting struct {
	jobs.OutboxStore
	claims int
}

func (s *counting) ClaimLetters(ctx context.Context, c lifecycle.Claim) ([]lifecycle.Letter, error) {
	s.claims++
	return s.OutboxStore.ClaimLetters(ctx, c)
}
