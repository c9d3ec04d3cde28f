package explain

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	partner  = "22222222-2222-4222-8222-222222222222"
	contoso  = "11111111-1111-4111-8111-111111111111"
	helpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	id       = "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001"
	group    = "33333333-3333-4333-8333-333333333333"
)

func at(s string) time.Time {
	t, err := lifecycle.ParseInstant(s)
	if err != nil {
		panic(err)
	}
	return t
}

// A life is a relationship as the database would keep it, made by what happens to it.
type life struct {
	testing.TB
	dossier lifecycle.Dossier
	policy  *lifecycle.Policy
	set     map[string]bool
	now     time.Time
}

// newLife is a draft of 5 January 2026, with a person to tell on either side.
func newLife(t testing.TB, change ...func(w *lifecycle.Draft)) *life {
	l := &life{TB: t, policy: lifecycle.DefaultPolicy(), set: map[string]bool{}, now: at("2026-01-05T09:00:00Z")}
	l.policy.Notices.Partners = map[string]string{partner: "Northwind"}
	name, duration := "Contoso helpdesk 2026", lifecycle.Days(365)
	draft := lifecycle.Draft{DisplayName: &name, Duration: &duration, Customer: &lifecycle.Tenant{TenantID: contoso, DisplayName: "Contoso"}, Roles: []string{helpdesk}}
	for _, c := range change {
		c(&draft)
	}
	d, err := lifecycle.Create(id, partner, draft, l.policy, lifecycle.Authorized, agent, l.now)
	require.NoError(t, err)
	l.dossier.Key = 7
	l.dossier.Contacts = []lifecycle.Contact{
		{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "anna@northwind.example", Language: "en"},
		{TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "taro@contoso.example", Language: "ja"},
	}
	l.write(&d)
	return l
}

var (
	agent    = &lifecycle.Caller{Name: "anna", Tenant: partner, Role: lifecycle.AdminAgents}
	approver = &lifecycle.Caller{Name: "taro", Tenant: contoso, Role: lifecycle.GlobalAdministrators}
)

// write takes a decision into the dossier, as the database does.
func (l *life) write(d *lifecycle.Decision) {
	l.dossier.Record = d.Record
	for _, c := range d.Changes {
		l.dossier.Events = append(l.dossier.Events, lifecycle.Event{RelationshipID: id, Key: 7, Recorded: d.Recorded, Change: c})
	}
	l.dossier.Assignments = append(l.dossier.Assignments, d.Assignments...)
	if d.TakeAway != "" {
		for i := range l.dossier.Assignments {
			l.dossier.Assignments[i].Status, l.dossier.Assignments[i].Modified = d.TakeAway, d.Recorded
		}
	}
	for i := range d.Notices {
		l.deliver(d, &d.Notices[i])
	}
	if d.Gone {
		l.dossier.Gone = d.Recorded
		l.dossier.Record = lifecycle.Record{ID: id, Partner: partner, DisplayName: d.Record.DisplayName}
	}
}

// deliver writes a notice down, and what is to be sent is sent a moment later.
func (l *life) deliver(d *lifecycle.Decision, n *lifecycle.Notice) {
	for i, to := range n.To {
		letter := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: 7, Version: n.Version, Ordinal: i + 1}, Kind: n.Kind, Stage: n.Stage, End: n.End, Due: n.Due,
			Recorded: d.Recorded, Status: n.Status, Reason: n.Reason, Channel: to.Channel, Recipient: lifecycle.Contact{TenantID: to.TenantID, Role: to.Role}}
		for _, c := range l.dossier.Contacts {
			if c.TenantID == to.TenantID && c.Role == to.Role {
				letter.Recipient = c
			}
		}
		switch {
		case letter.Recipient.Mail == "":
			letter.Status, letter.Reason = lifecycle.NoticeNoRecipient, lifecycle.NobodyToTell
		case letter.Status == lifecycle.NoticeQueued:
			letter.Status, letter.SentAt, letter.Attempts = lifecycle.NoticeSent, d.Recorded.Add(3*time.Second), 1
		}
		l.dossier.Letters = append(l.dossier.Letters, letter)
	}
}

// do has somebody act at an instant.
func (l *life) do(when string, actions ...lifecycle.Action) *life {
	l.now = at(when)
	d, err := l.dossier.Act(l.policy, l.now, actions...)
	require.NoError(l, err)
	l.write(&d)
	return l
}

// sweep records what is due at an instant.
func (l *life) sweep(when string) *life {
	l.now = at(when)
	d := lifecycle.Evaluate(l.dossier.Record, l.policy, l.now)
	l.write(&d)
	return l
}

func lock() lifecycle.Action {
	return lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner, Caller: agent}
}

func approve() lifecycle.Action {
	return lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer, Caller: approver}
}

func autoExtend(on bool) lifecycle.Action {
	return lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, Caller: agent, AutoExtend: on}
}

func act(kind lifecycle.ActionKind, by lifecycle.Actor) lifecycle.Action {
	return lifecycle.Action{Kind: kind, By: by}
}

