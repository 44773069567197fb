package figure

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

func labelsOf(s scale) string {
	var labels []string
	for _, t := range s.ticks {
		labels = append(labels, t.label)
	}
	return strings.Join(labels, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name  string
		scale scale
		want  string
	}{
		{"steps", tightScale(span{0, 390, true}, 6), "0 100 200 300"},
		{"many steps", tightScale(span{0, 15600, true}, 6), "0 5k 10k 15k"},
		{"thousands", tightScale(span{0, 2340, true}, 6), "0 500 1000 1500 2000"},
		{"accuracy", roundScale(span{61.3, 79.9, true}, 5, "%"), "60 65 70 75 80"},
		{"accuracy near 100", roundScale(span{92, 99.7, true}, 5, "%"), "92 94 96 98 100"},
		{"accuracy near 0", roundScale(span{0.4, 9, true}, 5, "%"), "0 2 4 6 8 10"},
		{"from below 0 %", roundScale(span{-3, 100, true}, 5, "%"), "0 20 40 60 80 100"},
		{"around zero", roundScale(span{-0.31, 0.27, true}, 5, ""), "−0.4 −0.2 0.0 0.2 0.4"},
		{"nothing", roundScale(span{}, 5, ""), "0.0 0.2 0.4 0.6 0.8 1.0"},
		{"one value", roundScale(span{10, 10, true}, 5, ""), "9.4 9.6 9.8 10.0 10.2 10.4 10.6"},
		{"log", logScale([]float64{0.004, 0.9}), "0.01 0.1 1"},
		{"log of two decades", logScale([]float64{0.02, 0.9}), "0.02 0.05 0.1 0.2 0.5 1"},
		{"log of hardly anything", logScale([]float64{0.8, 0.9}), "0.1 0.2 0.5 1"},
		{"log with zero", logScale([]float64{2, 0}), "≤ 0.2 0.5 1 2"},
		{"log of too much", logScale([]float64{2, 1e-9}), "≤ 0.0001 0.001 0.01 0.1 1"},
		{"log of nothing", logScale(nil), "0.1 0.2 0.5 1"},
	} {
		if got := labelsOf(c.scale); got != c.want {
			t.Errorf("%s: ticks %q, want %q", c.name, got, c.want)
		}
	}
}

// Ticks lie on their axis, there are enough and not too many, and every value
// has its place.
func TestScalesHoldTheirData(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		values := []float64{math.Exp(8 * rng.NormFloat64()), math.Exp(8 * rng.NormFloat64())}
		var of span
		of.add(values...)
		for _, s := range []scale{tightScale(of, 6), roundScale(of, 5, ""), logScale(values)} {
			if n := len(s.ticks); n < 2 || n > 14 {
				t.Fatalf("%v (log %v): %d ticks: %s", values, s.log, n, labelsOf(s))
			}
			for _, k := range s.ticks {
				if at := s.at(k.value); at < -1e-6 || at > 1+1e-6 {
					t.Fatalf("%v (log %v): tick %v at %v", values, s.log, k.value, at)
				}
			}
			for _, v := range values {
				if at := s.at(v); at < -1e-6 || at > 1+1e-6 {
					t.Fatalf("%v (log %v): %v lies at %v of [%v, %v]", values, s.log, v, at, s.low, s.high)
				}
			}
		}
	}
}

