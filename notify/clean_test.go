package notify

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCleanTextIsOneVisibleLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "",
		"Contoso":                          "Contoso",
		" Contoso  Ltd. ":                  "Contoso Ltd.",
		"a\r\nb\tc\u2028d\u0085e":          "a b c d e",
		"\u202eabc\u2066\u200f":            "abc",
		"a\u200bb\u2060c\ufeffd\u00ade":    "abcde",
		"\u3164\u115f \u2800\uffa0":        "",
		"\u200d\u200c":                     "",
		"\u200dx\u200c y\u200d":            "x y",
		"👩\u200d💻 Zoë":                     "👩\u200d💻 Zoë",
		"می\u200cخواهم":                    "می\u200cخواهم",
		"Z" + strings.Repeat("\u0301", 40): "Z" + strings.Repeat("\u0301", mostMarks),
		"\xff":                             "\ufffd",
		strings.Repeat("長", 70):            strings.Repeat("長", 63) + "…",
		strings.Repeat("x", 64):            strings.Repeat("x", 64),
		strings.Repeat("x", 65):            strings.Repeat("x", 63) + "…",
	} {
		require.Equal(t, want, clean(in, longestName), "%q", in)
		require.Equal(t, want, clean(want, longestName), "what is clean stays as it is")
	}
}

func TestNamesThatLookLikeAddressesAreNoLinks(t *testing.T) {
	for in, want := range map[string]string{
		"Contoso Ltd.":      "Contoso Ltd.",
		"Version 2.0":       "Version 2.0",
		"St. Gallen: x":     "St. Gallen: x",
		"at 10:30":          "at 10:30",
		"evil.example.com":  "evil.|example.|com",
		"https://evil.com/": "https:|//evil.|com/",
		"eve@evil.com":      "eve@|evil.|com",
		"悪。例":               "悪。|例",
	} {
		got := unlinked(in)
		require.Equal(t, want, strings.ReplaceAll(got, "\u200c", "|"))
		require.True(t, utf8.ValidString(got))
	}
}
