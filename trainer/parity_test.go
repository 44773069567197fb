package trainer

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// The fixtures in testdata/parity are traces (see Trace) in which loss,
// outputs, gradients and the state after the step are PyTorch's, computed in
// float64 by testdata/parity.py. Those of several steps in a row hold the views
// and the loss of each, the state before the first and the networks after the
// last.
var fixtures = flag.String("fixtures", "", "make the parity fixtures anew with this `PYTHON`, which needs PyTorch")

// parity is a fixture: what it sets beside parityBase, and its steps.
type parity struct {
	name        string
	set         config.Settings
	from, steps int64
}

// Step 0 would hide errors behind the scales that start at zero, hence step 3.
// The smallest networks tell as much as large ones, but for batch norm, which
// divides by next to nothing where all of few channels are dead.
var parities = []parity{
	{"bn-sgd", with("bn", "sgd", nil), 3, 1},
	{"bn-lars", with("bn", "lars", nil), 3, 1},
	{"ln-lars", with("ln", "lars", thin), 3, 1},
	{"ln-adam", with("ln", "adam", thin), 3, 1},
	{"none-sgd", with("none", "sgd", thin), 3, 1},
	{"none-affine-lars", with("none-affine", "lars", thin), 3, 1},
	{"init-lars", with("init", "lars", thin), 3, 1},
	{"gn+ws-lars", with("gn+ws", "lars", nil), 3, 1},
	{"gn+ws-adam", with("gn+ws", "adam", nil), 5, 1},
	{"mixed-adam", with("gn+ws", "adam", config.Settings{"norm.encoder": "bn", "norm.predictor": "init"}), 3, 1},
	{"no-predictor", with("bn", "sgd", config.Settings{"predictor": false, "target.schedule": "constant"}), 3, 1},
	{"no-stop-gradient", with("bn", "lars", config.Settings{"target.stop_gradient": false}), 3, 1},
	{"neither", with("init", "sgd", config.Settings{"predictor": false, "target.stop_gradient": false, "optimizer.lr": 0.01}), 3, 1},
	{"simclr-bn-lars", with("bn", "lars", config.Settings{"method": "simclr"}), 3, 1},
	{"simclr-gn+ws-adam", with("gn+ws", "adam", config.Settings{"method": "simclr"}), 3, 1},
	{"resnet14-ln-sgd", with("ln", "sgd", config.Settings{"encoder.arch": "resnet14", "encoder.width": int64(2), "data.size": int64(11)}), 3, 1},

	{"20-bn-lars", with("bn", "lars", row.Merge(config.Settings{"encoder.width": int64(3), "batch": int64(8)})), 0, 20},
	{"20-ln-sgd", with("ln", "sgd", row), 0, 20},
	{"20-none-sgd", with("none", "sgd", row), 0, 20},
	{"20-init-lars", with("init", "lars", row.Merge(config.Settings{"encoder.width": int64(3)})), 0, 20},
	{"20-gn+ws-adam", with("gn+ws", "adam", row.Merge(config.Settings{"optimizer.lr": 0.001})), 0, 20},
}

var thin = config.Settings{"encoder.width": int64(2)}

// row is for steps in a row. Where two computations part by rounding, an
// activation between them may pass a ReLU in one only: the rate is low, so
// that they stay too close for that.
var row = config.Settings{"encoder.width": int64(2), "batch": int64(4), "optimizer.lr": 0.02}

// with sets the norm, and an optimizer with a rate that suits it.
func with(norm, optimizer string, more config.Settings) config.Settings {
	s := config.Settings{"norm": norm, "optimizer.name": optimizer, "optimizer.lr": 0.1}
	switch optimizer {
	case "lars":
		s["optimizer.lr"], s["optimizer.trust"] = 0.5, 0.02
	case "adam":
		s["optimizer.lr"] = 0.001
	}
	return s.Merge(more)
}

var parityBase = config.Settings{
	"data.name": "folder", "data.size": int64(8),
	"encoder.width": int64(3), "heads.hidden": int64(12), "heads.out": int64(6),
	"batch": int64(8), "epochs": int64(6), "optimizer.weight_decay": 0.01, "optimizer.warmup": 0.15, "target.tau": 0.9,
}

