package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// How much of a text from a record is shown, in characters. Relationships have shorter names and ids have no more; the names of
// people and organisations come from a directory and may be anything.
const (
	longestName    = 64
	longestID      = 73  // of a Graph id
	longestSubject = 250 // room for two names and for what is said of them
)

// Joiners hold the parts of an emoji together, and letters of some scripts apart.
const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// mostMarks is how many accents may stand on one letter. No language needs more; what has dozens covers the lines beside it.
const mostMarks = 4

// clean makes one harmless line of a text that somebody else has chosen: nothing that begins a new line, ends a string, turns
// the direction of what stands beside it, or cannot be seen. Spaces are single, and what has more than longest characters is cut
// and ends in "…". Markup is left alone: the layouts escape it.
func clean(s string, longest int) string {
	if isClean(s, longest) {
		return s
	}
	marks := 0
	s = strings.Map(func(r rune) rune {
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		switch {
		case marks > mostMarks:
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case r != zeroWidthJoiner && r != zeroWidthNonJoiner && unseen(r):
			return -1
		}
		return r // an invalid byte arrives here as U+FFFD, and stays that
	}, s)
	words := strings.Fields(s)
	for i, word := range words {
		words[i] = strings.Trim(word, string(zeroWidthJoiner)+string(zeroWidthNonJoiner)) // at an edge they join nothing
	}
	s = strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest-1]) + "…"
	}
	return s
}

// isClean knows the common case, in which there is nothing to do.
func isClean(s string, longest int) bool {
	if len(s) > longest {
		return false
	}
	space := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || space && s[i] == ' ' {
			return false
		}
		space = s[i] == ' '
	}
	return !space || s == ""
}

// unseen says whether a character leaves no mark on the page: the controls of direction and format, and fillers that take the
// place of a letter. A name of nothing else is none.
func unseen(r rune) bool {
	switch r {
	case '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return true
	}
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r)
}

// unlinked keeps a mail program from making a link of a name such as "evil.example.com": what nobody here wrote, nobody is to
// be sent to. A character without width stands behind each sign that such a link is known by. Names that look like no address
// stay as they are.
func unlinked(s string) string {
	if !strings.ContainsAny(s, ".@:。．｡") {
		return s
	}
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		b.WriteRune(r)
		if strings.ContainsRune(".@:。．｡", r) && i+1 < len(runes) && !unicode.IsSpace(runes[i+1]) && !unicode.IsDigit(runes[i+1]) {
			b.WriteRune(zeroWidthNonJoiner)
		}
	}
	return b.String()
}

// plainHeader keeps clean text from being read as an RFC 2047 encoded word, which would bring back by the mail program's
// door whatever clean has thrown out.
func plainHeader(s string) string { return strings.ReplaceAll(s, "=?", "= ?") }
