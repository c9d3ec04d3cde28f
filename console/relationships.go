package console

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A RelationshipStore is what the pages of relationships read.
type RelationshipStore interface {
	// Listed lists relationships as they are stored. Where the look is bounded, reached is how far it went, if that is not to the end and the page
	// is not full.
	Listed(ctx context.Context, q lifecycle.Listing) (found []lifecycle.Listed, reached *lifecycle.Listed, err error)

	// Dossier reads everything about one; [lifecycle.ErrNotFound] where there is none and never was.
	Dossier(ctx context.Context, id string) (lifecycle.Dossier, error)
}

const (
	relationshipsPath = "/console/relationships"
	relationshipsPage = 50 // on one page of the list
)

func (c *Console) addRelationships() {
	c.get(relationshipsPath, listRelationships)
	c.get(relationshipsPath+".csv", exportRelationships)
	c.get(findPath, find)
	c.addRelationship()
}

// relationships are what the list shows.
type relationships struct {
	Sifter  *sifter
	Views   []view
	Tenants []*tenant // the partner and the customer that the list is of
	Rows    []listedRow
	Faults  []string // why nothing is listed
	Due     int      // of the rows: due, and not swept yet
	Pager   pager
	CSV     string // where the same is as a table for other programs
}

// A view is a filter that many want.
type view struct {
	Path, Key string
	Here      bool
}

var views = []view{
	{relationshipsPath, "relationships.all", false},
	{relationshipsPath + "?due=now", "relationships.due", false},
	{relationshipsPath + "?sort=next&status=active", "relationships.soon", false},
	{relationshipsPath + "?sort=next&status=approvalPending", "relationships.pending", false},
	{relationshipsPath + "?admin=with&extend=on&sort=next&status=active", "relationships.blocked", false},
	{relationshipsPath + "?held=yes", "relationships.held", false},
}

// viewsAt are the views, and which of them the visitor looks at.
func viewsAt(uri string) []view {
	all := slices.Clone(views)
	for i := range all {
		all[i].Here = all[i].Path == uri
	}
	return all
}

// A listedRow is a relationship in the list.
type listedRow struct {
	lifecycle.Listed
	PartnerName string
	Due, Held   bool
}

func listRelationships(v *visit) error {
	sift := readSifter(v)
	page := relationships{Sifter: sift, Views: viewsAt(v.Request.URL.RequestURI()), Faults: sift.faults}
	if len(page.Faults) > 0 {
		return v.show("relationships", &page)
	}
	var err error
	if page.Tenants, err = v.tenantsOf(sift); err != nil {
		return err
	}
	q := sift.listing(v.Now)
	found, err := v.look(q, relationshipsPage)
	var refused *refusal
	if errors.As(err, &refused) {
		page.Faults = []string{refused.Detail}
		return v.showAs(refused.Status, "relationships", &page)
	}
	if err != nil {
		return err
	}
	page.CSV = relationshipsPath + ".csv?" + strings.TrimPrefix(sift.link(), relationshipsPath+"?")
	page.Pager = found.pager(q.After, func(place *lifecycle.Listed, more ...string) string {
		if place == nil {
			return sift.link(more...)
		}
		return sift.link(append(more, "after", placeText(place, q.By))...)
	})
	for _, listed := range found.Rows {
		row := v.row(listed)
		if row.Due {
			page.Due++
		}
		page.Rows = append(page.Rows, row)
	}
	return v.show("relationships", &page)
}

// row is a relationship as lists show it.
func (v *visit) row(l lifecycle.Listed) listedRow {
	row := listedRow{Listed: l, PartnerName: v.partnerName(l.Partner), Held: slices.Contains(l.Stayed, l.Next.Rule)}
	row.Due = !row.Held && !row.Next.At.IsZero() && !row.Next.At.After(v.Now)
	return row
}

// partnerName is what a partner is called, as far as the policy says, and otherwise the beginning of its id.
func (v *visit) partnerName(tenant string) string {
	short, _, _ := strings.Cut(tenant, "-")
	return cmp.Or(v.console.Policy.Notices.Partners[tenant], short+"…")
}

// A sifter is the filter and the order of the list as the address has them, and the form shows them.
type sifter struct {
	Status, Rule, Extend, Admin string
	Paused                      string // no: not those whose rule is paused; only: only those
	Partner, Customer, Name     string
	From, To                    string // days of the end
	NextFrom, NextTo            string // days on which the next timer falls due
	Due, Held                   bool   // both: those that are due and on hold
	Overdue                     bool   // those that are due under a rule that is overdue
	By                          lifecycle.ListingOrder
	Descending                  bool
	after                       string
	faults                      []string
	from, to                    time.Time
	nextFrom, nextTo            time.Time
	paused, overdue             []lifecycle.RuleName // at present; read if it matters
}

