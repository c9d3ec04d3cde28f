//go:build unix

package storm

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/lib/pq" // to look at tables that the program shows nobody
	"github.com/stretchr/testify/require"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A stored is what the database has of one relationship.
type stored struct {
	id      string
	record  *lifecycle.Stored // nil: it was deleted
	events  []lifecycle.Event // in the order of their versions
	letters map[int64][]lifecycle.Letter
}

// compare compares what the world outside knows with what the database says. Each fault is told, and not only the first.
func (w *world) compare(b *book) (found int) {
	w.t.Helper()
	all, letters := w.read()
	byRequest := map[string][]lifecycle.Event{}
	for _, s := range all {
		for _, e := range s.events {
			switch {
			case e.By == nil:
			case e.By.Request == "":
				byRequest[byCommand+e.RelationshipID] = append(byRequest[byCommand+e.RelationshipID], e)
			default:
				byRequest[e.By.Request] = append(byRequest[e.By.Request], e)
			}
		}
	}
	faults := &faultList{}
	b.compareAnswers(byRequest, faults)
	for _, s := range all {
		b.compareLife(s, faults)
	}
	compareNames(all, faults)
	w.compareMail(letters, faults)
	w.compareRows(faults)
	w.compareHolds(all, faults)
	w.compareKeys(faults)
	for _, fault := range faults.all[:min(len(faults.all), 40)] {
		w.t.Error("the books: " + fault)
	}
	require.NotEmpty(w.t, all, "nothing happened: this says nothing")
	return len(faults.all)
}

// A faultList collects what is wrong.
type faultList struct{ all []string }

func (f *faultList) add(format string, args ...any) {
	f.all = append(f.all, fmt.Sprintf(format, args...))
}

func (w *world) read() (all map[int64]*stored, letters []lifecycle.Letter) {
	w.t.Helper()
	ctx := w.t.Context()
	all = map[int64]*stored{}
	of := func(key int64) *stored {
		if all[key] == nil {
			all[key] = &stored{letters: map[int64][]lifecycle.Letter{}}
		}
		return all[key]
	}
	require.NoError(w.t, w.db.EachRelationship(ctx, func(r lifecycle.Stored) error {
		of(r.Key).id, of(r.Key).record = r.ID, &r
		return nil
	}))
	require.NoError(w.t, w.db.EachEvent(ctx, func(e lifecycle.Event) error {
		s := of(e.Key)
		s.id, s.events = e.RelationshipID, append(s.events, e)
		return nil
	}))
	require.NoError(w.t, w.db.EachLetter(ctx, func(l lifecycle.Letter) error {
		letters = append(letters, l)
		s := of(l.Key)
		s.letters[l.Version] = append(s.letters[l.Version], l)
		return nil
	}))
	for _, s := range all {
		slices.SortFunc(s.events, func(a, b lifecycle.Event) int { return int(a.Version - b.Version) })
	}
	return all, letters
}

// does are the events that an accepted request is known by; each is there once.
var does = map[string][]lifecycle.EventType{
	"create": {lifecycle.EventCreated}, "lock": {lifecycle.EventLocked}, "approve": {lifecycle.EventApproved}, "reject": {lifecycle.EventRejected},
	"terminate": {lifecycle.EventTerminated}, "on": {lifecycle.EventAutoExtendChanged}, "off": {lifecycle.EventAutoExtendChanged},
	"on by partner": {lifecycle.EventAutoExtendChanged, lifecycle.EventEdited}, "off by partner": {lifecycle.EventAutoExtendChanged, lifecycle.EventEdited},
	"rename": {lifecycle.EventEdited}, "without administrator": {lifecycle.EventGlobalAdministratorRemoved, lifecycle.EventEdited}, "delete": {lifecycle.EventDeleted},
	"assign": {lifecycle.EventAssigned}, "unassign": {lifecycle.EventUnassigned},
}

// mayChangeNothing are those that are answered with yes, too, where it is so already.
var mayChangeNothing = []string{"on", "off", "on by partner", "off by partner", "rename", "without administrator"}

