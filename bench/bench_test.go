package bench

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// What is measured, in the order of the table. Each is a subtest, so that `go test -run TestSpeed/NAME` runs it alone.
var measures = []struct {
	name string
	run  func(t *testing.T, h *house)
}{
	{"throughput", measureThroughput},
	{"peers", measurePeers},
	{"mail", measureWithMail},
	{"mixed", measureMixed},
	{"embedded", measureEmbedded},
	{"nothing-due", measureNothingDue},
	{"dead-entries", measureDeadEntries},
	{"trigger", measureTrigger},
	{"recovery", measureRecovery},
	{"cost", measureCost},
	{"embedded-memory", measureEmbeddedMemory},
	{"locks", measureLocks},
	{"aging", measureAging},
	{"plan", measurePlan},
	{"simulate", measureSimulation},
	{"evaluate", measureEvaluate},
}

// TestSpeed measures everything in one run: contenders take turns, after each of them the books are checked, and what is lost or
// doubled fails the run. A target that is missed does not: machines differ, and the table says it.
func TestSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half an hour")
	}
	h := openHouse(t)
	for _, m := range measures {
		t.Run(m.name, func(t *testing.T) { m.run(t, h.of(t)) })
	}
}

var (
	full = os.Getenv("BENCH") == "full" // ten million records

	rounds     = flag.Int("rounds", setting("BENCH_ROUNDS", 2), "rounds in which contenders take turns")
	records    = flag.Int("records", setting("BENCH_RECORDS", 300_000), "relationships in the world")
	dueRecords = flag.Int("due", setting("BENCH_DUE", 50_000), "how many of them are due")
)

// setting is a whole number from the environment.
func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// TestMain writes the table and the figures once everything has been measured. The same binary is the server that mail is measured
// with.
func TestMain(m *testing.M) {
	if os.Getenv(smtpServerVariable) != "" {
		serveSMTP()
		return
	}
	code := m.Run()
	if err := figures.publish(code == 0); err != nil {
		println("the table could not be written:", err.Error())
		code = 1
	}
	os.Exit(code)
}
