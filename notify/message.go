package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An envelope is what a message says of its own journey.
type envelope struct {
	from, to   mail.Address
	id         string
	thread     string // the id of a message that never was, to which all that is told of one relationship belongs; may be empty
	listDomain string
}

// message is the complete RFC 5322 message. It is put together here and not by a library, which would fill in the time, the
// machine's name and random numbers: same letter, same bytes.
func (e *envelope) message(l *lifecycle.Letter, p *page, text, html string) []byte {
	m := make([]byte, 0, 2<<10+(len(text)+len(html))*3/2)
	m = appendHeader(m, "Date", writtenAt(l).UTC().Format(time.RFC1123Z))
	m = appendHeader(m, "From", address(e.from))
	m = appendHeader(m, "To", address(e.to))
	m = appendHeader(m, "Message-ID", "<"+e.id+">")
	if e.thread != "" {
		m = appendHeader(m, "References", "<"+e.thread+">")
	}
	m = appendHeader(m, "Subject", encodedWords(plainHeader(p.Subject)))
	m = appendHeader(m, "Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers, please
	m = appendHeader(m, "X-Auto-Response-Suppress", "All")  // the same, to Exchange
	m = appendHeader(m, "List-Id", "tenure notices <notices."+e.listDomain+">")
	m = appendHeader(m, "Content-Language", p.Language)
	m = appendHeader(m, "X-Tenure-Notice", l.String())
	m = appendHeader(m, "MIME-Version", "1.0")
	m = appendHeader(m, "Content-Type", `multipart/alternative; boundary="`+boundary+`"`)
	m = appendPart(m, "text/plain", text)
	m = appendPart(m, "text/html", html)
	return append(m, "\r\n--"+boundary+"--\r\n"...)
}

// boundary is the line that parts the alternatives. Neither encoding of a part ever writes "=_", so it cannot stand in one,
// whatever a record says. Source: RFC 2045, section 6.7.
const boundary = "=_tenure"

func appendPart(m []byte, mediaType, body string) []byte {
	encoding, appendBody := "quoted-printable", appendQuotedPrintable
	if base64IsShorter(body) {
		encoding, appendBody = "base64", appendBase64
	}
	m = append(m, "\r\n--"+boundary+"\r\nContent-Type: "+mediaType+"; charset=UTF-8\r\nContent-Transfer-Encoding: "+encoding+"\r\n\r\n"...)
	return appendBody(m, body)
}

// threadOf is the id under which mail programs gather what is told of one relationship: 30 days, 7 days, tomorrow, ended.
func threadOf(l *lifecycle.Letter, domain string) string {
	if l.IsDigest() {
		return ""
	}
	return "relationship-" + atom(l.Relationship.ID) + "@" + domain
}

// messageIDOf names the message of l. The relationship is part of it because two databases of one domain, say a live one and a
// sandbox, both count their notices from 1. A digest has no relationship; what stands for it there is what it tells, of whom it
// is told to, and when it was made.
func messageIDOf(l *lifecycle.Letter, domain string) string {
	name := atom(l.Relationship.ID)
	if l.IsDigest() {
		name = "digest-" + fingerprint(l)
	}
	return l.String() + "-" + name + "@" + domain
}

func fingerprint(l *lifecycle.Letter) string {
	told := fmt.Appendf(nil, "%q %q %q %q %d %d", l.Channel, l.Recipient.TenantID, l.Recipient.Role, l.Recipient.Mail, l.Due.UnixMicro(), l.Recorded.UnixMicro())
	for i := range l.Items {
		told = fmt.Appendf(told, " %s %q", l.Items[i].NoticeID, l.Items[i].Relationship.ID)
	}
	sum := sha256.Sum256(told)
	return hex.EncodeToString(sum[:16])
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
		return mail.Address{}, fmt.Errorf("the recipient's mail address %w; correct it in the contacts, from which later notices take it: %w", err, lifecycle.ErrPermanent)
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
