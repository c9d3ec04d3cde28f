//go:build unix

package storm

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// A fault is something that breaks, for a while. do returns when it is whole again, or when nothing more has to be done about
// it; which and how long come from the plan, so that a seed brings the same again.
type fault struct {
	name string
	do   func(w *world, which int, while time.Duration)
}

// A line is faults that come one after the other, since they are about the same thing. Different lines know nothing of each
// other, so that two things may be broken at once.
type line struct {
	name   string
	pause  time.Duration // between two faults: from half of it to half as much again
	while  time.Duration // that one lasts: likewise
	faults []fault
}

// A step is a fault in its place in the plan.
type step struct {
	line  string
	after time.Duration // the end of the step before
	fault fault
	which int
	while time.Duration
}

func (s step) String() string {
	return fmt.Sprintf("%s: after %v, %s %d for %v", s.line, s.after.Round(time.Millisecond), s.fault.name, s.which, s.while.Round(time.Millisecond))
}

// lines are all that may break in this world.
func (w *world) lines() []line {
	second := time.Second
	all := []line{
		{"processes", 700 * time.Millisecond, 2 * second, []fault{
			{"kill a process", func(w *world, which int, _ time.Duration) { w.member(which).signal(syscall.SIGKILL) }},
			{"kill a process", func(w *world, which int, _ time.Duration) { w.member(which).signal(syscall.SIGKILL) }},
			{"freeze a process", freeze},
			{"freeze a process past its leases", func(w *world, which int, while time.Duration) { freeze(w, which, while+4*time.Second) }},
			{"stop a process", func(w *world, which int, _ time.Duration) { w.member(which).signal(syscall.SIGTERM) }},
			{"kill every worker", func(w *world, _ int, _ time.Duration) { w.killAll("worker") }},
			{"kill every scheduler", func(w *world, _ int, _ time.Duration) { w.killAll("scheduler") }},
			{"kill two processes", func(w *world, which int, _ time.Duration) {
				w.member(which).signal(syscall.SIGKILL)
				w.member(which + 3).signal(syscall.SIGKILL)
			}},
		}},
		{"PostgreSQL", 1500 * time.Millisecond, second, []fault{
			{"restart", func(w *world, _ int, while time.Duration) {
				w.postgres.Stop()
				time.Sleep(while / 2)
				w.postgres.Start()
			}},
			{"crash", func(w *world, _ int, _ time.Duration) { w.postgres.Crash(); w.postgres.Start() }},
			{"pause", func(w *world, _ int, while time.Duration) { w.postgres.Pause(); time.Sleep(while); w.postgres.Resume() }},
			{"full disk", full},
		}},
		{"mail", 1200 * time.Millisecond, second, append(onWire("mail"), fault{"puts off", func(w *world, _ int, while time.Duration) {
			w.inbox.refusing(true)
			time.Sleep(while)
			w.inbox.refusing(false)
		}})},
		{"way to PostgreSQL", 1500 * time.Millisecond, second, onWire("postgres")},
	}
	all = append(all, w.redisLine())
	if w.wires["redis"] != nil {
		all = append(all, line{"way to Redis", 1500 * time.Millisecond, second, onWire("redis")})
	}
	return all
}

// redisLine is what breaks in a Redis of the kind that is there.
func (w *world) redisLine() line {
	l := line{"Redis", 1200 * time.Millisecond, time.Second, []fault{
		{"flush", func(w *world, which int, _ time.Duration) { w.flush(which) }},
		{"pause", func(w *world, which int, while time.Duration) {
			s := w.redis.Servers[which%len(w.redis.Servers)]
			s.Pause()
			time.Sleep(while)
			s.Resume()
		}},
	}}
	lose := fault{"restart", func(w *world, which int, while time.Duration) {
		s := w.redis.Servers[which%len(w.redis.Servers)]
		s.Kill()
		time.Sleep(while)
		s.Restart()
	}}
	switch w.settings.redis {
	case "sentinel":
		lose.name, l.while = "fail over", 5*time.Second // so long it takes the sentinels
	case "cluster":
		lose.name, l.while = "lose a master", 3*time.Second
	}
	l.faults = append(l.faults, lose)
	return l
}

