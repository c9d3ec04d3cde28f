package odata_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/lifecycle"
)

var listing = odata.Listing{Filter: "status eq 'active'", Scope: "partner " + tenant,
	Order: []lifecycle.Order{{Field: lifecycle.FieldName}, {Field: lifecycle.FieldEnd, Descending: true}}}

func TestTokenLeadsBackToItsPlace(t *testing.T) {
	for _, c := range []*lifecycle.Cursor{
		{Key: 7, Values: []lifecycle.Value{{Text: "O'Neill 日本"}, {At: noon.Add(time.Microsecond)}}},
		{Key: 1 << 60, Values: []lifecycle.Value{{}, {}}},
	} {
		token := odata.EncodeToken(listing, c)
		require.NotContains(t, token, "=")
		got, err := odata.DecodeToken(listing, token)
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	plain := odata.Listing{}
	got, err := odata.DecodeToken(plain, odata.EncodeToken(plain, &lifecycle.Cursor{Key: 3}))
	require.NoError(t, err)
	require.Equal(t, &lifecycle.Cursor{Key: 3}, got)
}

func TestTokenOfAnotherListIsRefused(t *testing.T) {
	token := odata.EncodeToken(listing, &lifecycle.Cursor{Key: 7, Values: []lifecycle.Value{{Text: "x"}, {At: noon}}})
	another := func(change func(*odata.Listing)) odata.Listing {
		l := listing
		l.Order = append([]lifecycle.Order(nil), listing.Order...)
		change(&l)
		return l
	}
	for _, other := range []odata.Listing{
		another(func(l *odata.Listing) { l.Filter = "" }),
		another(func(l *odata.Listing) { l.Scope = "partner of somebody else" }),
		another(func(l *odata.Listing) { l.Order[1].Descending = false }),
		another(func(l *odata.Listing) { l.Order = l.Order[:1] }),
		another(func(l *odata.Listing) { l.Order[0], l.Order[1] = l.Order[1], l.Order[0] }),
	} {
		_, err := odata.DecodeToken(other, token)
		require.ErrorContains(t, err, "is no skip token of this list")
	}
}

func TestTokenThatWasMadeUpIsRefused(t *testing.T) {
	token := odata.EncodeToken(listing, &lifecycle.Cursor{Key: 7, Values: []lifecycle.Value{{Text: "x"}, {At: noon}}})
	inside, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	forged := func(old, replacement string) string {
		require.Contains(t, string(inside), old)
		return base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(inside), old, replacement, 1)))
	}
	for _, wrong := range []string{
		"", "7", "!", token[1:], token + "=", token + "AAAA", token[:len(token)-3], strings.Repeat("A", 10_000),
		forged(`"key":7`, `"key":-7`), forged(`"key":7`, `"key":7.5`), forged(`"key":7`, `"key":1e99`), forged(`"key":7`, `"key":7,"more":1`),
		forged(`"text":"x"`, `"flag":true`), forged(`"text":"x"`, `"at":1`), forged(`"text":"x"`, `"text":"\u0000"`), forged(`"at":`, `"text":"x","at":`),
		forged(`"at":`, `"at":9999999999999`), forged(`{"text":"x"},`, ``), forged(`{"text":"x"}`, `null,{"text":"x"}`), forged(`{"text":"x"}`, `[]`),
	} {
		_, err := odata.DecodeToken(listing, wrong)
		require.Error(t, err, wrong)
	}
}

func FuzzDecodeToken(f *testing.F) {
	f.Add(odata.EncodeToken(listing, &lifecycle.Cursor{Key: 7, Values: []lifecycle.Value{{Text: "x"}, {At: noon}}}))
	f.Fuzz(func(t *testing.T, token string) {
		c, err := odata.DecodeToken(listing, token)
		if err != nil {
			return
		}
		require.Len(t, c.Values, len(listing.Order))
		again, err := odata.DecodeToken(listing, odata.EncodeToken(listing, c))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
