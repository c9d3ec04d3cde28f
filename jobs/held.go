package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// letterLease is how long the letters of a dead courier wait before another one sends them. A living one prolongs it.
const letterLease = 6 * time.Second

// Held are the letters that one drive has claimed and not settled. Their leases are prolonged until they are.
type held struct {
	*Courier
	mu     sync.Mutex
	leases map[lifecycle.NoticeID]lease
}

type lease struct {
	claim int
	until time.Time
}

func newHeld(c *Courier) *held {
	return &held{Courier: c, leases: map[lifecycle.NoticeID]lease{}}
}

// take takes letters into account that were just claimed, and answers with those that are new here. A clock that was set
// forward lets a courier claim what it is sending at this moment; that it does not send again.
func (h *held) take(letters []lifecycle.Letter, until time.Time) []lifecycle.Letter {
	h.mu.Lock()
	defer h.mu.Unlock()
	fresh := letters[:0]
	for i := range letters {
		if _, here := h.leases[letters[i].NoticeID]; here {
			continue
		}
		h.leases[letters[i].NoticeID] = lease{letters[i].Claim, until}
		fresh = append(fresh, letters[i])
	}
	return fresh
}

// holds says whether the lease of a letter still runs. Once it does not, somebody else may be sending the letter.
func (h *held) holds(l *lifecycle.Letter) bool {
	wall := h.Wall()
	h.mu.Lock()
	defer h.mu.Unlock()
	mine, here := h.leases[l.NoticeID]
	return here && mine.until.After(wall)
}

// lose is for letters that somebody else has taken over, or an operator has stopped: all but mine.
func (h *held) lose(letters, mine []lifecycle.Letter) {
	if len(letters) == len(mine) {
		return
	}
	still := map[lifecycle.NoticeID]bool{}
	for i := range mine {
		still[mine[i].NoticeID] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range letters {
		if !still[letters[i].NoticeID] {
			delete(h.leases, letters[i].NoticeID)
		}
	}
}

// drop is for letters that are settled.
func (h *held) drop(settled []lifecycle.Settled) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range settled {
		delete(h.leases, settled[i].NoticeID)
	}
}

// keep prolongs leases until ctx ends, three times before they would end.
func (h *held) keep(ctx context.Context) {
	tick := time.NewTicker(letterLease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.prolong(ctx)
		}
	}
}

func (h *held) prolong(ctx context.Context) {
	h.mu.Lock()
	letters := make([]lifecycle.Letter, 0, len(h.leases))
	for id, l := range h.leases {
		letters = append(letters, lifecycle.Letter{NoticeID: id, Claim: l.claim})
	}
	h.mu.Unlock()
	if len(letters) == 0 {
		return
	}
	until := h.Wall().Add(letterLease)
	kept, err := h.Store.KeepLetters(ctx, letters, until)
	if err != nil {
		h.Log.DebugContext(ctx, "could not prolong the lease of letters", "letters", len(letters), "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ends := make(map[lifecycle.NoticeID]time.Time, len(kept)) // zero for what somebody has taken over, or what has just been settled
	for _, id := range kept {
		ends[id] = until
	}
	for i := range letters {
		if _, here := h.leases[letters[i].NoticeID]; here {
			h.leases[letters[i].NoticeID] = lease{letters[i].Claim, ends[letters[i].NoticeID]}
		}
	}
}
