package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What decides in package lifecycle. Whoever asks it would make its mistakes.
var deciding = []string{"Evaluate", "EvaluateBy", "Ahead", "NextTimer", "Act", "ActAll", "Create", "Receive", "Rules", "ScanFor", "Transitions",
	"AllowedActions", "Announcements", "Outdated", "NameFreeAt", "Stale", "ReallyEnds", "Extends", "Paused", "Covers", "Provision", "AssignTo",
	"Reassign", "Unassign", "Edit", "Over", "Lateness"}

func TestTheVerifierDecidesForItself(t *testing.T) {
	names, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name.Name(), ".go") || strings.HasSuffix(name.Name(), "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name.Name(), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, imported := range file.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			require.NoError(t, err)
			if strings.HasPrefix(path, "github.com/tenure-dev/tenure/") {
				require.Equal(t, "github.com/tenure-dev/tenure/lifecycle", path, "%s imports a room that it is to judge", name.Name())
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if selected, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(deciding, selected.Sel.Name) {
				t.Errorf("%s: %s is asked, which decides; decide it here, from docs/domain.md", files.Position(n.Pos()), selected.Sel.Name)
			}
			return true
		})
		ast.Inspect(file, func(n ast.Node) bool {
			selected, ok := n.(*ast.SelectorExpr)
			if from, named := selector(selected, ok); named && from == "lifecycle" && selected.Sel.Name != "Stale" && slices.Contains(deciding, selected.Sel.Name) {
				t.Errorf("%s: lifecycle.%s is used, which decides", files.Position(n.Pos()), selected.Sel.Name)
			}
			return true
		})
	}
}

func selector(s *ast.SelectorExpr, ok bool) (from string, named bool) {
	if !ok {
		return "", false
	}
	name, named := s.X.(*ast.Ident)
	if !named {
		return "", false
	}
	return name.Name, true
}
