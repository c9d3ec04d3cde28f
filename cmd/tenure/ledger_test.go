package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPageOfTheLedgerIsTrue does what docs/ledger.md says, and compares what comes out with what it shows.
func TestPageOfTheLedgerIsTrue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tenure := func(args ...string) string {
		command := exec.Command("tenure", args...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%v\n%s", args, out)
		return string(out)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "two.json"), []byte(`[
		{"id":"contoso-helpdesk","displayName":"Contoso helpdesk","status":"active","duration":"P365D","endDateTime":"2026-05-01T00:00:00Z"},
		{"id":"fabrikam-mail","displayName":"Fabrikam mail","status":"active","duration":"P365D","endDateTime":"2026-09-01T00:00:00Z"}]`), 0o600))
	tenure("migrate", "--sandbox", "--at", "2026-06-01T00:00:00Z")
	tenure("import", "--partner", "99999999-9999-4999-8999-999999999999", "two.json")
	tenure("sweep")

	page, tried, said := read(t, "docs/ledger.md"), 0, ""
	for _, b := range blocks(page) {
		switch {
		case b.language == "sh":
			said = ""
			for line := range strings.Lines(b.text) {
				words := strings.Fields(line)
				require.Equal(t, "tenure", words[0])
				said += tenure(words[1:]...)
				tried++
			}
		case b.language == "text" && said != "":
			require.Equal(t, masked(b.text), masked(trimmed(said)), "docs/ledger.md:%d", b.line)
			said = ""
		}
	}
	require.Greater(t, tried, 5)
	checkpoint, err := os.ReadFile(filepath.Join(dir, "june.checkpoint"))
	require.NoError(t, err)
	require.Contains(t, masked(page), masked(string(checkpoint)))
}

// masked is text without hashes and signatures, which are others each time.
func masked(s string) string {
	return regexp.MustCompile(`[A-Za-z0-9+/]{43,}=*`).ReplaceAllString(s, "*")
}
