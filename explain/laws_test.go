package explain

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// somePolicy makes policies with switched off rules among them.
var somePolicy = rapid.Custom(func(t *rapid.T) *lifecycle.Policy {
	period := func(name string, choices ...string) lifecycle.Period {
		p, err := lifecycle.ParsePeriod(rapid.SampledFrom(choices).Draw(t, name))
		if err != nil {
			panic(err)
		}
		return p
	}
	p := lifecycle.DefaultPolicy()
	p.Requests.LapseAfter = period("lapseAfter", "P90D", "PT0S", "P3M", "PT1H")
	p.AutoExtend.By = period("by", "P180D", "P1M", "P1D")
	p.Names.HoldFor = period("holdFor", "P365D", "PT0S", "PT1S")
	p.Notices.StaleAfter = period("staleAfter", "P7D", "PT0S")
	p.Notices.TellExtended = rapid.Bool().Draw(t, "tellExtended")
	p.Provisioning.External = rapid.Bool().Draw(t, "external")
	if rapid.Bool().Draw(t, "no warnings") {
		p.Warnings.Before = nil
	}
	if rapid.Bool().Draw(t, "routes") {
		p.Notices.Routes = []lifecycle.Route{{Sides: []lifecycle.Side{lifecycle.PartnerSide}, People: []string{"mail"}, Endpoints: []string{"desk"}}}
	}
	return p
})

// someLife is a relationship that people have acted on at random, and that was swept now and then.
func someLife(t *testing.T, rt *rapid.T) *life {
	l := newLife(t)
	l.policy = somePolicy.Draw(rt, "policy")
	for range rapid.IntRange(0, 12).Draw(rt, "steps") {
		l.now = l.now.Add(time.Duration(rapid.Int64Range(1, int64(400*lifecycle.Day/time.Microsecond)).Draw(rt, "later")) * time.Microsecond)
		if rapid.Bool().Draw(rt, "sweep") {
			d := lifecycle.Evaluate(l.dossier.Record, l.policy, l.now)
			l.write(&d)
			continue
		}
		a := lifecycle.Action{Kind: rapid.SampledFrom(append(slices.Clone(lifecycle.ActionKinds), lifecycle.CompleteProvisioning)).Draw(rt, "action"),
			By: rapid.SampledFrom(lifecycle.Actors).Draw(rt, "by"), AutoExtend: rapid.Bool().Draw(rt, "on"), Caller: agent}
		if d, err := l.dossier.Act(l.policy, l.now, a); err == nil {
			l.write(&d)
		}
	}
	if rapid.Bool().Draw(rt, "held") {
		l.dossier.Stayed = lifecycle.RuleNames()
		l.dossier.Holds = []lifecycle.Hold{{ID: 1, Kind: rapid.SampledFrom(lifecycle.HoldKinds).Draw(rt, "kind"), Subject: string(lifecycle.EndTerm), PlacedAt: l.now}}
	}
	l.now = l.now.Add(time.Duration(rapid.Int64Range(0, int64(800*lifecycle.Day/time.Microsecond)).Draw(rt, "now")) * time.Microsecond)
	return l
}

func someViewer(t *rapid.T) *lifecycle.Caller {
	return rapid.SampledFrom([]*lifecycle.Caller{nil, agent, approver, {Name: "looks", Role: lifecycle.Operator, ReadsOnly: true},
		{Tenant: contoso, Role: lifecycle.Reader}}).Draw(t, "viewer")
}

func TestEveryStoryNamesTheNextTimerAndNobodysAddressToTenants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := someLife(t, rt)
		language, viewer := rapid.SampledFrom(Languages).Draw(rt, "language"), someViewer(rt)
		story := l.tell("", language, viewer)
		var b bytes.Buffer
		require.NoError(rt, story.WriteText(&b))
		text := b.String()
		require.NotContains(rt, text, "{", "a fact is missing")
		require.NotRegexp(rt, `1 January 1[ ,]|[^0-9-]0*1年1月1日`, text, "an instant is missing")
		if l.dossier.Gone.IsZero() {
			next := lifecycle.Evaluate(l.dossier.Record, l.policy, l.now).Next
			i := slices.IndexFunc(story.Sections, func(s Section) bool { return s.Name == Next })
			require.True(rt, story.Sections[i].Sentences[0].At.Equal(next.At))
			require.Contains(rt, text, lifecycle.FormatInstant(next.At))
		}
		if viewer != nil {
			require.NotContains(rt, text, "anna@")
			require.NotContains(rt, text, "taro@")
		}
		if viewer != nil && viewer.Role != lifecycle.Operator {
			require.NotContains(rt, text, "`tenure", "a command that they cannot run")
		}
	})
}

