package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// punctual is a lateness of which nobody asks why: a tick comes each minute.
const punctual = time.Minute

// applyCounting is apply, and counts into late how late what was written is, without the time in which nobody could have done it.
func applyCounting(ctx context.Context, s session, d *prepared, late lifecycle.Latenesses) (lifecycle.Tally, error) {
	held, err := d.standstills(ctx, s) // before the records change
	if err != nil {
		return lifecycle.Tally{}, err
	}
	tally, changed, err := applied(ctx, s, d)
	if err != nil {
		return lifecycle.Tally{}, err
	}
	for i := range changed {
		for _, f := range changed[i].Firings() {
			late.Add(f.Rule, lifecycle.Waited(f.Due, changed[i].Recorded, held.waits(&changed[i], f.Rule)), 1)
		}
	}
	return tally, nil
}

// standstills are the times in which some of the timers of a page could not take effect. The zero standstills are none.
type standstills struct {
	holds    []lifecycle.Hold
	rulings  []ruled
	imports  map[int64]time.Time // by the keys of relationships: when a file brought them as they are
	policies map[int64]time.Time // the same: when a policy was set, before which the timer lay ahead
}

// A ruled is a sweep that was held, for how long, and under which rules.
type ruled struct {
	rules []lifecycle.RuleName
	lifecycle.Wait
}

// waits are those of one record's timers of a rule.
func (h *standstills) waits(d *lifecycle.Decided, rule lifecycle.RuleName) []lifecycle.Wait {
	var waits []lifecycle.Wait
	for i := range h.holds {
		if hold := &h.holds[i]; concerns(hold, &d.Record, rule) {
			waits = append(waits, lifecycle.Wait{From: hold.PlacedAt, Until: hold.ReleasedAt})
		}
	}
	for _, r := range h.rulings {
		if slices.Contains(r.rules, rule) {
			waits = append(waits, r.Wait)
		}
	}
	for _, until := range []time.Time{h.imports[d.Key], h.policies[d.Key]} {
		if !until.IsZero() {
			waits = append(waits, lifecycle.Wait{Until: until})
		}
	}
	return waits
}

// concerns says whether a hold, in force or released, is about a timer of a rule.
func concerns(h *lifecycle.Hold, r *lifecycle.Record, rule lifecycle.RuleName) bool {
	if h.Kind == lifecycle.HoldRule {
		return h.Subject == string(rule)
	}
	inForce := *h
	inForce.ReleasedAt = time.Time{}
	return inForce.Covers(r)
}

// readStandstills reads what explains why timers of a page are late. Where none is, it reads nothing.
func readStandstills(ctx context.Context, s session, decided []lifecycle.Decided) (held standstills, err error) {
	var earliest time.Time
	var keys []keyRow
	for i := range decided {
		late := false
		for _, f := range decided[i].Firings() {
			if decided[i].Recorded.Sub(f.Due) > punctual {
				late = true
				if earliest.IsZero() || f.Due.Before(earliest) {
					earliest = f.Due
				}
			}
		}
		if late {
			keys = append(keys, keyRow{decided[i].Key})
		}
	}
	if len(keys) == 0 {
		return held, nil
	}
	if held.holds, err = releasedSince(ctx, s, earliest); err != nil {
		return held, err
	}
	if held.rulings, err = ruledSince(ctx, s, earliest); err != nil {
		return held, err
	}
	if held.imports, err = importedSince(ctx, s, keys, earliest); err != nil {
		return held, err
	}
	held.policies, err = dueByPolicySince(ctx, s, keys, earliest)
	return held, err
}

func releasedSince(ctx context.Context, s session, earliest time.Time) (holds []lifecycle.Hold, err error) {
	type releasedRow struct {
		Kind       lifecycle.HoldKind `json:"kind"`
		Subject    string             `json:"subject"`
		PlacedAt   dbTime             `json:"placed_at"`
		ReleasedAt dbTime             `json:"released_at"`
	}
	err = each(ctx, s, `SELECT kind, subject, placed_at, released_at FROM holds WHERE released_at > :earliest ORDER BY id`,
		args{"earliest": at(earliest)}, func(row *releasedRow) error {
			holds = append(holds, lifecycle.Hold{Kind: row.Kind, Subject: row.Subject, PlacedAt: row.PlacedAt.Time, ReleasedAt: row.ReleasedAt.Time})
			return nil
		})
	return holds, err
}

