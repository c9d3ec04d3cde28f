package httpapi

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

const (
	fabrikam = "22222222-2222-4222-8222-222222222222" // another customer
	stranger = "88888888-8888-4888-8888-888888888888" // another partner
	helpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
)

// relationshipID is that of the nth relationship of the tests.
func relationshipID(n int) string {
	return fmt.Sprintf("0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-%012d", n)
}

// The relationships of [records].
var (
	activeID   = relationshipID(1) // of contoso
	invitingID = relationshipID(2) // a request that names no customer
	pendingID  = relationshipID(3) // a request to contoso
	draftID    = relationshipID(4) // for contoso
)

// records gives the world a database with a few relationships of one partner. They were asked for an hour before noon.
func records(w *world) {
	w.Helper()
	path := filepath.Join(w.TempDir(), "test.db")
	external := w.server.policy.Provisioning.External
	prepared.Lock()
	defer prepared.Unlock()
	if prepared.files[external] == nil {
		prepared.files[external] = prepare(w)
	}
	require.NoError(w, os.WriteFile(path, prepared.files[external], 0o600))
	w.open(path)
}

// prepared are the files of such databases, by whether another system gives access: to make one takes seconds under the race
// detector.
var prepared = struct {
	sync.Mutex
	files map[bool][]byte
}{files: map[bool][]byte{}}

// prepare makes such a database, and answers with its file.
func prepare(w *world) []byte {
	w.Helper()
	path := filepath.Join(w.TempDir(), "prepared.db")
	db := w.open(path)
	require.NoError(w, db.Migrate(w.Context(), storage.Live, noon))
	for i, customer := range []string{contoso, "", contoso, contoso} {
		w.create(relationshipID(i+1), partner, customer)
	}
	for _, id := range []string{activeID, invitingID, pendingID} {
		w.act(id, lifecycle.LockForApproval, lifecycle.Partner)
	}
	w.act(activeID, lifecycle.Approve, lifecycle.Customer)
	require.NoError(w, db.Close())
	file, err := os.ReadFile(path)
	require.NoError(w, err)
	return file
}

// open has the world use the database at path until the test is over.
func (w *world) open(path string) *storage.DB {
	w.Helper()
	db, err := storage.Open(w.Context(), "sqlite:"+path+"?scratch")
	require.NoError(w, err)
	w.Cleanup(func() { require.NoError(w, db.Close()) })
	w.fake.DB = db
	return db
}

// provisioned are those records where another system gives access.
func provisioned(w *world) {
	w.server.policy.Provisioning.External = true
	records(w)
}

func (w *world) create(id, partner, customer string) {
	w.Helper()
	name, term, at := "Contoso helpdesk "+id[len(id)-2:], lifecycle.Days(365), noon.Add(-time.Hour)
	draft := lifecycle.Draft{DisplayName: &name, Duration: &term, Roles: []string{helpdesk}}
	if customer != "" {
		draft.Customer = &lifecycle.Tenant{TenantID: customer}
	}
	_, err := w.fake.CreateRelationship(w.Context(), partner, w.server.policy, func(standing lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id, partner, draft, w.server.policy, standing, nil, at)
	})
	require.NoError(w, err)
}

// act has a side do something an hour before noon.
func (w *world) act(id string, kind lifecycle.ActionKind, by lifecycle.Actor) {
	w.Helper()
	_, err := w.fake.Act(w.Context(), id, w.server.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(w.server.policy, noon.Add(-time.Hour), lifecycle.Action{Kind: kind, By: by})
	})
	require.NoError(w, err)
}

// status is that of a relationship as it is stored.
func (w *world) status(id string) lifecycle.Status {
	w.Helper()
	stored, err := w.fake.Relationship(w.Context(), id)
	require.NoError(w, err)
	return stored.Status
}

// as sends the following requests with another token.
func (w *world) as(token string) *world {
	other := *w
	other.token = token
	return &other
}

// customerOf and agentOf are the ones who act for a tenant, readerOf one who looks.
func (w *world) customerOf(tenant string) *world {
	return w.as(w.tenantToken(tenant, lifecycle.GlobalAdministrators))
}
func (w *world) agentOf(tenant string) *world {
	return w.as(w.tenantToken(tenant, lifecycle.AdminAgents))
}
func (w *world) readerOf(tenant string) *world { return w.as(w.tenantToken(tenant, lifecycle.Reader)) }

// recordsWorld has an operator's token and the records.
func recordsWorld(t testing.TB, change ...func(*Options)) *world {
	w := newWorld(t, change...)
	records(w)
	return w
}
