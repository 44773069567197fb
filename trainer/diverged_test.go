package trainer

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"ablate/trainer/config"
)

// TestDivergence: a rate far too high ends the run with the step and the op
// that was the first to overflow.
func TestDivergence(t *testing.T) {
	c := small(config.NormNone)
	c.Optimizer = config.Optimizer{Name: "sgd", LR: 1e25}
	rec := newRecord()
	if err := rec.attempt(t, c, t.TempDir(), 0); err != nil {
		t.Fatal(err)
	}
	last := int64(len(rec.metrics) - 1) // a loss at every step, the bad one included
	bad := rec.metrics[last]["loss"]
	want := fmt.Sprintf("the loss became %v at step %d: the first result that is not finite is that of conv2d at online/encoder/", bad, last)
	if rec.outcome.Kind != "diverged" || !strings.HasPrefix(rec.outcome.Why, want) || finite(bad) {
		t.Errorf("outcome is %+v, want %q...", rec.outcome, want)
	}
}

// trained is a run of one step.
func trained(t *testing.T, norm string) *run {
	t.Helper()
	r, err := newRun(Job{Config: small(norm), Seed: 3}, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	if _, err := r.train(); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWhyDiverged breaks a run in one place and wants that place named.
func TestWhyDiverged(t *testing.T) {
	nan, huge := float32(math.NaN()), float32(math.MaxFloat32)
	fill := func(x []float32, v float32) {
		for i := range x {
			x[i] = v
		}
	}
	momentum := func(r *run, name string) []float32 {
		for i, w := range r.online.Trainable() {
			if w.Name == name {
				return r.optimizer.momentum[i]
			}
		}
		return nil
	}
	for _, test := range []struct {
		name, norm, want string
		harm             func(r *run)
	}{
		{"overflow", config.NormNone, "conv2d at online/encoder/stage2/block1/conv2", func(r *run) {
			fill(r.online.Get("encoder/stage2/block1/conv2/weight").Data, huge)
		}},
		{"overflow behind standardized weights", config.NormGNWS, "conv2d at online/encoder/stage1/block1/conv1", func(r *run) {
			fill(r.online.Get("encoder/stem/norm/bias").Data, huge)
		}},
		{"norm", config.NormNoneAffine, "norm at online/projector/norm", func(r *run) {
			fill(r.online.Get("projector/norm/scale").Data, huge)
			fill(r.online.Get("projector/norm/bias").Data, huge)
		}},
		{"target", config.NormLN, "linear at target/projector/linear2", func(r *run) {
			fill(r.target.Get("projector/linear2/weight").Data, huge)
		}},
		{"gradient behind a finite loss", config.NormNone, "linear.dx at online/predictor/linear2", func(r *run) {
			// All hidden units are equal, and cancel each other.
			fill(r.online.Get("predictor/norm/bias").Data, 1)
			clear(r.online.Get("predictor/linear1/bias").Data)
			w := r.online.Get("predictor/linear1/weight").Data
			for i := range w {
				w[i] = w[i%8]
			}
			w = r.online.Get("predictor/linear2/weight").Data
			for i := range w {
				w[i] = float32(1-2*(i%2)) * (1 << 100)
			}
		}},
		{"weights", config.NormBN, "the update of step 0 made projector/linear2/weight not finite", func(r *run) {
			r.online.Get("projector/linear2/weight").Data[3] = nan
		}},
		{"gradient", config.NormBN, "the gradient of step 0 is not finite at projector/linear2/weight", func(r *run) {
			for _, name := range []string{"encoder/stem/conv/weight", "projector/linear2/weight"} {
				momentum(r, name)[1] = nan
				r.online.Get(name).Data[1] = nan
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := trained(t, test.norm)
			test.harm(r)
			why, err := r.train()
			if err != nil {
				t.Fatal(err)
			}
			began := "the loss became NaN at step 1: "
			if strings.Contains(test.name, "finite loss") {
				began = "the gradient is not finite at step 1: "
			}
			if !strings.HasSuffix(why, test.want) || !strings.HasPrefix(why, began) {
				t.Errorf("it says %q, want %s...%s", why, began, test.want)
			}
			if r.done != 1 {
				t.Errorf("%d steps are done, want 1", r.done)
			}
		})
	}
}

// TestLastUpdateDiverges: what the last update breaks no loss can show.
func TestLastUpdateDiverges(t *testing.T) {
	r := trained(t, config.NormNone)
	r.done = r.steps
	r.online.Get("predictor/linear2/weight").Data[0] = float32(math.Inf(1))
	outcome, err := r.loop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("the update of step %d made predictor/linear2/weight not finite", r.steps-1)
	if outcome.Kind != "diverged" || outcome.Why != want {
		t.Errorf("outcome is %+v, want %q", outcome, want)
	}
}

// TestProbeDiverges: weights and losses may be finite although what the
// evaluated network makes of clean images is not.
func TestProbeDiverges(t *testing.T) {
	r := trained(t, config.NormBN)
	r.done = r.perEpoch()
	r.online.Get("encoder/stage1/block1/norm1/var").Data[0] = float32(math.NaN())
	outcome, err := r.loop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "in the probe at step 4, the first result that is not finite is that of norm at encoder/stage1/block1/norm1"
	if outcome.Kind != "diverged" || outcome.Why != want {
		t.Errorf("outcome is %+v, want %q", outcome, want)
	}
}
