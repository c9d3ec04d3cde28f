package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// DefaultChannel is the name of the channel on which people are told where the policy has no routes.
const DefaultChannel = "mail"

// A Route says where notices go. An empty list of Kinds, Sides or Tenants fits all of them.
type Route struct {
	Kinds     []NoticeKind
	Sides     []Side
	Tenants   []string // of the reader's side; lower case
	People    []string // channels on which each person of the audience is told
	Endpoints []string // channels that are told themselves, once for each notice
}

func (r *Route) fits(kind NoticeKind, to Audience) bool {
	return (len(r.Kinds) == 0 || slices.Contains(r.Kinds, kind)) &&
		(len(r.Sides) == 0 || slices.Contains(r.Sides, to.Role.Side())) &&
		(len(r.Tenants) == 0 || slices.Contains(r.Tenants, strings.ToLower(to.TenantID)))
}

// addressees is where a notice to these audiences goes: for each audience the first route that fits decides. An endpoint that
// is to be told on behalf of both sides is told once. It takes the memory of to where that is enough.
func (p *NoticePolicy) addressees(to []Addressee, kind NoticeKind, audiences []Audience) []Addressee {
	to = slices.Grow(to[:0], len(audiences))
	for _, audience := range audiences {
		if len(p.Routes) == 0 {
			to = append(to, Addressee{Audience: audience, Channel: DefaultChannel})
			continue
		}
		to = p.route(kind, audience, to)
	}
	return to
}

func (p *NoticePolicy) route(kind NoticeKind, audience Audience, to []Addressee) []Addressee {
	i := slices.IndexFunc(p.Routes, func(r Route) bool { return r.fits(kind, audience) })
	if i < 0 || len(p.Routes[i].People)+len(p.Routes[i].Endpoints) == 0 {
		return append(to, Addressee{Audience: audience, Channel: DefaultChannel, Muted: true})
	}
	for _, channel := range p.Routes[i].People {
		to = append(to, Addressee{Audience: audience, Channel: channel})
	}
	for _, channel := range p.Routes[i].Endpoints {
		if !slices.ContainsFunc(to, func(a Addressee) bool { return a.Endpoint && a.Channel == channel }) {
			to = append(to, Addressee{Audience: audience, Channel: channel, Endpoint: true})
		}
	}
	return to
}

// Stale says whether what fell due at due is old news at now. A warning never is: until the end has come it is worth knowing.
func (p *NoticePolicy) Stale(due, now time.Time) bool {
	stale := dueAfter(due, p.StaleAfter)
	return !stale.IsZero() && now.After(stale)
}

func (p *NoticePolicy) validate(fault func(key, format string, args ...any)) {
	if p.MostPerDay < 0 {
		fault("notices.mostPerDay", "%d is less than nothing; write 0 for no limit", p.MostPerDay)
	}
	if p.Digests.At < 0 || p.Digests.At >= Day {
		fault("notices.digests.at", "%s is no time of day", p.Digests.At)
	}
	for i := range p.Routes {
		p.Routes[i].validate(i, fault)
	}
	for _, tenant := range slices.Sorted(maps.Keys(p.Partners)) {
		if !IsGUID(tenant) {
			fault("notices.partners", "%q is not a GUID; write the tenant of a partner, and behind it what it is called", tenant)
		}
		if !nameable(p.Partners[tenant]) {
			fault("notices.partners", "%s: %q is no name; write 1 to %d characters without control characters", tenant, p.Partners[tenant], longestPartnerName)
		}
	}
}

// longestPartnerName is that of a customer's displayName where mails show it.
const longestPartnerName = 64

func nameable(name string) bool {
	n := utf8.RuneCountInString(name)
	return strings.TrimSpace(name) != "" && n <= longestPartnerName && !strings.ContainsFunc(name, unicode.IsControl)
}

func (r *Route) validate(i int, fault func(key, format string, args ...any)) {
	for _, kind := range r.Kinds {
		if !slices.Contains(NoticeKinds, kind) {
			fault(routeKey(i, "kinds"), "%q is no kind of notice; they are %v", kind, NoticeKinds)
		}
	}
	for _, side := range r.Sides {
		if side != PartnerSide && side != CustomerSide {
			fault(routeKey(i, "sides"), "%q is no side; write partner or customer", side)
		}
	}
	for _, tenant := range r.Tenants {
		if !IsGUID(tenant) {
			fault(routeKey(i, "tenants"), "%q is not a GUID", tenant)
		}
	}
	r.validateChannels(routeKey(i, "people"), r.People, fault)
	r.validateChannels(routeKey(i, "endpoints"), r.Endpoints, fault)
}

func (r *Route) validateChannels(key string, channels []string, fault func(key, format string, args ...any)) {
	for i, channel := range channels {
		switch {
		case channel == "":
			fault(key, "a channel without a name")
		case slices.Contains(channels[:i], channel):
			fault(key, "%q is there twice; leave one out", channel)
		}
	}
}

func routeKey(i int, key string) string { return fmt.Sprintf("notices.routes[%d].%s", i, key) }
