// Package worker is the child process that makes one attempt at a run: it
// reads run.json, claims an attempt number, takes over the newest checkpoint of
// the attempt before, and runs the trainer. All it tells goes into the
// attempt's journal; it knows no store and no scheduler.
//
// The protocol is the same wherever workers are started. A run's folder holds
//
//	run.json            what to do (Spec)
//	launch.log          standard error of a worker until it has its number
//	N/claim.json        attempt N is taken, and by whom
//	N/journal.jsonl     what the attempt did
//	N/stderr.log        what its process said on standard error
//	N/ckpt/             its checkpoints
//	N/config.json       an external trainer's configuration
//	N/metrics.jsonl     what it reports
//
// A newer attempt makes an older one stop; an attempt without an outcome line
// was interrupted or has crashed, and the run can be attempted again.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"ablate/results"
	"ablate/results/journal"
	"ablate/trainer"
	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
)

// Trainer executes one run: it makes one attempt at it, and tells hooks what
// happens.
type Trainer func(ctx context.Context, job Job, hooks trainer.Hooks) (trainer.Outcome, error)

// Job is an attempt to make.
type Job struct {
	Spec    Spec
	Attempt Attempt
}

// Embedded is the trainer that is part of this program; run is trainer.Run.
func Embedded(run func(context.Context, trainer.Job, trainer.Hooks) (trainer.Outcome, error)) Trainer {
	return func(ctx context.Context, job Job, hooks trainer.Hooks) (trainer.Outcome, error) {
		c, err := config.Parse(job.Spec.Config)
		if err != nil {
			return trainer.Outcome{}, trainer.Refuse("the configuration in %s: %w", filepath.Join(job.Attempt.RunDir, "run.json"), err)
		}
		extends, err := epochsOf(job.Spec.Extends)
		if err != nil {
			return trainer.Outcome{}, err
		}
		return run(ctx, trainer.Job{
			Config: c, Seed: job.Spec.Seed, DataDir: job.Spec.DataDir, Dataset: job.Spec.Dataset,
			Checkpoints: job.Attempt.Checkpoints(), Extends: extends, SaveEvery: job.Spec.SaveEvery,
		}, hooks)
	}
}

// epochsOf is the number of epochs of the run in runDir, 0 if it is "" or gone:
// then its longer run goes on from what it took over before, or begins anew.
func epochsOf(runDir string) (int, error) {
	if runDir == "" {
		return 0, nil
	}
	spec, err := ReadSpec(runDir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	c, err := config.Parse(spec.Config)
	if err != nil {
		return 0, trainer.Refuse("the configuration of the run to go on from, in %s: %w", filepath.Join(runDir, "run.json"), err)
	}
	return c.Epochs, nil
}

// Worker makes attempts.
type Worker struct {
	Train   Trainer             // of runs that name no other
	Kernels string              // name of its kernel set, for the journal
	Token   string              // names the launch in the claim
	Grace   time.Duration       // how long the trainer may take to stop when asked to; 0 = half a minute
	Claimed func(Attempt) error // told when the attempt has its number; may be nil
}

// ErrInterrupted reports that the worker was asked to stop. The run can go on
// in a later attempt.
var ErrInterrupted = errors.New("interrupted")

// ErrSuperseded reports that a newer attempt at the run has taken over.
var ErrSuperseded = errors.New("a newer attempt at this run has taken over")

// ExitInterrupted is the exit code of a worker that returned ErrInterrupted:
// EX_TEMPFAIL of sysexits.h, "try again later".
const ExitInterrupted = 75

// ExitRefused is the exit code of a worker whose error matches
// trainer.ErrRefused: EX_DATAERR of sysexits.h. Another attempt would end
// likewise.
const ExitRefused = 65

// ExitNoRoom is the exit code of a worker that could not write because a disk is
// full, over its quota or read-only: EX_IOERR of sysexits.h. It is not the run's
// fault, and others would fare no better.
const ExitNoRoom = 74

// NoRoom reports whether err comes of a disk that takes no more.
func NoRoom(err error) bool {
	return results.NoRoom(err) || errors.Is(err, syscall.EROFS)
}

// ExitCode is what a worker's process ends with after err.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
	case errors.Is(err, trainer.ErrRefused):
		return ExitRefused
	case NoRoom(err):
		return ExitNoRoom
	}
	return 1
}

// Run makes the next attempt at the run in runDir. It returns nil when the
// outcome is in the journal, ErrInterrupted when ctx ended before, and
// ErrSuperseded when a newer attempt took over. Any other error is a failure.
func (w Worker) Run(ctx context.Context, runDir string) error {
	spec, err := ReadSpec(runDir)
	if err != nil {
		return err
	}
	attempt, err := Claim(runDir, w.Token)
	if err != nil {
		return err
	}
	if w.Claimed != nil {
		if err := w.Claimed(attempt); err != nil {
			return err
		}
	}
	if spec.Trainer != "" {
		w.Kernels, w.Train = "", External{Grace: w.grace()}.Run
		w.Grace = w.grace() + afterKill
		err = External{}.setUp(attempt)
	} else {
		err = attempt.inherit(spec.Extends)
	}
	if err != nil {
		return err
	}
	return w.record(ctx, Job{spec, attempt})
}

func (w Worker) grace() time.Duration {
	if w.Grace == 0 {
		return 30 * time.Second
	}
	return w.Grace
}

// record runs the trainer and writes the attempt's journal.
func (w Worker) record(ctx context.Context, job Job) error {
	a := job.Attempt
	j, err := journal.Create(a.Journal())
	if err != nil {
		return err
	}
	defer j.Close()
	// No checkpoint may outlive the journal that it follows.
	if err := checkpoint.SyncDir(a.Dir()); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &recorder{attempt: a, began: now(), start: provenance(w.Kernels), stop: stop, w: j}

	outcome, err := w.train(ctx, job, r.hooks())
	switch {
	case r.failed() != nil:
		return r.failed()
	case a.Superseded():
		return ErrSuperseded
	case err == nil:
		return r.outcome(outcome)
	case ctx.Err() != nil && (errors.Is(err, trainer.ErrInterrupted) || errors.Is(err, context.Canceled)):
		return errors.Join(ErrInterrupted, r.interrupted())
	case errors.Is(err, ErrInterrupted):
		return errors.Join(err, r.interrupted())
	}
	return err
}

// train runs the trainer. A panic that the trainer has not made an error of
// becomes one here, and a trainer that does not stop in time is given up: the
// process is about to end, and the last checkpoint is what remains.
func (w Worker) train(ctx context.Context, job Job, hooks trainer.Hooks) (trainer.Outcome, error) {
	type result struct {
		outcome trainer.Outcome
		err     error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = panicked(p)
			}
			done <- r
		}()
		r.outcome, r.err = w.Train(ctx, job, hooks)
	}()
	select {
	case r := <-done:
		return r.outcome, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.outcome, r.err
	case <-time.After(w.grace()):
		return trainer.Outcome{}, trainer.ErrInterrupted
	}
}

// panicked makes an error of a panic, and leaves the stack on standard error.
func panicked(p any) error {
	os.Stderr.Write(debug.Stack())
	return fmt.Errorf("panic: %v", p)
}
