package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
)

const root = "../.."

// A block is a fenced part of a page.
type block struct {
	language string // the first word behind the fence
	name     string // the second: the name of a file
	text     string
	line     int // of the fence, from 1
}

var fenced = regexp.MustCompile("(?ms)^```(\\w+)?(?: +(\\S+))?\\n(.*?)^```$")

func blocks(page string) []block {
	var found []block
	for _, at := range fenced.FindAllStringSubmatchIndex(page, -1) {
		part := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return page[at[2*i]:at[2*i+1]]
		}
		found = append(found, block{part(1), part(2), part(3), 1 + strings.Count(page[:at[0]], "\n")})
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	return string(text)
}

// TestREADMEIsTrue does what README.md says, line by line, with the files that it shows, and compares what comes out with what it
// shows (-update rewrites that). Each line is run for real, but for these: a target of make and a service of docker compose are
// looked for in their files, and what compose would have tenure do is then done without containers, on the database at hand.
func TestREADMEIsTrue(t *testing.T) {
	page := read(t, "README.md")
	r := &readme{outputs: map[int]string{}}
	script, err := r.script(blocks(page))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "readme.txtar"), []byte(script), 0o600))

	commands := scriptCommands()
	commands["make"], commands["docker"], commands["shown"] = makeTarget, compose, r.shown
	commands["keep"] = r.keep
	if *update {
		t.Cleanup(func() { // the script runs when this function is over
			require.NoError(t, os.WriteFile(filepath.Join(root, "README.md"), []byte(replaceBlocks(page, r.outputs)), 0o600))
		})
	}
	testscript.Run(t, testscript.Params{Dir: dir, Setup: withFreePort, Cmds: commands, RequireExplicitExec: true})
}

// A readme is README.md while it is being tried.
type readme struct {
	said    strings.Builder // what the commands of a block have said
	outputs map[int]string  // what each text block should show, by its line
}

// script turns the page into a script.
func (r *readme) script(page []block) (string, error) {
	var script, files strings.Builder
	serving := false
	for i, b := range page {
		switch {
		case b.name != "":
			fmt.Fprintf(&files, "-- first-hour/%s --\n%s", b.name, b.text)
			if b.name == "relationships.json" {
				fmt.Fprintf(&files, "-- first-hour/export.json --\n%s", b.text) // the reader has one of their own
			}
		case b.language == "sh":
			lines, serves, err := translate(b.text)
			if err != nil {
				return "", fmt.Errorf("README.md:%d: %w", b.line, err)
			}
			fmt.Fprintf(&script, "# README.md:%d\n%s", b.line, lines)
			containers := strings.Contains(b.text, "docker compose up")
			if serves && !containers {
				script.WriteString("kill -INT serve\nwait serve\n")
			}
			serving = serving || containers
			if i+1 < len(page) && page[i+1].language == "text" {
				fmt.Fprintf(&script, "shown %d expected-%d.txt\n", page[i+1].line, page[i+1].line)
			} else {
				script.WriteString("shown 0\n")
			}
		case b.language == "text":
			fmt.Fprintf(&files, "-- expected-%d.txt --\n%s", b.line, b.text)
		default:
			return "", fmt.Errorf("README.md:%d: nobody tries a block of %q; give it the name of a file", b.line, b.language)
		}
	}
	if serving {
		script.WriteString("kill -INT serve\nwait serve\n")
	}
	return script.String() + files.String(), nil
}

