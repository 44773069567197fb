package results

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ablate/results/journal"

	"github.com/mattn/go-sqlite3"
)

// clock is the time in tests: a fixed one, a second later at every look.
func clock() func() time.Time {
	now := time.UnixMilli(1_700_000_000_000)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.now = clock()
	return s
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return open(t, t.TempDir())
}

// sample is a study of two cells and two seeds, with a run that two cells
// share, and its runs.
func sample(name string) (*Study, []Run) {
	study := &Study{
		Name:  name,
		Text:  []byte("name = \"" + name + "\"\n# \xff is no UTF-8\n"),
		Sets:  []string{"data.name=generated", `base.text="a, b"`},
		Cells: []string{"bn", "norm=none,predictor=false"},
		Slots: []Slot{{0, 1, "aa01"}, {1, 1, "aa02"}, {0, 2, "ab01"}, {1, 2, "ab01"}},
	}
	runs := []Run{
		{ID: "aa01", Cell: "bn", Seed: 1, Config: []byte(`{"lr":0.1}`), Dataset: "d", Trainer: "1"},
		{ID: "aa02", Cell: "norm=none,predictor=false", Seed: 1, Config: []byte(`{"lr":0.2}`), Dataset: "d", Trainer: "1"},
		{ID: "ab01", Cell: "bn", Seed: 2, Config: []byte(`{"lr":0.1}`), Dataset: "d", Trainer: "1"},
	}
	return study, runs
}

func save(t testing.TB, s *Store, study *Study, runs []Run) {
	t.Helper()
	if err := s.SaveStudy(study, runs); err != nil {
		t.Fatal(err)
	}
}

// withRuns returns a store with a study of these runs.
func withRuns(t testing.TB, ids ...string) *Store {
	t.Helper()
	s := newStore(t)
	save(t, s, &Study{Name: "s"}, runsOf(ids))
	return s
}

func runsOf(ids []string) (runs []Run) {
	for _, id := range ids {
		runs = append(runs, Run{ID: id, Cell: "c", Config: []byte("{}")})
	}
	return runs
}

func begin(t testing.TB, s *Store, run string, n int) {
	t.Helper()
	if err := s.BeginAttempt(run, n); err != nil {
		t.Fatal(err)
	}
}

func end(t testing.TB, s *Store, run string, n int, o Outcome, reason string) {
	t.Helper()
	if err := s.EndAttempt(run, n, o, reason); err != nil {
		t.Fatal(err)
	}
}

func getRun(t testing.TB, s *Store, id string) Run {
	t.Helper()
	r, err := s.Run(id)
	if err != nil {
		t.Fatal(err)
	}
	return *r
}

