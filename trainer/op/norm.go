package op

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ablate/trainer/kernel"
)

// NormKind is where a normalization takes its statistics from.
type NormKind int

// The kinds of normalization.
const (
	Affine NormKind = iota // no statistics: a scale (if gamma is given) and a shift
	Batch                  // per channel, over the images of a view and their pixels
	Group                  // per image, over its pixels and the channels of a group
)

// NormSpec describes a normalization.
type NormSpec[T kernel.Float] struct {
	Kind   NormKind
	Groups int  // Group: how many; layer norm has one
	Views  int  // Batch: the images are this many equal parts, each with statistics of its own
	ReLU   bool // follow with a ReLU

	// Batch: given, Mean and Var [C] are used instead of the batch's
	// statistics. Such a node has no gradient.
	Mean, Var []T

	// Batch: called at every run with the statistics of each view: mean [C]
	// and sum of squared deviations m2 [C] over rows values a channel.
	Observe func(mean, m2 []T, rows int)
}

// NormEps is epsilon of every normalization, inside the root.
const NormEps = 1e-5

// Norm computes act(norm(x)*gamma + beta + residual) in one pass each way,
// for x and residual [N, H, W, C] or [N, C], gamma and beta [C]. gamma and
// residual may be nil.
func Norm[T kernel.Float](k kernel.Set[T], spec NormSpec[T], x, gamma, beta, residual *G.Node) *G.Node {
	n := newNorm(k, spec, x.Shape())
	inputs := G.Nodes{x, beta}
	if gamma != nil {
		n.gammaAt = len(inputs)
		inputs = append(inputs, gamma)
	}
	if residual != nil {
		n.residualAt = len(inputs)
		inputs = append(inputs, residual)
	}
	diff := make([]bool, len(inputs))
	for i := range diff {
		diff[i] = spec.Mean == nil
	}
	return apply(&op[T]{name: "norm", forward: n.forward, diff: diff, backward: n.backward}, x.Shape(), inputs...)
}

// norm is the state of one normalization. Coefficients and sums are [blocks,
// channels] of its view, parameter gradients [channels].
//
// Each block goes through all its passes before the next one is touched: an
// image's activations, and with luck a view's, are still in cache then.
type norm[T kernel.Float] struct {
	k      kernel.Set[T]
	spec   NormSpec[T]
	view   kernel.View
	whole  kernel.View // as one block
	groups int         // per block; as many as channels for batch statistics

	gammaAt, residualAt int // input positions, 0 if absent

	mean, m2     []T // per channel
	center, rstd []T // what x is normalized by, per channel: those of its group
	scale, shift []T // of the forward pass
	slope, lift  []T // of the backward pass, beside scale
	sumG, sumGX  []T

	dgamma, dbeta, dres []T
}

func newNorm[T kernel.Float](k kernel.Set[T], spec NormSpec[T], shape tensor.Shape) *norm[T] {
	c := shape[len(shape)-1]
	n := &norm[T]{k: k, spec: spec, groups: c}
	blocks := 1
	switch {
	case spec.Kind == Group:
		blocks, n.groups = shape[0], spec.Groups
	case spec.Kind == Affine && len(shape) > 2:
		blocks = shape[0] // for the cache's sake alone
	case spec.Kind == Batch && spec.Mean == nil:
		blocks = spec.Views
	}
	n.view, n.whole = view(k, shape, blocks), view(k, shape, 1)
	nc := n.view.Blocks * c
	coefficients := []*[]T{&n.center, &n.rstd, &n.sumG, &n.sumGX}
	if spec.Kind != Affine {
		coefficients = append(coefficients, &n.mean, &n.m2, &n.scale, &n.shift, &n.slope, &n.lift)
	}
	for _, s := range coefficients {
		*s = make([]T, nc)
	}
	n.dgamma, n.dbeta = make([]T, c), make([]T, c)
	for i := range n.rstd {
		n.rstd[i] = 1
	}
	return n
}

// view is how a normalization sees an activation [N, ..., C] whose images fall
// into equal blocks.
func view[T kernel.Float](k kernel.Set[T], shape tensor.Shape, blocks int) kernel.View {
	c := shape[len(shape)-1]
	if len(shape) == 2 {
		return kernel.Dense(blocks, shape[0]/blocks, c)
	}
	return kernel.Slabs(blocks, shape[0]/blocks, shape[1]*shape[2], c, k.Lanes(c))
}

// optional returns input i, or nil where i is 0: no such input.
func optional[T kernel.Float](in [][]T, i int) []T {
	if i == 0 {
		return nil
	}
	return in[i]
}

// block is one block of the view, and where its elements and coefficients
// begin.
func (n *norm[T]) block(b int) (v kernel.View, elements, coefficients int) {
	v = n.view.Block()
	return v, b * v.Len(), b * v.Channels()
}

// from is s from element i on, or nil.
func from[T kernel.Float](s []T, i int) []T {
	if s == nil {
		return nil
	}
	return s[i:]
}

func (n *norm[T]) forward(y []T, in [][]T) {
	x, beta, gamma, residual := in[0], in[1], optional(in, n.gammaAt), optional(in, n.residualAt)
	if n.spec.Kind == Affine {
		n.k.ScaleShift(y, x, residual, gamma, beta, n.whole, n.spec.ReLU)
		return
	}
	for b := range n.view.Blocks {
		v, e, c := n.block(b)
		if n.spec.Mean == nil {
			n.k.Moments(n.mean[c:], n.m2[c:], x[e:], v)
			if n.spec.Observe != nil {
				n.spec.Observe(n.mean[c:c+v.Channels()], n.m2[c:c+v.Channels()], v.Count())
			}
			n.statistics(c)
		} else {
			n.given()
		}
		n.fold(c, gamma, beta)
		n.k.ScaleShift(y[e:], x[e:], from(residual, e), n.scale[c:], n.shift[c:], v, n.spec.ReLU)
	}
}

