// Package reports says what a study found: a table of its cells, the verdict
// on each of its claims, and figures, as text, Markdown, JSON, SVG and PNG.
//
// A Report is built from the store (Build) and then rendered. What it says of
// a run is the value of each metric at the last step, never the best, and the
// value at step 0 under the metric's name with "_untrained" appended. A run
// that diverged has no final value; it is counted, and no comparison that
// needs its value is decided.
package reports

import (
	"encoding/json"
	"math"

	"ablate/ablations"
	"ablate/reports/figure"
	"ablate/results"
)

// Report is what a study's results say.
type Report struct {
	Name   string
	Title  string
	Source string         // the paper that the study reproduces, if any
	Sets   []string       // overrides of the base: "data.name=cifar10"
	Alpha  float64        // level of the claims' tests; intervals of means have confidence 1-Alpha
	Test   ablations.Test // how cells are compared
	Seeds  []int
	Metric string // the main metric, that cells are compared by; "" if no run has a value
	Cells  []Cell // in the study's order; the first is the baseline
	Claims []Claim

	// Paper says what the cells' Paper values are; nil if the study quotes none.
	Paper *ablations.PaperValues

	// Warnings are what a reader must know before believing any of it.
	Warnings []string

	Registration Registration
	Provenance   Provenance

	// Identity is the hash of the study as the store has it: text, overrides,
	// cells and which run stands in which place.
	Identity string

	// Store is the folder that the commands in Text name, which are about the
	// results here; "" for the default. The other forms may be read anywhere.
	Store string

	own     []string // of a study with a trainer of its own, the metrics to show, the main one first; else nil
	study   *ablations.Study
	text    []byte // the study file
	shipped bool   // the study's name is enough to run it again
	curves  func(metric string, runIDs []string, most int) (results.Curves, error)
	looks   []figure.Style // of the cells, in every figure
}

// Cell is one cell with its runs summed up.
type Cell struct {
	Name   string
	Levels map[string]string // level by axis; nil for a named extra
	Seeds  []int
	N      int // runs with a result

	// How the runs with a result ended; those not counted here completed.
	Collapsed, NeverSeparated, Diverged int

	// Stopped counts those of them that were stopped early, having collapsed:
	// their final figures are of the step they stopped at.
	Stopped int

	Failed  int // runs that ended without a result: failed, timed out or cancelled
	Pending int // runs that have not ended

	Metrics map[string]Metric
	Refused string // why the main metric has values but no mean; "" if nothing is wrong
	Paper   Number // what the paper found, quoted; not known if the study quotes nothing

	// Difference of the main metric to the baseline; nil for the baseline.
	Difference *Difference

	// Collapse compares how many runs collapsed with the baseline.
	Collapse Collapse

	// DimensionalCollapse says that the projection's effective rank is under
	// a tenth of the baseline's.
	DimensionalCollapse bool

	SameAs string // an earlier cell with the same settings, whose runs these are

	runs []run // by seed
}

// Metric is one metric of a cell: every seed's value (NaN where there is
// none), their mean and its t interval. Without two different values there is
// no interval: Low is -Inf and High +Inf.
type Metric struct {
	Mean, Low, High Number
	Values          []Number // by Cell.Seeds
	Refused         string   // why values that are there have no mean: they are not of equal work
}

// known is how many seeds have a value.
func (m Metric) known() (n int) {
	for _, v := range m.Values {
		if v.known() {
			n++
		}
	}
	return n
}

// Collapse counts the runs of a cell that collapsed or never separated.
type Collapse struct {
	K, N      int    // of N runs with a result; one that diverged counts as not collapsed
	Low, High Number // Clopper and Pearson's interval of the share, with confidence 1-Alpha; not known without runs
	Fisher    Number // two-sided p of Fisher's exact test against the baseline; not known for the baseline
	P         Number // the same after Holm over the table
}

// Difference is a cell's mean minus the baseline's.
type Difference struct {
	Estimate, Low, High Number
	P                   Number // two-sided, of the study's test, after Holm over the table
	T, SignFlip         Number // two-sided, before Holm: of the t test (Welch's where it is not paired), and of the exact sign-flip test where it is
	N                   int    // pairs; of Welch's test the smaller of the two samples
	Welch               bool   // not paired: so the study chose, or fewer than two seeds have both values

	// Correlation of the two cells' values over the seeds, which is what pairing
	// exploits; not known with fewer than three pairs.
	Correlation Number
}

