package audit

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Source is a database, or an export of one, as it was at one moment. Each method stops at the first error of fn's.
type Source interface {
	Books(ctx context.Context) (lifecycle.Books, error)
	EachAccount(ctx context.Context, fn func(*lifecycle.Account) error) error         // by key
	EachName(ctx context.Context, fn func(lifecycle.HolderOfName) error) error        // by partner, name and key
	EachChunk(ctx context.Context, fn func(lifecycle.Chunk) error) error              // by sweep and number
	EachTick(ctx context.Context, fn func(lifecycle.RuleName, time.Time) error) error // by rule and instant
}

// Options say how to judge.
type Options struct {
	Now    time.Time         // of the deployment's clock, read before the source was opened: what was due by then is judged
	Policy *lifecycle.Policy // for what was recorded before policies were kept; nil: that is not judged

	Objective lifecycle.LatenessPolicy                    // how late changes may be; zero: as the policy in force says
	Interval  func(rule lifecycle.RuleName) time.Duration // between two looks at a rule's records; nil: there is no pause
	Since     time.Time                                   // what was recorded before counts for no share

	Progress func(done, total int64) // may be nil
}

func (d *deployment) within(rule lifecycle.RuleName) time.Duration {
	if d.opts.Interval == nil {
		return d.objective.Allowed()
	}
	return d.objective.For(d.opts.Interval(rule)).Allowed()
}

// An auditor goes through a source once.
type auditor struct {
	deployment
	summary Summary
	tell    func(Finding) error
	err     error // of tell
	printed bool  // an event of the account at hand has a fingerprint
}

func (a *auditor) report(f Finding) {
	a.summary.Findings[f.Kind]++
	if a.err == nil {
		a.err = a.tell(f)
	}
}

// Verify goes through all that a source holds and tells each finding as it comes upon it. Memory stays bounded, whatever the source
// holds. The error is the source's, or tell's.
func Verify(ctx context.Context, source Source, opts Options, tell func(Finding) error) (Summary, error) {
	books, err := source.Books(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("verifying: %w", err)
	}
	a := &auditor{deployment: newDeployment(books, opts), tell: tell, summary: Summary{TakenAt: opts.Now, Findings: map[Kind]int64{},
		Unchecked: map[Gap]int64{}, Waiting: map[Wait]int64{}, Lateness: map[lifecycle.RuleName]*RuleLateness{}}}
	a.books()
	for _, look := range []func(context.Context, Source) error{a.accounts, a.names, a.sweeps} {
		if err := look(ctx, source); err != nil {
			return a.summary, fmt.Errorf("verifying: %w", err)
		}
	}
	a.share()
	return a.summary, a.err
}

// accounts goes through every relationship.
func (a *auditor) accounts(ctx context.Context, source Source) error {
	var done int64
	err := source.EachAccount(ctx, func(account *lifecycle.Account) error {
		a.one(account)
		if done++; a.opts.Progress != nil && done%1000 == 0 {
			a.opts.Progress(done, max(done, a.Relationships))
		}
		return a.err
	})
	if err == nil && a.opts.Progress != nil {
		a.opts.Progress(done, done)
	}
	return err
}

// one judges an account.
func (a *auditor) one(account *lifecycle.Account) {
	h := &history{auditor: a, account: account, who: subject{id: account.ID}}
	a.printed = false
	for _, fault := range account.Faults {
		h.find(0, Finding{Kind: Unreadable, Text: fault})
	}
	if len(account.Faults) > 0 {
		return
	}
	if row := account.Row; row != nil {
		a.summary.Relationships++
		h.who.partner, h.who.customer = row.Partner, row.Customer.TenantID
	}
	h.exists()
	h.goThrough()
}

