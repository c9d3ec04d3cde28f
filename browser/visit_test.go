package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

const (
	visitLimit = 10 * time.Second
	// A page is at rest when it has loaded and for so long nothing was on its way.
	quiet = 60 * time.Millisecond
)

// A view is the window in which a page is seen.
type view struct {
	name          string
	width, height int64
	mobile        bool
}

var (
	phone   = view{"phone", 390, 844, true}
	desktop = view{"desktop", 1366, 900, false}
)

// A look is how somebody looks at pages. Either their browser says which language and theme they prefer, or they have chosen them in the console
// itself, and the browser prefers the others.
type look struct {
	view            view
	language, theme string
	chosen          bool
}

func (l look) String() string {
	by := "preferred"
	if l.chosen {
		by = "chosen"
	}
	return fmt.Sprintf("%s %s %s %s", l.view.name, l.language, l.theme, by)
}

// A site is what is visited: where it is, who logs in there, and which cookies keep a choice of language and theme.
type site struct {
	url, token                  string
	languageCookie, themeCookie string
}

func other[T comparable](of, one, two T) T {
	if of == one {
		return two
	}
	return one
}

// wear lets the tab look at a site as somebody does.
func (tb *tab) wear(ctx context.Context, s site, l look) error {
	prefers := l
	choice := map[string]string{}
	if l.chosen {
		prefers.language, prefers.theme = other(l.language, "en", "ja"), other(l.theme, "light", "dark")
		choice = map[string]string{s.languageCookie: l.language, s.themeCookie: l.theme}
	}
	for _, step := range []func(context.Context) error{
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.view.width, Height: l.view.height, DeviceScaleFactor: 1, Mobile: l.view.mobile}),
		call(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: l.view.mobile}),
		call(emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: tb.browser.userAgent, AcceptLanguage: prefers.language}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: prefers.theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
		func(ctx context.Context) error { return tb.choose(ctx, s, choice) },
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("looking as %s: %w", l, err)
		}
	}
	return nil
}

// choose sets the cookies of a choice, and takes away those that there is none for.
func (tb *tab) choose(ctx context.Context, s site, choice map[string]string) error {
	for _, name := range []string{s.languageCookie, s.themeCookie} {
		value, chosen := choice[name]
		switch {
		case name == "":
		case chosen:
			cookie := &network.CookieParam{Name: name, Value: value, URL: s.url}
			context := chromedp.FromContext(tb.ctx).BrowserContextID
			if _, err := chromedp.CallBrowser(ctx, storage.SetCookies, storage.SetCookiesParams{Cookies: []*network.CookieParam{cookie}, BrowserContextID: context}); err != nil {
				return err
			}
		default:
			if _, err := chromedp.Call(ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: s.url}); err != nil {
				return err
			}
		}
	}
	return nil
}

