package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/lifecycle"
)

const recipientMail = "alex@partner.example"

// mailer opens a channel as a deployment does. All goroutines are gone when the test is over.
func mailer(t testing.TB, address string) *SMTP {
	t.Helper()
	return mailerWith(t, address, Setting{Domain: "tenure.example.com", Wall: time.Now})
}

func mailerWith(t testing.TB, address string, s Setting) *SMTP {
	t.Helper()
	c, err := Open(address, s)
	require.NoError(t, err)
	m := c.(*SMTP)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func noLeak(t *testing.T) {
	unrelated := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, unrelated) }) // registered first, so it runs when all servers are closed
}

const plainMessage = "From: tenure <tenure@example.com>\r\nTo: alex@partner.example\r\nSubject: x\r\n\r\nhello\r\n"

func mailed(text string) lifecycle.Letter {
	return letter(lifecycle.KindTermEnded, func(l *lifecycle.Letter) { l.Message = []byte(text) })
}

func send(t testing.TB, m *SMTP) error {
	t.Helper()
	return m.Send(t.Context(), mailed(plainMessage))
}

func TestLetterArrivesToTheByte(t *testing.T) {
	noLeak(t)
	p := newPostOffice(t)
	for _, pipelining := range []bool{true, false} {
		m := mailer(t, "smtp://"+p.address)
		for _, message := range []string{
			string(written(t, lifecycle.KindWarnExpiry).Message),
			plainMessage + ".\r\n..\r\n.a\r\n\r\n.\r\n",
			plainMessage + strings.Repeat(".\r\n", 40_000),
			plainMessage + strings.Repeat("0123456789abcdef 0123456789abcdef\r\n", 100_000),
		} {
			before := len(p.arrived())
			m.withoutPipelining(t, !pipelining)
			require.NoError(t, m.Send(t.Context(), mailed(message)))
			arrived := p.arrived()
			require.Len(t, arrived, before+1)
			require.Equal(t, message, arrived[before])
		}
	}
	require.Equal(t, "tenure@example.com", p.from[0])
	require.Equal(t, recipientMail, p.to[0])
	require.Equal(t, "tenure.example.com", p.helo)
}

// withoutPipelining makes an open connection of the channel forget that its server knows pipelining.
func (c *SMTP) withoutPipelining(t testing.TB, without bool) {
	if !without {
		return
	}
	s, f := c.servers[0].take(t.Context())
	require.Nil(t, f)
	s.pipelining = false
	c.servers[0].put(s)
}

func TestMessageWithoutALastLineEndIsEnded(t *testing.T) {
	for message, want := range map[string]string{
		"a":            "a\r\n.\r\n",
		"a\r\n":        "a\r\n.\r\n",
		".":            "..\r\n.\r\n",
		"a\n.\r\nb":    "a\n..\r\nb\r\n.\r\n",
		"\r\n.\r\n.\n": "\r\n..\r\n..\n\r\n.\r\n",
		"":             "\r\n.\r\n",
	} {
		require.Equal(t, want, string(appendStuffed(nil, []byte(message))), "%q", message)
	}
}

func TestHundredLettersGoOverOneConnection(t *testing.T) {
	noLeak(t)
	p := newPostOffice(t)
	m := mailer(t, "smtp://"+p.address)
	for range 100 {
		require.NoError(t, send(t, m))
	}
	require.Len(t, p.arrived(), 100)
	connections, _ := p.count()
	require.Equal(t, 1, connections)
}

