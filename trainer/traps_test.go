package trainer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// Traps of Gorgonia that a whole training step can fall into.

// trained32 is the step of a small network in single precision, with the
// kernels that training uses.
func trained32(t *testing.T, c config.Config) (s *step[float32], online *net.Weights[float32]) {
	t.Helper()
	return stepOf(t, c, kernel.Best[float32]())
}

func stepOf[T kernel.Float](t *testing.T, c config.Config, k kernel.Set[T]) (s *step[T], online *net.Weights[T]) {
	t.Helper()
	m := &net.Model[T]{Config: c, Height: 8, Width: 8, Channels: 3, Random: tiny("", true, true).Random}
	online = net.NewWeights[T]()
	if err := m.Calibrate(k, online, views[T](c, 1), 2*c.Batch); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	for _, p := range online.Trainable() { // zero scales hide what is behind them
		for i := range p.Data {
			p.Data[i] += T(0.1 * r.NormFloat64())
		}
	}
	s, err := newStep(m, k, online, online.Target())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s, online
}

func views[T kernel.Float](c config.Config, seed uint64) []T {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]T, 2*c.Batch*8*8*3)
	for i := range x {
		x[i] = T(float32(r.NormFloat64()))
	}
	return x
}

// methods are configurations that have every kind of op between them.
func methods() map[string]config.Config {
	all := map[string]config.Config{}
	for _, norm := range []string{config.NormBN, config.NormLN, config.NormNone, config.NormInit, config.NormGNWS} {
		all[norm] = small(norm)
	}
	simclr := small(config.NormBN)
	simclr.Method, simclr.SimCLR.Temperature, simclr.Predictor = "simclr", 0.5, false
	all["simclr"] = simclr
	through := small(config.NormGNWS)
	through.Target.StopGradient = false
	all["no stop-gradient"] = through
	broad := small(config.NormGNWS)
	broad.Encoder.Width = winogradWidth
	all["wide"] = broad
	return all
}

// sameStep compares loss and gradients bit for bit.
func sameStep(t *testing.T, a, b *step[float32]) {
	t.Helper()
	if a.loss[0] != b.loss[0] {
		t.Errorf("losses %v and %v", a.loss[0], b.loss[0])
	}
	for i := range a.grads {
		if !slices.Equal(a.grads[i], b.grads[i]) {
			t.Errorf("gradient %d differs", i)
		}
	}
}

// Trap: a machine keeps values, registers and gradients of the run before, and
// the garbage collector must not move what it points to. A step that has seen
// other views, and a collection between, computes what a new one does.
func TestStepsAreIndependent(t *testing.T) {
	for name, c := range methods() {
		t.Run(name, func(t *testing.T) {
			used, _ := trained32(t, c)
			for seed := range uint64(3) {
				copy(used.views, views[float32](c, seed))
				used.mustRun(t)
				runtime.GC()
			}
			fresh, _ := trained32(t, c)
			copy(fresh.views, views[float32](c, 2))
			fresh.mustRun(t)
			sameStep(t, used, fresh)
			if slices.Max(fresh.grads[0]) == 0 {
				t.Error("the first gradient is 0")
			}
		})
	}
}

// Trap: Gorgonia's matrix products and solvers use as many threads as there
// are, and sums over threads depend on their number.
func TestThreadsDoNotChangeBits(t *testing.T) {
	for name, c := range methods() {
		t.Run(name, func(t *testing.T) {
			one, _ := trained32(t, c)
			many, _ := trained32(t, c)
			for _, s := range []*step[float32]{one, many} {
				copy(s.views, views[float32](c, 1))
			}
			before := runtime.GOMAXPROCS(1)
			one.mustRun(t)
			runtime.GOMAXPROCS(4)
			many.mustRun(t)
			runtime.GOMAXPROCS(before)
			sameStep(t, one, many)
		})
	}
}

// Trap: scalars are of other types than tensors, and float32 takes other paths
// through Gorgonia than float64. Both precisions compute the same step.
func TestPrecisionsAgree(t *testing.T) {
	for name, c := range methods() {
		t.Run(name, func(t *testing.T) {
			single, weights := trained32(t, c)
			double, _ := stepOf(t, c, kernel.Portable[float64]{})
			copy(single.views, views[float32](c, 1))
			copy(double.views, views[float64](c, 1))
			a, b := single.mustRun(t), double.mustRun(t)
			if math.Abs(a-b) > 1e-4*math.Abs(b) {
				t.Errorf("the loss is %v in single and %v in double precision", a, b)
			}
			for i, w := range weights.Trainable() {
				diff, norm := 0.0, 0.0
				for j, g := range double.grads[i] {
					d := float64(single.grads[i][j]) - g
					diff, norm = diff+d*d, norm+g*g
				}
				if math.Sqrt(diff) > 1e-3*math.Sqrt(norm)+1e-6 {
					t.Errorf("the gradient of %s is off by %.2g of %.2g", w.Name, math.Sqrt(diff), math.Sqrt(norm))
				}
			}
		})
	}
}

// Trap: a graph remembers something of every run (closures, values). Hundreds
// of runs need no more memory than a few.
func TestMemoryIsFlat(t *testing.T) {
	s, _ := trained32(t, small(config.NormBN))
	used := func(steps int) int64 {
		for range steps {
			s.mustRun(t)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const steps = 200
	before := used(5)
	if grown := used(steps) - before; grown > 100*steps {
		t.Errorf("%d steps leave %s behind", steps, fmt.Sprint(grown, " bytes"))
	}
}
