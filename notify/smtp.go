package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/tenure-dev/tenure/lifecycle"
)

// SMTP hands letters to mail servers, over connections that serve for many letters. Of several servers the first one that can be
// used takes the letter.
type SMTP struct {
	servers      []*mailServer // in the order of the address
	envelopeFrom string        // empty: the address that the message is from
	rate         *rate.Limiter // nil: as fast as the servers take them
	lastSender   atomic.Pointer[messageSender]
	wall         func() time.Time
	log          *slog.Logger
}

var _ = register(channelKind{
	schemes: []string{"smtp", "smtps"},
	usage:   "smtp://USER@HOST:PORT#passwordFile=FILE: each mail to a mail server, encrypted by STARTTLS (smtps: from the first byte)",
	people:  true,
	mask:    maskSMTP,
	open: func(address string, s Setting) (Channel, error) {
		c, err := openSMTP(address, s)
		if err != nil {
			return nil, err
		}
		return c, nil
	},
})

// AtOnce is how many letters it takes at a time: one on each connection.
func (c *SMTP) AtOnce() int {
	atOnce := cap(c.servers[0].slots)
	if c.rate != nil { // none waits for its turn longer than a minute
		atOnce = max(1, min(atOnce, int(60*c.rate.Limit())))
	}
	return atOnce
}

// Close ends the connections. Those that are in use end with their letter.
func (c *SMTP) Close() error {
	for _, m := range c.servers {
		m.close()
	}
	return nil
}

// Send hands l.Message to the first server that can be used. No error names the recipient's address.
//
// Where the servers, their certificates, their passwords or our own sender's address are at fault it is [lifecycle.ErrUnavailable]:
// no letter would fare better. A 5xx about the recipient or the message is [lifecycle.ErrPermanent]. Where a server has the whole
// message and did not answer it is [lifecycle.ErrUnknown].
func (c *SMTP) Send(ctx context.Context, l lifecycle.Letter) error {
	if err := addressFault(l.Recipient.Mail); err != nil {
		return fmt.Errorf("mail notice %s: the recipient's mail address %w; correct it in the contacts, from which later notices take it: %w", l.NoticeID, err, lifecycle.ErrPermanent)
	}
	from, err := c.senderOf(l.Message)
	if err != nil {
		return fmt.Errorf("mail notice %s: %w: %w", l.NoticeID, err, lifecycle.ErrPermanent)
	}
	if c.rate != nil {
		if err := c.rate.Wait(ctx); err != nil {
			return fmt.Errorf("mail notice %s: wait for its turn: %w: %w", l.NoticeID, err, lifecycle.ErrUnavailable) // nobody was asked
		}
	}
	if err := c.hand(ctx, from, l.Recipient.Mail, l.Message); err != nil {
		return fmt.Errorf("mail notice %s: %w", l.NoticeID, err)
	}
	return nil
}

// hand tries the servers in turn until one has answered about the letter.
func (c *SMTP) hand(ctx context.Context, from, to string, message []byte) error {
	var failures []string
	for _, m := range c.inTurn() {
		f := m.hand(ctx, from, to, message)
		if f == nil {
			m.fares(nil)
			c.logFailover(failures, m)
			return nil
		}
		outcome, text := f.outcome(), m.address+": "+f.describe(to)
		if ctx.Err() != nil { // says nothing about the server
			return failure(text, outcome, ctx.Err())
		}
		m.fares(f)
		if !errors.Is(outcome, lifecycle.ErrUnavailable) {
			return failure(text, outcome, nil)
		}
		failures = append(failures, text)
	}
	return failure(strings.Join(failures, "; "), lifecycle.ErrUnavailable, nil)
}

// failure is the error of a letter that was not accepted. When the caller has given up, that is the cause, except that a letter
// which may have arrived still may have.
func failure(text string, outcome, gaveUp error) error {
	switch {
	case gaveUp != nil && errors.Is(outcome, lifecycle.ErrUnknown):
		return fmt.Errorf("%s: %w: %w", text, outcome, gaveUp)
	case gaveUp != nil:
		return fmt.Errorf("%s: %w", text, gaveUp)
	case outcome != nil:
		return fmt.Errorf("%s: %w", text, outcome)
	}
	return errors.New(text)
}

// inTurn are the servers, those that are resting last.
func (c *SMTP) inTurn() []*mailServer {
	if len(c.servers) == 1 {
		return c.servers
	}
	now := c.wall()
	turn := slices.Clone(c.servers)
	slices.SortStableFunc(turn, func(a, b *mailServer) int { return a.restsUntil(now).Compare(b.restsUntil(now)) })
	return turn
}

// logFailover tells of servers whose failure nobody would hear of, since another one took the letter.
func (c *SMTP) logFailover(failures []string, took *mailServer) {
	if len(failures) > 0 {
		c.log.Warn("a mail server cannot be used, another one took the letter", "cause", strings.Join(failures, "; "), "taken_by", took.address)
	}
}

// A messageSender is what a From header says. Letters of a deployment all have the same.
type messageSender struct {
	header  []byte
	address string
}