func TestPoolHasNoMoreConnectionsThanItMay(t *testing.T) {
	noLeak(t)
	p := newPostOffice(t, func(p *postOffice) { p.slow = 2 * time.Millisecond })
	m := mailer(t, "smtp://"+p.address+"#connections=3")
	require.Equal(t, 3, m.AtOnce())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 5 {
				if err := send(t, m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Len(t, p.arrived(), 100)
	connections, most := p.count()
	require.LessOrEqual(t, most, 3)
	require.LessOrEqual(t, connections, 3)
}

func TestConnectionIsReplacedAfterAThousandLetters(t *testing.T) {
	p := newPostOffice(t)
	m := mailer(t, "smtp://"+p.address)
	for range mostOnConnection + 1 {
		require.NoError(t, send(t, m))
	}
	connections, _ := p.count()
	require.Equal(t, 2, connections)
}

func TestIdleConnectionIsClosed(t *testing.T) {
	noLeak(t)
	said := make(chan string, 1)
	s := newScript(t, func(c *scripted) {
		c.greet()
		c.serve(func(step smtpStep) string {
			if step == "QUIT" {
				said <- string(step)
			}
			return ""
		})
	})
	m := mailer(t, "smtp://"+s.address)
	m.servers[0].idleFor = time.Millisecond
	require.NoError(t, send(t, m))
	require.Equal(t, "QUIT", <-said)
}

// A server may close a connection that is idle, or say something as it does, or vanish: the letter goes over a new one.
func TestStaleConnectionIsReplacedAndTheLetterArrives(t *testing.T) {
	noLeak(t)
	for name, leave := range map[string]func(c *scripted){
		"closed":            func(*scripted) {},
		"421 and closed":    func(c *scripted) { c.say("421 4.4.2 idle for too long") },
		"reset":             func(c *scripted) { _ = c.Conn.(*net.TCPConn).SetLinger(0) },
		"enough letters":    func(c *scripted) { c.hear(); c.say("452 4.7.0 too many letters on this connection") },
		"silent":            func(c *scripted) { c.hear(); c.hear() },
		"something strange": func(c *scripted) { c.hear(); c.say("what?") },
	} {
		t.Run(name, func(t *testing.T) {
			first := newScript(t, func(c *scripted) {
				c.greet()
				taken := 0
				if c.n > 1 {
					taken = -1000
				}
				for {
					for _, answer := range []string{"250 ok", "250 ok", "354 go on"} {
						if c.hear() == "" {
							return
						}
						c.say(answer)
					}
					c.body()
					c.say("250 taken")
					if taken++; taken == 1 {
						leave(c)
						return
					}
				}
			})
			m := mailer(t, "smtp://"+first.address+"#timeout=300ms")
			require.NoError(t, send(t, m))
			require.NoError(t, send(t, m))
			require.Equal(t, int64(2), first.connections.Load())
		})
	}
}

func TestServerThatIsRestartedIsUsedAgain(t *testing.T) {
	noLeak(t)
	p := newPostOffice(t)
	m := mailer(t, "smtp://"+p.address)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := send(t, m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.NoError(t, p.server.Close())
	require.ErrorIs(t, send(t, m), lifecycle.ErrUnavailable)

	listener, err := net.Listen("tcp", p.address)
	require.NoError(t, err)
	again := &postOffice{}
	again.server = smtp.NewServer(again)
	again.serve(t, listener)
	require.NoError(t, send(t, m), "a channel's only server is tried whenever there is a letter")
	require.Len(t, again.arrived(), 1)
}

func TestEveryWayToLogIn(t *testing.T) {
	noLeak(t)
	const password = "p:@ss wörd%#"
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	config, ca := certificate(t, "127.0.0.1")
	for _, c := range []struct{ offered, options string }{
		{"PLAIN", ""},
		{"LOGIN", ""},
		{"PLAIN LOGIN", "&auth=plain"},
		{"PLAIN LOGIN", "&auth=login"},
		{"XOAUTH2 PLAIN", "&auth=xoauth2"},
		{"XOAUTH2", "token"},
	} {
		for _, security := range []string{"tls=none", "tls=starttls&ca=" + ca} {
			t.Run(c.offered+c.options+security, func(t *testing.T) {
				p := newPostOffice(t, func(p *postOffice) {
					p.auths, p.password, p.server.TLSConfig = strings.Fields(c.offered), password, config
				})
				from := "passwordFile"
				options := c.options
				if strings.Contains(c.options, "xoauth2") || options == "token" {
					from, options = "tokenFile", strings.TrimPrefix(options, "token")
				}
				m := mailer(t, "smtp://tenure%40example.com@"+p.address+"#"+from+"="+file+options+"&"+security)
				require.NoError(t, send(t, m))
				require.Len(t, p.arrived(), 1)
			})
		}
	}
	p := newPostOffice(t, func(p *postOffice) { p.auths, p.password = []string{"PLAIN"}, password })
	require.NoError(t, send(t, mailer(t, "smtp://tenure@example.com:p%3A%40ss%20w%C3%B6rd%25%23@"+p.address)))
}

func TestChallengesAreAnswered(t *testing.T) {
	noLeak(t)
	for mechanism, answer := range map[string]string{
		// RFC 2195, 2.
		"CRAM-MD5":      "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
		"SCRAM-SHA-1":   "",
		"SCRAM-SHA-256": "",
	} {
		heard := make(chan string, 4)
		s := newScript(t, func(c *scripted) {
			c.greet("AUTH " + mechanism)
			heard <- c.hear()
			if mechanism == "CRAM-MD5" {
				c.say("334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+")
				heard <- c.hear()
				c.say("235 welcome")
				c.serve(func(smtpStep) string { return "" })
				return
			}
			c.say("334 ")
			heard <- c.hear()
			c.say("535 5.7.8 no")
		})
		m := mailer(t, "smtp://tim:tanstaaftanstaaf@"+s.address)
		err := send(t, m)
		require.Equal(t, "AUTH "+mechanism, <-heard, "%v", err)
		if mechanism == "CRAM-MD5" {
			require.NoError(t, err)
			require.Equal(t, answer, <-heard)
			continue
		}
		require.ErrorIs(t, err, lifecycle.ErrUnavailable)
		require.NotEmpty(t, <-heard)
	}
}

func TestWrongPasswordIsTheChannelsFaultAndNotShown(t *testing.T) {
	noLeak(t)
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("old-secret"), 0o600))
	p := newPostOffice(t, func(p *postOffice) { p.auths, p.password = []string{"PLAIN"}, "new-secret" })
	m := mailer(t, "smtp://tenure@example.com@"+p.address+"#passwordFile="+file)
	err := send(t, m)
	require.ErrorIs(t, err, lifecycle.ErrUnavailable)
	require.ErrorContains(t, err, p.address)
	require.ErrorContains(t, err, "AUTH plain: 454 4.7.0")
	require.NotContains(t, err.Error(), "old-secret")

	require.NoError(t, os.WriteFile(file, []byte("new-secret"), 0o600))
	require.NoError(t, send(t, m), "the new password is read without a restart")

	require.NoError(t, os.Remove(file))
	require.NoError(t, send(t, m), "a connection that is open stays open")
	m.servers[0].dropIdle()
	err = send(t, m)
	require.ErrorIs(t, err, lifecycle.ErrUnavailable)
	require.ErrorContains(t, err, "passwordFile")
}

func TestPasswordIsNotSentInTheClear(t *testing.T) {
	outside := &session{server: &mailServer{mailAccess: &mailAccess{user: "u", auth: "auto"}, host: "mail.example.com"}}
	for offer, want := range map[string]string{"PLAIN LOGIN": "", "PLAIN CRAM-MD5": "cram-md5", "PLAIN SCRAM-SHA-1 SCRAM-SHA-256": "scram-sha-256"} {
		s := newScript(t, func(c *scripted) { c.greet("AUTH " + offer); c.hear() })
		conn, err := net.Dial("tcp", s.address)
		require.NoError(t, err)
		outside.line = &line{Conn: elsewhere{conn}}
		outside.ends = time.Now().Add(time.Minute)
		outside.server.wall, outside.server.timeout, outside.server.helo, outside.server.tls = time.Now, time.Second, "localhost", tlsNone
		outside.server.secret = func() (string, error) { return "secret", nil }
		err = outside.greet(t.Context()) // which gets stuck at AUTH where it goes on
		if want == "" {
			require.ErrorContains(t, err, "not encrypted")
			continue
		}
		require.ErrorContains(t, err, "AUTH "+want)
	}
}

// elsewhere is a connection whose other end is not on this machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25} }

func TestEncryption(t *testing.T) {
	noLeak(t)
	config, ca := certificate(t, "127.0.0.1")
	otherName, otherCA := certificate(t, "other.example")
	startTLS := newPostOffice(t, func(p *postOffice) { p.server.TLSConfig = config })
	plain := newPostOffice(t)
	stranger := newPostOffice(t, func(p *postOffice) { p.server.TLSConfig = otherName })
	old := config.Clone()
	old.MinVersion, old.MaxVersion = 0x0301, 0x0302
	outdated := newPostOffice(t, func(p *postOffice) { p.server.TLSConfig = old })

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	overTLS := &postOffice{}
	overTLS.server = smtp.NewServer(overTLS)
	overTLS.server.ErrorLog = silence{}
	overTLS.serve(t, tls.NewListener(listener, config))

	for name, c := range map[string]struct{ address, fault string }{
		"STARTTLS":                               {"smtp://" + startTLS.address + "#tls=starttls&ca=" + ca, ""},
		"where it is offered":                    {"smtp://" + startTLS.address + "#tls=opportunistic&ca=" + ca, ""},
		"where it is not offered":                {"smtp://" + plain.address + "#tls=opportunistic", ""},
		"none":                                   {"smtp://" + startTLS.address + "#tls=none", ""},
		"on this machine":                        {"smtp://" + startTLS.address, ""},
		"implicit":                               {"smtps://" + overTLS.address + "#ca=" + ca, ""},
		"stripped":                               {"smtp://" + plain.address + "#tls=starttls", "it offers no STARTTLS"},
		"unknown authority":                      {"smtp://" + startTLS.address + "#tls=starttls", "certificate"},
		"unknown authority, where it is offered": {"smtp://" + startTLS.address + "#tls=opportunistic", "certificate"},
		"unknown authority, implicit":            {"smtps://" + overTLS.address, "certificate"},
		"another authority":                      {"smtp://" + startTLS.address + "#tls=starttls&ca=" + otherCA, "certificate"},
		"another name":                           {"smtp://" + stranger.address + "#tls=starttls&ca=" + otherCA, "127.0.0.1"},
		"an old version":                         {"smtp://" + outdated.address + "#tls=starttls&ca=" + ca, "version"},
		"TLS to a server that waits for STARTTLS": {"smtps://" + startTLS.address + "#ca=" + ca, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			err := send(t, mailer(t, c.address))
			if c.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, lifecycle.ErrUnavailable)
			require.ErrorContains(t, err, c.fault)
		})
	}
	require.Empty(t, stranger.arrived())
	require.Len(t, startTLS.arrived(), 4)
}

