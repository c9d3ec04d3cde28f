package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
)

type noticesCmd struct {
	List     noticesListCmd     `cmd:"" help:"List notices, oldest first."`
	Show     noticesShowCmd     `cmd:"" help:"Show one, with what it says; --output json has the message as it is sent."`
	Retry    noticesRetryCmd    `cmd:"" help:"Send what was given up, had nobody to go to, or waits for its next attempt."`
	Release  noticesReleaseCmd  `cmd:"" help:"Send what was kept back, or waits for a digest."`
	Suppress noticesSuppressCmd `cmd:"" help:"Do not send."`
	Preview  noticesPreviewCmd  `cmd:"" help:"Show what a notice of a kind looks like. Needs no database."`
	Channels channelsCmd        `cmd:"" help:"How the channels fare on which notices leave."`
}

// letterFilter says which notices are meant.
type letterFilter struct {
	Status       []string `placeholder:"STATUS" help:"Only this status; may be given again."`
	Kind         []string `placeholder:"KIND" help:"Only this kind, digest, or what subscriptions are told, such as relationship.extended; may be given again."`
	Relationship string   `placeholder:"ID" help:"Only those about this relationship."`
	Tenant       string   `placeholder:"ID" help:"Only those to recipients in this tenant."`
	Mail         string   `placeholder:"ADDRESS" help:"Only those to this address."`
	Channel      string   `placeholder:"NAME" help:"Only those on this channel."`
	DueAfter     string   `placeholder:"INSTANT" help:"Only those that fell due then or later."`
	DueBefore    string   `placeholder:"INSTANT" help:"Only those that fell due earlier."`
	Digest       string   `placeholder:"ID" help:"Only those told in this digest."`
}

// query reads the filter, and finds everything that is wrong with it at once.
func (f *letterFilter) query() (lifecycle.LetterQuery, error) {
	q := lifecycle.LetterQuery{Relationship: f.Relationship, Tenant: strings.ToLower(f.Tenant), Mail: f.Mail, Channel: f.Channel}
	var faults []error
	if f.Tenant != "" && !lifecycle.IsGUID(f.Tenant) {
		faults = append(faults, usageError("--tenant %q is not a GUID", f.Tenant))
	}
	for _, s := range f.Status {
		if !slices.Contains(lifecycle.NoticeStatuses, lifecycle.NoticeStatus(s)) {
			faults = append(faults, usageError("--status %q is no status of a notice; they are %v", s, lifecycle.NoticeStatuses))
		}
		q.Statuses = append(q.Statuses, lifecycle.NoticeStatus(s))
	}
	kinds := append(slices.Clone(lifecycle.NoticeKinds), lifecycle.KindDigest)
	for _, k := range f.Kind {
		if kind := lifecycle.NoticeKind(k); !slices.Contains(kinds, kind) && !kind.IsAnnouncement() {
			faults = append(faults, usageError("--kind %q is no kind of notice; they are %v, and %v for subscriptions", k, kinds, lifecycle.AnnouncementKinds))
		}
		q.Kinds = append(q.Kinds, lifecycle.NoticeKind(k))
	}
	return q, errors.Join(append(faults, f.instantsAndDigest(&q)...)...)
}

func (f *letterFilter) instantsAndDigest(q *lifecycle.LetterQuery) []error {
	var afterErr, beforeErr, digestErr error
	if f.DueAfter != "" {
		q.DueAfter, afterErr = parseInstant("--due-after", f.DueAfter)
	}
	if f.DueBefore != "" {
		q.DueBefore, beforeErr = parseInstant("--due-before", f.DueBefore)
	}
	if f.Digest != "" {
		if q.Digest, digestErr = lifecycle.ParseNoticeID(f.Digest); digestErr != nil {
			digestErr = usageError("--digest: %w", digestErr)
		}
	}
	return []error{afterErr, beforeErr, digestErr}
}

type noticesListCmd struct {
	letterFilter
	Limit int    `short:"l" default:"100" help:"At most this many (default: ${default})."`
	After string `placeholder:"ID" help:"Go on after this one."`
	outputFlag
}

