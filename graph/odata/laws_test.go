package odata

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// unbounded reads what Format makes longer or deeper than it was written.
var unbounded = limits{1 << 20, 1 << 20, 1 << 20}

var policy = lifecycle.DefaultPolicy()

func value(kind lifecycle.FieldKind, f lifecycle.Field) *rapid.Generator[lifecycle.Value] {
	return rapid.Custom(func(t *rapid.T) lifecycle.Value {
		switch kind {
		case lifecycle.KindInstant:
			if rapid.Bool().Draw(t, "null") {
				return lifecycle.Value{}
			}
			micros := rapid.Int64Range(0, 32_000_000_000_000_000).Draw(t, "microseconds")
			return lifecycle.Value{At: time.UnixMicro(micros).UTC()}
		case lifecycle.KindFlag, lifecycle.KindSwitch:
			return lifecycle.Value{Flag: rapid.Bool().Draw(t, "flag")}
		case lifecycle.KindPeriod:
			return lifecycle.Value{Text: lifecycle.Period{Months: rapid.IntRange(0, 24).Draw(t, "months"),
				Span: time.Duration(rapid.IntRange(0, 1<<20).Draw(t, "seconds")) * time.Second}.String()}
		case lifecycle.KindEnum:
			return lifecycle.Value{Text: rapid.SampledFrom(ofRelationships.Words[f]).Draw(t, "word")}
		}
		s := rapid.StringMatching(`[a-zß日' %_\\,()]{0,9}`).Draw(t, "text")
		return lifecycle.Value{Text: s}
	})
}

// anyFilter are filters as the parser makes them.
func anyFilter(depth int) *rapid.Generator[lifecycle.Filter] {
	return rapid.Custom(func(t *rapid.T) lifecycle.Filter {
		what := rapid.IntRange(0, 6).Draw(t, "what")
		if depth == 0 {
			what %= 3
		}
		several := rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[lifecycle.Filter] { return anyFilter(depth - 1) }), 2, 3)
		var fields []lifecycle.Field
		for f := range lifecycle.FieldKinds {
			fields = append(fields, f)
		}
		field := rapid.SampledFrom(fields)
		switch what {
		case 0:
			f := field.Draw(t, "field")
			return lifecycle.Among{Field: f, Values: rapid.SliceOfN(value(lifecycle.FieldKinds[f], f), 1, 3).Draw(t, "values")}
		case 3:
			return lifecycle.All(several.Draw(t, "all"))
		case 4:
			return lifecycle.Any(several.Draw(t, "any"))
		case 5:
			return lifecycle.Not{Filter: anyFilter(depth-1).Draw(t, "not")}
		case 6:
			return rapid.SampledFrom([]lifecycle.Filter{lifecycle.All{}, lifecycle.Any{}}).Draw(t, "everything or nothing")
		}
		f := field.Draw(t, "field")
		kind := lifecycle.FieldKinds[f]
		v := value(kind, f).Draw(t, "value")
		by := []lifecycle.Comparison{lifecycle.Equal, lifecycle.NotEqual}
		switch null := v == (lifecycle.Value{}); {
		case kind == lifecycle.KindInstant && !null, kind == lifecycle.KindID && !null, kind == lifecycle.KindName && !null, kind == lifecycle.KindText && !null:
			by = append(by, lifecycle.Less, lifecycle.LessOrEqual, lifecycle.Greater, lifecycle.GreaterOrEqual)
		}
		if kind == lifecycle.KindID || kind == lifecycle.KindName || kind == lifecycle.KindText {
			by = append(by, lifecycle.StartsWith, lifecycle.Contains)
		}
		return lifecycle.Compare{Field: f, By: rapid.SampledFrom(by).Draw(t, "by"), Value: v}
	})
}

func TestWhatIsWrittenBackIsReadAsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFilter(4).Draw(t, "filter")
		text := Format(f, policy)
		if utf8.RuneCountInString(text) > longestText {
			t.Skip("too long to be read")
		}
		again, err := unbounded.parse(text, policy, ofRelationships)
		require.NoError(t, err, text)
		require.Equal(t, f, again, text)
	})
}

func TestWhatWasNeverReadIsWrittenToo(t *testing.T) {
	require.Equal(t, "true", Format(nil, policy))
	one := lifecycle.Compare{Field: lifecycle.FieldNameReleased, By: lifecycle.Equal, Value: lifecycle.Value{Flag: true}}
	require.Equal(t, "nameReleased eq true", Format(lifecycle.All{one}, policy))
	require.Equal(t, "not (true)", Format(lifecycle.Not{}, policy))
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		`status eq 'active' and (endDateTime lt 2026-01-31T12:00:00.0000001+09:00 or not startswith(displayName,'O''Ne'))`,
		`customer/tenantId in ('11111111-1111-4111-8111-AAAAAAAAAAAA',null) or duration ne duration'P104W2D'`,
		`not not (autoExtendDuration eq 'P') and nameReleased or true eq nameReleased`, `2026-01-31T12:00:00Z ge createdDateTime`,
		`nextRule eq 'end-term'`, `true or false`, `contains(id,'')`, `microsoft.graph.delegatedAdminRelationshipStatus'active' eq status`,
		`((((`, `not`, `'`, `a/any(x:x)`, "\x00", "\xff", `in in in`, `eq'x'`, `displayName eq '日本'`, `-1`, `lockedDateTime gt 9999-12-31T23:59:59Z`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseFilter(text, policy)
		if err != nil {
			var fault *Fault
			require.ErrorAs(t, err, &fault)
			require.Nil(t, parsed)
			require.Positive(t, fault.Column)
			require.LessOrEqual(t, fault.Column, min(utf8.RuneCountInString(text), longestText)+1)
			require.NotEmpty(t, fault.Reason)
			require.Less(t, len(fault.Reason), 700)
			require.False(t, strings.ContainsRune(fault.Reason, 0))
			return
		}
		written := Format(parsed, policy)
		if utf8.RuneCountInString(written) > longestText {
			return // in its canonical form it is longer than it was
		}
		again, err := unbounded.parse(written, policy, ofRelationships)
		require.NoError(t, err, written)
		require.Equal(t, parsed, again, written)
		require.Equal(t, written, Format(again, policy))
	})
}
