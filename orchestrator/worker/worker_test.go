package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ablate/results/journal"
	"ablate/trainer"
	"ablate/trainer/config"
)

// newRun makes a run's folder.
func newRun(t *testing.T) string {
	t.Helper()
	settings, problems := config.Resolve(config.Settings{"data.name": "generated"})
	if problems != nil {
		t.Fatal(problems)
	}
	dir := filepath.Join(t.TempDir(), "runs", "1234")
	if err := WriteSpec(dir, Spec{ID: "1234", Cell: "bn", Seed: 3, Config: settings.JSON(), DataDir: "/data"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lines reads an attempt's journal.
func lines(t *testing.T, a Attempt) []journal.Line {
	t.Helper()
	f, err := os.Open(a.Journal())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []journal.Line
	for r := journal.NewReader(f, 1); ; {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
}

func TestWorker(t *testing.T) {
	dir := newRun(t)
	var claimed Attempt
	w := Worker{
		Kernels: "portable", Token: "t",
		Claimed: func(a Attempt) error { claimed = a; return nil },
		Train: Embedded(func(_ context.Context, job trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
			if job.Seed != 3 || job.DataDir != "/data" || job.Config.Data.Name != "generated" || job.Checkpoints != claimed.Checkpoints() {
				t.Errorf("job %+v", job)
			}
			h.Start(0, 4)
			for step := int64(1); step <= 4; step++ {
				h.Metrics(step, map[string]float64{"loss": 1 / float64(step)})
				h.Progress(step, 4, 100, "train")
			}
			h.Progress(4, 4, 0, "evaluate")
			h.Event("look")
			return trainer.Outcome{Kind: "collapsed", Why: "too flat"}, nil
		}),
	}
	if err := w.Run(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	got := lines(t, Attempt{dir, 1})
	var kinds []string
	for _, l := range got {
		kinds = append(kinds, string(l.Kind))
	}
	// Four steps in no time: one progress line for them, one for the new phase.
	if want := "start metrics progress metrics metrics metrics progress event outcome"; strings.Join(kinds, " ") != want {
		t.Fatalf("lines %v, want %s", kinds, want)
	}
	start := got[0].Start
	if start.Steps != 4 || start.Kernels != "portable" || start.PID != os.Getpid() || start.CPU == "" || start.Version == "" {
		t.Errorf("start %+v", start)
	}
	if m := got[3]; m.Step != 2 || m.Metrics["loss"] != 0.5 || m.Time != 0 {
		t.Errorf("metrics %+v", m)
	}
	if o := got[8]; o.Outcome != "collapsed" || o.Text != "too flat" {
		t.Errorf("outcome %+v", o)
	}
}

func TestWorkerInterrupted(t *testing.T) {
	dir := newRun(t)
	ctx, cancel := context.WithCancel(t.Context())
	w := Worker{Train: Embedded(func(ctx context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
		h.Start(0, 10)
		h.Metrics(7, map[string]float64{"loss": 1})
		cancel()
		<-ctx.Done()
		return trainer.Outcome{}, trainer.ErrInterrupted
	})}
	if err := w.Run(ctx, dir); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	got := lines(t, Attempt{dir, 1})
	if last := got[len(got)-1]; last.Kind != journal.Event || last.Text != "interrupted at step 7" {
		t.Errorf("last line %+v", last)
	}
}

// An attempt's time begins before the set-up, which ends with the start line.
func TestWorkerCountsTheSetUp(t *testing.T) {
	dir := newRun(t)
	var setUp int64
	w := Worker{Train: Embedded(func(_ context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
		time.Sleep(5 * time.Millisecond)
		setUp = now()
		h.Start(0, 10)
		return trainer.Outcome{Kind: "completed"}, nil
	})}
	before := now()
	if err := w.Run(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, Attempt{dir, 1})[0].Time; got < before || got > setUp-5 {
		t.Errorf("the attempt begins at %d, want %d to %d", got, before, setUp-5)
	}
}

// A trainer that does not stop is given up.
func TestWorkerGrace(t *testing.T) {
	dir := newRun(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	w := Worker{Grace: time.Millisecond, Train: Embedded(func(_ context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
		h.Start(0, 10)
		cancel()
		<-release
		return trainer.Outcome{}, nil
	})}
	if err := w.Run(ctx, dir); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
}

// An attempt that was given up, but whose worker lives, stops when it sees a
// newer one, and its outcome does not count.
func TestWorkerSuperseded(t *testing.T) {
	t.Run("while it trains", func(t *testing.T) {
		dir := newRun(t)
		w := Worker{Train: Embedded(func(ctx context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
			h.Start(0, 10)
			if _, err := Claim(dir, "newer"); err != nil {
				t.Error(err)
			}
			h.Progress(1, 10, 0, "train")
			<-ctx.Done()
			return trainer.Outcome{}, h.BeforeSave()
		})}
		if err := w.Run(t.Context(), dir); !errors.Is(err, ErrSuperseded) {
			t.Error(err)
		}
	})
	t.Run("at its end", func(t *testing.T) {
		dir := newRun(t)
		w := Worker{Train: Embedded(func(_ context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
			h.Start(0, 10)
			if _, err := Claim(dir, "newer"); err != nil {
				t.Error(err)
			}
			return trainer.Outcome{Kind: "completed"}, nil
		})}
		if err := w.Run(t.Context(), dir); !errors.Is(err, ErrSuperseded) {
			t.Error(err)
		}
		for _, l := range lines(t, Attempt{dir, 1}) {
			if l.Kind == journal.Outcome {
				t.Errorf("a superseded attempt wrote %+v", l)
			}
		}
	})
}

func TestWorkerFailures(t *testing.T) {
	tests := []struct {
		name, want string
		train      func(context.Context, trainer.Job, trainer.Hooks) (trainer.Outcome, error)
	}{
		{"error", "no such data", func(context.Context, trainer.Job, trainer.Hooks) (trainer.Outcome, error) {
			return trainer.Outcome{}, errors.New("no such data")
		}},
		{"panic", "panic: boom", func(context.Context, trainer.Job, trainer.Hooks) (trainer.Outcome, error) {
			panic("boom")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := newRun(t)
			err := (Worker{Train: Embedded(test.train)}).Run(t.Context(), dir)
			if err == nil || err.Error() != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
			for _, l := range lines(t, Attempt{dir, 1}) {
				t.Errorf("unexpected line %+v", l)
			}
		})
	}
}

// A run's file that makes no sense is the same at the next attempt.
func TestWorkerRefusesConfiguration(t *testing.T) {
	dir := newRun(t)
	if err := WriteSpec(dir, Spec{ID: "1234", Config: []byte(`{"epochs":0}`)}); err != nil {
		t.Fatal(err)
	}
	err := Worker{Train: Embedded(nil)}.Run(t.Context(), dir)
	if err == nil || ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), filepath.Join(dir, "run.json")) {
		t.Errorf("exit code %d for %v", ExitCode(err), err)
	}
}

// A disk that takes no more has an exit code of its own, wherever it was met.
func TestExitCodeOfAFullDisk(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES} {
		err := fmt.Errorf("cannot write: %w", &fs.PathError{Op: "write", Path: "x", Err: errno})
		want := ExitNoRoom
		if errno == syscall.EACCES {
			want = 1
		}
		if got := ExitCode(err); got != want {
			t.Errorf("exit code %d for %v, want %d", got, err, want)
		}
	}
}

// When a line cannot be written the run stops, without another checkpoint.
func TestWorkerJournalFailure(t *testing.T) {
	dir := newRun(t)
	w := Worker{Train: Embedded(func(ctx context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
		h.Start(0, 10)
		if err := h.BeforeSave(); err != nil {
			t.Error(err)
		}
		h.Event(strings.Repeat("x", journal.MaxLine))
		h.Metrics(1, map[string]float64{"loss": 1})
		if ctx.Err() == nil {
			t.Error("the trainer is not asked to stop")
		}
		if err := h.BeforeSave(); err == nil {
			t.Error("a checkpoint may be saved after a line was lost")
		}
		return trainer.Outcome{Kind: "completed"}, nil
	})}
	if err := w.Run(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "journal.jsonl: ") {
		t.Errorf("%v", err)
	}
	if got := lines(t, Attempt{dir, 1}); len(got) != 1 {
		t.Errorf("journal %+v", got)
	}
}

// A journal begins with its start line, and has none before the trainer starts.
func TestWorkerEarlyEvents(t *testing.T) {
	dir := newRun(t)
	w := Worker{Train: Embedded(func(_ context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
		h.Event("passed over a checkpoint")
		h.Start(6, 10)
		return trainer.Outcome{Kind: "completed"}, nil
	})}
	if err := w.Run(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	got := lines(t, Attempt{dir, 1})
	if len(got) != 3 || got[0].Kind != journal.Start || got[0].Start.ResumeStep != 6 || got[1].Text != "passed over a checkpoint" {
		t.Errorf("journal %+v", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Train = Embedded(func(context.Context, trainer.Job, trainer.Hooks) (trainer.Outcome, error) {
		return trainer.Outcome{}, trainer.ErrInterrupted
	})
	if err := w.Run(ctx, dir); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if got := lines(t, Attempt{dir, 2}); len(got) != 0 {
		t.Errorf("journal %+v", got)
	}
}
