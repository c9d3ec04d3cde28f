package storage

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	tileWidth = 256 // hashes in a full tile, and events in a full bundle
	hashSize  = 32  // bytes
)

// A loggedRow is the key of an event, in the queue of those that wait for the ledger as the pair [key, version].
type loggedRow struct {
	Key     int64 `json:"key"`
	Version int64 `json:"version"`
}

// queueForLedger has the events that were just written wait for the ledger. It is part of their transaction, so none is lost, and
// it adds a row to the end of a table, so nobody waits for anybody.
func queueForLedger(ctx context.Context, s session, written []eventRow) error {
	if len(written) == 0 {
		return nil
	}
	pairs := make([][2]int64, len(written))
	for i := range written {
		pairs[i] = [2]int64{written[i].Key, written[i].Version}
	}
	text, err := json.Marshal(pairs)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `INSERT INTO event_batches (n, events) VALUES (:n, :events)`, args{"n": len(written), "events": string(text)})
	return err
}

// LedgerSize is how many events were logged, and how many wait for that.
func (db *DB) LedgerSize(ctx context.Context) (size lifecycle.LedgerSize, err error) {
	err = db.read(ctx, "read the size of the ledger", func(s session) error {
		size, err = ledgerSize(ctx, s)
		return err
	})
	return size, err
}

func ledgerSize(ctx context.Context, s session) (size lifecycle.LedgerSize, err error) {
	err = s.get(ctx, &size, `SELECT COALESCE((SELECT size FROM ledger_head), 0) AS logged, (SELECT COALESCE(sum(n), 0) FROM event_batches) AS waiting`, nil)
	return size, err
}

// NextForLedger reads what waits for the ledger, whole batches until there are at least most events, and the edge of the tree that
// they are to be added to. Without events in it there is nothing to do. An event that has gone since it was written comes back
// with nothing but its key: that there was one is logged all the same.
func (db *DB) NextForLedger(ctx context.Context, most int) (next lifecycle.LedgerPage, err error) {
	const doing = "read what waits for the ledger"
	var waiting bool
	err = db.read(ctx, doing, func(s session) error {
		return s.get(ctx, &waiting, `SELECT EXISTS (SELECT 1 FROM event_batches)`, nil)
	})
	if err != nil || !waiting {
		return next, err
	}
	// All of one moment: somebody else may let the ledger grow meanwhile.
	err = db.snap(ctx, func(s *Snapshot) error { return said(doing, nextForLedger(ctx, s.session, most, &next)) })
	return next, err
}

func nextForLedger(ctx context.Context, s session, most int, next *lifecycle.LedgerPage) error {
	ids, err := waitingBatches(ctx, s, most)
	if err != nil {
		return err
	}
	if next.Head, err = ledgerHead(ctx, s); err != nil {
		return err
	}
	if err := readEdge(ctx, s, next); err != nil {
		return err
	}
	return readBatches(ctx, s, ids, next)
}

type batchRow struct {
	ID     int64  `json:"id"`
	N      int    `json:"n"`
	Events string `json:"events"`
}

// waitingBatches are the first batches of the queue, until there are at least most events in them.
func waitingBatches(ctx context.Context, s session, most int) (ids []int64, err error) {
	var rows []batchRow
	if err := s.list(ctx, &rows, `SELECT id, n FROM event_batches ORDER BY id LIMIT :most`, args{"most": most}); err != nil {
		return nil, err
	}
	for i := 0; i < len(rows) && most > 0; i++ {
		ids = append(ids, rows[i].ID)
		most -= rows[i].N
	}
	return ids, nil
}

