package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// What the methods promise is tried on data of known truth, with fixed streams
// of random numbers.

const draws = 10000

// share is how often something happens.
func share(stream uint64, draws int, happens func(rng *rand.Rand) bool) float64 {
	rng := rand.New(rand.NewPCG(stream, 1))
	n := 0
	for range draws {
		if happens(rng) {
			n++
		}
	}
	return float64(n) / float64(draws)
}

// isShare checks a share against a promised probability, up to four binomial
// standard errors.
func isShare(t *testing.T, what string, got, promised float64, draws int) {
	t.Helper()
	if math.Abs(got-promised) > fourErrors(promised, draws) {
		t.Errorf("%s: %.4f, promised %.4f", what, got, promised)
	}
}

func isAtMost(t *testing.T, what string, got, promised float64, draws int) {
	t.Helper()
	if got > promised+fourErrors(promised, draws) {
		t.Errorf("%s: %.4f, promised at most %.4f", what, got, promised)
	}
}

func fourErrors(p float64, draws int) float64 {
	return 4 * math.Sqrt(p*(1-p)/float64(draws))
}

// sample draws n values; the i-th of them by draw(i).
func sample(n int, draw func(i int) float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = draw(i)
	}
	return x
}

func normal(rng *rand.Rand, _ int) float64 { return rng.NormFloat64() }

// Distributions of differences, all with mean 0.
var symmetric = map[string]func(rng *rand.Rand, i int) float64{
	"normal":            normal,
	"heavy tails":       func(rng *rand.Rand, _ int) float64 { return rng.NormFloat64() / math.Abs(rng.NormFloat64()) }, // Cauchy
	"two humps":         func(rng *rand.Rand, _ int) float64 { return float64(2*rng.IntN(2)-1) + 0.1*rng.NormFloat64() },
	"unequal variances": func(rng *rand.Rand, i int) float64 { return float64(1+i*i) * rng.NormFloat64() },
}

func exponential(rng *rand.Rand, _ int) float64 { return rng.ExpFloat64() - 1 }

// Pairs share their seed's luck; the t interval of their difference covers the
// truth as often as it says, however few they are.
func TestIntervalsCover(t *testing.T) {
	for _, n := range []int{2, 3, 5, 10} {
		covers := func(rng *rand.Rand) bool {
			a, b := make([]float64, n), make([]float64, n)
			for i := range n {
				luck := 5 * rng.NormFloat64()
				a[i], b[i] = 70+luck+rng.NormFloat64(), 68+luck+rng.NormFloat64()
			}
			low, high := Paired(a, b).Interval(0.95)
			return low <= 2 && 2 <= high
		}
		isShare(t, fmt.Sprintf("95 %% intervals over %d seeds cover", n), share(31, draws, covers), 0.95, draws)
	}
}

// Welch must nearly keep its level with unequal sizes and variances. It is an
// approximation: with 3 and 5 values it covers 93 %.
func TestWelchIntervalsNearlyCover(t *testing.T) {
	covers := func(rng *rand.Rand) bool {
		a := sample(3, func(i int) float64 { return 3 * normal(rng, i) })
		b := sample(5, func(i int) float64 { return normal(rng, i) })
		low, high := Welch(a, b).Interval(0.95)
		return low <= 0 && 0 <= high
	}
	if got := share(32, draws, covers); math.Abs(got-0.95) > 0.02 {
		t.Errorf("95 %% intervals cover %.4f", got)
	}
}

// The sign-flip test needs symmetry and nothing else. Its bounds then err not
// only at most as often as they may, but just as often as the levels that 2^n
// flips can reach: 1/32 with 5 pairs, 12/256 with 8.
func TestFlipBoundsErrAsOftenAsTheySay(t *testing.T) {
	for name, draw := range symmetric {
		for _, n := range []int{5, 8} {
			reached := reachable(BySignFlip, n, 0.05)
			for side, errs := range map[string]func(low, high float64) bool{
				"lower": func(low, _ float64) bool { return low > 0 },
				"upper": func(_, high float64) bool { return high < 0 },
			} {
				got := share(33, draws, func(rng *rand.Rand) bool {
					return errs(flipsFrom(sample(n, func(i int) float64 { return draw(rng, i) })...).Bounds(0.05))
				})
				isShare(t, fmt.Sprintf("%s bounds of %d %s pairs err", side, n, name), got, reached, draws)
			}
		}
	}
}

// So does the fixed group of flips beyond 20 pairs. 500 draws, for it takes a
// millisecond.
func TestFlipsOfManyPairsKeepTheirLevel(t *testing.T) {
	const draws = 500
	draw := symmetric["unequal variances"]
	for _, level := range []float64{0.05, 0.25} {
		got := share(34, draws, func(rng *rand.Rand) bool {
			return flipsFrom(sample(24, func(i int) float64 { return draw(rng, i) })...).PGreater(0) <= level
		})
		isShare(t, "false rejections with 24 pairs", got, level, draws)
	}
}

