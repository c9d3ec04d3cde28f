//go:build race

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// alone are the commands that do one thing after the other, so that the race detector has nothing to see in them; it makes a process take five times
// as long to start, and scripts start a thousand. All others are watched. What these call in other rooms is watched by the tests there.
var alone = []string{"activity", "contacts", "explain", "holds", "ledger", "migrate", "notices", "partners", "provisioning", "quarantine", "relationships",
	"rules", "subscriptions", "sweeps", "token", "version"}

// fork is what is called `tenure` then. The command is the first word that is neither an option nor the value of one.
const fork = `#!/bin/sh
value=
for word; do
	case $value$word in
	--*=*) ;;
	-*) value=yes; continue ;;
	yes*) ;;
	%s) exec '%s' "$@" ;;
	*) break ;;
	esac
	value=
done
exec '%s' "$@"
`

// unwatched has the commands that need no race detector run without it, in all processes that are started as `tenure`.
func unwatched() error {
	watched, err := exec.LookPath("tenure")
	if err != nil {
		return err
	}
	plain, err := plainBinary()
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(plain), "path")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf(fork, strings.Join(alone, "|"), plain, watched)
	if err := os.WriteFile(filepath.Join(dir, "tenure"), []byte(text), 0o700); err != nil { //nolint:gosec // it is a program
		return err
	}
	return os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}