// compareAnswers holds every answer against the history: yes means that it happened, once; no that it did not; and of a request
// that nobody knows the answer of it happened once, or not at all.
func (b *book) compareAnswers(byRequest map[string][]lifecycle.Event, faults *faultList) {
	asked := map[string]bool{}
	for _, a := range b.asks {
		types, acts := does[a.what]
		did := 0
		for _, e := range byRequest[a.id] {
			if slices.Contains(types, e.Type) {
				did++
			}
			if strings.HasPrefix(a.id, byCommand) {
				continue // another one, of which nobody knows the answer, may have done it
			}
			if e.Effective.Before(a.notBefore) && e.Rule == "" || !a.notAfter.IsZero() && e.Effective.After(a.notAfter) {
				faults.add("%s, %s of %s: its %s took effect at %v, and it was asked for from %v to %v", a.id, a.what, a.relationship, e.Type, e.Effective, a.notBefore, a.notAfter)
			}
		}
		yes := a.status/100 == 2
		switch {
		case did > 1:
			faults.add("%s, %s of %s, happened %d times", a.id, a.what, a.relationship, did)
		case yes && acts && did == 0 && !slices.Contains(mayChangeNothing, a.what):
			faults.add("%s, %s of %s, was answered with %d, and the history knows nothing of it", a.id, a.what, a.relationship, a.status)
		case a.status/100 == 4 && len(byRequest[a.id]) > 0:
			faults.add("%s, %s of %s, was refused with %d, and happened: %s", a.id, a.what, a.relationship, a.status, byRequest[a.id][0].Type)
		case a.status/100 == 4 && !slices.Contains([]int{http.StatusNotFound, http.StatusConflict, http.StatusBadRequest}, a.status):
			faults.add("%s, %s of %s, was refused with %d, which nothing here calls for", a.id, a.what, a.relationship, a.status)
		}
		asked[a.id] = true
	}
	for id, events := range byRequest {
		if asked[id] {
			continue
		}
		faults.add("%s of %s tells of a request %s that nobody made", events[0].Type, events[0].RelationshipID, id)
	}
	for key, sweeps := range b.keys {
		if len(sweeps) > 1 {
			faults.add("the idempotency key %s was answered with %d different sweeps", key, len(sweeps))
		}
	}
}

// passing are steps on the way to another one, which follows at once where there is access to take away.
var passing = []lifecycle.EventType{lifecycle.EventActivating, lifecycle.EventActivated, lifecycle.EventExpiring, lifecycle.EventTerminationRequested, lifecycle.EventTerminating}

// compareLife walks a life by what people did to it, has the timers fire by our own rules, and compares that with the history
// and with the row.
func (b *book) compareLife(s *stored, faults *faultList) {
	if len(s.events) == 0 {
		if s.record != nil {
			faults.add("%s has no history", s.id)
		}
		return
	}
	l, had := &life{}, []lived{}
	if a := b.createdBy(requestOf(&s.events[0])); a != nil {
		l.draft = a.draft
	}
	version := int64(0)
	for i := range s.events {
		e := &s.events[i]
		for version++; version < e.Version; version++ {
			if !warned(s.letters[version]) {
				faults.add("%s: its history has no version %d", s.id, version)
			}
		}
		if slices.Contains(passing, e.Type) || e.Rule != "" && e.Type == lifecycle.EventUnassigned {
			continue
		}
		had = append(had, lived{string(e.Type), e.Effective, e.End})
		if e.Rule == "" {
			if e.Type == lifecycle.EventEdited {
				b.edit(l, requestOf(e))
			}
			if err := l.act(string(e.Type), e.Effective, e); err != nil {
				faults.add("%s: %v", s.id, err)
			}
		}
	}
	l.until(ends)
	for i := range max(len(had), len(l.steps)) {
		if i >= len(had) || i >= len(l.steps) || had[i].String() != l.steps[i].String() {
			faults.add("%s: its history says %v, and should say %v", s.id, had[min(i, len(had)):], l.steps[min(i, len(l.steps)):])
			break
		}
	}
	b.compareRow(s, l, faults)
	compareNotices(s, faults)
}

