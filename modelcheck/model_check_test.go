package modelcheck

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TENURE_BINARY is a binary to hold against the model (else one is built); TENURE_MODEL_SEEDS is how many seeds
// to run, or one seed as "=17"; TENURE_MODEL_KEEP is a directory in which the input of failing runs is kept.
const (
	envBinary = "TENURE_BINARY"
	envSeeds  = "TENURE_MODEL_SEEDS"
	envKeep   = "TENURE_MODEL_KEEP"
)

const (
	defaultSeeds = 24 // every shape of run three times
	runTimeout   = 5 * time.Minute
	shownRecords = 3 // of those that differ
)

// ---------------------------------------------------------------------------------------------------------
// The command against the model
// ---------------------------------------------------------------------------------------------------------

func TestSimulateAgreesWithModel(t *testing.T) {
	t.Parallel()
	binary := tenureBinary(t)
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			in := generate(seed)
			got := runSimulate(t, binary, in, t.TempDir())
			differ := differences(simulate(in.run), got)
			if len(differ) == 0 {
				return
			}
			t.Log(in.describe())
			keep(t, in)
			for i, id := range differ.ids() {
				if i == shownRecords {
					t.Logf("… and %d more relationships: %s", len(differ)-i, strings.Join(differ.ids()[i:], " "))
					break
				}
				t.Log(explain(t, binary, in, id, differ[id]))
			}
			t.Fatalf("%d of %d relationships differ from the model", len(differ), len(in.records))
		})
	}
}

func TestSimulateIsDeterministic(t *testing.T) {
	t.Parallel()
	binary := tenureBinary(t)
	for _, seed := range []uint64{2, 4} {
		in := generate(seed)
		first, second := t.TempDir(), t.TempDir()
		runSimulate(t, binary, in, first)
		runSimulate(t, binary, in, second)
		files := filesOf(t, first)
		require.Equal(t, files, filesOf(t, second), "files of two runs of one input")
		for _, name := range files {
			one, err := os.ReadFile(filepath.Join(first, name))
			require.NoError(t, err)
			two, err := os.ReadFile(filepath.Join(second, name))
			require.NoError(t, err)
			require.True(t, bytes.Equal(one, two), "%s: %s differs between two runs of one input", in.describe(), name)
		}
	}
}

func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, name)
		return err
	}))
	return names
}

func seeds(t *testing.T) []uint64 {
	t.Helper()
	count := defaultSeeds
	if testing.Short() {
		count = 3
	}
	if text := os.Getenv(envSeeds); text != "" {
		if one, ok := strings.CutPrefix(text, "="); ok {
			seed, err := strconv.ParseUint(one, 10, 64)
			require.NoError(t, err, envSeeds)
			return []uint64{seed}
		}
		n, err := strconv.Atoi(text)
		require.NoError(t, err, envSeeds)
		count = n
	}
	var all []uint64
	for seed := range uint64(count) {
		all = append(all, seed)
	}
	return all
}

// buildOnce builds the command once for all tests, into a directory of the first of them to ask.
var buildOnce struct {
	sync.Mutex
	done   bool
	binary string
	err    error
}

func tenureBinary(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv(envBinary); binary != "" {
		absolute, err := filepath.Abs(binary)
		require.NoError(t, err, envBinary)
		return absolute
	}
	if _, err := os.Stat(filepath.Join("..", "cmd", "tenure")); errors.Is(err, fs.ErrNotExist) {
		t.Fatal("there is no cmd/tenure to hold against the model")
	}
	buildOnce.Lock()
	defer buildOnce.Unlock()
	if !buildOnce.done {
		buildOnce.done = true
		buildOnce.binary = filepath.Join(binaryDir, "tenure")
		if runtime.GOOS == "windows" {
			buildOnce.binary += ".exe"
		}
		build := exec.CommandContext(context.Background(), "go", "build", "-o", buildOnce.binary, "./cmd/tenure")
		build.Dir = ".."
		if output, err := build.CombinedOutput(); err != nil {
			buildOnce.err = fmt.Errorf("go build ./cmd/tenure: %w\n%s", err, output)
		}
	}
	require.NoError(t, buildOnce.err)
	return buildOnce.binary
}