// What stands behind the answer to STARTTLS was said by nobody in particular, and must not be taken for what the server says
// under encryption.
func TestWhatIsSaidBeforeEncryptionIsForgotten(t *testing.T) {
	config, ca := certificate(t, "127.0.0.1")
	s := newScript(t, func(c *scripted) {
		c.greet("STARTTLS")
		c.hear()
		c.say("220 go on", "250-injected", "250 AUTH PLAIN")
		secured := tls.Server(c.Conn, config)
		if secured.HandshakeContext(t.Context()) != nil {
			return
		}
		c.Conn, c.in = secured, nil
	})
	err := send(t, mailer(t, "smtp://u:secret@"+s.address+"#tls=starttls&ca="+ca))
	require.ErrorIs(t, err, lifecycle.ErrUnavailable)
	require.NotContains(t, err.Error(), "secret")
}

func TestSecondServerTakesOver(t *testing.T) {
	noLeak(t)
	var logged bytes.Buffer
	var offset atomic.Int64
	wall := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	var tries atomic.Int64
	sick := newScript(t, func(c *scripted) {
		tries.Add(1)
		c.say("421 4.3.2 not now")
	})
	well := newPostOffice(t)
	m := mailerWith(t, "smtp://"+sick.address+","+well.address, Setting{Wall: wall, Log: slog.New(slog.NewTextHandler(&logged, nil))})
	for range 3 {
		require.NoError(t, send(t, m))
	}
	require.Len(t, well.arrived(), 3)
	require.Equal(t, int64(1), tries.Load(), "it is left alone for a while")
	require.Equal(t, 1, strings.Count(logged.String(), "level=WARN"), "and that is told once")
	require.Contains(t, logged.String(), "421 4.3.2 not now")
	require.NotContains(t, logged.String(), recipientMail)

	var rests []time.Duration
	for range 9 {
		rest := m.servers[0].restsUntil(wall()).Sub(wall())
		rests = append(rests, rest.Round(time.Second))
		offset.Add(int64(rest) + int64(time.Second))
		require.NoError(t, send(t, m))
	}
	require.Equal(t, []time.Duration{5e9, 10e9, 20e9, 40e9, 80e9, 160e9, 300e9, 300e9, 300e9}, rests)

	require.NoError(t, well.server.Close())
	err := send(t, m)
	require.ErrorIs(t, err, lifecycle.ErrUnavailable)
	require.ErrorContains(t, err, sick.address)
	require.ErrorContains(t, err, well.address)
}

