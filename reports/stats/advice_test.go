package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// observed is a comparison by method with this mean and standard deviation of
// the differences.
func observed(by Method, mean, sd float64) Comparison {
	return Comparison{Test: Estimate{N: 3, Mean: mean, SE: sd / math.Sqrt(3), DF: 2}, Method: by, N: 3, Mean: mean, seed: perSeed{sd, 1}}
}

// seedsForGreater is how many seeds decide whether a difference is above by,
// whichever way it lies.
func seedsForGreater(c Comparison, by, level float64) int {
	if c.Mean < by {
		return Seeds(0.8, Aim{c, level, math.Inf(-1), by})
	}
	return Seeds(0.8, Aim{c, level, by, math.Inf(1)})
}

// seedsForEquivalent is how many decide whether it is within the margin.
func seedsForEquivalent(c Comparison, margin, level float64) int {
	switch {
	case c.Mean > margin:
		return Seeds(0.8, Aim{c, level, margin, math.Inf(1)})
	case c.Mean < -margin:
		return Seeds(0.8, Aim{c, level, math.Inf(-1), -margin})
	}
	return Seeds(0.8, Aim{c, level, -margin, margin})
}

// To reach two aims at once takes more than either, unless one is clear.
func TestSeedsForSeveralAims(t *testing.T) {
	inf := math.Inf(1)
	hard, clear := Aim{observed(ByT, 1, 1), 0.025, 0, inf}, Aim{observed(ByT, 9, 1), 0.025, 0, inf}
	// R: power.t.test(power = 0.9, delta = 1, type = "one.sample") takes 12.6
	// seeds; two of 90 % miss one of them in at most 20 %.
	for _, c := range []struct {
		aims []Aim
		want int
	}{
		{[]Aim{hard}, 10},
		{[]Aim{hard, clear}, 10},
		{[]Aim{hard, hard}, 13},
		{[]Aim{hard, {observed(ByT, 1, 1), 0.025, 2, inf}}, 0},
	} {
		if got := Seeds(0.8, c.aims...); got != c.want {
			t.Errorf("%d aims: %d seeds, want %d", len(c.aims), got, c.want)
		}
	}
}

func TestLeastSeeds(t *testing.T) {
	for _, c := range []struct {
		by    Method
		level float64
		want  int
	}{
		{ByT, 0.05, 2},
		{ByWelch, 1e-9, 2},
		{BySignFlip, 0.05, 5},
		{BySignFlip, 0.025, 6},
		{BySignFlip, 1. / 32, 5},
		{BySignFlip, 0.0312, 6},
		{BySignFlip, 0.05 / 15, 9},
		{BySignFlip, 1e-9, 0}, // beyond 20 pairs the smallest p is 2^-14
	} {
		if got := LeastSeeds(c.by, c.level); got != c.want {
			t.Errorf("%s at %v: %d, want %d", c.by, c.level, got, c.want)
		}
	}
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		name  string
		c     Comparison
		by    float64 // 0: margin
		level float64
		want  int
	}{
		// The two-sided figures for 80 % power that textbooks have.
		{"half a deviation", observed(ByT, 0.5, 1), 0, 0.025, 34},
		{"one deviation", observed(ByT, 1, 1), 0, 0.025, 10},
		{"shifted", observed(ByT, 71, 2), 69, 0.025, 10},
		{"below", observed(ByT, 67, 2), 69, 0.025, 10},
		{"clear", observed(ByT, 100, 1), 0, 0.05, 2},
		{"clear, by sign-flip", observed(BySignFlip, 100, 1), 0, 0.05, 5},
		// Each of 7 differences is above 0 with phi(2): 0.9772^5 = 0.891.
		{"all above, by sign-flip", observed(BySignFlip, 2, 1), 0, 0.05, 5},
		{"at the threshold", observed(ByT, 3, 1), 3, 0.05, 0},
		{"next to it", observed(ByT, 3.01, 1), 3, 0.05, 0},
		{"a level out of reach", observed(BySignFlip, 3, 1), 0, 1e-9, 0},
	} {
		if got := seedsForGreater(c.c, c.by, c.level); got != c.want {
			t.Errorf("%s: %d seeds, want %d", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		name         string
		c            Comparison
		margin       float64
		fewest, most int
	}{
		{"in the middle", observed(ByT, 0, 1), 1, 10, 11},
		{"wide", observed(ByT, 0, 1), 1000, 2, 2},
		{"wide, by sign-flip", observed(BySignFlip, 0, 1), 1000, 5, 5},
		{"outside", observed(ByT, 2, 1), 1, 8, 8}, // as for one deviation above
		{"outside below", observed(ByT, -2, 1), 1, 8, 8},
		{"at the margin", observed(ByT, 1, 1), 1, 0, 0},
		{"at the other", observed(ByT, -1, 1), 1, 0, 0},
		{"no margin", observed(ByT, 0, 1), 0, 0, 0},
	} {
		if got := seedsForEquivalent(c.c, c.margin, 0.05); got < c.fewest || got > c.most {
			t.Errorf("%s: %d seeds, want %d to %d", c.name, got, c.fewest, c.most)
		}
	}
}

// What has no spread has no advice, by whatever test.
func TestNoAdviceWithoutSpread(t *testing.T) {
	for _, by := range []Method{ByT, BySignFlip, ByWelch} {
		for _, values := range [][2][]float64{
			{nil, nil},
			{{4}, {1}},
			{{4, 4, 4}, {1, 1, 1}},
			{{4, 5, math.NaN()}, {math.NaN(), math.NaN(), 1}},
		} {
			c := Compare(by, values[0], values[1])
			if g, e := seedsForGreater(c, 0, 0.05), seedsForEquivalent(c, 9, 0.05); g != 0 || e != 0 {
				t.Errorf("%s of %v: %d and %d seeds", by, values, g, e)
			}
		}
	}
}

// More seeds never decide less, which is what the search for the fewest rests
// on. (Where equivalence is hopeless, two seeds may find it a little more often
// than three, by luck.)
func TestPowerGrowsWithSeeds(t *testing.T) {
	for _, by := range []Method{ByT, ByWelch, BySignFlip} {
		for _, mean := range []float64{0, 0.05, 0.4, 1, 3} {
			for _, ends := range [][2]float64{{mean - 0.7, math.Inf(1)}, {-0.5, 0.5}, {-4, 4}} {
				if mean < ends[0] || mean > ends[1] {
					continue
				}
				for _, level := range []float64{0.05, 0.01} {
					last := 0.0
					for _, n := range []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 21, 22, 30, 50, 100, 400, 1000} {
						p := observed(by, mean, 1).power(n, level, ends[0], ends[1])
						if math.IsNaN(p) || p < 0 || p > 1 || last > 0.1 && p < last-1e-4 {
							t.Errorf("%s, mean %v in %v, level %v: power %v with %d seeds, %v with fewer", by, mean, ends, level, p, n, last)
						}
						last = p
					}
				}
			}
		}
	}
}

