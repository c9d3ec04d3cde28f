package storage

import (
	"context"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A noticeRow is one notice to one addressee.
type noticeRow struct {
	Key        int64                  `json:"key"`
	Version    int64                  `json:"version"`
	N          int                    `json:"n"` // of the notice in its decision: two of one step keep their order
	Kind       lifecycle.NoticeKind   `json:"kind"`
	Stage      lifecycle.Period       `json:"stage"`
	EndAt      dbTime                 `json:"end_at"`
	DueAt      dbTime                 `json:"due_at"`
	RecordedAt dbTime                 `json:"recorded_at"`
	Status     lifecycle.NoticeStatus `json:"status"`
	Reason     lifecycle.Reason       `json:"reason"`
	TenantID   string                 `json:"tenant_id"`
	Role       lifecycle.Role         `json:"role"`
	Channel    string                 `json:"channel"`
	To         goesTo                 `json:"goes_to"`
	DailyAt    dbTime                 `json:"daily_at"`
	WeeklyAt   dbTime                 `json:"weekly_at"`
}

// goesTo says who is told on the channel.
type goesTo int

const (
	toPeople   goesTo = iota // each person of the audience
	toEndpoint               // the channel itself
	toNobody
)

const noticeColumns = `key BIGINT, version BIGINT, n INTEGER, kind TEXT, stage TEXT, end_at INSTANT, due_at INSTANT,
	recorded_at INSTANT, status TEXT, reason TEXT, tenant_id TEXT, role TEXT, channel TEXT, goes_to INTEGER,
	daily_at INSTANT, weekly_at INSTANT`

func noticeRows(decided []lifecycle.Decided) []noticeRow {
	var rows []noticeRow
	for i := range decided {
		for j := range decided[i].Notices {
			n := &decided[i].Notices[j]
			for _, to := range n.To {
				row := noticeRow{Key: decided[i].Key, Version: n.Version, N: j, Kind: n.Kind, Stage: n.Stage,
					EndAt: at(n.End), DueAt: at(n.Due), RecordedAt: at(decided[i].Recorded), Status: n.Status, Reason: n.Reason,
					TenantID: to.TenantID, Role: to.Role, Channel: to.Channel, DailyAt: at(n.DailyAt), WeeklyAt: at(n.WeeklyAt)}
				switch {
				case to.Endpoint:
					row.To = toEndpoint
				case to.Muted:
					row.To = toNobody
					if row.Status == lifecycle.NoticeQueued {
						row.Status, row.Reason = lifecycle.NoticeSuppressed, lifecycle.NotRouted
					}
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// waitsUntil is when the person c is told of notice r in a digest; NULL: at once, in a letter of its own.
const waitsUntil = `CASE c.digest WHEN 'daily' THEN r.daily_at WHEN 'weekly' THEN r.weekly_at END`

// Only what is to be sent is looked at twice: whether there is somebody, and whether that person wants digests.
const insertNoticePage = `INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at,
		status, reason, tenant_id, role, mail, recipient_name, language, time_zone, channel, endpoint, ready_at, digest_at, settled_at, traceparent)
	SELECT f.key, f.version, f.ordinal, f.kind, f.stage, f.end_at, f.due_at, f.recorded_at, f.fate,
		CASE f.fate WHEN 'noRecipient' THEN 'nobodyToTell' WHEN 'waiting' THEN 'forDigest' ELSE f.reason END,
		f.tenant_id, f.role, COALESCE(f.mail, ''), COALESCE(f.display_name, ''), COALESCE(f.language, ''), COALESCE(f.time_zone, ''),
		f.channel, f.goes_to = 1, CAST(:at_once AS {{instant}}), CASE f.fate WHEN 'waiting' THEN f.waits_until END,
		CASE WHEN f.fate NOT IN ('queued', 'waiting') THEN f.recorded_at END, CAST(:traceparent AS TEXT)
	FROM (SELECT r.key, r.version, r.kind, r.stage, r.end_at, r.due_at, r.recorded_at, r.reason, r.tenant_id, r.role, r.channel, r.goes_to,
			c.mail, c.display_name, c.language, c.time_zone, ` + waitsUntil + ` AS waits_until,
			row_number() OVER (PARTITION BY r.key, r.version ORDER BY r.n, r.role, r.goes_to, r.channel {{plain}}, c.mail_key) AS ordinal,
			CASE WHEN r.status <> 'queued' OR r.goes_to > 0 THEN r.status
				WHEN c.mail IS NULL THEN 'noRecipient'
				WHEN ` + waitsUntil + ` IS NOT NULL THEN 'waiting'
				ELSE r.status END AS fate
		FROM {{rows ` + noticeColumns + `}}
		LEFT JOIN contacts AS c ON c.tenant_id = r.tenant_id AND c.role = r.role AND r.goes_to = 0) AS f
	RETURNING status = 'queued' AS counts`

// insertNotices writes a notice for each endpoint and for each person who holds the role now, or one to nobody where there
// is none: that somebody should have been told is not forgotten. It counts those that are to be sent.
func insertNotices(ctx context.Context, s session, decided []lifecycle.Decided) (toSend int64, err error) {
	rows := noticeRows(decided)
	if len(rows) == 0 {
		return 0, nil
	}
	return s.count(ctx, insertNoticePage, args{"rows": page[noticeRow](rows), "at_once": dawn, "traceparent": traceparent(ctx)})
}
