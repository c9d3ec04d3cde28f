package lifecycle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A RefusedRequest is something that somebody asked for and did not get, to be kept beside the changes.
type RefusedRequest struct {
	RelationshipID string // of one that the caller sees; empty where there is none
	Subject        string // what it was about: an id that there is not, or not for the caller; a name; a path
	Action         string // what was asked for, e.g. "terminate"
	Code           Reason // e.g. "wrongStatus"
	Detail         string // for people
	By             Caller
	At             time.Time // by the deployment's clock
}

// Side is on whose behalf it was asked for; empty for an operator, and for who may only look.
func (r *RefusedRequest) Side() Actor {
	switch r.By.Role {
	case AdminAgents:
		return Partner
	case GlobalAdministrators:
		return Customer
	}
	return ""
}

// ShowTo takes out of the event what the viewer may not know: of somebody who is not of their tenant they learn on which side
// that was, and no more.
func (e *Event) ShowTo(viewer *Caller) {
	if viewer.Role == Operator || (e.By != nil && e.By.Tenant == viewer.Tenant) {
		return
	}
	e.By, e.Detail = nil, ""
}

// Position is the event's place in the log.
func (e *Event) Position() *ActivityPosition {
	return &ActivityPosition{Recorded: e.Recorded, Key: e.Key, Version: e.Version}
}

// An ActivityPosition is a place in the log of activities: events follow each other by when they were recorded.
type ActivityPosition struct {
	Recorded     time.Time
	Key, Version int64
}

// String writes the place as lists name it to those who go on there.
func (p *ActivityPosition) String() string {
	return fmt.Sprintf("%s/%d/%d", FormatInstant(p.Recorded), p.Key, p.Version)
}

// ParseActivityPosition reads what String writes. The error leaves the text out.
func ParseActivityPosition(s string) (*ActivityPosition, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return nil, errors.New("is not a place in the list")
	}
	recorded, recordedErr := ParseInstant(parts[0])
	key, keyErr := strconv.ParseInt(parts[1], 10, 64)
	version, versionErr := strconv.ParseInt(parts[2], 10, 64)
	if recordedErr != nil || keyErr != nil || versionErr != nil {
		return nil, errors.New("is not a place in the list")
	}
	return &ActivityPosition{recorded, key, version}, nil
}

// An ActivityQuery says which events are wanted, the latest first. The zero query wants all of them.
type ActivityQuery struct {
	Viewer       *Caller // who looks: only what is about their tenant's relationships, and their own tenant's refusals; nil: everything
	Relationship string  // id
	Types        []EventType
	Actors       []Actor
	Caller       string            // name
	Tenant       string            // of the caller; lower case
	Request      string            // id of the request
	Since        time.Time         // recorded at or after
	Before       time.Time         // recorded strictly before
	After        *ActivityPosition // the last one on the page before
	Limit        int               // at most so many; 0: no limit
	OldestFirst  bool              // for exports
}
