package browser

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pages are the pages of the console that are looked at. {relationship}, {sweep}, {notice}, {partner}, {customer} and {hold} stand for one that there is.
var pages = []string{
	"/console/sign-in", "/",
	"/console/ahead", "/console/ahead?from=2027-01-01", "/console/ahead/expiring", "/console/ahead/expiring?within=ended", "/console/ahead/bulk",
	"/console/relationships", "/console/relationships?sort=name", "/console/relationships/find?q=example.com", "/console/relationships/{relationship}", "/console/relationships/{relationship}/do/hold",
	"/console/relationships?partner={partner}", "/console/relationships?customer={customer}", "/console/holds", "/console/holds?show=all", "/console/holds/place?tenant={partner}",
	"/console/holds/{hold}/release", "/console/partners/{partner}/suspended", "/console/provisioning", "/console/provisioning?stuck=yes",
	"/console/sweeps", "/console/sweeps?show=all", "/console/sweeps/{sweep}", "/console/sweeps/new",
	"/console/sweeps/new?step=plan&mode=real&rule=end-term&rule=warn-expiry", "/console/rules/end-term", "/console/sweeps/rules/end-term/pause",
	"/console/notices", "/console/notices?status=sent", "/console/notices/{notice}", "/console/channels", "/console/subscriptions", "/console/contacts", "/console/contacts/edit",
	"/console/activity", "/console/activity/operators", "/console/analytics", "/console/analytics/customers", "/console/queue", "/console/queue/tenure-sweeps",
}

// The cookies in which the console keeps what somebody has chosen.
const (
	consoleLanguageCookie = "tenure_lang"
	consoleThemeCookie    = "tenure_theme"
)

var (
	full        = flag.Bool("full", false, "look at each page in every way, instead of in so many that any two things meet")
	only        = flag.String("only", "", "look at the pages only whose path has this in it")
	manyRecords = flag.Int("records", 100_000, "how many relationships there are in the largest world")
)

// listed are the pages that this run looks at.
func listed() (some []string) {
	for _, page := range pages {
		if strings.Contains(page, *only) {
			some = append(some, page)
		}
	}
	return some
}

const fewRecords = 200

// Every page's first byte is there within this time, however many relationships there are.
const answerLimit = 100 * time.Millisecond

// A sitting is a world and how somebody looks at it.
type sitting struct {
	records int
	look    look
}

// sittings are all that there are, or so few that any two values of world, window, language, theme and choice still meet. The largest world is
// left out of short ones.
func sittings(full, short bool) (all []sitting) {
	const empty, few = 0, fewRecords
	many := *manyRecords
	worlds := []int{empty, few, many}
	switch {
	case short && !full:
		return []sitting{
			{empty, look{phone, "ja", "light", true}},
			{empty, look{phone, "en", "dark", true}},
			{empty, look{desktop, "en", "light", false}},
			{few, look{phone, "en", "light", false}},
			{few, look{desktop, "ja", "dark", false}},
			{few, look{desktop, "ja", "light", true}},
		}
	case !full:
		return []sitting{
			{empty, look{phone, "en", "light", false}},
			{empty, look{desktop, "ja", "dark", true}},
			{few, look{phone, "en", "dark", true}},
			{few, look{desktop, "ja", "light", false}},
			{many, look{phone, "ja", "light", true}},
			{many, look{desktop, "en", "dark", false}},
		}
	case short:
		worlds = worlds[:2]
	}
	for _, records := range worlds {
		for _, l := range everyLook() {
			all = append(all, sitting{records, l})
		}
	}
	return all
}

// Any fault that takes two things to show, say Japanese on a phone, shows in the few sittings, too.
func TestAnyTwoThingsMeetInTheFewSittings(t *testing.T) {
	pairs := func(of []sitting) map[string]bool {
		met := map[string]bool{}
		for _, s := range of {
			values := []string{fmt.Sprint(s.records), s.look.view.name, s.look.language, s.look.theme, fmt.Sprint(s.look.chosen)}
			for i, one := range values {
				for _, two := range values[:i] {
					met[one+" "+two] = true
				}
			}
		}
		return met
	}
	for _, short := range []bool{false, true} {
		require.Equal(t, pairs(sittings(true, short)), pairs(sittings(false, short)), "short %v", short)
	}
}

// Each page has nothing wrong with it, in whatever way somebody looks at it.
func TestPages(t *testing.T) {
	var took []time.Duration
	for turn, s := range sittings(*full, testing.Short()) {
		t.Run(fmt.Sprintf("%d records/%s", s.records, s.look), func(t *testing.T) {
			d, tb := deploy(t, s.records), open(t)
			tb.login(d.as(turn))
			titles := map[string]string{}
			for i, page := range listed() {
				if path, ok := d.path(page, turn+i); ok {
					seen := tb.visit(d.site, s.look, visit{path: path, axe: true})
					tb.report(seen)
					took = append(took, seen.took)
					route, _, _ := strings.Cut(path, "?")
					if other := titles[seen.Title]; other != "" && other != route {
						t.Errorf("%s and %s are both called %q", other, route, seen.Title)
					}
					titles[seen.Title] = route
				}
			}
		})
	}
	if len(took) > 0 {
		slices.Sort(took)
		t.Logf("%d visits, half of them within %s, the slowest took %s", len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	}
}

// report tells the faults of a sight. With `go test -artifacts`, pictures of pages with faults are kept.
func (tb *tab) report(seen *sight) {
	tb.t.Helper()
	faults := seen.faults()
	if len(faults) == 0 {
		return
	}
	tb.t.Errorf("%s, %s:\n  %s", seen.visit.path, seen.look, strings.Join(faults, "\n  "))
	picture, err := tb.photograph(tb.ctx)
	require.NoError(tb.t, err)
	name := strings.Trim(strings.NewReplacer("/", "-", "?", "-").Replace(seen.visit.path), "-")
	require.NoError(tb.t, os.WriteFile(filepath.Join(tb.t.ArtifactDir(), name+".png"), picture, 0o600))
}

// The Tab key leads through each page, and wherever it stops can be seen and has a name.
func TestKeyboard(t *testing.T) {
	for _, v := range []view{phone, desktop} {
		t.Run(v.name, func(t *testing.T) {
			d, tb := deploy(t, fewRecords), open(t)
			tb.login(d.site)
			l := look{view: v, language: "en", theme: "light"}
			for i, page := range listed() {
				path, ok := d.path(page, i)
				require.True(t, ok, page)
				tb.visit(d.site, l, visit{path: path})
				if _, faults := tb.walk(); len(faults) > 0 {
					t.Errorf("%s, %s:\n  %s", path, l, strings.Join(faults, "\n  "))
				}
			}
		})
	}
}

// The best of a few visits counts, since others use the machine, too.
func TestPagesAnswerQuickly(t *testing.T) {
	if testing.Short() {
		t.Skip("that is about the largest world")
	}
	d, tb := deploy(t, *manyRecords), open(t)
	tb.login(d.site)
	for i, page := range listed() {
		path, ok := d.path(page, i)
		require.True(t, ok, page)
		best := time.Hour
		for range 5 {
			best = min(best, tb.visit(d.site, atTheDesk, visit{path: path}).answered())
		}
		t.Logf("%s: %s", path, best.Round(100*time.Microsecond))
		if best > answerLimit {
			t.Errorf("%s: the first byte of the page came after %s, with %d relationships; the limit is %s", path, best, *manyRecords, answerLimit)
		}
	}
}
