package orchestrator

import (
	"testing"
	"time"

	"ablate/results"
)

func TestEstimate(t *testing.T) {
	now := time.Now()
	cell := func(name string) *task { return &task{cell: name, cost: 1} }
	running := func(name string, seconds, fraction float64) *task {
		t := cell(name)
		t.status = Status{Cell: name, Began: now.Add(-time.Duration(seconds * float64(time.Second))), Step: int64(fraction * 1000), Steps: 1000}
		return t
	}
	resumed := running("bn", 10, 0.9)
	resumed.status.From = 800
	justResumed := running("bn", 1, 0.8)
	justResumed.status.From = 800
	begun := cell("bn")
	begun.done = 0.8
	wide := &task{cell: "wide", cost: 4}
	var measured estimate
	measured.add(cell("bn"), 10)
	measured.add(cell("bn"), 20)
	measured.add(cell("none"), 5)

	tests := []struct {
		name    string
		of      estimate
		waiting []*task
		active  []*task
		jobs    int
		want    float64 // seconds
	}{
		{"nothing measured", estimate{}, []*task{cell("bn")}, nil, 1, -1},
		{"just begun", estimate{}, nil, []*task{running("bn", 1, 0.01)}, 1, -1},
		{"nothing to do", estimate{}, nil, nil, 2, 0},
		{"a quarter done, as many waiting", estimate{}, []*task{cell("none")}, []*task{running("bn", 10, 0.25)}, 1, 30 + 40},
		{"by cell", measured, []*task{cell("bn"), cell("none")}, nil, 1, 15 + 5},
		{"by all", measured, []*task{cell("ln")}, nil, 1, 35.0 / 3},
		{"two workers", measured, []*task{cell("bn"), cell("bn")}, nil, 2, 15},
		{"the longest one", measured, nil, []*task{running("bn", 10, 0.5), running("none", 10, 0.1)}, 2, 90},
		{"resumed at 80 %", estimate{}, nil, []*task{resumed}, 1, 10},
		{"just resumed, but known", measured, nil, []*task{justResumed}, 1, 2},
		{"evaluating", estimate{}, nil, []*task{running("bn", 10, 1)}, 1, -1},
		{"longer than others", measured, nil, []*task{running("none", 10, 0.04)}, 1, -1},
		{"begun before", measured, []*task{begun}, nil, 1, 3},
		{"four times the work", measured, []*task{wide}, nil, 1, 4 * 35.0 / 3},
		{"four times the work of what runs", estimate{}, []*task{wide}, []*task{running("bn", 10, 0.25)}, 1, 30 + 160},
		{"just begun, but known", measured, nil, []*task{running("bn", 1, 0)}, 1, 14},
	}
	for _, test := range tests {
		got := test.of.left(test.waiting, test.active, test.jobs, now).Seconds()
		if got < test.want-0.01 || got > test.want+0.01 {
			t.Errorf("%s: %.2f s, want %.2f", test.name, got, test.want)
		}
	}
}

// The time of a run's limit is that since it was last started anew: what has
// timed out before gets as much again.
func TestInterruptedFor(t *testing.T) {
	attempt := func(minutes int, o results.Outcome) results.Attempt {
		return results.Attempt{Started: time.Unix(0, 0), Active: time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute), Outcome: o}
	}
	for _, test := range []struct {
		attempts []results.Attempt
		want     time.Duration
	}{
		{nil, 0},
		{[]results.Attempt{attempt(3, "")}, 3 * time.Minute},
		{[]results.Attempt{attempt(3, results.TimedOut)}, 0},
		{[]results.Attempt{attempt(3, results.Completed), attempt(1, ""), attempt(2, "")}, 3 * time.Minute},
		{[]results.Attempt{attempt(-5, ""), {Started: time.Unix(9, 0)}}, 0}, // a clock was set back; one never started
	} {
		if got := interruptedFor(test.attempts); got != test.want {
			t.Errorf("%+v: %v, want %v", test.attempts, got, test.want)
		}
	}
}