// translate turns a block of shell into lines of a script.
func translate(shell string) (script string, serves bool, err error) {
	var b strings.Builder
	for line := range strings.Lines(shell) {
		line = strings.TrimSpace(line)
		command, _, _ := strings.Cut(line, " ")
		quoted := forScript(line)
		switch {
		case line == "":
		case line == `export PATH="$PWD/bin:$PATH"`: // the tenure on the path is the one to try
		case command == "mkdir":
			// The files of the page are in that folder already.
			fmt.Fprintf(&b, "%s\n", line)
		case command == "cd", command == "make":
			fmt.Fprintf(&b, "%s\n", line)
		case line == "tenure serve":
			fmt.Fprintf(&b, "exec tenure serve &serve&\nwaitfor http://%s/readyz\n", readmeAddress)
			serves = true
		case command == "tenure":
			fmt.Fprintf(&b, "exec %s\nkeep\n", quoted)
		case strings.HasPrefix(line, "ID=$(curl ") && strings.HasSuffix(line, " | jq -r .id)"):
			fmt.Fprintf(&b, "%s\nfield ID id\n", strings.TrimSuffix(strings.TrimPrefix(quoted, "ID=$("), " | jq -r .id)"))
		case command == "curl":
			// The token has to be filled in, which quotation marks of a script prevent.
			fmt.Fprintf(&b, "%s\n", strings.Replace(quoted, "'Authorization: Bearer $TOKEN'", "'Authorization: Bearer '$TOKEN", 1))
		case strings.HasPrefix(line, "docker compose "):
			inside, starts := insideCompose(line)
			fmt.Fprintf(&b, "%s\n%s", line, inside)
			serves = serves || starts
		default:
			return "", false, fmt.Errorf("nobody knows how to try %q", line)
		}
	}
	return b.String(), serves, nil
}

// forScript is a line of shell with the quotation marks of a script, which knows no others but single ones.
func forScript(line string) string {
	inside := false
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\'':
			inside = !inside
		case r == '"' && !inside:
			return '\''
		}
		return r
	}, line)
}

// insideCompose is what a line of docker compose has tenure do, done without containers.
func insideCompose(line string) (script string, starts bool) {
	words := strings.Fields(line)[2:]
	switch {
	case words[0] == "up":
		return fmt.Sprintf("exec tenure serve &serve&\nwaitfor http://%s/readyz\n", readmeAddress), true
	case words[0] == "run" && words[len(words)-1] == "migrate":
		return "exec tenure migrate\n", false
	case words[0] == "run" && slices.Contains(words, "token"):
		return "exec tenure " + strings.Join(words[slices.Index(words, "token"):], " ") + "\ntoken\n", false
	}
	return "", false
}

// keep keeps what the last command has said on a terminal: its output, then what it has to say beside it.
func (r *readme) keep(ts *testscript.TestScript, _ bool, _ []string) {
	r.said.WriteString(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
}

// shown compares what the commands of a block have said with what the page shows: shown LINE FILE.
func (r *readme) shown(ts *testscript.TestScript, _ bool, args []string) {
	said := trimmed(r.said.String())
	r.said.Reset()
	if args[0] == "0" {
		return
	}
	var line int
	_, err := fmt.Sscan(args[0], &line)
	ts.Check(err)
	r.outputs[line] = said
	if want := ts.ReadFile(filepath.Join(ts.Getenv("WORK"), args[1])); want != said && !*update {
		ts.Fatalf("README.md:%d shows\n%s\nbut this is said (-update rewrites it):\n%s", line, want, said)
	}
}

// trimmed is text without spaces at the ends of lines, which an editor would take away.
func trimmed(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimRight(line, " \r\n") + "\n")
	}
	return b.String()
}

// replaceBlocks puts other texts into blocks, by the lines of their fences.
func replaceBlocks(page string, texts map[int]string) string {
	return fenced.ReplaceAllStringFunc(page, func(old string) string {
		// Lines move while blocks are replaced, so the old page is asked where this one is.
		for _, b := range blocks(page) {
			text, ok := texts[b.line]
			if ok && strings.HasPrefix(pageFrom(page, b.line), old) {
				first, _, _ := strings.Cut(old, "\n")
				delete(texts, b.line)
				return first + "\n" + text + "```"
			}
		}
		return old
	})
}

func pageFrom(page string, line int) string {
	lines := strings.SplitAfter(page, "\n")
	return strings.Join(lines[line-1:], "")
}

// recipes are what the targets that the page names have to do.
var recipes = map[string]string{"demo": "go run ./cmd/tenure demo", "test": "go test $(RACE)", "build": "-o bin/tenure ./cmd/tenure",
	"secrets": ""}

