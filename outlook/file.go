package outlook

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Header is the first line of a plan in a file. The other lines are its entries, in the order of their keys.
type Header struct {
	Format        int                  `json:"tenurePlan"` // of the file: 1
	Deployment    string               `json:"deployment"` // that the plan was made for
	AsOf          time.Time            `json:"asOf"`       // when it was made
	Until         time.Time            `json:"until"`      // what falls due by then is in it
	Rules         []lifecycle.RuleName `json:"rules"`      // that fire; empty: all
	Partner       string               `json:"partner"`    // whose relationships it is about; empty: all
	PolicyMark    string               `json:"policyMark"` // of the policy that it was made by
	Relationships int64                `json:"relationships"`
	Steps         int64                `json:"steps"`  // events that will be written
	Digest        string               `json:"digest"` // SHA-256 of all of it, this field empty
}

const format = 1

// An Entry is what a plan says of one relationship.
type Entry struct {
	Key         int64         `json:"key"`
	ID          string        `json:"id"`
	Version     int64         `json:"version"`     // that it was decided on
	Fingerprint string        `json:"fingerprint"` // of the record then
	Steps       []EntryStep   `json:"steps"`
	Notices     []EntryNotice `json:"notices"`
	Then        EntryThen     `json:"then"`
}

// An EntryStep is an event that will be written.
type EntryStep struct {
	Version   int64               `json:"version"`
	Type      lifecycle.EventType `json:"type"`
	Rule      lifecycle.RuleName  `json:"rule"`
	Effective time.Time           `json:"effective"`
	To        lifecycle.Status    `json:"status"`
	End       time.Time           `json:"end,omitzero"`
}

// An EntryNotice is what there is to tell. Whether it is told or is old news by then depends on when the plan is applied.
type EntryNotice struct {
	Version    int64                `json:"version"`
	Kind       lifecycle.NoticeKind `json:"kind"`
	Stage      string               `json:"stage,omitempty"`
	Due        time.Time            `json:"due"`
	To         []EntryAddressee     `json:"to"`
	Superseded bool                 `json:"superseded,omitempty"`
}

// An EntryAddressee is where a notice goes.
type EntryAddressee struct {
	TenantID string         `json:"tenantId"`
	Role     lifecycle.Role `json:"role"`
	Channel  string         `json:"channel,omitempty"` // empty: the policy says nobody
	Endpoint bool           `json:"endpoint,omitempty"`
}

// An EntryThen is the record after all steps.
type EntryThen struct {
	Version     int64  `json:"version"`
	Fingerprint string `json:"fingerprint"`
}

// EntryOf is the entry of a decision about a stored record.
func EntryOf(was *lifecycle.Stored, d *lifecycle.Decision) Entry {
	e := Entry{Key: was.Key, ID: was.ID, Version: was.Version, Fingerprint: was.Fingerprint(), Steps: []EntryStep{}, Notices: []EntryNotice{},
		Then: EntryThen{d.Record.Version, d.Record.Fingerprint()}}
	for i := range d.Changes {
		c := &d.Changes[i]
		e.Steps = append(e.Steps, EntryStep{c.Version, c.Type, c.Rule, c.Effective, c.To, c.End})
	}
	for i := range d.Notices {
		n := &d.Notices[i]
		entry := EntryNotice{Version: n.Version, Kind: n.Kind, Due: n.Due, To: []EntryAddressee{}, Superseded: n.Status == lifecycle.NoticeSuperseded}
		if !n.Stage.IsZero() {
			entry.Stage = n.Stage.String()
		}
		for _, to := range n.To {
			addressee := EntryAddressee{TenantID: to.TenantID, Role: to.Role, Channel: to.Channel, Endpoint: to.Endpoint}
			if to.Muted {
				addressee.Channel = ""
			}
			entry.To = append(entry.To, addressee)
		}
		e.Notices = append(e.Notices, entry)
	}
	return e
}

// A Writer writes the entries of a plan. The header, which says how many there are and what they digest to, is known at the end, and
// goes before them.
type Writer struct {
	entries *bufio.Writer
	sum     hash.Hash
	header  Header
}

