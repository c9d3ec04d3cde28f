package outlook

import (
	"context"
	"sync"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A people knows how many there are in an audience. Most relationships share their partner with others, so each audience is asked
// for once; where there are very many customers, some are asked for again.
type people struct {
	records Records
	mu      sync.RWMutex
	known   map[lifecycle.Audience]int64
}

// mostKnown bounds the audiences that are remembered.
const mostKnown = 200_000

func newPeople(records Records) *people {
	return &people{records: records, known: map[lifecycle.Audience]int64{}}
}

// of counts all audiences that the notices of these steps go to.
func (p *people) of(ctx context.Context, steps []*Step) (map[lifecycle.Audience]int64, error) {
	counts := map[lifecycle.Audience]int64{}
	var missing []lifecycle.Audience
	p.mu.RLock()
	for _, step := range steps {
		for i := range step.Notices {
			for _, to := range step.Notices[i].To {
				if to.Endpoint || to.Muted {
					continue
				}
				if _, ok := counts[to.Audience]; ok {
					continue
				}
				n, ok := p.known[to.Audience]
				if !ok {
					missing = append(missing, to.Audience)
				}
				counts[to.Audience] = n
			}
		}
	}
	p.mu.RUnlock()
	if len(missing) == 0 {
		return counts, nil
	}
	found, err := p.records.People(ctx, missing)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) > mostKnown {
		clear(p.known)
	}
	for _, audience := range missing {
		counts[audience], p.known[audience] = found[audience], found[audience]
	}
	return counts, nil
}
