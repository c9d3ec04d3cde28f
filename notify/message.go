package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An envelope is what a message says of its own journey.
type envelope struct {
	from, to   mail.Address
	id         string
	listDomain string
}

// message is the complete RFC 5322 message. go-mail would fill in what is missing with the time, the machine's name and random
// numbers, so nothing is left to it: same letter, same bytes.
func (e envelope) message(l *lifecycle.Letter, p *page, text, html string) ([]byte, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(encodingFor(text)),
		gomail.WithBoundary(boundary(e.id, text, html)))
	// By address, never through go-mail's …Format methods: those paste name and address into one string and parse it again.
	m.FromMailAddress(&e.from)
	m.ToMailAddress(&e.to)
	m.Subject(plainHeader(p.Subject))
	m.SetDateWithValue(l.Recorded.UTC())
	m.SetMessageIDWithValue(e.id)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers, please
	m.SetGenHeader("List-Id", "tenure notices <notices."+e.listDomain+">")
	m.SetGenHeader(gomail.HeaderContentLang, p.Language)
	m.SetGenHeader("X-Tenure-Notice", fmt.Sprint(l.NoticeID))
	m.SetBodyString(gomail.TypeTextPlain, text)
	m.AddAlternativeString(gomail.TypeTextHTML, html)

	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("assemble the message: %w", err)
	}
	return b.Bytes(), nil
}

// messageIDOf names the message of l. The relationship is part of it because two databases of one domain, say a live one and a
// sandbox, both count their notices from 1.
func messageIDOf(l *lifecycle.Letter, domain string) string {
	return fmt.Sprintf("%s-%s@%s", l.NoticeID, atom(l.Relationship.ID), domain)
}

// atom turns everything that may not stand in a Message-ID or a file's name into "-".
func atom(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), longestID)]
}

// boundary is the line that parts the alternatives. It follows from the content as well as from the key: a boundary that can be
// told in advance could be put into a display name, and end a part early.
func boundary(id, text, html string) string {
	sum := sha256.Sum256([]byte(id + "\x00" + text + "\x00" + html))
	return "tenure-" + hex.EncodeToString(sum[:16])
}

// encodingFor is quoted-printable, which people can read in the raw file, unless that would take more room than base64, as it does
// with Japanese. Either keeps the lines short.
func encodingFor(text string) gomail.Encoding {
	escaped := 0
	for i := range len(text) {
		if text[i] >= 0x80 {
			escaped++
		}
	}
	// Quoted-printable writes 3 characters for an escaped byte and 1 for any other, base64 4 for every 3 bytes.
	if len(text)+2*escaped > len(text)*4/3 {
		return gomail.EncodingB64
	}
	return gomail.EncodingQP
}

// sender reads the address that the deployment writes from.
func sender(from string) (mail.Address, error) {
	parsed, err := mail.ParseAddress(from)
	if err != nil || addressFault(parsed.Address) != nil {
		return mail.Address{}, fmt.Errorf("from: %q is not a mail address, such as tenure <tenure@example.com>", from)
	}
	return mail.Address{Name: plainHeader(clean(parsed.Name, longestName)), Address: parsed.Address}, nil
}

// recipient is the address of the person that c is. The error is permanent and does not name the address: it ends up in logs.
func recipient(c lifecycle.Contact) (mail.Address, error) {
	if err := addressFault(c.Mail); err != nil {
		return mail.Address{}, fmt.Errorf("the recipient's mail address %w; correct it in the directory: %w", err, lifecycle.ErrPermanent)
	}
	return mail.Address{Name: plainHeader(clean(c.DisplayName, longestName)), Address: c.Mail}, nil
}

// addressFault says what is wrong with a bare mail address. It is stricter than RFC 5322, which knows comments, quotes and
// groups; nothing of the kind has a place in a directory.
func addressFault(address string) error {
	const longest = 254 // RFC 5321, 4.5.3.1.3, without the angle brackets
	switch {
	case address == "":
		return errors.New("is missing")
	case len(address) > longest:
		return fmt.Errorf("is longer than %d characters", longest)
	}
	for i := range len(address) {
		if address[i] <= ' ' || address[i] > '~' {
			return errors.New("contains a space or a character beyond ASCII")
		}
	}
	if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
		return errors.New("is not of the form name@domain")
	}
	return nil
}
