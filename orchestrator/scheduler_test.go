package orchestrator_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/engine"
	"ablate/orchestrator/engine/local"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer"
	"ablate/trainer/config"
)

// TestMain is also the worker that the local engine starts: one that plays at
// training, or one that trains.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "worker":
			os.Exit(tinyWorker(os.Args[2:], worker.Embedded(tinyTrainer)))
		case "train":
			os.Exit(tinyWorker(os.Args[2:], worker.Embedded(trainer.Run)))
		}
	}
	os.Exit(m.Run())
}

func tinyWorker(args []string, train worker.Trainer) int {
	flags := flag.NewFlagSet("worker", flag.ExitOnError)
	token := flags.String("token", "", "")
	flags.Bool("leash", false, "")
	flags.Parse(args)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	err := worker.Worker{Train: train, Kernels: "tiny", Token: *token, Claimed: worker.RedirectStderr}.Run(ctx, flags.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "ablate:", err)
	}
	return worker.ExitCode(err)
}

const tinySteps = 10

// tinyTrainer counts to ten and saves every second step. Files in the data
// folder tell it to misbehave at step 5, by seed: crash-1 (once), fail-2
// (always), leave-1 (saves and stops as if asked to), full-1 (finds no room on the disk), hold-3 (until the file is gone);
// and over-1, not to go on from what is saved.
func tinyTrainer(ctx context.Context, job trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
	told := func(what string) string { return filepath.Join(job.DataDir, fmt.Sprintf("%s-%d", what, job.Seed)) }
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }

	done := int64(0)
	saved, _ := filepath.Glob(filepath.Join(job.Checkpoints, "step-*.safetensors"))
	if len(saved) > 0 {
		fmt.Sscanf(filepath.Base(slices.Max(saved)), "step-%d.safetensors", &done)
	}
	save := func() error {
		path := filepath.Join(job.Checkpoints, fmt.Sprintf("step-%012d.safetensors", done))
		if err := os.WriteFile(path+".tmp", nil, 0o666); err != nil {
			return err
		}
		return os.Rename(path+".tmp", path)
	}
	if exists(told("over")) && done > 0 {
		done = 0
		h.Event("starting over: told to")
	}
	h.Start(done, tinySteps)
	for {
		if done%2 == 0 {
			if err := save(); err != nil {
				return trainer.Outcome{}, err
			}
		}
		h.Metrics(done, map[string]float64{"loss": float64(job.Seed) / float64(done+1)})
		h.Progress(done, tinySteps, 1000, "train")
		if done == tinySteps {
			h.Event(trainer.TimesEvent + "long")
			return trainer.Outcome{Kind: "completed"}, nil
		}
		if done == 5 {
			switch {
			case exists(told("crash")):
				os.Remove(told("crash"))
				panic("no luck")
			case exists(told("leave")):
				return trainer.Outcome{}, errors.Join(worker.ErrInterrupted, save())
			case exists(told("fail")):
				return trainer.Outcome{}, errors.New("not today")
			case exists(told("full")):
				return trainer.Outcome{}, fmt.Errorf("cannot write state: %w", &fs.PathError{Op: "write", Path: "tmp", Err: syscall.ENOSPC})
			}
			for exists(told("hold")) && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
		}
		if ctx.Err() != nil {
			return trainer.Outcome{}, errors.Join(trainer.ErrInterrupted, save())
		}
		done++
	}
}

// fixture is a store with a plan of two cells and two seeds.
type fixture struct {
	t       *testing.T
	dir     string
	control string // the data folder that tells the trainer what to do
	store   *results.Store
	plan    *ablations.Plan
	shown   *recorded
}

const study = `name = "tiny"
seeds = 2
[base]
data = { name = "generated" }
[axes.norm]
bn   = { norm = "bn" }
none = { norm = "none" }
[cells]
same = { norm = "bn" }
`

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), control: t.TempDir()}
	s, err := ablations.Parse("tiny.toml", []byte(study), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.plan, err = ablations.NewPlan(s, func(config.Data) (string, error) { return "hash", nil }, "1")
	if err != nil {
		t.Fatal(err)
	}
	if f.store, err = results.Open(f.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	return f
}

// tell makes the trainer misbehave.
func (f *fixture) tell(what string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.control, what), nil, 0o666); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) untell(what string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.control, what)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) scheduler(jobs int) *orchestrator.Scheduler {
	f.t.Helper()
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	f.shown = &recorded{}
	return &orchestrator.Scheduler{
		Store: f.store, Dir: f.dir, Display: f.shown,
		Engine:  local.Engine{Path: self, Args: []string{"tiny", "worker"}},
		Options: orchestrator.Options{Jobs: jobs, Retries: 1, DataDir: f.control}, Backoff: time.Millisecond,
	}
}

