package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat/distuv"
)

// perSeed is what one further seed is expected to bring: a difference (of
// Welch's test: one of any two values) with the standard deviation sd, and, but
// for the first seed, df degrees of freedom.
type perSeed struct{ sd, df float64 }

func pairedSeed(e Estimate) perSeed {
	return perSeed{e.SE * math.Sqrt(float64(e.N)), 1}
}

// unpairedSeed has Welch and Satterthwaite's df for as many seeds on one side as
// on the other.
func unpairedSeed(first, second []float64) perSeed {
	a, b := Mean(first), Mean(second)
	va, vb := a.SE*a.SE*float64(a.N), b.SE*b.SE*float64(b.N)
	if va+vb == 0 {
		return perSeed{}
	}
	share := va / (va + vb)
	return perSeed{math.Sqrt(va + vb), 1 / (share*share + (1-share)*(1-share))}
}

// power is the probability that with so many seeds both bounds at the level lie
// inside (low, high), either end of which may be infinite, if mean and standard
// deviation are as observed and the differences normal.
//
// It is exact but for the sign-flip test, whose power is taken to be the t
// test's at the level that it reaches. Simulated, that is within 0.03 except
// where it takes the smallest p value, which is therefore done exactly: then
// every single difference must lie inside.
func (c Comparison) power(seeds int, level, low, high float64) float64 {
	low, high = (low-c.Mean)/c.seed.sd, (high-c.Mean)/c.seed.sd
	n := float64(seeds)
	if c.Method == BySignFlip {
		flips := float64(flipsOf(seeds))
		switch level = reachable(c.Method, seeds, level); level * flips {
		case 0:
			return 0
		case 1:
			return math.Pow(phi(high)-phi(low), n)
		}
	}
	return powerOfT(c.seed.df*(n-1), level, low*math.Sqrt(n), high*math.Sqrt(n))
}

// powerOfT is the probability that the bounds of a t test at a one-sided level
// lie inside (low, high), given as distances from the true mean in true standard
// errors. With one end infinite it is the tail of a noncentral t distribution;
// with none it is the power of two one-sided tests (Phillips 1990), whose two
// noncentral t variables have one observed spread in common.
func powerOfT(df, level, low, high float64) float64 {
	t := -distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(level)
	inside := func(u float64) float64 {
		return max(0, phi(high-t*u)-phi(low+t*u))
	}
	const tail = 8 // standard deviations beyond which there is nothing
	return overSpread(df, inside, (high-tail)/t, (high+tail)/t, (-low-tail)/t, (-low+tail)/t, (high-low)/(2*t))
}

// overSpread averages f(u), u being the observed spread relative to the true one:
// df*u*u is chi-squared. Between the breaks, where f turns, it integrates by
// Gauss and Legendre's rule.
func overSpread(df float64, f func(u float64) float64, breaks ...float64) float64 {
	const nodes = 32
	reach := 12 / math.Sqrt(2*df) // twelve standard deviations of u, nearly
	first, last := max(0, 1-reach), 1+reach
	logScale := math.Ln2 + df/2*math.Log(df/2) - logGamma(df/2)
	weighed := func(u float64) float64 {
		return f(u) * math.Exp(logScale+(df-1)*math.Log(u)-df/2*u*u)
	}
	cuts := []float64{first, 1, last}
	for _, b := range breaks {
		cuts = append(cuts, min(max(first, b), last))
	}
	slices.Sort(cuts)
	var sum float64
	for i, from := range cuts[:len(cuts)-1] {
		if to := cuts[i+1]; from < to {
			sum += quad.Fixed(weighed, from, to, nodes, quad.Legendre{}, 0)
		}
	}
	return min(1, sum)
}

// phi is the standard normal distribution function.
func phi(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func logGamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}
