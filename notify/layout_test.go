package notify

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestTextIsBrokenWhereWordsEnd(t *testing.T) {
	long := strings.Repeat("x", 90)
	for _, c := range []struct {
		name   string
		indent int
		in     string
		want   string
	}{
		{"nothing", 0, "", ""},
		{"short", 2, "a b", "  a b"},
		{"at a space", 0, strings.Repeat("word ", 16) + "end", strings.TrimSpace(strings.Repeat("word ", 15)) + "\nword end"},
		{"a word too long", 2, "a " + long + " b", "  a\n  " + long + "\n  b"},
		{"a number", 0, "1. " + strings.Repeat("word ", 15), "1. " + strings.TrimSpace(strings.Repeat("word ", 14)) + "\n   word"},
		{"Japanese", 0, strings.Repeat("長", 40), strings.Repeat("長", 38) + "\n長長"},
		{"Japanese stop", 0, strings.Repeat("長", 38) + "。次", strings.Repeat("長", 37) + "\n長。次"},
		{"Japanese bracket", 0, strings.Repeat("長", 37) + "「次」", strings.Repeat("長", 37) + "\n「次」"},
		{"mixed", 0, strings.Repeat("長", 36) + "abcdef長", strings.Repeat("長", 36) + "\nabcdef長"},
	} {
		require.Equal(t, c.want, wrap(c.indent, c.in), c.name)
	}
}

func TestNoLineOfTextIsWiderThanAScreen(t *testing.T) {
	n := notifier(t)
	for _, kind := range PreviewKinds() {
		for _, tag := range n.Languages() {
			for _, side := range []lifecycle.Side{lifecycle.PartnerSide, lifecycle.CustomerSide} {
				l, err := n.Preview(kind, PreviewOptions{Language: tag, Side: side, TimeZone: "America/New_York"})
				require.NoError(t, err)
				for line := range strings.SplitSeq(parse(t, l.Message).text, "\n") {
					require.LessOrEqual(t, widthOfString(line), 78, line)
				}
			}
		}
	}
}

func TestTableIsOneColumnOfLabelsAndOneOfValues(t *testing.T) {
	require.Equal(t, "  Ends:       today\n  Relationship id:\n    "+strings.Repeat("x", 73)+"\n  終了日時：  本日",
		strings.ReplaceAll(table([]detail{{"Ends", ":", "today"}, {"Relationship id is too long", ":", strings.Repeat("x", 73)}, {"終了日時", "：", "本日"}}), " is too long", ""))
}

func TestHTMLFetchesNothingAndLinksNowhere(t *testing.T) {
	n := notifier(t)
	for _, kind := range PreviewKinds() {
		l, err := n.Preview(kind, PreviewOptions{Side: lifecycle.CustomerSide})
		require.NoError(t, err)
		html := strings.ToLower(parse(t, l.Message).html)
		for _, forbidden := range []string{"<img", "<a ", "href", "src=", "url(", "http:", "https:", "@import", "<script", "<link", "<form"} {
			require.NotContains(t, html, forbidden)
		}
		for _, wanted := range []string{`<html lang="en">`, `name="viewport"`, `name="color-scheme"`, "prefers-color-scheme:dark", "max-width:480px", `scope="row"`, "<!--[if mso]>"} {
			require.Contains(t, html, wanted)
		}
	}
}