func attemptsOf(t testing.TB, s *Store, id string) []Attempt {
	t.Helper()
	a, err := s.Attempts(id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func eventsOf(t testing.TB, s *Store, id string) []Event {
	t.Helper()
	e, err := s.Events(id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantError checks that err is there and says every one of parts.
func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestStudyRoundTrip(t *testing.T) {
	s := newStore(t)
	study, runs := sample("table2")
	save(t, s, study, runs)
	if study.ID == 0 || study.Created.IsZero() || !study.Started.Equal(study.Created) {
		t.Errorf("saved as %+v", study)
	}
	got, err := s.Study("table2")
	if err != nil {
		t.Fatal(err)
	}
	want := *study
	want.Slots = []Slot{{0, 1, "aa01"}, {0, 2, "ab01"}, {1, 1, "aa02"}, {1, 2, "ab01"}}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
	byID, err := s.Runs(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range runs {
		if one := getRun(t, s, want.ID); !reflect.DeepEqual(one, want) {
			t.Errorf("got %+v\nwant %+v", one, want)
		}
		want.Config = nil
		if one := byID[want.ID]; !reflect.DeepEqual(one, want) {
			t.Errorf("listed as %+v\nwant %+v", one, want)
		}
	}
	if len(byID) != len(runs) {
		t.Errorf("%d runs: %v", len(byID), byID)
	}
}

func TestSaveStudyAgain(t *testing.T) {
	s := newStore(t)
	first, runs := sample("first")
	second, _ := sample("second")
	save(t, s, first, runs)
	save(t, s, second, runs)
	begin(t, s, "aa01", 1)
	end(t, s, "aa01", 1, Completed, "")
	if got, _ := s.Study(""); got.Name != "second" {
		t.Errorf("the newest is %s", got.Name)
	}
	stored, _ := s.Study("first")
	s.now = func() time.Time { return time.UnixMilli(1) } // even if the clock was set back
	again := *stored                                      // as a caller has it, with slots in another order
	save(t, s, &again, runs)
	if again.ID != first.ID || !again.Created.Equal(first.Created) || again.Started.UnixMilli() != 1 {
		t.Errorf("saved again as %+v after %+v", again, first)
	}
	studies, err := s.Studies()
	if err != nil {
		t.Fatal(err)
	}
	if names, err := s.StudyNames(); err != nil || !slices.Equal(names, []string{"first", "second"}) {
		t.Errorf("names are %v, %v", names, err)
	}
	if len(studies) != 2 || studies[0].Name != "first" || studies[1].Name != "second" {
		t.Errorf("studies are %+v", studies)
	}
	if r := getRun(t, s, "aa01"); r.Outcome != Completed {
		t.Errorf("saving again lost the outcome: %+v", r)
	}

	changed, _ := sample("first")
	changed.Sets = nil
	save(t, s, changed, runs)
	if changed.ID == first.ID {
		t.Error("other overrides are the same study")
	}
	if got, _ := s.Study("first"); got.ID != changed.ID || got.Sets != nil {
		t.Errorf("the newest called first is %+v", got)
	}
}

func TestSaveStudyRefuses(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Study)
		says  string
	}{
		{"an unknown run", func(s *Study) { s.Slots[0].RunID = "zz" }, "zz"},
		{"an unknown cell", func(s *Study) { s.Slots[0].Cell = 2 }, "cell 2"},
		{"a slot twice", func(s *Study) { s.Slots[1] = s.Slots[0] }, "seed 1 of cell bn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			study, runs := sample("bad")
			tt.spoil(study)
			wantError(t, s.SaveStudy(study, runs), tt.says)
			if studies, err := s.Studies(); err != nil || len(studies) != 0 {
				t.Errorf("something stayed: %v, %v", studies, err)
			}
			if _, err := s.Run("aa01"); !errors.Is(err, ErrNotFound) {
				t.Errorf("a run stayed: %v", err)
			}
		})
	}
}

func TestStudyNotFound(t *testing.T) {
	s := newStore(t)
	_, err := s.Study("")
	wantError(t, err, s.dir, "no study yet", "start one")
	for _, name := range []string{"table2", "table2-wide", "quick"} {
		study, runs := sample(name)
		save(t, s, study, runs)
	}
	for name, want := range map[string]string{
		"tabel2":   "did you mean table2?",
		"table":    "did you mean table2-wide or table2?",
		"qick":     "did you mean quick?",
		"nonsense": "it has quick, table2-wide, table2",
	} {
		_, err := s.Study(name)
		wantError(t, err, want, name)
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%v is not ErrNotFound", err)
		}
	}
}

func TestOutlines(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"first", "second"} {
		study, runs := sample(name)
		save(t, s, study, runs)
	}
	outlines, err := s.Outlines()
	if err != nil || len(outlines) != 2 || outlines[0].Name != "second" || outlines[1].Name != "first" || outlines[0].Slots != nil {
		t.Fatalf("%+v, %v", outlines, err)
	}
	whole, err := s.StudyByID(outlines[1].ID)
	if err != nil || whole.Name != "first" || len(whole.Slots) == 0 {
		t.Errorf("%+v, %v", whole, err)
	}
	if _, err := s.StudyByID(99); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestRunByPrefix(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	runs = append(runs, Run{ID: "ab01ff", Config: []byte("{}")})
	save(t, s, study, runs)
	for prefix, want := range map[string]string{"aa01": "aa01", "aa02": "aa02", "ab01": "ab01", "ab01f": "ab01ff"} {
		if r := getRun(t, s, prefix); r.ID != want {
			t.Errorf("%s is %s", prefix, r.ID)
		}
	}
	_, err := s.Run("aa")
	wantError(t, err, `several runs begin with "aa": aa01, aa02`)
	for _, prefix := range []string{"b", "aa03", "%", "_", "AA01", "aa01x"} {
		if _, err := s.Run(prefix); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	_, err = s.Run("")
	wantError(t, err, "first letters")

	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf("c%02d", i))
	}
	save(t, s, &Study{Name: "many"}, runsOf(many))
	_, err = s.Run("c")
	wantError(t, err, "c00, c01", "and 22 more")
}

