package graph

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// theRelationship is a delegatedAdminRelationship. Source: Microsoft Graph v1.0; what is ours is named as in exports.
var theRelationship = entityType[lifecycle.Record]{
	name:    "delegatedAdminRelationship",
	version: func(r *lifecycle.Record) int64 { return r.Version },
	properties: []property[lifecycle.Record]{
		{name: "id", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendText(b, r.ID) }},
		{name: "displayName", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendText(b, r.DisplayName) }},
		{name: "duration", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendText(b, r.Duration.String()) }},
		{name: "autoExtendDuration", write: func(b []byte, x *exchange, r *lifecycle.Record) []byte {
			return appendText(b, x.policy.AutoExtendDuration(r.AutoExtend).String())
		}},
		{name: "status", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendText(b, string(r.Status)) }},
		{name: "customer", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendCustomer(b, &r.Customer) }},
		{name: "accessDetails", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendRoles(b, r.Roles) }},
		{name: "createdDateTime", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendInstant(b, r.Created) }},
		{name: "lastModifiedDateTime", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendInstant(b, r.Modified) }},
		{name: "activatedDateTime", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendInstant(b, r.Activated) }},
		{name: "endDateTime", write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendInstant(b, r.End) }},

		{name: "partner", ours: true, write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte {
			return append(appendText(append(b, `{"tenantId":`...), r.Partner), '}')
		}},
		{name: "lockedDateTime", ours: true, write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendInstant(b, r.Locked) }},
		{name: "endedDateTime", ours: true, write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte { return appendInstant(b, r.Ended()) }},
		{name: "nameReleased", ours: true, write: func(b []byte, _ *exchange, r *lifecycle.Record) []byte {
			return append(b, asJSON(!r.NameReleased.IsZero())...)
		}},
	},
}

// written is one property of the record, as an answer has it.
func (x *exchange) written(r *lifecycle.Record, name string) json.RawMessage {
	i := slices.IndexFunc(theRelationship.properties, func(p property[lifecycle.Record]) bool { return p.name == name })
	return theRelationship.properties[i].write(nil, x, r)
}

func appendCustomer(b []byte, t *lifecycle.Tenant) []byte {
	if *t == (lifecycle.Tenant{}) {
		return append(b, "null"...)
	}
	b = appendText(append(b, `{"tenantId":`...), t.TenantID)
	if t.DisplayName != "" {
		b = appendText(append(b, `,"displayName":`...), t.DisplayName)
	}
	return append(b, '}')
}

func appendRoles(b []byte, roles []string) []byte {
	b = append(b, `{"unifiedRoles":[`...)
	for i, role := range roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(append(b, `{"roleDefinitionId":`...), role), '}')
	}
	return append(b, `]}`...)
}

// A wish is a body about a relationship: what it is to be, and what it is said to be already.
type wish struct {
	bodyReader
	draft   lifecycle.Draft
	partner string                     // tenant id; empty where the body does not say
	said    map[string]json.RawMessage // read-only fields, as they were given
	given   map[string]string          // texts as they were given, by field
}

// The fields that only the service sets.
var readOnlyFields = []string{"id", "status", "createdDateTime", "lastModifiedDateTime", "activatedDateTime", "endDateTime",
	"lockedDateTime", "endedDateTime", "nameReleased"}

// readWish reads a body about a relationship.
func (x *exchange) readWish(body json.RawMessage) *wish {
	w := &wish{said: map[string]json.RawMessage{}, given: map[string]string{}}
	parts := []part{
		{"displayName", w.text(func(_, text string) { w.draft.DisplayName = &text })},
		{"duration", w.text(w.duration)},
		{"autoExtendDuration", w.text(func(target, text string) { w.autoExtend(x.policy, target, text) })},
		{"customer", w.customer},
		{"accessDetails", func(target string, value json.RawMessage) { w.draft.Roles = w.roles(target, value) }},
		{"partner", w.readPartner},
	}
	for _, name := range readOnlyFields {
		parts = append(parts, part{name, func(_ string, value json.RawMessage) { w.said[name] = value }})
	}
	w.object("", body, parts...)
	return w
}

func (w *wish) duration(target, text string) {
	w.given[target] = text
	p, err := lifecycle.ParsePeriod(text)
	if err != nil {
		w.refuse(codeInvalid, target, "%q %v", clip(text), errors.Unwrap(err)) // it would name the value as well
		return
	}
	w.draft.Duration = &p
}

