package testenv

import (
	"os/exec"
	"strings"
	"testing"
)

// Promtool runs Prometheus's own checker in a folder, with a text as its input, and fails the test with what it finds wrong.
func Promtool(t testing.TB, dir, input string, args ...string) (said string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("testenv: no promtool to check with: %v\nNext: run scripts/test-deps to install it, or take it from a release of Prometheus.", err)
	}
	command := exec.CommandContext(t.Context(), path, args...) //nolint:gosec // what a test asks it
	command.Dir, command.Stdin = dir, strings.NewReader(input)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("testenv: promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
