package outlook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	fabrikam = "22222222-2222-4222-8222-222222222222" // the partner
	contoso  = "11111111-1111-4111-8111-111111111111" // the customer
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fixed are records that a test has made, in pages of two.
type fixed struct {
	records  []lifecycle.Stored
	failures []lifecycle.Failure
	asked    atomic.Int32 // times for people
	all      bool         // what People answers with is all that there are
}

func (f *fixed) Next(context.Context) (Decode, bool, error) {
	if len(f.records)+len(f.failures) == 0 {
		return nil, false, nil
	}
	n := min(2, len(f.records))
	records, failures := f.records[:n], f.failures
	f.records, f.failures = f.records[n:], nil
	return func(into []lifecycle.Stored, most int) ([]lifecycle.Stored, []lifecycle.Failure) {
		n, failed := min(most, len(records)), failures
		into = append(into[:0], records[:n]...)
		records, failures = records[n:], nil
		return into, failed
	}, true, nil
}

func (f *fixed) People(_ context.Context, audiences []lifecycle.Audience) (lifecycle.Headcount, bool, error) {
	f.asked.Add(1)
	people := lifecycle.Headcount{}
	for _, a := range audiences {
		if a.Role == lifecycle.AdminAgents {
			people.Put(a, 2)
		}
	}
	return people, f.all, nil
}

func pending(key int64, locked time.Time) lifecycle.Stored {
	return lifecycle.Stored{Key: key, Record: lifecycle.Record{ID: fmt.Sprint("pending-", key), Partner: fabrikam, DisplayName: fmt.Sprint("Pending ", key),
		Duration: lifecycle.Days(30), Status: lifecycle.ApprovalPending, Created: locked, Modified: locked, Locked: locked, Version: 2}}
}

func active(key int64, end time.Time) lifecycle.Stored {
	from := end.Add(-365 * lifecycle.Day)
	return lifecycle.Stored{Key: key, Record: lifecycle.Record{ID: fmt.Sprint("active-", key), Partner: fabrikam, DisplayName: fmt.Sprint("Active ", key),
		Duration: lifecycle.Days(365), Status: lifecycle.Active, Customer: lifecycle.Tenant{TenantID: contoso}, Created: from, Modified: from, Locked: from,
		Activated: from, WarnAfter: from, End: end, Version: 3}}
}

func ask(until time.Time) Question {
	return Question{Policy: lifecycle.DefaultPolicy(), Now: start, Until: until}
}

func TestAPlanCountsEachDayAndRule(t *testing.T) {
	assigned := active(3, start.Add(10*lifecycle.Day))
	assigned.Assigned = 1
	held := active(4, start.Add(10*lifecycle.Day))
	held.Stayed = lifecycle.RuleNames()
	records := &fixed{records: []lifecycle.Stored{pending(1, start.Add(-100*lifecycle.Day)), active(2, start.Add(10*lifecycle.Day)), assigned, held},
		failures: []lifecycle.Failure{{Key: 9, Reason: "column duration cannot be read"}}}
	var ids []string
	plan, err := Look(t.Context(), records, ask(start.Add(10*lifecycle.Day)), func(item *Item) error {
		ids = append(ids, item.ID)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"pending-1", "active-2", "active-3", "active-4"}, ids, "in the order of their keys")
	require.EqualValues(t, 5, plan.Looked)
	require.EqualValues(t, 1, plan.Failed)
	require.EqualValues(t, 3, plan.Overdue, "and two warnings of 30 days")
	require.Equal(t, map[lifecycle.RuleName]int64{lifecycle.EndTerm: 1}, plan.Held, "by then its warnings have yielded to it")

	onDay := func(days int, rule lifecycle.RuleName) Sum {
		return *of(plan.Days, Day{start.Add(time.Duration(days) * lifecycle.Day), rule})
	}
	require.Equal(t, Sum{Relationships: 1, Times: 1, Unsaid: 1}, onDay(0, lifecycle.ExpirePending), "it is old news")
	require.Equal(t, Sum{Relationships: 2, Times: 2, Told: 4, Unsaid: 2}, onDay(3, lifecycle.WarnExpiry), "customers have nobody")
	require.Equal(t, Sum{Relationships: 2, Times: 2, Told: 4, Unsaid: 2}, onDay(10, lifecycle.EndTerm), "to take access away is a step of the same end")
	require.EqualValues(t, 3, plan.All.Relationships)
	require.Equal(t, map[lifecycle.Reason]int64{lifecycle.Stale: 1, lifecycle.NobodyToTell: 8}, plan.Unsaid)

	weeks := plan.Weeks()
	require.Equal(t, "2026-W01", weeks[0].Name())
	require.Len(t, weeks, 2)
	require.Equal(t, plan.All.Times, weeks[0].All.Times+weeks[1].All.Times)
}

