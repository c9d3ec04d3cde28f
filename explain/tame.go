package explain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestFact is how many characters of a text from elsewhere are shown. The longest that belong here, a Graph id and what a mail
// server says, fit.
const longestFact = 1000

// tame makes a text from elsewhere one harmless line: nothing in it moves the cursor, rings the bell, turns the direction of what
// stands around it, or cannot be seen. What is taken out leaves a blank, so that words stay apart.
func tame(s string) string {
	if isTame(s) {
		return s
	}
	s = strings.Map(func(c rune) rune {
		switch {
		case c == utf8.RuneError || unicode.IsControl(c) || unicode.IsSpace(c):
			return ' '
		case !unicode.IsGraphic(c): // format characters, what is in private use, what is not assigned
			return -1
		}
		return c
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > longestFact {
		s = string([]rune(s)[:longestFact-1]) + "…"
	}
	return s
}

// isTame is quick to say so of what most texts are.
func isTame(s string) bool {
	if len(s) > longestFact {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