func TestLetterThatASecondServerWouldRefuseTooIsNotOfferedTwice(t *testing.T) {
	refusing := func(code int) func(p *postOffice) {
		return func(p *postOffice) {
			p.refuse = func(step smtpStep, _ string) error {
				if step == stepRcpt {
					return &smtp.SMTPError{Code: code, Message: "no"}
				}
				return nil
			}
		}
	}
	second := newPostOffice(t)
	for _, code := range []int{450, 550} {
		first := newPostOffice(t, refusing(code))
		require.Error(t, send(t, mailer(t, "smtp://"+first.address+","+second.address)))
	}
	require.Empty(t, second.arrived())
}

// Every step, answered by everything that a server may say, with and without pipelining, and what it means for the letter.
func TestOutcomeOfEveryAnswerAtEveryStep(t *testing.T) {
	noLeak(t)
	const later, unavailable, permanent, unknown = "later", "unavailable", "permanent", "unknown"
	errs := map[string]error{unavailable: lifecycle.ErrUnavailable, permanent: lifecycle.ErrPermanent, unknown: lifecycle.ErrUnknown}
	type at map[smtpStep]string
	for answer, want := range map[string]at{
		"450 4.2.0 alex@Partner.example is busy": {stepMail: unavailable, stepRcpt: later, stepData: later, stepDot: later},
		"452 4.3.1 no room":                      {stepMail: unavailable, stepRcpt: later, stepData: later, stepDot: later},
		"550 5.1.1 <alex@partner.example>: who?": {stepMail: unavailable, stepRcpt: permanent, stepData: permanent, stepDot: permanent},
		"552 5.3.4 too large":                    {stepMail: permanent, stepRcpt: permanent, stepData: permanent, stepDot: permanent},
		"550 5.7.1 no spam":                      {stepMail: unavailable, stepRcpt: permanent, stepData: later, stepDot: later}, // a filter, which may be wrong
		"554 no spam":                            {stepMail: unavailable, stepRcpt: permanent, stepData: later, stepDot: later},
		"554 5.1.1 who?":                         {stepMail: unavailable, stepRcpt: permanent, stepData: permanent, stepDot: permanent},
		"530 5.7.0 log in first":                 {stepMail: unavailable, stepRcpt: unavailable, stepData: unavailable, stepDot: later},
		"421 4.3.2 shutting down":                {stepMail: unavailable, stepRcpt: unavailable, stepData: unavailable, stepDot: unavailable},
		"close":                                  {stepMail: unavailable, stepRcpt: later, stepData: later, stepDot: unknown},
		"":                                       {stepMail: unavailable, stepRcpt: unavailable, stepData: unavailable, stepDot: unknown}, // an empty line
		"HTTP/1.1 400 Bad Request":               {stepMail: unavailable, stepRcpt: unavailable, stepData: unavailable, stepDot: unknown},
		"334 what next?":                         {stepMail: unavailable, stepRcpt: unavailable, stepData: unavailable, stepDot: unknown},
	} {
		for _, extension := range []string{"PIPELINING", "8BITMIME"} {
			for step, outcome := range want {
				t.Run(fmt.Sprintf("%s %s %s", answer, step, extension), func(t *testing.T) {
					var healed atomic.Bool
					s := newScript(t, func(c *scripted) {
						c.greet(extension)
						c.serve(func(now smtpStep) string {
							if now != step || healed.Load() {
								return ""
							}
							if answer == "" {
								return "\r\n"
							}
							return answer
						})
					})
					m := mailer(t, "smtp://"+s.address)
					err := send(t, m)
					require.Error(t, err)
					for name, sentinel := range errs {
						require.Equal(t, name == outcome, errors.Is(err, sentinel), "%v", err)
					}
					require.NotContains(t, strings.ToLower(err.Error()), recipientMail)
					require.NotContains(t, err.Error(), "\n")
					require.ErrorContains(t, err, "mail notice 1042-7-1: "+s.address)

					healed.Store(true)
					require.NoError(t, send(t, m), "the next letter is not touched by that")
				})
			}
		}
	}
}

