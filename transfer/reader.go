package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An Item is one record of a file, cut out but not yet understood.
type Item struct {
	Line int    // where it starts, from 1
	Text []byte // JSON; of a CSV, the row as JSON. Valid until the next call

	// Fault, where it is set, says why the record could not be read; Text is then empty. The next one can be.
	Fault *lifecycle.Fault

	// Of a line that nobody has looked at whether it is JSON: the whole of it, and where it starts.
	unchecked []byte
	start     place
}

// malformed says why the record is no JSON; nil where it is.
func (item *Item) malformed() *lifecycle.Fault {
	if item.unchecked == nil || json.Valid(item.Text) {
		return nil
	}
	broken := syntax(item.start, item.unchecked, true)
	return faulty(item.Line, "", fmt.Sprintf("column %d: %s", broken.Column, broken.Reason)).Fault
}

// A Reader cuts a file into records, whatever its shape. It holds one record in memory, of at most 1 MiB.
type Reader struct {
	shape Shape
	s     *scanner
	next  func() (Item, error)
	buf   []byte
	err   error

	trusting bool // whoever reads finds out by itself whether a line is JSON: see Item.malformed
}

// NewReader looks at the first bytes of a file, and refuses it with a *[FileError] if they are not those of a file that can
// be read. Of a list response it reads everything once before it answers, since "@odata.nextLink" may come behind the
// records: such a response is one page of several, and refused unless partial is set.
func NewReader(file string, in io.ReadSeeker, partial bool) (*Reader, error) {
	shape, err := inspect(in, partial)
	if err != nil {
		return nil, inFile(file, err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, inFile(file, err)
	}
	return newReader(file, in, shape)
}

// newReader reads a file that has been inspected.
func newReader(file string, in io.Reader, shape Shape) (*Reader, error) {
	r := &Reader{shape: shape, s: newScanner(in)}
	switch shape {
	case ShapeEmpty:
		r.next = func() (Item, error) { return Item{}, io.EOF }
	case ShapeNDJSON:
		r.next = r.nextLine
	case ShapeObjects:
		r.next = r.nextObject
	case ShapeArray:
		l := list{r: r}
		r.next = l.nextOfArray
	case ShapeList:
		l := list{r: r, members: members{s: r.s}}
		r.next = l.nextOfResponse
	case ShapeCSV:
		rows, err := newCSVReader(r.s)
		if err != nil {
			return nil, inFile(file, err)
		}
		r.next = rows.next
	}
	return r, nil
}

// Shape is the shape of the file.
func (r *Reader) Shape() Shape { return r.shape }

// Offset is how many bytes have been read.
func (r *Reader) Offset() int64 { return r.s.offset }

// Next cuts out the next record. The error is io.EOF at the end, or a *[Broken] where the rest of the file cannot be read.
// After an error every further call answers the same.
func (r *Reader) Next() (Item, error) {
	if r.err != nil {
		return Item{}, r.err
	}
	item, err := r.next()
	r.err = err
	return item, err
}

// inspect finds the shape of a file, and what forbids to use it.
func inspect(in io.ReadSeeker, partial bool) (Shape, error) {
	head := make([]byte, window)
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	shape, err := classify(head[:n])
	if err != nil || shape != ShapeList {
		return shape, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return shape, inspectResponse(newScanner(in), partial)
}

// inspectResponse goes over a list response for what stands beside its records. Broken JSON is left to the reading.
func inspectResponse(s *scanner, partial bool) error {
	m := members{s: s}
	lists := 0
	for {
		name, ok, err := m.next()
		if err != nil {
			return unlessBroken(err)
		}
		if !ok {
			break
		}
		first, _ := s.skipSpace()
		switch {
		case name == "@odata.nextLink" && first == '"' && !partial:
			return &FileError{Why: `carries "@odata.nextLink": it is one page of several`,
				Next: "fetch all pages, or pass --partial to take this one as it is"}
		case name == "value":
			if lists++; lists > 1 {
				return &FileError{Why: `has "value" twice`, Next: "look at what made it"}
			}
		}
		if err := s.passValue(); err != nil {
			return unlessBroken(err)
		}
	}
	if _, err := s.skipSpace(); err == nil {
		return &FileError{Why: fmt.Sprintf("something follows the list response, at line %d", s.line),
			Next: "put each response into a file of its own"}
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func unlessBroken(err error) error {
	var broken *Broken
	if errors.As(err, &broken) {
		return nil
	}
	return err
}

// inFile puts the name of the file to what is wrong with it.
func inFile(file string, err error) error {
	var unusable *FileError
	if errors.As(err, &unusable) {
		named := *unusable
		named.File = file
		return &named
	}
	return fmt.Errorf("%s: reading: %w", file, err)
}

// nextLine cuts out a line that is not blank. A line that is not JSON is a fault of that line alone.
func (r *Reader) nextLine() (Item, error) {
	for {
		start := r.s.place
		line, tooLong, err := r.s.readLine(r.buf[:0])
		r.buf = line
		if err != nil {
			return Item{}, err
		}
		text := bytes.TrimPrefix(bytes.TrimSpace(line), byteOrderMark) // of files that were put together
		if len(text) == 0 && !tooLong {
			continue
		}
		item := judged(Item{Line: start.line, Text: text}, tooLong)
		if item.Fault != nil {
			return item, nil
		}
		item.unchecked, item.start = line, start
		if r.trusting {
			return item, nil
		}
		if fault := item.malformed(); fault != nil {
			return Item{Line: start.line, Fault: fault}, nil
		}
		return item, nil
	}
}

// nextObject cuts out an object of a file in which they stand one after the other, over as many lines as they like.
func (r *Reader) nextObject() (Item, error) {
	if _, err := r.s.skipSpace(); err != nil {
		return Item{}, err
	}
	return r.nextValue()
}

// nextValue cuts out the value at which the scanner stands.
func (r *Reader) nextValue() (Item, error) {
	line := r.s.line
	text, tooLong, err := r.s.value(r.buf)
	r.buf = text
	if err != nil {
		return Item{}, err
	}
	return judged(Item{Line: line, Text: text}, tooLong), nil
}

// A list is an array whose elements are the records, by itself or in a response.
type list struct {
	r       *Reader
	members members
	inside  bool
	begun   bool // an element has been read
	over    bool
}

func (l *list) nextOfArray() (Item, error) {
	if item, ok, err := l.element(); ok || err != nil {
		return item, err
	}
	return Item{}, l.nothingFollows()
}

func (l *list) nextOfResponse() (Item, error) {
	for {
		if l.inside {
			item, ok, err := l.element()
			if ok || err != nil {
				return item, err
			}
			l.inside = false
		}
		name, ok, err := l.members.next()
		if err != nil {
			return Item{}, err
		}
		if !ok {
			return Item{}, l.nothingFollows()
		}
		if name == "value" && !l.over {
			l.inside = true
		} else if err := l.r.s.passValue(); err != nil {
			return Item{}, err
		}
	}
}

// element cuts out the next element; ok is false behind the end of the array.
func (l *list) element() (item Item, ok bool, err error) {
	s := l.r.s
	if l.over {
		return Item{}, false, nil
	}
	if !l.begun {
		if found, err := s.expectEnd('['); err != nil || !found {
			return Item{}, false, s.missing("[", err)
		}
	}
	if l.over, err = s.expectEnd(']'); l.over || err != nil {
		return Item{}, false, err
	}
	if l.begun {
		if found, err := s.expectEnd(','); err != nil || !found {
			return Item{}, false, s.missing("a comma or ]", err)
		}
	}
	l.begun = true
	if _, err := s.skipSpace(); err != nil {
		return Item{}, false, s.truncated(err)
	}
	item, err = l.r.nextValue()
	return item, err == nil, err
}

// nothingFollows answers io.EOF if that is so.
func (l *list) nothingFollows() error {
	if _, err := l.r.s.skipSpace(); err != nil {
		return err
	}
	return l.r.s.broken("something follows the list; put it into a file of its own")
}

// judged says what is wrong with a record that can be seen without understanding it.
func judged(item Item, tooLong bool) Item {
	switch {
	case tooLong:
		return faulty(item.Line, "", fmt.Sprintf("is longer than %d MiB and was passed over; a record takes about 1 KiB", maxRecord>>20))
	case !utf8.Valid(item.Text):
		return faulty(item.Line, "", "is not valid UTF-8; save the file as UTF-8")
	case item.Text[0] != '{' && json.Valid(item.Text):
		return faulty(item.Line, printable(string(item.Text)), "is not an object; a record looks like {…}")
	}
	return item
}

func faulty(line int, value, reason string) Item {
	return Item{Line: line, Fault: &lifecycle.Fault{Value: value, Reason: reason}}
}
