package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var update = flag.Bool("update", false, "rewrite the golden files with what is written now")

var end = time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)

func options() Options {
	return Options{Channels: map[string]Channel{lifecycle.DefaultChannel: NewDiscard("tenure.example.com")}, From: "tenure <tenure@example.com>", Domain: "tenure.example.com",
		Partners: samplePartners}
}

func notifier(t testing.TB, change ...func(o *Options)) *Notifier {
	t.Helper()
	o := options()
	for _, c := range change {
		c(&o)
	}
	n, err := New(o)
	require.NoError(t, err)
	return n
}

// letter tells somebody on the partner's side, in English, of the sample relationship, when there is something to tell.
func letter(kind lifecycle.NoticeKind, change ...func(l *lifecycle.Letter)) lifecycle.Letter {
	l := lifecycle.Letter{Channel: lifecycle.DefaultChannel,
		NoticeID: lifecycle.NoticeID{Key: 1042, Version: 7, Ordinal: 1},
		Kind:     kind, End: end, Due: end, Status: lifecycle.NoticeQueued,
		Recipient: lifecycle.Contact{TenantID: "22222222-2222-4222-8222-222222222222", Role: lifecycle.AdminAgents,
			Mail: "alex@partner.example", DisplayName: "Alex Wilber", Language: "en-GB"},
		Relationship: lifecycle.Record{
			ID:      "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001",
			Partner: "22222222-2222-4222-8222-222222222222", DisplayName: "Contoso helpdesk 2026",
			Duration: lifecycle.Days(365),
			Customer: lifecycle.Tenant{TenantID: "11111111-1111-4111-8111-111111111111", DisplayName: "Contoso"},
			Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "fdd7a751-b60b-444a-984c-02652fe8fa1c",
				"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"},
			Status: lifecycle.Active, Locked: end.AddDate(-1, 0, -2), Activated: end.AddDate(-1, 0, 0), End: end,
		},
	}
	switch kind {
	case lifecycle.KindWarnExpiry:
		l.Stage = lifecycle.Days(30)
		l.Due = l.Stage.Before(end)
	case lifecycle.KindApproved:
		l.Due = l.Relationship.Activated
	case lifecycle.KindExtended:
		l.Due = end.AddDate(0, 0, -180)
		l.Relationship.AutoExtend = true
	}
	l.Recorded = l.Due.Add(2 * time.Minute)
	for _, c := range change {
		c(&l)
	}
	return l
}

func toCustomer(l *lifecycle.Letter) {
	l.Recipient = lifecycle.Contact{TenantID: l.Relationship.Customer.TenantID, Role: lifecycle.GlobalAdministrators,
		Mail: "megan@contoso.example", DisplayName: "Megan Bowen", Language: "en"}
}

func inJapanese(l *lifecycle.Letter) {
	l.Recipient.DisplayName, l.Recipient.Language = "佐藤 花子", "ja-JP"
	l.Relationship.DisplayName, l.Relationship.Customer.DisplayName = "コントソ ヘルプデスク 2026", "コントソ株式会社"
}

func withGlobalAdministrator(l *lifecycle.Letter) {
	l.Relationship.Roles = append(l.Relationship.Roles, lifecycle.GlobalAdministrator)
}

func withAutoExtend(l *lifecycle.Letter) { l.Relationship.AutoExtend = true }

func withoutCustomer(l *lifecycle.Letter) { l.Relationship.Customer = lifecycle.Tenant{} }

func neverActivated(l *lifecycle.Letter) {
	l.Relationship.Activated = time.Time{}
}

// A parsed message is what a mail program makes of it.
type parsed struct {
	header     mail.Header
	text, html string
}

// notMail says where a message is none to RFC 5322: a CR or LF alone, NUL, anything beyond ASCII, a line of more than 998
// characters. It is empty where all is well.
func notMail(message []byte) string {
	for line := range bytes.SplitSeq(message, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") || bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) {
			return string(line)
		}
	}
	return ""
}

