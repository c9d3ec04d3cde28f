package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A letterRow is a notice with its message, where one was rendered, and its relationship as it is now.
type letterRow struct {
	letterKey
	Kind          lifecycle.NoticeKind   `json:"kind"`
	Stage         string                 `json:"stage"`
	EndAt         dbTime                 `json:"notice_end_at"`
	DueAt         dbTime                 `json:"due_at"`
	RecordedAt    dbTime                 `json:"recorded_at"`
	Status        lifecycle.NoticeStatus `json:"notice_status"`
	Reason        lifecycle.Reason       `json:"reason"`
	TenantID      string                 `json:"tenant_id"`
	Role          lifecycle.Role         `json:"role"`
	Mail          string                 `json:"mail"`
	RecipientName string                 `json:"recipient_name"`
	Language      string                 `json:"language"`
	Attempts      int                    `json:"attempts"`
	ReadyAt       dbTime                 `json:"ready_at"`
	LastError     string                 `json:"last_error"`
	SentAt        dbTime                 `json:"sent_at"`
	MessageID     string                 `json:"message_id"`
	Message       []byte                 `json:"message"`
	Of            relationshipRow        `json:"of"`
}

// A letterKey is a lifecycle.NoticeID in the database.
type letterKey struct {
	Key     int64 `json:"relationship_key"`
	Version int64 `json:"version"`
	Ordinal int   `json:"ordinal"`
}

func keyOf(id lifecycle.NoticeID) letterKey { return letterKey(id) }

const letterKeyColumns = `relationship_key BIGINT, version BIGINT, ordinal INTEGER`

// sameLetter joins a page of letter keys with notices.
const sameLetter = ` n.relationship_key = r.relationship_key AND n.version = r.version AND n.ordinal = r.ordinal `

var selectLetters = `SELECT n.relationship_key, n.version, n.ordinal, n.kind, n.stage, n.end_at AS notice_end_at, n.due_at, n.recorded_at,
		n.status AS notice_status, n.reason, n.tenant_id, n.role, n.mail, n.recipient_name, n.language, n.attempts, n.ready_at,
		n.last_error, n.sent_at, COALESCE(m.message_id, '') AS message_id, m.message, ` + ofRelationship("t", "of") + `
	FROM notices AS n JOIN relationships AS t ON t.key = n.relationship_key
	LEFT JOIN messages AS m ON m.relationship_key = n.relationship_key AND m.version = n.version AND m.ordinal = n.ordinal `

func (row *letterRow) letter() (lifecycle.Letter, error) {
	stored, err := row.Of.stored()
	letter := lifecycle.Letter{
		NoticeID: lifecycle.NoticeID(row.letterKey), Kind: row.Kind, End: row.EndAt.Time, Due: row.DueAt.Time, Recorded: row.RecordedAt.Time,
		Status: row.Status, Reason: row.Reason,
		Recipient: lifecycle.Contact{TenantID: row.TenantID, Role: row.Role, Mail: row.Mail, DisplayName: row.RecipientName, Language: row.Language},
		Attempts:  row.Attempts, NextAttempt: row.ReadyAt.unlessDawn(), LastError: row.LastError,
		MessageID: row.MessageID, Message: row.Message, SentAt: row.SentAt.Time, Relationship: stored.Record,
	}
	if err == nil {
		err = letter.Stage.UnmarshalText([]byte(row.Stage))
	}
	if err != nil {
		return letter, fmt.Errorf("notice %s: %w", letter.NoticeID, err)
	}
	return letter, nil
}

func listLetters(ctx context.Context, s session, where string, a args) (letters []lifecycle.Letter, err error) {
	err = each(ctx, s, selectLetters+where, a, func(row *letterRow) error {
		letter, err := row.letter()
		letters = append(letters, letter)
		return err
	})
	return letters, err
}

