package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/storage"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token. It is shown once and kept only as a hash."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"Make a token worthless, at once."`
}

type tokenCreateCmd struct {
	Name   string   `arg:"" help:"Who or what uses it."`
	Scopes []string `name:"scope" enum:"read,sweep,manage" default:"read" placeholder:"SCOPE" help:"read, sweep or manage, which holds the others; may be given again (default: ${default})."`
}

func (c *tokenCreateCmd) Run(a *app) error {
	if strings.TrimSpace(c.Name) == "" {
		return usageError("the token needs a name: say who or what uses it")
	}
	db, err := a.openForWriting(true)
	if err != nil {
		return err
	}
	token, hash, err := httpapi.NewToken()
	if err != nil {
		return err
	}
	if _, err := db.CreateToken(a.ctx, c.Name, hash, c.Scopes, wall()); err != nil {
		return fmt.Errorf("token %q: %w", c.Name, err)
	}
	a.say("Token %q with scope %s. Keep it now: it cannot be shown again.", c.Name, strings.Join(c.Scopes, ", "))
	_, err = fmt.Fprintln(a.stdout, token)
	return err
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
	header := table.Row{"id", "name", "scopes", "created", "revoked"}
	return printRecords(a, c.Output, header, tokens, func(t storage.Token) table.Row {
		return table.Row{t.ID, t.Name, strings.Join(t.Scopes, ","), instant(t.Created), instant(t.Revoked)}
	}, func(t storage.Token) any {
		return struct {
			ID              int64    `json:"id"`
			Name            string   `json:"name"`
			Scopes          []string `json:"scopes"`
			CreatedDateTime *string  `json:"createdDateTime"`
			RevokedDateTime *string  `json:"revokedDateTime"`
		}{t.ID, t.Name, t.Scopes, orNull(t.Created), orNull(t.Revoked)}
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
	return err
}
