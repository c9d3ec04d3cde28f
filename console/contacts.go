package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	contactsPath  = "/console/contacts"
	contactsPage  = "100" // on one page of the list
	mostUnreached = 20    // audiences without anybody that are shown, those with most notices
)

func (c *Console) addContacts() {
	c.get(contactsPath, listContacts)
	c.form(contactsPath+"/edit", lifecycle.Manage, func(v *visit) error {
		form, err := v.contactForm()
		if err != nil {
			return err
		}
		return v.show("contact", form)
	})
	c.post(contactsPath+"/edit", lifecycle.Manage, putContact)
	c.form(contactsPath+"/remove", lifecycle.Manage, func(v *visit) error { return v.confirm(v.removing(v.Request.URL.Query())) })
	c.post(contactsPath+"/remove", lifecycle.Manage, removeContact)
}

// A contact is a person who is told of things, as the HTTP interface reads and writes them.
type contact struct {
	TenantID    string         `json:"tenantId"`
	Role        lifecycle.Role `json:"role"`
	Mail        string         `json:"mail"`
	DisplayName string         `json:"displayName"`
	Language    string         `json:"preferredLanguage"`
	TimeZone    string         `json:"timeZone"`
	Digest      string         `json:"digest"`
}

// Path is where something is done to the contact: edit or remove.
func (c *contact) Path(what string) string {
	return withQuery(contactsPath+"/"+what, nonEmpty("tenant", c.TenantID, "role", string(c.Role), "mail", c.Mail))
}

// An unreached audience is one that notices found nobody in.
type unreached struct {
	TenantID string         `json:"tenantId"`
	Role     lifecycle.Role `json:"role"`
	Notices  int64          `json:"notices"`
	Latest   time.Time      `json:"latestDateTime"`
}

// Path is where somebody is added to it.
func (u *unreached) Path() string {
	return withQuery(contactsPath+"/edit", nonEmpty("tenant", u.TenantID, "role", string(u.Role)))
}

// contacts are what the list shows.
type contacts struct {
	Tenant, Role, Mail string // the filter
	Unreached          []unreached
	More               bool // there are more of those
	Rows               []contact
	Fault              string // why nobody is listed
	First, Next        string
}

// Roles are those that contacts hold.
func (*contacts) Roles() []lifecycle.Role { return contactRoles }

var contactRoles = []lifecycle.Role{lifecycle.GlobalAdministrators, lifecycle.AdminAgents}

func listContacts(v *visit) error {
	asked := v.Request.URL.Query()
	text := func(name string) string { return strings.TrimSpace(asked.Get(name)) }
	page := contacts{Tenant: text("tenant"), Role: text("role"), Mail: text("mail")}
	var nobody struct {
		Audiences []unreached `json:"audiences"`
	}
	if err := v.ask(http.MethodGet, "/v1/contacts/unreached?limit="+strconv.Itoa(mostUnreached+1), nil, &nobody); err != nil {
		return err
	}
	page.Unreached, page.More = nobody.Audiences[:min(mostUnreached, len(nobody.Audiences))], len(nobody.Audiences) > mostUnreached
	if !v.May(lifecycle.Manage) { // whose addresses these are, only who manages may know
		return v.show("contacts", &page)
	}
	var answer struct {
		Contacts []contact `json:"contacts"`
		Next     string    `json:"next"`
	}
	query := nonEmpty("tenantId", page.Tenant, "role", page.Role, "mail", page.Mail, "after", asked.Get("after"), "limit", contactsPage)
	if err := v.ask(http.MethodGet, withQuery("/v1/contacts", query), nil, &answer); err != nil {
		return v.listRefused("contacts", &page, &page.Fault, err)
	}
	page.Rows = answer.Contacts
	here := nonEmpty("tenant", page.Tenant, "role", page.Role, "mail", page.Mail)
	if asked.Get("after") != "" {
		page.First = withQuery(contactsPath, here)
	}
	if place := after(answer.Next); place != "" {
		here.Set("after", place)
		page.Next = withQuery(contactsPath, here)
	}
	return v.show("contacts", &page)
}

// A contactForm asks for a contact.
type contactForm struct {
	contact
	Known   bool  // it is there: what tells it from others cannot be changed
	Waiting int64 // notices that found nobody in its tenant and role
	Fault   string
}

// Roles are those that contacts hold.
func (*contactForm) Roles() []lifecycle.Role { return contactRoles }

// Digests are how often somebody may want many notices in one letter.
func (*contactForm) Digests() []string { return []string{"none", "daily", "weekly"} }

