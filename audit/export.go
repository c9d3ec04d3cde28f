package audit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// WriteExport writes all that Verify looks at, so that it can be done elsewhere and later. taken is the instant of the deployment's
// clock before the source was opened. It says how many relationships there were, those that are gone among them.
func WriteExport(ctx context.Context, w io.Writer, source Source, taken time.Time) (n int64, err error) {
	books, err := source.Books(ctx)
	if err != nil {
		return 0, fmt.Errorf("exporting the history: %w", err)
	}
	buffered := bufio.NewWriterSize(w, 1<<16)
	out := &lineWriter{encoder: json.NewEncoder(buffered)}
	out.encoder.SetEscapeHTML(false)
	err = errors.Join(
		out.line(headOf(&books, taken)),
		source.EachAccount(ctx, func(a *lifecycle.Account) error { n++; return out.line(wireOf(a)) }),
		source.EachName(ctx, func(h lifecycle.HolderOfName) error {
			return out.line(wireNameHeld{lineName, h.Partner, h.NameKey, h.Key, h.ID})
		}),
		source.EachChunk(ctx, func(c lifecycle.Chunk) error {
			return out.line(wireChunk{lineChunk, c.Sweep, c.N, c.After.At, c.After.Key, c.UpTo.At, c.UpTo.Key})
		}),
		source.EachTick(ctx, func(rule lifecycle.RuleName, nominal time.Time) error {
			return out.line(wireTick{lineTick, rule, nominal})
		}))
	if err == nil {
		err = errors.Join(out.line(wireEnd{lineEnd, n, out.lines}), buffered.Flush())
	}
	if err != nil {
		return n, fmt.Errorf("exporting the history: %w", err)
	}
	return n, nil
}

type lineWriter struct {
	encoder *json.Encoder
	lines   int64
}

func (w *lineWriter) line(v any) error {
	w.lines++
	return w.encoder.Encode(v)
}

// An Export is a file that WriteExport has written, compressed where its name ends in .gz. It is a [Source], and is read anew by each
// of its methods.
type Export struct {
	TakenAt time.Time
	path    string
	head    wireHead
}

// OpenExport reads the first line of the file.
func OpenExport(path string) (*Export, error) {
	e := &Export{path: path}
	errRead := errors.New("read")
	err := e.each(lineHead, func(line []byte) error {
		if err := json.Unmarshal(line, &e.head); err != nil {
			return err
		}
		return errRead
	})
	switch {
	case errors.Is(err, errRead) && e.head.Format != Format:
		err = fmt.Errorf("%s is written as %q, and not as %s", path, e.head.Format, Format)
	case errors.Is(err, errRead):
		e.TakenAt = e.head.TakenAt
		return e, nil
	case err == nil:
		err = fmt.Errorf("%s is no export of the history; tenure export history writes one", path)
	}
	return nil, err
}

// Close does nothing: between its methods no file is open.
func (e *Export) Close() error { return nil }

// Books is what the first line says.
func (e *Export) Books(context.Context) (lifecycle.Books, error) { return e.head.books(), nil }

// EachAccount hands over every relationship, by key.
func (e *Export) EachAccount(ctx context.Context, fn func(*lifecycle.Account) error) error {
	return eachLine(ctx, e, lineRelationship, func(w *wireAccount) error { return fn(w.account()) })
}

// EachName hands over every name that is held, by partner, name and key.
func (e *Export) EachName(ctx context.Context, fn func(lifecycle.HolderOfName) error) error {
	return eachLine(ctx, e, lineName, func(w *wireNameHeld) error {
		return fn(lifecycle.HolderOfName{Partner: w.Partner, NameKey: w.NameKey, Key: w.Key, ID: w.ID})
	})
}

// EachChunk hands over where every chunk begins and ends, by sweep and number.
func (e *Export) EachChunk(ctx context.Context, fn func(lifecycle.Chunk) error) error {
	return eachLine(ctx, e, lineChunk, func(w *wireChunk) error {
		return fn(lifecycle.Chunk{ChunkRef: lifecycle.ChunkRef{Sweep: w.Sweep, N: w.N}, After: lifecycle.Position{At: w.AfterAt, Key: w.AfterKey},
			UpTo: lifecycle.Position{At: w.UpToAt, Key: w.UpToKey}})
	})
}

// EachTick hands over every tick, by rule and nominal instant.
func (e *Export) EachTick(ctx context.Context, fn func(lifecycle.RuleName, time.Time) error) error {
	return eachLine(ctx, e, lineTick, func(w *wireTick) error { return fn(w.Rule, w.Nominal) })
}

// eachLine reads the lines of one type.
func eachLine[T any](ctx context.Context, e *Export, kind string, fn func(*T) error) error {
	return e.each(kind, func(line []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var w T
		if err := json.Unmarshal(line, &w); err != nil {
			return fmt.Errorf("%s, a line of type %s: %w", e.path, kind, err)
		}
		return fn(&w)
	})
}

// longestLine bounds what is read into memory at once: a relationship with a thousand people to tell, and decades of history.
const longestLine = 1 << 28

// each reads to the last line, without which the file is not whole.
func (e *Export) each(kind string, fn func(line []byte) error) error {
	file, err := os.Open(e.path)
	if err != nil {
		return fmt.Errorf("opening the export: %w", err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(e.path, ".gz") {
		if in, err = gzip.NewReader(bufio.NewReader(file)); err != nil {
			return fmt.Errorf("%s is not compressed as its name says: %w", e.path, err)
		}
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), longestLine)
	prefix, end := linePrefix(kind), linePrefix(lineEnd)
	whole, n := false, int64(0)
	for lines.Scan() {
		line := lines.Bytes()
		if bytes.HasPrefix(line, prefix) {
			if err := fn(line); err != nil {
				return err
			}
		}
		if whole = bytes.HasPrefix(line, end); whole {
			var last wireEnd
			if err := json.Unmarshal(line, &last); err != nil || last.Lines != n {
				return fmt.Errorf("%s has %d lines and was written with %d: it is not whole", e.path, n, last.Lines)
			}
		}
		n++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", e.path, err)
	}
	if !whole {
		return fmt.Errorf("%s is not whole: its last line is missing", e.path)
	}
	return nil
}

func linePrefix(kind string) []byte { return []byte(`{"type":"` + kind + `"`) }
