package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// encoding/csv reads a whole line, and behind a quotation mark that nobody closes a whole file, into memory. Hence this
// reader, which does the same in bounded memory, and after a bad row goes on with the next line.

// A csvReader reads contacts from a CSV with a header line, the columns in any order, the fields between , or ; or tabs.
type csvReader struct {
	s       *scanner
	comma   byte
	columns []int // for each column of the file its place in [lifecycle.ContactColumns]; -1: passed over
}

// newCSVReader reads the header.
func newCSVReader(s *scanner) (*csvReader, error) {
	if _, err := s.skipSpace(); err != nil {
		return nil, err
	}
	head, err := s.chunk()
	if err != nil {
		return nil, err
	}
	c := &csvReader{s: s, comma: delimiter(head)}
	header, err := c.row()
	if unlessBroken(err) != nil {
		return nil, err
	}
	if err != nil || header.why != "" {
		return nil, &FileError{Why: "its header line cannot be read", Next: "write it like " + strings.Join(lifecycle.ContactColumns, ",")}
	}
	var missing []string
	for _, field := range header.fields {
		column := contactColumn(field)
		if column >= 0 && slices.Contains(c.columns, column) {
			return nil, &FileError{Why: fmt.Sprintf("has the column %s twice", lifecycle.ContactColumns[column]), Next: "leave one out"}
		}
		c.columns = append(c.columns, column)
	}
	for i, name := range requiredColumns {
		if !slices.Contains(c.columns, i) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, &FileError{Why: "its header line lacks " + strings.Join(missing, " and "),
			Next: "a CSV begins with the header " + strings.Join(lifecycle.ContactColumns, ",")}
	}
	return c, nil
}

// delimiter is the one of , ; and tab that stands in the first line most often.
func delimiter(head []byte) byte {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	best := byte(',')
	for _, c := range []byte{';', '\t'} {
		if bytes.Count(line, []byte{c}) > bytes.Count(line, []byte{best}) {
			best = c
		}
	}
	return best
}

// next cuts out a row that is not blank.
func (c *csvReader) next() (Item, error) {
	for {
		line := c.s.line
		row, err := c.row()
		switch {
		case err != nil:
			return Item{}, err
		case row.blank():
			continue
		case row.why == "" && len(row.fields) != len(c.columns):
			row.why = fmt.Sprintf("has %d fields, the header %d", len(row.fields), len(c.columns))
		}
		if row.why != "" {
			return faulty(line, "", row.why), nil
		}
		return Item{Line: line, Text: c.json(row.fields)}, nil
	}
}

func (c *csvReader) json(fields []string) []byte {
	var w lifecycle.WireContact
	for i, column := range c.columns {
		if column >= 0 {
			*w.Column(column) = fields[i]
		}
	}
	text, _ := json.Marshal(w) // five strings
	return text
}

// row passes a row of the file. The error is io.EOF behind the last one, or a *Broken where a quotation mark is never closed.
func (c *csvReader) row() (csvRow, error) {
	start := c.s.place
	r := csvRow{comma: c.comma}
	for begun := false; ; begun = true {
		b, err := c.s.chunk()
		if errors.Is(err, io.EOF) && begun {
			if r.state == inQuotes {
				return r, start.broken("a quotation mark opens in this row and is never closed")
			}
			r.endField()
			return r, nil
		}
		if err != nil {
			return r, err
		}
		n := r.take(b)
		c.s.pass(b[:n])
		if r.over {
			return r, nil
		}
	}
}

// A csvRow is a row as far as it has been read.
type csvRow struct {
	comma  byte
	fields []string
	field  []byte
	state  csvState
	size   int
	over   bool
	why    string // the row cannot be used
}

type csvState int

const (
	atStart  csvState = iota // of a field
	unquoted                 // inside a field without quotation marks
	inQuotes                 // inside one with
	behind                   // behind a quotation mark that closes the field or, if another follows, stands for itself
)

// take goes over b up to the end of the row, and says how far that was.
func (r *csvRow) take(b []byte) int {
	for i, ch := range b {
		r.size++
		if r.size > maxRecord && r.why == "" {
			r.why = fmt.Sprintf("is longer than %d MiB and was passed over", maxRecord>>20)
			r.fields, r.field = nil, nil
		}
		if ch == '\n' && r.state != inQuotes {
			r.endField()
			r.over = true
			return i + 1
		}
		r.step(ch)
	}
	return len(b)
}

// step takes a byte that does not end the row.
func (r *csvRow) step(ch byte) {
	switch {
	case r.state == inQuotes && ch == '"':
		r.state = behind
	case r.state == inQuotes:
		r.keep(ch)
	case ch == r.comma:
		r.endField()
		r.state = atStart
	case r.state == behind && ch == '"':
		r.keep(ch)
		r.state = inQuotes
	case r.state == behind && ch != '\r' && ch != ' ':
		r.fault("has text behind a closing quotation mark; inside a field, write it twice")
	case r.state == atStart && ch == '"':
		r.state = inQuotes
	case r.state == unquoted && ch == '"':
		r.fault("has a quotation mark inside a field without any; put the field into quotation marks and write the inner one twice")
	case r.state != behind:
		r.keep(ch)
		r.state = unquoted
	}
}

func (r *csvRow) keep(ch byte) {
	if r.why == "" {
		r.field = append(r.field, ch)
	}
}

func (r *csvRow) fault(why string) {
	if r.why == "" {
		r.why = why
	}
}

func (r *csvRow) endField() {
	if r.why != "" {
		return
	}
	if r.state == unquoted {
		r.field = bytes.TrimSuffix(r.field, []byte{'\r'})
	}
	if !utf8.Valid(r.field) {
		r.fault("is not valid UTF-8; save the file as UTF-8")
	}
	r.fields = append(r.fields, string(r.field))
	r.field = r.field[:0]
}

func (r *csvRow) blank() bool {
	return r.why == "" && len(r.fields) == 1 && strings.TrimSpace(r.fields[0]) == ""
}
