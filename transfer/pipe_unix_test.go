//go:build unix

package transfer

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// As a shell makes one for <(…).
func TestPipeIsSpooledLikeStandardInput(t *testing.T) {
	inDir(t)
	require.NoError(t, syscall.Mkfifo("pipe", 0o600))
	written := make(chan error, 1)
	go func() { written <- os.WriteFile("pipe", []byte(`{"value":[`+active(1)+`]}`), 0o600) }()
	r, err := Import(t.Context(), newMemory(), options(), "pipe")
	require.NoError(t, <-written)
	require.NoError(t, err)
	require.Equal(t, 1, r.Total.Created)
}
