package audit

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Format is what the first line of an export calls itself.
const Format = "tenure-history/1"

// The lines of an export. Each is a JSON object with its type; those of one type come in the order in which a Source hands them over.
const (
	lineHead         = "head"
	lineRelationship = "relationship"
	lineName         = "name"
	lineChunk        = "chunk"
	lineTick         = "tick"
	lineEnd          = "end"
)

// A wireHead is the first line: what is said of the deployment as a whole.
type wireHead struct {
	Type          string                    `json:"type"`
	Format        string                    `json:"format"`
	TakenAt       time.Time                 `json:"takenAt"`
	Live          bool                      `json:"live"`
	Policies      []lifecycle.PolicyInForce `json:"policies"`
	Clock         time.Time                 `json:"clock,omitzero"`
	Retiming      bool                      `json:"retiming,omitempty"`
	Holds         []lifecycle.Hold          `json:"holds"`
	Paused        string                    `json:"paused"`
	Sweeps        []wireSweep               `json:"sweeps"`
	Placed        []wireEvent               `json:"placed"`
	Subscriptions []wireSubscription        `json:"subscriptions"`
	Orders        int64                     `json:"orders"`
	LowestOrder   int64                     `json:"lowestOrder"`
	NextOrder     int64                     `json:"nextOrder"`
	Relationships int64                     `json:"relationships"`
	RepeatedIDs   []string                  `json:"repeatedIds,omitempty"`
	MissingGuards []string                  `json:"missingGuards,omitempty"`
	Floor         time.Time                 `json:"floor,omitzero"`
}

type wireSweep struct {
	ID     int64                `json:"id"`
	Rules  []lifecycle.RuleName `json:"rules"`
	DryRun bool                 `json:"dryRun"`
	State  lifecycle.SweepState `json:"state"`
	AsOf   time.Time            `json:"asOf"`
	Ruled  time.Time            `json:"ruled,omitzero"`
}

type wireSubscription struct {
	ID      int64                  `json:"id"`
	Tenant  string                 `json:"tenant"`
	Kinds   []lifecycle.NoticeKind `json:"kinds"`
	Created time.Time              `json:"created"`
}

func headOf(b *lifecycle.Books, taken time.Time) wireHead {
	h := wireHead{lineHead, Format, taken, b.Live, b.Policies, b.Clock, b.Retiming, b.Holds, b.Paused, nil, nil, nil, b.Orders, b.LowestOrder, b.NextOrder, b.Relationships, b.RepeatedIDs, b.MissingGuards, b.Floor}
	for i := range b.Placed {
		h.Placed = append(h.Placed, wireEventOf(&b.Placed[i]))
	}
	for i := range b.Subscriptions {
		s := &b.Subscriptions[i]
		h.Subscriptions = append(h.Subscriptions, wireSubscription{s.ID, s.Tenant, s.Kinds, s.Created})
	}
	for i := range b.Sweeps {
		s := &b.Sweeps[i]
		w := wireSweep{ID: s.ID, Rules: s.Rules, DryRun: s.DryRun, State: s.State, AsOf: s.AsOf}
		if s.Ruling != nil {
			w.Ruled = s.Ruling.At
		}
		h.Sweeps = append(h.Sweeps, w)
	}
	return h
}

func (h *wireHead) books() lifecycle.Books {
	b := lifecycle.Books{Live: h.Live, Policies: h.Policies, Clock: h.Clock, Retiming: h.Retiming, Holds: h.Holds, Paused: h.Paused, Orders: h.Orders,
		LowestOrder: h.LowestOrder, NextOrder: h.NextOrder, Relationships: h.Relationships, RepeatedIDs: h.RepeatedIDs, MissingGuards: h.MissingGuards, Floor: h.Floor}
	for i := range h.Placed {
		b.Placed = append(b.Placed, h.Placed[i].event(0, ""))
	}
	for _, w := range h.Subscriptions {
		b.Subscriptions = append(b.Subscriptions, lifecycle.Subscription{ID: w.ID, Tenant: w.Tenant, Kinds: w.Kinds, Created: w.Created})
	}
	for _, w := range h.Sweeps {
		s := lifecycle.Sweep{ID: w.ID, Rules: w.Rules, DryRun: w.DryRun, State: w.State, AsOf: w.AsOf}
		if !w.Ruled.IsZero() {
			s.Ruling = &lifecycle.Ruling{At: w.Ruled}
		}
		b.Sweeps = append(b.Sweeps, s)
	}
	return b
}

