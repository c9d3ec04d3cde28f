package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/testenv"
)

var update = flag.Bool("update", false, "rewrite the outputs shown in README.md and docs/formats.md")

// atOnce has a process under the race detector end when it is done, and not a second later. The processes that tests start see it: one in
// scripts, whose environment is made up, by withFreePort.
const atOnce = "atexit_sleep_ms=0"

// TestMain makes the command "tenure" out of the test binary, so that scripts run the real thing in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"tenure": func() { os.Exit(run(os.Args[1:])) }})
}

// A suite is all tests of this package, between what they share and what they leave behind.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer removeBinary()
	err := errors.Join(os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" "+atOnce)), unwatched())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return s.M.Run()
}

// A script is a session at a terminal: testdata/script/*.txtar. Beside testscript's own commands there are those below.
// Whatever depends on the date runs in a sandbox.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	files = slices.DeleteFunc(files, func(file string) bool { return slices.Contains(deploymentScripts, file) })
	testscript.Run(t, testscript.Params{Files: files, Setup: withFreePort, Cmds: scriptCommands(), RequireExplicitExec: true})
}

var deploymentScripts = []string{"testdata/script/deployment.txtar", "testdata/script/deployment_life.txtar"}

// TestDeploymentOfSeveralProcesses is made of scripts too, on a real PostgreSQL and a real Redis.
func TestDeploymentOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	for _, script := range deploymentScripts {
		t.Run(filepath.Base(script), func(t *testing.T) {
			t.Parallel()
			database, redis := testenv.Postgres(t), testenv.Redis(t)
			setup := func(env *testscript.Env) error {
				env.Setenv("TENURE_DB", database)
				env.Setenv("TENURE_REDIS", redis)
				return withFreePort(env)
			}
			testscript.Run(t, testscript.Params{Files: []string{script}, Setup: setup, Cmds: scriptCommands(), RequireExplicitExec: true})
		})
	}
}

func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits":      exits,
		"eventually": eventually,
		"curl":       curl,
		"waitfor":    waitFor,
		"token":      keepToken,
		"field":      keepField,
		"receiver":   receiver,
		"answers":    answers,
		"received":   received,
		"issuer":     issuer,
		"issue":      issue,
		"sql":        runSQL,

		"manycontacts": manyContacts,
	}
}

// readmeAddress is where everything listens unless it is told otherwise; in scripts the port is another, since it may be taken.
const readmeAddress = "127.0.0.1:8080"

// withFreePort has `tenure serve` listen on a port that is free.
func withFreePort(env *testscript.Env) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("TENURE_LISTEN", l.Addr().String())
	env.Setenv("GORACE", os.Getenv("GORACE"))
	return l.Close()
}

// exits runs a program and wants this exit code: exits CODE PROGRAM ARGS….
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// curl asks as curl would, and fails unless the answer is a 2xx; with ! unless it is not. It understands what the documentation
// uses, -X, -H, --json and -s, and nothing else.
func curl(ts *testscript.TestScript, neg bool, args []string) {
	method, url, body := http.MethodGet, "", ""
	header := http.Header{}
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-X" && i+1 < len(args):
			i++
			method = args[i]
		case args[i] == "-H" && i+1 < len(args):
			i++
			name, value, ok := strings.Cut(args[i], ": ")
			if !ok {
				ts.Fatalf("%q is no header", args[i])
			}
			header.Add(name, value)
		case args[i] == "--json" && i+1 < len(args):
			i++
			body = jsonOf(ts, args[i])
			header.Set("Content-Type", "application/json")
			header.Set("Accept", "application/json")
			if method == http.MethodGet {
				method = http.MethodPost
			}
		case args[i] == "-s":
		case strings.HasPrefix(args[i], "-") || url != "":
			ts.Fatalf("this curl does not understand %q", args[i])
		default:
			url = args[i]
		}
	}
	status, answer, err := ask(ts, method, url, header, body)
	ts.Check(err)
	if ok := status >= 200 && status < 300; ok == neg {
		ts.Fatalf("%s %s answers %d: %s", method, url, status, answer)
	}
	_, err = io.WriteString(ts.Stdout(), answer)
	ts.Check(err)
}

// jsonOf is the body that --json gives: text, or with @ in front what a file holds.
func jsonOf(ts *testscript.TestScript, text string) string {
	if file, ok := strings.CutPrefix(text, "@"); ok {
		return ts.ReadFile(file)
	}
	return text
}

