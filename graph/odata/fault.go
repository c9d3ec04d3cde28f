package odata

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A Fault is what is wrong with a text, where, and what to do about it. It repeats no more of the text than a few words.
type Fault struct {
	Column int // in characters, from 1; one behind the last where something is missing at the end
	Reason string
}

func (f *Fault) Error() string { return fmt.Sprintf("column %d: %s", f.Column, f.Reason) }

// longestText is how long any of the texts may be, in characters.
const longestText = 4000

// fit refuses a text that is empty, too long, or that no database could take.
func fit(text string) error {
	column := 0
	for i, c := range text {
		column++
		switch _, size := utf8.DecodeRuneInString(text[i:]); {
		case c == utf8.RuneError && size == 1:
			return &Fault{column, "is not valid UTF-8; send it percent-encoded UTF-8"}
		case c == 0:
			return &Fault{column, "there is a NUL character; take it out"}
		case column > longestText:
			return &Fault{column, fmt.Sprintf("is longer than %d characters; ask for less at a time", longestText)}
		}
	}
	if text == "" {
		return &Fault{1, "is empty; leave it out, or write something"}
	}
	return nil
}

// quoted is a piece of the text as a message repeats it: not all of a long one.
func quoted(s string) string {
	const longest = 40
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest]) + "…"
	}
	return strconv.Quote(s)
}