func TestRefusedLetterKeepsTheConnection(t *testing.T) {
	noLeak(t)
	for _, step := range []smtpStep{stepRcpt, stepDot} {
		p := newPostOffice(t, func(p *postOffice) {
			p.refuse = func(now smtpStep, _ string) error {
				if now == step && len(p.from)%2 == 1 {
					return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "user unknown"}
				}
				return nil
			}
		})
		m := mailer(t, "smtp://"+p.address)
		for i := range 10 {
			err := send(t, m)
			require.Equal(t, i%2 == 0, errors.Is(err, lifecycle.ErrPermanent), "%d %v", i, err)
		}
		connections, _ := p.count()
		require.Equal(t, 1, connections)
	}
}

func TestDataThatIsAcceptedForNobodyIsEndedEmpty(t *testing.T) {
	body := make(chan string, 2)
	s := newScript(t, func(c *scripted) {
		c.greet("PIPELINING")
		for range 3 {
			c.hear()
		}
		c.say("250 ok", "550 no", "354 go on, all the same")
		body <- c.body()
		c.say("554 no valid recipients")
		body <- c.hear()
		c.say("250 ok")
		c.serve(func(smtpStep) string { return "" })
	})
	m := mailer(t, "smtp://"+s.address)
	require.ErrorIs(t, send(t, m), lifecycle.ErrPermanent)
	require.Empty(t, <-body)
	require.Equal(t, "RSET", <-body)
	require.NoError(t, send(t, m))
	require.Equal(t, int64(1), s.connections.Load())
}

func TestPipeliningIsUsedOnlyWhereItIsOffered(t *testing.T) {
	for _, extension := range []string{"PIPELINING", "SIZE"} {
		together := make(chan bool, 1)
		s := newScript(t, func(c *scripted) {
			c.greet(extension)
			c.hear()
			together <- c.in.Buffered() > 0
			c.say("250 ok")
			c.serve(func(smtpStep) string { return "" })
		})
		require.NoError(t, send(t, mailer(t, "smtp://"+s.address)))
		require.Equal(t, extension == "PIPELINING", <-together)
	}
}

func TestMessageThatIsTooLargeIsNotSent(t *testing.T) {
	p := newPostOffice(t, func(p *postOffice) { p.server.MaxMessageBytes = 1000 })
	m := mailer(t, "smtp://"+p.address)
	err := m.Send(t.Context(), mailed(plainMessage+strings.Repeat("x\r\n", 1000)))
	require.ErrorIs(t, err, lifecycle.ErrPermanent)
	require.ErrorContains(t, err, "at most 1000")
	require.NoError(t, send(t, m))
	require.Len(t, p.arrived(), 1)
}

