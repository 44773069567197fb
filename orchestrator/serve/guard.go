package serve

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"ablate/results"
	"ablate/words"
)

// problem is an error with the status of its answer.
type problem struct {
	status int
	text   string
}

func (p problem) Error() string { return p.text }

func notFound(text string) error   { return problem{http.StatusNotFound, text} }
func badRequest(text string) error { return problem{http.StatusBadRequest, text} }

// policy allows a page its own files, and nothing else: no other origin, no
// script or style within the page, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// answerWithin is how long an answer may take that is no stream.
const answerWithin = 30 * time.Second

// guard lets requests through that come from this machine's browser for this
// page, and says in every answer what the page may do.
func (s *Server) guard(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, problem{http.StatusForbidden, "this was asked by the page of another origin"})
	}))
	next = sameOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWithin)) // a recorder has none
		if err := s.admit(r); err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit refuses what no page of ours would ask.
func (s *Server) admit(r *http.Request) error {
	// Whoever has a name of his own lead to 127.0.0.1 makes browsers take our
	// answers for his; the name then stands in Host.
	if !ownHost(r.Host) {
		return problem{http.StatusForbidden, fmt.Sprintf("this page answers to 127.0.0.1 and localhost only, not to %q", r.Host)}
	}
	site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	if (site == "cross-site" || site == "same-site") && mode != "navigate" {
		return problem{http.StatusForbidden, "this was asked by the page of another origin"}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return nil
	case http.MethodPost:
		if s.Token == "" {
			return problem{http.StatusForbidden, "this page is for looking only; start it with --token to change something by it"}
		}
		return nil
	}
	return problem{http.StatusMethodNotAllowed, r.Method + " is not possible here"}
}

// ownHost reports whether a Host header names this very machine, on whatever
// port: it may be forwarded.
func ownHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

// fail answers with an error: a page with a sentence, or the sentence alone for
// a script.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there any more
	}
	p := problem{http.StatusInternalServerError, err.Error()}
	switch {
	case errors.As(err, &p):
	case errors.Is(err, results.ErrNotFound), errors.Is(err, results.ErrNoStore):
		p.status = http.StatusNotFound
	}
	p.text = words.Printable(p.text)
	if p.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, HEAD, POST")
	}
	if r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		http.Error(w, p.text, p.status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.status)
	s.render(w, r, "problem", shell{Title: http.StatusText(p.status), Body: p.text})
}