// NewWriter writes entries to w; header has all but the numbers and the digest.
func NewWriter(w io.Writer, header Header) *Writer {
	sum := sha256.New()
	header.Format = format
	return &Writer{bufio.NewWriter(io.MultiWriter(w, sum)), sum, header}
}

// Add writes an entry.
func (w *Writer) Add(e *Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing a plan: %w", err)
	}
	w.header.Relationships++
	w.header.Steps += int64(len(e.Steps))
	if _, err := w.entries.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing a plan: %w", err)
	}
	return nil
}

// Header ends the writing; it is the line that goes before the entries.
func (w *Writer) Header() (Header, error) {
	if err := w.entries.Flush(); err != nil {
		return Header{}, fmt.Errorf("writing a plan: %w", err)
	}
	digest, err := w.header.digest(w.sum)
	w.header.Digest = digest
	return w.header, err
}

// digest is that of the header, without its own, and of the entries.
func (h Header) digest(entries hash.Hash) (string, error) {
	h.Digest = ""
	text, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("digesting a plan: %w", err)
	}
	sum := sha256.Sum256(append(text, entries.Sum(nil)...))
	return hex.EncodeToString(sum[:]), nil
}

// ErrNoPlan is about a file that is not a plan, or not the plan any more that it was.
var ErrNoPlan = errors.New("it is no plan that can be applied")

// longestEntry bounds a line of a plan: a relationship that was not looked at for two hundred years has some hundreds of steps.
const longestEntry = 4 << 20

// A Reader reads a plan.
type Reader struct {
	lines  *bufio.Scanner
	sum    hash.Hash
	read   int64 // entries
	steps  int64
	Header Header
}

// NewReader reads the header of a plan.
func NewReader(r io.Reader) (*Reader, error) {
	reader := &Reader{lines: bufio.NewScanner(r), sum: sha256.New()}
	reader.lines.Buffer(make([]byte, 0, 64<<10), longestEntry)
	if !reader.lines.Scan() {
		return nil, errors.Join(fmt.Errorf("%w: it is empty; `tenure plan --save` writes one", ErrNoPlan), reader.lines.Err())
	}
	err := strictly(reader.lines.Bytes(), &reader.Header)
	switch h := &reader.Header; {
	case err != nil:
		return nil, fmt.Errorf("%w: its first line is not the header of one (%w); `tenure plan --save` writes one", ErrNoPlan, err)
	case h.Format != format:
		return nil, fmt.Errorf("%w: it is of format %d, this program knows %d; make it anew with `tenure plan --save`", ErrNoPlan, h.Format, format)
	}
	return reader, nil
}

func strictly(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// Next reads the next entry. At the end it answers with [io.EOF], and with [ErrNoPlan] where the plan is not as it was written.
func (r *Reader) Next() (e Entry, err error) {
	if !r.lines.Scan() {
		return e, r.end()
	}
	line := r.lines.Bytes()
	_, _ = r.sum.Write(line) // a hash never fails
	_, _ = r.sum.Write([]byte{'\n'})
	if err := strictly(line, &e); err != nil {
		return e, fmt.Errorf("%w: line %d is no entry (%w); it has been changed since it was written", ErrNoPlan, r.read+2, err)
	}
	r.read++
	r.steps += int64(len(e.Steps))
	return e, nil
}

func (r *Reader) end() error {
	if err := r.lines.Err(); err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrNoPlan, r.read+2, err)
	}
	digest, err := r.Header.digest(r.sum)
	switch {
	case err != nil:
		return err
	case r.read != r.Header.Relationships:
		return fmt.Errorf("%w: it has %d relationships and was written with %d; it has been changed since, or cut off", ErrNoPlan, r.read, r.Header.Relationships)
	case digest != r.Header.Digest:
		return fmt.Errorf("%w: it has been changed since it was written: its digest is %.12s…, and it says %.12s…", ErrNoPlan, digest, r.Header.Digest)
	}
	return io.EOF
}
