package serve

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"ablate/results"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{0, 1, "[0 0.5 1]"}, {0.2, 0.7, "[0.2 0.4 0.6 0.8]"}, {-3, 4, "[-4 -2 0 2 4]"}, {0, 0, "[-1 -0.5 0 0.5 1]"}, {5, 5, "[2 4 6 8]"},
		{1e-9, 3e-9, "[1e-09 1.5e-09 2e-09 2.5e-09 3e-09]"}, {71, 74.9, "[71 72 73 74 75]"},
	} {
		ticks := ticksOf(c.low, c.high)
		for i := range ticks {
			ticks[i] = math.Round(ticks[i]*1e12) / 1e12
		}
		if got := fmt.Sprint(ticks); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.low, c.high, got, c.want)
		}
		if n := len(ticks); n < 3 || n > 6 || ticks[0] > c.low || ticks[n-1] < c.high {
			t.Errorf("%v to %v: %v", c.low, c.high, ticks)
		}
	}
}

// A curve is drawn over all steps of its run, within the axes.
func TestChart(t *testing.T) {
	curve := results.Curve{
		Bins: []results.Bin{{First: 0, Last: 0, Mean: 2}, {First: 50, Last: 50, Mean: -1}},
		Last: results.Point{Step: 50, Value: -1},
	}
	got := string(chart("<loss>", curve, 100))
	for _, want := range []string{`aria-label="&lt;loss&gt;: 2 at step 0, −1 at step 50"`, `points="46.0,8.0 179.0,128.0 "`, "step 100<"} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %s:\n%s", want, got)
		}
	}
	if got := chart("loss", results.Curve{}, 100); got != "" {
		t.Errorf("nothing is drawn as %s", got)
	}
}
