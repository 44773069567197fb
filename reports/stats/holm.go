package stats

import (
	"cmp"
	"math"
	"slices"
)

// Holm corrects a family of p values for being many (Holm 1979), so that the
// chance of any false rejection is at most alpha. It returns, in the order of
// p, the adjusted p values, which are to be compared with alpha, and the level
// that each raw p value is compared with: alpha/m for the smallest of m,
// alpha/(m-1) for the next, and so on up to the first one that exceeds its
// level; that level then holds for all the rest. Both ways of comparing agree.
// A NaN counts as 1: the member of the family that could not be tested.
func Holm(p []float64, alpha float64) (adjusted, levels []float64) {
	m := len(p)
	adjusted, levels = make([]float64, m), make([]float64, m)
	var largest float64
	stopped := 0.0
	for rank, i := range order(p) {
		left := float64(m - rank)
		largest = max(largest, min(1, left*number(p[i])))
		adjusted[i] = largest
		levels[i] = alpha / left
		if stopped > 0 {
			levels[i] = stopped
		} else if largest > alpha {
			stopped = levels[i]
		}
	}
	return adjusted, levels
}

// order returns the indices of p by ascending value; equal values keep theirs.
func order(p []float64) []int {
	index := make([]int, len(p))
	for i := range p {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return cmp.Compare(number(p[a]), number(p[b])) })
	return index
}

// number is p with NaN read as 1.
func number(p float64) float64 {
	if math.IsNaN(p) {
		return 1
	}
	return p
}
