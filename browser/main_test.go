package browser

import (
	"os"
	"testing"
)

// TestMain ends the browser, the programs and the worlds that tests have asked for.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		defer atTheEnd.run()
		return m.Run()
	}())
}

// atTheEnd is what has to be stopped or removed when all tests are over, the latest first.
var atTheEnd ends

type ends []func()

func (e *ends) add(end func()) { *e = append(*e, end) }

func (e ends) run() {
	for i := range e {
		e[len(e)-1-i]()
	}
}
