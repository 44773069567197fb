package stats

import "math"

// rounding is the error of a subtraction and a sum of a few values, relative to
// the largest of them.
const rounding = 16 * 0x1p-52

// finite returns the values that are there.
func finite(values []float64) []float64 {
	var x []float64
	for _, v := range values {
		if Usable(v) {
			x = append(x, v)
		}
	}
	return x
}

// Usable reports whether a value is there: neither NaN nor infinite nor so large
// that its square would be.
func Usable(v float64) bool { return math.Abs(v) <= 1e150 } // false for NaN

// complete returns the pairs of which both values are there.
func complete(first, second []float64) (a, b []float64) {
	for i := range min(len(first), len(second)) {
		if Usable(first[i]) && Usable(second[i]) {
			a, b = append(a, first[i]), append(b, second[i])
		}
	}
	return a, b
}

// differences returns first - second of the complete pairs, and the largest
// magnitude among their values, which says how exact the differences are.
func differences(first, second []float64) (d []float64, largest float64) {
	a, b := complete(first, second)
	for i := range a {
		d = append(d, a[i]-b[i])
	}
	return d, max(scale(a), scale(b))
}

// scale is the largest magnitude in x.
func scale(x []float64) float64 {
	var largest float64
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	return largest
}