// record stores the fixture's study as the command "run" does.
func (f *fixture) record() *results.Study {
	f.t.Helper()
	study, err := orchestrator.Record(f.store, f.dir, f.plan, f.shown.Say)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.store.Reopen(study, results.Failed, results.TimedOut); err != nil {
		f.t.Fatal(err)
	}
	return study
}

func stopped(s orchestrator.Summary) bool { return s.Stopped != "" }

func (f *fixture) run(s *orchestrator.Scheduler) orchestrator.Summary {
	f.t.Helper()
	summary, err := s.Run(f.t.Context(), f.record())
	if err != nil {
		f.t.Fatal(err)
	}
	return summary
}

// whole checks that a run has every step once.
func (f *fixture) whole(r ablations.Run) {
	f.t.Helper()
	points, err := f.store.Series(r.ID, "loss")
	if err != nil {
		f.t.Fatal(err)
	}
	if len(points) != tinySteps+1 {
		f.t.Errorf("run %s has %d points: %v", r.ID, len(points), points)
		return
	}
	for i, p := range points {
		if want := (results.Point{Step: int64(i), Value: float64(r.Seed) / float64(i+1)}); p != want {
			f.t.Errorf("run %s: point %d is %v, want %v", r.ID, i, p, want)
		}
	}
}

func (f *fixture) attempts(r ablations.Run) []results.Attempt {
	f.t.Helper()
	attempts, err := f.store.Attempts(r.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return attempts
}

// recorded remembers what it was shown.
type recorded struct {
	mu     sync.Mutex // tests look while the scheduler works
	begun  []string
	ended  []string
	said   []string
	left   []time.Duration // predicted at each end
	active map[string]orchestrator.Status
}

func (d *recorded) Begin(s orchestrator.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = append(d.begun, fmt.Sprintf("%s/%d#%d", s.Cell, s.Seed, s.Attempt))
}

func (d *recorded) Progress(active []orchestrator.Status, _ orchestrator.Total) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active = map[string]orchestrator.Status{}
	for _, s := range active {
		d.active[s.ID] = s
	}
}

func (d *recorded) End(s orchestrator.Status, e orchestrator.End) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = append(d.left, e.Total.Left)
	d.ended = append(d.ended, fmt.Sprintf("%s/%d %s %d/%d", s.Cell, s.Seed, e.Outcome, e.Total.Done, e.Total.All))
}

func (d *recorded) Idle(orchestrator.Status) {}

func (d *recorded) Say(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = append(d.said, text)
}

