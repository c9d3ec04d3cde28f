package storage

import (
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
}

// BeginSession keeps a session under the hash of its secret, and forgets those that have ended.
func (db *DB) BeginSession(ctx context.Context, begun lifecycle.Session, hash []byte) error {
	return db.write(ctx, fmt.Sprintf("begin a session of %q", begun.Caller.Name), func(s session) error {
		if _, err := s.exec(ctx, `DELETE FROM sessions WHERE ends_at <= :now`, args{"now": at(begun.Began)}); err != nil {
			return err
		}
		_, err := s.exec(ctx, `INSERT INTO sessions (hash, token_id, name, scopes, began_at, ends_at)
			VALUES (:hash, :token, :name, :scopes, :began, :ends)`,
			args{"hash": hash, "token": begun.Token, "name": begun.Caller.Name, "scopes": jsonList(begun.Scopes), "began": at(begun.Began), "ends": at(begun.Ends)})
		return err
	})
}

// SessionByHash finds a session that has not ended by an instant of the machine's clock, and whose token, if it was begun with one,
// is still good; [lifecycle.ErrNotFound].
func (db *DB) SessionByHash(ctx context.Context, hash []byte, wall time.Time) (found lifecycle.Session, err error) {
	err = db.read(ctx, "look up a session", func(s session) error {
		var row sessionRow
		if err := s.get(ctx, &row, `SELECT token_id, name, scopes, began_at, ends_at FROM sessions WHERE hash = :hash AND ends_at > :now
			AND (token_id = 0 OR EXISTS (SELECT 1 FROM tokens WHERE tokens.id = sessions.token_id AND tokens.revoked_at IS NULL))`,
			args{"hash": hash, "now": at(wall)}); err != nil {
			return err
		}
		found, err = row.session()
		return err
	})
	return found, err
}

func (row *sessionRow) session() (lifecycle.Session, error) {
	s := lifecycle.Session{Caller: lifecycle.Caller{Name: row.Name, Role: lifecycle.Operator}, Token: row.TokenID, Began: row.BeganAt.Time, Ends: row.EndsAt.Time}
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
