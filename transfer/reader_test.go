package transfer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// readAll tells a reading as text: a line for each record, then how it ended.
func readAll(t *testing.T, in io.ReadSeeker, partial bool) string {
	t.Helper()
	r, err := NewReader("f", in, partial)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Shape())
	for {
		item, err := r.Next()
		var broken *Broken
		switch {
		case errors.Is(err, io.EOF):
			return b.String()
		case errors.As(err, &broken):
			fmt.Fprintf(&b, " | broken %d:%d %s", broken.Line, broken.Column, broken.Reason)
			return b.String()
		case err != nil:
			return err.Error()
		case item.Fault != nil:
			fmt.Fprintf(&b, " | %d! %s%s", item.Line, item.Fault.Value, item.Fault.Reason)
		default:
			fmt.Fprintf(&b, " | %d %s", item.Line, item.Text)
		}
	}
}

func TestEveryShapeIsReadWithTheLinesOfItsRecords(t *testing.T) {
	const nextLink = `"@odata.nextLink":"https://graph.microsoft.com/v1.0/x?$skiptoken=1"`
	for name, c := range map[string]struct{ in, want string }{
		"empty file":                  {"", ""},
		"only white space":            {" \r\n\n", ""},
		"only a BOM":                  {"\xef\xbb\xbf", ""},
		"empty list":                  {`{"value":[]}`, "list"},
		"empty array":                 {"[ ]\n", "array"},
		"list":                        {`{"@odata.context":"c","value":[{"id":"a"},{"id":"b"}]}`, `list | 1 {"id":"a"} | 1 {"id":"b"}`},
		"list, pretty":                {"{\n  \"@odata.context\": \"c\",\n  \"value\": [\n    {\n      \"id\": \"a\"\n    },\n\n    {\"id\":\"b\"}\n  ]\n}\n", "list | 4 {\n      \"id\": \"a\"\n    } | 8 {\"id\":\"b\"}"},
		"list with members behind it": {`{"value":[{"id":"a"}],"@odata.count":1,"x":{"value":[{"id":"z"}]}}`, `list | 1 {"id":"a"}`},
		"list named with escapes":     {`{"val\u0075e":[{"id":"a"}]}`, `list | 1 {"id":"a"}`},
		"list with a BOM":             {"\xef\xbb\xbf{\"value\":[\n{\"id\":\"a\"}]}", `list | 2 {"id":"a"}`},
		"array":                       {"[\n{\"id\":\"a\"},\n{\"id\":\"b\"}\n]\n", `array | 2 {"id":"a"} | 3 {"id":"b"}`},
		"array of other things":       {`[1, null, "x", [{}], {"id":"a"}]`, `array | 1! 1is not an object; a record looks like {…} | 1! nullis not an object; a record looks like {…} | 1! "x"is not an object; a record looks like {…} | 1! [{}]is not an object; a record looks like {…} | 1 {"id":"a"}`},
		"brackets inside texts":       {`[{"a":"]}\"{["},{"b":"\\"}]`, `array | 1 {"a":"]}\"{["} | 1 {"b":"\\"}`},
		"NDJSON":                      {"{\"id\":\"a\"}\r\n\n{\"id\":\"b\"}", `ndjson | 1 {"id":"a"} | 3 {"id":"b"}`},
		"NDJSON, put together":        {"\xef\xbb\xbf{\"id\":\"a\"}\n\xef\xbb\xbf{\"id\":\"b\"}\n", `ndjson | 1 {"id":"a"} | 2 {"id":"b"}`},
		"one object":                  {`{"id":"a"}`, `ndjson | 1 {"id":"a"}`},
		"one object, pretty":          {"{\n \"id\":\"a\"\n}\n", "objects | 1 {\n \"id\":\"a\"\n}"},
		"objects, pretty":             {"{\n \"id\":\"a\"\n}\n{\n \"id\":\"b\"\n}\n", "objects | 1 {\n \"id\":\"a\"\n} | 4 {\n \"id\":\"b\"\n}"},

		"NDJSON with broken lines":            {"{\"id\":\"a\"}\n{\"id\":\"b\"\n{\"id\":}\n{\"id\":\"d\"}\n", `ndjson | 1 {"id":"a"} | 2! column 10: the JSON ends in the middle | 3! column 7: invalid character '}' looking for beginning of value | 4 {"id":"d"}`},
		"NDJSON, first line broken in a text": {"{\"id\":\"a\n{\"id\":\"b\"}\n", `ndjson | 1! column 9: the JSON ends in the middle | 2 {"id":"b"}`},
		"NDJSON, first line broken in depth":  {"{\"id\":{\"a\":1\n{\"id\":\"b\"}\n", `ndjson | 1! column 13: the JSON ends in the middle | 2 {"id":"b"}`},
		"NDJSON, first line no JSON":          {"# made by hand\n{\"id\":\"b\"}\n", `ndjson | 1! column 1: invalid character '#' looking for beginning of value | 2 {"id":"b"}`},
		"NDJSON, two on a line":               {"{\"id\":\"a\"}\n{\"id\":\"b\"} {\"id\":\"c\"}\n", `ndjson | 1 {"id":"a"} | 2! column 12: invalid character '{' after top-level value`},
		"NDJSON, not UTF-8":                   {"{\"id\":\"a\"}\n{\"id\":\"M\xfcller\"}\n", `ndjson | 1 {"id":"a"} | 2! is not valid UTF-8; save the file as UTF-8`},

		"array, syntax error":      {"[{\"id\":\"a\"},\n {\"id\" \"b\"},{\"id\":\"c\"}]", `array | 1 {"id":"a"} | broken 2:8 invalid character '"' after object key`},
		"array, comma at the end":  {`[{"id":"a"},]`, `array | 1 {"id":"a"} | broken 1:13 a value is missing here`},
		"array, comma missing":     {`[{"id":"a"} {"id":"b"}]`, `array | 1 {"id":"a"} | broken 1:13 a comma or ] is missing here`},
		"array, bracket missing":   {"[{\"id\":\"a\"},\n{\"r\":[{\"x\":1},\"id\":\"b\"},\n{\"id\":\"c\"}]", `array | 1 {"id":"a"} | broken 2:19 invalid character ':' after array element`},
		"array, cut off":           {"[{\"id\":\"a\"},\n{\"id\":", `array | 1 {"id":"a"} | broken 2:7 the file ends in the middle; it was cut off, fetch or save it again`},
		"array, cut off behind":    {`[{"id":"a"}`, `array | 1 {"id":"a"} | broken 1:12 the file ends in the middle; it was cut off, fetch or save it again`},
		"array, line end in text":  {"[{\"id\":\"a\nb\"}]", `array | broken 1:10 a line ends inside a quoted text`},
		"array, something follows": {"[{\"id\":\"a\"}]\n[]", `array | 1 {"id":"a"} | broken 2:1 something follows the list; put it into a file of its own`},
		"list, cut off":            {"{\"value\":[{\"id\":\"a\"}", `list | 1 {"id":"a"} | broken 1:21 the file ends in the middle; it was cut off, fetch or save it again`},
		"list, end missing":        {"{\"value\":[{\"id\":\"a\"}]", `list | 1 {"id":"a"} | broken 1:22 the file ends in the middle; it was cut off, fetch or save it again`},
		"objects, broken":          {"{\n\"id\":\"a\"\n}\n{\n\"id\" 1}", "objects | 1 {\n\"id\":\"a\"\n} | broken 5:6 invalid character '1' after object key"},

		"a page, link first":   {`{` + nextLink + `,"value":[{"id":"a"}]}`, `f: carries "@odata.nextLink": it is one page of several; fetch all pages, or pass --partial to take this one as it is`},
		"a page, link last":    {`{"value":[{"id":"a"}],` + nextLink + `}`, `f: carries "@odata.nextLink": it is one page of several; fetch all pages, or pass --partial to take this one as it is`},
		"no page, null link":   {`{"value":[{"id":"a"}],"@odata.nextLink":null}`, `list | 1 {"id":"a"}`},
		"pages put together":   {"{\"value\":[]}\n{\"value\":[]}\n", `f: something follows the list response, at line 2; put each response into a file of its own`},
		"value is no list":     {`{"value":{"id":"a"}}`, `f: its "value" is not a list; a list response looks like {"value":[…]}`},
		"value twice":          {`{"value":[],"value":[]}`, `f: has "value" twice; look at what made it`},
		"error answer":         {`{"error":{"code":"Forbidden","message":"Insufficient privileges"}}`, `f: this is an error answer, not a list (Forbidden: Insufficient privileges); fetch the list again`},
		"error answer, OAuth":  {`{"error":"invalid_client","error_description":"AADSTS7000215"}`, `f: this is an error answer, not a list; fetch the list again`},
		"web page":             {`<!DOCTYPE html><html>`, `f: looks like a web page or XML, perhaps a sign-in page; fetch the data as JSON again`},
		"zip":                  {"PK\x03\x04....", `f: looks like a zip archive or an Excel workbook; unpack it, or save the sheet as CSV (UTF-8)`},
		"PDF":                  {"%PDF-1.7", `f: looks like a PDF; export the data as JSON or CSV`},
		"NULs":                 {"{\x00\"\x00", `f: contains NUL bytes: it is UTF-16 or not text at all; save as UTF-8`},
		"plain text":           {"hello\x1b[31m", `f: is neither JSON nor a CSV of contacts: it begins with "hello?[31m"; a CSV begins with the header tenantId,role,mail,displayName,preferredLanguage,timeZone,digest`},
		"CSV of relationships": {"displayName,status\nx,active\n", `f: looks like a CSV of relationships; CSV is read for contacts only; give relationships as JSON or NDJSON`},
		"Latin-1":              {"Name\xe4,x\n", `f: is neither JSON nor UTF-8 text; save as UTF-8`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, readAll(t, strings.NewReader(c.in), false))
		})
	}
}

