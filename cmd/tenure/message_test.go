package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
)

func TestMailIsShownAsPeopleReadIt(t *testing.T) {
	notifier, err := notify.New(notify.Options{Channels: map[string]notify.Channel{"mail": notify.NewDiscard("tenure.example")},
		From: "tenure@tenure.example", Domain: "tenure.example"})
	require.NoError(t, err)
	for _, tag := range notifier.Languages() {
		l, err := notifier.Preview(lifecycle.KindTermEnded, notify.PreviewOptions{Language: tag})
		require.NoError(t, err)
		text, _, err := notify.Parts(l.Message)
		require.NoError(t, err)
		shown := readableMail(l.Message)
		require.Regexp(t, `^Subject: .*Contoso helpdesk 2026.*\n\n`, shown)
		require.NotContains(t, shown, "=?utf-8?")
		require.Contains(t, shown, text)
	}
}

func TestWhatIsNoMailIsShownAsItIs(t *testing.T) {
	for _, message := range []string{`{"id":"1042-7-1","text":"Subject: none"}`, "From: a@b.example\r\n\r\nno parts", "x"} {
		require.Equal(t, message, readableMail([]byte(message)))
	}
}
