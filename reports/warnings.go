package reports

import (
	"fmt"
	"math"
	"strings"

	"ablate/ablations"
	"ablate/reports/stats"
	"ablate/words"
)

// warn adds what a reader must know.
func (r *Report) warn(format string, a ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, a...))
}

// warnOfRuns tells which runs have no result, which values are missing or
// refused, and what so few seeds cannot show.
func (r *Report) warnOfRuns() {
	t := tallyOf(r.Cells)
	switch open := t.all - t.results - t.failed; {
	case t.results == 0 && open == t.all:
		r.warn("no run has a result yet")
	case t.results == 0 && open == 0:
		r.warn("no run has a result: all %d ended without one", t.all)
	case t.results < t.all:
		r.warn("%s", t.lacking())
	}
	for _, c := range r.Cells {
		if c.Refused != "" && c.SameAs == "" {
			r.warn("%s: %s", c.Name, c.Refused)
		}
	}
	r.warnOfUnequalN()
	r.warnOfFewSeeds()
	r.warnOfNothingLearned()
}

// warnOfNothingLearned tells that training is not shown to have improved the
// baseline, by which all others are measured.
func (r *Report) warnOfNothingLearned() {
	baseline := r.Cells[0]
	trained, untrained := valuesOf(baseline.runs, r.Metric, false), valuesOf(baseline.runs, r.Metric, true)
	gain := stats.Compare(stats.Method(r.Test), trained, untrained)
	low, high := gain.Interval(1 - r.Alpha)
	if unitOf(r.Metric) != "%" || gain.N == 0 || baseline.Refused != "" || low > 0 || math.IsInf(low, -1) && gain.Mean > 0 {
		return
	}
	found := Number(gain.Mean).fixed(1)
	if !math.IsInf(low, -1) {
		found += fmt.Sprintf(" [%s, %s]", Number(low).fixed(1), Number(high).fixed(1))
	}
	r.warn("the baseline %s is not shown to have learned anything: trained minus untrained is %s in %s, and comparisons with it are about that",
		baseline.Name, found, r.Metric)
}

// lacking says which runs have no result.
func (t tally) lacking() string {
	const yet = "what is said here will change"
	switch open := t.all - t.results - t.failed; {
	case open == 0:
		return fmt.Sprintf("%d of %d runs ended without a result", t.failed, t.all)
	case t.failed == 0:
		return fmt.Sprintf("%d of %d runs have no result yet: %s", open, t.all, yet)
	default:
		return fmt.Sprintf("%d of %d runs ended without a result, %d have none yet: %s", t.failed, t.all, open, yet)
	}
}

// warnOfUnequalN tells that means rest on different numbers of seeds, where
// there is more behind it than runs that are missing.
func (r *Report) warnOfUnequalN() {
	least, most := -1, 0
	for _, c := range r.Cells {
		n := c.metric(r.Metric).known()
		if c.Refused != "" || n == 0 {
			continue
		}
		if least < 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	if least >= 0 && least < most {
		r.warn("cells do not rest on equally many values of %s: those that have any on %d to %d, of %s", r.Metric, least, most, words.Plural(len(r.Seeds), "seed"))
	}
}

// warnOfFewSeeds tells what no data of so few seeds could show.
func (r *Report) warnOfFewSeeds() {
	n := len(r.Seeds)
	switch smallest := stats.SmallestExactP(n); {
	case n == 1:
		r.warn("1 seed: neither intervals nor tests are possible")
	case r.Test == ablations.SignFlip:
		r.warnOfSignFlip()
	case smallest > r.Alpha && r.Test == ablations.Welch:
		r.warn("%s: Welch's intervals assume that the values of each cell scatter normally, which so few do not show", words.Plural(n, "seed"))
	case smallest > r.Alpha:
		r.warn("%s: the exact test of paired differences (sign-flip) cannot reach %s, its smallest two-sided p is %s; the t intervals assume that differences scatter normally",
			words.Plural(n, "seed"), Number(r.Alpha).shortest(), Number(smallest).shortest())
	}
}

// warnOfSignFlip tells where the sign-flip test cannot reach the levels of the
// claims, the smallest of which is Holm's.
func (r *Report) warnOfSignFlip() {
	tested := 0
	for _, c := range r.Claims {
		if c.Level.known() {
			tested++
		}
	}
	n := len(r.Seeds)
	if compared := len(r.compared()); compared > 0 && float64(compared)*stats.SmallestExactP(n) > r.Alpha {
		r.warn("%s cannot bring a p value of the table to %s, whatever the data: the smallest of the sign-flip test is %s, after Holm over %s",
			words.Plural(n, "seed"), Number(r.Alpha).shortest(), Number(min(1, float64(compared)*stats.SmallestExactP(n))).shortest(), words.Plural(compared, "comparison"))
	}
	if tested == 0 {
		return
	}
	one, all := stats.LeastSeeds(stats.BySignFlip, r.Alpha), stats.LeastSeeds(stats.BySignFlip, r.Alpha/float64(tested))
	switch {
	case n < one:
		r.warn("%s can support no comparison, whatever the data: the sign-flip test takes %d", words.Plural(n, "seed"), one)
	case n < all:
		r.warn("%s cannot support the first of %s that compare, whatever the data: at Holm's smallest level the sign-flip test takes %d",
			words.Plural(n, "seed"), words.Plural(tested, "claim"), all)
	}
}

// warnOfMixtures tells what the runs do not have in common.
func (r *Report) warnOfMixtures() {
	p := r.Provenance
	for _, mix := range []struct {
		what   string
		counts []Count
	}{
		{"data", p.Data},
		{"contents of data sets", p.Datasets},
		{"trainer versions", p.Trainers},
		{"kernel sets", p.Kernels},
		{"program versions", p.Versions},
		{"processors", p.CPUs},
	} {
		expected := mix.what == "contents of data sets" && len(mix.counts) <= len(p.Data)
		if len(mix.counts) > 1 && !expected {
			r.warn("mixed %s: %s", mix.what, list(mix.counts))
		}
	}
	for _, version := range p.Versions {
		if strings.Contains(version.Value, "+dirty") {
			r.warn("%s: the program was built from changes that no commit has", version.Value)
		}
	}
}
