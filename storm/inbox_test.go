//go:build unix

package storm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// An inbox is a mail server that keeps what it has accepted, by Message-ID.
type inbox struct {
	mu     sync.Mutex
	mails  map[string]*parcel
	refuse bool // for a while
}

// A parcel is a message that arrived, perhaps more than once.
type parcel struct {
	copies    int
	sum       [sha256.Size]byte // of the first copy
	different bool              // another copy was not the same, byte by byte
	to        string
}

func startInbox(t *testing.T) (in *inbox, addr string) {
	t.Helper()
	in = &inbox{mails: map[string]*parcel{}}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{inbox: in}, nil }))
	server.ReadTimeout = time.Minute
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	return in, listener.Addr().String()
}

// A delivery is one connection to the inbox.
type delivery struct {
	inbox *inbox
	to    string
}

func (*delivery) Logout() error { return nil }

// Reset forgets the message that was being handed over.
func (d *delivery) Reset() { d.to = "" }

// Mail begins a message, unless the server is having a bad moment.
func (d *delivery) Mail(string, *smtp.MailOptions) error {
	d.inbox.mu.Lock()
	defer d.inbox.mu.Unlock()
	if d.inbox.refuse {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "not now"}
	}
	return nil
}

// Rcpt takes anybody.
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

// Data keeps a message that arrived as a whole.
func (d *delivery) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	message, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return err
	}
	id := strings.Trim(message.Header.Get("Message-Id"), "<>")
	if id == "" {
		return errors.New("a message without an id")
	}
	d.inbox.keep(id, d.to, sha256.Sum256(text))
	return nil
}

func (in *inbox) keep(id, to string, sum [sha256.Size]byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	p := in.mails[id]
	if p == nil {
		p = &parcel{sum: sum, to: to}
		in.mails[id] = p
	}
	p.copies++
	p.different = p.different || p.sum != sum || p.to != to
}

// refusing sets whether new messages are put off.
func (in *inbox) refusing(yes bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.refuse = yes
}