// warned says whether the notices of a version are a warning: that is the one step that leaves nothing in the history.
func warned(letters []lifecycle.Letter) bool {
	return len(letters) > 0 && letters[0].Kind == lifecycle.KindWarnExpiry
}

// compareRow compares the row with the life that it is the end of.
func (*book) compareRow(s *stored, l *life, faults *faultList) {
	last := s.events[len(s.events)-1]
	switch r := s.record; {
	case r == nil:
		if last.Type != lifecycle.EventDeleted {
			faults.add("%s is gone, and nobody deleted it", s.id)
		}
	case string(r.Status) != l.status || !r.End.Equal(l.end) || r.NameReleased.IsZero() == l.released || r.AutoExtend != l.autoExtend:
		faults.add("%s is stored as %s, end %v, autoExtend %v, name released %v, and should be %s, %v, %v, %v",
			s.id, r.Status, r.End, r.AutoExtend, r.NameReleased, l.status, l.end, l.autoExtend, l.released)
	case r.Version < last.Version:
		faults.add("%s has version %d, and its history goes up to %d", s.id, r.Version, last.Version)
	}
}

func (b *book) createdBy(request string) *ask {
	for _, a := range b.asks {
		if a.id == request {
			return a
		}
	}
	return nil
}

// edit does to a draft what a request asked for.
func (b *book) edit(l *life, request string) {
	switch a := b.createdBy(request); {
	case a == nil:
	case strings.HasSuffix(a.what, "by partner"):
		l.autoExtend = strings.HasPrefix(a.what, "on")
	case a.what == "without administrator":
		l.roles = someRoles[:1]
	}
}

// told says how many people hear of a step, and in which kind of notice.
var told = map[lifecycle.EventType]struct {
	kind   lifecycle.NoticeKind
	people int
}{
	lifecycle.EventApproved: {lifecycle.KindApproved, 3}, lifecycle.EventTermEnded: {lifecycle.KindTermEnded, 3},
	lifecycle.EventTerminated: {lifecycle.KindTerminated, 3}, lifecycle.EventRejected: {lifecycle.KindTerminated, 1},
	lifecycle.EventLapsed: {lifecycle.KindRequestLapsed, 1},
}

// compareNotices counts who was told of each step.
func compareNotices(s *stored, faults *faultList) {
	for _, e := range s.events {
		want := told[e.Type]
		n := 0
		for _, l := range s.letters[e.Version] {
			if l.Kind == want.kind {
				n++
			}
		}
		if n != want.people {
			faults.add("%s: %s (version %d) is told in %d notices, and should be in %d", s.id, e.Type, e.Version, n, want.people)
		}
	}
}

// compareNames looks for two that held one name at one time.
func compareNames(all map[int64]*stored, faults *faultList) {
	type name struct{ partner, key string }
	holders := map[name]string{}
	for _, s := range all {
		if s.record == nil || !s.record.NameReleased.IsZero() {
			continue
		}
		n := name{s.record.Partner, cases.Fold().String(norm.NFC.String(s.record.DisplayName))}
		if other, taken := holders[n]; taken {
			faults.add("%s and %s both hold the name %q of partner %s", other, s.id, s.record.DisplayName, n.partner)
		}
		holders[n] = s.id
	}
}

// mayStay are the statuses in which a notice may end without having been sent.
var mayStay = []lifecycle.NoticeStatus{lifecycle.NoticeSuppressed, lifecycle.NoticeWithdrawn, lifecycle.NoticeSuperseded}

