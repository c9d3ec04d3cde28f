package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// A monitored deployment is a serve and a worker at work on PostgreSQL and Redis, with a mail server, and a Prometheus that asks both each
// second and goes by the rules that operators take.
type monitored struct {
	*testing.T
	env                []string
	listen             string // of the HTTP interface
	serve, worker      string // where Prometheus asks each
	killWorker         func()
	stopMail           func()
	prometheus         string
	begun              time.Time
	relationships, due int
}

const scrapedEach = time.Second

// soon is the suffix of alerts that fire after a second of what the real ones wait minutes for.
const soonAlert = "Soon"

func newMonitored(t *testing.T) *monitored {
	m := &monitored{T: t, listen: freeAddress(t), serve: freeAddress(t), worker: freeAddress(t)}
	mail, stopMail := serveMail(t, &inbox{messages: map[string][]string{}})
	m.stopMail = stopMail
	dir := t.TempDir()
	policy, contacts := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "contacts.csv")
	require.NoError(t, os.WriteFile(policy, []byte("breakers: off\nquarantine: off\n"), 0o600))
	require.NoError(t, os.WriteFile(contacts, []byte(twoContacts), 0o600))
	m.env = append(os.Environ(), "TENURE_DB="+testenv.Postgres(t), "TENURE_REDIS="+testenv.Redis(t), "TENURE_CHANNEL=mail=smtp://"+mail+"#tls=none",
		"TENURE_POLICY="+policy, "TENURE_LISTEN="+m.listen)
	m.tenure("migrate")
	m.tenure("import", contacts)
	running(t, append(slices.Clone(m.env), "TENURE_METRICS_ADDRESS="+m.serve), "serve")
	m.killWorker = killable(t, append(slices.Clone(m.env), "TENURE_METRICS_ADDRESS="+m.worker), "worker")
	rules, err := os.ReadFile(filepath.Join(observability, "rules.yaml"))
	require.NoError(t, err)
	m.prometheus = testenv.Prometheus(t, map[string]string{"rules.yaml": string(rules), "soon.yaml": impatient(t, rules), "prometheus.yaml": fmt.Sprintf(
		`global: {scrape_interval: %[1]s, evaluation_interval: %[1]s}
rule_files: [rules.yaml, soon.yaml]
scrape_configs: [{job_name: tenure, static_configs: [{targets: ['%[2]s', '%[3]s']}]}]
`, scrapedEach, m.serve, m.worker)})
	m.until("both are scraped", `count(up{job="tenure"} == 1) == 2 and count(tenure_redis_up == 1) == 2`)
	m.until("and no rule waits for it any more", `absent(ALERTS)`)
	m.begun = time.Now()
	return m
}

// impatient are the same alerts, that wait for a second where the others wait for minutes. What they look at is the same.
func impatient(t *testing.T, rules []byte) string {
	var file map[string][]map[string]any
	require.NoError(t, yaml.Unmarshal(rules, &file))
	var alerts []any
	for _, group := range file["groups"] {
		for _, rule := range group["rules"].([]any) {
			if rule := rule.(map[string]any); rule["alert"] != nil {
				rule["alert"] = rule["alert"].(string) + soonAlert
				rule["for"] = "1s"
				alerts = append(alerts, rule)
			}
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "soon", "rules": alerts}}})
	require.NoError(t, err)
	return string(text)
}

// killable is a process that can be killed without a last word.
func killable(t *testing.T, env []string, args ...string) (kill func()) {
	command := exec.Command("tenure", args...)
	command.Env = env
	require.NoError(t, command.Start())
	kill = func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	t.Cleanup(kill)
	return kill
}

func (m *monitored) tenure(args ...string) {
	m.Helper()
	command := exec.CommandContext(m.Context(), "tenure", args...)
	command.Env = m.env
	out, err := command.CombinedOutput()
	require.NoError(m, err, string(out))
}

// fallDue has some more relationships fall due, as long ago as is said.
func (m *monitored) fallDue(n int, ago time.Duration) {
	m.Helper()
	path := filepath.Join(m.TempDir(), "due.ndjson")
	file, err := os.Create(path)
	require.NoError(m, err)
	w, end := bufio.NewWriter(file), wall().Add(-ago)
	for range n {
		m.relationships++
		r := lifecycle.Record{ID: fmt.Sprintf("m-%07d", m.relationships), DisplayName: fmt.Sprintf("Relationship %d", m.relationships), Duration: lifecycle.Days(90),
			Status: lifecycle.Active, Partner: "aaaaaaaa-0000-4000-8000-000000000001", Customer: lifecycle.Tenant{TenantID: "bbbbbbbb-0000-4000-8000-000000000001"},
			Created: end.Add(-91 * lifecycle.Day), Modified: end.Add(-91 * lifecycle.Day), Activated: end.Add(-90 * lifecycle.Day), End: end}
		require.NoError(m, writeJSON(w, r.Wire(lifecycle.DefaultPolicy()), ""))
	}
	require.NoError(m, errors.Join(w.Flush(), file.Close()))
	m.tenure("import", path)
}

