package httpapi

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A sparing is an answer of the database that costs more the larger the database is. It is kept for twenty times as long as it took
// to get: however often somebody asks, a twentieth of the time is all that goes into it, and while it is quick it is fresh.
type sparing[T any] struct {
	mu     sync.Mutex
	answer T
	keep   time.Duration
	age    func() time.Duration // nil: there is no answer yet

	watch func() func() time.Duration // starts a stopwatch; nil: the machine's
}

func (s *sparing[T]) get(read func() (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.age != nil && s.age() < s.keep {
		return s.answer, nil
	}
	watch := s.watch
	if watch == nil {
		watch = stopwatch
	}
	took := watch()
	answer, err := read()
	if err != nil {
		return answer, err
	}
	const times = 20
	s.answer, s.keep, s.age = answer, times*took(), watch()
	return answer, nil
}

// stopwatch measures on the machine's clock, whatever that of the deployment says.
func stopwatch() func() time.Duration { return prometheus.NewTimer(nil).ObserveDuration }
