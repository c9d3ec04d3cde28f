package odata

import (
	"strings"
	"unicode/utf8"
)

// A token is the smallest piece of a filter that means something.
type token struct {
	kind   tokenKind
	text   string // as it stands there; of a literal in quotes: what it says
	prefix string // of a literal in quotes: the word before the quote, e.g. duration
	column int
}

type tokenKind int

const (
	end     tokenKind = iota
	word              // a field, an operator, a function
	literal           // in quotes
	bare              // begins with a digit: an instant, a number
	open
	closing
	comma
	stray // what begins nothing
)

// String is the token as a message names it.
func (t token) String() string {
	switch t.kind {
	case end:
		return "the end"
	case literal:
		return quoted(t.prefix + "'" + t.text + "'")
	}
	return quoted(t.text)
}

// is says whether the token is a keyword. Source: OData 4.01, part 1, section 8: in whatever case.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

// A scanner cuts a text that fits into tokens.
type scanner struct {
	rest   string
	column int // of the first character of rest
}

// take cuts n bytes off.
func (s *scanner) take(n int) string {
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	s.column += utf8.RuneCountInString(taken)
	return taken
}

// span is how many bytes of the rest are of a kind.
func (s *scanner) span(of func(byte) bool) int {
	n := 0
	for n < len(s.rest) && of(s.rest[n]) {
		n++
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '@'
}

func inWord(c byte) bool { return isLetter(c) || isDigit(c) || c == '/' || c == '.' || c == '-' }
func inBare(c byte) bool { return inWord(c) || c == ':' || c == '+' }
func isStray(c byte) bool {
	return !isSpace(c) && !inBare(c) && !strings.ContainsRune("'(),", rune(c))
}

// next is the next token. The error is a *[Fault].
func (s *scanner) next() (token, error) {
	s.take(s.span(isSpace))
	t := token{column: s.column}
	if s.rest == "" {
		return t, nil
	}
	switch c := s.rest[0]; {
	case c == '\'':
		return s.quotedLiteral(t)
	case c == '(':
		t.kind, t.text = open, s.take(1)
	case c == ')':
		t.kind, t.text = closing, s.take(1)
	case c == ',':
		t.kind, t.text = comma, s.take(1)
	case isDigit(c) || c == '-' || c == '+':
		t.kind, t.text = bare, s.take(s.span(inBare))
	case isLetter(c):
		t.kind, t.text = word, s.take(s.span(inWord))
		if strings.HasPrefix(s.rest, "'") {
			t.prefix = t.text
			return s.quotedLiteral(t)
		}
	default:
		t.kind, t.text = stray, s.take(max(1, s.span(isStray)))
	}
	return t, nil
}

// quotedLiteral reads what stands between two quotes; a quote inside is written twice.
func (s *scanner) quotedLiteral(t token) (token, error) {
	t.kind = literal
	from := s.column
	s.take(1)
	var text strings.Builder
	for {
		n := strings.IndexByte(s.rest, '\'')
		if n < 0 {
			return t, &Fault{from, "the text that begins here has no end; close it with ', and write a ' inside it twice"}
		}
		text.WriteString(s.take(n))
		s.take(1)
		if !strings.HasPrefix(s.rest, "'") {
			t.text = text.String()
			return t, nil
		}
		text.WriteString(s.take(1))
	}
}
