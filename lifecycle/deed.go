package lifecycle

import "time"

// A Deed is something that somebody asked of the deployment itself, and what came of it: a sweep, a hold, notices sent again, a channel
// switched off, somebody signing in. What is asked about one relationship is an [Event] of it.
type Deed struct {
	ID      int64
	At      time.Time // by the deployment's clock
	By      Caller
	What    string // the route of the request, e.g. "POST /v1/sweeps"; or one of those below
	Subject string // what it was about, or what came into being: a path
	Status  int    // of the answer, as HTTP numbers them
	Detail  string // the reason that was given; of a refusal, why
	Times   int64  // that it was tried; above 1 for refused attempts to sign in alone
}

// What people do who have no route of their own.
const (
	SignedIn  = "sign in"
	SignedOut = "sign out"
)

// Refused says whether it was not done.
func (d *Deed) Refused() bool { return d.Status >= 400 }

// A DeedQuery says which deeds are wanted, the latest first. The zero query wants all of them.
type DeedQuery struct {
	Caller  string    // name
	Request string    // id of the request
	Refused bool      // only those that were not done
	Since   time.Time // at or after
	Before  time.Time // strictly before
	After   int64     // the id of the last one on the page before
	Limit   int       // at most so many; 0: no limit
}
