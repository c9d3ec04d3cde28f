package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// How much of a text from a record is shown, in characters. Relationships have shorter names and ids have no more; the names of
// people and organisations come from a directory and may be anything.
const (
	longestName = 64
	longestID   = 73 // of a Graph id
)

// clean makes one harmless line of a text that somebody else has chosen: nothing that begins a new line, ends a string, or turns
// the direction of what stands beside it. Spaces are single, and what has more than longest characters is cut and ends in "…".
// Markup is left alone: the layouts escape it.
func clean(s string, longest int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r // an invalid byte arrives here as U+FFFD, and stays that
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest-1]) + "…"
	}
	return s
}

// plainHeader keeps clean text from being read as an RFC 2047 encoded word, which would bring back by the mail program's
// door whatever clean has thrown out.
func plainHeader(s string) string { return strings.ReplaceAll(s, "=?", "= ?") }