// parse reads a message as strictly as a mail server would, and fails where one would object.
func parse(t testing.TB, message []byte) parsed {
	t.Helper()
	require.Empty(t, notMail(message))
	m, err := mail.ReadMessage(bytes.NewReader(message))
	require.NoError(t, err)
	mediaType, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", mediaType)

	var bodies []string
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"text/plain", "text/html"} {
		part, err := parts.NextRawPart()
		require.NoError(t, err)
		mediaType, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, want, mediaType)
		require.Equal(t, map[string]string{"charset": "UTF-8"}, params)
		bodies = append(bodies, decode(t, part))
	}
	_, err = parts.NextRawPart()
	require.ErrorIs(t, err, io.EOF, "there is no third part")
	return parsed{m.Header, bodies[0], bodies[1]}
}

func decode(t testing.TB, part *multipart.Part) string {
	t.Helper()
	var r io.Reader
	switch enc := part.Header.Get("Content-Transfer-Encoding"); enc {
	case "quoted-printable":
		r = quotedprintable.NewReader(part)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, part)
	default:
		require.Fail(t, "unknown encoding", enc)
	}
	body, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, strings.Count(string(body), "\n"), strings.Count(string(body), "\r\n"), "text is in CRLF form")
	return strings.ReplaceAll(string(body), "\r\n", "\n")
}

// said is the text without its line breaks, which come where the words end.
func (p parsed) said() string { return strings.Join(strings.Fields(p.text), " ") }

func (p parsed) decoded(t testing.TB, name string) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(p.header.Get(name))
	require.NoError(t, err)
	return s
}

func rendered(t testing.TB, n *Notifier, l lifecycle.Letter) parsed {
	t.Helper()
	_, message, err := n.Render(l)
	require.NoError(t, err)
	return parse(t, message)
}

// readable is the message as people see it: for golden files that a translator can read.
func readable(t testing.TB, message []byte) string {
	t.Helper()
	p := parse(t, message)
	var b strings.Builder
	names := make([]string, 0, len(p.header))
	for name := range p.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, p.decoded(t, name))
	}
	b.WriteString("\n======== text/plain\n\n" + p.text + "\n======== text/html\n\n" + p.html)
	return b.String()
}

func requireGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, got, 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test ./notify -update, and read what it wrote")
	require.Equal(t, string(want), string(got))
}

func TestEveryKindSaysToEachSideInEachLanguageWhatItShould(t *testing.T) {
	n := notifier(t)
	type change = func(l *lifecycle.Letter)
	stories := []struct {
		name    string
		kind    lifecycle.NoticeKind
		changes []change
	}{
		{"warn-expiry", lifecycle.KindWarnExpiry, nil},
		{"warn-expiry-global-administrator", lifecycle.KindWarnExpiry, []change{withGlobalAdministrator, withAutoExtend}},
		{"term-ended", lifecycle.KindTermEnded, nil},
		{"request-lapsed", lifecycle.KindRequestLapsed, []change{neverActivated}},
		{"request-lapsed-nobody-named", lifecycle.KindRequestLapsed, []change{neverActivated, withoutCustomer}},
		{"terminated", lifecycle.KindTerminated, nil},
		{"rejected", lifecycle.KindTerminated, []change{neverActivated}},
		{"approved", lifecycle.KindApproved, []change{withGlobalAdministrator}},
		{"extended", lifecycle.KindExtended, nil},
	}
	told := map[lifecycle.NoticeKind]bool{}
	for _, s := range stories {
		told[s.kind] = true
		for _, side := range []string{"partner", "customer"} {
			for _, tag := range []string{"en", "ja"} {
				name := s.name + "-" + side + "-" + tag
				t.Run(name, func(t *testing.T) {
					l := letter(s.kind)
					if side == "customer" {
						toCustomer(&l)
					}
					if tag == "ja" {
						inJapanese(&l)
					}
					for _, c := range s.changes {
						c(&l)
					}
					_, message, err := n.Render(l)
					require.NoError(t, err)
					requireGolden(t, filepath.Join("golden", name+".txt"), []byte(readable(t, message)))
				})
			}
		}
	}
	require.Len(t, told, len(lifecycle.NoticeKinds), "every kind has its golden files")
}