// request asks the HTTP interface of serve for something.
func (m *monitored) request(method, path, body string) (status int, answer string) {
	m.Helper()
	r, err := http.NewRequestWithContext(m.Context(), method, "http://"+m.listen+path, strings.NewReader(body))
	require.NoError(m, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(r)
	require.NoError(m, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	require.NoError(m, err)
	return a.StatusCode, string(text)
}

// A series is what Prometheus answers with.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
	Values [][2]any          `json:"values"`
}

// numbers are the values that are some, in their order.
func (s *series) numbers() (numbers []float64) {
	for _, v := range append(s.Values, s.Value) {
		text, ok := v[1].(string)
		if n, err := strconv.ParseFloat(text, 64); ok && err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// api asks Prometheus, and reads what it answers.
func (m *monitored) api(path string, query url.Values, into any) {
	m.Helper()
	r, err := http.NewRequestWithContext(m.Context(), http.MethodGet, m.prometheus+"/api/v1/"+path+"?"+query.Encode(), http.NoBody)
	require.NoError(m, err)
	a, err := http.DefaultClient.Do(r)
	require.NoError(m, err)
	defer a.Body.Close()
	var said struct {
		Status, Error string
		Data          json.RawMessage
	}
	require.NoError(m, json.NewDecoder(a.Body).Decode(&said))
	require.Equal(m, "success", said.Status, "%s %v: %s", path, query, said.Error)
	require.NoError(m, json.Unmarshal(said.Data, into))
}

func (m *monitored) query(expr string) []series {
	m.Helper()
	var data struct{ Result []series }
	m.api("query", url.Values{"query": {expr}}, &data)
	return data.Result
}

// since is what an expression has been from the beginning, a second at a time. What was scraped just now counts.
func (m *monitored) since(expr string) []series {
	m.Helper()
	var data struct{ Result []series }
	m.api("query_range", url.Values{"query": {expr}, "step": {"1"}, "start": {seconds(m.begun)}, "end": {seconds(time.Now().Add(scrapedEach))}}, &data)
	return data.Result
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1e3, 'f', 3, 64) }

// until waits for an expression to have a value.
func (m *monitored) until(what, expr string) {
	m.Helper()
	const patience, often = 90 * time.Second, 200 * time.Millisecond
	require.Eventually(m, func() bool { return len(m.query(expr)) > 0 }, patience, often, "%s: %s", what, expr)
}

// firing are the impatient alerts that fire now, without their suffix, and about what.
func (m *monitored) firing() map[string]string {
	m.Helper()
	fires := map[string]string{}
	for _, s := range m.query(`ALERTS{alertname=~".*` + soonAlert + `",alertstate="firing"}`) {
		fires[strings.TrimSuffix(s.Metric["alertname"], soonAlert)] = s.Metric["instance"] + s.Metric["channel"] + s.Metric["rule"]
	}
	return fires
}

// work has something fall due, swept and told, and somebody ask for what there is not.
func (m *monitored) work(n int) {
	m.Helper()
	m.fallDue(n, time.Minute)
	m.due += n
	status, answer := m.request(http.MethodPost, "/v1/sweeps", "")
	require.Equal(m, http.StatusAccepted, status, answer)
	status, _ = m.request(http.MethodGet, "/v1/sweeps/999999", "")
	require.Equal(m, http.StatusNotFound, status)
	m.until("all is changed", fmt.Sprintf("sum(tenure_changes_total) == %d", m.due))
	m.until("all are told", fmt.Sprintf(`sum(tenure_notice_attempts_total{outcome="sent"}) == %d`, 2*m.due))
}

// as replaces what Grafana replaces in an expression: job and instance as they are chosen, and the interval of rates, which is four times
// that of scrapes where a point is a second. Source: Grafana's documentation, Prometheus template variables.
func as(expr, job, instance string) string {
	return strings.NewReplacer("$__rate_interval", (4 * scrapedEach).String(), "$__interval", scrapedEach.String(), "$__range", "1m", "$job", job, "$instance", instance).Replace(expr)
}

// TestDashboardAndAlertsInARealPrometheus runs what operators are given against a deployment at work, and breaks it.
func TestDashboardAndAlertsInARealPrometheus(t *testing.T) {
	m := newMonitored(t)
	for range 3 { // the rate of what has just begun is not known
		m.work(20)
	}
	m.until("the condition is read anew", `min(tenure_on_time_share{window="24h"}) == 1`)

	t.Run("every panel shows something", func(t *testing.T) {
		chosen := regexp.QuoteMeta(m.serve) + "|" + regexp.QuoteMeta(m.worker)
		for _, choice := range [][2]string{{".*", ".*"}, {"tenure", "(" + strings.ReplaceAll(chosen, `\`, `\\`) + ")"}} {
			for _, p := range readDashboard(t).Panels {
				for _, target := range p.Targets {
					expr := as(target.Expr, choice[0], choice[1])
					require.NotContains(t, expr, "$", "%s has a variable that the dashboard has not", p.Title)
					n := 0
					for _, s := range m.since(expr) {
						n += len(s.numbers())
					}
					if n == 0 && slices.Contains(seldomShown, target.Expr) {
						continue
					}
					require.NotZero(t, n, "%s shows nothing: %s", p.Title, expr)
				}
			}
		}
	})
	t.Run("what can be chosen is found", func(t *testing.T) {
		for label, want := range map[string][]string{"job": {"tenure"}, "instance": slices.Sorted(slices.Values([]string{m.serve, m.worker}))} {
			var found []string
			m.api("label/"+label+"/values", url.Values{"match[]": {`tenure_build_info{job=~".*"}`}}, &found)
			require.Equal(t, want, slices.Sorted(slices.Values(found)))
		}
	})
	t.Run("every rule is sound, and what is recorded is there", func(t *testing.T) {
		var answer struct {
			Groups []struct {
				Rules []struct{ Name, Type, Health, LastError string }
			}
		}
		m.api("rules", nil, &answer)
		n := 0
		for _, group := range answer.Groups {
			for _, rule := range group.Rules {
				n++
				require.Equal(t, "ok", rule.Health, "%s: %s", rule.Name, rule.LastError)
				if rule.Type == "recording" {
					require.NotEmpty(t, m.since(rule.Name), rule.Name)
				}
			}
		}
		require.Greater(t, n, 40, "the alerts, the impatient ones, and what is recorded")
	})
	t.Run("no alert is near while all is well", func(t *testing.T) {
		for _, s := range m.since(`ALERTS`) {
			require.Fail(t, "an alert in a healthy world", "%v", s.Metric)
		}
	})
	t.Run("a rule that is paused is not overdue", func(t *testing.T) {
		status, answer := m.request(http.MethodPost, "/v1/holds", `{"kind":"rule","subject":"end-term","note":"looking"}`)
		require.Equal(t, http.StatusCreated, status, answer)
		m.fallDue(5, time.Hour)
		m.until("it is seen to be due, and paused", `max(tenure_oldest_overdue_seconds{rule="end-term"}) > 3600 and max(tenure_rule_on_hold{rule="end-term"}) == 1`)
		evaluated := len(m.since(`max(tenure_oldest_overdue_seconds{rule="end-term"}) > 3600`)[0].Values)
		m.until("the rules have been evaluated since", fmt.Sprintf(`count_over_time((max(tenure_oldest_overdue_seconds{rule="end-term"}) > 3600)[1m:1s]) > %d`, evaluated+4))
		require.Empty(t, m.firing())
		var held struct{ ID int64 }
		require.NoError(t, json.Unmarshal([]byte(answer), &held))
		status, answer = m.request(http.MethodPost, fmt.Sprintf("/v1/holds/%d/release", held.ID), `{"note":"looked"}`)
		require.Equal(t, http.StatusOK, status, answer)
		m.due += 5
		m.work(1)
	})
	t.Run("a worker that is killed is seen", func(t *testing.T) {
		m.killWorker()
		m.until("the alert", `ALERTS{alertname="TenureDown`+soonAlert+`",alertstate="firing"}`)
		require.Equal(t, map[string]string{"TenureDown": m.worker}, m.firing())
		m.until("the patient one waits", `ALERTS{alertname="TenureDown",alertstate="pending"}`)
	})
	t.Run("a mail server that is away is seen", func(t *testing.T) {
		m.stopMail()
		m.fallDue(5, time.Minute)
		status, answer := m.request(http.MethodPost, "/v1/sweeps", "")
		require.Equal(t, http.StatusAccepted, status, answer)
		m.until("the alert", `ALERTS{alertname="TenureChannelRests`+soonAlert+`",alertstate="firing",channel="mail"}`)
		fires := m.firing()
		require.Equal(t, "mail", fires["TenureChannelRests"])
		maps.DeleteFunc(fires, func(name, _ string) bool {
			return slices.Contains([]string{"TenureDown", "TenureChannelRests", "TenureNoticesFail", "TenureNeedsAttention"}, name)
		})
		require.Empty(t, fires, "nothing else is wrong")
	})
}

// seldomShown is what a panel has nothing of while all is well, beside what it does show.
var seldomShown = []string{
	`min by (channel) (tenure_notices_without_channel{job=~"$job",instance=~"$instance"})`, // no letter waits for an unknown channel
}
