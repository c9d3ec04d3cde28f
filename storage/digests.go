package storage

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	itemsInDigest = 500                // beyond that nobody reads on; the rest goes into another one
	itemsAtOnce   = 10 * itemsInDigest // read at a time, so that memory stays bounded

	// A digest comes within a week. What waits for longer was written by a clock that has been set back since, and is due.
	noDigestAfter = 8 * lifecycle.Day
	digestDue     = `(digest_at <= :now OR digest_at > :never)`
)

// FoldLetters makes digests of the notices that wait for one by now, for at most so many recipients at a time, and says how
// many it has made: a digest is a queued letter, and its notices are digested. What is outdated is settled instead. Where
// nothing is due it takes no lock. It answers 0 only where nothing is left.
func (db *DB) FoldLetters(ctx context.Context, now time.Time, most int) (digests int, err error) {
	const doing = "make digests"
	for {
		var due bool
		err = db.read(ctx, doing, func(s session) error {
			return s.get(ctx, &due, `SELECT EXISTS (SELECT 1 FROM notices WHERE status = 'waiting' AND `+digestDue+`) AND`+goesOn,
				args{"now": at(now), "never": at(now.Add(noDigestAfter))})
		})
		if err != nil || !due || most <= 0 {
			return 0, err
		}
		err = db.write(ctx, doing, func(s session) error {
			digests, err = fold(ctx, s, now, most)
			return err
		})
		if err != nil || digests > 0 {
			return digests, err
		}
	}
}

func fold(ctx context.Context, s session, now time.Time, most int) (digests int, err error) {
	// One at a time: two who share the notices of one recipient would send two letters.
	if _, err := holdCounter(ctx, s, digestCounter); err != nil {
		return 0, err
	}
	if err := dropRations(ctx, s, now.Add(-2*lifecycle.Day)); err != nil {
		return 0, err
	}
	waiting, err := lockLetters(ctx, s, `WITH who AS (
			SELECT DISTINCT channel, tenant_id, role, mail FROM notices WHERE status = 'waiting' AND `+digestDue+`
			ORDER BY channel, tenant_id, role, mail LIMIT :most)
		`+selectBareLetters+`JOIN who ON n.channel = who.channel AND n.tenant_id = who.tenant_id AND n.role = who.role AND n.mail = who.mail
		WHERE n.status = 'waiting' AND `+digestDue+`
		ORDER BY n.channel, n.tenant_id, n.role, lower(n.mail), n.due_at, `+letterOrder+` LIMIT :items {{lock n}}`,
		args{"now": at(now), "never": at(now.Add(noDigestAfter)), "most": most, "items": itemsAtOnce})
	if err != nil {
		return 0, err
	}
	drafts, outdated := draft(waiting, now)
	if len(waiting) == itemsAtOnce {
		drafts = withoutTornOne(drafts)
	}
	if err := settleWaiting(ctx, s, outdated); err != nil || len(drafts) == 0 {
		return 0, err
	}
	return len(drafts), writeDigests(ctx, s, drafts, now)
}

// A reader is whom a digest goes to.
type reader struct {
	channel, mail string
	lifecycle.Audience
}

func readerOf(l *lockedLetter) reader {
	return reader{l.Channel, strings.ToLower(l.Recipient.Mail), lifecycle.Audience{TenantID: l.Recipient.TenantID, Role: l.Recipient.Role}}
}

// draft sorts waiting letters, which come reader by reader, into digests, and finds those that need not be told any more.
func draft(waiting []lockedLetter, now time.Time) (drafts [][]*lockedLetter, outdated []waitingRow) {
	for i := range waiting {
		l := &waiting[i]
		if row, is := outdatedRow(l, now); is {
			outdated = append(outdated, row)
			continue
		}
		last := len(drafts) - 1
		if last < 0 || len(drafts[last]) == itemsInDigest || readerOf(drafts[last][0]) != readerOf(l) {
			drafts = append(drafts, nil)
			last++
		}
		drafts[last] = append(drafts[last], l)
	}
	return drafts, outdated
}

// withoutTornOne leaves the last digest out where the page ended in the midst of it, for the next look. A single one is made
// all the same, so that every look gets on.
func withoutTornOne(drafts [][]*lockedLetter) [][]*lockedLetter {
	if last := len(drafts) - 1; last > 0 && len(drafts[last]) < itemsInDigest {
		return drafts[:last]
	}
	return drafts
}