func (c *noticesListCmd) Run(a *app) error {
	query, err := c.query()
	if err == nil {
		err = atLeastOne(c.Limit)
	}
	if err != nil {
		return err
	}
	if query.Limit = c.Limit; c.After != "" {
		if query.After, err = lifecycle.ParseNoticeID(c.After); err != nil {
			return usageError("--after: %w", err)
		}
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	letters, err := db.Letters(a.ctx, query)
	if err != nil {
		return err
	}
	header := table.Row{"id", "kind", "stage", "relationship", "to", "channel", "due", "status", "reason", "attempts"}
	err = printRecords(a, c.Output, header, letters, func(l lifecycle.Letter) table.Row {
		return table.Row{l.NoticeID, l.Kind, stageText(l), orDash(l.Relationship.DisplayName), recipientText(l), l.Channel, instant(l.Due), l.Status,
			orDash(string(l.Reason)), attemptsText(l)}
	}, func(l lifecycle.Letter) any { return httpapi.ShowLetter(&l) })
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
	switch {
	case l.Recipient.Mail != "":
		return l.Recipient.Mail
	case l.Erased:
		return fmt.Sprintf("erased (%s)", l.Recipient.Role)
	case l.Kind.IsAnnouncement():
		return "subscription"
	case l.Endpoint:
		return fmt.Sprintf("endpoint (%s)", l.Recipient.Role)
	}
	return fmt.Sprintf("nobody (%s)", l.Recipient.Role)
}

// attemptsText counts attempts, and says of how many nobody knows whether they reached the recipient.
func attemptsText(l lifecycle.Letter) string {
	if l.Unknown > 0 {
		return fmt.Sprintf("%d (%d unknown)", l.Attempts, l.Unknown)
	}
	return fmt.Sprint(l.Attempts)
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
	if err := printRecord(a, c.Output, letterLines(l), httpapi.ShowLetterDetails(&l)); err != nil || c.Output != "table" || len(l.Message) == 0 {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s\n", strings.TrimRight(readableMail(l.Message), "\r\n"))
	return err
}

// letterLines are a notice for people. What only some notices have is left out of the others.
func letterLines(l lifecycle.Letter) [][2]string {
	lines := [][2]string{{"notice", l.String()}, {"kind", string(l.Kind)}, {"stage", stageText(l)}}
	some := func(name, value string) {
		if value != "" && value != "-" {
			lines = append(lines, [2]string{name, value})
		}
	}
	some("relationship", l.Relationship.ID)
	some("name", l.Relationship.DisplayName)
	lines = append(lines, [][2]string{{"to", recipientText(l)}, {"role", string(l.Recipient.Role)}, {"tenant", orDash(l.Recipient.TenantID)},
		{"channel", l.Channel}, {"due", instant(l.Due)}, {"recorded", instant(l.Recorded)}, {"status", string(l.Status)},
		{"reason", orDash(string(l.Reason))}}...)
	some("note", l.Note)
	some("noted by", l.NotedBy)
	some("waits until", instant(l.DigestAt))
	if l.Digest != (lifecycle.NoticeID{}) {
		some("told in", l.Digest.String())
	}
	lines = append(lines, [][2]string{{"attempts", attemptsText(l)}, {"last error", orDash(l.LastError)}}...)
	some("next attempt", nextAttempt(l))
	lines = append(lines, [][2]string{{"sent", instant(l.SentAt)}, {"message id", orDash(l.MessageID)}}...)
	if l.Erased {
		some("erased", "name, address and message, as the policy says")
	}
	for _, item := range l.Items {
		some("tells of "+item.String(), fmt.Sprintf("%s, %s, %s", item.Kind, item.Relationship.DisplayName, item.Status))
	}
	return lines
}

// nextAttempt is told of letters that have been tried; others go at once.
func nextAttempt(l lifecycle.Letter) string {
	if l.Status != lifecycle.NoticeFailed {
		return ""
	}
	return instant(l.NextAttempt)
}
