package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

const signInPath = "/console/sign-in"

func (c *Console) addSignIn() {
	c.mux.HandleFunc("GET "+signInPath, c.handle(func(v *visit) error {
		if v.Request.FormValue("lost") != "" && v.secret() == "" {
			return v.showSignIn(http.StatusOK, v.T("signin.noCookie"))
		}
		return v.showSignIn(http.StatusOK, "")
	}))
	c.mux.HandleFunc("POST "+signInPath, c.handle(signIn))
	c.mux.HandleFunc("GET "+signInPath+"/leave", c.handle(leaveToSignIn))
	c.mux.HandleFunc("GET "+signInPath+"/done", c.handle(returnFromSignIn))
	c.mux.HandleFunc("POST /console/sign-out", c.handle(signOut))
}

// showSignIn asks for a token, and says why the last one did not do.
func (v *visit) showSignIn(status int, fault string) error {
	leave := ""
	if v.Request.URL.Query().Has(leftQuery) {
		leave = v.console.Door.SignOutAt(v.Request)
	}
	return v.showAs(status, "signin", map[string]any{"Next": ours(v.Request.FormValue("next")), "Fault": fault, "Issuer": v.console.Door.SignsInAt(), "Leave": leave})
}

// signIn begins a session for whoever has typed in a token.
func signIn(v *visit) error {
	token := pasted(v.Request.PostFormValue("token"))
	if token == "" {
		return v.showSignIn(http.StatusUnprocessableEntity, v.T("signin.empty"))
	}
	secret, ends, err := v.console.Door.SignIn(v.Request, token, v.secret())
	if err != nil {
		return v.signInFailed(err)
	}
	v.keep(secretCookie, secret, ends)
	return v.goTo(ours(v.Request.PostFormValue("next")), nil)
}

// leftQuery marks the way back from signing out for those whom an issuer vouched for: it still knows them.
const leftQuery = "left"

// pasted is a token as people paste it: terminals break it into lines, and scripts have it behind the word of their header. No token has blanks in it.
func pasted(text string) string {
	words := strings.Fields(text)
	if len(words) > 1 && strings.EqualFold(words[0], "Bearer") {
		words = words[1:]
	}
	return strings.Join(words, "")
}

// signInTakes is how long somebody has to sign in at an issuer.
const signInTakes = 10 * time.Minute

// leaveToSignIn sends the visitor to the issuer.
func leaveToSignIn(v *visit) error {
	next, again := ours(v.Request.FormValue("next")), v.Request.URL.Query().Has(againQuery)
	address, kept, err := v.console.Door.LeaveToSignIn(v.Request, next, again)
	if err != nil && again { // their session is good for a while yet, and the issuer may be back by then
		v.keep(laterCookie, "1", v.Wall.Add(askLater))
		return v.goTo(next, nil)
	}
	if err != nil {
		return v.signInFailed(err)
	}
	v.keep(attemptCookie, kept, v.Wall.Add(signInTakes))
	http.Redirect(v.w, v.Request, address, http.StatusSeeOther) //nolint:gosec // the issuer that the operator has named
	return nil
}

// returnFromSignIn lets in whoever has signed in there.
func returnFromSignIn(v *visit) error {
	v.keep(attemptCookie, "", time.Time{})
	secret, back, ends, err := v.console.Door.ReturnFromSignIn(v.Request, v.cookie(attemptCookie), v.secret())
	if err != nil {
		return v.signInFailed(err)
	}
	v.keep(secretCookie, secret, ends)
	return v.goTo(ours(back), nil)
}

// askToSignIn sends somebody to where they sign in, and afterwards back here. Whoever comes from there without a cookie has signed in in
// vain, and is told.
func (v *visit) askToSignIn() {
	query := url.Values{"next": {v.Request.URL.RequestURI()}}
	if from, err := url.Parse(v.Request.Referer()); err == nil && from.Host == v.Request.Host && strings.HasPrefix(from.Path, signInPath) && v.secret() == "" {
		query.Set("lost", "cookie")
	}
	http.Redirect(v.w, v.Request, signInPath+"?"+query.Encode(), http.StatusSeeOther)
}

// signInFailed shows why, where they can try again.
func (v *visit) signInFailed(err error) error {
	var refused explained
	if errors.As(err, &refused) {
		return v.showSignIn(refused.GetStatus(), v.explain(refused))
	}
	return err
}

// signOut ends the session, here and in the store.
func signOut(v *visit) error {
	if secret := v.secret(); secret != "" {
		if err := v.console.Door.SignOut(v.Request, secret); err != nil {
			return err
		}
	}
	v.keep(secretCookie, "", time.Time{})
	after := signInPath
	if v.console.Door.SignsInAt() != "" {
		after += "?" + leftQuery
	}
	return v.goTo(after, &flash{true, v.T("signin.out")})
}

const (
	againQuery = "again"
	askLater   = 5 * time.Minute // while the issuer does not answer
)

// shouldAskAgain says whether the issuer that vouched for the visitor should say whether it still does, before they see the page.
// What is no page in a window of theirs cannot be sent there.
func (v *visit) shouldAskAgain() bool {
	if v.Request.Method != http.MethodGet || !v.Session.Stale(v.Wall) || v.console.Door.SignsInAt() == "" || v.cookie(laterCookie) != "" {
		return false
	}
	if mode := v.Request.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && v.Request.Header.Get("Sec-Fetch-Dest") == "document"
	}
	return strings.Contains(v.Request.Header.Get("Accept"), "text/html")
}

// askAgain sends the visitor to the issuer, which sends them back at once. It is a page that goes on by itself and no redirect: the page
// may follow upon a form, and of those browsers let no redirect lead to another site (form-action).
func (v *visit) askAgain() error {
	to := signInPath + "/leave?" + url.Values{againQuery: {"1"}, "next": {ours(v.Request.URL.RequestURI())}}.Encode()
	page, err := v.console.pages[v.Lang].make("again", v, map[string]any{"To": to, "Issuer": v.console.Door.SignsInAt()})
	if err != nil {
		return err
	}
	v.w.Header().Set("Refresh", "0; url="+to)
	return v.send(http.StatusOK, page) // what the page was to tell of, it still is
}

// ours is a path of the console to go to, or the first page: nobody is sent to another site.
func ours(path string) string {
	odd := strings.ContainsRune(path, '\\') || strings.ContainsFunc(path, unicode.IsControl)
	if path == "/" || !odd && strings.HasPrefix(path, "/console/") && !strings.HasPrefix(path, signInPath) {
		return path
	}
	return "/"
}

// addPreferences lets everybody choose a language and a theme.
func (c *Console) addPreferences() {
	c.mux.HandleFunc("POST /console/preferences", c.handle(func(v *visit) error {
		year := v.Wall.AddDate(1, 0, 0)
		for _, l := range languages {
			if v.Request.PostFormValue("lang") == string(l) {
				v.keep(langCookie, string(l), year)
			}
		}
		switch theme := v.Request.PostFormValue("theme"); theme {
		case "light", "dark":
			v.keep(themeCookie, theme, year)
		case "system":
			v.keep(themeCookie, "", time.Time{})
		}
		back := v.Request.PostFormValue("back")
		if strings.HasPrefix(back, signInPath) {
			return v.goTo(back, nil)
		}
		return v.goTo(ours(back), nil)
	}))
}
