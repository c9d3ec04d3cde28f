package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Wire is a relationship as JSON writes it: the names of Microsoft Graph v1.0 delegatedAdminRelationship, and beside them
// partner, lockedDateTime, endedDateTime and nameReleased, which are ours. A field that is null and one that is missing are
// the same. Instants and periods are kept as text, so that a bad one can be reported as it was written.
type Wire struct {
	ETag                 string      `json:"@odata.etag,omitempty"`
	ID                   string      `json:"id"`
	DisplayName          string      `json:"displayName"`
	Duration             string      `json:"duration"`
	AutoExtendDuration   string      `json:"autoExtendDuration"`
	Status               string      `json:"status"`
	Partner              *WireTenant `json:"partner,omitempty"`
	Customer             *WireTenant `json:"customer"`
	AccessDetails        *WireAccess `json:"accessDetails"`
	CreatedDateTime      *string     `json:"createdDateTime"`
	LastModifiedDateTime *string     `json:"lastModifiedDateTime"`
	LockedDateTime       *string     `json:"lockedDateTime"`
	ActivatedDateTime    *string     `json:"activatedDateTime"`
	EndDateTime          *string     `json:"endDateTime"`
	EndedDateTime        *string     `json:"endedDateTime"` // written, and on reading left aside: endDateTime says it
	NameReleased         bool        `json:"nameReleased"`
}

// A WireTenant is a tenant in JSON.
type WireTenant struct {
	TenantID    string `json:"tenantId"`
	DisplayName string `json:"displayName,omitempty"`
}

// WireAccess is what the relationship gives access to.
type WireAccess struct {
	UnifiedRoles []WireRole `json:"unifiedRoles"`
}

// A WireRole names a directory role by its template id.
type WireRole struct {
	RoleDefinitionID string `json:"roleDefinitionId"`
}

// Wire writes r for JSON. It leaves the etag out: what is exported from one database must be the same from its copy.
func (r *Record) Wire(p *Policy) *Wire {
	w := &Wire{
		ID: r.ID, DisplayName: r.DisplayName, Duration: r.Duration.String(),
		AutoExtendDuration: p.AutoExtendDuration(r.AutoExtend).String(), Status: string(r.Status),
		Partner:         &WireTenant{TenantID: r.Partner},
		AccessDetails:   &WireAccess{UnifiedRoles: make([]WireRole, 0, len(r.Roles))},
		CreatedDateTime: wireInstant(r.Created), LastModifiedDateTime: wireInstant(r.Modified),
		LockedDateTime: wireInstant(r.Locked), ActivatedDateTime: wireInstant(r.Activated),
		EndDateTime: wireInstant(r.End), EndedDateTime: wireInstant(r.Ended()), NameReleased: !r.NameReleased.IsZero(),
	}
	if r.Customer != (Tenant{}) {
		w.Customer = &WireTenant{TenantID: r.Customer.TenantID, DisplayName: r.Customer.DisplayName}
	}
	for _, role := range r.Roles {
		w.AccessDetails.UnifiedRoles = append(w.AccessDetails.UnifiedRoles, WireRole{role})
	}
	return w
}

// An Advice is something about a record that is taken as it is, but that its owner should know.
type Advice string

// What an import may have to say about a record that it takes.
const (
	LockedAssumed       Advice = "lockedDateTime missing, lastModifiedDateTime or createdDateTime taken"
	NeverExtends        Advice = "autoExtendDuration is on, but beside Global Administrator nothing is ever extended"
	NoRoles             Advice = "no directory roles are given, so nobody knows whether it holds Global Administrator"
	EndedInFuture       Advice = "endDateTime of an ended relationship lies in the future, taken as it is"
	PrecisionCut        Advice = "an instant finer than a microsecond was cut"
	ProvisioningPending Advice = "status is one that another system has to complete; no timer runs until it has"
)

// Record reads w as it stands at now. It finds every fault at once; where there is one the record is not to be used.
// Tenant, role and Graph ids are brought into lower case.
func (w *Wire) Record(p *Policy, now time.Time) (Record, []Advice, []Fault) {
	in := wireReader{}
	r := Record{
		ID: CanonicalID(w.ID), DisplayName: w.DisplayName, Status: Status(w.Status),
		Duration: in.period("duration", w.Duration),
		Created:  in.instant("createdDateTime", w.CreatedDateTime), Modified: in.instant("lastModifiedDateTime", w.LastModifiedDateTime),
		Locked: in.instant("lockedDateTime", w.LockedDateTime), Activated: in.instant("activatedDateTime", w.ActivatedDateTime),
		End: in.instant("endDateTime", w.EndDateTime),
	}
	if w.Partner != nil {
		r.Partner = strings.ToLower(w.Partner.TenantID)
	}
	if w.Customer != nil {
		r.Customer = Tenant{strings.ToLower(w.Customer.TenantID), w.Customer.DisplayName}
	}
	if w.AccessDetails != nil {
		for _, role := range w.AccessDetails.UnifiedRoles {
			r.Roles = append(r.Roles, strings.ToLower(role.RoleDefinitionID))
		}
	}
	if w.AutoExtendDuration != "" {
		on, err := p.ParseAutoExtend(w.AutoExtendDuration)
		in.check("autoExtendDuration", w.AutoExtendDuration, err)
		r.AutoExtend = on
	}
	in.complete(&r, p, w.NameReleased, now)
	for _, f := range in.notYetReported(r.Validate(p)) {
		if written := w.written(f.Field); written != "" {
			f.Value = written
		}
		in.faults = append(in.faults, f)
	}
	return r, in.advice, in.faults
}

