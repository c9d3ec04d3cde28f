package console_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/httpapi"
)

func TestWithoutTokensThisMachineIsLetIn(t *testing.T) {
	w := newWorld(t)
	p := w.get(w.anyone, "/")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, "All is well")
	p = w.get(w.anyone, "/", "X-Forwarded-For", "192.0.2.7")
	require.Equal(t, http.StatusForbidden, p.status, "through a proxy nobody is")
	p = w.get(w.anyone, "/", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, p.status, "nor a page of another site")
}

func TestWhoHasNotSignedInIsAskedToAndComesBack(t *testing.T) {
	w := newWorld(t)
	token := w.token("ops", "manage")
	p := w.get(w.anyone, "/?a=b")
	require.Equal(t, http.StatusSeeOther, p.status)
	require.Equal(t, "/console/sign-in?next=%2F%3Fa%3Db", p.header.Get("Location"))
	p = w.get(w.anyone, p.header.Get("Location"))
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, `name="next" value="/"`, "only paths of ours")

	p = w.post(w.anyone, "/console/sign-in", "token", " "+token+"\n", "next", "/console/x?y=1")
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, "/console/x?y=1", p.header.Get("Location"))
	cookie := p.header.Get("Set-Cookie")
	for _, attribute := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		require.Contains(t, cookie, attribute)
	}
	require.NotContains(t, cookie, token)
	require.Equal(t, http.StatusOK, w.get(w.anyone, "/").status)
}

func TestTokensAreTakenAsTheyArePasted(t *testing.T) {
	w := newWorld(t)
	token := w.token("ops", "manage")
	for _, text := range []string{token, "\t" + token + "\r\n", token[:20] + "\n" + token[20:], token[:20] + " \r\n  " + token[20:], "Bearer " + token, "bearer\n" + token} {
		p := w.post(w.visitor(), "/console/sign-in", "token", text)
		require.Equal(t, http.StatusSeeOther, p.status, "%q", text)
	}
	p := w.post(w.visitor(), "/console/sign-in", "token", token+" and more")
	require.Equal(t, http.StatusUnauthorized, p.status)
}

func TestWhoseBrowserKeepsNoCookiesIsTold(t *testing.T) {
	w := newWorld(t)
	token := w.token("ops", "manage")
	forgetful := w.visitor()
	forgetful.Jar = nil
	p := w.post(forgetful, "/console/sign-in", "token", token, "next", "/console/notices")
	p = w.get(forgetful, p.header.Get("Location"), "Referer", w.server.URL+"/console/sign-in?next=%2Fconsole%2Fnotices")
	require.Equal(t, http.StatusSeeOther, p.status)
	p = w.get(forgetful, p.header.Get("Location"))
	require.Contains(t, p.body, "Allow cookies for this site")
	require.Contains(t, p.body, `name="next" value="/console/notices"`)
	for _, from := range []string{"", "https://evil.example/console/sign-in", w.server.URL + "/console/notices"} {
		p = w.get(forgetful, "/console/notices", "Referer", from)
		require.NotContains(t, p.header.Get("Location"), "lost", "they have only not signed in yet")
	}
}

func TestWhoIsLostFindsBack(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/console", "/console/"} {
		p := w.get(w.anyone, path)
		require.Equal(t, http.StatusSeeOther, p.status)
		require.Equal(t, "/", p.header.Get("Location"))
	}
	for _, path := range []string{"/console/nothing", "/nothing", "/v1/nothing", "/relationships"} {
		p := w.get(w.anyone, path, "Accept", "text/html,*/*;q=0.8")
		require.Equal(t, http.StatusNotFound, p.status)
		require.Contains(t, p.body, `href="/">Back to Today</a>`, path)
	}
	require.Contains(t, w.get(w.anyone, "/nothing").header.Get("Content-Type"), "application/problem+json", "programs are told in their way")
	require.Contains(t, w.get(w.anyone, "/v1/status", "Accept", "text/html").header.Get("Content-Type"), "application/json", "and what there is stays what it is")
}

