package outlook

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Records hands over relationships as they were at one moment, and says who would be told.
type Records interface {
	// Next reads a page. What it answers with makes the records of it, in any goroutine. more is false, and there is no page, when all
	// have been read.
	Next(ctx context.Context) (decode Decode, more bool, err error)

	// People counts who holds a role in a tenant, for each audience that there is somebody in. all says that the answer has every such
	// audience, asked for or not; then nobody changes it any more. It is asked from many goroutines.
	People(ctx context.Context, audiences []lifecycle.Audience) (people lifecycle.Headcount, all bool, err error)
}

// Decode makes the next records of a page, as many as are wanted, in the memory of into where that is enough. Those that cannot be read
// are failures. Once it has made all it answers with neither.
type Decode = func(into []lifecycle.Stored, most int) ([]lifecycle.Stored, []lifecycle.Failure)

// A pageOf is a page on its way through the workers.
type pageOf[T any] struct {
	decode Decode
	done   chan T
}

// eachPage has all pages worked on, several at a time, and takes the results in the order in which the pages were read. No more
// of them are in memory than there are workers, twice.
func eachPage[T any](ctx context.Context, records Records, work func(context.Context, Decode) (T, error), take func(T) error) error {
	workers := runtime.GOMAXPROCS(0)
	group, ctx := errgroup.WithContext(ctx)
	pages, inOrder := make(chan pageOf[T], 1), make(chan pageOf[T], workers) // one waits, so that the database need not
	group.Go(func() error {
		defer close(pages)
		defer close(inOrder)
		return readPages(ctx, records, pages, inOrder)
	})
	for range workers {
		group.Go(func() error {
			for page := range pages {
				result, err := work(ctx, page.decode)
				if err != nil {
					return err
				}
				page.done <- result
			}
			return nil
		})
	}
	group.Go(func() error {
		for page := range inOrder {
			select {
			case result := <-page.done:
				if err := take(result); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("looking ahead: %w", err)
	}
	return nil
}

func readPages[T any](ctx context.Context, records Records, pages, inOrder chan<- pageOf[T]) error {
	for {
		decode, more, err := records.Next(ctx)
		if err != nil || !more {
			return err
		}
		page := pageOf[T]{decode, make(chan T, 1)}
		for _, to := range []chan<- pageOf[T]{inOrder, pages} {
			select {
			case to <- page:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// inStretches looks at the records of a page, so many at a time as most says just then.
func inStretches(decode Decode, most func() int, look func([]lifecycle.Stored, []lifecycle.Failure) error) error {
	var into []lifecycle.Stored
	for {
		records, failures := decode(into, most())
		if len(records)+len(failures) == 0 {
			return nil
		}
		if err := look(records, failures); err != nil {
			return err
		}
		into = records
	}
}

// decided runs a function that thinks about one record; a record that breaks it becomes a failure, and the others go on.
func decided(r *lifecycle.Stored, think func()) (failure *lifecycle.Failure) {
	defer func() {
		if x := recover(); x != nil {
			failure = &lifecycle.Failure{RelationshipID: r.ID, Key: r.Key, Reason: fmt.Sprintf("evaluating the record: %v", x)}
		}
	}()
	think()
	return nil
}
