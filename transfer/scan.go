package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxRecord is the longest record or line that is read into memory. A relationship takes about 1 KiB.
const maxRecord = 1 << 20

// window is how much of a file is in memory at a time, records apart, and how much of it decides what its shape is.
const window = 64 << 10

// A Broken says where the JSON or CSV of a file stops making sense. Nothing after it can be read.
type Broken struct {
	Line   int // from 1
	Column int // from 1, in bytes
	Reason string
}

func (b *Broken) Error() string {
	return fmt.Sprintf("column %d: %s; nothing after this place was read", b.Column, b.Reason)
}

// A place is a position in a file. The zero place is not one; a file begins at line 1.
type place struct {
	offset    int64 // in bytes from the beginning
	line      int
	lineStart int64 // the offset at which the line begins
}

// after is the place that follows once text has been passed.
func (p place) after(text []byte) place {
	if n := bytes.Count(text, []byte{'\n'}); n > 0 {
		p.line += n
		p.lineStart = p.offset + int64(bytes.LastIndexByte(text, '\n')) + 1
	}
	p.offset += int64(len(text))
	return p
}

func (p place) broken(format string, args ...any) *Broken {
	return &Broken{Line: p.line, Column: int(p.offset-p.lineStart) + 1, Reason: fmt.Sprintf(format, args...)}
}

// A scanner goes over a file once, in a window of fixed size, and knows at which line it is. It understands of JSON no more
// than where a value ends: what is inside is judged once it has been cut out.
type scanner struct {
	place
	in *bufio.Reader
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// newScanner starts at the beginning of r, behind a UTF-8 byte order mark.
func newScanner(r io.Reader) *scanner {
	s := &scanner{place: place{line: 1}, in: bufio.NewReaderSize(r, window)}
	if head, _ := s.in.Peek(len(byteOrderMark)); bytes.Equal(head, byteOrderMark) {
		s.pass(head)
		s.lineStart = s.offset
	}
	return s
}

// chunk is what can be looked at without reading on: at least one byte, or an error, which at the end is io.EOF.
func (s *scanner) chunk() ([]byte, error) {
	if _, err := s.in.Peek(1); err != nil {
		return nil, err
	}
	return s.in.Peek(s.in.Buffered())
}

// pass moves on behind b, the beginning of what chunk has answered.
func (s *scanner) pass(b []byte) {
	s.place = s.after(b)
	_, _ = s.in.Discard(len(b)) // it is all buffered
}

// skipSpace passes white space and answers the byte that follows, which is not passed.
func (s *scanner) skipSpace() (byte, error) {
	for {
		b, err := s.chunk()
		if err != nil {
			return 0, err
		}
		rest := bytes.TrimLeft(b, " \t\r\n")
		s.pass(b[:len(b)-len(rest)])
		if len(rest) > 0 {
			return rest[0], nil
		}
	}
}

// expect passes white space and then want, or answers false where something else is there.
func (s *scanner) expect(want byte) (bool, error) {
	got, err := s.skipSpace()
	if err != nil || got != want {
		return false, err
	}
	s.pass([]byte{want})
	return true, nil
}

// readLine passes a line and appends it to keep, without its end. Of one longer than maxRecord only the beginning is kept.
func (s *scanner) readLine(keep []byte) (line []byte, tooLong bool, err error) {
	for begun := false; ; begun = true {
		b, err := s.chunk()
		if errors.Is(err, io.EOF) && begun {
			return keep, tooLong, nil
		}
		if err != nil {
			return keep, tooLong, err
		}
		end := bytes.IndexByte(b, '\n')
		part := b
		if end >= 0 {
			part = b[:end]
		}
		keep, tooLong = keepUpTo(keep, part, tooLong)
		if end >= 0 {
			s.pass(b[:end+1])
			return keep, tooLong, nil
		}
		s.pass(b)
	}
}

// keepUpTo appends part to keep as long as that stays within maxRecord.
func keepUpTo(keep, part []byte, tooLong bool) ([]byte, bool) {
	if room := maxRecord - len(keep); len(part) > room {
		return append(keep, part[:room]...), true
	}
	return append(keep, part...), tooLong
}

// value passes one JSON value, whatever its length, and puts it into keep, up to maxRecord of it. The scanner must stand at
// the value's first byte. The error is a *Broken where it is not JSON.
func (s *scanner) value(keep []byte) (text []byte, tooLong bool, err error) {
	start := s.place
	text = keep[:0]
	err = s.walk(func(part []byte) { text, tooLong = keepUpTo(text, part, tooLong) })
	var broken *Broken
	if err == nil || errors.As(err, &broken) {
		if earlier := syntax(start, text, err == nil && !tooLong); earlier != nil {
			return text, tooLong, earlier
		}
	}
	return text, tooLong, err
}

// passValue passes one JSON value without looking into it.
func (s *scanner) passValue() error { return s.walk(func([]byte) {}) }

// walk passes one JSON value, giving it to each in parts.
func (s *scanner) walk(each func(part []byte)) error {
	start := s.offset
	var c cut
	for !c.over {
		b, err := s.chunk()
		if errors.Is(err, io.EOF) && c.scalar {
			return nil // a number ends where the file does
		}
		if err != nil {
			return s.truncated(err)
		}
		n := c.scan(b)
		each(b[:n])
		s.pass(b[:n])
		if c.bad {
			return s.broken("a line ends inside a quoted text")
		}
	}
	if s.offset == start {
		return s.broken("a value is missing here")
	}
	return nil
}

// truncated says that the file ends where it should not; any other error of reading passes through.
func (s *scanner) truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return s.broken("the file ends in the middle; it was cut off, fetch or save it again")
	}
	return err
}

