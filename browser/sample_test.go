package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A sample is a small console with nothing wrong in it, in which faults are planted to see whether they are found.
type sample struct {
	head, body string // more of each page
	policy     string // Content-Security-Policy; empty: the sample's own; none: none
}

const samplePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const sampleToken = "tnr_sample"

// serve serves the sample until the test ends.
func (p sample) serve(t *testing.T) site {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/sign-in", func(w http.ResponseWriter, r *http.Request) {
		p.page(w, r, `<form method="post"><label>Token <input name="token" type="password"></label> <button>OK</button></form>`)
	})
	mux.HandleFunc("POST /console/sign-in", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("token") == sampleToken {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/console/", http.StatusSeeOther)
			return
		}
		http.Redirect(w, r, "/console/sign-in", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /console/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("session"); err != nil {
			http.Redirect(w, r, "/console/sign-in", http.StatusSeeOther)
			return
		}
		p.page(w, r, `<p><a href="/console/other">GDAP</a> <bdi>A name that is nobody’s to translate</bdi></p><button>OK</button>`)
	})
	mux.HandleFunc("GET /look.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, sampleStyle)
	})
	mux.HandleFunc("GET /shift.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(() => {
			const late = document.createElement("div");
			late.style.height = "200px";
			document.querySelector("main").prepend(late);
		})));`)
	})
	mux.HandleFunc("GET /error.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `console.error("planted", 1); nowhere.at = "all";`)
	})
	mux.HandleFunc("GET /trap.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `document.addEventListener("keydown", (e) => {
			if (e.key !== "Tab" || document.activeElement.localName !== "button") return;
			e.preventDefault();
			document.querySelector("a").focus();
		});`)
	})
	mux.HandleFunc("GET /never.png", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /events.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `new EventSource("/events");`)
	})
	mux.HandleFunc("GET /more.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `document.querySelector("button").addEventListener("click", async () => {
			const more = await (await fetch("/more")).text();
			document.querySelector("main").insertAdjacentHTML("beforeend", more);
		});`)
	})
	mux.HandleFunc("GET /more", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<p class="pale">OK</p>`) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return site{url: server.URL, token: sampleToken, languageCookie: "language", themeCookie: "theme"}
}

const sampleStyle = `
:root { color-scheme: light; background: #fff; color: #222; font: 16px sans-serif; }
a { color: #0645ad; }
:focus-visible { outline: 3px solid #b35900; }
@media (prefers-color-scheme: dark) { :root:not([data-theme]) { color-scheme: dark; background: #111; color: #eee; } :root:not([data-theme]) a { color: #9cf; } }
:root[data-theme=dark] { color-scheme: dark; background: #111; color: #eee; }
:root[data-theme=dark] a { color: #9cf; }
.pale { color: #999; background: #fff; }
.tiny { width: 12px; height: 12px; padding: 0; border: 0; font-size: 9px; }
.apart { margin: 40px; }
.wide { width: 2000px; }
.tall { height: 3000px; }
.bare:focus-visible { outline: none; }
.under { position: fixed; inset: 0; background: #777; }
`

// page writes a page in the language and theme that the request prefers, or has chosen.
func (p sample) page(w http.ResponseWriter, r *http.Request, body string) {
	language, theme := "en", ""
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "ja") {
		language = "ja"
	}
	if c, err := r.Cookie("language"); err == nil {
		language = c.Value
	}
	if c, err := r.Cookie("theme"); err == nil {
		theme = ` data-theme="` + c.Value + `"`
	}
	title := map[string]string{"en": "Sample", "ja": "見本"}[language]
	policy := samplePolicy
	if p.policy != "" {
		policy = p.policy
	}
	if policy != "none" {
		w.Header().Set("Content-Security-Policy", policy)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.URL.Path == "/console/nowhere" {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprintf(w, `<!DOCTYPE html><html lang="%s"%s><head><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<title>%s</title><link rel="stylesheet" href="/look.css">%s</head><body><main><h1>%s</h1>%s%s</main></body></html>`, language, theme, title, p.head, title, body, p.body)
}
