package ledger

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Source is a database, or a copy of one, as it was at one moment.
type Source interface {
	Tiles

	// LedgerHead is how far the ledger has come.
	LedgerHead(ctx context.Context) (lifecycle.LedgerHead, error)

	// EachLogged hands over every leaf in order, with the event as it is now. fn may ask for tiles and relationships.
	EachLogged(ctx context.Context, fn func(lifecycle.Logged) error) error

	// EachWaiting hands over the keys of events that are queued for the ledger.
	EachWaiting(ctx context.Context, fn func(lifecycle.EventID) error) error

	// EachEventID hands over the key of every event that there is.
	EachEventID(ctx context.Context, fn func(lifecycle.EventID) error) error

	// RelationshipOf is the id of the relationship with a key; empty where nobody knows.
	RelationshipOf(ctx context.Context, key int64) (string, error)
}

// A FindingKind says what is wrong.
type FindingKind string

// What Verify finds.
const (
	ChangedEvent   FindingKind = "changedEvent"   // an event is not what was logged
	RemovedEvent   FindingKind = "removedEvent"   // it was logged, or waits for that, and is not there
	InsertedEvent  FindingKind = "insertedEvent"  // it is there, was not logged, and does not wait for that either
	RepeatedEvent  FindingKind = "repeatedEvent"  // it was logged more than once
	ChangedBundle  FindingKind = "changedBundle"  // the list of what the leaves are about is missing, or spoilt
	ChangedTile    FindingKind = "changedTile"    // hashes of the tree are missing, or are not those of the level below
	ChangedHead    FindingKind = "changedHead"    // the root that was written down is not the tree's
	OtherHistory   FindingKind = "otherHistory"   // the events up to a checkpoint are not those that it was written over
	MissingHistory FindingKind = "missingHistory" // a checkpoint was written when there were more events
)

// A Finding is one thing that is wrong.
type Finding struct {
	Kind         FindingKind
	Leaf         int64             // -1 where it is about none
	ID           lifecycle.EventID // zero where it is about no event
	Relationship string            // its id; empty where nobody knows
	Detail       string
}

// String says it in one line.
func (f *Finding) String() string {
	where := ""
	if f.Leaf >= 0 {
		where = fmt.Sprintf("leaf %d: ", f.Leaf)
	}
	if f.ID != (lifecycle.EventID{}) {
		where += fmt.Sprintf("event %d of ", f.ID.Version)
		switch {
		case f.ID.Key == 0:
			where += "no relationship: "
		case f.Relationship == "":
			where += fmt.Sprintf("key %d: ", f.ID.Key)
		default:
			where += f.Relationship + ": "
		}
	}
	return where + f.Detail
}

// Options say what Verify compares with. The zero Options compare the database with itself alone, which shows clumsy changes, and
// none that somebody has made who rewrote the ledger too.
type Options struct {
	Checkpoints []Checkpoint
	NoTiles     bool                     // the source has no hashes, only events and their order; a head of size 0 is not there either
	Progress    func(done, leaves int64) // called now and then; may be nil
}

// A Summary is what Verify has looked at.
type Summary struct {
	Head        lifecycle.LedgerHead // recomputed from the events, as they are now
	Waiting     int64                // events that are not logged yet
	Events      int64                // that there are
	Findings    int64
	Checkpoints int // that the ledger continues
}

// Verify recomputes the ledger from the events as they are now and compares it with the hashes that are stored, and with
// checkpoints; and it looks whether every event is in the ledger once. Its memory is bounded. What it finds it reports at once,
// in the order of the ledger; an error of report's ends it.
func Verify(ctx context.Context, source Source, o Options, report func(Finding) error) (Summary, error) {
	v := &verification{ctx: ctx, source: source, options: &o, report: report}
	head, err := source.LedgerHead(ctx)
	if err != nil {
		return v.summary, err
	}
	v.head, v.checkpoints = head, slices.Clone(o.Checkpoints)
	slices.SortStableFunc(v.checkpoints, func(a, b Checkpoint) int { return int(a.Size - b.Size) })
	v.stored.full = v.compareTile
	for _, step := range []func() error{v.passCheckpoints, v.leaves, v.edges, v.laterCheckpoints, v.everyEventOnce} {
		if err := step(); err != nil {
			return v.summary, err
		}
	}
	return v.summary, nil
}

