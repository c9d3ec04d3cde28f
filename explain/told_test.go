package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// said is what a section says, all of it on one line.
func said(s Story, name SectionName) string {
	var b strings.Builder
	for _, section := range s.Sections {
		if section.Name == name {
			for _, sentence := range section.Sentences {
				b.WriteString(sentence.Text + " ")
				if sentence.Policy != nil {
					b.WriteString("[" + sentence.Policy.Key + "] ")
				}
			}
		}
	}
	return b.String()
}

func TestWhatWasLeftUnsaidIsToldWithTheReason(t *testing.T) {
	for _, c := range []struct {
		status lifecycle.NoticeStatus
		reason lifecycle.Reason
		want   []string
	}{
		{lifecycle.NoticeSuppressed, lifecycle.Stale, []string{"not sent, since it was old news", "[notices.staleAfter]"}},
		{lifecycle.NoticeSuppressed, lifecycle.NotRouted, []string{"routes of the policy lead nowhere", "[notices.routes]"}},
		{lifecycle.NoticeSuppressed, lifecycle.ByOperator, []string{"an operator decided so", `cli:kay noted: "too many"`}},
		{lifecycle.NoticeSuperseded, lifecycle.LaterStageDue, []string{"a later warning"}},
		{lifecycle.NoticeWithdrawn, lifecycle.EndMoved, []string{"no longer ends on the date"}},
		{lifecycle.NoticeWithdrawn, lifecycle.EndPassed, []string{"had come"}},
		{lifecycle.NoticeNoRecipient, lifecycle.NobodyToTell, []string{"nobody was on file"}},
		{lifecycle.NoticeWaiting, lifecycle.ForDigest, []string{"waits for the digest of 9 December 2026 at 07:00 UTC", "wants digests", "[notices.digests]"}},
		{lifecycle.NoticeWaiting, lifecycle.TooManyToday, []string{"as many letters as the policy allows", "[notices.mostPerDay]"}},
		{lifecycle.NoticeDigested, "", []string{"told in the digest 0-17-1, which was sent on 9 December 2026 at 07:00 UTC"}},
		{lifecycle.NoticeQueued, "", []string{"about to be sent"}},
		{lifecycle.NoticeFailed, "", []string{"3 attempts failed, and the next follows on 8 December 2026 at 11:00 UTC", "550 no such user", "Of 1 attempt nobody knows"}},
		{lifecycle.NoticeDead, "", []string{"given up after 3 attempts", "550 no such user"}},
		{lifecycle.NoticeSent, "", []string{"sent on 8 December 2026 at 10:00:04 UTC"}},
	} {
		t.Run(string(c.status)+" "+string(c.reason), func(t *testing.T) {
			l := active(t).sweep("2026-12-08T10:00:01Z")
			letter := &l.dossier.Letters[2]
			require.Equal(t, lifecycle.KindWarnExpiry, letter.Kind)
			letter.Status, letter.Reason, letter.Attempts, letter.LastError, letter.Unknown = c.status, c.reason, 3, "550 no such user", 1
			letter.NextAttempt, letter.DigestAt = at("2026-12-08T11:00:00Z"), at("2026-12-09T07:00:00Z")
			if c.reason == lifecycle.ByOperator {
				letter.Note, letter.NotedBy = "too many", "cli:kay"
			}
			if c.status == lifecycle.NoticeDigested {
				letter.Digest = lifecycle.NoticeID{Version: 17, Ordinal: 1}
				l.dossier.Digests = []lifecycle.Letter{{NoticeID: letter.Digest, Status: lifecycle.NoticeSent, SentAt: at("2026-12-09T07:00:00Z")}}
			}
			story := l.tell("", English, nil)
			for _, want := range c.want {
				require.Contains(t, said(story, Told), want)
			}
			require.NotContains(t, said(l.tell("", English, agent), Told), "550", "a tenant is shown what servers say")
			require.NotContains(t, said(l.tell("", English, agent), Told), "too many", "a tenant is shown what operators note")
		})
	}
}

func TestManyRecipientsAreOneSentence(t *testing.T) {
	l := active(t)
	l.dossier.Contacts = nil
	letter := l.dossier.Letters[0]
	for n := range 12 {
		letter.Ordinal, letter.Recipient.Mail = n+1, fmt.Sprintf("agent-%d@northwind.example", n)
		l.dossier.Letters = append(l.dossier.Letters[:n], letter)
	}
	l.dossier.Letters[11].Recipient.Mail, l.dossier.Letters[11].Erased = "", true
	text := said(l.tell("", English, nil), Told)
	require.Equal(t, 1, strings.Count(text, "Confirmation"))
	require.Contains(t, text, "12 Admin agents of the partner: agent-0@northwind.example (en), agent-1@northwind.example (en)")
	require.Contains(t, text, "and 6 more")
	masked := said(l.tell("", English, &lifecycle.Caller{Role: lifecycle.Operator, ReadsOnly: true}), Told)
	require.Contains(t, masked, "a***@northwind.example")
}