func readBatches(ctx context.Context, s session, ids []int64, next *lifecycle.LedgerPage) error {
	keys := make([]batchRow, len(ids))
	for i, id := range ids {
		keys[i].ID = id
	}
	var rows []batchRow
	err := s.list(ctx, &rows, `SELECT b.id, b.n, b.events FROM event_batches AS b WHERE b.id IN (SELECT r.id FROM {{rows id BIGINT}}) ORDER BY b.id`,
		args{"rows": page[batchRow](keys)})
	if err != nil {
		return err
	}
	var queued []lifecycle.EventID
	for _, row := range rows {
		pairs, err := row.pairs()
		if err != nil {
			return err
		}
		next.Batches, queued = append(next.Batches, row.ID), append(queued, pairs...)
	}
	return eachLogged(ctx, s, next.Head.Size, queued, func(l lifecycle.Logged) error {
		if l.Event == nil {
			l.Event = &lifecycle.Event{Key: l.ID.Key, Change: lifecycle.Change{Version: l.ID.Version}}
		}
		next.Events = append(next.Events, *l.Event)
		return nil
	})
}

func (row *batchRow) pairs() ([]lifecycle.EventID, error) {
	var pairs [][2]int64
	if err := json.Unmarshal([]byte(row.Events), &pairs); err != nil {
		return nil, fmt.Errorf("batch %d of the events that wait for the ledger is spoilt: %w", row.ID, err)
	}
	ids := make([]lifecycle.EventID, len(pairs))
	for i, p := range pairs {
		ids[i] = lifecycle.EventID{Key: p[0], Version: p[1]}
	}
	return ids, nil
}

// readEdge reads the tiles and the bundle that are not full yet.
func readEdge(ctx context.Context, s session, next *lifecycle.LedgerPage) error {
	size := next.Head.Size
	for level, n := 0, size; n > 0; level, n = level+1, n/tileWidth {
		if n%tileWidth == 0 {
			continue
		}
		hashes, err := ledgerTile(ctx, s, level, n/tileWidth)
		if err != nil {
			return err
		}
		if want := int(n % tileWidth); len(hashes) != want*hashSize {
			return fmt.Errorf("tile %d of level %d of the ledger holds %d bytes, %d are due; `tenure verify` says what else is wrong",
				n/tileWidth, level, len(hashes), want*hashSize)
		}
		next.Edge = append(next.Edge, lifecycle.LedgerTile{Level: level, N: n / tileWidth, Hashes: hashes})
	}
	next.Last.N = size / tileWidth
	if size%tileWidth == 0 {
		return nil
	}
	bundles, err := bundlesFrom(ctx, s, next.Last.N, 1)
	if err != nil {
		return err
	}
	if next.Last.Events = bundles[next.Last.N]; len(next.Last.Events) != int(size%tileWidth) {
		return fmt.Errorf("bundle %d of the ledger names %d events, %d are due; `tenure verify` says what else is wrong",
			next.Last.N, len(next.Last.Events), size%tileWidth)
	}
	return nil
}

// AppendToLedger writes the ledger as it has grown and takes its batches out of the queue, all in one transaction; false, and
// nothing is written, where somebody else has let it grow meanwhile.
func (db *DB) AppendToLedger(ctx context.Context, g lifecycle.LedgerGrowth) (done bool, err error) {
	err = db.write(ctx, "append to the ledger", func(s session) error {
		done, err = appendToLedger(ctx, s, g)
		return err
	})
	return done, err
}

func appendToLedger(ctx context.Context, s session, g lifecycle.LedgerGrowth) (done bool, err error) {
	n, err := s.exec(ctx, `UPDATE ledger_head SET size = :size, root = :root WHERE one = 1 AND size = :was`,
		args{"size": g.Head.Size, "root": g.Head.Root[:], "was": g.From})
	if err != nil || n == 0 {
		return false, err
	}
	for _, tile := range g.Tiles {
		if _, err := s.exec(ctx, `INSERT INTO ledger_tiles (level, n, hashes) VALUES (:level, :n, :hashes)
			ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes`, args{"level": tile.Level, "n": tile.N, "hashes": tile.Hashes}); err != nil {
			return false, err
		}
	}
	for _, bundle := range g.Bundles {
		if _, err := s.exec(ctx, `INSERT INTO ledger_bundles (n, entries) VALUES (:n, :entries)
			ON CONFLICT (n) DO UPDATE SET entries = excluded.entries`, args{"n": bundle.N, "entries": packBundle(bundle.Events)}); err != nil {
			return false, err
		}
	}
	batches := make([]batchRow, len(g.Batches))
	for i, id := range g.Batches {
		batches[i].ID = id
	}
	_, err = s.exec(ctx, `DELETE FROM event_batches WHERE id IN (SELECT r.id FROM {{rows id BIGINT}})`, args{"rows": page[batchRow](batches)})
	return err == nil, err
}

