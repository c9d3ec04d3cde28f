package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A wantedReader reads relationships that somebody asks for, one at a time. The error of next is io.EOF at the end,
// [lifecycle.Faults] where one record cannot be read and the next one can, and another one where the file cannot be read on.
type wantedReader struct {
	next func() (wire lifecycle.Wire, line int, err error)
}

// longestWanted is how long a record may be: many times what one takes.
const longestWanted = 1 << 20

// newWantedReader looks at how the file begins, and decides how to read it.
func newWantedReader(in io.Reader) (*wantedReader, error) {
	text := bufio.NewReaderSize(in, longestWanted)
	head, err := text.Peek(longestWanted)
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) { // a folder, say; else it shows again
		return nil, err
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	switch {
	case len(head) == 0:
		return nil, errors.New("is empty")
	case head[0] == '[':
		return nil, errors.New("is a JSON array; write one object a line, without commas between them, as `jq -c '.[]'` does")
	case head[0] == '{':
		return wantedLines(text), nil
	}
	return wantedRows(text)
}

// wantedLines reads a JSON object a line.
func wantedLines(in io.Reader) *wantedReader {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestWanted)
	n := 0
	return &wantedReader{func() (lifecycle.Wire, int, error) {
		for lines.Scan() {
			n++
			if text := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff"))); len(text) > 0 {
				wire, err := decodeWanted(text)
				return wire, n, err
			}
		}
		if err := lines.Err(); err != nil {
			return lifecycle.Wire{}, n + 1, fmt.Errorf("line %d: %w", n+1, err)
		}
		return lifecycle.Wire{}, n, io.EOF
	}}
}

// What a record may say of a relationship that is to be, and what comes of itself.
var (
	wantedFields = []string{"displayName", "duration", "autoExtendDuration", "partner", "customer", "accessDetails"}
	givenFields  = []string{"id", "status", "createdDateTime", "lastModifiedDateTime", "lockedDateTime", "activatedDateTime", "endDateTime",
		"endedDateTime", "nameReleased"}
)

// decodeWanted understands a JSON object, and refuses what it says beyond what can be asked for. Annotations say nothing of it.
func decodeWanted(text []byte) (lifecycle.Wire, error) {
	if !utf8.Valid(text) {
		return lifecycle.Wire{}, lifecycle.Faults{{Field: "record", Reason: "is not valid UTF-8; save the file as UTF-8"}}
	}
	var said map[string]json.RawMessage
	if err := json.Unmarshal(text, &said); err != nil {
		return lifecycle.Wire{}, lifecycle.Faults{{Field: "record", Reason: "is not a JSON object on one line, as `jq -c .` writes them: " + err.Error()}}
	}
	var faults lifecycle.Faults
	for field, value := range said {
		switch {
		case strings.HasPrefix(field, "@"), string(value) == "null", slices.Contains(wantedFields, field):
		case slices.Contains(givenFields, field):
			faults = append(faults, lifecycle.Fault{Field: field, Reason: "is not for the file to say; leave it out"})
		default:
			faults = append(faults, lifecycle.Fault{Field: shortFilter(field), Reason: "is unknown; the fields are " + strings.Join(wantedFields, ", ")})
		}
	}
	slices.SortFunc(faults, func(a, b lifecycle.Fault) int { return strings.Compare(a.Field, b.Field) })
	wire, err := lifecycle.DecodeWire(text)
	if err != nil {
		var fault lifecycle.Fault
		if !errors.As(err, &fault) {
			fault = lifecycle.Fault{Field: "record", Reason: err.Error()}
		}
		return lifecycle.Wire{}, append(faults, fault)
	}
	if len(faults) > 0 {
		return *wire, faults
	}
	return *wire, nil
}

// wantedColumns are the columns that a CSV may have, by the names of the fields, and what each says.
var wantedColumns = map[string]func(w *lifecycle.Wire, value string){
	"displayName":          func(w *lifecycle.Wire, v string) { w.DisplayName = v },
	"duration":             func(w *lifecycle.Wire, v string) { w.Duration = v },
	"autoExtendDuration":   func(w *lifecycle.Wire, v string) { w.AutoExtendDuration = v },
	"partner/tenantId":     func(w *lifecycle.Wire, v string) { w.Partner = &lifecycle.WireTenant{TenantID: v} },
	"customer/tenantId":    func(w *lifecycle.Wire, v string) { customerOf(w).TenantID = v },
	"customer/displayName": func(w *lifecycle.Wire, v string) { customerOf(w).DisplayName = v },
	"roles": func(w *lifecycle.Wire, v string) {
		w.AccessDetails = &lifecycle.WireAccess{}
		for role := range strings.FieldsFuncSeq(v, func(c rune) bool { return strings.ContainsRune(" ;|", c) }) {
			w.AccessDetails.UnifiedRoles = append(w.AccessDetails.UnifiedRoles, lifecycle.WireRole{RoleDefinitionID: role})
		}
	},
}

func customerOf(w *lifecycle.Wire) *lifecycle.WireTenant {
	if w.Customer == nil {
		w.Customer = &lifecycle.WireTenant{}
	}
	return w.Customer
}

// wantedRows reads a CSV. Its columns come in any order, with commas, semicolons or tabs between them.
func wantedRows(in *bufio.Reader) (*wantedReader, error) {
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		_, _ = in.Discard(len(mark))
	}
	head, _ := in.Peek(4096)
	head, _, _ = bytes.Cut(head, []byte("\n"))
	rows := csv.NewReader(in)
	for _, delimiter := range ",;\t" {
		if bytes.ContainsRune(head, delimiter) {
			rows.Comma = delimiter
			break
		}
	}
	header, err := rows.Read()
	if err != nil {
		return nil, err
	}
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	return &wantedReader{func() (lifecycle.Wire, int, error) {
		row, err := rows.Read()
		var malformed *csv.ParseError
		switch {
		case errors.Is(err, csv.ErrFieldCount):
			line, _ := rows.FieldPos(0)
			return lifecycle.Wire{}, line, lifecycle.Faults{{Field: "record", Reason: fmt.Sprintf("has %d fields; the header has %d", len(row), len(header))}}
		case errors.As(err, &malformed):
			return lifecycle.Wire{}, malformed.Line, fmt.Errorf("line %d: column %d: %w; nothing was read from here on", malformed.Line, malformed.Column, malformed.Err)
		case err != nil:
			return lifecycle.Wire{}, 0, err
		}
		line, _ := rows.FieldPos(0)
		wire, err := wantedRow(header, row)
		return wire, line, err
	}}, nil
}

func checkHeader(header []string) error {
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if wantedColumns[header[i]] == nil {
			return fmt.Errorf("is neither JSON nor a CSV of relationships: %q is no column; the columns are displayName, duration, autoExtendDuration, "+
				"partner/tenantId, customer/tenantId, customer/displayName, roles", shortFilter(header[i]))
		}
		if slices.Contains(header[:i], header[i]) {
			return fmt.Errorf("has the column %s twice", header[i])
		}
	}
	for _, needed := range []string{"displayName", "duration", "roles"} {
		if !slices.Contains(header, needed) {
			return fmt.Errorf("has no column %s", needed)
		}
	}
	return nil
}

func wantedRow(header, row []string) (lifecycle.Wire, error) {
	var wire lifecycle.Wire
	for i, value := range row {
		if !utf8.ValidString(value) {
			return wire, lifecycle.Faults{{Field: header[i], Reason: "is not valid UTF-8; save the file as UTF-8"}}
		}
		if value = strings.TrimSpace(value); value != "" {
			wantedColumns[header[i]](&wire, value)
		}
	}
	return wire, nil
}