// What a database holds that nobody here has written must not keep anybody from looking at it.
func TestNoRecordIsTooOddToBeExplained(t *testing.T) {
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "never") {
			return time.Time{}
		}
		return at("2026-01-01T00:00:00Z").Add(time.Duration(rapid.Int64Range(-1000, 1000).Draw(t, "hours")) * time.Hour)
	})
	rapid.Check(t, func(rt *rapid.T) {
		d := lifecycle.Dossier{Gone: time.Time{}}
		r := &d.Record
		r.ID, r.Partner, r.DisplayName = rapid.String().Draw(rt, "id"), rapid.String().Draw(rt, "partner"), rapid.String().Draw(rt, "name")
		r.Status = rapid.SampledFrom(append(slices.Clone(lifecycle.Statuses), "", "odd")).Draw(rt, "status")
		r.Locked, r.Approved, r.Activated, r.End, r.WarnAfter, r.NameReleased = instant.Draw(rt, "locked"), instant.Draw(rt, "approved"), instant.Draw(rt, "activated"),
			instant.Draw(rt, "end"), instant.Draw(rt, "warnAfter"), instant.Draw(rt, "released")
		r.AutoExtend = rapid.Bool().Draw(rt, "autoExtend")
		for range rapid.IntRange(0, 40).Draw(rt, "events") {
			d.Events = append(d.Events, lifecycle.Event{Recorded: instant.Draw(rt, "recorded"), Change: lifecycle.Change{
				Version: rapid.Int64Range(-3, 9).Draw(rt, "version"), Type: rapid.SampledFrom(append(slices.Clone(lifecycle.EventTypes), "odd")).Draw(rt, "type"),
				Effective: instant.Draw(rt, "effective"), End: instant.Draw(rt, "endAt"), Actor: rapid.SampledFrom(append(slices.Clone(lifecycle.Actors), "", "odd")).Draw(rt, "actor"),
				To: rapid.SampledFrom(lifecycle.Statuses).Draw(rt, "to"), Rule: rapid.SampledFrom(lifecycle.RuleNames()).Draw(rt, "rule"), Detail: rapid.String().Draw(rt, "detail")}})
		}
		for range rapid.IntRange(0, 9).Draw(rt, "letters") {
			d.Letters = append(d.Letters, lifecycle.Letter{Kind: rapid.SampledFrom(append(slices.Clone(lifecycle.AnnouncementKinds), lifecycle.NoticeKinds...)).Draw(rt, "kind"),
				Status: rapid.SampledFrom(lifecycle.NoticeStatuses).Draw(rt, "letter"), Due: instant.Draw(rt, "due"), Endpoint: rapid.Bool().Draw(rt, "endpoint")})
		}
		story := Tell(&d, Given{Now: instant.Draw(rt, "now"), Policy: somePolicy.Draw(rt, "policy"), Viewer: someViewer(rt), Language: rapid.SampledFrom(Languages).Draw(rt, "language")})
		require.NoError(rt, story.WriteText(&bytes.Buffer{}))
	})
}

func TestLinesHoldTheWholeTextAndFit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(strings.Fields(rapid.StringOfN(rapid.RuneFrom([]rune("ab 、。「」漢字カナ（x）  ")), 0, 200, -1).Draw(rt, "text")), " ")
		most := rapid.IntRange(8, 40).Draw(rt, "most")
		lines := wrap(text, most)
		require.Equal(rt, strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(strings.Join(lines, ""), " ", ""))
		for i, line := range lines {
			if len(pieces(line)) > 1 {
				require.LessOrEqual(rt, widthOf(line), most, line)
			}
			require.False(rt, i > 0 && line != "" && strings.ContainsAny(string([]rune(line)[:1]), notFirst), "%q begins a line", line)
		}
	})
}

// FuzzNothingInANameReachesTheTerminalButItsLetters puts a text wherever one from elsewhere may stand.
func FuzzNothingInANameReachesTheTerminalButItsLetters(f *testing.F) {
	for _, seed := range []string{"Contoso", "\x1b[31mred\x1b[0m", "a\rb\nc\td", "\u202eevil\u202c", "\x9b2J", "\a\b\x7f", "{who}{end}", "a\u200bb", "\xff\xfe", "👩‍👩‍👧",
		strings.Repeat("長い名前", 400), "\u2028\u2029", "]8;;http://evil.example\a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := active(t).sweep("2026-12-08T10:00:01Z")
		d := &l.dossier
		d.DisplayName, d.Customer.DisplayName, d.ID = s, s, s
		l.policy.Notices.Partners[partner] = s
		for i := range d.Events {
			d.Events[i].By, d.Events[i].Detail = &lifecycle.Caller{Name: s, Tenant: partner}, s
		}
		d.Events = append(d.Events, lifecycle.Event{Change: lifecycle.Change{Version: -1, Type: lifecycle.EventRefused, Action: s, Reason: lifecycle.Reason(s), Detail: s}})
		for i := range d.Letters {
			d.Letters[i].Recipient.Mail, d.Letters[i].LastError, d.Letters[i].Note, d.Letters[i].NotedBy, d.Letters[i].Channel = s, s, s, s, s
			d.Letters[i].Status = lifecycle.NoticeDead
		}
		for i := range d.Contacts {
			d.Contacts[i].Mail, d.Contacts[i].Language = s, s
		}
		d.Holds = []lifecycle.Hold{{Kind: lifecycle.HoldRelationship, Subject: s, Note: s, PlacedBy: s}, {Kind: lifecycle.HoldTenant, Subject: s, Cause: lifecycle.Reason(s)}}
		d.Order = &lifecycle.ProvisioningOrder{LastError: s}
		d.Assignments = []lifecycle.Assignment{{Group: s, Status: lifecycle.AssignmentStatus(s)}}
		for _, language := range Languages {
			for _, c := range l.text("", language, nil) {
				if c != '\n' && !unicode.IsGraphic(c) || c == unicode.ReplacementChar {
					t.Fatalf("%U got through", c)
				}
			}
		}
	})
}