func TestWhoeverIsNotOnFileIsMissed(t *testing.T) {
	l := active(t)
	l.dossier.Contacts = l.dossier.Contacts[:1]
	require.Contains(t, said(l.tell("", English, nil), Telling), "to the customer's Global administrators: nobody is on file for them")
}

func TestACustomerLearnsNothingOfTheDraftAndOfOthersOnlyTheSide(t *testing.T) {
	l := active(t)
	l.dossier.Stayed = lifecycle.RuleNames()
	l.dossier.Holds = []lifecycle.Hold{{ID: 1, Kind: lifecycle.HoldTenant, Subject: contoso, Note: "litigation", PlacedBy: "cli:kay", PlacedAt: l.now}}
	l.dossier.Events = append(l.dossier.Events,
		lifecycle.Event{Recorded: l.now, Change: lifecycle.Change{Version: -7, Type: lifecycle.EventHoldPlaced, Detail: "litigation", By: &lifecycle.Caller{Name: "cli:kay", Role: lifecycle.Operator}}},
		lifecycle.Event{Recorded: l.now, Change: lifecycle.Change{Version: -8, Type: lifecycle.EventRefused, Action: "terminate", Reason: lifecycle.OnHold, By: approver}})
	all := l.text("", English, nil)
	for _, secret := range []string{"litigation", "kay", "anna", "Drafted"} {
		require.Contains(t, all, secret)
	}
	seen := l.text("", English, approver)
	for _, secret := range []string{"litigation", "kay", "anna", "Drafted", "tenure holds"} {
		require.NotContains(t, seen, secret)
	}
	require.Contains(t, seen, "On hold: ")
	require.Contains(t, seen, "Approved by the customer (taro)")
	require.Contains(t, seen, "asked to terminate it, and did not get it")
	require.NotContains(t, l.text("", English, agent), "asked to terminate it")
}

func TestAnEndingThatThePolicyOfTodayWouldNotBringIsToldAsThatOfThen(t *testing.T) {
	l := newLife(t).do("2026-01-06T09:00:00Z", lock()).sweep("2026-04-06T09:00:00Z")
	require.Contains(t, said(l.tell("", English, nil), Why), "nobody approved it within 90 days: the request lapsed. [requests.lapseAfter]")
	l.policy.Requests.LapseAfter = lifecycle.Days(60)
	require.Contains(t, said(l.tell("", English, nil), Why), "within 90 days of the lock: the request lapsed. The policy has changed since. [requests.lapseAfter]")
}

func TestHoldsAreToldByWhoPlacedThemAndWhy(t *testing.T) {
	for _, kind := range lifecycle.HoldKinds {
		l := active(t)
		l.dossier.Stayed = lifecycle.RuleNames()
		l.dossier.Holds = []lifecycle.Hold{{ID: 3, Kind: kind, Subject: string(lifecycle.EndTerm), Note: "look first", PlacedAt: l.now, PlacedBy: "cli:kay"}}
		text := said(l.tell("", English, nil), Attention)
		require.Contains(t, text, "cli:kay", kind)
		require.Contains(t, text, "look first", kind)
		l.dossier.Holds[0].PlacedBy, l.dossier.Holds[0].Cause = "", lifecycle.LargeBacklog
		text = said(l.tell("", English, nil), Attention)
		require.Contains(t, text, "because more had fallen due than a short outage explains", kind)
		require.Contains(t, text, "[quarantine]", kind)
	}
}

func TestAHeldSweepIsWhyWhatIsDueIsNotRecorded(t *testing.T) {
	l := active(t)
	l.now = at("2027-01-09T12:00:00Z")
	l.policy.Breakers, l.set["breakers.default.records"] = lifecycle.DefaultBreakers(), true
	l.dossier.Sweeps = []lifecycle.Sweep{{ID: 12, Rules: []lifecycle.RuleName{lifecycle.EndTerm}, State: lifecycle.SweepHeld, AsOf: l.now, OpenedAt: l.now,
		Plan: &lifecycle.SweepPlan{Cause: lifecycle.BreakerTripped}}}
	story := l.tell("", English, nil)
	require.Contains(t, said(story, Attention), "because a sweep would have changed more records than the rule's breaker lets through: `tenure sweeps show 12`")
	require.Contains(t, strings.Join(strings.Fields(l.text("", English, nil)), " "), "policy: breakers.end-term: {records: 1000, percent: 10, least: 50} (from the policy file)")
	require.NotContains(t, said(l.tell("", English, agent), Attention), "sweeps show")
}

