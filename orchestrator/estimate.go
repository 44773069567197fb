package orchestrator

import (
	"slices"
	"time"

	"ablate/results"
)

// estimate predicts how long runs take from how long others took.
type estimate struct {
	cells         map[string]*measured // by cell
	seconds, cost float64              // of all runs that were measured
}

type measured struct {
	seconds float64 // summed over runs
	runs    int
}

// add counts a run that has its result.
func (e *estimate) add(t *task, seconds float64) {
	if e.cells == nil {
		e.cells = map[string]*measured{}
	}
	m := e.cells[t.cell]
	if m == nil {
		m = &measured{}
		e.cells[t.cell] = m
	}
	m.seconds += seconds
	m.runs++
	e.seconds += seconds
	e.cost += t.cost
}

// measure counts a run that has its result, by the attempts that led to it: what
// an earlier result has taken, before the run was started anew, does not count.
func (x *execution) measure(t *task, run results.Run) {
	if run.Attempts == 1 {
		x.estimate.add(t, run.Seconds)
		return
	}
	attempts, err := x.Store.Attempts(t.id)
	x.fail(err)
	var took time.Duration
	for _, a := range slices.Backward(attempts) {
		took += atWork(a)
		if a.ResumeStep == 0 {
			break
		}
	}
	x.estimate.add(t, took.Seconds())
}

// atWork is how long an attempt was at work.
func atWork(a results.Attempt) time.Duration {
	if a.Active.IsZero() {
		return 0
	}
	return max(0, a.Active.Sub(a.Started))
}

// interruptedFor is how long the attempts at a run have been at work that were
// merely interrupted: since the last one that has ended, in whatever way.
func interruptedFor(attempts []results.Attempt) (took time.Duration) {
	for _, a := range slices.Backward(attempts) {
		if a.Outcome != "" {
			break
		}
		took += atWork(a)
	}
	return took
}

// whole predicts how many seconds a run takes from its first step to its end:
// as the others of its cell, else as all runs, by their cost.
func (e *estimate) whole(t *task) (seconds float64, known bool) { return e.of(t.cell, t.cost) }

func (e *estimate) of(cell string, cost float64) (seconds float64, known bool) {
	if m := e.cells[cell]; m != nil {
		return m.seconds / float64(m.runs), true
	}
	if e.cost > 0 {
		return e.seconds / e.cost * cost, true
	}
	return 0, false
}

// load is what workers have before them, in seconds.
type load struct{ sum, longest float64 }

func (l *load) add(seconds float64) {
	l.sum += seconds
	l.longest = max(l.longest, seconds)
}

// over is how long it takes jobs workers: no shorter than the longest run.
func (l load) over(jobs int) time.Duration {
	return time.Duration(max(l.longest, l.sum/float64(jobs)) * float64(time.Second))
}

// rest predicts how many seconds a waiting run takes.
func (e *estimate) rest(t *task) (seconds float64, known bool) {
	seconds, known = e.whole(t)
	return seconds * (1 - t.done), known
}

// until predicts the time until the waiting and the active runs have ended
// with jobs workers. Before the first run has ended, the speed of the active
// ones is all there is.
func (e *estimate) until(waiting, active []*task, jobs int, now time.Time) (left time.Duration, known bool) {
	guess := *e
	var all load
	measured := 0
	for _, t := range active {
		rest, whole, ok := e.progress(t, now)
		if !ok {
			continue
		}
		measured++
		all.add(rest)
		if e.cost == 0 {
			guess.seconds += whole
			guess.cost += t.cost
		}
	}
	if len(active) > 0 && measured == 0 {
		return 0, false
	}
	for _, t := range waiting {
		seconds, ok := guess.rest(t)
		if !ok {
			return 0, false
		}
		all.add(seconds)
	}
	return all.over(jobs), true
}

// left is until for people: -1 s while that is not known, and where the
// measured says that what is still at work should have ended (an evaluation's
// progress is not known).
func (e *estimate) left(waiting, active []*task, jobs int, now time.Time) time.Duration {
	left, known := e.until(waiting, active, jobs, now)
	if !known || len(active) > 0 && left < time.Second {
		return -time.Second
	}
	return left
}

// progress predicts how many seconds an active run still takes, and how many it
// takes in all: from its own speed once that can be told.
func (e *estimate) progress(t *task, now time.Time) (rest, whole float64, ok bool) {
	s := t.status
	spent := now.Sub(s.Began).Seconds()
	if done := float64(s.Step-s.From) / float64(max(s.Steps, 1)); s.Steps > 0 && done >= 0.05 {
		whole = spent / done
		return whole * (1 - s.Fraction()), whole, true
	}
	whole, ok = e.whole(t)
	return max(0, whole*(1-s.Fraction())-spent), whole, ok
}
