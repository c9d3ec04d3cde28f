// Command scale computes what a year costs, and what gives way first as the number of relationships grows.
//
// It walks through lives with the product's own rules, and multiplies with what was measured: bytes a row and processor time a piece. Nothing in it
// looks at a clock or at a database; the same numbers go in, the same tables come out, and docs/scale.md shows them.
//
//	cd bench && go run ./scale
package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Measured, on PostgreSQL 15; docs/performance.md says how. Bytes are with their indexes.
const (
	agreementBytes = 805.0
	clockBytes     = 200.0 // after a sweep of a fifth of them
	contactBytes   = 306.0
	eventBytes     = 263.0
	leafBytes      = 46.0 // an event's part of the ledger
	noticeBytes    = 374.0
	messageBytes   = 5063.0
	emptiedBytes   = 203.0 // what is left of a message once it was erased

	sweepSeconds  = 0.0925e-3 + 0.040e-3 // of processor time for a due record of which four people hear: in PostgreSQL, in Go
	noticeSeconds = 0.051e-3 / 4         // of it, each notice
	letterSeconds = 2.0 / 3385           // a mail through SMTP, both of two cores taken to be busy: at most that
	lookSeconds   = 2.4e-3               // a sweep that finds nothing, in the database
	oneWorker     = 1 / sweepSeconds     // records a second, one worker, nothing done at the same time
)