func TestServersThatAreNone(t *testing.T) {
	noLeak(t)
	for name, handle := range map[string]func(c *scripted){
		"nobody speaks":     func(c *scripted) { c.hear(); c.hear() },
		"garbage":           func(c *scripted) { c.say("\x00\xff\xfe garbage"); c.hear() },
		"a web server":      func(c *scripted) { c.say("HTTP/1.1 400 Bad Request", "", "") },
		"closes":            func(*scripted) {},
		"421":               func(c *scripted) { c.say("421 4.7.0 try again later") },
		"554":               func(c *scripted) { c.say("554 no service here") },
		"a huge banner":     func(c *scripted) { forever(c, "220-"+strings.Repeat("x", 1000)+"\r\n", 0) },
		"one endless line":  func(c *scripted) { forever(c, strings.Repeat("2", 1000), 0) },
		"a byte at a time":  func(c *scripted) { forever(c, "2", 10*time.Millisecond) },
		"no answer to EHLO": func(c *scripted) { c.say("220 hi"); c.hear(); c.hear() },
		"EHLO without end":  func(c *scripted) { c.say("220 hi"); c.hear(); forever(c, "250-X\r\n", 0) },
		"EHLO and HELO are unknown": func(c *scripted) {
			c.say("220 hi")
			for c.hear() != "" {
				c.say("500 what?")
			}
		},
		"no answer to MAIL": func(c *scripted) { c.greet(); c.hear(); c.hear() },
		"endless answer to MAIL": func(c *scripted) {
			c.greet()
			c.hear()
			forever(c, "250-"+strings.Repeat("x", 1000)+"\r\n", 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, handle)
			began := time.Now()
			err := send(t, mailer(t, "smtp://"+s.address+"#timeout=250ms"))
			require.ErrorIs(t, err, lifecycle.ErrUnavailable)
			require.ErrorContains(t, err, s.address)
			require.Less(t, len(err.Error()), 500)
			require.Less(t, time.Since(began), 5*time.Second)
		})
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	require.ErrorIs(t, send(t, mailer(t, "smtp://"+nobody.Addr().String())), lifecycle.ErrUnavailable)
}

// forever says the same again and again until the client has gone.
func forever(c *scripted, what string, pause time.Duration) {
	for {
		if _, err := c.Write([]byte(what)); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

func TestTarpitCostsOneLetterABoundedTime(t *testing.T) {
	noLeak(t)
	for step, want := range map[smtpStep]error{stepRcpt: nil, stepData: nil, stepDot: lifecycle.ErrUnknown} {
		s := newScript(t, func(c *scripted) {
			c.greet()
			c.serve(func(now smtpStep) string {
				if now == step {
					forever(c, "2", 5*time.Millisecond)
				}
				return ""
			})
		})
		began := time.Now()
		err := send(t, mailer(t, "smtp://"+s.address+"#timeout=100ms"))
		require.Error(t, err)
		require.NotErrorIs(t, err, lifecycle.ErrUnavailable)
		require.Equal(t, want != nil, errors.Is(err, lifecycle.ErrUnknown), "%s: %v", step, err)
		require.Less(t, time.Since(began), 3*time.Second)
	}
}

func TestServerThatStopsReadingTheMessage(t *testing.T) {
	noLeak(t)
	big := mailed(plainMessage + strings.Repeat("0123456789abcdef 0123456789abcdef\r\n", 1_000_000))
	for name, c := range map[string]struct {
		handle func(c *scripted)
		want   error
	}{
		"closes": {func(c *scripted) { c.hear() }, nil},
		"hangs":  {func(c *scripted) { <-t.Context().Done() }, nil},
		"says why": {func(c *scripted) {
			c.say("552 5.3.4 too large")
			_, _ = c.Read(make([]byte, 1<<20))
			time.Sleep(time.Second)
		}, nil},
		"says 421 ": {func(c *scripted) { c.say("421 4.3.2 bye") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			s := newScript(t, func(conn *scripted) {
				conn.greet()
				for _, answer := range []string{"250 ok", "250 ok", "354 go on"} {
					conn.hear()
					conn.say(answer)
				}
				if name == "hangs" {
					<-stop
					return
				}
				c.handle(conn)
			})
			err := mailer(t, "smtp://"+s.address+"#timeout=300ms").Send(t.Context(), big)
			close(stop)
			require.Error(t, err)
			require.NotErrorIs(t, err, lifecycle.ErrUnknown, "the end of the message never left this machine")
		})
	}
}

func TestGivingUpIsPrompt(t *testing.T) {
	noLeak(t)
	for step, want := range map[smtpStep]bool{stepOpen: false, stepMail: false, stepData: false, stepDot: true} {
		reached := make(chan struct{}, 9)
		s := newScript(t, func(c *scripted) {
			if step == stepOpen {
				reached <- struct{}{}
				c.hear()
				return
			}
			c.greet()
			c.serve(func(now smtpStep) string {
				if now == step {
					reached <- struct{}{}
					c.hear()
				}
				return ""
			})
		})
		ctx, cancel := context.WithCancel(t.Context())
		m := mailer(t, "smtp://"+s.address)
		done := make(chan error, 1)
		go func() { done <- m.Send(ctx, mailed(plainMessage)) }()
		<-reached
		cancel()
		err := <-done
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, lifecycle.ErrUnavailable)
		require.Equal(t, want, errors.Is(err, lifecycle.ErrUnknown), "%s: %v", step, err)
		require.Zero(t, m.servers[0].failures, "the server is not to blame")
	}
}

func TestWaitingForAConnectionCanBeGivenUp(t *testing.T) {
	m := mailer(t, "smtp://127.0.0.1:1#connections=1")
	m.servers[0].slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, m.Send(ctx, mailed(plainMessage)), context.Canceled)
}

