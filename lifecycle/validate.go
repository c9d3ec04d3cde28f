package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Fault is one thing that is wrong with a record, in its wire name.
type Fault struct {
	Field  string // e.g. "endDateTime"
	Value  string // as it was given; empty where it is missing
	Reason string // what is wrong and what to do about it
	Said   *Said  // the same, for those who say it in another language; nil: it is said in English alone
}

// faultOf is a fault with a sentence for its reason.
func faultOf(field, value string, reason error) *Fault {
	return &Fault{field, value, reason.Error(), SaidBy(reason)}
}

// Faults that several fields may have.
var (
	NoGUID = NewSentence("noGUID", "is not a GUID")

	noTenantID  = NewSentence("noTenantID", "is no tenant id, which is a GUID")
	notUTF8     = NewSentence("notUTF8", "is not valid UTF-8")
	tooLong     = NewSentence("tooLong", "has {n} characters; at most {most} are allowed")
	controlChar = NewSentence("controlCharacter", "contains the control character {character}; take it out")
)

func (f Fault) Error() string {
	if f.Value == "" {
		return fmt.Sprintf("%s: %s", f.Field, f.Reason)
	}
	return fmt.Sprintf("%s %q: %s", f.Field, shorten(f.Value), f.Reason)
}

// shorten keeps a hostile value from filling the screen.
func shorten(s string) string {
	const longest = 80
	if utf8.RuneCountInString(s) <= longest {
		return s
	}
	return string([]rune(s)[:longest]) + "…"
}

// Validate finds every fault of a record at once, as policy p and the contract see it. Source: docs/domain.md, section 1.
func (r *Record) Validate(p *Policy) []Fault {
	var faults []Fault
	fault := func(field, value, format string, args ...any) {
		faults = append(faults, Fault{Field: field, Value: value, Reason: fmt.Sprintf(format, args...)})
	}
	if why := badID(r.ID); why != "" {
		fault("id", r.ID, "%s", why)
	}
	if why := badName(r.DisplayName); why != nil {
		faults = append(faults, *faultOf("displayName", r.DisplayName, why))
	}
	if !IsGUID(r.Partner) {
		fault("partner.tenantId", r.Partner, "is not a GUID; name the partner's tenant")
	}
	if c := r.Customer.TenantID; c != "" && !IsGUID(c) {
		fault("customer.tenantId", c, "is not a GUID")
	}
	if why := badText(r.Customer.DisplayName, longestCustomerName); why != nil {
		faults = append(faults, *faultOf("customer.displayName", r.Customer.DisplayName, why))
	}
	for i, role := range r.Roles {
		if !IsGUID(role) {
			fault(fmt.Sprintf("accessDetails.unifiedRoles[%d].roleDefinitionId", i), role, "is not a GUID")
		}
	}
	if err := p.AllowsDuration(r.Duration); err != nil {
		fault("duration", r.Duration.String(), "%v", err)
	}
	if !r.Status.Known() {
		fault("status", string(r.Status), "is not a status of a relationship; it is one of %s", joinStatuses())
		return faults
	}
	return append(faults, r.instantFaults()...)
}

var beforeActivation = []Status{Created, ApprovalPending, Approved, Activating}

// instantFaults checks the instants against the status and against each other.
func (r *Record) instantFaults() []Fault {
	var faults []Fault
	fault := func(field string, at time.Time, format string, args ...any) {
		f := Fault{Field: field, Reason: fmt.Sprintf(format, args...)}
		if !at.IsZero() {
			f.Value = FormatInstant(at)
		}
		faults = append(faults, f)
	}
	switch {
	case slices.Contains(beforeActivation, r.Status):
		if !r.End.IsZero() {
			fault("endDateTime", r.End, "must be null before activation")
		}
		if !r.Activated.IsZero() {
			fault("activatedDateTime", r.Activated, "must be null while the status is %s", r.Status)
		}
	case r.End.IsZero() && r.Status == Active:
		fault("endDateTime", r.End, "is missing: an active relationship ends at some instant")
	case r.End.IsZero() && r.Status.Ended():
		fault("endDateTime", r.End, "is missing: name the instant at which it ended")
	}
	if !r.End.IsZero() && !r.Activated.IsZero() && r.End.Before(r.Activated) {
		fault("endDateTime", r.End, "lies before activatedDateTime, %s", FormatInstant(r.Activated))
	}
	if r.Status == ApprovalPending && r.Locked.IsZero() {
		fault("lockedDateTime", r.Locked, "is missing: the time for approval runs from it")
	}
	return faults
}

func joinStatuses() string {
	names := make([]string, len(Statuses))
	for i, s := range Statuses {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// maxIDLength is the length of a Graph id: two GUIDs and a "-".
const maxIDLength = 73

// idCharacters may stand in an id: those of a Graph id and, for files made by hand, what else goes into a URL unharmed.
const idCharacters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_."

func badID(id string) string {
	switch {
	case id == "":
		return "is missing"
	case len(id) > maxIDLength:
		return fmt.Sprintf("is longer than the %d characters of a Graph id", maxIDLength)
	}
	for _, c := range id {
		if !strings.ContainsRune(idCharacters, c) {
			return "may hold letters, digits and - _ . only; a Graph id is two GUIDs joined by -"
		}
	}
	return ""
}

// The longest names, in characters: of a relationship as Graph has it, of a customer as the directory has it.
const longestName, longestCustomerName = 50, 256

func badName(name string) error {
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("is empty; a name has 1 to %d characters", longestName)
	}
	return badText(name, longestName)
}

func badText(s string, longest int) error {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		return notUTF8.Say()
	case n > longest:
		return tooLong.Say("n", n, "most", longest)
	}
	for _, c := range s {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return controlChar.Say("character", fmt.Sprintf("%U", c))
		}
	}
	return nil
}

// IsGUID says whether s is written as a GUID: 8-4-4-4-12 hexadecimal digits.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}
