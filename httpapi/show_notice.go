package httpapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Notice is a notice to one recipient, or to one endpoint, as it is shown.
type Notice struct {
	ID                  string          `json:"id" example:"1042-7-1"`
	RelationshipID      *string         `json:"relationshipId" doc:"null: a digest, which tells of several"`
	Kind                NoticeKind      `json:"kind"`
	Stage               *string         `json:"stage" example:"P30D" doc:"Of a warning: how long before the end"`
	EndDateTime         *string         `json:"endDateTime" format:"date-time" doc:"The end that it tells of"`
	Recipient           NoticeRecipient `json:"recipient"`
	Channel             string          `json:"channel" example:"mail" doc:"On which it leaves"`
	Endpoint            bool            `json:"endpoint" doc:"The channel itself is told, and nobody in person"`
	DueDateTime         *string         `json:"dueDateTime" format:"date-time" doc:"When there was something to tell"`
	RecordedDateTime    *string         `json:"recordedDateTime" format:"date-time"`
	Status              NoticeStatus    `json:"status"`
	Reason              *string         `json:"reason" example:"stale" doc:"Why it is left unsaid, or told later"`
	Attempts            int             `json:"attempts" doc:"To hand it over"`
	UnknownAttempts     int             `json:"unknownAttempts" doc:"Of which nobody knows how they ended; each may have reached the recipient"`
	LastError           string          `json:"lastError,omitempty"`
	NextAttemptDateTime *string         `json:"nextAttemptDateTime,omitempty" format:"date-time" doc:"Of a failed one"`
	SentDateTime        *string         `json:"sentDateTime,omitempty" format:"date-time"`
	SettledDateTime     *string         `json:"settledDateTime,omitempty" format:"date-time" doc:"When it became final"`
	DigestDateTime      *string         `json:"digestDateTime,omitempty" format:"date-time" doc:"Of a waiting one: when it is told in a digest"`
	Digest              *string         `json:"digest,omitempty" example:"0-17-1" doc:"Of a digested one: the digest"`
	Note                string          `json:"note,omitempty" doc:"Why an operator changed its status last"`
	NotedBy             string          `json:"notedBy,omitempty" doc:"Who that was"`
	Erased              bool            `json:"erased" doc:"The recipient's name and address have been erased"`
}

// A NoticeRecipient is whom a notice goes to, as the directory had it when it was recorded.
type NoticeRecipient struct {
	TenantID    *string `json:"tenantId"`
	Mail        *string `json:"mail" doc:"null: nobody, an endpoint, or erased"`
	Role        Role    `json:"role"`
	Language    *string `json:"language"`
	TimeZone    *string `json:"timeZone"`
	DisplayName *string `json:"displayName"`
}

// NoticeDetails is a notice with its message.
type NoticeDetails struct {
	Notice
	MessageID string   `json:"messageId,omitempty" doc:"The same at each attempt"`
	Message   string   `json:"message,omitempty" doc:"As it goes out; missing until it is first rendered, and once the recipient has been erased"`
	Items     []Notice `json:"items,omitempty" nullable:"false" doc:"Of a digest: what it tells of"`
}

// A NoticeStatus is how far a notice has come.
type NoticeStatus string

// Schema describes the statuses. It satisfies [huma.SchemaProvider].
func (NoticeStatus) Schema(huma.Registry) *huma.Schema { return enumSchema(lifecycle.NoticeStatuses) }

// A NoticeKind says what a notice is about.
type NoticeKind string

// Schema describes the kinds. It satisfies [huma.SchemaProvider].
func (NoticeKind) Schema(huma.Registry) *huma.Schema { return enumSchema(letterKinds()) }

// letterKinds are the kinds of notices, and the digest.
func letterKinds() []lifecycle.NoticeKind {
	return append(lifecycle.NoticeKinds[:len(lifecycle.NoticeKinds):len(lifecycle.NoticeKinds)], lifecycle.KindDigest)
}

// A NoticeAction is what can be done to a notice.
type NoticeAction string

// Schema describes the actions. It satisfies [huma.SchemaProvider].
func (NoticeAction) Schema(huma.Registry) *huma.Schema { return enumSchema(noticeActions()) }

func noticeActions() (actions []lifecycle.NoticeAction) {
	for _, way := range lifecycle.NoticeWays {
		actions = append(actions, way.Action)
	}
	return actions
}

// ShowLetter brings a notice into the form in which it is shown, here and on the command line.
func ShowLetter(l *lifecycle.Letter) Notice {
	shown := Notice{
		ID: l.String(), RelationshipID: textOrNull(l.Relationship.ID), Kind: NoticeKind(l.Kind), EndDateTime: endOf(l),
		Recipient: NoticeRecipient{textOrNull(l.Recipient.TenantID), textOrNull(l.Recipient.Mail), Role(l.Recipient.Role),
			textOrNull(l.Recipient.Language), textOrNull(l.Recipient.TimeZone), textOrNull(l.Recipient.DisplayName)},
		Channel: l.Channel, Endpoint: l.Endpoint, DueDateTime: instantOrNull(l.Due), RecordedDateTime: instantOrNull(l.Recorded),
		Status: NoticeStatus(l.Status), Reason: textOrNull(l.Reason), Attempts: l.Attempts, UnknownAttempts: l.Unknown, LastError: l.LastError,
		SentDateTime: instantOrNull(l.SentAt), SettledDateTime: instantOrNull(l.SettledAt), Note: l.Note, NotedBy: l.NotedBy, Erased: l.Erased,
	}
	if !l.Stage.IsZero() {
		shown.Stage = textOrNull(l.Stage.String())
	}
	switch l.Status {
	case lifecycle.NoticeFailed:
		shown.NextAttemptDateTime = instantOrNull(l.NextAttempt)
	case lifecycle.NoticeWaiting:
		shown.DigestDateTime = instantOrNull(l.DigestAt)
	}
	if l.Digest != (lifecycle.NoticeID{}) {
		shown.Digest = textOrNull(l.Digest.String())
	}
	return shown
}

// ShowLetterDetails does so with its message, and the items of a digest.
func ShowLetterDetails(l *lifecycle.Letter) NoticeDetails {
	shown := NoticeDetails{Notice: ShowLetter(l), MessageID: l.MessageID, Message: string(l.Message)}
	for i := range l.Items {
		shown.Items = append(shown.Items, ShowLetter(&l.Items[i]))
	}
	return shown
}

// instantOrNull is nil, and so null, for the zero time.
func instantOrNull(t time.Time) *string { return textOrNull(lifecycle.FormatInstant(t)) }

// endOf is the end that a notice tells of. A digest tells of many.
func endOf(l *lifecycle.Letter) *string {
	if l.IsDigest() {
		return nil
	}
	return instantOrNull(l.End)
}
