// Package trainer executes one run: it builds the networks, trains them and
// looks at them from outside. It knows nothing of studies, stores or
// processes: whoever calls it passes Hooks.
package trainer

import (
	"context"

	"ablate/trainer/config"
)

// Version numbers what a run computes. It is part of every run's identity:
// raise it when equal configurations no longer give equal numbers.
const Version = "1"

// Outcome is how a run ended.
type Outcome struct {
	Kind string // "completed", "collapsed", "never_separated" or "diverged"
	Why  string // one sentence, empty if completed
}

// Job is one run to execute.
type Job struct {
	Config      config.Config
	Seed        int
	DataDir     string // where datasets lie; "" searches the usual places
	Checkpoints string // folder of this attempt's checkpoints; holds the one to resume from, if any; "" = none
}

// Hooks are told what happens. All may be nil.
type Hooks struct {
	Start    func(resumeStep, steps int64)                                  // once, before the first step
	Metrics  func(step int64, values map[string]float64)                    // at a step, in order of steps
	Progress func(step, steps int64, imagesPerSecond float64, phase string) // often; rate-limit it
	Event    func(text string)                                              // worth telling a person
}

// ErrInterrupted is returned by Run when ctx ended: the state is saved and
// the run can go on later.
type interrupted struct{}

func (interrupted) Error() string { return "interrupted" }

// ErrInterrupted reports that Run stopped because ctx ended, after it saved
// its state.
var ErrInterrupted error = interrupted{}

// Run executes job to its end, or resumes it from its newest good checkpoint.
func Run(ctx context.Context, job Job, hooks Hooks) (Outcome, error) {
	panic("not built yet")
}

// Steps returns the number of optimizer steps of a run on train images.
func Steps(c config.Config, train int) int64 {
	return int64(c.Epochs) * int64(train/c.Batch)
}
