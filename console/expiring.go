package console

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/cases"
	textlanguage "golang.org/x/text/language"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	expiringPath  = aheadPath + "/expiring"
	expiringSheet = downloadsPath + "expiring.csv"
	expiringPage  = 50   // so many stand on a page: as many as can be chosen and sent on at once
	expiringBatch = 1000 // so many are read at a time for a file
	bucketsEvery  = time.Minute
)

// An ExpiringStore lists what ends.
type ExpiringStore interface {
	// CountEnds counts relationships by their ends, between each of the instants and the next one.
	CountEnds(ctx context.Context, instants []time.Time) ([]lifecycle.EndCount, error)

	// Relationships lists relationships as they are stored.
	Relationships(ctx context.Context, q lifecycle.RelationshipQuery) ([]lifecycle.Stored, error)

	// CountRelationships says how many relationships the filter wants.
	CountRelationships(ctx context.Context, f lifecycle.Filter) (int64, error)
}

// An endQuery says which ends somebody wants to see. It stands in the address of the page.
type endQuery struct {
	Within string // a bucket; empty where Day is set
	Day    string // the day on which they end or have ended, such as 2026-03-01
	Search string
	Extend string // on or off: only those with autoExtend so; empty: whichever
	After  string // the last one of the page before; see endPlace
}

// buckets are those of the view, by their names.
var buckets = []string{"1", "7", "30", "later", "ended"}

// endQueryOf reads the query; what makes no sense is left out.
func (v *visit) endQueryOf() endQuery {
	form := v.Request.FormValue
	q := endQuery{Within: form("within"), Day: form("day"), Search: strings.TrimSpace(form("q")), Extend: form("extend"), After: form("after")}
	if _, err := time.Parse(time.DateOnly, q.Day); err != nil {
		q.Day = ""
	}
	if !slices.Contains(buckets, q.Within) {
		q.Within = "30"
	}
	if q.Day != "" {
		q.Within = ""
	}
	if q.Extend != "on" && q.Extend != "off" {
		q.Extend = ""
	}
	return q
}

// values are the query as an address has it, without the place.
func (q endQuery) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{"within": q.Within, "day": q.Day, "q": q.Search, "extend": q.Extend} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

func (q endQuery) path(of string) string { return of + "?" + q.values().Encode() }

// descending says whether the latest end comes first.
func (q endQuery) descending() bool { return q.Within == "ended" }

func compare(field lifecycle.Field, by lifecycle.Comparison, value lifecycle.Value) lifecycle.Filter {
	return lifecycle.Compare{Field: field, By: by, Value: value}
}

func statusIs(status lifecycle.Status) lifecycle.Filter {
	return compare(lifecycle.FieldStatus, lifecycle.Equal, lifecycle.Value{Text: string(status)})
}

func end(by lifecycle.Comparison, t time.Time) lifecycle.Filter {
	return compare(lifecycle.FieldEnd, by, lifecycle.Value{At: lifecycle.Instant(t)})
}

var hasEnded = lifecycle.Among{Field: lifecycle.FieldStatus, Values: []lifecycle.Value{{Text: string(lifecycle.Expired)}, {Text: string(lifecycle.Terminated)}}}

// filter is the query as of now.
func (q endQuery) filter(now time.Time) lifecycle.Filter {
	all := lifecycle.All{}
	switch q.Within {
	case "ended":
		all = append(all, hasEnded, end(lifecycle.GreaterOrEqual, now.AddDate(-1, 0, 0)))
	case "later":
		all = append(all, statusIs(lifecycle.Active), end(lifecycle.GreaterOrEqual, now.AddDate(0, 0, 30)))
	case "":
		day, _ := time.Parse(time.DateOnly, q.Day) // it was read before
		all = append(all, end(lifecycle.GreaterOrEqual, day), end(lifecycle.Less, day.AddDate(0, 0, 1)))
		switch today := now.UTC().Truncate(lifecycle.Day); {
		case day.Before(today):
			all = append(all, hasEnded)
		case day.After(today):
			all = append(all, statusIs(lifecycle.Active))
		default:
			all = append(all, lifecycle.Any{statusIs(lifecycle.Active), hasEnded})
		}
	default:
		days, _ := strconv.Atoi(q.Within) // it is one of the buckets
		all = append(all, statusIs(lifecycle.Active), end(lifecycle.Less, now.AddDate(0, 0, days)))
	}
	if q.Extend != "" {
		all = append(all, compare(lifecycle.FieldAutoExtend, lifecycle.Equal, lifecycle.Value{Flag: q.Extend == "on"}))
	}
	if q.Search != "" {
		all = append(all, searchFor(q.Search))
	}
	return all
}

