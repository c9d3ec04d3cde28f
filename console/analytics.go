package console

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	analyticsPath  = "/console/analytics"
	customersPath  = analyticsPath + "/customers"
	customersPage  = 50
	analyticsEvery = 10 * time.Minute
	analyticsDays  = 60 // back and ahead
	holdersPage    = 50
)

// An AnalyticsStore counts what there is.
type AnalyticsStore interface {
	// Counts counts the relationships of each status; a status that none has is missing.
	Counts(ctx context.Context) (map[lifecycle.Status]int64, error)

	// CountCustomers counts the customers that have a relationship.
	CountCustomers(ctx context.Context) (int64, error)

	// CountByCustomer counts the relationships of the customers behind one, at most so many.
	CountByCustomer(ctx context.Context, after string, limit int) ([]lifecycle.CustomerCount, error)

	// CountRoles says which roles active relationships hold.
	CountRoles(ctx context.Context) (lifecycle.RoleCounts, error)
}

// analyticsNumbers are what takes seconds to count.
type analyticsNumbers struct {
	Statuses  map[lifecycle.Status]int64
	Customers int64
	Roles     lifecycle.RoleCounts
	Past      []lifecycle.EndCount // the days up to yesterday, oldest first
	Coming    []lifecycle.EndCount // from today on
}

// analytics is what the page shows.
type analytics struct {
	counted[analyticsNumbers]
	Ending, Ended chart
}

func (c *Console) addAnalytics() {
	c.get(analyticsPath, func(v *visit) error { return v.show("analytics", c.analyticsOf(v)) })
	c.get("/console/live/analytics", func(v *visit) error {
		return v.live("analytics", func() any { return c.analyticsOf(v) })
	})
	c.post(analyticsPath+"/count", "read", func(v *visit) error {
		c.analytics.forget()
		return v.goTo(analyticsPath, nil)
	})
	c.get(customersPath, showCustomers)
	c.get(analyticsPath+"/roles/{role}", c.showHolders)
}

func (c *Console) analyticsOf(v *visit) analytics {
	a := analytics{counted: c.analytics.look(v, "analytics", analyticsEvery, c.countAll)}
	if a.Known {
		a.Ending = v.endChart("analytics.ending", a.Value.Coming, func(n *lifecycle.EndCount) int64 { return n.Active })
		a.Ended = v.endChart("analytics.ended", a.Value.Past, func(n *lifecycle.EndCount) int64 { return n.Ended })
	}
	return a
}

func (c *Console) countAll(ctx context.Context) (n analyticsNumbers, err error) {
	if n.Statuses, err = c.Store.Counts(ctx); err != nil {
		return n, err
	}
	if n.Customers, err = c.Store.CountCustomers(ctx); err != nil {
		return n, err
	}
	if n.Roles, err = c.Store.CountRoles(ctx); err != nil {
		return n, err
	}
	days := daysFrom(c.Now().AddDate(0, 0, -analyticsDays), 2*analyticsDays+1)
	counts, err := c.Store.CountEnds(ctx, days)
	if err != nil {
		return n, err
	}
	n.Past, n.Coming = counts[:analyticsDays], counts[analyticsDays:]
	return n, nil
}

func (v *visit) endChart(key string, counts []lifecycle.EndCount, of func(*lifecycle.EndCount) int64) chart {
	c := chart{Title: v.T(key), Head: v.T("ahead.day"), Series: []string{v.T("analytics.relationships")}}
	for i := range counts {
		day := v.dayColumn(counts[i].From, []int64{of(&counts[i])})
		day.Link = expiringPath + "?day=" + counts[i].From.Format(time.DateOnly)
		c.Columns = append(c.Columns, day)
	}
	return c
}

// All is how many relationships there are, whatever their status.
func (a analytics) All() (all int64) {
	for _, n := range a.Value.Statuses {
		all += n
	}
	return all
}

// Pending is how many wait for approval.
func (a analytics) Pending() int64 { return a.Value.Statuses[lifecycle.ApprovalPending] }

// EndSoon is how many end, or are extended, within the days of the chart.
func (a analytics) EndSoon() (n int64) {
	for _, day := range a.Value.Coming {
		n += day.Active
	}
	return n
}

// SoonLink lists them.
func (a analytics) SoonLink() string {
	if len(a.Value.Coming) == 0 {
		return ""
	}
	return "/console/relationships?status=active&sort=end&from=" + a.Value.Coming[0].From.Format(time.DateOnly) +
		"&to=" + a.Value.Coming[len(a.Value.Coming)-1].From.Format(time.DateOnly)
}

// A counter is a number of something that has a name.
type counter struct {
	Name string
	N    int64
}

// MostFirst are numbers, the largest first.
func mostFirst[K ~string](counts map[K]int64) []counter {
	all := make([]counter, 0, len(counts))
	for name := range maps.Keys(counts) {
		all = append(all, counter{string(name), counts[name]})
	}
	slices.SortFunc(all, func(a, b counter) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return all
}

// Statuses are how many relationships there are of each, in the order of their lives.
func (a analytics) Statuses() (counts []counter) {
	for _, status := range lifecycle.Statuses {
		if n := a.Value.Statuses[status]; n > 0 {
			counts = append(counts, counter{string(status), n})
		}
	}
	return counts
}

// Roles are the most used ones, the first of all of them.
func (a analytics) Roles() []counter {
	const shown = 20
	roles := mostFirst(a.Value.Roles.Roles)
	return roles[:min(shown, len(roles))]
}

// customers is a page of them, in the order of their tenant ids.
type customers struct {
	Rows  []lifecycle.CustomerCount
	Pager pager
}

func showCustomers(v *visit) error {
	after := strings.ToLower(v.Request.FormValue("after"))
	found, err := v.console.Store.CountByCustomer(v.Request.Context(), after, customersPage+1)
	if err != nil {
		return err
	}
	c := customers{Rows: found[:min(customersPage, len(found))]}
	if len(found) > customersPage {
		c.Pager.Next = withQuery(customersPath, nonEmpty("after", c.Rows[customersPage-1].TenantID))
	}
	if after != "" {
		c.Pager.First = customersPath
	}
	return v.show("customers", c)
}

// holders is a page of those that hold a role.
type holders struct {
	Role  string
	Rows  []lifecycle.Listed
	Pager pager
}

func (c *Console) showHolders(v *visit) error {
	h := holders{Role: v.Request.PathValue("role")}
	if !lifecycle.IsGUID(h.Role) {
		return v.notFound()
	}
	path := analyticsPath + "/roles/" + h.Role
	q := lifecycle.Listing{By: lifecycle.ByArrival, Filter: statusIs(lifecycle.Active)}
	if q.Role = strings.ToLower(h.Role); q.Role == lifecycle.GlobalAdministrator {
		q.Role, q.GlobalAdministrator = "", lifecycle.With // there is an index
	}
	if after, err := strconv.ParseInt(v.Request.FormValue("after"), 10, 64); err == nil { // what is none is the beginning
		q.After = &lifecycle.Listed{Stored: lifecycle.Stored{Key: after}}
	}
	found, err := v.look(q, holdersPage)
	if err != nil {
		return err
	}
	h.Rows = found.Rows
	h.Pager = found.pager(q.After, func(place *lifecycle.Listed, more ...string) string {
		if place == nil {
			return path
		}
		return withQuery(path, nonEmpty(append(more, "after", strconv.FormatInt(place.Key, 10))...))
	})
	return v.show("holders", h)
}