func TestSignInRefusesWhoMayNotLook(t *testing.T) {
	w := newWorld(t)
	w.token("ops", "manage")
	for _, c := range []struct {
		token  string
		status int
		says   string
	}{
		{"", http.StatusUnprocessableEntity, "Paste a token"},
		{"tnr_wrong", http.StatusUnauthorized, "no token of tenure"},
		{"tnr_" + strings.Repeat("x", 43), http.StatusUnauthorized, "not known"},
		{w.token("sweeps", "sweep"), http.StatusForbidden, "needs the scope"},
	} {
		p := w.post(w.anyone, "/console/sign-in", "token", c.token)
		require.Equal(t, c.status, p.status, p.body)
		require.Contains(t, p.body, c.says)
		require.Equal(t, http.StatusSeeOther, w.get(w.anyone, "/").status, "nobody is in")
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	ops := w.signedIn("ops", "manage")
	require.Equal(t, http.StatusOK, w.get(ops, "/").status)
	t.Run("when their time is over", func(t *testing.T) {
		w.advance(13 * time.Hour)
		require.Equal(t, http.StatusSeeOther, w.get(ops, "/").status)
	})
	t.Run("when their token is revoked", func(t *testing.T) {
		reader := w.signedIn("reader", "read")
		require.Equal(t, http.StatusOK, w.get(reader, "/").status)
		require.NoError(t, w.db.RevokeToken(t.Context(), "reader", w.clock()))
		require.Equal(t, http.StatusSeeOther, w.get(reader, "/").status)
	})
	t.Run("when they sign out, whatever they kept", func(t *testing.T) {
		again := w.signedIn("again", "read")
		kept := again.Jar.Cookies(mustURL(t, w.server.URL))
		require.Equal(t, http.StatusSeeOther, w.post(again, "/console/sign-out").status)
		require.Equal(t, http.StatusSeeOther, w.get(again, "/").status)
		again.Jar.SetCookies(mustURL(t, w.server.URL), kept)
		require.Equal(t, http.StatusSeeOther, w.get(again, "/").status)
	})
}

// What somebody was typing when their session ended is there once they have signed in again.
func TestWhatWasTypedIsThereAfterSigningInAgain(t *testing.T) {
	w := newWorld(t)
	ops := w.signedIn("ops", "manage")
	const tenant = "22222222-2222-4222-8222-222222222222"
	require.Equal(t, http.StatusSeeOther, w.post(ops, "/console/contacts/edit", "tenant", tenant, "role", "adminAgent", "mail", "ann@contoso.example", "name", "Ann", "digest", "none").status)
	for _, c := range []struct {
		page  string
		typed []string
		shows []string
	}{
		{"/console/sweeps/rules/end-term/pause", []string{"reason", "legal & co <say so>"}, []string{">legal &amp; co &lt;say so&gt;</textarea>"}},
		{"/console/contacts/edit?tenant=" + tenant + "&role=adminAgent", []string{"tenant", tenant, "role", "adminAgent", "mail", "bob@contoso.example", "name", "Bob", "digest", "daily"},
			[]string{`value="bob@contoso.example"`, `value="Bob"`, `<option value="daily" selected`, ">Add a contact<"}},
		{"/console/contacts/edit?tenant=" + tenant + "&role=adminAgent&mail=ann@contoso.example",
			[]string{"known", "yes", "tenant", tenant, "role", "adminAgent", "mail", "ann@contoso.example", "name", "Ann Other", "digest", "weekly"},
			[]string{`value="Ann Other"`, `<option value="weekly" selected`, "Change ann@contoso.example"}},
	} {
		require.Equal(t, http.StatusOK, w.get(ops, c.page).status, c.page)
		require.Equal(t, http.StatusSeeOther, w.post(ops, "/console/sign-out").status)
		form := url.Values{}
		for i := 0; i < len(c.typed); i += 2 {
			form.Set(c.typed[i], c.typed[i+1])
		}
		path, _, _ := strings.Cut(c.page, "?")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		p := w.do(ops, r, []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Referer", w.server.URL + c.page})
		require.Equal(t, http.StatusUnauthorized, p.status)
		require.Contains(t, p.body, "Sign in first; nothing was changed.")
		link := regexp.MustCompile(`/console/sign-in\?next=([^"]*)"`).FindStringSubmatch(p.body)
		require.Len(t, link, 2, p.body)
		next, err := url.QueryUnescape(html.UnescapeString(link[1]))
		require.NoError(t, err)
		p = w.post(ops, "/console/sign-in", "token", w.token("ops of "+c.page, "manage"), "next", next)
		require.Equal(t, http.StatusSeeOther, p.status, p.body)
		require.Equal(t, next, p.header.Get("Location"))
		p = w.get(ops, next)
		require.Equal(t, http.StatusOK, p.status, p.body)
		for _, shown := range c.shows {
			require.Contains(t, p.body, shown, c.page)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	ops := w.signedIn("ops", "manage")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/console/sign-out", nil)
	require.NoError(t, err)
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "nonsense"},
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", w.server.URL + ".evil.example"},
		{"Sec-Fetch-Site", "cross-site", "Origin", w.server.URL},
		{}, {"Referer", w.server.URL + "/"}, // a browser of before 2020
	} {
		p := w.do(ops, r.Clone(t.Context()), headers)
		require.Equal(t, http.StatusForbidden, p.status, headers)
	}
	require.Equal(t, http.StatusOK, w.get(ops, "/").status, "they are still in")
	for _, headers := range [][]string{{"Origin", w.server.URL}, {"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "same-origin"}} {
		require.Equal(t, http.StatusSeeOther, w.do(ops, r.Clone(t.Context()), headers).status, headers)
	}
}

// TestFormsAreTakenBehindAProxyThatCallsUsSomethingElse is of browsers that send Origin alone.
func TestFormsAreTakenBehindAProxyThatCallsUsSomethingElse(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.PublicURL = "https://tenure.example.com" })
	ops := w.signedIn("ops", "manage")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/console/sign-out", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, w.do(ops, r.Clone(t.Context()), []string{"Origin", "https://tenure.example.com.evil.example"}).status)
	require.Equal(t, http.StatusForbidden, w.do(ops, r.Clone(t.Context()), []string{"Origin", "http://tenure.example.com"}).status)
	require.Equal(t, http.StatusSeeOther, w.do(ops, r.Clone(t.Context()), []string{"Origin", "https://tenure.example.com"}).status)
}

func TestNobodyIsSentToAnotherSiteAfterSigningIn(t *testing.T) {
	w := newWorld(t)
	token := w.token("ops", "manage")
	for next, want := range map[string]string{
		"/console/x?y=1": "/console/x?y=1", "/": "/", "": "/", "/console/sign-in": "/", "/console/sign-in/leave?again=1": "/",
		"https://evil.example/": "/", "//evil.example/console/": "/", `/\evil.example`: "/", `\/evil.example`: "/", "/consolex": "/", "/v1/sweeps": "/",
		"javascript:alert(1)": "/", "/console/\r\nSet-Cookie: a=b": "/", `/console/\evil.example`: "/",
	} {
		p := w.post(w.visitor(), "/console/sign-in", "token", token, "next", next)
		require.Equal(t, http.StatusSeeOther, p.status)
		require.Equal(t, want, p.header.Get("Location"), next)
	}
	for _, next := range []string{"/console/..//evil.example", "/console/%2f%2fevil.example", "/console/@evil.example"} {
		p := w.post(w.visitor(), "/console/sign-in", "token", token, "next", next)
		to, err := mustURL(t, w.server.URL+"/console/sign-in").Parse(strings.ReplaceAll(p.header.Get("Location"), `\`, "/"))
		require.NoError(t, err)
		require.Equal(t, w.server.URL, to.Scheme+"://"+to.Host, "as a browser reads %q", next)
		require.Len(t, p.header["Location"], 1)
	}
}

func TestCookiesAreBoundToTheHostWhereThereIsTLS(t *testing.T) {
	w := newWorld(t)
	browser, token := w.visitor(), w.token("ops", "manage")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/console/sign-in", strings.NewReader("token="+token))
	require.NoError(t, err)
	p := w.do(browser, r, []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "X-Forwarded-Proto", "https"})
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	cookie, err := http.ParseSetCookie(p.header.Get("Set-Cookie"))
	require.NoError(t, err)
	require.Equal(t, "__Host-tenure_session", cookie.Name)
	require.True(t, cookie.Secure && cookie.HttpOnly)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	get := func(headers ...string) int { return w.get(w.visitor(), "/", headers...).status }
	require.Equal(t, http.StatusOK, get("X-Forwarded-Proto", "https", "Cookie", "__Host-tenure_session="+cookie.Value))
	require.Equal(t, http.StatusSeeOther, get("X-Forwarded-Proto", "https", "Cookie", "tenure_session="+cookie.Value), "a sibling of the domain could have set it")
}

func TestASessionThatSomebodyElseHasChosenIsNotGoneOnWith(t *testing.T) {
	w := newWorld(t)
	token := w.token("ops", "manage")
	browser := w.visitor()
	browser.Jar.SetCookies(mustURL(t, w.server.URL), []*http.Cookie{{Name: "tenure_session", Value: "chosen", Path: "/"}})
	require.Equal(t, http.StatusSeeOther, w.post(browser, "/console/sign-in", "token", token).status)
	require.NotEqual(t, "chosen", browser.Jar.Cookies(mustURL(t, w.server.URL))[0].Value)
	before := browser.Jar.Cookies(mustURL(t, w.server.URL))
	require.Equal(t, http.StatusSeeOther, w.post(browser, "/console/sign-in", "token", token).status)
	require.NotEqual(t, before[0].Value, browser.Jar.Cookies(mustURL(t, w.server.URL))[0].Value, "who signs in again gets another secret")
	old := w.visitor()
	old.Jar.SetCookies(mustURL(t, w.server.URL), before)
	require.Equal(t, http.StatusSeeOther, w.get(old, "/").status, "and the one before is good for nothing")
}

func TestWhoCannotSignInIsKeptAndSlowedDown(t *testing.T) {
	w := newWorld(t)
	token := w.token("ops", "manage")
	for n := range 30 {
		require.Equal(t, http.StatusUnauthorized, w.post(w.anyone, "/console/sign-in", "token", "tnr_"+strings.Repeat("x", 43)).status, n)
	}
	p := w.post(w.anyone, "/console/sign-in", "token", token)
	require.Equal(t, http.StatusTooManyRequests, p.status)
	require.Contains(t, wordsOf(p), "Wait")
	w.advance(2 * time.Second)
	ops := w.visitor()
	require.Equal(t, http.StatusSeeOther, w.post(ops, "/console/sign-in", "token", token).status)
	page := wordsOf(w.get(ops, "/console/activity/operators?refused=true"))
	require.Equal(t, 1, strings.Count(page, "Signed in to the console"), page)
	require.Contains(t, page, "The token is not known, or not any more. 30 times within an hour")
	require.Contains(t, page, "127.0.0.1")
}

func TestWhoseSessionHasEndedWatchesNoMore(t *testing.T) {
	w := newWorld(t)
	w.token("another", "read") // or else this machine is let in when the last one is revoked
	ops := w.signedIn("ops", "manage")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/console/live/today", nil)
	require.NoError(t, err)
	res, err := ops.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "text/event-stream; charset=utf-8", res.Header.Get("Content-Type"))
	require.NoError(t, w.db.RevokeToken(t.Context(), "ops", w.clock()))
	w.advance(16 * time.Second)
	read := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, res.Body); read <- err }()
	select {
	case err := <-read:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		require.Fail(t, "they still watch")
	}
}

func TestCookiesOpenNothingButTheConsole(t *testing.T) {
	w := newWorld(t)
	ops := w.signedIn("ops", "manage")
	require.Equal(t, http.StatusUnauthorized, w.get(ops, "/v1/sweeps").status)
}
