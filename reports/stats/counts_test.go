package stats

import (
	"math"
	"testing"
)

func TestFisherByHand(t *testing.T) {
	for _, c := range []struct {
		k, n, l, m int
		want       float64
	}{
		{3, 3, 0, 3, 2. / 20},
		{2, 2, 0, 2, 2. / 6}, // two seeds of each: nothing
		{1, 2, 1, 2, 1},
		{0, 5, 0, 5, 1},
		{5, 5, 5, 5, 1},
		{0, 0, 3, 5, 1},
		{3, 5, 0, 0, 1},
		{0, 0, 0, 0, 1},
	} {
		if got := Fisher(c.k, c.n, c.l, c.m); !closeTo(got, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestShareIntervalAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 0, 0, 1},
		{0, 5, 0, 1 - math.Pow(0.025, 1./5)},
		{5, 5, math.Pow(0.025, 1./5), 1},
	} {
		if low, high := ShareInterval(c.k, c.n, 0.95); !closeTo(low, c.low) || !closeTo(high, c.high) {
			t.Errorf("%d of %d: [%v, %v], want [%v, %v]", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

// binomial is the probability of k of n with the share s.
func binomial(k, n int, s float64) float64 {
	return math.Exp(logChoose(n, k)) * math.Pow(s, float64(k)) * math.Pow(1-s, float64(n-k))
}

// What Fisher's test and the interval of a share promise holds for every true
// share. No draws are needed: all outcomes are few.
func TestPromisesOfCounts(t *testing.T) {
	const alpha = 0.05
	largest := 0.0
	for share := 0.02; share < 1; share += 0.02 {
		for _, size := range [][2]int{{3, 3}, {5, 5}, {10, 7}, {20, 20}} {
			n, m := size[0], size[1]
			var rejected, covered float64
			for k := range n + 1 {
				if low, high := ShareInterval(k, n, 1-alpha); low <= share && share <= high {
					covered += binomial(k, n, share)
				}
				for l := range m + 1 {
					if Fisher(k, n, l, m) <= alpha {
						rejected += binomial(k, n, share) * binomial(l, m, share)
					}
				}
			}
			largest = max(largest, rejected)
			if rejected > alpha || covered < 1-alpha {
				t.Errorf("share %.2f, %d and %d: false rejections %.4f, coverage %.4f", share, n, m, rejected, covered)
			}
		}
	}
	if largest < 0.02 {
		t.Errorf("the test rejects at most with %.4f: it is not only safe, but dead", largest)
	}
}
