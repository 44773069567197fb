package figure

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
)

// scale maps values to shares of an axis and knows its ticks.
type scale struct {
	low, high float64
	log       bool
	percent   bool // no value can lie beyond 0 or 100
	clamped   bool // a value lies below low
	ticks     []tick
}

type tick struct {
	value float64
	label string
}

// at is the share of the axis at which v lies, 0 to 1 within its range.
// Values outside of a logarithmic axis lie on its ends.
func (s scale) at(v float64) float64 {
	if !s.log {
		return (v - s.low) / (s.high - s.low)
	}
	v = min(max(v, s.low), s.high)
	return math.Log(v/s.low) / math.Log(s.high/s.low)
}

// ending is how an interval's end is shown.
type ending int

const (
	whole ending = iota // where it is
	cut                 // by an arrow: it goes on beyond the axis
	open                // not at all: it goes on where no value can be
)

// ending says how an interval's end at v is shown.
func (s scale) ending(v float64) ending {
	switch {
	case v >= s.low && v <= s.high:
		return whole
	case s.percent && (v < s.low && s.low == 0 || v > s.high && s.high == 100):
		return open
	}
	return cut
}

// hides reports whether the mark at an interval's mean covers it, on an axis of
// the given length.
func (s scale) hides(i Interval, length vg.Length) bool {
	return vg.Length(s.at(i.High)-s.at(i.Low))*length < 2.5*meanSize
}

// span is the range of a set of values; empty before any was added.
type span struct {
	low, high float64
	any       bool
}

func (s *span) add(values ...float64) {
	for _, v := range values {
		if !isNumber(v) {
			continue
		}
		if !s.any {
			s.low, s.high, s.any = v, v, true
		}
		s.low, s.high = min(s.low, v), max(s.high, v)
	}
}

// widened returns a span that is not empty and has a width.
func (s span) widened() span {
	if !s.any {
		return span{0, 1, true}
	}
	if width := s.high - s.low; width <= 1e-9*max(math.Abs(s.low), math.Abs(s.high)) {
		by := max(math.Abs(s.low)*0.05, 0.05)
		return span{s.low - by, s.high + by, true}
	}
	return s
}

// roundScale returns a linear scale of about n steps whose ends are ticks.
func roundScale(of span, n int, unit string) scale {
	of = of.widened()
	percent := unit == "%"
	if low, high := max(of.low, 0), min(of.high, 100); percent && low < high {
		of.low, of.high = low, high
	}
	step := roundStep(of.high-of.low, n)
	s := scale{low: math.Floor(of.low/step+1e-9) * step, high: math.Ceil(of.high/step-1e-9) * step, percent: percent}
	s.ticks = linearTicks(s.low, s.high, step)
	return s
}

// tightScale returns a linear scale of about n parts that ends with the data.
// Between whole numbers its ticks are whole.
func tightScale(of span, n int) scale {
	of = of.widened()
	step := roundStep(of.high-of.low, n)
	if of.low == math.Trunc(of.low) && of.high == math.Trunc(of.high) {
		step = max(1, step)
	}
	return scale{low: of.low, high: of.high, ticks: linearTicks(of.low, of.high, step)}
}