// Verdict is what the data say about a claim or one of its parts.
type Verdict string

// The verdicts.
const (
	Supported    Verdict = "supported"
	Contradicted Verdict = "contradicted"
	Inconclusive Verdict = "inconclusive"
	NotRun       Verdict = "not run" // some of the runs that it hangs on have no result
)

// Claim is a claim of the study with its verdict.
type Claim struct {
	ID      string
	Says    string
	Paper   *ablations.Paper
	Verdict Verdict
	P       Number // after Holm over the claims; NaN if no part is a comparison
	Level   Number // what the parts' p values are compared with; NaN like P
	Parts   []Part

	// Statistics says which of the claim's cells use batch statistics, as
	// their runs measured it; "" if none did.
	Statistics string

	Flags  []string // that it was made or edited when there were results to see
	Advice string   // what would probably settle it, if it is inconclusive

	comparisons []comparison // by part
}

// Part is one part of a claim.
//
// Of a comparison, Estimate is mean(first) - mean(second), [Low, High] the
// interval whose ends are each a one-sided bound at the claim's level, and P
// the p value of the opposite. Of the collapse kinds, Estimate is the share of
// runs that collapsed or never separated and [Low, High] Clopper and Pearson's
// interval of it, with confidence 1-Alpha; they have no p.
type Part struct {
	Kind      ablations.PartKind
	Metric    string
	Cells     []string // selectors, as the study has them
	Threshold Number   // the "by" or the margin
	Verdict   Verdict
	Estimate  Number
	Low, High Number
	P         Number
	N         int    // comparisons: seeds compared; else runs with a result
	Says      string // the part, its figures and, if it is not decided, why
}

// Provenance says what made the numbers.
type Provenance struct {
	Data     []Count // as configured: "fashion-mnist, 2000 training images"
	Datasets []Count // content hashes
	Trainers []Count // numeric versions of the trainer
	Versions []Count // of the program
	Kernels  []Count // kernel sets
	CPUs     []Count
}

// Count is a value and how many runs (of versions, kernels and CPUs: attempts)
// have it.
type Count struct {
	Value string
	N     int
}

// WithVerdict lists the ids of the claims with a verdict.
func (r *Report) WithVerdict(verdict Verdict) (ids []string) {
	for _, c := range r.Claims {
		if c.Verdict == verdict {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// total counts the runs with a result, and all.
func (r *Report) total() (done, all int) {
	t := tallyOf(r.Cells)
	return t.results, t.all
}

// distinct lists the runs of cells, each once: cells with the same settings
// share theirs. A place without a run in the store has no id.
func distinct(cells []Cell) (runs []run) {
	seen := map[string]bool{}
	for _, c := range cells {
		for _, run := range c.runs {
			if run.id == "" || !seen[run.id] {
				seen[run.id] = true
				runs = append(runs, run)
			}
		}
	}
	return runs
}

// Number is a figure that may be unknown (NaN) or unbounded (±Inf), which JSON
// has as null.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func (n Number) known() bool {
	return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0)
}

var unknown = Number(math.NaN())

// run is what a report needs to know of one run.
type run struct {
	id      string
	seed    int
	dataset string  // content hash
	trainer string  // numeric version
	seconds float64 // wall-clock time of all attempts
	outcome results.Outcome
	reason  string
	metrics map[string]ends

	attempts []results.Attempt

	stopped, steps int64 // the step at which it was stopped early, 0 if it was not, and how many it has
}

// ends are a metric's values at step 0 and at the last step that the run made;
// NaN where it was not reported there.
type ends struct {
	untrained, final float64
	last             int64 // step of the final value
}

// value returns a metric's final or untrained value, NaN if the run has none.
func (r run) value(metric string, untrained bool) float64 {
	e, ok := r.metrics[metric]
	switch {
	case !ok || !r.outcome.IsResult():
		return math.NaN()
	case untrained:
		return e.untrained
	case r.outcome == results.Diverged:
		return math.NaN()
	}
	return e.final
}
