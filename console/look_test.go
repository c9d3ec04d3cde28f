package console_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/console"
	"github.com/tenure-dev/tenure/lifecycle"
)

// A vast store holds so many relationships, by their keys, of which every so many-th is wanted.
type vastStore struct {
	console.Store
	holds, every int64
	looks        []int // how far each look was to go
}

func (s *vastStore) Listed(_ context.Context, q lifecycle.Listing) (found []lifecycle.Listed, reached *lifecycle.Listed, err error) {
	s.looks = append(s.looks, q.Look)
	var key int64
	if q.After != nil {
		key = q.After.Key
	}
	for last := key + int64(q.Look); key < s.holds; {
		key++
		one := lifecycle.Listed{Stored: lifecycle.Stored{Key: key, Record: active(int(key), start)}}
		if key%s.every == 0 {
			found = append(found, one)
		}
		if len(found) == q.Limit {
			return found, nil, nil
		}
		if key == last && key < s.holds {
			return found, &one, nil
		}
	}
	return found, nil, nil
}

func TestWhatIsRareIsLookedForFurtherUntilAllIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &vastStore{holds: 1_000_000, every: 7_000}
		c, err := console.New(console.Options{Store: store, Door: openDoor{}, Policy: lifecycle.DefaultPolicy(), Now: time.Now, Wall: time.Now,
			Condition: func(context.Context) lifecycle.Condition { return lifecycle.Condition{} }, Written: func(lifecycle.Filter) string { return "" }})
		require.NoError(t, err)
		further := regexp.MustCompile(`href="([^"]+)" rel="next"( data-look)?`)
		var names []string
		path, pages := list+"?sort=arrival&extend=on", 0
		for ; path != "" && pages < 10; pages++ {
			answer := httptest.NewRecorder()
			c.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			require.Equal(t, http.StatusOK, answer.Code)
			body := answer.Body.String()
			for _, m := range rowName.FindAllStringSubmatch(body, -1) {
				names = append(names, m[1])
			}
			path = ""
			if m := further.FindStringSubmatch(body); m != nil {
				path = html.UnescapeString(m[1])
				require.Equal(t, pages == 0, m[2] != "", "the first page comes at once, the others look until they are full")
				require.Equal(t, pages == 0, regexp.MustCompile("only a part was looked through").MatchString(body))
			}
			if pages == 0 {
				require.Len(t, store.looks, 1, "one look is enough for a page that has to come at once")
				require.Len(t, names, 1)
			}
		}
		var want []string
		for key := store.every; key <= store.holds; key += store.every {
			want = append(want, fmt.Sprintf("Contoso desk %03d", key))
		}
		require.Equal(t, want, names)
		require.Greater(t, store.looks[1], store.looks[0])
	})
}

func TestNothingSoFarIsNotNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for holds, said := range map[int64]string{1_000_000: "Nothing found so far.", 5_000: "No relationship matches."} {
			c, err := console.New(console.Options{Store: &vastStore{holds: holds, every: holds + 1}, Door: openDoor{}, Policy: lifecycle.DefaultPolicy(), Now: time.Now, Wall: time.Now,
				Condition: func(context.Context) lifecycle.Condition { return lifecycle.Condition{} }, Written: func(lifecycle.Filter) string { return "" }})
			require.NoError(t, err)
			answer := httptest.NewRecorder()
			c.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, list+"?sort=arrival", nil))
			require.Contains(t, answer.Body.String(), said)
		}
	})
}