// written is the value of a field as it was written, where that may differ from how the product writes it.
func (w *Wire) written(field string) string {
	instants := map[string]*string{"createdDateTime": w.CreatedDateTime, "lastModifiedDateTime": w.LastModifiedDateTime,
		"lockedDateTime": w.LockedDateTime, "activatedDateTime": w.ActivatedDateTime, "endDateTime": w.EndDateTime}
	switch at := instants[field]; {
	case field == "duration":
		return w.Duration
	case at != nil:
		return *at
	}
	return ""
}

// wireReader collects what there is to say about a record while its fields are read.
type wireReader struct {
	advice []Advice
	faults []Fault
}

func (in *wireReader) check(field, value string, err error) {
	if err != nil {
		in.faults = append(in.faults, *faultOf(field, value, err))
	}
}

func (in *wireReader) advise(a Advice) {
	if !slices.Contains(in.advice, a) {
		in.advice = append(in.advice, a)
	}
}

func (in *wireReader) period(field, s string) Period {
	if s == "" {
		in.check(field, s, errors.New("is missing; write it like P365D"))
		return Period{}
	}
	p, err := readPeriod(s)
	in.check(field, s, err)
	return p
}

func (in *wireReader) instant(field string, s *string) time.Time {
	if s == nil {
		return time.Time{}
	}
	t, err := ParseInstant(*s)
	in.check(field, *s, err)
	if t.Nanosecond()%1000 != 0 {
		in.advise(PrecisionCut)
	}
	return Instant(t)
}

// complete fills in what the wire form leaves to the reader.
func (in *wireReader) complete(r *Record, p *Policy, nameReleased bool, now time.Time) {
	r.WarnAfter = now
	if r.Modified.IsZero() {
		r.Modified = r.Created
	}
	if r.Status == ApprovalPending && r.Locked.IsZero() && !r.Modified.IsZero() {
		r.Locked = r.Modified
		in.advise(LockedAssumed)
	}
	if r.Created.IsZero() {
		r.Created = now
	}
	if r.Modified.IsZero() {
		r.Modified = r.Created
	}
	if r.AutoExtend && r.HoldsGlobalAdministrator() {
		in.advise(NeverExtends)
	}
	if len(r.Roles) == 0 && r.Status == Active {
		in.advise(NoRoles)
	}
	switch r.Status {
	case Expired, Terminated:
		if r.End.After(now) {
			in.advise(EndedInFuture)
		}
		if nameReleased && !r.End.IsZero() {
			r.NameReleased = p.Names.HoldFor.After(r.End)
			if r.NameReleased.After(now) {
				r.NameReleased = now // whoever wrote the file has let it go early
			}
		}
	case Approved, Activating, Expiring, TerminationRequested, Terminating:
		in.advise(ProvisioningPending)
	}
}

// notYetReported drops the faults of fields that could not even be read: one complaint per field is enough.
func (in *wireReader) notYetReported(faults []Fault) []Fault {
	var fresh []Fault
	for _, f := range faults {
		seen := false
		for _, g := range in.faults {
			seen = seen || g.Field == f.Field
		}
		if !seen {
			fresh = append(fresh, f)
		}
	}
	return fresh
}

// CanonicalID is an id as it is kept: that of Graph in lower case, any other as it is.
func CanonicalID(id string) string {
	const guid = 36
	if len(id) == maxIDLength && id[guid] == '-' && IsGUID(id[:guid]) && IsGUID(id[guid+1:]) {
		return strings.ToLower(id)
	}
	return id
}

// instantLayout is RFC 3339 in UTC with as many digits as the instant needs, six at most.
const instantLayout = "2006-01-02T15:04:05.999999Z"

// FormatInstant writes an instant as the product does everywhere: RFC 3339, UTC, microseconds kept; nothing for the zero time.
func FormatInstant(t time.Time) string {
	var room [len(instantLayout) + 8]byte
	return string(appendInstant(room[:0], t))
}

// appendInstant is [FormatInstant], behind what b holds. Package time has a way of its own with RFC 3339, several times as fast as
// with any other layout; it writes all that is finer than a second, so what is finer than a microsecond is cut off before.
func appendInstant(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	t = t.UTC()
	return t.Add(-time.Duration(t.Nanosecond()%int(time.Microsecond))).AppendFormat(b, time.RFC3339Nano)
}

// The years that an instant may lie in. Outside are the ways in which other systems write "none" and "never" (0001, 9999),
// which are better said with null.
const firstYear, lastYear = 1970, 2999

// ParseInstant reads an RFC 3339 instant with a zone, in the years 1970 to 2999, finer than a microsecond or not.
func ParseInstant(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		if _, naive := time.Parse("2006-01-02T15:04:05", s); naive == nil {
			return time.Time{}, errors.New("has no time zone; end it with Z or an offset like +09:00")
		}
		return time.Time{}, noInstant.Say()
	}
	if y := t.UTC().Year(); y < firstYear || y > lastYear {
		return time.Time{}, fmt.Errorf("lies outside the years %d to %d; if it stands for none or never, write null", firstYear, lastYear)
	}
	return t.UTC(), nil
}

func wireInstant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := FormatInstant(t)
	return &s
}

var noInstant = NewSentence("noInstant", "is not an RFC 3339 instant; write it like 2026-01-31T09:00:00Z")

// DecodeWire reads one relationship from JSON. Fields that tenure does not keep are passed over, as Graph may add some.
func DecodeWire(data []byte) (*Wire, error) {
	var w Wire
	if err := json.Unmarshal(data, &w); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return nil, Fault{Field: wrong.Field, Value: wrong.Value, Reason: fmt.Sprintf("is not of the right type, want %s", wrong.Type)}
		}
		return nil, err
	}
	return &w, nil
}
