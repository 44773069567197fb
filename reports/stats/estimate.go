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
	return ofSample(differences(first, second))
}

// Welch estimates mean(first) - mean(second) of two independent samples whose
// variances may differ; DF is Welch and Satterthwaite's (Welch 1947). There is
// no usable spread unless both samples have at least two values and one of them
// varies.
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
	if sd <= rounding*largest {
		return e
	}
	e.SE = sd / math.Sqrt(float64(e.N))
	e.DF = float64(e.N - 1)
	return e
}

// HasSpread reports whether the estimate has an interval.
func (e Estimate) HasSpread() bool { return e.SE > 0 }

// PGreater is the one-sided p value of "the true mean is at most shift": small
// if the data speak for a mean above shift (Student 1908).
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
func (e Estimate) PDiffers() float64 { return differs(e) }

// PEquivalent is the p value of "the true mean lies outside (-margin, margin)"
// by two one-sided tests: the larger of their p values (Schuirmann 1987).
func (e Estimate) PEquivalent(margin float64) float64 { return equivalent(e, margin) }

// Bounds returns one-sided bounds of the true mean, each at the given level.
func (e Estimate) Bounds(level float64) (low, high float64) {
	if !e.HasSpread() {
		return math.Inf(-1), math.Inf(1)
	}
	half := e.SE * -e.t().Quantile(level)
	return e.Mean - half, e.Mean + half
}

// Interval returns the two-sided t interval that covers the true mean with
// the given confidence, such as 0.95. Either end alone is a one-sided bound
// with confidence (1+confidence)/2.
func (e Estimate) Interval(confidence float64) (low, high float64) {
	return e.Bounds((1 - confidence) / 2)
}

func (e Estimate) t() distuv.StudentsT {
	return distuv.StudentsT{Sigma: 1, Nu: e.DF}
}