// The raw bytes, one message for each encoding: what a mail server gets must not change by accident.
func TestMessageIsTheSameToTheByte(t *testing.T) {
	n := notifier(t)
	for name, l := range map[string]lifecycle.Letter{
		"quoted-printable.eml": letter(lifecycle.KindWarnExpiry),
		"base64.eml":           letter(lifecycle.KindWarnExpiry, inJapanese),
	} {
		id, first, err := n.Render(l)
		require.NoError(t, err)
		requireGolden(t, name, first)

		l.Attempts, l.LastError, l.Status = 3, "timeout", lifecycle.NoticeFailed
		againID, again, err := notifier(t).Render(l)
		require.NoError(t, err)
		require.Equal(t, string(first), string(again), "on every attempt, in every process")
		require.Equal(t, id, againID)
	}
}

func TestHeadersAreWhatMailServersExpect(t *testing.T) {
	l := letter(lifecycle.KindWarnExpiry, inJapanese)
	id, message, err := notifier(t).Render(l)
	require.NoError(t, err)
	p := parse(t, message)

	const want = "1042-7-1-0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001@tenure.example.com"
	require.Equal(t, want, id)
	require.Equal(t, "<"+want+">", p.header.Get("Message-ID"))
	require.Equal(t, "auto-generated", p.header.Get("Auto-Submitted"))
	require.Equal(t, "tenure notices <notices.tenure.example.com>", p.header.Get("List-Id"))
	require.Equal(t, "ja", p.header.Get("Content-Language"))
	require.Equal(t, "1042-7-1", p.header.Get("X-Tenure-Notice"))
	require.Equal(t, "1.0", p.header.Get("MIME-Version"))
	date, err := p.header.Date()
	require.NoError(t, err)
	require.True(t, l.Recorded.Equal(date), "the date is that of the record, not of the attempt: %s", date)
	to, err := p.header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, []*mail.Address{{Name: "佐藤 花子", Address: "alex@partner.example"}}, to)
	from, err := p.header.AddressList("From")
	require.NoError(t, err)
	require.Equal(t, []*mail.Address{{Name: "tenure", Address: "tenure@example.com"}}, from)
}

func TestTwoDatabasesOfOneDomainNeverShareAMessageID(t *testing.T) {
	n := notifier(t)
	one, _, err := n.Render(letter(lifecycle.KindApproved))
	require.NoError(t, err)
	other, _, err := n.Render(letter(lifecycle.KindApproved, func(l *lifecycle.Letter) { l.Relationship.ID = "another" }))
	require.NoError(t, err)
	require.NotEqual(t, one, other)
}

// The record has moved on since: extended, ended, given up. The letter tells of its own end.
func TestLetterTellsTheEndOfItsOwn(t *testing.T) {
	l := letter(lifecycle.KindExtended, func(l *lifecycle.Letter) { l.Relationship.End = end.AddDate(0, 0, 180) })
	require.Contains(t, rendered(t, notifier(t), l).said(), "now runs until Sunday 31 January 2027, 09:00 UTC")
}

func TestRejectionIsToldFromTermination(t *testing.T) {
	n := notifier(t)
	for name, c := range map[string]struct {
		change func(r *lifecycle.Record)
		want   string
	}{
		"was active":            {func(*lifecycle.Record) {}, "was terminated on"},
		"was never active":      {func(r *lifecycle.Record) { r.Activated = time.Time{} }, "was declined on"},
		"imported, dates of it": {func(r *lifecycle.Record) { r.Activated, r.Locked = time.Time{}, time.Time{} }, "was terminated on"},
	} {
		t.Run(name, func(t *testing.T) {
			l := letter(lifecycle.KindTerminated, func(l *lifecycle.Letter) { c.change(&l.Relationship) })
			require.Contains(t, rendered(t, n, l).said(), c.want)
		})
	}
}

