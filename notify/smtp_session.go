package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	mostOfAnswer = 64 << 10 // bytes; whoever answers with more is no mail server

	// A whole letter takes at most patienceSteps times what one command may take. When the server has all of it, it may think
	// about it for thoughtSteps times that, ten minutes by default: a letter that is given up meanwhile arrives twice.
	// Source: RFC 5321, section 4.5.3.2.6.
	patienceSteps, thoughtSteps = 4, 20
)

// A session is one connection to a mail server, logged in, and used by one goroutine at a time. Steps beyond the greeting and the
// login go to the connection directly: go-mail's client knows no pipelining.
type session struct {
	server     *mailServer
	line       *line
	client     *smtp.Client
	pipelining bool
	largest    int       // message that the server takes, in bytes; 0: it did not say
	ends       time.Time // of its patience with the present letter
	letters    int       // that it has been used for
	broken     bool      // of no more use
	stuffed    []byte    // the present message as it goes over the wire
	expiry     *time.Timer
}

// A line is a connection whose deadline is over for good once the caller has given up, and on which an answer has a bounded length.
type line struct {
	net.Conn
	mu   sync.Mutex
	over bool

	left   int   // bytes that may still come
	failed error // of the latest reading: what is read line by line hides it behind half a line
}

func (l *line) deadline(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		_ = l.SetDeadline(t) // fails on a closed connection only, as the next step will
	}
}

func (l *line) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	_ = l.SetDeadline(time.Unix(1, 0))
}

var errEndless = fmt.Errorf("its answer is longer than %d KB", mostOfAnswer>>10)

func (l *line) Read(p []byte) (int, error) {
	if l.left <= 0 {
		l.failed = errEndless
		return 0, errEndless
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	l.failed = err
	return n, err
}

// begin ties the connection to ctx, and limits how long the next letter takes as a whole. stop says whether the connection may be
// used on.
func (s *session) begin(ctx context.Context) (stop func() bool) {
	s.ends = s.server.wall().Add(patienceSteps * s.server.timeout)
	return context.AfterFunc(ctx, s.line.giveUp)
}

// next begins a step that may take d.
func (s *session) next(d time.Duration) {
	by := s.server.wall().Add(d)
	if by.After(s.ends) {
		by = s.ends
	}
	s.line.left = mostOfAnswer
	s.line.deadline(by)
}

// open connects to the server and logs in.
func (m *mailServer) open(ctx context.Context) (*session, *misstep) {
	dialing, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(dialing, "tcp", m.address)
	if err != nil {
		return nil, &misstep{step: stepOpen, text: err.Error()}
	}
	s := &session{server: m, line: &line{Conn: conn}}
	stop := s.begin(ctx)
	err = s.greet(ctx)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.drop()
		return nil, &misstep{step: stepOpen, text: err.Error()}
	}
	return s, nil
}

// greet takes the connection to where letters can be handed over.
func (s *session) greet(ctx context.Context) (err error) {
	m := s.server
	var conn net.Conn = s.line
	if m.tls == tlsImplicit {
		secured := tls.Client(s.line, m.tlsConfig())
		s.next(m.timeout)
		if err := secured.HandshakeContext(ctx); err != nil {
			return said("TLS", err)
		}
		conn = secured
	}
	s.next(m.timeout)
	if s.client, err = smtp.NewClient(conn, m.host); err != nil {
		return said("our connection", err)
	}
	s.next(m.timeout)
	if err := s.client.Hello(m.helo); err != nil {
		return said("EHLO", err)
	}
	if err := s.secure(); err != nil {
		return err
	}
	if err := s.logIn(); err != nil {
		return err
	}
	s.pipelining, _ = s.client.Extension("PIPELINING")
	_, size := s.client.Extension("SIZE")
	s.largest, _ = strconv.Atoi(size)
	return nil
}

func (m *mailServer) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: m.host, MinVersion: tls.VersionTLS12, RootCAs: m.roots,
		DynamicRecordSizingDisabled: true} // a letter in one record, not in five
}