// contactForm is that of the contact which the address names, or of a new one.
func (v *visit) contactForm() (*contactForm, error) {
	asked := v.Request.URL.Query()
	form := typedContact(asked.Get)
	typed := asked.Has(typedQuery)
	if typed && !form.Known {
		return form, nil
	}
	if form.Mail == "" {
		form.Waiting = v.waitingFor(form.TenantID, form.Role)
		return form, nil
	}
	var answer struct {
		Contacts []contact `json:"contacts"`
	}
	query := nonEmpty("tenantId", form.TenantID, "role", string(form.Role), "mail", form.Mail)
	if err := v.ask(http.MethodGet, withQuery("/v1/contacts", query), nil, &answer); err != nil {
		return nil, err
	}
	if len(answer.Contacts) != 1 {
		return nil, &refusal{http.StatusNotFound, v.T("contacts.gone", "mail", form.Mail)}
	}
	there := answer.Contacts[0]
	if typed {
		there.DisplayName, there.Language, there.TimeZone, there.Digest = form.DisplayName, form.Language, form.TimeZone, form.Digest
	}
	form.contact, form.Known = there, true
	return form, nil
}

// waitingFor counts the notices that found nobody in an audience, as far as it is among those with most of them.
func (v *visit) waitingFor(tenant string, role lifecycle.Role) int64 {
	var nobody struct {
		Audiences []unreached `json:"audiences"`
	}
	if tenant == "" || v.ask(http.MethodGet, "/v1/contacts/unreached?limit=1000", nil, &nobody) != nil {
		return 0
	}
	for _, u := range nobody.Audiences {
		if u.TenantID == tenant && u.Role == role {
			return u.Notices
		}
	}
	return 0
}

// typedContact is a form as somebody has filled it in.
func typedContact(field func(name string) string) *contactForm {
	text := func(name string) string { return strings.TrimSpace(field(name)) }
	return &contactForm{Known: text("known") != "", contact: contact{TenantID: text("tenant"), Role: lifecycle.Role(text("role")), Mail: text("mail"),
		DisplayName: text("name"), Language: text("language"), TimeZone: text("zone"), Digest: text("digest")}}
}

func putContact(v *visit) error {
	form := typedContact(v.Request.PostFormValue)
	var put struct {
		Created, Updated, Offered int64
	}
	err := v.ask(http.MethodPut, "/v1/contacts", form.contact, &put)
	if refused, told := refusalOf(err); told {
		form.Fault = refused.Explain()
		return v.showAs(refused.GetStatus(), "contact", form)
	}
	if err != nil {
		return err
	}
	what := "contacts.unchanged"
	switch {
	case put.Created > 0:
		what = "contacts.added"
	case put.Updated > 0:
		what = "contacts.changed"
	}
	told := v.T(what, "mail", form.Mail)
	if put.Offered > 0 {
		told += " " + v.T("contacts.offered", "n", put.Offered)
	}
	return v.done(contactsPath+"?tenant="+url.QueryEscape(form.TenantID), told)
}

// removing asks whether a contact is to be removed.
func (v *visit) removing(asked url.Values) confirmation {
	tenant, role, mail := asked.Get("tenant"), asked.Get("role"), asked.Get("mail")
	return confirmation{Title: v.T("contacts.remove", "mail", mail), Text: v.T("contacts.removeText"), Path: contactsPath + "/remove",
		Back: contactsPath + "?tenant=" + url.QueryEscape(tenant), Button: v.T("contacts.removeButton"), Danger: true,
		Facts:  []fact{{v.T("notices.tenant"), tenant}, {v.T("contacts.role"), v.console.pages[v.Lang].word("audience", role)}},
		Fields: map[string]string{"tenant": tenant, "role": role, "mail": mail}}
}

func removeContact(v *visit) error {
	if err := v.Request.ParseForm(); err != nil {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	sent := v.Request.PostForm
	query := url.Values{"tenantId": {sent.Get("tenant")}, "role": {sent.Get("role")}, "mail": {sent.Get("mail")}}
	var answer struct{ Removed int64 }
	c := v.removing(sent)
	if err := v.ask(http.MethodDelete, withQuery("/v1/contacts", query), nil, &answer); err != nil {
		return v.confirmAgain(c, err)
	}
	if answer.Removed == 0 {
		return v.goTo(c.Back, &flash{false, v.T("contacts.gone", "mail", sent.Get("mail"))})
	}
	return v.done(c.Back, v.T("contacts.removed", "mail", sent.Get("mail")))
}
