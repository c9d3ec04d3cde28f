package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A policyRow is a policy that the stored timers went by.
type policyRow struct {
	ID     int64  `json:"id"`
	Mark   string `json:"mark"`
	Policy string `json:"policy"` // JSON
	SetAt  dbTime `json:"set_at"`
}

func (row *policyRow) inForce() (lifecycle.PolicyInForce, error) {
	kept := lifecycle.PolicyInForce{ID: row.ID, Mark: row.Mark, SetAt: row.SetAt.Time, Digest: policyDigest(row.Policy)}
	if err := json.Unmarshal([]byte(row.Policy), &kept.Policy); err != nil {
		return kept, fmt.Errorf("policy %d cannot be read: %w", row.ID, err)
	}
	return kept, nil
}

// policyDigest is short for the text of a policy. It stands in the event that says so, which nobody can change unnoticed.
func policyDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

const (
	selectPolicies = `SELECT id, mark, policy, set_at FROM policies `
	latestPolicy   = selectPolicies + `ORDER BY id DESC LIMIT 1`
)

// KeepPolicy writes down that the deployment goes by p from now on, unless it is the one that was written down last. The timers
// must have been set by it already.
func (db *DB) KeepPolicy(ctx context.Context, p *lifecycle.Policy, now time.Time) error {
	const doing = "write down the policy"
	mark, err := PolicyMark(p)
	if err != nil {
		return said(doing, err)
	}
	if kept, err := db.LatestPolicy(ctx); err == nil && kept.Mark == mark && len(kept.Policy.Differences(p)) == 0 {
		return nil
	}
	return db.write(ctx, doing, func(s session) error { return keepPolicy(ctx, s, p, mark, now) })
}

// keepPolicy writes the policy down, and that it was set, where it is not the latest already.
func keepPolicy(ctx context.Context, s session, p *lifecycle.Policy, mark string, now time.Time) error {
	if _, err := holdCounter(ctx, s, policyCounter); err != nil { // one at a time, or two would write it twice
		return err
	}
	detail := "the first that is kept"
	var row policyRow
	switch err := s.get(ctx, &row, latestPolicy, nil); {
	case err == nil:
		differences := row.differences(p)
		if len(differences) == 0 && row.Mark == mark {
			return nil
		}
		detail = strings.Join(differences, "; ")
	case unlessNone(err) != nil:
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	id, err := take(ctx, s, policyCounter, 1)
	if err != nil {
		return err
	}
	if _, err := s.exec(ctx, `INSERT INTO policies (id, mark, policy, set_at) VALUES (:id, :mark, :policy, :set_at)`,
		args{"id": id, "mark": mark, "policy": string(text), "set_at": at(now)}); err != nil {
		return err
	}
	set := lifecycle.Change{Type: lifecycle.EventPolicySet, Effective: now, Actor: lifecycle.System, Subject: mark, Action: policyDigest(string(text)), Detail: detail}
	return writeOrder(ctx, s, set, 0, now)
}

// differences are those of another policy; a row that cannot be read differs in a way that nobody can tell.
func (row *policyRow) differences(p *lifecycle.Policy) []string {
	kept, err := row.inForce()
	if err != nil { // a spoilt row must not keep the deployment from starting
		return []string{"the one before cannot be read"}
	}
	return kept.Policy.Differences(p)
}

// LatestPolicy is the one that the deployment goes by; [lifecycle.ErrNotFound] where none has been written down.
func (db *DB) LatestPolicy(ctx context.Context) (kept lifecycle.PolicyInForce, err error) {
	err = db.read(ctx, "read the policy in force", func(s session) error {
		var row policyRow
		if err := s.get(ctx, &row, latestPolicy, nil); err != nil {
			return err
		}
		kept, err = row.inForce()
		return err
	})
	return kept, err
}

// Policies lists the policies that the stored timers went by, the oldest first.
func (db *DB) Policies(ctx context.Context) (kept []lifecycle.PolicyInForce, err error) {
	err = db.read(ctx, "list the policies", func(s session) error {
		kept, err = policies(ctx, s)
		return err
	})
	return kept, err
}

// Policies is [DB.Policies] as of the snapshot.
func (s *Snapshot) Policies(ctx context.Context) ([]lifecycle.PolicyInForce, error) {
	kept, err := policies(ctx, s.session)
	return kept, said("list the policies", err)
}

func policies(ctx context.Context, s session) (kept []lifecycle.PolicyInForce, err error) {
	err = each(ctx, s, selectPolicies+`ORDER BY id`, nil, func(row *policyRow) error {
		one, err := row.inForce()
		kept = append(kept, one)
		return err
	})
	return kept, err
}

// RecordPlanApplied writes down that a plan, known by its digest, was applied, and how that went.
func (db *DB) RecordPlanApplied(ctx context.Context, digest, detail string, by lifecycle.Caller, now time.Time) error {
	return db.write(ctx, "write down that a plan was applied", func(s session) error {
		return writeOrder(ctx, s, lifecycle.Change{Type: lifecycle.EventPlanApplied, By: &by, Subject: digest, Detail: detail}, 0, now)
	})
}