// packBundle writes keys and versions as varints: some five bytes for an event.
func packBundle(events []lifecycle.EventID) []byte {
	var b []byte
	for _, e := range events {
		b = binary.AppendVarint(binary.AppendVarint(b, e.Key), e.Version)
	}
	return b
}

// errSpoiltBundle is what a bundle is that packBundle did not write.
var errSpoiltBundle = errors.New("the bundle is spoilt")

func unpackBundle(b []byte) (events []lifecycle.EventID, err error) {
	for len(b) > 0 {
		key, n := binary.Varint(b)
		version, m := binary.Varint(b[max(n, 0):])
		if n <= 0 || m <= 0 {
			return nil, errSpoiltBundle
		}
		events, b = append(events, lifecycle.EventID{Key: key, Version: version}), b[n+m:]
	}
	return events, nil
}

// ledgerHead is the head as it is stored; where somebody has taken it away one of no leaves, whose root is that of no tree.
func ledgerHead(ctx context.Context, s session) (head lifecycle.LedgerHead, err error) {
	var row struct {
		Size int64  `json:"size"`
		Root []byte `json:"root"`
	}
	if err := s.get(ctx, &row, `SELECT size, root FROM ledger_head WHERE one = 1`, nil); err != nil {
		return head, unlessNone(err)
	}
	head.Size = row.Size
	copy(head.Root[:], row.Root) // of one that is too short or too long the hash is wrong anyway
	return head, nil
}

// ledgerTile is nil where there is no such tile.
func ledgerTile(ctx context.Context, s session, level int, n int64) (hashes []byte, err error) {
	err = s.get(ctx, &hashes, `SELECT hashes FROM ledger_tiles WHERE level = :level AND n = :n`, args{"level": level, "n": n})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return hashes, err
}

// bundlesFrom reads the bundles n … n + most - 1; one that is missing or spoilt is left out.
func bundlesFrom(ctx context.Context, s session, n int64, most int) (map[int64][]lifecycle.EventID, error) {
	type bundleRow struct {
		N       int64  `json:"n"`
		Entries []byte `json:"entries"`
	}
	bundles := map[int64][]lifecycle.EventID{}
	err := each(ctx, s, `SELECT n, entries FROM ledger_bundles WHERE n >= :from AND n < :upto`, args{"from": n, "upto": n + int64(most)},
		func(row *bundleRow) error {
			if events, err := unpackBundle(row.Entries); err == nil {
				bundles[row.N] = events
			}
			return nil
		})
	return bundles, err
}

// leavesThere is for how many leaves there are bundles; a spoilt last one counts as full.
func leavesThere(ctx context.Context, s session) (leaves int64, err error) {
	var last int64
	if err := s.get(ctx, &last, `SELECT COALESCE(max(n), -1) FROM ledger_bundles`, nil); err != nil || last < 0 {
		return 0, err
	}
	bundles, err := bundlesFrom(ctx, s, last, 1)
	events, ok := bundles[last]
	if !ok {
		return (last + 1) * tileWidth, err
	}
	return last*tileWidth + int64(len(events)), err
}

