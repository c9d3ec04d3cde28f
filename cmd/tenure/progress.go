package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/tenure-dev/tenure/lifecycle"
)

// progress shows how far something long has come: a bar on a terminal, a line now and then elsewhere.
type progress struct {
	w     io.Writer
	what  string
	bar   *progressbar.ProgressBar // nil where there is no terminal
	said  time.Time
	quiet time.Duration // between lines
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{w: w, what: what, said: wall(), quiet: 5 * time.Second}
	if isTerminal(w) {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount())
	}
	return p
}

// at says how much of total is done; note goes beside it.
func (p *progress) at(done, total int64, note string) {
	if p.bar != nil {
		if total > 0 && p.bar.GetMax64() != total {
			p.bar.ChangeMax64(total)
		}
		p.bar.Describe(p.what + " " + note)
		_ = p.bar.Set64(done)
		return
	}
	if now := wall(); now.Sub(p.said) >= p.quiet {
		p.said = now
		_, _ = fmt.Fprintf(p.w, "%s: %d of %d %s\n", p.what, done, total, note)
	}
}

// sweep says how far a sweep has come.
func (p *progress) sweep(s lifecycle.Sweep) {
	p.at(int64(s.ChunksDone), int64(s.Chunks), fmt.Sprintf("chunks, %d records", s.Found))
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
