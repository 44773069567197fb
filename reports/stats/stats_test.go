package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestThinData(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name string
		e    Estimate
		want Estimate
	}{
		{"no values", Mean(nil), Estimate{}},
		{"only missing values", Mean([]float64{nan, inf, -inf, 1e200}), Estimate{}},
		{"one value", Mean([]float64{nan, 12.5}), Estimate{N: 1, Mean: 12.5}},
		{"identical values", Mean([]float64{10, 10, 10}), Estimate{N: 3, Mean: 10}},
		{"identical differences but for rounding", Paired([]float64{0.3, 1.3}, []float64{0.1, 1.1}), Estimate{N: 2, Mean: 0.2}},
		{"no common seed", Paired([]float64{1, nan}, []float64{nan, 2}), Estimate{}},
		{"one common seed", Paired([]float64{1, 5, nan}, []float64{nan, 2, 3}), Estimate{N: 1, Mean: 3}},
		{"Welch of one value", Welch([]float64{4}, []float64{1, 2}), Estimate{N: 1, Mean: 2.5}},
		{"Welch of nothing", Welch(nil, []float64{1, 2}), Estimate{}},
		{"Welch of constants", Welch([]float64{4, 4}, []float64{1, 1, 1}), Estimate{N: 2, Mean: 3}},
	} {
		if c.e.N != c.want.N || !closeTo(c.e.Mean, c.want.Mean) || c.e.SE != 0 || c.e.DF != 0 {
			t.Errorf("%s: %+v, want %+v", c.name, c.e, c.want)
		}
		if low, high := c.e.Interval(0.95); !math.IsInf(low, -1) || !math.IsInf(high, 1) {
			t.Errorf("%s: interval [%v, %v], want all numbers", c.name, low, high)
		}
		for _, p := range []float64{c.e.PGreater(0), c.e.PLess(0), c.e.PDiffers(), c.e.PEquivalent(100)} {
			if p != 1 {
				t.Errorf("%s: p = %v, want 1", c.name, p)
			}
		}
	}
}

