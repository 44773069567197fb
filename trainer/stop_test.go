package trainer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"ablate/trainer/config"
	"ablate/trainer/probe"
)

// collapsing is a run that collapses slowly: without a predictor and a target.
// Of its 24 steps it needs 16 to be at two probes below the threshold.
func collapsing() config.Config {
	c := small(config.NormBN)
	c.Epochs, c.StopWhen = 6, "collapsed"
	c.Predictor, c.Norm.Predictor = false, ""
	c.Target = config.Target{Schedule: "constant"}
	c.Optimizer.Warmup, c.Optimizer.Schedule = 0, "constant"
	return c
}

const stopped = `; stopped early, at step 16 of 24 (stop_when = "collapsed")`

func TestStopWhenCollapsed(t *testing.T) {
	rec, whole, short := newRecord(), newRecord(), newRecord()
	rec.finish(t, collapsing(), t.TempDir())
	why := rec.outcome.Why
	if rec.outcome.Kind != "collapsed" || !strings.HasPrefix(why, "z_std fell from ") || !strings.HasSuffix(why, stopped) {
		t.Errorf("the outcome is %+v", rec.outcome)
	}
	c := collapsing()
	c.StopWhen = ""
	whole.finish(t, c, t.TempDir())
	if whole.outcome.Kind != "collapsed" || strings.Contains(whole.outcome.Why, "early") {
		t.Errorf("without stop_when the outcome is %+v", whole.outcome)
	}
	// Its rate is constant: the run whose last step is 16 is the same until then.
	c.Epochs = 4
	short.finish(t, c, t.TempDir())
	if got, want := fmt.Sprint(rec.metrics), fmt.Sprint(short.metrics); got != want {
		t.Errorf("stopped early it reports\n%s, a run of so many steps\n%s", got, want)
	}
	if _, ok := rec.metrics[16]["linear_top1"]; !ok || len(whole.metrics) != 25 {
		t.Errorf("no final evaluation in %v, or the whole run is not whole: %d steps", rec.metrics[16], len(whole.metrics))
	}
}

// A run that is to be stopped early is as exact on resume as any, in the
// middle of its last probe too.
func TestStopWhenIsExactOnResume(t *testing.T) {
	c := collapsing()
	want := newRecord()
	want.finish(t, c, t.TempDir())
	for _, stop := range []int64{1, 6, 12, 16} {
		dir, got := t.TempDir(), newRecord()
		if err := got.attempt(t, c, dir, stop); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("the run was not interrupted: %v", err)
		}
		got.finish(t, c, dir)
		if fmt.Sprint(got.metrics) != fmt.Sprint(want.metrics) || got.state != want.state || got.outcome != want.outcome {
			t.Errorf("interrupted after %d steps it ends with %v, or with other metrics or another state", stop, got.outcome)
		}
	}
	// Killed in its final evaluation, or after it but before anybody had read
	// the outcome, it has the checkpoint of the step at which it stops.
	dir, got := t.TempDir(), newRecord()
	killLinear(t, c, dir, 16, got)
	got.finish(t, c, dir)
	got.finish(t, c, dir)
	if fmt.Sprint(got.metrics) != fmt.Sprint(want.metrics) || got.state != want.state || got.outcome != want.outcome {
		t.Errorf("killed in its final evaluation it ends with %v, or with other metrics or another state", got.outcome)
	}
}

// killLinear runs c in dir until its linear evaluation at step, and no further.
func killLinear(t *testing.T, c config.Config, dir string, step int64, rec *record) {
	t.Helper()
	killed := errors.New("killed")
	r, err := newRun(Job{Config: c, Seed: 3, Checkpoints: dir}, Hooks{Metrics: func(step int64, values map[string]float64) {
		if rec.metrics[step] == nil {
			rec.metrics[step] = make(map[string]float64)
		}
		maps.Copy(rec.metrics[step], values)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	r.linear = func(ctx context.Context, train, test probe.Features) (float64, error) {
		if r.done == step {
			return 0, killed
		}
		return probe.Linear(ctx, train, test)
	}
	if _, err := r.loop(t.Context()); !errors.Is(err, killed) {
		t.Fatalf("the run was not killed: %v", err)
	}
}

func TestStops(t *testing.T) {
	for _, c := range []struct {
		zStd []float64
		want bool
	}{
		{[]float64{0.5}, false},
		{[]float64{0.5, 0.01}, false},        // one probe may be a dip
		{[]float64{0.5, 0.01, 0.3}, false},   // it was one
		{[]float64{0.5, 0.01, 0.01}, true},   // at the second
		{[]float64{0.5, 0.2, 0.01}, false},   // ... of two in a row
		{[]float64{0.15, 0.08, 0.08}, false}, // not half of what it was
		{[]float64{0.05, 0.04, 0.03}, false}, // it may still separate,
		{[]float64{0.05, 0.01, 0.01}, false}, // even from there
		{[]float64{0.05, 0.2, 0.01, 0.01}, true},
	} {
		if got := stops(config.Config{StopWhen: "collapsed"}, c.zStd); got != c.want {
			t.Errorf("%v: stops %v, want %v", c.zStd, got, c.want)
		}
		if stops(config.Config{}, c.zStd) {
			t.Errorf("%v: stops without having been asked to", c.zStd)
		}
	}
}
