package notify

import (
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// trySamples writes every story to both sides in every language, and reports all that fail.
func (n *Notifier) trySamples() []error {
	var faults []error
	seen := map[string]bool{}
	for _, w := range n.wordings {
		for _, l := range samples() {
			p, err := w.compose(&l, true)
			if err == nil {
				_, _, err = n.layouts.lay(p)
			}
			if err != nil && !seen[err.Error()] {
				seen[err.Error()] = true
				faults = append(faults, fmt.Errorf("templates: %w", err))
			}
		}
	}
	return faults
}

// samples are letters of every kind to both sides: with all that a record may hold, with as little as it may, and one in which
// Global Administrator is not among the roles.
func samples() []lifecycle.Letter {
	end := time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)
	full := lifecycle.Record{ID: "sample", Partner: "partner", DisplayName: "Sample", AutoExtend: true,
		Customer: lifecycle.Tenant{TenantID: "customer", DisplayName: "Customer"},
		Roles:    []string{lifecycle.GlobalAdministrator}, Locked: end.AddDate(-1, 0, 0), Activated: end.AddDate(-1, 0, 0), End: end}
	modest := full
	modest.Roles, modest.AutoExtend, modest.Customer.DisplayName = []string{"another role"}, false, ""
	bare := lifecycle.Record{ID: "sample", Partner: "partner", Locked: full.Locked} // never activated: tells of rejection, too

	var letters []lifecycle.Letter
	for _, kind := range lifecycle.NoticeKinds {
		for _, role := range []lifecycle.Role{lifecycle.AdminAgents, lifecycle.GlobalAdministrators} {
			for days, record := range []lifecycle.Record{full, modest, bare} {
				due := end.Add(-time.Duration(days) * lifecycle.Day)
				letters = append(letters, lifecycle.Letter{Kind: kind, End: end, Due: due, Recorded: due,
					Recipient: lifecycle.Contact{Role: role, Mail: "sample@example.com"}, Relationship: record})
			}
		}
	}
	return letters
}
