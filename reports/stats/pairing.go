package stats

import "gonum.org/v1/gonum/stat"

// Pairing says what comparing seed with seed gains.
type Pairing struct {
	N           int     // pairs
	Known       bool    // there are three pairs and a spread on both sides; two pairs always correlate by 1 or -1
	Correlation float64 // Pearson's r of the pairs' values, from -1 to 1; 0 if it is not known
	Width       float64 // of the paired t interval relative to Welch's on the same values; 1 if it is not known
}

// Pair looks at two samples whose values belong together by position (the same
// seed). Seeds that lift both sides alike correlate them and make the paired
// interval narrow. Without correlation pairing costs some width, because it has
// half the degrees of freedom.
func Pair(first, second []float64, confidence float64) Pairing {
	a, b := complete(first, second)
	p := Pairing{N: len(a), Width: 1}
	if p.N < 3 || !Mean(a).HasSpread() || !Mean(b).HasSpread() {
		return p
	}
	p.Known = true
	p.Correlation = max(-1, min(1, stat.Correlation(a, b, nil)))
	p.Width = width(Paired(a, b), confidence) / width(Welch(a, b), confidence)
	return p
}

// width is 0 where all differences are the same: pairing has then taken away all
// of the spread.
func width(e Estimate, confidence float64) float64 {
	if !e.HasSpread() {
		return 0
	}
	low, high := e.Interval(confidence)
	return high - low
}
