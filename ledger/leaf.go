package ledger

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Leaf is the text that is hashed for an event: all that is stored of it, as a JSON object in the canonical form of RFC 8785
// (names in order, no blanks, nothing escaped that need not be), so that the same event has the same text whoever writes it. A
// name whose value is empty is left out; a column that comes to the events later therefore changes no leaf from before.
func Leaf(e *lifecycle.Event) []byte {
	var by lifecycle.Caller
	if e.By != nil {
		by = *e.By
	}
	w := leafWriter{'{'}
	w.text("action", e.Action)
	w.text("actor", string(e.Actor))
	w.text("address", by.Address)
	w.text("caller", by.Name)
	w.text("callerRole", string(by.Role))
	w.text("callerTenant", by.Tenant)
	w.text("detail", e.Detail)
	w.instant("effective", e.Effective)
	w.instant("end", e.End)
	w.text("fingerprint", e.Fingerprint)
	w.text("from", string(e.From))
	w.number("key", e.Key)
	w.text("reason", string(e.Reason))
	w.instant("recorded", e.Recorded)
	w.text("relationship", e.RelationshipID)
	w.text("request", by.Request)
	w.text("rule", string(e.Rule))
	w.text("subject", e.Subject)
	w.text("to", string(e.To))
	w.text("type", string(e.Type))
	w.number("version", e.Version)
	return append(w, '}')
}

// leafHash is what the tree has of an event.
func leafHash(e *lifecycle.Event) tlog.Hash { return tlog.RecordHash(Leaf(e)) }

// A leafWriter is a JSON object that is being written.
type leafWriter []byte

func (w *leafWriter) name(name string) {
	if len(*w) > 1 {
		*w = append(*w, ',')
	}
	*w = append(appendQuoted(*w, name), ':')
}

func (w *leafWriter) text(name, value string) {
	if value != "" {
		w.name(name)
		*w = appendQuoted(*w, value)
	}
}

func (w *leafWriter) number(name string, value int64) {
	w.name(name)
	*w = strconv.AppendInt(*w, value, 10)
}

// instant writes an instant as the database has it: UTC, six digits of fractions.
func (w *leafWriter) instant(name string, t time.Time) {
	if !t.IsZero() {
		w.text(name, t.UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
}

// appendQuoted writes a string of JSON as RFC 8785, section 3.2.2.2, wants it. encoding/json escapes more than that.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			if c < ' ' {
				b = fmt.Appendf(b, `\u%04x`, c)
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}
