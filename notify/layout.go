package notify

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Layouts turn a page into the two forms of one message.
type layouts struct {
	text *template.Template
	html *htmltemplate.Template
}

// mostLaid is how long a message may become, in bytes. A digest of hundreds of notices has a fifth of it.
const mostLaid = 1 << 20

// layoutFunctions are what a layout may call, beside comparisons. All three bring one form of a thing that there is in one form only.
var layoutFunctions = map[string]any{"wrap": wrap, "table": table, "outlook": outlook}

// readLayouts reads both layouts, an operator's own ones in place of those that are built in.
func readLayouts(builtin, own map[string]templateFile) (ls layouts, faults []error) {
	file := func(name string) templateFile {
		if f, ok := own[name]; ok {
			return f
		}
		return builtin[name]
	}
	text, html := file("layout.txt"), file("layout.html")
	for _, f := range []templateFile{text, html} { // the escaping of HTML rewrites a template, so it is checked before
		parsed, err := template.New(f.place).Funcs(layoutFunctions).Parse(f.text)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		faults = append(faults, checkLayout(parsed)...)
	}
	if len(faults) > 0 {
		return ls, faults
	}
	var textErr, htmlErr error
	ls.text, textErr = template.New(text.place).Funcs(layoutFunctions).Parse(text.text)
	ls.html, htmlErr = htmltemplate.New(html.place).Funcs(layoutFunctions).Parse(html.text)
	if err := errors.Join(textErr, htmlErr); err != nil {
		faults = append(faults, err)
	}
	return ls, faults
}

// lay fills the page into both layouts.
func (ls *layouts) lay(p *page) (text, html string, err error) {
	t, h := limited{most: mostLaid}, limited{most: mostLaid}
	t.Grow(4 << 10)
	h.Grow(8 << 10)
	if err := errors.Join(ls.text.Execute(&t, p), ls.html.Execute(&h, p)); err != nil {
		return "", "", err
	}
	return t.String(), h.String(), nil
}

// outlook is markup for Outlook alone, which knows no greatest width and takes a table of a fixed one instead. html/template
// leaves out comments, so it comes from here.
func outlook(where string) (htmltemplate.HTML, error) {
	switch where {
	case "begin":
		return `<!--[if mso]><table role="presentation" width="640" align="center" cellpadding="0" cellspacing="0"><tr><td><![endif]-->`, nil
	case "end":
		return `<!--[if mso]></td></tr></table><![endif]-->`, nil
	}
	return "", fmt.Errorf(`outlook %q: write outlook "begin" or outlook "end"`, where)
}

// columns is how wide plain text becomes. Mail programs on a terminal have 80, less what a reply puts before it.
const columns = 76

// wrap breaks a paragraph into lines that begin with so many spaces, where it can be broken: at spaces, and between Japanese
// characters. A word that is longer than a line stays whole, so that an address or an id can be copied. The lines of a numbered
// paragraph begin behind its number.
func wrap(indent int, s string) string {
	margin := strings.Repeat(" ", max(0, min(indent, columns/2)))
	lines := make([]byte, 0, len(s)+len(s)/8+2*len(margin))
	lines = append(lines, margin...)
	at := len(margin)
	if len(s) > 3 && s[0] >= '1' && s[0] <= '9' && s[1:3] == ". " {
		margin += "   "
	}
	for first := true; s != ""; first = false {
		piece, wide := cutPiece(s)
		s = s[len(piece):]
		trailing := len(piece) - len(strings.TrimRight(piece, " "))
		if !first && at+wide-trailing > columns {
			lines = append(bytes.TrimRight(lines, " "), '\n')
			lines = append(lines, margin...)
			at = len(margin)
		}
		lines = append(lines, piece...)
		at += wide
	}
	return string(bytes.TrimRight(lines, " "))
}

// Japanese lines do not begin with these, and do not end with those. Source: JIS X 4051, in short.
var (
	neverFirst = runes("、。，．・：；？！ー」』）］｝〕〉》】々ぁぃぅぇぉっゃゅょァィゥェォッャュョ…‥,.!?:;)]}%”’")
	neverLast  = runes("「『（［｛〔〈《【“‘([{")
)

func runes(s string) map[rune]bool {
	set := map[rune]bool{}
	for _, r := range s {
		set[r] = true
	}
	return set
}

// cutPiece is the beginning of s that stands on one line, with the spaces behind it, and how many columns it takes.
func cutPiece(s string) (piece string, wide int) {
	if piece, ok := cutASCII(s); ok {
		return piece, len(piece)
	}
	var last rune
	lastWide := 0
	for i, r := range s {
		w := widthOf(r)
		switch {
		case i == 0:
		case last == ' ' && r != ' ':
			return s[:i], wide
		case r != ' ' && last != ' ' && (w == 2 || lastWide == 2) && !neverFirst[r] && !neverLast[last]:
			return s[:i], wide
		}
		wide += w
		last, lastWide = r, w
	}
	return s, wide
}

// cutASCII cuts a word and the spaces behind it, if it is all ASCII, as most are.
func cutASCII(s string) (piece string, ok bool) {
	i := 0
	for i < len(s) && s[i] > ' ' && s[i] < utf8.RuneSelf {
		i++
	}
	for i < len(s) && s[i] == ' ' {
		i++
	}
	return s[:i], i > 0 && (i == len(s) || s[i-1] == ' ')
}

// widthOf is how many columns a terminal gives to a character.
func widthOf(r rune) int {
	if r < 0x1100 || r >= 0x2000 && r < 0x2e80 { // Latin and its neighbours; punctuation such as “”
		if r == zeroWidthJoiner || r == zeroWidthNonJoiner {
			return 0
		}
		return 1
	}
	if r >= 0x3041 && r < 0xa000 { // what Japanese and Chinese are written in
		return 2
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func widthOfString(s string) (wide int) {
	for _, r := range s {
		wide += widthOf(r)
	}
	return wide
}

// table writes labels in one column and their values in another, which begins at the same place on each line.
func table(details []detail) string {
	const widest = 24 // of the labels; a longer one has its value on the next line
	column := 0
	for _, d := range details {
		if w := widthOfString(d.Label + d.Colon); w <= widest {
			column = max(column, w)
		}
	}
	var b strings.Builder
	for _, d := range details {
		label := d.Label + d.Colon
		value := wrap(column+4, d.Value)
		if long := columns - column - 4; len(d.Value) > long && !strings.Contains(d.Value, " ") {
			b.WriteString("  " + label + "\n" + wrap(4, d.Value)) // an id, which fits on a line of its own
		} else if pad := column + 2 - widthOfString(label); pad > 0 {
			b.WriteString("  " + label + strings.Repeat(" ", pad) + strings.TrimLeft(value, " "))
		} else {
			b.WriteString("  " + label + "\n" + value)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
