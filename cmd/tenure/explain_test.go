package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/explain"
	"github.com/tenure-dev/tenure/httpapi"
)

// TestWhatIsShownOfExplainIsTrue does what docs/explain.md says, as it is done with README.md (-update rewrites what it shows).
func TestWhatIsShownOfExplainIsTrue(t *testing.T) {
	const file = "docs/explain.md"
	page := read(t, file)
	r := &readme{outputs: map[int]string{}}
	script, err := r.script(blocks(page))
	require.NoError(t, err)
	dir := t.TempDir()
	script = "cd first-hour\n" + strings.ReplaceAll(script, "README.md", file)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "explain.txtar"), []byte(script), 0o600))
	commands := scriptCommands()
	commands["shown"], commands["keep"] = r.shown, r.keep
	if *update {
		t.Cleanup(func() { // the script runs when this function is over
			require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(replaceBlocks(page, r.outputs)), 0o600))
		})
	}
	testscript.Run(t, testscript.Params{Dir: dir, Setup: withFreePort, Cmds: commands, RequireExplicitExec: true})
}

func TestLanguagesAreTheSameOverHTTP(t *testing.T) {
	languages := make([]string, len(explain.Languages))
	for i, l := range explain.Languages {
		languages[i] = string(l)
	}
	require.Equal(t, languages, httpapi.ExplanationLanguages)
}

func TestEverySectionIsInItsPage(t *testing.T) {
	names := []explain.SectionName{explain.Summary, explain.Attention, explain.Why, explain.Next, explain.Otherwise, explain.Following, explain.Told,
		explain.Telling, explain.Access, explain.Name, explain.Possible}
	var shown []string
	for _, row := range tableAfter(t, "docs/explain.md", "What it tells") {
		shown = append(shown, strings.Trim(row[1], "`"))
	}
	for i, name := range names {
		require.Equal(t, string(name), shown[i])
	}
	require.Len(t, shown, len(names))
}

func TestKeysOfAPolicyFileAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(path, []byte("requests:\n  lapseAfter: P60D\nwarnings: {before: [P7D]}\n"), 0o600))
	keys, err := setKeys(path)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"requests.lapseAfter": true, "warnings.before": true}, keys)
	keys, err = setKeys("")
	require.NoError(t, err)
	require.Empty(t, keys)
	require.NotNil(t, keys)
}