// awaitSaid waits until something was said.
func (d *recorded) awaitSaid(t *testing.T, text string) {
	for range 6000 {
		d.mu.Lock()
		said := strings.Join(d.said, "\n")
		d.mu.Unlock()
		if strings.Contains(said, text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("waited in vain for %q", text)
}

// awaitEnded waits until n runs have ended.
func (d *recorded) awaitEnded(t *testing.T, n int) {
	for range 6000 {
		d.mu.Lock()
		ended := len(d.ended)
		d.mu.Unlock()
		if ended >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("waited in vain for %d runs to end", n)
}

// await waits until a run is at step 5.
func (d *recorded) await(t *testing.T, id string) {
	for range 6000 {
		d.mu.Lock()
		at := d.active[id].Step
		d.mu.Unlock()
		if at >= 5 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("waited in vain for step 5")
}

func TestSchedulerRunsOnce(t *testing.T) {
	f := newFixture(t)
	summary := f.run(f.scheduler(1))
	if summary.Total != 4 || summary.Done != 4 || summary.Before != 0 || summary.Outcomes[results.Completed] != 4 || stopped(summary) {
		t.Errorf("%+v", summary)
	}
	// All cells of a seed before the next; the cell "same" has its runs already.
	if want := []string{"bn/1#1", "none/1#1", "bn/2#1", "none/2#1"}; !slices.Equal(f.shown.begun, want) {
		t.Errorf("begun %v, want %v", f.shown.begun, want)
	}
	if want := "none/2 completed 4/4"; len(f.shown.ended) != 4 || f.shown.ended[3] != want {
		t.Errorf("ended %v", f.shown.ended)
	}
	for _, r := range f.plan.Runs {
		f.whole(r)
	}

	summary = f.run(f.scheduler(1))
	if summary.Before != 4 || summary.Done != 4 || len(f.shown.begun) > 0 {
		t.Errorf("again: %+v, begun %v", summary, f.shown.begun)
	}
}

func TestSchedulerRetries(t *testing.T) {
	f := newFixture(t)
	f.tell("crash-1")
	summary := f.run(f.scheduler(1))
	if summary.Done != 4 || len(summary.Failed) > 0 {
		t.Errorf("%+v", summary)
	}
	first := f.plan.Runs[0]
	f.whole(first)
	attempts := f.attempts(first)
	if len(attempts) != 2 || attempts[0].Outcome != results.Failed || attempts[0].Reason != "panic: no luck" || attempts[1].Outcome != results.Completed {
		t.Errorf("attempts %+v", attempts)
	}
	if want := "bn seed 1: attempt 1 failed (panic: no luck); trying again in 1ms"; !slices.Contains(f.shown.said, want) {
		t.Errorf("said %q", f.shown.said)
	}
}

// What an attempt tells is said, once, when it is told.
func TestSchedulerPassesOnEvents(t *testing.T) {
	f := newFixture(t)
	f.tell("fail-1")
	s := f.scheduler(1)
	s.Retries = 0
	f.run(s)
	if len(f.shown.said) > 0 {
		t.Errorf("said %q", f.shown.said)
	}
	f.untell("fail-1")
	f.tell("over-1")
	f.run(f.scheduler(1))
	want := []string{"bn seed 1: starting over: told to", "none seed 1: starting over: told to"}
	if !slices.Equal(f.shown.said, want) {
		t.Errorf("said %q, want %q", f.shown.said, want)
	}
	f.whole(f.plan.Runs[0])
}

// A run that waits for its retry has not failed.
func TestSchedulerWaitsForRetry(t *testing.T) {
	f := newFixture(t)
	f.tell("fail-1")
	s := f.scheduler(1)
	s.Backoff = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		f.shown.awaitSaid(t, "trying again")
		cancel()
	}()
	if summary, err := s.Run(ctx, f.record()); err != nil || !stopped(summary) || len(summary.Failed) > 0 {
		t.Errorf("%+v, %v", summary, err)
	}
	first := f.plan.Runs[0]
	run, err := f.store.Run(first.ID)
	if err != nil || run.Outcome != "" || run.Reason != "" {
		t.Errorf("%+v, %v", run, err)
	}
	if a := f.attempts(first); len(a) != 1 || a[0].Outcome != results.Failed || a[0].Reason != "not today" {
		t.Errorf("attempts %+v", a)
	}
}

func TestSchedulerFailures(t *testing.T) {
	f := newFixture(t)
	f.tell("fail-1")
	summary := f.run(f.scheduler(2))
	if summary.Done != 2 || summary.Outcomes[results.Completed] != 2 || summary.Outcomes[results.Failed] != 2 || len(summary.Failed) != 2 {
		t.Fatalf("%+v", summary)
	}
	for _, failure := range summary.Failed {
		log, err := os.ReadFile(failure.Log)
		if failure.Seed != 1 || failure.Reason != "not today" || err != nil {
			t.Errorf("%+v, log %q, %v", failure, log, err)
		}
	}
	if n := len(f.attempts(f.plan.Runs[0])); n != 2 {
		t.Errorf("%d attempts, want the first and one retry", n)
	}

	// What failed is tried again when the study is.
	f.untell("fail-1")
	if summary := f.run(f.scheduler(2)); summary.Before != 2 || summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	f.whole(f.plan.Runs[0])
}

// A worker that dies before it has claimed an attempt leaves its words in the
// launch log, which become the attempt's.
func TestSchedulerWorkerDiesEarly(t *testing.T) {
	f := newFixture(t)
	s := f.scheduler(1)
	s.Engine = local.Engine{Path: "/bin/sh", Args: []string{"sh", "-c", "echo 'ablate: too early' >&2; exit 1"}}
	summary := f.run(s)
	if len(summary.Failed) != 4 || summary.Failed[0].Reason != "too early" {
		t.Fatalf("%+v", summary)
	}
	if log, err := os.ReadFile(summary.Failed[0].Log); string(log) != "ablate: too early\n" {
		t.Errorf("log %q, %v", log, err)
	}

}

// A worker that cannot be started is no run's fault.
func TestSchedulerNoWorker(t *testing.T) {
	f := newFixture(t)
	s := f.scheduler(1)
	s.Engine = local.Engine{Path: filepath.Join(f.dir, "nothing")}
	summary, err := s.Run(t.Context(), f.record())
	if err == nil || !strings.Contains(err.Error(), "no worker can be started") || !strings.Contains(err.Error(), "no such file") || len(summary.Failed) > 0 {
		t.Errorf("%+v, %v", summary, err)
	}
	if summary := f.run(f.scheduler(1)); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
}

func TestSchedulerInterrupt(t *testing.T) {
	f := newFixture(t)
	f.tell("hold-1")
	s := f.scheduler(2)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		f.shown.await(t, f.plan.Runs[0].ID)
		f.shown.await(t, f.plan.Runs[1].ID)
		cancel()
	}()
	summary, err := s.Run(ctx, f.record())
	if err != nil || !stopped(summary) || summary.Done != 0 {
		t.Fatalf("%+v, %v", summary, err)
	}
	for _, r := range f.plan.Runs[:2] {
		a := f.attempts(r)
		if len(a) != 1 || a[0].State != results.Interrupted {
			t.Errorf("attempts %+v, want one that was interrupted", a)
		}
		// The step in hand was saved, not only the last even one.
		saved, _ := filepath.Glob(filepath.Join(orchestrator.RunDir(f.dir, r.ID), "1", "ckpt", "*5.safetensors"))
		if len(saved) != 1 {
			t.Errorf("run %s has not saved its last step", r.ID)
		}
	}

	f.untell("hold-1")
	if summary := f.run(f.scheduler(2)); stopped(summary) || summary.Done != 4 || summary.Before != 0 {
		t.Errorf("%+v", summary)
	}
	slices.Sort(f.shown.begun)
	if want := []string{"bn/1#2", "bn/2#1", "none/1#2", "none/2#1"}; !slices.Equal(f.shown.begun, want) {
		t.Errorf("begun %v, want %v", f.shown.begun, want)
	}
	for _, r := range f.plan.Runs {
		f.whole(r)
	}
}

// While some run is at work, nobody is told that all ends this moment, not even
// when another run ends.
func TestSchedulerTimeLeft(t *testing.T) {
	f := newFixture(t)
	f.tell("hold-1")
	s := f.scheduler(4)
	go func() {
		f.shown.awaitEnded(t, 2)
		f.untell("hold-1")
	}()
	f.run(s)
	for i, left := range f.shown.left[:3] {
		if left >= 0 && left < time.Second {
			t.Errorf("%s: %v left", f.shown.ended[i], left)
		}
	}
}

func TestSchedulerKill(t *testing.T) {
	f := newFixture(t)
	f.tell("hold-1")
	s := f.scheduler(1)
	kill := make(chan struct{})
	s.Kill = kill
	go func() {
		f.shown.await(t, f.plan.Runs[0].ID)
		close(kill)
	}()
	if summary := f.run(s); !stopped(summary) || summary.Done != 0 {
		t.Errorf("%+v", summary)
	}
	f.untell("hold-1")
	if summary := f.run(f.scheduler(2)); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	f.whole(f.plan.Runs[0])
}

// What a dead head's workers have written is not lost: neither an outcome that
// nobody has read, nor the lines of an attempt that nobody knows of.
func TestSchedulerTakesOver(t *testing.T) {
	f := newFixture(t)
	f.run(f.scheduler(1)) // makes folders and journals ...
	fresh := newFixture(t)
	for _, r := range f.plan.Runs[:2] { // ... for a store that has not seen them
		copyTree(t, orchestrator.RunDir(f.dir, r.ID), orchestrator.RunDir(fresh.dir, r.ID))
	}
	cut := worker.Attempt{RunDir: orchestrator.RunDir(fresh.dir, f.plan.Runs[1].ID), N: 1}
	journal, err := os.ReadFile(cut.Journal())
	if err != nil {
		t.Fatal(err)
	}
	torn := bytes.Index(journal, []byte(`"step":8`)) + 3
	if err := os.WriteFile(cut.Journal(), journal[:torn], 0o666); err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{8, 10} {
		os.Remove(filepath.Join(cut.Checkpoints(), fmt.Sprintf("step-%012d.safetensors", step)))
	}

	summary := fresh.run(fresh.scheduler(1))
	if summary.Before != 1 || summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	if want := []string{"none/1#2", "bn/2#1", "none/2#1"}; !slices.Equal(fresh.shown.begun, want) {
		t.Errorf("begun %v, want %v", fresh.shown.begun, want)
	}
	for _, r := range fresh.plan.Runs {
		fresh.whole(r)
	}
	a := fresh.attempts(fresh.plan.Runs[1])
	if len(a) != 2 || a[0].State != results.Interrupted || a[0].Reason != "the program that had started it was gone" {
		t.Errorf("attempts %+v, want an interrupted one and another", a)
	}
}

// What stands behind a damaged line of a journal is done again.
func TestSchedulerDamagedJournal(t *testing.T) {
	f := newFixture(t)
	f.tell("fail-1")
	s := f.scheduler(1)
	s.Retries = 0
	f.run(s)

	fresh := newFixture(t)
	run := fresh.plan.Runs[0]
	dir := orchestrator.RunDir(fresh.dir, run.ID)
	copyTree(t, orchestrator.RunDir(f.dir, run.ID), dir)
	first := worker.Attempt{RunDir: dir, N: 1}
	journal, err := os.ReadFile(first.Journal())
	if err != nil {
		t.Fatal(err)
	}
	journal = bytes.Replace(journal, []byte(`"kind":"metrics","step":3`), []byte(`"kind":"metrics","step":4`), 1)
	if err := os.WriteFile(first.Journal(), journal, 0o666); err != nil {
		t.Fatal(err)
	}
	if summary := fresh.run(fresh.scheduler(1)); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	fresh.whole(run)
	attempts := fresh.attempts(run)
	if len(attempts) != 2 || attempts[0].Damage == "" || attempts[1].ResumeStep != 2 {
		t.Errorf("attempts %+v, want a damaged one and one from step 2", attempts)
	}
}

// A store that cannot be written stops everything.
func TestSchedulerStoreFails(t *testing.T) {
	f := newFixture(t)
	f.tell("hold-1")
	s := f.scheduler(2)
	go func() {
		f.shown.await(t, f.plan.Runs[0].ID)
		f.store.Close()
		f.untell("hold-1")
	}()
	if summary, err := s.Run(t.Context(), f.record()); err == nil {
		t.Errorf("%+v", summary)
	}
}

// A full disk is no fault of the run that meets it first: no attempt has failed,
// no other is begun, and all goes on when there is room.
func TestSchedulerFullDisk(t *testing.T) {
	f := newFixture(t)
	f.tell("full-1")
	summary, err := f.scheduler(1).Run(t.Context(), f.record())
	for _, part := range []string{"the disk of the store " + f.dir + " is full", "make room and start again", "cannot write state"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	if len(summary.Failed) > 0 || len(f.shown.begun) != 1 || len(f.shown.said) > 0 {
		t.Errorf("%+v; begun %v, said %q", summary, f.shown.begun, f.shown.said)
	}
	a := f.attempts(f.plan.Runs[0])
	if len(a) != 1 || a[0].State != results.Interrupted || !strings.Contains(a[0].Reason, "no space left") {
		t.Errorf("attempts %+v, want one that was interrupted", a)
	}

	f.untell("full-1")
	if summary := f.run(f.scheduler(1)); summary.Done != 4 || summary.Before != 0 {
		t.Errorf("%+v", summary)
	}
	f.whole(f.plan.Runs[0])
}

// The head itself may be the first to find the disk full, when it starts a
// worker.
func TestSchedulerFullDiskAtLaunch(t *testing.T) {
	f := newFixture(t)
	s := f.scheduler(1)
	s.Engine = fullEngine{}
	summary, err := s.Run(t.Context(), f.record())
	if err == nil || !strings.Contains(err.Error(), "make room and start again") || len(summary.Failed) > 0 {
		t.Errorf("%v; %+v", err, summary)
	}
}

type fullEngine struct{}

func (fullEngine) Launch(context.Context, engine.Launch) (engine.Handle, error) {
	return nil, &fs.PathError{Op: "open", Path: "launch.log", Err: syscall.EDQUOT}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
