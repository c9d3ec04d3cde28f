package storage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestTokens(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		any, err := db.AnyTokens(ctx)
		require.NoError(t, err)
		require.False(t, any)
		hash := []byte{0, 1, 0xff}
		ci := lifecycle.Token{Name: "ci", Scopes: []string{"sweep", "read"}, Created: start}
		ci.ID, err = db.CreateToken(ctx, ci, hash)
		require.NoError(t, err)
		_, err = db.CreateToken(ctx, lifecycle.Token{Name: "ci", Created: start}, []byte("other"))
		require.ErrorIs(t, err, ErrTokenExists)
		found, err := db.TokenByHash(ctx, hash)
		require.NoError(t, err)
		require.Equal(t, ci, found)
		_, err = db.TokenByHash(ctx, []byte{0, 1})
		require.ErrorIs(t, err, lifecycle.ErrNotFound)

		ci.Revoked = start.Add(time.Second)
		require.NoError(t, db.RevokeToken(ctx, "ci", ci.Revoked))
		require.ErrorIs(t, db.RevokeToken(ctx, "ci", start), lifecycle.ErrNotFound)
		_, err = db.TokenByHash(ctx, hash)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		agent := lifecycle.Token{Name: "ci", Scopes: []string{}, Tenant: strings.ToUpper(partner), Role: lifecycle.AdminAgents, Created: start}
		agent.ID, err = db.CreateToken(ctx, agent, []byte("other"))
		require.NoError(t, err, "the name is free again")
		agent.Tenant = partner
		found, err = db.TokenByHash(ctx, []byte("other"))
		require.NoError(t, err)
		require.Equal(t, agent, found, "tenants are kept in lower case")
		agent.Revoked = start
		require.NoError(t, db.RevokeToken(ctx, fmt.Sprint(agent.ID), start))
		tokens, err := db.Tokens(ctx)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.Token{ci, agent}, tokens)
	})
}

func TestPartnerIsAuthorizedUntilAnOperatorSaysOtherwise(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		p, err := db.Partnership(ctx, partner)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Partnership{TenantID: partner, Standing: lifecycle.Authorized}, p)

		said := lifecycle.Partnership{TenantID: strings.ToUpper(partner), Standing: lifecycle.Suspended, Note: "unpaid\x00"}
		require.NoError(t, db.SetPartnership(ctx, said, "ops", start))
		said.Standing = lifecycle.Restricted
		require.NoError(t, db.SetPartnership(ctx, said, "ops", start.Add(time.Hour)), "again")
		want := lifecycle.Partnership{TenantID: partner, Standing: lifecycle.Restricted, Note: "unpaid"}
		p, err = db.Partnership(ctx, strings.ToUpper(partner))
		require.NoError(t, err)
		require.Equal(t, want, p)
		standing, err := standingOf(ctx, session{q: db.pool, dialect: db.dialect}, partner)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Restricted, standing)

		first := lifecycle.Partnership{TenantID: customer, Standing: lifecycle.Authorized, Note: "paid"}
		require.NoError(t, db.SetPartnership(ctx, first, "ops", start))
		partners, err := db.Partnerships(ctx)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.Partnership{want, first}, partners, "by tenant id")
	})
}