// A wireAccount is everything of one relationship.
type wireAccount struct {
	Type    string       `json:"type"`
	Key     int64        `json:"key"`
	ID      string       `json:"id"`
	Row     *wireRow     `json:"row,omitempty"`
	Buried  time.Time    `json:"buried,omitzero"`
	Events  []wireEvent  `json:"events,omitempty"`
	Letters []wireNotice `json:"notices,omitempty"`
	Access  []wireAccess `json:"access,omitempty"`
	Groups  []string     `json:"groups,omitempty"`
	Leaving int          `json:"leaving,omitempty"`
	Faults  []string     `json:"faults,omitempty"`
}

type wireRow struct {
	Partner      string             `json:"partner"`
	DisplayName  string             `json:"displayName"`
	Duration     lifecycle.Period   `json:"duration"`
	AutoExtend   bool               `json:"autoExtend"`
	Status       lifecycle.Status   `json:"status"`
	Customer     string             `json:"customer"`
	CustomerName string             `json:"customerName"`
	Roles        []string           `json:"roles"`
	Created      time.Time          `json:"created,omitzero"`
	Modified     time.Time          `json:"modified,omitzero"`
	Locked       time.Time          `json:"locked,omitzero"`
	Approved     time.Time          `json:"approved,omitzero"`
	Activated    time.Time          `json:"activated,omitzero"`
	End          time.Time          `json:"end,omitzero"`
	WarnAfter    time.Time          `json:"warnAfter,omitzero"`
	NameReleased time.Time          `json:"nameReleased,omitzero"`
	Assigned     int                `json:"assigned"`
	Version      int64              `json:"version"`
	NameKey      string             `json:"nameKey"`
	NextRule     lifecycle.RuleName `json:"nextRule"`
	NextAt       time.Time          `json:"nextAt,omitzero"`
	Held         bool               `json:"held"`
}

type wireEvent struct {
	Version     int64               `json:"version"`
	Type        lifecycle.EventType `json:"type"`
	Rule        lifecycle.RuleName  `json:"rule,omitempty"`
	Effective   time.Time           `json:"effective"`
	Recorded    time.Time           `json:"recorded"`
	From        lifecycle.Status    `json:"from"`
	To          lifecycle.Status    `json:"to"`
	End         time.Time           `json:"end,omitzero"`
	Reason      lifecycle.Reason    `json:"reason,omitempty"`
	Actor       lifecycle.Actor     `json:"actor"`
	By          *lifecycle.Caller   `json:"by,omitempty"`
	Action      string              `json:"action,omitempty"`
	Subject     string              `json:"subject,omitempty"`
	Detail      string              `json:"detail,omitempty"`
	Fingerprint string              `json:"fingerprint,omitempty"`
}

func wireEventOf(e *lifecycle.Event) wireEvent {
	return wireEvent{e.Version, e.Type, e.Rule, e.Effective, e.Recorded, e.From, e.To, e.End, e.Reason, e.Actor, e.By, e.Action, e.Subject, e.Detail,
		e.Fingerprint}
}

func (w *wireEvent) event(key int64, id string) lifecycle.Event {
	return lifecycle.Event{RelationshipID: id, Key: key, Recorded: w.Recorded, Fingerprint: w.Fingerprint,
		Change: lifecycle.Change{Version: w.Version, Type: w.Type, Rule: w.Rule, Effective: w.Effective, From: w.From, To: w.To, End: w.End,
			Reason: w.Reason, Actor: w.Actor, By: w.By, Action: w.Action, Subject: w.Subject, Detail: w.Detail}}
}

type wireAccess struct {
	ID       string                     `json:"id"`
	Group    string                     `json:"group"`
	Roles    []string                   `json:"roles"`
	Status   lifecycle.AssignmentStatus `json:"status"`
	Created  time.Time                  `json:"created"`
	Modified time.Time                  `json:"modified"`
	Version  int64                      `json:"version"`
}

type wireNotice struct {
	Version  int64                  `json:"version"`
	Ordinal  int                    `json:"ordinal"`
	Kind     lifecycle.NoticeKind   `json:"kind"`
	Stage    lifecycle.Period       `json:"stage"`
	End      time.Time              `json:"end,omitzero"`
	Due      time.Time              `json:"due"`
	Recorded time.Time              `json:"recorded"`
	Status   lifecycle.NoticeStatus `json:"status"`
	Reason   lifecycle.Reason       `json:"reason,omitempty"`
	Tenant   string                 `json:"tenant"`
	Role     lifecycle.Role         `json:"role"`
	Mail     string                 `json:"mail,omitempty"`
	Channel  string                 `json:"channel"`
	Endpoint bool                   `json:"endpoint,omitempty"`
	Erased   bool                   `json:"erased,omitempty"`
	Attempts int                    `json:"attempts,omitempty"`
	Unknown  int                    `json:"unknown,omitempty"`
	Sent     time.Time              `json:"sent,omitzero"`
	Settled  time.Time              `json:"settled,omitzero"`
	Note     string                 `json:"note,omitempty"`
	Digest   int64                  `json:"digest,omitempty"`
}