// makeTarget looks for a target of the Makefile that it tells people about: make TARGET.
func makeTarget(ts *testscript.TestScript, neg bool, args []string) {
	text, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	ts.Check(err)
	recipe, known := recipes[args[0]]
	if neg || len(args) != 1 || !known {
		ts.Fatalf("nobody knows how to try make %v", args)
	}
	rule := regexp.MustCompile(`(?m)^` + args[0] + `:.*## .*\n((\t.*\n)*)`).FindSubmatch(text)
	if rule == nil || !strings.Contains(string(rule[1]), recipe) {
		ts.Fatalf("the Makefile has no target %s that does %q", args[0], recipe)
	}
}

// repository is the absolute path of the root, since scripts run elsewhere.
var repository = func() string {
	path, err := filepath.Abs(root)
	if err != nil {
		panic(err)
	}
	return path
}()

// compose looks for the services that a line of docker compose names: docker compose …. That the file is right as a whole is
// asked of docker, where there is one.
func compose(ts *testscript.TestScript, _ bool, args []string) {
	services, err := composeServices()
	ts.Check(err)
	need := func(name string) {
		if _, ok := services[name]; !ok {
			ts.Fatalf("docker-compose.yml has no service %q", name)
		}
	}
	words := args[1:]
	switch words[0] {
	case "build":
		if _, err := os.Stat(filepath.Join(repository, "Dockerfile")); err != nil {
			ts.Fatalf("%v", err)
		}
	case "run":
		words = slices.DeleteFunc(words[1:], func(w string) bool { return w == "--rm" })
		need(words[0])
	case "up":
		for _, w := range words[1:] {
			if name, _, scaled := strings.Cut(w, "="); scaled {
				need(name)
			}
		}
		for _, name := range []string{"postgres", "redis", "scheduler", "worker", "api"} {
			need(name)
		}
	default:
		ts.Fatalf("nobody knows how to try docker compose %s", words[0])
	}
}

func composeServices() (map[string]any, error) {
	text, err := os.ReadFile(filepath.Join(repository, "docker-compose.yml"))
	if err != nil {
		return nil, err
	}
	var file struct {
		Services map[string]any `yaml:"services"`
	}
	return file.Services, yaml.Unmarshal(text, &file)
}

func TestREADMEBeginsWithFiveLinesAndTwoCommands(t *testing.T) {
	page := read(t, "README.md")
	opening, _, ok := strings.Cut(strings.TrimPrefix(page, "# tenure\n\n"), "\n\n")
	require.True(t, ok)
	require.Equal(t, 5, 1+strings.Count(opening, "\n"))
	first := blocks(page)
	require.Equal(t, "make demo\n", first[0].text)
	require.Equal(t, "make test\n", first[1].text)
}

// TestExamplesOfFilesAreTrue reads and makes the files that docs/formats.md shows.
func TestExamplesOfFilesAreTrue(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/formats.md")
	dir := t.TempDir()
	lines := map[string]int{}
	for _, b := range blocks(page) {
		if b.name != "" {
			lines[b.name] = b.line
			require.NoError(t, os.WriteFile(filepath.Join(dir, b.name), []byte(b.text), 0o600))
		}
	}
	tenure := func(args ...string) string {
		t.Helper()
		command := exec.Command("tenure", args...)
		command.Dir = dir
		var complaints bytes.Buffer
		command.Stderr = &complaints
		out, err := command.Output()
		require.NoError(t, err, "%v\n%s%s", args, out, complaints.String())
		return string(out)
	}
	tenure("migrate", "--sandbox", "--at", "2026-12-01T00:00:00Z")
	tenure("import", "--strict", "import-relationships.json", "import-contacts.csv")
	require.Contains(t, tenure("import", "import-contacts.ndjson"), "1 unchanged")
	tenure("simulate", "--relationships", "import-relationships.json", "--contacts", "import-contacts.csv", "--actions", "actions.ndjson",
		"--from", "2026-12-01T00:00:00Z", "--until", "2027-02-01T00:00:00Z", "--out", "out")

	made := map[string]string{"export-relationships.ndjson": tenure("export")}
	for _, name := range []string{"events.ndjson", "notices.ndjson", "refused.ndjson"} {
		text, err := os.ReadFile(filepath.Join(dir, "out", name))
		require.NoError(t, err)
		require.NotEmpty(t, text, "the example of %s shows nothing", name)
		made[name] = string(text)
	}
	if *update {
		texts := map[int]string{}
		for name, text := range made {
			texts[lines[name]] = text
		}
		require.NoError(t, os.WriteFile(filepath.Join(root, "docs/formats.md"), []byte(replaceBlocks(page, texts)), 0o600))
		return
	}
	for name, text := range made {
		shown, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, text, string(shown), "docs/formats.md shows another %s (-update rewrites it)", name)
	}
}