func TestPageIsReadWhenAskedFor(t *testing.T) {
	in := `{"@odata.nextLink":"x","value":[{"id":"a"}]}`
	require.Equal(t, `list | 1 {"id":"a"}`, readAll(t, strings.NewReader(in), true))
}

func TestGzipAndUTF16AreNamed(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(`{"value":[]}`))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Equal(t, "f: looks gzip-compressed; run gunzip first", readAll(t, bytes.NewReader(packed.Bytes()), false))

	for _, bom := range []rune{0xfeff, 0xfffe} {
		var wide []byte
		for _, u := range utf16.Encode([]rune(string(rune(0xfeff)) + `[]`)) {
			if bom == 0xfeff {
				wide = append(wide, byte(u>>8), byte(u))
			} else {
				wide = append(wide, byte(u), byte(u>>8))
			}
		}
		require.Equal(t, "f: is UTF-16, not UTF-8; save as UTF-8", readAll(t, bytes.NewReader(wide), false))
	}
}

func TestRecordAcrossWindowsIsWhole(t *testing.T) {
	for _, length := range []int{window - 20, window - 10, window, window + 1, 3 * window, maxRecord - 20} {
		record := `{"id":"` + strings.Repeat(`\"x]}`, length/5) + `"}`
		for _, in := range []string{"[\n" + record + ",\n" + record + "]", "{\"value\":[\n" + record + ",\n" + record + "]}", "\n" + record + "\n" + record} {
			got := readAll(t, strings.NewReader(in), false)
			_, records, _ := strings.Cut(got, " | ")
			require.True(t, records == "2 "+record+" | 3 "+record, "length %d: %.60s", length, got)
		}
	}
}

