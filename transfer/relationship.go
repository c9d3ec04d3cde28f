package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A relationshipReader understands records as relationships, whoever's they are.
type relationshipReader struct {
	partner string // whose they are unless a record says so
	policy  *lifecycle.Policy
	now     time.Time
}

// read understands text as a relationship. It finds every fault at once; where there is one the record is not to be used.
func (rr *relationshipReader) read(text []byte) (lifecycle.Incoming, []lifecycle.Advice, []lifecycle.Fault) {
	w, err := decodeWire(text)
	if err != nil {
		return lifecycle.Incoming{}, nil, []lifecycle.Fault{typeFault(err)}
	}
	if w.Partner == nil || w.Partner.TenantID == "" {
		w.Partner = &lifecycle.WireTenant{TenantID: rr.partner}
	}
	record, advice, faults := w.Record(rr.policy, rr.now)
	for i, f := range faults {
		if f.Field == "partner.tenantId" && f.Value == "" {
			faults[i].Reason = `is missing; say whose the records are with --partner TENANT, or in the record with "partner":{"tenantId":…}`
		}
	}
	in := lifecycle.Incoming{Record: record, Unsaid: w.Unsaid()}
	if len(faults) == 0 {
		in.Digest = digest(w, &record, rr.policy)
	}
	slices.Sort(advice)
	return in, slices.Compact(advice), faults
}

// digest is a hash of what a record says, 32 hexadecimal digits. It is the same however the record is spelled (the order of
// the fields, P104W2D for P730D, +09:00 for Z), and does not depend on when it is read: what the reader fills in by itself
// is not in it, nor what it leaves aside.
func digest(w *lifecycle.Wire, r *lifecycle.Record, p *lifecycle.Policy) string {
	said := r.Wire(p)
	said.EndedDateTime, said.NameReleased = nil, w.NameReleased
	if w.CreatedDateTime == nil {
		said.CreatedDateTime = nil
	}
	if w.LastModifiedDateTime == nil {
		said.LastModifiedDateTime = nil
	}
	if w.LockedDateTime == nil {
		said.LockedDateTime = nil
	}
	return hashed(appendWire(make([]byte, 0, usualRecord), said))
}

// usualRecord is how many bytes of JSON a record seldom exceeds.
const usualRecord = 1 << 10

// digestOf hashes a value that always has JSON.
func digestOf(v any) string { return hashed(jsonOf(v)) }

func jsonOf(v any) []byte {
	text, _ := json.Marshal(v)
	return text
}

func hashed(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// typeFault says what is wrong with JSON that is well formed but not what it should be.
func typeFault(err error) lifecycle.Fault {
	var fault lifecycle.Fault
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &wrong):
		return lifecycle.Fault{Field: wrong.Field, Value: wrong.Value, Reason: fmt.Sprintf("is not of the right type, want %s", wrong.Type)}
	}
	return lifecycle.Fault{Reason: err.Error()}
}

// A Kind is what the records of a file are.
type Kind string

// The kinds.
const (
	KindUnknown   Kind = ""
	Relationships Kind = "relationships"
	Contacts      Kind = "contacts"
)

// marks are the fields by which a record is recognised. A field that is null counts as there.
type marks struct {
	ID             json.RawMessage `json:"id"`
	Status         json.RawMessage `json:"status"`
	Duration       json.RawMessage `json:"duration"`
	AccessDetails  json.RawMessage `json:"accessDetails"`
	TenantID       json.RawMessage `json:"tenantId"`
	Role           json.RawMessage `json:"role"`
	Mail           json.RawMessage `json:"mail"`
	Action         json.RawMessage `json:"action"`
	RelationshipID json.RawMessage `json:"relationshipId"`
	Value          json.RawMessage `json:"value"`
	Error          json.RawMessage `json:"error"`
}

// kindOf recognises a record by its fields; where it cannot, why says what the record is instead.
func kindOf(text []byte) (kind Kind, why string) {
	var m marks
	_ = json.Unmarshal(text, &m) // raw fields take anything
	switch {
	case m.Status != nil || m.Duration != nil || m.AccessDetails != nil:
		return Relationships, ""
	case m.TenantID != nil || m.Role != nil || m.Mail != nil:
		return Contacts, ""
	case m.Action != nil || m.RelationshipID != nil:
		return KindUnknown, "is an action; actions are for tenure simulate"
	case m.Error != nil:
		return KindUnknown, "is an error answer, not a record; fetch it again"
	case m.Value != nil:
		return KindUnknown, "is a list response, not a record; put each response into a file of its own"
	case m.ID != nil:
		return Relationships, ""
	}
	return KindUnknown, "has none of the fields of a relationship (id, displayName, duration, status, …) or of a contact (" + strings.Join(lifecycle.ContactColumns, ", ") + ")"
}

// idOf is the id of a record that could not be read, for the report.
func idOf(text []byte) string {
	var m marks
	var id string
	if json.Unmarshal(text, &m) == nil {
		_ = json.Unmarshal(m.ID, &id) // not a string: not an id
	}
	return id
}