// Assumed.
const (
	people        = 2     // who hear of something, of each tenant
	contactsEach  = 0.104 // contacts a relationship: a partner has 500 relationships, a customer 20
	extending     = 0.6   // share of relationships that extend themselves; the others have terms of two years and are renewed
	actions       = 3     // events of a new relationship that people make: created, locked, approved
	welcome       = 2     // audiences that hear of an approval
	machineDollar = 60.0  // a month: 2 vCPU, 8 GB
	diskDollar    = 0.10  // a GB and month
	messageYears  = 90.0 / 365
	years         = 40 // a life is walked for so long, and divided by it
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A tally is what a relationship meets in a year, on average.
type tally struct{ due, events, notices float64 }

func (t tally) times(f float64) tally { return tally{t.due * f, t.events * f, t.notices * f} }
func (t tally) plus(o tally) tally {
	return tally{t.due + o.due, t.events + o.events, t.notices + o.notices}
}

// live walks through the years of one relationship and of all that follow it, each agreed on when the one before has ended.
func live(extends bool, term lifecycle.Period) (t tally) {
	policy, until := lifecycle.DefaultPolicy(), start.AddDate(years, 0, 0)
	for next := start; !next.IsZero() && next.Before(until); {
		r := lifecycle.Record{
			ID: "a", Partner: "p", DisplayName: "n", Duration: term, AutoExtend: extends, Status: lifecycle.Active,
			Customer: lifecycle.Tenant{TenantID: "c", DisplayName: "c"}, Roles: []string{"r"}, Version: actions,
			Created: next, Locked: next, Activated: next, WarnAfter: next, End: term.After(next),
		}
		t = t.plus(tally{events: actions, notices: welcome * people})
		next = time.Time{}
		for timer := lifecycle.NextTimer(&r, policy); !timer.At.IsZero() && timer.At.Before(until); timer = lifecycle.NextTimer(&r, policy) {
			d := lifecycle.Evaluate(r, policy, timer.At)
			t = t.plus(told(&d))
			if r.Status == lifecycle.Active && d.Record.Status != lifecycle.Active {
				next = timer.At
			}
			r = d.Record
		}
	}
	return t.times(1.0 / years)
}

func told(d *lifecycle.Decision) tally {
	t := tally{due: 1, events: float64(len(d.Changes))}
	for _, n := range d.Notices {
		t.notices += float64(len(n.To) * people)
	}
	return t
}

func main() { tables(os.Stdout) }

func tables(w io.Writer) {
	portfolio := lives(w)
	million(w, portfolio)
	sizes(w, portfolio)
	limits(w, portfolio)
	shards(w)
}

func lives(w io.Writer) tally {
	fmt.Fprint(w, "A relationship and year, walked through with Evaluate\n\n| kind | timers due | events | notices |\n|---|---:|---:|---:|\n")
	year, two, ext := live(false, lifecycle.Months(12)), live(false, lifecycle.Months(24)), live(true, lifecycle.Months(24))
	portfolio := ext.times(extending).plus(two.times(1 - extending))
	for _, k := range []struct {
		name string
		tally
	}{{"a year, ends, renewed", year}, {"two years, ends, renewed", two}, {"two years, then extended", ext}, {"portfolio: 60% extended, 40% renewed", portfolio}} {
		fmt.Fprintf(w, "| %s | %.2f | %.2f | %.2f |\n", k.name, k.due, k.events, k.notices)
	}
	return portfolio
}

// stock is what the relationships themselves take, and growth what each year adds for good, in bytes. Of those that are renewed, the
// one before stays: kept counts what a place in the portfolio adds in agreements each year.
const (
	stock    = agreementBytes + clockBytes + contactsEach*contactBytes
	kept     = (1 - extending) / 2 * (agreementBytes + clockBytes)
	gigabyte = 1e9
)

func growth(t tally) float64 {
	return kept + t.events*(eventBytes+leafBytes) + t.notices*(noticeBytes+emptiedBytes)
}
func mail(t tally) float64 { return t.notices * messageYears * messageBytes }

// work is the processor time of a year for one relationship, in seconds: its sweeps, and its letters. Notices are counted one by one, since few
// timers tell four people.
func work(t tally) (sweeps, letters float64) {
	return t.due*(sweepSeconds-4*noticeSeconds) + t.notices*noticeSeconds, t.notices * letterSeconds
}

func million(w io.Writer, t tally) {
	const n = 1e6
	sweeps, letters := work(t)
	looks := 365 * 24 * 60 * (1 + 1 + 1 + 1.0/5 + 1.0/15)
	hours := (n*(sweeps+letters) + looks*lookSeconds) / 3600
	disk := n * (stock + growth(t) + mail(t)) / gigabyte
	fmt.Fprint(w, "\nA million relationships, a year\n\n| what | a year |\n|---|---:|\n")
	fmt.Fprintf(w, "| timers due | %s |\n| events | %s |\n| notices | %s |\n", short(n*t.due), short(n*t.events), short(n*t.notices))
	fmt.Fprintf(w, "| relationships and contacts | %.2f GB |\n| events and ledger | %.2f GB |\n| notices, and what is left of messages | %.2f GB |\n", n*stock/gigabyte,
		n*t.events*(eventBytes+leafBytes)/gigabyte, n*t.notices*(noticeBytes+emptiedBytes)/gigabyte)
	fmt.Fprintf(w, "| relationships that were renewed | %.2f GB |\n| messages, kept for 90 days | %.2f GB |\n", n*kept/gigabyte, n*mail(t)/gigabyte)
	fmt.Fprintf(w, "| on disk after the first year | %.1f GB |\n| each further year adds | %.1f GB |\n", disk, n*growth(t)/gigabyte)
	fmt.Fprintf(w, "| processor: sweeps | %.2f h |\n| processor: letters | %.1f h |\n| database: %s looks that find nothing, most of it waiting for the disk | %.1f h |\n", n*sweeps/3600, n*letters/3600,
		short(looks), looks*lookSeconds/3600)
	fmt.Fprintf(w, "| all of that, of 2 vCPU | %.2f%% |\n| price: machine and 100 GB | $%.0f |\n| price: the share of it that is used | $%.2f |\n", 100*hours/(2*365*24),
		12*(machineDollar+100*diskDollar), 12*(machineDollar*hours/(2*365*24)+disk*diskDollar))
}

func sizes(w io.Writer, t tally) {
	fmt.Fprint(w, "\nGrown\n\n| relationships | clocks | all, first year | each year adds | due a second, mean | letters a day | a hundredth of the year's timers at one instant, one worker |\n"+
		"|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, n := range []float64{1e6, 1e7, 1e8, 1e9} {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.1f | %s | %s |\n", short(n), bytes(n*clockBytes), bytes(n*(stock+growth(t)+mail(t))), bytes(n*growth(t)), n*t.due/(365*86400),
			short(n*t.notices/365), span(n*t.due/100/oneWorker))
	}
}

// A limit is where something gives way: at so many relationships, on each of two machines.
type limit struct {
	what         string
	small, large float64
}

