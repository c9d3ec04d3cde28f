package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// NoticeActions is the body of a request to do something to notices.
type NoticeActions struct {
	Action NoticeAction  `json:"action" doc:"retry: send what was given up, or had nobody to go to; release: send what was kept back, or waits for a digest; suppress: do not send it"`
	IDs    []string      `json:"ids,omitempty" nullable:"false" minItems:"1" maxItems:"1000" example:"[\"1042-7-1\"]" doc:"Of these notices; or give a filter"`
	Filter *NoticeFilter `json:"filter,omitempty" nullable:"false" doc:"Of all notices that fit; or give ids"`
	Reason string        `json:"reason" minLength:"1" maxLength:"500" doc:"Why; kept with each notice, as its note"`
	DryRun bool          `json:"dryRun,omitempty" default:"false" doc:"Count, and change nothing"`
	_      struct{}      `additionalProperties:"false"`
}

// A NoticeFilter says which notices are meant: those that fit all that it names. It must name something.
type NoticeFilter struct {
	Status         []NoticeStatus `json:"status,omitempty" nullable:"false" minItems:"1" doc:"Any of these"`
	Kind           []NoticeKind   `json:"kind,omitempty" nullable:"false" minItems:"1" doc:"Any of these"`
	RelationshipID string         `json:"relationshipId,omitempty" minLength:"1"`
	TenantID       string         `json:"tenantId,omitempty" format:"uuid" doc:"Of the recipient"`
	Mail           string         `json:"mail,omitempty" minLength:"1" doc:"Of the recipient, in upper or lower case"`
	Channel        string         `json:"channel,omitempty" minLength:"1"`
	DueAfter       string         `json:"dueAfter,omitempty" format:"date-time" doc:"At this instant or later"`
	DueBefore      string         `json:"dueBefore,omitempty" format:"date-time" doc:"Before this instant"`
	Digest         string         `json:"digest,omitempty" minLength:"1" doc:"Told in this digest"`
	_              struct{}       `additionalProperties:"false"`
}

// NoticesOrdered says what became of a request to do something to notices.
type NoticesOrdered struct {
	Changed int64           `json:"changed" doc:"How many notices it was done to, or would be"`
	DryRun  bool            `json:"dryRun"`
	Refused []NoticeRefused `json:"refused" nullable:"false" doc:"Of the ids that were given, those to which it was not done"`
}

// A NoticeRefused is a notice to which something was not done.
type NoticeRefused struct {
	ID     string `json:"id"`
	Reason string `json:"reason" doc:"Why not, and what can be done instead"`
	Sentence
}

func refusedNotice(id lifecycle.NoticeID, why error) NoticeRefused {
	return NoticeRefused{id.String(), why.Error(), sentenceOf(lifecycle.SaidBy(why))}
}

type orderNoticesInput struct{ Asked }

type orderNoticesOutput struct{ Body NoticesOrdered }

func (s *Server) orderNotices(ctx context.Context, in *orderNoticesInput) (*orderNoticesOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	order, query, p := readNoticeActions(body)
	if p != nil {
		return nil, p
	}
	order.By, order.At = in.by(), s.now()
	if len(query.IDs) > 0 {
		done, err := OrderNotices(ctx, s.store, order, query.IDs)
		if err != nil {
			return nil, fmt.Errorf("to %s notices: %w", order.Action, err)
		}
		return &orderNoticesOutput{done}, nil
	}
	changed, err := s.store.OrderLetters(ctx, order, query)
	if err != nil {
		return nil, fmt.Errorf("to %s notices: %w", order.Action, err)
	}
	return &orderNoticesOutput{NoticesOrdered{changed, order.DryRun, []NoticeRefused{}}}, nil
}

const (
	mostNoticeIDs  = 1000
	actionsExample = `write {"action":"retry","ids":["1042-7-1"],"reason":"the address is right now"}`
)

