package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type sessionRow struct {
	TokenID int64  `json:"token_id"`
	Name    string `json:"name"`
	Scopes  string `json:"scopes"`
	BeganAt dbTime `json:"began_at"`
	EndsAt  dbTime `json:"ends_at"`
	Subject string `json:"subject"`
	Checked dbTime `json:"checked_at"`
}

// BeginSession keeps a session under the hash of its secret, and forgets those that have ended.
func (db *DB) BeginSession(ctx context.Context, begun lifecycle.Session, hash []byte) error {
	return db.write(ctx, fmt.Sprintf("begin a session of %q", begun.Caller.Name), func(s session) error {
		if _, err := s.exec(ctx, `DELETE FROM sessions WHERE ends_at <= :now`, args{"now": at(begun.Began)}); err != nil {
			return err
		}
		_, err := s.exec(ctx, `INSERT INTO sessions (hash, token_id, name, scopes, began_at, ends_at, subject, checked_at)
			VALUES (:hash, :token, :name, :scopes, :began, :ends, :subject, :checked)`,
			args{"hash": hash, "token": begun.Token, "name": begun.Caller.Name, "scopes": jsonList(begun.Scopes), "began": at(begun.Began), "ends": at(begun.Ends),
				"subject": begun.Subject, "checked": at(cmp.Or(begun.Checked, begun.Began))})
		return err
	})
}

// CheckSession notes that an issuer has vouched for somebody again, and what they may do now.
func (db *DB) CheckSession(ctx context.Context, hash []byte, checked lifecycle.Session) error {
	return db.write(ctx, fmt.Sprintf("go on with a session of %q", checked.Caller.Name), func(s session) error {
		_, err := s.exec(ctx, `UPDATE sessions SET scopes = :scopes, checked_at = :checked WHERE hash = :hash`,
			args{"hash": hash, "scopes": jsonList(checked.Scopes), "checked": at(checked.Checked)})
		return err
	})
}

// SessionByHash finds a session that has not ended by an instant of the machine's clock, and for which who vouched still does: its token
// is good, or its issuer was asked lately; [lifecycle.ErrNotFound].
func (db *DB) SessionByHash(ctx context.Context, hash []byte, wall time.Time) (found lifecycle.Session, err error) {
	err = db.read(ctx, "look up a session", func(s session) error {
		var row sessionRow
		if err := s.get(ctx, &row, `SELECT token_id, name, scopes, began_at, ends_at, subject, checked_at FROM sessions WHERE hash = :hash AND ends_at > :now
			AND (subject = '' OR checked_at > :vouched) AND (token_id = 0 OR EXISTS (SELECT 1 FROM tokens WHERE tokens.id = sessions.token_id AND tokens.revoked_at IS NULL))`,
			args{"hash": hash, "now": at(wall), "vouched": at(wall.Add(-lifecycle.VouchedFor))}); err != nil {
			return err
		}
		found, err = row.session()
		return err
	})
	return found, err
}

func (row *sessionRow) session() (lifecycle.Session, error) {
	s := lifecycle.Session{Caller: lifecycle.Caller{Name: row.Name, Role: lifecycle.Operator}, Token: row.TokenID, Began: row.BeganAt.Time, Ends: row.EndsAt.Time, Subject: row.Subject}
	if s.Vouched() {
		s.Checked = row.Checked.Time
	}
	if err := json.Unmarshal([]byte(row.Scopes), &s.Scopes); err != nil {
		return s, fmt.Errorf("session of %q: column scopes cannot be read: %w", row.Name, err)
	}
	s.Caller.ReadsOnly = !slices.Contains(s.Scopes, lifecycle.Manage)
	return s, nil
}

// EndSession forgets a session; to do it twice is to do it once.
func (db *DB) EndSession(ctx context.Context, hash []byte) error {
	return db.write(ctx, "end a session", func(s session) error {
		_, err := s.exec(ctx, `DELETE FROM sessions WHERE hash = :hash`, args{"hash": hash})
		return err
	})
}
