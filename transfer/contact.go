package transfer

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// requiredColumns are those that a CSV must have.
var requiredColumns = lifecycle.ContactColumns[:3]

// decodeContact reads a contact from JSON. It finds every fault at once.
func decodeContact(text []byte) (lifecycle.Contact, []lifecycle.Fault) {
	var w lifecycle.WireContact
	if err := json.Unmarshal(text, &w); err != nil {
		return lifecycle.Contact{}, []lifecycle.Fault{typeFault(err)}
	}
	return w.Contact()
}

// contactKey is what makes two lines the same contact.
func contactKey(c *lifecycle.Contact) string {
	return c.TenantID + "|" + string(c.Role) + "|" + strings.ToLower(c.Mail)
}

// contactColumn is the place of a column in [lifecycle.ContactColumns]; -1 where it is none of them.
func contactColumn(name string) int {
	name = strings.TrimSpace(name)
	return slices.IndexFunc(lifecycle.ContactColumns, func(c string) bool { return strings.EqualFold(c, name) })
}
