package browser

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var keepSteps = flag.String("steps", "", "folder in which a picture of each page of an operator's week is kept")

// A desk is where somebody works with the console: one tab, and the page that it shows. Each page that they come to is looked at as
// all others are, and has to be without fault.
type desk struct {
	t      *testing.T
	tab    *tab
	of     *deployment
	look   look
	tongue *tongue
	seen   *sight
	name   string
	step   int
	forms  map[string]string // that were on the pages seen, by their addresses: what each sends unless something is typed in
}

// sitDown opens a tab for somebody.
func sitDown(t *testing.T, d *deployment, l look, name string) *desk {
	t.Helper()
	if *keepSteps != "" {
		require.NoError(t, os.MkdirAll(*keepSteps, 0o750))
	}
	return &desk{t: t, tab: open(t), of: d, look: l, tongue: speak(t, l.language), name: name, forms: map[string]string{}}
}

// by is the desk with another window, such as that of a phone.
func (d *desk) by(v view) *desk {
	d.look.view = v
	return d
}

// in is the desk in a part of the test.
func (d *desk) in(t *testing.T) *desk {
	d.t, d.tab.t = t, t
	return d
}

// formsShown are the forms of a page that change something, by their addresses, and what each would send.
const formsShown = `Object.fromEntries([...document.querySelectorAll("form[method=post]")].map((f) => [f.getAttribute("action"), new URLSearchParams(new FormData(f)).toString()]))`

// act does something, waits until the page that it leads to is at rest, and looks at that page.
func (d *desk) act(what string, status int64, do func(context.Context) error) {
	d.t.Helper()
	seen := &sight{look: d.look, site: d.of.site, visit: visit{status: status, axe: true}}
	d.tab.within(visitLimit, what, func(ctx context.Context) error {
		if as := (guise{d.of.site, d.look}); d.tab.wears != as {
			if err := d.tab.wear(ctx, d.of.site, d.look); err != nil {
				return err
			}
			d.tab.wears = as
		}
		d.tab.forget()
		if err := do(ctx); err != nil {
			return err
		}
		if err := d.tab.rest(ctx, func(r *record) bool { return len(r.loaded) > 0 && r.settled() }); err != nil {
			return err
		}
		return d.tab.examine(ctx, seen)
	})
	seen.visit.path = strings.TrimPrefix(seen.At, d.of.url) // wherever it led: what it says is judged
	d.seen = seen
	d.keep(what)
	maps.Copy(d.forms, script[map[string]string](d, formsShown))
	faults := slices.DeleteFunc(seen.faults(), func(fault string) bool { // what is kept up to date grows while somebody watches
		return strings.HasPrefix(fault, "layout shift") && script[bool](d, `document.querySelector("[data-live]") !== null`)
	})
	if len(faults) > 0 {
		d.t.Errorf("%s, after %s (%s):\n  %s", seen.visit.path, what, d.look, strings.Join(faults, "\n  "))
	}
}

// keep keeps a picture of the whole page.
func (d *desk) keep(what string) {
	d.step++
	if *keepSteps == "" {
		return
	}
	high := min(max(d.seen.Height, d.look.view.height), 4000)
	size := emulation.SetDeviceMetricsOverrideParams{Width: d.look.view.width, Height: high, DeviceScaleFactor: 1, Mobile: d.look.view.mobile}
	d.tab.within(visitLimit, "taking a picture", func(ctx context.Context) error {
		if err := call(emulation.SetDeviceMetricsOverride, size)(ctx); err != nil {
			return err
		}
		picture, err := d.tab.photograph(ctx)
		if err != nil {
			return err
		}
		size.Height = d.look.view.height
		if err := call(emulation.SetDeviceMetricsOverride, size)(ctx); err != nil {
			return err
		}
		what := strings.Map(func(c rune) rune {
			if strings.ContainsRune(`/\?"“”: `, c) {
				return '-'
			}
			return c
		}, what)
		return os.WriteFile(filepath.Join(*keepSteps, fmt.Sprintf("%s-%03d-%.40s.png", d.name, d.step, what)), picture, 0o600)
	})
}

// open goes to an address, as by a bookmark.
func (d *desk) open(path string) { d.t.Helper(); d.openTo(path, 200) }

// openTo is open where another answer is wanted than the page.
func (d *desk) openTo(path string, status int64) {
	d.t.Helper()
	d.act("opening "+path, status, func(ctx context.Context) error { return d.tab.travel(ctx, d.of.url+path) })
}

// back goes back, as with the browser's button.
func (d *desk) back() {
	d.t.Helper()
	d.act("going back", 200, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.NavigateBack()) })
}

