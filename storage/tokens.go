package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type tokenRow struct {
	ID        int64          `json:"id"`
	Name      string         `json:"name"`
	Scopes    string         `json:"scopes"`
	TenantID  string         `json:"tenant_id"`
	Role      lifecycle.Role `json:"role"`
	CreatedAt dbTime         `json:"created_at"`
	RevokedAt dbTime         `json:"revoked_at"`
}

func (row *tokenRow) token() (lifecycle.Token, error) {
	token := lifecycle.Token{ID: row.ID, Name: row.Name, Tenant: row.TenantID, Role: row.Role,
		Created: row.CreatedAt.Time, Revoked: row.RevokedAt.Time}
	if err := json.Unmarshal([]byte(row.Scopes), &token.Scopes); err != nil {
		return token, fmt.Errorf("token %q: column scopes cannot be read: %w", row.Name, err)
	}
	return token, nil
}

const selectTokens = `SELECT id, name, scopes, tenant_id, role, created_at, revoked_at FROM tokens ` //nolint:gosec // it names columns, and holds no secret

// CreateToken keeps a new token under the hash of its secret, and answers with its id. [ErrTokenExists] where the name is
// taken by one that is not revoked.
func (db *DB) CreateToken(ctx context.Context, t lifecycle.Token, hash []byte) (id int64, err error) {
	err = db.write(ctx, fmt.Sprintf("create token %q", t.Name), func(s session) error {
		if id, err = take(ctx, s, tokenCounter, 1); err != nil {
			return err
		}
		_, err := s.exec(ctx, `INSERT INTO tokens (id, name, hash, scopes, tenant_id, role, created_at)
			VALUES (:id, :name, :hash, :scopes, :tenant, :role, :now)`,
			args{"id": id, "name": t.Name, "hash": hash, "scopes": jsonList(t.Scopes), "tenant": strings.ToLower(t.Tenant), "role": t.Role,
				"now": at(t.Created)})
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
func (db *DB) Tokens(ctx context.Context) (tokens []lifecycle.Token, err error) {
	err = db.read(ctx, "list tokens", func(s session) error {
		return each(ctx, s, selectTokens+`ORDER BY id`, nil, func(row *tokenRow) error {
			token, err := row.token()
			tokens = append(tokens, token)
			return err
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
func (db *DB) TokenByHash(ctx context.Context, hash []byte) (token lifecycle.Token, err error) {
	err = db.read(ctx, "look up a token", func(s session) error {
		var row tokenRow
		if err := s.get(ctx, &row, selectTokens+`WHERE hash = :hash AND revoked_at IS NULL`, args{"hash": hash}); err != nil {
			return err
		}
		token, err = row.token()
		return err
	})
	return token, err
}

// AnyTokens says whether there is a token that is good.
func (db *DB) AnyTokens(ctx context.Context) (good bool, err error) {
	err = db.read(ctx, "look for tokens", func(s session) error {
		var id int64
		err := s.get(ctx, &id, `SELECT id FROM tokens WHERE revoked_at IS NULL LIMIT 1`, nil)
		good = err == nil
		return unlessNone(err)
	})
	return good, err
}
