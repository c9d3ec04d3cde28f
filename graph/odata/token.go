package odata

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Listing is what a skip token belongs to: with another filter, in another order or for somebody else, the place in the
// list that it stands for means nothing.
type Listing struct {
	Filter string // as it was written
	Order  []lifecycle.Order
	Scope  string // which list it is, and who looks
}

// A place is a cursor as a token holds it.
type place struct {
	Of     []byte       `json:"of"` // hash of the listing
	Key    int64        `json:"key"`
	Values []placeValue `json:"values,omitempty"`
}

type placeValue struct {
	Text string `json:"text,omitempty"`
	At   *int64 `json:"at,omitempty"` // microseconds since 1970; missing: null
	Flag bool   `json:"flag,omitempty"`
}

// hash names the listing in a few bytes. It is no secret and keeps nobody out: a token only says where to go on.
func (of *Listing) hash() []byte {
	const few = 9
	text, _ := json.Marshal(of) // it holds nothing that JSON cannot write
	sum := sha256.Sum256(text)
	return sum[:few]
}

// EncodeToken writes a place in a list as a skip token. Nobody but [DecodeToken] reads anything in it.
func EncodeToken(of Listing, c *lifecycle.Cursor) string {
	p := place{Of: of.hash(), Key: c.Key}
	for _, v := range c.Values {
		in := placeValue{Text: v.Text, Flag: v.Flag}
		if !v.At.IsZero() {
			micros := v.At.UnixMicro()
			in.At = &micros
		}
		p.Values = append(p.Values, in)
	}
	text, _ := json.Marshal(p) // it holds nothing that JSON cannot write
	return base64.RawURLEncoding.EncodeToString(text)
}

// errNoToken answers whatever was made up or cut off, and what belongs elsewhere.
var errNoToken = errors.New("is no skip token of this list; take @odata.nextLink as it is, with the same filter and order, or begin again without a token")

// longestToken is longer than any that is handed out.
const longestToken = 8000

// DecodeToken reads a skip token of this listing. What it answers with fits the listing's order whatever the token said.
func DecodeToken(of Listing, token string) (*lifecycle.Cursor, error) {
	if len(token) > longestToken {
		return nil, errNoToken
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, errNoToken
	}
	var p place
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || d.More() {
		return nil, errNoToken
	}
	if !bytes.Equal(p.Of, of.hash()) || p.Key < 0 || len(p.Values) != len(of.Order) {
		return nil, errNoToken
	}
	c := &lifecycle.Cursor{Key: p.Key}
	for i, o := range of.Order {
		v, ok := p.Values[i].value(o.Field)
		if !ok {
			return nil, errNoToken
		}
		c.Values = append(c.Values, v)
	}
	return c, nil
}

// value is the value of a field, and whether it can be one.
func (in placeValue) value(f lifecycle.Field) (v lifecycle.Value, ok bool) {
	switch lifecycle.FieldKinds[f] {
	case lifecycle.KindInstant:
		if in.At != nil {
			v.At = time.UnixMicro(*in.At).UTC()
			ok = v.At.Year() >= 1 && v.At.Year() <= 9999
			return v, ok && in.Text == "" && !in.Flag
		}
	case lifecycle.KindFlag, lifecycle.KindSwitch:
		v.Flag = in.Flag
	default:
		v.Text = in.Text
	}
	fits := utf8.ValidString(v.Text) && !strings.ContainsRune(v.Text, 0)
	return v, fits && v.Text == in.Text && v.Flag == in.Flag && in.At == nil
}
