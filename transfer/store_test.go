package transfer

import (
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	partnerA = "aaaaaaaa-0000-4000-8000-00000000000a"
	partnerB = "bbbbbbbb-0000-4000-8000-00000000000b"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// A memory is a store that keeps what it is given, in the order of the ids.
type memory struct {
	records  map[string]lifecycle.Stored
	digests  map[string]string
	contacts map[string]lifecycle.Contact
	changes  []lifecycle.Change

	fullAt    int // so many contacts are enough; 0: never
	unreached int // notices that a new contact gets

	committed, rolledBack int
	batches               []int
	fail                  func(batch int) error // called before each batch
}

func newMemory() *memory {
	return &memory{records: map[string]lifecycle.Stored{}, digests: map[string]string{}, contacts: map[string]lifecycle.Contact{}}
}

func (m *memory) begin(size int) error {
	m.batches = append(m.batches, size)
	if m.fail != nil {
		return m.fail(len(m.batches))
	}
	return nil
}

func (m *memory) Relationships(_ context.Context, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time) ([]lifecycle.Intake, error) {
	if err := m.begin(len(batch)); err != nil {
		return nil, err
	}
	intakes := make([]lifecycle.Intake, len(batch))
	for i, in := range batch {
		var stored *lifecycle.Stored
		if s, ok := m.records[in.ID]; ok {
			stored = &s
		}
		decided, intake := lifecycle.Receive(stored, m.digests[in.ID] == in.Digest, in.Over(stored), p, now)
		intakes[i] = intake
		if intake.Taken == lifecycle.TakenNew || intake.Taken == lifecycle.TakenChanged {
			m.records[in.ID] = lifecycle.Stored{Key: decided.Key, Record: decided.Record}
			m.digests[in.ID] = in.Digest
			m.changes = append(m.changes, decided.Changes...)
		}
	}
	return intakes, nil
}

func (m *memory) Contacts(_ context.Context, batch []lifecycle.Contact, _ *lifecycle.NoticePolicy, _ time.Time) (counts lifecycle.ContactCounts, err error) {
	if err := m.begin(len(batch)); err != nil {
		return counts, err
	}
	for i, c := range batch {
		switch before, ok := m.contacts[contactKey(&c)]; {
		case !ok && m.fullAt > 0 && len(m.contacts) >= m.fullAt:
			counts.Refused = append(counts.Refused, lifecycle.ContactRefused{Index: i, Fault: lifecycle.Fault{Field: "tenantId", Value: c.TenantID, Reason: "has enough"}})
			continue
		case !ok:
			counts.Created++
			counts.Offered += m.unreached
		case before == c:
			counts.Unchanged++
		default:
			counts.Updated++
		}
		m.contacts[contactKey(&c)] = c
	}
	return counts, nil
}

func (m *memory) Commit() error   { m.committed++; return nil }
func (m *memory) Rollback() error { m.rolledBack++; return nil }

func (m *memory) eachRecord(fn func(*lifecycle.Record) error) error {
	for _, id := range slices.Sorted(maps.Keys(m.records)) {
		r := m.records[id].Record
		if err := fn(&r); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) eachContact(fn func(*lifecycle.Contact) error) error {
	for _, key := range slices.Sorted(maps.Keys(m.contacts)) {
		c := m.contacts[key]
		if err := fn(&c); err != nil {
			return err
		}
	}
	return nil
}

func options() Options {
	return Options{Partner: partnerA, Policy: lifecycle.DefaultPolicy(), Now: noon}
}

// file writes a file and answers its name. The tests run in a directory of their own, so that reports name it briefly.
func file(t *testing.T, name, content string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

// inDir changes into a fresh directory, and answers what reads and, with -update, writes golden files.
func inDir(t *testing.T) (golden func(name, got string)) {
	t.Helper()
	home, err := os.Getwd()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	return func(name, got string) {
		t.Helper()
		path := filepath.Join(home, "testdata", name)
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), got)
	}
}

func reportText(t *testing.T, r Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, r.WriteText(&b))
	return b.String()
}

// id is a Graph id that ends in n.
func id(n int) string {
	const digits = "0123456789abcdef"
	tail := []byte("000000000000")
	for i := len(tail) - 1; n > 0; i, n = i-1, n/16 {
		tail[i] = digits[n%16]
	}
	return "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-" + string(tail)
}

const activeJSON = `{"id":"ID","displayName":"NAME","duration":"P365D","autoExtendDuration":"PT0S","status":"active",` +
	`"customer":{"tenantId":"11111111-1111-4111-8111-111111111111","displayName":"Contoso"},` +
	`"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"}]},` +
	`"createdDateTime":"2026-01-05T09:00:00Z","lastModifiedDateTime":"2026-01-07T10:00:00Z",` +
	`"activatedDateTime":"2026-01-07T10:00:00Z","endDateTime":"2027-01-07T10:00:00Z"}`

// active is a good relationship on one line; edits replace one text by the next.
func active(n int, edits ...string) string {
	s := strings.NewReplacer("ID", id(n), "NAME", "Contoso helpdesk "+id(n)[69:]).Replace(activeJSON)
	for i := 0; i < len(edits); i += 2 {
		s = strings.Replace(s, edits[i], edits[i+1], 1)
	}
	return s
}
