package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/tenure-dev/tenure/testenv"
)

// allMetrics are the metrics that `tenure serve` registers, and so those of every role: the labels of each, sorted.
func allMetrics(t *testing.T) map[string][]string {
	t.Helper()
	var c cli
	dir := t.TempDir()
	parser, err := kong.New(&c, kong.Vars{"version": version})
	require.NoError(t, err)
	_, err = parser.Parse([]string{"serve", "--db", "sqlite:" + filepath.Join(dir, "tenure.db"), "--mail-dir", dir, "--listen", "127.0.0.1:0"})
	require.NoError(t, err)
	a := &app{settings: &c.settings, ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}
	t.Cleanup(func() { require.NoError(t, a.close()) })
	r := roles{name: "serve", scheduler: &c.Serve.schedulerSettings, ledger: &c.Serve.ledgerSettings, worker: &c.Serve.workerSettings, api: &c.Serve.apiSettings,
		subscriptions: &c.Serve.subscriptionSettings, sending: &c.Serve.sendingSettings, watch: &c.Serve.watchSettings}
	schedules, mail, err := r.check(a)
	require.NoError(t, err)
	db, err := a.openForWriting(true)
	require.NoError(t, err)
	client, err := a.openQueue(t.Context())
	require.NoError(t, err)
	registry, metrics, err := r.metrics(db, client, mail.policy)
	require.NoError(t, err)
	w, err := a.assembleRoles(db, mail, r, client, metrics, nil)
	require.NoError(t, err)
	_, listener, err := a.openAPI(w, r, mail, schedules, client, registry)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return described(t, registry)
}

// described is what a registry has, whether or not there is a value of it yet.
func described(t *testing.T, registry *prometheus.Registry) map[string][]string {
	form := regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "(.*)", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	descs := make(chan *prometheus.Desc)
	go func() { registry.Describe(descs); close(descs) }()
	metrics := map[string][]string{}
	for desc := range descs {
		found := form.FindStringSubmatch(desc.String())
		require.NotNil(t, found, desc.String())
		require.NotEmpty(t, found[2], "%s has no help", found[1])
		labels := []string{}
		for _, pair := range strings.FieldsFunc(found[3]+","+found[4], func(r rune) bool { return r == ',' }) {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			labels = append(labels, name)
		}
		slices.Sort(labels)
		metrics[found[1]] = labels
	}
	return metrics
}

func TestEveryMetricIsDocumentedAndEveryOneDocumentedIsThere(t *testing.T) {
	actual := map[string][]string{}
	for name, labels := range allMetrics(t) {
		if !regexp.MustCompile(`^(go|process)_`).MatchString(name) || strings.HasPrefix(name, "go_sql_") {
			actual[name] = labels
		}
	}
	require.Greater(t, len(actual), 50)
	documented := map[string][]string{}
	for _, row := range tableAfter(t, "docs/observability.md", "metrics") {
		labels := strings.FieldsFunc(row[1], func(r rune) bool { return strings.ContainsRune(", –", r) })
		slices.Sort(labels)
		documented[strings.Trim(row[0], "`")] = append([]string{}, labels...)
		require.NotEmpty(t, row[2])
	}
	require.Equal(t, actual, documented)
}

func TestMetricsAreNamedAsPrometheusWouldHaveThem(t *testing.T) {
	for name, labels := range allMetrics(t) {
		if !strings.HasPrefix(name, "tenure_") {
			continue
		}
		require.Regexp(t, `^tenure_[a-z_]+$`, name)
		require.NotRegexp(t, `_(milliseconds|minutes|hours|ms|percent|count|sum|bucket)$`, name, "base units, and no name of a part of a histogram")
		for _, label := range labels {
			require.Contains(t, []string{"rule", "window", "outcome", "kind", "channel", "status", "what", "result", "trigger", "queue", "state", "route", "code", "version", "goversion"},
				label, "of %s: labels have few values, and never one that callers make up", name)
		}
	}
}

// A ruleFile is a file of rules as Prometheus reads it.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Record, Alert, Expr string
			Labels, Annotations map[string]string
		}
	}
}

const observability = root + "/observability"

func readRules(t *testing.T) (rules ruleFile) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(observability, "rules.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &rules))
	return rules
}

