// Package stats holds the few statistics that a report needs: means and
// differences of means with t intervals and t tests, equivalence by two
// one-sided tests, and Holm's correction.
//
// # What happens where data are thin
//
// No function returns NaN and none fails. A value that is NaN, infinite or
// beyond 1e150 is missing: it is left out, and N says how many are left. An Estimate
// without a usable spread (fewer than two values, or values that are all the
// same up to rounding) has the interval (-Inf, +Inf) and p values of 1: such
// data show nothing either way. Identical values are treated so because their
// spread was not observed to be small, it was not observed at all, as when a
// trainer ignores its seed; a t interval of no width would claim certainty.
//
// All of it assumes that the values (paired: their differences) are drawn
// independently from a normal distribution. With a handful of seeds that
// cannot be checked; see SmallestExactP for what a test without the
// assumption could reach.
package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Estimate is an estimated mean, or difference of means, together with what
// its t distribution needs.
type Estimate struct {
	N    int     // values; pairs of a paired difference; the smaller sample of Welch's
	Mean float64 // 0 if N is 0
	SE   float64 // standard error of Mean; 0 if there is no usable spread
	DF   float64 // degrees of freedom; 0 if there is no usable spread
}

// Mean estimates the mean of values.
func Mean(values []float64) Estimate {
	x := finite(values)
	return ofSample(x, scale(x))
}

// Paired estimates the mean of first - second, whose values belong together
// by position (the same seed). A pair with a missing value is left out.
func Paired(first, second []float64) Estimate {
	var d []float64
	var largest float64
	for i := range min(len(first), len(second)) {
		pair := finite([]float64{first[i], second[i]})
		if len(pair) == 2 {
			d = append(d, pair[0]-pair[1])
			largest = max(largest, scale(pair))
		}
	}
	return ofSample(d, largest)
}

// Welch estimates mean(first) - mean(second) of two independent samples whose
// variances may differ; DF is Welch and Satterthwaite's. There is no usable
// spread unless both samples have at least two values and one of them varies.
func Welch(first, second []float64) Estimate {
	a, b := Mean(first), Mean(second)
	e := Estimate{N: min(a.N, b.N)}
	if e.N == 0 {
		return e
	}
	e.Mean = a.Mean - b.Mean
	va, vb := a.SE*a.SE, b.SE*b.SE
	if e.N < 2 || va+vb == 0 {
		return e
	}
	e.SE = math.Sqrt(va + vb)
	share := va / (va + vb)
	e.DF = 1 / (share*share/float64(a.N-1) + (1-share)*(1-share)/float64(b.N-1))
	return e
}

// ofSample estimates the mean of x, all finite, whose rounding errors are
// those of numbers as large as largest.
func ofSample(x []float64, largest float64) Estimate {
	e := Estimate{N: len(x)}
	if e.N == 0 {
		return e
	}
	if e.N == 1 {
		e.Mean = x[0]
		return e
	}
	mean, sd := stat.MeanStdDev(x, nil)
	e.Mean = mean
	const rounding = 16 * 0x1p-52 // of a subtraction and a sum of a few values
	if sd <= rounding*largest {
		return e
	}
	e.SE = sd / math.Sqrt(float64(e.N))
	e.DF = float64(e.N - 1)
	return e
}

// HasSpread reports whether the estimate has an interval.
func (e Estimate) HasSpread() bool { return e.SE > 0 }

// Interval returns the two-sided t interval that covers the true mean with
// the given confidence, such as 0.95. Either end alone is a one-sided bound
// with confidence (1+confidence)/2.
func (e Estimate) Interval(confidence float64) (low, high float64) {
	if !e.HasSpread() {
		return math.Inf(-1), math.Inf(1)
	}
	half := e.SE * -e.t().Quantile((1-confidence)/2)
	return e.Mean - half, e.Mean + half
}

// PGreater is the one-sided p value of "the true mean is at most shift": small
// if the data speak for a mean above shift.
func (e Estimate) PGreater(shift float64) float64 {
	if !e.HasSpread() {
		return 1
	}
	return e.t().CDF((shift - e.Mean) / e.SE)
}

// PLess is the one-sided p value of "the true mean is at least shift".
func (e Estimate) PLess(shift float64) float64 {
	if !e.HasSpread() {
		return 1
	}
	return e.t().CDF((e.Mean - shift) / e.SE)
}

// PDiffers is the two-sided p value of "the true mean is 0".
func (e Estimate) PDiffers() float64 {
	return min(1, 2*min(e.PGreater(0), e.PLess(0)))
}

// PEquivalent is the p value of "the true mean lies outside (-margin,
// margin)" by two one-sided tests: the larger of their p values (Schuirmann
// 1987). It is at most alpha exactly if the interval of confidence 1-2*alpha
// lies inside the margins.
func (e Estimate) PEquivalent(margin float64) float64 {
	return max(e.PGreater(-margin), e.PLess(margin))
}

func (e Estimate) t() distuv.StudentsT {
	return distuv.StudentsT{Sigma: 1, Nu: e.DF}
}

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

// SmallestExactP is the smallest two-sided p value that an exact sign-flip
// test on n paired differences can reach: 2/2^n, and 1 for n = 0.
func SmallestExactP(n int) float64 {
	return min(1, math.Ldexp(2, -n))
}

// order returns the indices of p by ascending value; equal values keep theirs.
func order(p []float64) []int {
	index := make([]int, len(p))
	for i := range p {
		index[i] = i
		for j := i; j > 0 && number(p[index[j]]) < number(p[index[j-1]]); j-- {
			index[j], index[j-1] = index[j-1], index[j]
		}
	}
	return index
}

// number is p with NaN read as 1.
func number(p float64) float64 {
	if math.IsNaN(p) {
		return 1
	}
	return p
}

// finite returns the values that are there, all small enough to be squared.
func finite(values []float64) []float64 {
	var x []float64
	for _, v := range values {
		if math.Abs(v) <= 1e150 { // false for NaN
			x = append(x, v)
		}
	}
	return x
}

// scale is the largest magnitude in x.
func scale(x []float64) float64 {
	var largest float64
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	return largest
}
