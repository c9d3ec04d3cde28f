package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A visit is one request of somebody who looks at the console, and what a page may show of it.
type visit struct {
	console *Console
	w       http.ResponseWriter

	Request *http.Request
	Session lifecycle.Session // the zero Session: they have not signed in
	Lang    language
	Theme   string    // light or dark; empty: as their system has it
	Now     time.Time // by the deployment's clock
	Wall    time.Time // by the machine's
	Flash   *flash    // what became of what they did last; nil: nothing to tell
}

// A flash is what a page tells once about what was done on the page before.
type flash struct {
	Good bool   `json:"good"`
	Text string `json:"text"`
}

const (
	secretCookie  = "tenure_session"
	attemptCookie = "tenure_sign_in"
	laterCookie   = "tenure_later"
	flashCookie   = "tenure_flash"
	langCookie    = "tenure_lang"
	themeCookie   = "tenure_theme"
)

func (c *Console) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{console: c, w: w, Request: r, Now: c.Now(), Wall: c.Wall()}
	v.Lang = languageOf(r)
	if theme := v.cookie(themeCookie); theme == "light" || theme == "dark" {
		v.Theme = theme
	}
	return v
}

func (v *visit) cookie(name string) string {
	c, err := v.Request.Cookie(v.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// secure says whether the visitor's browser reaches us over TLS, as far as we know.
func (v *visit) secure() bool {
	return v.Request.TLS != nil || v.Request.Header.Get("X-Forwarded-Proto") == "https" || v.console.PublicURL == "https://"+v.Request.Host ||
		strings.HasPrefix(v.console.PublicURL, "https://"+v.Request.Host+"/")
}

// cookieName is what browsers know a cookie as. With the prefix none takes it from anybody but this very host over TLS: not from another
// site under the same domain, which could otherwise put its own session in. Source: RFC 6265bis, section 4.1.3.2.
func (v *visit) cookieName(name string) string {
	if v.secure() {
		return "__Host-" + name
	}
	return name
}

// secret is what proves who they are.
func (v *visit) secret() string { return v.cookie(secretCookie) }

// keep sets a cookie that scripts cannot read and other sites cannot send along with a form, until an instant of the machine's clock; an
// empty one is forgotten. Browsers are told how long to keep it, since their clocks may differ.
func (v *visit) keep(name, value string, until time.Time) {
	c := &http.Cookie{Name: v.cookieName(name), Value: value, Path: "/", MaxAge: int(until.Sub(v.Wall).Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, //nolint:gosec // see Secure
		Secure: v.secure()} // without TLS there is nothing secure
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// May says whether the visitor may do what needs the scope; buttons that they may not press are not shown.
func (v *visit) May(scope string) bool { return v.Session.May(scope) }

// T says a phrase in the visitor's language; see [words.say].
func (v *visit) T(key string, facts ...any) string {
	return v.console.pages[v.Lang].words.say(key, facts...)
}

// show answers with a page, made whole before the first byte is sent.
func (v *visit) show(name string, body any) error { return v.showAs(http.StatusOK, name, body) }

func (v *visit) showAs(status int, name string, body any) error {
	v.takeFlash()
	page, err := v.console.pages[v.Lang].make(name, v, body)
	if err != nil {
		return err
	}
	return v.send(status, page)
}

func (v *visit) send(status int, page []byte) error {
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	if _, err := v.w.Write(page); err != nil { //nolint:gosec // html/template made it
		v.console.Logger.Debug("a page was not taken", "path", v.Request.URL.Path, "error", err)
	}
	return nil
}

// goTo sends the visitor to a page of ours, which tells what became of what they did.
func (v *visit) goTo(path string, told *flash) error {
	if told != nil {
		text, err := json.Marshal(told)
		if err != nil {
			return err
		}
		v.keep(flashCookie, base64.RawURLEncoding.EncodeToString(text), v.Wall.Add(time.Minute))
	}
	http.Redirect(v.w, v.Request, path, http.StatusSeeOther) //nolint:gosec // a path of ours; what visitors wish for has gone through ours()
	return nil
}

// done is goTo with good news.
func (v *visit) done(path, text string) error { return v.goTo(path, &flash{true, text}) }

func (v *visit) takeFlash() {
	raw, err := base64.RawURLEncoding.DecodeString(v.cookie(flashCookie))
	if err != nil || len(raw) == 0 {
		return
	}
	v.keep(flashCookie, "", time.Time{})
	told := &flash{}
	if json.Unmarshal(raw, told) == nil {
		v.Flash = told
	}
}

// A refusal is why something was not done or not shown, for whoever wanted it.
type refusal struct {
	Status int
	Detail string
}

func (r *refusal) Error() string { return r.Detail }

// GetStatus is the HTTP status.
func (r *refusal) GetStatus() int { return r.Status }

// Explain says why.
func (r *refusal) Explain() string { return r.Detail }

// An explained error knows its HTTP status, and what to tell whoever asked.
type explained interface {
	error
	GetStatus() int
	Explain() string
}

// An overtaken question cannot be asked as things stand: others have settled it meanwhile, or nothing was chosen. Whoever was about to answer
// it is shown how things stand, and told why.
type overtaken struct{ Path, Text string }

func (o *overtaken) Error() string { return o.Text }

func (v *visit) notFound() error {
	return &refusal{http.StatusNotFound, v.T("error.notFound", "path", v.Request.URL.Path)}
}

// fail shows why there is no page. Who has to sign in first comes back afterwards.
func (v *visit) fail(err error) {
	var late *overtaken
	if errors.As(err, &late) {
		if err = v.goTo(late.Path, &flash{false, late.Text}); err == nil {
			return
		}
	}
	status, detail := http.StatusInternalServerError, v.T("error.internal")
	var refused explained
	switch {
	case errors.As(err, &refused):
		status, detail = refused.GetStatus(), v.explain(refused)
	case errors.Is(err, lifecycle.ErrNotFound):
		status, detail = http.StatusNotFound, v.T("error.notFound", "path", v.Request.URL.Path)
	default:
		if v.console.glance.look(v.Request.Context(), v.console.Wall(), v.console.Condition).Database.Fault != "" {
			status, detail = http.StatusServiceUnavailable, v.T("error.database")
		}
		v.console.Logger.ErrorContext(v.Request.Context(), "a page could not be made", "path", v.Request.URL.Path, "request", v.w.Header().Get("X-Request-Id"), "error", err)
	}
	if status == http.StatusUnauthorized && v.Request.Method == http.MethodGet {
		v.askToSignIn()
		return
	}
	if status == http.StatusUnauthorized {
		detail = v.T("error.signIn")
	}
	if err := v.showAs(status, "error", map[string]any{"Status": status, "Detail": detail, "RequestID": v.w.Header().Get("X-Request-Id"), "Before": v.before(), "Again": v.again(), "SignIn": status == http.StatusUnauthorized}); err != nil {
		v.console.Logger.Error("not even the page of an error could be made", "error", err)
		http.Error(v.w, http.StatusText(status), status)
	}
}

// before is the page of ours from which the visitor came; empty where there is none, or it is this one.
func (v *visit) before() string {
	from, err := url.Parse(v.Request.Referer())
	if err != nil || from.Host != v.Request.Host || from.Path == v.Request.URL.Path && v.Request.Method == http.MethodGet {
		return ""
	}
	if path := ours(from.RequestURI()); path != "/" {
		return path
	}
	return ""
}

// typedIn are the fields of forms in which people have written something that they do not want to write again.
var typedIn = []string{"reason", "tenant", "called", "known", "role", "mail", "name", "language", "zone", "digest"}

// typedQuery marks the address of a form that was filled in before its visitor had to sign in again.
const typedQuery = "typed"

// again is the page from which the visitor came, for when they have signed in anew: with what they had typed there.
func (v *visit) again() string {
	page, err := url.Parse(v.before())
	if err != nil || page.Path == "" {
		return ""
	}
	query := page.Query()
	for _, name := range typedIn {
		if text := v.Request.PostFormValue(name); text != "" {
			query.Set(name, text)
			query.Set(typedQuery, "yes")
		}
	}
	page.RawQuery = query.Encode()
	return page.RequestURI()
}

// ask asks the HTTP interface for something in the visitor's name. body is sent as JSON unless it is nil, and what is answered is
// read into answer unless that is nil. Where it is refused, the error is a *refusal with what the interface says.
func (v *visit) ask(method, path string, body, answer any, headers ...string) error {
	r, err := v.request(method, path, body, headers)
	if err != nil {
		return err
	}
	if method != http.MethodGet {
		defer v.console.plans.forget()
	}
	return v.put(r, answer)
}

// put is ask, of a request that is made already.
func (v *visit) put(r *http.Request, answer any) error {
	said := &heard{header: http.Header{}, status: http.StatusOK}
	v.console.Door.Ask(said, r, v.Session)
	if said.status >= http.StatusBadRequest {
		return v.heardRefusal(said.status, said.body.Bytes())
	}
	if answer == nil || said.body.Len() == 0 {
		return nil
	}
	return json.Unmarshal(said.body.Bytes(), answer)
}

// request is one to the HTTP interface in the visitor's name.
func (v *visit) request(method, path string, body any, headers []string) (*http.Request, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(v.Request.Context(), method, path, sent) //nolint:gosec // it goes to our own interface, in this process
	if err != nil {
		return nil, err
	}
	r.Host, r.RemoteAddr, r.RequestURI, r.TLS = v.Request.Host, v.Request.RemoteAddr, r.URL.RequestURI(), v.Request.TLS
	for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
		r.Header[name] = v.Request.Header[name]
	}
	r.Header.Set("X-Request-Id", v.w.Header().Get("X-Request-Id"))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r, nil
}

// heard is what the HTTP interface answers to us rather than to somebody far away.
type heard struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header satisfies [http.ResponseWriter].
func (h *heard) Header() http.Header { return h.header }

// WriteHeader satisfies [http.ResponseWriter].
func (h *heard) WriteHeader(status int) { h.status = status }

// Write satisfies [http.ResponseWriter].
func (h *heard) Write(b []byte) (int, error) { return h.body.Write(b) }