// mark finds what is to be clicked by what it is called: its label, or its words. Of several the first in the page's content counts.
const mark = `((pattern, kinds) => {
  const name = new RegExp("^(?:" + pattern + ")$");
  const said = (el) => (el.getAttribute("aria-label") ?? document.getElementById(el.getAttribute("aria-labelledby"))?.innerText ?? (el.labels?.length ? [...el.labels].map((l) => l.innerText).join(" ") : el.innerText ?? "")).trim().replace(/\s+/g, " ");
  for (const old of document.querySelectorAll("[data-hand]")) old.removeAttribute("data-hand");
  const all = [...document.querySelectorAll(kinds)].filter((el) => el.checkVisibility());
  const of = (el) => el.closest("main") ? 0 : 1;
  const found = all.filter((el) => name.test(said(el))).sort((a, b) => of(a) - of(b));
  if (found.length) found[0].setAttribute("data-hand", "");
  return found.length ? "" : "there is none: " + all.map(said).join(" | ");
})(%q, %q)`

// find marks something, and fails the test where it is not there.
func (d *desk) find(ctx context.Context, name, kinds string) error {
	fault, err := ask[string](ctx, fmt.Sprintf(mark, d.tongue.of(name), kinds))
	if err == nil && fault != "" {
		err = fmt.Errorf("%q at %s: %s", name, d.seen.visit.path, fault)
	}
	return err
}

const clickable = "a[href], button, summary, svg a"

// click clicks on a link or a button and comes to the page behind it.
func (d *desk) click(name string) { d.t.Helper(); d.clickTo(name, 200) }

func (d *desk) clickTo(name string, status int64) {
	d.t.Helper()
	d.act("clicking "+name, status, func(ctx context.Context) error {
		if err := d.find(ctx, name, clickable); err != nil {
			return err
		}
		return d.hit(ctx)
	})
}

// hit clicks with the mouse on what was found.
func (d *desk) hit(ctx context.Context) error {
	at, err := ask[[]float64](ctx, `(() => {
	  const el = document.querySelector("[data-hand]");
	  el.scrollIntoView({ block: "center", inline: "center" });
	  const box = [...el.getClientRects()].find((r) => r.width > 0 && r.height > 0) ?? el.getBoundingClientRect();
	  return [box.left + box.width / 2, box.top + box.height / 2];
	})()`)
	if err != nil {
		return err
	}
	return chromedp.Do(ctx, chromedp.MouseClickXY(at[0], at[1]))
}

// offers says whether there is something to click on that is called so.
func (d *desk) offers(name string) bool {
	d.t.Helper()
	var there bool
	d.tab.within(visitLimit, "looking for "+name, func(ctx context.Context) error {
		fault, err := ask[string](ctx, fmt.Sprintf(mark, d.tongue.of(name), clickable))
		there = fault == ""
		return err
	})
	return there
}

// tick clicks on a box, a choice or a part that folds: nothing is loaded.
func (d *desk) tick(name string) {
	d.t.Helper()
	d.tab.within(visitLimit, "ticking "+name, func(ctx context.Context) error {
		if err := d.find(ctx, name, "input[type=checkbox], input[type=radio], summary"); err != nil {
			return err
		}
		return d.hit(ctx)
	})
}

// fill types into a field, in place of what stands there.
func (d *desk) fill(name, text string) {
	d.t.Helper()
	d.tab.within(visitLimit, "filling in "+name, func(ctx context.Context) error {
		if err := d.find(ctx, name, "input, textarea"); err != nil {
			return err
		}
		if _, err := ask[any](ctx, `(() => { const el = document.querySelector("[data-hand]"); el.focus(); el.select(); })()`); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// reach goes with the Tab key until the focus is on what is called so.
func (d *desk) reach(name string) {
	d.t.Helper()
	called := regexp.MustCompile("^(?:" + d.tongue.of(name) + ")$")
	d.tab.within(visitLimit, "going to "+name+" with the Tab key", func(ctx context.Context) error {
		for range mostStops {
			s, err := d.tab.press(ctx, "\t")
			if err != nil || called.MatchString(s.Name) {
				return err
			}
		}
		return fmt.Errorf("the Tab key does not lead to %q at %s", name, d.seen.visit.path)
	})
}

// strike goes with the Tab key to a link or a button, and comes with the Enter key to the page behind it.
func (d *desk) strike(name string) {
	d.t.Helper()
	d.reach(name)
	d.act("striking "+name, 200, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.KeyEvent("\r")) })
}

// types types where the focus is.
func (d *desk) types(text string) {
	d.t.Helper()
	d.tab.within(visitLimit, "typing", func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.KeyEvent(text)) })
}