func wireOf(a *lifecycle.Account) wireAccount {
	w := wireAccount{Type: lineRelationship, Key: a.Key, ID: a.ID, Buried: a.Buried, Groups: a.Groups, Leaving: a.Leaving, Faults: a.Faults}
	if r := a.Row; r != nil {
		w.Row = &wireRow{r.Partner, r.DisplayName, r.Duration, r.AutoExtend, r.Status, r.Customer.TenantID, r.Customer.DisplayName, r.Roles, r.Created,
			r.Modified, r.Locked, r.Approved, r.Activated, r.End, r.WarnAfter, r.NameReleased, r.Assigned, r.Version, r.NameKey, r.Next.Rule, r.Next.At, r.Held}
	}
	for i := range a.Events {
		w.Events = append(w.Events, wireEventOf(&a.Events[i]))
	}
	for i := range a.Access {
		w.Access = append(w.Access, wireAccess(a.Access[i]))
	}
	for i := range a.Letters {
		l := &a.Letters[i]
		w.Letters = append(w.Letters, wireNotice{l.Version, l.Ordinal, l.Kind, l.Stage, l.End, l.Due, l.Recorded, l.Status, l.Reason, l.Recipient.TenantID,
			l.Recipient.Role, l.Recipient.Mail, l.Channel, l.Endpoint, l.Erased, l.Attempts, l.Unknown, l.SentAt, l.SettledAt, l.Note, l.Digest.Version})
	}
	return w
}

func (w *wireAccount) account() *lifecycle.Account {
	a := &lifecycle.Account{Key: w.Key, ID: w.ID, Buried: w.Buried, Groups: w.Groups, Leaving: w.Leaving, Faults: w.Faults}
	if r := w.Row; r != nil {
		a.Row = &lifecycle.AccountRow{NameKey: r.NameKey, Next: lifecycle.Timer{Rule: r.NextRule, At: r.NextAt}, Held: r.Held, Record: lifecycle.Record{
			ID: w.ID, Partner: r.Partner, DisplayName: r.DisplayName, Duration: r.Duration, AutoExtend: r.AutoExtend, Status: r.Status,
			Customer: lifecycle.Tenant{TenantID: r.Customer, DisplayName: r.CustomerName}, Roles: r.Roles, Created: r.Created, Modified: r.Modified,
			Locked: r.Locked, Approved: r.Approved, Activated: r.Activated, End: r.End, WarnAfter: r.WarnAfter, NameReleased: r.NameReleased,
			Assigned: r.Assigned, Version: r.Version}}
	}
	for i := range w.Events {
		a.Events = append(a.Events, w.Events[i].event(w.Key, w.ID))
	}
	for i := range w.Access {
		a.Access = append(a.Access, lifecycle.Assignment(w.Access[i]))
	}
	for _, n := range w.Letters {
		l := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: w.Key, Version: n.Version, Ordinal: n.Ordinal}, Kind: n.Kind, Stage: n.Stage, End: n.End,
			Due: n.Due, Recorded: n.Recorded, Status: n.Status, Reason: n.Reason, Channel: n.Channel, Endpoint: n.Endpoint, Erased: n.Erased,
			Recipient: lifecycle.Contact{TenantID: n.Tenant, Role: n.Role, Mail: n.Mail}, Attempts: n.Attempts, Unknown: n.Unknown,
			SentAt: n.Sent, SettledAt: n.Settled, Note: n.Note}
		if n.Digest > 0 {
			l.Digest = lifecycle.NoticeID{Version: n.Digest, Ordinal: 1}
		}
		a.Letters = append(a.Letters, l)
	}
	return a
}

type wireNameHeld struct {
	Type    string `json:"type"`
	Partner string `json:"partner"`
	NameKey string `json:"nameKey"`
	Key     int64  `json:"key"`
	ID      string `json:"id"`
}

type wireChunk struct {
	Type     string    `json:"type"`
	Sweep    int64     `json:"sweep"`
	N        int       `json:"n"`
	AfterAt  time.Time `json:"afterAt,omitzero"`
	AfterKey int64     `json:"afterKey"`
	UpToAt   time.Time `json:"upToAt,omitzero"`
	UpToKey  int64     `json:"upToKey"`
}

type wireTick struct {
	Type    string             `json:"type"`
	Rule    lifecycle.RuleName `json:"rule"`
	Nominal time.Time          `json:"nominal"`
}

// A wireEnd is the last line: without it something is missing.
type wireEnd struct {
	Type          string `json:"type"`
	Relationships int64  `json:"relationships"`
	Lines         int64  `json:"lines"`
}