// readNoticeActions reads what is to be done, and to which notices.
func readNoticeActions(body json.RawMessage) (order lifecycle.NoticeOrder, query lifecycle.LetterQuery, p *Problem) {
	var bad badValues
	if body == nil {
		bad.refuse(badValue, "body", nil, "is missing; "+actionsExample)
		return order, query, bad.problem()
	}
	said := map[string]bool{}
	noting := func(name string, read func(string, json.RawMessage)) member {
		return member{name, func(location string, value json.RawMessage) { said[name] = true; read(location, value) }}
	}
	bad.object("body", body, actionsExample,
		noting("action", bad.text(func(s string) error {
			order.Action = lifecycle.NoticeAction(s)
			return known(order.Action, noticeActions())
		})),
		noting("ids", bad.list("ids", bad.text(func(s string) (err error) { return appendID(&query.IDs, s) }))),
		noting("filter", func(location string, value json.RawMessage) { bad.noticeFilter(location, value, &query) }),
		noting("reason", bad.text(func(s string) error { order.Note = strings.TrimSpace(s); return badReason(s) })),
		noting("dryRun", bad.flag(&order.DryRun)))
	if p := bad.problem(); p != nil {
		return order, query, p
	}
	for _, name := range []string{"action", "reason"} {
		if !said[name] {
			bad.refuse(badValue, "body."+name, nil, "is missing; "+actionsExample)
		}
	}
	switch {
	case said["ids"] == said["filter"]:
		bad.refuse(badValue, "body", nil, "must have either ids or a filter")
	case said["ids"] && len(query.IDs) == 0:
		bad.refuse(badValue, "body.ids", nil, "names no notice")
	case len(query.IDs) > mostNoticeIDs:
		bad.refuse(badValue, "body.ids", nil, fmt.Sprintf("names %d notices; send at most %d at a time, or a filter", len(query.IDs), mostNoticeIDs))
	case !query.Narrow():
		bad.refuse(badValue, "body.filter", nil, "leaves nothing out; name a status at least")
	}
	return order, query, bad.problem()
}

// noticeFilter reads which notices are meant. What is empty is refused: a variable that is unset must not mean everything.
func (b *badValues) noticeFilter(location string, value json.RawMessage, q *lifecycle.LetterQuery) {
	text := func(read func(location, value string)) func(string, json.RawMessage) {
		return func(location string, value json.RawMessage) {
			b.text(func(s string) error {
				if s == "" {
					return errors.New("is empty; leave it out")
				}
				read(location, s)
				return nil
			})(location, value)
		}
	}
	list := func(what string, one func(string, json.RawMessage)) func(string, json.RawMessage) {
		return func(location string, value json.RawMessage) {
			if strings.Join(strings.Fields(string(value)), "") == "[]" {
				b.refuse(badValue, location, value, "is empty; leave it out")
				return
			}
			b.list(what, one)(location, value)
		}
	}
	b.object(location, value, `write {"status":["dead"]}`,
		member{"status", list("statuses", b.text(func(s string) error {
			q.Statuses = append(q.Statuses, lifecycle.NoticeStatus(s))
			return known(lifecycle.NoticeStatus(s), lifecycle.NoticeStatuses)
		}))},
		member{"kind", list("kinds", b.text(func(s string) error {
			q.Kinds = append(q.Kinds, lifecycle.NoticeKind(s))
			return known(lifecycle.NoticeKind(s), letterKinds())
		}))},
		member{"relationshipId", text(func(_, s string) { q.Relationship = lifecycle.CanonicalID(s) })},
		member{"tenantId", text(func(at, s string) { q.Tenant = b.tenant(at, s) })},
		member{"mail", text(func(_, s string) { q.Mail = s })},
		member{"channel", text(func(_, s string) { q.Channel = s })},
		member{"dueAfter", text(func(at, s string) { q.DueAfter = b.instant(at, s) })},
		member{"dueBefore", text(func(at, s string) { q.DueBefore = b.instant(at, s) })},
		member{"digest", text(func(at, s string) { q.Digest = b.noticeID(at, s) })})
}