// ClaimLetters takes up to most letters that are to be sent by wall until the lease ends, counts the attempt, and reads
// them with their relationship as it is now. No letter is in two hands while a lease lasts. Those that have waited longest
// come first.
func (db *DB) ClaimLetters(ctx context.Context, wall, leaseUntil time.Time, most int) (letters []lifecycle.Letter, err error) {
	err = db.write(ctx, "claim letters", func(s session) error {
		letters = nil
		var claimed []letterKey
		if err := s.list(ctx, &claimed, `WITH mine AS MATERIALIZED (
				SELECT relationship_key, version, ordinal FROM notices WHERE status IN ('queued', 'failed') AND ready_at <= :wall
				ORDER BY ready_at, relationship_key, version, ordinal LIMIT :most {{lock skip}})
			UPDATE notices SET attempts = attempts + 1, ready_at = :lease FROM mine
			WHERE notices.relationship_key = mine.relationship_key AND notices.version = mine.version AND notices.ordinal = mine.ordinal
			RETURNING notices.relationship_key, notices.version, notices.ordinal`,
			args{"wall": at(wall), "lease": at(leaseUntil), "most": most}); err != nil || len(claimed) == 0 {
			return err
		}
		var unreadable []settledRow
		err := each(ctx, s, selectLetters+`JOIN {{rows `+letterKeyColumns+`}} ON `+sameLetter+`
			ORDER BY n.relationship_key, n.version, n.ordinal`, args{"rows": page[letterKey](claimed)}, func(row *letterRow) error {
			letter, err := row.letter()
			if err != nil { // given up, so that it does not keep the others back
				unreadable = append(unreadable, settledRow{row.letterKey, row.Attempts, lifecycle.NoticeDead, "", clean(err.Error()), dawn, dbTime{}})
				return nil
			}
			letters = append(letters, letter)
			return nil
		})
		if err != nil {
			return err
		}
		return settle(ctx, s, unreadable)
	})
	return letters, err
}

