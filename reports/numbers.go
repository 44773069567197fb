package reports

import (
	"math"
	"strconv"
	"strings"
)

// unitOf is "%" for accuracies.
func unitOf(metric string) string {
	if strings.HasSuffix(strings.TrimSuffix(metric, untrainedSuffix), "_top1") {
		return "%"
	}
	return ""
}

// decimalsFor chooses how many decimals a set of figures is shown with: one
// for percentages, else so many that the largest has three digits. It is negative
// for what is written with an exponent.
func decimalsFor(unit string, figures ...Number) int {
	if unit == "%" {
		return 1
	}
	var largest float64
	for _, f := range figures {
		if f.known() {
			largest = max(largest, math.Abs(float64(f)))
		}
	}
	if largest == 0 {
		return 1
	}
	decimals := 2 - exponentOf(largest)
	if largest < tooLarge {
		decimals = max(decimals, 0)
	}
	return decimals
}

// decimalsWithin is decimalsFor estimates whose intervals have these half-widths:
// no more than the narrowest of them deserves, and at least so many that it has a
// digit of its own.
func decimalsWithin(unit string, estimates, halfWidths []Number) int {
	narrowest := unknown
	for _, h := range halfWidths {
		if h.known() && h > 0 && !(narrowest <= h) {
			narrowest = h
		}
	}
	decimals := decimalsFor(unit, estimates...)
	if !narrowest.known() {
		return decimals
	}
	const rounding = 9 // decimals further on, a width is what rounding left
	if own := -exponentOf(float64(narrowest)); own < decimals+rounding {
		decimals = max(min(decimals, decimalsFor(unit, narrowest)), own)
	}
	if unit == "%" {
		return min(decimals, 2) // ten thousand images have no more
	}
	return decimals
}

// exponentOf is that of the first digit: 2 for 345.
func exponentOf(v float64) int { return int(math.Floor(math.Log10(v))) }

// Where figures get an exponent of ten.
const (
	tooLarge = 1e7
	tooSmall = 1e-4
)

// fixed writes n with a true minus sign; "?" if it is not known. What is large, or
// small and shown with many decimals, has an exponent and as many digits as the
// decimals would show.
func (n Number) fixed(decimals int) string {
	if !n.known() {
		return "?"
	}
	format, size := byte('f'), math.Abs(float64(n))
	if size >= tooLarge || 0 < size && size < tooSmall && decimals > 6 {
		format, decimals = 'e', decimals+exponentOf(size)
	}
	s := strconv.FormatFloat(float64(n), format, max(decimals, 0), 64)
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return tidy(s)
}

// shortest writes n with as few digits as identify it.
func (n Number) shortest() string {
	return tidy(strconv.FormatFloat(float64(n), 'g', -1, 64))
}

// tidy writes true minus signs and short exponents.
func tidy(number string) string {
	return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e−", "-", "−").Replace(number)
}

// pValue writes a p value with three decimals.
func pValue(p Number) string {
	if p < 0.001 {
		return "<0.001"
	}
	return p.fixed(3)
}

// percent writes a share, 0.95 as "95 %".
func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'g', -1, 64) + " %"
}

// grouped writes n with commas between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
