package odata

import (
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Format writes a filter back. [ParseFilter] makes the same filter of it, where it has made the first one, and as long as it
// keeps within the limits; the policy must be the same too, since it says how autoExtendDuration is written.
func Format(f lifecycle.Filter, p *lifecycle.Policy) string {
	switch f := f.(type) {
	case lifecycle.All:
		return join(f, " and ", "true", p)
	case lifecycle.Any:
		return join(f, " or ", "false", p)
	case lifecycle.Not:
		if c, ok := f.Filter.(lifecycle.Compare); ok && isCall(c.By) {
			return "not " + Format(c, p)
		}
		return "not (" + Format(f.Filter, p) + ")"
	case lifecycle.Compare:
		if isCall(f.By) {
			return string(f.By) + "(" + string(f.Field) + "," + quote(f.Value.Text) + ")"
		}
		return string(f.Field) + " " + string(f.By) + " " + formatValue(f.Field, f.Value, p)
	case lifecycle.Among:
		values := make([]string, len(f.Values))
		for i, v := range f.Values {
			values[i] = formatValue(f.Field, v, p)
		}
		return string(f.Field) + " in (" + strings.Join(values, ",") + ")"
	}
	return "true"
}

func isCall(c lifecycle.Comparison) bool { return c == lifecycle.StartsWith || c == lifecycle.Contains }

// join writes filters with a word between them, each as one piece; without any, what they are then.
func join(all []lifecycle.Filter, by, none string, p *lifecycle.Policy) string {
	if len(all) == 0 {
		return none
	}
	texts := make([]string, len(all))
	for i, f := range all {
		texts[i] = Format(f, p)
		if _, binds := f.(lifecycle.All); (binds && by == " or ") || !compound(f) {
			continue
		}
		texts[i] = "(" + texts[i] + ")"
	}
	return strings.Join(texts, by)
}

// compound says whether a filter is written as several, joined by and or or.
func compound(f lifecycle.Filter) bool {
	switch f := f.(type) {
	case lifecycle.All:
		return len(f) > 0
	case lifecycle.Any:
		return len(f) > 0
	}
	return false
}

func formatValue(f lifecycle.Field, v lifecycle.Value, p *lifecycle.Policy) string {
	switch kind := lifecycle.FieldKinds[f]; {
	case kind == lifecycle.KindFlag && v.Flag:
		return "true"
	case kind == lifecycle.KindFlag:
		return "false"
	case kind == lifecycle.KindSwitch:
		return quote(p.AutoExtendDuration(v.Flag).String())
	case kind == lifecycle.KindInstant && !v.At.IsZero():
		return lifecycle.FormatInstant(v.At)
	case kind == lifecycle.KindInstant, v.Text == "":
		return "null"
	}
	return quote(v.Text)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
