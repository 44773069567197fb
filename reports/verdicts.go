package reports

import (
	"fmt"
	"math"
	"strings"

	"ablate/ablations"
	"ablate/reports/stats"
	"ablate/results"
)

// judge decides the study's claims.
//
// A claim holds if all of its parts hold, so its p value is the largest of its
// comparisons' (an intersection-union test). Holm's correction over all claims
// that compare anything then gives each claim the level at which its parts are
// tested, so that the chance of supporting any claim that is false is at most
// Alpha. A comparison without a p value (not run, or without a spread) counts
// with p = 1: whether a claim belongs to the family does not depend on data.
//
// A claim that is true is contradicted with a chance of at most its level, and
// so of at most Alpha. That is said of each, not of any: claims that pull
// against each other can make it a little more than Alpha that one of them is.
func (r *Report) judge(study *ablations.Study) {
	comparisons := make([][]comparison, len(study.Claims))
	var family []int // the claims that compare anything
	var p []float64
	for i, claim := range study.Claims {
		largest := 0.0
		for _, part := range claim.All {
			c := r.comparison(part)
			comparisons[i] = append(comparisons[i], c)
			largest = max(largest, c.p)
		}
		if compared(claim.All) > 0 {
			family, p = append(family, i), append(p, largest)
		}
	}
	adjusted, levels := stats.Holm(p, r.Alpha)
	for i, claim := range study.Claims {
		c := Claim{ID: claim.ID, Says: claim.Says, Paper: claim.Paper, P: unknown, Level: unknown}
		for k, member := range family {
			if member == i {
				c.P, c.Level = Number(adjusted[k]), Number(levels[k])
			}
		}
		for k, part := range claim.All {
			if compares(part) {
				c.Parts = append(c.Parts, comparisons[i][k].judge(part, float64(c.Level), compared(claim.All)))
			} else {
				c.Parts = append(c.Parts, r.judgeCollapse(part))
			}
		}
		c.Verdict = together(c.Parts)
		c.Statistics = r.batchStatistics(claim)
		c.comparisons = comparisons[i]
		r.Claims = append(r.Claims, c)
	}
}

// together is the verdict on parts of which all must hold.
func together(parts []Part) Verdict {
	n := map[Verdict]int{}
	for _, p := range parts {
		n[p.Verdict]++
	}
	switch {
	case n[Contradicted] > 0:
		return Contradicted
	case n[NotRun] > 0:
		return NotRun
	case n[Inconclusive] > 0 || len(parts) == 0:
		return Inconclusive
	}
	return Supported
}

// tally counts the runs of a set of cells.
type tally struct{ all, results, collapsed, stopped, diverged, failed int }

func tallyOf(cells []Cell) tally {
	runs := distinct(cells)
	var sum Cell
	for _, run := range runs {
		sum.count(run.outcome)
		if run.stopped > 0 {
			sum.Stopped++
		}
	}
	return tally{len(runs), sum.N, sum.Collapsed + sum.NeverSeparated, sum.Stopped, sum.Diverged, sum.Failed}
}

// missing says which runs have no result.
func (t tally) missing() string {
	s := fmt.Sprintf("%d of %d runs without a result", t.all-t.results, t.all)
	if t.failed > 0 {
		s += fmt.Sprintf(" (%d failed)", t.failed)
	}
	return s
}

