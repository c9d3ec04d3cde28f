package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUnknownPathIsAProblem(t *testing.T) {
	w := bareWorld(t)
	for _, path := range []string{"/", "/v1", "/v1/sweep", "/v1/sweeps/", "/v1/sweeps/1/", "/v1/sweeps/1/2/3", "/docs", "/schemas/Sweep.json", "/openapi.json",
		"/debug/pprof/", "/%2e%2e/etc/passwd", "//v1//nothing"} {
		require.Contains(t, w.do("GET", path, "").problem(unknownPath).Detail, "/openapi.yaml", path)
	}
}

func TestWrongMethodIsAProblemAndSaysWhichAreRight(t *testing.T) {
	w := bareWorld(t)
	for path, allow := range map[string]string{"/v1/sweeps": "GET, HEAD, POST", "/v1/sweeps/1": "GET, HEAD", "/v1/sweeps/1/cancel": "POST",
		"/healthz": "GET, HEAD", "/readyz": "GET, HEAD", "/metrics": "GET, HEAD"} {
		for _, method := range []string{"DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "FROB"} {
			r := w.do(method, path, "")
			require.Contains(t, r.problem(wrongMethod).Detail, path+" is not for "+method+"; allowed: "+allow)
			require.Equal(t, allow, r.header.Get("Allow"))
		}
	}
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1/sweeps", "/nowhere", "/healthz", "/metrics", "/openapi.yaml"} {
		require.Regexp(t, `^[A-Z2-7]{26}$`, w.do("GET", path, "").header.Get("X-Request-Id"), path)
		require.Equal(t, "trace-1.a_b", w.do("GET", path, "", "X-Request-Id: trace-1.a_b").header.Get("X-Request-Id"))
	}
	for _, insane := range []string{"a b", "a\tb", "ü", `"quoted"`, strings.Repeat("x", 65), "a=b"} {
		require.NotEqual(t, insane, w.do("GET", "/healthz", "", "X-Request-Id: "+insane).header.Get("X-Request-Id"))
	}
}

func TestUnexpectedErrorIsLoggedOnceAndNotShown(t *testing.T) {
	w := newWorld(t)
	w.fake.broken = errors.New(`dial postgres://tenure:hunter2@db:5432/tenure: password=hunter3 refused`)
	for _, e := range own() {
		if strings.HasSuffix(e.operation, "Sweep") && e.want < 300 || e.operation == "listSweeps" && e.want == 200 {
			w.log.buf.Reset()
			r := w.do(e.method, e.path, e.body, "X-Request-Id: find-me")
			p := r.problem(internal)
			require.Equal(t, "The cause is in the log, under the request id.", p.Detail)
			require.NotContains(t, string(r.body), "postgres")
			require.Equal(t, 1, strings.Count(w.log.String(), `msg="request failed" request=find-me`), w.log.String())
			require.Contains(t, w.log.String(), "dial postgres://…@db:5432/tenure: password=… refused")
		}
	}
}

func TestPanicIsLoggedOnceAndNotShown(t *testing.T) {
	w := newWorld(t)
	w.fake.before = func(context.Context) { panic("inside out") }
	r := w.do("GET", "/v1/sweeps", "", "X-Request-Id: find-me")
	r.problem(internal)
	require.NotContains(t, string(r.body), "inside")
	require.Equal(t, 1, strings.Count(w.log.String(), "inside out"))
	require.Contains(t, w.log.String(), `msg="request panicked" request=find-me route="GET /v1/sweeps"`)
	require.Contains(t, w.log.String(), "httpapi.(*Server).listSweeps")

	w.fake.before = nil
	require.Equal(t, 200, w.do("GET", "/v1/sweeps", "").status, "the server goes on")
	require.Contains(t, string(w.do("GET", "/metrics", "").body), `tenure_http_requests_total{code="500",route="GET /v1/sweeps"} 1`)
}

func TestPanicInTheMiddleOfAnAnswerCutsTheConnection(t *testing.T) {
	w := newWorld(t)
	w.server.needs["GET /half"] = open
	w.server.mux.HandleFunc("GET /half", func(answer http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(answer, strings.Repeat("half", 10_000))
		panic("no more")
	})
	r, err := http.Get(w.url + "/half")
	require.NoError(t, err)
	_, err = io.ReadAll(r.Body)
	require.NoError(t, r.Body.Close())
	require.Error(t, err)
	require.Equal(t, 1, strings.Count(w.log.String(), "no more"))
}

func TestRequestThatTakesTooLongIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.server.limits.request = time.Millisecond
	w.fake.before = func(ctx context.Context) { <-ctx.Done() }
	r := w.do("POST", "/v1/sweeps", "")
	require.Contains(t, r.problem(timedOut).Detail, "Idempotency-Key")
	require.Equal(t, "5", r.header.Get("Retry-After"))
	require.Contains(t, w.log.String(), "context deadline exceeded")
}

func TestCallerWhoHangsUpIsNotAnError(t *testing.T) {
	w := newWorld(t)
	ctx, hangUp := context.WithCancel(t.Context())
	w.fake.before = func(context.Context) { hangUp() }
	r := httptest.NewRequest("GET", "/v1/sweeps", nil).WithContext(ctx)
	r.Header.Set("Authorization", "Bearer "+w.token)
	w.server.ServeHTTP(httptest.NewRecorder(), r)
	require.NotContains(t, w.log.String(), "level=ERROR")
}

func TestLargeHeadersAreAProblem(t *testing.T) {
	w := bareWorld(t)
	require.Equal(t, 200, w.do("GET", "/v1/sweeps", "", "X-Long: "+strings.Repeat("x", 15_000)).status)
	w.do("GET", "/v1/sweeps", "", "X-Long: "+strings.Repeat("x", 17_000)).problem(headersTooLarge)
	w.do("GET", "/v1/sweeps?"+strings.Repeat("x", 17_000), "").problem(headersTooLarge)
}

// raw sends bytes to a listening server and reads what comes back.
func raw(t *testing.T, address, request string) *http.Response {
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, request)
	require.NoError(t, err)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	return r
}

func readReply(t *testing.T, r *http.Response) reply {
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return reply{t, r.StatusCode, r.Header, body}
}

func TestHugeHeadersAreCutOff(t *testing.T) {
	address, _ := bareWorld(t).serve()
	r := raw(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: "+strings.Repeat("x", 70_000)+"\r\n\r\n")
	require.Equal(t, 431, r.StatusCode, "by net/http itself, in plain text")
}

func TestSlowBodyIsTold(t *testing.T) {
	w := bareWorld(t)
	w.server.limits.read = 50 * time.Millisecond
	address, _ := w.serve()
	r := readReply(t, raw(t, address, "POST /v1/sweeps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"))
	require.Equal(t, "The request did not arrive within 0.05 s.", r.problem(bodyTimeout).Detail)
}

func TestBodyThatBreaksOffIsTold(t *testing.T) {
	w := bareWorld(t)
	address, _ := w.serve()
	r := readReply(t, raw(t, address, "POST /v1/sweeps HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"))
	r.problem(unreadableBody)
}

func TestServerWideOptionsIsAProblem(t *testing.T) {
	address, _ := bareWorld(t).serve()
	readReply(t, raw(t, address, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")).problem(unknownPath)
}

func TestSecretsAreTakenOutOfErrors(t *testing.T) {
	for in, out := range map[string]string{
		"nothing to hide": "nothing to hide",
		`parse "postgres://u:p@ss/w@h/db?sslmode=off": bad`:  `parse "postgres://…@h/db?sslmode=off": bad`,
		"redis://:secret@localhost:6379 refused":             "redis://…@localhost:6379 refused",
		"host=db password='two words' user=x Password=y end": "host=db password=… user=x Password=… end",
		"https://hooks.example/?passwd=abc&x=1":              "https://hooks.example/?passwd=…&x=1",
	} {
		require.Equal(t, out, redact(in))
	}
}

func TestEveryKindOfProblemIsInTheReference(t *testing.T) {
	reference, err := os.ReadFile("../docs/http.md")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, k := range kinds {
		require.Contains(t, string(reference), fmt.Sprintf("\n#### %s\n", k.slug))
		require.Contains(t, string(reference), fmt.Sprintf("\n#### %s\n\n%d, “%s”.", k.slug, k.status, k.title))
		require.False(t, seen[k.slug])
		seen[k.slug] = true
	}
	require.Equal(t, len(kinds), strings.Count(string(reference), "\n#### "))
}