// isRelationshipID says whether it is two GUIDs, as Graph makes ids.
func isRelationshipID(text string) bool {
	const guid = 36
	return len(text) == 2*guid+1 && text[guid] == '-' && lifecycle.IsGUID(text[:guid]) && lifecycle.IsGUID(text[guid+1:])
}

// searchFor finds a relationship by its id, and many by their customer's tenant id, or by a part of their own or their customer's name. Customers'
// names are stored as they are written, so the usual ways of writing are tried.
func searchFor(text string) lifecycle.Filter {
	const longestName = 50 // characters; ids are longer
	id := strings.ToLower(text)
	switch {
	case lifecycle.IsGUID(text):
		return compare(lifecycle.FieldCustomer, lifecycle.Equal, lifecycle.Value{Text: id})
	case isRelationshipID(id):
		return compare(lifecycle.FieldID, lifecycle.Equal, lifecycle.Value{Text: id})
	case len(id) > longestName && !strings.Contains(id, " "):
		return lifecycle.Any{compare(lifecycle.FieldID, lifecycle.Equal, lifecycle.Value{Text: id}),
			compare(lifecycle.FieldCustomerName, lifecycle.Contains, lifecycle.Value{Text: text})}
	}
	wanted := lifecycle.Any{compare(lifecycle.FieldName, lifecycle.Contains, lifecycle.Value{Text: text})}
	for _, name := range written(text) {
		wanted = append(wanted, compare(lifecycle.FieldCustomerName, lifecycle.Contains, lifecycle.Value{Text: name}))
	}
	return wanted
}

// written are the usual ways to write a name.
func written(name string) []string {
	ways := []string{name, strings.ToLower(name), strings.ToUpper(name), cases.Title(textlanguage.Und).String(name)}
	slices.Sort(ways)
	return slices.Compact(ways)
}

// listing is the query for the page.
func (q endQuery) listing(now time.Time) lifecycle.Listing {
	list := lifecycle.Listing{Filter: q.filter(now), By: lifecycle.ByEnd, Descending: q.descending()}
	if after := parseEndPlace(q.After); after != nil {
		list.After = &lifecycle.Listed{Stored: lifecycle.Stored{Key: after.Key, Record: lifecycle.Record{End: after.Values[0].At}}}
	}
	return list
}

// list is the query for a file: so many behind a place. That the end is not before the place follows, and lets the index begin there.
func (q endQuery) list(now time.Time, after *lifecycle.Cursor, limit int) lifecycle.RelationshipQuery {
	list := lifecycle.RelationshipQuery{Filter: q.filter(now), Order: []lifecycle.Order{{Field: lifecycle.FieldEnd, Descending: q.descending()}},
		After: after, Limit: limit}
	if after != nil {
		by := lifecycle.GreaterOrEqual
		if q.descending() {
			by = lifecycle.LessOrEqual
		}
		list.Filter = lifecycle.All{end(by, after.Values[0].At), list.Filter}
	}
	return list
}

// endPlace writes a place in the list, as an instant and a key.
func endPlace(s *lifecycle.Listed) string {
	return lifecycle.FormatInstant(s.End) + "_" + strconv.FormatInt(s.Key, 10)
}

// parseEndPlace reads it; nil where it is none, which is the beginning.
func parseEndPlace(text string) *lifecycle.Cursor {
	instant, number, _ := strings.Cut(text, "_")
	at, err := lifecycle.ParseInstant(instant)
	key, fault := strconv.ParseInt(number, 10, 64)
	if cmp.Or(err, fault) != nil {
		return nil
	}
	return &lifecycle.Cursor{Values: []lifecycle.Value{{At: lifecycle.Instant(at)}}, Key: key}
}

// expiring is what the page shows.
type expiring struct {
	endQuery
	Buckets counted[[]int64] // how many are in each
	Rows    []lifecycle.Listed
	Pager   pager
	At      time.Time
}

func (c *Console) addExpiring() {
	c.get(expiringPath, c.showExpiring)
	c.get("/console/live/ahead/expiring", func(v *visit) error {
		return v.live("expiring", func() any { return expiring{endQuery: v.endQueryOf(), Buckets: c.bucketsOf(v)} })
	})
	c.get(expiringSheet, c.expiringCSV)
	c.addSwitch()
}

