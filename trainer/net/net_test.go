package net

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/op"
)

const images, size = 6, 8

var portable = kernel.Portable[float64]{}

func model(norm string) *Model[float64] {
	return &Model[float64]{
		Config: config.Config{
			Encoder:   config.Encoder{Arch: "resnet8", Width: 4},
			Norm:      config.Norm{Encoder: norm, Projector: norm, Predictor: norm},
			Heads:     config.Heads{Hidden: 16, Out: 8},
			Predictor: true,
			Batch:     images / 2,
		},
		Height: size, Width: size, Channels: 3,
		Random: func(name string) *rand.Rand {
			h := fnv.New64a()
			h.Write([]byte(name))
			return rand.New(rand.NewPCG(h.Sum64(), 1))
		},
	}
}

func noise(seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, images*size*size*3)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

// outputs runs the network of w in the given phase and returns encoder
// output, projection and prediction.
func outputs(t *testing.T, m *Model[float64], w *Weights[float64], x []float64, phase Phase) [][]float64 {
	t.Helper()
	g := NewGraph(portable)
	b := m.builder(g, "", w, phase, nil)
	n := b.predict(b.build(g.Input("images", x, images, size, size, 3)))
	out := [][]float64{
		make([]float64, images*Features(m.Config.Encoder)),
		make([]float64, images*m.Config.Heads.Out),
		make([]float64, images*m.Config.Heads.Out),
	}
	op.Capture(n.Encoder, out[0])
	op.Capture(n.Projection, out[1])
	op.Capture(n.Prediction, out[2])
	if err := g.Compile(); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Run(); err != nil {
		t.Fatal(err)
	}
	return out
}

func calibrated(t *testing.T, m *Model[float64], x []float64) *Weights[float64] {
	t.Helper()
	w := NewWeights[float64]()
	if err := m.Calibrate(portable, w, x, images); err != nil {
		t.Fatal(err)
	}
	return w
}

func largestDifference(a, b [][]float64) float64 {
	worst := 0.0
	for i := range a {
		for j := range a[i] {
			worst = max(worst, math.Abs(a[i][j]-b[i][j]))
		}
	}
	return worst
}

// TestCompensationEqualsBatchNorm: on the images it was made from, the
// compensated network computes what the batch-normalized one does (paper,
// section 3.2), and on others it does not.
func TestCompensationEqualsBatchNorm(t *testing.T) {
	x := noise(1)
	bn, init := model(config.NormBN), model(config.NormInit)
	wb, wi := calibrated(t, bn, x), calibrated(t, init, x)
	if d := largestDifference(outputs(t, bn, wb, x, Calibrate), outputs(t, init, wi, x, Train)); d > 1e-10 {
		t.Errorf("outputs differ by %g on the statistics batch", d)
	}
	y := noise(2)
	if d := largestDifference(outputs(t, bn, wb, y, Calibrate), outputs(t, init, wi, y, Train)); d < 1e-3 {
		t.Errorf("outputs differ by no more than %g on another batch: is the compensated network still a batch norm?", d)
	}
}

// TestCompensationPerComponent: only the components that ask for it are
// compensated.
func TestCompensationPerComponent(t *testing.T) {
	m := model(config.NormBN)
	m.Config.Norm.Encoder = config.NormInit
	w := calibrated(t, m, noise(1))
	if w.Get("encoder/stem/norm/mean") != nil {
		t.Error("a compensated norm has running statistics")
	}
	if s := w.Get("encoder/stem/norm/scale").Data[0]; s == 1 {
		t.Error("the encoder was not compensated")
	}
	if s := w.Get("projector/norm/scale").Data[0]; s != 1 {
		t.Errorf("the projector's batch norm starts with scale %g", s)
	}
	if w.Get("projector/norm/mean") == nil {
		t.Error("the projector's batch norm has no running statistics")
	}
}

// TestResidualBranchesStartAtZero: gamma_0 is 0 at the last norm of a block
// and 1 elsewhere, and without a norm there is no scale at all.
func TestResidualBranchesStartAtZero(t *testing.T) {
	for _, norm := range []string{config.NormBN, config.NormLN, config.NormGNWS, config.NormNoneAffine} {
		w := calibrated(t, model(norm), noise(1))
		for name, want := range map[string]float64{
			"encoder/stem/norm/scale": 1, "encoder/stage2/block1/norm1/scale": 1,
			"encoder/stage2/block1/norm2/scale": 0, "encoder/stage2/block1/shortcut/norm/scale": 1, "predictor/norm/scale": 1,
		} {
			if got := w.Get(name).Data; slices.Min(got) != want || slices.Max(got) != want {
				t.Errorf("%s: %s is %v, want all %g", norm, name, got, want)
			}
		}
	}
	if calibrated(t, model(config.NormNone), noise(1)).Get("encoder/stem/norm/scale") != nil {
		t.Error("none has a scale")
	}
}