// compareMail compares the outbox with what arrived: each that was sent arrived, and nothing that the outbox does not know; what
// arrived more than once is the same, and the outbox knows that nobody knew.
func (w *world) compareMail(letters []lifecycle.Letter, faults *faultList) {
	w.inbox.mu.Lock()
	defer w.inbox.mu.Unlock()
	known := map[string]bool{}
	twice := 0
	for i := range letters {
		l := &letters[i]
		known[l.MessageID] = true
		p := w.inbox.mails[l.MessageID]
		switch sent := l.Status == lifecycle.NoticeSent; {
		case sent && p == nil:
			faults.add("notice %s (%s) is sent, and did not arrive", l.NoticeID, l.Kind)
		case !sent && !slices.Contains(mayStay, l.Status):
			faults.add("notice %s (%s) ended as %s: %s", l.NoticeID, l.Kind, l.Status, l.LastError)
		case p == nil:
		case p.different:
			faults.add("notice %s (%s) arrived more than once, and not the same each time", l.NoticeID, l.Kind)
		case !sent && l.Unknown == 0:
			faults.add("notice %s (%s) is %s, and arrived", l.NoticeID, l.Kind, l.Status)
		case p.copies-1 > l.Unknown:
			faults.add("notice %s (%s) arrived %d times, and shows only %d attempts of unknown outcome", l.NoticeID, l.Kind, p.copies, l.Unknown)
		case p.copies > 1:
			twice++
		}
	}
	for id, p := range w.inbox.mails {
		if !known[id] {
			faults.add("a mail to %s with the id %s arrived, and the outbox knows nothing of it", p.to, id)
		}
	}
	w.t.Logf("%d notices, %d mails, %d of them more than once and marked so", len(letters), len(w.inbox.mails), twice)
}

// compareHolds holds that nothing took effect while it was on hold. Instants of a clock that jumps do not tell; the ledger does, which
// has events in an order that their transactions may have come in.
func (w *world) compareHolds(all map[int64]*stored, faults *faultList) {
	snapshot, err := w.db.Snapshot(w.t.Context())
	require.NoError(w.t, err)
	defer snapshot.Close()
	active := map[string]string{}
	n := 0
	require.NoError(w.t, snapshot.EachLogged(w.t.Context(), func(l lifecycle.Logged) error {
		e := l.Event
		switch {
		case e == nil:
			faults.add("the ledger has an event %v that is not there", l.ID)
		case e.Type == lifecycle.EventHoldPlaced:
			active[e.Action] = e.Subject
			n++
		case e.Type == lifecycle.EventHoldReleased:
			delete(active, e.Action)
		case e.Actor == lifecycle.System && e.Version > 0:
			about := []string{"rule " + string(e.Rule), "relationship " + all[e.Key].id}
			if r := all[e.Key].record; r != nil {
				about = append(about, "tenant "+r.Partner, "tenant "+r.Customer.TenantID)
			}
			for id, what := range active {
				if slices.Contains(about, what) {
					faults.add("%s version %d: %s took effect after hold %s of %s was placed", all[e.Key].id, e.Version, e.Type, id, what)
				}
			}
		}
		return nil
	}))
	w.t.Logf("%d holds", n)
}

