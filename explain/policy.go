package explain

import (
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// The lines of the policy that a story may name, by their keys in the file.
const (
	keyLapse      = "requests.lapseAfter"
	keyWarnings   = "warnings.before"
	keyExtend     = "autoExtend.by"
	keyName       = "names.holdFor"
	keyStale      = "notices.staleAfter"
	keyExtended   = "notices.tellExtended"
	keyRoutes     = "notices.routes"
	keyMost       = "notices.mostPerDay"
	keyDigests    = "notices.digests"
	keyErase      = "notices.eraseAfter"
	keyExternal   = "provisioning.external"
	keyStuck      = "provisioning.stuckAfter"
	keyLateness   = "lateness.within"
	keyQuarantine = "quarantine"
	keyBreakers   = "breakers." // and the name of the rule
)

// policyLines say what the policy has under each key, as its file would write it.
var policyLines = map[string]func(p *lifecycle.Policy) string{
	keyLapse: func(p *lifecycle.Policy) string { return p.Requests.LapseAfter.String() },
	keyWarnings: func(p *lifecycle.Policy) string {
		stages := make([]string, len(p.Warnings.Before))
		for i, stage := range p.Warnings.Before {
			stages[i] = stage.String()
		}
		return "[" + strings.Join(stages, ", ") + "]"
	},
	keyExtend:   func(p *lifecycle.Policy) string { return p.AutoExtend.By.String() },
	keyName:     func(p *lifecycle.Policy) string { return p.Names.HoldFor.String() },
	keyStale:    func(p *lifecycle.Policy) string { return p.Notices.StaleAfter.String() },
	keyExtended: func(p *lifecycle.Policy) string { return fmt.Sprint(p.Notices.TellExtended) },
	keyRoutes:   func(p *lifecycle.Policy) string { return fmt.Sprintf("[%d]", len(p.Notices.Routes)) },
	keyMost:     func(p *lifecycle.Policy) string { return fmt.Sprint(p.Notices.MostPerDay) },
	keyDigests: func(p *lifecycle.Policy) string {
		at := p.Notices.Digests.At
		return fmt.Sprintf("{at: %02d:%02d, on: %s}", int(at.Hours()), int(at.Minutes())%60, strings.ToLower(p.Notices.Digests.On.String()))
	},
	keyErase:    func(p *lifecycle.Policy) string { return p.Notices.EraseAfter.String() },
	keyExternal: func(p *lifecycle.Policy) string { return fmt.Sprint(p.Provisioning.External) },
	keyStuck:    func(p *lifecycle.Policy) string { return p.Provisioning.StuckAfter.String() },
	keyLateness: func(p *lifecycle.Policy) string { return p.Lateness.Within.String() },
	keyQuarantine: func(p *lifecycle.Policy) string {
		q := &p.Quarantine
		return fmt.Sprintf("{clockAhead: %s, clockBack: %s, backlog: {records: %d, percent: %v, least: %d}}", q.ClockAhead, q.ClockBack,
			q.Backlog.Records, q.Backlog.Percent, q.Backlog.Least)
	},
}

// policyLine is the line under a key, and whether the file sets it or a part of it.
func (t *teller) policyLine(key string) *PolicyLine {
	line := &PolicyLine{Key: key}
	others := ""
	if value, ok := policyLines[key]; ok {
		line.Value = value(t.policy)
	} else if rule, ok := strings.CutPrefix(key, keyBreakers); ok {
		b := t.policy.Breakers[lifecycle.RuleName(rule)]
		line.Value, others = fmt.Sprintf("{records: %d, percent: %v, least: %d}", b.Records, b.Percent, b.Least), keyBreakers+"default"
	}
	if t.given.Set == nil {
		return line
	}
	line.Source = SourceDefault
	for set, is := range t.given.Set {
		if is && (set == key || set == others || strings.HasPrefix(set, key+".") || others != "" && strings.HasPrefix(set, others+".")) {
			line.Source = SourceFile
		}
	}
	return line
}