func TestColumnsOfTheActivityAreThoseOfThePage(t *testing.T) {
	var columns []string
	for _, column := range firstColumn(tableAfter(t, "docs/formats.md", "activity: a test")) {
		columns = append(columns, strings.Trim(column, "`"))
	}
	require.Equal(t, httpapi.ActivityColumns, columns)
}

func TestExamplesOfThePolicyAreRead(t *testing.T) {
	page := read(t, "docs/policy.md")
	files := map[string]string{}
	for _, b := range blocks(page) {
		if b.language != "yaml" {
			continue
		}
		path := filepath.Join(t.TempDir(), b.name)
		require.NoError(t, os.WriteFile(path, []byte(b.text), 0o600))
		policy, err := readPolicy(path)
		require.NoError(t, err)
		if b.name == "policy.yaml" {
			require.Equal(t, lifecycle.DefaultPolicy(), policy, "the complete example is the default policy")
		}
		files[b.name] = b.text
	}
	require.Contains(t, files, "policy.yaml")

	// The table has each key once, with the default that the example shows.
	var example map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(files["policy.yaml"]), &example))
	shown := map[string]string{}
	showPolicy(example, "", shown)
	described := map[string]string{}
	for _, row := range tableAfter(t, "docs/policy.md", "Keys") {
		described[strings.Trim(row[0], "`")] = strings.Trim(row[1], "`\"")
	}
	require.Equal(t, shown, described)
	require.Equal(t, policyKeys(reflect.TypeOf(policyFile{}), ""), slices.Sorted(maps.Keys(described)))

	var routeKeys []string
	for _, key := range firstColumn(tableAfter(t, "docs/policy.md", "routes")) {
		routeKeys = append(routeKeys, strings.Trim(key, "`"))
	}
	slices.Sort(routeKeys)
	require.Equal(t, policyKeys(reflect.TypeOf(routeFile{}), ""), routeKeys)
}

// showPolicy lists the values of a policy file by their keys.
func showPolicy(section map[string]any, prefix string, shown map[string]string) {
	for key, value := range section {
		inner, ok := value.(map[string]any)
		switch {
		case ok && len(inner) == 0: // as JSON has it; Go would call it map[]
			shown[prefix+key] = "{}"
			continue
		case ok:
			showPolicy(inner, prefix+key+".", shown)
			continue
		}
		shown[prefix+key] = strings.ReplaceAll(fmt.Sprint(value), " ", ", ")
	}
}

