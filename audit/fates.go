package audit

import (
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A fate is what has become of a notice, by its status: whether that is its last, and why it may be so; no reasons: whatever.
type fate struct {
	final bool
	why   []lifecycle.Reason
}

var fates = map[lifecycle.NoticeStatus]fate{
	lifecycle.NoticeQueued: {}, lifecycle.NoticeFailed: {}, lifecycle.NoticeWaiting: {}, lifecycle.NoticeDigested: {},
	lifecycle.NoticeSent: {final: true}, lifecycle.NoticeDead: {final: true},
	lifecycle.NoticeSuperseded:  {true, []lifecycle.Reason{lifecycle.LaterStageDue}},
	lifecycle.NoticeSuppressed:  {true, []lifecycle.Reason{lifecycle.Stale, lifecycle.NotRouted, lifecycle.ByOperator, lifecycle.Unsubscribed}},
	lifecycle.NoticeWithdrawn:   {true, []lifecycle.Reason{lifecycle.EndMoved, lifecycle.EndPassed, lifecycle.DraftDeleted}},
	lifecycle.NoticeNoRecipient: {true, []lifecycle.Reason{lifecycle.NobodyToTell}},
}

// fate holds that what is said to have become of a notice can have: one that is not sent says why, and of one that is to be sent
// nobody says that it is settled. A notice in a status that there is not would never be sent.
func (h *history) fate(s *step, l *lifecycle.Letter) {
	f, known := fates[l.Status]
	switch {
	case !known:
		h.find(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s is in a status that there is not", l.NoticeID), "", l.Status))
	case f.why != nil && !slices.Contains(f.why, l.Reason):
		h.find(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s is %s, and nothing says why", l.NoticeID, l.Status), f.why, orNone(l.Reason)))
	case l.Reason == lifecycle.ByOperator && l.Note == "":
		h.find(s.version, Finding{Kind: NoticeWrong, Text: fmt.Sprintf("notice %s was suppressed by an operator, and no note says why", l.NoticeID)})
	case f.final && l.SettledAt.IsZero():
		h.find(s.version, Finding{Kind: NoticeWrong, Text: fmt.Sprintf("notice %s is %s, and it is not said since when", l.NoticeID, l.Status)})
	case (l.Status == lifecycle.NoticeQueued || l.Status == lifecycle.NoticeFailed) && !l.SettledAt.IsZero():
		h.find(s.version, wrong(NoticeWrong, fmt.Sprintf("notice %s is to be sent, and counts as settled", l.NoticeID), "nothing", l.SettledAt))
	case l.Status == lifecycle.NoticeNoRecipient && l.Recipient.Mail != "":
		h.find(s.version, Finding{Kind: NoticeWrong, Text: fmt.Sprintf("notice %s has nobody to go to, and names somebody", l.NoticeID)})
	case l.Reason == lifecycle.NotRouted:
		h.routed(s, l)
	}
}

// routed holds that a notice that no route takes anywhere is one of a policy that has routes.
func (h *history) routed(s *step, l *lifecycle.Letter) {
	policies, _ := h.policiesAt(l.Recorded)
	if !slices.ContainsFunc(policies, func(p *lifecycle.Policy) bool { return len(p.Notices.Routes) > 0 }) && len(policies) > 0 && l.SettledAt.Equal(l.Recorded) {
		h.judge(s.version, Finding{Kind: NoticeWrong, Text: fmt.Sprintf("notice %s was kept back since no route leads anywhere, and the policy has none", l.NoticeID)})
	}
}
