package trainer

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// tiny is the smallest network that has every part.
func tiny(norm string, predictor, stop bool) *net.Model[float64] {
	return &net.Model[float64]{
		Config: config.Config{
			Encoder:   config.Encoder{Arch: "resnet8", Width: 4},
			Norm:      config.Norm{Encoder: norm, Projector: norm, Predictor: norm},
			Heads:     config.Heads{Hidden: 8, Out: 4},
			Predictor: predictor,
			Batch:     2,
			Target:    config.Target{Tau: 0.99, Schedule: "cosine", StopGradient: stop},
		},
		Height: 6, Width: 6, Channels: 2,
		Random: func(name string) *rand.Rand {
			h := fnv.New64a()
			h.Write([]byte(name))
			return rand.New(rand.NewPCG(h.Sum64(), 2))
		},
	}
}

// newTiny builds the step of m on random views, with every weight moved a
// little, since zero scales would hide the gradients behind them.
func newTiny(t *testing.T, m *net.Model[float64]) (s *step[float64], online, target *net.Weights[float64]) {
	t.Helper()
	k := kernel.Portable[float64]{}
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float64, 2*m.Config.Batch*m.Height*m.Width*m.Channels)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	online = net.NewWeights[float64]()
	if err := m.Calibrate(k, online, x, 2*m.Config.Batch); err != nil {
		t.Fatal(err)
	}
	target = online.Target()
	for _, w := range []*net.Weights[float64]{online, target} {
		for _, p := range w.Trainable() {
			for i := range p.Data {
				p.Data[i] += 0.1 * r.NormFloat64()
			}
		}
	}
	s, err := newStep(m, k, online, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	copy(s.views, x)
	return s, online, target
}

func (s *step[T]) mustRun(t *testing.T) float64 {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	return float64(s.loss[0])
}

// TestStepGradients compares the gradient of the whole step with finite
// differences, in every weight tensor of every arm.
func TestStepGradients(t *testing.T) {
	norms := []string{config.NormBN, config.NormLN, config.NormNone, config.NormNoneAffine, config.NormInit, config.NormGNWS}
	for _, norm := range norms {
		for _, c := range []struct{ predictor, stop bool }{{true, true}, {false, true}, {true, false}} {
			t.Run(fmt.Sprintf("%s/predictor=%v/stop=%v", norm, c.predictor, c.stop), func(t *testing.T) {
				s, online, _ := newTiny(t, tiny(norm, c.predictor, c.stop))
				if loss := s.mustRun(t); !(loss > 0.01 && loss < 8) {
					t.Fatalf("loss is %g", loss)
				}
				for i, p := range online.Trainable() {
					grad := append([]float64(nil), s.grads[i]...)
					checkSome(t, p.Name, p.Data, grad, func() float64 { return s.mustRun(t) })
				}
			})
		}
	}
}

// TestSimCLRStepGradients does the same for the other method.
func TestSimCLRStepGradients(t *testing.T) {
	for _, norm := range []string{config.NormBN, config.NormInit, config.NormGNWS} {
		t.Run(norm, func(t *testing.T) {
			m := tiny(norm, false, false)
			m.Config.Method, m.Config.SimCLR.Temperature = "simclr", 0.5
			s, online, _ := newTiny(t, m)
			if loss := s.mustRun(t); !(loss > 0.01 && loss < 5) { // log(2B - 1) = 1.1 if all are equal
				t.Fatalf("loss is %g", loss)
			}
			for i, p := range online.Trainable() {
				grad := append([]float64(nil), s.grads[i]...)
				checkSome(t, p.Name, p.Data, grad, func() float64 { return s.mustRun(t) })
			}
		})
	}
}