func TestNobodyIsSaidToBeToldLaterWhoIsToldAtOnce(t *testing.T) {
	l := active(t)
	for i := range l.dossier.Contacts {
		l.dossier.Contacts[i].Digest = lifecycle.DailyDigest
	}
	warnings := 0
	for _, section := range l.tell("", English, nil).Sections {
		if section.Name != Telling {
			continue
		}
		for _, sentence := range section.Sentences {
			if strings.Contains(sentence.Text, "Warning 1 day before") {
				warnings++
				require.NotContains(t, sentence.Text, "digests", "it does not wait for a digest that leaves less than a day")
			} else {
				require.Contains(t, sentence.Text, "who wants digests is told in the next one")
			}
		}
	}
	require.Equal(t, 1, warnings)
}

func TestWhatCannotBeDoneAnyMoreIsNotProposed(t *testing.T) {
	l := active(t)
	l.now = l.dossier.End.Add(lifecycle.Day)
	l.dossier.Stayed = lifecycle.RuleNames()
	require.NotContains(t, said(l.tell("", English, nil), Otherwise), "switched on")

	l = active(t)
	l.now = l.dossier.End.Add(500 * lifecycle.Day)
	require.NotContains(t, said(l.tell("", English, nil), Otherwise), "until this one is free", "it is free")
	l.policy.Names.HoldFor = lifecycle.Period{}
	require.NotContains(t, said(l.tell("", English, nil), Otherwise), "until this one is free", "it never will be")
}

func TestWhatCameInEndedIsNotSaidToHaveGivenAccess(t *testing.T) {
	l := active(t)
	l.dossier.Status = lifecycle.Expired
	l.dossier.Events = l.dossier.Events[:1]
	require.Contains(t, said(l.tell("", English, nil), Summary), "the term ended")
	l.dossier.Activated = lifecycle.Record{}.Activated // the file did not say when
	text := said(l.tell("", English, nil), Summary)
	require.NotContains(t, text, "the term ended")
	require.Contains(t, text, "nothing on file says")
}

func TestAMomentIsNoSpanInJapanese(t *testing.T) {
	from := at("2026-01-07T10:00:00Z")
	require.Equal(t, "まもなく", tongueOf(Japanese).distance(from, from.Add(1e9)))
	require.Equal(t, "たった今", tongueOf(Japanese).distance(from, from))
	require.Equal(t, "in less than a minute", tongueOf(English).distance(from, from.Add(1e9)))
}

func TestNothingIsAboutToBeSentWhileEverythingIsOnHold(t *testing.T) {
	l := active(t)
	l.dossier.Letters[0].Status = lifecycle.NoticeQueued
	require.Contains(t, said(l.tell("", English, nil), Told), "about to be sent")
	l.dossier.Holds = []lifecycle.Hold{{ID: 1, Kind: lifecycle.HoldEverything, Cause: lifecycle.ClockAhead, PlacedAt: l.now}}
	require.Contains(t, said(l.tell("", English, nil), Told), "waits, since no notice is sent while everything is on hold")
}

func TestARuleThatThisRelationshipNeverMeetsMayBePausedInSilence(t *testing.T) {
	l := active(t)
	l.dossier.Stayed = []lifecycle.RuleName{lifecycle.ExpirePending}
	l.dossier.Holds = []lifecycle.Hold{{ID: 3, Kind: lifecycle.HoldRule, Subject: string(lifecycle.ExpirePending), Note: "look first", PlacedAt: l.now, PlacedBy: "cli:kay"}}
	story := l.tell("", English, nil)
	require.Empty(t, said(story, Attention))
	require.NotContains(t, said(story, Following), "on hold")
}

func TestAPausedRuleHoldsUpOnlyWhatComesFromIt(t *testing.T) {
	l := active(t)
	l.dossier.Stayed = []lifecycle.RuleName{lifecycle.EndTerm}
	text := said(l.tell("", English, nil), Following)
	require.Contains(t, text, "the end of the term (end-term) is on hold: from there on it waits for the release")
	require.NotContains(t, text, "Nothing of this")
}
