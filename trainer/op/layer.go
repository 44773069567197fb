package op

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ablate/trainer/kernel"
)

// Conv2D convolves x [N, H, W, In] with w [Out, K, K, In] and gives
// [N, H', W', Out]. With stem set, x is the network's input and gets no
// gradient.
func Conv2D[T kernel.Float](k kernel.Set[T], x, w *G.Node, stride, pad int, stem bool) *G.Node {
	xs, ws := x.Shape(), w.Shape()
	s := kernel.ConvShape{N: xs[0], H: xs[1], W: xs[2], In: xs[3], Out: ws[0], Kernel: ws[1], Stride: stride, Pad: pad}
	conv := k.Conv(s)
	flops := 2 * float64(s.N*s.OutH()*s.OutW()) * float64(s.Weights())
	return apply(&op[T]{
		name:    "conv2d",
		flops:   flops,
		forward: func(y []T, in [][]T) { conv.Forward(y, in[0], in[1]) },
		diff:    []bool{!stem, true},
		backward: func(in G.Nodes, _, dy *G.Node) G.Nodes {
			x, w := in[0], in[1]
			grads := make(G.Nodes, 2)
			if !stem {
				grads[0] = apply(&op[T]{
					name:    "conv2d.dx",
					flops:   flops,
					forward: func(dx []T, in [][]T) { conv.BackwardData(dx, in[0], in[1]) },
				}, x.Shape(), dy, w)
			}
			grads[1] = apply(&op[T]{
				name:    "conv2d.dw",
				flops:   flops,
				forward: func(dw []T, in [][]T) { conv.BackwardWeights(dw, in[0], in[1]) },
			}, w.Shape(), x, dy)
			return grads
		},
	}, tensor.Shape{s.N, s.OutH(), s.OutW(), s.Out}, x, w)
}

// Linear maps x [N, In] by w [Out, In] and, unless it is nil, adds the bias
// b [Out].
func Linear[T kernel.Float](k kernel.Set[T], x, w, b *G.Node) *G.Node {
	n, in, out := x.Shape()[0], x.Shape()[1], w.Shape()[0]
	flops := 2 * float64(n) * float64(in) * float64(out)
	inputs := G.Nodes{x, w}
	if b != nil {
		inputs = append(inputs, b)
	}
	diff := []bool{true, true, true}[:len(inputs)]
	var product []T // before the bias
	if b != nil {
		product = make([]T, n*out)
	}
	return apply(&op[T]{
		name:  "linear",
		flops: flops,
		forward: func(y []T, v [][]T) {
			if b == nil {
				k.Gemm(false, true, n, out, in, v[0], v[1], y)
				return
			}
			k.Gemm(false, true, n, out, in, v[0], v[1], product)
			k.ScaleShift(y, product, nil, nil, v[2], kernel.Dense(1, n, out), false)
		},
		diff: diff,
		backward: func(nodes G.Nodes, _, dy *G.Node) G.Nodes {
			grads := G.Nodes{
				apply(&op[T]{
					name:    "linear.dx",
					flops:   flops,
					forward: func(dx []T, v [][]T) { k.Gemm(false, false, n, in, out, v[0], v[1], dx) },
				}, x.Shape(), dy, nodes[1]),
				apply(&op[T]{
					name:    "linear.dw",
					flops:   flops,
					forward: func(dw []T, v [][]T) { k.Gemm(true, false, out, in, n, v[0], v[1], dw) },
				}, w.Shape(), dy, nodes[0]),
			}
			if b != nil {
				grads = append(grads, apply(&op[T]{
					name: "linear.db",
					forward: func(db []T, v [][]T) {
						k.GradMoments(db, nil, v[0], nil, nil, nil, kernel.Dense(1, n, out))
					},
				}, b.Shape(), dy))
			}
			return grads
		},
	}, tensor.Shape{n, out}, inputs...)
}

// AvgPool averages x [N, H, W, C] over the pixels and gives [N, C].
func AvgPool[T kernel.Float](k kernel.Set[T], x *G.Node) *G.Node {
	s := x.Shape()
	v := view(k, s, s[0])
	return apply(&op[T]{
		name:    "avgpool",
		forward: func(y []T, in [][]T) { k.MeanRows(y, in[0], v) },
		diff:    []bool{true},
		backward: func(in G.Nodes, _, dy *G.Node) G.Nodes {
			return G.Nodes{apply(&op[T]{
				name:    "avgpool.dx",
				forward: func(dx []T, in [][]T) { k.SpreadRows(dx, in[0], v) },
			}, x.Shape(), dy)}
		},
	}, tensor.Shape{s[0], s[3]}, x)
}

// StopGradient passes x on and lets no gradient back.
func StopGradient[T kernel.Float](x *G.Node) *G.Node {
	return apply(&op[T]{
		name:    "stop_gradient",
		forward: func(y []T, in [][]T) { copy(y, in[0]) },
		diff:    []bool{false},
	}, x.Shape(), x)
}

// StandardizeEps is epsilon of the weight standardization, inside the root
// (paper, section 2).
const StandardizeEps = 1e-4

// StandardizeWeights gives every output channel of w [Out, ...] mean zero and
// unit variance over its weights (paper, section 2: WS). The gradient goes to
// the raw weights.
func StandardizeWeights[T kernel.Float](w *G.Node) *G.Node {
	out := w.Shape()[0]
	fan := w.Shape().TotalSize() / out
	rstd := make([]float64, out) // of the last forward
	return apply(&op[T]{
		name: "standardize",
		forward: func(y []T, in [][]T) {
			for o := range out {
				rstd[o] = standardize(y[o*fan:][:fan], in[0][o*fan:][:fan])
			}
		},
		diff: []bool{true},
		backward: func(in G.Nodes, y, dy *G.Node) G.Nodes {
			return G.Nodes{apply(&op[T]{
				name: "standardize.dw",
				forward: func(dw []T, in [][]T) {
					for o := range out {
						standardizeGrad(dw[o*fan:][:fan], in[0][o*fan:][:fan], in[1][o*fan:][:fan], rstd[o])
					}
				},
			}, w.Shape(), dy, y)}
		},
	}, w.Shape(), w)
}

// Standardized is what StandardizeWeights makes of w, the weights of out
// output channels one after the other.
func Standardized[T kernel.Float](w []T, out int) []T {
	y, fan := make([]T, len(w)), len(w)/out
	for o := range out {
		standardize(y[o*fan:][:fan], w[o*fan:][:fan])
	}
	return y
}

func standardize[T kernel.Float](y, w []T) (rstd float64) {
	mean, n := 0.0, float64(len(w))
	for _, v := range w {
		mean += float64(v)
	}
	mean /= n
	ss := 0.0
	for _, v := range w {
		d := float64(v) - mean
		ss += d * d
	}
	rstd = 1 / math.Sqrt(StandardizeEps+ss/n)
	for i, v := range w {
		y[i] = T((float64(v) - mean) * rstd)
	}
	return rstd
}

func standardizeGrad[T kernel.Float](dw, dy, y []T, rstd float64) {
	g, gy, n := 0.0, 0.0, float64(len(dw))
	for i, v := range dy {
		g += float64(v)
		gy += float64(v) * float64(y[i])
	}
	for i, v := range dy {
		dw[i] = T(rstd * (float64(v) - g/n - float64(y[i])*gy/n))
	}
}
