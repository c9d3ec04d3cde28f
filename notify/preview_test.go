package notify

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestPreviewIsWhatWouldBeSent(t *testing.T) {
	n := notifier(t)
	for _, kind := range PreviewKinds() {
		l, err := n.Preview(kind, PreviewOptions{Language: "ja", Side: lifecycle.CustomerSide, TimeZone: "Asia/Tokyo"})
		require.NoError(t, err)
		require.Equal(t, storyOf(&l), kind)
		id, message, err := n.Render(l)
		require.NoError(t, err)
		require.Equal(t, id, l.MessageID)
		require.Equal(t, string(message), string(l.Message))

		text, html, err := Parts(l.Message)
		require.NoError(t, err)
		p := parse(t, l.Message)
		require.Equal(t, p.text, text)
		require.Equal(t, p.html, html)
	}
}

func TestPreviewShowsVariations(t *testing.T) {
	n := notifier(t, func(o *Options) { o.Sandbox = true })
	l, err := n.Preview(lifecycle.KindWarnExpiry, PreviewOptions{Stage: lifecycle.Days(1), GlobalAdministrator: true})
	require.NoError(t, err)
	p := parse(t, l.Message)
	require.Contains(t, p.decoded(t, "Subject"), "[Sandbox] Delegated admin access ends tomorrow")
	require.Contains(t, p.said(), "includes the Global Administrator role")
}

func TestPreviewSaysWhatThereIs(t *testing.T) {
	_, err := notifier(t).Preview("moved-house", PreviewOptions{Language: "tlh", Side: "both", TimeZone: "Mars/Olympus"})
	for _, want := range []string{`"moved-house" is no kind of notice; they are [warn-expiry`, "rejected digest]", `language: "tlh" is not one of [en ja]`, `"both" is no side; write partner or customer`,
		`"Mars/Olympus" is no time zone; write the name of one, such as Asia/Tokyo`} {
		require.ErrorContains(t, err, want)
	}
	_, err = notifier(t).Preview(lifecycle.KindExtended, PreviewOptions{GlobalAdministrator: true})
	require.ErrorContains(t, err, "a relationship that includes Global Administrator is never extended")
	_, err = notifier(t).Preview(lifecycle.KindApproved, PreviewOptions{TimeZone: "Local"})
	require.ErrorContains(t, err, "is no time zone")
}

func TestPartsOfNoMailAreAnError(t *testing.T) {
	for _, message := range []string{"", "x", "Subject: x\r\n\r\nbody", "Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nbroken"} {
		_, _, err := Parts([]byte(message))
		require.ErrorContains(t, err, "read a mail: ")
	}
}
