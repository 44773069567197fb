package results

import (
	"fmt"
	"slices"
	"testing"

	"ablate/results/journal"
)

func TestSiblings(t *testing.T) {
	s := newStore(t)
	config := func(epochs int, lr string) []byte {
		return fmt.Appendf(nil, `{"batch":64,"epochs":%d,"optimizer":{"epochs":1,"lr":%s}}`, epochs, lr)
	}
	runs := []Run{
		{ID: "a20", Seed: 1, Config: config(20, "1e-5"), Dataset: "d", Trainer: "2"},
		{ID: "a30", Seed: 1, Config: config(30, "1e-5"), Dataset: "d", Trainer: "2"},
		{ID: "open", Seed: 1, Config: config(10, "1e-5"), Dataset: "d", Trainer: "2"},
		{ID: "failed", Seed: 1, Config: config(11, "1e-5"), Dataset: "d", Trainer: "2"},
		{ID: "rate", Seed: 1, Config: config(20, "0.1"), Dataset: "d", Trainer: "2"},
		{ID: "seed", Seed: 2, Config: config(20, "1e-5"), Dataset: "d", Trainer: "2"},
		{ID: "data", Seed: 1, Config: config(20, "1e-5"), Dataset: "e", Trainer: "2"},
		{ID: "trainer", Seed: 1, Config: config(20, "1e-5"), Dataset: "d", Trainer: "3"},
	}
	save(t, s, &Study{Name: "s"}, runs)
	for _, r := range runs {
		outcome := Completed
		switch r.ID {
		case "open":
			continue
		case "a30":
			outcome = Collapsed
		case "failed":
			outcome = Failed
		}
		begin(t, s, r.ID, 1)
		end(t, s, r.ID, 1, outcome, "")
	}
	wanted := []Run{
		{ID: "new", Seed: 1, Config: config(40, "1e-5"), Dataset: "d", Trainer: "2"},
		{ID: "a20", Seed: 1, Config: config(20, "1e-5"), Dataset: "d", Trainer: "2"},
		{ID: "none", Seed: 1, Config: config(40, "0.2"), Dataset: "d", Trainer: "2"},
	}
	found, err := s.Siblings(wanted, "epochs")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{}
	for id, siblings := range found {
		for _, r := range siblings {
			names[id] = append(names[id], r.ID)
		}
	}
	if got, want := fmt.Sprint(names), "map[a20:[a30] new:[a20 a30]]"; got != want {
		t.Fatalf("siblings are %s, want %s", got, want)
	}
	if r := found["new"][1]; r.Outcome != Collapsed || r.Seed != 1 || string(r.Config) != string(config(30, "1e-5")) || r.Attempts != 1 {
		t.Errorf("a sibling is %+v", r)
	}
	if none, err := s.Siblings(nil, "epochs"); err != nil || len(none) > 0 {
		t.Errorf("without runs: %v, %v", none, err)
	}
}

// A longer run has the points of the shorter one before the step at which it
// begins, wherever that is, and its own from there on.
func TestExtend(t *testing.T) {
	for _, resume := range []int64{0, 2, 4} {
		s := withRuns(t, "short", "long")
		begin(t, s, "short", 1)
		j := newJournal(t)
		j.write(journal.Line{Kind: journal.Start, Time: 1, Start: &journal.StartInfo{Steps: 4}})
		for step := range int64(4) {
			j.point("loss", step, float64(step))
		}
		j.point("z_std", 0, 0.5)
		j.point("z_std", 4, 0.4) // the last probe
		j.point("linear_top1", 4, 50)
		j.write(journal.Line{Kind: journal.Outcome, Outcome: "completed"})
		j.ingest(s, "short", 1)

		for range 2 { // killed between this and the launch, it does it again
			if err := s.Extend("long", "short"); err != nil {
				t.Fatal(err)
			}
		}
		if last := seriesOf(t, s, "long", "linear_top1"); len(last) > 0 {
			t.Errorf("the shorter run's last evaluation is the longer's: %v", last)
		}
		begin(t, s, "long", 1)
		j = newJournal(t)
		j.start(resume)
		for step := resume; step < 6; step++ {
			j.point("loss", step, 100+float64(step))
		}
		j.ingest(s, "long", 1)
		var want []Point
		for step := range int64(6) {
			p := Point{step, float64(step)}
			if step >= resume {
				p.Value += 100
			}
			want = append(want, p)
		}
		if got := seriesOf(t, s, "long", "loss"); !slices.Equal(got, want) {
			t.Errorf("resumed at step %d it has %v, want %v", resume, got, want)
		}
		if got, want := len(seriesOf(t, s, "long", "z_std")), int(min(resume, 1)); got != want {
			t.Errorf("resumed at step %d it has %d probes of the shorter run, want %d", resume, got, want)
		}
		if got := seriesOf(t, s, "short", "loss"); len(got) != 4 {
			t.Errorf("the shorter run has %v", got)
		}

		// What it has is not overwritten.
		if err := s.Extend("long", "short"); err != nil || !slices.Equal(seriesOf(t, s, "long", "loss"), want) {
			t.Errorf("later it has %v, %v", seriesOf(t, s, "long", "loss"), err)
		}
	}
	s := withRuns(t, "short", "done")
	for _, id := range []string{"short", "done"} {
		begin(t, s, id, 1)
		j := newJournal(t)
		j.start(0)
		if id == "short" {
			j.point("loss", 1, 1)
			j.point("loss", 2, 1)
		}
		j.write(journal.Line{Kind: journal.Outcome, Outcome: "completed"})
		j.ingest(s, id, 1)
	}
	if err := s.Extend("done", "short"); err != nil || seriesOf(t, s, "done", "loss") != nil {
		t.Errorf("a finished run has got %v, %v", seriesOf(t, s, "done", "loss"), err)
	}
	wantError(t, withRuns(t, "short").Extend("long", "short"), `no run "long"`)
	wantError(t, withRuns(t, "long").Extend("long", "short"), `no run "short"`)
}