func TestWarningSaysWhyNothingIsExtended(t *testing.T) {
	n := notifier(t)
	off := letter(lifecycle.KindWarnExpiry)
	require.Contains(t, rendered(t, n, off).said(), "Automatic extension is switched off")
	held := letter(lifecycle.KindWarnExpiry, withGlobalAdministrator, withAutoExtend)
	require.Contains(t, rendered(t, n, held).said(), "never extended automatically, although automatic extension is switched on")
}

func TestLanguageIsTheReaders(t *testing.T) {
	for _, c := range []struct{ tag, byDefault, want string }{
		{"ja", "", "ja"},
		{"ja-JP", "", "ja"},
		{"JA-jp", "", "ja"},
		{"ja_JP", "", "ja"},
		{"en-GB", "ja", "en"},
		{"", "", "en"},
		{"", "ja", "ja"},
		{"zz-not a tag\r\n", "ja", "ja"},
		{"fr-FR", "ja", "ja"},
		{"ko", "en", "en"},
		{strings.Repeat("en-", 10_000), "ja", "ja"},
	} {
		n := notifier(t, func(o *Options) { o.DefaultLanguage = c.byDefault })
		l := letter(lifecycle.KindApproved, func(l *lifecycle.Letter) { l.Recipient.Language = c.tag })
		require.Equal(t, c.want, rendered(t, n, l).header.Get("Content-Language"), "%.20q, default %q", c.tag, c.byDefault)
	}
}

func TestSandboxSaysSoFirst(t *testing.T) {
	n := notifier(t, func(o *Options) { o.Sandbox = true })
	p := rendered(t, n, letter(lifecycle.KindTermEnded))
	require.True(t, strings.HasPrefix(p.decoded(t, "Subject"), "[Sandbox] Delegated"), p.decoded(t, "Subject"))
	require.Contains(t, rendered(t, n, letter(lifecycle.KindTermEnded, inJapanese)).decoded(t, "Subject"), "【サンドボックス】委任")
	require.True(t, strings.HasPrefix(p.text, "This message is a test. It comes from a sandbox"), p.text)
	require.Contains(t, p.html, "It comes from a sandbox")
	require.NotContains(t, strings.ToLower(rendered(t, notifier(t), letter(lifecycle.KindTermEnded)).text), "sandbox")
}

func TestNamelessThingsAreStillNamed(t *testing.T) {
	n := notifier(t)
	l := letter(lifecycle.KindWarnExpiry, func(l *lifecycle.Letter) {
		l.Relationship.Customer.DisplayName, l.Recipient.DisplayName, l.Relationship.Roles = "", "", nil
	})
	p := rendered(t, n, l)
	require.Equal(t, "<alex@partner.example>", p.header.Get("To"))
	require.True(t, strings.HasPrefix(p.text, "Hello,\n"), p.text)
	require.Contains(t, p.said(), "with customer tenant 11111111-1111-4111-8111-111111111111 ends")
	require.Contains(t, p.said(), "Directory roles: none listed")

	l.Relationship.DisplayName = "\u202e\u200f"
	require.Contains(t, rendered(t, n, l).said(), "“"+l.Relationship.ID+"”", "a name of nothing but controls is none")
}

