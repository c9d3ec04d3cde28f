package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token. It is shown once and kept only as a hash."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"Make a token worthless, at once."`
}

type tokenCreateCmd struct {
	Name   string   `arg:"" help:"Who or what uses it."`
	Scopes []string `name:"scope" placeholder:"SCOPE" help:"For an operator's token: read, sweep, provision, or manage, which holds the others; may be given again (default: read)."`
	Role   string   `placeholder:"ROLE" help:"For a tenant's token: adminAgent, reader or globalAdministrator, who see and do what is theirs."`
	Tenant string   `placeholder:"ID" help:"The tenant in which the role is held: the partner's own, or a customer's."`
}

func (c *tokenCreateCmd) Run(a *app) error {
	t, err := c.token()
	if err != nil {
		return err
	}
	db, err := a.openForWriting(true)
	if err != nil {
		return err
	}
	token, hash, err := httpapi.NewToken()
	if err != nil {
		return err
	}
	if _, err := db.CreateToken(a.ctx, t, hash); err != nil {
		return fmt.Errorf("token %q: %w", c.Name, err)
	}
	unkept := a.did(db, "tenure token create", c.Name, powersText(t))
	a.say("Token %q with %s. Keep it now: it cannot be shown again.", c.Name, powersText(t))
	_, err = fmt.Fprintln(a.stdout, token)
	return errors.Join(err, unkept)
}

// tenantRoles are the roles that a tenant's token may have.
var tenantRoles = []lifecycle.Role{lifecycle.AdminAgents, lifecycle.Reader, lifecycle.GlobalAdministrators}

// token is what the flags say, checked all at once.
func (c *tokenCreateCmd) token() (lifecycle.Token, error) {
	t := lifecycle.Token{Name: c.Name, Scopes: c.Scopes, Tenant: strings.ToLower(c.Tenant), Created: wall()}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, usageError(format, args...)) }
	if strings.TrimSpace(c.Name) == "" {
		fault("the token needs a name: say who or what uses it")
	}
	for _, s := range c.Scopes {
		if !slices.Contains(httpapi.Scopes, httpapi.Scope(s)) {
			fault("--scope %q: there is no such scope; the scopes are %v", s, httpapi.Scopes)
		}
	}
	switch {
	case c.Role == "" && c.Tenant == "":
		if len(t.Scopes) == 0 {
			t.Scopes = []string{string(httpapi.ScopeRead)}
		}
		return t, errors.Join(faults...)
	case len(c.Scopes) > 0:
		fault("--scope is for an operator's token, which sees all tenants, --role and --tenant for one of a tenant; give one or the other")
	}
	switch i := slices.IndexFunc(tenantRoles, func(r lifecycle.Role) bool { return strings.EqualFold(string(r), c.Role) }); {
	case c.Role == "":
		fault("--tenant needs --role: say what the bearer is there, %s", choice(tenantRoles))
	case strings.EqualFold(c.Role, string(lifecycle.Operator)):
		fault("--role operator: operators belong to no tenant, and their tokens have scopes; give --scope manage, or --scope read")
	case i < 0:
		fault("--role %q: there is no such role; it is %s", c.Role, choice(tenantRoles))
	default:
		t.Role = tenantRoles[i]
	}
	switch {
	case c.Tenant == "":
		fault("--role needs --tenant: say whose relationships the bearer sees")
	case !lifecycle.IsGUID(c.Tenant):
		fault("--tenant %q is not a GUID", c.Tenant)
	}
	return t, errors.Join(faults...)
}

// powersText is what the bearer of a token may do, e.g. "scope read" or "role reader in …".
func powersText(t lifecycle.Token) string {
	if t.Role != "" {
		return fmt.Sprintf("role %s in tenant %s", t.Role, t.Tenant)
	}
	return "scope " + strings.Join(t.Scopes, ", ")
}

type tokenListCmd struct{ outputFlag }

func (c *tokenListCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	tokens, err := db.Tokens(a.ctx)
	if err != nil {
		return err
	}
	header := table.Row{"id", "name", "scopes", "role", "tenant", "created", "revoked"}
	return printRecords(a, c.Output, header, tokens, func(t lifecycle.Token) table.Row {
		return table.Row{t.ID, t.Name, orDash(strings.Join(t.Scopes, ",")), orDash(string(t.Role)), orDash(t.Tenant),
			instant(t.Created.Truncate(time.Second)), instant(t.Revoked.Truncate(time.Second))}
	}, func(t lifecycle.Token) any {
		return struct {
			ID              int64           `json:"id"`
			Name            string          `json:"name"`
			Scopes          []string        `json:"scopes"`
			Role            *lifecycle.Role `json:"role"`
			TenantID        *string         `json:"tenantId"`
			CreatedDateTime *string         `json:"createdDateTime"`
			RevokedDateTime *string         `json:"revokedDateTime"`
		}{t.ID, t.Name, append([]string{}, t.Scopes...), textOrNull(t.Role), textOrNull(t.Tenant), orNull(t.Created), orNull(t.Revoked)}
	})
}

type tokenRevokeCmd struct {
	Token string `arg:"" name:"name-or-id" help:"Name or id of the token."`
}

func (c *tokenRevokeCmd) Run(a *app) error {
	db, err := a.openForWriting(true)
	if err != nil {
		return err
	}
	if err := db.RevokeToken(a.ctx, c.Token, wall()); err != nil {
		return fmt.Errorf("token %q: %w; see `tenure token list`", c.Token, err)
	}
	_, err = fmt.Fprintf(a.stdout, "token %q is revoked\n", c.Token)
	return errors.Join(err, a.did(db, "tenure token revoke", c.Token))
}
