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
// returns the top-1 accuracy in percent.
func KNN(bank, queries Features) float64 {
	b, q := matrix(normalized(widen(bank.X), bank.Dim), bank.Dim), matrix(normalized(widen(queries.X), queries.Dim), queries.Dim)
	var similarity mat.Dense
	similarity.Mul(q, b.T())
	right := 0
	order := make([]int, bank.len())
	votes := make([]float64, bank.Classes)
	for i, label := range queries.Labels {
		row := similarity.RawRowView(i)
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
			votes[bank.Labels[j]] += math.Exp((row[j] - 1) / temperature)
		}
		if argmax(votes) == int(label) {
			right++
		}
	}
	return 100 * float64(right) / float64(queries.len())
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
