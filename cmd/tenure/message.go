package main

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"

	"github.com/tenure-dev/tenure/notify"
)

// readableMail is a mail as people read it: its subject and its text. Whatever is no mail, such as what a webhook is told, stays
// as it is.
func readableMail(message []byte) string {
	text, _, err := notify.Parts(message)
	if err != nil {
		return string(message)
	}
	return subjectLine(message) + "\n" + text
}

// subjectLine is the subject of a mail, decoded. A mail without one that can be read has an empty line.
func subjectLine(message []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return ""
	}
	subject := m.Header.Get("Subject")
	if decoded, err := new(mime.WordDecoder).DecodeHeader(subject); err == nil {
		subject = decoded
	}
	return fmt.Sprintf("Subject: %s\n", subject)
}
