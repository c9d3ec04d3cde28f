package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the pages show is what is computed.
func TestPagesShowWhatIsComputed(t *testing.T) {
	var out, pages strings.Builder
	tables(&out)
	for _, name := range []string{"performance.md", "scale.md"} {
		page, err := os.ReadFile("../../docs/" + name)
		require.NoError(t, err)
		pages.Write(page)
	}
	rows := 0
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "| ") {
			require.Contains(t, pages.String(), line)
			rows++
		}
	}
	require.Greater(t, rows, 30)
}
