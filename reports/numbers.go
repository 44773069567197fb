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
// for percentages, else so many that the largest has three digits.
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
	return min(max(2-int(math.Floor(math.Log10(largest))), 0), 6)
}

// decimalsWithin is decimalsFor estimates whose intervals have these half-widths:
// no more than the narrowest of them deserves.
func decimalsWithin(unit string, estimates, halfWidths []Number) int {
	narrowest := unknown
	for _, h := range halfWidths {
		if h.known() && !(narrowest <= h) {
			narrowest = h
		}
	}
	decimals := decimalsFor(unit, estimates...)
	if narrowest.known() {
		decimals = min(decimals, decimalsFor(unit, narrowest))
	}
	return decimals
}

// fixed writes n with a true minus sign; "?" if it is not known.
func (n Number) fixed(decimals int) string {
	if !n.known() {
		return "?"
	}
	s := strconv.FormatFloat(float64(n), 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return strings.Replace(s, "-", "−", 1)
}

// shortest writes n with as few digits as identify it.
func (n Number) shortest() string {
	return strings.ReplaceAll(strconv.FormatFloat(float64(n), 'g', -1, 64), "-", "−")
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
