package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Fisher is the two-sided p value of Fisher's exact test (Fisher 1934) of "k of
// n and l of m have the same true share": the probability, given the k+l there
// are in all, of every table that is at most as probable as this one. It is 1
// if a group is empty.
func Fisher(k, n, l, m int) float64 {
	const tie = 1 + 1e-7 // R's: tables as probable as this one, but for rounding
	observed := table(k, n, l, m)
	var p float64
	for i := max(0, k+l-m); i <= min(n, k+l); i++ {
		if q := table(i, n, k+l-i, m); q <= observed*tie {
			p += q
		}
	}
	return min(1, p)
}

// table is the probability of k among n and l among m if the k+l are spread over
// all n+m at random (hypergeometric).
func table(k, n, l, m int) float64 {
	return math.Exp(logChoose(n, k) + logChoose(m, l) - logChoose(n+m, k+l))
}

func logChoose(n, k int) float64 {
	return logFactorial(n) - logFactorial(k) - logFactorial(n-k)
}

func logFactorial(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}

// ShareInterval is the two-sided interval of a true share of which k of n were
// seen. It covers it with at least the given confidence, whatever it is (Clopper
// and Pearson 1934).
func ShareInterval(k, n int, confidence float64) (low, high float64) {
	tail := (1 - confidence) / 2
	low, high = 0, 1
	if k > 0 {
		low = distuv.Beta{Alpha: float64(k), Beta: float64(n-k) + 1}.Quantile(tail)
	}
	if k < n {
		high = distuv.Beta{Alpha: float64(k) + 1, Beta: float64(n - k)}.Quantile(1 - tail)
	}
	return low, high
}