// compareRows looks at what the program shows nobody.
func (w *world) compareRows(faults *faultList) {
	db, err := sql.Open("postgres", w.postgres.URL())
	require.NoError(w.t, err)
	defer db.Close()
	for what, query := range map[string]string{
		"a tick was taken twice":                 `SELECT rule || ' ' || nominal_at FROM ticks GROUP BY rule, nominal_at HAVING count(*) > 1`,
		"two relationships have one id":          `SELECT id FROM relationships GROUP BY id HAVING count(*) > 1`,
		"an agreement has no clock":              `SELECT id FROM agreements WHERE key NOT IN (SELECT key FROM clocks)`,
		"a clock is of no agreement":             `SELECT CAST(key AS TEXT) FROM clocks WHERE key NOT IN (SELECT key FROM agreements)`,
		"an event is there twice":                `SELECT relationship_key || '-' || version FROM events GROUP BY relationship_key, version HAVING count(*) > 1`,
		"a notice is there twice":                `SELECT relationship_key || '-' || version || '-' || ordinal FROM notices GROUP BY relationship_key, version, ordinal HAVING count(*) > 1`,
		"a group has two live assignments":       `SELECT relationship_key || ' ' || group_id FROM assignments WHERE status IN ('pending', 'active') GROUP BY relationship_key, group_id HAVING count(*) > 1`,
		"live assignments of an ended one":       `SELECT r.id FROM relationships AS r JOIN assignments AS a ON a.relationship_key = r.key WHERE r.status IN ('expired', 'terminated') AND a.status IN ('pending', 'active')`,
		"assignments are miscounted":             `SELECT r.id FROM relationships AS r WHERE assigned <> (SELECT count(*) FROM assignments AS a WHERE a.relationship_key = r.key AND a.status IN ('pending', 'active'))`,
		"a chunk is not closed":                  `SELECT sweep_id || '-' || n FROM chunks JOIN sweeps ON sweeps.id = sweep_id WHERE chunks.state NOT IN ('done', 'cancelled') OR sweeps.state = 'running'`,
		"a message is of no notice":              `SELECT m.message_id FROM messages AS m LEFT JOIN notices AS n USING (relationship_key, version, ordinal) WHERE n.version IS NULL`,
		"two messages have one id":               `SELECT message_id FROM messages GROUP BY message_id HAVING count(*) > 1`,
		"a tick names a sweep that is not there": `SELECT rule FROM ticks LEFT JOIN sweeps ON sweeps.id = sweep_id WHERE sweeps.id IS NULL`,
	} {
		for _, which := range column(w.t, db, query) {
			faults.add("%s: %s", what, which)
		}
	}
}

// column is what a query of one column answers.
func column(t *testing.T, db *sql.DB, query string) (values []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err, query)
	defer rows.Close()
	for rows.Next() {
		var value string
		require.NoError(t, rows.Scan(&value))
		values = append(values, value)
	}
	require.NoError(t, rows.Err())
	return values
}

// compareKeys compares the unique keys that PostgreSQL holds with those that it should: what nobody has run into yet, somebody
// will.
func (w *world) compareKeys(faults *faultList) {
	db, err := sql.Open("postgres", w.postgres.URL())
	require.NoError(w.t, err)
	defer db.Close()
	keyFaults(w.t, uniqueKeys(w.t, db), faults)
}

func keyFaults(t *testing.T, have []string, faults *faultList) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "keys.txt"))
	require.NoError(t, err)
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, key := range want {
		if !slices.Contains(have, key) {
			faults.add("the unique key %s is not there", key)
		}
	}
	for _, key := range have {
		if !slices.Contains(want, key) {
			faults.add("the unique key %s is not in testdata/keys.txt; add it there, and to the mutations", key)
		}
	}
}

// uniqueKeys lists the unique keys of all tables, those of goose left out, each as table (columns) WHERE condition.
func uniqueKeys(t *testing.T, db *sql.DB) (keys []string) {
	t.Helper()
	for _, definition := range column(t, db, `SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
		WHERE i.indisunique AND i.indisvalid AND c.relnamespace = current_schema()::regnamespace AND c.relname <> 'schema_versions'`) {
		_, key, _ := strings.Cut(definition, " ON ")
		keys = append(keys, strings.Replace(strings.TrimPrefix(key, "public."), " USING btree", "", 1))
	}
	slices.Sort(keys)
	return keys
}

// summary is for whoever wants to know whether enough happened.
func (b *book) summary() string {
	yes, no, broken, unknown := 0, 0, 0, 0
	for _, a := range b.asks {
		switch {
		case a.status == 0:
			unknown++
		case a.status/100 == 2:
			yes++
		case a.status/100 == 4:
			no++
		default:
			broken++
		}
	}
	return fmt.Sprintf("%d relationships, %d requests: %d accepted, %d refused, %d failed, of %d nobody knows", len(b.known), len(b.asks), yes, no, broken, unknown)
}
