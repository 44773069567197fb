package export

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"ablate/results"
	"ablate/results/journal"
)

// hostile is the name of a cell that no format takes as it is.
const hostile = "../a \"b\",\r\nc=\u00e9\xff'/.."

// started is when the first attempts of the fixture began, the second ones a
// minute later.
const started = 1_700_000_000_000

// fixture is a store with a study of three cells by two seeds: bn, of whose runs
// one was interrupted and one has not ended; the hostile one, whose first run
// diverged and whose second is bn's; and a cell whose runs have not begun.
func fixture(t testing.TB) Source {
	t.Helper()
	dir := t.TempDir()
	store, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	study := &results.Study{
		Name: "a, \"study\"", Text: []byte("name = 'x'\n"), Sets: []string{"data.name=generated"},
		Cells: []string{"bn", hostile, "later"},
		Slots: []results.Slot{{Cell: 0, Seed: 1, RunID: "aa"}, {Cell: 0, Seed: 2, RunID: "bb"},
			{Cell: 1, Seed: 1, RunID: "cc"}, {Cell: 1, Seed: 2, RunID: "aa"}, {Cell: 2, Seed: 1, RunID: "dd"}, {Cell: 2, Seed: 2, RunID: "ee"}},
	}
	var runs []results.Run
	for i, id := range []string{"aa", "bb", "cc", "dd", "ee"} {
		config := fmt.Sprintf(`{"lr":0.%d,"opt":{"name":"s,\"gd\"","warm":[1,"x"]},"on":true,"n":%d}`, i+1, i)
		if id == "cc" {
			config = `{"lr":1,"on":"perhaps","n":2.5,"only":null}`
		}
		runs = append(runs, results.Run{ID: id, Cell: "c", Seed: i, Config: []byte(config), Dataset: "d", Trainer: "2"})
	}
	if err := store.SaveStudy(study, runs); err != nil {
		t.Fatal(err)
	}
	attempt(t, store, "aa", 1, 0, "", map[string][]float64{"loss": {3, 2, 1}, "z std": {0.5}})
	attempt(t, store, "aa", 2, 2, results.Completed, map[string][]float64{"loss": {0, 0, 0.1, 1e-300}})
	attempt(t, store, "bb", 1, 0, "", map[string][]float64{"loss": {7}})
	attempt(t, store, "cc", 1, 0, results.Diverged, map[string][]float64{"loss": {math.NaN(), math.Inf(1), math.Inf(-1), 16777217}, "a/b:c": {5}})
	return Source{
		Store: store, Study: study, Axes: []string{"norm", "x/y"}, Levels: [][]string{{"bn", "1"}, {"ln", "2"}, nil},
	}
}

// attempt adds an attempt whose metrics have a value at each step. It takes over
// at the step resume, and its values before that do not count.
func attempt(t testing.TB, s *results.Store, run string, n int, resume int64, o results.Outcome, metrics map[string][]float64) {
	t.Helper()
	if err := s.BeginAttempt(run, n); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	w, err := journal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	at := int64(started + (n-1)*60_000)
	lines := []journal.Line{{Kind: journal.Start, Time: at, Start: &journal.StartInfo{
		ResumeStep: resume, Steps: 4, Version: "v1", Kernels: "portable", CPU: "a CPU", Host: "here", PID: 7}}}
	for step := resume; step < 4; step++ {
		values := map[string]journal.Value{}
		for name, v := range metrics {
			if step < int64(len(v)) {
				values[name] = journal.Value(v[step])
			}
		}
		if len(values) > 0 {
			lines = append(lines, journal.Line{Kind: journal.Metrics, Step: step, Metrics: values})
		}
	}
	if o != "" {
		lines = append(lines, journal.Line{Kind: journal.Outcome, Time: at + 1500, Outcome: string(o)})
	}
	for _, l := range lines {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ingest(run, n, path); err != nil {
		t.Fatal(err)
	}
}

// write exports the fixture into a new folder.
func write(t testing.TB, s Source, format Format) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "out")
	if _, err := Dir(t.Context(), s, format, dir, false); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// point is a row of the table of metrics.
type point struct {
	run, cell    string
	seed         int
	metric       string
	step         int64
	value        float64
	whenReported int64
}

// points are those of the fixture, in their order.
func points() []point {
	nan, inf := math.NaN(), math.Inf(1)
	aa := func(cell string, seed int) []point {
		return []point{
			{"aa", cell, seed, "loss", 0, 3, started}, {"aa", cell, seed, "loss", 1, 2, started},
			{"aa", cell, seed, "loss", 2, 0.1, started + 60_000}, {"aa", cell, seed, "loss", 3, 1e-300, started + 60_000},
			{"aa", cell, seed, "z std", 0, 0.5, started},
		}
	}
	all := append(aa("bn", 1), point{"bb", "bn", 2, "loss", 0, 7, started}, point{"cc", hostile, 1, "a/b:c", 0, 5, started},
		point{"cc", hostile, 1, "loss", 0, nan, started}, point{"cc", hostile, 1, "loss", 1, inf, started},
		point{"cc", hostile, 1, "loss", 2, -inf, started}, point{"cc", hostile, 1, "loss", 3, 16777217, started})
	return append(all, aa(hostile, 2)...)
}
