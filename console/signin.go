package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
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
	return v.showAs(status, "signin", map[string]any{"Next": ours(v.Request.FormValue("next")), "Fault": fault, "Issuer": v.console.Door.SignsInAt()})
}

// signIn begins a session for whoever has typed in a token.
func signIn(v *visit) error {
	token := pasted(v.Request.PostFormValue("token"))
	if token == "" {
		return v.showSignIn(http.StatusUnprocessableEntity, v.T("signin.empty"))
	}
	secret, ends, err := v.console.Door.SignIn(v.Request, token)
	if err != nil {
		return v.signInFailed(err)
	}
	v.keep(secretCookie, secret, ends)
	return v.goTo(ours(v.Request.PostFormValue("next")), nil)
}

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
	address, kept, err := v.console.Door.LeaveToSignIn(v.Request, ours(v.Request.FormValue("next")))
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
	secret, back, ends, err := v.console.Door.ReturnFromSignIn(v.Request, v.cookie(attemptCookie))
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
	return v.goTo(signInPath, &flash{true, v.T("signin.out")})
}

// ours is a path of the console to go to, or the first page: nobody is sent to another site.
func ours(path string) string {
	if path == "/" || strings.HasPrefix(path, "/console/") && !strings.HasPrefix(path, signInPath) {
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
