package console

import (
	"bufio"
	"encoding/csv"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// csv answers with a file for spreadsheets. each hands over one row after the other; it may take as long as whoever asked goes on
// reading. Once something is written, an error can only cut the connection: half a list must not look like a whole one.
func (v *visit) csv(name string, header []string, each func(row func(...string) error) error) error {
	const piece = 64 << 10
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	slow := &slowWriter{w: v.w, wall: v.console.Wall, control: http.NewResponseController(v.w)}
	_ = slow.control.SetReadDeadline(time.Time{}) // the request is read
	buffered := bufio.NewWriterSize(slow, piece)
	out := csv.NewWriter(buffered)
	err := out.Write(header)
	if err == nil {
		err = each(func(cells ...string) error {
			for i := range cells {
				cells[i] = cell(cells[i])
			}
			return out.Write(cells)
		})
	}
	if err == nil {
		out.Flush()
		err = out.Error()
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		return nil
	}
	if !slow.begun {
		h.Del("Content-Disposition")
		return err
	}
	v.console.Logger.Warn("a file broke off", "path", v.Request.URL.Path, "error", err)
	panic(http.ErrAbortHandler)
}

// cell is a text that a spreadsheet takes for a text. What people write may look like a formula, which would run on the machine of
// whoever opens the file; where people write Japanese or Chinese, the wide forms of the signs begin one, too. Source: OWASP, CSV injection.
func cell(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}

// A slowWriter gives whoever reads so long for each piece, not for the whole.
type slowWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	wall    func() time.Time
	begun   bool
}

// Write satisfies [io.Writer].
func (s *slowWriter) Write(b []byte) (int, error) {
	s.begun = true
	_ = s.control.SetWriteDeadline(s.wall().Add(patience)) // where there is no connection, as in tests, there is no deadline
	return s.w.Write(b)
}
