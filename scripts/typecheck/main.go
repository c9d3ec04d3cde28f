// Command typecheck says whether the program, its tests and all that they import are sound Go for other systems than this one:
//
//	go run ./scripts/typecheck linux/arm64 darwin/arm64 windows/amd64
//
// It asks Go's own type checker, and makes no machine code of what would be thrown away, which takes many times as long.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "typecheck: name a target or several, such as linux/arm64")
		os.Exit(2)
	}
	sound := true
	for _, target := range os.Args[1:] {
		system, processor, ok := strings.Cut(target, "/")
		if !ok {
			fmt.Fprintf(os.Stderr, "typecheck: %q is no target; one looks like linux/arm64\n", target)
			os.Exit(2)
		}
		n, err := check(system, processor)
		if err != nil {
			fmt.Fprintf(os.Stderr, "typecheck: %s: %v\n", target, err)
			os.Exit(1)
		}
		fmt.Printf("%s: %d packages with faults\n", target, n)
		sound = sound && n == 0
	}
	if !sound {
		os.Exit(1)
	}
}

// check prints the faults of every package for a system, and counts the packages that have any.
func check(system, processor string) (faulty int, err error) {
	all, err := packages.Load(&packages.Config{
		Mode:  packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedCompiledGoFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesSizes,
		Env:   append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0"),
		Tests: true,
	}, "./...")
	if err != nil {
		return 0, err
	}
	return packages.PrintErrors(all), nil
}
