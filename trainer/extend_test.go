package trainer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
)

// steady is small without anything that depends on the number of steps.
func steady(norm, optimizer string, epochs int) config.Config {
	c := small(norm)
	c.Epochs = epochs
	c.Optimizer.Name, c.Optimizer.Warmup, c.Optimizer.Schedule = optimizer, 0, "constant"
	c.Target.Schedule = "constant"
	return c
}

// extended is a record and a folder that c begins with if it goes on from the
// run of rec with its checkpoints in dir: those of its figures count that lie
// before the step at which c starts, which attempt sees to.
func extended(t *testing.T, rec *record, epochs int, dir string) (*record, string) {
	t.Helper()
	next := newRecord()
	next.extends = epochs
	for step, values := range rec.metrics {
		next.metrics[step] = maps.Clone(values)
	}
	to := t.TempDir()
	paths, err := checkpoint.List(dir)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no checkpoint: %v", err)
	}
	for _, p := range paths {
		if err := os.Link(p, filepath.Join(to, filepath.Base(p))); err != nil {
			t.Fatal(err)
		}
	}
	return next, to
}

func (rec *record) mustBe(t *testing.T, want *record) {
	t.Helper()
	if fmt.Sprint(rec.metrics) != fmt.Sprint(want.metrics) {
		t.Errorf("metrics differ:\n%v\n%v", rec.metrics, want.metrics)
	}
	if rec.state != want.state || rec.outcome != want.outcome {
		t.Errorf("the final state differs, or the outcome: %v, want %v", rec.outcome, want.outcome)
	}
}

// TestExtensionIsExact: a run that goes on from a shorter one ends with the
// metrics and the bytes of one that was never interrupted.
func TestExtensionIsExact(t *testing.T) {
	uneven := steady(config.NormNone, "sgd", 4) // its last probe, after epoch 2, is none of the longer run's
	uneven.Probe.Every = 3
	contrastive := steady(config.NormLN, "lars", 4)
	contrastive.Method, contrastive.SimCLR.Temperature = "simclr", 0.5
	contrastive.Predictor, contrastive.Norm.Predictor = false, ""
	contrastive.Target = config.Target{Schedule: "constant"}
	stops := collapsing()
	for name, c := range map[string]config.Config{
		"lars":            steady(config.NormBN, "lars", 4),
		"adam":            steady(config.NormGNWS, "adam", 4),
		"uneven":          uneven,
		"SimCLR":          contrastive,
		"stops after":     stops,
		"stopped already": func() config.Config { c := stops; c.Epochs = 7; return c }(),
	} {
		t.Run(name, func(t *testing.T) {
			shorter, epochs, dir := c, 2, t.TempDir()
			if name == "stopped already" {
				epochs = 6
			}
			shorter.Epochs = epochs
			short, want := newRecord(), newRecord()
			short.finish(t, shorter, dir)
			want.finish(t, c, t.TempDir())

			got, to := extended(t, short, epochs, dir)
			got.finish(t, c, to)
			got.mustBe(t, want)
			from := int64(4 * min(epochs, 4))
			if got.resumed[0] != from || len(got.events) == 0 || !strings.Contains(got.events[0], "goes on from the same run of") {
				t.Errorf("resumed at step %v, want %d; events %q", got.resumed, from, got.events)
			}
			// The shorter run's own state is as it was.
			again := newRecord()
			again.finish(t, shorter, dir)
			if again.state != short.state {
				t.Error("the shorter run's checkpoint has changed")
			}
		})
	}
}