func (w *wish) autoExtend(p *lifecycle.Policy, target, text string) {
	on, err := p.ParseAutoExtend(text)
	if err != nil {
		w.refuse(codeInvalid, target, "%q %v", clip(text), err)
		return
	}
	w.draft.AutoExtend = &on
}

// customer reads whom the relationship is to be with. A null says that it is not known.
func (w *wish) customer(target string, value json.RawMessage) {
	var t lifecycle.Tenant
	if !isNull(value) {
		w.object(target, value,
			part{"tenantId", w.text(func(_, text string) { t.TenantID = strings.ToLower(text) })},
			part{"displayName", w.name(&t)})
		if t.TenantID == "" && !w.refuses(target+".tenantId") {
			w.refuse(codeMissing, target+".tenantId", "is missing; name the customer's tenant, or leave customer out")
		}
	}
	w.draft.Customer = &t
}

// name reads a customer's name, which may be null.
func (w *wish) name(t *lifecycle.Tenant) func(string, json.RawMessage) {
	return func(target string, value json.RawMessage) {
		if !isNull(value) {
			w.text(func(_, text string) { t.DisplayName = text })(target, value)
		}
	}
}

func (w *wish) readPartner(target string, value json.RawMessage) {
	w.object(target, value, part{"tenantId", w.text(func(target, text string) {
		if !lifecycle.IsGUID(text) {
			w.refuse(codeInvalid, target, "%q is not a GUID; name the partner's tenant", clip(text))
		}
		w.partner = strings.ToLower(text)
	})})
}

const mostRoles = 500 // the directory has some 100

// roles reads accessDetails; never nil, since a part that is there says something.
func (b *bodyReader) roles(target string, value json.RawMessage) []string {
	roles := []string{}
	b.object(target, value, part{"unifiedRoles", b.list("roles", func(target string, value json.RawMessage) {
		id := ""
		b.object(target, value, part{"roleDefinitionId", b.text(func(_, text string) { id = strings.ToLower(text) })})
		roles = append(roles, id)
	})})
	if len(roles) > mostRoles {
		b.refuse(codeInvalid, target+".unifiedRoles", "names %d roles; at most %d are allowed", len(roles), mostRoles)
		return roles[:mostRoles]
	}
	if len(roles) == 0 && !b.refuses(target) && !b.refuses(target+".unifiedRoles") {
		b.refuse(codeMissing, target+".unifiedRoles", "is missing; name at least one directory role")
	}
	return roles
}

// merge adds what the domain finds wrong, where reading has not complained about the same.
func (w *wish) merge(faults lifecycle.Faults) {
	for _, f := range faults {
		if w.refuses(f.Field) || w.refuses(within(f.Field)) || f.Field == "partner.tenantId" {
			continue
		}
		if given, ok := w.given[f.Field]; ok {
			f.Value = given
		}
		if text := f.Error(); f.Value == "" {
			w.faults = append(w.faults, problemDetail{codeMissing, f.Field, sentence(strings.Replace(text, ": ", " ", 1))})
		} else {
			w.faults = append(w.faults, problemDetail{codeInvalid, clip(f.Field), clip(sentence(text))})
		}
	}
}

// within is the field that a field is part of, for those where one complaint is enough.
func within(field string) string {
	outer, _, _ := strings.Cut(field, ".")
	return outer
}

// contradictions are the read-only fields that are said to be other than they are. One that is said as it is does no harm: whoever
// writes back what they have read sends it along.
func (w *wish) contradictions(x *exchange, r *lifecycle.Record) error {
	for name, value := range w.said {
		if !sameValue(value, x.written(r, name)) {
			w.readOnly(name, value)
		}
	}
	if w.partner != "" && w.partner != r.Partner {
		w.refuse(codeReadOnly, "partner", "is read-only; leave it out")
	}
	slices.SortFunc(w.faults, func(a, b problemDetail) int { return strings.Compare(a.Target, b.Target) })
	return w.problem()
}

// sameValue says whether two values are the same, instants at whatever precision and zone they are written.
func sameValue(a, b json.RawMessage) bool {
	if string(a) == string(b) {
		return true
	}
	var one, other string
	if json.Unmarshal(a, &one) != nil || json.Unmarshal(b, &other) != nil {
		return false
	}
	if strings.EqualFold(one, other) {
		return true
	}
	first, err := lifecycle.ParseInstant(one)
	if err != nil {
		return false
	}
	second, err := lifecycle.ParseInstant(other)
	return err == nil && lifecycle.Instant(first).Equal(lifecycle.Instant(second))
}