// choose chooses from a list.
func (d *desk) choose(name, option string) {
	d.t.Helper()
	d.tab.within(visitLimit, "choosing "+name, func(ctx context.Context) error {
		if err := d.find(ctx, name, "select"); err != nil {
			return err
		}
		there, err := ask[bool](ctx, fmt.Sprintf(`(() => { const el = document.querySelector("[data-hand]");
			const name = new RegExp("^(?:" + %q + ")$"), o = [...el.options].find((o) => name.test(o.text)); if (o) el.value = o.value; return Boolean(o); })()`, d.tongue.of(option)))
		if err == nil && !there {
			err = fmt.Errorf("%q has no %q", name, option)
		}
		return err
	})
}

// script asks the page something, in a world beside its own scripts.
func script[T any](d *desk, expression string) (answer T) {
	d.t.Helper()
	d.tab.within(visitLimit, "asking the page", func(ctx context.Context) (err error) {
		answer, err = ask[T](ctx, expression)
		return err
	})
	return answer
}

// text is what the page says, on one line.
func (d *desk) text() string {
	d.t.Helper()
	return script[string](d, `document.querySelector("main").innerText.replace(/\s+/g, " ")`)
}

// reads wants the page to say something.
func (d *desk) reads(texts ...string) {
	d.t.Helper()
	said := d.text()
	for _, text := range texts {
		require.Regexp(d.t, d.tongue.of(text), said, "%s: %q", d.seen.visit.path, text)
	}
}

// lacks wants the page not to say it.
func (d *desk) lacks(text string) {
	d.t.Helper()
	require.NotRegexp(d.t, d.tongue.of(text), d.text(), "%s: %q", d.seen.visit.path, text)
}

// awaits waits until the page says something, as who watches does.
func (d *desk) awaits(text string) {
	d.t.Helper()
	d.tab.within(30*time.Second, "waiting for "+text, func(ctx context.Context) error {
		_, err := ask[any](ctx, fmt.Sprintf(`(async () => { const said = new RegExp(%q); while (!said.test(document.querySelector("main").innerText.replace(/\s+/g, " "))) await new Promise((done) => setTimeout(done, 50)); })()`, d.tongue.of(text)))
		return err
	})
}

// until awaits something that is only on the page once it is opened again, such as what is done in the background.
func (d *desk) until(path, text string) {
	d.t.Helper()
	said := regexp.MustCompile(d.tongue.of(text))
	for deadline := time.Now().Add(30 * time.Second); ; {
		d.open(path)
		if said.MatchString(d.text()) {
			return
		}
		require.True(d.t, time.Now().Before(deadline), "%s never says %q: %s", path, text, d.text())
	}
}

// fetch asks the server for something with the session of the tab, as a page of its own can, and answers with the status and the body.
func (d *desk) fetch(method, path, form string) (status int, body string) {
	d.t.Helper()
	answer := script[struct {
		Status int
		Body   string
	}](d, fmt.Sprintf(`(async () => { const r = await fetch(%q, { method: %q, redirect: "manual", ...(%q === "GET" ? {} : { body: new URLSearchParams(%q) }) });
		return { status: r.status, body: await r.text() }; })()`, path, method, method, form))
	return answer.Status, answer.Body
}

// figure is the number that stands out under a name, and where it leads.
func (d *desk) figure(name string) (value, link string) {
	d.t.Helper()
	found := script[[]string](d, fmt.Sprintf(`(() => { const name = new RegExp("^(?:" + %q + ")$"), dt = [...document.querySelectorAll(".figure dt")].find((dt) => name.test(dt.innerText.trim()));
		return dt ? [dt.nextElementSibling.innerText.trim(), dt.nextElementSibling.querySelector("a")?.getAttribute("href") ?? ""] : []; })()`, d.tongue.of(name)))
	require.Len(d.t, found, 2, "no figure is called %q at %s", name, d.seen.visit.path)
	return found[0], found[1]
}

// rows counts the rows of the first list with links to relationships.
func (d *desk) rows() int {
	d.t.Helper()
	return script[int](d, `[...document.querySelectorAll("main tbody tr")].filter((tr) => tr.querySelector("th a, td a")).length`)
}

// signIn shows a token.
func (d *desk) signIn(token string) {
	d.t.Helper()
	d.fill("Token", token)
	d.click("Sign in")
}

// count counts the same on all pages of a list.
func (d *desk) count(path string) int {
	d.t.Helper()
	return script[int](d, fmt.Sprintf(`(async () => { let n = 0;
		for (let next = %q; next; ) {
			const page = new DOMParser().parseFromString(await (await fetch(next)).text(), "text/html");
			n += [...page.querySelectorAll("main tbody tr")].filter((tr) => tr.querySelector("th a, td a")).length;
			next = page.querySelector("a[rel=next]")?.getAttribute("href");
		}
		return n; })()`, path))
}
