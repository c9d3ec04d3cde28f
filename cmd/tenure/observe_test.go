package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/testenv"
)

// A collector receives spans, as OTLP writes them in JSON.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []otlpSpan
}

type otlpSpan struct {
	TraceID    string `json:"traceId"`
	SpanID     string `json:"spanId"`
	Name       string `json:"name"`
	Attributes []struct {
		Key   string `json:"key"`
		Value struct {
			String string `json:"stringValue"`
			Int    string `json:"intValue"`
		} `json:"value"`
	} `json:"attributes"`
	role string // of the process that sent it
}

func (s *otlpSpan) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.String + a.Value.Int
		}
	}
	return ""
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			ResourceSpans []struct {
				Resource   otlpSpan `json:"resource"`
				ScopeSpans []struct {
					Spans []otlpSpan `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || r.URL.Path != "/v1/traces" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, of := range sent.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					span.TraceID, span.SpanID = strings.ToLower(span.TraceID), strings.ToLower(span.SpanID)
					span.role = of.Resource.attribute("tenure.role")
					c.spans = append(c.spans, span)
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(c.Close)
	return c
}

// of are the spans of a trace, by name.
func (c *collector) of(trace string) map[string][]otlpSpan {
	c.mu.Lock()
	defer c.mu.Unlock()
	named := map[string][]otlpSpan{}
	for _, span := range c.spans {
		if span.TraceID == trace {
			named[span.Name] = append(named[span.Name], span)
		}
	}
	return named
}

// named are the spans of a name, of all traces.
func (c *collector) named(name string) (found []otlpSpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// A written is what a process writes, read while it goes on.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// line is the first line of the log, as JSON, of a message; nil where there is none yet.
func (w *written) line(message string) map[string]any {
	for text := range strings.Lines(w.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			return line
		}
	}
	return nil
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// running is a process until the test ends, or until stop.
func running(t *testing.T, env []string, args ...string) (log *written, stop func()) {
	log = &written{}
	command := exec.Command("tenure", args...)
	command.Env, command.Stderr = env, log
	require.NoError(t, command.Start())
	stop = sync.OnceFunc(func() {
		_ = command.Process.Signal(os.Interrupt)
		giveUp := time.AfterFunc(40*time.Second, func() { _ = command.Process.Kill() })
		defer giveUp.Stop()
		_ = command.Wait()
	})
	t.Cleanup(stop)
	return log, stop
}

func scraped(t *testing.T, address string) string {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(text)
}

// TestRequestIsFoundAgainInLogTraceAndMetric follows one request from the process that took it to the one that did it: PostgreSQL and
// Redis lie between them.
func TestRequestIsFoundAgainInLogTraceAndMetric(t *testing.T) {
	t.Parallel()
	const soon, often = 60 * time.Second, 20 * time.Millisecond
	database, redis, collector := testenv.Postgres(t), testenv.Redis(t), newCollector(t)
	dir, listen, apiMetrics, workerMetrics := t.TempDir(), freeAddress(t), freeAddress(t), freeAddress(t)
	policy := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("breakers: off\nquarantine: off\n"), 0o600))
	contacts := filepath.Join(dir, "contacts.csv")
	require.NoError(t, os.WriteFile(contacts, []byte(twoContacts), 0o600))
	env := append(os.Environ(), "TENURE_DB="+database, "TENURE_REDIS="+redis, "TENURE_MAIL_DIR="+filepath.Join(dir, "mail"), "TENURE_POLICY="+policy,
		"TENURE_LOG_FORMAT=json", "TENURE_LISTEN="+listen, "TENURE_TRACE_ENDPOINT="+collector.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_BSP_SCHEDULE_DELAY=50")
	for _, args := range [][]string{{"migrate"}, {"import", contacts, dueRelationships(t, 3)}} {
		command := exec.Command("tenure", args...)
		command.Env = env
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	api, _ := running(t, append(slices.Clone(env), "TENURE_METRICS_ADDRESS="+apiMetrics), "api")
	worker, _ := running(t, append(slices.Clone(env), "TENURE_METRICS_ADDRESS="+workerMetrics), "worker")
	require.Eventually(t, func() bool { return strings.Contains(scraped(t, apiMetrics), "tenure_redis_up 1.0") }, soon, often)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listen+"/v1/sweeps", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("X-Request-Id", "nightly-7")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
	sweep := strings.TrimPrefix(answer.Header.Get("Location"), "/v1/sweeps/")

	// From the line that the request left to its trace,
	require.Eventually(t, func() bool { return api.line("request") != nil }, soon, often)
	line := api.line("request")
	require.Equal(t, "nightly-7", line["request"])
	trace, _ := line["trace_id"].(string)
	require.Regexp(t, "^[0-9a-f]{32}$", trace)
	require.Eventually(t, func() bool { return len(collector.of(trace)["send notice"]) == 6 }, soon, often, "three ended, and two people hear of each")
	spans := collector.of(trace)
	require.Equal(t, "nightly-7", spans["POST /v1/sweeps"][0].attribute("tenure.request"))
	require.Equal(t, line["span_id"], spans["POST /v1/sweeps"][0].SpanID)
	for name, role := range map[string]string{"POST /v1/sweeps": "api", "open sweep": "api", "cut sweep": "worker", "do chunk": "worker", "send notice": "worker"} {
		require.NotEmpty(t, spans[name], name)
		require.Equal(t, role, spans[name][0].role, name)
	}
	require.Equal(t, sweep, spans["do chunk"][0].attribute("tenure.sweep"))
	require.Equal(t, "3", spans["do chunk"][0].attribute("tenure.changed"))

	// from the trace to what the worker has written of the sweep,
	require.Eventually(t, func() bool { return worker.line("sweep") != nil }, soon, often)
	require.Equal(t, trace, worker.line("sweep")["trace_id"])
	require.Equal(t, sweep, strconv.FormatFloat(worker.line("sweep")["sweep"].(float64), 'f', 0, 64))
	require.EqualValues(t, 3, worker.line("sweep")["changed"])

	// and from what is measured back to it.
	example := regexp.QuoteMeta(`# {trace_id="` + trace + `"}`)
	require.Regexp(t, `tenure_http_request_duration_seconds_bucket\{route="POST /v1/sweeps",le="[^"]+"\} 1 `+example, scraped(t, apiMetrics))
	for _, histogram := range []string{`tenure_lateness_seconds_bucket\{rule="end-term"`, `tenure_chunk_duration_seconds_bucket\{outcome="done"`,
		`tenure_sweep_duration_seconds_bucket\{trigger="request"`, `tenure_notice_send_seconds_bucket\{channel="mail"`} {
		require.Regexp(t, histogram+`,le="[^"]+"\} \d+ `+example, scraped(t, workerMetrics))
	}
	for _, address := range []string{apiMetrics, workerMetrics} {
		answer, err := http.Get("http://" + address + "/metrics")
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Greater(t, bytes.Count(text, []byte("\ntenure_")), 30)
		testenv.Promtool(t, dir, string(text), "check", "metrics")
	}
}

// TestSweepAtTheTerminalIsTracedToTheLastLetter is of a command that does the work itself, and ends right after.
func TestSweepAtTheTerminalIsTracedToTheLastLetter(t *testing.T) {
	collector, dir := newCollector(t), t.TempDir()
	contacts, policy := filepath.Join(dir, "contacts.csv"), filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(contacts, []byte(twoContacts), 0o600))
	require.NoError(t, os.WriteFile(policy, []byte("breakers: off\nquarantine: off\n"), 0o600))
	env := append(os.Environ(), "TENURE_DB=sqlite:"+filepath.Join(dir, "tenure.db"), "TENURE_MAIL_DIR="+filepath.Join(dir, "mail"), "TENURE_POLICY="+policy,
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json")
	for _, args := range [][]string{{"import", contacts, dueRelationships(t, 3)}, {"sweep", "--trace-endpoint", collector.URL}} {
		command := exec.CommandContext(t.Context(), "tenure", args...)
		command.Env = env
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	roots := collector.named("tenure sweep")
	require.Len(t, roots, 1)
	spans := collector.of(roots[0].TraceID)
	require.Equal(t, "sweep", roots[0].role)
	for name, n := range map[string]int{"tenure sweep": 1, "open sweep": 1, "cut sweep": 1, "do chunk": 1, "read chunk": 1, "write chunk": 1, "send notice": 6} {
		require.Len(t, spans[name], n, name)
	}
	require.Equal(t, "3", spans["do chunk"][0].attribute("tenure.changed"))
}

func TestProfilesAreShownToThisMachineOnlyAndOnlyWhereAskedFor(t *testing.T) {
	t.Parallel()
	const soon, often = 60 * time.Second, 20 * time.Millisecond
	get := func(address, path string) (int, string) {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(text)
	}
	serve := func(args ...string) (log *written, listen string) {
		dir, listen := t.TempDir(), freeAddress(t)
		env := append(os.Environ(), "TENURE_DB=sqlite:"+filepath.Join(dir, "tenure.db"), "TENURE_MAIL_DIR="+dir, "TENURE_LISTEN="+listen)
		log, _ = running(t, env, append([]string{"serve"}, args...)...)
		require.Eventually(t, func() bool { code, _ := get(listen, "/healthz"); return code == http.StatusOK }, soon, often)
		return log, listen
	}
	_, listen := serve()
	code, _ := get(listen, "/debug/pprof/")
	require.Equal(t, http.StatusNotFound, code)

	admin, metrics := freeAddress(t), freeAddress(t)
	_, listen = serve("--admin-address", admin, "--metrics-address", metrics)
	code, profile := get(admin, "/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, profile, "goroutine profile:")
	for _, path := range []string{"/", "/metrics", "/debug/vars", "/debug/pprof/cmdline", "/v1/sweeps"} {
		code, _ := get(admin, path)
		require.Equal(t, http.StatusNotFound, code, path)
	}
	code, text := get(metrics, "/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, "tenure_build_info{")
	code, _ = get(metrics, "/debug/pprof/")
	require.Equal(t, http.StatusNotFound, code)
	code, _ = get(listen, "/debug/pprof/")
	require.Equal(t, http.StatusNotFound, code)
}

func TestRunningProcessIsNotOpenedToEverybody(t *testing.T) {
	refused := func(args ...string) string {
		dir := t.TempDir()
		command := exec.CommandContext(t.Context(), "tenure", append([]string{"serve", "--db", "sqlite:" + filepath.Join(dir, "tenure.db"), "--mail-dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
		command.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
		out, err := command.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, exitUsage, command.ProcessState.ExitCode(), string(out))
		return string(out)
	}
	out := refused("--admin-address", "6060", "--metrics-address", "9464", "--trace-endpoint", "collector:4318")
	for _, fault := range []string{`--admin-address "6060" is no address`, `--metrics-address "9464" is no address`, `--trace-endpoint "collector:4318" is no address`,
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc: tenure speaks http/protobuf"} {
		require.Contains(t, out, fault)
	}
	require.Contains(t, refused("--admin-anywhere"), "says something of --admin-address, which is missing")

	t.Setenv("OTEL_SDK_DISABLED", "true") // so that grpc is no fault
	for _, everywhere := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		require.Contains(t, refused("--admin-address", everywhere), "is one that other machines reach")
	}
}

func TestAdminListensAnywhereOnceThatIsSaid(t *testing.T) {
	a := &app{ctx: t.Context()}
	doors, err := a.openSideDoors(&watchSettings{AdminAddress: "0.0.0.0:0", AdminAnywhere: true}, nil)
	require.NoError(t, err)
	require.Len(t, doors, 1)
	require.NoError(t, doors[0].listener.Close())
}

func TestCollectorThatIsAwayKeepsNobodyFromWorkOrFromStopping(t *testing.T) {
	t.Parallel()
	const soon, often = 60 * time.Second, 20 * time.Millisecond
	dir := t.TempDir()
	env := append(os.Environ(), "TENURE_DB=sqlite:"+filepath.Join(dir, "tenure.db"), "TENURE_MAIL_DIR="+dir, "TENURE_LISTEN=127.0.0.1:0",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+freeAddress(t), "OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_EXPORTER_OTLP_TIMEOUT=200")
	log, stop := running(t, env, "serve")
	require.Eventually(t, func() bool {
		return strings.Contains(log.String(), "traces could not be sent; they are lost, and nothing else is")
	}, soon, often)
	stop()
	require.Contains(t, log.String(), "tenure has stopped")
	require.Equal(t, 1, strings.Count(log.String(), "traces could not be sent"), "said once a minute at most")
}