// checkSome compares the gradient of a few elements with finite differences.
func checkSome(t *testing.T, name string, data, grad []float64, loss func() float64) {
	t.Helper()
	largest := 1e-4
	for _, g := range grad {
		largest = max(largest, math.Abs(g))
	}
	for j := 0; j < len(data); j += 1 + len(data)/3 {
		const h = 1e-7
		x := data[j]
		data[j] = x + h
		up := loss()
		data[j] = x - h
		down := loss()
		data[j] = x
		if numeric := (up - down) / (2 * h); math.Abs(numeric-grad[j]) > 1e-4*largest {
			t.Errorf("%s[%d]: gradient is %g, differences give %g", name, j, grad[j], numeric)
		}
	}
}

// TestStopGradientChangesTheGradient: without it, the loss is that of the
// online network with itself, and the target is not read.
func TestStopGradientChangesTheGradient(t *testing.T) {
	s, _, target := newTiny(t, tiny(config.NormBN, true, false))
	before := s.mustRun(t)
	for _, p := range target.All() {
		clear(p.Data)
	}
	if after := s.mustRun(t); after != before {
		t.Errorf("the loss went from %g to %g with the target's weights", before, after)
	}
	s, _, target = newTiny(t, tiny(config.NormBN, true, true))
	before = s.mustRun(t)
	for _, p := range target.All() {
		for i := range p.Data {
			p.Data[i] *= -1
		}
	}
	if after := s.mustRun(t); after == before {
		t.Error("the loss does not depend on the target's weights")
	}
}

// TestSteadyStepsAllocateNothing: the first step gets all the memory that the
// ops need; later ones leave no more garbage than the scratch of the portable
// matrix products, although Gorgonia would make every value anew.
func TestSteadyStepsAllocateNothing(t *testing.T) {
	m := tiny(config.NormGNWS, true, true)
	m.Config.Batch, m.Height, m.Width = 64, 16, 16
	s, _, _ := newTiny(t, m)
	allocated := func(steps int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range steps {
			s.mustRun(t)
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / uint64(steps)
	}
	first := allocated(1)
	if later := allocated(3); later > first/10 {
		t.Errorf("the first step allocates %d bytes and later ones %d", first, later)
	}
}

func TestLearningRate(t *testing.T) {
	o := config.Optimizer{LR: 2, Warmup: 0.1}
	for k, want := range map[int64]float64{0: 0.2, 4: 1, 9: 2, 10: 2, 55: 1, 99: 2 * (1 + math.Cos(math.Pi*89/90)) / 2} {
		if got := learningRate(o, k, 100); math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: rate %g, want %g", k, got, want)
		}
	}
	o.Schedule = "constant"
	for _, k := range []int64{0, 5, 9, 10, 50, 99} {
		if got, want := learningRate(o, k, 100), o.LR*math.Min(1, float64(k+1)/10); math.Abs(got-want) > 1e-12 {
			t.Errorf("constant after the warm-up, step %d: %v, want %v", k, got, want)
		}
	}
	if got := learningRate(config.Optimizer{LR: 2, Warmup: 0}, 0, 100); got != 2 {
		t.Errorf("without warm-up the first rate is %g, want 2", got)
	}
}

func TestTargetRate(t *testing.T) {
	c := config.Target{Tau: 0.9, Schedule: "cosine"}
	for k, want := range map[int64]float64{0: 0.9, 50: 0.95, 100: 1} {
		if got := targetRate(c, k, 100); math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: tau %g, want %g", k, got, want)
		}
	}
	c.Schedule = "constant"
	if got := targetRate(c, 50, 100); got != 0.9 {
		t.Errorf("constant tau is %g", got)
	}
}