// What is not promised: against a skewed distribution of differences both tests
// err too often on the side of its short tail. The figures are here to be known.
func TestSkewedDifferencesBreakThePromise(t *testing.T) {
	const n = 8
	for _, c := range []struct {
		name         string
		bounds       func(d []float64) (low, high float64)
		lower, upper float64
	}{
		{"t", func(d []float64) (float64, float64) { return Mean(d).Bounds(0.05) }, 0.013, 0.140},
		{"sign-flip", func(d []float64) (float64, float64) { return flipsFrom(d...).Bounds(0.05) }, 0.012, 0.133},
	} {
		for _, lower := range []bool{true, false} {
			got := share(35, draws, func(rng *rand.Rand) bool {
				low, high := c.bounds(sample(n, func(i int) float64 { return exponential(rng, i) }))
				return lower && low > 0 || !lower && high < 0
			})
			want := c.upper
			if lower {
				want = c.lower
			}
			if math.Abs(got-want) > 0.01 {
				t.Errorf("%s: the bound (lower: %t) errs in %.4f, known is %.3f", c.name, lower, got, want)
			}
		}
	}
}

// Five comparisons with one baseline, so that they depend on each other, of
// which three differ by nothing: the chance that Holm rejects any of the three
// is at most alpha. Without a correction it would not be.
func TestHolmKeepsTheFamilysLevel(t *testing.T) {
	const n = 5
	effects := []float64{0, 4, 0, 0, 9}
	falsely := func(correct func(p []float64) []float64) float64 {
		return share(36, draws, func(rng *rand.Rand) bool {
			baseline := sample(n, func(i int) float64 { return normal(rng, i) })
			var p []float64
			for _, effect := range effects {
				p = append(p, Paired(sample(n, func(i int) float64 { return effect + normal(rng, i) }), baseline).PDiffers())
			}
			for i, q := range correct(p) {
				if effects[i] == 0 && q <= 0.05 {
					return true
				}
			}
			return false
		})
	}
	holm := falsely(func(p []float64) []float64 { adjusted, _ := Holm(p, 0.05); return adjusted })
	isAtMost(t, "false rejections after Holm", holm, 0.05, draws)
	if holm < 0.03 {
		t.Errorf("false rejections after Holm: %.4f, which is timid", holm)
	}
	if raw := falsely(func(p []float64) []float64 { return p }); raw < 0.09 {
		t.Errorf("false rejections without a correction: %.4f: the simulation does not need Holm", raw)
	}
}

// The true difference is just at the margin: equivalence must be found at most
// as often as the level, and as often where the margin is wide, so that only one
// of the two tests matters.
func TestEquivalenceAtTheMargin(t *testing.T) {
	for name, test := range map[string]func(d []float64) Test{
		"t":         func(d []float64) Test { return Mean(d) },
		"sign-flip": func(d []float64) Test { return flipsFrom(d...) },
	} {
		for _, n := range []int{3, 6} {
			for _, margin := range []float64{0.5, 2, 50} {
				got := share(37, draws, func(rng *rand.Rand) bool {
					return test(sample(n, func(i int) float64 { return margin + normal(rng, i) })).PEquivalent(margin) <= 0.05
				})
				what := fmt.Sprintf("%s, %d seeds, margin %v: equivalence found", name, n, margin)
				isAtMost(t, what, got, 0.05, draws)
				if margin == 50 && name == "t" {
					isShare(t, what, got, 0.05, draws)
				}
				if margin == 50 && name == "sign-flip" {
					isShare(t, what, got, reachable(BySignFlip, n, 0.05), draws)
				}
			}
		}
	}
}

// As many seeds as advised decide in 80 % of the cases, one fewer does not.
func TestAdviceComesTrue(t *testing.T) {
	const level = 0.025
	for _, by := range []Method{ByT, ByWelch, BySignFlip} {
		for _, c := range []struct{ mean, threshold, margin float64 }{
			{1.6, 0, 0}, {0.8, 0, 0}, {-0.2, 1, 0}, {0.3, 0, 1.5}, {2.5, 0, 1.5},
		} {
			seen := observed(by, c.mean, 1)
			if by == ByWelch {
				seen.seed.df = 2
			}
			n := seedsForGreater(seen, c.threshold, level)
			if c.margin > 0 {
				n = seedsForEquivalent(seen, c.margin, level)
			}
			decided := func(n int) float64 {
				const draws = 1000
				return share(38, draws, func(rng *rand.Rand) bool {
					// Two sides with variance 1/2 have differences with variance 1.
					side := func(mean float64) []float64 {
						return sample(n, func(i int) float64 { return mean + normal(rng, i)/math.Sqrt2 })
					}
					low, high := Compare(by, side(c.mean), side(0)).Bounds(level)
					if c.margin > 0 {
						return -c.margin < low && high < c.margin || c.margin < low
					}
					return low > c.threshold || high < c.threshold
				})
			}
			const off = 0.045 // three of a share of 0.8, and what the sign-flip test's power is off
			if got := decided(n); got < 0.8-off {
				t.Errorf("%s, %+v: %d seeds were advised, and decide in %.3f", by, c, n, got)
			}
			if got := decided(n - 1); n > max(2, LeastSeeds(by, level)) && got > 0.8+off {
				t.Errorf("%s, %+v: %d seeds were advised, but one fewer decides in %.3f", by, c, n, got)
			}
		}
	}
}
