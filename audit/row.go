package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// row holds that the stored record is what its history has made of it.
func (h *history) row(row *lifecycle.AccountRow) {
	last := &h.steps[len(h.steps)-1]
	differs := func(field string, want, has any) {
		if say(want) != say(has) {
			h.find(last.version, wrong(RowDiffers, field+" of the row is another than its history has made of it", orNone(say(want)), orNone(say(has))))
		}
	}
	differs("status", string(h.at.status), string(row.Status))
	differs("end_at", h.at.end, row.End)
	differs("version", h.at.version, row.Version)
	if !row.NameReleased.Equal(h.at.released) {
		h.find(last.version, wrong(NameWrong, "the name is held or free otherwise than its history says; free since", orNone(say(h.at.released)), orNone(say(row.NameReleased))))
	}
	differs("approved_at", h.at.approved, row.Approved)
	h.dates(row, differs)
	if w := row.WarnAfter; !w.Equal(h.at.warned) && !slices.ContainsFunc(h.at.possible, w.Equal) {
		differs("warn_after", h.at.warned, w)
	}
	if live := len(h.account.Groups) + h.account.Leaving; row.Assigned != live {
		h.find(last.version, wrong(Access, "the record counts other assignments than there are", row.Assigned, live))
	}
	h.access(row)
	for i, group := range h.account.Groups {
		if slices.Contains(h.account.Groups[:i], group) {
			h.find(last.version, Finding{Kind: Access, Text: "a group has two live assignments", Found: group})
		}
	}
	if key := nameKey(row.DisplayName); key != row.NameKey {
		h.find(last.version, wrong(NameWrong, "the name is compared by another key than its own", key, row.NameKey))
	}
	h.print(row)
	h.stay(row)
	if at := row.Next.At; !row.Held && !at.IsZero() && at.Before(h.Floor) {
		h.find(row.Version, wrong(BelowFloor, "the stored next timer lies before the instant from which on sweeps look", h.Floor, at))
	}
}

// dates holds the dates that events tell of, where no file has said otherwise since.
func (h *history) dates(row *lifecycle.AccountRow, differs func(field string, want, has any)) {
	var created, modified time.Time
	said := false // by a file
	for i := range h.account.Events {
		e := &h.account.Events[i]
		switch e.Type {
		case lifecycle.EventCreated:
			created = e.Effective
		case lifecycle.EventImported, lifecycle.EventUpdated:
			said, modified = true, time.Time{}
			continue
		}
		modified = later(modified, e.Effective)
	}
	if !created.IsZero() && !said {
		differs("created_at", created, row.Created)
		differs("modified_at", modified, row.Modified)
		differs("locked_at", h.at.locked, row.Locked)
		differs("activated_at", h.at.active, row.Activated)
		return
	}
	if row.Modified.Before(modified) {
		differs("modified_at", modified, row.Modified)
	}
	if !h.at.locked.IsZero() {
		differs("locked_at", h.at.locked, row.Locked)
	}
	if !h.at.active.IsZero() {
		differs("activated_at", h.at.active, row.Activated)
	}
}

// print holds that the record is, in everything that people and timers have said of it, the one that the last event left.
func (h *history) print(row *lifecycle.AccountRow) {
	for i := len(h.steps) - 1; i >= 0; i-- {
		e := h.steps[i].event
		if e == nil {
			continue
		}
		if e.Fingerprint != "" && e.Fingerprint != row.Fingerprint() {
			h.find(e.Version, wrong(Fingerprint, "the row is another than the one that its last event left", e.Fingerprint, row.Fingerprint()))
		}
		return
	}
}

// stay holds that the row is marked as being on hold where a hold of its own or of one of its tenants is in force.
func (h *history) stay(row *lifecycle.AccountRow) {
	held := slices.ContainsFunc(h.Holds, func(hold lifecycle.Hold) bool { return hold.ReleasedAt.IsZero() && concerns(&hold, "", &h.who) })
	if held != row.Held {
		h.find(row.Version, wrong(WrongStay, "the row's mark of being on hold does not fit the holds that are in force", held, row.Held))
	}
}

// open holds that what has fallen due has happened, or waits for a good reason.
func (h *history) open() {
	c := &h.after[len(h.after)-1]
	policies, _ := h.policiesAt(h.opts.Now)
	d, ok := h.agreed(c, policies)
	if ok && !d.at.After(h.opts.Now) {
		h.overdue(d)
		return
	}
	if len(policies) == 0 {
		return
	}
	for _, p := range policies {
		if _, moment, ok := h.at.warning(c, p, h.at.warnedAtMost()); !ok || moment.After(h.opts.Now) {
			return
		}
	}
	_, moment, _ := h.at.warning(c, policies[0], h.at.warnedAtMost())
	h.overdue(due{lifecycle.WarnExpiry, moment})
}

func (h *history) overdue(d due) {
	since := h.knowable(d, h.opts.Now)
	if wait, ok := h.waitsFor(d.at, since, d.rule, &h.who); ok {
		h.summary.Waiting[wait]++
		return
	}
	h.judge(h.at.version, wrong(Missing, fmt.Sprintf("%s fell due and has not happened", ruleOf(d)), d.at, "nothing by "+say(h.opts.Now)))
}

// nextTimer holds that the stored next timer, by which sweeps find the record, is the one that falls due next.
func (h *history) nextTimer(row *lifecycle.AccountRow) {
	policies, _ := h.policiesAt(h.opts.Now)
	switch {
	case len(policies) == 0:
		h.summary.Unchecked[NoPolicyKept]++
		return
	case h.Retiming:
		h.summary.Unchecked[TimersBeingSet]++
		return
	}
	c := &h.after[len(h.after)-1]
	var want []due
	for _, p := range policies {
		d := h.at.next(c, p)
		want = append(want, h.firstOf(d, c, p, h.at.warned))
		for _, warned := range h.at.possible {
			want = append(want, h.firstOf(d, c, p, warned))
		}
		if !d.at.IsZero() && !d.at.After(h.opts.Now) {
			want = append(want, d) // warnings are silent once the end has come
		}
	}
	has := due{row.Next.Rule, row.Next.At}
	if !slices.ContainsFunc(want, func(d due) bool { return d.rule == has.rule && d.at.Equal(has.at) }) {
		h.judge(row.Version, wrong(WrongTimer, "the stored next timer is not the one that falls due next", want[0], has))
	}
}

// firstOf is the timer or the warning that comes first; at one instant, the warning.
func (h *history) firstOf(d due, c *content, p *lifecycle.Policy, warned time.Time) due {
	if _, moment, ok := h.at.warning(c, p, warned); ok && (d.at.IsZero() || !moment.After(d.at)) {
		return due{lifecycle.WarnExpiry, moment}
	}
	return d
}

func (d due) String() string {
	if d.at.IsZero() {
		return "nothing"
	}
	return fmt.Sprintf("%s at %s", ruleOf(d), say(d.at))
}
