package notify

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// A postOffice is a real SMTP server that keeps what it is given.
type postOffice struct {
	address string
	server  *smtp.Server

	mu          sync.Mutex
	messages    []string
	from, to    []string
	connections int
	open, most  int    // at the same time
	helo        string // of the latest
	auths       []string
	password    string // that it wants; empty: none
	refuse      func(step smtpStep, to string) error
	slow        time.Duration
}

func (p *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections++
	p.open++
	p.most = max(p.most, p.open)
	p.helo = c.Hostname()
	return &counter{postOffice: p}, nil
}

// A counter is where one connection is served.
type counter struct {
	*postOffice
	authenticated bool
}

func (c *counter) Reset() {}
func (c *counter) Logout() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	return nil
}

func (c *counter) says(step smtpStep, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse == nil {
		return nil
	}
	return c.refuse(step, to)
}

func (c *counter) Mail(from string, _ *smtp.MailOptions) error {
	if c.password != "" && !c.authenticated {
		return smtp.ErrAuthRequired
	}
	c.mu.Lock()
	c.from = append(c.from, from)
	c.mu.Unlock()
	return c.says(stepMail, "")
}

func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := c.says(stepRcpt, to); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = append(c.to, to)
	return nil
}

func (c *counter) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	time.Sleep(c.slow)
	if err := c.says(stepDot, ""); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, string(text))
	return nil
}

func (c *counter) AuthMechanisms() []string { return c.auths }

func (c *counter) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if user != "tenure@example.com" || password != c.password {
			return errors.New("wrong: " + password) // as bad servers have it
		}
		c.authenticated = true
		return nil
	}
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	case "XOAUTH2":
		return saslFunc(func(response []byte) ([]byte, bool, error) {
			user, rest, _ := strings.Cut(strings.TrimPrefix(string(response), "user="), "\x01")
			return nil, true, check(user, strings.TrimSuffix(strings.TrimPrefix(rest, "auth=Bearer "), "\x01\x01"))
		}), nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

type saslFunc func(response []byte) (challenge []byte, done bool, err error)

func (f saslFunc) Next(response []byte) ([]byte, bool, error) { return f(response) }

type loginServer struct {
	check func(user, password string) error
	user  string
	step  int
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// newPostOffice starts a server that tells its own connections from each other. With security it offers STARTTLS, and with
// implicit it speaks nothing but TLS.
func newPostOffice(t testing.TB, change ...func(p *postOffice)) *postOffice {
	t.Helper()
	p := &postOffice{}
	p.server = smtp.NewServer(p)
	p.server.Domain = "post.example"
	p.server.AllowInsecureAuth = true
	p.server.ErrorLog = silence{}
	for _, c := range change {
		c(p)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.serve(t, listener)
	return p
}

type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}

func (p *postOffice) serve(t testing.TB, listener net.Listener) {
	p.address = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = p.server.Close()
		_ = listener.Close() // which a server that has hardly begun does not know yet
		<-done
	})
}

func (p *postOffice) arrived() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.messages...)
}

func (p *postOffice) count() (connections, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connections, p.most
}

// certificate makes one for this machine that nobody trusts who was not given the file ca.
func certificate(t testing.TB, name string) (config *tls.Config, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	wanted := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(name); ip != nil {
		wanted.IPAddresses = []net.IP{ip}
	} else {
		wanted.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, wanted, wanted, key.Public(), key)
	require.NoError(t, err)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, ca
}

// A script is a server that behaves as it is told. Its handler has one connection after the other; what a client sends is read
// from in line by line.
type script struct {
	address     string
	connections atomic.Int64
}

type scripted struct {
	net.Conn
	in *bufio.Reader
	n  int64 // counts the connections from 1
}

// hear reads a line.
func (c *scripted) hear() string {
	line, _ := c.in.ReadString('\n')
	return strings.TrimRight(line, "\r\n")
}

func (c *scripted) say(lines ...string) {
	_, _ = io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n")
}

// greet goes through the greeting, offering these extensions.
func (c *scripted) greet(extensions ...string) {
	c.say("220 script.example ESMTP")
	c.hear()
	c.say("250-script.example")
	for _, e := range extensions {
		c.say("250-" + e)
	}
	c.say("250 HELP")
}

// body reads a message up to its end.
func (c *scripted) body() string {
	var b bytes.Buffer
	for {
		line, err := c.in.ReadString('\n')
		if line == ".\r\n" || err != nil {
			return b.String()
		}
		b.WriteString(line)
	}
}

// serve accepts letters until the client goes away, or until answer returns something else than "".
func (c *scripted) serve(answer func(step smtpStep) string) {
	for {
		line := c.hear()
		step := smtpStep(strings.SplitN(line, " ", 2)[0])
		usual := map[smtpStep]string{stepMail: "250 ok", stepRcpt: "250 ok", stepData: "354 go on", "RSET": "250 ok", "QUIT": "221 bye"}[step]
		if line == "" {
			return
		}
		if said := answer(step); said != "" {
			usual = said
		}
		if usual == "close" {
			return
		}
		c.say(usual)
		if step == stepData && strings.HasPrefix(usual, "354") {
			c.body()
			said := answer(stepDot)
			switch said {
			case "close":
				return
			case "":
				said = "250 taken"
			}
			c.say(said)
		}
	}
}

func newScript(t testing.TB, handle func(c *scripted)) *script {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &script{address: listener.Addr().String()}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	closed := false
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			if closed {
				_ = conn.Close()
			}
			mu.Unlock()
			n := s.connections.Add(1)
			all.Go(func() {
				defer conn.Close()
				handle(&scripted{Conn: conn, in: bufio.NewReader(conn), n: n})
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		closed = true
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return s
}