// syntax finds the first place at which text, which begins at start, is not JSON; nil where it is. Unless text is whole, it
// may well end in the middle.
func syntax(start place, text []byte, whole bool) *Broken {
	if whole && json.Valid(text) {
		return nil
	}
	var raw json.RawMessage
	var wrong *json.SyntaxError
	err := json.Unmarshal(text, &raw)
	if !errors.As(err, &wrong) {
		return nil
	}
	if wrong.Offset >= int64(len(text)) && wrong.Error() == "unexpected end of JSON input" {
		if !whole {
			return nil
		}
		return start.after(text).broken("the JSON ends in the middle")
	}
	return start.after(text[:max(wrong.Offset-1, 0)]).broken("%v", wrong)
}

// A cut finds where a JSON value ends, by its brackets and quotation marks alone.
type cut struct {
	depth   int
	text    bool // inside a quoted text
	escaped bool // behind a \
	scalar  bool // inside a number, true, false or null that stands by itself

	over bool
	bad  bool // a line ended inside a text, which JSON does not allow
}

// scan goes over b and says how much of it belongs to the value.
func (c *cut) scan(b []byte) int {
	for i := 0; i < len(b); i++ {
		if c.text {
			i += c.scanText(b[i:])
			if c.over || c.bad || i == len(b) {
				return i
			}
			continue
		}
		switch b[i] {
		case '"':
			c.over, c.text = c.scalar, !c.scalar
		case '{', '[':
			c.over = c.scalar
			c.depth++
		case '}', ']':
			c.over = c.depth <= 1
			c.depth--
			if c.over && c.depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			c.over = c.depth == 0
		default:
			c.scalar = c.depth == 0
		}
		if c.over {
			return i
		}
	}
	return len(b)
}

// scanText goes over b inside a quoted text, and answers the index of the mark that closes it; where the value is over with
// it, one more.
func (c *cut) scanText(b []byte) int {
	const hop = 512
	for i := 0; i < len(b); i++ {
		if i > 0 && i%hop == 0 && !c.escaped {
			if part := b[i:min(i+hop, len(b))]; isPlain(part) {
				i += len(part) - 1
				continue
			}
		}
		switch ch := b[i]; {
		case c.escaped:
			c.escaped = false
			c.bad = ch == '\n'
		case ch == '\\':
			c.escaped = true
		case ch == '\n':
			c.bad = true
		case ch == '"':
			c.text = false
			c.over = c.depth == 0
			if c.over {
				return i + 1
			}
			return i
		}
		if c.bad {
			return i
		}
	}
	return len(b)
}

// isPlain says whether b holds no mark that matters inside a text. A long text is passed over many times faster by it.
func isPlain(b []byte) bool {
	return bytes.IndexByte(b, '"') < 0 && bytes.IndexByte(b, '\\') < 0 && bytes.IndexByte(b, '\n') < 0
}

// members walks over the members of the JSON object at which s stands.
type members struct {
	s     *scanner
	begun bool
	buf   []byte
}

// next passes the name of the next member and stops before its value, which the caller has to pass. ok is false behind the
// end of the object.
func (m *members) next() (name string, ok bool, err error) {
	if over, err := m.separator(); over || err != nil {
		return "", false, err
	}
	at := m.s.place
	if c, err := m.s.skipSpace(); err != nil || c != '"' {
		return "", false, m.s.missing("a name in quotation marks", err)
	}
	text, tooLong, err := m.s.value(m.buf)
	m.buf = text
	if err != nil {
		return "", false, err
	}
	if !tooLong && json.Unmarshal(text, &name) != nil {
		return "", false, at.broken("the name of a field is not readable")
	}
	if found, err := m.s.expect(':'); err != nil || !found {
		return "", false, m.s.missing("a colon", err)
	}
	if _, err := m.s.skipSpace(); err != nil {
		return "", false, m.s.truncated(err)
	}
	return name, true, nil
}

// separator passes what stands before a name, and says whether the object is over.
func (m *members) separator() (over bool, err error) {
	if !m.begun {
		m.begun = true
		if found, err := m.s.expect('{'); err != nil || !found {
			return false, m.s.missing("an object", err)
		}
		return m.s.expectEnd('}')
	}
	if over, err := m.s.expectEnd('}'); over || err != nil {
		return over, err
	}
	if found, err := m.s.expect(','); err != nil || !found {
		return false, m.s.missing("a comma or }", err)
	}
	return false, nil
}

// expectEnd is expect, for a bracket that must come sooner or later.
func (s *scanner) expectEnd(bracket byte) (bool, error) {
	found, err := s.expect(bracket)
	if err != nil {
		return false, s.truncated(err)
	}
	return found, nil
}

// missing says that want should stand here, err being why it could not be looked for, if so.
func (s *scanner) missing(want string, err error) error {
	if err != nil {
		return s.truncated(err)
	}
	return s.broken("%s is missing here", want)
}
