package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"ablate/results/journal"
	"ablate/trainer"
)

// The most often that progress is written, and that a newer attempt is looked
// for.
const progressEvery = 500 * time.Millisecond

// recorder writes what the trainer tells into the attempt's journal.
//
// When a line cannot be written the run is stopped, and no checkpoint is
// saved any more: the next attempt would resume behind the lost line, and the
// line would be missing for ever.
type recorder struct {
	attempt Attempt
	began   int64 // Unix milliseconds
	start   journal.StartInfo
	stop    context.CancelCauseFunc
	w       *journal.Writer

	phase  string
	wrote  time.Time // the last progress line
	looked time.Time // the last look for a newer attempt

	mu      sync.Mutex // guards the rest: the worker writes at the end, the trainer until then
	started bool
	early   []journal.Line // events before the start line, which is a journal's first
	step    int64          // steps done
	err     error          // the first failed write
}

func (r *recorder) hooks() trainer.Hooks {
	return trainer.Hooks{Start: r.onStart, Metrics: r.onMetrics, Progress: r.onProgress, Event: r.onEvent, BeforeSave: r.beforeSave}
}

func (r *recorder) onStart(resumeStep, steps int64) {
	info := r.start
	info.ResumeStep, info.Steps = resumeStep, steps
	r.at(resumeStep)
	r.write(journal.Line{Kind: journal.Start, Time: r.began, Start: &info}) // the set-up until now is part of the attempt
}

func (r *recorder) onMetrics(step int64, values map[string]float64) {
	metrics := make(map[string]journal.Value, len(values))
	for name, v := range values {
		metrics[name] = journal.Value(v)
	}
	r.at(step)
	r.write(journal.Line{Kind: journal.Metrics, Step: step, Metrics: metrics})
}

func (r *recorder) onProgress(step, steps int64, imagesPerSecond float64, phase string) {
	r.at(step)
	r.fence()
	if phase == r.phase && time.Since(r.wrote) < progressEvery {
		return
	}
	r.phase, r.wrote = phase, time.Now()
	info := journal.ProgressInfo{Step: step, Steps: steps, ImagesPerSecond: imagesPerSecond, Phase: phase}
	r.write(journal.Line{Kind: journal.Progress, Time: now(), Progress: &info})
}

func (r *recorder) onEvent(text string) {
	r.write(journal.Line{Kind: journal.Event, Time: now(), Text: text})
}

// beforeSave makes the journal durable, and refuses the checkpoint if it is
// not complete, the run is another attempt's by now, or the run's folder was
// removed: no part of it is to be made anew.
func (r *recorder) beforeSave() error {
	if r.attempt.Superseded() {
		return ErrSuperseded
	}
	if _, err := os.Stat(r.attempt.claim()); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder of the attempt was removed: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.explain(r.w.Sync())
	}
	return r.err
}

// fence stops the run if a newer attempt has taken over.
func (r *recorder) fence() {
	if time.Since(r.looked) < progressEvery {
		return
	}
	r.looked = time.Now()
	if r.attempt.Superseded() {
		r.stop(ErrSuperseded)
	}
}

func (r *recorder) at(step int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step = step
}

// write writes a line. If that fails it stops the run.
func (r *recorder) write(l journal.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := []journal.Line{l}
	if l.Kind == journal.Start {
		lines = append(lines, r.early...)
		r.started = true
	}
	if !r.started {
		r.early = append(r.early, l)
		return
	}
	for _, l := range lines {
		if r.err == nil {
			r.err = r.explain(r.w.Write(l))
		}
	}
	if r.err != nil {
		r.stop(r.err)
	}
}

func (r *recorder) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", r.attempt.Journal(), err)
}

// failed returns the first error of writing the journal.
func (r *recorder) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// interruptedEvent begins the event that an attempt ends with when it was asked
// to stop.
const interruptedEvent = "interrupted at step "

// Usual reports whether an event is one that attempts end with when all is
// well.
func Usual(event string) bool {
	return strings.HasPrefix(event, trainer.TimesEvent) || strings.HasPrefix(event, interruptedEvent)
}

// interrupted notes where the run can go on.
func (r *recorder) interrupted() error {
	r.mu.Lock()
	step := r.step
	r.mu.Unlock()
	r.onEvent(fmt.Sprintf("%s%d", interruptedEvent, step))
	return r.failed()
}

// outcome writes the last line and makes the journal durable.
func (r *recorder) outcome(o trainer.Outcome) error {
	r.write(journal.Line{Kind: journal.Outcome, Time: now(), Outcome: o.Kind, Text: o.Why})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.explain(r.w.Sync())
	}
	return r.err
}

// clock is when this process began.
var clock = time.Now()

// now is the time in Unix milliseconds: by the clock on the wall when the process
// began, and from there on by one that nobody sets and that stands still while
// the machine sleeps. So the times of an attempt tell how long it was at work.
func now() int64 { return clock.Add(time.Since(clock)).UnixMilli() }
