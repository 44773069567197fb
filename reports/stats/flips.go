package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
)

// Up to maxExact pairs all flips are tried, beyond it 2^groupBits of them.
const (
	maxExact  = 20
	groupBits = 14
)

// FlipTest is the sign-flip (randomization) test on paired differences.
//
// If a difference is symmetric about shift, then d - shift could as well have
// come with the other sign. So the p value of "the mean is at most shift" is
// the share, among all 2^n ways to flip the signs of the d - shift, of those
// whose mean is at least the observed one (Fisher 1935, section 21; Pitman 1937).
//
// Flipping a set S of pairs does not make the mean smaller exactly if the mean
// of the d in S is at most shift. So p is (1+b)/2^n with b the number of subset
// means at most shift, and the subset means, sorted, divide the line into 2^n
// intervals of which each holds the true mean with the same probability
// (Hartigan 1969, "Using subsample values as typical values"). The lower bound
// at a level is the kth smallest subset mean, k = floor(level*2^n), and -Inf if
// k is 0.
//
// Beyond 20 pairs not all flips are tried, but a fixed set of 2^14 that is a
// group: flipping by one and then by another is again one of them. That is what
// the argument needs (Hartigan 1969; Hemerik and Goeman 2018), so the level is
// kept exactly, not nearly as with flips drawn anyhow, and the same data always
// give the same p value, (1+b)/(1+m) with m = 2^14-1 flips.
type FlipTest struct {
	N    int     // pairs
	Mean float64 // of the differences; 0 if N is 0

	d     []float64 // the differences; none if they are not to be used, see HasSpread
	slack float64   // sums of differences that are closer than this count as equal, which makes p larger
}

// Flips makes the sign-flip test on first - second, whose values belong
// together by position (the same seed). A pair with a missing value is left
// out.
func Flips(first, second []float64) FlipTest {
	d, largest := differences(first, second)
	e := ofSample(d, largest)
	t := FlipTest{N: e.N, Mean: e.Mean, slack: float64(e.N) * rounding * largest}
	if a, b := complete(first, second); Mean(a).HasSpread() || Mean(b).HasSpread() {
		t.d = d
	}
	return t
}

// HasSpread reports whether the values of either side differ from pair to pair.
// Their differences may be all the same: the test needs no spread of theirs; see
// the package's comment.
func (t FlipTest) HasSpread() bool { return t.d != nil }

// PGreater is the one-sided p value of "the true mean is at most shift".
func (t FlipTest) PGreater(shift float64) float64 { return t.p(shift, 1) }

// PLess is the one-sided p value of "the true mean is at least shift".
func (t FlipTest) PLess(shift float64) float64 { return t.p(shift, -1) }

// p is the share of flips that do not make the sum of d - shift, taken times
// sign, smaller: those that flip a set whose sum is at most 0.
func (t FlipTest) p(shift, sign float64) float64 {
	if !t.HasSpread() {
		return 1
	}
	x := make([]float64, t.N)
	for i, d := range t.d {
		x[i] = sign * (d - shift)
	}
	return float64(sumsAtMost(x, t.slack)) / float64(flipsOf(t.N))
}

// PDiffers is the two-sided p value of "the true mean is 0": twice the smaller
// one-sided one.
func (t FlipTest) PDiffers() float64 { return differs(t) }

// PEquivalent is the p value of "the true mean lies outside (-margin, margin)"
// by two one-sided tests (Schuirmann 1987).
func (t FlipTest) PEquivalent(margin float64) float64 { return equivalent(t, margin) }

// Bounds returns one-sided bounds of the true mean, each at the given level; a
// level above a half counts as a half.
func (t FlipTest) Bounds(level float64) (low, high float64) {
	k := min(int(level*float64(flipsOf(t.N))), flipsOf(t.N)/2)
	if !t.HasSpread() || k < 1 {
		return math.Inf(-1), math.Inf(1)
	}
	sums, sizes := subsets(t.d)
	bound := func(slack float64, k int) float64 {
		means := make([]float64, len(sums)-1)
		for i := range means {
			means[i] = (sums[i+1] + slack) / sizes[i+1]
		}
		return kthSmallest(means, k)
	}
	return bound(-t.slack, k), bound(t.slack, len(sums)-k)
}

