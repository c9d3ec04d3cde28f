package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/jedib0t/go-pretty/v6/table"
	"go.yaml.in/yaml/v3"
)

// settings are what every command understands. Each may come from a flag, the environment or the configuration file, in
// that order.
type settings struct {
	Config            string `env:"TENURE_CONFIG" placeholder:"FILE" help:"Configuration file in YAML; its keys are the names of flags. Without it ./tenure.yaml, if there is one."`
	DB                string `name:"db" env:"TENURE_DB" placeholder:"URL" default:"sqlite:tenure-data/tenure.db" help:"Database: sqlite:PATH or postgres://USER@HOST/NAME (default: ${default})."`
	DBPasswordFile    string `name:"db-password-file" env:"TENURE_DB_PASSWORD_FILE" placeholder:"FILE" help:"File that holds the password of the PostgreSQL user."`
	Redis             string `env:"TENURE_REDIS" placeholder:"URL" help:"Queue: redis://, rediss://, redis-sentinel:// or redis-cluster:// (default: in this process)."`
	RedisPasswordFile string `env:"TENURE_REDIS_PASSWORD_FILE" placeholder:"FILE" help:"File that holds the password of Redis."`
	Policy            string `env:"TENURE_POLICY" placeholder:"FILE" help:"Policy file in YAML: every number of the contract (default: as the contract says)."`
	Witness           string `env:"TENURE_WITNESS" placeholder:"FILE" help:"File outside of the database that remembers how far tenure has come, so that a restored backup is noticed; off: none (default: beside the embedded database, its name with .witness)."`
	LogLevel          string `env:"TENURE_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error (default: ${default})."`
	LogFormat         string `env:"TENURE_LOG_FORMAT" enum:"text,json" default:"text" help:"text or json (default: ${default})."`
	PrintConfig       bool   `help:"Print the settings in force and where each came from, then stop."`
}

// outputFlag is for commands that print records.
type outputFlag struct {
	Output string `short:"o" env:"TENURE_OUTPUT" enum:"table,json,ndjson" default:"table" help:"table, json or ndjson (default: ${default})."`
}

// messageSettings say how notices are written.
type messageSettings struct {
	MailFrom      string `env:"TENURE_MAIL_FROM" placeholder:"ADDRESS" default:"tenure@localhost" help:"Sender of notices (default: ${default})."`
	MailDomain    string `env:"TENURE_MAIL_DOMAIN" placeholder:"DOMAIN" default:"tenure.localhost" help:"Domain of message ids (default: ${default})."`
	MailLanguage  string `env:"TENURE_MAIL_LANGUAGE" placeholder:"LANGUAGE" default:"en" help:"Language for recipients whose own is not known, one that there are templates for (default: ${default})."`
	MailTemplates string `env:"TENURE_MAIL_TEMPLATES" placeholder:"DIR" help:"Folder of templates to use instead of the built-in ones, phrase by phrase."`
}

// mailSettings are for commands that send notices.
type mailSettings struct {
	Channel channelAddresses `env:"TENURE_CHANNEL" placeholder:"NAME=ADDRESS" help:"Channel that notices leave on, at an address that begins with smtp:, smtps:, https:, file: or log:; may be given again for another name (default: mail=file: and the folder of --mail-dir)."`
	MailDir string           `env:"TENURE_MAIL_DIR" placeholder:"DIR" default:"tenure-data/mail" help:"Folder that notices are written to, as .eml files, where --channel names no other channel \"mail\" (default: ${default})."`
	messageSettings
}

// sendingSettings are for commands that also tell programs what happens, and ask another system to give access.
type sendingSettings struct {
	mailSettings
	Provisioner provisionerAddress `env:"TENURE_PROVISIONER" placeholder:"ADDRESS" help:"The system that gives access and takes it away, where the policy says provisioning.external: an address that begins with https:, with the options of a webhook."`
	subscriptionSettings
}

// subscriptionSettings say whom programs may be that subscribe.
type subscriptionSettings struct {
	AllowPrivateSubscriptions bool `env:"TENURE_ALLOW_PRIVATE_SUBSCRIPTIONS" help:"Let subscriptions lead to private networks and to this machine."`
}

// secretFlags are masked wherever they are shown: they may hold a password.
var secretFlags = []string{"db", "redis"}

const defaultConfigFile = "tenure.yaml"

// A configFile answers for flags that neither the command line nor the environment sets.
type configFile struct {
	path   string
	values map[string]any
}