// binaryDir outlives the single test, as the binary is shared.
var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tenure-modelcheck-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaryDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// writeInput writes the input files of a run and gives the arguments that name them.
func writeInput(in generated, dir string) ([]string, error) {
	var relationships []byte
	var err error
	switch in.format {
	case "list":
		relationships, err = json.Marshal(map[string]any{"value": in.records})
	case "array":
		relationships, err = json.Marshal(in.records)
	default:
		relationships, err = ndjson(in.records)
	}
	if err != nil {
		return nil, err
	}
	contacts, err := ndjson(in.contacts)
	if err != nil {
		return nil, err
	}
	args := []string{"simulate", "--from", in.from.String(), "--until", in.until.String()}
	if in.step != "" {
		args = append(args, "--step", in.step)
	}
	write := func(flag, name string, data []byte) error {
		path := filepath.Join(dir, name)
		args = append(args, "--"+flag, path)
		return os.WriteFile(path, data, 0o600)
	}
	name := map[string]string{"list": "relationships.json", "array": "relationships.json"}[in.format]
	if name == "" {
		name = "relationships.ndjson"
	}
	if err := write("relationships", name, relationships); err != nil {
		return nil, err
	}
	if err := write("contacts", "contacts.ndjson", contacts); err != nil {
		return nil, err
	}
	if len(in.actions) > 0 {
		actions, err := ndjson(in.actions)
		if err != nil {
			return nil, err
		}
		if err := write("actions", "actions.ndjson", actions); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func ndjson[T any](rows []T) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, row := range rows {
		if err := encoder.Encode(row); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// runSimulate runs the command and reads back what it wrote into dir.
func runSimulate(t *testing.T, binary string, in generated, dir string) output {
	t.Helper()
	args, err := writeInput(in, t.TempDir())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, binary, append(args, "--out", dir)...)
	command.Dir = t.TempDir() // away from anybody's settings
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TENURE_") })
	started := time.Now()
	said, err := command.CombinedOutput()
	require.NoError(t, err, "%s\ntenure %s\n%s", in.describe(), strings.Join(command.Args[1:], " "), said)
	if testing.Verbose() {
		t.Logf("%s: %s", in.describe(), time.Since(started).Round(time.Millisecond))
	}
	got, err := readOutput(dir)
	require.NoError(t, err, in.describe())
	return got
}

// keep leaves the input of a failing run where TENURE_MODEL_KEEP says.
func keep(t *testing.T, in generated) {
	t.Helper()
	root := os.Getenv(envKeep)
	if root == "" {
		return
	}
	dir := filepath.Join(root, fmt.Sprintf("seed-%d", in.seed))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	args, err := writeInput(in, dir)
	require.NoError(t, err)
	t.Logf("kept: tenure %s --out …", strings.Join(args, " "))
}

// explain runs one relationship alone, drops the actions and contacts that do not matter to the disagreement,
// and says what is left of it.
func explain(t *testing.T, binary string, in generated, id string, found difference) string {
	t.Helper()
	alone := in
	alone.records = slices.DeleteFunc(slices.Clone(in.records), func(r wireRecord) bool { return r.ID != id })
	alone.actions = slices.DeleteFunc(slices.Clone(in.actions), func(a action) bool { return a.RelationshipID != id })
	if len(alone.records) == 1 {
		r := alone.records[0]
		alone.contacts = slices.DeleteFunc(slices.Clone(in.contacts), func(c contact) bool {
			return c.TenantID != r.Partner.TenantID && (r.Customer == nil || c.TenantID != r.Customer.TenantID)
		})
	}
	disagree := func(in generated) difference {
		return differences(simulate(in.run), runSimulate(t, binary, in, t.TempDir()))[id]
	}
	note := ""
	if d := disagree(alone); len(d) > 0 {
		found = d
		for i := len(alone.actions) - 1; i >= 0; i-- {
			fewer := alone
			fewer.actions = slices.Delete(slices.Clone(alone.actions), i, i+1)
			if d := disagree(fewer); len(d) > 0 {
				alone, found = fewer, d
			}
		}
	} else {
		note = "(alone, this relationship agrees with the model: it takes the others to go wrong)\n"
	}
	return account(alone, id, found, note)
}

// account is one disagreement, to be read by a person.
func account(in generated, id string, found difference, note string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "relationship %s\n%s", id, note)
	for _, r := range in.records {
		if r.ID == id {
			line, _ := json.Marshal(r)
			fmt.Fprintf(&text, "  input:    %s\n", line)
		}
	}
	for _, a := range in.actions {
		if a.RelationshipID == id {
			line, _ := json.Marshal(a)
			fmt.Fprintf(&text, "  action:   %s\n", line)
		}
	}
	for _, line := range found {
		fmt.Fprintf(&text, "  %s\n", line)
	}
	return text.String()
}

// ---------------------------------------------------------------------------------------------------------
// What the command wrote
// ---------------------------------------------------------------------------------------------------------

// nullable is a text or null. An empty text is not null.
type nullable string

func (n nullable) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(n))
}

