package op

import (
	"math"

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
