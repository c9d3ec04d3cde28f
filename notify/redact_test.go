package notify

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNothingOfTheAddressIsRepeated(t *testing.T) {
	to, err := url.Parse("https://us3r:p%40ss@hooks.example.com/hooks/T000/%E9%8D%B5pa%2Fss+word?token=q%20value&bare#no")
	require.NoError(t, err)
	r := newRedactor(to)
	for _, form := range []string{
		"/hooks/T000/%E9%8D%B5pa%2Fss+word?token=q%20value&bare", "/hooks/T000/鍵pa/ss+word", `\/hooks\/T000\/鍵pa\/ss+word`,
		"%E9%8D%B5PA%2FSS+WORD", "t000", "token=q%20value&amp;bare", "q value", "q+value", "us3r", "p@ss", "us3r:p@ss", "dXMzcjpwQHNz",
	} {
		require.Equal(t, "before *** after", r.line("before "+form+" after"), form)
	}
	require.Equal(t, "lookup hooks.example.com: no such host", r.line("lookup hooks.example.com: no such host"), "the host is no secret")
	require.Equal(t, "one line", r.line("one\r\n\tline\u202e"))
	require.Equal(t, "bad \uFFFD byte", r.line("bad \xff byte"))
	require.Len(t, []rune(r.line(strings.Repeat("x", 1000))), shownOfAnswer)
	require.Equal(t, "as it is", redactor{}.line("as it is"))
}
