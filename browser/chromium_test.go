package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var (
	// eyes is what runs beside each page and looks at it.
	//go:embed testdata/eyes.js
	eyes string
	// axe is the accessibility checker, as its authors publish it: the package axe-core, version 4.14.1.
	//go:embed testdata/axe/axe.min.js
	axe string
)

// world is the name of the scripts' world beside the page's own.
const world = "eyes"

// A chromium is the one browser of a run. It is started when the first test asks for it, and ends with the run.
type chromium struct {
	ctx       context.Context
	userAgent string
	stop      func()
}

var theBrowser = sync.OnceValues(startChromium)

func startChromium() (*chromium, error) {
	program, err := chromiumProgram()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // root cannot have one, nor can many containers; only our own pages are opened
		// Neither a page nor the browser itself gets further than this machine.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("font-render-hinting", "none"),
	)
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	c := &chromium{ctx: ctx, stop: func() { cancel(); end() }}
	if err := chromedp.Do(ctx); err != nil {
		c.stop()
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	version, err := chromedp.CallBrowser(ctx, browser.GetVersion, cdp.Empty{})
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("asking the browser for its version: %w", err)
	}
	atTheEnd.add(c.stop)
	c.userAgent = version.UserAgent
	return c, nil
}

// chromiumProgram finds the browser. A test without it fails: one that skips is green for no reason.
func chromiumProgram() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", errors.New("there is no Chromium; run scripts/test-deps browser, or install Debian's package chromium")
}

// A tab is one place in which pages are visited, with cookies of its own. It closes with its test.
type tab struct {
	t       *testing.T
	ctx     context.Context
	browser *chromium
	wears   guise

	medium   string                    // that pages are shown on, "print"; empty: a screen
	features []*emulation.MediaFeature // what the reader's system says of itself, beside theme and motion

	answers sync.WaitGroup // to dialogs
	mu      sync.Mutex
	log     *record
}

// A guise is as whom a tab visits which site.
type guise struct {
	site site
	look look
}

// open opens a tab.
func open(t *testing.T) *tab {
	t.Helper()
	c, err := theBrowser()
	require.NoError(t, err)
	tb := &tab{t: t, browser: c, log: newRecord()}
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(tb.hear))
	t.Cleanup(func() { cancel(); tb.answers.Wait() })
	tb.ctx = ctx
	require.NoError(t, chromedp.Do(ctx), "opening a tab")
	for _, step := range []func(context.Context) error{
		call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: eyes, WorldName: world}),
		call(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}),
		call(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
	} {
		require.NoError(t, step(ctx))
	}
	return tb
}

// call is a command to the tab whose answer says nothing.
func call[P, R any](command cdp.Command[P, R], params P) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, command, params)
		return err
	}
}

// within runs something that has a time limit, and names it if it fails.
func (tb *tab) within(limit time.Duration, what string, do func(context.Context) error) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, limit)
	defer cancel()
	require.NoError(tb.t, do(ctx), what)
}

// ask evaluates an expression beside the page's own scripts, waits if it is a promise, and reads the answer into a T.
func ask[T any](ctx context.Context, expression string) (answer T, err error) {
	object, err := evaluate(ctx, expression, true)
	if err != nil || object.Type == runtime.RemoteObjectTypeUndefined {
		return answer, err
	}
	return answer, json.Unmarshal(object.Value, &answer)
}

func evaluate(ctx context.Context, expression string, byValue bool) (*runtime.RemoteObject, error) {
	tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return nil, err
	}
	beside, err := chromedp.Call(ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: world})
	if err != nil {
		return nil, err
	}
	yes := true
	result, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, ContextID: beside.ExecutionContextID, AwaitPromise: &yes, ReturnByValue: &byValue,
	})
	switch {
	case err != nil:
		return nil, err
	case result.ExceptionDetails != nil:
		return nil, fmt.Errorf("%s: %s", expression[:min(len(expression), 60)], said(result.ExceptionDetails))
	}
	return result.Result, nil
}

// The fonts that the console's readers have are there, so that what is looked at is what they see.
func TestTheBrowserCanWriteItAll(t *testing.T) {
	tb := open(t)
	const differs = `(() => {
	  const draw = (text) => {
	    const c = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	    c.font = "32px sans-serif";
	    c.fillText(text, 10, 60);
	    return c.getImageData(0, 0, 200, 100).data.join();
	  };
	  return draw(%q) !== draw("\u{10FFFE}");
	})()`
	for script, letter := range map[string]string{"Latin": "a", "Japanese": "日", "Arabic": "ع", "Hebrew": "ש"} {
		tb.within(visitLimit, script, func(ctx context.Context) error {
			drawn, err := ask[bool](ctx, fmt.Sprintf(differs, letter))
			if err == nil && !drawn {
				err = fmt.Errorf("no font has %q; run scripts/test-deps browser, or install Debian's fonts-dejavu-core and fonts-ipafont-gothic", letter)
			}
			return err
		})
	}
}
