package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A NoticeStore shows notices and changes them. It may be called from many goroutines.
type NoticeStore interface {
	// Letters lists notices by their ids, without messages and items.
	Letters(ctx context.Context, q lifecycle.LetterQuery) ([]lifecycle.Letter, error)

	// LettersAmong is Letters, and looks at no more than most; 0: at all. reached is how far that was, if it was not to the end and there
	// are fewer than the limit.
	LettersAmong(ctx context.Context, q lifecycle.LetterQuery, most int) (letters []lifecycle.Letter, reached lifecycle.NoticeID, err error)

	// Letter reads a notice with its message, a digest with its items; [lifecycle.ErrNotFound].
	Letter(ctx context.Context, id lifecycle.NoticeID) (lifecycle.Letter, error)

	// OrderLetters does what an operator wants to the notices of a query whose status allows it, and says to how many.
	OrderLetters(ctx context.Context, o lifecycle.NoticeOrder, q lifecycle.LetterQuery) (changed int64, err error)
}

// A NoticeList is a page of notices, by their ids: those about the relationship that came in first stand first.
type NoticeList struct {
	Notices []Notice `json:"notices" nullable:"false"`
	Next    string   `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

const (
	noticesPath = "/v1/notices"
	noticeTag   = "Notices"
)

func (s *Server) addNotices() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "listNotices", Method: http.MethodGet, Path: noticesPath, Tags: []string{noticeTag},
		Summary:     "List notices",
		Description: "Addresses and names of recipients are masked for whoever may only read.",
		Responses:   s.answers(badValue),
	}, s.listNotices)
	register(s, ScopeRead, huma.Operation{
		OperationID: "getNotice", Method: http.MethodGet, Path: noticesPath + "/{id}", Tags: []string{noticeTag},
		Summary:     "Show a notice with its message, and a digest with its items",
		Description: "For whoever may only read, the address and the name of the recipient are masked, and the message is left out.",
		Responses:   s.answers(unknownNotice, badValue),
	}, s.getNotice)
	register(s, ScopeManage, huma.Operation{
		OperationID: "orderNotices", Method: http.MethodPost, Path: noticesPath + "/actions", Tags: []string{noticeTag},
		Summary: "Retry, release or suppress notices",
		Description: "Either of the notices with these ids, or of all that a filter leaves. A notice whose status does not allow it stays as it is; " +
			"named by its id it is listed under refused. It may be asked for again: what was done is not done twice.",
		Responses: s.answers(bodyProblems...),
	}, s.orderNotices)
	s.describeBody(s.api.OpenAPI().Paths[noticesPath+"/actions"].Post, schemaOf[NoticeActions](s), true)
}

type listNoticesInput struct {
	Asked
	Status         []NoticeStatus `query:"status" doc:"Only those with one of these statuses"`
	Kind           []NoticeKind   `query:"kind" doc:"Only those of one of these kinds"`
	RelationshipID string         `query:"relationshipId" doc:"Only those about this relationship"`
	TenantID       string         `query:"tenantId" doc:"Only those to this tenant"`
	Mail           string         `query:"mail" doc:"Only those to this address, in upper or lower case; needs the scope manage"`
	Channel        string         `query:"channel" doc:"Only those that leave on this channel"`
	DueAfter       string         `query:"dueAfter" doc:"Only those that fell due at this instant or later"`
	DueBefore      string         `query:"dueBefore" doc:"Only those that fell due before this instant"`
	Digest         string         `query:"digest" example:"0-17-1" doc:"Only those that were told in this digest"`
	After          string         `query:"after" doc:"Only those behind the one with this id"`
	Limit          int            `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many"`
	Among          int            `query:"among" minimum:"1" maximum:"1000000" doc:"Look at no more than this many: what is rare among very many takes long to find. There may be a next page then although this one is not full, or is empty"`
}

