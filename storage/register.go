package storage

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A register is what has to be known of the database to take in a batch of relationships, or a new name, and what has been
// decided so far: who has which id, and who holds which name. It is filled with one query, and written with a handful. Whoever
// opens one holds the counter of relationships, so that nobody else takes an id or a name before it is written.
type register struct {
	policy *lifecycle.Policy
	now    time.Time
	holds  []lifecycle.Hold // in force, as far as they may be about these relationships
	byID   map[string]*entry
	byName map[heldName]*entry
	order  []*entry // those that are to be written, as they came
}

// An entry is one relationship as it will stand after what has been decided.
type entry struct {
	key      int64 // 0: it is new
	was      int64 // the version that the database has
	wasName  heldName
	wasNamed bool // the database lets it hold wasName
	digest   string
	redigest bool // the digest has to be written
	touched  bool // is in order
	lifecycle.Decision
}

// A heldName is a display name as it is compared, and the partner among whose names it must be the only one.
type heldName struct {
	Partner string `json:"partner_id"`
	NameKey string `json:"name_key"`
}

func nameOf(r *lifecycle.Record) heldName { return heldName{r.Partner, nameKey(r.DisplayName)} }

// A wantedName is an id that is asked for, and the name that its relationship is to have.
type wantedName struct {
	ID string `json:"id"`
	heldName
}

// newRegister is one of a database that knows of nothing.
func newRegister(p *lifecycle.Policy) *register {
	return &register{policy: p, byID: map[string]*entry{}, byName: map[heldName]*entry{}}
}

// openRegister looks up who has the ids, and who holds the names.
func openRegister(ctx context.Context, s session, wanted []wantedName, p *lifecycle.Policy) (*register, error) {
	r := newRegister(p)
	var err error
	if r.holds, err = holdsOnAny(ctx, s, wanted); err != nil {
		return nil, err
	}
	a := args{"rows": page[wantedName](wanted)}
	if err := lockClocks(ctx, s, knownOrHolders, a); err != nil {
		return nil, err
	}
	return r, each(ctx, s, selectRelationships+`WHERE t.key `+knownOrHolders+` ORDER BY t.key`, a, r.know)
}

// knownOrHolders are the keys of those that have the ids, and of those that hold the names.
const knownOrHolders = `IN (
		SELECT known.key FROM {{rows id TEXT, partner_id TEXT, name_key TEXT}} JOIN agreements AS known ON known.id = r.id
		UNION
		SELECT holder.key FROM {{rows id TEXT, partner_id TEXT, name_key TEXT}} JOIN agreements AS holder
			ON holder.partner_id = r.partner_id AND holder.name_key = r.name_key AND holder.name_released_at IS NULL)`

// know enters a relationship that the database has.
func (r *register) know(row *relationshipRow) error {
	stored, err := row.stored()
	if err != nil {
		return err
	}
	e := &entry{key: row.Key, was: row.Version, digest: row.Digest, Decision: lifecycle.Decision{Record: stored.Record, Next: row.next()}}
	e.wasName, e.wasNamed = heldName{row.PartnerID, row.NameKey}, stored.NameReleased.IsZero()
	r.byID[e.Record.ID] = e
	if e.wasNamed {
		r.byName[e.wasName] = e
	}
	return nil
}

// receiveAll decides about records in their order.
func (r *register) receiveAll(batch []lifecycle.Incoming) []lifecycle.Intake {
	intakes := make([]lifecycle.Intake, len(batch))
	for i := range batch {
		intakes[i] = r.receive(&batch[i])
	}
	return intakes
}

// receive decides about one record on top of everything decided so far.
func (r *register) receive(in *lifecycle.Incoming) lifecycle.Intake {
	if fault := unstorable(&in.Record); fault != nil {
		return lifecycle.Intake{Taken: lifecycle.TakenNot, Fault: fault}
	}
	e := r.byID[in.ID]
	var stored *lifecycle.Stored
	if e != nil {
		stored = &lifecycle.Stored{Key: e.key, Record: e.Record}
	}
	same := e != nil && e.digest != "" && e.digest == in.Digest
	decided, intake := lifecycle.Receive(stored, same, in.Over(stored), r.policy, r.now)
	switch intake.Taken {
	case lifecycle.TakenNew, lifecycle.TakenChanged:
		return r.take(e, in.Digest, decided.Decision, intake)
	case lifecycle.TakenBefore:
		if !same { // the same content in other words: the next time these are known too
			r.touch(e)
			e.digest, e.redigest = in.Digest, true
		}
	}
	return intake
}

// take enters a decision that Receive came to, if its name can be had.
func (r *register) take(e *entry, digest string, d lifecycle.Decision, intake lifecycle.Intake) lifecycle.Intake {
	d.Record.Stayed = lifecycle.Stayed(r.holds, &d.Record)
	if holder := r.makeWay(e, &d); holder != nil {
		return lifecycle.Intake{Taken: lifecycle.TakenNot,
			Fault: &lifecycle.Fault{Field: "displayName", Value: d.Record.DisplayName, Reason: heldBy(holder)}}
	}
	if e == nil {
		e = r.enter(&d)
	}
	e.digest, e.redigest = digest, true
	r.decide(e, &d)
	return intake
}

