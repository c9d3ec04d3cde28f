package storage

import (
	"context"
	"sync"
	"sync/atomic"
)

// A readAhead reads pages before they are asked for, on all connections of an outlook at once: each takes the next reach of keys, and
// pages are handed over in the order of the reaches.
type readAhead struct {
	o       *Outlook
	ctx     context.Context
	stop    context.CancelFunc
	readers sync.WaitGroup
	reaches chan *reach // in the order of their keys
	current *reach      // of which pages are being handed over

	mu    sync.Mutex // of what is left; whoever has it may wait for pages to be taken, and so for other readers
	after int64
	last  int64 // the greatest key that there is
	all   bool  // has been given out

	width atomic.Int64 // keys of the next reach, about as many as make a page
}

// A reach is the relationships behind one key, as far as another.
type reach struct {
	after, upTo int64
	pages       chan outlookPage // one waits
	err         error            // why there are no more of them
}

// mostReaches are read before anybody wants them: about as many as one connection reads while another counts everybody, for whom all
// wait who look ahead.
const mostReaches = 8

// readAhead begins behind a page that was full, from which it takes how close keys lie.
func (o *Outlook) readAhead(ctx context.Context) error {
	a := &readAhead{o: o, reaches: make(chan *reach, mostReaches), after: o.after}
	a.width.Store(max(o.after, int64(o.query.most())))
	var now struct {
		Moment string `json:"moment"`
		Last   int64  `json:"last"`
	}
	err := o.with(ctx, func(r *outlookReader) error {
		return r.get(ctx, &now, `SELECT pg_export_snapshot() AS moment, coalesce(max(key), 0) AS last FROM agreements`, nil)
	})
	if err != nil {
		return err
	}
	a.last = now.Last
	a.ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx)) // ctx is that of one page
	a.readers.Go(a.readAll)
	for range o.query.Readers - 1 {
		a.readers.Go(func() {
			if r, err := o.db.readerAt(a.ctx, now.Moment); err == nil { // otherwise no connection is left, and the others do its share
				o.idle <- r
				a.readAll()
			}
		})
	}
	o.ahead = a
	return nil
}

// end has everybody stop, and waits for them.
func (a *readAhead) end() {
	a.stop()
	a.readers.Wait()
}

// next is the next page; one without rows where there is none.
func (a *readAhead) next(ctx context.Context) (outlookPage, error) {
	for {
		if a.current == nil {
			s, more, err := receive(ctx, a.reaches)
			if err != nil || !more {
				return outlookPage{}, err
			}
			a.current = s
		}
		page, more, err := receive(ctx, a.current.pages)
		if err != nil || more && page.n > 0 {
			return page, err
		}
		if !more {
			if a.current.err != nil {
				return page, a.current.err
			}
			a.current = nil
		}
	}
}

// receive waits for what comes next, unless nobody wants it any more.
func receive[T any](ctx context.Context, from <-chan T) (value T, more bool, err error) {
	select {
	case value, more = <-from:
		return value, more, nil
	case <-ctx.Done():
		return value, false, ctx.Err()
	}
}

// readAll reads reach by reach, beside others who do.
func (a *readAhead) readAll() {
	for s := a.cut(); s != nil; s = a.cut() {
		s.err = a.read(s)
		close(s.pages)
	}
}

// cut takes the next reach of what is left; nil where nothing is, or where it is not wanted any more.
func (a *readAhead) cut() *reach {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.after >= a.last {
		if !a.all {
			a.all = true
			close(a.reaches)
		}
		return nil
	}
	s := &reach{after: a.after, upTo: a.after + min(a.width.Load(), a.last-a.after), pages: make(chan outlookPage, 1)}
	select {
	case a.reaches <- s:
		a.after = s.upTo
		return s
	case <-a.ctx.Done():
		return nil
	}
}

// read reads the pages of a reach: mostly one.
func (a *readAhead) read(s *reach) error {
	most := a.o.query.most()
	for more := true; more; {
		page, err := a.o.read(a.ctx, s.after, s.upTo)
		if err != nil {
			return err
		}
		more = page.n == most && page.last < s.upTo
		a.learn(page.n, most, more)
		s.after = page.last
		select {
		case s.pages <- page:
		case <-a.ctx.Done():
			return a.ctx.Err()
		}
	}
	return nil
}

// learn makes reaches longer where a page had room for as much again, and shorter where one was not enough.
func (a *readAhead) learn(n, most int, more bool) {
	switch width := a.width.Load(); {
	case more:
		a.width.Store(max(width/2, int64(most)))
	case n <= most/2 && width < a.last:
		a.width.Store(2 * width)
	}
}
