package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The best kernel set must agree with the portable one on every kernel. In a
// portable build both are the same and only the shapes are exercised.

var views = []View{
	Dense(1, 1, 1), Dense(1, 1, 17), Dense(2, 5, 3), Dense(1, 300, 16), Dense(3, 129, 33), Dense(4, 7, 64), Dense(2, 1, 128),
	{2, 3, 4, 49, 16}, {5, 1, 2, 150, 16}, {1, 2, 3, 4, 5},
}

func random(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64()) + 0.3
	}
	return s
}

// near fails unless got equals want up to tol relative to the largest value.
func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	largest, worst := 0.0, 0.0
	for i := range want {
		largest = max(largest, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
		if math.IsNaN(float64(got[i])) {
			t.Fatalf("%s: NaN at %d", what, i)
		}
	}
	if worst > tol*max(largest, 1e-3) {
		t.Errorf("%s: differs by %g where the largest value is %g", what, worst, largest)
	}
}

func TestConvolutionsAgree(t *testing.T) {
	shapes := []ConvShape{
		{1, 1, 1, 1, 1, 1, 1, 0},
		{2, 7, 5, 3, 8, 3, 1, 1},
		{3, 8, 8, 16, 32, 3, 2, 1},
		{3, 8, 8, 16, 32, 1, 2, 0},
		{2, 9, 9, 5, 7, 3, 2, 1},
		{2, 28, 28, 1, 16, 3, 1, 1},
		{2, 8, 8, 3, 32, 3, 1, 1},
		{2, 9, 7, 24, 48, 3, 2, 1},
		{2, 9, 7, 48, 24, 1, 1, 0},
		{5, 7, 7, 32, 48, 3, 1, 1},
		{3, 32, 32, 32, 32, 3, 1, 1},
		{2, 4, 4, 64, 64, 3, 1, 1},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range shapes {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			nx, ny := s.N*s.H*s.W*s.In, s.N*s.OutH()*s.OutW()*s.Out
			x, w, dy := random(r, nx), random(r, s.Weights()), random(r, ny)
			oracle, best := Portable[float32]{}.Conv(s), plain{Best[float32]().Conv(s), s}

			got, want := make([]float32, ny), make([]float32, ny)
			best.Forward(got, x, w)
			oracle.Forward(want, x, w)
			near(t, "forward", got, want, 1e-5)

			got, want = make([]float32, nx), make([]float32, nx)
			best.BackwardData(got, dy, w)
			oracle.BackwardData(want, dy, w)
			near(t, "backward data", got, want, 1e-5)

			got, want = make([]float32, s.Weights()), make([]float32, s.Weights())
			best.BackwardWeights(got, x, dy)
			oracle.BackwardWeights(want, x, dy)
			near(t, "backward weights", got, want, 1e-5)
		})
	}
}

// plain is a convolution of the best set on NHWC activations.
type plain struct {
	conv Conv[float32]
	s    ConvShape
}

func (p plain) Forward(y, x, w []float32) {
	slabs := make([]float32, len(y))
	p.conv.Forward(slabs, p.pack(x, p.s.In), w)
	p.unpack(y, slabs, p.s.Out)
}

func (p plain) BackwardData(dx, dy, w []float32) {
	slabs := make([]float32, len(dx))
	p.conv.BackwardData(slabs, p.pack(dy, p.s.Out), w)
	p.unpack(dx, slabs, p.s.In)
}

func (p plain) BackwardWeights(dw, x, dy []float32) {
	p.conv.BackwardWeights(dw, p.pack(x, p.s.In), p.pack(dy, p.s.Out))
}

func (p plain) pack(nhwc []float32, channels int) []float32 {
	slabs := make([]float32, len(nhwc))
	p.each(len(nhwc), channels, func(i, j int) { slabs[j] = nhwc[i] })
	return slabs
}

func (p plain) unpack(nhwc, slabs []float32, channels int) {
	p.each(len(nhwc), channels, func(i, j int) { nhwc[i] = slabs[j] })
}

// each visits the n elements of an activation: i in NHWC, j in slabs.
func (p plain) each(n, channels int, f func(i, j int)) {
	lanes := Best[float32]().Lanes(channels)
	pixels := n / (p.s.N * channels)
	for i := range n {
		image, pixel, c := i/(pixels*channels), i/channels%pixels, i%channels
		f(i, ((image*(channels/lanes)+c/lanes)*pixels+pixel)*lanes+c%lanes)
	}
}

