package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A huge is a file of head, then filler over and over up to fill bytes, then tail, that is nowhere.
type huge struct {
	head, tail string
	filler     []byte
	fill, at   int64
}

func newHuge(head, filler, tail string, fill int64) *huge {
	return &huge{head: head, tail: tail, filler: bytes.Repeat([]byte(filler), window/len(filler)), fill: fill}
}

func (h *huge) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, fmt.Errorf("whence %d", whence)
	}
	h.at = offset
	return offset, nil
}

func (h *huge) Read(p []byte) (n int, err error) {
	inFill := h.at - int64(len(h.head))
	switch {
	case inFill < 0:
		n = copy(p, h.head[h.at:])
	case inFill < h.fill:
		i := inFill % int64(len(h.filler))
		n = copy(p[:min(int64(len(p)), h.fill-inFill)], h.filler[i:])
	case inFill < h.fill+int64(len(h.tail)):
		n = copy(p, h.tail[inFill-h.fill:])
	default:
		return 0, io.EOF
	}
	h.at += int64(n)
	return n, nil
}

// mostHeap runs work and answers the greatest growth of the heap that was seen meanwhile.
func mostHeap(work func()) uint64 {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before := heap()
	most := before
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			most = max(most, heap())
		case <-done:
			most = max(most, heap())
			return most - min(before, most)
		}
	}
}

func TestLineOfTwoGigabytesIsPassedOverInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const twoGiB = 2 << 30
	const less = 64 << 20 // where nothing but the time would differ
	const passedOver = "is longer than 1 MiB and was passed over; a record takes about 1 KiB"
	for name, c := range map[string]struct {
		in   *huge
		want string
	}{
		"NDJSON, first line":  {newHuge(`{"id":"`, "x", "\"}\n{\"id\":\"b\"}\n", twoGiB), `ndjson | 1! ` + passedOver + ` | 2 {"id":"b"}`},
		"NDJSON, second line": {newHuge("{\"id\":\"a\"}\n", " x", "\n{\"id\":\"b\"}\n", twoGiB), `ndjson | 1 {"id":"a"} | 2! ` + passedOver + ` | 3 {"id":"b"}`},
		"NDJSON, never ends":  {newHuge("{\"id\":\"a\"}\n", "[", "", twoGiB), `ndjson | 1 {"id":"a"} | 2! ` + passedOver},
		"array, text":         {newHuge(`[{"id":"a"},{"id":"`, "x", `"},{"id":"b"}]`, twoGiB), `array | 1 {"id":"a"} | 1! ` + passedOver + ` | 1 {"id":"b"}`},
		"array, deep":         {newHuge(`[{"id":"a"},{"id":[`, "[", ``, less), `array | 1 {"id":"a"} | broken 1:10018 invalid character '[' exceeded max depth`},
		"list, text":          {newHuge(`{"value":[{"id":"a"},{"id":"`, "x", `"},{"id":"b"}]}`, less), `list | 1 {"id":"a"} | 1! ` + passedOver + ` | 1 {"id":"b"}`},
		"list, long name":     {newHuge(`{"value":[{"id":"a"}],"`, "x", `":1}`, less), `list | 1 {"id":"a"}`},
		"CSV, field":          {newHuge("tenantId,role,mail\na,b,", "x", "\na,b,c\n", less), `csv | 2! is longer than 1 MiB and was passed over | 3 ` + contactJSON("a", "b", "c")},
		"CSV, quoted":         {newHuge("tenantId,role,mail\na,b,\"", "x", "\"\na,b,c\n", less), `csv | 2! is longer than 1 MiB and was passed over | 3 ` + contactJSON("a", "b", "c")},
		"white space":         {newHuge("", " ", "", twoGiB), "f: begins with more than 64 KiB of white space; look at what made it"},
		"no text":             {newHuge("", "x", "", twoGiB), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			start := time.Now()
			grown := mostHeap(func() { got = readAll(t, c.in, false) })
			took := time.Since(start)
			t.Logf("%v, heap grew by %d KiB", took, grown>>10)
			if c.want != "" {
				require.Equal(t, c.want, got)
			}
			require.Less(t, grown, uint64(16<<20))
			require.Less(t, took, time.Minute)
		})
	}
}

// A discard is a store that keeps nothing.
type discard struct{ intakes []lifecycle.Intake }

func (d *discard) Relationships(_ context.Context, batch []lifecycle.Incoming, _ *lifecycle.Policy, _ time.Time) ([]lifecycle.Intake, error) {
	d.intakes = d.intakes[:0]
	for range batch {
		d.intakes = append(d.intakes, lifecycle.Intake{Taken: lifecycle.TakenNew})
	}
	return d.intakes, nil
}

