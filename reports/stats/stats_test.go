package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// closeTo reports whether got is want to about eight digits, the precision
// that the two libraries' t quantiles share.
func closeTo(got, want float64) bool {
	return math.Abs(got-want) <= 1e-8*math.Abs(want)+1e-14
}

type reference struct {
	Confidence, Shifts []float64
	Margin             float64
	Cases              []struct {
		Name                string
		First, Second       []float64
		Mean, Welch, Paired *expected
	}
}

type expected struct {
	N                   int
	Mean, SE, DF        float64
	Intervals           [][2]float64
	Greater, Less       []float64
	Differs, Equivalent float64
}

func TestAgainstScipy(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref reference
	if err := json.Unmarshal(text, &ref); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range ref.Cases {
		check := func(what string, e Estimate, want *expected) {
			if want == nil {
				return
			}
			compared++
			near := func(figure string, got, want float64) {
				if !closeTo(got, want) {
					t.Errorf("%s, %s: %s = %v, want %v", c.Name, what, figure, got, want)
				}
			}
			if e.N != want.N {
				t.Errorf("%s, %s: n = %d, want %d", c.Name, what, e.N, want.N)
			}
			near("mean", e.Mean, want.Mean)
			near("standard error", e.SE, want.SE)
			near("degrees of freedom", e.DF, want.DF)
			for i, confidence := range ref.Confidence {
				low, high := e.Interval(confidence)
				near("low", low, want.Intervals[i][0])
				near("high", high, want.Intervals[i][1])
			}
			for i, shift := range ref.Shifts {
				near("p greater", e.PGreater(shift), want.Greater[i])
				near("p less", e.PLess(shift), want.Less[i])
			}
			near("p differs", e.PDiffers(), want.Differs)
			near("p equivalent", e.PEquivalent(ref.Margin), want.Equivalent)
		}
		check("mean", Mean(c.First), c.Mean)
		check("Welch", Welch(c.First, c.Second), c.Welch)
		check("paired", Paired(c.First, c.Second), c.Paired)
	}
	if compared < 17 {
		t.Errorf("compared %d estimates, want at least 17", compared)
	}
}

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
	for range 20000 {
		a, b := draw(), draw()
		for _, e := range []Estimate{Mean(a), Paired(a, b), Welch(a, b)} {
			low, high := e.Interval(0.95)
			figures := []float64{e.Mean, e.SE, e.DF, low, high, e.PGreater(3), e.PLess(3), e.PDiffers(), e.PEquivalent(3)}
			for _, f := range figures {
				if math.IsNaN(f) {
					t.Fatalf("%v and %v: %+v gives %v", a, b, e, figures)
				}
			}
			if !(low <= e.Mean && e.Mean <= high) {
				t.Fatalf("%v and %v: mean %v outside [%v, %v]", a, b, e.Mean, low, high)
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

// Intervals must cover as often as they say, and false rejections must be as
// rare. 20,000 draws of 3 seeds: a binomial standard error of 0.0015.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	const draws = 20000
	covered, rejected := 0, 0
	for range draws {
		var a, b [3]float64
		for i := range a {
			luck := 5 * rng.NormFloat64() // shared by the pair
			a[i], b[i] = 70+luck+rng.NormFloat64(), 68+luck+rng.NormFloat64()
		}
		e := Paired(a[:], b[:])
		if low, high := e.Interval(0.95); low <= 2 && 2 <= high {
			covered++
		}
		if e.PGreater(2) <= 0.05 {
			rejected++
		}
	}
	if share := float64(covered) / draws; math.Abs(share-0.95) > 0.006 {
		t.Errorf("95 %% intervals cover %.4f", share)
	}
	if share := float64(rejected) / draws; math.Abs(share-0.05) > 0.006 {
		t.Errorf("false rejections at 0.05: %.4f", share)
	}
}

// Welch must nearly keep its level with unequal sizes and variances. It is an
// approximation: with 3 and 5 values it covers 93 %.
func TestWelchCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	const draws = 20000
	covered := 0
	for range draws {
		a, b := make([]float64, 3), make([]float64, 5)
		for i := range a {
			a[i] = 3 * rng.NormFloat64()
		}
		for i := range b {
			b[i] = rng.NormFloat64()
		}
		if low, high := Welch(a, b).Interval(0.95); low <= 0 && 0 <= high {
			covered++
		}
	}
	if share := float64(covered) / draws; math.Abs(share-0.95) > 0.02 {
		t.Errorf("95 %% intervals cover %.4f", share)
	}
}

func TestSmallestExactP(t *testing.T) {
	for n, want := range []float64{1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125} {
		if got := SmallestExactP(n); got != want {
			t.Errorf("n = %d: %v, want %v", n, got, want)
		}
	}
}
