package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ablate/ablations"
	"ablate/results"
	"ablate/results/journal"
)

const studyText = `
name  = "norms"
seeds = 2
[base]
data   = { name = "generated" }
[axes.norm]
bn   = { norm = "bn" }
none = { norm = "none" }
[cells]
no-predictor = { predictor = false }
[[claims]]
id   = "learns"
says = "Training helps"
all  = [{ metric = "linear_top1", greater = ["bn", "bn@untrained"], by = 1.0 }, { collapsed = ["none"] }]
`

// storeOf saves a study and lets write fill the journal of each of its runs;
// a run for which it returns "" stays open.
func storeOf(t *testing.T, text string, write func(cell string, seed int, w *journal.Writer) results.Outcome) (*results.Store, *results.Study) {
	t.Helper()
	store, err := results.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	stored, runs := saveStudy(t, store, text, "epochs=2")
	runAll(t, store, runs, write)
	return store, stored
}

// saveStudy saves a study whose runs are called by cell and seed.
func saveStudy(t *testing.T, store *results.Store, text string, sets ...string) (*results.Study, []results.Run) {
	t.Helper()
	return saveStudyAs(t, store, runID, text, sets...)
}

func runID(cell string, seed int) string { return fmt.Sprintf("%s-%d", cell, seed) }

// saveStudyAs is saveStudy with IDs of runs of one's own.
func saveStudyAs(t *testing.T, store *results.Store, runID func(cell string, seed int) string, text string, sets ...string) (*results.Study, []results.Run) {
	t.Helper()
	study, err := ablations.Parse("norms.toml", []byte(text), sets)
	if err != nil {
		t.Fatal(err)
	}
	stored := &results.Study{Name: study.Name, Text: study.Text, Sets: study.Sets}
	var runs []results.Run
	for i, c := range study.Cells {
		stored.Cells = append(stored.Cells, c.Name)
		for _, seed := range study.Seeds {
			id := runID(c.Name, seed)
			stored.Slots = append(stored.Slots, results.Slot{Cell: i, Seed: seed, RunID: id})
			runs = append(runs, results.Run{ID: id, Cell: c.Name, Seed: seed, Config: []byte("{}"), Dataset: "d0", Trainer: "trainer-1"})
		}
	}
	if err := store.SaveStudy(stored, runs); err != nil {
		t.Fatal(err)
	}
	return stored, runs
}

