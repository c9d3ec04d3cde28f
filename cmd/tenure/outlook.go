package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

// The rooms that only know each other's shapes, as in app.go.
var (
	_ outlook.Records = (*storage.Outlook)(nil)
	_ httpapi.Outlook = outlooks{}
)

// aheadFlags say what of the time ahead somebody wants to know.
type aheadFlags struct {
	Rules   []string `name:"rule" short:"r" placeholder:"RULE" help:"Only what this rule does; may be given again (default: all)."`
	Partner string   `placeholder:"ID" help:"Only relationships of this partner."`
}

// check reads the flags.
func (f *aheadFlags) check() (rules []lifecycle.RuleName, partner string, err error) {
	rules, err = ruleNames(f.Rules)
	if err != nil {
		return nil, "", err
	}
	if f.Partner != "" && !lifecycle.IsGUID(f.Partner) {
		return nil, "", usageError("--partner %q is not a GUID; write the partner's tenant id", f.Partner)
	}
	return rules, strings.ToLower(f.Partner), nil
}

// An inForce says by which policy a deployment goes, and whether another one was named.
type inForce struct {
	policy *lifecycle.Policy // that the stored timers were set by
	mark   string            // of it
	then   *lifecycle.Policy // the named one, where it says something else about timers or about who is told; otherwise nil
	note   string            // for people: why nothing is compared
	timed  bool              // the stored timers are those of policy
}

// policyInForce finds out by which policy a deployment goes. Without --policy it is the one that was kept.
func (a *app) policyInForce(db *storage.DB) (in inForce, err error) {
	named, err := readPolicy(a.Policy)
	if err != nil {
		return in, err
	}
	if err := a.limit(db, named); err != nil {
		return in, err
	}
	kept, err := db.LatestPolicy(a.ctx)
	switch {
	case err == nil && a.Policy == "":
		in.policy, in.mark = &kept.Policy, kept.Mark
	case errors.Is(err, lifecycle.ErrNotFound):
		in.policy = named
		in.note = "No policy has been kept in this database yet, so there is none to compare with: this is the plan by the one named, or the default."
	case err != nil:
		return in, err
	default:
		in.policy, in.mark = &kept.Policy, kept.Mark
		if err := in.compare(named); err != nil {
			return in, err
		}
	}
	if in.mark == "" {
		if in.mark, err = storage.PolicyMark(in.policy); err != nil {
			return in, err
		}
	}
	timedBy, err := db.TimedBy(a.ctx)
	in.timed = timedBy == in.mark
	return in, err
}

// compare looks whether a policy that somebody names says something else.
func (in *inForce) compare(named *lifecycle.Policy) error {
	mark, err := storage.PolicyMark(named)
	switch {
	case err != nil:
		return err
	case mark != in.mark || !in.policy.SameTelling(named):
		in.then = named
	default:
		in.policy = named
	}
	return nil
}

// query is what has to be read to answer a question: where the stored timers can be gone by, what is not due by then is not looked at.
func (in *inForce) query(q *outlook.Question, partner string, closely bool) storage.OutlookQuery {
	const readers = 2 // one waits for the disk, or for its answer to be taken, while the other has PostgreSQL busy
	query := storage.OutlookQuery{Partner: partner, Timers: !closely, Readers: readers}
	if in.timed && in.then == nil && !in.policy.Provisioning.External {
		query.DueBy = q.Until
	}
	return query
}

// outlooks say over HTTP what the timers are going to do.
type outlooks struct {
	db     *storage.DB
	policy *lifecycle.Policy
	now    func() time.Time
}

// Plan satisfies [httpapi.Outlook].
func (o outlooks) Plan(ctx context.Context, until time.Time, rules []lifecycle.RuleName, partner string) (httpapi.Plan, error) {
	plan, err := o.look(ctx, until, rules, partner)
	if err != nil {
		return httpapi.Plan{}, err
	}
	return showPlan(plan, rules), nil
}

// Forecast satisfies [httpapi.Outlook].
func (o outlooks) Forecast(ctx context.Context, months int, rules []lifecycle.RuleName, partner string) (httpapi.Forecast, error) {
	plan, err := o.look(ctx, lifecycle.Months(months).After(o.now()), rules, partner)
	if err != nil {
		return httpapi.Forecast{}, err
	}
	return showForecast(plan, rules), nil
}