func TestWhatWaitsForAnotherSystemIsSaid(t *testing.T) {
	q := ask(start.Add(30 * lifecycle.Day))
	q.Policy.Provisioning.External = true
	plan, err := Look(t.Context(), &fixed{records: []lifecycle.Stored{active(1, start.Add(10*lifecycle.Day))}}, q, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, plan.Waiting)
	require.EqualValues(t, 1, plan.Rules[lifecycle.EndTerm].Times)
}

func TestARecordThatBreaksTheRulesKeepsNobodyBack(t *testing.T) {
	failure := decided(&lifecycle.Stored{Key: 7}, func() { panic("of all things") })
	require.Contains(t, failure.Reason, "of all things")
	stop := errors.New("enough")
	_, err := Look(t.Context(), &fixed{records: []lifecycle.Stored{pending(1, start.Add(-100*lifecycle.Day))}}, ask(start), func(*Item) error { return stop })
	require.ErrorIs(t, err, stop)
}

func TestAnotherPolicyIsComparedRecordByRecord(t *testing.T) {
	records := []lifecycle.Stored{
		pending(1, start.Add(-70*lifecycle.Day)), // lapses at once
		pending(2, start.Add(-10*lifecycle.Day)), // earlier
		pending(3, start.Add(-95*lifecycle.Day)), // is due either way
		active(4, start.Add(100*lifecycle.Day)),  // no matter
	}
	then := lifecycle.DefaultPolicy()
	then.Requests.LapseAfter = lifecycle.Days(60)
	shifts := func(q Question, then *lifecycle.Policy) (*Difference, map[string]Shift) {
		moved := map[string]Shift{}
		d, err := Compare(t.Context(), &fixed{records: records}, q, then, func(m *Moved) error {
			moved[fmt.Sprint(m.Key, " ", m.Rule)] = m.Shift
			return nil
		})
		require.NoError(t, err)
		return d, moved
	}
	q := ask(start.Add(365 * lifecycle.Day))
	d, moved := shifts(q, then)
	require.Equal(t, map[string]Shift{"1 expire-pending": AtOnce, "1 release-name": Earlier, "2 expire-pending": Earlier,
		"3 release-name": Earlier}, withoutFar(moved))
	atOnce := d.Shifts[RuleShift{lifecycle.ExpirePending, AtOnce}]
	require.Equal(t, Span{start.Add(20 * lifecycle.Day), start.Add(20 * lifecycle.Day)}, atOnce.Was)

	then.Requests.LapseAfter = lifecycle.Period{}
	_, moved = shifts(q, then)
	require.Equal(t, Never, moved["2 expire-pending"])
	q.Policy, then = then, lifecycle.DefaultPolicy()
	_, moved = shifts(q, then)
	require.Equal(t, Newly, moved["2 expire-pending"])
	require.Equal(t, AtOnce, moved["3 expire-pending"])

	q, then = ask(start.Add(30*lifecycle.Day)), lifecycle.DefaultPolicy()
	d, moved = shifts(q, then)
	require.Empty(t, moved)
	require.Zero(t, d.Changed)
	then.Requests.LapseAfter = lifecycle.Days(400)
	_, moved = shifts(q, then)
	require.Equal(t, Later, moved["1 expire-pending"], "though it is beyond what was asked for")
}