// tell tells the life as it stands at an instant, by default the last one.
func (l *life) tell(when string, language Language, viewer *lifecycle.Caller) Story {
	if when != "" {
		l.now = at(when)
	}
	return Tell(&l.dossier, Given{Now: l.now, Policy: l.policy, Set: l.set, Viewer: viewer, Language: language})
}

func (l *life) text(when string, language Language, viewer *lifecycle.Caller) string {
	story := l.tell(when, language, viewer)
	var b bytes.Buffer
	require.NoError(l, story.WriteText(&b))
	return b.String()
}

// active is a life that was approved on 7 January 2026, for a year.
func active(t testing.TB, change ...func(w *lifecycle.Draft)) *life {
	return newLife(t, change...).do("2026-01-06T09:00:00Z", lock()).do("2026-01-07T10:00:00Z", approve())
}

// lives are the stories of the golden files.
var lives = map[string]func(t *testing.T) *life{
	"draft":   func(t *testing.T) *life { return newLife(t) },
	"pending": func(t *testing.T) *life { return newLife(t).do("2026-01-06T09:00:00Z", lock()) },
	"lapsed": func(t *testing.T) *life {
		return newLife(t).do("2026-01-06T09:00:00Z", lock()).sweep("2026-04-09T12:00:00Z")
	},
	"rejected": func(t *testing.T) *life {
		return newLife(t).do("2026-01-06T09:00:00Z", lock()).do("2026-02-01T00:00:00Z", act(lifecycle.Reject, lifecycle.Customer))
	},
	"ends":    func(t *testing.T) *life { return active(t).sweep("2026-12-08T10:00:01Z") },
	"extends": func(t *testing.T) *life { l := active(t); return l.do("2026-02-01T00:00:00Z", autoExtend(true)) },
	"extended": func(t *testing.T) *life {
		l := active(t).do("2026-02-01T00:00:00Z", autoExtend(true))
		for _, end := range []string{"2027-01-07T10:00:00Z", "2027-07-06T10:00:00Z", "2028-01-02T10:00:00Z", "2028-06-30T10:00:00Z", "2028-12-27T10:00:00Z"} {
			l.sweep(end)
		}
		return l.do("2029-06-01T00:00:00Z", autoExtend(false))
	},
	"never-extended": func(t *testing.T) *life {
		return active(t, func(w *lifecycle.Draft) {
			on := true
			w.AutoExtend, w.Roles = &on, []string{helpdesk, lifecycle.GlobalAdministrator}
		})
	},
	"overdue": func(t *testing.T) *life { l := active(t); l.now = at("2027-01-09T12:00:00Z"); return l },
	"terminated": func(t *testing.T) *life {
		l := active(t)
		l.dossier.Contacts = l.dossier.Contacts[:1] // nobody on file at the customer's
		return l.do("2026-05-05T05:05:05Z", lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer, Caller: approver})
	},
	"released": func(t *testing.T) *life {
		l := active(t).sweep("2026-12-08T10:00:00Z").sweep("2027-01-07T10:00:00Z")
		l.set["names.holdFor"] = true
		return l.sweep("2028-01-07T10:00:00Z")
	},
	"held": func(t *testing.T) *life {
		l := active(t)
		l.dossier.Stayed = lifecycle.RuleNames()
		l.dossier.Holds = []lifecycle.Hold{{ID: 3, Kind: lifecycle.HoldRelationship, Subject: id, Note: "litigation, ask legal", PlacedAt: at("2026-12-01T00:00:00Z"), PlacedBy: "cli:kay"}}
		l.now = at("2027-01-09T12:00:00Z")
		return l
	},
	"external": func(t *testing.T) *life {
		l := newLife(t)
		l.policy.Provisioning.External, l.set["provisioning.external"] = true, true
		l.do("2026-01-06T09:00:00Z", lock()).do("2026-01-07T10:00:00Z", approve())
		l.dossier.Order = &lifecycle.ProvisioningOrder{Relationship: l.dossier.Record, Since: l.now, Attempts: 4, LastError: "503 Service Unavailable"}
		l.now = at("2026-01-09T10:00:00Z")
		return l
	},
	"deleted": func(t *testing.T) *life {
		return newLife(t).do("2026-01-06T09:00:00Z", act(lifecycle.Delete, lifecycle.Partner))
	},
}

func TestStoriesAreTheGoldenOnes(t *testing.T) {
	for name, live := range lives {
		for _, language := range Languages {
			t.Run(name+" "+string(language), func(t *testing.T) {
				got := live(t).text("", language, nil)
				file := filepath.Join("testdata", name+"."+string(language)+".txt")
				if *update {
					require.NoError(t, os.MkdirAll("testdata", 0o750))
					require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), got)
				for line := range strings.Lines(got) {
					require.LessOrEqual(t, widthOf(strings.TrimRight(line, "\n")), columns, line)
				}
				require.NotContains(t, got, "{", "a fact is missing")
				require.NotRegexp(t, `1 January 1[ ,]|[^0-9-]0*1年`, got, "an instant is missing")
			})
		}
	}
}