// flush empties one of the servers; one that is away has nothing to lose.
func (w *world) flush(which int) {
	options, err := redis.ParseURL(w.redis.Servers[which%len(w.redis.Servers)].URL())
	if err != nil {
		w.t.Error(err)
		return
	}
	options.DialerRetries, options.MaxRetries = 1, -1
	client := redis.NewClient(options)
	defer client.Close()
	_ = client.FlushAll(w.t.Context()).Err()
}

func onWire(name string) []fault {
	on := func(what string, do func(*wire, time.Duration)) fault {
		return fault{what, func(w *world, _ int, while time.Duration) { do(w.wires[name], while) }}
	}
	return []fault{
		on("hang up", func(wire *wire, _ time.Duration) { wire.cut(false) }),
		on("reset", func(wire *wire, _ time.Duration) { wire.cut(true) }),
		on("nobody gets through", func(wire *wire, while time.Duration) { wire.takeDown(); time.Sleep(while); wire.heal() }),
		on("slow", func(wire *wire, while time.Duration) {
			wire.slow(20 * time.Millisecond)
			time.Sleep(while)
			wire.heal()
		}),
		on("silent", func(wire *wire, while time.Duration) { wire.silence(); time.Sleep(while); wire.heal() }),
	}
}

func freeze(w *world, which int, while time.Duration) {
	m := w.member(which)
	m.signal(syscall.SIGSTOP)
	time.Sleep(while)
	m.signal(syscall.SIGCONT)
}

// full lets no file of PostgreSQL grow, as a full disk does. Connections that are open do not mind, so they are ended: everybody
// comes back to a server that is full.
func full(w *world, _ int, while time.Duration) {
	if !w.postgres.CanFill() {
		w.t.Log("no prlimit here: the disk does not fill up")
		return
	}
	w.postgres.Fill()
	w.wires["postgres"].cut(false)
	time.Sleep(while)
	w.postgres.Clear()
	w.wires["postgres"].cut(false)
}

func (w *world) member(which int) *member { return w.fleet.members[which%len(w.fleet.members)] }

func (w *world) killAll(role string) {
	for _, m := range w.fleet.members {
		if strings.HasPrefix(m.name, role) {
			m.signal(syscall.SIGKILL)
		}
	}
}

// plan deals every line's faults out, each once before any comes again, for as long as the storm lasts. It depends on nothing
// but the seed and the settings.
func plan(lines []line, seed uint64, lasting time.Duration) map[string][]step {
	steps := map[string][]step{}
	for _, l := range lines {
		random := source(seed, l.name)
		around := func(d time.Duration) time.Duration { return d/2 + time.Duration(random.Int64N(int64(d))) }
		var deck []fault
		for total := time.Duration(0); total < lasting; {
			if len(deck) == 0 {
				for _, i := range random.Perm(len(l.faults)) {
					deck = append(deck, l.faults[i])
				}
			}
			s := step{line: l.name, after: around(l.pause), fault: deck[0], which: random.IntN(1 << 10), while: around(l.while)}
			deck = deck[1:]
			steps[l.name] = append(steps[l.name], s)
			total += s.after
		}
	}
	return steps
}

// source is chance that is the same for a seed and a name, whatever else happens.
func source(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// rage carries the plan out until ctx ends, and leaves everything whole.
func (w *world) rage(ctx context.Context, began time.Time) (counts map[string]int) {
	counts = map[string]int{}
	var mu sync.Mutex
	var raging sync.WaitGroup
	for _, steps := range plan(w.lines(), w.settings.seed, 2*w.settings.lasting) {
		raging.Go(func() {
			for _, s := range steps {
				select {
				case <-ctx.Done():
					return
				case <-time.After(s.after):
				}
				w.t.Logf("%6.2fs %v", time.Since(began).Seconds(), s)
				s.fault.do(w, s.which, s.while)
				mu.Lock()
				counts[s.line+": "+s.fault.name]++
				mu.Unlock()
			}
		})
	}
	raging.Wait()
	return counts
}
