package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Retime sets the stored next timers by policy p and says how many it has moved; now, by the deployment's clock, is kept with the
// policy. Where they were set by the same policy and the same rules already it looks at none. It works page by page, beside
// others; stopped in the middle it begins anew, and so does whoever goes back to the policy before: until it is done the timers are
// noted as nobody's.
func (db *DB) Retime(ctx context.Context, p *lifecycle.Policy, now time.Time) (moved int64, err error) {
	const doing = "set the next timers by the policy"
	mark, err := PolicyMark(p)
	if err != nil {
		return 0, said(doing, err)
	}
	has, err := db.TimedBy(ctx)
	if err != nil || has == mark {
		return 0, said(doing, err)
	}
	if has != "" {
		err = db.write(ctx, doing, func(s session) error { return writeTimedBy(ctx, s, beingSet+mark) })
	}
	if err != nil {
		return 0, err
	}
	for after, more := int64(0), true; more; {
		var page retimed
		err := db.writeThroughGate(ctx, doing, func(s session) (err error) {
			page, err = retimePage(ctx, s, p, after)
			return err
		})
		if err != nil {
			return moved, err
		}
		after, more, moved = page.last, page.records > 0, moved+page.moved
	}
	return moved, db.write(ctx, doing, func(s session) error {
		if err := writeTimedBy(ctx, s, mark); err != nil {
			return err
		}
		return keepPolicy(ctx, s, p, mark, now)
	})
}

// beingSet stands before the mark of the policy that the timers are being set by, as long as some of them are still another's.
const beingSet = "being set: "

func writeTimedBy(ctx context.Context, s session, mark string) error {
	_, err := s.exec(ctx, `INSERT INTO meta (name, value) VALUES ('policy', :mark)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, args{"mark": mark})
	return err
}

// TimedByAnother says whether the stored next timers were set by another policy than p, so that they are not the ones to go
// by. In a database in which none were ever set they were not.
func (db *DB) TimedByAnother(ctx context.Context, p *lifecycle.Policy) (bool, error) {
	const doing = "tell by which policy the timers were set"
	mark, err := PolicyMark(p)
	if err != nil {
		return false, said(doing, err)
	}
	has, err := db.TimedBy(ctx)
	return has != "" && has != mark, said(doing, err)
}

// PolicyMark changes whenever the timers may: with a number of the policy, and with the rules.
func PolicyMark(p *lifecycle.Policy) (string, error) {
	timing := *p
	// These say who is told and how, and what is suspicious or late. They move no timer.
	timing.Notices, timing.Breakers = lifecycle.NoticePolicy{}, nil
	timing.Quarantine, timing.Lateness = lifecycle.QuarantinePolicy{}, lifecycle.LatenessPolicy{}
	text, err := json.Marshal([]any{timing, lifecycle.RuleNames()})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// TimedBy is the mark of the policy that the timers were set by; empty where none has set them.
func (db *DB) TimedBy(ctx context.Context) (mark string, err error) {
	err = db.read(ctx, "read the mark of the policy", func(s session) error {
		mark, err = meta(ctx, s, "policy")
		return unlessNone(err)
	})
	return mark, err
}

type retimed struct {
	records, moved int64
	last           int64 // key
}

// retimePage does the next records after a key.
func retimePage(ctx context.Context, s session, p *lifecycle.Policy, after int64) (page retimed, err error) {
	var rows []timerRow
	err = each(ctx, s, selectRelationships+`WHERE t.key > :after ORDER BY t.key LIMIT 1000`, args{"after": after}, func(row *relationshipRow) error {
		page.records, page.last = page.records+1, row.Key
		stored, err := row.record()
		if err != nil {
			return nil //nolint:nilerr // the sweep that comes upon it says so; here it must not keep the others back
		}
		if next := lifecycle.NextTimer(&stored.Record, p); next.Rule != row.NextRule || !next.At.Equal(row.NextAt.Time) {
			rows = append(rows, timerRow{row.Key, row.Version, next.Rule, at(next.At)})
		}
		return nil
	})
	if err != nil || len(rows) == 0 {
		return page, err
	}
	page.moved, err = setTimers(ctx, s, rows)
	return page, err
}

type timerRow struct {
	Key    int64              `json:"key"`
	Was    int64              `json:"was"` // the version that it was computed for
	Rule   lifecycle.RuleName `json:"rule"`
	NextAt dbTime             `json:"next_at"`
}

func setTimers(ctx context.Context, s session, rows []timerRow) (moved int64, err error) {
	return s.exec(ctx, `UPDATE clocks SET next_rule = r.rule, next_at = r.next_at
		FROM {{rows key BIGINT, was BIGINT, rule TEXT, next_at INSTANT}}
		WHERE clocks.key = r.key AND clocks.version = r.was`, args{"rows": page[timerRow](rows)})
}
