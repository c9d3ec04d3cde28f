package console_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

func TestPagesForbidWhatTheyDoNotNeed(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/", "/console/sign-in", "/console/nothing-here"} {
		p := w.get(w.anyone, path)
		policy := p.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "nosniff", p.header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", p.header.Get("Cache-Control"))
		require.NotRegexp(t, `(?i)<script(>|[^>]*>[^<])|\son\w+=|\sstyle=|javascript:`, p.body, "scripts and styles stand in files of their own")
	}
}

func TestAssetsAreKeptForEverUnderTheirHash(t *testing.T) {
	w := newWorld(t)
	body := w.get(w.anyone, "/").body
	assets := regexp.MustCompile(`/console/assets/[^"]+`).FindAllString(body, -1)
	require.NotEmpty(t, assets)
	for _, path := range assets {
		p := w.get(w.anyone, path)
		require.Equal(t, http.StatusOK, p.status, path)
		require.Contains(t, p.header.Get("Cache-Control"), "immutable")
		require.NotEmpty(t, p.header.Get("Content-Type"))
	}
	require.Equal(t, http.StatusNotFound, w.get(w.anyone, "/console/assets/000000000000/console.css").status)
}

func TestLanguageAndThemeAreChosen(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, w.get(w.anyone, "/", "Accept-Language", "ja,en;q=0.5").body, `<html lang="ja">`)
	require.Contains(t, w.get(w.anyone, "/", "Accept-Language", "fr").body, `<html lang="en">`)
	p := w.post(w.anyone, "/console/preferences", "lang", "ja", "back", "https://evil.example/")
	require.Equal(t, "/", p.header.Get("Location"), "nobody is sent elsewhere")
	w.post(w.anyone, "/console/preferences", "theme", "dark", "back", "/")
	body := w.get(w.anyone, "/", "Accept-Language", "en").body
	require.Contains(t, body, `<html lang="ja" data-theme="dark">`)
	w.post(w.anyone, "/console/preferences", "theme", "system", "back", "/")
	require.NotContains(t, w.get(w.anyone, "/").body, `data-theme=`)
}

func TestEachPhraseIsSaidInEachLanguageAndUsed(t *testing.T) {
	files, err := os.ReadDir("words")
	require.NoError(t, err)
	fact := regexp.MustCompile(`\{\w+\}`)
	said := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile("words/" + f.Name())
		require.NoError(t, err)
		var phrases map[string]map[string]string
		require.NoError(t, yaml.Unmarshal(text, &phrases), f.Name())
		for key, p := range phrases {
			said[key] = true
			require.NotEmpty(t, p["en"], key)
			require.NotEmpty(t, p["ja"], key)
			require.ElementsMatch(t, fact.FindAllString(p["en"], -1), fact.FindAllString(p["ja"], -1), "%s: the languages speak of other facts", key)
			for kind := range p {
				require.Contains(t, []string{"en", "one", "ja"}, kind, key)
			}
		}
	}
	templates, err := os.ReadDir("templates")
	require.NoError(t, err)
	used := regexp.MustCompile(`\bt "([\w.-]+)"`)
	for _, f := range templates {
		text, err := os.ReadFile("templates/" + f.Name())
		require.NoError(t, err)
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			require.True(t, said[m[1]], "%s: %s", f.Name(), m[1])
		}
	}
}

func TestWhoLooksIsKeptUpToDate(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+"/console/live/today", nil)
	require.NoError(t, err)
	res, err := w.anyone.Do(r)
	require.NoError(t, err)
	defer res.Body.Close() //nolint:errcheck // it was only read
	require.Equal(t, "text/event-stream; charset=utf-8", res.Header.Get("Content-Type"))
	lines := bufio.NewScanner(res.Body)
	var event strings.Builder
	for lines.Scan() && lines.Text() != "" {
		require.True(t, strings.HasPrefix(lines.Text(), "data: "), lines.Text())
		event.WriteString(lines.Text())
	}
	require.Contains(t, event.String(), "All is well")
}

func TestTodaySaysThatTheDatabaseSaysNothing(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, wordsOf(w.get(w.anyone, "/")), "All is well")
	thawed := make(chan struct{})
	freeze := func(frozen func()) { w.mu.Lock(); defer w.mu.Unlock(); w.frozen = frozen }
	freeze(func() { <-thawed })
	w.advance(2 * time.Second) // what was seen is kept for a second
	p := w.get(w.anyone, "/")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, wordsOf(p), "Database away It cannot be read: it has not answered for 3s")
	freeze(nil)
	close(thawed)
	require.Eventually(t, func() bool { return strings.Contains(wordsOf(w.get(w.anyone, "/")), "All is well") }, 10*time.Second, 10*time.Millisecond)
}