// exists holds that a row goes with its events, and that of a draft that was deleted only a tombstone is left.
func (h *history) exists() {
	acc := h.account
	n := len(acc.Events)
	gone := n > 0 && acc.Events[n-1].Type == lifecycle.EventDeleted
	switch {
	case n == 0 && acc.Row != nil:
		h.find(0, Finding{Kind: RowMissing, Text: "the relationship has no history at all"})
	case n == 0 && (len(acc.Letters) > 0 || !acc.Buried.IsZero()):
		h.find(0, Finding{Kind: RowMissing, Text: "there are notices or a tombstone, and neither a relationship nor events"})
	case gone && acc.Row != nil:
		h.find(acc.Events[n-1].Version, Finding{Kind: RowDiffers, Text: "the draft was deleted, and is still there"})
	case gone && acc.Buried.IsZero():
		h.find(acc.Events[n-1].Version, Finding{Kind: RowMissing, Text: "the draft was deleted, and left no tombstone"})
	case gone:
		h.summary.Deleted++
		if deleted := acc.Events[n-1].Recorded; !acc.Buried.Equal(deleted) {
			h.find(acc.Events[n-1].Version, wrong(RowDiffers, "the tombstone names another instant than the draft was deleted at", deleted, acc.Buried))
		}
	case n > 0 && acc.Row == nil:
		h.find(acc.Events[n-1].Version, Finding{Kind: RowMissing, Text: "there are events, and the relationship is not there"})
	case acc.Row != nil && !acc.Buried.IsZero():
		h.find(0, Finding{Kind: RowDiffers, Text: "there is a tombstone, and the relationship was not deleted"})
	}
}

// names holds that a name is held once.
func (a *auditor) names(ctx context.Context, source Source) error {
	var last lifecycle.HolderOfName
	return source.EachName(ctx, func(n lifecycle.HolderOfName) error {
		a.summary.Names++
		if n.Partner == last.Partner && n.NameKey == last.NameKey && last.Key != 0 {
			a.report(Finding{Kind: NameTwice, RelationshipID: n.ID, Key: n.Key, Text: fmt.Sprintf("the name %q is held by %s too", n.NameKey, last.ID)})
		}
		last = n
		return a.err
	})
}

// sweeps holds that the chunks of a sweep follow each other without gaps, and that a tick is there once.
func (a *auditor) sweeps(ctx context.Context, source Source) error {
	var last lifecycle.Chunk
	err := source.EachChunk(ctx, func(c lifecycle.Chunk) error {
		a.summary.Chunks++
		if c.Sweep == last.Sweep && (c.N != last.N+1 || c.After.Key != last.UpTo.Key || !c.After.At.Equal(last.UpTo.At)) {
			a.report(Finding{Kind: Sweeps, Text: fmt.Sprintf("chunk %d of sweep %d does not begin where chunk %d ends", c.N, c.Sweep, last.N)})
		}
		last = c
		return a.err
	})
	if err != nil {
		return err
	}
	var rule lifecycle.RuleName
	var at time.Time
	return source.EachTick(ctx, func(r lifecycle.RuleName, nominal time.Time) error {
		if r == rule && nominal.Equal(at) {
			a.report(Finding{Kind: Sweeps, Text: fmt.Sprintf("the tick of %s at %s is there twice", r, say(nominal))})
		}
		rule, at = r, nominal
		return a.err
	})
}

// share holds that enough changes were recorded in time.
func (a *auditor) share() {
	if a.objective.Share == 0 {
		return
	}
	for _, rule := range lifecycle.RuleNames() {
		l := a.summary.Lateness[rule]
		if l == nil || float64(l.OnTime)*100 >= a.objective.Share*float64(l.All) {
			continue
		}
		a.report(Finding{Kind: Late, RelationshipID: l.WorstID, Expected: fmt.Sprintf("%v%% within %s", a.objective.Share, a.within(rule)),
			Found: fmt.Sprintf("%.3f%%", float64(l.OnTime)*100/float64(l.All)),
			Text:  fmt.Sprintf("%s: %d of %d changes were recorded too late, the worst by %s", rule, l.All-l.OnTime, l.All, l.Worst)})
	}
}

// nameKey is what names are compared by. Source: Unicode 15, D145 (canonical caseless matching), kept in NFC.
func nameKey(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
}
