package stats

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// MaxSeeds is how many seeds advice considers. A claim that takes more is not
// decided by seeds.
const MaxSeeds = 1000

// wanted is the probability with which advised seeds decide a claim.
const wanted = 0.8

// LeastSeeds is the smallest number of seeds with which a method can support
// anything at a one-sided level, whatever the data: two, or for the sign-flip
// test the n with 1/2^n at most the level. It is 0 if MaxSeeds are too few.
func LeastSeeds(by Method, level float64) int {
	return fewest(2, func(seeds int) bool { return reachable(by, seeds, level) > 0 })
}

// SeedsForGreater is how many seeds in all would decide "the mean is greater
// than by" at a one-sided level with probability 0.8, if the true mean and
// standard deviation were the observed ones and the differences normal: support
// it if the mean is above by, contradict it if it is below. It is 0 if MaxSeeds
// would not, as when the mean is just at by, or if no spread was observed.
func (c Comparison) SeedsForGreater(by, level float64) int {
	if c.Mean < by {
		return c.seedsFor(level, math.Inf(-1), by)
	}
	return c.seedsFor(level, by, math.Inf(1))
}

// SeedsForEquivalent is the same for "the mean is within (-margin, margin)".
func (c Comparison) SeedsForEquivalent(margin, level float64) int {
	switch {
	case c.Mean > margin:
		return c.seedsFor(level, margin, math.Inf(1))
	case c.Mean < -margin:
		return c.seedsFor(level, math.Inf(-1), -margin)
	}
	return c.seedsFor(level, -margin, margin)
}

// seedsFor is how many seeds would put both bounds inside (low, high). No test
// needs fewer than one that knows the standard deviation, so the search starts
// there.
func (c Comparison) seedsFor(level, low, high float64) int {
	if !c.HasSpread() {
		return 0
	}
	normal := distuv.UnitNormal
	near := min(c.Mean-low, high-c.Mean) / c.seed.sd
	start := math.Pow((normal.Quantile(wanted)-normal.Quantile(level))/near, 2)
	return fewest(start, func(seeds int) bool { return c.power(seeds, level, low, high) >= wanted })
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