// A dashboard is a dashboard as Grafana reads it.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID          int
		Title, Type string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Name, Query string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(observability, "dashboard.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// namesMetrics wants every metric that an expression names to be there; what rules record is there, too.
func namesMetrics(t *testing.T, where, expr string, metrics map[string][]string, recorded []string) {
	t.Helper()
	bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expr, `""`)
	names := regexp.MustCompile(`[a-z_:]*(?:tenure|go|process)_[a-z0-9_:]+`).FindAllString(bare, -1)
	if !strings.Contains(bare, "up{") {
		require.NotEmpty(t, names, "%s: %s", where, expr)
	}
	for _, name := range names {
		_, there := metrics[name]
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			_, whole := metrics[strings.TrimSuffix(name, part)]
			there = there || strings.HasSuffix(name, part) && whole
		}
		require.True(t, there || slices.Contains(recorded, name), "%s asks for %s, which nobody shows", where, name)
	}
}

func TestRulesAreSoundAskForWhatThereIsAndAreTested(t *testing.T) {
	metrics, rules := allMetrics(t), readRules(t)
	var recorded, alerts []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if rule.Record != "" {
				recorded = append(recorded, rule.Record)
			}
		}
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			namesMetrics(t, rule.Record+rule.Alert, rule.Expr, metrics, recorded)
			if rule.Alert != "" {
				alerts = append(alerts, rule.Alert)
				require.Contains(t, []string{"warning", "critical"}, rule.Labels["severity"], rule.Alert)
				require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
				require.NotEmpty(t, rule.Annotations["next"], "%s does not say what to do", rule.Alert)
			}
		}
	}
	testenv.Promtool(t, observability, "", "check", "rules", "rules.yaml")
	testenv.Promtool(t, observability, "", "test", "rules", "rules_test.yaml")

	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string `yaml:"alertname"`
				ExpAlerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	text, err := os.ReadFile(filepath.Join(observability, "rules_test.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &tests))
	fires, keepsQuiet := map[string]bool{}, map[string]bool{}
	for _, story := range tests.Tests {
		for _, alert := range story.AlertRuleTest {
			fires[alert.Alertname] = fires[alert.Alertname] || len(alert.ExpAlerts) > 0
			keepsQuiet[alert.Alertname] = keepsQuiet[alert.Alertname] || len(alert.ExpAlerts) == 0
		}
	}
	for _, alert := range alerts {
		require.True(t, fires[alert] && keepsQuiet[alert], "%s needs a story in which it fires and one in which it does not", alert)
	}
	require.Equal(t, alerts, slicesOfFirst(tableAfter(t, "docs/observability.md", "alerts")), "docs/observability.md lists the alerts")
}

func slicesOfFirst(rows [][]string) []string {
	names := firstColumn(rows)
	for i := range names {
		names[i] = strings.Trim(names[i], "`")
	}
	return names
}

func TestDashboardAsksForWhatThereIs(t *testing.T) {
	metrics, d := allMetrics(t), readDashboard(t)
	require.Equal(t, "tenure", d.UID)
	asRules, ids, taken, asked := "groups: [{name: dashboard, rules: [\n", map[int]bool{}, map[[2]int]string{}, map[string]bool{}
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], "two panels have the id %d", p.ID)
		ids[p.ID] = true
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies over another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" {
			require.NotEmpty(t, p.Targets, p.Title)
		}
		for _, target := range p.Targets {
			namesMetrics(t, p.Title, target.Expr, metrics, nil)
			for _, name := range regexp.MustCompile(`tenure_[a-z_]+`).FindAllString(target.Expr, -1) {
				asked[strings.TrimSuffix(name, "_bucket")] = true
			}
			expr, err := json.Marshal(strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*").Replace(target.Expr))
			require.NoError(t, err)
			asRules += fmt.Sprintf("  {record: 'panel:%d', expr: %s, labels: {n: '%d'}},\n", p.ID, expr, len(asRules))
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dashboard.yaml"), []byte(asRules+"]}]\n"), 0o600))
	testenv.Promtool(t, dir, "", "check", "rules", "--lint=none", "dashboard.yaml")

	var seldom []string // what is asked for when something else has shown where to look
	for name := range maps.Keys(metrics) {
		if strings.HasPrefix(name, "tenure_") && !asked[name] {
			seldom = append(seldom, name)
		}
	}
	require.LessOrEqual(t, len(seldom), 15, "the dashboard leaves out %v", seldom)
}

