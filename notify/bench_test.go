package notify

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func BenchmarkRender(b *testing.B) {
	n := notifier(b)
	for _, c := range []struct {
		name   string
		change []func(l *lifecycle.Letter)
	}{
		{"en", nil},
		{"ja", []func(l *lifecycle.Letter){inJapanese}},
		{"en-zoned", []func(l *lifecycle.Letter){func(l *lifecycle.Letter) { l.Recipient.TimeZone = "Asia/Tokyo" }}},
	} {
		l := letter(lifecycle.KindWarnExpiry, c.change...)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := n.Render(l)
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkRenderDigest(b *testing.B) {
	n := notifier(b)
	l := digest()
	for len(l.Items) < 500 {
		l.Items = append(l.Items, l.Items...)
	}
	l.Items = l.Items[:500]
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := n.Render(l)
		require.NoError(b, err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		notifier(b)
	}
}