// senderOf is the address that bounces go to.
func (c *SMTP) senderOf(message []byte) (string, error) {
	if c.envelopeFrom != "" {
		return c.envelopeFrom, nil
	}
	header := fromHeader(message)
	if last := c.lastSender.Load(); last != nil && bytes.Equal(last.header, header) {
		return last.address, nil
	}
	parsed, err := mail.ParseAddress(strings.ReplaceAll(string(header), "\r\n", ""))
	if err != nil || addressFault(parsed.Address) != nil {
		return "", errors.New("the message does not say who it is from")
	}
	c.lastSender.Store(&messageSender{bytes.Clone(header), parsed.Address})
	return parsed.Address, nil
}

// fromHeader is the value of the From header, as it is folded.
func fromHeader(message []byte) []byte {
	head, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	for len(head) > 0 {
		end := 0
		for { // a line that begins with a space goes on where the last one ended
			next := bytes.Index(head[end:], []byte("\r\n"))
			if next < 0 {
				end = len(head)
				break
			}
			end += next + 2
			if end < len(head) && head[end] != ' ' && head[end] != '\t' {
				break
			}
		}
		if len(head) >= 5 && bytes.EqualFold(head[:5], []byte("From:")) {
			return bytes.TrimSpace(head[5:end])
		}
		head = head[end:]
	}
	return nil
}

// A smtpStep is a step on the way of a letter.
type smtpStep string

const (
	stepOpen smtpStep = "opening a connection"
	stepMail smtpStep = "MAIL"
	stepRcpt smtpStep = "RCPT"
	stepData smtpStep = "DATA"
	stepDot  smtpStep = "the message" // all of it is on its way
)

// A misstep is how a letter failed at a server.
type misstep struct {
	step    smtpStep
	code    int    // of the server's answer; 0: there is none
	text    string // of the answer, or what went wrong instead
	garbage bool   // what came is no answer
}

// aboutSession are answers of 5xx that are about us and this connection, and would be given to any letter: unknown command, not
// allowed here, log in first, encrypt first.
var aboutSession = []int{500, 502, 503, 530, 534, 535, 538}

// outcome says what the misstep means for the letter, in the words of package lifecycle; nil: it is tried again.
func (f *misstep) outcome() error {
	refused := f.code/100 == 4 || f.code/100 == 5
	switch {
	case f.step == stepOpen, f.code == 421: // "closing": not accepted, wherever it is said
		return lifecycle.ErrUnavailable
	case f.step == stepDot && !refused:
		return lifecycle.ErrUnknown
	case f.code == 0 && f.step != stepMail && !f.garbage:
		return lifecycle.ErrNoAnswer
	case f.step == stepMail && f.code == 552: // the message is too large
		return lifecycle.ErrPermanent
	case f.step == stepMail, !refused:
		return lifecycle.ErrUnavailable
	case f.step != stepDot && slices.Contains(aboutSession, f.code):
		return lifecycle.ErrUnavailable
	case f.code/100 == 5 && !f.aboutContent():
		return lifecycle.ErrPermanent
	}
	return nil
}

// aboutContent says whether a server that has seen the message refuses what is in it, as filters do, and perhaps wrongly. That says
// nothing about the address, and passes. Source: RFC 3463, section 3.8, for 5.7.
func (f *misstep) aboutContent() bool {
	return (f.step == stepDot || f.step == stepData) && (f.code == 554 || strings.HasPrefix(f.text, "5.7.")) && !strings.HasPrefix(f.text, "5.1.")
}

// aboutLetter says whether the server has answered about the letter, so that nothing is wrong with the server.
func (f *misstep) aboutLetter() bool {
	return f.code != 0 && !f.garbage && !errors.Is(f.outcome(), lifecycle.ErrUnavailable)
}

const longestAnswer = 200 // characters of a server's answer that are shown

// describe says what went wrong without naming the recipient.
func (f *misstep) describe(recipient string) string {
	text := clean(withoutAddress(clean(f.text, 10*longestAnswer), recipient), longestAnswer)
	switch {
	case f.step == stepOpen:
		return text
	case f.garbage:
		return fmt.Sprintf("what it answers to %s is not SMTP: %s", f.step, text)
	case f.code == 0:
		return fmt.Sprintf("no answer to %s: %s", f.step, text)
	case f.code == 530 || f.code == 534 || f.code == 538:
		return fmt.Sprintf("it wants us to log in or to encrypt first (a user with passwordFile, or tls=starttls, in the channel's address); it answered to %s: %d %s", f.step, f.code, text)
	case f.step == stepMail && f.code/100 == 5 && f.code != 552 && !slices.Contains(aboutSession, f.code):
		return fmt.Sprintf("it refuses our own sender's address, and with it every letter; give one that the server lets us use (--mail-from, or envelopeFrom in the channel's address): %d %s", f.code, text)
	}
	return fmt.Sprintf("it answered to %s: %d %s", f.step, f.code, text)
}

// withoutAddress takes a recipient's address out of a server's answer, also as bounces' senders are written, name=domain.
func withoutAddress(text, recipient string) string {
	i := strings.LastIndexByte(recipient, '@')
	if i < 0 {
		return text
	}
	name, domain := regexp.QuoteMeta(recipient[:i]), regexp.QuoteMeta(recipient[i+1:])
	return regexp.MustCompile(`(?i)`+name+`(@|=|=40|%40)`+domain).ReplaceAllString(text, "the address")
}
