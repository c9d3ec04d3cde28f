package explain

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/width"

	"github.com/tenure-dev/tenure/lifecycle"
)

// columns is how wide a story is told on a terminal, and stamps how much of it the instants take.
const (
	columns = 100
	stamps  = 2 + len("2026-01-05T09:00:00Z") + 2
)

// WriteText writes the story for people: beside each sentence its instant in UTC, below it the line of the policy that says so.
func (s *Story) WriteText(w io.Writer) error {
	t := tongueOf(s.Language)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", s.Title)
	if s.Title != s.Relationship {
		fmt.Fprintf(&b, "%s\n", s.Relationship)
	}
	fmt.Fprintf(&b, "%s\n", t.phrase("as of", facts{"now": t.when(s.At), "utc": lifecycle.FormatInstant(s.At)}))
	for i := range s.Sections {
		fmt.Fprintf(&b, "\n%s\n", s.Sections[i].Heading)
		shown := map[string]bool{} // each line of the policy once in a section
		for j := range s.Sections[i].Sentences {
			sentence := s.Sections[i].Sentences[j]
			if p := sentence.Policy; p != nil && shown[p.Key] {
				sentence.Policy = nil
			} else if p != nil {
				shown[p.Key] = true
			}
			t.writeSentence(&b, &sentence)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the story: %w", err)
	}
	return nil
}

func (t *tongue) writeSentence(b *strings.Builder, s *Sentence) {
	stamp := lifecycle.FormatInstant(s.At)
	lines := wrap(s.Text, columns-stamps)
	if len(stamp) > stamps-4 { // microseconds: they stand on a line of their own
		fmt.Fprintf(b, "  %s\n", stamp)
		stamp = ""
	}
	for _, line := range lines {
		fmt.Fprintf(b, "  %-*s  %s\n", stamps-4, stamp, line)
		stamp = ""
	}
	if s.Policy != nil {
		for _, line := range wrap(t.policyText(s.Policy), columns-stamps) {
			fmt.Fprintf(b, "%*s%s\n", stamps, "", line)
		}
	}
}

// policyText is a line of the policy as it stands below a sentence.
func (t *tongue) policyText(p *PolicyLine) string {
	phrase := "policy"
	if p.Source != SourceUnknown {
		phrase += "." + string(p.Source)
	}
	return t.phrase(phrase, facts{"key": p.Key, "value": p.Value})
}

// wrap breaks a text into lines of at most so many columns: at blanks, and between characters that are two columns wide, which
// have none. A word that is longer than a line, such as an id, and a command in backticks stay whole, so that they can be copied.
func wrap(text string, most int) (lines []string) {
	var line strings.Builder
	taken := 0
	flush := func() {
		lines = append(lines, strings.TrimRight(line.String(), " "))
		line.Reset()
		taken = 0
	}
	for _, piece := range pieces(text) {
		size := widthOf(piece)
		if taken > 0 && taken+widthOf(strings.TrimRight(piece, " ")) > most {
			flush()
			piece = strings.TrimLeft(piece, " ")
			size = widthOf(piece)
		}
		line.WriteString(piece)
		taken += size
	}
	flush()
	return lines
}

// What a line of Japanese does not begin with, or end with.
const notFirst, notLast = "、。，．）」』】：；？！ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ", "（「『【"

// pieces cuts a text where a line may end: each piece is a word or a command with the blanks behind it, or a wide character with
// the marks that must not stand apart from it.
func pieces(text string) (all []string) {
	var piece []rune
	runes, command := []rune(text), false
	for i, c := range runes {
		piece = append(piece, c)
		if c == '`' {
			command = !command
		}
		if i+1 == len(runes) {
			break
		}
		follows := runes[i+1]
		switch {
		case command || follows == ' ' || strings.ContainsRune(notFirst, follows) || strings.ContainsRune(notLast, c):
			continue
		case c == ' ', isWide(c), isWide(follows):
			all, piece = append(all, string(piece)), nil
		}
	}
	return append(all, string(piece))
}

func isWide(c rune) bool {
	k := width.LookupRune(c).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}

func widthOf(s string) (n int) {
	for _, c := range s {
		n++
		if isWide(c) {
			n++
		}
	}
	return n
}