// enter makes room for a relationship that the database does not have.
func (r *register) enter(d *lifecycle.Decision) *entry {
	e := &entry{}
	r.byID[d.Record.ID] = e
	return e
}

// makeWay sees to it that the name of d's record is free for e, or not needed. A timer that is due frees it: the holder's,
// or, where the record ended long enough ago, its own. Otherwise it answers with who holds the name, as of now.
func (r *register) makeWay(e *entry, d *lifecycle.Decision) *lifecycle.Decision {
	holder := r.byName[nameOf(&d.Record)]
	if holder == nil || holder == e || !d.Record.NameReleased.IsZero() {
		return nil
	}
	due := lifecycle.Evaluate(holder.Record, r.policy, r.now)
	if !due.Record.NameReleased.IsZero() {
		r.decide(holder, &due)
		return nil
	}
	if !d.Record.Ended().IsZero() {
		if own := lifecycle.Evaluate(d.Record, r.policy, r.now); !own.Record.NameReleased.IsZero() {
			follow(d, &own)
			return nil
		}
	}
	return &due
}

// held is makeWay's answer to whoever asks for one name.
func held(name string, holder *lifecycle.Decision, p *lifecycle.Policy) *lifecycle.NameHeld {
	h := &lifecycle.NameHeld{Name: name, Holder: holder.Record.ID, Status: holder.Record.Status}
	if free := holder.Record.NameFreeAt(p); free.After(holder.Recorded) { // before that it waits for another system
		h.Until = free
	}
	return h
}

// heldBy says for people who holds a name, holder being the decision about it as of now.
func heldBy(holder *lifecycle.Decision) string {
	h := &holder.Record
	ended := h.Ended()
	switch {
	case ended.IsZero():
		return fmt.Sprintf("is held by relationship %s, which is %s; choose another name", h.ID, h.Status)
	case holder.Next.At.IsZero():
		return fmt.Sprintf("is held by relationship %s, which is %s since %s, and never comes free; choose another name",
			h.ID, h.Status, lifecycle.FormatInstant(ended))
	}
	return fmt.Sprintf("is held until %s by relationship %s, which is %s since %s; wait until then or choose another name",
		lifecycle.FormatInstant(holder.Next.At), h.ID, h.Status, lifecycle.FormatInstant(ended))
}

// decide puts d on top of what has been decided about e.
func (r *register) decide(e *entry, d *lifecycle.Decision) {
	if held := nameOf(&e.Record); r.byName[held] == e {
		delete(r.byName, held)
	}
	r.touch(e)
	follow(&e.Decision, d)
	if e.Record.NameReleased.IsZero() {
		r.byName[nameOf(&e.Record)] = e
	}
}

func (r *register) touch(e *entry) {
	if !e.touched {
		e.touched = true
		r.order = append(r.order, e)
	}
}

// follow puts one decision about a record behind another.
func follow(d, next *lifecycle.Decision) {
	d.Record, d.Recorded, d.Next = next.Record, next.Recorded, next.Next
	d.Changes = append(d.Changes, next.Changes...)
	d.Notices = append(d.Notices, next.Notices...)
	d.Assignments = append(d.Assignments, next.Assignments...)
	d.TakeAway = cmp.Or(next.TakeAway, d.TakeAway)
	d.Gone = next.Gone
}

// unstorable is a fault for a text that PostgreSQL would not take, and would refuse the whole batch for.
func unstorable(r *lifecycle.Record) *lifecycle.Fault {
	for _, text := range []struct{ field, value string }{
		{"id", r.ID}, {"displayName", r.DisplayName}, {"partner.tenantId", r.Partner}, {"customer.tenantId", r.Customer.TenantID},
		{"customer.displayName", r.Customer.DisplayName}, {"accessDetails.unifiedRoles", strings.Join(r.Roles, " ")},
	} {
		if strings.ContainsRune(text.value, 0) || !utf8.ValidString(text.value) {
			return &lifecycle.Fault{Field: text.field, Value: clean(text.value), Reason: "holds a NUL character or is not valid UTF-8; take it out"}
		}
	}
	return nil
}

// write writes what has been decided. Names are let go of first, so that their order does not matter: two records may even
// swap theirs.
func (r *register) write(ctx context.Context, s session) error {
	var created, changed []*entry
	for _, e := range r.order {
		if e.key == 0 {
			created = append(created, e)
		} else {
			changed = append(changed, e)
		}
	}
	if err := letNamesGo(ctx, s, changed, r.now); err != nil {
		return err
	}
	if err := updateEntries(ctx, s, changed); err != nil {
		return err
	}
	if err := insertEntries(ctx, s, created); err != nil || len(r.order) == 0 {
		return err
	}
	return noteImport(ctx, s, r.now)
}

