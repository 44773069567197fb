package kernel

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Portable is the pure Go kernel set.
type Portable[T Float] struct{}

var (
	_ Set[float32] = Portable[float32]{}
	_ Set[float64] = Portable[float64]{}
)

// Name implements Set.
func (Portable[T]) Name() string { return "portable" }

// Gemm implements Set.
func (Portable[T]) Gemm(transA, transB bool, m, n, k int, a, b, c []T) {
	gemm(transA, transB, m, n, k, a, b, 0, c)
}

// gemm is Gemm with c = op(a) op(b) + beta c.
func gemm[T Float](transA, transB bool, m, n, k int, a, b []T, beta T, c []T) {
	ta, lda := blas.NoTrans, k
	if transA {
		ta, lda = blas.Trans, m
	}
	tb, ldb := blas.NoTrans, n
	if transB {
		tb, ldb = blas.Trans, k
	}
	switch a := any(a).(type) {
	case []float32:
		gonum.Implementation{}.Sgemm(ta, tb, m, n, k, 1, a, lda, any(b).([]float32), ldb, float32(beta), any(c).([]float32), n)
	case []float64:
		gonum.Implementation{}.Dgemm(ta, tb, m, n, k, 1, a, lda, any(b).([]float64), ldb, float64(beta), any(c).([]float64), n)
	}
}

// Lanes implements Set: activations are NHWC.
func (Portable[T]) Lanes(channels int) int { return channels }

// Moments implements Set, in two passes.
func (Portable[T]) Moments(mean, m2, x []T, v View) {
	n := v.Blocks * v.Channels()
	sum, ss := make([]float64, n), make([]float64, n)
	each(v, func(i, c int) { sum[c] += float64(x[i]) })
	for c := range n {
		sum[c] /= float64(v.Count())
	}
	each(v, func(i, c int) {
		d := float64(x[i]) - sum[c]
		ss[c] += d * d
	})
	for c := range n {
		mean[c], m2[c] = T(sum[c]), T(ss[c])
	}
}

// ScaleShift implements Set.
func (Portable[T]) ScaleShift(y, x, residual, scale, shift []T, v View, relu bool) {
	each(v, func(i, c int) {
		s := x[i]
		if scale != nil {
			s *= scale[c]
		}
		s += shift[c]
		if residual != nil {
			s += residual[i]
		}
		if relu && s < 0 {
			s = 0
		}
		y[i] = s
	})
}

// each calls f with the index of every element and of its coefficient.
func each(v View, f func(i, c int)) {
	i := 0
	for b := range v.Blocks {
		for range v.Images {
			for c := b * v.Channels(); c < (b+1)*v.Channels(); c += v.Lanes {
				for range v.Rows {
					for lane := range v.Lanes {
						f(i, c+lane)
						i++
					}
				}
			}
		}
	}
}

// GradMoments implements Set.
func (Portable[T]) GradMoments(sumG, sumGX, dy, y, x, center []T, v View) {
	n := v.Blocks * v.Channels()
	sg, sgx := make([]float64, n), make([]float64, n)
	each(v, func(i, c int) {
		g := masked(dy, y, i)
		sg[c] += float64(g)
		if sumGX != nil {
			sgx[c] += float64(g) * float64(x[i]-center[c])
		}
	})
	for c := range n {
		sumG[c] = T(sg[c])
		if sumGX != nil {
			sumGX[c] = T(sgx[c])
		}
	}
}

// masked is dy[i] behind the ReLU that gave y[i].
func masked[T Float](dy, y []T, i int) T {
	if y != nil && y[i] <= 0 {
		return 0
	}
	return dy[i]
}

// GradApply implements Set.
func (Portable[T]) GradApply(dx, dres, dy, y, x, scale, slope, shift []T, v View) {
	each(v, func(i, c int) {
		g := masked(dy, y, i)
		if dres != nil {
			dres[i] = g
		}
		if scale != nil {
			g *= scale[c]
		}
		if slope != nil {
			g += x[i]*slope[c] + shift[c]
		}
		dx[i] = g
	})
}

// MeanRows implements Set.
func (Portable[T]) MeanRows(y, x []T, v View) {
	y = y[:v.Blocks*v.Channels()]
	clear(y)
	each(v, func(i, c int) { y[c] += x[i] })
	for c := range y {
		y[c] /= T(v.Count())
	}
}

// SpreadRows implements Set.
func (Portable[T]) SpreadRows(dx, dy []T, v View) {
	each(v, func(i, c int) { dx[i] = dy[c] / T(v.Count()) })
}

// Conv implements Set.
func (Portable[T]) Conv(s ConvShape) Conv[T] { return newPortableConv[T](s) }

// portableConv lowers a convolution to one matrix product per image, so that
// the lowered image stays in cache.
type portableConv[T Float] struct {
	ConvShape
	pixels, taps int // output pixels of an image; weights of an output channel
	col          []T // one lowered image, [pixels, taps]
}

func newPortableConv[T Float](s ConvShape) *portableConv[T] {
	c := &portableConv[T]{ConvShape: s, pixels: s.OutH() * s.OutW(), taps: s.Kernel * s.Kernel * s.In}
	c.col = make([]T, c.pixels*c.taps)
	return c
}

func (c *portableConv[T]) image(x []T, n int) []T  { return x[n*c.H*c.W*c.In:][:c.H*c.W*c.In] }
func (c *portableConv[T]) result(y []T, n int) []T { return y[n*c.pixels*c.Out:][:c.pixels*c.Out] }

// Forward implements Conv.
func (c *portableConv[T]) Forward(y, x, w []T) {
	for n := range c.N {
		c.lower(c.image(x, n))
		gemm(false, true, c.pixels, c.Out, c.taps, c.col, w, 0, c.result(y, n))
	}
}

// BackwardData implements Conv.
func (c *portableConv[T]) BackwardData(dx, dy, w []T) {
	for n := range c.N {
		gemm(false, false, c.pixels, c.taps, c.Out, c.result(dy, n), w, 0, c.col)
		c.raise(c.image(dx, n))
	}
}

// BackwardWeights implements Conv.
func (c *portableConv[T]) BackwardWeights(dw, x, dy []T) {
	clear(dw[:c.Weights()])
	for n := range c.N {
		c.lower(c.image(x, n))
		gemm(true, false, c.Out, c.taps, c.pixels, c.result(dy, n), c.col, 1, dw)
	}
}

// lower copies the patch that each output pixel sees into a row of col.
func (c *portableConv[T]) lower(x []T) {
	c.patches(func(col []T, at int, inside bool) {
		if inside {
			copy(col, x[at:at+c.In])
		} else {
			clear(col)
		}
	})
}

// raise adds each row of col back to the pixels it came from.
func (c *portableConv[T]) raise(dx []T) {
	clear(dx)
	c.patches(func(col []T, at int, inside bool) {
		if !inside {
			return
		}
		for i, v := range col {
			dx[at+i] += v
		}
	})
}

// patches visits every filter tap of every output pixel: its In elements of
// col, and where the input pixel under it starts.
func (c *portableConv[T]) patches(f func(col []T, at int, inside bool)) {
	col := c.col
	for oh := range c.OutH() {
		for ow := range c.OutW() {
			for kh := range c.Kernel {
				h := oh*c.Stride - c.Pad + kh
				for kw := range c.Kernel {
					w := ow*c.Stride - c.Pad + kw
					inside := h >= 0 && h < c.H && w >= 0 && w < c.W
					f(col[:c.In], (h*c.W+w)*c.In, inside)
					col = col[c.In:]
				}
			}
		}
	}
}