// roundStep is the step of 1, 2 or 5 times a power of ten that divides width
// into at most n parts.
func roundStep(width float64, n int) float64 {
	raw := width / float64(max(n, 1))
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if raw <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func linearTicks(low, high, step float64) []tick {
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	thousands := high >= 10000 && math.Mod(step, 1000) == 0
	var ticks []tick
	for i := math.Ceil(low/step - 1e-6); i*step <= high+1e-6*step; i++ {
		v := i * step
		label := number(v, decimals)
		switch {
		case step >= 1e6 || step < 1e-5:
			label = exponential(v, step)
		case thousands && v != 0:
			label = number(v/1000, 0) + "k"
		}
		ticks = append(ticks, tick{v, label})
	}
	return ticks
}

// number is v with a true minus sign and no minus zero.
func number(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return strings.Replace(s, "-", "−", 1)
}

// decades is how far below its largest value a logarithmic axis goes.
const decades = 4

// logScale returns a logarithmic scale from one round number to another.
// Values that are not positive, or too small, lie on its lower end, whose
// label then says "≤".
func logScale(values []float64) scale {
	var of span
	for _, v := range values {
		if v > 0 {
			of.add(v)
		}
	}
	if !of.any {
		of.add(0.1, 1)
	}
	s := scale{log: true}
	_, s.high = roundAround(of.high)
	s.low, _ = roundAround(of.low)
	if s.high/s.low < 9.9 {
		s.low = s.high / 10
	}
	if floor := math.Pow(10, math.Ceil(math.Log10(of.high))-1-decades); s.low < floor {
		s.low = floor
	}
	for _, v := range values {
		s.clamped = s.clamped || v < s.low*(1-1e-9)
	}
	s.ticks = logTicks(s)
	return s
}

// roundAround returns the nearest 1, 2 or 5 times a power of ten on either
// side of v > 0, which is its own neighbour if it is one.
func roundAround(v float64) (below, above float64) {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	steps := []float64{1, 2, 5, 10}
	for i, m := range steps {
		if math.Abs(v-m*power) <= 1e-9*v {
			return m * power, m * power
		}
		if v < m*power {
			return steps[i-1] * power, m * power
		}
	}
	return power, 10 * power
}

// powersOfTwo returns a logarithmic scale that ends with the data, which are
// positive, with ticks at the powers of two.
func powersOfTwo(of span) scale {
	of = of.widened()
	s := scale{low: max(of.low, math.SmallestNonzeroFloat64), high: of.high, log: true}
	for e := math.Ceil(math.Log2(s.low) - 1e-9); e <= math.Log2(s.high)+1e-9; e++ {
		s.ticks = append(s.ticks, tick{math.Exp2(e), plain(math.Exp2(e))})
	}
	return s
}

// fitTicks takes ticks off a horizontal axis of the given length until their
// labels stand apart: those between powers of ten first, then that of the lower
// end unless lower values lie there too, then every other.
func fitTicks(s scale, length vg.Length) scale {
	if s.log && s.crowded(length) {
		s = s.without(func(v float64) bool { return !isPowerOfTen(v) && v > s.low*(1+1e-9) })
	}
	if s.log && s.crowded(length) && !s.clamped {
		s = s.without(func(v float64) bool { return !isPowerOfTen(v) })
	}
	for len(s.ticks) > 2 && s.crowded(length) {
		var kept []tick
		for i := 0; i < len(s.ticks); i += 2 {
			kept = append(kept, s.ticks[i])
		}
		s.ticks = kept
	}
	return s
}

// without takes off the ticks at some values, unless that leaves fewer than two.
func (s scale) without(drop func(float64) bool) scale {
	kept := slices.DeleteFunc(slices.Clone(s.ticks), func(t tick) bool { return drop(t.value) })
	if len(kept) > 1 {
		s.ticks = kept
	}
	return s
}

func isPowerOfTen(v float64) bool {
	e := math.Log10(v)
	return math.Abs(e-math.Round(e)) <= 1e-9
}

// crowded reports whether two neighbouring labels would nearly touch.
func (s scale) crowded(length vg.Length) bool {
	const apart = 8
	for i := 1; i < len(s.ticks); i++ {
		a, b := s.ticks[i-1], s.ticks[i]
		room := vg.Length(s.at(b.value)-s.at(a.value)) * length
		if room < (textWidth(a.label, labelSize)+textWidth(b.label, labelSize))/2+apart {
			return true
		}
	}
	return false
}

func logTicks(s scale) []tick {
	steps := []float64{1}
	if s.high/s.low < 150 {
		steps = []float64{1, 2, 5}
	}
	var ticks []tick
	for e := math.Floor(math.Log10(s.low) - 1e-9); e <= math.Log10(s.high)+1e-9; e++ {
		for _, m := range steps {
			v, _ := strconv.ParseFloat(fmt.Sprintf("%ge%d", m, int(e)), 64) // exact, unlike a product
			if v >= s.low*(1-1e-9) && v <= s.high*(1+1e-9) {
				ticks = append(ticks, tick{v, plain(v)})
			}
		}
	}
	if s.clamped {
		if ticks[0].value > s.low*(1+1e-9) {
			ticks = append([]tick{{s.low, plain(s.low)}}, ticks...)
		}
		ticks[0].label = "≤ " + ticks[0].label
	}
	return ticks
}

// exponential writes a number with an exponent and as many digits as tell it from
// the next one, a step away.
func exponential(v, step float64) string {
	if v == 0 {
		return "0"
	}
	digits := int(math.Floor(math.Log10(math.Abs(v))+1e-9)) - int(math.Floor(math.Log10(step)+1e-9))
	s := strconv.FormatFloat(v, 'e', max(digits, 0), 64)
	return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e−", "-", "−").Replace(s)
}

// plain writes small and large numbers without an exponent as long as a
// reader can count the zeros.
func plain(v float64) string {
	if a := math.Abs(v); v == 0 || a >= 1e-5 && a < 1e6 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strings.Replace(strconv.FormatFloat(v, 'g', 3, 64), "-", "−", 1)
}
