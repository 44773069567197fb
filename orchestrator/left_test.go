package orchestrator

import (
	"path/filepath"
	"testing"
	"time"

	"ablate/results"
	"ablate/results/journal"
)

// What is left is predicted from what has ended and from the speed of what is at
// work; without either it is not known.
func TestLeft(t *testing.T) {
	dir := t.TempDir()
	store, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	study := &results.Study{Name: "s", Cells: []string{"small", "large"}}
	var runs []results.Run
	for i, id := range []string{"a1", "b1", "a2", "b2"} {
		study.Slots = append(study.Slots, results.Slot{Cell: i % 2, Seed: i/2 + 1, RunID: id})
		runs = append(runs, results.Run{ID: id, Config: []byte(study.Cells[i%2])})
	}
	if err := store.SaveStudy(study, runs); err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_000_000_000)
	at := func(id string, step int64, began, last time.Duration, outcome results.Outcome) {
		t.Helper()
		path := filepath.Join(dir, id)
		w, err := journal.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		lines := []journal.Line{
			{Kind: journal.Start, Time: now.Add(-began).UnixMilli(), Start: &journal.StartInfo{Steps: 100}},
			{Kind: journal.Progress, Time: now.Add(-last).UnixMilli(), Progress: &journal.ProgressInfo{Phase: "train", Step: step, Steps: 100}},
		}
		if outcome != "" {
			lines = append(lines, journal.Line{Kind: journal.Outcome, Time: now.Add(-last).UnixMilli(), Outcome: string(outcome)})
		}
		for _, l := range lines {
			if err := w.Write(l); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.BeginAttempt(id, 1); err != nil {
			t.Fatal(err)
		}
		if err := store.Ingest(id, 1, path); err != nil {
			t.Fatal(err)
		}
	}
	equal := func([]byte) float64 { return 1 }
	cost := func(config []byte) float64 { return map[string]float64{"small": 1, "large": 3}[string(config)] }
	check := func(cost func([]byte) float64, want time.Duration, wantKnown bool) {
		t.Helper()
		runs, err := store.Runs(study)
		if err != nil {
			t.Fatal(err)
		}
		left, known, err := Left(store, study, runs, cost, now)
		if err != nil || known != wantKnown || left.Round(time.Millisecond) != want {
			t.Errorf("left are %v, %v, %v; want %v, %v", left, known, err, want, wantKnown)
		}
	}
	check(cost, 0, false)
	at("a1", 100, 60*time.Second, 50*time.Second, results.Completed) // took 10 s
	check(equal, 30*time.Second, true)
	check(cost, 70*time.Second, true)   // two large ones of 30 s, a small one
	at("b1", 25, 20*time.Second, 0, "") // a quarter in 20 s: another 60 s
	check(cost, 100*time.Second, true)
	at("a2", 50, 20*time.Second, 0, "") // two at a time; and 20 s
	check(cost, 60*time.Second, true)
}
