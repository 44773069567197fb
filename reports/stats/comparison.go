package stats

// Method is how a difference is tested, as a study file names it.
type Method string

// The methods. A study chooses one before its first run.
const (
	ByT        Method = "t"         // t test on differences paired by seed
	BySignFlip Method = "sign-flip" // randomization test on differences paired by seed
	ByWelch    Method = "welch"     // t test on two samples that are not paired
)

// A Test tests an estimated mean and bounds it. Its p values and its bounds say
// the same: PGreater(x) is at most a level if the lower bound at that level is
// above x, and not if it is below, and PLess and PEquivalent likewise, up to
// rounding.
type Test interface {
	HasSpread() bool                                 // without a spread p values are 1, bounds infinite
	PGreater(shift float64) float64                  // of "at most shift"; small: it is greater
	PLess(shift float64) float64                     // of "at least shift"; small: it is less
	PDiffers() float64                               // two-sided, of "it is 0"
	PEquivalent(margin float64) float64              // of "outside (-margin, margin)"
	Bounds(level float64) (low, high float64)        // one-sided, each at that level
	Interval(confidence float64) (low, high float64) // two-sided: the bounds at (1-confidence)/2
}

// Comparison is the difference of two samples' means and the test that it is
// judged by.
type Comparison struct {
	Test
	Method Method  // the test that is made, which may be Welch's instead of the one that was asked for
	N      int     // pairs; of Welch's the smaller sample
	Mean   float64 // mean(first) - mean(second); 0 if N is 0

	seed perSeed
}

// Compare compares two samples whose values belong together by position (the
// same seed). Where fewer than two pairs have both values, and Welch's test can
// say more, it is Welch's. An unknown method is the t test.
func Compare(by Method, first, second []float64) Comparison {
	paired, welch := Paired(first, second), Welch(first, second)
	canPair := paired.N >= 2 || welch.N < 2 && (paired.N == 1 || welch.N == 0)
	switch {
	case by == ByWelch || !canPair:
		return Comparison{welch, ByWelch, welch.N, welch.Mean, unpairedSeed(first, second)}
	case by == BySignFlip:
		return Comparison{Flips(first, second), BySignFlip, paired.N, paired.Mean, pairedSeed(paired)}
	}
	return Comparison{paired, ByT, paired.N, paired.Mean, pairedSeed(paired)}
}

// differs is the two-sided p value of "the mean is 0": twice the smaller of the
// one-sided ones.
func differs(t Test) float64 {
	return min(1, 2*min(t.PGreater(0), t.PLess(0)))
}

// equivalent is the p value of two one-sided tests (Schuirmann 1987). It is at
// most a level exactly if both bounds at that level lie inside the margin.
func equivalent(t Test, margin float64) float64 {
	return max(t.PGreater(-margin), t.PLess(margin))
}