// judgeCollapse decides a part about collapse by counting. It is supported if
// all runs say so and contradicted if all say the opposite, so one run against
// it rules out support before the others are in. A run that diverged neither
// collapsed nor shows that it would not have: it is against both.
func (r *Report) judgeCollapse(part ablations.Part) Part {
	cells := r.cellsOf(part)
	t := tallyOf(cells)
	result := newPart(part)
	result.N = t.results
	if t.results > 0 {
		result.Estimate = Number(float64(t.collapsed) / float64(t.results))
	}
	result.Low, result.High = shareOfEach(cells)
	all, none := t.collapsed == t.results, t.collapsed == 0 && t.diverged == 0
	if part.Kind == ablations.NotCollapsed {
		all, none = none, all
	}
	switch {
	case all && t.results < t.all:
		result.Verdict = NotRun
	case all:
		result.Verdict = Supported
	case none && t.results == t.all:
		result.Verdict = Contradicted
	default:
		result.Verdict = Inconclusive
	}
	var counts []string
	if t.results > 0 {
		share := ""
		if result.Low.known() {
			share = fmt.Sprintf("; share %s to %s %%", (100 * result.Low).fixed(0), (100 * result.High).fixed(0))
		}
		if share != "" && len(cells) > 1 {
			share += " in each cell"
		}
		counts = append(counts, fmt.Sprintf("%d of %d runs collapsed or never separated (counted%s)", t.collapsed, t.results, share))
	}
	if t.stopped > 0 {
		counts = append(counts, fmt.Sprintf("%d of them stopped early", t.stopped))
	}
	if t.diverged > 0 {
		counts = append(counts, fmt.Sprintf("%d diverged", t.diverged))
	}
	if t.results < t.all {
		counts = append(counts, t.missing())
	}
	result.Says = fmt.Sprintf("%s %s: %s", strings.Join(result.Cells, ", "), collapseWord(part.Kind), strings.Join(counts, ", "))
	return result
}

// shareOfEach is the interval of each cell's share of runs that collapse, where
// all of them count the same. Over their runs together there is none: cells need
// not collapse with one probability, and those of one seed are not independent.
func shareOfEach(cells []Cell) (low, high Number) {
	first := cells[0].Collapse
	for _, c := range cells[1:] {
		if c.Collapse.K != first.K || c.Collapse.N != first.N {
			return unknown, unknown
		}
	}
	return first.Low, first.High
}

// collapseWord is a kind about collapse in words.
func collapseWord(kind ablations.PartKind) string {
	return strings.ReplaceAll(string(kind), "_", " ")
}

func newPart(part ablations.Part) Part {
	p := Part{
		Kind: part.Kind, Metric: part.Metric,
		Threshold: unknown, Estimate: unknown, Low: unknown, High: unknown, P: unknown,
	}
	for _, s := range part.Cells {
		p.Cells = append(p.Cells, s.Text)
	}
	switch part.Kind {
	case ablations.Greater:
		p.Threshold = Number(part.By)
	case ablations.Equivalent:
		p.Threshold = Number(part.Margin)
	}
	return p
}

// comparison is a part that compares two cells, measured but not judged.
type comparison struct {
	estimate stats.Comparison
	p        float64 // 1 where there is none
	pending  string  // what is not run yet
	missing  string  // which runs have a result but no value, or values that must not be compared
	stopped  string  // which runs' values are of an earlier step than the others'
}

// compares reports whether a part compares two cells.
func compares(part ablations.Part) bool {
	return part.Kind == ablations.Greater || part.Kind == ablations.Equivalent
}

// compared counts the parts that compare two cells.
func compared(parts []ablations.Part) (n int) {
	for _, part := range parts {
		if compares(part) {
			n++
		}
	}
	return n
}

// comparison measures a part; one that compares nothing has p = 0.
func (r *Report) comparison(part ablations.Part) comparison {
	if !compares(part) {
		return comparison{}
	}
	c := comparison{p: 1}
	var values [2][]float64
	var gaps, stopped []string
	var final []int
	for i, s := range part.Cells[:2] {
		cell := r.Cells[s.Cell]
		if !s.Untrained {
			final = append(final, s.Cell)
		}
		values[i] = valuesOf(cell.runs, part.Metric, s.Untrained)
		if gap := gapOf(cell, values[i], s.Text); gap != "" {
			gaps = append(gaps, gap)
		}
		if cell.Stopped > 0 && !s.Untrained {
			stopped = append(stopped, fmt.Sprintf("%d of %d runs of %s were stopped early", cell.Stopped, cell.N, s.Text))
		}
	}
	if t := tallyOf(r.cellsOf(part)); t.results < t.all {
		c.pending = t.missing()
	}
	if why := r.refused(final, part.Metric); why != "" {
		gaps, values = append(gaps, why), [2][]float64{}
	}
	if a, b := part.Cells[0], part.Cells[1]; r.first(a.Cell) == r.first(b.Cell) && a.Untrained == b.Untrained {
		gaps = append(gaps, fmt.Sprintf("%s and %s have the same settings, and so the same runs", a.Text, b.Text))
	}
	c.missing, c.stopped = strings.Join(gaps, ", "), strings.Join(stopped, ", ")
	c.estimate = stats.Compare(stats.Method(r.Test), values[0], values[1])
	if c.pending != "" || c.missing != "" {
		return c
	}
	if part.Kind == ablations.Greater {
		c.p = c.estimate.PGreater(part.By)
	} else {
		c.p = c.estimate.PEquivalent(part.Margin)
	}
	return c
}

