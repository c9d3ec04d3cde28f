package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
)

// mostStops bounds a walk through a page with the Tab key.
const mostStops = 400

// mostParts is how many stops there may be within one element: a date has its day, its month, its year and its calendar.
const mostParts = 4

// A stop is where the focus rests when somebody goes through a page with the Tab key.
type stop struct {
	Number  int // one for each element; 0: nowhere in the page
	Where   string
	Covered string // why it cannot be seen; empty: it can
	Marked  bool   // it looks different than without the focus
	Name    string // what a screen reader says
}

// walk goes through the page that is there with the Tab key, until the focus leaves it. It answers with the stops, and with what is wrong with them.
func (tb *tab) walk() (stops []stop, faults []string) {
	tb.t.Helper()
	tb.within(3*visitLimit, "walking with the Tab key", func(ctx context.Context) error {
		if _, err := ask[any](ctx, "eyes.rest()"); err != nil {
			return err
		}
		parts := 1
		for range mostStops {
			s, err := tb.press(ctx, "\t")
			switch {
			case err != nil:
				return err
			case s.Number == 0:
				return nil // once around
			case s.Number == len(stops) && parts < mostParts:
				parts++
				continue
			case s.Number <= len(stops):
				faults = append(faults, fmt.Sprintf("trap: the focus goes from %s back to %s, and never leaves the page", stops[len(stops)-1].Where, s.Where))
				return nil
			}
			parts = 1
			stops = append(stops, s)
			faults = append(faults, s.faults()...)
		}
		faults = append(faults, fmt.Sprintf("more than %d stops", mostStops))
		return nil
	})
	return stops, faults
}

// press presses a key, and looks where the focus is then.
func (tb *tab) press(ctx context.Context, key string) (stop, error) {
	if err := chromedp.Do(ctx, chromedp.KeyEvent(key)); err != nil {
		return stop{}, err
	}
	s, err := ask[stop](ctx, "eyes.stop()")
	if err != nil || s.Number == 0 {
		return s, err
	}
	s.Name, err = activeName(ctx)
	return s, err
}

// activeName is what a screen reader says of the element that has the focus.
func activeName(ctx context.Context) (string, error) {
	element, err := evaluate(ctx, "eyes.active()", false)
	if err != nil || element.ObjectID == "" {
		return "", err
	}
	alone := false
	tree, err := chromedp.Call(ctx, accessibility.GetPartialAXTree, accessibility.GetPartialAXTreeParams{ObjectID: element.ObjectID, FetchRelatives: &alone})
	if err != nil || len(tree.Nodes) == 0 || tree.Nodes[0].Name == nil {
		return "", err
	}
	var name string
	return name, json.Unmarshal(tree.Nodes[0].Name.Value, &name)
}

func (s stop) faults() (all []string) {
	if s.Covered != "" {
		all = append(all, fmt.Sprintf("focus cannot be seen: %s %s", s.Where, s.Covered))
	}
	if !s.Marked {
		all = append(all, fmt.Sprintf("focus cannot be seen: %s looks the same with and without it", s.Where))
	}
	if strings.TrimSpace(s.Name) == "" {
		all = append(all, fmt.Sprintf("%s has no accessible name", s.Where))
	}
	return all
}
