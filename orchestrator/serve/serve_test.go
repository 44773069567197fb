package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ablate/orchestrator"
	"ablate/reports/table"
	"ablate/results"
	"ablate/results/journal"
)

// site is a server with a store to write to.
type site struct {
	t      *testing.T
	dir    string
	store  *results.Store
	study  *results.Study
	url    string
	server *Server
	stop   context.CancelFunc

	reports atomic.Int64 // that were made
}

const secret = "a-token-that-nobody-guesses"

// hostile is a name that does harm where it is not escaped.
const hostile = `<script>alert(1)</script>"'&`

// newSite serves a study of two cells and two seeds, of which the first run is
// done.
func newSite(t *testing.T, token string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	var err error
	if s.store, err = results.Open(s.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	s.save("tiny", "aa11", "aa12", "bb21", "bb22")
	s.run("aa11", 1, 40, "")
	s.end("aa11", 1, results.Completed)
	s.serve(token)
	return s
}

// save stores a study whose runs are those of a cell "bn" and of one with a
// hostile name, each with two seeds.
func (s *site) save(name string, ids ...string) {
	s.t.Helper()
	s.study = &results.Study{Name: name, Text: []byte(name), Cells: []string{"bn", hostile}}
	var runs []results.Run
	for i, id := range ids {
		s.study.Slots = append(s.study.Slots, results.Slot{Cell: i / 2, Seed: i%2 + 1, RunID: id})
		config := fmt.Sprintf(`{"lr": 0.1, "norm": {"encoder": %q}}`, []string{"bn", "none"}[i/2])
		runs = append(runs, results.Run{ID: id, Cell: s.study.Cells[i/2], Seed: i%2 + 1, Config: []byte(config), Dataset: "d", Trainer: "1"})
	}
	if err := s.store.SaveStudy(s.study, runs); err != nil {
		s.t.Fatal(err)
	}
}

// run begins an attempt at a run that has done so many steps of a hundred, and has
// something to tell.
func (s *site) run(id string, attempt int, steps int64, event string) {
	s.t.Helper()
	dir := filepath.Join(orchestrator.RunDir(s.dir, id), fmt.Sprint(attempt))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(dir, "journal.jsonl")
	w, err := journal.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Close()
	lines := []journal.Line{{Kind: journal.Start, Time: time.Now().UnixMilli(), Start: &journal.StartInfo{Steps: 100, Host: "here", PID: 7}}}
	for step := range steps {
		lines = append(lines, journal.Line{Kind: journal.Metrics, Step: step,
			Metrics: map[string]journal.Value{"loss": journal.Value(1 / float64(1+step))}})
	}
	lines = append(lines, journal.Line{Kind: journal.Progress, Time: time.Now().UnixMilli(),
		Progress: &journal.ProgressInfo{Phase: "train", Step: steps, Steps: 100, ImagesPerSecond: 321}})
	if event != "" {
		lines = append(lines, journal.Line{Kind: journal.Event, Time: time.Now().UnixMilli(), Text: event})
	}
	for _, l := range lines {
		if err := w.Write(l); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.store.BeginAttempt(id, attempt); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.Ingest(id, attempt, path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) end(id string, attempt int, o results.Outcome) {
	s.t.Helper()
	if err := s.store.EndAttempt(id, attempt, o, "because "+hostile); err != nil {
		s.t.Fatal(err)
	}
}

// serve serves the store until the test ends.
func (s *site) serve(token string) {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.server = New(ctx, Options{
		Store: s.dir, Token: token,
		Report: func(_ *results.Store, study *results.Study) (template.HTML, error) {
			return template.HTML(fmt.Sprintf("<p>report %d of %s</p>", s.reports.Add(1), study.Name)), nil
		},
		Cost: func([]byte) float64 { return 1 },
		Diff: func(_ *results.Store, _ *results.Study, a, b string) (Comparison, error) {
			if a == "strange" {
				return Comparison{}, errors.New("there is no cell strange")
			}
			columns := []table.Column{{Head: "key", Cells: []string{"norm.encoder"}}, {Head: a, Cells: []string{hostile}}, {Head: b, Cells: []string{"none"}}}
			return Comparison{"1 of 2 keys differ", []table.Table{{Name: "keys", Title: "Configuration", Columns: columns}}}, nil
		},
		Log: func(id string, attempt int, line func(LogLine) error, over func() (bool, error), wait func() error) error {
			for i := range 3 {
				if err := line(LogLine{Attempt: 1, Kind: "event", Text: fmt.Sprint(id, " line ", i, hostile)}); err != nil {
					return err
				}
			}
			for {
				if end, err := over(); end || err != nil {
					return err
				}
				if err := wait(); err != nil {
					return err
				}
			}
		},
	})
	web := httptest.NewServer(s.server.Handler())
	s.url = web.URL
	s.t.Cleanup(func() {
		stop()
		web.CloseClientConnections()
		web.Close()
		s.server.Close()
	})
}

// answer is what a request gets.
type answer struct {
	*http.Response
	text string
}

// ask sends a request with headers, which come in pairs.
func (s *site) ask(method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	got, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{got, string(text)}
}

// wants checks an answer's status and that it says something.
func (s *site) wants(a answer, status int, parts ...string) {
	s.t.Helper()
	if a.StatusCode != status {
		s.t.Errorf("%s %s is answered with %d, want %d: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.text)
	}
	for _, p := range parts {
		if !strings.Contains(a.text, p) {
			s.t.Errorf("%s %s lacks %q:\n%s", a.Request.Method, a.Request.URL.Path, p, a.text)
		}
	}
}

func (s *site) page() string { return studyURL(s.study.ID) }

func TestPages(t *testing.T) {
	s := newSite(t, "")
	s.run("aa12", 1, 50, "")
	lock, err := orchestrator.Acquire(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	start := s.ask("GET", "/", "")
	if start.StatusCode != http.StatusSeeOther || start.Header.Get("Location") != s.page() {
		t.Errorf("/ leads to %q with %d", start.Header.Get("Location"), start.StatusCode)
	}
	s.wants(s.ask("GET", s.page(), ""), 200, "<h1 dir=\"auto\">tiny</h1>", "1/4 runs done", "works on the store since",
		"<b>2</b> waiting", "1 to 4 of 4 runs")
	s.wants(s.ask("GET", s.page()+"/work", ""), 200, "step 50/100, train, 321 images/s", "<svg", "loss <b>0.02</b>",
		`aria-label="loss: 1 at step 0, 0.02 at step 49"`)
	s.wants(s.ask("GET", s.page()+"/report", ""), 200, "<p>report 1 of tiny</p>")
	s.wants(s.ask("GET", s.page()+"/queue", ""), 200, "The queue is empty.")
	s.wants(s.ask("GET", "/studies", ""), 200, `href="`+s.page()+`"`, "tiny")
	s.wants(s.ask("GET", "/run/aa11", ""), 200, "bn, seed 1", "norm.encoder", "<code>bn</code>", "process 7 on here")
	s.wants(s.ask("GET", "/run/aa11/state", ""), 200, "completed")
	s.wants(s.ask("GET", "/run/aa11/metrics", ""), 200, "loss", "<svg")
	s.wants(s.ask("GET", s.page()+"/diff?a=bn&b=bb21", ""), 200, "1 of 2 keys differ", "norm.encoder",
		"<option selected>bn</option>", "<option selected>bb21</option>")
	for _, file := range []string{"page.css", "page.js", "live.css", "live.js", "icon.svg"} {
		s.wants(s.ask("GET", "/assets/"+file, ""), 200)
	}
	s.wants(s.ask("HEAD", s.page(), ""), 200)
}

// Runs are found by state, cell, seed and the beginning of their id, a page at a
// time.
func TestRunList(t *testing.T) {
	s := newSite(t, "")
	for query, want := range map[string]string{
		"?state=completed":    "1 to 1 of 1 run<",
		"?state=waiting":      "1 to 3 of 3 runs",
		"?seed=2":             "1 to 2 of 2 runs",
		"?cell=bn&seed=2":     "1 to 1 of 1 run<",
		"?id=bb":              "1 to 2 of 2 runs",
		"?id=zz":              "No run is like that.",
		"?state=waiting&id=a": "1 to 1 of 1 run<",
	} {
		s.wants(s.ask("GET", s.page()+"/runs"+query, ""), 200, want)
	}
	s.wants(s.ask("GET", s.page()+"/runs?state=asleep", ""), 400, "there is no state", "waiting")
	s.wants(s.ask("GET", s.page()+"/runs?page=0", ""), 400, "a page is a number from 1")
	s.wants(s.ask("GET", s.page()+"/runs?seed=x", ""), 400, "a seed is a number")
}

func TestRunListPages(t *testing.T) {
	snap := &snapshot{Study: &results.Study{ID: 3}}
	for i := range 120 {
		snap.rows = append(snap.rows, row{Run: results.Run{ID: fmt.Sprint(i), Seed: i % 2}, State: "waiting"})
	}
	l, err := snap.list(map[string][]string{"page": {"9"}, "seed": {"1"}})
	if err != nil || l.Found != 60 || l.Page != 2 || l.First != 51 || l.Last != 60 || len(l.Rows) != 10 || l.Before() != 1 || l.After() != 0 {
		t.Errorf("the last page is %+v, %v", l, err)
	}
	if got, want := l.At(1), "/study/3?seed=1"; got != want {
		t.Errorf("the first page is %s, want %s", got, want)
	}
}

// What is not there is said, with what is near.
func TestUnknown(t *testing.T) {
	s := newSite(t, "")
	for path, want := range map[string]string{
		"/study/99":               "no study with the ID 99",
		"/study/tyni":             `did you mean tiny?`,
		"/run/cc":                 `has no run "cc"`,
		"/run/aa11/nothing":       "a run has no page",
		s.page() + "/nothing":     "a study has no page",
		s.page() + "/diff?a=b&b=": "", // nothing to compare yet
		"/nothing":                "there is no such page",
		"/assets/nothing.js":      "there is no such file",
		"/assets/templates.html":  "there is no such file",
	} {
		status := 404
		if want == "" {
			status = 200
		}
		s.wants(s.ask("GET", path, ""), status, want)
	}
	s.wants(s.ask("GET", s.page()+"/diff?a=strange&b=bn", ""), 404, "there is no cell strange")
	s.wants(s.ask("GET", "/run/a", ""), 404, "several runs begin with")
	s.wants(s.ask("GET", "/nothing", "", "Sec-Fetch-Mode", "navigate"), 404, "<!doctype html>", "there is no such page")
	if a := s.ask("GET", "/run/aa12/", ""); a.StatusCode != 404 {
		t.Errorf("a part without a name: %d", a.StatusCode)
	}
	if a := s.ask("GET", "/study/tiny", ""); a.Header.Get("Location") != s.page() {
		t.Errorf("a study by its name leads to %q", a.Header.Get("Location"))
	}
	if a := s.ask("GET", "/run/bb21", ""); a.StatusCode != 200 {
		t.Errorf("a run is answered with %d", a.StatusCode)
	}
}

// No path leaves the store, whatever it is made of.
func TestTraversal(t *testing.T) {
	s := newSite(t, secret)
	outside := filepath.Join(filepath.Dir(s.dir), "outside")
	if err := os.WriteFile(outside, []byte("outside"), 0o666); err != nil {
		t.Fatal(err)
	}
	s.save("hostile", "../../outside", "..", "a/b", "*")
	for _, path := range []string{
		"/run/%2e%2e", "/run/%2e%2e/state", "/events?run=a%2fb", "/events?run=..%2f..%2foutside",
		"/run/..%2f..%2foutside", "/events?run=%2e%2e", "/run/../../outside/state", "/assets/..%2ftemplates.html", "/assets/%2e%2e%2flive.js",
		"/events?run=aa11%00", "/run/aa11%2f..%2fbb21/state", "/study/1%2f../report", "/events?run=*", "/events?run=%25",
	} {
		if a := s.ask("GET", path, ""); a.StatusCode == 200 || strings.Contains(a.text, "outside\n") {
			t.Errorf("%s is answered with %d: %s", path, a.StatusCode, a.text)
		}
	}
}

// Names out of a store are text, wherever they stand.
func TestEscape(t *testing.T) {
	s := newSite(t, "")
	s.save(hostile, "aa11", "aa12", "bb21", "bb22")
	s.run("bb21", 1, 10, "")
	s.end("bb21", 1, results.Failed)
	s.run("bb22", 1, 10, hostile)
	lock, err := orchestrator.Acquire(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	for _, path := range []string{s.page(), s.page() + "/status", s.page() + "/runs", s.page() + "/work", s.page() + "/diff?a=aa11&b=bb22",
		"/studies", "/run/bb22", "/run/bb21/state", "/run/bb21/metrics", s.page() + "/work?metric=%3Cscript%3Ealert(1)%3C/script%3E"} {
		a := s.ask("GET", path, "")
		if a.StatusCode != 200 || strings.Contains(a.text, "<script>alert") || strings.Contains(a.text, `alert(1)</script>"'`) {
			t.Errorf("%s is answered with %d:\n%s", path, a.StatusCode, a.text)
		}
	}
	if a := s.ask("GET", "/study/%3Cscript%3Ealert(1)", "", "Sec-Fetch-Mode", "navigate"); strings.Contains(a.text, "<script>alert") {
		t.Errorf("an error: %s", a.text)
	}
}

// Every answer says what the page may do: nothing but ask this server.
func TestHeaders(t *testing.T) {
	s := newSite(t, "")
	for _, path := range []string{s.page(), "/assets/live.js", "/nothing", s.page() + "/report"} {
		h := s.ask("GET", path, "").Header
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy %q lacks %s", path, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: the headers are %v", path, h)
		}
	}
	page := s.ask("GET", s.page(), "").text
	for _, within := range []string{"<script>", "<style", " style=", " onclick="} {
		if strings.Contains(page, within) {
			t.Errorf("the page has %s within it:\n%s", within, page)
		}
	}
}

// What a viewer has already is not sent again.
func TestNotModified(t *testing.T) {
	s := newSite(t, "")
	first := s.ask("GET", s.page()+"/runs", "")
	again := s.ask("GET", s.page()+"/runs", "", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || again.text != "" {
		t.Errorf("it is answered with %d: %s", again.StatusCode, again.text)
	}
	s.run("aa12", 1, 10, "")
	s.end("aa12", 1, results.Completed)
	s.wants(s.ask("GET", s.page()+"/runs", "", "If-None-Match", first.Header.Get("ETag")), 200, "completed")
}

// events reads a stream of events, and hands out their names.
func (s *site) events(path string) <-chan string {
	s.t.Helper()
	r, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Body.Close() })
	if r.StatusCode != 200 {
		s.t.Fatalf("%s is answered with %d", path, r.StatusCode)
	}
	all := make(chan string, 100)
	go func() {
		defer close(all)
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			if line := lines.Text(); line != "" && line != "data: " {
				all <- strings.TrimPrefix(line, "event: ")
			}
		}
	}()
	return all
}

// await waits for an event.
func (s *site) await(events <-chan string, want string) {
	s.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case got, open := <-events:
			if !open {
				s.t.Fatalf("the stream has ended before %q", want)
			}
			if got == want {
				return
			}
		case <-late:
			s.t.Fatalf("waited in vain for %q", want)
		}
	}
}

