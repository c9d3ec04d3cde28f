package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A stretchRow is a stretch of time that is counted in by itself.
type stretchRow struct {
	N     int64  `json:"n"`
	From  dbTime `json:"from_at"`
	Until dbTime `json:"until_at"`
}

// stretches go from each instant to the next one. The days of a calendar come from Go, since no two databases have the same.
func stretches(instants []time.Time) page[stretchRow] {
	var rows page[stretchRow]
	for i := 1; i < len(instants); i++ {
		rows = append(rows, stretchRow{int64(i - 1), orDawn(instants[i-1]), at(instants[i])})
	}
	return rows
}

// selectTimers looks at the index of timers alone.
const selectTimers = `SELECT r.n, c.next_rule, count(*) AS timers FROM {{rows n BIGINT, from_at INSTANT, until_at INSTANT}}
	JOIN clocks AS c ON c.next_at >= r.from_at AND c.next_at < r.until_at AND c.stayed = FALSE
	GROUP BY r.n, c.next_rule ORDER BY r.n, c.next_rule`

// CountTimers counts next timers that are not on hold, between each of the instants and the next one, by their rules. The instants are in
// their order; the first may be the zero time. Stretches and rules of which there are none are missing.
func (db *DB) CountTimers(ctx context.Context, instants []time.Time) (counts []lifecycle.TimerCount, err error) {
	type timerRow struct {
		N    int64              `json:"n"`
		Rule lifecycle.RuleName `json:"next_rule"`
		All  int64              `json:"timers"`
	}
	err = db.read(ctx, "count the timers", func(s session) error {
		counts = nil
		return each(ctx, s, selectTimers, args{"rows": stretches(instants)}, func(row *timerRow) error {
			counts = append(counts, lifecycle.TimerCount{From: instants[row.N], Rule: row.Rule, N: row.All})
			return nil
		})
	})
	return counts, err
}

// selectEnds looks at the indexes of ends.
const selectEnds = `SELECT r.n, count(*) AS ends, FALSE AS over FROM {{rows n BIGINT, from_at INSTANT, until_at INSTANT}}
		JOIN clocks AS c ON c.status = 'active' AND c.end_at >= r.from_at AND c.end_at < r.until_at GROUP BY r.n
	UNION ALL SELECT r.n, count(*), TRUE FROM {{rows n BIGINT, from_at INSTANT, until_at INSTANT}}
		JOIN clocks AS c ON c.status IN ('expired', 'terminated') AND c.end_at >= r.from_at AND c.end_at < r.until_at GROUP BY r.n`

// CountEnds counts relationships by their ends, between each of the instants and the next one, which are in their order; the first may be
// the zero time. There is a count for every stretch.
func (db *DB) CountEnds(ctx context.Context, instants []time.Time) (counts []lifecycle.EndCount, err error) {
	type endRow struct {
		N    int64 `json:"n"`
		Ends int64 `json:"ends"`
		Over bool  `json:"over"`
	}
	err = db.read(ctx, "count the ends", func(s session) error {
		counts = make([]lifecycle.EndCount, max(0, len(instants)-1))
		for i := range counts {
			counts[i].From = instants[i]
		}
		return each(ctx, s, selectEnds, args{"rows": stretches(instants)}, func(row *endRow) error {
			if row.Over {
				counts[row.N].Ended = row.Ends
			} else {
				counts[row.N].Active = row.Ends
			}
			return nil
		})
	})
	return counts, err
}

// CountRoles says which roles active relationships hold. Most of them hold one of a few lists, so it is lists that the database counts.
func (db *DB) CountRoles(ctx context.Context) (counts lifecycle.RoleCounts, err error) {
	type rolesRow struct {
		Roles string `json:"roles"`
		N     int64  `json:"n"`
	}
	err = db.read(ctx, "count the roles", func(s session) error {
		counts = lifecycle.RoleCounts{Roles: map[string]int64{}}
		return each(ctx, s, `SELECT a.roles, count(*) AS n FROM clocks AS c JOIN agreements AS a ON a.key = c.key WHERE c.status = 'active'
			GROUP BY a.roles`, nil, func(row *rolesRow) error {
			var roles []string
			if err := json.Unmarshal([]byte(row.Roles), &roles); err != nil {
				return fmt.Errorf("column roles cannot be read: %w", err)
			}
			counts.Relationships += row.N
			slices.Sort(roles)
			for _, role := range slices.Compact(roles) {
				counts.Roles[role] += row.N
				if role == lifecycle.GlobalAdministrator {
					counts.GlobalAdministrator += row.N
				}
			}
			return nil
		})
	})
	return counts, err
}

// CountCustomers counts the customers that have a relationship, whatever its status.
func (db *DB) CountCustomers(ctx context.Context) (n int64, err error) {
	err = db.read(ctx, "count the customers", func(s session) error {
		return s.get(ctx, &n, `SELECT count(*) FROM (SELECT customer_id FROM agreements WHERE customer_id <> '' GROUP BY customer_id) AS c`, nil)
	})
	return n, err
}

// CountByCustomer counts the relationships of customers, in the order of the index of their tenant ids: at most limit of those behind the one called
// after, or the first where that is empty. A customer has the name that the relationship requested last has for it.
func (db *DB) CountByCustomer(ctx context.Context, after string, limit int) (counts []lifecycle.CustomerCount, err error) {
	type countRow struct {
		ID            string `json:"customer_id"`
		Name          string `json:"customer_name"`
		Relationships int64  `json:"relationships"`
		Active        int64  `json:"active"`
	}
	err = db.read(ctx, "count relationships by customer", func(s session) error {
		counts = nil
		return each(ctx, s, `SELECT c.customer_id, c.relationships,
				COALESCE((SELECT a.customer_name FROM agreements AS a WHERE a.customer_id = c.customer_id AND a.customer_id <> '' AND a.customer_name <> ''
					ORDER BY a.key DESC LIMIT 1), '') AS customer_name,
				(SELECT count(*) FROM agreements AS a WHERE a.customer_id = c.customer_id AND a.customer_id <> ''
					AND (SELECT k.status FROM clocks AS k WHERE k.key = a.key) = 'active') AS active
			FROM (SELECT customer_id, count(*) AS relationships FROM agreements WHERE customer_id <> '' AND customer_id > :after
				GROUP BY customer_id ORDER BY customer_id LIMIT :limit) AS c ORDER BY c.customer_id`,
			args{"after": clean(after), "limit": limit}, func(row *countRow) error {
				counts = append(counts, lifecycle.CustomerCount{Tenant: lifecycle.Tenant{TenantID: row.ID, DisplayName: row.Name}, Relationships: row.Relationships, Active: row.Active})
				return nil
			})
	})
	return counts, err
}