// TestLookAtAPolicyBeforeItIsUsed does what docs/policy.md advises.
func TestLookAtAPolicyBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tried := 0
	tenure := func(args ...string) string {
		command := exec.Command("tenure", args...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%v\n%s", args, out)
		return string(out)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "waits.json"), []byte(`[{"id":"w","displayName":"Waits","status":"approvalPending",
		"duration":"P1Y","lockedDateTime":"2026-01-01T00:00:00Z","partner":{"tenantId":"99999999-9999-4999-8999-999999999999"}}]`), 0o600))
	tenure("migrate", "--sandbox", "--at", "2026-02-15T00:00:00Z")
	tenure("--db", "sqlite:try.db", "migrate", "--sandbox", "--at", "2026-02-15T00:00:00Z")
	tenure("import", "waits.json")
	require.Regexp(t, `found due +0`, tenure("sweep", "--dry-run"))

	var last string
	for _, b := range blocks(read(t, "docs/policy.md")) {
		switch {
		case b.name != "":
			require.NoError(t, os.WriteFile(filepath.Join(dir, b.name), []byte(b.text), 0o600))
		case b.language == "sh":
			for line := range strings.Lines(b.text) {
				words := strings.Fields(line)
				require.Equal(t, "tenure", words[0])
				last = tenure(words[1:]...)
				tried++
			}
		}
	}
	require.Positive(t, tried)
	require.Regexp(t, `found due +1`, last, "under own.yaml a request lapses after 30 days")
}

// TestCommandsThatPagesSpeakOfExist parses each `tenure …` of every page. Arguments that a page leaves out are not missed.
func TestCommandsThatPagesSpeakOfExist(t *testing.T) {
	spoken := regexp.MustCompile("`tenure ([^`\n]+)`|(?m)^    tenure (.+)$")
	tried := map[string]bool{} // many are spoken of on several pages
	for _, page := range pages(t) {
		for _, found := range spoken.FindAllStringSubmatch(read(t, page), -1) {
			command, _, _ := strings.Cut(found[1]+found[2], " # ")
			command = regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(command, "") // what may be left out
			command = regexp.MustCompile(`\b[A-Z]{2,}(\.\.\.)?`).ReplaceAllStringFunc(command, func(placeholder string) string {
				if placeholder == "ID" {
					return "1"
				}
				return "x"
			})
			command = regexp.MustCompile(`'[^']*'`).ReplaceAllString(command, "x")
			if strings.ContainsAny(command, "…") || tried[command] {
				continue
			}
			tried[command] = true
			parser, err := kong.New(&cli{}, kong.Vars{"version": version}, kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
			require.NoError(t, err)
			if _, err = parser.Parse(strings.Fields(command)); err != nil {
				// Only what is missing is forgiven.
				require.Regexp(t, `^(expected|missing flags)`, err.Error(), "%s: tenure %s", page, command)
			}
		}
	}
	require.Greater(t, len(tried), 30)
}

// policyKeys are the keys that the reader of policies knows.
func policyKeys(of reflect.Type, prefix string) []string {
	var keys []string
	for i := range of.NumField() {
		field := of.Field(i)
		name, inline := strings.CutSuffix(field.Tag.Get("yaml"), ",inline")
		key := prefix + name
		if inline {
			keys = append(keys, policyKeys(field.Type, prefix)...)
		} else if field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[yaml.Node]() {
			keys = append(keys, policyKeys(field.Type, key+".")...)
		} else {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// TestEverySettingIsInTheOperatorsGuide compares the table of settings with the flags of every command.
func TestEverySettingIsInTheOperatorsGuide(t *testing.T) {
	type setting struct{ environment, fallback, of string }
	commands := map[string][]string{} // by setting
	actual := map[string]setting{}
	leaves := model(t).Leaves(false)
	for _, command := range leaves {
		for _, f := range flags(command) {
			if len(f.Envs) == 0 {
				continue
			}
			name, _, _ := strings.Cut(strings.TrimPrefix(command.Path(), "tenure "), " <")
			commands[f.Name] = append(commands[f.Name], name)
			actual[f.Name] = setting{environment: f.Envs[0], fallback: f.Default}
		}
	}
	page := read(t, "docs/operating.md")
	send := commandsNamedIn(regexp.MustCompile(`"What sends" is .*`).FindString(page))
	write := append(commandsNamedIn(regexp.MustCompile(`"What writes" is .*`).FindString(page)), send...)
	slices.Sort(write)
	for name, s := range actual {
		of := slices.Sorted(slices.Values(commands[name]))
		switch {
		case len(of) == len(leaves):
			s.of = "all"
		case name == "output":
			s.of = "what lists and shows"
		case slices.Equal(of, send):
			s.of = "what sends"
		case slices.Equal(of, write):
			s.of = "what writes"
		default:
			s.of = strings.Join(commands[name], ", ")
		}
		actual[name] = s
	}
	described := map[string]setting{}
	for _, row := range tableAfter(t, "docs/operating.md", "settings") {
		name := strings.TrimPrefix(strings.Trim(strings.TrimSuffix(row[0], " (no key)"), "`"), "--")
		fallback := regexp.MustCompile("^`([^`]*)`$").FindStringSubmatch(row[2])
		s := setting{environment: strings.Trim(row[1], "`"), of: row[3]}
		if fallback != nil {
			s.fallback = fallback[1]
		}
		described[name] = s
	}
	require.Equal(t, actual, described)

	// The example is a configuration file that the program takes.
	for _, b := range blocks(page) {
		if b.name == defaultConfigFile {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, b.name), []byte(b.text), 0o600))
			command := exec.Command("tenure", "serve", "--print-config")
			command.Dir = dir
			out, err := command.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "warn-expiry:*/10 * * * *")
			return
		}
	}
	t.Error("docs/operating.md shows no " + defaultConfigFile)
}

