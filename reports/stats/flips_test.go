package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// flipsFrom makes the test on differences given as they are.
func flipsFrom(d ...float64) FlipTest { return Flips(d, make([]float64, len(d))) }

func TestFlipsByHand(t *testing.T) {
	// The subset means are 1, 1.5, 2, 2 (of 1 and 3), 2 (of all), 2.5 and 3.
	f := flipsFrom(1, 2, 3)
	for _, c := range []struct{ shift, greater, less float64 }{
		{-1, 1. / 8, 1},
		{0.99, 1. / 8, 1},
		{1, 2. / 8, 1},
		{1.6, 3. / 8, 6. / 8},
		{2, 6. / 8, 6. / 8},
		{3, 1, 2. / 8},
		{9, 1, 1. / 8},
	} {
		if greater, less := f.PGreater(c.shift), f.PLess(c.shift); greater != c.greater || less != c.less {
			t.Errorf("at %v: greater %v, less %v, want %v and %v", c.shift, greater, less, c.greater, c.less)
		}
	}
	for _, c := range []struct{ level, low, high float64 }{
		{0.1, math.Inf(-1), math.Inf(1)},
		{1. / 8, 1, 3},
		{0.24, 1, 3},
		{2. / 8, 1.5, 2.5},
		{3. / 8, 2, 2},
		{4. / 8, 2, 2},
	} {
		if low, high := f.Bounds(c.level); low != c.low && !closeTo(low, c.low) || high != c.high && !closeTo(high, c.high) {
			t.Errorf("at %v: [%v, %v], want [%v, %v]", c.level, low, high, c.low, c.high)
		}
	}
	if got := f.PDiffers(); got != 2./8 {
		t.Errorf("two-sided: %v, want 1/4", got)
	}
	if got := f.PEquivalent(4); got != 1./8 {
		t.Errorf("equivalence: %v, want 1/8", got)
	}
	if f.N != 3 || f.Mean != 2 {
		t.Errorf("%+v", f)
	}
}

// Whatever the data, and where they tie with the shift: p is at most a level
// exactly if the bound at that level clears the shift.
func TestFlipBoundsInvertTheTest(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	clears, not := 0, 0
	for range 3000 {
		n := 2 + rng.IntN(8)
		d := make([]float64, n)
		for i := range d {
			d[i] = 70.3 + float64(rng.IntN(40))/10 - 71.1 // ties, up to rounding
		}
		f := Flips(d, make([]float64, n))
		level := math.Ldexp(float64(rng.IntN(1<<n)), -n-1)
		low, high := f.Bounds(level)
		shift := float64(rng.IntN(40))/10 - 1.5
		if rng.IntN(2) == 0 && !math.IsInf(low, 0) {
			shift = low + float64(2*rng.IntN(2)-1)*1e-12
		}
		if (f.PGreater(shift) <= level) != (shift < low) || (f.PLess(shift) <= level) != (high < shift) {
			t.Fatalf("%v: p %v and %v of %v at %v, bounds [%v, %v]", d, f.PGreater(shift), f.PLess(shift), shift, level, low, high)
		}
		if shift < low {
			clears++
		} else {
			not++
		}
	}
	if clears < 300 || not < 300 {
		t.Errorf("the draws hardly cover both sides: %d, %d", clears, not)
	}
}

// 0.3 - 0.1 is not 0.2 in binary; a tie must count as one all the same, against
// the claim.
func TestFlipsTieUpToRounding(t *testing.T) {
	f := Flips([]float64{0.3, 0.5, 0.6}, []float64{0.1, 0.2, 0.2})
	if p := f.PGreater(0.2); p != 2./8 {
		t.Errorf("the smallest difference is 0.2: p = %v of above 0.2, want 2/8", p)
	}
	if p := f.PLess(0.4); p != 2./8 {
		t.Errorf("the largest difference is 0.4: p = %v of below 0.4, want 2/8", p)
	}
}