// gapOf says which runs of a cell have a result but no value.
func gapOf(cell Cell, values []float64, selector string) string {
	missing, diverged := 0, 0
	for i, v := range values {
		if math.IsNaN(v) && cell.runs[i].outcome.IsResult() {
			missing++
			if cell.runs[i].outcome == results.Diverged {
				diverged++
			}
		}
	}
	switch {
	case missing == 0:
		return ""
	case diverged == missing:
		return fmt.Sprintf("%d of %d runs of %s diverged", missing, cell.N, selector)
	}
	return fmt.Sprintf("no value in %d of %d runs of %s", missing, cell.N, selector)
}

// judge decides the part at a one-sided level. One part is enough to contradict
// a claim, so each of those that compare may do it with its share of the level
// only (Bonferroni): else a true claim of many parts would often lose one.
func (c comparison) judge(part ablations.Part, level float64, compared int) Part {
	result := newPart(part)
	result.N = c.estimate.N
	if c.estimate.N > 0 {
		result.Estimate = Number(c.estimate.Mean)
	}
	low, high := c.estimate.Bounds(level)
	result.Low, result.High = Number(low), Number(high)
	decided := c.pending == "" && c.missing == ""
	if decided && c.estimate.HasSpread() {
		result.P = Number(c.p)
	}
	lowest, highest := c.estimate.Bounds(level / float64(compared))
	holds, fails := low > part.By, highest < part.By
	if part.Kind == ablations.Equivalent {
		holds = -part.Margin < low && high < part.Margin
		fails = lowest > part.Margin || highest < -part.Margin
	}
	switch {
	case c.pending != "":
		result.Verdict = NotRun
	case decided && holds:
		result.Verdict = Supported
	case decided && fails:
		result.Verdict = Contradicted
	default:
		result.Verdict = Inconclusive
	}
	result.Says = c.says(result)
	return result
}

// says puts a comparison into one sentence.
func (c comparison) says(p Part) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s − %s", p.Metric, p.Cells[0], p.Cells[1])
	decimals := decimalsWithin(unitOf(p.Metric), []Number{p.Estimate, p.Threshold}, []Number{(p.High - p.Low) / 2})
	if p.Estimate.known() {
		fmt.Fprintf(&s, " = %s", p.Estimate.fixed(decimals))
	}
	if p.Low.known() {
		fmt.Fprintf(&s, " [%s, %s]", p.Low.fixed(decimals), p.High.fixed(decimals))
	}
	switch threshold := p.Threshold.shortest(); p.Kind {
	case ablations.Greater:
		fmt.Fprintf(&s, ", to be above %s", threshold)
	case ablations.Equivalent:
		fmt.Fprintf(&s, ", to be within ±%s", threshold)
	}
	if p.P.known() {
		fmt.Fprintf(&s, "; p %s, n = %d", strings.Replace("= "+pValue(p.P), "= <", "< ", 1), p.N)
	}
	if reason := c.undecided(); reason != "" {
		s.WriteString("; " + reason)
	}
	if c.stopped != "" {
		s.WriteString("; " + c.stopped)
	}
	return s.String()
}

// undecided says why no test was made, or "".
func (c comparison) undecided() string {
	switch {
	case c.pending != "":
		return c.pending
	case c.missing != "":
		return c.missing
	case c.estimate.N == 1:
		return "one seed has no interval"
	case !c.estimate.HasSpread():
		return "the difference is the same for every seed, so its spread is unknown"
	}
	return ""
}