// A verification is one run of Verify.
type verification struct {
	ctx     context.Context // of the one call that it lives for
	source  Source
	options *Options
	report  func(Finding) error
	summary Summary

	head        lifecycle.LedgerHead
	now, stored edge         // the tree over the events as they are, and over the hashes that were stored
	tile        []byte       // the stored hashes of the leaves around
	spoilt      int64        // the last bundle that was found spoilt, plus one
	failed      error        // of compareTile, which cannot return it
	checkpoints []Checkpoint // not passed yet, by size
	fits        *Checkpoint  // the last one that the events are still those of
	set         keyedSet     // events that are logged or wait
}

func (v *verification) find(f Finding) error {
	v.summary.Findings++
	if f.Relationship == "" && f.ID.Key != 0 {
		var err error
		if f.Relationship, err = v.source.RelationshipOf(v.ctx, f.ID.Key); err != nil {
			return err
		}
	}
	return v.report(f)
}

func (v *verification) leaves() error {
	err := v.source.EachLogged(v.ctx, func(l lifecycle.Logged) error {
		if v.options.Progress != nil && l.N%(16*width) == 0 {
			v.options.Progress(l.N, v.head.Size)
		}
		if err := v.leaf(&l); err != nil {
			return err
		}
		return v.passCheckpoints()
	})
	if err == nil && v.options.Progress != nil {
		v.options.Progress(v.now.size, v.now.size)
	}
	v.summary.Head.Size = v.now.size
	return err
}

// leaf compares one event with what was logged.
func (v *verification) leaf(l *lifecycle.Logged) error {
	var h tlog.Hash
	if l.Event != nil {
		h = leafHash(l.Event)
		v.set.add(l.ID)
	}
	v.now.add(h)
	logged, err := v.storedLeaf(l.N)
	if err != nil {
		return err
	}
	v.stored.add(logged)
	if v.failed != nil {
		return v.failed
	}
	f := Finding{Leaf: l.N, ID: l.ID}
	switch {
	case l.Event == nil && l.Fault != nil:
		if v.spoilt == l.N/width+1 {
			return nil // it is said once for all leaves of the bundle
		}
		v.spoilt = l.N/width + 1
		f.Kind, f.Detail = ChangedBundle, l.Fault.Error()
	case l.Event == nil:
		f.Kind, f.Detail = RemovedEvent, "was logged and is not there"
	case !v.options.NoTiles && h != logged:
		f.Kind, f.Relationship, f.Detail = ChangedEvent, l.Event.RelationshipID, v.difference(l, h)
	case l.Fault != nil:
		f.Kind, f.Relationship, f.Detail = ChangedEvent, l.Event.RelationshipID, "cannot be read: "+l.Fault.Error()
	default:
		return nil
	}
	return v.find(f)
}

// difference is what can be said of an event that has another hash than the one that was logged.
func (v *verification) difference(l *lifecycle.Logged, h tlog.Hash) string {
	if l.Fault != nil {
		return "is not what was logged, and cannot be read: " + l.Fault.Error()
	}
	for at := 0; at+tlog.HashSize <= len(v.tile); at += tlog.HashSize {
		if bytes.Equal(v.tile[at:at+tlog.HashSize], h[:]) {
			return fmt.Sprintf("stands where another event was logged; this one was leaf %d", l.N/width*width+int64(at/tlog.HashSize))
		}
	}
	return "is not what was logged; it now reads " + string(Leaf(l.Event))
}