func TestAPolicyThatMovesWhatComesAfterTheFirstTimeIsCompared(t *testing.T) {
	extended := active(1, start.Add(10*lifecycle.Day))
	extended.AutoExtend = true
	late := active(2, start.Add(300*lifecycle.Day)) // both next ends are beyond the year
	late.AutoExtend = true
	records := []lifecycle.Stored{extended, late, active(3, start.Add(100*lifecycle.Day))}
	shifts := func(change func(p *lifecycle.Policy)) map[string]Moved {
		then, moved := lifecycle.DefaultPolicy(), map[string]Moved{}
		change(then)
		_, err := Compare(t.Context(), &fixed{records: records}, ask(start.Add(365*lifecycle.Day)), then, func(m *Moved) error {
			moved[fmt.Sprint(m.Key, " ", m.Rule, " ", m.Shift)] = *m
			return nil
		})
		require.NoError(t, err)
		return moved
	}
	moved := shifts(func(p *lifecycle.Policy) { p.AutoExtend.By = lifecycle.Days(90) })
	require.Len(t, moved, 2)
	for key, end := range map[string]time.Time{"1 auto-extend earlier": extended.End, "2 auto-extend earlier": late.End} {
		require.Equal(t, end.Add(180*lifecycle.Day), moved[key].Was, key)
		require.Equal(t, end.Add(90*lifecycle.Day), moved[key].Is, key)
	}
	end := records[2].End
	moved = shifts(func(p *lifecycle.Policy) {
		p.Warnings.Before = []lifecycle.Period{lifecycle.Days(30), lifecycle.Days(2)}
	})
	require.Len(t, moved, 1)
	require.Equal(t, end.Add(-7*lifecycle.Day), moved["3 warn-expiry later"].Was)
	require.Equal(t, end.Add(-2*lifecycle.Day), moved["3 warn-expiry later"].Is)
	moved = shifts(func(p *lifecycle.Policy) { p.Warnings.Before = p.Warnings.Before[:1] })
	require.Len(t, moved, 1)
	require.Equal(t, end.Add(-7*lifecycle.Day), moved["3 warn-expiry never"].Was)
}

// withoutFar leaves out what another test is about.
func withoutFar(moved map[string]Shift) map[string]Shift {
	delete(moved, "2 release-name")
	return moved
}

// written is a plan of what is due, as a file.
func written(t *testing.T, q Question, records ...lifecycle.Stored) []byte {
	t.Helper()
	q.Late = true
	var entries, file bytes.Buffer
	w := NewWriter(&entries, Header{AsOf: q.Now, Until: q.Until, Rules: q.Only})
	_, err := Look(t.Context(), &fixed{records: records}, q, func(item *Item) error {
		e := EntryOf(&item.Stored, item.Decided)
		return w.Add(&e)
	})
	require.NoError(t, err)
	header, err := w.Header()
	require.NoError(t, err)
	require.NoError(t, json.NewEncoder(&file).Encode(header))
	file.Write(entries.Bytes())
	return file.Bytes()
}

func readAll(file []byte) (h Header, entries []Entry, err error) {
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return h, nil, err
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header, entries, nil
		}
		if err != nil {
			return r.Header, entries, err
		}
		entries = append(entries, e)
	}
}

func TestAPlanThatWasTamperedWithIsNone(t *testing.T) {
	file := written(t, ask(start), pending(1, start.Add(-100*lifecycle.Day)), pending(2, start.Add(-95*lifecycle.Day)))
	_, entries, err := readAll(file)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	lines := strings.SplitAfter(string(file), "\n")
	for name, text := range map[string]string{
		"empty":            "",
		"no plan":          "{}\n",
		"another format":   strings.Replace(string(file), `"tenurePlan":1`, `"tenurePlan":2`, 1),
		"a line less":      lines[0] + lines[1],
		"a line twice":     string(file) + lines[2],
		"other order":      lines[0] + lines[2] + lines[1],
		"another until":    strings.Replace(string(file), `"until":"2026`, `"until":"2027`, 1),
		"another version":  strings.Replace(string(file), `"version":2`, `"version":3`, 1),
		"another key":      strings.Replace(string(file), `"key":1`, `"key":5`, 1),
		"an unknown field": strings.Replace(string(file), `"key":1`, `"key":1,"and":2`, 1),
	} {
		_, _, err := readAll([]byte(text))
		require.ErrorIs(t, err, ErrNoPlan, name)
	}
}

