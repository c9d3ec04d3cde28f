package notify

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Log is the log as a channel: a line for each letter. It says what a program would look for, and never a name; a mail address
// stands in it at level debug only.
type Log struct {
	log    *slog.Logger
	domain string
}

var _ = register(channelKind{
	schemes:   []string{"log"},
	usage:     "log: a line in the log for each notice",
	people:    true,
	endpoints: true,
	open: func(address string, s Setting) (Channel, error) {
		rest, o := cutOptions(address)
		if len(rest) > len("log:") {
			o.fault("there is nothing to choose about a log; write log: and no more")
		}
		if err := o.err(); err != nil {
			return nil, err
		}
		return &Log{s.Log, s.Domain}, nil
	},
})

// Compose writes what the line says, as it is stored with the notice.
func (c *Log) Compose(l lifecycle.Letter) (messageID string, message []byte, err error) {
	text := fmt.Sprintf("notice %s: %s", l.NoticeID, l.Kind)
	switch {
	case l.IsDigest():
		text += fmt.Sprintf(" of %d", len(l.Items))
	default:
		text += fmt.Sprintf(" of relationship %q", l.Relationship.ID)
	}
	text += fmt.Sprintf(" to the %s side\n", l.Recipient.Role.Side())
	return messageIDOf(&l, c.domain), []byte(text), nil
}

// Send writes the line.
func (c *Log) Send(ctx context.Context, l lifecycle.Letter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	line := []slog.Attr{
		slog.String("notice", l.String()), slog.String("kind", string(l.Kind)), slog.String("messageId", l.MessageID),
		slog.String("tenant", l.Recipient.TenantID), slog.String("role", string(l.Recipient.Role)), slog.String("side", string(l.Recipient.Role.Side())),
	}
	if l.IsDigest() {
		line = append(line, slog.Int("notices", len(l.Items)))
	} else {
		line = append(line, slog.String("relationship", l.Relationship.ID), slog.String("end", lifecycle.FormatInstant(l.End)))
	}
	if !l.Stage.IsZero() {
		line = append(line, slog.String("stage", l.Stage.String()))
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "notice", line...)
	if l.Recipient.Mail != "" {
		c.log.LogAttrs(ctx, slog.LevelDebug, "recipient of a notice", slog.String("notice", l.String()), slog.String("mail", l.Recipient.Mail))
	}
	return nil
}
