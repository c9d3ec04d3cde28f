package lifecycle

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// Fingerprint is short for everything that people and timers have said of the record: two records with the same one are the
// same. It is kept with each event, so that a record that was changed behind tenure's back is found out. What the warnings move
// (Version, WarnAfter) and what nobody has said of the relationship itself (Stayed) is left out.
func (r *Record) Fingerprint() string {
	var room [1024]byte // more than most records are long
	s := said(room[:0])
	s = s.text(r.ID).text(r.Partner).text(r.DisplayName).period(r.Duration).text(strconv.FormatBool(r.AutoExtend)).text(string(r.Status))
	s = s.text(r.Customer.TenantID).text(r.Customer.DisplayName).words(r.Roles)
	s = s.instant(r.Created).instant(r.Modified).instant(r.Locked).instant(r.Approved).instant(r.Activated).instant(r.End)
	s = s.instant(r.NameReleased).number(r.Assigned)
	sum := sha256.Sum256(s)
	var short [32]byte
	base64.RawURLEncoding.Encode(short[:], sum[:24]) // 192 bits, 32 characters
	return string(short[:])
}

// A said is what a fingerprint is made of: values one behind the other, each with its length before it, so that no two records run
// together. It is made for each record that changes, so nothing is formatted into a place of its own first.
type said []byte

func (s said) text(value string) said { return append(s.length(len(value)), value...) }

func (s said) bytes(value []byte) said { return append(s.length(len(value)), value...) }

func (s said) length(n int) said { return append(strconv.AppendInt(s, int64(n), 10), ':') }

func (s said) number(n int) said {
	var room [20]byte
	return s.bytes(strconv.AppendInt(room[:0], int64(n), 10))
}

func (s said) period(p Period) said {
	var room [64]byte
	return s.bytes(p.appendTo(room[:0]))
}

func (s said) instant(t time.Time) said {
	var room [len(instantLayout) + 8]byte
	return s.bytes(appendInstant(room[:0], t))
}

// words are one value, with a blank between every two.
func (s said) words(words []string) said {
	n := max(0, len(words)-1)
	for _, word := range words {
		n += len(word)
	}
	s = s.length(n)
	for i, word := range words {
		if i > 0 {
			s = append(s, ' ')
		}
		s = append(s, word...)
	}
	return s
}
