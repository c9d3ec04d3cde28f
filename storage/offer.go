package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An offering hands notices that nobody could be told of to those who hold the role now.
type offering struct {
	now      time.Time
	note, by string // of the operator who asked for it
	fate     func(l *lifecycle.Letter, to *contactRow) fate
}

// A fate is what becomes of a notice for one person.
type fate struct {
	status   lifecycle.NoticeStatus
	reason   lifecycle.Reason
	digestAt time.Time
}

// offerBy is what the policy says of news that somebody can be told of at last: old news is kept back, a warning may have
// been overtaken, and who wants digests is told in the next one.
func offerBy(p *lifecycle.NoticePolicy, now time.Time) *offering {
	return &offering{now: now, fate: func(l *lifecycle.Letter, to *contactRow) fate {
		if status, reason := l.Relationship.Outdated(l.Kind, l.End, l.Due, now); status != "" {
			return fate{status: status, reason: reason}
		}
		if l.Kind != lifecycle.KindWarnExpiry && p.Stale(l.Due, now) {
			return fate{status: lifecycle.NoticeSuppressed, reason: lifecycle.Stale}
		}
		notice := lifecycle.Notice{Kind: l.Kind, End: l.End}
		if digestAt := p.Digests.WaitsUntil(to.Digest, &notice, now); !digestAt.IsZero() {
			return fate{lifecycle.NoticeWaiting, lifecycle.ForDigest, digestAt}
		}
		return fate{status: lifecycle.NoticeQueued}
	}}
}

// An offeredRow is a notice to nobody, and a person whom it goes to. The first one takes its row over; the others get rows
// of their own, as copies.
type offeredRow struct {
	letterKey
	Copy      int                    `json:"copy"` // the ordinal of the copy; 0: the row itself
	Status    lifecycle.NoticeStatus `json:"status"`
	Reason    lifecycle.Reason       `json:"reason"`
	LastError string                 `json:"last_error"`
	Mail      string                 `json:"mail"`
	Name      string                 `json:"recipient_name"`
	Language  string                 `json:"language"`
	TimeZone  string                 `json:"time_zone"`
	DigestAt  dbTime                 `json:"digest_at"`
	SettledAt dbTime                 `json:"settled_at"`
}

const offeredColumns = letterKeyColumns + `, copy INTEGER, status TEXT, reason TEXT, last_error TEXT, mail TEXT, recipient_name TEXT,
	language TEXT, time_zone TEXT, digest_at INSTANT, settled_at INSTANT`

// rowsAtOnce bounds the rows that are held in memory: pages of notices are the smaller the more people there are to tell.
const rowsAtOnce = 2000

// offerUnreached offers the notices of which none of the contacts' audiences had anybody to tell, and counts what is going to
// be sent.
func offerUnreached(ctx context.Context, s session, contacts []contactRow, p *lifecycle.NoticePolicy, now time.Time) (offered int, err error) {
	audiences := make([]lifecycle.Audience, len(contacts))
	for i := range contacts {
		audiences[i] = contacts[i].audience()
	}
	var waiting []audienceRow
	if err := s.list(ctx, &waiting, `SELECT r.tenant_id, r.role FROM {{rows tenant_id TEXT, role TEXT}} WHERE EXISTS (
			SELECT 1 FROM notices AS c WHERE`+sameAudience+`AND c.status = 'noRecipient')
		ORDER BY r.tenant_id, r.role`, args{"rows": page[audienceRow](audienceRows(audiences))}); err != nil {
		return 0, err
	}
	o := offerBy(p, now)
	for _, audience := range waiting {
		n, err := o.audience(ctx, s, lifecycle.Audience(audience))
		if err != nil {
			return 0, err
		}
		offered += n
	}
	return offered, nil
}

// audience offers all notices that found nobody in an audience.
func (o *offering) audience(ctx context.Context, s session, a lifecycle.Audience) (offered int, err error) {
	people, err := peopleOf(ctx, s, a)
	if err != nil || len(people) == 0 {
		return 0, err
	}
	for {
		letters, err := lockLetters(ctx, s, selectBareLetters+`WHERE n.status = 'noRecipient' AND n.tenant_id = :tenant AND n.role = :role
			ORDER BY `+letterOrder+` LIMIT :most {{lock n}}`, args{"tenant": a.TenantID, "role": a.Role, "most": max(1, rowsAtOnce/len(people))})
		if err != nil || len(letters) == 0 {
			return offered, err
		}
		n, err := o.offer(ctx, s, letters, people)
		if err != nil {
			return 0, err
		}
		offered += n
	}
}

// A lockedLetter is a letter that nobody else can change before the transaction ends. fault says why it cannot be read.
type lockedLetter struct {
	lifecycle.Letter
	inDoubt bool
	fault   error
}