func TestRecordAboveTheLimitIsPassedOverAndTheNextIsRead(t *testing.T) {
	long := `{"id":"` + strings.Repeat("x", maxRecord) + `"}`
	const said = "is longer than 1 MiB and was passed over; a record takes about 1 KiB"
	for shape, in := range map[string]string{
		"array":  "[\n" + long + ",\n" + `{"id":"b"}]`,
		"list":   "{\"value\":[\n" + long + ",\n" + `{"id":"b"}]}`,
		"ndjson": "\n" + long + "\n" + `{"id":"b"}`,
	} {
		require.Equal(t, shape+` | 2! `+said+` | 3 {"id":"b"}`, readAll(t, strings.NewReader(in), false))
	}
}

// The bracket that is missing in the first record would otherwise make everything behind it one record, too long to read.
func TestMissingBracketIsFoundWhereItIsMissing(t *testing.T) {
	in := "[\n{\"id\":\"a\",\"r\":[1},\n" + strings.Repeat("{\"id\":\"b\"},\n", 200_000) + "]"
	require.Equal(t, "array | broken 2:17 invalid character '}' after array element", readAll(t, strings.NewReader(in), false))
}

func TestReaderStaysAtItsEnd(t *testing.T) {
	r, err := NewReader("f", strings.NewReader(`[{"id":"a"},]`), false)
	require.NoError(t, err)
	_, err = r.Next()
	require.NoError(t, err)
	for range 3 {
		_, err = r.Next()
		var broken *Broken
		require.ErrorAs(t, err, &broken)
	}
}

type failing struct {
	io.ReadSeeker
	after int
}

var errDisk = errors.New("input/output error")

func (f *failing) Read(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, errDisk
	}
	return f.ReadSeeker.Read(p[:1])
}

func TestReadErrorIsNotTakenForTheEnd(t *testing.T) {
	for _, in := range []string{`{"value":[{"id":"a"},{"id":"b"}]}`, `[{"id":"a"},{"id":"b"}]`, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n", "tenantId,role,mail\na,b,c\n"} {
		for after := range 2 * len(in) {
			r, err := NewReader("f", &failing{strings.NewReader(in), after}, false)
			for err == nil {
				_, err = r.Next()
			}
			if !errors.Is(err, io.EOF) { // enough was read to see the end
				require.ErrorIs(t, err, errDisk, "%s after %d bytes", in, after)
			}
		}
	}
}
