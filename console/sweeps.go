package console

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A SweepStore reads sweeps. It may be called from many goroutines.
type SweepStore interface {
	// ShownSweeps lists the sweeps that show wants, those only that fire a rule if one is named, latest first: at most limit of those
	// before the one called before; 0: the latest.
	ShownSweeps(ctx context.Context, show lifecycle.SweepShow, rule lifecycle.RuleName, before int64, limit int) ([]lifecycle.Sweep, error)

	// Sweep reads a sweep with its totals; [lifecycle.ErrNotFound].
	Sweep(ctx context.Context, id int64) (lifecycle.Sweep, error)

	// Chunks lists chunks of a sweep, in the order in which they were cut.
	Chunks(ctx context.Context, sweep int64, q lifecycle.ChunkQuery) ([]lifecycle.ChunkReport, error)

	// FailedRecords lists what a sweep could not change: at most limit of those after a key.
	FailedRecords(ctx context.Context, sweep, after int64, limit int) ([]lifecycle.FailedRecord, error)

	// Population counts all relationships.
	Population(ctx context.Context) (int64, error)
}

const (
	sweepsPath = "/console/sweeps"

	sweepsOnPage = 30 // each with the totals of its chunks
	partsOnPage  = 50 // chunks, and relationships that could not be changed
)

// sweepsPage is the list of sweeps, with the rules that open them.
type sweepsPage struct {
	lifecycle.Condition
	Show        lifecycle.SweepShow
	Shows       []lifecycle.SweepShow
	List        []lifecycle.Sweep
	First, Next string
	Live        string
}

// Hold is what a rule is paused by; nil: it is not.
func (p *sweepsPage) Hold(rule lifecycle.RuleName) *lifecycle.Hold {
	return ruleHold(&p.Condition, rule)
}

func ruleHold(c *lifecycle.Condition, rule lifecycle.RuleName) *lifecycle.Hold {
	i := slices.IndexFunc(c.Holds, func(h lifecycle.Hold) bool { return h.Kind == lifecycle.HoldRule && h.Subject == string(rule) })
	if i < 0 {
		return nil
	}
	return &c.Holds[i]
}

// Held are the sweeps that wait for an operator's word.
func (p *sweepsPage) Held() (held []lifecycle.Sweep) {
	for i := range p.Sweeps {
		if p.Sweeps[i].State == lifecycle.SweepHeld {
			held = append(held, p.Sweeps[i])
		}
	}
	return held
}

// Running are those at work.
func (p *sweepsPage) Running() (running []lifecycle.Sweep) {
	for i := range p.Sweeps {
		if p.Sweeps[i].State == lifecycle.SweepRunning {
			running = append(running, p.Sweeps[i])
		}
	}
	return running
}

// sweepPage is one sweep.
type sweepPage struct {
	lifecycle.Sweep
	Standstill *lifecycle.Hold // of everything; nil: there is none

	Troubled              bool // only chunks with trouble are shown
	Parts                 []lifecycle.ChunkReport
	PartsFirst, PartsNext string

	FailedRecords           []lifecycle.FailedRecord
	FailedFirst, FailedNext string

	Live string // empty: it is over, and nothing changes any more
}

// Open says whether it is not over.
func (p *sweepPage) Open() bool {
	return p.State == lifecycle.SweepRunning || p.State == lifecycle.SweepHeld
}

// Trips says whether a rule is why it was held.
func (p *sweepPage) Trips(rule lifecycle.RuleName) bool {
	return p.Plan != nil && slices.Contains(p.Plan.Tripped, rule)
}

// Dry ends the name of a phrase that is another one for a dry run.
func (p *sweepPage) Dry() string {
	if p.DryRun {
		return ".dry"
	}
	return ""
}

func (c *Console) addSweeps() {
	c.get(sweepsPath, func(v *visit) error {
		p, err := c.sweepsPage(v)
		if err != nil {
			return err
		}
		return v.show("sweeps", p)
	})
	c.get("/console/live/sweeps", func(v *visit) error {
		return v.liveOr("sweeps", func() (any, error) { return c.sweepsPage(v) })
	})
	c.get(sweepsPath+"/{id}", func(v *visit) error {
		p, err := c.sweepPage(v)
		if err != nil {
			return err
		}
		return v.show("sweep", p)
	})
	c.get("/console/live/sweeps/{id}", func(v *visit) error {
		return v.liveOr("sweep", func() (any, error) { return c.sweepPage(v) })
	})
}

// liveOr keeps a page up to date that may not be had for a while: then the last one stays.
func (v *visit) liveOr(page string, body func() (any, error)) error {
	last, err := body()
	if err != nil {
		return err
	}
	return v.live(page, func() any {
		if fresh, err := body(); err == nil {
			last = fresh
		}
		return last
	})
}

