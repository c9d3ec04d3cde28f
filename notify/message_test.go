package notify

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var sampleTexts = []string{
	"", "a", "\n", "a\n", "a \n", " ", "a\t\n", "=", "==\n", "ä", strings.Repeat("ä", 200), strings.Repeat("x", 75), strings.Repeat("x", 76), strings.Repeat("x", 77),
	strings.Repeat("x", 74) + "=", strings.Repeat("x ", 400), strings.Repeat(" ", 200), "--=_tenure--\n.\n..\nFrom x\n", "日本語\n" + strings.Repeat("長い", 99), "\x00\x01\r",
}

func TestEncodedBodiesComeBackAsTheyWere(t *testing.T) {
	for _, text := range sampleTexts {
		requireComesBack(t, text)
	}
}

func requireComesBack(t *testing.T, text string) {
	t.Helper()
	want := strings.ReplaceAll(text, "\n", "\r\n")
	quoted := appendQuotedPrintable(nil, text)
	got, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(quoted)))
	require.NoError(t, err)
	require.Equal(t, want, string(got))

	based := appendBase64(nil, text)
	got, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(based)))
	require.NoError(t, err)
	require.Equal(t, want, string(got))

	for _, encoded := range [][]byte{quoted, based} {
		require.Empty(t, notMail(encoded))
		require.NotContains(t, string(encoded), boundary, "it would end the part early")
		for line := range bytes.SplitSeq(encoded, []byte("\r\n")) {
			require.LessOrEqual(t, len(line), longestLine)
			require.False(t, bytes.HasSuffix(line, []byte(" ")), "a server may take it away")
		}
	}
}

func FuzzEncodedBodiesComeBackAsTheyWere(f *testing.F) {
	for _, text := range sampleTexts {
		f.Add(text)
	}
	f.Fuzz(requireComesBack)
}

func TestHeadersAreFoldedAndComeBackAsTheyWere(t *testing.T) {
	for _, value := range []string{"x", "a b c", strings.Repeat("word ", 40) + "end", "年" + strings.Repeat("有効期限", 40), "Zoë " + strings.Repeat("näher ", 30) + "x",
		"mixed 日本語 and English " + strings.Repeat("more ", 20) + "x", strings.Repeat("x", 200)} {
		m := appendHeader(nil, "Subject", encodedWords(value))
		for line := range strings.SplitSeq(strings.TrimSuffix(string(m), "\r\n"), "\r\n") {
			require.True(t, len(line) <= longestLine || strings.HasSuffix(line, "xxxxxxxx"), line)
			require.NotEmpty(t, strings.TrimSpace(line))
		}
		read, err := mail.ReadMessage(bytes.NewReader(append(m, "\r\n"...)))
		require.NoError(t, err)
		got, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
		require.NoError(t, err)
		require.Equal(t, value, got)
	}
}

func TestNoticesOfOneRelationshipAreOneThread(t *testing.T) {
	n := notifier(t)
	references := func(l lifecycle.Letter) string { return rendered(t, n, l).header.Get("References") }
	warning, ended := letter(lifecycle.KindWarnExpiry), letter(lifecycle.KindTermEnded)
	require.Equal(t, "<relationship-0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001@tenure.example.com>", references(warning))
	require.Equal(t, references(warning), references(ended))
	ended.Relationship.ID = "another"
	require.NotEqual(t, references(warning), references(ended))
}

func TestNobodyIsAskedToAnswerAutomatically(t *testing.T) {
	p := rendered(t, notifier(t), letter(lifecycle.KindApproved))
	require.Equal(t, "auto-generated", p.header.Get("Auto-Submitted"))
	require.Equal(t, "All", p.header.Get("X-Auto-Response-Suppress"))
}

// headers are all that a message has; a record can add none.
var headers = []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "List-Id", "Message-Id", "Mime-Version", "References", "Subject", "To",
	"X-Auto-Response-Suppress", "X-Tenure-Notice"}

func FuzzMessage(f *testing.F) {
	for _, text := range hostile {
		if len(text) < 1_000 {
			f.Add(text, text, text, text, "alex@partner.example", "ja", "Asia/Tokyo")
			f.Add("Alex", "Contoso helpdesk", "Contoso", "id", text, text, text)
		}
	}
	n := notifier(f)
	f.Fuzz(func(t *testing.T, reader, name, customer, id, address, tag, zone string) {
		requireHarmless(t, n, lifecycle.KindWarnExpiry, tag, reader, name, customer, id)

		l := letter(lifecycle.KindTerminated, in(zone), func(l *lifecycle.Letter) {
			l.Recipient.Mail, l.Recipient.DisplayName, l.Recipient.Language = address, reader, tag
			l.Relationship.DisplayName, l.Relationship.ID = name, id
		})
		_, message, err := n.Render(l)
		if err != nil {
			require.ErrorIs(t, err, lifecycle.ErrPermanent)
			return
		}
		p := parse(t, message) // with two parts, neither more nor less
		to, err := p.header.AddressList("To")
		require.NoError(t, err)
		require.Len(t, to, 1)
		require.Equal(t, address, to[0].Address)
		var names []string
		for name, values := range p.header {
			require.Len(t, values, 1)
			names = append(names, name)
		}
		slices.Sort(names)
		require.Equal(t, headers, names)
	})
}
