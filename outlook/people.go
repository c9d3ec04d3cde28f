package outlook

import (
	"context"
	"math"
	"strings"
	"sync"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A people knows how many there are in an audience. Most relationships share their partner with others, so each audience is asked
// for once; where there are very many customers, some are asked for again.
type people struct {
	records Records
	mu      sync.RWMutex
	known   lifecycle.Headcount
	learnt  int  // audiences, one by one
	all     bool // in an audience that is not known there is nobody
}

// mostKnown bounds the audiences that are remembered.
const mostKnown = 200_000

func newPeople(records Records) *people {
	return &people{records: records, known: lifecycle.Headcount{}}
}

// fewRecords are so many that what is noted of them stays in the processor's cache.
const fewRecords = 64

// stretch is how many records are best looked at in one go: a few, or all of a page while people are yet to be asked for, which is done
// for many audiences at a time.
func (p *people) stretch() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.all {
		return fewRecords
	}
	return math.MaxInt
}

// tell says of all steps to how many they are told.
func (p *people) tell(ctx context.Context, items []*Item) error {
	// Almost always all are known. Where they are not, all is said once more, since others may have made room meanwhile.
	for missing := p.tellKnown(items); len(missing) > 0; missing = p.tellKnown(items) {
		found, all, err := p.records.People(ctx, missing)
		if err != nil {
			return err
		}
		p.learn(missing, found, all)
	}
	return nil
}

// tellKnown says so as far as it is known, and lists the audiences of which it is not, each at least once.
func (p *people) tellKnown(items []*Item) (missing []lifecycle.Audience) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, item := range items {
		for i := range item.Steps {
			missing = item.Steps[i].tell(p.known, missing)
		}
	}
	if p.all {
		return nil
	}
	return missing
}

func (p *people) learn(audiences []lifecycle.Audience, found lifecycle.Headcount, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all {
		return // somebody has heard so meanwhile
	}
	if all {
		p.known, p.all = found, true
		return
	}
	if p.learnt > mostKnown {
		clear(p.known)
		p.learnt = 0
	}
	p.learnt += len(audiences)
	for _, audience := range audiences {
		n, _ := found.Of(audience)
		audience.TenantID = strings.Clone(audience.TenantID) // which otherwise keeps the memory of a whole page
		p.known.Put(audience, n)
	}
}
