package storage

import (
	"context"
	"sync"
)

// Sequences of numbers, each a row of table counters.
const (
	relationshipCounter = "relationship"
	sweepCounter        = "sweep"
	tokenCounter        = "token"
	digestCounter       = "digest"
	refusalCounter      = "refusal"
	subscriptionCounter = "subscription"
	bulkCounter         = "bulk"
	holdNumbers         = "hold"
	policyCounter       = "policy"
	deedCounter         = "deed"
)

// holdCounter waits until nobody else is at work on what the counter numbers, and keeps others waiting until the
// transaction ends: what is looked up from here on cannot come into being in between. It answers with the next number.
func holdCounter(ctx context.Context, s session, name string) (next int64, err error) {
	err = s.get(ctx, &next, `SELECT next FROM counters WHERE name = :name {{lock}}`, args{"name": name})
	return next, err
}

// take takes n numbers, of which it answers with the first.
func take(ctx context.Context, s session, name string, n int) (first int64, err error) {
	err = s.get(ctx, &first, `UPDATE counters SET next = next + :n WHERE name = :name RETURNING next - :n`, args{"name": name, "n": n})
	return first, err
}

// A keyBlock is keys of new relationships that this process has taken and not used yet. Taking each from the counter in the
// transaction that uses it would have all who create wait for each other's commits.
type keyBlock struct {
	mu        sync.Mutex
	next, end int64
}

const keysInBlock = 64

// newKey is the key of a relationship that is going to be made. Those that are not used leave a gap.
func (db *DB) newKey(ctx context.Context) (int64, error) {
	b := &db.keys
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == b.end {
		err := db.write(ctx, "take keys for new relationships", func(s session) (err error) {
			b.next, err = take(ctx, s, relationshipCounter, keysInBlock)
			return err
		})
		if err != nil {
			b.end = b.next
			return 0, err
		}
		b.end = b.next + keysInBlock
	}
	key := b.next
	b.next++
	return key, nil
}
