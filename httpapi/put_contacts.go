package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// ContactsPut says what became of the contacts that were sent.
type ContactsPut struct {
	Created   int              `json:"created"`
	Updated   int              `json:"updated"`
	Unchanged int              `json:"unchanged"`
	Offered   int              `json:"offered" doc:"Notices that had nobody to go to, and go to these contacts now"`
	Refused   []ContactRefused `json:"refused" nullable:"false" doc:"The contacts that were not taken"`
}

// A ContactRefused is a contact that was not taken.
type ContactRefused struct {
	Index  int            `json:"index" minimum:"0" doc:"Its place in the list that was sent"`
	Faults []ContactFault `json:"faults" nullable:"false" doc:"All that is wrong with it"`
}

// A ContactFault is one thing that is wrong with a contact.
type ContactFault struct {
	Field  string `json:"field" example:"timeZone"`
	Value  string `json:"value,omitempty" doc:"What was sent there, cut if it is long"`
	Reason string `json:"reason"`
	Sentence
}

type putContactsInput struct{ Asked }

type putContactsOutput struct{ Body ContactsPut }

func (s *Server) putContacts(ctx context.Context, in *putContactsInput) (*putContactsOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	sent, p := readContacts(body)
	if p != nil {
		return nil, p
	}
	out := &putContactsOutput{Body: ContactsPut{Refused: sent.refused}}
	if len(sent.good) > 0 {
		counts, err := s.store.ImportContacts(ctx, sent.good, &s.policy.Notices, s.now())
		if err != nil {
			return nil, fmt.Errorf("taking contacts in: %w", err)
		}
		out.Body.Created, out.Body.Updated, out.Body.Unchanged, out.Body.Offered = counts.Created, counts.Updated, counts.Unchanged, counts.Offered
		for _, r := range counts.Refused {
			sent.refuse(sent.places[r.Index], r.Fault)
		}
		out.Body.Refused = sent.refused
	}
	slices.SortFunc(out.Body.Refused, func(a, b ContactRefused) int { return a.Index - b.Index })
	if len(sent.refused) == sent.all && sent.all > 0 {
		return nil, sent.nothingTaken()
	}
	return out, nil
}

// sentContacts is what a body holds.
type sentContacts struct {
	all     int // contacts, good or not
	single  bool
	good    []lifecycle.Contact
	places  []int // of the good ones in the body
	refused []ContactRefused
}

func (c *sentContacts) refuse(index int, faults ...lifecycle.Fault) {
	r := ContactRefused{Index: index}
	for _, f := range faults {
		r.Faults = append(r.Faults, ContactFault{f.Field, shorten(f.Value), f.Reason, sentenceOf(f.Said)})
	}
	c.refused = append(c.refused, r)
}

// location is where a contact stands in the body.
func (c *sentContacts) location(index int) string {
	if c.single {
		return "body"
	}
	return fmt.Sprintf("body[%d]", index)
}

// nothingTaken is the problem that not one of the contacts will do.
func (c *sentContacts) nothingTaken() *Problem {
	var bad []BadValue
	for _, r := range c.refused {
		for _, f := range r.Faults {
			bad = append(bad, BadValue{c.location(r.Index) + "." + f.Field, shortenValue(f.Value), f.Reason, f.Sentence})
		}
	}
	return refused(badValue, bad)
}

const contactExample = `write {"tenantId":…,"role":"adminAgent","mail":"ann@example.com"}, or a list of such`

// readContacts reads a contact, or a list of them. A body whose form is wrong is refused as a whole; a contact with a value that
// will not do is refused by itself.
func readContacts(body json.RawMessage) (sent sentContacts, p *Problem) {
	var bad badValues
	if body == nil {
		bad.refuse(badValue, "body", nil, "is missing; "+contactExample)
		return sent, bad.problem()
	}
	elements := []json.RawMessage{body}
	sent.single = body[0] != '['
	if !sent.single {
		_ = json.Unmarshal(body, &elements) // it is well-formed
	}
	if sent.all = len(elements); sent.all > lifecycle.MostContacts {
		bad.refuse(badValue, "body", nil, fmt.Sprintf("holds %d contacts; send at most %d at a time", sent.all, lifecycle.MostContacts))
		return sent, bad.problem()
	}
	sent.refused = []ContactRefused{}
	known := map[string]int{}
	for i, element := range elements {
		w, well := bad.contact(sent.location(i), element)
		if bad.enough() {
			break
		}
		if well {
			sent.take(i, &w, known)
		}
	}
	return sent, bad.problem()
}

// take checks a contact. One that is in the list twice counts once, the first time.
func (c *sentContacts) take(index int, w *lifecycle.WireContact, known map[string]int) {
	contact, faults := w.Contact()
	if len(faults) > 0 {
		c.refuse(index, faults...)
		return
	}
	key := contact.TenantID + " " + string(contact.Role) + " " + strings.ToLower(contact.Mail)
	if before, twice := known[key]; twice {
		c.refuse(index, lifecycle.Fault{Field: "mail", Value: w.Mail,
			Reason: fmt.Sprintf("is in the list twice with this tenant and role, first at %s; that one counts", c.location(before))})
		return
	}
	known[key] = index
	c.good, c.places = append(c.good, contact), append(c.places, index)
}

// contact reads the members of a contact; a null is as good as none. well is false where its form is wrong.
func (b *badValues) contact(location string, text json.RawMessage) (w lifecycle.WireContact, well bool) {
	before := len(b.bad)
	members := make([]member, len(lifecycle.ContactColumns))
	for i, name := range lifecycle.ContactColumns {
		members[i] = member{name, func(location string, value json.RawMessage) {
			if err := json.Unmarshal(value, w.Column(i)); err != nil {
				b.refuse(badValue, location, value, "is not a string")
			}
		}}
	}
	b.object(location, text, contactExample, members...)
	return w, len(b.bad) == before
}
