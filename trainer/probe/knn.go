package probe

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Features are the outputs of a frozen encoder with their classes.
type Features struct {
	X       []float32 // [n, Dim]
	Dim     int
	Labels  []uint8 // [n]
	Classes int
}

func (f Features) len() int { return len(f.Labels) }

// part is the images from to to.
func (f Features) part(from, to int) Features {
	f.X, f.Labels = f.X[from*f.Dim:to*f.Dim], f.Labels[from:to]
	return f
}

// The k-nearest-neighbour protocol: cosine similarity, the 20 nearest, votes
// weighted by exp(similarity / 0.1).
const (
	neighbours  = 20
	temperature = 0.1
)

// KNN classifies the queries by their nearest neighbours in the bank and
// returns the top-1 accuracy in percent. Features that are all zero are similar
// to nothing: their cosine counts as 0.
func KNN(bank, queries Features) float64 {
	b, q := normalized(widen(bank.X), bank.Dim), normalized(widen(queries.X), queries.Dim)
	near := nearness(q, b, bank.Dim)
	right := 0
	order := make([]int, bank.len())
	votes := make([]float64, bank.Classes)
	for i, label := range queries.Labels {
		row := near.RawRowView(i)
		for j := range order {
			order[j] = j
		}
		slices.SortFunc(order, func(a, b int) int { // ties go to the earlier image
			if row[a] != row[b] {
				return compareDown(row[a], row[b])
			}
			return a - b
		})
		clear(votes)
		for _, j := range order[:min(neighbours, len(order))] {
			votes[bank.Labels[j]] += math.Exp(row[j] / temperature)
		}
		if argmax(votes) == int(label) {
			right++
		}
	}
	return 100 * float64(right) / float64(queries.len())
}

// nearness is the cosine similarity less 1 of the rows q and b, [queries, bank],
// which are of unit length, or zero: a zero row's similarity to any is 0. Between the outputs of a collapsed encoder it is smaller than the
// rounding of a 1. So it is computed as -|q - b|^2/2, with the bank's mean as
// the origin.
func nearness(q, b []float64, d int) *mat.Dense {
	mean := make([]float64, d)
	for i, v := range b {
		mean[i%d] += v * float64(d) / float64(len(b))
	}
	var near mat.Dense
	halves := [2][]float64{} // of the rows' squared lengths
	zero := [2][]bool{}
	for set, x := range [][]float64{q, b} {
		halves[set], zero[set] = make([]float64, len(x)/d), zeroRows(x, d)
		for i, v := range x {
			x[i] = v - mean[i%d]
			halves[set][i/d] += x[i] * x[i] / 2
		}
	}
	near.Mul(matrix(q, d), matrix(b, d).T())
	near.Apply(func(i, j int, v float64) float64 {
		if zero[0][i] || zero[1][j] {
			return -1
		}
		return v - halves[0][i] - halves[1][j]
	}, &near)
	return &near
}

func zeroRows(x []float64, d int) []bool {
	zero := make([]bool, len(x)/d)
	for i := range zero {
		zero[i] = !slices.ContainsFunc(x[i*d:(i+1)*d], func(v float64) bool { return v != 0 })
	}
	return zero
}

func compareDown(a, b float64) int {
	if a > b {
		return -1
	}
	return 1
}

// argmax is the first position of the largest value.
func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func matrix(x []float64, d int) *mat.Dense { return mat.NewDense(len(x)/d, d, x) }
