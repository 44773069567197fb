package orchestrator

import "time"

// estimate predicts how long runs take from how long others took.
type estimate struct {
	seconds map[string]float64 // by cell, summed over runs that have a result
	runs    map[string]int
}

// add counts a run that has its result.
func (e *estimate) add(cell string, seconds float64) {
	if e.seconds == nil {
		e.seconds, e.runs = map[string]float64{}, map[string]int{}
	}
	e.seconds[cell] += seconds
	e.runs[cell]++
}

// seconds a run of the cell takes: the mean of its own runs, else of all runs.
func (e *estimate) of(cell string) (float64, bool) {
	if n := e.runs[cell]; n > 0 {
		return e.seconds[cell] / float64(n), true
	}
	sum, n := 0.0, 0
	for c := range e.runs {
		sum += e.seconds[c]
		n += e.runs[c]
	}
	return sum / float64(max(n, 1)), n > 0
}

// left predicts the time until all is done with jobs workers, or -1 s while
// nothing has been measured, and where the measured says that what is still at
// work should have ended (an evaluation's progress is not known): waiting lists the cells of runs not yet started.
// Before the first run has ended, the speed of the active ones is all there is.
func (e *estimate) left(waiting []string, active []Status, jobs int, now time.Time) time.Duration {
	var sum, longest, whole float64
	measured := 0
	for _, s := range active {
		rest, all, ok := e.rest(s, now)
		if !ok {
			continue
		}
		measured++
		whole += all
		sum += rest
		longest = max(longest, rest)
	}
	for _, cell := range waiting {
		t, ok := e.of(cell)
		if !ok && measured == 0 {
			return -time.Second
		}
		if !ok {
			t = whole / float64(measured)
		}
		sum += t
	}
	if len(active) > 0 && measured == 0 {
		return -time.Second
	}
	left := time.Duration(max(longest, sum/float64(jobs)) * float64(time.Second))
	if len(active) > 0 && left < time.Second {
		return -time.Second
	}
	return left
}

// rest predicts how many seconds an active run still takes, and how many a run
// like it takes in all: from its own speed once that can be told.
func (e *estimate) rest(s Status, now time.Time) (rest, all float64, ok bool) {
	spent := now.Sub(s.Began).Seconds()
	if done := float64(s.Step-s.From) / float64(max(s.Steps, 1)); done >= 0.05 {
		all = spent / done
		return all * (1 - s.Fraction()), all, true
	}
	all, ok = e.of(s.Cell)
	return max(0, all*(1-s.Fraction())-spent), all, ok
}
