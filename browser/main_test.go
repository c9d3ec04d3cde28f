package browser

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
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

func (e *ends) run() {
	for _, end := range slices.Backward(*e) {
		end()
	}
}

func TestWhatWasBegunLastEndsFirst(t *testing.T) {
	var e ends
	var order []string
	func() {
		defer e.run() // as TestMain does: before there is anything to end
		e.add(func() { order = append(order, "first") })
		e.add(func() { order = append(order, "last") })
	}()
	require.Equal(t, []string{"last", "first"}, order)
}
