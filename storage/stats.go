package storage

import (
	"context"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// selectBacklogs goes along the index of timers, and along that of timers on hold.
const selectBacklogs = `SELECT next_rule AS rule, count(*) AS due, min(next_at) AS oldest, FALSE AS stayed FROM clocks
		WHERE next_at >= {{floor}} AND next_at <= :now AND stayed = FALSE GROUP BY next_rule
	UNION ALL SELECT next_rule, count(*), min(next_at), TRUE FROM clocks
		WHERE next_at <= :now AND stayed = TRUE GROUP BY next_rule
	ORDER BY 1, 4`

// Backlogs says how far the sweeps are behind at now: one for each rule, in the order of [lifecycle.Rules], with nothing due
// where there is nothing.
func (db *DB) Backlogs(ctx context.Context, now time.Time) (backlogs []lifecycle.Backlog, err error) {
	type backlogRow struct {
		Rule   lifecycle.RuleName `json:"rule"`
		Due    int64              `json:"due"`
		Oldest dbTime             `json:"oldest"`
		Stayed bool               `json:"stayed"`
	}
	for _, rule := range lifecycle.RuleNames() {
		backlogs = append(backlogs, lifecycle.Backlog{Rule: rule})
	}
	err = db.read(ctx, "measure the backlog", func(s session) error {
		return each(ctx, s, selectBacklogs, args{"now": at(now)}, func(row *backlogRow) error {
			i := slices.IndexFunc(backlogs, func(b lifecycle.Backlog) bool { return b.Rule == row.Rule })
			if i < 0 { // a rule that this program does not know (any more)
				i = len(backlogs)
				backlogs = append(backlogs, lifecycle.Backlog{Rule: row.Rule})
			}
			if row.Stayed {
				backlogs[i].Held = row.Due
			} else {
				backlogs[i].Due, backlogs[i].Oldest = row.Due, row.Oldest.Time
			}
			return nil
		})
	})
	return backlogs, err
}

// Counts counts the relationships of each status as they are stored; a status that none has is missing.
func (db *DB) Counts(ctx context.Context) (map[lifecycle.Status]int64, error) {
	return countBy[lifecycle.Status](ctx, db, "count the relationships", `SELECT status AS what, count(*) AS n FROM clocks GROUP BY status`)
}

// Population counts all relationships, of which it looks at the narrowest index alone.
func (db *DB) Population(ctx context.Context) (n int64, err error) {
	err = db.read(ctx, "count all relationships", func(s session) error {
		n, err = population(ctx, s)
		return err
	})
	return n, err
}

func population(ctx context.Context, s session) (n int64, err error) {
	err = s.get(ctx, &n, `SELECT count(*) FROM clocks`, nil)
	return n, err
}

// NoticeCounts counts the notices of each status; a status that none has is missing.
func (db *DB) NoticeCounts(ctx context.Context) (map[lifecycle.NoticeStatus]int64, error) {
	return countBy[lifecycle.NoticeStatus](ctx, db, "count the notices", `SELECT status AS what, count(*) AS n FROM notices GROUP BY status`)
}

// NoticeCountsByChannel counts the notices of each status, channel by channel; what there is none of is missing.
func (db *DB) NoticeCountsByChannel(ctx context.Context) (map[string]map[lifecycle.NoticeStatus]int64, error) {
	type countRow struct {
		Channel string                 `json:"channel"`
		Status  lifecycle.NoticeStatus `json:"status"`
		N       int64                  `json:"n"`
	}
	counts := map[string]map[lifecycle.NoticeStatus]int64{}
	err := db.read(ctx, "count the notices of each channel", func(s session) error {
		return each(ctx, s, `SELECT channel, status, count(*) AS n FROM notices GROUP BY channel, status`, nil, func(row *countRow) error {
			if counts[row.Channel] == nil {
				counts[row.Channel] = map[lifecycle.NoticeStatus]int64{}
			}
			counts[row.Channel][row.Status] = row.N
			return nil
		})
	})
	return counts, err
}

func countBy[T ~string](ctx context.Context, db *DB, doing, query string) (map[T]int64, error) {
	return countWith[T](ctx, db, doing, query, nil)
}

// countWith reads rows of what and n.
func countWith[T ~string](ctx context.Context, db *DB, doing, query string, a args) (map[T]int64, error) {
	type countRow struct {
		What T     `json:"what"`
		N    int64 `json:"n"`
	}
	counts := map[T]int64{}
	err := db.read(ctx, doing, func(s session) error {
		return each(ctx, s, query, a, func(row *countRow) error {
			counts[row.What] = row.N
			return nil
		})
	})
	return counts, err
}

// OpenChunks counts the chunks of running sweeps that are not closed.
func (db *DB) OpenChunks(ctx context.Context) (open int64, err error) {
	err = db.read(ctx, "count the open chunks", func(s session) error {
		return s.get(ctx, &open, `SELECT count(*) FROM chunks WHERE state IN ('open', 'claimed')
			AND sweep_id IN (SELECT id FROM sweeps WHERE state = 'running')`, nil)
	})
	return open, err
}
