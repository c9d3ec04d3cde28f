package httpapi

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A fakeDirectory is a directory in memory.
type fakeDirectory struct {
	contacts  []lifecycle.Contact
	unreached []lifecycle.Unreached
	full      string // the tenant that has enough contacts
	offered   int    // notices that each new contact gets
}

func (f *fake) Contacts(ctx context.Context, q lifecycle.ContactQuery) ([]lifecycle.Contact, error) {
	leave, err := f.enter(ctx)
	defer leave()
	var page []lifecycle.Contact
	slices.SortFunc(f.contacts, func(a, b lifecycle.Contact) int { return compareContacts(&a, &b) })
	for _, c := range f.contacts {
		if wanted(&c, &q) && compareContacts(&c, &q.After) > 0 && len(page) < q.Limit {
			page = append(page, c)
		}
	}
	return page, err
}

func compareContacts(a, b *lifecycle.Contact) int {
	return cmp.Or(strings.Compare(a.TenantID, b.TenantID), strings.Compare(string(a.Role), string(b.Role)),
		strings.Compare(strings.ToLower(a.Mail), strings.ToLower(b.Mail)))
}

func wanted(c *lifecycle.Contact, q *lifecycle.ContactQuery) bool {
	return (q.Tenant == "" || c.TenantID == q.Tenant) && (q.Role == "" || c.Role == q.Role) && (q.Mail == "" || strings.EqualFold(c.Mail, q.Mail))
}

func (f *fake) ImportContacts(ctx context.Context, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (counts lifecycle.ContactCounts, err error) {
	leave, err := f.enter(ctx)
	defer leave()
	if p == nil || now.IsZero() {
		return counts, errors.New("no policy, or no clock")
	}
	for i, c := range batch {
		at := slices.IndexFunc(f.contacts, func(known lifecycle.Contact) bool { return compareContacts(&known, &c) == 0 })
		switch {
		case c.TenantID == f.full:
			counts.Refused = append(counts.Refused, lifecycle.ContactRefused{Index: i, Fault: lifecycle.Fault{Field: "tenantId", Value: c.TenantID, Reason: "has enough contacts"}})
		case at < 0:
			f.contacts = append(f.contacts, c)
			counts.Created++
			counts.Offered += f.offered
		case f.contacts[at] == c:
			counts.Unchanged++
		default:
			f.contacts[at] = c
			counts.Updated++
		}
	}
	return counts, err
}

func (f *fake) RemoveContacts(ctx context.Context, q lifecycle.ContactQuery) (int64, error) {
	leave, err := f.enter(ctx)
	defer leave()
	before := len(f.contacts)
	f.contacts = slices.DeleteFunc(f.contacts, func(c lifecycle.Contact) bool { return wanted(&c, &q) })
	return int64(before - len(f.contacts)), err
}

func (f *fake) Unreached(ctx context.Context, limit int) ([]lifecycle.Unreached, error) {
	leave, err := f.enter(ctx)
	defer leave()
	return f.unreached[:min(limit, len(f.unreached))], err
}

// A fakeOutbox is an outbox in memory.
type fakeOutbox struct {
	letters []lifecycle.Letter
	orders  []lifecycle.NoticeOrder
	queries []lifecycle.LetterQuery // that were ordered
	lazy    bool                    // orders change nothing
	states  []lifecycle.ChannelReport
	seen    lifecycle.LetterQuery // the last one
	among   int                   // how many were to be looked at
}

// LettersAmong takes every second letter for one that was looked at in vain.
func (f *fake) LettersAmong(ctx context.Context, q lifecycle.LetterQuery, most int) ([]lifecycle.Letter, lifecycle.NoticeID, error) {
	f.among = most
	page, err := f.Letters(ctx, q)
	if most == 0 || 2*len(page) <= most {
		return page, lifecycle.NoticeID{}, err
	}
	return page[:most/2], page[most/2-1].NoticeID, err
}

func (f *fake) Letters(ctx context.Context, q lifecycle.LetterQuery) ([]lifecycle.Letter, error) {
	leave, err := f.enter(ctx)
	defer leave()
	f.seen = q
	var page []lifecycle.Letter
	for _, l := range f.letters {
		if fits(&l, &q) && (q.Limit == 0 || len(page) < q.Limit) {
			l.Message, l.Items = nil, nil
			page = append(page, l)
		}
	}
	return page, err
}

// fits goes by what the tests ask for.
func fits(l *lifecycle.Letter, q *lifecycle.LetterQuery) bool {
	return (len(q.IDs) == 0 || slices.Contains(q.IDs, l.NoticeID)) && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, l.Status)) &&
		(q.DueBefore.IsZero() || l.Due.Before(q.DueBefore)) && (q.After == (lifecycle.NoticeID{}) || l.Key > q.After.Key)
}

func (f *fake) Letter(ctx context.Context, id lifecycle.NoticeID) (lifecycle.Letter, error) {
	leave, err := f.enter(ctx)
	defer leave()
	for _, l := range f.letters {
		if l.NoticeID == id {
			return l, err
		}
	}
	return lifecycle.Letter{}, cmp.Or(err, lifecycle.ErrNotFound)
}

func (f *fake) OrderLetters(ctx context.Context, o lifecycle.NoticeOrder, q lifecycle.LetterQuery) (changed int64, err error) {
	leave, err := f.enter(ctx)
	defer leave()
	f.orders, f.queries = append(f.orders, o), append(f.queries, q)
	way, wrong := o.Action.Way()
	for i := range f.letters {
		l := &f.letters[i]
		if wrong != nil || f.lazy || !fits(l, &q) || way.Takes(l.Status) != nil {
			continue
		}
		changed++
		if !o.DryRun {
			l.Status, l.Note, l.NotedBy = way.To, o.Note, o.By
		}
	}
	return changed, cmp.Or(err, wrong)
}

func (f *fake) Channels(ctx context.Context) ([]lifecycle.ChannelReport, error) {
	leave, err := f.enter(ctx)
	defer leave()
	return slices.Clone(f.states), err
}

func (f *fake) SwitchChannel(ctx context.Context, name string, on bool, note string, now time.Time) error {
	leave, err := f.enter(ctx)
	defer leave()
	at := slices.IndexFunc(f.states, func(c lifecycle.ChannelReport) bool { return c.Name == name })
	if at < 0 {
		at = len(f.states)
		f.states = append(f.states, lifecycle.ChannelReport{})
	}
	f.states[at].ChannelState = lifecycle.ChannelState{Name: name, Off: !on, ChangedAt: now}
	if !on {
		f.states[at].LastError = note
	}
	return err
}
