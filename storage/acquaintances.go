package storage

import (
	"slices"
	"strings"
	"sync"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Acquaintances are the people of partners whom a sweep has met. A partner has many relationships, so that chunk after chunk tells the same
// people, and to look for them again is a third of finding out whom to tell. Customers have few relationships each, and are not kept.
type acquaintances struct {
	sweep int64
	mark  string // of the contacts: with another one they have to be met anew

	mu     sync.Mutex
	room   int // for how many more
	people map[lifecycle.Audience][]person
}

// mostAcquaintances bounds how many people are kept: some 300 bytes each.
const mostAcquaintances = 8192

// of are the people of an audience that has been met.
func (a *acquaintances) of(audience lifecycle.Audience) (people []person, met bool) {
	if a == nil {
		return nil, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	people, met = a.people[audience]
	return people, met
}

// meet keeps the people of an audience for the next chunk, if they are worth it.
func (a *acquaintances) meet(audience lifecycle.Audience, people []person) {
	if a == nil || audience.Role != lifecycle.AdminAgents {
		return
	}
	kept := slices.Clone(people)
	for i := range kept { // of a whole page of them, which need not stay
		p := &kept[i]
		p.mail, p.name, p.language, p.timeZone = strings.Clone(p.mail), strings.Clone(p.name), strings.Clone(p.language), strings.Clone(p.timeZone)
		p.digest = lifecycle.Digest(strings.Clone(string(p.digest)))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.room -= 1 + len(kept); a.room >= 0 {
		a.people[audience] = kept
	}
}

// acquainted are those whom a sweep has met while contacts had a mark. There is one sweep at a time, mostly: another one begins anew.
func (db *DB) acquainted(sweep int64, mark string) *acquaintances {
	for {
		known := db.known.Load()
		if known != nil && known.sweep == sweep && known.mark == mark {
			return known
		}
		fresh := &acquaintances{sweep: sweep, mark: mark, room: mostAcquaintances, people: map[lifecycle.Audience][]person{}}
		if db.known.CompareAndSwap(known, fresh) {
			return fresh
		}
	}
}
