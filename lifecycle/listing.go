package lifecycle

import "time"

// A Listing says which relationships a list for operators shows, and in which order. Beside what a [RelationshipQuery] asks, it knows of
// timers and holds, and each of its orders goes both ways.
type Listing struct {
	Filter Filter
	DueBy  time.Time // only those whose timer has fallen due by this instant and is not on hold; zero: whatever timer they have
	Held   bool      // only those that are on hold, or one of whose tenants is

	NextFrom, NextBefore time.Time // only those whose timer falls due at the first or later, and before the second; zero: whenever

	GlobalAdministrator Wish   // whether they hold that role
	Role                string // the id of a role that they hold; empty: whichever they do

	By         ListingOrder
	Descending bool
	After      *Listed // the last one on the page before; nil: from the beginning
	Limit      int     // at most so many
	Look       int     // at most so many are looked at in the order of the list, and again for each of the indexes that it is put together from; 0: as many as it takes
}

// A Wish is whether something is wanted.
type Wish int

// The wishes. The zero Wish leaves nothing out.
const (
	Whichever Wish = iota
	With
	Without
)

// A ListingOrder is what a list is sorted by, and within it by how the relationships came in. What has no value is left out.
type ListingOrder string

// The orders.
const (
	ByArrival  ListingOrder = "arrival" // as they came in
	ByNext     ListingOrder = "next"    // the instant of the next timer
	ByEnd      ListingOrder = "end"     // when they end, or ended
	ByName     ListingOrder = "name"    // as names compare
	ByModified ListingOrder = "modified"
)

// ListingOrders lists them all.
var ListingOrders = []ListingOrder{ByArrival, ByNext, ByEnd, ByName, ByModified}

// A Listed is a relationship in a list, with its next timer as it is stored.
type Listed struct {
	Stored
	Next Timer
}

// Instant is what the order sorts by; zero where that is no instant.
func (l *Listed) Instant(by ListingOrder) time.Time {
	switch by {
	case ByNext:
		return l.Next.At
	case ByEnd:
		return l.End
	case ByModified:
		return l.Modified
	}
	return time.Time{}
}
