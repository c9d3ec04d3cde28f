package ledger

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// keys are made once; signing with them is the same each time.
func keys(t testing.TB, origin string) (*Signer, string) {
	t.Helper()
	private, public, err := NewKey(origin)
	require.NoError(t, err)
	signer, err := NewSigner(private + "\n")
	require.NoError(t, err)
	require.Equal(t, public, signer.Public())
	require.Equal(t, origin, signer.Origin())
	return signer, public
}

func TestCheckpointIsReadByWhoHasTheKeyOfItsSigner(t *testing.T) {
	signer, public := keys(t, "example.com/tenure")
	_, another := keys(t, "example.com/tenure")
	s := newShelf(t, 3)
	text, err := signer.Sign(s.head)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "example.com/tenure\n3\n"), string(text))

	c, err := ReadCheckpoint(text, another, public+"\n")
	require.NoError(t, err)
	require.Equal(t, Checkpoint{Origin: "example.com/tenure", Size: 3, Root: s.head.Root, Signed: true}, c)
	require.Equal(t, s.head, c.Head())
	c, err = ReadCheckpoint(text)
	require.NoError(t, err)
	require.False(t, c.Signed, "nobody has looked")

	_, err = ReadCheckpoint(text, another)
	require.ErrorIs(t, err, ErrNotSigned)
	_, err = ReadCheckpoint([]byte(strings.Replace(string(text), "\n3\n", "\n4\n", 1)), public)
	require.ErrorIs(t, err, ErrNotSigned)
	_, err = ReadCheckpoint(Unsigned(s.head), public)
	require.ErrorIs(t, err, ErrNotSigned)
	c, err = ReadCheckpoint(Unsigned(s.head))
	require.NoError(t, err)
	require.Equal(t, s.head, c.Head())
	_, err = ReadCheckpoint(text, "example.com/tenure+00000000+AAAA")
	require.ErrorContains(t, err, "is no public key of a ledger")
}

// Whoever has a key of one name must not speak for another deployment.
func TestCheckpointIsOfWhoHasSignedIt(t *testing.T) {
	signer, public := keys(t, "example.com/one")
	text, err := signer.Sign(lifecycle.LedgerHead{})
	require.NoError(t, err)
	c, err := ReadCheckpoint(text, public)
	require.NoError(t, err)
	require.Equal(t, "example.com/one", c.Origin)
	_, err = ReadCheckpoint([]byte(strings.Replace(string(text), "example.com/one\n", "example.com/two\n", 1)), public)
	require.ErrorIs(t, err, ErrNotSigned)
}

func TestNamesAndKeysThatAreNone(t *testing.T) {
	for _, origin := range []string{"", "two words", "a+b", "line\nbreak", "\xff"} {
		_, _, err := NewKey(origin)
		require.ErrorContains(t, err, "the name ", "%q", origin)
	}
	_, public, err := NewKey("a")
	require.NoError(t, err)
	for _, private := range []string{"", "secret", public} {
		_, err := NewSigner(private)
		require.ErrorContains(t, err, "is no private key of a ledger")
		require.NotContains(t, err.Error(), "secret")
	}
}

func FuzzReadCheckpoint(f *testing.F) {
	signer, public := keys(f, "test")
	text, err := signer.Sign(lifecycle.LedgerHead{Size: 12})
	require.NoError(f, err)
	f.Add(text)
	f.Add(Unsigned(lifecycle.LedgerHead{}))
	f.Add([]byte("a\n-1\n\n"))
	f.Add([]byte("a\n9223372036854775807\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ReadCheckpoint(text)
		signed, signedErr := ReadCheckpoint(text, public)
		if signedErr == nil {
			require.NoError(t, err)
			require.Equal(t, int64(12), signed.Size, "nothing else was ever signed")
		}
		if err != nil {
			return
		}
		again, err := ReadCheckpoint([]byte(c.text()))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