// A record is what the browser said while a page was visited.
type record struct {
	news      chan struct{}         // something was heard
	loaded    map[cdp.LoaderID]bool // of the pages that were begun
	moved     bool                  // a script has changed the address, and loaded nothing
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
		news: make(chan struct{}, 1), loaded: map[cdp.LoaderID]bool{},
		flying: map[network.RequestID]flight{}, urls: map[network.RequestID]string{},
	}
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
			r.loaded[e.LoaderID] = false
			r.ground(e.FrameID, e.LoaderID)
		case "load":
			r.loaded[e.LoaderID] = true
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
		if address, ours := r.urls[e.RequestID]; ours {
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

func decode(text []byte, into any) error { return json.Unmarshal(text, into) }

// A visit is which page is looked at, and what for beyond that which is always looked for.
type visit struct {
	path   string
	status int64 // that it answers with; 0: 200
	axe    bool  // run the accessibility checker
	shot   bool  // keep a picture
}

// visit goes to a page and looks at it.
func (tb *tab) visit(s site, l look, v visit) *sight {
	tb.t.Helper()
	began := time.Now()
	seen := &sight{look: l, site: s, visit: v}
	tb.within(visitLimit, "visiting "+v.path, func(ctx context.Context) error {
		if as := (guise{s, l}); tb.wears != as {
			if err := tb.wear(ctx, s, l); err != nil {
				return err
			}
			tb.wears = as
		}
		if err := tb.travel(ctx, s.url+v.path); err != nil {
			return err
		}
		return tb.examine(ctx, seen)
	})
	seen.took = time.Since(began)
	return seen
}

// after does something in the page that was seen, say a click, and looks again once all is at rest, be it at the same page or at the one where that
// has led. The path is where it should.
func (tb *tab) after(before *sight, path string, steps ...chromedp.Action[chromedp.Void]) *sight {
	tb.t.Helper()
	began := time.Now()
	seen := &sight{look: before.look, site: before.site, visit: before.visit}
	seen.visit.path = path
	tb.within(visitLimit, "after "+before.visit.path, func(ctx context.Context) error {
		tb.forget()
		if err := chromedp.Do(ctx, steps...); err != nil {
			return err
		}
		there := func(r *record) bool { return path == before.visit.path || r.moved || len(r.loaded) > 0 }
		if err := tb.rest(ctx, func(r *record) bool { return there(r) && r.settled() }); err != nil {
			return err
		}
		return tb.examine(ctx, seen)
	})
	if seen.document == nil {
		seen.document = before.document // still the same
	}
	seen.took = time.Since(began)
	return seen
}

// travel goes to an address and waits until the page there is at rest.
func (tb *tab) travel(ctx context.Context, address string) error {
	tb.forget()
	to, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: address})
	switch {
	case err != nil:
		return err
	case to.ErrorText != "":
		return fmt.Errorf("going to %s: %s", address, to.ErrorText)
	}
	return tb.rest(ctx, func(r *record) bool { return r.loaded[to.LoaderID] })
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

// rest waits until the page has loaded and nothing is on its way any more.
func (tb *tab) rest(ctx context.Context, loaded func(*record) bool) error {
	still := time.NewTimer(quiet)
	defer still.Stop()
	for {
		tb.mu.Lock()
		r := tb.log
		atRest := loaded(r) && len(r.flying) == 0
		waitsFor := fmt.Sprintf("loaded %v, on its way %v", loaded(r), r.flying)
		tb.mu.Unlock()
		var silence <-chan time.Time
		if atRest {
			still.Reset(quiet)
			silence = still.C
		}
		select {
		case <-silence:
			return nil
		case <-r.news:
		case <-ctx.Done():
			return fmt.Errorf("the page does not come to rest (%s): %w", waitsFor, ctx.Err())
		}
	}
}

// examine looks at the page that is there.
func (tb *tab) examine(ctx context.Context, seen *sight) (err error) {
	if seen.looked, err = ask[looked](ctx, fmt.Sprintf("eyes.look(%d)", seen.look.view.width)); err != nil {
		return err
	}
	if seen.visit.axe {
		if seen.inaccessible, err = ask[[]string](ctx, axe+";eyes.violations()"); err != nil {
			return err
		}
	}
	if seen.visit.shot {
		if seen.picture, err = tb.photograph(ctx); err != nil {
			return err
		}
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	seen.record = *tb.log
	return nil
}

// photograph takes a picture of what is in the window, as PNG.
func (tb *tab) photograph(ctx context.Context) ([]byte, error) {
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng})
	return shot.Data, err
}

// login goes through the form, as people do. It fails the test unless the page after it is another one.
func (tb *tab) login(s site) {
	tb.t.Helper()
	const path = "/console/login"
	tb.within(visitLimit, "logging in", func(ctx context.Context) error {
		if err := tb.travel(ctx, s.url+path); err != nil {
			return err
		}
		if _, err := ask[any](ctx, `document.querySelector("input[name=token]").focus()`); err != nil {
			return fmt.Errorf("%s has no field named token: %w", path, err)
		}
		tb.forget()
		if _, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: s.token}); err != nil {
			return err
		}
		if err := chromedp.Do(ctx, chromedp.KeyEvent("\r")); err != nil {
			return err
		}
		if err := tb.rest(ctx, func(r *record) bool { return len(r.loaded) > 0 && r.settled() }); err != nil {
			return err
		}
		at, err := ask[string](ctx, "location.pathname")
		if err == nil && at == path {
			err = fmt.Errorf("still at %s; the token was not taken", path)
		}
		return err
	})
}