func readSifter(v *visit) *sifter {
	asked := v.Request.URL.Query()
	text := func(name string) string { return strings.TrimSpace(asked.Get(name)) }
	s := &sifter{Status: text("status"), Rule: text("rule"), Extend: text("extend"), Admin: text("admin"), Paused: text("paused"), Partner: strings.ToLower(text("partner")),
		Customer: strings.ToLower(text("customer")), Name: text("name"), From: text("from"), To: text("to"), NextFrom: text("next-from"), NextTo: text("next-to"), Due: text("due") != "", Held: text("held") != "",
		Overdue: text("overdue") != "", after: asked.Get("after")}
	by, descending := strings.CutPrefix(cmp.Or(text("sort"), s.usualOrder()), "-")
	s.By, s.Descending = lifecycle.ListingOrder(by), descending
	if !slices.Contains(lifecycle.ListingOrders, s.By) {
		s.By, s.Descending = lifecycle.ByArrival, true
	}
	s.check(v)
	if s.Paused != "" {
		s.paused = pausedRules(v.condition())
	}
	if s.Overdue {
		s.overdue = overdueRules(v.condition())
	}
	return s
}

// condition is how the deployment fares at present.
func (v *visit) condition() *lifecycle.Condition {
	condition := v.console.glance.look(v.Request.Context(), v.Wall, v.console.Condition)
	return &condition
}

// pausedRules are those that are paused, all of them while everything is on hold.
func pausedRules(c *lifecycle.Condition) (paused []lifecycle.RuleName) {
	for i := range c.Rules {
		if c.Rules[i].Paused || c.Standstill() != nil {
			paused = append(paused, c.Rules[i].Rule)
		}
	}
	return paused
}

// usualOrder is how somebody who has not said so wants the list: what is about to happen first, where they ask for that.
func (s *sifter) usualOrder() string {
	if s.Due || s.Overdue || s.Rule+s.To+s.NextFrom+s.NextTo != "" {
		return string(lifecycle.ByNext)
	}
	return "-" + string(lifecycle.ByArrival)
}

// check finds what is wrong with what was typed; what can only have been made up is left out.
func (s *sifter) check(v *visit) {
	for _, tenant := range []struct{ key, id string }{{"relationships.partner", s.Partner}, {"relationships.customer", s.Customer}} {
		if tenant.id != "" && !lifecycle.IsGUID(tenant.id) {
			s.faults = append(s.faults, v.T("relationships.noTenant", "field", v.T(tenant.key), "text", tenant.id))
		}
	}
	for _, day := range []struct {
		key, text string
		at        *time.Time
	}{{"relationships.from", s.From, &s.from}, {"relationships.to", s.To, &s.to},
		{"relationships.nextFrom", s.NextFrom, &s.nextFrom}, {"relationships.nextTo", s.NextTo, &s.nextTo}} {
		at, err := time.Parse(time.DateOnly, day.text)
		if day.text != "" && err != nil {
			s.faults = append(s.faults, v.T("relationships.noDay", "field", v.T(day.key), "text", day.text))
		}
		*day.at = at
	}
	if s.Status != "" && !lifecycle.Status(s.Status).Known() {
		s.Status = ""
	}
	if s.Rule != "" && !lifecycle.RuleName(s.Rule).Known() {
		s.Rule = ""
	}
}

// listing is what the store is asked for.
func (s *sifter) listing(now time.Time) lifecycle.Listing {
	q := lifecycle.Listing{Held: s.Held, By: s.By, Descending: s.Descending}
	var all lifecycle.All
	for _, wanted := range []struct {
		text  string
		field lifecycle.Field
		by    lifecycle.Comparison
	}{{s.Status, lifecycle.FieldStatus, lifecycle.Equal}, {s.Rule, lifecycle.FieldNext, lifecycle.Equal}, {s.Partner, lifecycle.FieldPartner, lifecycle.Equal},
		{s.Customer, lifecycle.FieldCustomer, lifecycle.Equal}, {s.Name, lifecycle.FieldName, lifecycle.StartsWith}} {
		if wanted.text != "" {
			all = append(all, lifecycle.Compare{Field: wanted.field, By: wanted.by, Value: lifecycle.Value{Text: wanted.text}})
		}
	}
	switch s.Paused {
	case "only":
		all = append(all, nextUnder(s.paused))
	case "no":
		all = append(all, lifecycle.Not{Filter: nextUnder(s.paused)})
	}
	if s.Overdue {
		all = append(all, nextUnder(s.overdue))
	}
	if s.Extend == "on" || s.Extend == "off" {
		all = append(all, lifecycle.Compare{Field: lifecycle.FieldAutoExtend, By: lifecycle.Equal, Value: lifecycle.Value{Flag: s.Extend == "on"}})
	}
	if s.From != "" {
		all = append(all, lifecycle.Compare{Field: lifecycle.FieldEnd, By: lifecycle.GreaterOrEqual, Value: lifecycle.Value{At: s.from}})
	}
	if s.To != "" {
		all = append(all, lifecycle.Compare{Field: lifecycle.FieldEnd, By: lifecycle.Less, Value: lifecycle.Value{At: s.to.AddDate(0, 0, 1)}})
	}
	if len(all) > 0 {
		q.Filter = all
	}
	q.NextFrom = s.nextFrom
	if s.NextTo != "" {
		q.NextBefore = s.nextTo.AddDate(0, 0, 1)
	}
	switch {
	case s.Overdue:
		q.DueBy = now
	case s.Due && s.Held: // what is on hold is not due in the eyes of the store
		q.NextBefore = now.Add(time.Microsecond)
	case s.Due:
		q.DueBy = now
	}
	q.GlobalAdministrator = map[string]lifecycle.Wish{"with": lifecycle.With, "without": lifecycle.Without}[s.Admin]
	q.After = placeIn(s.after, s.By)
	return q
}