// Killed and interrupted where it may be, an extended run is exact all the
// same, and it goes on from its own states once it has one.
func TestExtensionIsExactOnResume(t *testing.T) {
	c, shorter := steady(config.NormBN, "lars", 4), steady(config.NormBN, "lars", 2)
	dir, short, want := t.TempDir(), newRecord(), newRecord()
	short.finish(t, shorter, dir)
	want.finish(t, c, t.TempDir())
	for _, stop := range []int64{8, 9, 12} {
		got, to := extended(t, short, 2, dir)
		if err := got.attempt(t, c, to, stop); stop > 8 && !errors.Is(err, ErrInterrupted) {
			t.Fatalf("the run was not interrupted: %v", err)
		}
		if steps := holds(t, to); !slices.Contains(steps, max(stop, 8)) {
			t.Errorf("interrupted after step %d, there are checkpoints of the steps %v", stop, steps)
		}
		got.extends = 0 // the shorter run may be gone by now
		got.finish(t, c, to)
		got.mustBe(t, want)
	}
	// The shorter run's last checkpoint is damaged: it goes on from the one before.
	got, to := extended(t, short, 2, dir)
	last := filepath.Join(to, checkpoint.Name(8))
	if err := os.Remove(last); err != nil { // a link: the shorter run keeps its own
		t.Fatal(err)
	}
	if err := os.WriteFile(last, []byte("torn"), 0o666); err != nil {
		t.Fatal(err)
	}
	got.finish(t, c, to)
	got.mustBe(t, want)
	if got.resumed[0] != 4 {
		t.Errorf("resumed at step %d, want 4", got.resumed[0])
	}
}

// In the middle of an epoch too, the state that a run goes on from is its own
// once it has started: the shorter run may be gone at the next attempt.
func TestExtensionTakesPossession(t *testing.T) {
	dir, short := t.TempDir(), newRecord()
	short.every = 1 // a checkpoint after every step
	short.finish(t, steady(config.NormNone, "lars", 2), dir)
	_, to := extended(t, short, 2, dir)
	if err := os.Remove(filepath.Join(to, checkpoint.Name(8))); err != nil {
		t.Fatal(err)
	}
	job := Job{Config: steady(config.NormNone, "lars", 4), Seed: 3, Checkpoints: to, Extends: 2}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, job, Hooks{Start: func(from, _ int64) {
		f, err := checkpoint.Read(filepath.Join(to, checkpoint.Name(7)))
		if from != 7 || err != nil || f.Meta["config"] != identity(job, "")["config"] {
			t.Errorf("it starts at step %d without a state of its own: %v", from, err)
		}
		cancel()
	}})
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
}

// TestExtensionIsRefused: whatever the caller says, a state of a shorter run
// is taken up only where the longer one would have come to it itself.
func TestExtensionIsRefused(t *testing.T) {
	dir := t.TempDir()
	newRecord().finish(t, steady(config.NormNone, "lars", 2), dir)
	for name, change := range map[string]func(*Job){
		"not said":     func(j *Job) { j.Extends = 0 },
		"other epochs": func(j *Job) { j.Extends = 3 },
		"other seed":   func(j *Job) { j.Seed = 4 },
		"other rate":   func(j *Job) { j.Config.Optimizer.LR = 0.25 },
		"fewer epochs": func(j *Job) { j.Config.Epochs = 1 },
		"cosine":       func(j *Job) { j.Config.Target.Schedule = "cosine" },
	} {
		job := Job{Config: steady(config.NormNone, "lars", 4), Seed: 3, Checkpoints: dir, Extends: 2}
		change(&job)
		if _, err := Run(t.Context(), job, Hooks{}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "of another run") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	// One that is cosine itself, and is said to be extended.
	dir = t.TempDir()
	c := small(config.NormNone)
	c.Epochs = 2
	newRecord().finish(t, c, dir)
	job := Job{Config: small(config.NormNone), Seed: 3, Checkpoints: dir, Extends: 2}
	if _, err := Run(t.Context(), job, Hooks{}); !errors.Is(err, ErrRefused) {
		t.Errorf("a run whose steps depend on its epochs was extended: %v", err)
	}
}

// A checkpoint from before there were the keys that are left out at their
// defaults is still its run's.
func TestIdentityOfCheckpointsIsStable(t *testing.T) {
	const want = "3b04ead2afe54ec41cfa2fc9439718ec8509c6a6e6a38e6620badc945053e8ff"
	if got := identity(Job{Config: small(config.NormBN)}, "")["config"]; got != want {
		t.Errorf("the configuration's hash is %s, want %s", got, want)
	}
}