func lockLetters(ctx context.Context, s session, query string, a args) (letters []lockedLetter, err error) {
	err = each(ctx, s, query, a, func(row *letterRow) error {
		letter, fault := row.letter()
		letters = append(letters, lockedLetter{letter, row.InDoubt, fault})
		return nil
	})
	return letters, err
}

// offer hands letters, which go to nobody yet, to people, and counts what is going to be sent.
func (o *offering) offer(ctx context.Context, s session, letters []lockedLetter, people []contactRow) (offered int, err error) {
	next, err := nextOrdinals(ctx, s, letters)
	if err != nil {
		return 0, err
	}
	var taken, copied []offeredRow
	for i := range letters {
		l := &letters[i]
		step := letterKey{Key: l.Key, Version: l.Version}
		for j := range people {
			row := o.row(l, &people[j])
			if row.Status == lifecycle.NoticeQueued || row.Status == lifecycle.NoticeWaiting {
				offered++
			}
			if j == 0 {
				taken = append(taken, row)
				continue
			}
			row.Copy = next[step]
			next[step]++
			copied = append(copied, row)
		}
	}
	return offered, o.write(ctx, s, taken, copied)
}

func (o *offering) row(l *lockedLetter, to *contactRow) offeredRow {
	row := offeredRow{letterKey: keyOf(l.NoticeID), Mail: to.Mail, Name: to.DisplayName, Language: to.Language, TimeZone: to.TimeZone}
	if l.fault != nil {
		row.Status, row.LastError = lifecycle.NoticeDead, clean(l.fault.Error())
	} else {
		f := o.fate(&l.Letter, to)
		row.Status, row.Reason, row.DigestAt = f.status, f.reason, at(f.digestAt)
	}
	if row.Status.Final() {
		row.SettledAt = at(o.now)
	}
	return row
}

// nextOrdinals are the first free ordinals of the steps that the letters tell of, those of announcements apart.
func nextOrdinals(ctx context.Context, s session, letters []lockedLetter) (map[letterKey]int, error) {
	keys := make([]letterKey, len(letters))
	for i := range letters {
		keys[i] = keyOf(letters[i].NoticeID)
	}
	next := map[letterKey]int{}
	err := each(ctx, s, `SELECT n.relationship_key, n.version, max(n.ordinal) + 1 AS ordinal FROM notices AS n
		JOIN {{rows `+letterKeyColumns+`}} ON n.relationship_key = r.relationship_key AND n.version = r.version
		WHERE n.ordinal < :announced GROUP BY n.relationship_key, n.version`, args{"rows": page[letterKey](keys), "announced": announcedFrom}, func(row *letterKey) error {
		next[letterKey{Key: row.Key, Version: row.Version}] = row.Ordinal
		return nil
	})
	return next, err
}

func (o *offering) write(ctx context.Context, s session, taken, copied []offeredRow) error {
	a := args{"rows": page[offeredRow](taken), "dawn": dawn, "note": o.note, "by": o.by}
	if _, err := s.exec(ctx, `UPDATE notices AS n SET status = r.status, reason = r.reason, last_error = r.last_error, mail = r.mail,
			recipient_name = r.recipient_name, language = r.language, time_zone = r.time_zone, digest_at = r.digest_at,
			settled_at = r.settled_at, ready_at = :dawn, note = :note, noted_by = :by
		FROM {{rows `+offeredColumns+`}} WHERE `+sameLetter, a); err != nil || len(copied) == 0 {
		return err
	}
	a["rows"] = page[offeredRow](copied)
	_, err := s.exec(ctx, `INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason,
			tenant_id, role, mail, recipient_name, language, time_zone, channel, endpoint, ready_at, last_error, digest_at, settled_at, note, noted_by)
		SELECT n.relationship_key, n.version, r.copy, n.kind, n.stage, n.end_at, n.due_at, n.recorded_at, r.status, r.reason,
			n.tenant_id, n.role, r.mail, r.recipient_name, r.language, r.time_zone, n.channel, n.endpoint, CAST(:dawn AS {{instant}}),
			r.last_error, r.digest_at, r.settled_at, n.note, n.noted_by
		FROM {{rows `+offeredColumns+`}} JOIN notices AS n ON `+sameLetter, a)
	return err
}

// offerAgain looks once more after the contacts are written: on PostgreSQL a chunk that was being written at the same time
// saw none of them, and they saw none of its notices. What comes still later is offered when the contacts are imported again,
// or when somebody retries it.
func (db *DB) offerAgain(ctx context.Context, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (offered int, err error) {
	if db.writer != nil {
		return 0, nil // SQLite writes one thing after the other
	}
	err = db.write(ctx, "offer notices to those who can be told now", func(s session) error {
		if _, err := holdCounter(ctx, s, relationshipCounter); err != nil {
			return err
		}
		offered, err = offerUnreached(ctx, s, contactRowsOf(batch), p, now)
		return err
	})
	if err != nil {
		err = fmt.Errorf("the contacts are written; import them again: %w", err)
	}
	return offered, err
}
