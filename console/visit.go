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
	c, err := v.Request.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// secret is what proves who they are.
func (v *visit) secret() string { return v.cookie(secretCookie) }

// keep sets a cookie that scripts cannot read and other sites cannot send along with a form, until an instant of the machine's clock; an
// empty one is forgotten. Browsers are told how long to keep it, since their clocks may differ.
func (v *visit) keep(name, value string, until time.Time) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(until.Sub(v.Wall).Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, //nolint:gosec // see Secure
		Secure: v.Request.TLS != nil || v.Request.Header.Get("X-Forwarded-Proto") == "https"} //nolint:gosec // without TLS there is nothing secure
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
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	if _, err = v.w.Write(page); err != nil { //nolint:gosec // html/template made it
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
		status, detail = refused.GetStatus(), refused.Explain()
	case errors.Is(err, lifecycle.ErrNotFound):
		status, detail = http.StatusNotFound, v.T("error.notFound", "path", v.Request.URL.Path)
	default:
		if v.console.glance.look(v.Request.Context(), v.console.Wall(), v.console.Condition).Database.Fault != "" {
			status, detail = http.StatusServiceUnavailable, v.T("error.database")
		}
		v.console.Logger.ErrorContext(v.Request.Context(), "a page could not be made", "path", v.Request.URL.Path, "request", v.w.Header().Get("X-Request-Id"), "error", err)
	}
	if status == http.StatusUnauthorized && v.Request.Method == http.MethodGet {
		http.Redirect(v.w, v.Request, signInPath+"?next="+url.QueryEscape(v.Request.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	if status == http.StatusUnauthorized {
		detail = v.T("error.signIn")
	}
	if err := v.showAs(status, "error", map[string]any{"Status": status, "Detail": detail, "RequestID": v.w.Header().Get("X-Request-Id"), "Before": v.before(), "SignIn": status == http.StatusUnauthorized}); err != nil {
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

// ask asks the HTTP interface for something in the visitor's name. body is sent as JSON unless it is nil, and what is answered is
// read into answer unless that is nil. Where it is refused, the error is a *refusal with what the interface says.
func (v *visit) ask(method, path string, body, answer any, headers ...string) error {
	r, err := v.request(method, path, body, headers)
	if err != nil {
		return err
	}
	said := &heard{header: http.Header{}, status: http.StatusOK}
	v.console.Door.Ask(said, r, v.Session)
	if said.status >= http.StatusBadRequest {
		return heardRefusal(said.status, said.body.Bytes())
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

// heardRefusal reads a problem document, or an error in Graph's form.
func heardRefusal(status int, body []byte) error {
	var said struct {
		Detail string `json:"detail"`
		Errors []struct {
			Location string `json:"location"`
			Detail   string `json:"detail"`
		} `json:"errors"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return &refusal{status, http.StatusText(status)}
	}
	detail := said.Detail + said.Error.Message
	for _, one := range said.Errors {
		if !strings.Contains(detail, one.Detail) { // a single fault is said in the detail, too
			detail += " " + one.Location + ": " + one.Detail
		}
	}
	return &refusal{status, strings.TrimPrefix(strings.TrimSpace(detail), "body.")}
}
