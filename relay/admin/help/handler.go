package help

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// ServeHTTP implements [http.Handler]: GET and HEAD of the index, of a cause, and a page of its own for all other paths.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("help page failed", "path", short(r.URL.Path), "error", short(fmt.Sprint(v)))
			http.Error(w, "This page cannot be shown. / Diese Seite kann nicht angezeigt werden.", http.StatusInternalServerError)
		}
	}()
	s := p.settings.Load()
	secure(w.Header())
	if wait := p.limits.wait(clientOf(r, s.Proxies), p.now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		http.Error(w, "Too many requests, please try again soon. / Zu viele Anfragen, bitte versuchen Sie es gleich noch einmal.",
			http.StatusTooManyRequests)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are possible here.", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/" || r.URL.Path == "/help" {
		w.Header().Set("Location", "help/") // not absolute: a proxy may have the pages below another path
		w.WriteHeader(http.StatusFound)
		return
	}
	p.show(w, r, s)
}

// show answers with the page for the path, made whole before the first byte goes out.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, s *Settings) {
	q := queryOf(r)
	lang := q.lang
	if lang == "" {
		lang = preferred(r.Header.Values("Accept-Language"), s.Language)
	}
	v := p.view(s, q, lang, home(r.URL.Path))
	kind, status := "missing", http.StatusNotFound
	if cause, below := strings.CutPrefix(r.URL.Path, "/help/"); below {
		switch {
		case cause == "":
			kind, status = "index", http.StatusOK
			v.list()
		case v.about(p, cause):
			kind, status = "cause", http.StatusOK
		}
	}
	var page bytes.Buffer
	if err := templates()[lang].ExecuteTemplate(&page, kind, v); err != nil {
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	switch {
	case status != http.StatusOK:
	case q.domain != "" || q.id:
		h.Set("Cache-Control", "no-cache") // what is seen changes with each attempt
	default:
		h.Set("Cache-Control", "public, max-age=3600")
		h.Del("X-Robots-Tag")
	}
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		w.Write(page.Bytes())
	}
}

// secure sets what holds for every answer: no script, no frame, nothing from elsewhere, and no trace of the domain that was
// asked for in other places.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+styleHash+"'; img-src data:; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
}

// home is the way from a path to the index, without the path above it, which a proxy may have changed.
func home(path string) string {
	const deepest = 8
	if depth := strings.Count(path, "/") - 1; depth >= 0 && depth <= deepest {
		return strings.Repeat("../", depth) + "help/"
	}
	return "/help/"
}

// short bounds and quotes what a stranger sent, for the log.
func short(s string) string { return fmt.Sprintf("%.200q", s) }