func TestUnknownRun(t *testing.T) {
	s := withRuns(t, "aa")
	_, attempts := s.Attempts("zz")
	_, events := s.Events("zz")
	_, series := s.Series("zz", "loss")
	for what, err := range map[string]error{
		"Attempts":                  attempts,
		"Events":                    events,
		"Series":                    series,
		"BeginAttempt":              s.BeginAttempt("zz", 1),
		"EndAttempt":                s.EndAttempt("zz", 1, Completed, ""),
		"EndAttempt of no attempt":  s.EndAttempt("aa", 1, Completed, ""),
		"RetryAttempt of none":      s.RetryAttempt("aa", 1, ""),
		"Ingest":                    s.Ingest("zz", 1, "nowhere"),
		"Ingest of no attempt":      s.Ingest("aa", 1, "nowhere"),
		"a prefix is no id":         s.BeginAttempt("a", 1),
		"an attempt before attempt": s.Ingest("aa", 0, "nowhere"),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Every way an attempt may begin and end, as a sequence of calls.
func TestOutcomeIsOfTheNewestAttempt(t *testing.T) {
	type want struct {
		outcome  Outcome
		reason   string
		attempts int
		running  bool
		states   string
	}
	b := func(n int) func(*Store) error { return func(s *Store) error { return s.BeginAttempt("aa", n) } }
	e := func(n int, o Outcome, why string) func(*Store) error {
		return func(s *Store) error { return s.EndAttempt("aa", n, o, why) }
	}
	retry := func(n int) func(*Store) error {
		return func(s *Store) error { return s.RetryAttempt("aa", n, "exit 1") }
	}
	tests := []struct {
		name  string
		calls []func(*Store) error
		want  want
	}{
		{"nothing", nil, want{}},
		{"begun", []func(*Store) error{b(1)}, want{attempts: 1, running: true, states: "running"}},
		{"begun twice", []func(*Store) error{b(1), b(1)}, want{attempts: 1, running: true, states: "running"}},
		{"completed", []func(*Store) error{b(1), e(1, Completed, "")}, want{outcome: Completed, attempts: 1, states: "ended"}},
		{"begun again after its end", []func(*Store) error{b(1), e(1, Failed, "why"), b(1)}, want{outcome: Failed, reason: "why", attempts: 1, states: "ended"}},
		{"the first end holds", []func(*Store) error{b(1), e(1, Collapsed, "flat"), e(1, Failed, "exit 1"), e(1, "", "")}, want{outcome: Collapsed, reason: "flat", attempts: 1, states: "ended"}},
		{"interrupted", []func(*Store) error{b(1), e(1, "", "by you")}, want{attempts: 1, states: "interrupted"}},
		{"interrupted, then its journal has an outcome", []func(*Store) error{b(1), e(1, "", ""), e(1, Completed, "")}, want{outcome: Completed, attempts: 1, states: "ended"}},
		{"a retry reopens", []func(*Store) error{b(1), e(1, Failed, "exit 1"), b(2)}, want{attempts: 2, running: true, states: "ended running"}},
		{"and ends anew", []func(*Store) error{b(1), e(1, Failed, "exit 1"), b(2), e(2, Completed, "")}, want{outcome: Completed, attempts: 2, states: "ended ended"}},
		{"to be tried again", []func(*Store) error{b(1), retry(1)}, want{attempts: 1, states: "ended"}},
		{"tried again", []func(*Store) error{b(1), retry(1), b(2), e(2, Failed, "exit 2")}, want{outcome: Failed, reason: "exit 2", attempts: 2, states: "ended ended"}},
		{"a result is not tried again", []func(*Store) error{b(1), e(1, Collapsed, "flat"), retry(1)}, want{outcome: Collapsed, reason: "flat", attempts: 1, states: "ended"}},
		{"nor the failure of an older attempt", []func(*Store) error{b(1), b(2), e(2, Failed, "exit 2"), retry(1)}, want{outcome: Failed, reason: "exit 2", attempts: 2, states: "fenced ended"}},
		{"a fenced attempt is silent", []func(*Store) error{b(1), b(2), e(1, Completed, "late")}, want{attempts: 2, running: true, states: "fenced running"}},
		{"even after the newer ended", []func(*Store) error{b(1), b(2), e(2, Diverged, "NaN"), e(1, Completed, "late")}, want{outcome: Diverged, reason: "NaN", attempts: 2, states: "fenced ended"}},
		{"and if it was interrupted", []func(*Store) error{b(1), e(1, "", ""), b(2), e(1, Completed, "late")}, want{attempts: 2, running: true, states: "interrupted running"}},
		{"an older attempt that comes late is fenced", []func(*Store) error{b(2), b(1), e(1, Completed, "")}, want{attempts: 2, running: true, states: "fenced running"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := withRuns(t, "aa")
			for _, call := range tt.calls {
				if err := call(s); err != nil {
					t.Fatal(err)
				}
			}
			r := getRun(t, s, "aa")
			var states []string
			for _, a := range attemptsOf(t, s, "aa") {
				states = append(states, string(a.State))
				if (a.State == Running) != a.Ended.IsZero() {
					t.Errorf("attempt %d is %s and ended %v", a.Number, a.State, a.Ended)
				}
			}
			got := want{r.Outcome, r.Reason, r.Attempts, r.Running, strings.Join(states, " ")}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	wantError(t, s.EndAttempt("aa", 1, "exploded", ""), "exploded")
}

func TestEnds(t *testing.T) {
	s := withRuns(t, "aa", "bb", "cc")
	for _, id := range []string{"aa", "bb"} {
		begin(t, s, id, 1)
		j := newJournal(t)
		j.start(0)
		j.point("untrained", 0, math.NaN())
		for step := range int64(5) {
			j.point("loss", step, float64(step)+float64(id[0]))
		}
		j.ingest(s, id, 1)
	}
	got, err := s.Ends([]string{"bb", "cc", "aa", "zz"})
	if err != nil {
		t.Fatal(err)
	}
	nan := Point{0, math.NaN()}
	want := map[string]map[string]Ends{
		"aa": {"untrained": {nan, nan}, "loss": {Point{0, 97}, Point{4, 101}}},
		"bb": {"untrained": {nan, nan}, "loss": {Point{0, 98}, Point{4, 102}}},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) { // NaN does not equal itself
		t.Errorf("got %v\nwant %v", got, want)
	}
	if none, err := s.Ends(nil); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	os.Mkdir(garbage, 0o777)
	os.WriteFile(filepath.Join(garbage, fileName), []byte(strings.Repeat("no database ", 100)), 0o666)

	_, err := Open(filepath.Join(dir, "no", "store"))
	wantError(t, err, filepath.Join(dir, "no", "store"), filepath.Join(dir, "no")+" does not exist", "make that folder")
	_, err = Open(file)
	wantError(t, err, file, "is not a folder")
	_, err = Open(garbage)
	wantError(t, err, garbage, "no intact database")
	_, err = OpenReadOnly(garbage)
	wantError(t, err, garbage, "no intact database")
}

func TestNoStore(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Join(dir, "missing")} {
		_, err := OpenReadOnly(d)
		wantError(t, err, d, "no store")
		if !errors.Is(err, ErrNoStore) {
			t.Errorf("%v is not ErrNoStore", err)
		}
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("looking left %v", names)
	}
	// A head that was killed before its first table.
	os.WriteFile(filepath.Join(dir, fileName), nil, 0o666)
	if _, err := OpenReadOnly(dir); !errors.Is(err, ErrNoStore) {
		t.Errorf("%v is not ErrNoStore", err)
	}
	open(t, dir)
}

// A folder may have any name, and Open makes it.
func TestOpenStrangeName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a store? 100% #1 & "more"`)
	s := open(t, dir)
	study, runs := sample("s")
	save(t, s, study, runs)
	s.Close()
	if _, err := os.Stat(filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	ro, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if _, err := ro.Study("s"); err != nil {
		t.Error(err)
	}
	study.Sets = nil
	wantError(t, ro.SaveStudy(study, runs), "reading only")
}

func TestNewerSchema(t *testing.T) {
	s := newStore(t)
	if _, err := s.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err := Open(s.dir)
	wantError(t, err, s.dir, "schema 99", "newer version of the program")
	_, err = OpenReadOnly(s.dir)
	wantError(t, err, s.dir, "schema 99", "newer version of the program")
	_, err = OpenShared(s.dir)
	wantError(t, err, s.dir, "schema 99", "newer version of the program")
}

// The pragmas hold on every connection of the pool.
func TestPragmas(t *testing.T) {
	s := newStore(t)
	for range 3 {
		conn, err := s.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{"foreign_keys": "1", "journal_mode": "wal", "synchronous": "1", "busy_timeout": "120000"} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, %v", pragma, got, err)
			}
		}
	}
}

// The schema itself refuses what no code should do.
func TestSchemaChecks(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	for _, stmt := range []string{
		`UPDATE runs SET outcome = 'exploded'`,
		`UPDATE runs SET outcome = 'completed', running = 1`,
		`UPDATE attempts SET state = 'asleep'`,
		`UPDATE attempts SET state = 'ended'`,
		`UPDATE attempts SET outcome = 'completed'`,
		`INSERT INTO attempts (run, number, state, started) VALUES (77, 1, 'running', 0)`,
		`INSERT INTO events (run, attempt, time, text) VALUES (1, 77, 0, '')`,
		`INSERT INTO metrics (run, name, step, value) VALUES (1, 1, 'x', 0)`,
	} {
		if _, err := s.db.Exec(stmt); err == nil {
			t.Errorf("%s was fine", stmt)
		}
	}
	var result string
	if err := s.db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("%s, %v", result, err)
	}
}

// Every table and column is explained in the schema.
func TestSchemaIsDocumented(t *testing.T) {
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	names, err := collect(s.db, `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'`, scanOne[string])
	if err != nil || len(names) != 12 {
		t.Errorf("%d tables: %v, %v", len(names), names, err)
	}
	lines := strings.Split(strings.Join(steps, ""), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "CREATE TABLE") && !strings.HasPrefix(lines[i-1], "--") {
			t.Errorf("%s has no comment above it", line)
		}
	}
}

