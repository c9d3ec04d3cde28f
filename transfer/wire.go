package transfer

import (
	"github.com/tenure-dev/tenure/lifecycle"
)

// decodeWire is [lifecycle.DecodeWire]. A record that is written as exports write it, which is nearly every one, is read in one pass
// here; whatever is unusual about another is left to encoding/json, so that there is one opinion about it. The tests compare the two.
func decodeWire(text []byte) (*lifecycle.Wire, error) {
	if w := plainWire(text); w != nil {
		return w, nil
	}
	return lifecycle.DecodeWire(text)
}

// A wire is a [lifecycle.Wire] with all that it points to, made at once.
type wire struct {
	lifecycle.Wire
	partner, customer lifecycle.WireTenant
	access            lifecycle.WireAccess
	instants          [6]string
	roles             [4]lifecycle.WireRole
}

// plainWire reads a record of known fields, each once, whose texts hold no escapes; nil for any other. The text must be UTF-8.
func plainWire(text []byte) *lifecycle.Wire {
	p := plain{text: string(text)}
	w := &wire{}
	var met uint32
	p.object(func(name string) {
		bit := w.field(&p, name)
		if bit < 0 || met&(1<<bit) != 0 {
			p.unusual = true // what it means when a field comes twice is not for us to say
			return
		}
		met |= 1 << bit
	})
	p.space()
	if p.unusual || p.at != len(p.text) {
		return nil
	}
	return &w.Wire
}

// field reads the value of a field, and answers with the field's number; -1 where it is none of ours.
func (w *wire) field(p *plain, name string) int {
	texts := [...]struct {
		name string
		into *string
	}{{"@odata.etag", &w.ETag}, {"id", &w.ID}, {"displayName", &w.DisplayName}, {"duration", &w.Duration},
		{"autoExtendDuration", &w.AutoExtendDuration}, {"status", &w.Status}}
	for i := range texts {
		if texts[i].name == name {
			p.textOrNull(texts[i].into)
			return i
		}
	}
	instants := [...]struct {
		name string
		into **string
	}{{"createdDateTime", &w.CreatedDateTime}, {"lastModifiedDateTime", &w.LastModifiedDateTime}, {"lockedDateTime", &w.LockedDateTime},
		{"activatedDateTime", &w.ActivatedDateTime}, {"endDateTime", &w.EndDateTime}, {"endedDateTime", &w.EndedDateTime}}
	for i := range instants {
		if instants[i].name == name {
			if p.textOrNull(&w.instants[i]) {
				*instants[i].into = &w.instants[i]
			}
			return len(texts) + i
		}
	}
	const behind = len(texts) + len(instants)
	switch name {
	case "partner":
		w.Partner = p.tenant(&w.partner)
		return behind
	case "customer":
		w.Customer = p.tenant(&w.customer)
		return behind + 1
	case "accessDetails":
		if !p.null() {
			w.accessDetails(p)
		}
		return behind + 2
	case "nameReleased":
		w.NameReleased = p.bool()
		return behind + 3
	}
	return -1
}

func (p *plain) tenant(t *lifecycle.WireTenant) *lifecycle.WireTenant {
	if p.null() {
		return nil
	}
	var id, name bool
	p.object(func(field string) {
		switch {
		case field == "tenantId" && !id:
			id = true
			p.textOrNull(&t.TenantID)
		case field == "displayName" && !name:
			name = true
			p.textOrNull(&t.DisplayName)
		default:
			p.unusual = true
		}
	})
	return t
}

func (w *wire) accessDetails(p *plain) {
	w.AccessDetails = &w.access
	p.object(func(field string) {
		if field != "unifiedRoles" || w.access.UnifiedRoles != nil {
			p.unusual = true
			return
		}
		w.access.UnifiedRoles = w.roles[:0]
		p.list(func() {
			var role lifecycle.WireRole
			met := false
			p.object(func(field string) {
				if field != "roleDefinitionId" || met {
					p.unusual = true
					return
				}
				met = true
				p.textOrNull(&role.RoleDefinitionID)
			})
			w.access.UnifiedRoles = append(w.access.UnifiedRoles, role)
		})
	})
}

// A plain reads JSON that is nothing special. What it reads stays part of its text. Once it has met something unusual it moves on no more,
// and what it answers means nothing.
type plain struct {
	text    string
	at      int
	unusual bool
}

