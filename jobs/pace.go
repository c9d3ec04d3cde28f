package jobs

import (
	"sync/atomic"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// Letters begin together as many as go out within portionTime: beginning fewer costs transactions, beginning more leaves more
	// attempts in doubt after a crash. How many that is, is measured over measuring, since a server that takes some at a time
	// takes them in bursts.
	portionTime, measuring = 50 * time.Millisecond, 100 * time.Millisecond
	mostPortion            = 256

	// mostLetters is how many letters are claimed at once, at most. Two such batches and their messages are in memory.
	mostLetters = 500

	// portionsPerBatch makes a batch what goes out in a second or two. More would lie idle here while another process is free.
	portionsPerBatch = 16

	// mostItems is how many items of digests are in memory with one batch, as far as that can be foreseen.
	mostItems = 10_000
)

// A pace is how many letters a lane takes at a time, by how quickly they go out.
type pace struct {
	atOnce int
	size   atomic.Int64 // of a portion
	items  atomic.Int64 // of the average letter of the last batch

	letters int // since the size was set last; these two belong to whoever calls fed
	took    time.Duration
}

func newPace(atOnce int) *pace {
	p := &pace{atOnce: atOnce}
	p.size.Store(int64(min(atOnce, mostPortion)))
	return p
}

// portion is how many letters begin together.
func (p *pace) portion() int { return int(p.size.Load()) }

// batch is how many letters are claimed together.
func (p *pace) batch() int {
	most := min(max(p.portion()*portionsPerBatch, p.atOnce), mostLetters)
	return min(most, max(1, mostItems/max(1, int(p.items.Load()))))
}

// fed says how long it took until somebody had taken up each of so many letters. Where that takes no time at all, portions grow
// until it does.
func (p *pace) fed(letters int, took time.Duration) {
	p.letters, p.took = p.letters+letters, p.took+took
	size := int(p.size.Load())
	next := 2 * size
	switch {
	case p.took >= measuring:
		next = min(next, int(time.Duration(p.letters)*portionTime/p.took))
	case p.letters < 8*max(size, p.atOnce):
		return
	}
	p.size.Store(int64(min(max(next, 1), mostPortion)))
	p.letters, p.took = 0, 0
}

// claimed says what was claimed.
func (p *pace) claimed(letters []lifecycle.Letter) {
	items := 0
	for i := range letters {
		items += len(letters[i].Items)
	}
	p.items.Store(int64(items / len(letters)))
}