func (c *Console) showExpiring(v *visit) error {
	e := expiring{endQuery: v.endQueryOf(), At: v.Now}
	q := e.listing(v.Now)
	found, err := v.look(q, expiringPage)
	if err != nil {
		return err
	}
	e.Buckets = c.bucketsOf(v) // behind the list, which it would slow down while it counts
	e.Rows = found.Rows
	e.Pager = found.pager(q.After, func(place *lifecycle.Listed, more ...string) string {
		values := e.values()
		if place != nil {
			values.Set("after", endPlace(place))
		}
		for i := 0; i+1 < len(more); i += 2 {
			values.Set(more[i], more[i+1])
		}
		return expiringPath + "?" + values.Encode()
	})
	return v.show("expiring", e)
}

// bucketsOf counts what is in the buckets, of all relationships, and behind them all that are active and all that have ended. Each but the later and the ended ones holds those before it.
func (c *Console) bucketsOf(v *visit) counted[[]int64] {
	return c.buckets.look(v, "what ends within which time", bucketsEvery, func(ctx context.Context) ([]int64, error) {
		now := c.Now()
		past := now.AddDate(-1, 0, 0)
		counts, err := c.Store.CountEnds(ctx, []time.Time{{}, past, now, now.AddDate(0, 0, 1), now.AddDate(0, 0, 7), now.AddDate(0, 0, 30), now.AddDate(1000, 0, 0)})
		if err != nil {
			return nil, err
		}
		var active, ended, all int64 // all: that have ended, whenever
		numbers := make([]int64, len(buckets))
		for i := range counts {
			active += counts[i].Active
			switch {
			case counts[i].From.Equal(past):
				ended = counts[i].Ended
			case i >= 2 && i < 5: // since whenever until each of the three
				numbers[i-2] = active
			}
		}
		numbers[3], numbers[4] = counts[len(counts)-1].Active, ended
		for i := range counts {
			all += counts[i].Ended
		}
		return append(numbers, active, all), nil
	})
}

// A bucket is a link to some of the ends.
type bucket struct {
	Name, Link string
	Here       bool
	N          int64
	Of         int64 // how many it is a part of: the active ones or, of those that have ended, all of either
}

// Share is which part it is, in percent; empty where there is nothing to have a part of.
func (b bucket) Share() string {
	if b.Of == 0 {
		return ""
	}
	const hundred = 100
	return strconv.FormatInt((b.N*hundred+b.Of/2)/b.Of, 10) + "%"
}

// Shown are the buckets, which keep what else was asked for.
func (e expiring) Shown() (shown []bucket) {
	for i, name := range buckets {
		q := e.endQuery
		q.Within, q.Day = name, ""
		b := bucket{Name: name, Link: q.path(expiringPath), Here: name == e.Within}
		if e.Buckets.Known {
			n := e.Buckets.Value
			if b.N, b.Of = n[i], n[len(buckets)]; name == "ended" {
				b.Of += n[len(buckets)+1]
			}
		}
		shown = append(shown, b)
	}
	return shown
}

// ListValues are the query as a form sends it along.
func (e expiring) ListValues() url.Values { return e.values() }

// Live is where the numbers of the buckets come from while they are counted.
func (e expiring) Live() string { return e.path("/console/live/ahead/expiring") }

// Sheet is the list as a file.
func (e expiring) Sheet() string { return e.path(expiringSheet) }

// Fate is what happens at the end, as far as it stands: extends, ends, or holds, which is to say that Global Administrator keeps it from
// being extended; over, where it has ended.
func (expiring) Fate(r *lifecycle.Listed) string {
	switch {
	case r.Status != lifecycle.Active:
		return "over"
	case r.AutoExtend && r.HoldsGlobalAdministrator():
		return "holds"
	case r.AutoExtend:
		return "extends"
	}
	return "ends"
}

// expiringCSV is the whole list, page after page: it is as of when each page was read.
func (c *Console) expiringCSV(v *visit) error {
	header := []string{"id", "displayName", "status", "endDateTime", "autoExtendDuration", "globalAdministrator", "customerTenantId", "customerDisplayName", "partnerTenantId"}
	return v.csv("expiring.csv", header, func(row func(...string) error) error {
		q := v.endQueryOf()
		for list := q.list(v.Now, parseEndPlace(q.After), expiringBatch); ; {
			found, err := c.Store.Relationships(v.Request.Context(), list)
			if err != nil {
				return err
			}
			for i := range found {
				r := &found[i]
				if err := row(r.ID, r.DisplayName, string(r.Status), lifecycle.FormatInstant(r.End), c.Policy.AutoExtendDuration(r.AutoExtend).String(),
					strconv.FormatBool(r.HoldsGlobalAdministrator()), r.Customer.TenantID, r.Customer.DisplayName, r.Partner); err != nil {
					return err
				}
			}
			if len(found) < expiringBatch {
				return nil
			}
			list = q.list(v.Now, list.Cursor(&found[expiringBatch-1]), expiringBatch)
		}
	})
}