// ruledSince are the sweeps that were held until somebody approved or rejected them.
func ruledSince(ctx context.Context, s session, earliest time.Time) (rulings []ruled, err error) {
	type ruledRow struct {
		Rules   string `json:"rules"`
		AsOf    dbTime `json:"as_of"` // by the deployment's clock, and no later than when it was held
		RuledAt dbTime `json:"ruled_at"`
	}
	err = each(ctx, s, `SELECT rules, as_of, ruled_at FROM sweeps WHERE ruled_at > :earliest ORDER BY id`,
		args{"earliest": at(earliest)}, func(row *ruledRow) error {
			r := ruled{Wait: lifecycle.Wait{From: row.AsOf.Time, Until: row.RuledAt.Time}}
			err := json.Unmarshal([]byte(row.Rules), &r.rules)
			r.rules = lifecycle.FiredBy(r.rules)
			rulings = append(rulings, r)
			return err
		})
	return rulings, err
}

// selectImports goes by the key of events. With a bound on recorded_at SQLite would rather go through all that was recorded since.
const selectImports = `SELECT relationship_key, max(recorded_at) AS recorded_at FROM events
	WHERE relationship_key IN (SELECT r.key FROM {{rows key BIGINT}}) AND type IN ('imported', 'updatedByImport') GROUP BY relationship_key`

// noteImport keeps when the latest import brought something.
func noteImport(ctx context.Context, s session, now time.Time) error {
	_, err := s.exec(ctx, `INSERT INTO meta (name, value) VALUES ('`+metaImported+`', :now)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value < excluded.value`, args{"now": at(now).String()})
	return err
}

// importedSince says of which records a file brought the content, and when, where any import was after the earliest of what is late:
// one before it explains nothing.
func importedSince(ctx context.Context, s session, keys []keyRow, earliest time.Time) (imports map[int64]time.Time, err error) {
	last, err := meta(ctx, s, metaImported)
	if err != nil || last <= at(earliest).String() { // written so that they sort as text
		return nil, unlessNone(err)
	}
	type importRow struct {
		Key int64  `json:"relationship_key"`
		At  dbTime `json:"recorded_at"`
	}
	imports = map[int64]time.Time{}
	err = each(ctx, s, selectImports, args{"rows": page[keyRow](keys)}, func(row *importRow) error {
		imports[row.Key] = row.At.Time
		return nil
	})
	return imports, err
}

// dueByPolicySince says of which records the timer lay ahead until another policy was set, and when that was.
func dueByPolicySince(ctx context.Context, s session, keys []keyRow, earliest time.Time) (due map[int64]time.Time, err error) {
	var policies []lifecycle.PolicyInForce
	err = each(ctx, s, selectPolicies+`WHERE set_at > :earliest OR id = (SELECT max(id) FROM policies WHERE set_at <= :earliest) ORDER BY id`,
		args{"earliest": at(earliest)}, func(row *policyRow) error {
			policy, err := row.inForce()
			policies = append(policies, policy)
			return err
		})
	if err != nil || len(policies) < 2 {
		return nil, err
	}
	due = map[int64]time.Time{}
	err = each(ctx, s, selectRelationships+`WHERE t.key IN (SELECT r.key FROM {{rows key BIGINT}})`, args{"rows": page[keyRow](keys)},
		func(row *relationshipRow) error {
			stored, err := row.record()
			if err != nil {
				return nil //nolint:nilerr // the sweep that comes upon it says so
			}
			for i := 1; i < len(policies); i++ {
				set := policies[i].SetAt
				if timer := lifecycle.NextTimer(&stored.Record, &policies[i-1].Policy); timer.At.IsZero() || timer.At.After(set) {
					due[stored.Key] = set
				}
			}
			return nil
		})
	return due, err
}

// latenessText is how the counts are kept; empty where nothing was counted.
func latenessText(late lifecycle.Latenesses) string {
	if len(late) == 0 {
		return ""
	}
	text, err := json.Marshal(late)
	if err != nil {
		panic(err) // a map of maps of numbers is JSON
	}
	return string(text)
}

func readLatenesses(text string) (lifecycle.Latenesses, error) {
	late := lifecycle.Latenesses{}
	if text == "" {
		return late, nil
	}
	if err := json.Unmarshal([]byte(text), &late); err != nil {
		return nil, fmt.Errorf("the latenesses of a chunk cannot be read: %w", err)
	}
	return late, nil
}
