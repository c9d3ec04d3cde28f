package main

import (
	"math"
	"os"
	"runtime/debug"
)

// A garbageRoom is how much garbage may lie about before it is collected. From the factory Go collects whenever the heap has doubled.
// A worker keeps a few megabytes and makes some fifteen of garbage for each chunk, so that collecting took a fifth of its time.
type garbageRoom struct {
	percent int   // of what is kept
	limit   int64 // bytes that the process takes up with it, about; as it comes near, collecting comes more often
}

const mebi = 1 << 20

// ofWorker is for a process that does nothing but work on so many chunks at a time.
func ofWorker(concurrency int) garbageRoom {
	return garbageRoom{percent: 400, limit: 48*mebi + int64(concurrency)*8*mebi}
}

// ofLook is for a command that looks at everything once, page by page.
func ofLook() garbageRoom { return garbageRoom{percent: 300, limit: 152 * mebi} }

// ofSimulation is for a run that holds nearly everything in its database, whose memory is none of Go's.
func ofSimulation() garbageRoom { return garbageRoom{percent: 400, limit: math.MaxInt64} }

// allow lets the garbage lie. What an operator has set by Go's own variables holds.
func (r garbageRoom) allow() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(r.percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(r.limit)
	}
}