// TestDashboardIsWrittenAsGrafanaReadsIt holds the file against what Grafana's schema allows, of the little of it that is used: Grafana
// takes a file that is wrong without a word, and shows an empty panel.
// Source: the reference of the dashboard schema and the panels' own (dashboard_kind.cue, common.cue) in Grafana's repository.
func TestDashboardIsWrittenAsGrafanaReadsIt(t *testing.T) {
	type source struct{ Type, UID string }
	var d struct {
		SchemaVersion int
		Refresh       string
		Time          struct{ From, To string }
		Inputs        []any `json:"__inputs"`
		Templating    struct {
			List []struct {
				Name, Type, Query string
				Datasource        source
				Refresh           int
				AllValue          string
				IncludeAll        bool
			}
		}
		Panels []struct {
			Title, Type string
			Datasource  source
			Alert       any // of before unified alerting
			Collapsed   *bool
			Targets     []struct {
				RefID      string
				Datasource source
			}
			FieldConfig struct {
				Defaults struct {
					Unit       string
					Thresholds *struct {
						Mode  string
						Steps []struct {
							Color string
							Value *float64
						}
					}
					Custom struct {
						ShowPoints string
						Stacking   struct{ Mode string }
					}
				}
			}
			Options struct {
				ColorMode     string
				ReduceOptions struct{ Calcs []string }
				Legend        struct{ DisplayMode, Placement string }
				Tooltip       struct{ Mode string }
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(observability, "dashboard.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	require.True(t, d.SchemaVersion >= 38 && d.SchemaVersion <= 42, "of Grafana 10 to 12: %d", d.SchemaVersion)
	require.Regexp(t, `^\d+[smh]$`, d.Refresh)
	require.Regexp(t, `^now-\d+[mhd]$`, d.Time.From)
	require.Equal(t, "now", d.Time.To)
	require.Empty(t, d.Inputs, "what is asked for at import is not asked for where a file is provisioned")

	ours := source{"prometheus", "${datasource}"}
	names := map[string]bool{}
	for _, v := range d.Templating.List {
		require.Contains(t, []string{"datasource", "query"}, v.Type)
		names[v.Name] = true
		if v.Type == "query" {
			require.Equal(t, ours, v.Datasource, v.Name)
			require.Equal(t, 2, v.Refresh, "%s: 2 is whenever the time changes", v.Name)
			require.True(t, v.IncludeAll)
			require.NotEmpty(t, v.AllValue, "%s: else all of them are written out", v.Name)
		}
	}
	require.True(t, names["datasource"])
	for _, used := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(text), -1) {
		require.True(t, names[used[1]] || used[1] == "__rate_interval" || used[1] == "__all", "the variable %s is nowhere", used[1])
	}

	titles := map[string]bool{}
	for _, p := range d.Panels {
		require.NotEmpty(t, p.Title)
		require.False(t, titles[p.Title], "two panels are called %s", p.Title)
		titles[p.Title] = true
		require.Nil(t, p.Alert, p.Title)
		if p.Type == "row" {
			continue
		}
		require.Contains(t, []string{"stat", "timeseries"}, p.Type, "graph and singlestat are gone since Grafana 11")
		require.Equal(t, ours, p.Datasource, p.Title)
		refs := map[string]bool{}
		for _, target := range p.Targets {
			require.Equal(t, ours, target.Datasource, p.Title)
			require.Regexp(t, `^[A-Z]$`, target.RefID)
			require.False(t, refs[target.RefID], "%s has two queries %s", p.Title, target.RefID)
			refs[target.RefID] = true
		}
		defaults := p.FieldConfig.Defaults
		require.Contains(t, []string{"short", "s", "percentunit", "ops", "reqps", "bytes"}, defaults.Unit, "%s: ids of getValueFormats", p.Title)
		if th := defaults.Thresholds; th != nil {
			require.Equal(t, "absolute", th.Mode)
			for i, step := range th.Steps {
				require.Contains(t, []string{"green", "orange", "yellow", "red", "blue", "text"}, step.Color)
				require.Equal(t, i == 0, step.Value == nil, "%s: the first step has no value, and the others one each", p.Title)
				require.True(t, i < 2 || *step.Value > *th.Steps[i-1].Value, "%s: steps rise", p.Title)
			}
		}
		if p.Type == "stat" {
			require.Contains(t, []string{"value", "background", "none"}, p.Options.ColorMode)
			require.Equal(t, []string{"lastNotNull"}, p.Options.ReduceOptions.Calcs)
			require.NotNil(t, defaults.Thresholds, "%s: without them it is green whatever it shows", p.Title)
			continue
		}
		require.Contains(t, []string{"auto", "never", "always"}, defaults.Custom.ShowPoints)
		require.Contains(t, []string{"none", "normal", "percent"}, defaults.Custom.Stacking.Mode)
		require.Contains(t, []string{"list", "table"}, p.Options.Legend.DisplayMode)
		require.Contains(t, []string{"bottom", "right"}, p.Options.Legend.Placement)
		require.Contains(t, []string{"single", "multi", "none"}, p.Options.Tooltip.Mode)
	}
}
