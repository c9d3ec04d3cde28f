package httpapi

import (
	"container/list"
	"math"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Rate is how often one caller may ask. The zero Rate is [DefaultRate].
type Rate struct {
	PerSecond float64 // below zero: as often as they like
	Burst     int     // at once, after a pause
}

// DefaultRate is plenty for people and programs, and too little to keep a database busy.
var DefaultRate = Rate{PerSecond: 50, Burst: 200}

// mostCallers are those whose last requests are remembered. When another one comes, whoever has been idle longest is forgotten,
// and begins anew: by then their allowance has grown back.
const mostCallers = 10_000

// allowances is what callers may still ask for. It may be used by many goroutines.
type allowances struct {
	rate Rate

	mu      sync.Mutex
	callers map[string]*list.Element
	recent  *list.List // of *allowance, the latest first
}

type allowance struct {
	caller string
	left   *rate.Limiter
}

func newAllowances(r Rate) *allowances {
	if r.PerSecond == 0 {
		r = DefaultRate
	}
	r.Burst = max(r.Burst, 1)
	return &allowances{rate: r, callers: map[string]*list.Element{}, recent: list.New()}
}

// take lets the caller ask once more at an instant of the machine's clock; wait is for how long they must not, and then nothing is taken.
func (a *allowances) take(caller string, wall time.Time) (wait time.Duration) {
	if a.rate.PerSecond < 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.of(caller).ReserveN(wall, 1)
	if wait = one.DelayFrom(wall); wait > 0 {
		one.CancelAt(wall)
	}
	return wait
}

func (a *allowances) of(caller string) *rate.Limiter {
	if known := a.callers[caller]; known != nil {
		a.recent.MoveToFront(known)
		return known.Value.(*allowance).left
	}
	if a.recent.Len() >= mostCallers {
		idle := a.recent.Remove(a.recent.Back()).(*allowance)
		delete(a.callers, idle.caller)
	}
	fresh := &allowance{caller, rate.NewLimiter(rate.Limit(a.rate.PerSecond), a.rate.Burst)}
	a.callers[caller] = a.recent.PushFront(fresh)
	return fresh.left
}

// restrain says that the caller has asked too often; nil where they have not.
func (s *Server) restrain(b *bearer) *Problem {
	wait := s.allowances.take(b.key, s.wall())
	if wait == 0 {
		return nil
	}
	p := tooManyRequests.says(askedTooOften.Say("rate", strconv.FormatFloat(s.allowances.rate.PerSecond, 'f', -1, 64),
		"burst", s.allowances.rate.Burst, "wait", seconds(wait.Round(time.Millisecond))))
	p.header("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return p
}
