package worker

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"ablate/trainer"
	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
)

// A run that extends another takes over the newest checkpoints of that one's
// newest attempt that has any, but only while it has none of its own, and the
// trainer is told how long the shorter run was.
func TestExtends(t *testing.T) {
	shorter, longer := newRun(t), newRun(t)
	save := func(a Attempt, step int64, text string) {
		t.Helper()
		if err := os.MkdirAll(a.Checkpoints(), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(a.Checkpoints(), checkpoint.Name(step)), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for step := range int64(3) {
		a, err := Claim(shorter, "")
		if err != nil {
			t.Fatal(err)
		}
		if step < 2 { // the third died before it took over anything
			save(a, 10*step, "old")
			save(a, 10*step+1, "older run")
			save(a, 10*step+2, "its end")
		}
	}
	spec, err := ReadSpec(longer)
	if err != nil {
		t.Fatal(err)
	}
	settings, problems := config.Resolve(config.Settings{"data.name": "generated", "epochs": int64(40)})
	if problems != nil {
		t.Fatal(problems)
	}
	spec.Config, spec.Extends = settings.JSON(), shorter
	if err := WriteSpec(longer, spec); err != nil {
		t.Fatal(err)
	}
	attempt := func(epochs int, steps ...int64) {
		t.Helper()
		var done Attempt
		w := Worker{Claimed: func(a Attempt) error { done = a; return nil },
			Train: Embedded(func(_ context.Context, job trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
				if job.Extends != epochs || job.Config.Epochs != 40 {
					t.Errorf("the run of %d epochs extends one of %d, want %d", job.Config.Epochs, job.Extends, epochs)
				}
				h.Start(0, 1)
				return trainer.Outcome{Kind: "completed"}, nil
			})}
		if err := w.Run(t.Context(), longer); err != nil {
			t.Fatal(err)
		}
		paths, err := checkpoint.List(done.Checkpoints())
		if err != nil || len(paths) != len(steps) {
			t.Fatalf("attempt %d has the checkpoints %v, %v, want steps %v", done.N, paths, err, steps)
		}
		for i, step := range steps {
			if filepath.Base(paths[i]) != checkpoint.Name(step) {
				t.Errorf("attempt %d has the checkpoints %v, want steps %v", done.N, paths, steps)
			}
		}
	}
	attempt(20, 12, 11)
	own := Attempt{longer, 1}
	if err := own.DropCheckpoints(-1); err != nil {
		t.Fatal(err)
	}
	save(own, 5, "own")
	attempt(20, 5)

	// Nothing is gone on from that is not there any more.
	if err := os.RemoveAll(shorter); err != nil {
		t.Fatal(err)
	}
	attempt(0, 5)
	for n := 1; n <= 3; n++ {
		if err := (Attempt{longer, n}).DropCheckpoints(-1); err != nil {
			t.Fatal(err)
		}
	}
	attempt(0)
}