func TestCustomerIsToldWhoThePartnerIs(t *testing.T) {
	named := notifier(t, func(o *Options) {
		o.Partners = map[string]string{"ABCDEFAB-2222-4222-8222-222222222222": "Fabrikam\r\nServices", "33333333-3333-4333-8333-333333333333": "\u202e"}
	})
	by := func(partner string) func(l *lifecycle.Letter) {
		return func(l *lifecycle.Letter) { l.Relationship.Partner = partner }
	}
	l := letter(lifecycle.KindWarnExpiry, toCustomer, by("abcdefab-2222-4222-8222-222222222222"))
	p := rendered(t, named, l)
	require.Contains(t, p.decoded(t, "Subject"), "Delegated admin access of Fabrikam Services ends in 30 days")
	require.Contains(t, p.said(), "between your organisation and Fabrikam Services ends")
	require.Contains(t, p.said(), "Partner: Fabrikam Services (tenant abcdefab-2222-4222-8222-222222222222)")
	inJapanese(&l)
	require.Contains(t, rendered(t, named, l).decoded(t, "Subject"), "パートナー（Fabrikam Services）の委任管理アクセス")

	for _, partner := range []string{"33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"} {
		p := rendered(t, named, letter(lifecycle.KindWarnExpiry, toCustomer, by(partner)))
		require.Contains(t, p.decoded(t, "Subject"), "Your partner's delegated admin access ends in 30 days")
		require.Contains(t, p.said(), "between your organisation and your partner ends")
		require.Contains(t, p.said(), "Partner: tenant "+partner)
	}
	require.NotContains(t, rendered(t, named, letter(lifecycle.KindWarnExpiry, by("abcdefab-2222-4222-8222-222222222222"))).text, "Fabrikam", "the partner knows its own name")
}

func TestNameOfAPartnerIsNoLink(t *testing.T) {
	n := notifier(t, func(o *Options) { o.Partners = map[string]string{samplePartner: "fabrikam.example.com"} })
	for _, kind := range lifecycle.NoticeKinds {
		p := rendered(t, n, letter(kind, toCustomer))
		require.NotContains(t, p.text, "fabrikam.example.com")
		_, body, _ := strings.Cut(p.html, "<body")
		require.NotContains(t, body, "fabrikam.example.com")
		require.Contains(t, p.decoded(t, "Subject"), "fabrikam.example.com")
	}
}

// hostile are texts that try to be more than a name.
var hostile = map[string]string{
	"header":              "Eve\r\nBcc: victim@example.com",
	"bare line feed":      "Eve\nBcc: victim@example.com\n\nbody",
	"bare return":         "Eve\rBcc: victim@example.com",
	"end of header":       "Eve\r\n\r\n<b>body</b>",
	"NUL":                 "Eve\x00<script>",
	"line separators":     "Eve\u2028Bcc: victim@example.com\u2029\u0085x",
	"vertical tab":        "Eve\v\fBcc: victim@example.com",
	"second recipient":    `Eve" <victim@example.com>, "x`,
	"comment and group":   `undisclosed: victim@example.com; (x) , y@example.com`,
	"backslash":           `Eve\" \\" <victim@example.com>`,
	"encoded word":        "=?utf-8?q?Eve=0D=0ABcc:_victim@example.com?=",
	"encoded word twice":  "==??utf-8?q?Eve=0D=0A?=",
	"bidi":                "\u202etxt.exe\u2066\u2067\u2068\u2069\u200e\u200f\u202a\u202b\u202c\u202d\u061c",
	"script":              `<script>alert(1)</script><img src=x onerror=alert(1)>`,
	"attribute":           `" onmouseover="alert(1)`,
	"entity":              `&lt;script&gt; &amp;`,
	"template":            `{{.Name}}{{template "closing"}}`,
	"comment":             `<!-- --> ]]> </title></table></body></html>`,
	"boundary":            "\r\n--tenure-00000000000000000000000000000000--\r\n",
	"smtp end":            "\r\n.\r\nMAIL FROM:<x@example.com>",
	"long word":           strings.Repeat("W", 100_000),
	"long Japanese word":  strings.Repeat("長", 100_000),
	"many spaces":         "a" + strings.Repeat(" ", 5_000) + "b",
	"invalid UTF-8":       "Eve\xff\xfe\xc0\x80",
	"emoji":               "👩‍💻 Zoë",
	"zero width":          "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e",
	"fillers":             "\u3164\u115f\uffa0\u2800",
	"tags":                "\U000E0001\U000E0041",
	"accents":             "E" + strings.Repeat("\u0301", 500),
	"address":             "https://evil.example.com/login eve@evil.example.com www.evil.example",
	"sanctioned boundary": "\r\n--=_tenure--\r\n",
}