func (in *listNoticesInput) query(bad *badValues) lifecycle.LetterQuery {
	q := lifecycle.LetterQuery{
		Relationship: lifecycle.CanonicalID(in.RelationshipID), Tenant: bad.tenant("query.tenantId", in.TenantID), Mail: in.Mail, Channel: in.Channel,
		DueAfter: bad.instant("query.dueAfter", in.DueAfter), DueBefore: bad.instant("query.dueBefore", in.DueBefore),
		Digest: bad.noticeID("query.digest", in.Digest), After: bad.noticeID("query.after", in.After), Limit: in.Limit + 1,
	}
	for _, status := range in.Status {
		q.Statuses = append(q.Statuses, lifecycle.NoticeStatus(status))
	}
	for _, kind := range in.Kind {
		q.Kinds = append(q.Kinds, lifecycle.NoticeKind(kind))
	}
	return q
}

// address is that of the page behind the notice with an id.
func (in *listNoticesInput) address(after string) string {
	next := url.Values{"after": {after}, "limit": {strconv.Itoa(in.Limit)}}
	if in.Among > 0 {
		next.Set("among", strconv.Itoa(in.Among))
	}
	setNonEmpty(next, map[string]string{"status": joined(in.Status), "kind": joined(in.Kind), "relationshipId": in.RelationshipID, "tenantId": in.TenantID,
		"mail": in.Mail, "channel": in.Channel, "dueAfter": in.DueAfter, "dueBefore": in.DueBefore, "digest": in.Digest})
	return noticesPath + "?" + next.Encode()
}

func joined[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ",")
}

type listNoticesOutput struct{ Body NoticeList }

func (s *Server) listNotices(ctx context.Context, in *listNoticesInput) (*listNoticesOutput, error) {
	var bad badValues
	q := in.query(&bad)
	if p := bad.problem(); p != nil {
		return nil, p
	}
	if q.Mail != "" && !in.answer.bearer.manages() {
		return nil, scopeMissing.says(addressNeedsScope.Say("scope", ScopeManage))
	}
	letters, reached, err := s.store.LettersAmong(ctx, q, in.Among)
	if err != nil {
		return nil, fmt.Errorf("listing notices: %w", err)
	}
	out := &listNoticesOutput{Body: NoticeList{Notices: []Notice{}}}
	if reached != (lifecycle.NoticeID{}) {
		out.Body.Next = in.address(reached.String())
	}
	for i := range letters {
		if i == in.Limit {
			out.Body.Next = in.address(letters[i-1].String())
			break
		}
		out.Body.Notices = append(out.Body.Notices, in.mask(ShowLetter(&letters[i])))
	}
	return out, nil
}

type getNoticeInput struct {
	Asked
	ID string `path:"id" example:"1042-7-1" doc:"The notice's id"`
}

type getNoticeOutput struct{ Body NoticeDetails }

func (s *Server) getNotice(ctx context.Context, in *getNoticeInput) (*getNoticeOutput, error) {
	var bad badValues
	id := bad.noticeID("path.id", in.ID)
	if p := bad.problem(); p != nil {
		return nil, p
	}
	letter, err := s.store.Letter(ctx, id)
	if errors.Is(err, lifecycle.ErrNotFound) {
		return nil, unknownNotice.problem("There is no notice %s; GET %s lists those that there are.", id, noticesPath)
	}
	if err != nil {
		return nil, fmt.Errorf("reading notice %s: %w", id, err)
	}
	return &getNoticeOutput{in.maskDetails(ShowLetterDetails(&letter))}, nil
}

// noticeID reads the id of a notice; an empty one is none.
func (b *badValues) noticeID(location, value string) (id lifecycle.NoticeID) {
	if value == "" {
		return id
	}
	id, err := lifecycle.ParseNoticeID(value)
	if err != nil {
		b.unfit(location, quoted(value), noNoticeID.Say())
	}
	return id
}

// instant reads an instant; an empty one is the zero time.
func (b *badValues) instant(location, value string) (at time.Time) {
	if value == "" {
		return at
	}
	at, err := lifecycle.ParseInstant(value)
	if err != nil {
		b.unfit(location, quoted(value), err)
	}
	return at
}
