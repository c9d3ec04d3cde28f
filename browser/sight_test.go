package browser

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/network"
)

// looked is what eyes.look answers with.
type looked struct {
	At, Title, Language, Theme, ChosenTheme string

	Shifts []struct {
		Score    float64
		Moved    []string
		Arriving bool // the page was not there to its end yet
	}
	Width, Height int64
	Wide          []string // elements that reach beyond the right edge
	Clipped       []string // elements whose writing does not fit into them
	Moving        int      // animations under way
	Texts         []text
	Data          []string // what nobody is to translate
}

// A sight is what a visit saw.
type sight struct {
	site  site
	look  look
	visit visit

	looked
	record
	inaccessible []string // violations of what axe checks
	picture      []byte   // PNG
	took         time.Duration
}

// largestShift is by how much a page may move, all its shifts together. A hundred times as much is still called good; a row of a table that moves
// by its own height is more than this, a button that moves by a few pixels less.
const largestShift = 0.001

// largestShiftArriving is by how much it may move before its end has arrived. On a busy machine browsers show what they have meanwhile, and a table
// settles when its last rows are there. Twice as much is still called good.
const largestShiftArriving = 0.05

// answered is how long the server took from the request to the first byte of the page.
func (s *sight) answered() time.Duration {
	if s.document == nil || s.document.Timing == nil {
		return 0
	}
	t := s.document.Timing
	return time.Duration((t.ReceiveHeadersEnd - t.SendStart) * float64(time.Millisecond))
}

// faults are what somebody would stumble over, each with what is needed to find it.
func (s *sight) faults() []string {
	var all []string
	fault := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	list := func(what string, each []string) {
		for _, one := range each {
			fault("%s: %s", what, one)
		}
	}
	s.judgeDocument(fault)
	list("script", s.dialogs)
	list("console", s.console)
	list("content security policy", s.policy)
	list("request failed", s.failed)
	for _, address := range s.requested {
		if s.leadsAway(address) {
			fault("request to somebody else: %s", address)
		}
	}
	for arriving, limit := range map[bool]float64{true: largestShiftArriving, false: largestShift} {
		shifted, moved := 0.0, []string{}
		for _, shift := range s.Shifts {
			if shift.Arriving == arriving {
				shifted, moved = shifted+shift.Score, append(moved, shift.Moved...)
			}
		}
		if shifted > limit {
			fault("layout shift of %.4f: %s", shifted, strings.Join(moved, ", "))
		}
	}
	if s.Width > s.look.view.width {
		fault("%d pixels wide in a window of %d: %s", s.Width, s.look.view.width, strings.Join(s.Wide, ", "))
	}
	list("cut off", s.Clipped)
	if s.Moving > 0 {
		fault("%d animations, and little motion was wanted", s.Moving)
	}
	list("accessibility", s.inaccessible)
	list("not translated", untranslated(s.Texts, s.Data, s.look.language))
	slices.Sort(all)
	return slices.Compact(all)
}

// judgeDocument says whether the page is the one that was wanted, in the language and theme that were.
func (s *sight) judgeDocument(fault func(string, ...any)) {
	wanted := max(s.visit.status, 200)
	switch {
	case s.document == nil:
		fault("there was no answer")
	case s.document.Status != wanted:
		fault("status %d instead of %d", s.document.Status, wanted)
	}
	if s.document != nil && s.document.MimeType == "text/html" && !protects(s.document.Headers) {
		fault("there is no Content-Security-Policy")
	}
	if at, want := s.At, s.site.url+s.visit.path; at != want {
		fault("ended at %s instead of %s", at, want)
	}
	if strings.TrimSpace(s.Title) == "" {
		fault("the page has no title")
	}
	if language, _, _ := strings.Cut(s.Language, "-"); language != s.look.language {
		fault("the page says that its language is %q, and %q was wanted", s.Language, s.look.language)
	}
	if s.Theme != s.look.theme {
		fault("the page is %s, and %s was wanted", s.Theme, s.look.theme)
	}
	if s.look.chosen && s.ChosenTheme != s.look.theme {
		fault("data-theme is %q, and %q was chosen", s.ChosenTheme, s.look.theme)
	}
}

// leadsAway says whether an address is somebody else's. What a page carries in itself is its own.
func (s *sight) leadsAway(address string) bool {
	at, err := url.Parse(address)
	return err != nil || at.Scheme != "data" && at.Scheme != "blob" && at.Scheme+"://"+at.Host != s.site.url
}

// protects says whether among the headers is a policy of which scripts may run.
func protects(headers network.Headers) bool {
	for name := range headers {
		if strings.EqualFold(name, "Content-Security-Policy") {
			return true
		}
	}
	return false
}
