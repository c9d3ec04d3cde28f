package lifecycle

import (
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
)

// ContactColumns are the fields of a contact in JSON and CSV, in the order in which they are written.
var ContactColumns = []string{"tenantId", "role", "mail", "displayName", "preferredLanguage", "timeZone", "digest"}

// A WireContact is a contact as JSON and CSV write it. All is text, so that a bad value can be reported as it was written.
type WireContact struct {
	TenantID          string `json:"tenantId"`
	Role              string `json:"role"`
	Mail              string `json:"mail"`
	DisplayName       string `json:"displayName"`
	PreferredLanguage string `json:"preferredLanguage"`
	TimeZone          string `json:"timeZone"`
	Digest            string `json:"digest"`
}

// withoutDigest is how a contact who wants no digest is written. Read, an empty text says the same.
const withoutDigest = "none"

// Wire writes c for JSON and CSV.
func (c *Contact) Wire() WireContact {
	w := WireContact{c.TenantID, string(c.Role), c.Mail, c.DisplayName, c.Language, c.TimeZone, string(c.Digest)}
	if c.Digest == NoDigest {
		w.Digest = withoutDigest
	}
	return w
}

// Column points at the field that ContactColumns names at i.
func (w *WireContact) Column(i int) *string {
	return [...]*string{&w.TenantID, &w.Role, &w.Mail, &w.DisplayName, &w.PreferredLanguage, &w.TimeZone, &w.Digest}[i]
}

// What is wrong with a contact.
var (
	contactTenantBad = NewSentence("contactTenant", "is not a GUID; name the tenant in which the contact holds the role")
	contactRole      = NewSentence("contactRole", "is not a role that is told of anything; it is {one} or {other}")
	mailMissing      = NewSentence("mailMissing", "is missing")
	mailTooLong      = NewSentence("mailTooLong", "is longer than the {most} characters of a mail address")
	mailUnreadable   = NewSentence("mailUnreadable", "is not a mail address; write it like ann@example.com")
	mailNotBare      = NewSentence("mailNotBare", "is more than a bare mail address; write it like ann@example.com, without a name or < >")
	mailInvisible    = NewSentence("mailInvisible", "contains the invisible character {character}; take it out")
	mailNotASCII     = NewSentence("mailNotASCII", "contains {character}, which is not ASCII; write the domain in its xn-- form, or give another address")
	noLanguage       = NewSentence("noLanguage", "is not a BCP 47 language tag; write it like ja or en-GB, or leave it empty")
	noTimeZone       = NewSentence("noTimeZone", "is not a time zone of the IANA database; write it like Asia/Tokyo, or leave it empty")
	noDigestRhythm   = NewSentence("noDigestRhythm", "is not how often digests are made; it is {one}, {other} or {none}")
)

// Contact reads w and finds every fault at once; where there is one the contact is not to be used. The tenant comes out in
// lower case, the role, the language and the digest in the one way in which they are written.
func (w *WireContact) Contact() (Contact, []Fault) {
	var faults []Fault
	check := func(field, value string, err error) {
		if err != nil {
			faults = append(faults, *faultOf(field, value, err))
		}
	}
	c := Contact{TenantID: strings.ToLower(strings.TrimSpace(w.TenantID)), Mail: strings.TrimSpace(w.Mail), DisplayName: w.DisplayName}
	var err error
	if !IsGUID(c.TenantID) {
		check("tenantId", w.TenantID, contactTenantBad.Say())
	}
	c.Role, err = ParseRole(w.Role)
	check("role", w.Role, err)
	check("mail", w.Mail, badMail(c.Mail))
	check("displayName", w.DisplayName, badText(w.DisplayName, longestCustomerName)) // as long as displayName in Microsoft Entra
	c.Language, err = readLanguage(w.PreferredLanguage)
	check("preferredLanguage", w.PreferredLanguage, err)
	c.TimeZone, err = readTimeZone(w.TimeZone)
	check("timeZone", w.TimeZone, err)
	c.Digest, err = readDigest(w.Digest)
	check("digest", w.Digest, err)
	return c, faults
}

// ParseRole reads a role, in the spelling of Microsoft's pages too, "Admin agent" and "Global Administrator".
func ParseRole(s string) (Role, error) {
	plain := strings.ReplaceAll(strings.TrimSpace(s), " ", "")
	for _, role := range []Role{AdminAgents, GlobalAdministrators} {
		if strings.EqualFold(plain, string(role)) {
			return role, nil
		}
	}
	return "", contactRole.Say("one", AdminAgents, "other", GlobalAdministrators)
}

// badMail says why s is not one bare address. Source: RFC 5321, section 4.5.3.1, for the length.
func badMail(s string) error {
	const longest = 254
	switch {
	case s == "":
		return mailMissing.Say()
	case len(s) > longest:
		return mailTooLong.Say("most", longest)
	}
	a, err := mail.ParseAddress(s)
	switch {
	case err != nil:
		return mailUnreadable.Say()
	case a.Address != s:
		return mailNotBare.Say()
	}
	for _, c := range s {
		switch {
		case !unicode.IsGraphic(c): // one that turns the text around, or that nobody sees
			return mailInvisible.Say("character", fmt.Sprintf("%U", c))
		case c > unicode.MaxASCII: // many servers take no such address, and letters go where all do
			return mailNotASCII.Say("character", fmt.Sprintf("%q", c))
		}
	}
	return nil
}

// readTimeZone takes a name of the IANA database, as this machine knows it.
func readTimeZone(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	if _, err := time.LoadLocation(s); err != nil || strings.HasPrefix(strings.ToLower(s), "local") { // that of this machine
		return "", noTimeZone.Say()
	}
	return s, nil
}

func readDigest(s string) (Digest, error) {
	switch d := Digest(strings.ToLower(strings.TrimSpace(s))); d {
	case NoDigest, withoutDigest:
		return NoDigest, nil
	case DailyDigest, WeeklyDigest:
		return d, nil
	}
	return "", noDigestRhythm.Say("one", DailyDigest, "other", WeeklyDigest, "none", withoutDigest)
}
