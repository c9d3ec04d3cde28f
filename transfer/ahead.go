package transfer

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Reading goes on while a batch is being stored. A reading goroutine cuts out records and understands each by itself, which is nearly
// all the work that there is; whatever depends on the records before it is done by [Import], in the order of the file. So the
// report does not depend on who was quicker.

// An understood is a record as far as it can be judged without looking at the others.
type understood struct {
	line   int
	size   int   // in bytes of the file
	offset int64 // how much of the file had been read
	kind   Kind  // of the file, as far as its records have shown
	bad    bool  // it is not understood; faults say why

	id       string // of a bad one, where it could be read
	faults   []lifecycle.Fault
	incoming lifecycle.Incoming
	advice   []lifecycle.Advice
	contact  lifecycle.Contact
}

// An understander understands the records of one file, one after the other.
type understander struct {
	relations relationshipReader
	kind      Kind // KindUnknown: the first record that can be recognised decides
}

// read understands item, and answers in u.
func (un *understander) read(item *Item, u *understood) {
	*u = understood{line: item.Line, size: len(item.Text), kind: un.kind}
	if item.Fault != nil {
		u.bad, u.faults = true, []lifecycle.Fault{*item.Fault}
		return
	}
	if un.kind == KindUnknown {
		if f := item.malformed(); f != nil {
			u.bad, u.size, u.faults = true, 0, []lifecycle.Fault{*f}
			return
		}
		un.kind, _ = kindOf(item.Text)
		u.kind = un.kind
	}
	switch un.kind {
	case Relationships:
		u.incoming, u.advice, u.faults = un.relations.read(item.Text)
		u.id, u.bad = u.incoming.ID, len(u.faults) > 0
	case Contacts:
		u.contact, u.faults = decodeContact(item.Text)
		u.bad = len(u.faults) > 0
	default:
		u.bad = true
	}
	if u.bad {
		un.explain(item, u)
	}
}

// explain says why a record is not understood: it is no JSON, or of another kind than its file, or else it has faults.
func (un *understander) explain(item *Item, u *understood) {
	if f := item.malformed(); f != nil {
		u.size, u.id, u.faults = 0, "", []lifecycle.Fault{*f}
		return
	}
	kind, why := kindOf(item.Text)
	if why == "" && kind != un.kind {
		why = "is one of " + string(kind) + " in a file of " + string(un.kind) + "; put it into a file of its own"
	}
	if why != "" {
		u.faults = []lifecycle.Fault{{Reason: why}}
	}
	if u.id == "" {
		u.id = idOf(item.Text)
	}
}

// A block is records that follow each other.
type block struct {
	records []understood
	size    int
	err     error // what came after them: io.EOF, a *[Broken], or why reading has stopped
}

// How much is read ahead: blocks of at most so many records, and so many bytes of the file unless a single record is longer.
const (
	blocksAhead  = 10
	recordsAhead = 256
	bytesAhead   = 256 << 10
)

// An ahead reads a file ahead of who takes its records.
type ahead struct {
	full, empty chan *block
	stopped     chan struct{}
	cancel      context.CancelFunc
	over        sync.WaitGroup
}

// readAhead begins to read. Until stop has returned, in belongs to the reading goroutine.
func readAhead(ctx context.Context, s *source, in io.Reader, un understander) (*ahead, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := newReader(s.name, until(ctx, in), s.shape)
	if err != nil {
		cancel()
		return nil, err
	}
	r.trusting = true
	a := &ahead{full: make(chan *block, blocksAhead), empty: make(chan *block, blocksAhead), stopped: make(chan struct{}), cancel: cancel}
	a.over.Go(func() { a.read(r, un) })
	return a, nil
}

// read fills blocks until the file is over, or nobody wants them any more. Blocks are made as they are needed, and used again.
func (a *ahead) read(r *Reader, un understander) {
	for {
		var b *block
		select {
		case b = <-a.empty:
		default:
			b = &block{}
		}
		b.fill(r, &un)
		select {
		case a.full <- b:
		case <-a.stopped:
			return
		}
		if b.err != nil {
			return
		}
	}
}

func (b *block) fill(r *Reader, un *understander) {
	b.records, b.size, b.err = slices.Grow(b.records[:0], recordsAhead), 0, nil
	for len(b.records) < recordsAhead && b.size < bytesAhead {
		item, err := r.Next()
		if err != nil {
			b.err = err
			return
		}
		b.size += len(item.Text)
		b.records = b.records[:len(b.records)+1]
		u := &b.records[len(b.records)-1]
		un.read(&item, u)
		u.offset = r.Offset()
	}
}

// done gives back a block whose records have been taken.
func (a *ahead) done(b *block) {
	clear(b.records) // so that their strings can go
	select {
	case a.empty <- b:
	default:
	}
}

// stop ends the reading, and returns when it has ended.
func (a *ahead) stop() {
	close(a.stopped)
	a.cancel()
	a.over.Wait()
}
