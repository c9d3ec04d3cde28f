package console

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// functions are what templates may call beside the methods of the visit.
func (p *pages) functions() template.FuncMap {
	return template.FuncMap{
		"t":       p.words.say,
		"has":     p.words.has,
		"n":       p.words.write,
		"instant": p.instant,
		"day":     p.day,
		"away":    p.away,
		"when":    p.when,
		"span":    p.span,
		"word":    p.word,
		"asset":   assetPath,
		"dict":    dict,
		"list":    func(all ...any) []any { return all },
		"share":   lifecycle.Share,
		"tone":    tone,
		"bars":    p.bars,
		"lead":    p.lead,
		"said":    p.said,
		"code":    asCode,
	}
}

// How an instant is written.
const (
	instantInEnglish  = "2 Jan 2006 15:04:05"
	instantInJapanese = "2006年1月2日 15:04:05"
)

// instant shows an instant in UTC, to the second; nothing where it is zero.
func (p *pages) instant(t time.Time) template.HTML {
	return p.time(t, instantInEnglish, instantInJapanese)
}

// day shows the day of an instant.
func (p *pages) day(t time.Time) template.HTML { return p.time(t, "2 Jan 2006", "2006年1月2日") }

func (p *pages) time(t time.Time, inEnglish, inJapanese string) template.HTML {
	if t.IsZero() {
		return "–"
	}
	layout := inEnglish
	if p.words.language == japanese {
		layout = inJapanese
	}
	exact := lifecycle.FormatInstant(t.UTC().Truncate(time.Microsecond))
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, exact, exact, t.UTC().Format(layout))) //nolint:gosec // digits and letters of ours
}

// away is how far an instant is from another, e.g. "in 3 days", "2 hours ago" or "just now".
func (p *pages) away(t, from time.Time) string {
	switch d := t.Sub(from); {
	case t.IsZero():
		return "–"
	case d.Abs() < time.Second:
		return p.words.say("time.now")
	case d >= 0:
		return p.words.say("time.in", "span", p.span(d))
	default:
		return p.words.say("time.ago", "span", p.span(-d))
	}
}

// when is away, with the instant itself for who wants to know.
func (p *pages) when(t, from time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	exact := lifecycle.FormatInstant(t.UTC().Truncate(time.Microsecond))
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, exact, exact, template.HTMLEscapeString(p.away(t, from)))) //nolint:gosec // it is escaped
}

// span is a length of time in its largest unit, e.g. "3 days".
func (p *pages) span(d time.Duration) string {
	const day = 24 * time.Hour
	units := []struct {
		name string
		unit time.Duration
		from time.Duration // below this the next smaller one is clearer
	}{{"days", day, 2 * day}, {"hours", time.Hour, 2 * time.Hour}, {"minutes", time.Minute, 2 * time.Minute}, {"seconds", time.Second, 0}}
	for _, u := range units {
		if d >= u.from {
			return p.words.say("time."+u.name, "n", int64(d/u.unit))
		}
	}
	return ""
}

// word is what one of the field's own words is called, such as a status or a rule; one that has no phrase stands as it is.
func (p *pages) word(kind string, of any) string {
	name := fmt.Sprint(of)
	if key := kind + "." + name; p.words.has(key) {
		return p.words.say(key)
	}
	return name
}

// dict makes a map of names and values in turn, for templates that take several things.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d values are no pairs", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// tone is how a number is shown that had better be none.
func tone(n int64, otherwise string) string {
	if n == 0 {
		return ""
	}
	return otherwise
}

// lead is how long before an end a warning speaks; a period that is not of days alone stands as policies write it.
func (p *pages) lead(period string) string {
	days, only := strings.CutSuffix(strings.TrimPrefix(period, "P"), "D")
	n, err := strconv.ParseInt(days, 10, 64)
	if !only || err != nil {
		return period
	}
	return p.words.say("time.before", "span", p.words.say("time.days", "n", n))
}
