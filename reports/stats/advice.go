package stats

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// MaxSeeds is how many seeds advice considers. A claim that takes more is not
// decided by seeds.
const MaxSeeds = 1000

// LeastSeeds is the smallest number of seeds with which a method can support
// anything at a one-sided level, whatever the data: two, or for the sign-flip
// test the n with 1/2^n at most the level. It is 0 if MaxSeeds are too few.
func LeastSeeds(by Method, level float64) int {
	return fewest(2, func(seeds int) bool { return reachable(by, seeds, level) > 0 })
}

// Aim is that both bounds of a comparison at a one-sided level lie inside
// (Low, High), either end of which may be infinite.
type Aim struct {
	Comparison
	Level     float64
	Low, High float64
}

// Seeds is how many seeds in all would reach all aims at once with at least the
// given probability, if the true means and standard deviations were the observed
// ones and the differences normal. It is 0 if MaxSeeds would not, as when a mean
// is not inside, or if no spread was observed (that the sign-flip test can do
// without).
func Seeds(probability float64, aims ...Aim) int {
	var start float64
	for _, a := range aims {
		if !a.HasSpread() || a.Mean <= a.Low || a.Mean >= a.High {
			return 0
		}
		start = max(start, a.start(probability))
	}
	return fewest(start, func(seeds int) bool {
		missed := 0.0 // at most, of any of them
		for _, a := range aims {
			missed += 1 - a.power(seeds, a.Level, a.Low, a.High)
		}
		return 1-missed >= probability
	})
}

// start is how many seeds a test takes that knows the standard deviation; no
// other needs fewer.
func (a Aim) start(probability float64) float64 {
	normal := distuv.UnitNormal
	near := min(a.Mean-a.Low, a.High-a.Mean) / a.seed.sd
	return math.Pow((normal.Quantile(probability)-normal.Quantile(a.Level))/near, 2)
}

// reachable is the largest level, at most the given one, that a method's p value
// can equal: those of a sign-flip test are whole multiples of 1/2^n.
func reachable(by Method, seeds int, level float64) float64 {
	if by != BySignFlip {
		return level
	}
	flips := float64(flipsOf(seeds))
	return math.Floor(level*flips) / flips
}

// fewest is the smallest number of seeds, from start on and at least two, that
// is enough, 0 if MaxSeeds are not. What is enough must stay so with more.
func fewest(start float64, enough func(seeds int) bool) int {
	if start > MaxSeeds {
		return 0
	}
	low, step := max(2, int(start)), 1
	for low+step <= MaxSeeds && !enough(low+step-1) {
		low, step = low+step, 2*step
	}
	n := low + sort.Search(min(step, MaxSeeds+1-low), func(i int) bool { return enough(low + i) })
	if n > MaxSeeds {
		return 0
	}
	return n
}