func (d *discard) Contacts(_ context.Context, batch []lifecycle.Contact, _ *lifecycle.NoticePolicy, _ time.Time) (lifecycle.ContactCounts, error) {
	return lifecycle.ContactCounts{Created: len(batch)}, nil
}
func (d *discard) Commit() error   { return nil }
func (d *discard) Rollback() error { return nil }

func writeMany(t testing.TB, name string, n int) string {
	t.Helper()
	f, err := os.Create(name)
	require.NoError(t, err)
	out := bufio.NewWriter(f)
	head, rest, _ := strings.Cut(activeJSON, "ID")
	middle, tail, _ := strings.Cut(rest, "NAME")
	for i := range n {
		_, err := fmt.Fprint(out, head, id(i+1), middle, "Contoso helpdesk ", i+1, tail, "\n")
		require.NoError(t, err)
	}
	require.NoError(t, out.Flush())
	require.NoError(t, f.Close())
	return name
}

func TestHundredThousandRecordsStreamThrough(t *testing.T) {
	inDir(t)
	const n = 100_000
	path := writeMany(t, "many.ndjson", n)
	var r Report
	var err error
	start := time.Now()
	grown := mostHeap(func() { r, err = Import(t.Context(), &discard{}, options(), path) })
	t.Logf("%v, heap grew by %d KiB", time.Since(start), grown>>10)
	require.NoError(t, err)
	require.True(t, r.OK())
	require.Equal(t, Tally{Records: n, Created: n}, r.Total)
	require.Less(t, grown, uint64(32<<20))
}

func TestMemoryOfAMillionRecords(t *testing.T) {
	const n = 1_000_000
	s := newSeen()
	text := digestOf("x")
	grown := mostHeap(func() {
		for i := range n {
			how, _ := s.meet(id(i+1), text, 0, i)
			if how != first {
				t.Errorf("record %d was met before", i)
			}
		}
		runtime.GC()
	})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d bytes a record, %d at most", m.HeapAlloc/n, grown/n)
	require.Less(t, grown/n, uint64(100))
	runtime.KeepAlive(s)
}

func BenchmarkImport(b *testing.B) {
	b.Chdir(b.TempDir())
	const n = 20_000
	path := writeMany(b, "many.ndjson", n)
	b.ResetTimer()
	for b.Loop() {
		_, err := Import(b.Context(), &discard{}, options(), path)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "[]", `{"value":[{"id":"a"}],"@odata.nextLink":"x"}`, "{\"id\":\"a\"}\n{\"id\":\"b\"\n\n{}", "[\n{\"a\":[1,\"]\"]},\n2]",
		"{\n\"id\":\"a\"\n}\n{}", "tenantId,role,mail\na,\"b\n\",c\n", "\xef\xbb\xbf{\"error\":{\"code\":\"x\"}}", "\x1f\x8b", active(1), "[1e5", "[\"\\",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := NewReader("f", bytes.NewReader(in), true)
		if err != nil {
			return
		}
		lines := strings.Split(string(in), "\n")
		rr := relationshipReader{partner: partnerA, policy: lifecycle.DefaultPolicy(), now: noon}
		last := 1
		for records := 0; ; records++ {
			item, err := r.Next()
			if err != nil {
				requireEnd(t, err, len(lines))
				require.LessOrEqual(t, r.Offset(), int64(len(in)))
				return
			}
			require.LessOrEqual(t, records, len(in), "more records than bytes")
			require.GreaterOrEqual(t, item.Line, last)
			require.LessOrEqual(t, item.Line, len(lines))
			if r.Shape() == ShapeNDJSON {
				require.True(t, records == 0 || item.Line > last, "two records on one line")
				require.Contains(t, lines[item.Line-1], string(item.Text))
			}
			last = item.Line
			if item.Fault == nil {
				_, _, _ = rr.read(item.Text)
				_, _ = decodeContact(item.Text)
				_, _ = readAction(item)
				_, _ = kindOf(item.Text)
			}
		}
	})
}

func requireEnd(t *testing.T, err error, lines int) {
	t.Helper()
	if errors.Is(err, io.EOF) {
		return
	}
	var broken *Broken
	require.ErrorAs(t, err, &broken)
	require.Positive(t, broken.Column)
	require.GreaterOrEqual(t, broken.Line, 1)
	require.LessOrEqual(t, broken.Line, lines)
}
