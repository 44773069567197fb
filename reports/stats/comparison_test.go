package stats

import (
	"math"
	"testing"
)

func TestCompareChoosesTheTest(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name   string
		by     Method
		a, b   []float64
		method Method
		n      int
		mean   float64
	}{
		{"t", ByT, []float64{3, 4, 6}, []float64{1, 2, 1}, ByT, 3, 3},
		{"sign-flip", BySignFlip, []float64{3, 4, 6}, []float64{1, 2, 1}, BySignFlip, 3, 3},
		{"Welch", ByWelch, []float64{3, 4, 6, 7}, []float64{1, 2, 3}, ByWelch, 3, 3},
		{"no method", "", []float64{3, 4, 6}, []float64{1, 2, 1}, ByT, 3, 3},
		{"a seed without a partner", BySignFlip, []float64{3, 4, 6, 9}, []float64{1, 2, 1, nan}, BySignFlip, 3, 3},
		{"nothing pairs", BySignFlip, []float64{3, 5, nan, nan}, []float64{nan, nan, 1, 3}, ByWelch, 2, 2},
		{"one pair and more", ByT, []float64{3, 5, nan}, []float64{1, nan, 3}, ByWelch, 2, 2},
		{"one pair", ByT, []float64{3, nan}, []float64{1, 4}, ByT, 1, 2},
		{"no pair, one each", ByT, []float64{3, nan}, []float64{nan, 4}, ByWelch, 1, -1},
		{"nothing", BySignFlip, nil, []float64{nan}, BySignFlip, 0, 0},
	} {
		got := Compare(c.by, c.a, c.b)
		if got.Method != c.method || got.N != c.n || !closeTo(got.Mean, c.mean) {
			t.Errorf("%s: %s of %d with mean %v, want %s of %d with %v", c.name, got.Method, got.N, got.Mean, c.method, c.n, c.mean)
		}
		if got.HasSpread() != (c.n > 1) {
			t.Errorf("%s: has a spread: %t", c.name, got.HasSpread())
		}
	}
}

func TestCorrelation(t *testing.T) {
	a := []float64{70, 72, 71, 75, 69}
	b := []float64{68.1, 70.2, 68.8, 73, 67.2}
	if r, known := Correlation(a, b); !known || r < 0.99 || r > 1 {
		t.Errorf("seeds lift both sides alike: %v, known: %t", r, known)
	}
	if r, known := Correlation(a, []float64{73, 68.8, 68.1, 67.2, 70.2}); !known || r > 0 {
		t.Errorf("seeds that do not: %v, known: %t", r, known)
	}
	for name, pairs := range map[string][2][]float64{
		"two pairs":            {a[:2], b[:2]},
		"one side is constant": {a, []float64{1, 1, 1, 1, 1}},
		"nothing pairs":        {{1, math.NaN()}, {math.NaN(), 1}},
	} {
		if r, known := Correlation(pairs[0], pairs[1]); known || r != 0 {
			t.Errorf("%s: %v, known: %t", name, r, known)
		}
	}
}