// commandsNamedIn are the commands in `code` of a line, sorted.
func commandsNamedIn(line string) []string {
	var names []string
	for _, found := range regexp.MustCompile("`([a-z ]+)`").FindAllStringSubmatch(line, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	return names
}

func TestEveryKindOfChannelIsInTheOperatorsGuide(t *testing.T) {
	page := read(t, "docs/operating.md")
	described := firstColumn(tableAfter(t, "docs/operating.md", "Channels"))
	require.Len(t, described, len(notify.Usages()))
	for _, usage := range notify.Usages() {
		scheme, _, _ := strings.Cut(usage, ":")
		require.True(t, slices.ContainsFunc(described, func(cell string) bool { return strings.Contains(cell, "`"+scheme+":") }),
			"there is no row about %s", usage)
	}
	options := 0
	files, err := filepath.Glob(filepath.Join(root, "notify", "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, known := range regexp.MustCompile(`(?:cutOptions\([a-z]+, |Option(?:Name)?s += \[\]string\{)("[^)}]*)[)}]`).FindAllSubmatch(text, -1) {
			for _, option := range regexp.MustCompile(`"([A-Za-z]+)"`).FindAllSubmatch(known[1], -1) {
				options++
				require.Contains(t, page, "`"+string(option[1])+"`", "an option of %s", file)
			}
		}
	}
	require.Greater(t, options, 15)
}

func TestSchedulesAreThoseOfTheOperatorsGuide(t *testing.T) {
	described := jobs.Schedules{}
	for _, row := range tableAfter(t, "docs/operating.md", "schedules") {
		described[ruleName(strings.Trim(row[0], "`"))] = strings.Trim(row[1], "`")
	}
	require.Equal(t, jobs.DefaultSchedules(), described)
}

func TestRulesEventsAndStatusesOfNoticesAreInTheDomainPage(t *testing.T) {
	page := read(t, "docs/domain.md")
	var names []string
	for _, n := range lifecycle.RuleNames() {
		names = append(names, string(n))
	}
	for _, n := range lifecycle.NoticeStatuses {
		names = append(names, string(n))
	}
	for _, n := range lifecycle.NoticeKinds {
		names = append(names, string(n))
	}
	for _, n := range lifecycle.Statuses {
		names = append(names, string(n))
	}
	for _, tr := range lifecycle.Transitions {
		names = append(names, string(tr.Event), string(tr.Action))
	}
	for _, name := range names {
		if name != "" {
			require.Contains(t, page, "`"+name+"`")
		}
	}
}

func TestEveryDirectDependencyHasAReason(t *testing.T) {
	described := map[string]bool{}
	for _, row := range tableAfter(t, "docs/dependencies.md", "Dependencies") {
		module := strings.Trim(row[0], "`")
		described[module] = true
		for i, cell := range row {
			require.NotEmpty(t, cell, "%s, column %d", module, i+1)
		}
	}
	required := map[string]bool{}
	for line := range strings.Lines(read(t, "go.mod")) {
		if words := strings.Fields(strings.TrimPrefix(line, "require ")); len(words) >= 2 && strings.HasPrefix(words[1], "v") {
			required[words[0]] = true
			if len(words) == 2 {
				require.True(t, described[words[0]], "docs/dependencies.md does not say what %s is for", words[0])
			}
		}
	}
	for module := range described {
		require.True(t, required[module], "docs/dependencies.md speaks of %s, which is gone", module)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinksLeadSomewhere follows every link from one page to another, and to its heading.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		text := fenced.ReplaceAllString(read(t, page), "")
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(l[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			other, err := os.ReadFile(filepath.Join(root, file))
			if stat, statErr := os.Stat(filepath.Join(root, file)); statErr == nil && stat.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, l[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(string(other)), anchor) {
				t.Errorf("%s: %s has no heading for %s; there are %v", page, file, l[1], anchors(string(other)))
			}
		}
	}
}

