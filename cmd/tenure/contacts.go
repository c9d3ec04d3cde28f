package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/text/language"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
)

type contactsCmd struct {
	List   contactsListCmd   `cmd:"" help:"List contacts, or with --nobody those who are missing."`
	Add    contactsAddCmd    `cmd:"" help:"Add one, or change what is known of one. Notices that had nobody to go to are offered again."`
	Remove contactsRemoveCmd `cmd:"" help:"Remove contacts. What they were told stays."`
	Import contactsImportCmd `cmd:"" help:"Read contacts from files, as the command import does."`
}

// contactFilter says which contacts are meant.
type contactFilter struct {
	Tenant string `placeholder:"ID" help:"Only those in this tenant."`
	Role   string `placeholder:"ROLE" help:"Only those with this role: adminAgent or globalAdministrator."`
	Mail   string `placeholder:"ADDRESS" help:"Only those with this address."`
}

func (f *contactFilter) query() (lifecycle.ContactQuery, error) {
	q := lifecycle.ContactQuery{Tenant: strings.ToLower(f.Tenant), Mail: f.Mail}
	var tenantErr, roleErr error
	if f.Tenant != "" && !lifecycle.IsGUID(f.Tenant) {
		tenantErr = usageError("--tenant %q is not a GUID", f.Tenant)
	}
	if f.Role != "" {
		if q.Role, roleErr = lifecycle.ParseRole(f.Role); roleErr != nil {
			roleErr = usageError("--role %q %w", f.Role, roleErr)
		}
	}
	return q, errors.Join(tenantErr, roleErr)
}

type contactsListCmd struct {
	contactFilter
	Nobody bool   `help:"List tenants and roles instead of which notices found nobody; most notices first."`
	Limit  int    `short:"l" default:"100" help:"At most this many (default: ${default})."`
	After  string `placeholder:"CONTACT" help:"Go on after this one: TENANT/ROLE/ADDRESS."`
	outputFlag
}

func (c *contactsListCmd) Run(a *app) error {
	query, err := c.query()
	if err == nil {
		err = atLeastOne(c.Limit)
	}
	if err != nil {
		return err
	}
	if query.Limit = c.Limit; c.After != "" {
		if query.After, err = parseContactPlace(c.After); err != nil {
			return err
		}
	}
	if c.Nobody && (c.contactFilter != contactFilter{} || c.After != "") {
		return usageError("--nobody lists all who are missing, and goes with --limit only")
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	if c.Nobody {
		return c.listNobody(a, db)
	}
	contacts, err := db.Contacts(a.ctx, query)
	if err != nil {
		return err
	}
	header := table.Row{"tenant", "role", "mail", "name", "language", "time zone", "digest"}
	err = printRecords(a, c.Output, header, contacts, func(p lifecycle.Contact) table.Row {
		return table.Row{p.TenantID, p.Role, p.Mail, orDash(p.DisplayName), orDash(p.Language), orDash(p.TimeZone), orDash(string(p.Digest))}
	}, func(p lifecycle.Contact) any { return httpapi.ShowContact(&p) })
	if err == nil && len(contacts) == c.Limit {
		last := contacts[len(contacts)-1]
		a.say("There may be more: --limit, or --after %s/%s/%s", last.TenantID, last.Role, last.Mail)
	}
	return err
}

func (c *contactsListCmd) listNobody(a *app, db *storage.DB) error {
	unreached, err := db.Unreached(a.ctx, c.Limit)
	if err != nil {
		return err
	}
	return printRecords(a, c.Output, table.Row{"tenant", "role", "notices", "latest"}, unreached, func(u lifecycle.Unreached) table.Row {
		return table.Row{orDash(u.TenantID), u.Role, u.Notices, instant(u.Latest)}
	}, func(u lifecycle.Unreached) any { return httpapi.ShowUnreached(&u) })
}

// parseContactPlace reads the place in the list that a page ended at.
func parseContactPlace(s string) (lifecycle.Contact, error) {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) == 3 {
		if role, err := lifecycle.ParseRole(parts[1]); err == nil {
			return lifecycle.Contact{TenantID: strings.ToLower(parts[0]), Role: role, Mail: parts[2]}, nil
		}
	}
	return lifecycle.Contact{}, usageError("--after %q is no contact; write it like TENANT/adminAgent/ann@example.com", s)
}

type contactsAddCmd struct {
	Tenant   string  `required:"" placeholder:"ID" help:"Tenant in which the contact holds the role."`
	Role     string  `required:"" placeholder:"ROLE" help:"adminAgent (of the partner) or globalAdministrator (of the customer)."`
	Mail     string  `required:"" placeholder:"ADDRESS" help:"Where notices go."`
	Name     *string `placeholder:"NAME" help:"The contact's own."`
	Language *string `placeholder:"LANGUAGE" help:"Language to write in, e.g. ja or en-GB (default: --mail-language of whoever sends)."`
	TimeZone *string `placeholder:"ZONE" help:"Time zone of the IANA database, e.g. Asia/Tokyo (default: UTC alone is shown)."`
	Digest   *string `placeholder:"HOW-OFTEN" help:"daily or weekly: many notices in one letter (default: each in its own)."`
	messageSettings
}

