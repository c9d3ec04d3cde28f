package storage

import (
	"cmp"
	"context"
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A noticeRow is a notice to one person, to an endpoint, or to nobody, as it is written first.
type noticeRow struct {
	letterKey
	Kind       lifecycle.NoticeKind   `json:"kind"`
	Stage      string                 `json:"stage"`
	EndAt      dbTime                 `json:"end_at"`
	DueAt      dbTime                 `json:"due_at"`
	RecordedAt dbTime                 `json:"recorded_at"`
	Status     lifecycle.NoticeStatus `json:"status"`
	Reason     lifecycle.Reason       `json:"reason"`
	TenantID   string                 `json:"tenant_id"`
	Role       lifecycle.Role         `json:"role"`
	Mail       string                 `json:"mail"`
	Name       string                 `json:"recipient_name"`
	Language   string                 `json:"language"`
	TimeZone   string                 `json:"time_zone"`
	Channel    string                 `json:"channel"`
	Endpoint   bool                   `json:"endpoint"`
	ReadyAt    dbTime                 `json:"ready_at"`
	DigestAt   dbTime                 `json:"digest_at"`
	SettledAt  dbTime                 `json:"settled_at"`
	Trace      string                 `json:"traceparent"`
	SentAt     dbTime                 `json:"sent_at"`
	Claim      int                    `json:"claim"`
	Attempts   int                    `json:"attempts"`
}

const noticeColumns = `relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail,
	recipient_name, language, time_zone, channel, endpoint, ready_at, digest_at, settled_at`

// insertNotices writes a notice for each endpoint and for each person who holds the role now, or one to nobody where there
// is none: that somebody should have been told is not forgotten. It counts those that are to be sent.
//
// As for events, the version that they tell of has just been won, so they are there for the first time.
func insertNotices(ctx context.Context, s session, decided []lifecycle.Decided, from *prepared) (toSend int64, err error) {
	if !slices.ContainsFunc(decided, func(d lifecycle.Decided) bool { return len(d.Notices) > 0 }) {
		return 0, nil
	}
	there, err := from.audiencesOf(ctx, s, decided)
	if err != nil {
		return 0, err
	}
	nowhere, err := nowhereNow(ctx, s)
	if err != nil {
		return 0, err
	}
	columns, trace := noticeColumns, traceparent(ctx)
	if trace != "" {
		columns += ", traceparent"
	}
	if len(nowhere) > 0 {
		columns += sentColumns
	}
	// Row by row: there may be many people to tell, and many things to tell them.
	err = fill(ctx, s, "notices", columns, columns, func(yield func(*noticeRow) bool) {
		tell := teller{there: there, trace: trace, nowhere: nowhere}
		for i := range decided {
			if !tell.of(&decided[i], yield) {
				return
			}
		}
		toSend = tell.toSend
	})
	if err != nil {
		return 0, err
	}
	return toSend, nil
}

// goesTo says who is told on the channel.
type goesTo int

const (
	toPeople   goesTo = iota // each person of the audience
	toEndpoint               // the channel itself
	toNobody
)

func goes(to *lifecycle.Addressee) goesTo {
	switch {
	case to.Endpoint:
		return toEndpoint
	case to.Muted:
		return toNobody
	}
	return toPeople
}

// An addressed notice is one to one of its addressees. n is its place among those of its decision: two of one step keep their order.
type addressed struct {
	n  int
	of *lifecycle.Notice
	to *lifecycle.Addressee
}

// inOrder are the notices of a decision, step by step in the order in which they are counted. They take the room that there is.
func inOrder(d *lifecycle.Decided, room []addressed) []addressed {
	all := room[:0]
	for n := range d.Notices {
		of := &d.Notices[n]
		for i := range of.To {
			all = append(all, addressed{n, of, &of.To[i]})
		}
	}
	slices.SortStableFunc(all, func(a, b addressed) int {
		return cmp.Or(cmp.Compare(a.of.Version, b.of.Version), cmp.Compare(a.n, b.n), cmp.Compare(a.to.Role, b.to.Role),
			cmp.Compare(goes(a.to), goes(b.to)), cmp.Compare(a.to.Channel, b.to.Channel), cmp.Compare(a.to.TenantID, b.to.TenantID))
	})
	return all
}

// A teller makes the rows that tell of decisions, in one and the same room for each.
type teller struct {
	there   *audiences
	trace   string // empty while nobody traces
	nowhere []string
	order   []addressed
	row     noticeRow
	toSend  int64
}

// of hands over the rows of a decision. Those of one step are counted from 1; of one audience they go by mail address. False: no
// more are wanted.
func (t *teller) of(d *lifecycle.Decided, yield func(*noticeRow) bool) bool {
	var step letterKey
	t.order = inOrder(d, t.order)
	for _, a := range t.order {
		if step.Version != a.of.Version {
			step = letterKey{Key: d.Key, Version: a.of.Version}
		}
		t.row = noticeRow{Kind: a.of.Kind, Stage: a.of.Stage.String(), EndAt: at(a.of.End), DueAt: at(a.of.Due), RecordedAt: at(d.Recorded),
			TenantID: a.to.TenantID, Role: a.to.Role, Channel: a.to.Channel, Endpoint: a.to.Endpoint, ReadyAt: dawn, Trace: t.trace}
		people := nobody
		if goes(a.to) == toPeople {
			people = t.there.of(a.to.Audience)
		}
		for i := range people {
			step.Ordinal++
			t.row.letterKey = step
			t.row.goTo(&people[i], a)
			if t.row.Status == lifecycle.NoticeQueued {
				t.toSend++
			}
			t.row.passes(t.nowhere, d)
			if !yield(&t.row) {
				return false
			}
		}
	}
	return true
}

// goTo is what becomes of a notice for one person. Only what is to be sent is looked at twice: whether there is somebody, and whether
// that person wants digests.
func (row *noticeRow) goTo(to *person, a addressed) {
	row.Mail, row.Name, row.Language, row.TimeZone = to.mail, to.name, to.language, to.timeZone
	row.Status, row.Reason, row.DigestAt, row.SettledAt = a.of.Status, a.of.Reason, dbTime{}, dbTime{}
	row.SentAt, row.Claim, row.Attempts = dbTime{}, 0, 0
	switch whom := goes(a.to); {
	case a.of.Status != lifecycle.NoticeQueued || whom == toEndpoint:
	case whom == toNobody:
		row.Status, row.Reason = lifecycle.NoticeSuppressed, lifecycle.NotRouted
	case to.mail == "":
		row.Status, row.Reason = lifecycle.NoticeNoRecipient, lifecycle.NobodyToTell
	default:
		if row.DigestAt = at(to.waitsFor(a.of)); !row.DigestAt.IsZero() {
			row.Status, row.Reason = lifecycle.NoticeWaiting, lifecycle.ForDigest
		}
	}
	if row.Status.Final() {
		row.SettledAt = row.RecordedAt
	}
}
