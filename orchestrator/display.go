package orchestrator

import (
	"time"

	"ablate/results"
)

// Status is what is known of a run that is being worked on.
type Status struct {
	ID              string
	Cell            string
	Seed            int
	Attempt         int // 0 until the worker has claimed one
	Phase           string
	Step, Steps     int64 // 0 of 0 until the trainer has started
	From            int64 // the step that was first seen of this attempt: near the one it resumed from
	ImagesPerSecond float64
	Began           time.Time // when this attempt's worker was started
}

// Fraction is how much of the training is done, 0 to 1.
func (s Status) Fraction() float64 {
	if s.Steps <= 0 {
		return 0
	}
	return min(1, float64(s.Step)/float64(s.Steps))
}

// Total is how far a plan is.
type Total struct {
	Done, All int           // runs; done ones have an outcome
	Paused    bool          // nothing is started
	Left      time.Duration // estimated from measured durations; negative while unknown
}

// End is how a run ended for good.
type End struct {
	Outcome results.Outcome
	Reason  string
	Took    time.Duration // wall-clock time of all its attempts
	Total   Total
}

// Display is told what the scheduler does, by one goroutine.
type Display interface {
	Begin(Status)             // a worker has claimed an attempt
	Progress([]Status, Total) // a few times a second; the active runs in the order of their start
	End(Status, End)          // a run has ended for good
	Idle(Status)              // a run's worker is gone, but the run has not ended
	Say(text string)          // something else worth knowing
}
