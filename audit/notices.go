package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An owed is what people have to be told of a step.
type owed struct {
	kind     lifecycle.NoticeKind
	end, due time.Time
	to       []lifecycle.Audience
	customer bool // who the customer is, is known
}

// owes is what a step has people told of; the zero owed where it is nothing. may says that it depends on a policy that nobody knows.
func (h *history) owes(i int) (o owed, may bool) {
	s, c := &h.steps[i], &h.after[i]
	agents := lifecycle.Audience{TenantID: h.who.partner, Role: lifecycle.AdminAgents}
	administrators := lifecycle.Audience{TenantID: c.customer, Role: lifecycle.GlobalAdministrators}
	both := []lifecycle.Audience{agents, administrators}
	if s.event == nil {
		w := s.letters[0]
		return owed{lifecycle.KindWarnExpiry, h.at.end, w.Due, both, c.known}, false
	}
	e := s.event
	o = owed{end: e.End, due: e.Effective, to: both, customer: c.known}
	switch e.Type {
	case lifecycle.EventApproved:
		o.kind = lifecycle.KindApproved
	case lifecycle.EventLapsed:
		o.kind, o.to = lifecycle.KindRequestLapsed, both[:1]
	case lifecycle.EventRejected:
		o.kind, o.to = lifecycle.KindTerminated, both[:1]
	case lifecycle.EventExpiring, lifecycle.EventTermEnded:
		o.kind = lifecycle.KindTermEnded
	case lifecycle.EventTerminationRequested, lifecycle.EventTerminating, lifecycle.EventTerminated:
		o.kind = lifecycle.KindTerminated
	case lifecycle.EventExtended:
		o.kind, o.to = lifecycle.KindExtended, both[:1]
		return h.maybeTold(o, e)
	}
	// What another system carries out was told when it was called for, and of an end in two steps it is the second that is told.
	if e.Actor == lifecycle.Provisioner || i+1 < len(h.steps) && h.steps[i+1].event != nil && h.follows(i+1) {
		return owed{}, false
	}
	return o, false
}

// maybeTold is about extensions, of which only a policy can have people told.
func (h *history) maybeTold(o owed, e *lifecycle.Event) (owed, bool) {
	policies, known := h.policiesAt(e.Recorded)
	tells := slices.ContainsFunc(policies, func(p *lifecycle.Policy) bool { return p.Notices.TellExtended })
	silent := slices.ContainsFunc(policies, func(p *lifecycle.Policy) bool { return !p.Notices.TellExtended })
	switch {
	case !known || tells && silent:
		return o, true
	case tells:
		return o, false
	}
	return owed{}, false
}

// notices judges who was told of a step, and what of.
func (h *history) notices(i int) {
	s := &h.steps[i]
	h.summary.Notices += int64(len(s.letters))
	h.summary.Announcements += int64(len(s.told))
	o, may := h.owes(i)
	var told []*lifecycle.Letter
	for _, l := range s.letters {
		if l.Kind != o.kind {
			h.find(s.version, wrong(NoticeUncalled, fmt.Sprintf("notice %s tells of something that did not happen in this step", l.NoticeID), orNone(o.kind), l.Kind))
			continue
		}
		told = append(told, l)
		h.letter(s, l, &o)
		h.fate(s, l)
	}
	h.twice(s)
	h.counted(s)
	if !may || len(told) > 0 {
		h.reached(s, told, &o)
	}
	h.announced(s)
	h.announcements(i)
}

// counted holds that the notices of a step are numbered without a gap: whoever takes one away leaves one.
func (h *history) counted(s *step) {
	for i, l := range s.letters {
		if l.Ordinal != i+1 {
			h.find(s.version, wrong(NoticeMissing, "the notices of a step are numbered from 1 without a gap, and one is not there", i+1, l.Ordinal))
			return
		}
	}
}

