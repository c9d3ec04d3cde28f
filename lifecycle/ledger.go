package lifecycle

// An EventID is the unique key of an event: the relationship and the version that the event brought it to. Of an order or a
// refusal Version is below zero, and Key is 0 where it is about no relationship.
type EventID struct {
	Key     int64
	Version int64
}

// ID is the event's unique key.
func (e *Event) ID() EventID { return EventID{Key: e.Key, Version: e.Version} }

// A LedgerSize says how many events there are, as far as the ledger knows. The sum never shrinks, unless the database was
// restored from a backup, or somebody took something away.
type LedgerSize struct {
	Logged  int64 // leaves of the tree
	Waiting int64 // queued, to be logged within a second or so
}

// Events is how many were ever written.
func (s LedgerSize) Events() int64 { return s.Logged + s.Waiting }

// A LedgerHead is the tree of hashes over the first Size events that were logged. Two heads with the same root are over the
// same events in the same order.
type LedgerHead struct {
	Size int64
	Root [32]byte
}

// A LedgerTile is up to 256 hashes of one level of the tree, 32 bytes each. Level 0 has the hashes of events; every full tile
// of one level is one hash of the next.
type LedgerTile struct {
	Level  int
	N      int64
	Hashes []byte
}

// A LedgerBundle says which events the leaves from 256 N on are; all but the last one are full.
type LedgerBundle struct {
	N      int64
	Events []EventID
}

// A LedgerPage is what the ledger has to be given next.
type LedgerPage struct {
	Head    LedgerHead
	Edge    []LedgerTile // the last tile of each level, unless it is full
	Last    LedgerBundle // the last bundle, unless it is full
	Batches []int64      // of the queue
	Events  []Event      // of those batches, in the order in which they are to be logged
}

// A LedgerGrowth is the ledger after a page was logged.
type LedgerGrowth struct {
	From    int64 // the size that it grew from
	Head    LedgerHead
	Tiles   []LedgerTile   // those that are new, or have grown
	Bundles []LedgerBundle // the same
	Batches []int64        // done with
}

// A Logged is a leaf of the ledger, and the event that it is about as it is in the database now.
type Logged struct {
	N     int64 // the leaf's number, from 0
	ID    EventID
	Event *Event // nil where there is no such event (any more)
	Fault error  // why the event that is there cannot be read
}