// Labels below a plot stand apart, whatever their number and the room.
func TestFitTicks(t *testing.T) {
	for _, c := range []struct {
		name   string
		scale  scale
		length vg.Length
		want   string
	}{
		{"room for all", roundScale(span{0, 100, true}, 5, "%"), 190, "0 20 40 60 80 100"},
		{"every other", roundScale(span{0, 100, true}, 10, "%"), 190, "0 20 40 60 80 100"},
		{"powers of ten first", logScale([]float64{0.02, 0.9}), 100, "0.02 0.1 1"},
		{"powers of ten alone", logScale([]float64{0.06, 0.9}), 120, "0.1 1"},
		{"the end with lower values", logScale([]float64{0, 0.06, 0.9}), 110, "≤ 0.05 1"},
		{"powers of two", powersOfTwo(span{1, 64, true}), 330, "1 2 4 8 16 32 64"},
		{"powers of two without room", powersOfTwo(span{1, 65536, true}), 330, "1 16 256 4096 65536"},
		{"one rank", powersOfTwo(span{1, 1, true}), 330, "1"},
	} {
		s := fitTicks(c.scale, c.length)
		if got := labelsOf(s); got != c.want {
			t.Errorf("%s: ticks %q, want %q", c.name, got, c.want)
		}
		if s.crowded(c.length) {
			t.Errorf("%s: the labels of %q touch", c.name, labelsOf(s))
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		name         string
		wanted, want []vg.Length
	}{
		{"nothing to do", []vg.Length{10, 30, 90}, []vg.Length{10, 30, 90}},
		{"two meet", []vg.Length{50, 50}, []vg.Length{45, 55}},
		{"pushed off the floor", []vg.Length{0, 0, 0}, []vg.Length{0, 10, 20}},
		{"pushed off the top", []vg.Length{100, 100}, []vg.Length{90, 100}},
		{"below the floor", []vg.Length{-100, 40}, []vg.Length{0, 40}},
		{"none", nil, nil},
	} {
		if got := spread(c.wanted, 10, 100); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSpreadProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		wanted := make([]vg.Length, 1+rng.IntN(15))
		for i := range wanted {
			wanted[i] = vg.Length(200 * rng.Float64() * rng.Float64())
		}
		slices.Sort(wanted)
		got := spread(wanted, 13, 200)
		for i, y := range got {
			if y < -1e-9 || y > 200+1e-9 {
				t.Fatalf("%v: %v is outside", wanted, y)
			}
			if i > 0 && y-got[i-1] < 13-1e-9 {
				t.Fatalf("%v: %v and %v are too close", wanted, got[i-1], y)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	f := face(12, false)
	lines := wrap("one two  three fourfourfourfourfourfourfour five", 70, f)
	if joined := strings.Join(lines, ""); strings.ReplaceAll(joined, " ", "") != "onetwothreefourfourfourfourfourfourfourfive" {
		t.Errorf("wrap lost something: %q", lines)
	}
	for _, l := range lines {
		if f.Width(l) > 70 {
			t.Errorf("%q is %v wide", l, f.Width(l))
		}
	}
	if len(wrap("", 70, f)) != 0 {
		t.Error("no text has lines")
	}
}

func TestShorten(t *testing.T) {
	const name = "norm.encoder=bn,norm.projector=none,width=16"
	if got := shorten(name, 1000, labelSize); got != name {
		t.Errorf("where there is room: %q", got)
	}
	got := shorten(name, 150, labelSize)
	if textWidth(got, labelSize) > 150 || !strings.HasPrefix(got, "norm.enco") || !strings.HasSuffix(got, "width=16") || !strings.Contains(got, "…") {
		t.Errorf("%q", got)
	}
	if got := shorten(name, 1, labelSize); got != "n…" {
		t.Errorf("without room: %q", got)
	}
}

// Steps are whole, and neighbouring large or small numbers are told apart.
func TestTickLabels(t *testing.T) {
	for _, c := range []struct {
		scale scale
		want  string
	}{
		{tightScale(span{0, 3, true}, 6), "0 1 2 3"},
		{tightScale(span{0, 1, true}, 6), "0 1"},
		{tightScale(span{0, 90, true}, 6), "0 20 40 60 80"},
		{roundScale(span{1.2341e12, 1.2349e12, true}, 4, ""), "1.2340e12 1.2342e12 1.2344e12 1.2346e12 1.2348e12 1.2350e12"},
		{roundScale(span{1.2e-6, 1.8e-6, true}, 4, ""), "1.2e−6 1.4e−6 1.6e−6 1.8e−6"},
	} {
		if got := labelsOf(c.scale); got != c.want {
			t.Errorf("ticks %s, want %s", got, c.want)
		}
	}
}
