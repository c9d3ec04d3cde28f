// Command tenure keeps the clocks of delegated-admin relationships: it imports them, sweeps what is due, tells whom it concerns,
// and shows all of it. One binary, a file per subcommand; `tenure --help` lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	_ "time/tzdata" // time zones of readers, on machines that have none

	"github.com/alecthomas/kong"
)

// version is set when a release is built.
var version = "dev"

// Exit codes, as docs/operating.md lists them.
const (
	exitDone    = 0
	exitFailed  = 1 // nothing, or not all, was done
	exitUsage   = 2 // the command line, the environment or a configuration file is wrong; nothing was done
	exitPartial = 3 // done, but some records were refused or failed; each was reported
)

type cli struct {
	settings

	Serve     serveCmd     `cmd:"" group:"Running it" help:"Run everything in one process: scheduler, workers, HTTP."`
	Worker    workerCmd    `cmd:"" group:"Running it" help:"Run workers only. Needs PostgreSQL and Redis."`
	Scheduler schedulerCmd `cmd:"" group:"Running it" help:"Run a scheduler only. Needs PostgreSQL and Redis; any number may run."`
	API       apiCmd       `cmd:"" name:"api" group:"Running it" help:"Run the HTTP interface only. Needs PostgreSQL and Redis."`
	Migrate   migrateCmd   `cmd:"" group:"Running it" help:"Create or upgrade the database."`
	Token     tokenCmd     `cmd:"" group:"Running it" help:"Tokens for the HTTP interface."`
	Ledger    ledgerCmd    `cmd:"" group:"Running it" help:"The log that shows when somebody has changed the history."`

	Import   importCmd   `cmd:"" group:"Records in and out" help:"Read relationships or contacts from files."`
	Export   exportCmd   `cmd:"" group:"Records in and out" help:"Write all relationships, or all contacts."`
	Contacts contactsCmd `cmd:"" group:"Records in and out" help:"Who is told: the people in each tenant, and who is missing."`

	Status        statusCmd        `cmd:"" group:"Looking and acting" help:"Say on one screen whether all is well, and what needs attention; exit code 1 if anything does."`
	Plan          planCmd          `cmd:"" group:"Looking and acting" help:"Say what is going to happen, to whom, and who is told, or what another policy would change; change nothing."`
	Apply         applyCmd         `cmd:"" group:"Looking and acting" help:"Do exactly what a saved plan says, unless reality has drifted from it."`
	Forecast      forecastCmd      `cmd:"" group:"Looking and acting" help:"Count what is going to happen, week by week."`
	Sweep         sweepCmd         `cmd:"" group:"Looking and acting" help:"Do what is due now, and wait until it is done."`
	Sweeps        sweepsCmd        `cmd:"" group:"Looking and acting" help:"Past and running sweeps, and those that are held for an operator."`
	Quarantine    quarantineCmd    `cmd:"" group:"Looking and acting" help:"Whether everything is on hold, and why; end it, or begin it."`
	Relationships relationshipsCmd `cmd:"" group:"Looking and acting" help:"Relationships and their history."`
	Explain       explainCmd       `cmd:"" group:"Looking and acting" help:"Say in plain words why a relationship is in its state, and what happens to it next."`
	Notices       noticesCmd       `cmd:"" group:"Looking and acting" help:"What was said to whom, and what was not, and why."`
	Activity      activityCmd      `cmd:"" group:"Looking and acting" help:"Who did what, when and from where, and what was refused."`
	Verify        verifyCmd        `cmd:"" group:"Looking and acting" help:"Go through the whole history again, and say what should have been otherwise."`
	Holds         holdsCmd         `cmd:"" group:"Looking and acting" help:"What keeps timers from taking effect, and why."`
	Rules         rulesCmd         `cmd:"" group:"Looking and acting" help:"The rules: what is due under each, and which are paused."`
	Partners      partnersCmd      `cmd:"" group:"Looking and acting" help:"What partners may do."`
	Subscriptions subscriptionsCmd `cmd:"" group:"Looking and acting" help:"Programs that are told of what happens to relationships."`
	Provisioning  provisioningCmd  `cmd:"" group:"Looking and acting" help:"What another system has yet to do about access."`

	Demo     demoCmd     `cmd:"" group:"Trying it out" help:"Two years of a made-up portfolio in less than a minute. Touches nothing of yours."`
	Simulate simulateCmd `cmd:"" group:"Trying it out" help:"A whole run over your own files, in a scratch sandbox; writes what would happen."`
	Clock    clockCmd    `cmd:"" group:"Trying it out" help:"The test clock of a sandbox."`

	Version     versionCmd     `cmd:"" group:"Other" help:"Print the version."`
	Healthcheck healthcheckCmd `cmd:"" group:"Other" help:"Ask a running tenure, or what it depends on, whether all is well; for containers."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var c cli
	forgetEmptyVariables()
	file, err := readConfigFile(args)
	if err != nil {
		return complain(err, exitUsage)
	}
	parser, err := kong.New(&c,
		kong.Name("tenure"),
		kong.Description("Keeps the clocks of delegated-admin relationships (GDAP): requests lapse, terms are extended or end, names come "+
			"free, and whom it concerns hears of it.\n\nFirst try: tenure demo. Then: tenure import FILE, tenure sweep --dry-run, tenure serve."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Resolvers(file),
		kong.Vars{"version": version},
	)
	if err != nil {
		return complain(err, exitFailed)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return complain(fmt.Errorf("%w\nSee `tenure --help`, or --help after a command", err), exitUsage)
	}
	if c.PrintConfig {
		return done(printConfig(os.Stdout, parsed, file))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	a := &app{settings: &c.settings, ctx: ctx, stdout: os.Stdout, stderr: os.Stderr}
	err = parsed.Run(a)
	return done(errors.Join(err, a.close()))
}

// forgetEmptyVariables makes a variable that is set to nothing the same as one that is not set: container platforms write
// the first where people mean the second.
func forgetEmptyVariables() {
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); value == "" && strings.HasPrefix(name, "TENURE_") {
			_ = os.Unsetenv(name)
		}
	}
}

// A codedError is an error with an exit code of its own.
type codedError struct {
	code int
	error
}

func (e codedError) Unwrap() error { return e.error }

func usageError(format string, args ...any) error {
	return codedError{exitUsage, fmt.Errorf(format, args...)}
}

func partial(format string, args ...any) error {
	return codedError{exitPartial, fmt.Errorf(format, args...)}
}

func done(err error) int {
	if err == nil {
		return exitDone
	}
	var silent silentError
	if errors.As(err, &silent) {
		return silent.code
	}
	var coded codedError
	if errors.As(err, &coded) {
		return complain(err, coded.code)
	}
	return complain(err, exitFailed)
}

func complain(err error, code int) int {
	fmt.Fprintln(os.Stderr, "tenure:", err)
	return code
}