// Compare knows what a seed brings: the same advice as from the figures.
func TestAdviceFromData(t *testing.T) {
	a, b := []float64{71, 74, 73, 70}, []float64{70, 70.5, 71, 70}
	e := Paired(a, b)
	sd := e.SE * 2
	if got, want := seedsForGreater(Compare(ByT, a, b), 0, 0.05), seedsForGreater(observed(ByT, e.Mean, sd), 0, 0.05); got != want || got == 0 {
		t.Errorf("%d seeds, want %d", got, want)
	}
	// Three and five seeds: the spreads count, not how many showed them.
	a, b = []float64{1, 2, 3}, []float64{0, 1, 2, 1, 1, 1, 2, 0, 1}
	got := Compare(ByWelch, a, b).seed
	if va, vb := 1.0, 0.5; !closeTo(got.sd, math.Sqrt(va+vb)) || !closeTo(got.df, (va+vb)*(va+vb)/(va*va+vb*vb)) {
		t.Errorf("%+v", got)
	}
}

// Of 5 pairs the sign-flip test needs every difference above the threshold,
// which a normal one is with phi(effect). With more it does nearly what the t
// test does at the level that can be reached.
func TestPowerOfSignFlips(t *testing.T) {
	const level = 0.05
	if got, want := observed(BySignFlip, 1.5, 1).power(5, level, 0, math.Inf(1)), math.Pow(phi(1.5), 5); !closeTo(got, want) {
		t.Errorf("5 pairs above 0: power %v, want %v", got, want)
	}
	if got, want := observed(BySignFlip, 0, 1).power(5, level, -2, 2), math.Pow(phi(2)-phi(-2), 5); !closeTo(got, want) {
		t.Errorf("5 pairs within 2: power %v, want %v", got, want)
	}
	if got := observed(BySignFlip, 9, 1).power(4, level, 0, math.Inf(1)); got != 0 {
		t.Errorf("4 pairs cannot reach the level, but have power %v", got)
	}
	for _, c := range []struct {
		n      int
		effect float64
	}{{6, 0.5}, {6, 1}, {6, 1.5}, {7, 1}, {9, 1}, {12, 0.5}} {
		want := share(39, draws, func(rng *rand.Rand) bool {
			return flipsFrom(sample(c.n, func(i int) float64 { return c.effect + normal(rng, i) })...).PGreater(0) <= level
		})
		got := observed(BySignFlip, c.effect, 1).power(c.n, level, 0, math.Inf(1))
		if math.Abs(got-want) > 0.03 {
			t.Errorf("%d pairs, effect %v: power %.3f, simulated %.3f", c.n, c.effect, got, want)
		}
		if unreachable := observed(ByT, c.effect, 1).power(c.n, level, 0, math.Inf(1)); unreachable <= got {
			t.Errorf("%d pairs, effect %v: power %.3f, not below the t test's %.3f", c.n, c.effect, got, unreachable)
		}
	}
}

// The search skips most numbers of seeds; looking at each finds the same.
func TestAdviceIsTheFewest(t *testing.T) {
	rng := rand.New(rand.NewPCG(29, 30))
	for range 60 {
		c := observed([]Method{ByT, BySignFlip}[rng.IntN(2)], rng.NormFloat64(), 0.1+rng.Float64())
		margin, level := 0.2+2*rng.Float64(), []float64{0.05, 0.025, 0.01}[rng.IntN(3)]
		low, high := -margin, margin
		switch {
		case c.Mean > margin:
			low, high = margin, math.Inf(1)
		case c.Mean < -margin:
			low, high = math.Inf(-1), -margin
		}
		want := 2
		for want <= MaxSeeds && c.power(want, level, low, high) < 0.8 {
			want++
		}
		if got := seedsForEquivalent(c, margin, level); got != want%(MaxSeeds+1) {
			t.Errorf("%s, mean %v, deviation %v, margin %v at %v: %d seeds, want %d", c.Method, c.Mean, c.seed.sd, margin, level, got, want)
		}
	}
}
