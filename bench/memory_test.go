package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// peak is the most memory that a process ever had resident, in MiB: what Linux calls its high-water mark.
func (h *house) peak(process *exec.Cmd) float64 {
	h.t.Helper()
	status, err := os.Open("/proc/" + strconv.Itoa(process.Process.Pid) + "/status")
	require.NoError(h.t, err)
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		var kilobytes float64
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %f kB", &kilobytes); n == 1 {
			return kilobytes / 1024
		}
	}
	h.t.Fatal("the system does not tell how much memory a process had")
	return 0
}

// measureEmbeddedMemory lets a million relationships fall due before the program as it runs by itself: SQLite, and the queue in the
// process.
func measureEmbeddedMemory(t *testing.T, h *house) {
	n := setting("BENCH_EMBEDDED_DUE", *records)
	db := h.freshFile(world{Records: n, Due: n})
	defer db.drop()
	d := h.serve(db)
	defer d.stop()
	took := d.AwaitSweep(d.Sweep())
	peak := h.peak(d.API)
	d.stop()
	db.check()
	figures.record(measured("memory, embedded (SQLite, queue in the process), while "+figure(float64(n))+" fall due", "MiB", series{peak}).
		atMost(256).noting(fmt.Sprintf("VmHWM of the whole process; %s records/s meanwhile", figure(float64(n)/took.Seconds()))))
}
