// Package engine says what the scheduler asks of the place where attempts are
// executed. Engines start and stop workers; what workers do, they tell in
// their journals, wherever they run.
package engine

import (
	"context"
	"errors"
)

// ErrMemory reports that a worker, or something that it started, was killed
// because it needed more than Launch.Memory.
var ErrMemory = errors.New("needed more than its memory limit")

// Engine starts workers.
type Engine interface {
	// Launch starts a worker for one attempt. ctx bounds the starting, not the
	// worker's life.
	Launch(ctx context.Context, l Launch) (Handle, error)
}

// Launch is one start of a worker.
type Launch struct {
	RunDir string // the run's folder; holds run.json
	Token  string // unique; the worker puts it into its claim

	Env    []string // added to the worker's environment, KEY=value
	Memory int64    // bytes that the worker and what it starts may take; 0 = all there are
}

// Handle is a worker that was started.
type Handle interface {
	// Wait blocks until the worker and all its processes are gone. Its error
	// says how the worker ended, nil if it ended well; what became of the run
	// stands in the journal. It is called once.
	Wait() error
	// Stop asks the worker to save its state and end.
	Stop()
	// Kill ends the worker and all its processes at once.
	Kill()
}