// TestPortableConvolution checks the oracle itself against the definition.
func TestPortableConvolution(t *testing.T) {
	s := ConvShape{N: 2, H: 5, W: 4, In: 3, Out: 2, Kernel: 3, Stride: 2, Pad: 1}
	r := rand.New(rand.NewPCG(3, 4))
	x, w := random(r, s.N*s.H*s.W*s.In), random(r, s.Weights())
	got := make([]float32, s.N*s.OutH()*s.OutW()*s.Out)
	Portable[float32]{}.Conv(s).Forward(got, x, w)
	for n := range s.N {
		for i := range s.OutH() {
			for j := range s.OutW() {
				for o := range s.Out {
					sum := 0.0
					for kh := range 3 {
						for kw := range 3 {
							h, wd := i*2-1+kh, j*2-1+kw
							if h < 0 || h >= s.H || wd < 0 || wd >= s.W {
								continue
							}
							for c := range s.In {
								sum += float64(x[((n*s.H+h)*s.W+wd)*s.In+c]) * float64(w[((o*3+kh)*3+kw)*s.In+c])
							}
						}
					}
					at := ((n*s.OutH()+i)*s.OutW()+j)*s.Out + o
					if math.Abs(sum-float64(got[at])) > 1e-4 {
						t.Fatalf("output %d is %g, want %g", at, got[at], sum)
					}
				}
			}
		}
	}
}

func TestGemmAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, ta := range []bool{false, true} {
		for _, tb := range []bool{false, true} {
			m, n, k := 5, 19, 7
			a, b, c, want := random(r, m*k), random(r, k*n), random(r, m*n), random(r, m*n)
			Best[float32]().Gemm(ta, tb, m, n, k, a, b, c)
			Portable[float32]{}.Gemm(ta, tb, m, n, k, a, b, want)
			near(t, fmt.Sprintf("gemm %v %v", ta, tb), c, want, 1e-5)
		}
	}
}

func TestPassesAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	best, oracle := Best[float32](), Portable[float32]{}
	for _, v := range views {
		t.Run(fmt.Sprintf("%+v", v), func(t *testing.T) {
			n, nc := v.Len(), v.Blocks*v.Channels()
			x, y, dy, res := random(r, n), random(r, n), random(r, n), random(r, n)
			a, b, d := random(r, nc), random(r, nc), random(r, nc)
			two := func(size int, f func(k Set[float32], out []float32)) (got, want []float32) {
				got, want = make([]float32, size), make([]float32, size)
				f(best, got)
				f(oracle, want)
				return got, want
			}
			compare := func(what string, size int, f func(k Set[float32], out []float32)) {
				t.Helper()
				got, want := two(size, f)
				near(t, what, got, want, 1e-4)
			}
			compare("mean", nc, func(k Set[float32], out []float32) { k.Moments(out, make([]float32, nc), x, v) })
			compare("m2", nc, func(k Set[float32], out []float32) { k.Moments(make([]float32, nc), out, x, v) })
			compare("mean rows", nc, func(k Set[float32], out []float32) { k.MeanRows(out, x, v) })
			compare("spread rows", n, func(k Set[float32], out []float32) { k.SpreadRows(out, a, v) })
			for _, scale := range [][]float32{nil, a} {
				for _, residual := range [][]float32{nil, res} {
					for _, relu := range []bool{false, true} {
						compare("scale shift", n, func(k Set[float32], out []float32) { k.ScaleShift(out, x, residual, scale, b, v, relu) })
					}
				}
			}
			for _, y := range [][]float32{nil, y} {
				compare("grad sum", nc, func(k Set[float32], out []float32) { k.GradMoments(out, nil, dy, y, nil, nil, v) })
				compare("grad moment", nc, func(k Set[float32], out []float32) {
					k.GradMoments(make([]float32, nc), out, dy, y, x, a, v)
				})
				for _, scale := range [][]float32{nil, a} {
					for _, slope := range [][]float32{nil, b} {
						compare("grad apply", n, func(k Set[float32], out []float32) { k.GradApply(out, nil, dy, y, x, scale, slope, d, v) })
						compare("grad residual", n, func(k Set[float32], out []float32) {
							k.GradApply(make([]float32, n), out, dy, y, x, scale, slope, d, v)
						})
					}
				}
			}
		})
	}
}

