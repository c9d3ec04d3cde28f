package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Language is one in which stories are told.
type Language string

// The languages.
const (
	English  Language = "en"
	Japanese Language = "ja"
)

// Languages lists them all.
var Languages = []Language{English, Japanese}

// ParseLanguage reads a language as people write it: ja, ja-JP, JA. The empty text is English.
func ParseLanguage(s string) (Language, error) {
	first, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "_", "-"), "-")
	if l := Language(first); slices.Contains(Languages, l) {
		return l, nil
	}
	if s == "" {
		return English, nil
	}
	return "", fmt.Errorf("%q is no language that this is told in; write en or ja", tame(s))
}

// A tongue is everything that is said in one language. The phrases have the same names in all of them, and speak of the same
// facts, which stand in braces.
type tongue struct {
	phrases map[string]string

	day, instant, seconds string // layouts of package time
	between, last         string // of a list: between two of it, and before the last one
}

var tongues = map[Language]*tongue{
	English:  {phrases: english, day: "2 January 2006", instant: "2 January 2006 at 15:04 UTC", seconds: "2 January 2006 at 15:04:05 UTC", between: ", ", last: " and "},
	Japanese: {phrases: japanese, day: "2006年1月2日", instant: "2006年1月2日 15:04（UTC）", seconds: "2006年1月2日 15:04:05（UTC）", between: "、", last: "、"},
}

func tongueOf(l Language) *tongue {
	if t := tongues[l]; t != nil {
		return t
	}
	return tongues[English]
}

// facts are what a phrase speaks of, by the names in its braces.
type facts map[string]string

// phrase says the phrase of that name. Facts are put in once, so that one which holds braces stays what it is, and are made
// harmless. A phrase that there is not is said by its name: a story is told at night, and better with one odd word than not.
func (t *tongue) phrase(name string, f facts) string {
	text, ok := t.phrases[name]
	if !ok {
		return tame(name[strings.IndexByte(name, '.')+1:])
	}
	if len(f) == 0 {
		return text
	}
	pairs := make([]string, 0, 2*len(f))
	for fact, value := range f {
		pairs = append(pairs, "{"+fact+"}", tame(value))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// has says whether there is a phrase of that name.
func (t *tongue) has(name string) bool { return t.phrases[name] != "" }

// count is a number of things, e.g. "3 people".
func (t *tongue) count(n int, thing string) string {
	form := ".many"
	if n == 1 {
		form = ".one"
	}
	return t.phrase("count."+thing+form, facts{"n": fmt.Sprint(n)})
}

// list is things one after the other.
func (t *tongue) list(things []string) string {
	if len(things) < 2 {
		return strings.Join(things, "")
	}
	end := len(things) - 1
	return strings.Join(things[:end], t.between) + t.last + things[end]
}

// when is an instant, to the second where that is more than the minute.
func (t *tongue) when(at time.Time) string {
	at = at.UTC()
	if at.Second() != 0 {
		return at.Format(t.seconds)
	}
	return at.Format(t.instant)
}

// span is about how long something lasts: days, or hours or minutes where it is short.
func (t *tongue) span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Minute:
		return t.phrase("span.moment", nil)
	case d < time.Hour:
		return t.count(int(d/time.Minute), "minutes")
	case d < 2*lifecycle.Day:
		return t.count(int(d/time.Hour), "hours")
	}
	return t.count(int(d/lifecycle.Day), "days")
}

// distance is how far an instant lies from another one, e.g. "in 61 days".
func (t *tongue) distance(from, to time.Time) string {
	d, phrase := to.Sub(from), "distance.ago"
	if d > 0 {
		phrase = "distance.ahead"
	}
	if d.Abs() < time.Minute {
		phrase += ".moment"
	}
	return t.phrase(phrase, facts{"span": t.span(d)})
}

// period is a period of the policy in words, e.g. "1 year 6 months".
func (t *tongue) period(p lifecycle.Period) string {
	var parts []string
	part := func(n int, unit string) {
		if n != 0 {
			parts = append(parts, t.count(n, unit))
		}
	}
	part(p.Months/12, "years")
	part(p.Months%12, "months")
	part(int(p.Span/lifecycle.Day), "days")
	part(int(p.Span%lifecycle.Day/time.Hour), "hours")
	part(int(p.Span%time.Hour/time.Minute), "minutes")
	part(int(p.Span%time.Minute/time.Second), "seconds")
	if len(parts) == 0 {
		return t.phrase("span.none", nil)
	}
	return strings.Join(parts, t.phrase("period.joint", nil))
}

// The words for what programs call by a name.

func (t *tongue) status(s lifecycle.Status) string { return t.phrase("status."+string(s), nil) }

func (t *tongue) actor(a lifecycle.Actor) string {
	if a == "" {
		return t.phrase("actor.operator", nil)
	}
	return t.phrase("actor."+string(a), nil)
}

func (t *tongue) reason(r lifecycle.Reason) string     { return t.phrase("reason."+string(r), nil) }
func (t *tongue) rule(n lifecycle.RuleName) string     { return t.phrase("rule."+string(n), nil) }
func (t *tongue) action(a lifecycle.ActionKind) string { return t.phrase("action."+string(a), nil) }
