package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// measureCost asks what a due record costs where few are due and where all are, beside what the same costs L; and how much memory the
// workers take where a million falls due.
func measureCost(t *testing.T, h *house) {
	n := *records
	sizes, turns := []int{n / 100, n}, []int{*rounds + 2, min(*rounds, 2)}
	if full {
		sizes, turns = []int{n / 100, n / 10, n}, []int{*rounds + 2, *rounds, *rounds}
		n *= 10
	}
	crew := crew{2, 1}
	var costs series // of L at the same size
	for i, due := range sizes {
		w := world{Records: n, Due: due}
		var peak float64
		took := race(turns[i],
			runner{fmt.Sprintf("L, %s of %s", figure(float64(due)), figure(float64(n))), func() time.Duration { return h.limit(w) }},
			runner{fmt.Sprintf("2 workers, %s of %s", figure(float64(due)), figure(float64(n))), func() time.Duration {
				took, most := h.sweepWeighed(w, crew)
				peak = max(peak, most)
				return took
			}})
		micros := func(s series) (each series) {
			for _, seconds := range s {
				each = append(each, 1e6*seconds/float64(due))
			}
			return each
		}
		m := measured(fmt.Sprintf("cost per due record, %s of %s due, 2 workers", figure(float64(due)), figure(float64(n))), "µs", micros(took[1])).
			against("L", micros(took[1]), micros(took[0]))
		costs = append(costs, m.Ratio)
		figures.record(m)
		if i == len(sizes)-1 {
			figures.record(measured("memory of a worker while "+figure(float64(due))+" fall due", "MiB", series{peak}).
				atMost(96).noting("VmHWM of the whole process, the larger of two"))
		}
	}
	spread := measured("cost per due record beside L's: the dearest size to the cheapest", "×", series{slices.Max(costs) / slices.Min(costs)})
	figures.record(spread.atMost(1.2))
}

// sweepWeighed is [house.sweep], with the most memory that any worker had.
func (h *house) sweepWeighed(w world, crew crew) (took time.Duration, peak float64) {
	h.t.Helper()
	db := h.fresh(w)
	defer db.drop()
	d := h.deploy(db, crew)
	defer d.stop()
	took = d.AwaitSweep(d.Sweep())
	for _, worker := range d.Workers {
		peak = max(peak, h.peak(worker))
	}
	d.stop()
	db.check()
	db.checkLogged()
	return took, peak
}
