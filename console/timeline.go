package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A moment is a point in the life of a relationship: something happened, was told of, or will.
type moment struct {
	Effective time.Time
	Recorded  time.Time // zero: as it took effect, or it has not happened yet
	Kind      string    // event, refusal, order or warning: how it is drawn
	Title     string
	Who       string // by whom; empty: by the timer
	Detail    string // as people wrote it
	From, To  lifecycle.Status
	Told      []told
	More      int    // told beside those
	Mark      string // the name of its place in the page
}

// told is how a notice fared with some of those whom it was for.
type told struct {
	ID     string // of the notice; empty: it is yet to come
	Role   lifecycle.Role
	Whom   string // for whoever may know it
	Status lifecycle.NoticeStatus
}

const (
	mostMoments = 200 // of the past; the log of activities has them all
	mostTold    = 20  // recipients at one moment
	yearsAhead  = 2
	mostAhead   = 60
)

// past is what has happened and what was told, the latest first.
func (v *visit) past(d *lifecycle.Dossier) (all []moment, more bool) {
	letters := map[int64][]lifecycle.Letter{}
	for i := range d.Letters {
		letters[d.Letters[i].Version] = append(letters[d.Letters[i].Version], d.Letters[i])
	}
	for i := range d.Events {
		e := &d.Events[i]
		m := v.happened(e)
		if e.StepInLife() {
			m.Told, m.More = v.told(letters[e.Version])
			delete(letters, e.Version)
		}
		all = append(all, m)
	}
	for _, of := range letters { // warnings are no steps
		first := &of[0]
		m := moment{Effective: first.Due, Recorded: first.Recorded, Kind: "warning", Title: v.noticeTitle(first.Kind, first.Stage)}
		m.Told, m.More = v.told(of)
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b moment) int {
		return -cmp.Or(a.Effective.Compare(b.Effective), a.Recorded.Compare(b.Recorded))
	})
	if more = len(all) > mostMoments; more {
		all = all[:mostMoments]
	}
	for i := range all {
		all[i].Mark = fmt.Sprintf("p%d", i)
		if all[i].Recorded.Sub(all[i].Effective).Abs() < time.Second {
			all[i].Recorded = time.Time{}
		}
	}
	return all, more
}

func (v *visit) happened(e *lifecycle.Event) moment {
	m := moment{Effective: e.Effective, Recorded: e.Recorded, Kind: "event", Title: v.word("event", string(e.Type)), Detail: e.Detail, From: e.From, To: e.To}
	switch {
	case e.Type == lifecycle.EventRefused:
		m.Kind, m.Title = "refusal", v.T("relationship.refused", "action", v.word("action", e.Action))
	case !e.StepInLife():
		m.Kind = "order"
	case e.Type == lifecycle.EventAutoExtendChanged && (e.Detail == "on" || e.Detail == "off"):
		m.Title, m.Detail = v.T("relationship.switched."+e.Detail), ""
	case e.Type == lifecycle.EventExtended:
		m.Title = v.T("relationship.extended", "day", v.dayText(e.End))
	}
	if e.From == e.To || !e.StepInLife() {
		m.From, m.To = "", ""
	}
	if e.Actor != "" {
		m.Who = v.word("actor", string(e.Actor))
	}
	if e.By != nil && e.By.Name != "" {
		m.Who = strings.TrimSpace(m.Who + " (" + e.By.Name + ")")
	}
	return m
}

// told is how the letters of one moment fared, and how many there are beside. Addresses are for those who manage.
func (v *visit) told(letters []lifecycle.Letter) (all []told, more int) {
	for i := range letters[:min(len(letters), mostTold)] {
		l := &letters[i]
		t := told{ID: l.String(), Role: l.Recipient.Role, Status: l.Status}
		if l.Endpoint {
			t.Whom = l.Channel
		} else if v.May(lifecycle.Manage) {
			t.Whom = l.Recipient.Mail
		}
		all = append(all, t)
	}
	return all, len(letters) - len(all)
}

// ahead is what the timers will do if nobody does anything, the next first.
func (v *visit) ahead(r *lifecycle.Record) (all []moment) {
	for d := range lifecycle.Ahead(*r, v.console.Policy, v.Now, v.Now.AddDate(yearsAhead, 0, 0)) {
		all = append(all, v.coming(&d)...)
		if len(all) > mostAhead {
			break
		}
	}
	for i := range all {
		all[i].Mark = fmt.Sprintf("f%d", i)
	}
	return all
}

// coming is what one decision of the future does: its steps, each with those whom it tells, and its warnings.
func (v *visit) coming(d *lifecycle.Decision) (all []moment) {
	at := map[int64]int{}
	for i := range d.Changes {
		c := &d.Changes[i]
		m := moment{Effective: c.Effective, Kind: "event", Title: v.word("event", string(c.Type)), From: c.From, To: c.To}
		if c.Type == lifecycle.EventExtended {
			m.Title = v.T("relationship.extended", "day", v.dayText(c.End))
		}
		if c.From == c.To {
			m.From, m.To = "", ""
		}
		at[c.Version] = len(all)
		all = append(all, m)
	}
	for i := range d.Notices {
		n := &d.Notices[i]
		if n.Status != lifecycle.NoticeQueued {
			continue
		}
		var whom []told
		for _, to := range n.To {
			if !to.Muted {
				whom = append(whom, told{Role: to.Role})
			}
		}
		if of, ok := at[n.Version]; ok {
			all[of].Told = whom
			continue
		}
		all = append(all, moment{Effective: n.Due, Kind: "warning", Title: v.noticeTitle(n.Kind, n.Stage), Told: whom})
	}
	return all
}