func (n *nullable) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = ""
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text == "" {
		text = `""`
	}
	*n = nullable(text)
	return nil
}

type eventRow struct {
	RelationshipID    string   `json:"relationshipId"`
	Type              string   `json:"type"`
	Rule              nullable `json:"rule"`
	EffectiveDateTime instant  `json:"effectiveDateTime"`
	RecordedDateTime  instant  `json:"recordedDateTime"`
	FromStatus        string   `json:"fromStatus"`
	ToStatus          string   `json:"toStatus"`
	EndDateTime       instant  `json:"endDateTime"`
	Reason            nullable `json:"reason"`
	Actor             nullable `json:"actor"`
}

type recipient struct {
	TenantID nullable `json:"tenantId"`
	Mail     nullable `json:"mail"`
	Role     string   `json:"role"`
	Language nullable `json:"language"`
}

type noticeRow struct {
	RelationshipID   string    `json:"relationshipId"`
	Kind             string    `json:"kind"`
	Stage            nullable  `json:"stage"`
	EndDateTime      instant   `json:"endDateTime"`
	Recipient        recipient `json:"recipient"`
	DueDateTime      instant   `json:"dueDateTime"`
	RecordedDateTime instant   `json:"recordedDateTime"`
	Status           string    `json:"status"`
	Reason           nullable  `json:"reason"`
}

type recordRow struct {
	wireRecord
	EndedDateTime instant `json:"endedDateTime"`
	NameReleased  *bool   `json:"nameReleased"`
}

type refusedRow struct {
	action
	Reason string `json:"reason"`
}

type output struct {
	events  []eventRow
	notices []noticeRow
	records []recordRow
	refused []refusedRow
}

func readOutput(dir string) (output, error) {
	var out output
	err := errors.Join(
		readNDJSON(filepath.Join(dir, "events.ndjson"), &out.events),
		readNDJSON(filepath.Join(dir, "notices.ndjson"), &out.notices),
		readNDJSON(filepath.Join(dir, "relationships.ndjson"), &out.records),
	)
	if refused := readNDJSON(filepath.Join(dir, "refused.ndjson"), &out.refused); !errors.Is(refused, fs.ErrNotExist) {
		err = errors.Join(err, refused) // a run in which nothing is refused may leave the file out
	}
	return out, err
}

func readNDJSON[T any](path string, rows *[]T) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return fmt.Errorf("%s:%d: %w\n%s", filepath.Base(path), number, err, lines.Bytes())
		}
		*rows = append(*rows, row)
	}
	return lines.Err()
}

// ---------------------------------------------------------------------------------------------------------
// The comparison
// ---------------------------------------------------------------------------------------------------------

// accountOf is one relationship, as lines of text: what is compared and what is shown.
type accountOf struct {
	events  []string // in order
	kinds   []string // the model's name of each event, beside it
	types   []string // the command's name of each event, beside it
	notices []string // sorted
	refused []string // sorted
	record  []string
}

// difference is the lines that differ: "expected" those of the model, "got" those of the command.
type difference []string

type differenceByID map[string]difference

