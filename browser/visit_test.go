package browser

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
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
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: tb.medium, Features: append([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: prefers.theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}, tb.features...)}),
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
	const path = "/console/sign-in"
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
