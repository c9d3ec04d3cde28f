package storage

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// stride is how many relationships are read at a time of the index of customers' names. Tests make it less.
var stride = 2000

// SearchCustomers finds customers by their names. next is where whoever wants more goes on; nil: everything was looked at.
func (db *DB) SearchCustomers(ctx context.Context, q lifecycle.CustomerSearch) (found []lifecycle.FoundCustomer, next *lifecycle.FoundCustomer, err error) {
	err = db.read(ctx, "search customers by name", func(s session) error {
		w := nameWalk{q: &q, begins: beginnings(q.Begins), has: nameKey(clean(q.Has))}
		err := w.search(ctx, s)
		found, next = w.found, w.next
		return err
	})
	return found, next, err
}

// beginnings are texts that a name may begin with, each as it is compared: in order, and none that begins with another one.
func beginnings(texts []string) (kept []string) {
	texts = slices.Clone(texts)
	for i := range texts {
		texts[i] = clean(texts[i])
	}
	slices.Sort(texts)
	for _, text := range texts {
		if text != "" && (len(kept) == 0 || !strings.HasPrefix(text, kept[len(kept)-1])) {
			kept = append(kept, text)
		}
	}
	return kept
}

// A nameWalk goes along the index of customers' names, which has each name as often as there are relationships.
type nameWalk struct {
	q      *lifecycle.CustomerSearch
	begins []string
	has    string // as names compare
	found  []lifecycle.FoundCustomer
	next   *lifecycle.FoundCustomer
}

func (w *nameWalk) search(ctx context.Context, s session) error {
	after := w.q.After
	if after == nil || after.Begins {
		for _, text := range w.begins {
			if err := w.along(ctx, s, nameStretch{text, afterAll(text), true}, after); err != nil || w.next != nil {
				return err
			}
		}
		after = nil
	}
	if w.has == "" {
		return nil
	}
	return w.along(ctx, s, nameStretch{}, after)
}

// A nameStretch is a part of the index: names from one on, and before another one; empty: to the end.
type nameStretch struct {
	from, before string
	begins       bool // all of them are wanted
}

// A customerName is what some relationships call a customer.
type customerName struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	Times  int    `json:"times"`
}

// along goes along a stretch, until it is at its end, has found one more than there is room for, or has looked at enough. What is behind the last name that
// was read is read next, so that nobody waits for a customer that has very many relationships.
func (w *nameWalk) along(ctx context.Context, s session, part nameStretch, after *lifecycle.FoundCustomer) error {
	for looked := 0; ; {
		names, seen, err := readNames(ctx, s, part, after)
		if err != nil {
			return err
		}
		for _, n := range names {
			after = &lifecycle.FoundCustomer{Tenant: lifecycle.Tenant{TenantID: n.Tenant, DisplayName: n.Name}, Begins: part.begins}
			switch {
			case !w.wants(n.Name, part.begins):
			case len(w.found) == w.q.Limit:
				w.next = &w.found[w.q.Limit-1]
				return nil
			default:
				w.found = append(w.found, *after)
			}
		}
		if seen < stride {
			return nil
		}
		if looked += seen; !part.begins && w.q.Look > 0 && looked >= w.q.Look {
			w.next = after
			return nil
		}
	}
}

// wants says whether a name is one of those that are looked for in a part of the index. Names that begin so have all been found before the others are looked at.
func (w *nameWalk) wants(name string, begins bool) bool {
	if begins {
		return true
	}
	if !strings.Contains(nameKey(name), w.has) {
		return false
	}
	return !slices.ContainsFunc(w.begins, func(text string) bool { return strings.HasPrefix(name, text) })
}

// readNames reads the names of the next relationships of a stretch, each name of a customer once, and says of how many relationships they are.
func readNames(ctx context.Context, s session, part nameStretch, after *lifecycle.FoundCustomer) (names []customerName, seen int, err error) {
	text, a := namesOf(part, after)
	err = s.list(ctx, &names, text, a)
	for i := range names {
		seen += names[i].Times
	}
	return names, seen, err
}

// namesOf is the query: no more than what stands in the index. That a name does not stand before the last one follows from the rest, and lets the index begin there.
func namesOf(part nameStretch, after *lifecycle.FoundCustomer) (text string, a args) {
	conditions, from, a := []string{"w.customer_name <> ''", "w.customer_id <> ''"}, part.from, args{"stride": stride}
	if after != nil {
		conditions = append(conditions, "(w.customer_name {{plain}}, w.customer_id {{plain}}) > (:name, :tenant)")
		from = max(from, after.DisplayName)
		a["name"], a["tenant"] = after.DisplayName, after.TenantID
	}
	conditions = append(conditions, "w.customer_name {{plain}} >= :from")
	a["from"] = from
	if part.before != "" {
		conditions = append(conditions, "w.customer_name {{plain}} < :before")
		a["before"] = part.before
	}
	return `SELECT s.name, s.tenant, count(*) AS times FROM (SELECT w.customer_name {{plain}} AS name, w.customer_id {{plain}} AS tenant FROM agreements AS w
		` + strings.TrimSpace(whereAll(conditions)) + ` ORDER BY w.customer_name {{plain}}, w.customer_id {{plain}} LIMIT :stride) AS s
		GROUP BY s.name, s.tenant ORDER BY s.name, s.tenant`, a
}

// mailDomain is what an address, which has one @, has behind it, in the words of the index contacts_of_domain.
const mailDomain = "substr(c.mail_key, {{find}}(c.mail_key, '@') + 1)"

// SearchMail finds contacts by their addresses, in the order of those. Of more than the limit it leaves out whose address, or domain, comes last.
func (db *DB) SearchMail(ctx context.Context, q lifecycle.MailSearch) (found []lifecycle.Contact, err error) {
	text, a := mailsOf(&q)
	err = db.read(ctx, "search contacts by address", func(s session) error {
		return each(ctx, s, text, a, func(row *contactRow) error {
			found = append(found, row.contact())
			return nil
		})
	})
	slices.SortFunc(found, func(a, b lifecycle.Contact) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Mail), strings.ToLower(b.Mail)), strings.Compare(a.TenantID, b.TenantID), cmp.Compare(a.Role, b.Role))
	})
	return found, err
}

// mailsOf is a range of an index. Addresses are compared byte by byte, and so is what is made of them.
func mailsOf(q *lifecycle.MailSearch) (text string, a args) {
	what := "c.mail_key"
	if q.Domain {
		what = mailDomain
	}
	begins := strings.ToLower(clean(q.Begins))
	above := afterAll(begins)
	w := where{args: args{}}
	w.and(true, what+" >= :begins", "begins", begins)
	w.and(above != "", what+" < :above", "above", above)
	text, a = w.order(what, q.Limit)
	return selectContacts + text, a
}
