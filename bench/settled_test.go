package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// Worlds of the measurements that need something else than [world]: small, and imported, so that nothing here knows how tables look.

const (
	steadyPartner  = "aaaaaaaa-0000-4000-8000-000000000001"
	steadyCustomer = "bbbbbbbb-0000-4000-8000-000000000001"
)

// endsAt is an active relationship whose term ends then.
func endsAt(n int, end time.Time) lifecycle.Record {
	term := lifecycle.Days(730)
	begun := end.Add(-730 * lifecycle.Day)
	return lifecycle.Record{
		ID:      fmt.Sprintf("%08x-0000-4000-8000-%012x-%08x-0000-4000-8000-%012x", n, n, n, n),
		Partner: steadyPartner, DisplayName: fmt.Sprintf("Relationship %d", n), Duration: term, Status: lifecycle.Active,
		Customer: lifecycle.Tenant{TenantID: steadyCustomer, DisplayName: "Customer"},
		Roles:    []string{"f2ef992c-3afb-46b9-b7cf-a126ee74c451", "729827e3-9c14-49f7-bb1b-9608f156bbb8"},
		Created:  begun, Locked: begun, Approved: begun, Activated: begun, Modified: begun, End: end, WarnAfter: end.Add(-lifecycle.Day), Version: 1,
	}
}

// administrators are two of each tenant, who are told of everything: four notices for each end.
func administrators() (contacts []lifecycle.Contact) {
	for n := range worldPeople {
		contacts = append(contacts,
			lifecycle.Contact{TenantID: steadyPartner, Role: lifecycle.AdminAgents, Mail: fmt.Sprintf("agent%d@partner.example", n), Language: "en"},
			lifecycle.Contact{TenantID: steadyCustomer, Role: lifecycle.GlobalAdministrators, Mail: fmt.Sprintf("admin%d@customer.example", n), Language: "en"})
	}
	return contacts
}

// settle fills a new database with n relationships, and switches mail off.
func (h *house) settle(n int, record func(n int) lifecycle.Record) *database {
	h.t.Helper()
	*h.clones++
	name := fmt.Sprintf("settled_%d", *h.clones)
	h.admin("CREATE DATABASE " + name)
	db := h.connect(name)
	h.t.Cleanup(db.drop)
	h.run(db.URL, "migrate")
	h.run(db.URL, "sweep") // so that the policy is known; there is nothing to do
	h.run(db.URL, "notices", "channels", "off", "mail", "--reason", "mail is measured by itself")
	store := db.store()
	defer store.Close()
	h.move(store, n, record)
	db.must("VACUUM ANALYZE")
	return db
}

// move imports relationships, and the people who are told of them.
func (h *house) move(into *storage.DB, n int, record func(n int) lifecycle.Record) {
	h.t.Helper()
	policy, now := lifecycle.DefaultPolicy(), lifecycle.Instant(time.Now())
	_, err := into.ImportContacts(h.t.Context(), administrators(), &policy.Notices, now)
	require.NoError(h.t, err)
	const most = 2000
	for from := 0; from < n; from += most {
		batch := make([]lifecycle.Incoming, min(most, n-from))
		for i := range batch {
			batch[i] = lifecycle.Incoming{Record: record(from + i)}
		}
		intakes, err := into.ImportRelationships(h.t.Context(), batch, policy, now)
		require.NoError(h.t, err)
		for i := range intakes {
			require.Nil(h.t, intakes[i].Fault)
		}
	}
}

// store is the database as tenure itself uses it.
func (db *database) store() *storage.DB {
	db.h.t.Helper()
	store, err := storage.Open(db.h.t.Context(), db.URL)
	require.NoError(db.h.t, err)
	return store
}

// millis is a period in milliseconds.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile of sorted values.
func percentile(sorted []float64, share float64) float64 {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// checkEnded fails unless so many terms have ended, each once, and of each four people were told, each once.
func (db *database) checkEnded(ended int) {
	db.h.t.Helper()
	due, t := int64(ended), db.h.t
	require.Equal(t, due, db.number(`SELECT count(*) FROM events WHERE rule = 'end-term'`), "ends")
	require.Equal(t, due, db.number(`SELECT count(DISTINCT relationship_key) FROM events WHERE rule = 'end-term'`), "relationships that ended")
	require.Equal(t, due, db.number(`SELECT count(*) FROM `+relationships+` WHERE status = 'expired'`), "relationships that are over")
	require.Equal(t, 2*worldPeople*due, db.number(`SELECT count(*) FROM notices`), "notices")
	require.Equal(t, 2*worldPeople*due, db.number(`SELECT count(*) FROM (SELECT DISTINCT relationship_key, mail FROM notices) AS told`), "people told")
}

// patiently asks every two milliseconds.
func patiently(t testing.TB, is func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