// letter judges what one notice says, and whether it was to be sent.
func (h *history) letter(s *step, l *lifecycle.Letter, o *owed) {
	switch {
	case !l.End.Equal(o.end):
		h.find(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s names another end", l.NoticeID), orNone(say(o.end)), orNone(say(l.End))))
	case !l.Due.Equal(o.due):
		h.find(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s fell due at another instant", l.NoticeID), o.due, l.Due))
	case !l.Recorded.Equal(s.recorded()):
		h.find(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s was recorded at another instant than its step", l.NoticeID), s.recorded(), l.Recorded))
	}
	if l.Status == lifecycle.NoticeSent && (l.Attempts == 0 || l.SentAt.IsZero()) {
		h.judge(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s counts as sent, and nobody has tried to send it", l.NoticeID), "an attempt, and when", "none"))
	}
	if l.Kind == lifecycle.KindWarnExpiry {
		// In a sandbox the clock jumps between a last look and the sending.
		if h.Live && l.Status == lifecycle.NoticeSent && l.SentAt.After(l.End.Add(changeover)) {
			h.find(s.version, wrong(WarnedLate, fmt.Sprintf("the warning %s was sent after the end that it warns of", l.NoticeID), "before "+say(l.End), l.SentAt))
		}
		return
	}
	h.stale(s, l)
}

// stale holds that old news is kept back until an operator releases it, and nothing else is.
func (h *history) stale(s *step, l *lifecycle.Letter) {
	policies, _ := h.policiesAt(l.Recorded)
	if len(policies) == 0 || l.Note != "" {
		return
	}
	old := func(p *lifecycle.Policy) bool {
		after := p.Notices.StaleAfter
		return !after.IsZero() && l.Recorded.After(after.After(l.Due))
	}
	kept := l.Status == lifecycle.NoticeSuppressed && l.Reason == lifecycle.Stale
	switch {
	case !kept && !slices.ContainsFunc(policies, func(p *lifecycle.Policy) bool { return !old(p) }):
		h.judge(s.version, wrong(OldNews, fmt.Sprintf("notice %s was old news when it was recorded", l.NoticeID), lifecycle.NoticeSuppressed, l.Status))
	case kept && l.SettledAt.Equal(l.Recorded) && !slices.ContainsFunc(policies, old):
		h.judge(s.version, wrong(OldNews, fmt.Sprintf("notice %s was kept back, and was no old news", l.NoticeID), lifecycle.NoticeQueued, l.Status))
	}
}

// reached holds that each audience was told, or that nobody was there to tell, and that no other was.
func (h *history) reached(s *step, told []*lifecycle.Letter, o *owed) {
	same := func(a lifecycle.Audience, l *lifecycle.Letter) bool {
		tenant := a.TenantID == l.Recipient.TenantID || a.Role == lifecycle.GlobalAdministrators && !o.customer
		return a.Role == l.Recipient.Role && tenant
	}
	// An endpoint that is to be told on behalf of both sides is told once.
	endpoint := slices.ContainsFunc(told, func(l *lifecycle.Letter) bool { return l.Endpoint })
	for _, audience := range o.to {
		if o.kind == "" || endpoint || slices.ContainsFunc(told, func(l *lifecycle.Letter) bool { return same(audience, l) }) {
			continue
		}
		h.judge(s.version, Finding{Kind: NoticeMissing, Expected: string(o.kind),
			Text: fmt.Sprintf("nobody was told, and not even that there is nobody was noted: %s of %s", audience.Role, orNone(audience.TenantID))})
	}
	for _, l := range told {
		if !slices.ContainsFunc(o.to, func(a lifecycle.Audience) bool { return same(a, l) }) {
			h.find(s.version, Finding{Kind: NoticeAstray, Found: fmt.Sprintf("%s of %s", l.Recipient.Role, l.Recipient.TenantID),
				Text: fmt.Sprintf("notice %s went to somebody who is not to be told of this", l.NoticeID)})
		}
	}
}

// twice holds that nobody was told of a step twice on one channel.
func (h *history) twice(s *step) {
	seen := map[string]bool{}
	for _, l := range s.letters {
		who := strings.ToLower(l.Recipient.Mail)
		switch {
		case l.Endpoint:
			who = "the channel itself"
		case l.Erased:
			continue // nobody knows any more who it was
		case who == "":
			who = fmt.Sprintf("nobody of %s", l.Recipient.TenantID)
		}
		key := fmt.Sprint(l.Channel, "\n", l.Kind, "\n", l.Recipient.Role, "\n", who)
		if seen[key] {
			h.find(s.version, Finding{Kind: NoticeTwice, Text: fmt.Sprintf("notice %s tells %s what another one tells them on channel %s", l.NoticeID, l.Recipient.Role, l.Channel)})
		}
		seen[key] = true
	}
}

// announces is what programs are told of each event; see docs/webhooks.md.
var announces = map[lifecycle.EventType][]lifecycle.NoticeKind{
	lifecycle.EventCreated: {lifecycle.AnnounceCreated}, lifecycle.EventImported: {lifecycle.AnnounceCreated},
	lifecycle.EventLocked: {lifecycle.AnnounceLocked}, lifecycle.EventApproved: {lifecycle.AnnounceApproved, lifecycle.AnnounceActivated},
	lifecycle.EventActivated: {lifecycle.AnnounceActivated}, lifecycle.EventRejected: {lifecycle.AnnounceRejected},
	lifecycle.EventLapsed: {lifecycle.AnnounceLapsed}, lifecycle.EventAutoExtendChanged: {lifecycle.AnnounceAutoExtendChanged},
	lifecycle.EventExtended: {lifecycle.AnnounceExtended}, lifecycle.EventTermEnded: {lifecycle.AnnounceExpired},
	lifecycle.EventTerminated: {lifecycle.AnnounceTerminated}, lifecycle.EventNameReleased: {lifecycle.AnnounceNameReleased},
}

// announced judges what programs were told of a step: of that step, and each once.
func (h *history) announced(s *step) {
	kinds := []lifecycle.NoticeKind{lifecycle.AnnounceExpiringSoon}
	if s.event != nil {
		kinds = announces[s.event.Type]
	}
	seen := map[string]bool{}
	for _, l := range s.told {
		key := l.Channel + "\n" + string(l.Kind)
		switch {
		case !slices.Contains(kinds, l.Kind):
			h.find(s.version, Finding{Kind: NoticeUncalled, Found: string(l.Kind), Text: fmt.Sprintf("notice %s tells a program of something that did not happen in this step", l.NoticeID)})
		case seen[key]:
			h.find(s.version, Finding{Kind: NoticeTwice, Text: fmt.Sprintf("notice %s tells %s what another one tells it", l.NoticeID, l.Channel)})
		case !l.Recorded.Equal(s.recorded()):
			h.find(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s was recorded at another instant than its step", l.NoticeID), s.recorded(), l.Recorded))
		default:
			h.fate(s, l)
		}
		seen[key] = true
	}
}

// announcements holds that every program that is subscribed now, and was when the step was recorded, was told of it.
func (h *history) announcements(i int) {
	s, c := &h.steps[i], &h.after[i]
	kinds := []lifecycle.NoticeKind{lifecycle.AnnounceExpiringSoon}
	draft := false
	switch {
	case s.event != nil:
		kinds, draft = announces[s.event.Type], s.event.To == lifecycle.Created
		if s.event.Type == lifecycle.EventApproved && s.event.To != lifecycle.Active {
			kinds = kinds[:1] // it is active once another system has seen to that
		}
	case s.letters[0].Status == lifecycle.NoticeSuperseded:
		return // it was so from the beginning, or a later stage came before it was sent: programs were told of the later one
	}
	for j := range h.Subscriptions {
		to := &h.Subscriptions[j]
		theirs := to.Tenant == "" || to.Tenant == h.who.partner || c.known && c.named && !draft && to.Tenant == c.customer
		if !theirs || !s.recorded().After(to.Created.Add(skew)) {
			continue
		}
		for _, kind := range kinds {
			wants := len(to.Kinds) == 0 || slices.Contains(to.Kinds, kind)
			told := slices.ContainsFunc(s.told, func(l *lifecycle.Letter) bool {
				return l.Kind == kind && l.Channel == fmt.Sprintf("subscription-%d", to.ID)
			})
			if wants && !told {
				h.find(s.version, Finding{Kind: NoticeMissing, Expected: string(kind), Text: fmt.Sprintf("subscription %d was not told", to.ID)})
			}
		}
	}
}
