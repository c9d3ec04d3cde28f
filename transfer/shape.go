package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Shape is how a file arranges its records.
type Shape string

// The shapes. All are read, and all but ShapeObjects written.
const (
	ShapeEmpty   Shape = ""        // nothing but white space
	ShapeList    Shape = "list"    // a Graph list response: {"value":[…]}
	ShapeArray   Shape = "array"   // a JSON array
	ShapeNDJSON  Shape = "ndjson"  // a JSON object on each line
	ShapeObjects Shape = "objects" // JSON objects over several lines, one or more
	ShapeCSV     Shape = "csv"     // contacts only: a header line, then a line for each
)

// A FileError says why a file cannot be used at all, and what to do about it. Nothing was taken from it.
type FileError struct {
	File string
	Why  string
	Next string // what to do
	Err  error  // what the operating system said, if it did
}

func (e *FileError) Error() string {
	text := e.File + ": " + e.Why
	if e.Next != "" {
		text += "; " + e.Next
	}
	return text
}

func (e *FileError) Unwrap() error { return e.Err }

// foreign lists how files begin that are not text, with what to say about them.
var foreign = []struct{ begins, why, next string }{
	{"\x1f\x8b", "looks gzip-compressed", "run gunzip first"},
	{"PK\x03\x04", "looks like a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV (UTF-8)"},
	{"PK\x05\x06", "looks like a zip archive with nothing in it", "look at what made it"},
	{"%PDF", "looks like a PDF", "export the data as JSON or CSV"},
	{"\x28\xb5\x2f\xfd", "looks zstd-compressed", "run unzstd first"},
	{"BZh", "looks bzip2-compressed", "run bunzip2 first"},
	{"\xfd7zXZ\x00", "looks xz-compressed", "run unxz first"},
	{"SQLite format 3\x00", "is an SQLite database", "export from it first, e.g. with tenure export"},
	{"\xff\xfe", "is UTF-16, not UTF-8", "save as UTF-8"},
	{"\xfe\xff", "is UTF-16, not UTF-8", "save as UTF-8"},
	{"<", "looks like a web page or XML, perhaps a sign-in page", "fetch the data as JSON again"},
}

// classify says from the first bytes of a file, up to window of them, what its shape is; nothing else of a file is needed
// for that. The error is a *FileError without the file's name.
func classify(head []byte) (Shape, error) {
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.begins)) {
			return "", &FileError{Why: f.why, Next: f.next}
		}
	}
	if bytes.IndexByte(head[:min(len(head), 512)], 0) >= 0 {
		return "", &FileError{Why: "contains NUL bytes: it is UTF-16 or not text at all", Next: "save as UTF-8"}
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
	switch {
	case len(text) == 0 && len(head) >= window:
		return "", &FileError{Why: fmt.Sprintf("begins with more than %d KiB of white space", window>>10), Next: "look at what made it"}
	case len(text) == 0:
		return ShapeEmpty, nil
	case text[0] == '[':
		return ShapeArray, nil
	case text[0] == '{':
		return classifyObject(text)
	}
	return classifyText(text)
}

// classifyObject tells apart what may begin with an object: one that holds a list, one on each line, or one that goes on
// over several lines.
func classifyObject(text []byte) (Shape, error) {
	s := newScanner(bytes.NewReader(text))
	m := members{s: s}
	for {
		name, ok, err := m.next()
		if err != nil {
			return linesOrObjects(text), nil
		}
		if !ok {
			break
		}
		switch first, _ := s.skipSpace(); {
		case name == "value" && first == '[':
			return ShapeList, nil
		case name == "value":
			return "", &FileError{Why: `its "value" is not a list`, Next: `a list response looks like {"value":[…]}`}
		case name == "error" && (first == '{' || first == '"'):
			if answer, _, err := s.value(nil); err == nil && isWhole(s, &m) {
				return "", errorAnswer(answer)
			}
			return linesOrObjects(text), nil
		}
		if s.passValue() != nil {
			return linesOrObjects(text), nil
		}
	}
	if s.line == 1 {
		return ShapeNDJSON, nil
	}
	return ShapeObjects, nil
}

// isWhole says whether the object that m walks over is all that is left.
func isWhole(s *scanner, m *members) bool {
	for {
		_, ok, err := m.next()
		if err != nil {
			return false
		}
		if !ok {
			_, err := s.skipSpace()
			return errors.Is(err, io.EOF)
		}
		if s.passValue() != nil {
			return false
		}
	}
}

// linesOrObjects decides on an object that does not end, or not well: where the next line begins with an object of its own,
// one line was broken; otherwise the object simply goes on.
func linesOrObjects(text []byte) Shape {
	if next := secondLine(text); next == 0 || next == '{' {
		return ShapeNDJSON
	}
	return ShapeObjects
}

// secondLine is the byte with which the second line that is not blank begins; 0 where there is none.
func secondLine(text []byte) byte {
	_, rest, _ := bytes.Cut(text, []byte{'\n'})
	if rest = bytes.TrimLeft(rest, " \t\r\n"); len(rest) > 0 {
		return rest[0]
	}
	return 0
}

// errorAnswer reports the code and message of an error as Graph sends it.
func errorAnswer(answer []byte) error {
	e := &FileError{Why: "this is an error answer, not a list", Next: "fetch the list again"}
	var envelope struct{ Code, Message string }
	if json.Unmarshal(answer, &envelope) == nil && envelope.Code+envelope.Message != "" {
		e.Why += fmt.Sprintf(" (%s: %s)", printable(envelope.Code), printable(envelope.Message))
	}
	return e
}

// classifyText decides on a file that begins with neither { nor [.
func classifyText(text []byte) (Shape, error) {
	header, _, _ := bytes.Cut(text, []byte{'\n'})
	names := strings.ToLower(string(header))
	has := func(name string) bool { return strings.Contains(names, strings.ToLower(name)) }
	switch {
	case has("tenantId") || has("mail"):
		return ShapeCSV, nil
	case secondLine(text) == '{':
		return ShapeNDJSON, nil // a stray first line, which will be reported as such
	case has("displayName") || has("status"):
		return "", &FileError{Why: "looks like a CSV of relationships", Next: "CSV is read for contacts only; give relationships as JSON or NDJSON"}
	case !utf8.Valid(header) && len(header) < window/2:
		return "", &FileError{Why: "is neither JSON nor UTF-8 text", Next: "save as UTF-8"}
	}
	return "", &FileError{Why: fmt.Sprintf("is neither JSON nor a CSV of contacts: it begins with %q", printable(string(header))),
		Next: "a CSV begins with the header " + strings.Join(lifecycle.ContactColumns, ",")}
}

// printable keeps what came from a file from filling the screen, or from writing commands to a terminal.
func printable(s string) string {
	const longest = 80
	runes := 0
	for i := range s {
		if runes++; runes > longest {
			s = s[:i] + "…"
			break
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}
