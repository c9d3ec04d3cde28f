package transfer

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/tenure-dev/tenure/lifecycle"
)

// contactColumns are the fields of a contact, in the order in which they are written.
var contactColumns = []string{"tenantId", "role", "mail", "displayName", "preferredLanguage"}

// requiredColumns are those that a CSV must have.
var requiredColumns = contactColumns[:3]

// A wireContact is a contact as JSON and CSV write it.
type wireContact struct {
	TenantID          string `json:"tenantId"`
	Role              string `json:"role"`
	Mail              string `json:"mail"`
	DisplayName       string `json:"displayName"`
	PreferredLanguage string `json:"preferredLanguage"`
}

func newWireContact(c *lifecycle.Contact) wireContact {
	return wireContact{c.TenantID, string(c.Role), c.Mail, c.DisplayName, c.Language}
}

// column points at a field by its name in contactColumns.
func (w *wireContact) column(i int) *string {
	return [...]*string{&w.TenantID, &w.Role, &w.Mail, &w.DisplayName, &w.PreferredLanguage}[i]
}

// decodeContact reads a contact from JSON. It finds every fault at once.
func decodeContact(text []byte) (lifecycle.Contact, []lifecycle.Fault) {
	var w wireContact
	if err := json.Unmarshal(text, &w); err != nil {
		return lifecycle.Contact{}, []lifecycle.Fault{typeFault(err)}
	}
	return w.contact()
}

// contact checks w. The tenant comes out in lower case, the role and the language in the one way in which they are written.
func (w *wireContact) contact() (c lifecycle.Contact, faults []lifecycle.Fault) {
	check := func(field, value, why string) {
		if why != "" {
			faults = append(faults, lifecycle.Fault{Field: field, Value: value, Reason: why})
		}
	}
	c = lifecycle.Contact{TenantID: strings.ToLower(strings.TrimSpace(w.TenantID)), Mail: strings.TrimSpace(w.Mail), DisplayName: w.DisplayName}
	if !lifecycle.IsGUID(c.TenantID) {
		check("tenantId", w.TenantID, "is not a GUID; name the tenant in which the contact holds the role")
	}
	var why string
	c.Role, why = readRole(w.Role)
	check("role", w.Role, why)
	check("mail", w.Mail, badMail(c.Mail))
	check("displayName", w.DisplayName, badContactName(w.DisplayName))
	c.Language, why = readLanguage(w.PreferredLanguage)
	check("preferredLanguage", w.PreferredLanguage, why)
	return c, faults
}

// readRole takes a role in the spelling of Microsoft's pages too, "Admin agent" and "Global Administrator".
func readRole(s string) (role lifecycle.Role, why string) {
	plain := strings.ReplaceAll(strings.TrimSpace(s), " ", "")
	for _, role := range []lifecycle.Role{lifecycle.AdminAgents, lifecycle.GlobalAdministrators} {
		if strings.EqualFold(plain, string(role)) {
			return role, ""
		}
	}
	return "", fmt.Sprintf("is not a role that is told of anything; it is %s or %s", lifecycle.AdminAgents, lifecycle.GlobalAdministrators)
}

// readLanguage takes a BCP 47 tag and writes it as the standard does, e.g. en-GB for en_gb.
func readLanguage(s string) (tag, why string) {
	if s = strings.TrimSpace(s); s == "" {
		return "", ""
	}
	t, err := language.Parse(s)
	if err != nil {
		return "", "is not a BCP 47 language tag; write it like ja or en-GB, or leave it empty"
	}
	return t.String(), ""
}

// badMail says why s is not one bare address. Source: RFC 5321, section 4.5.3.1, for the length.
func badMail(s string) string {
	const longest = 254
	if s == "" {
		return "is missing"
	}
	if len(s) > longest {
		return fmt.Sprintf("is longer than the %d characters of a mail address", longest)
	}
	a, err := mail.ParseAddress(s)
	switch {
	case err != nil:
		return "is not a mail address; write it like ann@example.com"
	case a.Address != s:
		return "is more than a bare mail address; write it like ann@example.com, without a name or < >"
	}
	return ""
}

// badContactName says why s cannot be greeted. A line break in it could write headers of its own into a mail.
func badContactName(s string) string {
	const longest = 256 // that of displayName in Microsoft Entra
	if n := utf8.RuneCountInString(s); n > longest {
		return fmt.Sprintf("has %d characters; at most %d are allowed", n, longest)
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return fmt.Sprintf("contains the control character %U; take it out", r)
	}
	return ""
}

// contactKey is what makes two lines the same contact.
func contactKey(c *lifecycle.Contact) string {
	return c.TenantID + "|" + string(c.Role) + "|" + strings.ToLower(c.Mail)
}

func isContactColumn(name string) int {
	name = strings.TrimSpace(name)
	return slices.IndexFunc(contactColumns, func(c string) bool { return strings.EqualFold(c, name) })
}