func TestNoRecordInjectsAnything(t *testing.T) {
	n := notifier(t)
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			for _, tag := range []string{"en", "ja"} {
				for _, kind := range lifecycle.NoticeKinds {
					requireHarmless(t, n, kind, tag, text, text, text, text)
				}
			}
		})
	}
}

// requireHarmless renders a letter with these texts in it and one with harmless texts of the same kind, and demands that they
// differ in words only: same headers, one recipient, as many lines and as many tags.
func requireHarmless(t testing.TB, n *Notifier, kind lifecycle.NoticeKind, tag, reader, name, customer, id string) {
	t.Helper()
	with := func(reader, name, customer, id string) lifecycle.Letter {
		return letter(kind, func(l *lifecycle.Letter) {
			l.Recipient.Language = tag
			l.Recipient.DisplayName, l.Recipient.TenantID = reader, id
			l.Relationship.DisplayName, l.Relationship.Customer.DisplayName = name, customer
			l.Relationship.ID, l.Relationship.Partner, l.Relationship.Customer.TenantID = id, id, id
		})
	}
	plain := func(s string) string { // x, or nothing where nothing would be left
		if clean(s, longestName) == "" {
			return ""
		}
		return "x"
	}
	got := rendered(t, n, with(reader, name, customer, id))
	want := rendered(t, n, with(plain(reader), plain(name), plain(customer), plain(id)))

	require.Equal(t, len(want.header), len(got.header), "headers: %v", got.header)
	for field, values := range got.header {
		require.Len(t, values, 1, field)
		require.Contains(t, want.header, field)
		require.Empty(t, forbidden(got.decoded(t, field)), field)
	}
	to, err := got.header.AddressList("To")
	require.NoError(t, err)
	require.Len(t, to, 1)
	require.Equal(t, "alex@partner.example", to[0].Address)

	require.Empty(t, forbidden(strings.ReplaceAll(got.text+got.html, "\n", " ")))
	require.Equal(t, strings.Count(want.text, "\n\n"), strings.Count(got.text, "\n\n"), "paragraphs of text:\n%s", got.text)
	require.Equal(t, strings.Count(want.html, "\n"), strings.Count(got.html, "\n"), "lines of HTML")
	for _, mark := range []string{"<", ">", `"`, "'"} {
		require.Equal(t, strings.Count(want.html, mark), strings.Count(got.html, mark), "%s in\n%s", mark, got.html)
	}
}