// given takes the statistics that the spec gives.
func (n *norm[T]) given() {
	for c := range n.center {
		n.center[c] = n.spec.Mean[c]
		n.rstd[c] = T(1 / math.Sqrt(float64(n.spec.Var[c])+NormEps))
	}
}

// eachGroup calls f with the range of coefficients of every group of the
// block whose coefficients begin at start.
func (n *norm[T]) eachGroup(start int, f func(from, to int)) {
	size := n.view.Channels() / n.groups
	for g := range n.groups {
		f(start+g*size, start+(g+1)*size)
	}
}

// statistics merges the moments of a group's channels into those of the
// group (Chan et al.'s parallel variance).
func (n *norm[T]) statistics(start int) {
	rows := float64(n.view.Count())
	n.eachGroup(start, func(from, to int) {
		size := float64(to - from)
		mean := 0.0
		for _, m := range n.mean[from:to] {
			mean += float64(m)
		}
		mean /= size
		ss := 0.0
		for i := from; i < to; i++ {
			d := float64(n.mean[i]) - mean
			ss += float64(n.m2[i]) + rows*d*d
		}
		rstd := 1 / math.Sqrt(ss/(rows*size)+NormEps)
		for i := from; i < to; i++ {
			n.center[i], n.rstd[i] = T(mean), T(rstd)
		}
	})
}

// fold turns a block's normalization and affine map into one scale and shift.
func (n *norm[T]) fold(start int, gamma, beta []T) {
	for c := range n.view.Channels() {
		i := start + c
		n.scale[i] = n.rstd[i] * gamma[c]
		n.shift[i] = beta[c] - n.center[i]*n.scale[i]
	}
}

func (n *norm[T]) backward(in G.Nodes, y, dy *G.Node) G.Nodes {
	if n.residualAt > 0 {
		n.dres = make([]T, in[0].Shape().TotalSize())
	}
	inputs := G.Nodes{dy, in[0], y}
	if n.gammaAt > 0 {
		inputs = append(inputs, in[n.gammaAt])
	}
	dx := apply(&op[T]{name: "norm.dx", forward: n.gradients}, in[0].Shape(), inputs...)
	grads := make(G.Nodes, len(in))
	grads[0] = dx
	grads[1] = part("norm.dbeta", dx, n.dbeta, in[1].Shape())
	if n.gammaAt > 0 {
		grads[n.gammaAt] = part("norm.dgamma", dx, n.dgamma, in[n.gammaAt].Shape())
	}
	if n.residualAt > 0 {
		grads[n.residualAt] = part("norm.dresidual", dx, n.dres, in[n.residualAt].Shape())
	}
	return grads
}

// gradients computes dx and, beside it, dgamma, dbeta and dres. Its inputs
// are dy, x, y and, if there is one, gamma.
func (n *norm[T]) gradients(dx []T, in [][]T) {
	dy, x, y := in[0], in[1], in[2]
	if !n.spec.ReLU {
		y = nil
	}
	var gamma []T
	if n.gammaAt > 0 {
		gamma = in[3]
	}
	clear(n.dgamma)
	clear(n.dbeta)
	for b := range n.view.Blocks {
		v, e, c := n.block(b)
		dx, dres, dy, y, x := dx[e:], from(n.dres, e), dy[e:], from(y, e), x[e:]
		if gamma == nil { // only an affine map may lack its scale
			n.k.GradMoments(n.sumG[c:], nil, dy, y, nil, nil, v)
			n.k.GradApply(dx, dres, dy, y, nil, nil, nil, nil, v)
		} else {
			n.k.GradMoments(n.sumG[c:], n.sumGX[c:], dy, y, x, n.center[c:], v)
			if n.spec.Kind == Affine {
				n.k.GradApply(dx, dres, dy, y, nil, gamma, nil, nil, v)
			} else {
				n.inputCoefficients(c, gamma)
				n.k.GradApply(dx, dres, dy, y, x, n.scale[c:], n.slope[c:], n.lift[c:], v)
			}
		}
		n.addParameterGradients(c)
	}
}

// addParameterGradients adds those of a block. An affine map normalizes by
// nothing: its center is 0, its rstd 1.
func (n *norm[T]) addParameterGradients(start int) {
	for c := range n.view.Channels() {
		i := start + c
		n.dbeta[c] += n.sumG[i]
		n.dgamma[c] += n.sumGX[i] * n.rstd[i]
	}
}

// inputCoefficients writes a block's dx = rstd (h - mean(h) - xhat mean(h
// xhat)), with h = gamma g and means over a group, as g*scale + x*slope +
// lift.
func (n *norm[T]) inputCoefficients(start int, gamma []T) {
	n.eachGroup(start, func(from, to int) {
		h, hx := 0.0, 0.0
		for i := from; i < to; i++ {
			c := float64(gamma[i-start])
			h += c * float64(n.sumG[i])
			hx += c * float64(n.sumGX[i])
		}
		m := float64(n.view.Count() * (to - from))
		for i := from; i < to; i++ {
			rstd := float64(n.rstd[i])
			slope := -rstd * rstd * rstd * hx / m
			n.slope[i] = T(slope)
			n.lift[i] = T(-rstd*h/m - slope*float64(n.center[i]))
		}
	})
}