// TestUpdate follows two steps of each optimizer by hand, on one matrix and
// one vector.
func TestUpdate(t *testing.T) {
	m := tiny(config.NormNone, false, true)
	for _, c := range []struct {
		optimizer      config.Optimizer
		matrix, vector float64 // after two steps, from 2 and 0 with gradient 1
	}{
		// v1 = 1 + .1*2 = 1.2, w1 = 2 - .5*1.2 = 1.4; v2 = .9*1.2 + 1 + .14 = 2.22, w2 = 1.4 - 1.11 = .29
		// vector, without decay: v1 = 1, w1 = -.5; v2 = 1.9, w2 = -1.45
		{config.Optimizer{Name: "sgd", Momentum: 0.9, WeightDecay: 0.1}, 0.29, -1.45},
		// every element is equal, so |w|/|g| is w/g and trust*g = .5*w:
		// v1 = 1, w1 = 2 - .5 = 1.5; v2 = .9 + .75 = 1.65, w2 = 1.5 - .825 = .675
		{config.Optimizer{Name: "lars", Momentum: 0.9, WeightDecay: 0.1, Trust: 0.5}, 0.675, -1.45},
		// With a constant gradient both moments, corrected, are the gradient and its square: each step is the rate.
		// The matrix's gradient shrinks from 1.2 to 1.15 with the decay: m = .9*.12+.115 = .223, /.19; v = .999*.00144+.0013225, /.001999.
		{config.Optimizer{Name: "adam", Momentum: 0.9, WeightDecay: 0.1}, 1.5 - 0.5*(0.223/0.19)/math.Sqrt((0.999*0.00144+0.0013225)/0.001999), -1},
	} {
		_, w, _ := newTiny(t, m)
		o := newOptimizer[float64](c.optimizer, w)
		var grads [][]float64
		for _, p := range w.Trainable() {
			g := make([]float64, len(p.Data))
			for i := range g {
				g[i] = 1
				p.Data[i] = 0
				if len(p.Shape) > 1 {
					p.Data[i] = 2
				}
			}
			grads = append(grads, g)
		}
		o.update(w, grads, 0.5, 0)
		o.update(w, grads, 0.5, 1)
		for _, p := range w.Trainable() {
			want := c.vector
			if len(p.Shape) > 1 {
				want = c.matrix
			}
			if math.Abs(p.Data[0]-want) > 1e-7 {
				t.Errorf("%s: %s is %g, want %g", c.optimizer.Name, p.Name, p.Data[0], want)
				break
			}
		}
	}
}

func TestFollow(t *testing.T) {
	_, online, target := newTiny(t, tiny(config.NormBN, true, true))
	was := append([]float64(nil), target.All()[0].Data...)
	follow(target, online, 1)
	if target.All()[0].Data[0] != was[0] {
		t.Error("tau = 1 moved the target")
	}
	follow(target, online, 0.75)
	if got, want := target.All()[0].Data[0], 0.75*was[0]+0.25*online.All()[0].Data[0]; math.Abs(got-want) > 1e-15 {
		t.Errorf("tau = 0.75 gives %g, want %g", got, want)
	}
	follow(target, online, 0)
	for _, p := range target.All() {
		for i, v := range p.Data {
			if v != online.Get(p.Name).Data[i] {
				t.Fatalf("tau = 0 leaves %s different", p.Name)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		zStd []float64
		want string
	}{
		{[]float64{0.7, 0.5, 0.6}, "completed"},
		{[]float64{0.7, 0.05, 0.01}, "collapsed"},
		{[]float64{0.7, 0.01, 0.5}, "completed"},                   // it came back
		{[]float64{0.7, 0.5, 0.01}, "completed"},                   // one probe is not two
		{[]float64{0.7, 0.01}, "collapsed"},                        // the only one
		{[]float64{0.12, 0.09, 0.09}, "completed"},                 // low, but not below half
		{[]float64{0.05, 0.04, 0.06}, "never_separated"},           // never up
		{[]float64{0.05, 0.001, 0.001}, "never_separated"},         // and sinking
		{[]float64{0.05, 0.3, 0.001, 0.001}, "collapsed"},          // up and down again
		{[]float64{0.7, 0.7, math.NaN(), math.NaN()}, "completed"}, // a NaN proves nothing here; the loss does
	} {
		if got := judge(c.zStd); got.Kind != c.want {
			t.Errorf("%v is %s, want %s", c.zStd, got.Kind, c.want)
		}
	}
}