// Interval returns a two-sided interval that covers the true mean with at least
// the given confidence.
func (t FlipTest) Interval(confidence float64) (low, high float64) {
	return t.Bounds((1 - confidence) / 2)
}

// SmallestExactP is the smallest two-sided p value that the sign-flip test on n
// paired differences can reach: 2 of the flips it tries, and 1 for n = 0.
func SmallestExactP(n int) float64 {
	return min(1, 2/float64(flipsOf(n)))
}

// flipsOf is the number of flips, the one that changes nothing included.
func flipsOf(pairs int) int {
	if pairs > maxExact {
		return 1 << groupBits
	}
	return 1 << pairs
}

// sumsAtMost counts the sets, among those that some flip flips, whose sum is at
// most limit. That nothing is flipped counts as well.
func sumsAtMost(x []float64, limit float64) (n int) {
	if len(x) > maxExact {
		sums, _ := subsets(x)
		for _, s := range sums {
			if !(s > limit) { // NaN, of nonsense, makes p larger
				n++
			}
		}
		return n
	}
	// Every set is one of the first half's and one of the second's (Horowitz and
	// Sahni 1974): as the first's sums grow, fewer of the second's fit.
	first, second := sortedSums(x[:len(x)/2]), sortedSums(x[len(x)/2:])
	fit := len(second)
	for _, s := range first {
		for fit > 0 && s+second[fit-1] > limit {
			fit--
		}
		n += fit
	}
	return n
}

// sortedSums returns the sums of all sets of x in ascending order.
func sortedSums(x []float64) []float64 {
	sums := []float64{0}
	for _, v := range x {
		more := make([]float64, len(sums))
		for i, s := range sums {
			more[i] = s + v
		}
		sums = append(sums, more...)
		slices.Sort(sums)
	}
	return sums
}

// subsets returns the sum of the d in every set that some flip flips, and its
// size. The flips are the numbers c, 0 is the flip of nothing. The first pairs
// are flipped where c has their bit, which makes all flips of up to maxExact
// pairs. A pair beyond them is flipped where an odd number of certain bits of c
// are set: see followers.
func subsets(d []float64) (sums, sizes []float64) {
	flips := flipsOf(len(d))
	free := bits.Len(uint(flips)) - 1
	sums, sizes = make([]float64, flips), make([]float64, flips)
	for i, v := range d[:free] {
		half := 1 << i
		for c := range half {
			sums[half+c], sizes[half+c] = sums[c]+v, sizes[c]+1
		}
	}
	for i, v := range d[free:] {
		follows := followers()[i%len(followers())]
		for c := range flips {
			flipped := float64(bits.OnesCount(uint(c)&follows) & 1)
			sums[c] += flipped * v
			sizes[c] += flipped
		}
	}
	return sums, sizes
}

// followers are the sets of bits that pairs beyond the first groupBits follow,
// in a fixed random order. All are of odd size, at least 3: then the flip of
// everything is among the flips, and any three pairs (of up to 2^13) are flipped
// independently.
var followers = sync.OnceValue(func() (sets []uint) {
	for _, s := range rand.New(rand.NewPCG(1, 0)).Perm(1 << groupBits) {
		if size := bits.OnesCount(uint(s)); size%2 == 1 && size > 1 {
			sets = append(sets, uint(s))
		}
	}
	return sets
})

// kthSmallest returns the kth smallest of x, counted from 1, and reorders x
// (Hoare's FIND, 1961).
func kthSmallest(x []float64, k int) float64 {
	low, high := 0, len(x)-1
	for low < high {
		pivot := x[(low+high)/2]
		i, j := low, high
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case k-1 <= j:
			high = j
		case k-1 >= i:
			low = i
		default:
			return x[k-1]
		}
	}
	return x[k-1]
}