// secure encrypts a connection that is not encrypted yet, as far as the channel's address demands it.
func (s *session) secure() error {
	m := s.server
	wanted := m.tls
	if wanted == "" && isLoopback(m.host) {
		wanted = tlsNone
	}
	offered, _ := s.client.Extension("STARTTLS")
	switch {
	case wanted == tlsImplicit, wanted == tlsNone, wanted == tlsOpportunistic && !offered:
		return nil
	case !offered:
		return errors.New("it offers no STARTTLS, so nothing is sent; see that this is the right port (587, or smtps:// for 465). " +
			"If the way to the server is safe, write #tls=none")
	}
	s.next(m.timeout)
	return said("STARTTLS", s.client.StartTLS(m.tlsConfig()))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// logIn tells the server who we are, if the channel's address does.
func (s *session) logIn() error {
	m := s.server
	if m.user == "" {
		return nil
	}
	secret, err := m.secret()
	if err != nil {
		return err
	}
	name, auth, err := s.authentication(secret)
	if err != nil {
		return err
	}
	s.next(m.timeout)
	err = s.client.Auth(auth)
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(said("AUTH "+name, err).Error(), secret, "***")
	if reply := new(textproto.Error); errors.As(err, &reply) && reply.Code/100 == 5 {
		text += "; check the user's name and the password or token"
	}
	return errors.New(text)
}

// authentication is the way to log in that the address names, or the best one that the server offers. Where nobody encrypts, only
// those are good that do not show the password, except within this machine.
func (s *session) authentication(secret string) (name string, auth smtp.Auth, err error) {
	m := s.server
	_, encrypted := s.client.TLSConnectionState()
	if peer, ok := s.line.RemoteAddr().(*net.TCPAddr); ok && peer.IP.IsLoopback() {
		encrypted = true
	}
	_, offer := s.client.Extension("AUTH")
	offered := strings.Fields(strings.ToLower(offer))
	candidates := []string{m.auth}
	if m.auth == "auto" {
		candidates = []string{"scram-sha-256", "scram-sha-1", "plain", "login", "cram-md5"}
	}
	hidden := []string{"scram-sha-256", "scram-sha-1", "cram-md5"}
	tooOpen := false
	for _, name := range candidates {
		switch {
		case !slices.Contains(offered, name):
		case !encrypted && !slices.Contains(hidden, name):
			tooOpen = true
		default:
			return name, newAuth(name, m.user, secret, m.host), nil
		}
	}
	if offer == "" {
		return "", nil, errors.New("it offers no way to log in; is this the port for those who log in, and does it want STARTTLS first?")
	}
	if tooOpen {
		return "", nil, errors.New("the connection is not encrypted, and the password would be there for all to read; use STARTTLS or smtps://")
	}
	return "", nil, fmt.Errorf("it offers none of the ways to log in that are wanted (%s), but: %s", strings.Join(candidates, ", "), clean(offer, longestAnswer))
}

func newAuth(name, user, secret, host string) smtp.Auth {
	switch name {
	case "scram-sha-256":
		return smtp.ScramSHA256Auth(user, secret)
	case "scram-sha-1":
		return smtp.ScramSHA1Auth(user, secret)
	case "cram-md5":
		return smtp.CRAMMD5Auth(user, secret)
	case "xoauth2":
		return smtp.XOAuth2Auth(user, secret)
	case "login":
		return smtp.LoginAuth(user, secret, host, true) // that it is safe was looked at before
	}
	return smtp.PlainAuth("", user, secret, host, true)
}

// said is the error of a step of opening a connection; nil stays nil.
func said(step string, err error) error {
	var reply *textproto.Error
	var stranger x509.UnknownAuthorityError
	nonsense := textproto.ProtocolError("")
	switch {
	case err == nil:
		return nil
	case errors.As(err, &stranger):
		return fmt.Errorf("%s: %w; if it is one of your own, give the file with its certificate (#ca=FILE)", step, err)
	case errors.As(err, &reply):
		return fmt.Errorf("it answered to %s: %d %s", step, reply.Code, reply.Msg)
	case errors.As(err, &nonsense):
		return fmt.Errorf("what it answers to %s is not SMTP: %w", step, err)
	}
	return fmt.Errorf("%s: %w", step, err)
}

// hand gives one letter to the server.
func (s *session) hand(from, to string, message []byte) *misstep {
	s.letters++
	if s.largest > 0 && len(message) > s.largest {
		return &misstep{step: stepMail, code: 552, text: fmt.Sprintf("(not sent) the message has %d bytes, and the server takes at most %d", len(message), s.largest)}
	}
	mail := "MAIL FROM:<" + from + ">\r\n"
	if s.largest > 0 {
		mail = "MAIL FROM:<" + from + "> SIZE=" + strconv.Itoa(len(message)) + "\r\n"
	}
	if f := s.announce(mail, "RCPT TO:<"+to+">\r\n", "DATA\r\n"); f != nil {
		return f
	}
	s.stuffed = appendStuffed(s.stuffed[:0], message)
	s.next(s.server.timeout)
	if err := s.write(s.stuffed); err != nil {
		return s.brokenOff(err)
	}
	thought := thoughtSteps * s.server.timeout
	s.ends = s.server.wall().Add(thought)
	return s.answer(stepDot, 250, thought)
}

// announce says from whom and to whom, up to where the server wants the message: in one go where the server allows that.
func (s *session) announce(mail, rcpt, data string) (refused *misstep) {
	commands := [...]string{mail, rcpt, data}
	if s.pipelining {
		s.next(s.server.timeout)
		if err := s.write([]byte(mail + rcpt + data)); err != nil {
			return s.lost(stepMail, err)
		}
	}
	for i, step := range [...]smtpStep{stepMail, stepRcpt, stepData} {
		if !s.pipelining {
			s.next(s.server.timeout)
			if err := s.write([]byte(commands[i])); err != nil {
				return s.lost(step, err)
			}
		}
		f := s.answer(step, [...]int{2, 2, 354}[i], s.server.timeout)
		switch {
		case f == nil && refused != nil && step == stepData: // it waits for a message to nobody
			s.next(s.server.timeout)
			if err := s.write([]byte(".\r\n")); err == nil {
				_ = s.answer(stepDot, 250, s.server.timeout)
			}
		case f != nil && refused == nil:
			refused = f
			if s.broken {
				return refused
			}
			if !s.pipelining {
				return s.reset(refused)
			}
		}
		if s.broken {
			break
		}
	}
	if refused != nil {
		return s.reset(refused)
	}
	return nil
}

// reset takes the server back to where a letter begins, after it refused one.
func (s *session) reset(refused *misstep) *misstep {
	if !s.broken {
		s.next(s.server.timeout)
		if err := s.write([]byte("RSET\r\n")); err != nil {
			s.broken = true
		} else {
			_ = s.answer(stepMail, 2, s.server.timeout) // marks the session if it fails
		}
	}
	return refused
}

func (s *session) write(p []byte) error {
	w := s.client.Text.W // passes on at once what is larger than its buffer
	if _, err := w.Write(p); err != nil {
		return err
	}
	return w.Flush()
}

// answer reads what the server says to a step. want is its code, or the first digit of it. After anything but a plain refusal of
// this letter the session is of no more use.
func (s *session) answer(step smtpStep, want int, patience time.Duration) *misstep {
	s.next(patience)
	_, _, err := s.client.Text.ReadResponse(want)
	if err == nil {
		return nil
	}
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return s.lost(step, err)
	}
	refused := reply.Code/100 == 4 || reply.Code/100 == 5
	s.broken = s.broken || !refused || reply.Code == 421 || step == stepMail
	return &misstep{step: step, code: reply.Code, text: reply.Msg, garbage: !refused}
}

