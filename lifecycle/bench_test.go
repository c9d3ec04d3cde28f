package lifecycle

import "testing"

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
