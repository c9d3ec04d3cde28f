package graph

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// largestBody bounds a body once it is decompressed; as it is sent, whoever asks us bounds it.
const largestBody = 1 << 20

// byteOrderMark is what older shells put before UTF-8. It is passed over. Source: RFC 8259, section 8.1.
var byteOrderMark = []byte("\xef\xbb\xbf")

// readBody reads the body, which is well-formed JSON, or says what is wrong with it.
func (x *exchange) readBody() (json.RawMessage, error) {
	if err := sentAsJSON(x.r); err != nil {
		return nil, err
	}
	from := io.Reader(x.r.Body)
	switch coding := x.r.Header.Get("Content-Encoding"); strings.ToLower(coding) {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(from)
		if err != nil {
			return nil, unreadable(err)
		}
		from = unzipped
	default:
		return nil, refused(http.StatusUnsupportedMediaType, "The body is sent with Content-Encoding %s; send it as gzip, or as it is.", clip(coding)).
			with("Accept-Encoding", "gzip")
	}
	body, err := io.ReadAll(io.LimitReader(from, largestBody+1))
	switch {
	case err != nil:
		return nil, unreadable(err)
	case len(body) > largestBody:
		return nil, tooLarge(largestBody)
	case len(bytes.TrimSpace(body)) == 0:
		return nil, refused(http.StatusBadRequest, "The body is missing; send a JSON object.")
	case !utf8.Valid(body):
		return nil, refused(http.StatusBadRequest, "The body is not valid UTF-8.")
	}
	body = bytes.TrimPrefix(body, byteOrderMark)
	var checked json.RawMessage
	if err := json.Unmarshal(body, &checked); err != nil {
		return nil, notJSON(body, err)
	}
	return bytes.TrimSpace(body), nil
}

// sentAsJSON refuses a body that says of itself that it is something else.
func sentAsJSON(r *http.Request) error {
	sent := r.Header.Get("Content-Type")
	if sent == "" {
		return nil
	}
	if media, _, err := mime.ParseMediaType(sent); err == nil && media == "application/json" {
		return nil
	}
	return refused(http.StatusUnsupportedMediaType, "The body is sent as %s; send it as JSON, with the header `Content-Type: application/json`.", clip(sent)).
		with("Accept", "application/json")
}

// unreadable says why a body did not arrive.
func unreadable(err error) *problem {
	var large *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.As(err, &network) && network.Timeout():
		return refused(http.StatusRequestTimeout, "The body took too long to arrive.").with("Connection", "close")
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum):
		return refused(http.StatusBadRequest, "The body is sent with Content-Encoding gzip, and is no gzip.")
	}
	return refused(http.StatusBadRequest, "The body broke off before its end.")
}

func tooLarge(limit int64) *problem {
	return refused(http.StatusRequestEntityTooLarge, "The body has more than the %d bytes that are allowed.", limit)
}

// notJSON says where the body stops being JSON.
func notJSON(body []byte, err error) *problem {
	where := ""
	var wrong *json.SyntaxError
	if errors.As(err, &wrong) {
		before := body[:max(0, min(wrong.Offset-1, int64(len(body))))]
		line := bytes.Count(before, []byte("\n"))
		column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
		where = fmt.Sprintf(" at line %d, column %d", line+1, column+1)
	}
	return refused(http.StatusBadRequest, "The body is not JSON%s: %s.", where, clip(err.Error()))
}

// A bodyReader collects everything that is wrong with a body while it is read. Names are compared exactly, a name that comes
// twice is refused, and so is a null that is not asked for: whoever computes one rarely means it.
type bodyReader struct{ faults []problemDetail }

func (b *bodyReader) refuse(code, target, format string, args ...any) {
	b.faults = append(b.faults, problemDetail{code, clip(target), clip(target) + " " + sentence(fmt.Sprintf(format, args...))})
}

func (b *bodyReader) enough() bool { return len(b.faults) >= mostDetails }

// refuses says whether something was found wrong with a field.
func (b *bodyReader) refuses(field string) bool {
	return slices.ContainsFunc(b.faults, func(d problemDetail) bool { return d.Target == field })
}

// problem tells it all; nil where there is nothing wrong.
func (b *bodyReader) problem() error {
	if len(b.faults) == 0 {
		return nil
	}
	p := &problem{status: http.StatusBadRequest, code: codeBadRequest, details: b.faults[:min(len(b.faults), mostDetails)]}
	p.tell(len(b.faults))
	return p
}

// A part is a member of an object, and what reads its value.
type part struct {
	name string
	read func(target string, value json.RawMessage)
}

// object reads the members of an object. Annotations are passed over, since clients send back what they were given.
func (b *bodyReader) object(target string, text json.RawMessage, parts ...part) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if start, _ := dec.Token(); start != json.Delim('{') {
		b.refuse(codeInvalid, orBody(target), "is not an object")
		return
	}
	seen := map[string]bool{}
	for dec.More() && !b.enough() {
		token, _ := dec.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value)
		if strings.HasPrefix(name, "@") || strings.Contains(name, "@odata.") {
			continue
		}
		b.member(join(target, name), name, value, seen[name], parts)
		seen[name] = true
	}
}

func (b *bodyReader) member(target, name string, value json.RawMessage, again bool, parts []part) {
	if again {
		b.refuse(codeDuplicate, target, "is there twice; leave one out")
		return
	}
	var names []string
	for _, p := range parts {
		if p.name == name {
			p.read(target, value)
			return
		}
		names = append(names, p.name)
	}
	b.refuse(codeUnknown, target, "is unknown; there are %s", strings.Join(names, ", "))
}

func join(target, name string) string {
	if target == "" {
		return name
	}
	return target + "." + name
}

func orBody(target string) string {
	if target == "" {
		return "body"
	}
	return target
}

// text reads a string.
func (b *bodyReader) text(take func(target, text string)) func(string, json.RawMessage) {
	return func(target string, value json.RawMessage) {
		var text string
		if err := json.Unmarshal(value, &text); err != nil || isNull(value) {
			b.refuse(codeInvalid, target, "is not a string; leave it out, or write it in quotes")
			return
		}
		take(target, text)
	}
}

// list reads a list of objects or strings, each as one does.
func (b *bodyReader) list(what string, one func(string, json.RawMessage)) func(string, json.RawMessage) {
	return func(target string, value json.RawMessage) {
		var elements []json.RawMessage
		if err := json.Unmarshal(value, &elements); err != nil || isNull(value) {
			b.refuse(codeInvalid, target, "is not a list of %s", what)
			return
		}
		for i, element := range elements {
			if b.enough() {
				return
			}
			one(fmt.Sprintf("%s[%d]", target, i), element)
		}
	}
}

// readOnly refuses what nobody but the service can set. A null says nothing, so it does no harm.
func (b *bodyReader) readOnly(target string, value json.RawMessage) {
	if !isNull(value) {
		b.refuse(codeReadOnly, target, "is read-only; leave it out")
	}
}

func isNull(value json.RawMessage) bool { return string(bytes.TrimSpace(value)) == "null" }