// TestMomentsFarFromZero: a large common offset must not eat the variance.
func TestMomentsFarFromZero(t *testing.T) {
	v := Dense(1, 4096, 3)
	x := make([]float32, v.Len())
	r := rand.New(rand.NewPCG(9, 10))
	for i := range x {
		x[i] = 1000 + float32(r.NormFloat64())
	}
	mean, m2 := make([]float32, 3), make([]float32, 3)
	Best[float32]().Moments(mean, m2, x, v)
	for c := range 3 {
		if std := math.Sqrt(float64(m2[c]) / float64(v.Rows)); math.Abs(std-1) > 0.05 || math.Abs(float64(mean[c])-1000) > 0.1 {
			t.Errorf("channel %d: mean %g, std %g; want 1000 and 1", c, mean[c], std)
		}
	}
}

func BenchmarkConv(b *testing.B) {
	s := ConvShape{256, 32, 32, 32, 32, 3, 1, 1}
	r := rand.New(rand.NewPCG(1, 1))
	n := s.N * s.H * s.W * s.In
	x, y, w := random(r, n), random(r, n), random(r, s.Weights())
	conv := Best[float32]().Conv(s)
	flops := 2 * float64(n) * 9 * float64(s.Out)
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	run("forward", func() { conv.Forward(y, x, w) })
	run("data", func() { conv.BackwardData(x, y, w) })
	run("weights", func() { conv.BackwardWeights(w, x, y) })
}

func BenchmarkPasses(b *testing.B) {
	v := Slabs(2, 128, 32*32, 32, Best[float32]().Lanes(32))
	r := rand.New(rand.NewPCG(1, 1))
	x, y, dy, dx := random(r, v.Len()), random(r, v.Len()), random(r, v.Len()), random(r, v.Len())
	a, s := random(r, 64), random(r, 64)
	k := Best[float32]()
	run := func(name string, streams int, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(4 * streams * v.Len()))
			for b.Loop() {
				f()
			}
		})
	}
	run("Moments", 1, func() { k.Moments(a, s, x, v) })
	run("ScaleShift", 3, func() { k.ScaleShift(y, x, dy, a, s, v, true) })
	run("GradMoments", 3, func() { k.GradMoments(a, s, dy, y, x, a, v) })
	run("GradApply", 4, func() { k.GradApply(dx, nil, dy, y, x, a, s, a, v) })
}

// BenchmarkPortableConv compares each direction of a portable convolution with
// the matrix products that it comes down to, gonum's alone: of_gemm is the share
// of their rate that it reaches.
func BenchmarkPortableConv(b *testing.B) {
	s := ConvShape{8, 32, 32, 32, 32, 3, 1, 1}
	r := rand.New(rand.NewPCG(1, 1))
	n, taps := s.N*s.H*s.W, 9*s.In
	x, y, w, col := random(r, n*s.In), random(r, n*s.Out), random(r, s.Weights()), random(r, s.H*s.W*taps)
	k := Portable[float32]{}
	conv := k.Conv(s)
	run := func(name string, convolve, product func()) {
		b.Run(name, func(b *testing.B) {
			var convolving, multiplying time.Duration
			for b.Loop() {
				start := time.Now()
				convolve()
				middle := time.Now()
				for range s.N {
					product()
				}
				convolving += middle.Sub(start)
				multiplying += time.Since(middle)
			}
			b.ReportMetric(multiplying.Seconds()/convolving.Seconds(), "of_gemm")
		})
	}
	pixels := s.H * s.W
	run("forward", func() { conv.Forward(y, x, w) }, func() { k.Gemm(false, true, pixels, s.Out, taps, col, w, y) })
	run("data", func() { conv.BackwardData(x, y, w) }, func() { k.Gemm(false, false, pixels, taps, s.Out, y, w, col) })
	run("weights", func() { conv.BackwardWeights(w, x, y) }, func() { k.Gemm(true, false, s.Out, taps, pixels, y, col, w) })
}
