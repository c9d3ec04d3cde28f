package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A posted is a program that scripts have tenure post to: it keeps what came, and answers as it was told.
type posted struct {
	mu     sync.Mutex
	status int
	body   string // of its answers
	came   bytes.Buffer
}

// receivers are those of all scripts that run, by the variable that holds the address and the script's folder.
var receivers sync.Map

func (p *posted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.came.Write(bytes.Join(bytes.Fields(body), []byte(" ")))
		p.came.WriteString("\n")
	}
	w.WriteHeader(p.status)
	_, _ = io.WriteString(w, p.body)
}

// receiver starts a program that is posted to, and puts its address into a variable: receiver VARIABLE.
func receiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: receiver VARIABLE")
	}
	p := &posted{status: http.StatusOK}
	server := httptest.NewServer(p)
	key := ts.Getenv("WORK") + " " + args[0]
	receivers.Store(key, p)
	ts.Defer(func() {
		server.CloseClientConnections()
		server.Close()
		receivers.Delete(key)
	})
	ts.Setenv(args[0], server.URL)
}

func receiverOf(ts *testscript.TestScript, name string) *posted {
	p, ok := receivers.Load(ts.Getenv("WORK") + " " + name)
	if !ok {
		ts.Fatalf("there is no receiver %s", name)
	}
	return p.(*posted)
}

// answers has a receiver answer with a status and, where it is given, a body from now on: answers VARIABLE STATUS [BODY].
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: answers VARIABLE STATUS [BODY]")
	}
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	p := receiverOf(ts, args[0])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.body = status, ""
	if len(args) == 3 {
		p.body = args[2]
	}
}

// received waits until a receiver was posted a body that matches, or with ! sees that none was: received VARIABLE PATTERN.
func received(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: received VARIABLE PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	p := receiverOf(ts, args[0])
	came := func() (string, bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.came.String(), pattern.Match(p.came.Bytes())
	}
	if neg {
		if text, ok := came(); ok {
			ts.Fatalf("%s was posted:\n%s", args[0], text)
		}
		return
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, ok := came(); ok {
			return
		}
	}
	text, _ := came()
	ts.Check(errors.New(args[0] + " was posted nothing that matches " + args[1] + ", only:\n" + text))
}