func (c *Console) sweepsPage(v *visit) (*sweepsPage, error) {
	ctx, query := v.Request.Context(), v.Request.URL.Query()
	p := &sweepsPage{Condition: c.glance.look(ctx, c.Wall(), c.Condition), Show: lifecycle.SweepShow(query.Get("show")), Shows: lifecycle.SweepShows,
		Live: withQuery("/console/live/sweeps", query)}
	if !slices.Contains(p.Shows, p.Show) {
		p.Show = lifecycle.ShowBusy
	}
	before := number(query, "before")
	list, err := c.Store.ShownSweeps(ctx, p.Show, "", before, sweepsOnPage+1) // one more, to know whether there is a next page
	if err != nil {
		return nil, err
	}
	p.List = list[:min(len(list), sweepsOnPage)]
	show := url.Values{"show": {string(p.Show)}}
	if before > 0 {
		p.First = withQuery(sweepsPath, show) + "#list"
	}
	if len(list) > sweepsOnPage {
		show.Set("before", strconv.FormatInt(list[sweepsOnPage-1].ID, 10))
		p.Next = withQuery(sweepsPath, show) + "#list"
	}
	return p, nil
}

func (c *Console) sweepPage(v *visit) (*sweepPage, error) {
	ctx, query := v.Request.Context(), v.Request.URL.Query()
	id, err := v.sweepID()
	if err != nil {
		return nil, err
	}
	p := &sweepPage{Troubled: query.Get("only") == "troubled"}
	if p.Sweep, err = c.Store.Sweep(ctx, id); err != nil {
		return nil, err
	}
	condition := c.glance.look(ctx, c.Wall(), c.Condition)
	p.Standstill = condition.Standstill()
	if p.Open() {
		p.Live = withQuery("/console/live"+sweepPath(id)[len("/console"):], query)
	}
	if p.Failed > 0 {
		if err := c.readFailed(ctx, p, query); err != nil {
			return nil, err
		}
	}
	return p, c.readParts(ctx, p, query)
}

func (c *Console) readParts(ctx context.Context, p *sweepPage, query url.Values) error {
	after := number(query, "chunks")
	parts, err := c.Store.Chunks(ctx, p.ID, lifecycle.ChunkQuery{Troubled: p.Troubled, After: int(after), Limit: partsOnPage + 1})
	if err != nil {
		return err
	}
	p.Parts = parts[:min(len(parts), partsOnPage)]
	if after > 0 {
		p.PartsFirst = placeOf(p.ID, query, "chunks", 0)
	}
	if len(parts) > partsOnPage {
		p.PartsNext = placeOf(p.ID, query, "chunks", int64(parts[partsOnPage-1].N))
	}
	return nil
}

func (c *Console) readFailed(ctx context.Context, p *sweepPage, query url.Values) error {
	after := number(query, "failures")
	failed, err := c.Store.FailedRecords(ctx, p.ID, after, partsOnPage+1)
	if err != nil {
		return err
	}
	p.FailedRecords = failed[:min(len(failed), partsOnPage)]
	if after > 0 {
		p.FailedFirst = placeOf(p.ID, query, "failures", 0)
	}
	if len(failed) > partsOnPage {
		p.FailedNext = placeOf(p.ID, query, "failures", failed[partsOnPage-1].Key)
	}
	return nil
}

// placeOf is the page of a sweep with one of its lists at another place.
func placeOf(sweep int64, query url.Values, list string, after int64) string {
	moved := url.Values{}
	for _, name := range []string{"only", "chunks", "failures"} {
		if query.Has(name) {
			moved.Set(name, query.Get(name))
		}
	}
	moved.Del(list)
	if after > 0 {
		moved.Set(list, strconv.FormatInt(after, 10))
	}
	return withQuery(sweepPath(sweep), moved) + "#" + list
}

// number is a parameter that is a number; 0: it is missing, or is none.
func number(query url.Values, name string) int64 {
	n, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func sweepPath(id int64) string { return sweepsPath + "/" + strconv.FormatInt(id, 10) }

// sweepID is the number in the path.
func (v *visit) sweepID() (int64, error) {
	id, err := strconv.ParseInt(v.Request.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, v.notFound()
	}
	return id, nil
}

// Took is how long a sweep took, or has been taking.
func (v *visit) Took(s lifecycle.Sweep) string {
	switch {
	case s.State == lifecycle.SweepHeld:
		return "–"
	case s.FinishedAt.IsZero():
		return v.Brief(v.Wall.Sub(s.OpenedAt))
	}
	return v.Brief(s.FinishedAt.Sub(s.OpenedAt))
}

// Brief is a length of time that may be less than a second.
func (v *visit) Brief(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	if d < 2*time.Second {
		return v.T("sweeps.ms", "n", d.Milliseconds())
	}
	return v.console.pages[v.Lang].span(d)
}
