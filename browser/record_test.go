package browser

import (
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A record is what the browser said while a page was visited.
type record struct {
	news      chan struct{}                // something was heard
	loaded    map[cdp.LoaderID]bool        // of the pages that were begun
	frames    map[cdp.LoaderID]cdp.FrameID // in which they are
	moved     bool                         // a script has changed the address, and loaded nothing
	flying    map[network.RequestID]flight
	urls      map[network.RequestID]string
	document  *network.Response
	console   []string
	policy    []string
	failed    []string
	requested []string
	dialogs   []string
}

// A flight is a request on its way, and the page that it was made for.
type flight struct {
	url  string
	of   cdp.FrameID
	page cdp.LoaderID
}

func newRecord() *record {
	return &record{
		news: make(chan struct{}, 1), loaded: map[cdp.LoaderID]bool{}, frames: map[cdp.LoaderID]cdp.FrameID{},
		flying: map[network.RequestID]flight{}, urls: map[network.RequestID]string{},
	}
}

// forget begins a new record.
func (tb *tab) forget() {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.log = newRecord()
}

// settled says that every page which was gone to has loaded.
func (r *record) settled() bool {
	for _, loaded := range r.loaded {
		if !loaded {
			return false
		}
	}
	return true
}

// hear writes down what the browser says. It is called by the one goroutine that reads from the browser.
func (tb *tab) hear(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	r := tb.log
	switch e := event.(type) {
	case *page.EventLifecycleEvent:
		switch e.Name {
		case "init":
			r.loaded[e.LoaderID], r.frames[e.LoaderID] = false, e.FrameID
			r.ground(e.FrameID, e.LoaderID)
		case "load":
			r.loaded[e.LoaderID] = true
		}
	case *page.EventFrameDetached: // a frame in a sandbox goes on in a process of its own, which is not listened to
		r.ground(e.FrameID, "")
		for loader, frame := range r.frames {
			if frame == e.FrameID {
				delete(r.loaded, loader)
			}
		}
	case *page.EventNavigatedWithinDocument:
		r.moved = true
	case *page.EventJavascriptDialogOpening:
		r.dialogs = append(r.dialogs, fmt.Sprintf("a script opened a dialog: %s %q", e.Type, e.Message))
		tb.answers.Go(func() { // without an answer the page stands still
			_, _ = chromedp.Call(tb.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		})
	case *network.EventRequestWillBeSent:
		r.requested = append(r.requested, e.Request.URL)
		r.urls[e.RequestID] = e.Request.URL
		if e.Type != network.ResourceTypeEventSource { // which never ends
			r.flying[e.RequestID] = flight{e.Request.URL, e.FrameID, e.LoaderID}
		}
	case *network.EventWebSocketCreated:
		r.requested = append(r.requested, e.URL)
	case *network.EventResponseReceived:
		r.answered(e)
	case *network.EventLoadingFinished:
		delete(r.flying, e.RequestID)
	case *network.EventLoadingFailed:
		delete(r.flying, e.RequestID)
		if address, ours := r.urls[e.RequestID]; ours && !e.Canceled { // a page that is left cancels what it has not got yet
			r.failed = append(r.failed, fmt.Sprintf("%s: %s %s", address, e.ErrorText, e.BlockedReason))
		}
	case *runtime.EventExceptionThrown:
		r.console = append(r.console, said(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			r.console = append(r.console, fmt.Sprintf("console.%s: %s", e.Type, words(e.Args)))
		}
	case *log.EventEntryAdded:
		r.entry(e.Entry)
	}
	select {
	case r.news <- struct{}{}:
	default: // there is news already
	}
}

// ground forgets requests of the page that was in a frame before. What becomes of them is not always told.
func (r *record) ground(frame cdp.FrameID, now cdp.LoaderID) {
	for id, f := range r.flying {
		if f.of == frame && f.page != now {
			delete(r.flying, id)
		}
	}
}

func (r *record) answered(e *network.EventResponseReceived) {
	if e.Type == network.ResourceTypeDocument && e.LoaderID == cdp.LoaderID(e.RequestID) {
		r.document = e.Response // what becomes of the page itself is for its visitor to judge
		return
	}
	if e.Response.Status >= 400 {
		r.failed = append(r.failed, fmt.Sprintf("%s: status %d", e.Response.URL, e.Response.Status))
	}
}

// entry writes down a line of the browser's own log. Lines about requests say again what was heard of the requests themselves.
func (r *record) entry(e *log.Entry) {
	switch {
	case strings.Contains(e.Text, "Content Security Policy"):
		r.policy = append(r.policy, e.Text)
	case e.Source == log.EntrySourceNetwork:
	case e.Level == log.EntryLevelError || e.Level == log.EntryLevelWarning:
		r.console = append(r.console, fmt.Sprintf("%s: %s", e.Source, e.Text))
	}
}

func said(e *runtime.ExceptionDetails) string {
	if e.Exception != nil && e.Exception.Description != "" {
		return e.Text + " " + e.Exception.Description
	}
	if e.Exception != nil {
		return e.Text + " " + string(e.Exception.Value)
	}
	return e.Text
}

func words(of []*runtime.RemoteObject) string {
	var all []string
	for _, o := range of {
		if o.Description != "" {
			all = append(all, o.Description)
		} else {
			all = append(all, string(o.Value))
		}
	}
	return strings.Join(all, " ")
}
