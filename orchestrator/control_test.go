package orchestrator_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/engine"
	"ablate/results"
)

// demand asks the head of the fixture's store for something, and returns its
// answer.
func (f *fixture) demand(r results.Request) string {
	f.t.Helper()
	if err := f.store.Ask(&r); err != nil {
		f.t.Error(err)
		return ""
	}
	for range 6000 {
		now, err := f.store.Request(r.ID)
		if err != nil {
			f.t.Error(err)
			return ""
		}
		if !now.Done.IsZero() {
			return now.Answer
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.t.Error("waited in vain for an answer")
	return ""
}

// outcome is that of the run of a cell and a seed; the plan has three cells.
func (f *fixture) outcome(cell, seed int) results.Outcome {
	f.t.Helper()
	run, err := f.store.Run(f.plan.Runs[3*(seed-1)+cell].ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return run.Outcome
}

// Runs are cancelled while they work and while they wait, are left alone by the
// next start, and go on from their state when they are retried.
func TestCancel(t *testing.T) {
	f := newFixture(t)
	f.tell("hold-1")
	study := f.record()
	s := f.scheduler(1)
	go func() {
		f.shown.await(t, f.plan.Runs[0].ID)
		if got := f.demand(results.Request{Kind: orchestrator.AskCancel, Run: f.plan.Runs[0].ID}); !strings.Contains(got, "1 of them at work") {
			t.Errorf("answer %q", got)
		}
		f.shown.await(t, f.plan.Runs[1].ID)
		if got := f.demand(results.Request{Kind: orchestrator.AskCancel, Study: study.ID, Cell: "bn"}); got != "tiny, cell bn: 1 run cancelled, 1 run had ended before" {
			t.Errorf("answer %q", got)
		}
		f.untell("hold-1")
	}()
	summary := f.run(s)
	if summary.Done != 2 || summary.Outcomes[results.Cancelled] != 2 || len(summary.Failed) > 0 || stopped(summary) {
		t.Errorf("%+v", summary)
	}
	if f.outcome(0, 1) != results.Cancelled || f.outcome(0, 2) != results.Cancelled || f.outcome(1, 2) != results.Completed {
		t.Errorf("outcomes %v %v %v", f.outcome(0, 1), f.outcome(0, 2), f.outcome(1, 2))
	}

	if summary := f.run(f.scheduler(1)); summary.Before != 2 || len(f.shown.begun) > 0 || summary.Outcomes[results.Cancelled] != 2 {
		t.Errorf("again: %+v, begun %v", summary, f.shown.begun)
	}
	if _, err := f.store.Reopen(study, results.Cancelled); err != nil {
		t.Fatal(err)
	}
	if summary := f.run(f.scheduler(1)); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	if a := f.attempts(f.plan.Runs[0]); len(a) != 2 || a[0].Outcome != results.Cancelled || a[1].ResumeStep != 5 {
		t.Errorf("attempts %+v, want a cancelled one and one from step 5", a)
	}
	f.whole(f.plan.Runs[0])
}

// A study that is paused saves and stops, and goes on when it is resumed. A
// failed run that is to be tried again meanwhile is.
func TestPauseAndRetry(t *testing.T) {
	f := newFixture(t)
	f.tell("fail-1")
	f.tell("hold-2")
	study := f.record()
	s := f.scheduler(1)
	s.Retries, s.Linger = 0, true
	go func() {
		f.shown.await(t, f.plan.Runs[3].ID)
		f.demand(results.Request{Kind: orchestrator.AskPause, Study: study.ID})
		f.untell("fail-1")
		f.untell("hold-2")
		if got := f.demand(results.Request{Kind: orchestrator.Retry([]results.Outcome{results.Failed}), Study: study.ID}); got != "tiny: 2 runs to be tried again" {
			t.Errorf("answer %q", got)
		}
		for range 6000 {
			if a := f.attempts(f.plan.Runs[3]); len(a) == 1 && a[0].State == results.Interrupted {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if stored, err := f.store.StudyByID(study.ID); err != nil || !stored.Paused {
			t.Errorf("paused: %+v, %v", stored, err)
		}
		f.demand(results.Request{Kind: orchestrator.AskResume, Study: study.ID})
	}()
	if summary := f.run(s); summary.Done != 4 || len(summary.Failed) > 0 || summary.Outcomes[results.Failed] != 0 {
		t.Errorf("%+v", summary)
	}
	if a := f.attempts(f.plan.Runs[3]); len(a) != 2 || a[1].ResumeStep != 5 {
		t.Errorf("attempts %+v, want an interrupted one and one from step 5", a)
	}
}

// Who does not linger leaves a paused study.
func TestPausedStudyIsLeft(t *testing.T) {
	f := newFixture(t)
	study := f.record()
	if err := f.store.SetPaused(study.ID, true); err != nil {
		t.Fatal(err)
	}
	if summary := f.run(f.scheduler(1)); summary.Stopped != orchestrator.Paused || len(f.shown.begun) > 0 {
		t.Errorf("%+v", summary)
	}
}

// Without a head a request is carried out by who makes it.
func TestDemandWithoutHead(t *testing.T) {
	f := newFixture(t)
	study := f.record()
	answer, err := orchestrator.Demand(t.Context(), f.dir, results.Request{Kind: orchestrator.AskCancel, Study: study.ID})
	if err != nil || answer != "tiny: 4 runs cancelled" {
		t.Errorf("%q, %v", answer, err)
	}
	if _, err := orchestrator.Demand(t.Context(), f.dir, results.Request{Kind: "dance", Study: study.ID}); err == nil {
		t.Error("an unknown request is carried out")
	}
	if summary := f.run(f.scheduler(1)); summary.Outcomes[results.Cancelled] != 4 {
		t.Errorf("%+v", summary)
	}
}

// A request whose head dies is carried out all the same.
func TestDemandOfDyingHead(t *testing.T) {
	f := newFixture(t)
	study := f.record()
	lock, err := orchestrator.Acquire(f.dir) // a head that answers nothing
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range 6000 {
			if open, err := f.store.OpenRequests(); err != nil || len(open) > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		lock.Release()
	}()
	answer, err := orchestrator.Demand(t.Context(), f.dir, results.Request{Kind: orchestrator.AskCancel, Study: study.ID})
	if err != nil || answer != "tiny: 4 runs cancelled" {
		t.Errorf("%q, %v", answer, err)
	}
}

// A run that is at work for too long ends as timed out, and goes on from there
// when it is given more time.
func TestTimeout(t *testing.T) {
	f := newFixture(t)
	f.tell("hold-1")
	s := f.scheduler(2)
	s.Timeout = 500 * time.Millisecond
	summary := f.run(s)
	if summary.Done != 2 || summary.Outcomes[results.TimedOut] != 2 || len(summary.Failed) != 2 || summary.Failed[0].Outcome != results.TimedOut {
		t.Errorf("%+v", summary)
	}
	f.untell("hold-1")
	if summary := f.run(f.scheduler(2)); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	if a := f.attempts(f.plan.Runs[0]); len(a) != 2 || a[0].Outcome != results.TimedOut || a[1].ResumeStep != 5 {
		t.Errorf("attempts %+v, want one that timed out and one from step 5", a)
	}
}

// With FailFast the first failure stops everything, to go on later.
func TestFailFast(t *testing.T) {
	f := newFixture(t)
	f.tell("fail-1")
	s := f.scheduler(1)
	s.Retries, s.FailFast = 0, true
	if summary := f.run(s); summary.Stopped != orchestrator.FailedFast || summary.Done != 0 || summary.Outcomes[results.Failed] != 1 {
		t.Errorf("%+v", summary)
	}
	f.untell("fail-1")
	if summary := f.run(f.scheduler(1)); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
}

// gpuEngine notes which GPUs its workers have at a time.
type gpuEngine struct {
	engine.Engine
	mu   sync.Mutex
	idle map[string]bool
	used []string
}

type gpuHandle struct {
	engine.Handle
	e   *gpuEngine
	gpu string
}

func (e *gpuEngine) Launch(ctx context.Context, l engine.Launch) (engine.Handle, error) {
	h, err := e.Engine.Launch(ctx, l)
	e.mu.Lock()
	defer e.mu.Unlock()
	gpu := strings.Join(l.Env, " ")
	if !e.idle[gpu] {
		gpu += " twice"
	}
	e.idle[gpu] = false
	e.used = append(e.used, gpu)
	return &gpuHandle{h, e, gpu}, err
}

func (h *gpuHandle) Wait() error {
	err := h.Handle.Wait()
	h.e.mu.Lock()
	defer h.e.mu.Unlock()
	h.e.idle[h.gpu] = true
	return err
}

// Runs at a time have different GPUs, and a crash gives one back.
func TestGPUs(t *testing.T) {
	f := newFixture(t)
	f.tell("crash-1")
	s := f.scheduler(2)
	e := &gpuEngine{Engine: s.Engine, idle: map[string]bool{"CUDA_VISIBLE_DEVICES=0": true, "CUDA_VISIBLE_DEVICES=3": true}}
	s.Engine, s.GPUs = e, []string{"0", "3"}
	if summary := f.run(s); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	slices.Sort(e.used)
	if len(e.used) != 5 || len(slices.Compact(e.used)) != 2 {
		t.Errorf("used %v", e.used)
	}
}

// What a run needs to be done anew is gone, and it ends as before.
func TestAnew(t *testing.T) {
	f := newFixture(t)
	f.run(f.scheduler(2))
	study := f.record()
	if err := orchestrator.Anew(f.store, f.dir, study); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(f.dir, "runs", "*", "*", "ckpt", "*"))
	if len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if summary := f.run(f.scheduler(2)); summary.Before != 0 || summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	for _, r := range f.plan.Runs {
		f.whole(r)
		if a := f.attempts(r); len(a) != 2 || a[1].ResumeStep != 0 {
			t.Errorf("attempts %+v", a)
		}
	}
}

// A run that is stopped from outside, but gets on each time, has not failed.
func TestStoppedFromOutside(t *testing.T) {
	f := newFixture(t)
	s := f.scheduler(1)
	s.Retries = 0
	f.tell("leave-1")
	go func() {
		for range 6000 { // leaves at step 5 as long as it is told to
			if a, err := f.store.Attempts(f.plan.Runs[0].ID); err == nil && len(a) > 0 && a[0].Outcome != "" {
				break
			}
			time.Sleep(time.Millisecond)
		}
		os.Remove(filepath.Join(f.control, "leave-1"))
	}()
	if summary := f.run(s); summary.Done != 4 {
		t.Errorf("%+v", summary)
	}
	f.whole(f.plan.Runs[0])
}

// A seed that did not fit as long as others were at work is looked at anew when
// they have ended.
func TestUntilWithIdleWorkers(t *testing.T) {
	f := newFixture(t)
	s := f.scheduler(3)
	s.Until = time.Now().Add(time.Hour)
	if summary := f.run(s); summary.Done != 4 || stopped(summary) {
		t.Errorf("%+v", summary)
	}
}

// A cancellation is in the store before it is answered: a head that is killed
// then has not forgotten it.
func TestCancelIsRecordedAtOnce(t *testing.T) {
	f := newFixture(t)
	f.tell("hold-1")
	s := f.scheduler(1)
	s.Engine = deafEngine{s.Engine}
	kill := make(chan struct{})
	s.Kill = kill
	go func() {
		defer close(kill)
		f.shown.await(t, f.plan.Runs[0].ID)
		f.demand(results.Request{Kind: orchestrator.AskCancel, Run: f.plan.Runs[0].ID})
		if got := f.outcome(0, 1); got != results.Cancelled {
			t.Errorf("the run is %q when the request is answered", got)
		}
	}()
	f.run(s)
	if got := f.outcome(0, 1); got != results.Cancelled {
		t.Errorf("the run is %q at the end", got)
	}
}

// deafEngine's workers do not stop when they are asked to.
type deafEngine struct{ engine.Engine }

type deafHandle struct{ engine.Handle }

func (deafHandle) Stop() {}

func (e deafEngine) Launch(ctx context.Context, l engine.Launch) (engine.Handle, error) {
	h, err := e.Engine.Launch(ctx, l)
	return deafHandle{h}, err
}