func TestClosedChannelSendsNothing(t *testing.T) {
	p := newPostOffice(t)
	m := mailer(t, "smtp://"+p.address)
	require.NoError(t, m.Close())
	require.ErrorIs(t, send(t, m), lifecycle.ErrUnavailable)
}

func TestRateIsKept(t *testing.T) {
	p := newPostOffice(t)
	m := mailer(t, "smtp://"+p.address+"#rate=50")
	began := time.Now()
	for range 6 {
		require.NoError(t, send(t, m))
	}
	require.GreaterOrEqual(t, time.Since(began), 95*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.Error(t, m.Send(ctx, mailed(plainMessage)))
}

func TestEnvelopeSenderIsTheMessagesOwnOrTheOneGiven(t *testing.T) {
	p := newPostOffice(t)
	m := mailer(t, "smtp://"+p.address)
	for header, want := range map[string]string{
		"From: a@example.com": "a@example.com",
		"Subject: From: x@y\r\nfrom: =?UTF-8?q?T=C3=A9?=\r\n <b@c>": "b@c",
		"X: y\r\n\tFrom: x@y\r\nFROM:  \"q, r\" <d@e.f>\r\nTo: g@h": "d@e.f",
		"From: a@example.com\r\nX: again":                           "a@example.com",
	} {
		require.NoError(t, m.Send(t.Context(), mailed(header+"\r\n\r\nFrom: nobody@x\r\n")))
		require.Equal(t, want, p.from[len(p.from)-1])
	}
	for _, header := range []string{"Subject: x", "From: x", "From: a@b, c@d", "From: é@x"} {
		require.ErrorIs(t, m.Send(t.Context(), mailed(header+"\r\n\r\nFrom: nobody@x\r\n")), lifecycle.ErrPermanent, "%s", header)
	}
	m = mailer(t, "smtp://"+p.address+"#envelopeFrom=bounces%2Bx@example.com&helo=[127.0.0.1]")
	require.NoError(t, m.Send(t.Context(), mailed("Subject: x\r\n\r\n")))
	require.Equal(t, "bounces+x@example.com", p.from[len(p.from)-1])
	require.Equal(t, "[127.0.0.1]", p.helo)
}

func TestAddressThatWouldEndItsCommandIsRefused(t *testing.T) {
	p := newPostOffice(t)
	m := mailer(t, "smtp://"+p.address)
	for _, address := range []string{"", "a", "a@b\r\nDATA", "a@b>\r\nRCPT TO:<c@d", "ü@x", "a b@c", strings.Repeat("a", 300) + "@b"} {
		l := mailed(plainMessage)
		l.Recipient.Mail = address
		err := m.Send(t.Context(), l)
		require.ErrorIs(t, err, lifecycle.ErrPermanent)
		if len(address) > 3 {
			require.NotContains(t, err.Error(), address)
		}
	}
	connections, _ := p.count()
	require.Zero(t, connections)
}

func TestServersAnswerIsOneLineThatNamesNobody(t *testing.T) {
	f := &misstep{step: stepRcpt, code: 550, text: "5.1.1 <Alex@PARTNER.example>:\nno\x1b[31m such\tuser\u202e, bounce-alex=partner.example@x " + strings.Repeat("z", 300)}
	require.Contains(t, (&misstep{step: stepMail, code: 550}).describe(recipientMail), "our own sender's address")
	require.Contains(t, (&misstep{step: stepMail, code: 530}).describe(recipientMail), "it wants us to log in or to encrypt first")
	said := f.describe(recipientMail)
	require.True(t, strings.HasPrefix(said, "it answered to RCPT: 550 5.1.1 <the address>: no [31m such user, bounce-the address@x zzz"), said)
	require.Less(t, len(said), 260)
}

func TestManyAtOnce(t *testing.T) {
	noLeak(t)
	config, ca := certificate(t, "127.0.0.1")
	var n atomic.Int64
	p := newPostOffice(t, func(p *postOffice) {
		p.server.TLSConfig = config
		p.refuse = func(step smtpStep, _ string) error {
			switch k := n.Add(1); {
			case step == stepRcpt && k%7 == 0:
				return &smtp.SMTPError{Code: 450, Message: "later"}
			case step == stepDot && k%11 == 0:
				return &smtp.SMTPError{Code: 554, Message: "no"}
			}
			return nil
		}
	})
	m := mailer(t, "smtp://"+p.address+"#tls=starttls&connections=8&ca="+ca)
	m.servers[0].idleFor = time.Millisecond
	var all sync.WaitGroup
	var sent, givenUp atomic.Int64
	for i := range 16 {
		all.Go(func() {
			for j := range 25 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+j)%9 == 0 {
					cancel()
				}
				if err := m.Send(ctx, mailed(plainMessage)); err == nil {
					sent.Add(1)
				} else if errors.Is(err, context.Canceled) {
					givenUp.Add(1)
				}
				cancel()
			}
		})
	}
	all.Wait()
	require.GreaterOrEqual(t, int64(len(p.arrived())), sent.Load())
	require.Positive(t, sent.Load())
	require.Positive(t, givenUp.Load())
}