// runAll makes one attempt at each of the runs.
func runAll(t *testing.T, store *results.Store, runs []results.Run, write func(cell string, seed int, w *journal.Writer) results.Outcome) {
	t.Helper()
	for _, r := range runs {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		w, err := journal.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		outcome := write(r.Cell, r.Seed, w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := store.BeginAttempt(r.ID, 1); err != nil {
			t.Fatal(err)
		}
		if err := store.Ingest(r.ID, 1, path); err != nil {
			t.Fatal(err)
		}
		if outcome != "" {
			if err := store.EndAttempt(r.ID, 1, outcome, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// journalOf writes what a run of 20 steps with a probe every 10 reports.
func journalOf(t *testing.T, w *journal.Writer, kernels string, start, end, z float64) {
	t.Helper()
	write := func(l journal.Line) {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	write(journal.Line{Kind: journal.Start, Time: time.Now().UnixMilli(), Start: &journal.StartInfo{Steps: 20, Version: "v1", Kernels: kernels, CPU: "cpu"}})
	for step := range 21 {
		m := map[string]journal.Value{}
		if step > 0 {
			m["loss"] = journal.Value(2 / float64(step))
		}
		if step%10 == 0 {
			share := float64(step) / 20
			m["z_std"] = journal.Value(0.3 + share*(z-0.3))
			m["linear_top1"] = journal.Value(start + share*(end-start))
		}
		write(journal.Line{Kind: journal.Metrics, Step: int64(step), Metrics: m})
	}
}

func TestBuild(t *testing.T) {
	store, stored := storeOf(t, studyText, func(cell string, seed int, w *journal.Writer) results.Outcome {
		luck := float64(seed) / 10
		switch cell {
		case "bn":
			journalOf(t, w, "onednn", 30+luck, 50+2*luck, 0.8)
			return results.Completed
		case "none":
			journalOf(t, w, "portable", 30+luck, 10, 0.001)
			return results.Collapsed
		}
		if seed == 1 {
			journalOf(t, w, "onednn", 30, math.NaN(), 0.02)
			return results.Diverged
		}
		return ""
	})
	r, err := Build(store, stored)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cells) != 3 || r.Metric != "linear_top1" || r.Sets[0] != "epochs=2" {
		t.Fatalf("%d cells, metric %q, sets %q", len(r.Cells), r.Metric, r.Sets)
	}
	bn, none, extra := r.Cells[0], r.Cells[1], r.Cells[2]
	for name, want := range map[string][]Number{
		"linear_top1": {50.2, 50.4}, "linear_top1_untrained": {30.1, 30.2}, "z_std": {0.8, 0.8}, "z_std_untrained": {0.3, 0.3}, "loss": {0.1, 0.1},
	} {
		got := bn.Metrics[name].Values
		if len(got) != 2 || math.Abs(float64(got[0]-want[0])) > 1e-9 || math.Abs(float64(got[1]-want[1])) > 1e-9 {
			t.Errorf("bn: %s is %v, want %v", name, got, want)
		}
	}
	if _, ok := bn.Metrics["loss_untrained"]; ok {
		t.Error("the loss has a value at step 0, which no run reports")
	}
	if none.Collapsed != 2 || none.N != 2 || none.Levels["norm"] != "none" {
		t.Errorf("none: %+v", none)
	}
	if extra.N != 1 || extra.Diverged != 1 || extra.Pending != 1 || extra.Levels != nil {
		t.Errorf("no-predictor: n %d, diverged %d, pending %d, levels %v", extra.N, extra.Diverged, extra.Pending, extra.Levels)
	}
	if got := r.Claims[0]; got.Verdict != Supported || got.Parts[0].N != 2 {
		t.Errorf("%s: %+v", got.Verdict, got.Parts)
	}
	p := r.Provenance
	if fmt.Sprint(p.Kernels) != "[{onednn 3} {portable 2}]" || fmt.Sprint(p.Datasets, p.Trainers, p.Versions) != "[{d0 5}] [{trainer-1 5}] [{v1 5}]" {
		t.Errorf("provenance %+v", p)
	}
	var text bytes.Buffer
	if err := r.Text(&text, 120); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "mixed kernel sets: onednn (3), portable (2)") {
		t.Errorf("the mixture of kernels goes unnoticed:\n%s", text.String())
	}
	files, err := r.render()
	if err != nil {
		t.Fatal(err)
	}
	if string(files["study.toml"]) != studyText {
		t.Error("study.toml is not the study's text")
	}
	for _, name := range []string{"comparison.svg", "learning-loss.svg", "collapse-z_std.svg"} {
		if len(files[name]) == 0 {
			t.Errorf("no %s", name)
		}
	}
	if _, ok := files["learning-knn_top1.svg"]; ok {
		t.Error("a figure of a metric that nobody reports")
	}
}

// The same study twice from the same store gives the same bytes.
func TestBuildIsDeterministic(t *testing.T) {
	store, stored := storeOf(t, studyText, func(cell string, seed int, w *journal.Writer) results.Outcome {
		journalOf(t, w, "portable", 30, 40+float64(seed), 0.5)
		return results.Completed
	})
	var outputs [2]bytes.Buffer
	for i := range outputs {
		r, err := Build(store, stored)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.JSON(&outputs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(outputs[0].Bytes(), outputs[1].Bytes()) {
		t.Error("two reports of one store differ")
	}
}

func TestBuildOfAnUnreadableStudy(t *testing.T) {
	store, stored := storeOf(t, studyText, func(string, int, *journal.Writer) results.Outcome { return "" })
	stored.Text = append([]byte("flavour = 3\n"), stored.Text...)
	if _, err := Build(store, stored); err == nil || !strings.Contains(err.Error(), "study norms, as it was started, cannot be read") {
		t.Errorf("error %v", err)
	}
}

func TestIsShipped(t *testing.T) {
	for _, name := range ablations.Shipped() {
		study, err := ablations.Load(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !isShipped(&results.Study{Name: name, Text: study.Text}) {
			t.Errorf("%s is shipped", name)
		}
		if isShipped(&results.Study{Name: name, Text: append(study.Text, '\n')}) {
			t.Errorf("a changed %s counts as shipped", name)
		}
	}
	if isShipped(&results.Study{Name: "mine"}) {
		t.Error("mine is not shipped")
	}
}

func TestEndsOf(t *testing.T) {
	at := func(first, last int64) results.Ends {
		return results.Ends{First: results.Point{Step: first, Value: 1}, Last: results.Point{Step: last, Value: 2}}
	}
	nan := math.NaN()
	for _, c := range []struct {
		e     results.Ends
		steps int64
		want  ends
	}{
		{at(0, 10), 10, ends{1, 2, 10}},
		{at(1, 10), 10, ends{nan, 2, 10}},
		{at(0, 0), 10, ends{1, nan, 0}},
		{at(0, 0), 0, ends{1, 2, 0}},
	} {
		if got := endsOf(c.e, c.steps); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%+v of %d steps: %v, want %v", c.e, c.steps, got, c.want)
		}
	}
}

// What a later attempt did again has left nothing in the results.
func TestCounting(t *testing.T) {
	at := func(number int, resume int64, version string) results.Attempt {
		return results.Attempt{Number: number, ResumeStep: resume, Version: version}
	}
	for _, c := range []struct {
		name     string
		attempts []results.Attempt
		want     string
	}{
		{"resumed", []results.Attempt{at(1, 0, "v1"), at(2, 61, "v2")}, "[2 1]"},
		{"started over", []results.Attempt{at(1, 0, "v1"), at(2, 0, "v2")}, "[2]"},
		{"resumed from an older state", []results.Attempt{at(1, 0, "v1"), at(2, 61, "v1"), at(3, 40, "v2")}, "[3 1]"},
		{"never begun", []results.Attempt{at(1, 0, "v1"), at(2, 0, "")}, "[1]"},
	} {
		got := []int{}
		for _, a := range counting(c.attempts) {
			got = append(got, a.Number)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: attempts %v, want %s", c.name, got, c.want)
		}
	}
}

// A run that started over under another kernel set is all of that one.
func TestBuildOfARunThatStartedOver(t *testing.T) {
	store, stored := storeOf(t, studyText, func(cell string, seed int, w *journal.Writer) results.Outcome {
		journalOf(t, w, "onednn", 30, 40, 0.5)
		if cell == "bn" && seed == 1 {
			return ""
		}
		return results.Completed
	})
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	w, err := journal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	journalOf(t, w, "portable", 30, 40, 0.5)
	w.Close()
	if err := store.BeginAttempt("bn-1", 2); err != nil {
		t.Fatal(err)
	}
	if err := store.Ingest("bn-1", 2, path); err != nil {
		t.Fatal(err)
	}
	if err := store.EndAttempt("bn-1", 2, results.Completed, ""); err != nil {
		t.Fatal(err)
	}
	r, err := Build(store, stored)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.Provenance.Kernels); got != "[{onednn 5} {portable 1}]" {
		t.Errorf("kernels %s, want one portable and five others", got)
	}
}

func TestCannotWriteToAFullDisk(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOSPC: "Make room", syscall.EDQUOT: "Make room", syscall.EACCES: "Name a folder that can be written",
	} {
		err := cannotWrite("out", &fs.PathError{Op: "write", Path: "out/report.md", Err: errno})
		if !strings.Contains(err.Error(), want) || !errors.Is(err, errno) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
