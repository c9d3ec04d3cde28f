package httpapi

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Asked is who asks, and the request as it came, for operations that must know more of it than its parameters.
type Asked struct {
	request *http.Request
	answer  *answer
}

// Resolve keeps them. It satisfies [huma.Resolver].
func (in *Asked) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	in.request = r
	in.answer, _ = w.(*answer)
	return nil
}

// by is the name of the caller, to be kept with what they changed.
func (in *Asked) by() string { return in.answer.bearer.Name }

// caller is who asks.
func (in *Asked) caller() *lifecycle.Caller { return &in.answer.bearer.Caller }

// powerOf says what a caller is, for those who are refused.
func powerOf(by *lifecycle.Caller) string {
	if by.Role == lifecycle.Operator && by.ReadsOnly {
		return fmt.Sprintf("the token %q may only read", by.Name)
	}
	return fmt.Sprintf("%q has the role %s", by.Name, by.Role)
}

// about notes which relationship it is about, which the caller sees.
func (in *Asked) about(id string) { in.answer.about = id }

// A mail address is personal data: whoever may not manage sees that there is one, and whose server it is at.

// mask makes a notice fit to be seen by a caller who may only read.
func (in *Asked) mask(n Notice) Notice {
	if in.answer.bearer.manages() {
		return n
	}
	n.Recipient.Mail, n.Recipient.DisplayName = maskedBy(n.Recipient.Mail, maskMail), maskedBy(n.Recipient.DisplayName, maskMail)
	n.LastError = in.maskText(n.LastError)
	return n
}

// maskDetails does so with its message, which names the recipient throughout, and with its items.
func (in *Asked) maskDetails(n NoticeDetails) NoticeDetails {
	if in.answer.bearer.manages() {
		return n
	}
	n.Notice, n.Message = in.mask(n.Notice), ""
	for i, item := range n.Items {
		n.Items[i] = in.mask(item)
	}
	return n
}

// maskText makes an error fit for such a caller: servers repeat the address that they refuse.
func (in *Asked) maskText(s string) string {
	if in.answer.bearer.manages() {
		return s
	}
	return mailAddresses.ReplaceAllStringFunc(s, maskMail)
}

var mailAddresses = regexp.MustCompile(`[^\s<>"(),:;\[\]]+@[^\s<>"(),:;\[\]]+`)

func maskedBy(s *string, mask func(string) string) *string {
	if s == nil {
		return nil
	}
	masked := mask(*s)
	return &masked
}

// maskMail leaves of an address its first character and its domain, and of any other text the first character.
func maskMail(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		at = len(s)
	}
	return string(first) + "***" + s[at:]
}