// A triedEventRow is an event with whatever its columns hold, so that one that somebody has spoilt is found rather than stumbled over.
type triedEventRow struct {
	storedEventRow
	EffectiveAt triedTime `json:"effective_at"`
	RecordedAt  triedTime `json:"recorded_at"`
	EndAt       triedTime `json:"end_at"`
}

func (row *triedEventRow) event() (*lifecycle.Event, error) {
	row.storedEventRow.EffectiveAt, row.storedEventRow.RecordedAt, row.storedEventRow.EndAt = row.EffectiveAt.dbTime, row.RecordedAt.dbTime, row.EndAt.dbTime
	event := row.storedEventRow.event()
	if event.By == nil && (row.CallerTenant != "" || row.Address != "" || row.RequestID != "") { // tenure writes none of these alone
		event.By = &lifecycle.Caller{Tenant: row.CallerTenant, Address: row.Address, Request: row.RequestID}
	}
	return &event, errors.Join(row.EffectiveAt.fault, row.RecordedAt.fault, row.EndAt.fault)
}

// eachLogged hands over the events with these keys, in this order, as the leaves from first on.
func eachLogged(ctx context.Context, s session, first int64, ids []lifecycle.EventID, fn func(lifecycle.Logged) error) error {
	const most = 4096
	for len(ids) > 0 {
		some := ids[:min(most, len(ids))]
		found, err := eventsOf(ctx, s, some)
		if err != nil {
			return err
		}
		for i, id := range some {
			l := found[id]
			l.N, l.ID = first+int64(i), id
			if err := fn(l); err != nil {
				return err
			}
		}
		ids, first = ids[len(some):], first+int64(len(some))
	}
	return nil
}

func eventsOf(ctx context.Context, s session, ids []lifecycle.EventID) (map[lifecycle.EventID]lifecycle.Logged, error) {
	rows := make([]loggedRow, len(ids))
	for i, id := range ids {
		rows[i] = loggedRow(id)
	}
	found := make(map[lifecycle.EventID]lifecycle.Logged, len(ids))
	err := each(ctx, s, `SELECT COALESCE(t.id, d.id, '') AS id, `+eventColumns+` FROM {{rows key BIGINT, version BIGINT}} CROSS JOIN events AS e
		LEFT JOIN agreements AS t ON t.key = e.relationship_key LEFT JOIN tombstones AS d ON d.key = e.relationship_key
		WHERE e.relationship_key = r.key AND e.version = r.version`, args{"rows": page[loggedRow](rows)}, func(row *triedEventRow) error {
		event, fault := row.event()
		found[event.ID()] = lifecycle.Logged{Event: event, Fault: fault}
		return nil
	})
	return found, err
}

// LedgerSize is how many events were logged, and how many wait for that.
func (s *Snapshot) LedgerSize(ctx context.Context) (size lifecycle.LedgerSize, err error) {
	size, err = ledgerSize(ctx, s.session)
	return size, said("read the size of the ledger", err)
}

// LedgerHead is how far the ledger has come.
func (s *Snapshot) LedgerHead(ctx context.Context) (head lifecycle.LedgerHead, err error) {
	head, err = ledgerHead(ctx, s.session)
	return head, said("read the head of the ledger", err)
}

// LedgerTile reads the hashes of a tile as they are stored; none where there is no such tile.
func (s *Snapshot) LedgerTile(ctx context.Context, level int, n int64) ([]byte, error) {
	hashes, err := ledgerTile(ctx, s.session, level, n)
	return hashes, said("read a tile of the ledger", err)
}

// errNoSuchLeaf is why nobody knows what a leaf was about.
var errNoSuchLeaf = errors.New("which event the leaf is about is not to be found: its bundle is missing or spoilt")

// bundlesAtATime is how many bundles are in memory at a time.
const bundlesAtATime = 16