// letNamesGo takes out of the index of names those that their holders will not hold any more. What it writes there for the
// moment, updateEntries writes over.
func letNamesGo(ctx context.Context, s session, entries []*entry, now time.Time) error {
	var rows []keyRow
	for _, e := range entries {
		if len(e.Changes) > 0 && e.wasNamed && (!e.Record.NameReleased.IsZero() || nameOf(&e.Record) != e.wasName) {
			rows = append(rows, keyRow{e.key})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE agreements SET name_released_at = :now FROM {{rows key BIGINT}} WHERE agreements.key = r.key`,
		args{"rows": page[keyRow](rows), "now": at(now)})
	return err
}

func updateEntries(ctx context.Context, s session, entries []*entry) error {
	type digestRow struct {
		Key    int64  `json:"key"`
		Digest string `json:"digest"`
	}
	var decided []lifecycle.Decided
	var digests []digestRow
	for _, e := range entries {
		if len(e.Changes) > 0 {
			decided = append(decided, lifecycle.Decided{Key: e.key, Version: e.was, Decision: e.Decision})
		}
		if e.redigest {
			digests = append(digests, digestRow{e.key, e.digest})
		}
	}
	if len(decided) > 0 {
		if _, err := apply(ctx, s, decided); err != nil {
			return err
		}
	}
	if len(digests) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE agreements SET digest = r.digest FROM {{rows key BIGINT, digest TEXT}} WHERE agreements.key = r.key`,
		args{"rows": page[digestRow](digests)})
	return err
}

// insertEntries gives new relationships their keys and writes them, with their events and notices.
func insertEntries(ctx context.Context, s session, entries []*entry) error {
	if len(entries) == 0 {
		return nil
	}
	first, err := take(ctx, s, relationshipCounter, len(entries))
	if err != nil {
		return err
	}
	rows := make([]relationshipRow, len(entries))
	decided := make([]lifecycle.Decided, len(entries))
	for i, e := range entries {
		decided[i] = lifecycle.Decided{Key: first + int64(i), Decision: e.Decision}
		rows[i] = rowOf(decided[i].Key, &e.Decision)
		rows[i].Digest = e.digest
	}
	var events []eventRow
	var hashing sync.WaitGroup
	hashing.Go(func() { events = eventRowsOf(decided) }) // each with a fingerprint: that is made while the rows travel
	err = fillRelationships(ctx, s, rows)
	hashing.Wait()
	if err != nil {
		return err
	}
	if err := insertEventRows(ctx, s, events); err != nil {
		return err
	}
	return insertTold(ctx, s, decided)
}

// fillRelationships writes new rows, many at once.
func fillRelationships(ctx context.Context, s session, rows []relationshipRow) error {
	var held bool // only then is there a relationship that may be stayed
	err := s.get(ctx, &held, `SELECT EXISTS (SELECT 1 FROM holds WHERE released_at IS NULL AND kind IN ('relationship', 'tenant'))`, nil)
	if err != nil {
		return err
	}
	if held {
		_, err = insertRelationships(ctx, s, rows, "")
		return err
	}
	agreed, moves := columnNames(agreementColumns, "", ""), "key, "+columnNames(clockColumns, "", "")
	if err := fill(ctx, s, "agreements", agreed, agreed, pointers(rows)); err != nil {
		return err
	}
	return fill(ctx, s, "clocks", moves, moves, pointers(rows))
}

// insertRelationships writes new rows and says how many. onConflict is what to do where a name or an id is taken; without it that
// is an error. Where it is taken of one of several, the others are half written: that is for one row alone.
func insertRelationships(ctx context.Context, s session, rows []relationshipRow, onConflict string) (int64, error) {
	a := args{"rows": page[relationshipRow](rows)}
	n, err := s.exec(ctx, `INSERT INTO agreements (`+columnNames(agreementColumns, "", "")+`) SELECT `+columnNames(agreementColumns, "r", "")+`
		FROM {{rows `+agreementColumns+`}} WHERE TRUE ORDER BY r.key `+onConflict, a)
	if err != nil || n < int64(len(rows)) {
		return n, err
	}
	return s.exec(ctx, `INSERT INTO clocks (key, `+columnNames(clockColumns, "", "")+`, stayed) SELECT r.key, `+columnNames(clockColumns, "r", "")+`, `+stayedOf("r")+`
		FROM {{rows key BIGINT, id TEXT, partner_id TEXT, customer_id TEXT, `+clockColumns+`}} WHERE TRUE ORDER BY r.key`, a)
}

// insertFollowing writes what goes with new relationships: their events, and whom there is to tell.
func insertFollowing(ctx context.Context, s session, decided []lifecycle.Decided) error {
	if err := insertEvents(ctx, s, decided); err != nil {
		return err
	}
	return insertTold(ctx, s, decided)
}

// insertTold writes to whom there is something to tell of new relationships.
func insertTold(ctx context.Context, s session, decided []lifecycle.Decided) error {
	if err := announce(ctx, s, decided); err != nil {
		return err
	}
	_, err := insertNotices(ctx, s, decided, &prepared{})
	return err
}
