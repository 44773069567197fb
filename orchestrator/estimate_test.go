package orchestrator

import (
	"testing"
	"time"
)

func TestEstimate(t *testing.T) {
	now := time.Now()
	running := func(cell string, seconds, fraction float64) Status {
		return Status{Cell: cell, Began: now.Add(-time.Duration(seconds * float64(time.Second))), Step: int64(fraction * 1000), Steps: 1000}
	}
	resumed := running("bn", 10, 0.9)
	resumed.From = 800
	justResumed := running("bn", 1, 0.8)
	justResumed.From = 800
	var measured estimate
	measured.add("bn", 10)
	measured.add("bn", 20)
	measured.add("none", 5)

	tests := []struct {
		name    string
		of      estimate
		waiting []string
		active  []Status
		jobs    int
		want    float64 // seconds
	}{
		{"nothing measured", estimate{}, []string{"bn"}, nil, 1, -1},
		{"just begun", estimate{}, nil, []Status{running("bn", 1, 0.01)}, 1, -1},
		{"nothing to do", estimate{}, nil, nil, 2, 0},
		{"a quarter done, as many waiting", estimate{}, []string{"none"}, []Status{running("bn", 10, 0.25)}, 1, 30 + 40},
		{"by cell", measured, []string{"bn", "none"}, nil, 1, 15 + 5},
		{"by all", measured, []string{"ln"}, nil, 1, 35.0 / 3},
		{"two workers", measured, []string{"bn", "bn"}, nil, 2, 15},
		{"the longest one", measured, nil, []Status{running("bn", 10, 0.5), running("none", 10, 0.1)}, 2, 90},
		{"resumed at 80 %", estimate{}, nil, []Status{resumed}, 1, 10},
		{"just resumed, but known", measured, nil, []Status{justResumed}, 1, 2},
		{"evaluating", estimate{}, nil, []Status{running("bn", 10, 1)}, 1, -1},
		{"longer than others", measured, nil, []Status{running("none", 10, 0.04)}, 1, -1},
		{"just begun, but known", measured, nil, []Status{running("bn", 1, 0)}, 1, 14},
	}
	for _, test := range tests {
		got := test.of.left(test.waiting, test.active, test.jobs, now).Seconds()
		if got < test.want-0.01 || got > test.want+0.01 {
			t.Errorf("%s: %.2f s, want %.2f", test.name, got, test.want)
		}
	}
}