func (o outlooks) look(ctx context.Context, until time.Time, rules []lifecycle.RuleName, partner string) (plan *outlook.Plan, err error) {
	in := inForce{policy: o.policy, timed: true}
	now := o.now()
	if until.Before(now) {
		until = now // of a moment ago, when it was asked
	}
	q := outlook.Question{Policy: o.policy, Now: now, Until: until, Show: rules}
	query := in.query(&q, partner, false)
	query.Readers = 1 // others ask at the same time, and connections are few
	records, err := o.db.Outlook(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	return outlook.Look(ctx, records, q, nil)
}

// shownRules are those that a listing has a row or a column for.
func shownRules(rules []lifecycle.RuleName) []lifecycle.RuleName {
	return slices.DeleteFunc(lifecycle.RuleNames(), func(rule lifecycle.RuleName) bool { return len(rules) > 0 && !slices.Contains(rules, rule) })
}

func showSum(sum *outlook.Sum) httpapi.PlanSum {
	if sum == nil {
		return httpapi.PlanSum{}
	}
	return httpapi.PlanSum(*sum)
}

// showPlan brings a plan into the form in which it is shown, over HTTP and here.
func showPlan(p *outlook.Plan, rules []lifecycle.RuleName) httpapi.Plan {
	shown := httpapi.Plan{AsOfDateTime: lifecycle.FormatInstant(p.Now), UntilDateTime: lifecycle.FormatInstant(p.Until), PlanSum: showSum(&p.All),
		Overdue: p.Overdue, Waiting: p.Waiting, OtherRule: p.Other, Failed: p.Failed,
		Days: []httpapi.PlanDay{}, UnsaidFor: []httpapi.PlanUnsaid{}, Held: []httpapi.PlanHeld{}, Failures: []httpapi.PlanFailures{}}
	for _, rule := range shownRules(rules) {
		shown.Rules = append(shown.Rules, httpapi.PlanRule{Rule: string(rule), PlanSum: showSum(p.Rules[rule])})
		if n := p.Held[rule]; n > 0 {
			shown.Held = append(shown.Held, httpapi.PlanHeld{Rule: string(rule), Relationships: n})
		}
	}
	for _, day := range p.InOrder() {
		shown.Days = append(shown.Days, httpapi.PlanDay{Date: day.Date.Format(time.DateOnly), Rule: string(day.Rule), PlanSum: showSum(p.Days[day])})
	}
	for _, reason := range slices.Sorted(maps.Keys(p.Unsaid)) {
		shown.UnsaidFor = append(shown.UnsaidFor, httpapi.PlanUnsaid{Reason: string(reason), Addressees: p.Unsaid[reason]})
	}
	for _, failure := range p.Faults {
		shown.Failures = append(shown.Failures, httpapi.PlanFailures{RelationshipID: failureName(&failure), Reason: failure.Reason})
	}
	return shown
}

// failureName is the id of a relationship that could not be decided on, where it is known.
func failureName(f *lifecycle.Failure) string {
	if f.RelationshipID != "" {
		return f.RelationshipID
	}
	return "with key " + strconv.FormatInt(f.Key, 10)
}

// parseUntil reads how far ahead somebody wants to look: an instant, a day, or a period from now on.
func parseUntil(text string, now time.Time) (time.Time, error) {
	until := now
	switch day, err := time.Parse(time.DateOnly, text); {
	case text == "":
	case err == nil:
		until = day
	case strings.HasPrefix(strings.TrimPrefix(text, "+"), "P"):
		period, err := lifecycle.ParsePeriod(strings.TrimPrefix(text, "+"))
		if err != nil {
			return until, usageError("--until: %w", err)
		}
		until = period.After(now)
	case strings.HasPrefix(text, "+") && strings.HasSuffix(text, "d"):
		days, err := strconv.ParseUint(text[1:len(text)-1], 10, 16)
		if err != nil {
			return until, usageError("--until %q: write a period like P400D or +400d", text)
		}
		until = lifecycle.Days(int(days)).After(now)
	default:
		if until, err = lifecycle.ParseInstant(text); err != nil {
			return until, usageError("--until %q is no instant (2027-03-01T00:00:00Z), no day (2027-03-01) and no period (P90D)", text)
		}
		until = lifecycle.Instant(until)
	}
	switch {
	case until.Before(now):
		return until, usageError("--until %s lies before now, %s; what is past stands in `tenure activity`", text, lifecycle.FormatInstant(now))
	case until.After(furthest.After(now)):
		return until, usageError("--until %s: at most %d years ahead", text, furthest.Months/12)
	}
	return until, nil
}

// furthest is how far anybody looks ahead: who looks further adds up extensions of terms that nobody has agreed on yet.
var furthest = lifecycle.Months(12 * 10)

// sayFailures lists the relationships on which nobody can decide.
func (a *app) sayFailures(failed int64, faults []lifecycle.Failure) error {
	for i := range faults {
		a.say("relationship %s: %s", failureName(&faults[i]), faults[i].Reason)
	}
	if failed > 0 {
		return partial("%s cannot be decided on and are not in it", plural(failed, "relationship"))
	}
	return nil
}

// deployment names the database that a plan is made for: the same plan means nothing in another one.
func (a *app) deployment(db *storage.DB) (string, error) {
	kind, err := db.Kind(a.ctx)
	if err != nil {
		return "", err
	}
	made, err := db.CreatedAt(a.ctx)
	return fmt.Sprintf("%s, made at %s", kind, lifecycle.FormatInstant(made)), err
}
