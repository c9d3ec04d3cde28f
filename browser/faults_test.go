package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var atTheDesk = look{view: desktop, language: "en", theme: "light"}

// everyLook is every way of looking at pages.
func everyLook() (all []look) {
	for _, v := range []view{phone, desktop} {
		for _, language := range []string{"en", "ja"} {
			for _, theme := range []string{"light", "dark"} {
				for _, chosen := range []bool{false, true} {
					all = append(all, look{v, language, theme, chosen})
				}
			}
		}
	}
	return all
}

func TestNothingIsFoundInASoundPage(t *testing.T) {
	s := sample{}.serve(t)
	tb := open(t)
	tb.login(s)
	for _, l := range everyLook() {
		seen := tb.visit(s, l, visit{path: "/console/", axe: true, shot: true})
		require.Empty(t, seen.faults(), "%s", l)
		require.Equal(t, "\x89PNG", string(seen.picture[:4]))
		t.Logf("%-30s %s, answered in %s", l, seen.took.Round(time.Millisecond), seen.answered().Round(10*time.Microsecond))
	}
}

// Each fault is planted alone, and has to be the only one that is found. All are visited in one tab, so that none is seen in the next
// page still.
func TestPlantedFaultsAreFound(t *testing.T) {
	tb := open(t)
	tb.login(sample{}.serve(t)) // which does for all, as cookies don't know of ports
	for name, c := range map[string]struct {
		sample
		visit visit
		look  look
		want  []string // how the faults begin
	}{
		"an error in a script":       {sample: sample{head: `<script src="/error.js"></script>`}, want: []string{"console: Uncaught ReferenceError", "console: console.error: \"planted\" 1"}},
		"a layout shift":             {sample: sample{head: `<script src="/shift.js"></script>`}, want: []string{"layout shift of 0."}},
		"too wide":                   {sample: sample{body: `<div class="wide">OK</div>`}, want: []string{`2008 pixels wide in a window of 1366: <div.wide> "OK"`}},
		"too wide on a phone":        {sample: sample{body: `<p>` + strings.Repeat("W", 90) + `</p>`}, look: look{view: phone, language: "en", theme: "light"}, want: []string{"1"}},
		"too little contrast":        {sample: sample{body: `<p class="pale">OK</p>`}, want: []string{"accessibility: color-contrast (serious) at .pale: "}},
		"too small to hit":           {sample: sample{body: `<p class="apart"><button class="tiny">O</button><button class="tiny">K</button></p>`}, want: []string{"accessibility: target-size (serious) at .tiny:nth-child(1)", "accessibility: target-size (serious) at .tiny:nth-child(2)"}},
		"a picture without words":    {sample: sample{body: `<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" width="9" height="9">`}, want: []string{"accessibility: image-alt (critical) at img: "}},
		"a request to somebody else": {sample: sample{body: `<img src="http://127.0.0.2:8099/x.png" alt="">`, policy: "img-src * data:"}, want: []string{"request failed: http://127.0.0.2:8099/x.png", "request to somebody else: http://127.0.0.2:8099/x.png"}},
		"a script of somebody else's": {sample: sample{head: `<script>alert(1)</script>`},
			want: []string{"content security policy: "}},
		"and without a policy":          {sample: sample{head: `<script>alert(1)</script>`, policy: "img-src * data:"}, want: []string{`script: a script opened a dialog: alert "1"`}},
		"nor is there one":              {sample: sample{policy: "none"}, want: []string{"there is no Content-Security-Policy"}},
		"something is missing":          {sample: sample{body: `<img src="/missing.png" alt="">`}, want: []string{"request failed: "}},
		"not translated":                {sample: sample{body: `<p>Ends soon</p>`}, look: look{view: desktop, language: "ja", theme: "light"}, want: []string{`not translated: "Ends soon" in <p>`}},
		"a page that is missing":        {visit: visit{path: "/console/nowhere"}, want: []string{"status 404 instead of 200"}},
		"a page that should be missing": {visit: visit{path: "/console/", status: 404}, want: []string{"status 200 instead of 404"}},
	} {
		if c.visit.path == "" {
			c.visit.path = "/console/"
		}
		if c.look == (look{}) {
			c.look = atTheDesk
		}
		c.visit.axe = true
		found := tb.visit(c.serve(t), c.look, c.visit).faults()
		require.Len(t, found, len(c.want), "%s: %q", name, found)
		for i, want := range c.want {
			require.Truef(t, strings.HasPrefix(found[i], want), "%s: %q does not begin with %q", name, found[i], want)
		}
	}
}