// shows looks at a page whenever there is such an event, until it says something.
func (s *site) shows(events <-chan string, event, path, want string) {
	s.t.Helper()
	for got := ""; !strings.Contains(got, want); got = s.ask("GET", path, "").text {
		s.await(events, event)
	}
}

// When a run ends, viewers are told, and the report is made anew: once, however
// many look. When one is merely at work, the report stays.
func TestPush(t *testing.T) {
	s := newSite(t, "")
	ofReport, ofChange := s.events(fmt.Sprint("/events?study=", s.study.ID)), s.events(fmt.Sprint("/events?study=", s.study.ID))
	s.shows(ofReport, "report", s.page()+"/report", "report 1 of tiny")
	s.shows(ofChange, "change", s.page()+"/status", "1/4 runs done")
	s.run("aa12", 1, 10, "")
	s.shows(ofChange, "change", s.page()+"/runs", "10/100")
	s.end("aa12", 1, results.Completed)
	s.shows(ofReport, "report", s.page()+"/report", "report 2 of tiny")
	s.shows(ofChange, "change", s.page()+"/status", "2/4 runs done")
	if n := s.reports.Load(); n != 2 {
		t.Errorf("%d reports were made", n)
	}
}

// A report that cannot be made is told, and tried again when the store changes,
// even if no run has ended since.
func TestReportFails(t *testing.T) {
	s := newSite(t, "")
	works := s.server.Report
	s.server.Report = func(*results.Store, *results.Study) (template.HTML, error) {
		defer s.reports.Add(1)
		if s.reports.Load() == 0 {
			return "", errors.New("it is <b>broken</b>")
		}
		return works(s.store, s.study)
	}
	events := s.events(fmt.Sprint("/events?study=", s.study.ID))
	s.shows(events, "report", s.page()+"/report", "it is &lt;b&gt;broken")
	s.run("aa12", 1, 10, "")
	s.shows(events, "report", s.page()+"/report", "of tiny")
}

