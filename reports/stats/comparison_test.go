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

func TestPair(t *testing.T) {
	a := []float64{70, 72, 71, 75, 69}
	b := []float64{68.1, 70.2, 68.8, 73, 67.2}
	p := Pair(a, b, 0.95)
	if !p.Known || p.N != 5 || p.Correlation < 0.99 || p.Width > 0.2 {
		t.Errorf("seeds lift both sides alike: %+v", p)
	}
	low, high := Paired(a, b).Interval(0.95)
	wide, wider := Welch(a, b).Interval(0.95)
	if want := (high - low) / (wider - wide); !closeTo(p.Width, want) {
		t.Errorf("width %v, want %v", p.Width, want)
	}
	if p := Pair(a, []float64{73, 68.8, 68.1, 67.2, 70.2}, 0.95); p.Correlation > 0 || p.Width < 1 {
		t.Errorf("seeds that do not: %+v", p)
	}
	for name, p := range map[string]Pairing{
		"two pairs":            Pair(a[:2], b[:2], 0.95),
		"one side is constant": Pair(a, []float64{1, 1, 1, 1, 1}, 0.95),
		"nothing pairs":        Pair([]float64{1, math.NaN()}, []float64{math.NaN(), 1}, 0.95),
	} {
		if p.Known || p.Correlation != 0 || p.Width != 1 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := Pair([]float64{1, 2, 4}, []float64{2, 3, 5}, 0.95); !p.Known || p.Width != 0 || !closeTo(p.Correlation, 1) {
		t.Errorf("the same difference for every seed: %+v", p)
	}
}
