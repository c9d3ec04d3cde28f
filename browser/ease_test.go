package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/stretchr/testify/require"
)

// Here is what an accessibility checker cannot see for itself: how pages fare with those who read them large, in colours of their own or on paper,
// or who let no script run.

var (
	// Four times as large in a window of 1280 by 1024. Source: WCAG 2.2, 1.4.10, Reflow.
	fourfold = view{"four times as large", 320, 256, false}
	// Twice as large at the desk. Source: WCAG 2.2, 1.4.4, Resize Text.
	twofold = view{"twice as large", 683, 450, false}
	// A sheet of A4 with margins of a centimetre, at 96 pixels an inch.
	paper = view{"on paper", 718, 1047, false}
)

// each visits every page of the small world in one way, and has it judged.
func (tb *tab) each(l look, judge func(path string, seen *sight)) {
	tb.t.Helper()
	d := deploy(tb.t, fewRecords)
	tb.login(d.site)
	for i, page := range listed() {
		path, ok := d.path(page, i)
		require.True(tb.t, ok, page)
		judge(path, tb.visit(d.site, l, visit{path: path}))
	}
}

// list tells the faults of a page, if there are any.
func (tb *tab) list(path string, l look, faults []string) {
	tb.t.Helper()
	if len(faults) > 0 {
		tb.t.Errorf("%s, %s:\n  %s", path, l, strings.Join(faults, "\n  "))
	}
}

// read asks eyes for a list of texts.
func (tb *tab) read(what string) (list []string) {
	tb.t.Helper()
	tb.within(visitLimit, what, func(ctx context.Context) (err error) {
		list, err = ask[[]string](ctx, what)
		return err
	})
	return list
}

// some are the first of several, with -short.
func some[T any](first int, all ...T) []T {
	if testing.Short() {
		return all[:first]
	}
	return all
}

// What is magnified can be read without scrolling to and fro.
func TestPagesCanBeMagnified(t *testing.T) {
	for _, l := range some(2, look{fourfold, "en", "light", false}, look{twofold, "ja", "dark", true}, look{fourfold, "ja", "dark", true}, look{twofold, "en", "light", false}) {
		t.Run(l.String(), func(t *testing.T) {
			tb := open(t)
			tb.each(l, func(_ string, seen *sight) { tb.report(seen) })
		})
	}
}

// readersOwn is how somebody has letters twice as large, and set wide apart. Source: WCAG 2.2, 1.4.4, Resize Text, and 1.4.12, Text Spacing.
const readersOwn = `html { font-size: 200% !important; }
* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; } p { margin-bottom: 2em !important; }`

// Letters that are large and wide apart are not cut off, and fit into the window.
func TestPagesTakeTheirReadersLetters(t *testing.T) {
	for _, language := range some(1, "ja", "en") {
		t.Run(language, func(t *testing.T) {
			tb, l := open(t), look{desktop, language, "light", false}
			tb.each(l, func(path string, seen *sight) {
				tb.within(visitLimit, "setting letters wide apart", func(ctx context.Context) error {
					if _, err := ask[any](ctx, fmt.Sprintf("eyes.restyle(%q)", readersOwn)); err != nil {
						return err
					}
					larger, err := ask[looked](ctx, fmt.Sprintf("eyes.look(%d)", l.view.width))
					larger.Shifts = nil // they are of the reader's own making
					seen.looked = larger
					return err
				})
				tb.report(seen)
			})
		})
	}
}

// Where the reader's system allows only a few colours, what is chosen can still be told from what is not, charts have their keys, and the focus
// can be seen.
func TestPagesInTheirReadersColours(t *testing.T) {
	for _, theme := range some(1, "dark", "light") {
		t.Run(theme, func(t *testing.T) {
			tb, l := open(t), look{desktop, "en", theme, false}
			tb.features = []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}
			tb.each(l, func(path string, seen *sight) {
				faults := append(seen.faults(), tb.read("eyes.unmarked()")...)
				faults = append(faults, tb.read("eyes.blank()")...)
				if path == "/" || strings.HasSuffix(path, "/hold") {
					_, unseen := tb.walk()
					faults = append(faults, unseen...)
				}
				tb.list(path, l, faults)
			})
		})
	}
}

// What is printed is dark on white, whatever the theme, as wide as the paper, and without what only leads elsewhere.
func TestPagesOnPaper(t *testing.T) {
	for _, chosen := range some(1, true, false) {
		t.Run(fmt.Sprintf("chosen %v", chosen), func(t *testing.T) {
			tb, l := open(t), look{paper, "en", "dark", chosen}
			tb.medium = "print"
			tb.each(l, func(path string, seen *sight) {
				faults := slices.DeleteFunc(seen.faults(), func(fault string) bool { return fault == "the page is light, and dark was wanted" })
				if seen.Theme != "light" {
					faults = append(faults, "its letters are light, as its paper is")
				}
				if bars := tb.read(`[...document.querySelectorAll(".bar, .skip")].filter((el) => el.checkVisibility()).map((el) => el.className)`); len(bars) > 0 {
					faults = append(faults, fmt.Sprintf("printed are %v", bars))
				}
				tb.list(path, l, append(faults, tb.read(`[...document.querySelectorAll(".scroll")].filter((el) => el.scrollWidth > el.clientWidth + 1 && getComputedStyle(el).overflowX !== "visible").map(() => "a table that is cut off")`)...))
			})
		})
	}
}

// ways are the ways on from a page. There may be more sweeps meanwhile, so numbers do not count.
const ways = `[...new Set(eyes.controls().map((way) => way.replace(/[0-9]+/g, "0")))]`

// Without scripts there are the same ways on from a page as with them.
func TestPagesWithoutScripts(t *testing.T) {
	for _, v := range some(1, phone, desktop) {
		t.Run(v.name, func(t *testing.T) {
			with, without, l := open(t), open(t), look{v, "en", "light", false}
			without.within(visitLimit, "switching scripts off", call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
			silent := sample{head: `<script src="/error.js"></script>`}.serve(t)
			require.Empty(t, without.visit(silent, l, visit{path: "/console/sign-in"}).console, "a script has run")
			d := deploy(t, fewRecords)
			without.login(d.site)
			with.each(l, func(path string, _ *sight) {
				without.within(visitLimit, path, func(ctx context.Context) error {
					if err := without.wear(ctx, d.site, l); err != nil {
						return err
					}
					return without.travel(ctx, d.url+path)
				})
				require.Equal(t, with.read(ways), without.read(ways), path)
			})
		})
	}
}
