package notify

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// digestOrder is the order of a digest's groups: first what can still be acted upon, then what is gone, then the good news.
var digestOrder = []lifecycle.NoticeKind{lifecycle.KindWarnExpiry, lifecycle.KindTermEnded, lifecycle.KindTerminated, rejected,
	lifecycle.KindRequestLapsed, lifecycle.KindApproved, lifecycle.KindExtended}

// soonDays is how near an end has to be for the subject of a digest to count it.
const soonDays = 7

// digest writes many notices in one table, a group for each kind.
func (c *composing) digest(l *lifecycle.Letter) {
	c.facts.aboutDigest(l, c.zone)
	c.Title = c.line("digest.title")
	c.Subject = c.Title
	c.What = c.lines("digest.what")
	reader := *c.facts
	reader.unlink()
	for _, kind := range digestOrder {
		var items []*lifecycle.Letter
		for i := range l.Items {
			if storyOf(&l.Items[i]) == kind {
				items = append(items, &l.Items[i])
			}
		}
		if len(items) > 0 {
			c.Groups = append(c.Groups, c.group(kind, items, writtenAt(l)))
		}
	}
	c.facts = &reader
	c.sections("digest.")
}

func (f *facts) aboutDigest(l *lifecycle.Letter, z zone) {
	f.Count = len(l.Items)
	for i := range l.Items {
		item := &l.Items[i]
		f.Chosen = f.Chosen || item.Reason == lifecycle.ForDigest
		f.Fold = f.Fold || item.Reason == lifecycle.TooManyToday
		if item.Kind == lifecycle.KindWarnExpiry {
			f.Endings++
			if z.daysUntil(writtenAt(l), item.End) <= soonDays {
				f.Soon++
			}
		}
	}
	f.Counting = f.Endings > 0
}

// group writes the rows of one kind, as of the instant at which the digest was written: what ends first stands first.
func (c *composing) group(kind lifecycle.NoticeKind, items []*lifecycle.Letter, written time.Time) group {
	slices.SortStableFunc(items, func(a, b *lifecycle.Letter) int { return momentOf(a).Compare(momentOf(b)) })
	counting := *c.facts
	counting.Count = len(items)
	all := c.facts
	c.facts = &counting
	g := group{Heading: c.line("digest." + string(kind)), Name: c.line("digest.column.name"), Moment: c.line("digest.column.when"),
		Rows: make([]row, 0, len(items))}
	for _, item := range items {
		g.Rows = append(g.Rows, c.row(kind, item, written))
	}
	c.facts = all
	return g
}

func (c *composing) row(kind lifecycle.NoticeKind, item *lifecycle.Letter, written time.Time) row {
	f := &facts{Partner: c.facts.Partner}
	c.fault(f.aboutRelationship(c.wording, item, c.zone, c.partners))
	f.Days = c.zone.daysUntil(written, item.End)
	f.unlink()
	r := row{Name: f.Name, When: f.End}
	c.facts, f = f, c.facts
	switch kind {
	case lifecycle.KindWarnExpiry:
		r.Note = c.line("distance")
		if c.facts.GlobalAdministrator {
			r.After = c.line("digest.supreme")
		}
	case lifecycle.KindApproved, lifecycle.KindExtended:
		r.When, r.After = c.facts.Due, c.line("digest."+string(kind)+".until")
	}
	r.With = c.line("digest.with")
	c.facts = f
	return r
}

// momentOf is when it happened, or will.
func momentOf(l *lifecycle.Letter) time.Time {
	if l.Kind == lifecycle.KindApproved || l.Kind == lifecycle.KindExtended {
		return l.Due
	}
	return l.End
}
