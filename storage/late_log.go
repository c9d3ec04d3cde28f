package storage

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// lateSettles is how long after it was done a chunk is still looked for. It is dated when its worker begins, and seen when it is
// written: some seconds later, or more where that worker's clock is behind.
const lateSettles = time.Hour

// A lateLog is what this process has read of how late changes were. A chunk that is done stays as it is, so it is read once: whoever
// looks each few seconds reads what is new, and not a month of chunks.
type lateLog struct {
	mu      sync.Mutex
	settled time.Time // chunks that were done by then are in entries
	entries []lateEntry
}

// A lateEntry says how many changes of one chunk were how late.
type lateEntry struct {
	done    int64 // when, in microseconds
	rule    lifecycle.RuleName
	seconds int64
	changes int64
}

// Latenesses counts how late the changes were that workers have recorded in each window up to now. What an action by a person has
// settled on its way is not among them, and neither is what was recorded by a program that did not count yet. The first look reads
// a month; those after it the last hour, and what has come since.
func (db *DB) Latenesses(ctx context.Context, now time.Time) (report lifecycle.LatenessReport, err error) {
	l := &db.late
	l.mu.Lock()
	defer l.mu.Unlock()
	month, settled := now.Add(-lifecycle.LastMonth.Span()), now.Add(-lateSettles)
	if settled.Before(l.settled) { // a clock was set back, and what is written by it would never be looked at
		l.settled, l.entries = time.Time{}, nil
	}
	recent, err := db.lateSince(ctx, latestOf(month, l.settled))
	if err != nil {
		return report, err
	}
	l.settled = settled
	l.entries = slices.DeleteFunc(l.entries, func(e lateEntry) bool { return e.done <= month.UnixMicro() })
	for w := range report {
		report[w] = lifecycle.Latenesses{}
	}
	for _, e := range l.entries {
		countIn(&report, e, now)
	}
	for _, e := range recent {
		countIn(&report, e, now)
		if e.done <= settled.UnixMicro() {
			l.entries = append(l.entries, e)
		}
	}
	return report, nil
}

// lateSince reads the chunks that were done after an instant.
func (db *DB) lateSince(ctx context.Context, since time.Time) (entries []lateEntry, err error) {
	type lateRow struct {
		DoneAt     dbTime `json:"done_at"`
		Latenesses string `json:"latenesses"`
	}
	err = db.read(ctx, "read how late changes were", func(s session) error {
		return each(ctx, s, `SELECT done_at, latenesses FROM chunks WHERE latenesses <> '' AND done_at > :since`, args{"since": at(since)}, func(row *lateRow) error {
			late, err := readLatenesses(row.Latenesses)
			for rule, counts := range late {
				for seconds, changes := range counts {
					entries = append(entries, lateEntry{row.DoneAt.UnixMicro(), sameRule(rule), seconds, changes})
				}
			}
			return err
		})
	})
	return entries, err
}

// sameRule is a rule's name as the program has it, so that not every entry keeps the text that it was read from.
func sameRule(name lifecycle.RuleName) lifecycle.RuleName {
	for _, known := range lifecycle.RuleNames() {
		if known == name {
			return known
		}
	}
	return name
}

// countIn counts an entry in each window that it lies in.
func countIn(report *lifecycle.LatenessReport, e lateEntry, now time.Time) {
	for w := range lifecycle.LatenessWindows {
		if e.done > now.Add(-w.Span()).UnixMicro() {
			report[w].Add(e.rule, time.Duration(e.seconds)*time.Second, e.changes)
		}
	}
}