func TestMissingSeedsLeaveTheirPartnerOut(t *testing.T) {
	nan := math.NaN()
	got := Paired([]float64{73.1, 99, 73.4, nan, 73.0}, []float64{72.0, nan, 72.6, 50, 72.1})
	want := Paired([]float64{73.1, 73.4, 73.0}, []float64{72.0, 72.6, 72.1})
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Extreme but legal data must not leak NaN.
func TestNeverNaN(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := []float64{0, 1, -1, 1e-300, 5e-324, 1e150, -1e150, 1 + 0x1p-52, math.NaN(), math.Inf(1), math.Inf(-1), 1e308}
	draw := func() []float64 {
		x := make([]float64, rng.IntN(5))
		for i := range x {
			x[i] = values[rng.IntN(len(values))]
		}
		return x
	}
	for range 5000 {
		a, b := draw(), draw()
		for _, test := range []Test{Mean(a), Compare(ByT, a, b), Compare(BySignFlip, a, b), Compare(ByWelch, a, b)} {
			low, high := test.Interval(0.95)
			figures := []float64{low, high, test.PGreater(3), test.PLess(3), test.PDiffers(), test.PEquivalent(3)}
			mean := 0.0
			switch test := test.(type) {
			case Estimate:
				mean = test.Mean
				figures = append(figures, mean, test.SE, test.DF)
			case Comparison:
				mean = test.Mean
				r, _ := Correlation(a, b)
				figures = append(figures, mean, r)
				if n := max(seedsForGreater(test, 3, 0.05), seedsForEquivalent(test, 3, 0.05)); n < 0 || n > MaxSeeds {
					t.Fatalf("%v and %v: %d seeds", a, b, n)
				}
			}
			for _, f := range figures {
				if math.IsNaN(f) {
					t.Fatalf("%v and %v: %+v gives %v", a, b, test, figures)
				}
			}
			if !(low <= mean && mean <= high) {
				t.Fatalf("%v and %v: mean %v outside [%v, %v]", a, b, mean, low, high)
			}
		}
	}
}

// The two ways to say "equivalent at alpha" must agree.
func TestEquivalenceIsTheIntervalInsideTheMargin(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	both := [2]int{}
	for range 3000 {
		x := make([]float64, 2+rng.IntN(5))
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		e := Mean(x)
		const alpha, margin = 0.05, 1.0
		low, high := e.Interval(1 - 2*alpha)
		inside := -margin < low && high < margin
		if inside != (e.PEquivalent(margin) < alpha) {
			t.Fatalf("%v: interval [%v, %v], p %v", x, low, high, e.PEquivalent(margin))
		}
		if inside {
			both[1]++
		} else {
			both[0]++
		}
	}
	if both[0] < 100 || both[1] < 100 {
		t.Errorf("the draws hardly cover both sides: %v", both)
	}
}

func TestHolm(t *testing.T) {
	for _, c := range []struct {
		name                string
		p, adjusted, levels []float64
	}{
		{"none", nil, nil, nil},
		{"one", []float64{0.2}, []float64{0.2}, []float64{0.05}},
		// by hand: 4*0.005, 3*0.01, 2*0.03, and max(0.06, 1*0.04)
		{"step down", []float64{0.01, 0.04, 0.03, 0.005}, []float64{0.03, 0.06, 0.06, 0.02}, []float64{0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4}},
		// by hand: 3*0.001, and 2*0.5 twice
		{"ties above 1", []float64{0.5, 0.5, 0.001}, []float64{1, 1, 0.003}, []float64{0.05 / 2, 0.05 / 2, 0.05 / 3}},
		{"the first fails, all fail", []float64{0.03, 0.02, 0.04}, []float64{0.06, 0.06, 0.06}, []float64{0.05 / 3, 0.05 / 3, 0.05 / 3}},
		{"untested members count", []float64{math.NaN(), 0.02}, []float64{1, 0.04}, []float64{0.05, 0.05 / 2}},
		{"all hold", []float64{0.001, 0.002}, []float64{0.002, 0.002}, []float64{0.05 / 2, 0.05}},
	} {
		adjusted, levels := Holm(c.p, 0.05)
		if len(adjusted) != len(c.p) || len(levels) != len(c.p) {
			t.Errorf("%s: %d adjusted, %d levels, want %d", c.name, len(adjusted), len(levels), len(c.p))
			continue
		}
		for i := range c.p {
			if !closeTo(adjusted[i], c.adjusted[i]) || !closeTo(levels[i], c.levels[i]) {
				t.Errorf("%s, %d: adjusted %v at level %v, want %v at %v", c.name, i, adjusted[i], levels[i], c.adjusted[i], c.levels[i])
			}
		}
	}
}

func TestHolmLevelsAgreeWithAdjusted(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		p := make([]float64, 1+rng.IntN(6))
		for i := range p {
			p[i] = math.Pow(rng.Float64(), 4)
		}
		adjusted, levels := Holm(p, 0.05)
		for i := range p {
			if (adjusted[i] <= 0.05) != (p[i] <= levels[i]) {
				t.Fatalf("%v: adjusted %v, levels %v", p, adjusted, levels)
			}
		}
	}
}

func TestSmallestExactP(t *testing.T) {
	for n, want := range []float64{1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125} {
		if got := SmallestExactP(n); got != want {
			t.Errorf("n = %d: %v, want %v", n, got, want)
		}
	}
}

// The interval belongs to as many seeds as there are: 2.262 standard errors for
// ten, not 1.96, and not ten's for five.
func TestQuantilesBelongToTheSeeds(t *testing.T) {
	for n, want := range map[int]float64{2: 12.7062, 3: 4.3027, 5: 2.7764, 10: 2.2622, 30: 2.0452} {
		e := Mean(sample(n, func(i int) float64 { return float64(i % 2) }))
		if _, high := e.Interval(0.95); math.Abs((high-e.Mean)/e.SE-want) > 1e-4 {
			t.Errorf("%d seeds: %.4f standard errors, want %.4f", n, (high-e.Mean)/e.SE, want)
		}
	}
}