func TestMaskedAddressKeepsThePassword(t *testing.T) {
	for address, want := range map[string]string{
		"smtp://mail.example.com":                             "smtp://mail.example.com:587",
		"smtps://mail.example.com":                            "smtps://mail.example.com:465",
		"smtp://u@mail.example.com:25#passwordFile=/run/pw":   "smtp://u@mail.example.com:25#passwordFile=/run/pw",
		"SMTP://u%40x:secret@a:25,[::1]:26,c/#tls=starttls":   "smtp://u@x:***@a:25,[::1]:26,c:587#tls=starttls",
		"smtp://u:se@cret@a:25":                               "smtp://u:***@a:25",
		"smtp://u:secret":                                     "smtp://***",
		"smtp://u:sec#ret@a:25":                               "smtp://***",
		"smtp://a:25#password=secret&tls=none&secret":         "smtp://a:25#***&tls=none&***",
		"smtp:u:secret@a":                                     "smtp://***",
		"smtp://u:%zzsecret@a":                                "smtp://***",
		"smtp://a#envelopeFrom=x@y":                           "smtp://a:587#envelopeFrom=x@y",
		"smtp://user:secret@":                                 "smtp://***",
		"smtp://u:secret@mail.example.com:587#tls=se@cret.x:": "smtp://u:***@mail.example.com:587#tls=se@cret.x:",
	} {
		require.Equal(t, want, MaskAddress(address), address)
	}
}

func TestFaultsOfAnAddressAreToldAtOnceWithoutSecrets(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for address, want := range map[string][]string{
		"smtp:mail.example.com":        {"smtp://mail.example.com:587"},
		"smtp://":                      {"no host"},
		"smtp://a,,b":                  {"no host"},
		"smtp://a:x":                   {"port of the server a"},
		"smtp://a:0":                   {"port"},
		"smtp://a:70000":               {"port"},
		"smtp://a b":                   {"neither a domain name"},
		"smtp://a?x=y":                 {"neither a domain name"},
		"smtp://:secret@a":             {"no user's name"},
		"smtp://u:%secret@a":           {"%25"},
		"smtp://u:sec#ret@a":           {"%23"},
		"smtp://u@a":                   {"no password", "passwordFile"},
		"smtp://a#passwordFile=/nope/": {"nobody that it belongs to", "option passwordFile: open /nope/"},
		"smtp://u:secret@a#passwordFile=/nope/1&ca=/nope/2&tls=ssl&timeout=1&rate=x&connections=0&helo=a_b&envelopeFrom=c&auth=ntlm&colour=red": {
			"exclude each other", "option passwordFile: open /nope/1", "option ca: open /nope/2", `option tls: "ssl"`, "option timeout", "option rate",
			"option connections", "option helo", "option envelopeFrom", "option auth", `no option "colour"`},
		"smtp://u@a#passwordFile=" + empty:          {"is empty"},
		"smtp://a#ca=" + empty:                      {"there is no certificate in"},
		"smtps://a#tls=none":                        {"smtps://"},
		"smtp://u:secret@a#auth=xoauth2":            {"tokenFile"},
		"smtp://u@a#auth=plain&tokenFile=/nope/":    {"goes with xoauth2"},
		"smtp://a#auth=plain":                       {"nobody to log in"},
		"smtp://u:secret@a#rate=0":                  {"option rate"},
		"smtp://u:secret@a#rate=NaN":                {"option rate"},
		"smtp://u:secret@[::1]x:25,a#helo=[1.2.3]x": {"a server", "option helo"},
	} {
		c, err := Open(address, Setting{Wall: time.Now})
		require.Error(t, err, address)
		require.Nil(t, c)
		for _, w := range want {
			require.ErrorContains(t, err, w, address)
		}
		require.NotContains(t, err.Error(), "secret", address)
	}
	_, err := Open("smtp://a", Setting{})
	require.ErrorContains(t, err, "clock")
}

func BenchmarkSMTP(b *testing.B) {
	l := letter(lifecycle.KindWarnExpiry)
	_, message, err := notifier(b).Render(l)
	require.NoError(b, err)
	l.Message = message
	for _, connections := range []int{1, 4} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			p := newPostOffice(b)
			m := mailer(b, fmt.Sprintf("smtp://%s#connections=%d", p.address, connections))
			b.ReportAllocs()
			var all sync.WaitGroup
			var begun atomic.Int64
			for range connections {
				all.Go(func() {
					for begun.Add(1) <= int64(b.N) {
						if err := m.Send(b.Context(), l); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}
