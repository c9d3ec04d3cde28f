package browser

import (
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A mailbox is a mail server. It takes letters, or refuses them for good.
type mailbox struct {
	address string

	mu      sync.Mutex
	refuses bool
	letters []letter
}

// A letter is one that was taken: to whom, and its Message-ID.
type letter struct{ to, id string }

// openMailbox serves until the test ends.
func openMailbox(t *testing.T) *mailbox {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mailbox{address: listener.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				speaker := textproto.NewConn(connection)
				_ = m.speak(speaker) // whoever hangs up has said what there was to say
				_ = speaker.Close()
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() }) // the program that sends has ended before
	return m
}

// refuse has the server refuse every recipient from now on, or none.
func (m *mailbox) refuse(all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuses = all
}

// to lists the Message-IDs of the letters that somebody has got.
func (m *mailbox) to(address string) (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.to == address {
			ids = append(ids, l.id)
		}
	}
	return ids
}

// speak answers one connection, as RFC 5321 has it.
func (m *mailbox) speak(c *textproto.Conn) error {
	if err := c.PrintfLine("220 mailbox"); err != nil {
		return err
	}
	var recipient string
	for {
		line, err := c.ReadLine()
		if err != nil {
			return err
		}
		command, rest, _ := strings.Cut(line, " ")
		answer := "250 so be it"
		switch strings.ToUpper(command) {
		case "EHLO", "HELO":
			answer = "250 mailbox"
		case "RCPT":
			_, address, _ := strings.Cut(rest, "<")
			recipient, _, _ = strings.Cut(address, ">")
			if m.isShut() {
				answer = "550 5.1.1 there is nobody of that name"
			}
		case "DATA":
			if answer, err = m.take(c, recipient); err != nil {
				return err
			}
		case "QUIT":
			return c.PrintfLine("221 goodbye")
		}
		if err := c.PrintfLine("%s", answer); err != nil {
			return err
		}
	}
}

func (m *mailbox) isShut() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refuses
}

// take reads a letter and keeps what it is known by.
func (m *mailbox) take(c *textproto.Conn, recipient string) (answer string, err error) {
	if err := c.PrintfLine("354 go on"); err != nil {
		return "", err
	}
	message, err := mail.ReadMessage(c.DotReader())
	if err != nil {
		return "", fmt.Errorf("reading a letter to %s: %w", recipient, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, letter{recipient, message.Header.Get("Message-Id")})
	return "250 taken", nil
}
