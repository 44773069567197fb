package trainer

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
)

func mustTrace(t *testing.T, c config.Config, step int64) *checkpoint.File {
	t.Helper()
	f, err := Trace(context.Background(), Job{Config: c, Seed: 3}, step)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTraceIsOfTheRun: a trace begins with the state that a run's checkpoint
// has at that step, and ends with the state that the next step begins with.
func TestTraceIsOfTheRun(t *testing.T) {
	for norm, optimizer := range map[string]string{config.NormBN: "lars", config.NormGNWS: "adam"} {
		c := small(norm)
		c.Optimizer.Name = optimizer
		dir := t.TempDir()
		if err := newRecord().attempt(t, c, dir, 6); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		saved, err := checkpoint.Read(filepath.Join(dir, checkpoint.Name(6)))
		if err != nil {
			t.Fatal(err)
		}
		last, next := mustTrace(t, c, 5), mustTrace(t, c, 6)
		for _, tensor := range saved.Tensors {
			if !slices.Equal(last.Get("after/"+tensor.Name), tensor.Data) {
				t.Errorf("%s: %s after step 5 is not the checkpoint's", norm, tensor.Name)
			}
			if !slices.Equal(next.Get("before/"+tensor.Name), tensor.Data) {
				t.Errorf("%s: %s before step 6 is not the checkpoint's", norm, tensor.Name)
			}
			if slices.Equal(next.Get("after/"+tensor.Name), tensor.Data) {
				t.Errorf("%s: step 6 leaves %s as it was", norm, tensor.Name)
			}
		}
	}
}

// TestTraceHoldsEverything: the documented names and shapes.
func TestTraceHoldsEverything(t *testing.T) {
	c := small(config.NormBN)
	shapes := func(f *checkpoint.File) map[string][]int {
		m := make(map[string][]int)
		for _, tensor := range f.Tensors {
			m[tensor.Name] = tensor.Shape
		}
		return m
	}
	f := mustTrace(t, c, 1)
	if why, ok := f.Meta["diverged"]; ok {
		t.Errorf("a good step diverged: %q", why)
	}
	got := shapes(f)
	for name, want := range map[string][]int{
		"views":             {32, 16, 16, 3},
		"loss":              {},
		"output/encoder":    {32, 16},
		"output/projection": {32, 8},
		"output/prediction": {32, 8},
		"output/target":     {32, 8},
		"gradient/encoder/stage2/block1/conv1/weight":     {8, 3, 3, 4},
		"gradient/predictor/linear1/weight":               {16, 8},
		"before/online/encoder/stem/norm/mean":            {4},
		"after/online/predictor/norm/var":                 {16},
		"before/target/projector/norm/scale":              {16},
		"after/momentum/encoder/stage1/block1/norm2/bias": {4},
	} {
		if !slices.Equal(got[name], want) || got[name] == nil {
			t.Errorf("%s has the shape %v, want %v", name, got[name], want)
		}
	}
	for name := range got {
		if strings.Contains(name, "target/predictor") || strings.Contains(name, "variance") {
			t.Errorf("there is %s", name)
		}
	}
	c.Optimizer.Name, c.Target.StopGradient, c.Predictor = "adam", false, false
	f = mustTrace(t, c, 1)
	got = shapes(f)
	if got["after/variance/projector/linear1/bias"] == nil {
		t.Error("Adam's second moment is missing")
	}
	for name := range got {
		if strings.Contains(name, "target") || strings.Contains(name, "predict") {
			t.Errorf("there is %s without target and predictor", name)
		}
	}
	if _, ok := f.Meta["tau"]; ok {
		t.Error("there is tau without a target")
	}
}

func TestTraceErrors(t *testing.T) {
	c := small(config.NormNone)
	for _, step := range []int64{-1, 16} {
		if _, err := Trace(context.Background(), Job{Config: c}, step); err == nil || !strings.Contains(err.Error(), "16 steps, 0 to 15") {
			t.Errorf("step %d: error is %v", step, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Trace(ctx, Job{Config: c}, 2); !errors.Is(err, ErrInterrupted) {
		t.Errorf("interrupted: error is %v", err)
	}
	c.Optimizer = config.Optimizer{Name: "sgd", LR: 1e30}
	if _, err := Trace(context.Background(), Job{Config: c}, 15); err == nil || !strings.Contains(err.Error(), "the run has no step 15: the loss became") {
		t.Errorf("diverged: error is %v", err)
	}
}

// sameBits compares bit for bit; a NaN is like itself.
func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestTraceOfDivergence: the step that ends a run can be looked at, and moves
// no weight and nothing of the optimizer's.
func TestTraceOfDivergence(t *testing.T) {
	for norm, rate := range map[string]float64{config.NormNone: 1e30, config.NormBN: 1e38} {
		c := small(norm)
		c.Optimizer = config.Optimizer{Name: "sgd", LR: rate}
		f := mustTrace(t, c, 1)
		if loss := float64(f.Get("loss")[0]); !math.IsNaN(loss) && !math.IsInf(loss, 0) {
			t.Fatalf("%s: the loss is %v", norm, loss)
		}
		if why := f.Meta["diverged"]; !strings.Contains(why, "not finite") {
			t.Errorf("%s: it diverged because %q", norm, why)
		}
		compared := 0
		for _, before := range f.Tensors {
			name, ok := strings.CutPrefix(before.Name, "before/")
			if !ok || strings.HasSuffix(name, "/mean") || strings.HasSuffix(name, "/var") {
				continue // running statistics move while the step is computed
			}
			if compared++; !sameBits(before.Data, f.Get("after/"+name)) {
				t.Errorf("%s: %s moved", norm, name)
			}
		}
		if compared < 20 {
			t.Errorf("%s: the trace has %d tensors of the state only", norm, compared)
		}
	}
}