// known says what there is, where value is none of it.
func known[T ~string](value T, all []T) error {
	if slices.Contains(all, value) {
		return nil
	}
	return errors.New("is unknown; there are " + strings.ReplaceAll(joined(all), ",", ", "))
}

func appendID(ids *[]lifecycle.NoticeID, s string) error {
	id, err := lifecycle.ParseNoticeID(s)
	if err != nil {
		return noNoticeID.Say()
	}
	*ids = append(*ids, id)
	return nil
}

// badReason says why s does not say why something is done.
func badReason(s string) error {
	const longest = 500
	switch n := utf8.RuneCountInString(s); {
	case strings.TrimSpace(s) == "":
		return reasonEmpty.Say()
	case n > longest:
		return reasonTooLong.Say("n", n, "most", longest)
	case strings.ContainsFunc(s, unicode.IsControl):
		return holdsControl.Say()
	}
	return nil
}

// OrderNotices does what an operator wants to the notices with these ids, as far as the status of each allows. Of the others it
// says why not, and what can be done instead.
func OrderNotices(ctx context.Context, store NoticeStore, o lifecycle.NoticeOrder, ids []lifecycle.NoticeID) (NoticesOrdered, error) {
	done := NoticesOrdered{DryRun: o.DryRun, Refused: []NoticeRefused{}}
	way, err := o.Action.Way()
	if err != nil {
		return done, err
	}
	before, err := lettersByID(ctx, store, ids)
	if err != nil {
		return done, err
	}
	var fit []lifecycle.NoticeID
	for _, id := range unique(ids) {
		if why := unfit(way, before[id]); why != nil {
			done.Refused = append(done.Refused, refusedNotice(id, why))
			continue
		}
		fit = append(fit, id)
	}
	if len(fit) == 0 {
		return done, nil
	}
	done.Changed, err = store.OrderLetters(ctx, o, lifecycle.LetterQuery{IDs: fit})
	if err != nil || o.DryRun || done.Changed == int64(len(fit)) {
		return done, err
	}
	left, err := leftAlone(ctx, store, fit, before)
	done.Refused = append(done.Refused, left...)
	return done, err
}

func lettersByID(ctx context.Context, store NoticeStore, ids []lifecycle.NoticeID) (map[lifecycle.NoticeID]*lifecycle.Letter, error) {
	letters, err := store.Letters(ctx, lifecycle.LetterQuery{IDs: ids})
	found := make(map[lifecycle.NoticeID]*lifecycle.Letter, len(letters))
	for i := range letters {
		found[letters[i].NoticeID] = &letters[i]
	}
	return found, err
}

func unique(ids []lifecycle.NoticeID) (once []lifecycle.NoticeID) {
	for _, id := range ids {
		if !slices.Contains(once, id) {
			once = append(once, id)
		}
	}
	return once
}

// unfit says why a way does not lead on from a notice; nil where it does.
func unfit(way lifecycle.NoticeWay, l *lifecycle.Letter) error {
	if l == nil {
		return noSuchNotice.Say()
	}
	if err := way.Takes(l.Status); err != nil {
		return err
	}
	if l.Erased && way.To == lifecycle.NoticeQueued {
		return noticeErased.Say()
	}
	return nil
}

// leftAlone lists the notices that were fit and are still as they were.
func leftAlone(ctx context.Context, store NoticeStore, fit []lifecycle.NoticeID, before map[lifecycle.NoticeID]*lifecycle.Letter) ([]NoticeRefused, error) {
	after, err := lettersByID(ctx, store, fit)
	var left []NoticeRefused
	for _, id := range fit {
		l := after[id]
		switch {
		case l == nil || l.Status != before[id].Status:
		case l.Status == lifecycle.NoticeNoRecipient:
			left = append(left, refusedNotice(id, stillNobody.Say()))
		default:
			left = append(left, refusedNotice(id, beingSent.Say()))
		}
	}
	return left, err
}
