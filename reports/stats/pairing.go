package stats

import "gonum.org/v1/gonum/stat"

// Correlation is Pearson's r, from -1 to 1, of values that belong together by
// position (the same seed). Seeds that lift both sides alike make it large and
// the paired interval narrow; without correlation pairing costs some width,
// because it has half the degrees of freedom. It is known where there are three
// pairs, since two always correlate by 1 or -1, and a spread on both sides.
func Correlation(first, second []float64) (r float64, known bool) {
	a, b := complete(first, second)
	if len(a) < 3 || !Mean(a).HasSpread() || !Mean(b).HasSpread() {
		return 0, false
	}
	return max(-1, min(1, stat.Correlation(a, b, nil))), true
}
