package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tenure-dev/tenure/lifecycle"
)

// proofFormat is the first thing that a proof says of itself.
const proofFormat = "tenure-ledger-proof/1"

// A Proof is the history of one relationship with all that is needed to see, without any database, that its events were logged
// before a checkpoint, and are what they were then. It does not say that there are no others.
type Proof struct {
	Format       string        `json:"format"`
	Relationship string        `json:"relationship"`
	Checkpoint   string        `json:"checkpoint"` // the signed text
	Events       []ProvenEvent `json:"events"`
	Waiting      []string      `json:"waiting,omitempty"` // texts of events that were written after the checkpoint
	Since        *Continuation `json:"since,omitempty"`
}

// A ProvenEvent is a leaf, where it stands, and the hashes that lead from it to the root.
type ProvenEvent struct {
	Leaf  int64            `json:"leaf"`
	Text  string           `json:"text"`
	Proof tlog.RecordProof `json:"proof"`
}

// A Continuation shows that the checkpoint of a proof continues an earlier one.
type Continuation struct {
	Size  int64          `json:"size"`
	Root  tlog.Hash      `json:"root"`
	Proof tlog.TreeProof `json:"proof"`
}

// A Book is a ledger of which a part is to be proven.
type Book interface {
	Tiles
	// LedgerHead is how far the ledger has come.
	LedgerHead(ctx context.Context) (lifecycle.LedgerHead, error)
	// EachBundle hands over which events the leaves are about, in order.
	EachBundle(ctx context.Context, fn func(lifecycle.LedgerBundle) error) error
	// LedgerEvents are all events of a relationship, refusals and orders too.
	LedgerEvents(ctx context.Context, relationship string) ([]lifecycle.Event, error)
}

// Prove proves the history of a relationship up to a checkpoint, which is given as its text, and has been read. With since, which
// may be nil, it also proves that the checkpoint continues that one. [lifecycle.ErrNotFound] where there is no such history,
// [ErrInconsistent] where the ledger does not continue the checkpoint.
func Prove(ctx context.Context, book Book, relationship string, text []byte, at Checkpoint, since *Checkpoint) (*Proof, error) {
	events, err := book.LedgerEvents(ctx, relationship)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("relationship %s: %w", relationship, lifecycle.ErrNotFound)
	}
	head, err := book.LedgerHead(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := Consistency(ctx, book, head, at); err != nil {
		return nil, err
	}
	leaves, err := leavesOf(ctx, book, events)
	if err != nil {
		return nil, err
	}
	p := &Proof{Format: proofFormat, Relationship: relationship, Checkpoint: string(text), Events: []ProvenEvent{}}
	hashes := hashesOf(ctx, book, head)
	for i := range events {
		leaf, logged := leaves[events[i].ID()]
		if !logged || leaf >= at.Size {
			p.Waiting = append(p.Waiting, string(Leaf(&events[i])))
			continue
		}
		proven, err := proveEvent(&events[i], leaf, &at, hashes)
		if err != nil {
			return nil, err
		}
		p.Events = append(p.Events, proven)
	}
	if since != nil {
		p.Since, err = continuation(ctx, book, head, &at, since)
	}
	return p, err
}

func proveEvent(event *lifecycle.Event, leaf int64, at *Checkpoint, hashes tlog.HashReader) (ProvenEvent, error) {
	e := ProvenEvent{Leaf: leaf, Text: string(Leaf(event))}
	var err error
	if e.Proof, err = tlog.ProveRecord(at.Size, leaf, hashes); err != nil {
		return e, fmt.Errorf("proving leaf %d: %w", leaf, err)
	}
	if err := tlog.CheckRecord(e.Proof, at.Size, at.Root, leaf, leafHash(event)); err != nil {
		return e, fmt.Errorf("event %d of relationship %s, leaf %d, is not what was logged; `tenure verify` says what else was changed",
			event.Version, event.RelationshipID, leaf)
	}
	return e, nil
}

// continuation proves that at continues since, both of them parts of the tree with this head.
func continuation(ctx context.Context, tiles Tiles, head lifecycle.LedgerHead, at, since *Checkpoint) (*Continuation, error) {
	c := &Continuation{Size: since.Size, Root: since.Root}
	if since.Size > 0 && since.Size < at.Size {
		proof, err := tlog.ProveTree(at.Size, since.Size, hashesOf(ctx, tiles, head))
		if err != nil {
			return nil, fmt.Errorf("proving that %s continues %s: %w", at, since, err)
		}
		c.Proof = proof
	}
	return c, CheckConsistency(c.Proof, at.Head(), *since)
}