// TestWhatPagesNameIsThere looks for the tests, diaries and files that pages name in `code`.
func TestWhatPagesNameIsThere(t *testing.T) {
	var tests strings.Builder
	files, err := filepath.Glob(filepath.Join(root, "*", "*_test.go"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(root, "*", "*", "*_test.go"))
	require.NoError(t, err)
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(text)
	}
	testName := regexp.MustCompile("`(Test[A-Z][A-Za-z]+)`")
	path := regexp.MustCompile("`((?:[a-z]+/)+[a-z_]+\\.(?:go|sql|md|yaml)|(?:lifecycle|jobs|storage|notify|httpapi|transfer|cmd|scripts)/[a-z_/]+)`")
	seen := 0
	for _, page := range pages(t) {
		text := read(t, page)
		for _, found := range testName.FindAllStringSubmatch(text, -1) {
			seen++
			require.Contains(t, tests.String(), "func "+found[1]+"(", "%s speaks of %s", page, found[1])
		}
		for _, found := range path.FindAllStringSubmatch(text, -1) {
			if strings.Contains(found[1], "expire_draft") {
				continue // the rule that docs/architecture.md makes up
			}
			seen++
			_, err := os.Stat(filepath.Join(root, found[1]))
			require.NoError(t, err, "%s speaks of %s", page, found[1])
		}
	}
	require.Greater(t, seen, 30)
}

// pages are all pages of the documentation, from the root.
func pages(t *testing.T) []string {
	found := []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			path, err = filepath.Rel(root, path)
			found = append(found, path)
		}
		return err
	})
	require.NoError(t, err)
	return found
}

// anchors are the headings of a page as GitHub names them.
func anchors(page string) []string {
	var names []string
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		name := notSlug.ReplaceAllString(strings.ToLower(h[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// tableAfter is the first table behind a heading or a comment that holds these words, without its head; a row is its cells.
func tableAfter(t *testing.T, file, words string) [][]string {
	t.Helper()
	if !strings.HasPrefix(file, root) {
		file = filepath.Join(root, file)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	_, behind, ok := cutAtLine(string(text), words)
	require.True(t, ok, "%s has no line about %s", file, words)
	var rows [][]string
	for line := range strings.Lines(behind) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), " | ") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	require.Greater(t, len(rows), 2, "%s has no table about %s", file, words)
	return rows[2:]
}

// cutAtLine cuts a page at the first heading or comment that begins with words.
func cutAtLine(page, words string) (before, after string, ok bool) {
	at := regexp.MustCompile(`(?m)^(#+|<!--) *` + regexp.QuoteMeta(words) + `.*$`).FindStringIndex(page)
	if at == nil {
		return "", "", false
	}
	return page[:at[0]], page[at[1]:], true
}

func firstColumn(rows [][]string) []string {
	var column []string
	for _, row := range rows {
		column = append(column, row[0])
	}
	return column
}