func (d differenceByID) ids() []string {
	ids := make([]string, 0, len(d))
	for id := range d {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func differences(expected map[string]outcome, got output) differenceByID {
	want, have := map[string]accountOf{}, map[string]accountOf{}
	for id, o := range expected {
		want[id] = accountOfModel(o)
	}
	found := differenceByID{}
	add := func(id, line string) { found[id] = append(found[id], line) }

	last := none
	for _, row := range got.events {
		if row.RecordedDateTime < last {
			add(row.RelationshipID, fmt.Sprintf("events.ndjson is not in order: %s after %s", row.RecordedDateTime, last))
		}
		last = row.RecordedDateTime
		if row.Type == "" {
			add(row.RelationshipID, "an event without a type")
		}
		a := have[row.RelationshipID]
		a.events = append(a.events, eventLine(row))
		a.types = append(a.types, row.Type)
		have[row.RelationshipID] = a
	}
	for _, row := range got.notices {
		a := have[row.RelationshipID]
		a.notices = append(a.notices, noticeLine(row))
		have[row.RelationshipID] = a
	}
	for _, row := range got.refused {
		a := have[row.RelationshipID]
		a.refused = append(a.refused, refusedLine(row))
		have[row.RelationshipID] = a
	}
	for _, row := range got.records {
		a := have[row.ID]
		a.record = append(a.record, recordLines(row)...)
		have[row.ID] = a
	}

	ids := map[string]bool{}
	for id := range want {
		ids[id] = true
	}
	for id := range have {
		ids[id] = true
	}
	for id := range ids {
		w, h := want[id], have[id]
		sort.Strings(h.notices)
		sort.Strings(h.refused)
		lines := compare("event", w.events, h.events)
		lines = append(lines, compare("notice", w.notices, h.notices)...)
		lines = append(lines, compare("refused", w.refused, h.refused)...)
		lines = append(lines, compare("record", w.record, unsaid(h.record, expected[id]))...)
		for _, line := range lines {
			add(id, line)
		}
	}
	typesAreNames(want, have, add)
	return found
}

// typesAreNames: docs/domain.md does not name the types of events, but one sort of change has one type.
func typesAreNames(want, have map[string]accountOf, add func(id, line string)) {
	typeOf := map[string]string{}
	ids := make([]string, 0, len(want))
	for id := range want {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		w, h := want[id], have[id]
		if len(w.kinds) != len(h.types) {
			continue // reported already
		}
		for i, kind := range w.kinds {
			if before, ok := typeOf[kind]; ok && before != h.types[i] {
				add(id, fmt.Sprintf("event type of %q is %q here and %q elsewhere", kind, h.types[i], before))
			}
			typeOf[kind] = h.types[i]
		}
	}
}

// unsaid leaves out of the command's record what docs/domain.md does not settle for it.
func unsaid(lines []string, expected outcome) []string {
	return slices.DeleteFunc(lines, func(line string) bool {
		return expected.record.lockedIsOurGuess && strings.HasPrefix(line, "lockedDateTime") ||
			expected.record.endedIsUnsaid && strings.HasPrefix(line, "endedDateTime")
	})
}

// compare gives the lines that are only on one side, with an eye on their order.
func compare(what string, want, have []string) []string {
	if slices.Equal(want, have) {
		return nil
	}
	count := map[string]int{}
	for _, line := range want {
		count[line]++
	}
	for _, line := range have {
		count[line]--
	}
	var out []string
	for _, line := range want {
		if count[line] > 0 {
			out = append(out, fmt.Sprintf("expected %s: %s", what, line))
			count[line]--
		}
	}
	for _, line := range have {
		if count[line] < 0 {
			out = append(out, fmt.Sprintf("got      %s: %s", what, line))
			count[line]++
		}
	}
	if out == nil {
		out = append(out, fmt.Sprintf("the same %ss in another order: %s", what, strings.Join(have, " | ")))
	}
	return out
}

func accountOfModel(o outcome) accountOf {
	var a accountOf
	for _, row := range eventRows(o.record) {
		a.events = append(a.events, eventLine(row))
	}
	for _, e := range o.record.events {
		a.kinds = append(a.kinds, e.what)
	}
	for _, row := range noticeRows(o.record) {
		a.notices = append(a.notices, noticeLine(row))
	}
	for _, r := range o.refused {
		a.refused = append(a.refused, refusedLine(refusedRow{r.action, r.why}))
	}
	if o.record.id != "" {
		a.record = unsaid(recordLines(finalRow(o.record)), o)
	}
	sort.Strings(a.notices)
	sort.Strings(a.refused)
	return a
}

func eventRows(r record) []eventRow {
	rows := make([]eventRow, 0, len(r.events))
	for _, e := range r.events {
		rows = append(rows, eventRow{
			RelationshipID: r.id, Type: e.what, Rule: nullable(e.rule), EffectiveDateTime: e.effective,
			RecordedDateTime: e.recorded, FromStatus: e.fromStatus, ToStatus: e.toStatus, EndDateTime: e.end,
			Reason: nullable(e.reason), Actor: nullable(e.actor),
		})
	}
	return rows
}

func noticeRows(r record) []noticeRow {
	rows := make([]noticeRow, 0, len(r.notices))
	for _, n := range r.notices {
		rows = append(rows, noticeRow{
			RelationshipID: r.id, Kind: n.kind, Stage: nullable(n.stage), EndDateTime: n.end,
			Recipient:   recipient{nullable(n.tenantID), nullable(n.mail), n.role, nullable(n.language)},
			DueDateTime: n.due, RecordedDateTime: n.recorded, Status: n.status, Reason: nullable(n.reason),
		})
	}
	return rows
}

func finalRow(r record) recordRow {
	final := recordRow{
		wireRecord: wireRecord{
			ID: r.id, DisplayName: r.displayName, Status: r.status, Partner: tenant{TenantID: r.partner},
			Duration:           fmt.Sprintf("P%dM%dD", r.duration.months, r.duration.exact/day),
			AutoExtendDuration: map[bool]string{true: "P180D", false: "PT0S"}[r.autoExtend],
			CreatedDateTime:    r.created, LockedDateTime: r.locked, ActivatedDateTime: r.activated,
			EndDateTime: r.end,
		},
		EndedDateTime: r.ended, NameReleased: &r.nameReleased,
	}
	if r.customer != "" {
		final.Customer = &tenant{TenantID: r.customer}
	}
	for _, id := range r.roles {
		final.AccessDetails.UnifiedRoles = append(final.AccessDetails.UnifiedRoles, unifiedRole{id})
	}
	return final
}

func eventLine(e eventRow) string {
	by := string(e.Actor)
	if e.Rule != "" && by != byPartner && by != byCustomer {
		by = "the clock" // what a timer is called as an actor is not settled
	}
	rule := string(e.Rule)
	if rule == "" {
		rule = "by hand"
	}
	line := fmt.Sprintf("%s, %s → %s, effective %s, recorded %s, end %s, by %s",
		rule, e.FromStatus, e.ToStatus, e.EffectiveDateTime, e.RecordedDateTime, e.EndDateTime, by)
	if e.Rule == "expire-pending" || e.Rule == "end-term" ||
		e.FromStatus == statusApprovalPending && e.ToStatus == statusTerminated {
		line += ", reason " + string(e.Reason) // docs/domain.md names no other reasons
	}
	return line
}

func noticeLine(n noticeRow) string {
	status := n.Status
	if status == "sent" {
		status = noticeQueued
	}
	stage := string(n.Stage)
	if stage == "" {
		stage = "no stage"
	}
	line := fmt.Sprintf("%s, %s, end %s, due %s, recorded %s, %s",
		n.Kind, stage, n.EndDateTime, n.DueDateTime, n.RecordedDateTime, status)
	if status == noticeSuppressed {
		line += " " + string(n.Reason)
	}
	who := "nobody"
	if n.Recipient.Mail != "" {
		who = fmt.Sprintf("%s (%s)", n.Recipient.Mail, n.Recipient.Language)
	}
	return line + fmt.Sprintf(", to %s as %s of %s", who, n.Recipient.Role, orNull(n.Recipient.TenantID))
}

func orNull(n nullable) string {
	if n == "" {
		return "null"
	}
	return string(n)
}

func refusedLine(r refusedRow) string {
	line := fmt.Sprintf("%s by %s at %s", r.Action, r.By, r.At)
	if r.Reason == "" {
		line += ", without a reason"
	}
	return line
}

// recordLines leaves out what docs/domain.md does not settle: lastModifiedDateTime and the etag.
func recordLines(r recordRow) []string {
	customer := "null"
	if r.Customer != nil {
		customer = r.Customer.TenantID
	}
	roles := make([]string, 0, len(r.AccessDetails.UnifiedRoles))
	for _, role := range r.AccessDetails.UnifiedRoles {
		roles = append(roles, role.RoleDefinitionID)
	}
	slices.Sort(roles)
	released := "null"
	if r.NameReleased != nil {
		released = strconv.FormatBool(*r.NameReleased)
	}
	extends := "not accepted: " + r.AutoExtendDuration
	if on, accepted := parseAutoExtend(r.AutoExtendDuration); accepted && on {
		extends = "on"
	} else if r.AutoExtendDuration == "PT0S" { // section 1: store and emit PT0S
		extends = "off"
	}
	return []string{
		"status " + r.Status,
		"displayName " + r.DisplayName,
		"duration " + lengthOf(r.Duration),
		"autoExtend " + extends,
		"partner " + r.Partner.TenantID,
		"customer " + customer,
		"roles " + strings.Join(roles, " "),
		"createdDateTime " + r.CreatedDateTime.String(),
		"lockedDateTime " + r.LockedDateTime.String(),
		"activatedDateTime " + r.ActivatedDateTime.String(),
		"endDateTime " + r.EndDateTime.String(),
		"endedDateTime " + r.EndedDateTime.String(),
		"nameReleased " + released,
	}
}

// lengthOf compares durations by value (section 1).
func lengthOf(text string) string {
	p, err := parsePeriod(text)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("of %d months and %d days", p.months, p.exact/day)
}