// What could not be made is not kept.
func TestCacheForgetsErrors(t *testing.T) {
	var c cache
	made := 0
	if _, err := get(&c, "key", 1, func() (int, error) { return 0, errors.New("broken") }); err == nil {
		t.Error("there is no error")
	}
	for range 2 { // the second is the first one's
		got, err := get(&c, "key", 1, func() (int, error) { made++; return 7, nil })
		if got != 7 || err != nil {
			t.Errorf("it is %d, %v", got, err)
		}
	}
	if made != 1 {
		t.Errorf("it was made %d times", made)
	}
}

// While nobody looks nothing is done, and the last to leave stops the watch.
func TestNobodyLooks(t *testing.T) {
	s := newSite(t, "")
	v := s.server.hub.join(0)
	stop := s.server.hub.stop
	s.server.hub.leave(v)
	select {
	case <-stop:
	default:
		t.Error("the watch goes on")
	}
	s.ask("GET", s.page(), "")
	before := s.server.source.look()
	s.run("aa12", 1, 10, "")
	if s.reports.Load() != 0 {
		t.Error("a report was made")
	}
	if after := s.server.hub.current(); after == before {
		t.Error("who asks gets what was there before")
	}
}

// A store that is not there yet, or is empty, is shown when it has something.
func TestEmptyStore(t *testing.T) {
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "store")}
	s.serve("")
	s.wants(s.ask("GET", "/", ""), 200, "Nothing yet", "ablate run quick")
	s.wants(s.ask("GET", "/studies", ""), 200, "none yet")
	s.wants(s.ask("GET", "/study/1", ""), 404)
	events := s.events("/events")
	s.await(events, "change")
	var err error
	if s.store, err = results.Open(s.dir); err != nil {
		t.Fatal(err)
	}
	defer s.store.Close()
	s.await(events, "change")
	s.wants(s.ask("GET", "/", ""), 200, "Nothing yet")
	s.save("tiny", "aa11", "aa12", "bb21", "bb22")
	s.await(events, "change")
	if a := s.ask("GET", "/", ""); a.Header.Get("Location") != s.page() {
		t.Errorf("/ leads to %q", a.Header.Get("Location"))
	}
}