func limits(w io.Writer, t tally) {
	const (
		smallMemory, smallDisk, smallCores = 8 * gigabyte, 100 * gigabyte, 2.0
		largeMemory, largeDisk, largeCores = 256 * gigabyte, 10_000 * gigabyte, 32.0
	)
	sweeps, letters := work(t)
	each := (sweeps + letters) / (365 * 86400)
	onDisk := stock + mail(t) + 5*growth(t)
	busy := 300 * oneWorker / (t.due / 100)
	all := []limit{
		{"disk full after five years", smallDisk / onDisk, largeDisk / onDisk},
		{"clocks no longer in half of the memory", smallMemory / 2 / clockBytes, largeMemory / 2 / clockBytes},
		{"a hundredth of a year's timers at one instant takes one worker more than 5 minutes", busy, busy},
		{"sweeps and letters take half of the cores, on average", smallCores / 2 / each, largeCores / 2 / each},
		{"sweeps alone take one worker half of its time, on average", 0.5 / (t.due * sweepSeconds) * 365 * 86400, 0.5 / (t.due * sweepSeconds) * 365 * 86400},
		{"plan over everything takes an hour", 3600 * planRate, 3600 * planRate},
		{"chunks are 1,000 tasks a second in Redis", 1000 * 1000 / t.due * 365 * 86400, 1000 * 1000 / t.due * 365 * 86400},
	}
	slices.SortStableFunc(all, func(a, b limit) int { return cmp.Compare(a.small, b.small) })
	fmt.Fprint(w, "\nWhat gives way first\n\n| what | 2 vCPU, 8 GB, 100 GB | 32 vCPU, 256 GB, 10 TB |\n|---|---:|---:|\n")
	for _, l := range all {
		fmt.Fprintf(w, "| %s | %s | %s |\n", l.what, short(l.small), short(l.large))
	}
}

// planRate is how many relationships a second `tenure plan` got through where all were due, on two busy cores.
const planRate = 170e3

// shards spreads partners, few of them large and most small, over databases: by a hash of the tenant id, and by size, the largest first to
// the emptiest.
func shards(w io.Writer) {
	const partners = 200_000
	fmt.Fprintf(w, "\n%s partners over several databases, sizes by Zipf's law; the fullest database beside the mean\n\n", short(partners))
	fmt.Fprint(w, "| exponent | the largest partner has | databases | by hash | placed by size |\n|---:|---:|---:|---:|---:|\n")
	for _, exponent := range []float64{0.6, 1.0} {
		size, total := make([]float64, partners), 0.0
		for i := range size {
			size[i] = math.Pow(float64(i+1), -exponent)
			total += size[i]
		}
		for _, n := range []int{4, 16, 64} {
			fmt.Fprintf(w, "| %.1f | %.2f%% | %d | %.2f × | %.2f × |\n", exponent, 100*size[0]/total, n, fullest(byHash(size, n), total), fullest(bySize(size, n), total))
		}
	}
}

func byHash(size []float64, n int) []float64 {
	load := make([]float64, n)
	for i, s := range size {
		h := fnv.New64a()
		fmt.Fprintf(h, "partner %d of many", i)
		x := h.Sum64()
		x ^= x >> 33
		load[(x*0xff51afd7ed558ccd>>32)%uint64(n)] += s
	}
	return load
}

func bySize(size []float64, n int) []float64 {
	load := make([]float64, n)
	for _, s := range size { // the largest come first
		least := 0
		for i := range load {
			if load[i] < load[least] {
				least = i
			}
		}
		load[least] += s
	}
	return load
}

func fullest(load []float64, total float64) float64 {
	return slices.Max(load) / total * float64(len(load))
}

func short(x float64) string {
	for _, unit := range []struct {
		at   float64
		name string
	}{{1e12, " tn"}, {1e9, " bn"}, {1e6, " M"}, {1e3, " k"}} {
		if x >= unit.at {
			return fmt.Sprintf("%.3g%s", x/unit.at, unit.name)
		}
	}
	return fmt.Sprintf("%.3g", x)
}

func bytes(x float64) string {
	if x >= 1e12 {
		return fmt.Sprintf("%.1f TB", x/1e12)
	}
	return fmt.Sprintf("%.1f GB", x/1e9)
}

func span(seconds float64) string {
	return time.Duration(math.Round(seconds) * float64(time.Second)).String()
}
