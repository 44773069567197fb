package stats

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The references are what scipy and R say, kept with the scripts that wrote
// them.
var fixtures = flag.String("fixtures", "", "make the references anew with this `PYTHON`, which needs scipy, and with Rscript")

// readReference reads the JSON file that a script writes, after writing it anew
// if that is asked for.
func readReference(t *testing.T, file, interpreter, script string, into any) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *fixtures != "" {
		text, err := exec.Command(interpreter, filepath.Join("testdata", script)).Output()
		if err != nil {
			t.Fatalf("%s %s: %v", interpreter, script, err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// closeTo reports whether got is want to about eight digits, the precision
// that the libraries' t quantiles share.
func closeTo(got, want float64) bool {
	return math.Abs(got-want) <= 1e-8*math.Abs(want)+1e-14
}

// checker compares figures and counts them, so that an empty reference is
// noticed.
type checker struct {
	*testing.T
	n int
}

func (c *checker) near(name, figure string, got, want float64) {
	c.Helper()
	c.within(name, figure, got, want, 1e-8*math.Abs(want)+1e-14)
}

func (c *checker) within(name, figure string, got, want, most float64) {
	c.Helper()
	c.n++
	if !(math.Abs(got-want) <= most) {
		c.Errorf("%s: %s = %v, want %v", name, figure, got, want)
	}
}

func (c *checker) atLeast(n int) {
	c.Helper()
	if c.n < n {
		c.Errorf("compared %d figures, want at least %d", c.n, n)
	}
}

type reference struct {
	Confidence, Shifts []float64
	Margin             float64
	Cases              []struct {
		Name                       string
		First, Second              []float64
		Mean, Welch, Paired, Flips *expected
		Correlation                *float64
	}
	Fisher []fisherTable
	Shares []struct {
		Count     [2]int
		Intervals [][2]float64
	}
	Tails []struct{ T, DF, Shift, Above float64 }
}

type expected struct {
	N                   int
	Mean, SE, DF        float64
	Intervals           [][2]float64
	Greater, Less       []float64
	Differs, Equivalent float64
}

type fisherTable struct {
	Table [4]int
	Two   float64
}

func (f fisherTable) check(c *checker, name string) {
	k, n, l, m := f.Table[0], f.Table[1], f.Table[2], f.Table[3]
	c.near(name, "Fisher", Fisher(k, n, l, m), f.Two)
}

func TestAgainstScipy(t *testing.T) {
	var ref reference
	readReference(t, "reference.json", *fixtures, "reference.py", &ref)
	c := &checker{T: t}
	for _, s := range ref.Cases {
		estimate := func(what string, e Estimate, want *expected) {
			if want == nil {
				return
			}
			name := s.Name + ", " + what
			if e.N != want.N {
				t.Errorf("%s: n = %d, want %d", name, e.N, want.N)
			}
			c.near(name, "mean", e.Mean, want.Mean)
			c.near(name, "standard error", e.SE, want.SE)
			c.near(name, "degrees of freedom", e.DF, want.DF)
			for i, confidence := range ref.Confidence {
				low, high := e.Interval(confidence)
				c.near(name, "low", low, want.Intervals[i][0])
				c.near(name, "high", high, want.Intervals[i][1])
			}
			c.pValues(name, e, ref.Shifts, ref.Margin, *want)
		}
		estimate("mean", Mean(s.First), s.Mean)
		estimate("Welch", Welch(s.First, s.Second), s.Welch)
		estimate("paired", Paired(s.First, s.Second), s.Paired)
		if s.Flips != nil {
			f := Flips(s.First, s.Second)
			c.near(s.Name+", sign-flip", "mean", f.Mean, s.Flips.Mean)
			c.pValues(s.Name+", sign-flip", f, ref.Shifts, ref.Margin, *s.Flips)
		}
		if r, known := Correlation(s.First, s.Second); known && s.Correlation != nil {
			c.near(s.Name, "correlation", r, *s.Correlation)
		}
	}
	for _, f := range ref.Fisher {
		f.check(c, "scipy")
	}
	for _, s := range ref.Shares {
		for i, confidence := range ref.Confidence {
			low, high := ShareInterval(s.Count[0], s.Count[1], confidence)
			c.near("share", "low", low, s.Intervals[i][0])
			c.near("share", "high", high, s.Intervals[i][1])
		}
	}
	for _, s := range ref.Tails {
		above := overSpread(s.DF, func(u float64) float64 { return phi(s.Shift - s.T*u) }, (s.Shift-8)/s.T, (s.Shift+8)/s.T)
		c.within("noncentral t", "above", above, s.Above, 1e-9)
	}
	c.atLeast(500)
}

func (c *checker) pValues(name string, test Test, shifts []float64, margin float64, want expected) {
	c.Helper()
	for i, shift := range shifts {
		c.near(name, "p greater", test.PGreater(shift), want.Greater[i])
		c.near(name, "p less", test.PLess(shift), want.Less[i])
	}
	c.near(name, "p differs", test.PDiffers(), want.Differs)
	c.near(name, "p equivalent", test.PEquivalent(margin), want.Equivalent)
}

type rReference struct {
	Levels, Shifts []float64
	Margin         float64
	Tests          []struct {
		Name          string
		First, Second []float64
		Correlation   float64
		Paired, Welch rTest
	}
	Flips  []rTest
	Fisher []fisherTable
	Shares []struct {
		Count     [2]int
		Low, High []float64
	}
	Holm       []struct{ P, Adjusted []float64 }
	Greater    []struct{ N, Effect, Level, Paired, Two float64 }
	Seeds      []struct{ Effect, Level, Paired, Two float64 }
	Equivalent []struct{ N, Mean, Margin, Level, Power float64 }
}

type rTest struct {
	D, Levels, Low, High []float64
	Greater, Less        []float64
	Differs, Equivalent  float64
}

func TestAgainstR(t *testing.T) {
	var ref rReference
	readReference(t, "reference_r.json", "Rscript", "reference.R", &ref)
	c := &checker{T: t}
	check := func(name string, test Test, levels []float64, want rTest) {
		for i, shift := range ref.Shifts {
			c.near(name, "p greater", test.PGreater(shift), want.Greater[i])
			c.near(name, "p less", test.PLess(shift), want.Less[i])
		}
		c.near(name, "p equivalent", test.PEquivalent(ref.Margin), want.Equivalent)
		for i, level := range levels {
			low, high := test.Bounds(level)
			const slack = 1e-12 // of sign flips' ties
			c.within(name, "low", low, want.Low[i], 1e-8*math.Abs(want.Low[i])+slack)
			c.within(name, "high", high, want.High[i], 1e-8*math.Abs(want.High[i])+slack)
		}
	}
	for _, s := range ref.Tests {
		check(s.Name+", paired", Paired(s.First, s.Second), ref.Levels, s.Paired)
		check(s.Name+", Welch", Welch(s.First, s.Second), ref.Levels, s.Welch)
		c.near(s.Name, "p differs", Paired(s.First, s.Second).PDiffers(), s.Paired.Differs)
		r, _ := Correlation(s.First, s.Second)
		c.near(s.Name, "correlation", r, s.Correlation)
	}
	for _, s := range ref.Flips {
		check("sign-flip", Flips(s.D, make([]float64, len(s.D))), s.Levels, s)
	}
	for _, f := range ref.Fisher {
		f.check(c, "R")
	}
	for _, s := range ref.Shares {
		for i, level := range ref.Levels {
			low, high := ShareInterval(s.Count[0], s.Count[1], 1-level)
			c.near("share", "low", low, s.Low[i])
			c.near("share", "high", high, s.High[i])
		}
	}
	for _, h := range ref.Holm {
		adjusted, _ := Holm(h.P, 0.05)
		for i := range h.P {
			c.near("Holm", "adjusted", adjusted[i], h.Adjusted[i])
		}
	}
	ref.power(c)
	c.atLeast(400)
}

// power compares with power.t.test, whose search for n stops at about four
// digits.
func (ref rReference) power(c *checker) {
	for _, s := range ref.Greater {
		for _, method := range []Method{ByT, ByWelch} {
			want := s.Paired
			if method == ByWelch {
				want = s.Two
			}
			got := ofEffect(method, s.Effect).power(int(s.N), s.Level, 0, math.Inf(1))
			c.within(string(method), "power", got, want, 1e-9)
		}
	}
	for _, s := range ref.Seeds {
		c.near("t", "seeds", float64(seedsForGreater(ofEffect(ByT, s.Effect), 0, s.Level)), s.Paired)
		c.near("Welch", "seeds", float64(seedsForGreater(ofEffect(ByWelch, s.Effect), 0, s.Level)), s.Two)
	}
	for _, s := range ref.Equivalent {
		got := ofEffect(ByT, s.Mean).power(int(s.N), s.Level, -s.Margin, s.Margin)
		c.within("equivalence", "power", got, s.Power, 1e-9)
	}
}

// ofEffect is a comparison that observed this difference, in standard
// deviations: of the differences, or, by Welch's test, of each side.
func ofEffect(by Method, effect float64) Comparison {
	seed := perSeed{1, 1}
	if by == ByWelch {
		seed = perSeed{math.Sqrt2, 2}
	}
	return Comparison{Test: Estimate{N: 3, Mean: effect, SE: 1, DF: 2}, Method: by, N: 3, Mean: effect, seed: seed}
}
