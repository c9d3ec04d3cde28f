package bench

import (
	"fmt"
	"testing"
	"time"
)

// A runner does all that is due in a world once, and says how long it took from the opening to the last commit; what it did is checked by
// then.
type runner struct {
	name string
	run  func() time.Duration
}

// race lets runners take turns, so many rounds, and answers with the seconds of each.
func race(rounds int, runners ...runner) []series {
	took := make([]series, len(runners))
	for round := range rounds {
		for i, r := range runners {
			d := r.run()
			fmt.Printf("round %d: %s: %.2fs\n", round+1, r.name, d.Seconds())
			took[i] = append(took[i], d.Seconds())
		}
	}
	return took
}

// rates are pieces per second of seconds.
func (s series) rates(pieces int) series {
	rates := make(series, len(s))
	for i, seconds := range s {
		rates[i] = float64(pieces) / seconds
	}
	return rates
}

// sweep is how long a deployment takes over a fresh copy of a world.
func (h *house) sweep(w world, crew crew) time.Duration {
	h.t.Helper()
	db := h.fresh(w)
	defer db.drop()
	d := h.deploy(db, crew)
	defer d.stop()
	took := d.AwaitSweep(d.Sweep())
	d.stop()
	fmt.Println("processor time:", d.CPU)
	db.check()
	db.checkLogged()
	return took
}

// The crews that take part, by how many tasks are done at a time.
var crews = []struct {
	name string
	crew
	atLeast float64 // of L
}{
	{"1 worker", crew{1, 1}, 0.8},
	{"2 workers", crew{2, 1}, 1.1},
	{"4 workers", crew{2, 2}, 1.1},
}

// measureThroughput is the race from what is due to what is committed: one statement on our tables, one on the narrowest, and tenure.
func measureThroughput(t *testing.T, h *house) {
	w := world{Records: *records, Due: *dueRecords}
	runners := []runner{
		{"L", func() time.Duration { return h.limit(w) }},
		{"L0", func() time.Duration { return h.narrow(w) }},
	}
	for _, c := range crews {
		runners = append(runners, runner{c.name, func() time.Duration { return h.sweep(w, c.crew) }})
	}
	took := race(*rounds, runners...)
	limit, narrow := took[0].rates(w.Due), took[1].rates(w.Due)
	figures.record(measured("L: one SQL statement does it all", "records/s", limit),
		measured("L0: one statement, narrowest tables", "records/s", narrow).against("L", narrow, limit))
	best := took[2].rates(w.Due)
	for i, c := range crews {
		mine := took[i+2].rates(w.Due)
		if median(mine) > median(best) {
			best = mine
		}
		figures.record(measured("due → committed, "+c.name, "records/s", mine).against("L", mine, limit).ratioAtLeast(c.atLeast))
	}
	figures.record(measured("the best of these beside L0", "records/s", best).against("L0", best, narrow).ratioAtLeast(0.7))
}

// Record by record takes so long that there is less of it to do, in a world of the same density.
const fewer = 20

// measurePeers is the race against what people would write instead: a job and a transaction for each record.
func measurePeers(t *testing.T, h *house) {
	w := world{Records: *records, Due: *dueRecords}
	small := world{Records: w.Records / fewer, Due: w.Due / fewer}
	took := race(*rounds,
		runner{"tenure, 2 workers", func() time.Duration { return h.sweep(w, crew{2, 1}) }},
		runner{"asynq, its own poll", func() time.Duration { return h.asynqPerRecord(small, 10, 0) }},
		runner{"asynq, polls each 5 ms", func() time.Duration { return h.asynqPerRecord(small, 10, 5*time.Millisecond) }},
		runner{"River, 100 at a time", func() time.Duration { return h.riverPerRecord(small, 100, 20) }},
		runner{"River, 20 at a time", func() time.Duration { return h.riverPerRecord(small, 20, 20) }},
	)
	tenure := took[0].rates(w.Due)
	beside := func(name string, atLeast float64, contenders ...series) {
		best := contenders[0].rates(small.Due)
		for _, c := range contenders[1:] {
			if rates := c.rates(small.Due); median(rates) > median(best) {
				best = rates
			}
		}
		m := measured(name, "records/s", best)
		m.Inverse = true
		figures.record(m.against("tenure is faster by", tenure, best).ratioAtLeast(atLeast))
	}
	beside("one asynq task and one transaction per record, the better of two settings", 25, took[1], took[2])
	beside("one River job and one transaction per record, the better of two settings", 15, took[3], took[4])
}

// measureWithMail is the same sweep while its notices are being sent, into files: the workers do both.
func measureWithMail(t *testing.T, h *house) {
	w := world{Records: *records, Due: *dueRecords}
	var took series
	for range *rounds {
		db := h.fresh(w)
		h.run(db.URL, "notices", "channels", "on", "mail", "--reason", "to see what it costs")
		d := h.deploy(db, crew{2, 1})
		took = append(took, d.AwaitSweep(d.Sweep()).Seconds())
		d.stop()
		db.check()
		db.drop()
	}
	figures.record(measured("due → committed, 2 workers, while the notices are sent", "records/s", took.rates(w.Due)))
}

// measureMixed is a sweep in which only a quarter of the records ends; the others are extended, warned of, lapse, or give names free.
func measureMixed(t *testing.T, h *house) {
	w := world{Records: *records, Due: *dueRecords, Mixed: true}
	took := race(*rounds, runner{"a mixed world", func() time.Duration { return h.sweep(w, crew{2, 1}) }})
	figures.record(measured("due → committed, 2 workers, all rules mixed", "records/s", took[0].rates(w.Due)))
}
