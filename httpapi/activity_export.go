package httpapi

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An export is all activities that a filter leaves, the oldest first, as they stood when it began. It may take longer than any
// other answer, as long as whoever asked for it goes on reading.

// An activityWriter writes one activity after the other.
type activityWriter interface {
	begin() error
	write(*Activity) error
	end() error
}

func (s *Server) addExports() {
	for _, o := range []struct {
		id, name, content, summary string
		writer                     func(io.Writer) activityWriter
	}{
		{"exportActivityCSV", ".csv", "text/csv", "Export activities as CSV, the oldest first",
			func(w io.Writer) activityWriter { return &csvActivity{out: csv.NewWriter(w)} }},
		{"exportActivityNDJSON", ".ndjson", "application/x-ndjson", "Export activities as JSON, one on each line, the oldest first",
			func(w io.Writer) activityWriter { return &ndjsonActivity{json.NewEncoder(w)} }},
	} {
		path := activityPath + o.name
		s.streams[http.MethodGet+" "+path] = true
		responses := s.answers(badValue, tooManyRequests)
		responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{o.content: {}}}
		register(s, party, huma.Operation{
			OperationID: o.id, Method: http.MethodGet, Path: path, Tags: []string{activityTag}, Summary: o.summary, Responses: responses,
		}, func(ctx context.Context, in *exportActivityInput) (*huma.StreamResponse, error) {
			return s.exportActivity(ctx, in, o.content, o.writer)
		})
	}
}

type exportActivityInput struct {
	Asked
	ActivityFilter
}

func (s *Server) exportActivity(ctx context.Context, in *exportActivityInput, content string, writer func(io.Writer) activityWriter) (*huma.StreamResponse, error) {
	var bad badValues
	q := in.query(&bad, in.caller())
	if p := bad.problem(); p != nil {
		return nil, p
	}
	q.OldestFirst = true
	select {
	case s.exporting <- struct{}{}:
	default:
		p := tooManyRequests.says(exportsUnderWay.Say("n", cap(s.exporting)))
		p.header("Retry-After", "10")
		return nil, p
	}
	return &huma.StreamResponse{Body: func(to huma.Context) {
		defer func() { <-s.exporting }()
		_, w := humago.Unwrap(to)
		s.streamActivity(ctx, in, q, w, content, writer)
	}}, nil
}

// streamActivity writes what the query wants as it comes. Once something is written, an error can only cut the connection.
func (s *Server) streamActivity(ctx context.Context, in *exportActivityInput, q lifecycle.ActivityQuery, w http.ResponseWriter, content string,
	writer func(io.Writer) activityWriter) {
	const buffer = 64 << 10
	w.Header().Set("Content-Type", content)
	patient := &patientWriter{ResponseWriter: w, control: http.NewResponseController(w), wall: s.wall, patience: s.limits.write}
	_ = patient.control.SetReadDeadline(time.Time{}) // the request is read, and must not end for having been read long ago
	buffered := bufio.NewWriterSize(patient, buffer)
	out := writer(buffered)
	err := out.begin()
	if err == nil {
		err = s.store.EachActivity(ctx, q, func(e lifecycle.Event) error {
			shown := ShowActivity(&e, in.caller())
			return out.write(&shown)
		})
	}
	if err == nil {
		err = out.end()
	}
	if err == nil {
		err = buffered.Flush()
	}
	switch {
	case err == nil:
	case patient.begun:
		s.log.WarnContext(in.request.Context(), "an export broke off", "request", in.answer.Header().Get(requestIDHeader), "error", redact(err.Error()))
		panic(http.ErrAbortHandler) // half an export must not look like a whole one
	default:
		s.writeProblem(w, problemOf(fmt.Errorf("exporting activities: %w", err)).base())
	}
}

// A patientWriter gives whoever reads so long for each piece, not for the whole.
type patientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	wall     func() time.Time
	patience time.Duration
	begun    bool
}

// Write satisfies [io.Writer].
func (w *patientWriter) Write(b []byte) (int, error) {
	w.begun = true
	_ = w.control.SetWriteDeadline(w.wall().Add(w.patience)) // where there is no connection, as in tests, there is no deadline
	return w.ResponseWriter.Write(b)
}

// csvActivity writes CSV with a line of names.
type csvActivity struct{ out *csv.Writer }

// ActivityColumns are the columns of activities as CSV.
var ActivityColumns = []string{"recordedDateTime", "effectiveDateTime", "relationshipId", "version", "type", "from", "to", "endDateTime", "reason", "rule",
	"actor", "caller", "callerTenantId", "callerRole", "address", "requestId", "action", "subject", "detail"}

func (c *csvActivity) begin() error            { return c.out.Write(ActivityColumns) }
func (c *csvActivity) write(a *Activity) error { return c.out.Write(ActivityRow(a)) }
func (c *csvActivity) end() error              { c.out.Flush(); return c.out.Error() }

// ActivityRow is an activity as [ActivityColumns] have it, fit to be opened in a spreadsheet.
func ActivityRow(a *Activity) []string {
	by := a.Caller
	if by == nil {
		by = &ActivityCaller{}
	}
	version := ""
	if a.Version != nil {
		version = strconv.FormatInt(*a.Version, 10)
	}
	return []string{a.RecordedDateTime, a.EffectiveDateTime, cell(a.RelationshipID), version, string(a.Type), cell(a.From), cell(a.To), cell(a.EndDateTime),
		cell(a.Reason), cell(a.Rule), cell(a.Actor), cell(by.Name), cell(by.TenantID), cell(by.Role), cell(by.Address), cell(by.RequestID),
		cell(a.Action), cell(a.Subject), cell(a.Detail)}
}

// cell is a text that a spreadsheet takes for a text. What people write may look like a formula, which would run on the machine
// of whoever opens the file.
func cell(s *string) string {
	if s == nil {
		return ""
	}
	// Where people write Japanese or Chinese, the wide forms of the signs begin a formula, too.
	if first, _ := utf8.DecodeRuneInString(*s); *s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + *s
	}
	return *s
}

// ndjsonActivity writes a JSON object on each line.
type ndjsonActivity struct{ out *json.Encoder }

func (n *ndjsonActivity) begin() error            { n.out.SetEscapeHTML(false); return nil }
func (n *ndjsonActivity) write(a *Activity) error { return n.out.Encode(a) }
func (n *ndjsonActivity) end() error              { return nil }