func TestAnEntryIsHeldAgainstTheRecordAsItIs(t *testing.T) {
	stored := pending(1, start.Add(-100*lifecycle.Day))
	h, entries, err := readAll(written(t, ask(start), stored))
	require.NoError(t, err)
	now := start.Add(time.Hour)
	check := func(change func(r *lifecycle.Stored, p *lifecycle.Policy)) Checked {
		r, p := stored, lifecycle.DefaultPolicy()
		change(&r, p)
		return h.Check(&entries[0], &r, p, now)
	}
	same := check(func(*lifecycle.Stored, *lifecycle.Policy) {})
	require.Nil(t, same.Drift)
	require.Equal(t, now, same.Decided.Recorded)
	require.Equal(t, start.Add(-10*lifecycle.Day), same.Decided.Changes[0].Effective)

	for name, change := range map[string]func(r *lifecycle.Stored, p *lifecycle.Policy){
		"version 3":                    func(r *lifecycle.Stored, _ *lifecycle.Policy) { r.Version = 3 },
		"which no event explains":      func(r *lifecycle.Stored, _ *lifecycle.Policy) { r.DisplayName = "another" },
		"another relationship has":     func(r *lifecycle.Stored, _ *lifecycle.Policy) { r.Key = 5 },
		"expire-pending is on hold":    func(r *lifecycle.Stored, _ *lifecycle.Policy) { r.Stayed = lifecycle.RuleNames() },
		"notice request-lapsed  to no": func(_ *lifecycle.Stored, p *lifecycle.Policy) { p.Notices.Routes = []lifecycle.Route{{}} },
		"the timers call for nothing":  func(_ *lifecycle.Stored, p *lifecycle.Policy) { p.Requests.LapseAfter = lifecycle.Days(200) },
	} {
		checked := check(change)
		require.NotNil(t, checked.Drift, name)
		require.Contains(t, checked.Drift.Found, name)
	}
	require.Contains(t, h.Check(&entries[0], nil, lifecycle.DefaultPolicy(), now).Drift.Found, "no such relationship")

	done := stored
	done.Record = same.Decided.Record
	require.True(t, h.Check(&entries[0], &done, lifecycle.DefaultPolicy(), now).Applied)
}

func TestManyRecordsComeInOrderAndPeopleAreAskedForOnce(t *testing.T) {
	records := &fixed{}
	for i := range int64(200) {
		records.records = append(records.records, pending(i+1, start.Add(-91*lifecycle.Day)))
	}
	last := int64(0)
	plan, err := Look(t.Context(), records, ask(start), func(item *Item) error {
		require.Equal(t, last+1, item.Key)
		last = item.Key
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 200, plan.All.Relationships)
	require.EqualValues(t, 400, plan.All.Told)
	require.Less(t, records.asked.Load(), int32(50))
}

func TestWhoHasHeardOfEverybodyAsksNoMore(t *testing.T) {
	for _, all := range []bool{false, true} {
		records := &fixed{all: all}
		for i := range int64(200) {
			ends := active(i+1, start)
			ends.Customer.TenantID = fmt.Sprint("customer-", i) // in whom there is nobody
			records.records = append(records.records, ends)
		}
		plan, err := Look(t.Context(), records, ask(start), nil)
		require.NoError(t, err)
		require.EqualValues(t, 400, plan.All.Told)
		require.Equal(t, map[lifecycle.Reason]int64{lifecycle.NobodyToTell: 200}, plan.Unsaid)
		if asked := records.asked.Load(); all {
			require.LessOrEqual(t, int(asked), runtime.GOMAXPROCS(0), "once by each who began before the answer came")
		} else {
			require.EqualValues(t, 100, asked, "each page has customers of its own")
		}
	}
}
