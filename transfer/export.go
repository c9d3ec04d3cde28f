package transfer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"

	"github.com/tenure-dev/tenure/lifecycle"
)

// relationshipsContext is what Graph itself writes at the head of the list.
const relationshipsContext = "https://graph.microsoft.com/v1.0/$metadata#tenantRelationships/delegatedAdminRelationships"

// WriteRelationships writes the records that each gives to its argument, as [ShapeList], [ShapeArray] or [ShapeNDJSON], and
// answers how many. The order is that of each: for the same bytes from a copy of the database it has to be one that the copy
// shares, such as that of the ids. Every record stands on a line of its own, whatever the shape.
//
// After an error what was written is not whole: a list or an array lacks its end, and will not be read without complaint.
// NDJSON has no end to lack; write it to a temporary file and rename that.
func WriteRelationships(w io.Writer, shape Shape, p *lifecycle.Policy, each func(fn func(*lifecycle.Record) error) error) (int, error) {
	out, err := newRecordWriter(w, shape, relationshipsContext)
	if err != nil {
		return 0, fmt.Errorf("exporting relationships: %w", err)
	}
	err = each(func(r *lifecycle.Record) error { return out.write(r.Wire(p)) })
	if err == nil {
		err = out.close()
	}
	if err != nil {
		return out.n, fmt.Errorf("exporting relationships, after %d: %w", out.n, err)
	}
	return out.n, nil
}

// WriteContacts writes contacts likewise, and as [ShapeCSV] too.
func WriteContacts(w io.Writer, shape Shape, each func(fn func(*lifecycle.Contact) error) error) (n int, err error) {
	var write func(*lifecycle.WireContact) error
	var end func() error
	if shape == ShapeCSV {
		out := csv.NewWriter(w)
		_ = out.Write(lifecycle.ContactColumns) // csv.Writer keeps its errors for Error
		row := make([]string, len(lifecycle.ContactColumns))
		write = func(c *lifecycle.WireContact) error {
			for i := range row {
				row[i] = *c.Column(i)
			}
			return out.Write(row)
		}
		end = func() error { out.Flush(); return out.Error() }
	} else {
		out, err := newRecordWriter(w, shape, "")
		if err != nil {
			return 0, fmt.Errorf("exporting contacts: %w", err)
		}
		write = func(c *lifecycle.WireContact) error { return out.write(c) }
		end = out.close
	}
	err = each(func(c *lifecycle.Contact) error {
		n++
		wire := c.Wire()
		return write(&wire)
	})
	if err == nil {
		err = end()
	}
	if err != nil {
		return n, fmt.Errorf("exporting contacts, after %d: %w", n, err)
	}
	return n, nil
}

// A recordWriter writes JSON, one record per line.
type recordWriter struct {
	out       *bufio.Writer
	separator string // between records
	end       string
	n         int
	line      bytes.Buffer
	encoder   *json.Encoder
}

// newRecordWriter writes what stands before the records. context is left out where it is empty.
func newRecordWriter(w io.Writer, shape Shape, context string) (*recordWriter, error) {
	rw := &recordWriter{out: bufio.NewWriterSize(w, window)}
	rw.encoder = json.NewEncoder(&rw.line)
	rw.encoder.SetEscapeHTML(false)
	var err error
	switch shape {
	case ShapeList:
		rw.separator, rw.end = ",", "]}\n"
		head := `{"value":[` + "\n"
		if context != "" {
			head = `{"@odata.context":"` + context + `","value":[` + "\n"
		}
		_, err = rw.out.WriteString(head)
	case ShapeArray:
		rw.separator, rw.end = ",", "]\n"
		_, err = rw.out.WriteString("[\n")
	case ShapeNDJSON:
	default:
		err = fmt.Errorf("%q is not a shape to write; it is %s, %s or %s", shape, ShapeList, ShapeArray, ShapeNDJSON)
	}
	return rw, err
}

// write writes a record, and before it the end of the one before.
func (rw *recordWriter) write(record any) error {
	rw.line.Reset()
	if rw.n > 0 {
		rw.line.WriteString(rw.separator + "\n")
	}
	if err := rw.encoder.Encode(record); err != nil {
		return err
	}
	rw.line.Truncate(rw.line.Len() - 1) // the encoder's own line end
	if _, err := rw.out.Write(rw.line.Bytes()); err != nil {
		return err
	}
	rw.n++
	return nil
}

// close writes what stands behind the records.
func (rw *recordWriter) close() error {
	end := rw.end
	if rw.n > 0 {
		end = "\n" + end
	}
	if _, err := rw.out.WriteString(end); err != nil {
		return err
	}
	return rw.out.Flush()
}