func (p *plain) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\r' || p.text[p.at] == '\n') {
		p.at++
	}
}

// next passes white space and c, if it is there.
func (p *plain) next(c byte) bool {
	p.space()
	if p.unusual || p.at >= len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

func (p *plain) expect(c byte) {
	if !p.next(c) {
		p.unusual = true
	}
}

// object reads an object; member reads the value of the field that is named.
func (p *plain) object(member func(name string)) {
	p.expect('{')
	if p.next('}') {
		return
	}
	for !p.unusual {
		name := p.quoted()
		p.expect(':')
		if p.unusual {
			return
		}
		member(name)
		if p.next('}') {
			return
		}
		p.expect(',')
	}
}

func (p *plain) list(element func()) {
	p.expect('[')
	if p.next(']') {
		return
	}
	for !p.unusual {
		element()
		if p.next(']') {
			return
		}
		p.expect(',')
	}
}

// quoted reads a text without escapes.
func (p *plain) quoted() string {
	p.expect('"')
	if p.unusual {
		return ""
	}
	for i := p.at; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			s := p.text[p.at:i]
			p.at = i + 1
			return s
		case c == '\\' || c < ' ':
			p.unusual = true
			return ""
		}
	}
	p.unusual = true
	return ""
}

// textOrNull reads a text into s, and says whether there is one.
func (p *plain) textOrNull(s *string) bool {
	if p.null() {
		return false
	}
	*s = p.quoted()
	return !p.unusual
}

func (p *plain) null() bool { return p.word("null") }

func (p *plain) bool() bool {
	switch {
	case p.word("true"):
		return true
	case !p.word("false") && !p.null():
		p.unusual = true
	}
	return false
}

// word passes white space and a word, if it is there. That nothing is stuck to its end is seen by who reads on.
func (p *plain) word(s string) bool {
	p.space()
	if p.unusual || len(p.text)-p.at < len(s) || p.text[p.at:p.at+len(s)] != s {
		return false
	}
	p.at += len(s)
	return true
}

// appendText appends what encoding/json writes for a text.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(b, jsonOf(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendWire appends what encoding/json writes for w.
func appendWire(b []byte, w *lifecycle.Wire) []byte {
	first := true
	field := func(name string) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), name...), `":`...)
	}
	text := func(name, value string) {
		field(name)
		b = appendText(b, value)
	}
	instant := func(name string, value *string) {
		field(name)
		if value == nil {
			b = append(b, "null"...)
			return
		}
		b = appendText(b, *value)
	}
	b = append(b, '{')
	if w.ETag != "" {
		text("@odata.etag", w.ETag)
	}
	text("id", w.ID)
	text("displayName", w.DisplayName)
	text("duration", w.Duration)
	text("autoExtendDuration", w.AutoExtendDuration)
	text("status", w.Status)
	if w.Partner != nil {
		field("partner")
		b = appendTenant(b, w.Partner)
	}
	field("customer")
	b = appendTenant(b, w.Customer)
	field("accessDetails")
	b = appendAccess(b, w.AccessDetails)
	instant("createdDateTime", w.CreatedDateTime)
	instant("lastModifiedDateTime", w.LastModifiedDateTime)
	instant("lockedDateTime", w.LockedDateTime)
	instant("activatedDateTime", w.ActivatedDateTime)
	instant("endDateTime", w.EndDateTime)
	instant("endedDateTime", w.EndedDateTime)
	field("nameReleased")
	if w.NameReleased {
		return append(b, "true}"...)
	}
	return append(b, "false}"...)
}

func appendTenant(b []byte, t *lifecycle.WireTenant) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	b = appendText(append(b, `{"tenantId":`...), t.TenantID)
	if t.DisplayName != "" {
		b = appendText(append(b, `,"displayName":`...), t.DisplayName)
	}
	return append(b, '}')
}

func appendAccess(b []byte, a *lifecycle.WireAccess) []byte {
	if a == nil || a.UnifiedRoles == nil {
		return append(b, jsonOf(a)...)
	}
	b = append(b, `{"unifiedRoles":[`...)
	for i, role := range a.UnifiedRoles {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(append(b, `{"roleDefinitionId":`...), role.RoleDefinitionID), '}')
	}
	return append(b, "]}"...)
}