// storedLeaf is the hash that was stored for a leaf; zero where there is none.
func (v *verification) storedLeaf(n int64) (h tlog.Hash, err error) {
	if v.options.NoTiles {
		return h, nil
	}
	if n%width == 0 {
		if v.tile, err = v.source.LedgerTile(v.ctx, 0, n/width); err != nil {
			return h, err
		}
		if due := int(min(width, v.head.Size-n)) * tlog.HashSize; len(v.tile) != due {
			err = v.find(Finding{Kind: ChangedTile, Leaf: n, Detail: fmt.Sprintf("its tile holds %d bytes, %d are due", len(v.tile), due)})
		}
	}
	if at := int(n%width) * tlog.HashSize; at+tlog.HashSize <= len(v.tile) {
		copy(h[:], v.tile[at:])
	}
	return h, err
}

// compareTile compares a tile above the leaves with the tiles below it.
func (v *verification) compareTile(level int, n int64, hashes []byte) {
	if level == 0 || v.options.NoTiles || v.failed != nil {
		return
	}
	stored, err := v.source.LedgerTile(v.ctx, level, n)
	if err == nil && !bytes.Equal(stored, hashes) {
		err = v.find(Finding{Kind: ChangedTile, Leaf: -1, Detail: fmt.Sprintf("tile %d of level %d of the ledger is not what the tiles below it call for", n, level)})
	}
	v.failed = err
}

// edges compares what is not full yet, and the root.
func (v *verification) edges() error {
	var err error
	if v.summary.Head.Root, err = v.now.root(); err != nil || v.options.NoTiles {
		return err
	}
	if v.now.size != v.head.Size {
		return v.find(Finding{Kind: ChangedHead, Leaf: -1, Detail: fmt.Sprintf("the head of the ledger says that it has %d leaves; there are lists of events for %d",
			v.head.Size, v.now.size)})
	}
	for level, hashes := range v.stored.tiles {
		if len(hashes) > 0 {
			v.compareTile(level, v.stored.number(level), hashes)
		}
	}
	if v.failed != nil {
		return v.failed
	}
	root, err := v.stored.root()
	if err == nil && root != v.head.Root {
		err = v.find(Finding{Kind: ChangedHead, Leaf: -1, Detail: fmt.Sprintf("the root that was written down for %d leaves is %s; the hashes below it call for %s",
			v.head.Size, tlog.Hash(v.head.Root), root)})
	}
	return err
}

// passCheckpoints compares the trees with the checkpoints of the size that they have reached.
func (v *verification) passCheckpoints() error {
	for len(v.checkpoints) > 0 && v.checkpoints[0].Size == v.now.size {
		c := v.checkpoints[0]
		v.checkpoints = v.checkpoints[1:]
		now, err := v.now.root()
		if err != nil {
			return err
		}
		stored, err := v.stored.root()
		if err != nil {
			return err
		}
		if now == c.Root && (v.options.NoTiles || stored == c.Root) {
			v.summary.Checkpoints++
			v.fits = &c
			continue
		}
		if err := v.find(Finding{Kind: OtherHistory, Leaf: -1, Detail: v.otherHistory(&c, now == c.Root, stored == c.Root)}); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) otherHistory(c *Checkpoint, now, stored bool) string {
	since := "at or after leaf 0"
	if v.fits != nil {
		since = fmt.Sprintf("at or after leaf %d, since they are those of %s", v.fits.Size, v.fits)
	}
	switch {
	case now:
		return fmt.Sprintf("the events are those of %s, the hashes in the ledger are not: they were rewritten", c)
	case stored:
		return fmt.Sprintf("the events are not those of %s; the hashes in the ledger still are, and say which ones were changed", c)
	}
	return fmt.Sprintf("neither the events nor the hashes in the ledger are those of %s: both were rewritten, %s", c, since)
}

// laterCheckpoints are those that the ledger has not come to.
func (v *verification) laterCheckpoints() error {
	for i := range v.checkpoints {
		c := &v.checkpoints[i]
		err := v.find(Finding{Kind: MissingHistory, Leaf: -1, Detail: fmt.Sprintf("when %s was written there were %d more events in the ledger: "+
			"they were removed, or the database was restored from a backup", c, c.Size-v.now.size)})
		if err != nil {
			return err
		}
	}
	return nil
}
