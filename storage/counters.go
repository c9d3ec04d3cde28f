package storage

import "context"

// Sequences of numbers, each a row of table counters.
const (
	relationshipCounter = "relationship"
	sweepCounter        = "sweep"
	tokenCounter        = "token"
	digestCounter       = "digest"
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
