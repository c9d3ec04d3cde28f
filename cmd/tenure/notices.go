package main

import (
	"fmt"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type noticesCmd struct {
	List noticesListCmd `cmd:"" help:"List notices, oldest first."`
	Show noticesShowCmd `cmd:"" help:"Show one, with its message as it was sent."`
}

type noticesListCmd struct {
	Status       []string `placeholder:"STATUS" help:"Only this status; may be given again."`
	Kind         []string `placeholder:"KIND" help:"Only this kind; may be given again."`
	Relationship string   `placeholder:"ID" help:"Only those about this relationship."`
	Limit        int      `short:"l" default:"100" help:"At most this many (default: ${default})."`
	After        string   `placeholder:"ID" help:"Go on after this one."`
	outputFlag
}

func (c *noticesListCmd) query() (storage.LetterQuery, error) {
	q := storage.LetterQuery{Relationship: c.Relationship, Limit: c.Limit}
	if err := atLeastOne(c.Limit); err != nil {
		return q, err
	}
	for _, s := range c.Status {
		if !slices.Contains(lifecycle.NoticeStatuses, lifecycle.NoticeStatus(s)) {
			return q, usageError("--status %q is no status of a notice; they are %v", s, lifecycle.NoticeStatuses)
		}
		q.Statuses = append(q.Statuses, lifecycle.NoticeStatus(s))
	}
	for _, k := range c.Kind {
		if !slices.Contains(lifecycle.NoticeKinds, lifecycle.NoticeKind(k)) {
			return q, usageError("--kind %q is no kind of notice; they are %v", k, lifecycle.NoticeKinds)
		}
		q.Kinds = append(q.Kinds, lifecycle.NoticeKind(k))
	}
	if c.After != "" {
		id, err := lifecycle.ParseNoticeID(c.After)
		if err != nil {
			return q, usageError("--after: %w", err)
		}
		q.After = id
	}
	return q, nil
}

func (c *noticesListCmd) Run(a *app) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	letters, err := db.Letters(a.ctx, query)
	if err != nil {
		return err
	}
	header := table.Row{"id", "kind", "stage", "relationship", "to", "due", "status", "reason", "attempts"}
	err = printRecords(a, c.Output, header, letters, func(l lifecycle.Letter) table.Row {
		return table.Row{l.NoticeID, l.Kind, stageText(l), l.Relationship.DisplayName, recipientText(l), instant(l.Due), l.Status,
			orDash(string(l.Reason)), l.Attempts}
	}, func(l lifecycle.Letter) any { return letterJSON(l) })
	if err == nil && len(letters) == c.Limit {
		a.say("There may be more: --limit, or --after %s", letters[len(letters)-1].NoticeID)
	}
	return err
}

func stageText(l lifecycle.Letter) string {
	if l.Stage.IsZero() {
		return "-"
	}
	return l.Stage.String()
}

func recipientText(l lifecycle.Letter) string {
	if l.Recipient.Mail == "" {
		return fmt.Sprintf("nobody (%s)", l.Recipient.Role)
	}
	return l.Recipient.Mail
}

type noticesShowCmd struct {
	ID string `arg:"" help:"Id of the notice."`
	outputFlag
}

func (c *noticesShowCmd) Run(a *app) error {
	id, err := lifecycle.ParseNoticeID(c.ID)
	if err != nil {
		return usageError("%w", err)
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	l, err := db.Letter(a.ctx, id)
	if err != nil {
		return fmt.Errorf("notice %s: %w", c.ID, err)
	}
	lines := [][2]string{
		{"notice", l.String()}, {"kind", string(l.Kind)}, {"stage", stageText(l)}, {"relationship", l.Relationship.ID},
		{"name", l.Relationship.DisplayName}, {"to", recipientText(l)}, {"role", string(l.Recipient.Role)}, {"tenant", orDash(l.Recipient.TenantID)},
		{"due", instant(l.Due)}, {"recorded", instant(l.Recorded)}, {"status", string(l.Status)}, {"reason", orDash(string(l.Reason))},
		{"attempts", fmt.Sprint(l.Attempts)}, {"last error", orDash(l.LastError)}, {"sent", instant(l.SentAt)}, {"message id", orDash(l.MessageID)},
	}
	out := struct {
		letterLine
		Message string `json:"message,omitempty"`
	}{letterJSON(l), string(l.Message)}
	if err := printRecord(a, c.Output, lines, out); err != nil || c.Output != "table" || len(l.Message) == 0 {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s", l.Message)
	return err
}

// A letterLine is a notice to one recipient as every command writes it.
type letterLine struct {
	ID               string                 `json:"id,omitempty"`
	RelationshipID   string                 `json:"relationshipId"`
	Kind             lifecycle.NoticeKind   `json:"kind"`
	Stage            *string                `json:"stage"`
	EndDateTime      *string                `json:"endDateTime"`
	Recipient        recipientLine          `json:"recipient"`
	DueDateTime      *string                `json:"dueDateTime"`
	RecordedDateTime *string                `json:"recordedDateTime"`
	Status           lifecycle.NoticeStatus `json:"status"`
	Reason           *lifecycle.Reason      `json:"reason"`
	Attempts         int                    `json:"attempts,omitempty"`
	LastError        string                 `json:"lastError,omitempty"`
	SentDateTime     *string                `json:"sentDateTime,omitempty"`
}

type recipientLine struct {
	TenantID *string        `json:"tenantId"`
	Mail     *string        `json:"mail"`
	Role     lifecycle.Role `json:"role"`
	Language *string        `json:"language"`
}

func letterJSON(l lifecycle.Letter) letterLine {
	line := letterLine{ID: l.String(), RelationshipID: l.Relationship.ID, Kind: l.Kind, EndDateTime: orNull(l.End),
		Recipient:   recipientLine{textOrNull(l.Recipient.TenantID), textOrNull(l.Recipient.Mail), l.Recipient.Role, textOrNull(l.Recipient.Language)},
		DueDateTime: orNull(l.Due), RecordedDateTime: orNull(l.Recorded), Status: l.Status, Reason: textOrNull(l.Reason),
		Attempts: l.Attempts, LastError: l.LastError, SentDateTime: orNull(l.SentAt)}
	if !l.Stage.IsZero() {
		line.Stage = textOrNull(l.Stage.String())
	}
	return line
}