// The view shows figures under their names.
func TestPoints(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.start(0)
	j.point("loss", 3, math.Inf(-1))
	j.point("loss", 4, math.NaN())
	j.ingest(s, "aa", 1)
	type row struct {
		run, metric string
		step        int64
		value       sql.NullFloat64
	}
	got, err := collect(s.db, `SELECT * FROM points ORDER BY step`, func(rows *sql.Rows, r *row) error {
		return rows.Scan(&r.run, &r.metric, &r.step, &r.value)
	})
	want := []row{
		{"aa", "loss", 3, sql.NullFloat64{Float64: math.Inf(-1), Valid: true}},
		{"aa", "loss", 4, sql.NullFloat64{}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// testJournal is a journal that a test writes and ingests.
type testJournal struct {
	t    testing.TB
	w    *journal.Writer
	path string
}

func newJournal(t testing.TB) *testJournal {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	w, err := journal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return &testJournal{t, w, path}
}

func (j *testJournal) write(l journal.Line) {
	j.t.Helper()
	if err := j.w.Write(l); err != nil {
		j.t.Fatal(err)
	}
}

func (j *testJournal) start(resume int64) {
	j.t.Helper()
	j.write(journal.Line{Kind: journal.Start, Time: 1000, Start: &journal.StartInfo{ResumeStep: resume, Steps: 100}})
}

func (j *testJournal) point(name string, step int64, v float64) {
	j.t.Helper()
	j.write(journal.Line{Kind: journal.Metrics, Step: step, Metrics: map[string]journal.Value{name: journal.Value(v)}})
}

func (j *testJournal) ingest(s *Store, run string, n int) {
	j.t.Helper()
	if err := s.Ingest(run, n, j.path); err != nil {
		j.t.Fatal(err)
	}
}

// A disk that fills up stops an ingest whole; with room again it goes on.
func TestFullDisk(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.start(0)
	const points = 20_000
	for step := range int64(points) {
		j.point("loss", step, 1.5)
	}
	s.db.SetMaxOpenConns(1) // the limit is a connection's
	if _, err := s.db.Exec("PRAGMA max_page_count = 60"); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.Ingest("aa", 1, j.path), "attempt 1 of run aa", "disk of the store "+s.dir+" is full", "make room")
	if a := attemptsOf(t, s, "aa")[0]; a.Offset != 0 || a.State != Running {
		t.Errorf("%+v", a)
	}
	if _, err := s.db.Exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	j.ingest(s, "aa", 1)
	if p := seriesOf(t, s, "aa", "loss"); len(p) != points {
		t.Errorf("%d points", len(p))
	}
}

// SQLite reports a full disk in several ways; the advice is the same.
func TestFullDiskInOtherWords(t *testing.T) {
	s := newStore(t)
	for _, e := range []sqlite3.Error{
		{Code: sqlite3.ErrFull},
		{Code: sqlite3.ErrIoErr, SystemErrno: syscall.ENOSPC},
		{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.EDQUOT},
	} {
		wantError(t, s.explain(e), "the disk of the store "+s.dir+" is full", "make room and start again")
	}
	if err := s.explain(sqlite3.Error{Code: sqlite3.ErrIoErr, SystemErrno: syscall.EIO}); strings.Contains(err.Error(), "full") {
		t.Errorf("an error of the disk counts as a full one: %v", err)
	}
	if !NoRoom(&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOSPC}) || NoRoom(nil) || NoRoom(fs.ErrPermission) {
		t.Error("a full disk is not told from other troubles")
	}
	wantError(t, noRoomFor("st", &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOSPC}),
		"the disk of the store st is full (no space left on device)", "make room")
}