// nextUnder wants those whose next timer is of one of the rules.
func nextUnder(rules []lifecycle.RuleName) lifecycle.Among {
	under := lifecycle.Among{Field: lifecycle.FieldNext}
	for _, rule := range rules {
		under.Values = append(under.Values, lifecycle.Value{Text: string(rule)})
	}
	return under
}

// link is the address of the list with this filter, and with names and values in turn in place of what it has.
func (s *sifter) link(instead ...string) string {
	values := url.Values{}
	for name, value := range map[string]string{"status": s.Status, "rule": s.Rule, "extend": s.Extend, "admin": s.Admin, "paused": s.Paused, "partner": s.Partner,
		"customer": s.Customer, "name": s.Name, "from": s.From, "to": s.To,
		"next-from": s.NextFrom, "next-to": s.NextTo, "sort": s.Sort()} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if s.Due {
		values.Set("due", "now")
	}
	if s.Held {
		values.Set("held", "yes")
	}
	if s.Overdue {
		values.Set("overdue", "yes")
	}
	for i := 0; i+1 < len(instead); i += 2 {
		values.Set(instead[i], instead[i+1])
	}
	return relationshipsPath + "?" + values.Encode()
}

// Sort is the order as the address has it.
func (s *sifter) Sort() string {
	if s.Descending {
		return "-" + string(s.By)
	}
	return string(s.By)
}

// Orders are those to choose from, as the address has them.
func (s *sifter) Orders() []string {
	return []string{"-arrival", "arrival", "next", "-next", "end", "-end", "name", "-name", "-modified", "modified"}
}

// Turn is the address of the list sorted by a column, the other way round where it is so already.
func (s *sifter) Turn(by string) string {
	if string(s.By) == by && !s.Descending {
		return s.link("sort", "-"+by)
	}
	return s.link("sort", by)
}

// Sorted is how the list is sorted by a column, in the words of aria-sort.
func (s *sifter) Sorted(by string) string {
	switch {
	case string(s.By) != by:
		return "none"
	case s.Descending:
		return "descending"
	}
	return "ascending"
}

// Narrow counts what is filtered by in the folded part of the form.
func (s *sifter) Narrow() (n int) {
	for _, in := range []bool{s.Partner != "", s.Customer != "", s.Rule != "", s.Extend != "", s.Admin != "", s.Paused != "", s.From != "", s.To != "",
		s.NextFrom != "", s.NextTo != "", s.Held, s.Due, s.Overdue} {
		if in {
			n++
		}
	}
	return n
}

// Statuses are those to choose from.
func (*sifter) Statuses() []lifecycle.Status { return lifecycle.Statuses }

// Rules are those to choose from.
func (*sifter) Rules() []lifecycle.RuleName { return lifecycle.RuleNames() }

// placeText is where a record stands in the list, for an address.
func placeText(l *lifecycle.Listed, by lifecycle.ListingOrder) string {
	place := l.DisplayName
	if at := l.Instant(by); by != lifecycle.ByName {
		place = lifecycle.FormatInstant(at)
	}
	return strconv.FormatInt(l.Key, 10) + "~" + place
}

// placeIn reads what placeText writes; nil, which is the beginning, where it cannot be.
func placeIn(text string, by lifecycle.ListingOrder) *lifecycle.Listed {
	number, place, ok := strings.Cut(text, "~")
	key, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return nil
	}
	l := &lifecycle.Listed{Stored: lifecycle.Stored{Key: key}}
	if by == lifecycle.ByName {
		l.DisplayName = place
		return l
	}
	at, err := lifecycle.ParseInstant(place)
	if err != nil && by != lifecycle.ByArrival {
		return nil
	}
	l.Next.At, l.End, l.Modified = at, at, at
	return l
}
