package lifecycle

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A PolicyInForce is a policy that the stored timers went by, from SetAt until the next one was set.
type PolicyInForce struct {
	ID     int64
	Mark   string // of what of it moves timers: two with the same mark call for the same changes
	Policy Policy
	SetAt  time.Time // when it was in force for every relationship, by the deployment's clock
	Digest string    // of the text that it is kept as
}

// Differences lists what another policy says differently, a line for each key as the policy file spells it, e.g.
// "requests.lapseAfter: P90D, then P60D". Two policies without any are the same.
func (p *Policy) Differences(other *Policy) []string {
	was, is := policyLines(p), policyLines(other)
	keys := slices.Collect(maps.Keys(was))
	keys = slices.AppendSeq(keys, maps.Keys(is))
	slices.Sort(keys)
	var lines []string
	for _, key := range slices.Compact(keys) {
		if was[key] != is[key] {
			lines = append(lines, fmt.Sprintf("%s: %s, then %s", key, orNothing(was[key]), orNothing(is[key])))
		}
	}
	return lines
}

// SameTelling says whether both policies tell the same people in the same way, and wait for the same other system.
func (p *Policy) SameTelling(other *Policy) bool {
	a, b := *p, *other
	for _, policy := range []*Policy{&a, &b} {
		*policy = Policy{Notices: policy.Notices, Provisioning: policy.Provisioning}
	}
	return len(a.Differences(&b)) == 0
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// policyLines are the values of a policy by their keys.
func policyLines(p *Policy) map[string]string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // a policy is numbers and texts, which can always be written
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		panic(err) // it was written a line above
	}
	lines := map[string]string{}
	addLines(lines, "", tree)
	// These two have no text of their own in JSON.
	lines["notices.digests.at"] = time.Time{}.Add(p.Notices.Digests.At).Format("15:04")
	lines["notices.digests.on"] = p.Notices.Digests.On.String()
	return lines
}

func addLines(lines map[string]string, key string, value any) {
	switch v := value.(type) {
	case nil:
	case map[string]any:
		for name, part := range v {
			addLines(lines, joinKey(key, name), part)
		}
	case []any:
		parts := make([]string, len(v))
		for i, part := range v {
			if object, ok := part.(map[string]any); ok {
				text, _ := json.Marshal(object) //nolint:errcheck // it has just been read
				part = string(text)
			}
			parts[i] = fmt.Sprint(part)
		}
		lines[key] = strings.Join(parts, " ")
	default:
		lines[key] = fmt.Sprint(v)
	}
}

func joinKey(key, name string) string {
	if strings.IndexFunc(name, unicode.IsUpper) == 0 { // a field; the others are names that people gave
		name = strings.ToLower(name[:1]) + name[1:]
	}
	if key == "" {
		return name
	}
	return key + "." + name
}