func (p parity) config(t *testing.T) config.Config {
	t.Helper()
	resolved, problems := config.Resolve(parityBase.Merge(p.set))
	if problems != nil {
		t.Fatal(problems)
	}
	c, err := resolved.Config()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestParity repeats what PyTorch did, with the code that training runs:
// the best kernels and the portable ones, and the portable ones in float64,
// where nothing but the fixture's own float32 is left between the two.
func TestParity(t *testing.T) {
	for _, p := range parities {
		t.Run(p.name, func(t *testing.T) {
			path := filepath.Join("testdata", "parity", p.name+".safetensors")
			if *fixtures != "" {
				p.make(t, path)
			}
			f, err := checkpoint.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := f.Meta["config"], string(p.config(t).JSON()); got != want {
				t.Fatalf("the fixture is of another configuration; make it anew with -fixtures python3:\n%s\n%s", got, want)
			}
			if got, want := f.Meta["step"], strconv.FormatInt(p.from, 10); got != want {
				t.Fatalf("the fixture is of step %s, want %s; make it anew with -fixtures python3", got, want)
			}
			tolerance := 1e-4
			if p.steps > 1 {
				tolerance = 1e-3
			}
			t.Run("best", func(t *testing.T) { repeat(t, p, f, kernel.Best[float32](), 1e-5, tolerance) })
			t.Run("portable", func(t *testing.T) { repeat(t, p, f, kernel.Portable[float32]{}, 1e-5, tolerance) })
			t.Run("float64", func(t *testing.T) { repeat(t, p, f, kernel.Portable[float64]{}, 1e-6, 1e-6) })
		})
	}
}

// TestBestKernels carries over what PyTorch says about small networks, which
// nothing but the portable kernels are made for: on a network as wide as the
// best ones want it, a step in float32 on these agrees with one in float64 on
// the portable ones.
func TestBestKernels(t *testing.T) {
	for _, norm := range []string{config.NormBN, config.NormLN, config.NormNone, config.NormInit, config.NormGNWS} {
		t.Run(norm, func(t *testing.T) {
			c := parity{set: with(norm, "lars", config.Settings{"encoder.width": int64(16), "heads.hidden": int64(32), "batch": int64(4)})}.config(t)
			want := wide(t, c, kernel.Portable[float64]{})
			got := wide(t, c, kernel.Best[float32]())
			if off := math.Abs(float64(got.step.loss[0])/want.step.loss[0] - 1); !(off <= 1e-5) {
				t.Errorf("the loss differs by %.1g", off)
			}
			for i, w := range want.online.Trainable() {
				near(t, "gradient/"+w.Name, got.step.grads[i], want.step.grads[i], false)
			}
			after := make(map[string][]float32)
			got.each(func(name string, data []float32) { after[name] = data })
			want.each(func(name string, data []float64) { near(t, name, after[name], data, beforeBatchNorm(c, name)) })
		})
	}
}

// wide does a step of c from weights that are moved a little, since zero
// scales would hide what lies behind them.
func wide[T kernel.Float](t *testing.T, c config.Config, k kernel.Set[T]) *learner[T] {
	t.Helper()
	l := buildLearner(t, c, k, 8, 3)
	r := data.Stream(1, "moved")
	for _, w := range []*net.Weights[T]{l.online, l.target} {
		for _, p := range w.Trainable() {
			for i := range p.Data {
				p.Data[i] = T(float32(float64(p.Data[i]) + 0.1*r.NormFloat64()))
			}
		}
	}
	l.step.mustRun(t)
	l.step.finish(c, l.optimizer, l.online, l.target, 1, 10)
	return l
}

// near compares with a reference as TestParity does.
func near[T, R kernel.Float](t *testing.T, name string, got []T, want []R, absolute bool) {
	t.Helper()
	if off := difference(got, want, absolute); !(off <= 1e-4) {
		t.Errorf("%s differs by %.1g", name, off)
	}
}

// make runs the steps, gives their traces to PyTorch and keeps what that made
// of them.
func (p parity) make(t *testing.T, path string) {
	t.Helper()
	dir := t.TempDir()
	drawFolder(t, dir)
	args := []string{filepath.Join("testdata", "parity.py"), "--fixture", path}
	for step := p.from; step < p.from+p.steps; step++ {
		f, err := Trace(context.Background(), Job{Config: p.config(t), Seed: 1, DataDir: dir}, step)
		if err != nil {
			t.Fatal(err)
		}
		trace := filepath.Join(t.TempDir(), "trace.safetensors")
		if err := checkpoint.Write(trace, f); err != nil {
			t.Fatal(err)
		}
		args = append(args, trace)
	}
	out, err := exec.Command(*fixtures, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// drawFolder writes 40 images of two classes to train with, and 10 to test
// with.
func drawFolder(t *testing.T, dir string) {
	t.Helper()
	set, err := data.Load(config.Data{Name: "generated", Train: 40, Test: 10}, "")
	if err != nil {
		t.Fatal(err)
	}
	for part, split := range map[string]data.Split{"train": set.Train, "test": set.Test} {
		for i, label := range split.Labels {
			img := image.NewNRGBA(image.Rect(0, 0, set.Width, set.Height))
			pixels := split.Image(i)
			for j := range set.Width * set.Height {
				img.Set(j%set.Width, j/set.Width, color.NRGBA{pixels[3*j], pixels[3*j+1], pixels[3*j+2], 255})
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			class := filepath.Join(dir, part, fmt.Sprintf("class%d", label%2))
			if err := os.MkdirAll(class, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(class, fmt.Sprintf("%02d.png", i)), b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// repeat does the fixture's steps from its state, and compares.
func repeat[T kernel.Float](t *testing.T, p parity, f *checkpoint.File, k kernel.Set[T], lossTolerance, tolerance float64) {
	l := newLearner(t, p, f, k)
	views, losses := shaped(t, f, "views"), shaped(t, f, "loss")
	size := len(l.step.views)
	if len(views.Data) != int(p.steps)*size || len(losses.Data) != int(p.steps) {
		t.Fatalf("the fixture holds views %v and losses %v, which are not of %d steps", views.Shape, losses.Shape, p.steps)
	}
	steps, err := strconv.ParseInt(f.Meta["steps"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int(p.steps) {
		fill(l.step.views, views.Data[i*size:(i+1)*size])
		loss := l.step.mustRun(t)
		if want := float64(losses.Data[i]); !(math.Abs(loss-want) <= lossTolerance*want) {
			t.Errorf("step %d: the loss is %v, PyTorch's %v", p.from+int64(i), loss, want)
		}
		l.step.finish(l.config, l.optimizer, l.online, l.target, p.from+int64(i), steps)
	}
	c := &comparison{t: t, f: f, tolerance: tolerance, seen: make(map[string]bool)}
	if p.steps == 1 {
		for _, o := range l.step.outputs {
			compare(c, "output/"+o.name, o.data, false)
		}
		for i, w := range l.online.Trainable() {
			compare(c, "gradient/"+w.Name, l.step.grads[i], false)
		}
	}
	l.each(func(name string, data []T) {
		if p.steps == 1 || strings.HasPrefix(name, "online/") || strings.HasPrefix(name, "target/") {
			compare(c, "after/"+name, data, beforeBatchNorm(l.config, name))
		}
	})
	t.Logf("the worst is %s: %.1g", c.worst, c.off)
	for _, tensor := range f.Tensors {
		if name := tensor.Name; !c.seen[name] && name != "views" && name != "loss" && !strings.HasPrefix(name, "before/") {
			t.Errorf("PyTorch's %s has no counterpart", name)
		}
	}
}

// learner is what a run trains with.
type learner[T kernel.Float] struct {
	config         config.Config
	step           *step[T]
	online, target *net.Weights[T]
	optimizer      *optimizer[T]
}

// buildLearner builds networks as they are at step 0, for square images: those
// of the first batch are noise.
func buildLearner[T kernel.Float](t *testing.T, c config.Config, k kernel.Set[T], side, channels int) *learner[T] {
	t.Helper()
	l := &learner[T]{config: c, online: net.NewWeights[T]()}
	m := &net.Model[T]{Config: c, Height: side, Width: side, Channels: channels,
		Random: func(name string) *rand.Rand { return data.Stream(1, name) }}
	n, r := 2*c.Batch, data.Stream(1, "noise")
	images := make([]T, n*side*side*channels)
	for i := range images {
		images[i] = T(float32(r.NormFloat64()))
	}
	if err := m.Calibrate(k, l.online, images, n); err != nil {
		t.Fatal(err)
	}
	l.target = l.online.Target()
	l.optimizer = newOptimizer(c.Optimizer, l.online)
	var err error
	if l.step, err = newStep(m, k, l.online, l.target); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.step.close() })
	copy(l.step.views, images)
	return l
}

// newLearner builds the fixture's networks and gives them the state before its
// step.
func newLearner[T kernel.Float](t *testing.T, p parity, f *checkpoint.File, k kernel.Set[T]) *learner[T] {
	t.Helper()
	shape := shaped(t, f, "views").Shape // [2B, H, W, C], after the steps if there are several
	l := buildLearner(t, p.config(t), k, shape[len(shape)-2], shape[len(shape)-1])
	n := 0
	l.each(func(name string, data []T) {
		fill(data, shaped(t, f, "before/"+name).Data)
		n++
	})
	for _, tensor := range f.Tensors {
		if strings.HasPrefix(tensor.Name, "before/") {
			n--
		}
	}
	if n != 0 {
		t.Fatalf("the fixture's state has %d tensors more than the run's", -n)
	}
	return l
}

// each calls f with every tensor of the state, by its name in a trace.
func (l *learner[T]) each(f func(name string, data []T)) {
	for _, w := range l.online.All() {
		f("online/"+w.Name, w.Data)
	}
	for i, w := range l.online.Trainable() {
		f("momentum/"+w.Name, l.optimizer.momentum[i])
		if l.optimizer.variance != nil {
			f("variance/"+w.Name, l.optimizer.variance[i])
		}
	}
	if hasTarget(l.config) {
		for _, w := range l.target.All() {
			f("target/"+w.Name, w.Data)
		}
	}
}

func shaped(t *testing.T, f *checkpoint.File, name string) checkpoint.Tensor {
	t.Helper()
	for _, tensor := range f.Tensors {
		if tensor.Name == name {
			return tensor
		}
	}
	t.Fatalf("the fixture lacks %s", name)
	return checkpoint.Tensor{}
}

func fill[T kernel.Float](dst []T, src []float32) {
	if len(dst) != len(src) {
		panic(fmt.Sprintf("%d values for %d", len(src), len(dst)))
	}
	for i, v := range src {
		dst[i] = T(v)
	}
}

// beforeBatchNorm reports whether a tensor of the state is about a bias right
// before a batch norm, which takes it out again: its gradient is zero but for
// rounding, and so is all that follows from it.
func beforeBatchNorm(c config.Config, name string) bool {
	norms := map[string]string{"projector": c.Norm.Projector, "predictor": c.Norm.Predictor}
	_, name, _ = strings.Cut(name, "/")
	component, rest, _ := strings.Cut(name, "/")
	return rest == "linear1/bias" && norms[component] == config.NormBN
}

// comparison compares tensors with a fixture's.
type comparison struct {
	t         *testing.T
	f         *checkpoint.File
	tolerance float64
	seen      map[string]bool
	worst     string  // tensor
	off       float64 // its difference
}

// compare compares with PyTorch's tensor of that name; absolute is as in
// difference.
func compare[T kernel.Float](c *comparison, name string, got []T, absolute bool) {
	c.t.Helper()
	c.seen[name] = true
	want := shaped(c.t, c.f, name).Data
	off := difference(got, want, absolute)
	if off >= c.off {
		c.worst, c.off = name, off
	}
	if !(off <= c.tolerance) {
		c.t.Errorf("%s differs from PyTorch's by %.2g, more than %g", name, off, c.tolerance)
	}
}

// difference is that in L2 relative to the norm of want; the absolute one if
// that is tiny, or if it is asked for.
func difference[T, R kernel.Float](got []T, want []R, absolute bool) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	off, norm := 0.0, 0.0
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		off += d * d
		norm += float64(w) * float64(w)
	}
	off, norm = math.Sqrt(off), math.Sqrt(norm)
	if !absolute && norm >= 1e-6 {
		off /= norm
	}
	return off
}