// leavesOf finds the leaves of events. It goes through all bundles, some five bytes for an event; that takes a second for ten
// million events, which is less trouble than an index that is written with each of them.
func leavesOf(ctx context.Context, book Book, events []lifecycle.Event) (map[lifecycle.EventID]int64, error) {
	wanted := make(map[lifecycle.EventID]bool, len(events))
	for i := range events {
		wanted[events[i].ID()] = true
	}
	leaves := make(map[lifecycle.EventID]int64, len(events))
	err := book.EachBundle(ctx, func(b lifecycle.LedgerBundle) error {
		for i, id := range b.Events {
			if wanted[id] {
				leaves[id] = b.N*width + int64(i)
			}
		}
		return nil
	})
	return leaves, err
}

// Write writes the proof as JSON.
func (p *Proof) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(p)
}

// ReadProof reads what Write has written. Nothing is proven by that; see [Proof.Check].
func ReadProof(r io.Reader) (*Proof, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var p Proof
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("this is no proof as `tenure ledger prove` writes it: %w", err)
	}
	if p.Format != proofFormat {
		return nil, fmt.Errorf("the proof says that its format is %q; this program reads %q", p.Format, proofFormat)
	}
	return &p, nil
}

// ErrUnproven is a proof that does not prove what it says.
var ErrUnproven = errors.New("is not proven")

// A LeafText is what an auditor may want to see of a leaf. All of it is in the text.
type LeafText struct {
	Relationship string `json:"relationship"`
	Version      int64  `json:"version"`
	Type         string `json:"type"`
	Effective    string `json:"effective"`
	Recorded     string `json:"recorded"`
	From         string `json:"from"`
	To           string `json:"to"`
	Actor        string `json:"actor"`
	Rule         string `json:"rule"`
	Caller       string `json:"caller"`
}

// Check looks at every event of the proof, with nothing but the checkpoint in it, which one of the keys must have signed. With
// other, a checkpoint that the auditor has from elsewhere, it also looks whether the proof's belongs to the same ledger.
// The first event that is not proven is an error, [ErrUnproven]. The answer has a text for each event.
func (p *Proof) Check(keys []string, other *Checkpoint) (Checkpoint, []LeafText, error) {
	at, err := ReadCheckpoint([]byte(p.Checkpoint), keys...)
	if err != nil {
		return at, nil, fmt.Errorf("the proof's checkpoint: %w", err)
	}
	at.From = "of the proof"
	if err := p.belongs(&at, other); err != nil {
		return at, nil, err
	}
	if len(p.Events)+len(p.Waiting) == 0 {
		return at, nil, fmt.Errorf("the history of relationship %s %w: there is no event in the proof", p.Relationship, ErrUnproven)
	}
	texts := make([]LeafText, len(p.Events))
	seen := map[int64]bool{}
	for i, e := range p.Events {
		if texts[i], err = e.check(&at, p.Relationship); err != nil {
			return at, nil, err
		}
		if seen[e.Leaf] {
			return at, nil, fmt.Errorf("leaf %d stands in the proof twice", e.Leaf)
		}
		seen[e.Leaf] = true
	}
	return at, texts, nil
}

func (e *ProvenEvent) check(at *Checkpoint, relationship string) (text LeafText, err error) {
	if e.Leaf < 0 || e.Leaf >= at.Size || tlog.CheckRecord(e.Proof, at.Size, at.Root, e.Leaf, tlog.RecordHash([]byte(e.Text))) != nil {
		return text, fmt.Errorf("leaf %d %w: its text, its number or its hashes were changed since %s was written", e.Leaf, ErrUnproven, at)
	}
	if err := json.Unmarshal([]byte(e.Text), &text); err != nil {
		return text, fmt.Errorf("leaf %d is in the ledger, but is no event: %w", e.Leaf, err)
	}
	if text.Relationship != relationship {
		return text, fmt.Errorf("leaf %d is in the ledger, but is about relationship %q, not %q", e.Leaf, text.Relationship, relationship)
	}
	return text, nil
}

// belongs says whether the proof's checkpoint and another one are of the same ledger.
func (p *Proof) belongs(at, other *Checkpoint) error {
	switch {
	case other == nil:
		return nil
	case other.Size == at.Size:
		return CheckConsistency(nil, at.Head(), *other)
	case p.Since != nil && p.Since.Size == other.Size:
		return CheckConsistency(p.Since.Proof, at.Head(), *other)
	}
	return fmt.Errorf("the proof does not show how its checkpoint, of size %d, goes with %s; have it made with `tenure ledger prove --since` and that one", at.Size, other)
}
