package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Most looks find nothing: a plan over a million records must not leave a million things behind to be tidied up.
func TestALookThatFindsNothingAllocatesNothing(t *testing.T) {
	p, now := DefaultPolicy(), at("2026-06-01T00:00:00Z")
	stayed := contoso()
	stayed.Stayed = RuleNames()
	for _, r := range []Record{contoso(), contoso(extending), contoso(withGlobalAdministrator), contoso(expired), contoso(pending), stayed} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = Evaluate(r, p, now, EndTerm) }), r.Status)
	}
}

// Nor does one that finds something, after the first.
func TestALookoutAllocatesNothing(t *testing.T) {
	p, r, l, changes := DefaultPolicy(), contoso(), Lookout{}, 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for d := range l.Ahead(&r, p, r.End, r.End) {
			changes += len(d.Changes)
		}
	}))
	require.NotZero(t, changes)
}

// What a sweep costs for a record that it need not have looked at: the case that there are most of.
func BenchmarkEvaluateNothingDue(b *testing.B) {
	r, p, now := contoso(), DefaultPolicy(), at("2026-06-01T00:00:00Z")
	b.ReportAllocs()
	for b.Loop() {
		if d := Evaluate(r, p, now); !d.Empty() {
			b.Fatal("something was due")
		}
	}
}

// What it costs to end a term.
func BenchmarkEvaluateEndTerm(b *testing.B) {
	r, p := contoso(), DefaultPolicy()
	now := r.End
	b.ReportAllocs()
	for b.Loop() {
		if d := Evaluate(r, p, now); d.Record.Status != Expired {
			b.Fatal("it did not end")
		}
	}
}

// What it costs to say what a decision means to those who count, and to programs.
func BenchmarkWhatADecisionMeans(b *testing.B) {
	r, p := contoso(), DefaultPolicy()
	d := Evaluate(r, p, r.End)
	b.ReportAllocs()
	for b.Loop() {
		if len(d.Fired()) != 1 || len(d.Firings()) != 1 || len(d.Announcements()) != 1 {
			b.Fatal("it means something else")
		}
	}
}

func BenchmarkInstant(b *testing.B) {
	t := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for b.Loop() {
		t = Instant(t)
	}
}

func BenchmarkParsePeriod(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParsePeriod("P730D")
	}
}