func ask(ts *testscript.TestScript, method, url string, header http.Header, content string) (status int, body string, err error) {
	request, err := http.NewRequest(method, strings.Replace(url, readmeAddress, ts.Getenv("TENURE_LISTEN"), 1), strings.NewReader(content))
	if err != nil {
		return 0, "", err
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close() //nolint:errcheck // it is read to the end
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// patience is how long a script waits for what another process does.
const patience = 30 * time.Second

// waitFor waits until url answers 200: waitfor URL.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor URL")
	}
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		status, body, err := ask(ts, http.MethodGet, args[0], nil, "")
		if err == nil && status == http.StatusOK {
			return
		}
		last = errors.Join(err, errors.New(body))
	}
	ts.Fatalf("%s does not answer: %v", args[0], last)
}

// runSQL does something to an SQLite file that tenure itself would not: sql FILE STATEMENT.
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close() //nolint:errcheck // the statement is committed
	if _, err = db.Exec(args[1]); (err == nil) == neg {
		ts.Fatalf("%s: %v", args[1], err)
	}
}

// manyContacts writes a file of so many people with one role in one tenant: manycontacts NUMBER FILE.
func manyContacts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: manycontacts NUMBER FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var b strings.Builder
	b.WriteString("tenantId,role,mail\n")
	for i := range n {
		fmt.Fprintf(&b, "22222222-2222-4222-8222-222222222222,globalAdministrator,person-%04d@fabrikam.example\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}

// keepToken puts the token that was just made where the reader would, or into another variable: token [VARIABLE].
func keepToken(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(append(args, "TOKEN")[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// keepField puts a field of the JSON object that was just answered into a variable, as jq would: field VARIABLE NAME.
func keepField(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: field VARIABLE NAME")
	}
	var answer map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	value, ok := answer[args[1]]
	if !ok {
		ts.Fatalf("there is no %q in %v", args[1], answer)
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

// eventually runs a program until its output has a line that matches: eventually PATTERN PROGRAM ARGS….
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN PROGRAM ARGS")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("no match for %q", args[0])
}

// model is the command line as kong sees it.
func model(t *testing.T) *kong.Application {
	parser, err := kong.New(&cli{}, kong.Name("tenure"), kong.Vars{"version": version})
	require.NoError(t, err)
	return parser.Model
}

// flags are all flags of a command, those of its parents too, "help" apart.
func flags(command *kong.Node) []*kong.Flag {
	var all []*kong.Flag
	for _, group := range command.AllFlags(false) {
		for _, f := range group {
			if f.Name != "help" {
				all = append(all, f)
			}
		}
	}
	return all
}

func TestHelpOfEachCommandNamesItsFlagsAndSaysWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	commands := model(t).Leaves(false)
	require.Greater(t, len(commands), 20)
	for _, command := range commands {
		path := strings.Fields(strings.TrimPrefix(command.Path(), "tenure "))
		all := flags(command) // which also changes the model
		t.Run(strings.Join(path, " "), func(t *testing.T) {
			t.Parallel()
			words := []string{}
			for _, word := range path {
				if !strings.HasPrefix(word, "<") && !strings.HasPrefix(word, "[") {
					words = append(words, word)
				}
			}
			tenure := exec.Command("tenure", append(words, "--help")...)
			tenure.Dir = t.TempDir()
			var complaints bytes.Buffer
			tenure.Stderr = &complaints
			help, err := tenure.Output()
			require.NoError(t, err, complaints.String())
			require.NotEmpty(t, command.Help, "it does not say what it is for")
			require.Contains(t, flat(string(help)), flat(command.Help))
			for _, f := range all {
				require.Contains(t, string(help), "--"+f.Name)
				require.NotEmpty(t, f.Help, "--%s does not say what it is for", f.Name)
			}
			for _, a := range command.Positional {
				require.Contains(t, string(help), "<"+a.Name, "the argument is not named")
			}
		})
	}
}

// flat is text on one line, whatever its layout.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestExitCodesAreThoseOfTheOperatorsGuide(t *testing.T) {
	for i, code := range []int{exitDone, exitFailed, exitUsage, exitPartial} {
		require.Equal(t, i, code)
	}
	require.Equal(t, []string{"0", "1", "2", "3"}, firstColumn(tableAfter(t, "../../docs/operating.md", "exit codes")))
	require.Equal(t, exitPartial, done(fmt.Errorf("importing: %w", partial("one was refused"))))
	require.Equal(t, exitUsage, done(usageError("no")))
	require.Equal(t, exitFailed, done(errors.New("no")))
	require.Equal(t, exitDone, done(nil))
}