// A store that is removed and made anew is shown as it is then.
func TestReplacedStore(t *testing.T) {
	s := newSite(t, "")
	s.wants(s.ask("GET", s.page(), ""), 200, "tiny")
	s.store.Close()
	for _, name := range []string{"store.db", "store.db-wal", "store.db-shm"} {
		os.Remove(filepath.Join(s.dir, name))
	}
	s.wants(s.ask("GET", s.page(), ""), 404, "no store")
	var err error
	if s.store, err = results.Open(s.dir); err != nil {
		t.Fatal(err)
	}
	s.save("other", "cc11", "cc12", "dd21", "dd22")
	s.wants(s.ask("GET", s.page(), ""), 200, "other", "0/4 runs done")
}

// A run's page is told by one stream what its log says and what has changed.
func TestLogStream(t *testing.T) {
	s := newSite(t, "")
	events := s.events("/events?run=aa11&attempt=1")
	if first := <-events; first != "change" {
		t.Errorf("it begins with %q, not with what has changed since the page was made", first)
	}
	s.await(events, "lines")
	if data := <-events; !strings.Contains(data, `"text":"aa11 line 2\u003cscript`) {
		t.Errorf("the log is %s", data)
	}
	s.await(events, "end")
	s.run("aa12", 1, 10, "")
	s.await(events, "change")
	s.wants(s.ask("GET", "/events?run=aa11&attempt=x", ""), 400, "attempt is a number")
	s.wants(s.ask("GET", "/events?study=0", ""), 400, "study is a number")
	s.wants(s.ask("GET", "/events?run=zz", ""), 404, "has no run")
	if n := len(s.server.streams); n != 1 {
		t.Errorf("%d streams are open", n)
	}
}

// While a log is followed, what has changed is told all the same.
func TestLogFollows(t *testing.T) {
	s := newSite(t, "")
	s.run("aa12", 1, 10, "")
	lock, err := orchestrator.Acquire(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	events := s.events("/events?run=aa12")
	s.await(events, "lines")
	s.await(events, "change")
	s.run("bb21", 1, 10, "")
	s.await(events, "change")
}

// There are only so many streams.
func TestTooManyStreams(t *testing.T) {
	s := newSite(t, "")
	for range maxStreams {
		s.server.streams <- struct{}{}
	}
	a := s.ask("GET", "/events", "")
	s.wants(a, 503, "too many pages")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	<-s.server.streams
	s.wants(s.ask("HEAD", "/events", ""), 405)
	s.await(s.events("/events"), "change")
}