func TestAPageThatIgnoresWhatSomebodyWantsIsFound(t *testing.T) {
	s := sample{}.serve(t)
	s.languageCookie, s.themeCookie = "", "" // so that no choice arrives
	found := open(t).visit(s, look{desktop, "ja", "dark", true}, visit{path: "/console/sign-in"}).faults()
	require.Equal(t, []string{
		`data-theme is "", and "dark" was chosen`, `the page is light, and dark was wanted`, `the page says that its language is "en", and "ja" was wanted`,
	}, found)
}

func TestAPageBehindTheLoginIsNotTakenForAnother(t *testing.T) {
	s := sample{}.serve(t)
	found := open(t).visit(s, atTheDesk, visit{path: "/console/"}).faults()
	require.Equal(t, []string{fmt.Sprintf("ended at %s/console/sign-in instead of %[1]s/console/", s.url)}, found)
}

func TestFaultsAreFoundInWhatComesAfterAClick(t *testing.T) {
	s := sample{head: `<script src="/more.js" defer></script>`}.serve(t)
	tb := open(t)
	tb.login(s)
	before := tb.visit(s, atTheDesk, visit{path: "/console/", axe: true})
	require.Empty(t, before.faults())
	found := tb.after(before, "/console/", chromedp.Click(chromedp.CSS("button"))).faults()
	require.Len(t, found, 1)
	require.Contains(t, found[0], "color-contrast (serious) at .pale")

	found = tb.after(before, "/console/nowhere", chromedp.Click(chromedp.CSS("a"))).faults()
	require.Equal(t, []string{fmt.Sprintf("ended at %s/console/other instead of %[1]s/console/nowhere", s.url)}, found)
}

func TestAPageThatNeverComesToRestIsGivenUp(t *testing.T) {
	s := sample{body: `<img src="/never.png" alt="">`}.serve(t)
	tb := open(t)
	ctx, cancel := context.WithTimeout(tb.ctx, time.Second)
	defer cancel()
	err := tb.travel(ctx, s.url+"/console/sign-in")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "/never.png")
}

func TestAPageThatHearsOfEventsComesToRest(t *testing.T) {
	s := sample{head: `<script src="/events.js"></script>`}.serve(t)
	require.Empty(t, open(t).visit(s, atTheDesk, visit{path: "/console/sign-in"}).faults())
}

func TestTheKeyboardGetsThroughASoundPage(t *testing.T) {
	s := sample{}.serve(t)
	tb := open(t)
	tb.login(s)
	tb.visit(s, atTheDesk, visit{path: "/console/"})
	stops, faults := tb.walk()
	require.Empty(t, faults)
	require.Equal(t, []string{"GDAP", "OK"}, []string{stops[0].Name, stops[1].Name})
	require.Len(t, stops, 2)
}

func TestPlantedFaultsOfTheKeyboardAreFound(t *testing.T) {
	tb := open(t)
	tb.login(sample{}.serve(t))
	for name, c := range map[string]struct {
		sample
		want string
	}{
		"a trap":          {sample{head: `<script src="/trap.js" defer></script>`}, `trap: the focus goes from <button> "OK" back to <a>`},
		"no name":         {sample{body: `<input>`}, "<input> has no accessible name"},
		"no mark":         {sample{body: `<button class="bare">OK</button>`}, `focus cannot be seen: <button.bare> "OK" looks the same with and without it`},
		"under something": {sample{body: `<div class="under"></div>`}, `focus cannot be seen: <a> "GDAP" is covered by <div.under>`},
	} {
		tb.visit(c.serve(t), atTheDesk, visit{path: "/console/"})
		_, faults := tb.walk()
		require.NotEmpty(t, faults, name)
		require.Truef(t, strings.HasPrefix(faults[0], c.want), "%s: %q does not begin with %q", name, faults[0], c.want)
	}
}

func TestTheKeyboardGetsThroughWhatIsTallAndWhatHasParts(t *testing.T) {
	s := sample{body: `<label>Day <input type="date"></label><div class="tall" tabindex="0" role="region" aria-label="Rows">Rows</div><a href="/console/more">More</a>`}.serve(t)
	tb := open(t)
	tb.login(s)
	tb.visit(s, atTheDesk, visit{path: "/console/"})
	stops, faults := tb.walk()
	require.Empty(t, faults)
	require.Contains(t, stops[len(stops)-1].Where, "More")
}

func TestAPageWithAFrameInASandboxComesToRest(t *testing.T) {
	s := sample{body: `<iframe sandbox title="Mail" src="/more"></iframe>`, policy: "default-src 'self'; img-src 'self' data:"}.serve(t)
	tb := open(t)
	tb.login(s)
	tb.visit(s, atTheDesk, visit{path: "/console/"})
}
