package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ablate/results"
)

// Names that lead here are no names of ours.
func TestHost(t *testing.T) {
	s := newSite(t, "")
	for host, status := range map[string]int{
		"localhost": 200, "localhost:1": 200, "127.0.0.1:99": 200, "[::1]:80": 200, "127.1.2.3": 200, "LOCALHOST:80": 200,
		"evil.example": 403, "evil.example:80": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403, "localhost.evil.example:80": 403, "0.0.0.0": 403,
	} {
		a := s.ask("GET", s.page(), "", "Host", host)
		if a.StatusCode != status {
			t.Errorf("%s is answered with %d, want %d", host, a.StatusCode, status)
		}
		if status == 403 && strings.Contains(a.text, "tiny") {
			t.Errorf("%s is told: %s", host, a.text)
		}
	}
}

// Pages of other origins get nothing, but a link may lead here.
func TestOtherOrigins(t *testing.T) {
	s := newSite(t, secret)
	for _, site := range []string{"cross-site", "same-site"} {
		s.wants(s.ask("GET", s.page(), "", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "no-cors"), 403, "another origin")
		s.wants(s.ask("GET", s.page(), "", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate"), 200)
		s.wants(s.ask("POST", "/token", "", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", tokenHeader, secret), 403, "another origin")
	}
	s.wants(s.ask("POST", "/token", "", "Origin", "http://evil.example", tokenHeader, secret), 403, "another origin")
	s.wants(s.ask("POST", "/token", "", "Origin", "null", tokenHeader, secret), 403, "another origin")
	s.wants(s.ask("POST", "/token", "", "Origin", s.url, tokenHeader, secret), 204)
	s.wants(s.ask("POST", "/token", "", "Sec-Fetch-Site", "same-origin", tokenHeader, secret), 204)
}

// Without a token nothing can be changed; with one, by whoever knows it.
func TestToken(t *testing.T) {
	open := newSite(t, "")
	for _, path := range []string{"/ask", "/token", open.page(), "/"} {
		open.wants(open.ask("POST", path, "{}", tokenHeader, ""), 403, "for looking only")
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		a := open.ask(method, open.page(), "")
		open.wants(a, 405)
		if a.Header.Get("Allow") == "" {
			t.Errorf("%s: nothing is said to be allowed", method)
		}
	}
	if page := open.ask("GET", open.page(), "").text; strings.Contains(page, "data-ask") || strings.Contains(page, "unlock") {
		t.Error("the page offers to change something")
	}
	s := newSite(t, secret)
	for _, wrong := range []string{"", "wrong", secret + "x", secret[1:]} {
		s.wants(s.ask("POST", "/token", "", tokenHeader, wrong), 401, "not the token")
		s.wants(s.ask("POST", "/ask", `{"kind":"pause","study":1}`, tokenHeader, wrong, "Content-Type", "application/json"), 401, "not the token")
	}
	s.wants(s.ask("POST", "/token", "", tokenHeader, secret), 204)
	s.wants(s.ask("POST", s.page(), "", tokenHeader, secret), 404)
	if page := s.ask("GET", s.page(), "").text; strings.Contains(page, secret) || !strings.Contains(page, "data-ask") {
		t.Error("the page has the token in it, or no controls")
	}
	if study, err := s.store.StudyByID(s.study.ID); err != nil || study.Paused {
		t.Errorf("paused: %v, %v", study.Paused, err)
	}
}

// wish has something done.
func (s *site) wish(body string) answer {
	s.t.Helper()
	return s.ask("POST", "/ask", body, tokenHeader, secret, "Content-Type", "application/json")
}

// Without a head the server carries out what is asked.
func TestAsk(t *testing.T) {
	s := newSite(t, secret)
	s.store.Close() // a head would have it
	outcome := func(id string) results.Outcome {
		t.Helper()
		store, err := results.OpenReadOnly(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		run, err := store.Run(id)
		if err != nil {
			t.Fatal(err)
		}
		return run.Outcome
	}
	s.wants(s.wish(`{"kind":"pause","study":1}`), 200, "tiny is paused")
	s.wants(s.ask("GET", s.page()+"/status", ""), 200, "1/4 runs done, paused", "Resume")
	s.wants(s.wish(`{"kind":"resume","study":1}`), 200, "no longer paused")
	s.wants(s.wish(`{"kind":"cancel","run":"aa12"}`), 200, "run aa12: 1 run cancelled")
	if got := outcome("aa12"); got != results.Cancelled {
		t.Errorf("it is %q", got)
	}
	s.wants(s.wish(`{"kind":"cancel","study":1,"cell":"bn"}`), 200, "0 runs cancelled, 2 runs had ended before")
	s.wants(s.wish(`{"kind":"retry","study":1,"outcomes":["cancelled"]}`), 200, "1 run to be tried again", "nobody works on the store")
	if got := outcome("aa12"); got != "" {
		t.Errorf("it is %q", got)
	}
	s.wants(s.wish(`{"kind":"cancel","study":1}`), 200, "3 runs cancelled, 1 run had ended before")
	if got := outcome("aa11"); got != results.Completed {
		t.Errorf("what had a result is %q", got)
	}
}

// Entries of the queue are paused, resumed and removed as by "ablate queue".
func TestAskOfEntry(t *testing.T) {
	s := newSite(t, secret)
	if err := s.store.Enqueue(s.study, nil, &results.Entry{Options: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	queue := s.page() + "/queue"
	s.wants(s.ask("GET", queue, ""), 200, "waiting", "Pause entry 1", "Remove entry 1")
	s.wants(s.wish(`{"kind":"pause","entry":1}`), 200, "entry 1, tiny, is held")
	s.wants(s.ask("GET", queue, ""), 200, "paused", "Resume entry 1", "Remove entry 1")
	s.wants(s.wish(`{"kind":"resume","entry":1}`), 200, "entry 1, tiny, is waiting")
	if err := s.store.SetEntry(1, results.EntryRunning, ""); err != nil {
		t.Fatal(err)
	}
	s.store.Close() // its head is dead
	s.wants(s.ask("GET", queue, ""), 200, "interrupted", "Pause entry 1", "Remove entry 1")
	s.wants(s.wish(`{"kind":"pause","entry":1}`), 200, "tiny is paused")
	s.wants(s.wish(`{"kind":"remove","entry":1}`), 200, "entry 1, tiny, is removed")
	if a := s.ask("GET", queue, ""); strings.Contains(a.text, "data-ask") {
		t.Errorf("what has ended can be changed: %s", a.text)
	}
	s.wants(s.wish(`{"kind":"pause","entry":1}`), 409, "has ended: removed")
	s.wants(s.wish(`{"kind":"pause","entry":9}`), 404, "the queue has no entry 9")
	s.wants(s.wish(`{"kind":"cancel","entry":1}`), 409, "can be paused, resumed and removed")
	s.wants(s.wish(`{"kind":"pause","entry":1,"study":1}`), 400, "comes by itself")
}

func TestAskNonsense(t *testing.T) {
	s := newSite(t, secret)
	for body, want := range map[string]string{
		``:                                                             "cannot be read",
		`{"kind":"explode","study":1}`:                                 "there are pause, resume, cancel and retry",
		`{"kind":"pause","study":1,"x":1}`:                             "unknown field",
		`{"kind":"pause","run":"aa12"}`:                                "can be cancelled, and nothing else",
		`{"kind":"retry","study":1}`:                                   "is not said",
		`{"kind":"retry:failed","study":1}`:                            "there is no wish",
		`{"kind":"cancel","run":"a"}`:                                  "several runs",
		`{"kind":"cancel","study":99}`:                                 "no study with the ID 99",
		`{"kind":"cancel","run":"cc"}`:                                 "has no run",
		`{"kind":"cancel","study":1,"run":1}`:                          "cannot be read",
		`{"kind":"cancel","study":1,"cell":"bm"}`:                      "did you mean bn?",
		`{"kind":"retry","study":1,"outcomes":["completed"]}`:          "cannot be tried again",
		`{"kind":"cancel","run":"` + strings.Repeat("a", 1<<17) + `"}`: "cannot be read",
	} {
		if a := s.wish(body); a.StatusCode < 400 || !strings.Contains(a.text, want) {
			t.Errorf("%.60s is answered with %d, %q, not %q", body, a.StatusCode, a.text, want)
		}
	}
	s.wants(s.ask("POST", "/ask", `{"kind":"pause","study":1}`, tokenHeader, secret, "Content-Type", "text/plain"), 415, "a wish is JSON")
	if study, err := s.store.StudyByID(1); err != nil || study.Paused {
		t.Errorf("paused: %v, %v", study.Paused, err)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"8000": "127.0.0.1:8000", ":8000": "127.0.0.1:8000", "localhost:0": "localhost:0", "127.0.0.1:1": "127.0.0.1:1", "[::1]:8000": "[::1]:8000",
		"0.0.0.0:8000": "not at 0.0.0.0", "[::]:8000": "not at ::", "192.168.1.1:8000": "ssh -L 8000:127.0.0.1:8000",
		"example.org:80": "not at example.org",
		"127.0.0.1":      "is no address", "8000000": "is no address", "": "is no address", "127.0.0.1:http": "is no address",
	} {
		got, err := Address(text)
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("Address(%q) = %q, want %q", text, got, want)
		}
	}
}

// A port that is taken is said to be, unless nobody has asked for it.
func TestListen(t *testing.T) {
	first, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := Listen(first.Addr().String()); err == nil || !strings.Contains(err.Error(), "another program listens at "+first.Addr().String()) {
		t.Errorf("a taken port: %v", err)
	}
	var all []net.Listener
	for range 2 {
		l, err := Listen("")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l)
	}
	if all[0].Addr().String() == all[1].Addr().String() || !all[1].Addr().(*net.TCPAddr).IP.IsLoopback() {
		t.Errorf("they listen at %v and %v", all[0].Addr(), all[1].Addr())
	}
}

// When the server stops, streams end, and Serve returns.
func TestShutdown(t *testing.T) {
	s := newSite(t, "")
	ctx, stop := context.WithCancel(context.Background())
	server := New(ctx, Options{Store: s.dir})
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.url = "http://" + l.Addr().String()
	events := s.events("/events")
	s.await(events, "change")
	stop()
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	for range events { // until it is closed
	}
	if _, err := http.Get(s.url); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("it is still there: %v", err)
	}
}
