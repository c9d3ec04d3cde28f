package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Token is a secret that lets a program in. The secret itself is not kept, only its hash.
type Token struct {
	ID      int64
	Name    string // one of its own among those that are not revoked
	Scopes  []string
	Created time.Time
	Revoked time.Time // zero while it is good
}

type tokenRow struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Scopes    string `json:"scopes"`
	CreatedAt dbTime `json:"created_at"`
	RevokedAt dbTime `json:"revoked_at"`
}

// CreateToken keeps the hash of a new token. [ErrTokenExists] where the name is taken by one that is not revoked.
func (db *DB) CreateToken(ctx context.Context, name string, hash []byte, scopes []string, now time.Time) (id int64, err error) {
	err = db.write(ctx, fmt.Sprintf("create token %q", name), func(s session) error {
		if id, err = take(ctx, s, tokenCounter, 1); err != nil {
			return err
		}
		_, err := s.exec(ctx, `INSERT INTO tokens (id, name, hash, scopes, created_at) VALUES (:id, :name, :hash, :scopes, :now)`,
			args{"id": id, "name": name, "hash": hash, "scopes": jsonList(scopes), "now": at(now)})
		if isUnique(err) {
			return fmt.Errorf("%w; revoke it first or choose another name", ErrTokenExists)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// Tokens lists all tokens, the revoked ones too, oldest first.
func (db *DB) Tokens(ctx context.Context) (tokens []Token, err error) {
	err = db.read(ctx, "list tokens", func(s session) error {
		return each(ctx, s, `SELECT id, name, scopes, created_at, revoked_at FROM tokens ORDER BY id`, nil, func(row *tokenRow) error {
			token := Token{ID: row.ID, Name: row.Name, Created: row.CreatedAt.Time, Revoked: row.RevokedAt.Time}
			tokens = append(tokens, token)
			return json.Unmarshal([]byte(row.Scopes), &tokens[len(tokens)-1].Scopes)
		})
	})
	return tokens, err
}

// RevokeToken makes a token useless from now on, named by its name or else its id; [lifecycle.ErrNotFound] where there is
// none that is good.
func (db *DB) RevokeToken(ctx context.Context, nameOrID string, now time.Time) error {
	return db.write(ctx, fmt.Sprintf("revoke token %q", nameOrID), func(s session) error {
		a := args{"named": nameOrID, "now": at(now)}
		n, err := s.exec(ctx, `UPDATE tokens SET revoked_at = :now WHERE name = :named AND revoked_at IS NULL`, a)
		if err == nil && n == 0 {
			n, err = s.exec(ctx, `UPDATE tokens SET revoked_at = :now WHERE CAST(id AS TEXT) = :named AND revoked_at IS NULL`, a)
		}
		if err == nil && n == 0 {
			err = lifecycle.ErrNotFound
		}
		return err
	})
}

// TokenByHash finds the good token with this hash; [lifecycle.ErrNotFound] where there is none, or it was revoked.
func (db *DB) TokenByHash(ctx context.Context, hash []byte) (name string, scopes []string, err error) {
	err = db.read(ctx, "look up a token", func(s session) error {
		var row tokenRow
		if err := s.get(ctx, &row, `SELECT name, scopes FROM tokens WHERE hash = :hash AND revoked_at IS NULL`, args{"hash": hash}); err != nil {
			return err
		}
		name = row.Name
		return json.Unmarshal([]byte(row.Scopes), &scopes)
	})
	return name, scopes, err
}

// AnyTokens says whether there is a token that is good.
func (db *DB) AnyTokens(ctx context.Context) (good bool, err error) {
	err = db.read(ctx, "look for tokens", func(s session) error {
		var id int64
		err := s.get(ctx, &id, `SELECT id FROM tokens WHERE revoked_at IS NULL LIMIT 1`, nil)
		good = err == nil
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return good, err
}
