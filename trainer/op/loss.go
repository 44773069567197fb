package op

import (
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ablate/trainer/kernel"
)

// BYOL is the symmetric loss of BYOL (section 3.1, equation 2): predictions p
// and targets z are [2B, D], the two views of B images one after the other,
// and each image's prediction from one view is compared with its target from
// the other:
//
//	1/B sum_i (2 - 2 cos(p_i, z_i'))
//
// The loss is a scalar from 0 to 8.
func BYOL[T kernel.Float](p, z *G.Node) *G.Node {
	rows, d := p.Shape()[0], p.Shape()[1]
	pairs := func(f func(i, j int)) {
		for i := range rows {
			f(i*d, (i+rows/2)%rows*d)
		}
	}
	gradient := func(name string, a, b, upstream *G.Node) *G.Node {
		return apply(&op[T]{name: name, forward: func(da []T, in [][]T) {
			a, b, up := in[0], in[1], in[2][0]
			pairs(func(i, j int) { cosineGradient(da[i:i+d], a[i:i+d], b[j:j+d], -4*up/T(rows)) })
		}}, a.Shape(), a, b, upstream)
	}
	return apply(&op[T]{
		name: "byol",
		forward: func(out []T, in [][]T) {
			sum := 0.0
			pairs(func(i, j int) {
				c, _, _ := cosine(in[0][i:i+d], in[1][j:j+d])
				sum += 2 - 2*c
			})
			out[0] = T(2 * sum / float64(rows))
		},
		diff: []bool{true, true},
		backward: func(in G.Nodes, _, dy *G.Node) G.Nodes {
			return G.Nodes{
				gradient("byol.dp", in[0], in[1], dy),
				gradient("byol.dz", in[1], in[0], dy),
			}
		},
	}, tensor.Shape{}, p, z)
}

// tiny keeps the cosine of a zero vector finite; its cosine is 0.
const tiny = 1e-12

// cosine of a and b, with their lengths.
func cosine[T kernel.Float](a, b []T) (c, la, lb float64) {
	ab, aa, bb := 0.0, 0.0, 0.0
	for i, v := range a {
		ab += float64(v) * float64(b[i])
		aa += float64(v) * float64(v)
		bb += float64(b[i]) * float64(b[i])
	}
	la, lb = max(math.Sqrt(aa), tiny), max(math.Sqrt(bb), tiny)
	return ab / (la * lb), la, lb
}

// cosineGradient stores scale times the gradient of cos(a, b) with respect
// to a in da.
func cosineGradient[T kernel.Float](da, a, b []T, scale T) {
	c, la, lb := cosine(a, b)
	for i := range da {
		da[i] = scale * T((float64(b[i])/lb-c*float64(a[i])/la)/la)
	}
}

// NTXent is the loss of SimCLR (Chen et al. 2020, equation 1) on projections
// z [2B, D], the two views of B images one after the other: the cross entropy
// of finding an image's other view among all other 2B - 1 by the cosines
// divided by the temperature, averaged over the 2B. The loss is a scalar.
func NTXent[T kernel.Float](k kernel.Set[T], z *G.Node, temperature float64) *G.Node {
	n := &ntXent[T]{k: k, rows: z.Shape()[0], d: z.Shape()[1], temperature: temperature}
	n.unit, n.dunit = make([]T, n.rows*n.d), make([]T, n.rows*n.d)
	n.length = make([]float64, n.rows)
	n.p, n.dp = make([]T, n.rows*n.rows), make([]T, n.rows*n.rows)
	return apply(&op[T]{
		name:    "ntxent",
		forward: func(out []T, in [][]T) { out[0] = T(n.loss(in[0])) },
		diff:    []bool{true},
		backward: func(in G.Nodes, y, dy *G.Node) G.Nodes {
			// The edge from y keeps the state of its forward pass in place.
			return G.Nodes{apply(&op[T]{
				name:    "ntxent.dz",
				forward: func(dz []T, in [][]T) { n.gradient(dz, in[0][0]) },
			}, z.Shape(), dy, y)}
		},
	}, tensor.Shape{}, z)
}

// ntXent is the state of an NT-Xent loss between its two passes.
type ntXent[T kernel.Float] struct {
	k           kernel.Set[T]
	rows, d     int
	temperature float64

	unit   []T       // [rows, d], the normalized projections
	length []float64 // of each projection
	p      []T       // [rows, rows], the probabilities; 0 on the diagonal

	dp, dunit []T
}

// other is the row of the other view.
func (n *ntXent[T]) other(i int) int { return (i + n.rows/2) % n.rows }

func (n *ntXent[T]) loss(z []T) float64 {
	for i := range n.rows {
		row, unit := z[i*n.d:(i+1)*n.d], n.unit[i*n.d:(i+1)*n.d]
		ss := 0.0
		for _, v := range row {
			ss += float64(v) * float64(v)
		}
		n.length[i] = max(math.Sqrt(ss), tiny)
		for j, v := range row {
			unit[j] = T(float64(v) / n.length[i])
		}
	}
	n.k.Gemm(false, true, n.rows, n.rows, n.d, n.unit, n.unit, n.p)
	sum := 0.0
	for i := range n.rows {
		sum -= n.logSoftmax(n.p[i*n.rows:(i+1)*n.rows], i)
	}
	return sum / float64(n.rows)
}

// logSoftmax turns row i of cosines into probabilities of all rows but i, and
// returns the logarithm of that of the other view. Exponents are taken from the
// largest cosine: at a low temperature all others may vanish.
func (n *ntXent[T]) logSoftmax(row []T, i int) float64 {
	row[i] = T(math.Inf(-1))
	largest := float64(slices.Max(row))
	score := (float64(row[n.other(i)]) - largest) / n.temperature
	sum := 0.0
	for j, c := range row {
		e := math.Exp((float64(c) - largest) / n.temperature)
		row[j] = T(e)
		sum += e
	}
	for j := range row {
		row[j] = T(float64(row[j]) / sum)
	}
	return score - math.Log(sum)
}

func (n *ntXent[T]) gradient(dz []T, upstream T) {
	scale := upstream / T(float64(n.rows)*n.temperature)
	for i := range n.rows { // the cosine of i and j stands in both rows
		for j := range n.rows {
			g := n.p[i*n.rows+j] + n.p[j*n.rows+i]
			if j == n.other(i) {
				g -= 2
			}
			n.dp[i*n.rows+j] = scale * g
		}
	}
	n.k.Gemm(false, false, n.rows, n.d, n.rows, n.dp, n.unit, n.dunit)
	for i := range n.rows {
		u, du := n.unit[i*n.d:(i+1)*n.d], n.dunit[i*n.d:(i+1)*n.d]
		along := 0.0
		for j, v := range u {
			along += float64(v) * float64(du[j])
		}
		for j, v := range u {
			dz[i*n.d+j] = T((float64(du[j]) - float64(v)*along) / n.length[i])
		}
	}
}
