package storage

import (
	"context"
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// announcedFrom is where the ordinals of announcements begin: above those of all who are told of a step in person. Each kind
// has so many, one for each subscription.
const announcedFrom = 1_000_000

// An announcedRow is a letter to a subscription.
type announcedRow struct {
	letterKey
	Kind       lifecycle.NoticeKind `json:"kind"`
	Stage      lifecycle.Period     `json:"stage"`
	EndAt      dbTime               `json:"end_at"`
	DueAt      dbTime               `json:"due_at"`
	RecordedAt dbTime               `json:"recorded_at"`
	TenantID   string               `json:"tenant_id"`
	Role       lifecycle.Role       `json:"role"`
	Channel    string               `json:"channel"`
}

const announcedColumns = letterKeyColumns + `, kind TEXT, stage TEXT, end_at INSTANT, due_at INSTANT, recorded_at INSTANT, tenant_id TEXT,
	role TEXT, channel TEXT`

// announce writes a letter to each subscription that wants to be told of what decisions change. Where they change nothing that
// anybody could want to be told of it asks the database nothing.
func announce(ctx context.Context, s session, decided []lifecycle.Decided) error {
	told := make([][]lifecycle.Announcement, len(decided))
	anything := false
	for i := range decided {
		told[i] = decided[i].Announcements()
		anything = anything || len(told[i]) > 0
	}
	if !anything {
		return nil
	}
	subscriptions, err := keepSubscriptions(ctx, s)
	if err != nil || len(subscriptions) == 0 {
		return err
	}
	var rows []announcedRow
	for i := range decided {
		for _, a := range told[i] {
			rows = append(rows, announcedRows(&decided[i], &a, subscriptions)...)
		}
	}
	for some := range slices.Chunk(rows, rowsAtOnce) {
		if err := insertAnnounced(ctx, s, some); err != nil {
			return err
		}
	}
	return nil
}

// announcedRows are the letters that tell of one step.
func announcedRows(d *lifecycle.Decided, a *lifecycle.Announcement, subscriptions []lifecycle.Subscription) (rows []announcedRow) {
	kind := announcedFrom * (1 + slices.Index(lifecycle.AnnouncementKinds, a.Kind))
	for i := range subscriptions {
		to := &subscriptions[i]
		side := to.Side(&d.Record, a.Draft)
		if side == "" || !to.Wants(a.Kind) {
			continue
		}
		row := announcedRow{letterKey: letterKey{d.Key, a.Version, kind + int(to.ID)}, Kind: a.Kind, Stage: a.Stage, EndAt: at(a.End),
			DueAt: at(a.Due), RecordedAt: at(d.Recorded), TenantID: d.Record.Partner, Role: lifecycle.AdminAgents, Channel: to.Channel()}
		if side == lifecycle.CustomerSide {
			row.TenantID, row.Role = d.Record.Customer.TenantID, lifecycle.GlobalAdministrators
		}
		rows = append(rows, row)
	}
	return rows
}

func insertAnnounced(ctx context.Context, s session, rows []announcedRow) error {
	_, err := s.exec(ctx, `INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason,
			tenant_id, role, mail, recipient_name, language, channel, endpoint, ready_at)
		SELECT r.relationship_key, r.version, r.ordinal, r.kind, r.stage, r.end_at, r.due_at, r.recorded_at, 'queued', '',
			r.tenant_id, r.role, '', '', '', r.channel, TRUE, CAST(:at_once AS {{instant}})
		FROM {{rows `+announcedColumns+`}}
		WHERE TRUE ON CONFLICT (relationship_key, version, ordinal) DO NOTHING`, args{"rows": page[announcedRow](rows), "at_once": dawn})
	return err
}
