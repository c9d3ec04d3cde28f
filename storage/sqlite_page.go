package storage

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	modernc "modernc.org/sqlite" // without cgo
	"modernc.org/sqlite/vtab"
)

// SQLite reads a page as PostgreSQL does: an array for each column, in binary. It has no arrays of its own, so each connection has a
// virtual table that reads them: pages(:page) has as many rows as the arrays in the page have values, in the columns c0, c1, …
// As JSON, each value would be written as text, parsed, and looked for by its name: a third of a sweep.

// sqliteDriver is the driver that has the table on each of its connections.
const sqliteDriver = "sqlite-with-pages"

// mostColumns is how many columns a page may have.
const mostColumns = 40

func init() {
	d := pagesDriver{new(modernc.Driver)}
	if err := d.RegisterModule("pages", pageModule{}); err != nil {
		panic(err) // there is no other of that name
	}
	sql.Register(sqliteDriver, d)
}

type pagesDriver struct{ *modernc.Driver }

// Open makes the table on a new connection, with which it goes, and which keeps its statements. One that may only read begins to once the table
// is there.
func (d pagesDriver) Open(name string) (driver.Conn, error) {
	conn, err := d.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	statement := `CREATE VIRTUAL TABLE temp.pages USING pages`
	if strings.Contains(name, url.QueryEscape(onlyReads)) {
		statement = `PRAGMA query_only(0); ` + statement + `; PRAGMA ` + onlyReads
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(context.Background(), statement, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return newKeepingConn(conn.(sqliteConn)), nil
}

// onlyReads has a connection refuse every change.
const onlyReads = "query_only(1)"

// pagesCall is the table of a page with these columns.
func pagesCall(columns string) string {
	var arrays, names []string
	for i, column := range strings.Split(columns, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(column), " ")
		arrays = append(arrays, strings.TrimPrefix(columnParameter(name, kind), ":"))
		names = append(names, "c"+strconv.Itoa(i)+" AS "+name)
	}
	// The LIMIT, which limits nothing, has the page read once, from its beginning to its end, and whatever it is joined with looked up.
	return "(SELECT " + strings.Join(names, ", ") + " FROM temp.pages(:" + wholePage + strings.Join(arrays, pageComma) + ") LIMIT -1) AS r"
}

// A whole page is one parameter, named after its columns: arrays one after the other, each behind its length.
const wholePage, pageComma = "page_", "__"

var pageWhole = regexp.MustCompile(`:(` + wholePage + `(\w+))`)

// A pageParameter is a whole page and its columns.
type pageParameter struct {
	parameter string
	columns   []arrayParameter
}

func wholePagesOf(text string) (pages []pageParameter) {
	if !strings.Contains(text, ":"+wholePage) {
		return nil
	}
	for _, found := range pageWhole.FindAllStringSubmatch(text, -1) {
		p := pageParameter{parameter: found[1]}
		for array := range strings.SplitSeq(found[2], pageComma) {
			p.columns = append(p.columns, parametersOf(":"+array, ":rows_", pageColumn)...)
		}
		pages = append(pages, p)
	}
	return pages
}

// appendArray adds an array to a whole page.
func appendArray(whole, array []byte) []byte {
	whole = binary.BigEndian.AppendUint32(whole, uint32(len(array))) //nolint:gosec // no page has gigabytes
	return append(whole, array...)
}

// A pageModule makes the virtual table.
type pageModule struct{}

// Create satisfies [vtab.Module].
func (m pageModule) Create(ctx vtab.Context, args []string) (vtab.Table, error) {
	return m.Connect(ctx, args)
}

// Connect satisfies [vtab.Module].
func (pageModule) Connect(ctx vtab.Context, _ []string) (vtab.Table, error) {
	columns := make([]string, mostColumns)
	for i := range columns {
		columns[i] = "c" + strconv.Itoa(i)
	}
	return pageTable{}, ctx.Declare("CREATE TABLE pages (" + strings.Join(columns, ", ") + ", page HIDDEN)")
}

// A pageTable has no rows but those that it is called with.
type pageTable struct{}

// BestIndex has the page handed to Filter.
func (pageTable) BestIndex(info *vtab.IndexInfo) error {
	for i := range info.Constraints {
		c := &info.Constraints[i]
		if c.Column == mostColumns && c.Op == vtab.OpEQ && c.Usable {
			const rows = 1000 // as many as a chunk has
			c.ArgIndex, c.Omit = 0, true
			info.EstimatedRows, info.EstimatedCost = rows, rows
			return nil
		}
	}
	return errors.New("pages is called with one page") // a query of ours is wrong
}

// Open satisfies [vtab.Table].
func (pageTable) Open() (vtab.Cursor, error) { return &pageCursor{}, nil }

// Disconnect satisfies [vtab.Table].
func (pageTable) Disconnect() error { return nil }

// Destroy satisfies [vtab.Table].
func (pageTable) Destroy() error { return nil }

// A pageCursor goes through a page, row by row. Of each column it knows where the value of this row begins, once somebody has asked
// for it.
type pageCursor struct {
	columns []arrayReader
	row     int
	rows    int
}

// Filter begins with a page.
func (c *pageCursor) Filter(_ int, _ string, pages []vtab.Value) error {
	c.columns, c.row, c.rows = c.columns[:0], 0, 0
	page, _ := pages[0].([]byte)
	page = bytes.Clone(page) // which is the driver's own
	for len(page) >= 4 {
		size := int(binary.BigEndian.Uint32(page))
		if len(page) < 4+size {
			return errTorn
		}
		var column arrayReader
		n, err := column.begin(page[4 : 4+size])
		if err != nil {
			return err
		}
		if len(c.columns) > 0 && n != c.rows {
			return fmt.Errorf("column %d of a page has %d values, and the others have %d", len(c.columns), n, c.rows)
		}
		c.columns, c.rows, page = append(c.columns, column), n, page[4+size:]
	}
	return nil
}

// Next satisfies [vtab.Cursor].
func (c *pageCursor) Next() error {
	c.row++
	return nil
}

// Eof satisfies [vtab.Cursor].
func (c *pageCursor) Eof() bool { return c.row >= c.rows }

// Rowid satisfies [vtab.Cursor].
func (c *pageCursor) Rowid() (int64, error) { return int64(c.row), nil }

// Close satisfies [vtab.Cursor].
func (c *pageCursor) Close() error { return nil }

// Column is one value of this row.
func (c *pageCursor) Column(n int) (vtab.Value, error) {
	if n >= len(c.columns) {
		return nil, nil //nolint:nilnil // NULL is what there is in it
	}
	return c.columns[n].value(c.row)
}

// An arrayReader reads an array as [page.column] writes it, forwards.
type arrayReader struct {
	kind uint32
	rest []byte // from the value of row next on
	next int
	last vtab.Value // of the row before
}

const arrayHead = 20 // bytes

var errTorn = errors.New("the page is torn")

// begin says how many values there are.
func (r *arrayReader) begin(array []byte) (n int, err error) {
	if len(array) < arrayHead {
		return 0, errTorn
	}
	*r = arrayReader{kind: binary.BigEndian.Uint32(array[8:]), rest: array[arrayHead:]}
	return int(binary.BigEndian.Uint32(array[12:])), nil
}

// value is that of a row that is not before the last one that was asked for.
func (r *arrayReader) value(row int) (vtab.Value, error) {
	for r.next <= row {
		if len(r.rest) < 4 {
			return nil, errTorn
		}
		length := int(int32(binary.BigEndian.Uint32(r.rest))) //nolint:gosec // below zero it is NULL
		size := max(length, 0)
		if len(r.rest) < 4+size {
			return nil, errTorn
		}
		value := r.rest[4 : 4+size]
		r.rest, r.last = r.rest[4+size:], nil
		if length >= 0 && r.next == row {
			r.last = r.read(value)
		}
		r.next++
	}
	return r.last, nil
}

func (r *arrayReader) read(value []byte) vtab.Value {
	switch r.kind {
	case columnTypes["BOOLEAN"]:
		return int64(value[0])
	case columnTypes["INTEGER"]:
		return int64(int32(binary.BigEndian.Uint32(value))) //nolint:gosec // bits are bits
	case columnTypes["BIGINT"]:
		return int64(binary.BigEndian.Uint64(value)) //nolint:gosec // bits are bits
	case columnTypes["TIMESTAMPTZ"]:
		return dbTime{time.UnixMicro(int64(binary.BigEndian.Uint64(value)) + postgresBegins).UTC()}.String() //nolint:gosec // bits are bits
	}
	return string(value)
}