// forbidden is the first character, if any, that neither people nor programs may find in a line: one that controls, or one that
// turns the direction.
func forbidden(line string) string {
	for _, r := range line {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

func TestMalformedAddressIsAPermanentFailure(t *testing.T) {
	n := notifier(t)
	for _, c := range []struct{ address, why string }{
		{"", "is missing"},
		{"alex", "is not of the form name@domain"},
		{"@partner.example", "is not of the form name@domain"},
		{"alex@", "is not of the form name@domain"},
		{"a@b@c", "is not of the form name@domain"},
		{"alex@partner.example,eve@example.com", "is not of the form name@domain"},
		{"<alex@partner.example>", "is not of the form name@domain"},
		{"Alex<alex@partner.example>", "is not of the form name@domain"},
		{"alex@partner.example(comment)", "is not of the form name@domain"},
		{`"alex"@partner.example`, "is not of the form name@domain"},
		{"alex@partner.example\r\nBcc: eve@example.com", "contains a space or a character beyond ASCII"},
		{"alex@partner.example\x00", "contains a space or a character beyond ASCII"},
		{" alex@partner.example", "contains a space or a character beyond ASCII"},
		{"佐藤@partner.example", "contains a space or a character beyond ASCII"},
		{"alex@\u202epartner.example", "contains a space or a character beyond ASCII"},
		{strings.Repeat("a", 243) + "@example.com", "is longer than 254 characters"},
	} {
		id, message, err := n.Render(letter(lifecycle.KindApproved, func(l *lifecycle.Letter) { l.Recipient.Mail = c.address }))
		require.ErrorIs(t, err, lifecycle.ErrPermanent, "%q", c.address)
		require.ErrorContains(t, err, "write notice 1042-7-1: the recipient's mail address "+c.why)
		require.ErrorContains(t, err, "correct it in the contacts")
		if c.address != "" {
			require.NotContains(t, err.Error(), c.address, "errors are logged, addresses are not")
		}
		require.Empty(t, id)
		require.Empty(t, message)
	}
}

func TestLetterThatCannotBeWrittenIsAnErrorToLookInto(t *testing.T) {
	n := notifier(t)
	for name, c := range map[string]struct {
		change func(l *lifecycle.Letter)
		why    string
	}{
		"unknown kind": {func(l *lifecycle.Letter) { l.Kind = "moved-house" }, `there is no phrase "moved-house.title"`},
		"unknown role": {func(l *lifecycle.Letter) { l.Recipient.Role = "janitor" }, `the recipient's role "janitor" is neither`},
		"no end":       {func(l *lifecycle.Letter) { l.End = time.Time{} }, "it names no end"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := n.Render(letter(lifecycle.KindApproved, c.change))
			require.ErrorContains(t, err, c.why)
			require.NotErrorIs(t, err, lifecycle.ErrPermanent)
		})
	}
}

func TestNewFindsEveryFaultAtOnce(t *testing.T) {
	_, err := New(Options{From: "nobody", Domain: "not a domain", DefaultLanguage: "tlh"})
	for _, want := range []string{"channels: none is given", `from: "nobody"`, `domain: "not a domain"`,
		`default language: "tlh" is not one of [en ja]`} {
		require.ErrorContains(t, err, want)
	}
	for _, domain := range []string{"", ".", "a..b", "a b", "x>\r\nBcc: y", "-a.example", strings.Repeat("a.", 150) + "example"} {
		o := options()
		o.Domain = domain
		_, err := New(o)
		require.ErrorContains(t, err, "domain: ", "%q", domain)
	}
}

// A channel that remembers what it was given.
type remembering struct{ letters []lifecycle.Letter }

func (r *remembering) Send(_ context.Context, l lifecycle.Letter) error {
	r.letters = append(r.letters, l)
	return nil
}

func TestSendHandsTheStoredMessageOver(t *testing.T) {
	var r remembering
	n := notifier(t, func(o *Options) { o.Channels["mail"] = &r })
	l := letter(lifecycle.KindApproved)
	require.ErrorContains(t, n.Send(t.Context(), l), "send notice 1042-7-1: it has not been written yet")
	require.Empty(t, r.letters)

	l.Message = []byte("as it was stored before the first attempt")
	require.NoError(t, n.Send(t.Context(), l))
	require.Equal(t, []lifecycle.Letter{l}, r.letters)
}

// What jobs asks of a notifier; its own declaration is out of reach from here.
var _, _ interface {
	Render(l lifecycle.Letter) (messageID string, message []byte, err error)
	Send(ctx context.Context, l lifecycle.Letter) error
} = (*Notifier)(nil), (*Discard)(nil)

func TestDiscardGivesTheMessageIDThatANotifierWould(t *testing.T) {
	d := NewDiscard("tenure.example.com")
	l := letter(lifecycle.KindTermEnded)
	want, _, err := notifier(t).Render(l)
	require.NoError(t, err)
	id, message, err := d.Render(l)
	require.NoError(t, err)
	require.Equal(t, want, id)
	require.Empty(t, message)
	require.NoError(t, d.Send(t.Context(), l))
}
