package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An assignmentRow is a row of table assignments, on its way in or out.
type assignmentRow struct {
	Key        int64                      `json:"relationship_key"`
	ID         string                     `json:"id"`
	Group      string                     `json:"group_id"`
	Roles      string                     `json:"roles"`
	Status     lifecycle.AssignmentStatus `json:"status"`
	CreatedAt  dbTime                     `json:"created_at"`
	ModifiedAt dbTime                     `json:"modified_at"`
	Version    int64                      `json:"version"`
}

const assignmentColumns = `relationship_key BIGINT, id TEXT, group_id TEXT, roles TEXT, status TEXT, created_at INSTANT, modified_at INSTANT, version BIGINT`

func (row *assignmentRow) assignment() (lifecycle.Assignment, error) {
	a := lifecycle.Assignment{ID: row.ID, Group: row.Group, Status: row.Status, Created: row.CreatedAt.Time, Modified: row.ModifiedAt.Time,
		Version: row.Version}
	if err := json.Unmarshal([]byte(row.Roles), &a.Roles); err != nil {
		return a, fmt.Errorf("assignment %s: column roles cannot be read: %w", row.ID, err)
	}
	return a, nil
}

// A keyRow names a relationship.
type keyRow struct {
	Key int64 `json:"key"`
}

// assignmentsOf reads all assignments of the relationships with these keys, by id.
func assignmentsOf(ctx context.Context, s session, keys []keyRow) (map[int64][]lifecycle.Assignment, error) {
	found := map[int64][]lifecycle.Assignment{}
	err := each(ctx, s, `SELECT a.relationship_key, a.id, a.group_id, a.roles, a.status, a.created_at, a.modified_at, a.version
		FROM {{rows key BIGINT}} JOIN assignments AS a ON a.relationship_key = r.key ORDER BY a.relationship_key, a.id {{plain}}`,
		args{"rows": page[keyRow](keys)}, func(row *assignmentRow) error {
			a, err := row.assignment()
			found[row.Key] = append(found[row.Key], a)
			return err
		})
	return found, err
}

// writeAccess writes what decisions say of access assignments.
func writeAccess(ctx context.Context, s session, decided []lifecycle.Decided) error {
	var written []assignmentRow
	var taken []takeAwayRow
	for i := range decided {
		d := &decided[i]
		for _, a := range d.Assignments {
			written = append(written, assignmentRow{Key: d.Key, ID: a.ID, Group: a.Group, Roles: jsonList(a.Roles), Status: a.Status,
				CreatedAt: at(a.Created), ModifiedAt: at(a.Modified), Version: a.Version})
		}
		if d.TakeAway != "" {
			version, since := accessEnds(&d.Decision)
			taken = append(taken, takeAwayRow{d.Key, d.TakeAway, version, at(since)})
		}
	}
	if err := upsertAssignments(ctx, s, written); err != nil {
		return err
	}
	return takeAway(ctx, s, taken)
}

func upsertAssignments(ctx context.Context, s session, rows []assignmentRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO assignments (relationship_key, id, group_id, roles, status, created_at, modified_at, version)
		SELECT r.relationship_key, r.id, r.group_id, r.roles, r.status, r.created_at, r.modified_at, r.version
		FROM {{rows `+assignmentColumns+`}} WHERE TRUE
		ON CONFLICT (relationship_key, id) DO UPDATE SET roles = excluded.roles, status = excluded.status,
			modified_at = excluded.modified_at, version = excluded.version`, args{"rows": page[assignmentRow](rows)})
	return err
}

// A takeAwayRow is what becomes of all assignments of a relationship that ends, and by which step.
type takeAwayRow struct {
	Key        int64                      `json:"key"`
	Status     lifecycle.AssignmentStatus `json:"status"`
	Version    int64                      `json:"version"`
	ModifiedAt dbTime                     `json:"modified_at"`
}

// accessEnds is the step with which access is taken away: the first that says so, or that the relationship has ended.
func accessEnds(d *lifecycle.Decision) (version int64, since time.Time) {
	for i := range d.Changes {
		if c := &d.Changes[i]; c.To.Ended() || c.To.Provision() == lifecycle.Revoke {
			return c.Version, c.Effective
		}
	}
	return d.Record.Version, d.Recorded
}

// takeAway leaves alone what is as far already, and what is gone.
func takeAway(ctx context.Context, s session, rows []takeAwayRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE assignments SET status = r.status, version = r.version, modified_at = r.modified_at
		FROM {{rows key BIGINT, status TEXT, version BIGINT, modified_at INSTANT}}
		WHERE assignments.relationship_key = r.key AND assignments.status IN ('pending', 'active', 'deleting') AND assignments.status <> r.status`,
		args{"rows": page[takeAwayRow](rows)})
	return err
}
