package console

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"net/url"
	"strings"
)

// noticePage is a notice with its message.
type noticePage struct {
	notice
	MessageID string   `json:"messageId"`
	Message   string   `json:"message"`
	Items     []notice `json:"items"`

	Letter *letter // the message, where it is a mail
}

func (v *visit) askNotice() (page noticePage, err error) {
	err = v.ask("GET", "/v1/notices/"+url.PathEscape(v.Request.PathValue("id")), nil, &page)
	if err == nil {
		page.Letter = readLetter(page.Message)
	}
	return page, err
}

func showNotice(v *visit) error {
	page, err := v.askNotice()
	if err != nil {
		return err
	}
	if page.Letter != nil && page.Letter.HTML != "" {
		h := v.w.Header()
		h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; frame-src 'self'")
	}
	return v.show("notice", &page)
}

// showNoticeHTML is what stands in the frame: the mail as a browser shows it, which may run, load, send and link to nothing.
func showNoticeHTML(v *visit) error {
	page, err := v.askNotice()
	if err != nil {
		return err
	}
	if page.Letter == nil || page.Letter.HTML == "" {
		return v.notFound()
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	if _, err := io.WriteString(v.w, page.Letter.HTML); err != nil {
		v.console.Logger.Debug("a page was not taken", "path", v.Request.URL.Path, "error", err)
	}
	return nil
}

// A letter is a mail as it was sent.
type letter struct {
	Subject string
	Headers []letterHeader
	Text    string
	HTML    string
}

type letterHeader struct{ Name, Value string }

// readLetter reads a mail; nil where the message is none, as on channels that write something else.
func readLetter(message string) *letter {
	m, err := mail.ReadMessage(strings.NewReader(message))
	if err != nil || m.Header.Get("Content-Type") == "" {
		return nil
	}
	decoder := &mime.WordDecoder{}
	l := &letter{}
	for _, name := range headerNames(message) {
		value, err := decoder.DecodeHeader(m.Header.Get(name))
		if err != nil {
			value = m.Header.Get(name)
		}
		if name == "Subject" {
			l.Subject = value
		}
		l.Headers = append(l.Headers, letterHeader{name, value})
	}
	if err := l.readPart(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body); err != nil {
		return nil
	}
	return l
}

// headerNames are the names of the headers in their order, each once.
func headerNames(message string) (names []string) {
	seen := map[string]bool{}
	for line := range strings.Lines(message) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if name, _, found := strings.Cut(line, ":"); found && !strings.ContainsAny(line[:1], " \t") && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// readPart keeps the two forms of a mail, wherever in it they stand.
func (l *letter) readPart(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		return l.readParts(multipart.NewReader(body, params["boundary"]))
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(body)
	text := string(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))
	switch kind {
	case "text/plain":
		l.Text = text
	case "text/html":
		l.HTML = text
	}
	return err
}

func (l *letter) readParts(parts *multipart.Reader) error {
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		header := textproto.MIMEHeader(part.Header)
		if err := l.readPart(header.Get("Content-Type"), header.Get("Content-Transfer-Encoding"), part); err != nil {
			return err
		}
	}
}