// TestArmsShareWeights: weights of equal name start equal in every arm.
func TestArmsShareWeights(t *testing.T) {
	base := calibrated(t, model(config.NormBN), noise(1))
	shared := 0
	for _, norm := range []string{config.NormNone, config.NormGNWS, config.NormInit} {
		w := calibrated(t, model(norm), noise(1))
		for _, a := range base.Trainable() {
			if b := w.Get(a.Name); len(a.Shape) > 1 {
				shared++
				if b == nil || !slices.Equal(a.Data, b.Data) {
					t.Errorf("%s: %s differs from that of the bn arm", norm, a.Name)
				}
			}
		}
	}
	if shared != 3*13 { // 9 convolutions and 4 linear maps
		t.Errorf("compared %d weights, want 39", shared)
	}
}

func TestArchitectures(t *testing.T) {
	for arch, want := range map[string]struct{ convolutions, features int }{
		"resnet8":  {1 + 6 + 2, 16}, // stem, blocks, shortcuts
		"resnet14": {1 + 12 + 2, 16},
		"resnet20": {1 + 18 + 2, 16},
		"resnet18": {1 + 16 + 3, 32},
	} {
		m := model(config.NormBN)
		m.Config.Encoder.Arch = arch
		x := noise(1)
		w := calibrated(t, m, x)
		convolutions := 0
		for _, p := range w.Trainable() {
			if len(p.Shape) == 4 {
				convolutions++
			}
		}
		if features := len(outputs(t, m, w, x, Train)[0]) / images; convolutions != want.convolutions || features != want.features {
			t.Errorf("%s has %d convolutions and %d features, want %+v", arch, convolutions, features, want)
		}
	}
}

func TestInitialWeights(t *testing.T) {
	m := model(config.NormBN)
	m.Config.Encoder.Width = 32
	w := calibrated(t, m, noise(1)).Get("encoder/stage3/block1/conv2/weight")
	if !slices.Equal(w.Shape, []int{128, 3, 3, 128}) {
		t.Fatalf("shape %v", w.Shape)
	}
	std := 1 / math.Sqrt(9*128)
	ss := 0.0
	for _, v := range w.Data {
		ss += v * v
		if math.Abs(v) > 2*std {
			t.Fatalf("weight %g lies beyond two standard deviations", v)
		}
	}
	// Cutting a normal distribution at two standard deviations leaves 0.8796 of its own.
	if got := math.Sqrt(ss/float64(len(w.Data))) / std; math.Abs(got-0.8796) > 0.01 {
		t.Errorf("standard deviation is %g of 1/sqrt(fan-in), want 0.88", got)
	}
}

// TestBatchIndependence: an image's outputs depend on the other images of the
// batch under batch norm in training, and under nothing else.
func TestBatchIndependence(t *testing.T) {
	for _, norm := range []string{config.NormBN, config.NormLN, config.NormNone, config.NormNoneAffine, config.NormInit, config.NormGNWS} {
		for _, phase := range []Phase{Train, Evaluate} {
			t.Run(fmt.Sprint(norm, phase), func(t *testing.T) {
				m := model(norm)
				x := noise(1)
				w := calibrated(t, m, x)
				before := outputs(t, m, w, x, phase)
				for i := size * size * 3; i < len(x); i++ { // all but the first image
					x[i] = -2 * x[i]
				}
				after := outputs(t, m, w, x, phase)
				for i := range before { // keep the first image
					before[i], after[i] = before[i][:len(before[i])/images], after[i][:len(after[i])/images]
				}
				d := largestDifference(before, after)
				if depends := norm == config.NormBN && phase == Train; depends != (d > 0) {
					t.Errorf("the first image's outputs moved by %g", d)
				}
			})
		}
	}
}

// TestRunningStatistics: after calibration, evaluation on the same images is
// close to training on them: the statistics are the same but for the views
// and the variance's n-1.
func TestRunningStatistics(t *testing.T) {
	m, x := model(config.NormBN), noise(1)
	w := calibrated(t, m, x)
	if d := largestDifference(outputs(t, m, w, x, Evaluate)[:1], outputs(t, m, w, x, Calibrate)[:1]); d > 0.1 {
		t.Errorf("encoder outputs differ by %g", d)
	}
}

func TestTargetHasNoPredictor(t *testing.T) {
	w := calibrated(t, model(config.NormBN), noise(1))
	target := w.Target()
	for _, x := range target.All() {
		if strings.HasPrefix(x.Name, "predictor") || !x.Trainable {
			t.Errorf("the target has %s", x.Name)
		}
	}
	target.Get("encoder/stem/conv/weight").Data[0]++
	if w.Get("encoder/stem/conv/weight").Data[0] == target.Get("encoder/stem/conv/weight").Data[0] {
		t.Error("target and online network share memory")
	}
}

// TestEqualNamesAreRefused: Gorgonia would silently take two inputs of one
// name for one.
func TestEqualNamesAreRefused(t *testing.T) {
	g := NewGraph(portable)
	a := g.Input("x", make([]float64, 2), 2)
	b := g.Input("x", make([]float64, 2), 2)
	op.Capture(a, make([]float64, 2))
	op.Capture(b, make([]float64, 2))
	if err := g.Compile(); err == nil {
		t.Error("two inputs of one name were accepted")
	}
}