// KeepMessages stores rendered messages before their first attempt. One that is stored already stays, so that a letter
// keeps its Message-ID whatever happens.
func (db *DB) KeepMessages(ctx context.Context, letters []lifecycle.Letter) error {
	if len(letters) == 0 {
		return nil
	}
	return db.write(ctx, "keep rendered messages", func(s session) error {
		for i := range letters {
			l := &letters[i]
			// One by one, since bytes do not go through JSON. There are as many as one delivery takes up, some dozens.
			if _, err := s.exec(ctx, `INSERT INTO messages (relationship_key, version, ordinal, message_id, message)
				VALUES (:key, :version, :ordinal, :message_id, :message)
				ON CONFLICT (relationship_key, version, ordinal) DO NOTHING`,
				args{"key": l.Key, "version": l.Version, "ordinal": l.Ordinal, "message_id": l.MessageID, "message": notNil(l.Message)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// SettleLetters writes what became of claimed letters. One that is final already stays as it is, and of one that somebody
// else has claimed since only that it was sent counts: nothing becomes failed because somebody was slow to say so.
func (db *DB) SettleLetters(ctx context.Context, settled []lifecycle.Settled) error {
	if len(settled) == 0 {
		return nil
	}
	rows := make([]settledRow, len(settled))
	for i := range settled {
		l := &settled[i]
		rows[i] = settledRow{keyOf(l.NoticeID), l.Attempt, l.Status, l.Reason, clean(l.LastError), orDawn(l.NextAttempt), at(l.SentAt)}
	}
	return db.write(ctx, "write what became of letters", func(s session) error { return settle(ctx, s, rows) })
}

type settledRow struct {
	letterKey
	Attempt   int                    `json:"attempt"`
	Status    lifecycle.NoticeStatus `json:"status"`
	Reason    lifecycle.Reason       `json:"reason"`
	LastError string                 `json:"last_error"`
	ReadyAt   dbTime                 `json:"ready_at"`
	SentAt    dbTime                 `json:"sent_at"`
}

func settle(ctx context.Context, s session, rows []settledRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE notices AS n SET status = r.status, reason = r.reason, last_error = r.last_error,
			ready_at = r.ready_at, sent_at = r.sent_at
		FROM {{rows `+letterKeyColumns+`, attempt INTEGER, status TEXT, reason TEXT, last_error TEXT, ready_at INSTANT, sent_at INSTANT}}
		WHERE `+sameLetter+` AND n.status IN ('queued', 'failed') AND (n.attempts = r.attempt OR r.status = 'sent')`,
		args{"rows": page[settledRow](rows)})
	return err
}

// KeepLetters prolongs the lease of claimed letters that are not settled.
func (db *DB) KeepLetters(ctx context.Context, ids []lifecycle.NoticeID, leaseUntil time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	rows := make([]letterKey, len(ids))
	for i, id := range ids {
		rows[i] = keyOf(id)
	}
	return db.write(ctx, "keep claimed letters", func(s session) error {
		_, err := s.exec(ctx, `UPDATE notices AS n SET ready_at = :lease FROM {{rows `+letterKeyColumns+`}}
			WHERE `+sameLetter+` AND n.status IN ('queued', 'failed')`, args{"rows": page[letterKey](rows), "lease": at(leaseUntil)})
		return err
	})
}

// WaitingLetters counts the letters that are to be sent by wall and that nobody has claimed.
func (db *DB) WaitingLetters(ctx context.Context, wall time.Time) (waiting int64, err error) {
	err = db.read(ctx, "count the waiting letters", func(s session) error {
		return s.get(ctx, &waiting, `SELECT count(*) FROM notices WHERE status IN ('queued', 'failed') AND ready_at <= :wall`,
			args{"wall": at(wall)})
	})
	return waiting, err
}

// A LetterQuery says which letters are wanted. The zero query wants all of them.
type LetterQuery struct {
	Statuses     []lifecycle.NoticeStatus // any of these
	Kinds        []lifecycle.NoticeKind   // any of these
	Relationship string                   // id
	After        lifecycle.NoticeID       // the last one on the page before
	Limit        int                      // at most so many; 0: no limit
}

// Letters lists letters, by relationship and step.
func (db *DB) Letters(ctx context.Context, q LetterQuery) (letters []lifecycle.Letter, err error) {
	w := where{args: args{}}
	w.and(len(q.Statuses) > 0, "n.status IN {{list statuses}}", "statuses", page[lifecycle.NoticeStatus](q.Statuses))
	w.and(len(q.Kinds) > 0, "n.kind IN {{list kinds}}", "kinds", page[lifecycle.NoticeKind](q.Kinds))
	w.and(q.Relationship != "", "t.id = :id", "id", q.Relationship)
	if q.After != (lifecycle.NoticeID{}) {
		w.and(true, "(n.relationship_key, n.version, n.ordinal) > (:after_key, :after_version, :after_ordinal)", "after_key", q.After.Key)
		w.args["after_version"], w.args["after_ordinal"] = q.After.Version, q.After.Ordinal
	}
	text, a := w.order("n.relationship_key, n.version, n.ordinal", q.Limit)
	err = db.read(ctx, "list letters", func(s session) error {
		letters, err = listLetters(ctx, s, text, a)
		return err
	})
	return letters, err
}

// Letter reads one letter; [lifecycle.ErrNotFound] where there is none.
func (db *DB) Letter(ctx context.Context, id lifecycle.NoticeID) (letter lifecycle.Letter, err error) {
	err = db.read(ctx, "read notice "+id.String(), func(s session) error {
		var row letterRow
		if err := s.get(ctx, &row, selectLetters+`WHERE n.relationship_key = :key AND n.version = :version AND n.ordinal = :ordinal`,
			args{"key": id.Key, "version": id.Version, "ordinal": id.Ordinal}); err != nil {
			return err
		}
		letter, err = row.letter()
		return err
	})
	return letter, err
}