// readConfigFile finds and reads the configuration file before the flags are parsed, since the flags need it.
func readConfigFile(args []string) (*configFile, error) {
	path, named := configPath(args)
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, os.ErrNotExist) && !named {
		return &configFile{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	f := &configFile{path: path}
	if err := yaml.Unmarshal(raw, &f.values); err != nil {
		return nil, fmt.Errorf("the configuration %s is not YAML of the form `key: value`: %w", path, err)
	}
	return f, nil
}

func configPath(args []string) (path string, named bool) {
	for i, arg := range args {
		if arg == "--config" && i+1 < len(args) {
			return args[i+1], true
		}
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			return value, true
		}
	}
	if path, ok := os.LookupEnv("TENURE_CONFIG"); ok && path != "" {
		return path, true
	}
	return defaultConfigFile, false
}

// Validate finds every key that is no setting.
func (f *configFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Envs) > 0 && flag.Name != "config" {
			known[flag.Name] = true
		}
		return next(nil)
	})
	if err != nil {
		return err
	}
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if !known[key] {
			faults = append(faults, fmt.Errorf("%s: %q is no setting; the settings are %s", f.path, key,
				strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
		}
	}
	return errors.Join(faults...)
}

// Resolve answers for a flag that is a setting. The environment goes first, which kong by itself would have the other way round.
func (f *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if len(flag.Envs) == 0 || fromEnvironment(flag) != "" {
		return nil, nil
	}
	value, ok := f.values[flag.Name]
	if !ok {
		return nil, nil
	}
	if pairs, ok := value.(map[string]any); ok {
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(pairs)) {
			parts = append(parts, fmt.Sprintf("%s=%v", key, pairs[key]))
		}
		return strings.Join(parts, ";"), nil
	}
	if list, ok := value.([]any); ok {
		var parts []string
		for _, v := range list {
			parts = append(parts, fmt.Sprint(v))
		}
		return kong.JoinEscaped(parts, ','), nil
	}
	return fmt.Sprint(value), nil
}

// fromEnvironment is the variable that sets the flag, if one does.
func fromEnvironment(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

// printConfig lists the settings of the command in force, and where each came from.
func printConfig(w io.Writer, parsed *kong.Context, file *configFile) error {
	onCommandLine := map[*kong.Flag]bool{}
	for _, p := range parsed.Path {
		if p.Flag != nil && !p.Resolved {
			onCommandLine[p.Flag] = true
		}
	}
	t := newTable()
	t.AppendHeader(table.Row{"setting", "value", "from"})
	for _, flag := range parsed.Flags() {
		if len(flag.Envs) == 0 {
			continue
		}
		from := "default"
		switch _, inFile := file.values[flag.Name]; {
		case onCommandLine[flag]:
			from = "--" + flag.Name
		case fromEnvironment(flag) != "":
			from = fromEnvironment(flag)
		case inFile:
			from = file.path
		}
		value := fmt.Sprint(parsed.FlagValue(flag))
		if slices.Contains(secretFlags, flag.Name) {
			value = maskPassword(value)
		}
		t.AppendRow(table.Row{flag.Name, value, from})
	}
	return t.writeTo(w)
}

// maskPassword hides the password of a URL. A list of hosts is no URL to net/url, so it is found by hand.
func maskPassword(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		if user, _, has := strings.Cut(rest[:at], ":"); has {
			rest = user + ":***" + rest[at:]
		}
	}
	base, query, _ := strings.Cut(rest, "?")
	if values, err := url.ParseQuery(query); err == nil && query != "" {
		for key := range values {
			if strings.Contains(strings.ToLower(key), "password") {
				values.Set(key, "***")
			}
		}
		rest = base + "?" + values.Encode()
	}
	return scheme + "://" + rest
}

// readSecret reads a password from a file, as container platforms hand them out.
func readSecret(path string) (string, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("reading a password: %w", err)
	}
	secret := strings.TrimRight(string(raw), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("reading a password: %s is empty", path)
	}
	return secret, nil
}

// withPassword puts the password of a file into a URL.
func withPassword(address, file string) (string, error) {
	if file == "" {
		return address, nil
	}
	secret, err := readSecret(file)
	if err != nil {
		return "", err
	}
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "", fmt.Errorf("%s is no URL that a password could be put into", address)
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		user, hosts = authority[:at], authority[at+1:]
	}
	user, _, _ = strings.Cut(user, ":")
	if plain, err := url.PathUnescape(user); err == nil {
		user = plain
	}
	return scheme + "://" + url.UserPassword(user, secret).String() + "@" + hosts + tail, nil
}
