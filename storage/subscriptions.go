package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type subscriptionRow struct {
	ID        int64  `json:"id"`
	TenantID  string `json:"tenant_id"`
	URL       string `json:"url"`
	Kinds     string `json:"kinds"`
	Secrets   string `json:"secrets"`
	CreatedBy string `json:"created_by"`
	CreatedAt dbTime `json:"created_at"`
}

func (row *subscriptionRow) subscription() (lifecycle.Subscription, error) {
	sub := lifecycle.Subscription{ID: row.ID, Tenant: row.TenantID, URL: row.URL, By: row.CreatedBy, Created: row.CreatedAt.Time}
	for column, into := range map[string]struct {
		text string
		list any
	}{"kinds": {row.Kinds, &sub.Kinds}, "secrets": {row.Secrets, &sub.Secrets}} {
		if err := json.Unmarshal([]byte(into.text), into.list); err != nil {
			return sub, fmt.Errorf("subscription %d: column %s cannot be read: %w", row.ID, column, err)
		}
	}
	if len(sub.Kinds) == 0 {
		sub.Kinds = nil
	}
	return sub, nil
}

const selectSubscriptions = `SELECT id, tenant_id, url, kinds, secrets, created_by, created_at FROM subscriptions `

func listSubscriptions(ctx context.Context, s session, query string, a args) (subs []lifecycle.Subscription, err error) {
	err = each(ctx, s, query, a, func(row *subscriptionRow) error {
		sub, err := row.subscription()
		subs = append(subs, sub)
		return err
	})
	return subs, err
}

// AddSubscription has a program told of what happens from now on, and answers with the subscription's id. That of sub, if
// any, does not count. [lifecycle.ErrTooMany] where the tenant has as many as it may.
func (db *DB) AddSubscription(ctx context.Context, sub lifecycle.Subscription) (id int64, err error) {
	err = db.write(ctx, "add a subscription", func(s session) error {
		if id, err = take(ctx, s, subscriptionCounter, 1); err != nil { // and nobody else adds one meanwhile
			return err
		}
		var has int
		if err := s.get(ctx, &has, `SELECT count(*) FROM subscriptions WHERE tenant_id = :tenant`, args{"tenant": strings.ToLower(sub.Tenant)}); err != nil {
			return err
		}
		if has >= lifecycle.MostSubscriptions {
			return lifecycle.ErrTooMany
		}
		_, err := s.exec(ctx, `INSERT INTO subscriptions (id, tenant_id, url, kinds, secrets, created_by, created_at)
			VALUES (:id, :tenant, :url, :kinds, :secrets, :by, :now)`,
			args{"id": id, "tenant": strings.ToLower(sub.Tenant), "url": sub.URL, "kinds": jsonList(sub.Kinds), "secrets": jsonList(sub.Secrets),
				"by": clean(sub.By), "now": at(sub.Created)})
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// Subscriptions lists all subscriptions, oldest first.
func (db *DB) Subscriptions(ctx context.Context) (subs []lifecycle.Subscription, err error) {
	err = db.read(ctx, "list subscriptions", func(s session) error {
		subs, err = listSubscriptions(ctx, s, selectSubscriptions+`ORDER BY id`, nil)
		return err
	})
	return subs, err
}

// Subscription reads one subscription; [lifecycle.ErrNotFound] where there is none.
func (db *DB) Subscription(ctx context.Context, id int64) (sub lifecycle.Subscription, err error) {
	err = db.read(ctx, fmt.Sprintf("read subscription %d", id), func(s session) error {
		sub, err = readSubscription(ctx, s, id, "")
		return err
	})
	return sub, err
}

func readSubscription(ctx context.Context, s session, id int64, lock string) (lifecycle.Subscription, error) {
	var row subscriptionRow
	if err := s.get(ctx, &row, selectSubscriptions+`WHERE id = :id `+lock, args{"id": id}); err != nil {
		return lifecycle.Subscription{}, err
	}
	return row.subscription()
}

// keepSubscriptions reads what decides who is told, without addresses and secrets. None of them is removed before the
// transaction ends, so that no letter is written for one that is gone.
func keepSubscriptions(ctx context.Context, s session) ([]lifecycle.Subscription, error) {
	return listSubscriptions(ctx, s, `SELECT id, tenant_id, kinds, '[]' AS secrets FROM subscriptions ORDER BY id {{keep}}`, nil)
}

// RemoveSubscription ends a subscription. What it has not been sent is suppressed; what is on its way to it may still arrive,
// and counts as sent then. [lifecycle.ErrNotFound] where there is none.
func (db *DB) RemoveSubscription(ctx context.Context, id int64, now time.Time) error {
	return db.write(ctx, fmt.Sprintf("remove subscription %d", id), func(s session) error {
		n, err := s.exec(ctx, `DELETE FROM subscriptions WHERE id = :id`, args{"id": id})
		if err == nil && n == 0 {
			err = lifecycle.ErrNotFound
		}
		if err != nil {
			return err
		}
		a := args{"channel": lifecycle.SubscriptionChannel(id), "now": at(now), "reason": lifecycle.Unsubscribed}
		if _, err := s.exec(ctx, `DELETE FROM channels WHERE name = :channel`, a); err != nil {
			return err
		}
		_, err = s.exec(ctx, `WITH r AS MATERIALIZED (
				SELECT relationship_key, version, ordinal FROM notices
				WHERE channel = :channel AND (status IN ('queued', 'failed') OR status = 'dead')
				ORDER BY relationship_key, version, ordinal {{lock}})
			UPDATE notices AS n SET status = 'suppressed', reason = :reason, settled_at = :now, claim = n.claim + 1,
				unknown = n.unknown + CASE WHEN n.in_doubt THEN 1 ELSE 0 END, in_doubt = FALSE
			FROM r WHERE `+sameLetter, a)
		return err
	})
}

// secretsKept are the new one and the one before, so that receivers can change over.
const secretsKept = 2

// RenewSecret has messages signed with a new secret beside the one before; those that are older are forgotten.
// [lifecycle.ErrNotFound] where there is no such subscription. Nothing is kept of when that was.
func (db *DB) RenewSecret(ctx context.Context, id int64, secret string, _ time.Time) error {
	return db.write(ctx, fmt.Sprintf("renew the secret of subscription %d", id), func(s session) error {
		sub, err := readSubscription(ctx, s, id, "{{lock}}")
		if err != nil {
			return err
		}
		secrets := append([]string{secret}, sub.Secrets...)
		_, err = s.exec(ctx, `UPDATE subscriptions SET secrets = :secrets WHERE id = :id`,
			args{"id": id, "secrets": jsonList(secrets[:min(len(secrets), secretsKept)])})
		return err
	})
}
