package lifecycle

import (
	"errors"
	"fmt"
	"strings"
)

// A Sentence is what people are told where something is refused or needs attention: in English, its facts in braces, under a code by which it
// is said in other languages. Codes never change their meaning, since programs may go by them.
type Sentence struct {
	Code    string
	English string
}

var sentences []Sentence

// Sentences lists them all, those of other rooms too, as far as the program has them.
func Sentences() []Sentence { return sentences }

// NewSentence is for package variables. A code that is taken is a fault of the program, and panics.
func NewSentence(code, english string) Sentence {
	for _, s := range sentences {
		if s.Code == code {
			panic("the sentence " + code + " is there twice")
		}
	}
	s := Sentence{code, english}
	sentences = append(sentences, s)
	return s
}

// Say fills in the facts, given as names and values in turn. A fact that has a word of its own in the field, such as a status, is called after it: status,
// action, side, standing, rule, state; so whoever says the sentence in another language knows the word.
func (s Sentence) Say(facts ...any) *Said {
	said := &Said{Code: s.Code, Facts: map[string]any{}}
	pairs := make([]string, 0, len(facts))
	for i := 0; i+1 < len(facts); i += 2 {
		name := fmt.Sprint(facts[i])
		said.Facts[name] = facts[i+1]
		pairs = append(pairs, "{"+name+"}", fmt.Sprint(facts[i+1]))
	}
	said.text = strings.NewReplacer(pairs...).Replace(s.English)
	return said
}

// A Said is a sentence with its facts. As an error its text is in English.
type Said struct {
	Code  string
	Facts map[string]any

	text string
}

func (s *Said) Error() string { return s.text }

// SaidBy is the sentence that an error is; nil where it is none.
func SaidBy(err error) *Said {
	var said *Said
	if errors.As(err, &said) {
		return said
	}
	return nil
}
