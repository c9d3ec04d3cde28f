package jobs

import (
	"context"
	"errors"
	"time"
)

// errLeaseLost ends work that somebody else has taken over.
var errLeaseLost = errors.New("another worker has taken it over")

// holding does work under a lease, which keep prolongs three times before it would end. Where keep says that the lease is
// lost, the work is broken off with errLeaseLost; where it fails, the lease may yet hold.
func holding(ctx context.Context, lease time.Duration, keep func(context.Context) (bool, error), work func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		keepLease(ctx, lease, keep, stop)
	}()
	defer func() {
		stop(nil)
		<-kept
	}()
	err := work(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errLeaseLost) {
		return errLeaseLost // without an error the work is closed, which to the keeper of the lease looks the same
	}
	return err
}

func keepLease(ctx context.Context, lease time.Duration, keep func(context.Context) (bool, error), stop context.CancelCauseFunc) {
	tick := time.NewTicker(lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if kept, err := keep(ctx); err == nil && !kept {
				stop(errLeaseLost)
				return
			}
		}
	}
}
