// Package probe looks at a network from outside: the geometry of its outputs,
// and how well a simple classifier reads the classes from its features.
package probe

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Geometry says how spread out the outputs of different images are.
type Geometry struct {
	Std        float64 // mean std of the l2-normalized outputs times sqrt(d): 0 collapsed, at most 1
	Cosine     float64 // mean cosine between different images: 1 collapsed
	RankMe     float64 // exp of the entropy of the singular values, uncentred: 1 collapsed, at most min(n, d)
	Uniformity float64 // log mean exp(-2 |x - y|^2) over pairs of normalized outputs: 0 collapsed, near -4 uniform

	// Spectrum holds the d singular values that RankMe is made of, the largest
	// first, over the root of the sum of their squares, which leaves a share of
	// the outputs' length to each: all zeros if the outputs are. It is nil
	// where the decomposition fails.
	Spectrum []float64
}

// Measure computes the geometry of outputs [n, d], n at least 2.
//
// Sources: the std is that of SimSiam (Chen & He 2020, section 4.1) times
// sqrt(d), uniformity that of Wang & Isola 2020, RankMe that of Garrido et
// al. 2022.
func Measure(outputs []float32, d int) Geometry {
	n := len(outputs) / d
	raw := make([]float64, len(outputs))
	for i, v := range outputs {
		raw[i] = float64(v)
	}
	unit := normalized(raw, d)
	std, cosine := spread(unit, n, d)
	values := singularValues(raw, n, d)
	return Geometry{Std: std, Cosine: cosine, RankMe: rankMe(values), Uniformity: uniformity(unit, n, d), Spectrum: shares(values)}
}

// normalized divides each row by its length; a zero row stays zero.
func normalized(x []float64, d int) []float64 {
	unit := make([]float64, len(x))
	for i := 0; i < len(x); i += d {
		ss := 0.0
		for _, v := range x[i : i+d] {
			ss += v * v
		}
		if ss == 0 {
			continue
		}
		for j, v := range x[i : i+d] {
			unit[i+j] = v / math.Sqrt(ss)
		}
	}
	return unit
}

// spread gives std and mean cosine of unit rows. The cosines of all pairs sum
// up to the squared length of the rows' sum.
func spread(unit []float64, n, d int) (std, cosine float64) {
	sum, length := 0.0, 0.0
	for c := range d {
		mean, ss := 0.0, 0.0
		for i := range n {
			mean += unit[i*d+c]
		}
		sum += mean * mean
		mean /= float64(n)
		for i := range n {
			v := unit[i*d+c]
			ss += (v - mean) * (v - mean)
			length += v * v
		}
		std += math.Sqrt(ss / float64(n))
	}
	pairs := float64(n) * float64(n-1)
	return std / float64(d) * math.Sqrt(float64(d)), (sum - length) / pairs
}

func uniformity(unit []float64, n, d int) float64 {
	x := mat.NewDense(n, d, unit)
	var gram mat.Dense
	gram.Mul(x, x.T())
	sum := 0.0
	for i := range n {
		for j := range i {
			sum += math.Exp(4*gram.At(i, j) - 4) // |x - y|^2 = 2 - 2 cos
		}
	}
	return math.Log(2 * sum / (float64(n) * float64(n-1)))
}

// singularValues returns those of x [n, d], neither centred nor normalized, d
// of them, the smallest first; nil where that fails. They come from the d x d
// Gram matrix, whose eigenvalues are their squares.
func singularValues(x []float64, n, d int) []float64 {
	m := mat.NewDense(n, d, x)
	var gram mat.SymDense
	gram.SymOuterK(1, m.T())
	var eigen mat.EigenSym
	if !eigen.Factorize(&gram, false) {
		return nil
	}
	values := eigen.Values(nil)
	for i, v := range values {
		values[i] = math.Sqrt(max(v, 0))
	}
	return values
}

// rankEps keeps the entropy of a vanished singular value finite.
const rankEps = 1e-7

// rankMe is the effective rank of outputs with these singular values.
func rankMe(singular []float64) float64 {
	if singular == nil {
		return math.NaN()
	}
	sum := 0.0
	for _, s := range singular {
		sum += s
	}
	if sum == 0 {
		return 0
	}
	entropy := 0.0
	for _, s := range singular {
		p := s/sum + rankEps
		entropy -= p * math.Log(p)
	}
	return math.Exp(entropy)
}

// shares turns ascending singular values into Geometry.Spectrum.
func shares(singular []float64) []float64 {
	squares := 0.0
	for _, s := range singular {
		squares += s * s
	}
	spectrum := slices.Clone(singular)
	slices.Reverse(spectrum)
	for i := range spectrum {
		if squares > 0 {
			spectrum[i] /= math.Sqrt(squares)
		}
	}
	return spectrum
}
