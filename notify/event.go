package notify

import (
	"encoding/json"
	"fmt"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An event is what subscribers are told.
type event struct {
	Type      lifecycle.NoticeKind `json:"type"`
	Timestamp string               `json:"timestamp"`
	Data      eventData            `json:"data"`
}

type eventData struct {
	EventID          string          `json:"eventId"`
	RelationshipID   string          `json:"relationshipId"`
	Version          int64           `json:"version"`
	Stage            *string         `json:"stage,omitempty"`
	EndDateTime      *string         `json:"endDateTime"`
	DueDateTime      *string         `json:"dueDateTime"`
	RecordedDateTime *string         `json:"recordedDateTime"`
	Sandbox          bool            `json:"sandbox"`
	Relationship     *lifecycle.Wire `json:"relationship"`
}

// composeEvent writes what subscribers are told by l.
func composeEvent(l *lifecycle.Letter, s *Setting) (messageID string, message []byte, err error) {
	if !l.Kind.IsAnnouncement() {
		return "", nil, fmt.Errorf("write notice %s: subscriptions are not told of %s: %w", l.NoticeID, l.Kind, lifecycle.ErrPermanent)
	}
	e := event{Type: l.Kind, Timestamp: lifecycle.FormatInstant(l.Due), Data: eventData{
		EventID: l.String(), RelationshipID: l.Relationship.ID, Version: l.Version,
		EndDateTime: wireInstant(l.End), DueDateTime: wireInstant(l.Due), RecordedDateTime: wireInstant(l.Recorded),
		Sandbox: s.Sandbox, Relationship: l.Relationship.Wire(s.Policy),
	}}
	if !l.Stage.IsZero() {
		stage := l.Stage.String()
		e.Data.Stage = &stage
	}
	message, err = json.Marshal(e)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s: %w", l.NoticeID, err)
	}
	return hookIDOf("event", l, s.Domain), message, nil
}
