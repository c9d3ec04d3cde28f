package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// mostTelling is how many sentences tell of notices to come.
const mostTelling = 20

// telling tells who will be told of what, by the contacts as they are today.
func (t *teller) telling(s *section) {
	if t.gone() {
		return
	}
	for i := range t.ahead {
		d := &t.ahead[i]
		for j := range d.Notices {
			if n := &d.Notices[j]; n.Status != lifecycle.NoticeSuperseded {
				t.toTell(s, n)
			}
			if len(s.sentences) >= mostTelling {
				s.say(time.Time{}, "", "following.and so on", nil)
				return
			}
		}
	}
	if len(s.sentences) == 0 {
		s.say(time.Time{}, "", "telling.nobody", nil)
	}
}

func (t *teller) toTell(s *section, n *lifecycle.Notice) {
	what := t.notice(n.Kind, n.Stage, n.End, n.Due)
	if n.Status == lifecycle.NoticeSuppressed {
		s.say(n.Due, keyOfReason(&lifecycle.Letter{Reason: n.Reason}), "telling.suppressed", facts{"what": what, "reason": t.reason(n.Reason)})
		return
	}
	var told, missing []string
	digests := false
	for _, to := range n.To {
		f := facts{"what": what, "to": t.phrase("to.role."+string(to.Role), nil), "channel": to.Channel}
		people := t.holders(to.Audience)
		switch {
		case to.Endpoint:
			if t.knowsAll() || strings.EqualFold(to.TenantID, t.given.Viewer.Tenant) {
				s.say(n.Due, keyRoutes, "telling.endpoint", f)
			}
		case to.Muted:
			s.say(n.Due, keyRoutes, "telling.muted", f)
		case len(people) == 0:
			missing = append(missing, f["to"])
		default:
			told = append(told, t.people(to.Role, people, 0))
			digests = digests || slices.ContainsFunc(people, func(c lifecycle.Contact) bool {
				return c.Digest == lifecycle.DailyDigest && !n.DailyAt.IsZero() || c.Digest == lifecycle.WeeklyDigest && !n.WeeklyAt.IsZero()
			})
		}
	}
	f := facts{"what": what, "to": strings.Join(told, t.phrase("to.both", nil))}
	switch {
	case digests:
		s.say(n.Due, keyDigests, "telling.people.digests", f)
	case len(told) > 0:
		s.say(n.Due, "", "telling.people", f)
	}
	if len(missing) > 0 {
		s.say(n.Due, "", t.withCommand("telling.no recipient"), facts{"what": what, "to": strings.Join(missing, t.phrase("to.both", nil))})
	}
}

// holders are those who hold a role in a tenant today.
func (t *teller) holders(a lifecycle.Audience) (people []lifecycle.Contact) {
	for _, c := range t.dossier.Contacts {
		if strings.EqualFold(c.TenantID, a.TenantID) && c.Role == a.Role {
			people = append(people, c)
		}
	}
	return people
}