func (c *contactsAddCmd) Run(a *app) error {
	contact, err := c.contact()
	if err != nil {
		return err
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	instead, err := c.writtenInstead(contact.Language)
	if err != nil {
		return err
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	if err := c.keepOthers(a, db, &contact); err != nil {
		return err
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	counts, err := db.ImportContacts(a.ctx, []lifecycle.Contact{contact}, &policy.Notices, now())
	if err != nil {
		return err
	}
	if len(counts.Refused) > 0 {
		return fmt.Errorf("the contact was not added: %w", counts.Refused[0].Fault)
	}
	if instead != "" {
		a.say("There are no templates for the language %q; this contact is written to in %q, until --mail-templates has some", contact.Language, instead)
	}
	return errors.Join(a.sayAdded(contact, counts), a.did(db, "tenure contacts add", contact.TenantID+" "+string(contact.Role)))
}

// contact is what the flags say, checked all at once.
func (c *contactsAddCmd) contact() (lifecycle.Contact, error) {
	wire := lifecycle.WireContact{TenantID: c.Tenant, Role: c.Role, Mail: c.Mail}
	for _, f := range []struct{ to, from *string }{
		{&wire.DisplayName, c.Name}, {&wire.PreferredLanguage, c.Language}, {&wire.TimeZone, c.TimeZone}, {&wire.Digest, c.Digest},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	contact, faults := wire.Contact()
	if len(faults) > 0 {
		errs := make([]error, len(faults))
		for i, f := range faults {
			errs[i] = f
		}
		return contact, usageError("the contact cannot be added:\n%w", errors.Join(errs...))
	}
	return contact, nil
}

// keepOthers fills in what is stored of the contact and was not given. A flag that is given empty empties.
func (c *contactsAddCmd) keepOthers(a *app, db *storage.DB, contact *lifecycle.Contact) error {
	stored, err := db.Contacts(a.ctx, lifecycle.ContactQuery{Tenant: contact.TenantID, Role: contact.Role, Mail: contact.Mail})
	if err != nil || len(stored) == 0 {
		return err
	}
	if c.Name == nil {
		contact.DisplayName = stored[0].DisplayName
	}
	if c.Language == nil {
		contact.Language = stored[0].Language
	}
	if c.TimeZone == nil {
		contact.TimeZone = stored[0].TimeZone
	}
	if c.Digest == nil {
		contact.Digest = stored[0].Digest
	}
	return nil
}

// writtenInstead is the language that somebody is written to in whose own no template speaks; empty where one does.
func (c *contactsAddCmd) writtenInstead(tag string) (string, error) {
	if tag == "" {
		return "", nil
	}
	channels := map[string]notify.Channel{lifecycle.DefaultChannel: notify.NewDiscard(c.MailDomain)}
	notifier, err := notify.New(c.options(channels, nil, false))
	if err != nil {
		return "", codedError{exitUsage, err}
	}
	spoken := notifier.Languages()
	tags := make([]language.Tag, len(spoken))
	for i, s := range spoken {
		tags[i] = language.Make(s)
	}
	wanted := language.Make(tag)
	_, i, confidence := language.NewMatcher(tags).Match(wanted)
	if confidence == language.No {
		i = 0 // as notices do it
	}
	own, _ := wanted.Base()
	if other, _ := tags[i].Base(); own == other {
		return "", nil
	}
	return spoken[i], nil // the default one, or one that its speakers are known to read as well
}

// sayAdded says what became of a contact, and of the notices that had waited for one.
func (a *app) sayAdded(contact lifecycle.Contact, counts lifecycle.ContactCounts) error {
	what := "was there already, and is unchanged"
	switch {
	case counts.Created > 0:
		what = "is added"
	case counts.Updated > 0:
		what = "is updated"
	}
	_, err := fmt.Fprintf(a.stdout, "%s, %s of %s, %s\n", contact.Mail, contact.Role, contact.TenantID, what)
	if err == nil && counts.Offered > 0 {
		_, err = fmt.Fprintf(a.stdout, "%s that had nobody to go to %s now\n", plural(int64(counts.Offered), "notice"),
			map[bool]string{true: "goes to this one", false: "go to this one"}[counts.Offered == 1])
	}
	return err
}

type contactsRemoveCmd struct{ contactFilter }

func (c *contactsRemoveCmd) Run(a *app) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	if query.Tenant == "" && query.Mail == "" {
		return usageError("say whom to remove: --tenant, --mail, or both, and --role where only one role is meant")
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	contacts, err := db.Contacts(a.ctx, query)
	if err != nil {
		return err
	}
	removed, err := db.RemoveContacts(a.ctx, query)
	if err != nil {
		return err
	}
	if removed == 0 {
		return errors.New("nobody was removed: no contact is like that; see `tenure contacts list`")
	}
	for _, p := range contacts {
		if _, err := fmt.Fprintf(a.stdout, "%s, %s of %s, is removed\n", p.Mail, p.Role, p.TenantID); err != nil {
			return err
		}
	}
	return a.did(db, "tenure contacts remove", strings.TrimSpace(query.Tenant+" "+string(query.Role)), plural(removed, "contact"))
}

type contactsImportCmd struct {
	Files  []string `arg:"" name:"file" help:"Contacts: CSV, a JSON array, or one JSON object a line; - reads standard input."`
	Strict bool     `help:"All or nothing: where one contact cannot be taken, none is."`
}

func (c *contactsImportCmd) Run(a *app) error {
	return (&importCmd{Files: c.Files, Strict: c.Strict, Kind: "contacts"}).Run(a)
}
