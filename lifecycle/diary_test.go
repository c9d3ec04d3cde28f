package lifecycle

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A diary is a whole life as plain text, in testdata/*.diary. It reads like this:
//
//	# What the story shows.
//	status: approvalPending                       the header: what differs from the record in newDiary
//	locked: 2026-01-10T09:00:00Z
//	policy.requests.lapseAfter: P30D              and from the default policy
//
//	2026-02-09T08:59:59.999999Z  sweep            an instant, and what is done at it
//	    nothing                                   indented: what comes of it
//	    next: expire-pending at 2026-02-09T09:00:00Z
//
// What can be done:
//
//	sweep [rule ...]                        evaluate, under the rules named or under all
//	by partner: setAutoExtend off           act
//	import [field=value ...]                receive the record from a file, with these fields in it
//	hold [rule ...]                         put the rules named on hold, or all
//	release                                 take off what was put on
//
// What comes of it is written by the test with -update (go test ./lifecycle -run Diar -update); read it before you keep it.
// An effective or due instant is written only where it is not the instant of the line; an end, where it has changed.
var update = flag.Bool("update", false, "rewrite the expectations in testdata/*.diary")

func TestDiariesComeTrue(t *testing.T) {
	files, err := filepath.Glob("testdata/*.diary")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".diary"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			lived, err := newDiary().live(string(text))
			require.NoError(t, err)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(lived), 0o644))
				return
			}
			require.Equal(t, string(text), lived, "%s tells another story than the rules do (-update rewrites it)", file)
		})
	}
}

func TestDiaryWithAMistakeIsRefused(t *testing.T) {
	for _, text := range []string{
		"colour: red",
		"end: tomorrow",
		"duration: 1 year",
		"status: asleep",
		"policy.names.holdFor: a year",
		"policy.names.colour: red",
		"autoExtend: perhaps",
		"no header at all",
		"2026-01-01T00:00:00Z  dance",
		"2026-01-01T00:00:00Z  sweep the-floor",
		"2026-01-01T00:00:00Z  hold the-door",
		"2026-01-01T00:00:00Z  release me",
		"2026-01-01T00:00:00Z  by partner: dance",
		"2026-01-02T00:00:00Z  sweep\n2026-01-01T00:00:00Z  sweep",
		"2026-13-01T00:00:00Z  sweep",
	} {
		_, err := newDiary().live(text)
		require.Error(t, err, text)
	}
}

// A diary is being lived: the record as it stands, under a policy.
type diary struct {
	record   Record
	policy   *Policy
	imported bool      // the record is in the database already
	now      time.Time // of the latest line
}

func newDiary() *diary {
	r := contoso(created)
	r.Version = 1
	return &diary{record: r, policy: DefaultPolicy()}
}

// live reads a diary and writes it again with what the rules really do.
func (d *diary) live(text string) (string, error) {
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, " ") {
			continue // what was expected
		}
		out.WriteString(line + "\n")
		consequences, err := d.line(line)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", i+1, err)
		}
		for _, c := range consequences {
			out.WriteString("    " + c + "\n")
		}
	}
	return out.String(), nil
}

func (d *diary) line(line string) (consequences []string, err error) {
	switch {
	case line == "" || line[0] == '#':
		return nil, nil
	case line[0] >= '0' && line[0] <= '9':
		instant, deed, _ := strings.Cut(line, " ")
		now, err := ParseInstant(instant)
		if err != nil {
			return nil, fmt.Errorf("%s %w", instant, err)
		}
		if now.Before(d.now) {
			return nil, fmt.Errorf("%s lies before the line above", instant)
		}
		d.now = now
		return d.deed(strings.TrimSpace(deed))
	}
	field, value, ok := strings.Cut(line, ": ")
	if !ok {
		return nil, fmt.Errorf("%q is neither a comment, a field nor an instant", line)
	}
	return nil, d.set(field, strings.TrimSpace(value))
}

// set sets a field of the record or of the policy.
func (d *diary) set(field, value string) (err error) {
	r := &d.record
	readInstant := func(into *time.Time) { *into, err = ParseInstant(value) }
	readSwitch := func(into *bool) {
		if *into = value == "on"; value != "on" && value != "off" {
			err = fmt.Errorf("%s is on or off, not %q", field, value)
		}
	}
	readPeriod := func(into *Period) { *into, err = ParsePeriod(value) }
	switch field {
	case "status":
		if r.Status = Status(value); !r.Status.Known() {
			err = fmt.Errorf("%q is not a status", value)
		}
	case "duration":
		readPeriod(&r.Duration)
	case "autoExtend":
		readSwitch(&r.AutoExtend)
	case "roles":
		r.Roles = strings.Split(strings.ReplaceAll(strings.ReplaceAll(value, "globalAdministrator", GlobalAdministrator), "helpdesk", helpdesk), ", ")
	case "created":
		readInstant(&r.Created)
	case "locked":
		readInstant(&r.Locked)
	case "activated":
		readInstant(&r.Activated)
		r.WarnAfter = r.Activated
	case "end":
		readInstant(&r.End)
	case "assigned":
		r.Assigned, err = strconv.Atoi(value)
	case "policy.provisioning.external":
		readSwitch(&d.policy.Provisioning.External)
	case "warnAfter":
		readInstant(&r.WarnAfter)
	case "policy.requests.lapseAfter":
		readPeriod(&d.policy.Requests.LapseAfter)
	case "policy.warnings.before":
		d.policy.Warnings.Before = nil
		for _, stage := range strings.Fields(strings.ReplaceAll(strings.ReplaceAll(value, "none", ""), ",", " ")) {
			before, fault := ParsePeriod(stage)
			if fault != nil {
				return fault
			}
			d.policy.Warnings.Before = append(d.policy.Warnings.Before, before)
		}
	case "policy.autoExtend.by":
		readPeriod(&d.policy.AutoExtend.By)
	case "policy.names.holdFor":
		readPeriod(&d.policy.Names.HoldFor)
	case "policy.notices.staleAfter":
		readPeriod(&d.policy.Notices.StaleAfter)
	case "policy.notices.tellExtended":
		readSwitch(&d.policy.Notices.TellExtended)
	default:
		err = fmt.Errorf("there is no field %q", field)
	}
	return err
}

// deed does what a line says, and tells what came of it.
func (d *diary) deed(deed string) ([]string, error) {
	words := strings.Fields(deed)
	switch {
	case len(words) >= 1 && words[0] == "sweep":
		return d.sweep(words[1:])
	case len(words) >= 1 && words[0] == "import":
		return d.receive(words[1:])
	case len(words) >= 1 && words[0] == "hold":
		rules, err := rulesNamed(words[1:])
		if d.record.Stayed = rules; len(rules) == 0 {
			d.record.Stayed = RuleNames()
		}
		return nil, err
	case len(words) == 1 && words[0] == "release":
		d.record.Stayed = nil
		return nil, nil
	case len(words) >= 3 && words[0] == "by":
		return d.act(Action{Kind: ActionKind(words[2]), By: Actor(strings.TrimSuffix(words[1], ":")), AutoExtend: slices.Contains(words[3:], "on")})
	}
	return nil, fmt.Errorf("what is %q?", deed)
}

func (d *diary) sweep(names []string) ([]string, error) {
	only, err := rulesNamed(names)
	if err != nil {
		return nil, err
	}
	return d.take(Evaluate(d.record, d.policy, d.now, only...)), nil
}

func rulesNamed(names []string) ([]RuleName, error) {
	rules := make([]RuleName, len(names))
	for i, name := range names {
		if rules[i] = RuleName(name); !rules[i].Known() {
			return nil, fmt.Errorf("%q is not a rule", name)
		}
	}
	return rules, nil
}

func (d *diary) act(a Action) ([]string, error) {
	if !slices.Contains(append(slices.Clone(ActionKinds), BeginProvisioning, CompleteProvisioning, Delete), a.Kind) {
		return nil, fmt.Errorf("%q is not an action", a.Kind)
	}
	decision, err := Act(d.record, d.policy, a, d.now)
	if err != nil {
		return []string{err.Error()}, nil
	}
	return d.take(decision), nil
}

func (d *diary) receive(fields []string) ([]string, error) {
	was := d.record
	for _, f := range fields {
		field, value, _ := strings.Cut(f, "=")
		if err := d.set(field, value); err != nil {
			return nil, err
		}
	}
	in := d.record
	in.WarnAfter = d.now // as Wire.Record does
	d.record = was
	var stored *Stored
	if d.imported {
		stored = &Stored{Key: 1, Record: was}
	}
	d.imported = true
	decided, intake := Receive(stored, false, in, d.policy, d.now)
	switch intake.Taken {
	case TakenNot:
		return []string{"refused: " + intake.Fault.Error()}, nil
	case TakenBefore:
		return []string{"unchanged"}, nil
	}
	return d.take(decided.Decision), nil
}

// take makes the decision the record's present, and tells it.
func (d *diary) take(decision Decision) []string {
	var lines []string
	end, notices := d.record.End, decision.Notices
	for len(notices) > 0 || len(decision.Changes) > 0 {
		if len(decision.Changes) == 0 || (len(notices) > 0 && notices[0].Version < decision.Changes[0].Version) {
			lines = append(lines, d.notice(&notices[0]))
			notices = notices[1:]
			continue
		}
		lines = append(lines, d.change(&decision.Changes[0], end))
		end, decision.Changes = decision.Changes[0].End, decision.Changes[1:]
	}
	if len(lines) == 0 {
		lines = append(lines, "nothing")
	}
	next := "next: never"
	if decision.Next != (Timer{}) {
		next = fmt.Sprintf("next: %s at %s", decision.Next.Rule, FormatInstant(decision.Next.At))
	}
	if decision.TakeAway != "" {
		next = "access: " + string(decision.TakeAway) + "; " + next
	}
	d.record = decision.Record
	return append(lines, next)
}

func (d *diary) change(c *Change, end time.Time) string {
	line := fmt.Sprintf("%s: %s", c.Type, c.To)
	if c.From != c.To && c.From != "" {
		line = fmt.Sprintf("%s: %s → %s", c.Type, c.From, c.To)
	}
	if c.Reason != "" {
		line += fmt.Sprintf(" (%s)", c.Reason)
	}
	if c.Actor != System {
		line += fmt.Sprintf(" by %s", c.Actor)
	}
	if !c.End.Equal(end) {
		line += ", end " + FormatInstant(c.End)
	}
	if !c.Effective.Equal(d.now) {
		line += ", effective " + FormatInstant(c.Effective)
	}
	return line
}

func (d *diary) notice(n *Notice) string {
	line := "notice " + string(n.Kind)
	if !n.Stage.IsZero() {
		line += fmt.Sprintf(" %s before %s", n.Stage, FormatInstant(n.End))
	}
	for i, a := range n.To {
		whose := map[string]string{d.record.Partner: "partner", d.record.Customer.TenantID: "customer"}[a.TenantID]
		line += fmt.Sprintf("%s %s %s", []string{" to", " and"}[min(i, 1)], whose, a.Role)
	}
	if !n.Due.Equal(d.now) {
		line += ", due " + FormatInstant(n.Due)
	}
	if n.Status != NoticeQueued {
		line += fmt.Sprintf(", %s: %s", n.Status, n.Reason)
	}
	return line
}
