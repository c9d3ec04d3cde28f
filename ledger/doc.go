// Package ledger makes it show when somebody has changed, removed, added or reordered what tenure wrote down.
//
// Every event is a leaf of a tree of hashes (the one of Certificate Transparency, RFC 6962). Whoever keeps the root of the tree, a
// checkpoint, somewhere that the database's owner cannot reach, can tell at any later time whether the events of that day
// are still what they were. [Leaf] says what is hashed, [Grow] adds to the tree, [Sign] and [ReadCheckpoint] write and read
// checkpoints, [Prove] and [Check] show that single events are in it, and [Verify] goes through all of them.
//
// The tree, its proofs and the signatures are golang.org/x/mod's (sumdb/tlog and sumdb/note), which keep the go.sum database of
// the Go project. Nothing here does I/O: storage keeps what this package computes.
package ledger