// A waitingRow is what becomes of a waiting notice.
type waitingRow struct {
	letterKey
	Status    lifecycle.NoticeStatus `json:"status"`
	Reason    lifecycle.Reason       `json:"reason"`
	LastError string                 `json:"last_error"`
	Digest    int64                  `json:"digest"`
	SettledAt dbTime                 `json:"settled_at"`
}

func outdatedRow(l *lockedLetter, now time.Time) (row waitingRow, is bool) {
	row = waitingRow{letterKey: keyOf(l.NoticeID), SettledAt: at(now)}
	if l.fault != nil { // given up, so that it does not keep the others back
		row.Status, row.LastError = lifecycle.NoticeDead, clean(l.fault.Error())
		return row, true
	}
	row.Status, row.Reason = l.Relationship.Outdated(l.Kind, l.End, l.Due, now)
	return row, row.Status != ""
}

func settleWaiting(ctx context.Context, s session, rows []waitingRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE notices AS n SET status = r.status, reason = r.reason, last_error = r.last_error, digest = r.digest,
			settled_at = r.settled_at, claim = n.claim + 1
		FROM {{rows `+letterKeyColumns+`, status TEXT, reason TEXT, last_error TEXT, digest BIGINT, settled_at INSTANT}}
		WHERE `+sameLetter+` AND n.status = 'waiting'`, args{"rows": inKeyOrder(rows)})
	return err
}

// A digestRow is a digest as it comes into the outbox.
type digestRow struct {
	Version    int64            `json:"version"`
	DueAt      dbTime           `json:"due_at"`
	RecordedAt dbTime           `json:"recorded_at"`
	Reason     lifecycle.Reason `json:"reason"`
	TenantID   string           `json:"tenant_id"`
	Role       lifecycle.Role   `json:"role"`
	Mail       string           `json:"mail"`
	Name       string           `json:"recipient_name"`
	Language   string           `json:"language"`
	TimeZone   string           `json:"time_zone"`
	Channel    string           `json:"channel"`
}

const digestColumns = `version BIGINT, due_at INSTANT, recorded_at INSTANT, reason TEXT, tenant_id TEXT, role TEXT, mail TEXT,
	recipient_name TEXT, language TEXT, time_zone TEXT, channel TEXT`

// digestOf addresses a digest as the latest of its items was.
func digestOf(items []*lockedLetter, number int64, now time.Time) digestRow {
	latest := slices.MaxFunc(items, func(a, b *lockedLetter) int { return cmp.Or(a.Recorded.Compare(b.Recorded), cmp.Compare(a.Key, b.Key)) })
	to := &latest.Recipient
	row := digestRow{Version: number, RecordedAt: at(now), Reason: lifecycle.TooManyToday, TenantID: to.TenantID, Role: to.Role, Mail: to.Mail,
		Name: to.DisplayName, Language: to.Language, TimeZone: to.TimeZone, Channel: latest.Channel}
	for _, item := range items {
		if item.DigestAt.After(row.DueAt.Time) {
			row.DueAt = at(item.DigestAt)
		}
		if item.Reason != lifecycle.TooManyToday {
			row.Reason = lifecycle.ForDigest
		}
	}
	return row
}

func writeDigests(ctx context.Context, s session, drafts [][]*lockedLetter, now time.Time) error {
	first, err := take(ctx, s, digestCounter, len(drafts))
	if err != nil {
		return err
	}
	var rows []digestRow
	var items []waitingRow
	for i, draft := range drafts {
		number := first + int64(i)
		rows = append(rows, digestOf(draft, number, now))
		for _, item := range draft {
			items = append(items, waitingRow{keyOf(item.NoticeID), lifecycle.NoticeDigested, item.Reason, "", number, at(now)})
		}
	}
	if _, err := s.exec(ctx, `INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason,
			tenant_id, role, mail, recipient_name, language, time_zone, channel, ready_at)
		SELECT 0, r.version, 1, 'digest', 'PT0S', r.due_at, r.due_at, r.recorded_at, 'queued', r.reason,
			r.tenant_id, r.role, r.mail, r.recipient_name, r.language, r.time_zone, r.channel, CAST(:at_once AS {{instant}})
		FROM {{rows `+digestColumns+`}}`, args{"rows": page[digestRow](rows), "at_once": dawn}); err != nil {
		return err
	}
	return settleWaiting(ctx, s, items)
}