// EachLogged hands over every leaf of the ledger in order, with the event that it is about. Where a bundle is missing, its leaves
// come with a fault and without a key.
func (s *Snapshot) EachLogged(ctx context.Context, fn func(lifecycle.Logged) error) error {
	err := s.eachBundle(ctx, func(b lifecycle.LedgerBundle, due int) error {
		first := b.N * tileWidth
		if len(b.Events) == due {
			return eachLogged(ctx, s.session, first, b.Events, fn)
		}
		for i := range int64(due) {
			if err := fn(lifecycle.Logged{N: first + i, Fault: errNoSuchLeaf}); err != nil {
				return err
			}
		}
		return nil
	})
	return said("read the ledger", err)
}

// EachBundle hands over which events the leaves are about, in order. One that is missing comes without events.
func (s *Snapshot) EachBundle(ctx context.Context, fn func(lifecycle.LedgerBundle) error) error {
	err := s.eachBundle(ctx, func(b lifecycle.LedgerBundle, _ int) error { return fn(b) })
	return said("read the ledger", err)
}

// eachBundle also says how many events are due in the bundle.
func (s *Snapshot) eachBundle(ctx context.Context, fn func(b lifecycle.LedgerBundle, due int) error) error {
	head, err := ledgerHead(ctx, s.session)
	if err != nil {
		return err
	}
	// Where somebody has written down that there are more leaves than there can be, whoever asks sees that fewer come.
	there, err := leavesThere(ctx, s.session)
	if err != nil {
		return err
	}
	head.Size = min(head.Size, there)
	for n := int64(0); n*tileWidth < head.Size; n += bundlesAtATime {
		bundles, err := bundlesFrom(ctx, s.session, n, bundlesAtATime)
		if err != nil {
			return err
		}
		for i := n; i < n+bundlesAtATime && i*tileWidth < head.Size; i++ {
			if err := fn(lifecycle.LedgerBundle{N: i, Events: bundles[i]}, int(min(tileWidth, head.Size-i*tileWidth))); err != nil {
				return err
			}
		}
	}
	return nil
}

// EachWaiting hands over the keys of the events that wait for the ledger.
func (s *Snapshot) EachWaiting(ctx context.Context, fn func(lifecycle.EventID) error) error {
	return said("read what waits for the ledger", each(ctx, s.session, `SELECT id, n, events FROM event_batches ORDER BY id`, nil,
		func(row *batchRow) error {
			ids, err := row.pairs()
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := fn(id); err != nil {
					return err
				}
			}
			return nil
		}))
}

// EachEventID hands over the key of every event that there is, those of refusals and orders too.
func (s *Snapshot) EachEventID(ctx context.Context, fn func(lifecycle.EventID) error) error {
	return said("read the keys of all events", each(ctx, s.session, `SELECT relationship_key AS key, version FROM events ORDER BY relationship_key, version`, nil,
		func(row *loggedRow) error { return fn(lifecycle.EventID(*row)) }))
}

// RelationshipOf is the id of the relationship with this key; empty where there is none, and never was.
func (s *Snapshot) RelationshipOf(ctx context.Context, key int64) (id string, err error) {
	err = s.get(ctx, &id, `SELECT id FROM agreements WHERE key = :key UNION ALL SELECT id FROM tombstones WHERE key = :key`, args{"key": key})
	return id, said("read the id of a relationship", unlessNone(err))
}

// LedgerEvents are all events of one relationship as the ledger has them, refusals and orders about it too.
func (s *Snapshot) LedgerEvents(ctx context.Context, id string) (events []lifecycle.Event, err error) {
	err = each(ctx, s.session, selectEvents+`WHERE e.relationship_key IN `+keysOf+` ORDER BY e.relationship_key, e.recorded_at, e.version`,
		args{"id": clean(id)}, func(row *triedEventRow) error {
			event, fault := row.event()
			if fault != nil {
				return fmt.Errorf("event %d of relationship %s is spoilt: %w", row.Version, id, fault)
			}
			events = append(events, *event)
			return nil
		})
	return events, said("read the history of relationship "+id, err)
}
