package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// holdsPrelude is the deployment that docs/holds.md looks at.
const holdsPrelude = `exec tenure migrate --sandbox --at 2026-06-01T00:00:00Z
exec tenure import --partner 99999999-9999-4999-8999-999999999999 relationships.ndjson
`

const holdsRecords = `-- relationships.ndjson --
{"id":"fabrikam-devices","displayName":"Fabrikam devices","status":"approvalPending","duration":"P30D","createdDateTime":"2026-05-20T00:00:00Z"}
{"id":"contoso-helpdesk","displayName":"Contoso helpdesk","status":"active","duration":"P365D","endDateTime":"2026-05-31T00:00:00Z"}
{"id":"contoso-backup","displayName":"Contoso backup","status":"active","duration":"P365D","endDateTime":"2026-05-31T12:00:00Z"}
`

// TestPageAboutHoldsIsTrue does what docs/holds.md says, and compares what comes out with what it shows (-update rewrites that).
func TestPageAboutHoldsIsTrue(t *testing.T) {
	const file = "docs/holds.md"
	page := read(t, file)
	r := &readme{outputs: map[int]string{}}
	script, err := r.script(blocks(page))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "holds.txtar"), []byte(holdsPrelude+script+holdsRecords), 0o600))
	commands := scriptCommands()
	commands["shown"], commands["keep"] = r.shown, r.keep
	if *update {
		t.Cleanup(func() { // the script runs when this function is over
			require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(replaceBlocks(page, r.outputs)), 0o600))
		})
	}
	testscript.Run(t, testscript.Params{Dir: dir, Setup: withFreePort, Cmds: commands, RequireExplicitExec: true})
}