// lost is about a step to which there was no answer, or none that is SMTP.
func (s *session) lost(step smtpStep, err error) *misstep {
	s.broken = true
	if s.line.failed != nil {
		err = s.line.failed
	}
	nonsense := textproto.ProtocolError("")
	return &misstep{step: step, text: err.Error(), garbage: errors.As(err, &nonsense) || errors.Is(err, errEndless)}
}

// brokenOff is about a message that could not be written to its end, so that it was not accepted. The server may have said why.
func (s *session) brokenOff(err error) *misstep {
	f := s.lost(stepData, err)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		if said := s.answer(stepDot, 250, s.server.timeout); said != nil && !said.garbage && said.code != 0 {
			f = said
		}
	}
	s.broken = true
	return f
}

// drop ends the connection without a word.
func (s *session) drop() { _ = s.line.Close() }

// quit takes leave of the server, and does not wait for its good-bye.
func (s *session) quit() {
	s.ends = s.server.wall().Add(time.Second)
	s.next(time.Second)
	_ = s.write([]byte("QUIT\r\n"))
	s.drop()
}

// appendStuffed appends a message as DATA wants it: a dot at the beginning of a line is doubled, and a line with a single one is
// the end (RFC 5321, 4.5.2). Messages are short lines that end in CRLF; should a bare LF have slipped in, no line after it can be
// taken for the end either.
func appendStuffed(dst, message []byte) []byte {
	rest := message
	if bytes.HasPrefix(rest, []byte(".")) {
		dst = append(dst, '.')
	}
	for {
		i := bytes.Index(rest, []byte("\n."))
		if i < 0 {
			break
		}
		dst = append(dst, rest[:i+1]...)
		dst = append(dst, '.')
		rest = rest[i+1:]
	}
	dst = append(dst, rest...)
	if !bytes.HasSuffix(message, []byte("\r\n")) {
		dst = append(dst, "\r\n"...)
	}
	return append(dst, ".\r\n"...)
}