func TestFlipsOfThinData(t *testing.T) {
	nan := math.NaN()
	for name, f := range map[string]FlipTest{
		"nothing":                  Flips(nil, nil),
		"one pair":                 Flips([]float64{4, nan}, []float64{1, 2}),
		"identical":                flipsFrom(5, 5, 5, 5, 5, 5, 5, 5),
		"identical up to rounding": Flips([]float64{0.1 + 0.2, 0.3}, []float64{0.1, 0.1}),
		"identical, many":          Flips(make([]float64, 30), make([]float64, 30)),
	} {
		low, high := f.Bounds(0.25)
		if f.HasSpread() || !math.IsInf(low, -1) || !math.IsInf(high, 1) {
			t.Errorf("%s: bounds [%v, %v]", name, low, high)
		}
		for _, p := range []float64{f.PGreater(0), f.PLess(0), f.PDiffers(), f.PEquivalent(100)} {
			if p != 1 {
				t.Errorf("%s: p = %v, want 1", name, p)
			}
		}
	}
	got := Flips([]float64{73.1, 99, 73.4, nan, 73.0}, []float64{72.0, nan, 72.6, 50, 72.1})
	want := Flips([]float64{73.1, 73.4, 73.0}, []float64{72.0, 72.6, 72.1})
	if got.N != 3 || got.Mean != want.Mean || got.PGreater(0.9) != want.PGreater(0.9) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Differences that are the same, of values that are not, have their exact p: all
// of one sign, or all 0.
func TestFlipsOfEqualDifferences(t *testing.T) {
	f := Flips([]float64{0.3, 1.3, 5.7, 2.2, 9.1}, []float64{0.1, 1.1, 5.5, 2.0, 8.9})
	if p := f.PGreater(0); p != 1./32 || f.PLess(0) != 1 || f.PDiffers() != 2./32 {
		t.Errorf("all 0.2: p = %v of above 0, want 1/32; of below %v", p, f.PLess(0))
	}
	if p := f.PGreater(0.2); p != 1 {
		t.Errorf("all 0.2: p = %v of above 0.2, want 1", p)
	}
	if low, high := f.Bounds(1. / 32); !(low <= 0.2 && 0.2 <= high && high-low < 1e-12) {
		t.Errorf("all 0.2: [%v, %v]", low, high)
	}
	x := []float64{1, 2, 3, 5, 8}
	f = Flips(x, x)
	if p := f.PEquivalent(0.1); p != 1./32 || f.PDiffers() != 1 {
		t.Errorf("all 0: p = %v of within 0.1, want 1/32; %v of differing, want 1", p, f.PDiffers())
	}
	c := Compare(BySignFlip, x, x)
	if got := seedsForEquivalent(c, 0.1, 0.025); got != 6 {
		t.Errorf("all 0: %d seeds for equivalence at 0.025, want 6", got)
	}
	if got := seedsForGreater(c, 0, 0.025); got != 0 {
		t.Errorf("all 0: %d seeds for above 0, want none", got)
	}
	if c := Compare(ByT, x, x); c.HasSpread() {
		t.Errorf("the t test does without a spread: %+v", c)
	}
}

// Beyond maxExact pairs the flips must be a group, or the level is not kept. The
// differences are powers of two, so that a sum says what is in it.
func TestFlipsOfManyPairsAreAGroup(t *testing.T) {
	const n = 45
	var d [n]float64
	for i := range d {
		d[i] = math.Ldexp(1, i)
	}
	sums, sizes := subsets(d[:])
	if len(sums) != 1<<groupBits || sums[0] != 0 || sums[len(sums)-1] != math.Ldexp(1, n)-1 {
		t.Fatalf("%d flips from %v to %v, want from none to all", len(sums), sums[0], sums[len(sums)-1])
	}
	sets := make([]uint64, len(sums))
	var together [n][n]int
	for c, sum := range sums {
		sets[c] = uint64(sum)
		if float64(bits.OnesCount64(sets[c])) != sizes[c] {
			t.Fatalf("flip %d: a set of %d is of size %v", c, bits.OnesCount64(sets[c]), sizes[c])
		}
		for i := range n {
			for j := range i + 1 {
				together[i][j] += int(sets[c] >> i & (sets[c] >> j) & 1)
			}
		}
	}
	for i := range n {
		for j := range i + 1 {
			want := len(sets) / 4
			if i == j {
				want = len(sets) / 2
			}
			if together[i][j] != want {
				t.Errorf("pairs %d and %d are flipped in %d of the flips, want %d", i, j, together[i][j], want)
			}
		}
	}
	rng := rand.New(rand.NewPCG(23, 24))
	for range 10000 {
		a, b := rng.IntN(len(sets)), rng.IntN(len(sets))
		if sets[a]^sets[b] != sets[a^b] {
			t.Fatalf("flips %d and %d in a row are not flip %d", a, b, a^b)
		}
	}
}

func TestManyPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	for _, n := range []int{maxExact, maxExact + 1, 40, 1000} {
		d := make([]float64, n)
		for i := range d {
			d[i] = rng.NormFloat64()
		}
		f, e := Flips(d, make([]float64, n)), Mean(d)
		if got, want := SmallestExactP(n), 2*f.PGreater(-100); got != want {
			t.Errorf("%d pairs: smallest p %v, but one of %v", n, got, want)
		}
		// With many normal values the two tests say nearly the same.
		for _, shift := range []float64{e.Mean - 2*e.SE, e.Mean, e.Mean + e.SE} {
			if got, want := f.PGreater(shift), e.PGreater(shift); math.Abs(got-want) > 0.03 {
				t.Errorf("%d pairs at %v: sign-flip p %v, t p %v", n, shift, got, want)
			}
		}
		low, high := f.Bounds(0.05)
		wantLow, wantHigh := e.Bounds(0.05)
		if math.Abs(low-wantLow) > 0.15*e.SE || math.Abs(high-wantHigh) > 0.15*e.SE {
			t.Errorf("%d pairs: [%v, %v], by t [%v, %v]", n, low, high, wantLow, wantHigh)
		}
	}
}

// The flips beyond 20 pairs are fixed, so that a report can be made again: a
// change of these figures changes reports.
func TestManyPairsStayTheSame(t *testing.T) {
	d := make([]float64, 30)
	for i := range d {
		d[i] = float64(i*i%17) - 6.5
	}
	if got := flipsFrom(d...).PGreater(0) * (1 << groupBits); got != 1198 {
		t.Errorf("%v flips are as large, want 1198", got)
	}
}

func TestKthSmallest(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	for range 2000 {
		x := make([]float64, 1+rng.IntN(12))
		for i := range x {
			x[i] = float64(rng.IntN(6))
		}
		sorted := slices.Sorted(slices.Values(x))
		k := 1 + rng.IntN(len(x))
		if got := kthSmallest(slices.Clone(x), k); got != sorted[k-1] {
			t.Fatalf("%d of %v: %v", k, x, got)
		}
	}
}

func BenchmarkFlips(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{10, maxExact, maxExact + 1, 1000} {
		d := make([]float64, n)
		for i := range d {
			d[i] = rng.NormFloat64()
		}
		f := flipsFrom(d...)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				f.PGreater(0)
				f.Bounds(0.05)
			}
		})
	}
}