func (v *visit) noticeTitle(kind lifecycle.NoticeKind, stage lifecycle.Period) string {
	if kind == lifecycle.KindWarnExpiry && !stage.IsZero() {
		return v.T("relationship.warning", "stage", v.period(stage))
	}
	return v.word("tells", string(kind))
}

// period is a length of time as people say it, where it is whole days, and as it is written otherwise.
func (v *visit) period(p lifecycle.Period) string {
	if p.Months == 0 && p.Span%lifecycle.Day == 0 {
		return v.T("time.days", "n", int64(p.Span/lifecycle.Day))
	}
	return p.String()
}

// word is what one of the field's own words is called.
func (v *visit) word(kind, name string) string { return v.console.pages[v.Lang].word(kind, name) }

// dayText is a day as plain text.
func (v *visit) dayText(t time.Time) string {
	if v.Lang == japanese {
		return t.UTC().Format("2006年1月2日")
	}
	return t.UTC().Format("2 Jan 2006")
}

// A line is the life of a relationship, drawn: what was is left of the middle, which is now, and what will be is right of it. Either side
// has a scale of its own.
type line struct {
	Points      []point
	Labels      []label
	Term, Still *stretch // the term so far, and what remains of it; nil: there is none
	Begins      string
	Ends        string
}

// A point is a moment on the line.
type point struct {
	X, Y  int
	Kind  string
	Ahead bool
	Text  string
	Mark  string
}

// A stretch is a part of the line.
type stretch struct{ From, Width int }

// A label is a text at a place on the line, in one of the rows above it.
type label struct {
	X, Y   int
	Anchor string
	Text   string
}

// The measures of the drawing.
const (
	lineWidth  = 1000
	lineMargin = 24
	lineY      = 96
	lineNow    = lineWidth / 2
	lineRows   = 4
	lineRow    = 17
)

// line draws what the page lists.
func (v *visit) line(page *relationship) *line {
	past, ahead := slices.Clone(page.Past), page.Ahead
	past = slices.DeleteFunc(past, func(m moment) bool { return m.Effective.After(v.Now) })
	if len(past) == 0 && len(ahead) == 0 {
		return nil
	}
	first, last := v.Now, v.Now
	for _, m := range past {
		first = earlier(first, m.Effective)
	}
	r := page.Record()
	first, last = earlier(first, r.Activated), later(last, r.End)
	for _, m := range ahead {
		last = later(last, m.Effective)
	}
	x := func(t time.Time) int {
		side := lineNow - lineMargin
		switch {
		case t.Before(v.Now) && first.Before(v.Now):
			return lineNow - int(float64(side)*v.Now.Sub(t).Seconds()/v.Now.Sub(first).Seconds())
		case t.After(v.Now) && last.After(v.Now):
			return lineNow + int(float64(side)*t.Sub(v.Now).Seconds()/last.Sub(v.Now).Seconds())
		}
		return lineNow
	}
	l := &line{Begins: v.dayText(first), Ends: v.dayText(last)}
	if from := r.Activated; !from.IsZero() && !r.End.IsZero() {
		from, to := x(from), x(r.End)
		l.Term = &stretch{from, max(0, min(to, lineNow)-from)}
		if to > lineNow {
			l.Still = &stretch{max(from, lineNow), to - max(from, lineNow)}
		}
	}
	v.mark(l, past, ahead, x)
	return l
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mark puts the moments on the line. Where there is room they are named, those first that are nearest to now.
func (v *visit) mark(l *line, past, ahead []moment, x func(time.Time) int) {
	taken := [lineRows][]stretch{}
	put := func(m *moment, future bool) {
		p := point{X: x(m.Effective), Y: lineY, Kind: m.Kind, Ahead: future, Text: v.dayText(m.Effective) + " · " + m.Title, Mark: m.Mark}
		l.Points = append(l.Points, p)
		if m.Kind == "refusal" || m.Kind == "order" {
			return
		}
		text := cut(m.Title)
		width := textWidth(text)
		at, anchor := p.X, "start"
		if p.X+width > lineWidth {
			at, anchor = p.X-width, "end"
		}
		for row := range lineRows {
			if slices.ContainsFunc(taken[row], func(s stretch) bool { return at < s.From+s.Width && s.From < at+width }) {
				continue
			}
			taken[row] = append(taken[row], stretch{at, width + 10})
			l.Labels = append(l.Labels, label{p.X, lineY - 16 - row*lineRow, anchor, text})
			return
		}
	}
	for i := range past {
		put(&past[i], false)
	}
	for i := range ahead {
		put(&ahead[i], true)
	}
}

// cut leaves of a label what fits between others.
func cut(text string) string {
	const most = 28
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// textWidth is about how wide a label is.
func textWidth(text string) (width int) {
	for _, c := range text {
		if c < 0x1100 {
			width += 6
		} else {
			width += 12
		}
	}
	return width
}
