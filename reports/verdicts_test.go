package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/results"
)

// twoCells is a study of two cells, a and b, whose runs end with the given
// values of one metric; NaN is a run without a result.
func twoCells(a, b []float64, claims ...ablations.Claim) *Report {
	study := &ablations.Study{Name: "s", Alpha: 0.05, Claims: claims}
	var runs [][]run
	for i, values := range [][]float64{a, b} {
		study.Cells = append(study.Cells, ablations.Cell{Name: string(rune('a' + i)), SameAs: -1})
		var row []run
		for seed, v := range values {
			r := run{seed: seed + 1, outcome: results.Completed, metrics: map[string]ends{"m": {final: v}}}
			if math.IsNaN(v) {
				r.outcome = ""
			}
			row = append(row, r)
		}
		runs = append(runs, row)
	}
	for seed := range a {
		study.Seeds = append(study.Seeds, seed+1)
	}
	return newReport(study, runs)
}

var ab = []ablations.Selector{{Text: "a", Cell: 0}, {Text: "b", Cell: 1}}

func greater(by float64) ablations.Part {
	return ablations.Part{Kind: ablations.Greater, Metric: "m", Cells: ab, By: by}
}

func equivalent(margin float64) ablations.Part {
	return ablations.Part{Kind: ablations.Equivalent, Metric: "m", Cells: ab, Margin: margin}
}

func claim(parts ...ablations.Part) ablations.Claim {
	return ablations.Claim{ID: "c", All: parts}
}

func TestComparisonVerdicts(t *testing.T) {
	nan := math.NaN()
	zero := []float64{0, 0, 0, 0}
	// The one-sided 95 % bounds of the mean of these differences are 4.14 and 5.86.
	five := []float64{4.2, 5.4, 5.8, 4.6}
	for _, c := range []struct {
		name string
		a, b []float64
		part ablations.Part
		want Verdict
		says string
	}{
		{"above", five, zero, greater(4), Supported, "m: a − b = 5.00 [4.14, 5.86], to be above 4; p = 0.036, n = 4"},
		{"below", five, zero, greater(6), Contradicted, "to be above 6; p = 0.964"},
		{"around", five, zero, greater(5), Inconclusive, "p = 0.500"},
		{"above, the other way round", zero, five, greater(-6), Supported, "m: a − b = −5.00"},
		{"inside", five, zero, equivalent(6), Supported, "within ±6"},
		{"outside", five, zero, equivalent(4), Contradicted, "within ±4"},
		{"outside below", zero, five, equivalent(4), Contradicted, "within ±4"},
		{"across", five, zero, equivalent(5), Inconclusive, "within ±5"},
		{"one seed", []float64{100}, []float64{0}, greater(1), Inconclusive, "one seed has no interval"},
		{"no spread", []float64{100, 100}, []float64{0, 0}, greater(1), Inconclusive, "the difference is the same for every seed"},
		{"no spread, equal", []float64{1, 2}, []float64{1, 2}, equivalent(1), Inconclusive, "the difference is the same for every seed"},
		{"a run missing", []float64{100, 101, nan}, []float64{0, 1, 0}, greater(1), NotRun, "1 of 6 runs without a result"},
		{"nothing run", []float64{nan, nan}, []float64{nan, nan}, greater(1), NotRun, "m: a − b, to be above 1; 4 of 4 runs without a result"},
	} {
		r := twoCells(c.a, c.b, claim(c.part))
		part := r.Claims[0].Parts[0]
		if part.Verdict != c.want || r.Claims[0].Verdict != c.want || !strings.Contains(part.Says, c.says) {
			t.Errorf("%s: %s, %q, want %s, %q", c.name, part.Verdict, part.Says, c.want, c.says)
		}
	}
}

// A diverged run leaves a comparison undecided, however clear the others are;
// its untrained value still counts.
func TestDivergedRunsAreNotDropped(t *testing.T) {
	study, runs := fixture(1, 2, 3)
	runs[3][1].outcome = results.Diverged // init
	selectors := func(untrained bool) []ablations.Selector {
		return []ablations.Selector{{Text: "bn", Cell: 0}, {Text: "init", Cell: 3, Untrained: untrained}}
	}
	study.Claims = []ablations.Claim{
		claim(ablations.Part{Kind: ablations.Greater, Metric: "linear_top1", Cells: selectors(false)}),
		claim(ablations.Part{Kind: ablations.Greater, Metric: "linear_top1", Cells: selectors(true)}),
	}
	r := newReport(study, runs)
	if got := r.Claims[0]; got.Verdict != Inconclusive || !strings.Contains(got.Parts[0].Says, "1 of 3 runs of init diverged") || got.Parts[0].P.known() {
		t.Errorf("%s: %s", got.Verdict, got.Parts[0].Says)
	}
	if got := r.Claims[1]; got.Verdict != Supported {
		t.Errorf("%s: %s", got.Verdict, got.Parts[0].Says)
	}
}

func TestUnknownMetricIsInconclusive(t *testing.T) {
	part := greater(1)
	part.Metric = "other"
	got := twoCells([]float64{5, 6}, []float64{1, 2}, claim(part)).Claims[0]
	if got.Verdict != Inconclusive || !strings.Contains(got.Parts[0].Says, "no value in 2 of 2 runs of a, no value in 2 of 2 runs of b") {
		t.Errorf("%s: %s", got.Verdict, got.Parts[0].Says)
	}
}

func TestCollapseVerdicts(t *testing.T) {
	const (
		ok       = results.Completed
		gone     = results.Collapsed
		never    = results.NeverSeparated
		diverged = results.Diverged
		failed   = results.Failed
	)
	for _, c := range []struct {
		outcomes                []results.Outcome
		collapsed, notCollapsed Verdict
		estimate                float64
	}{
		{[]results.Outcome{gone, never}, Supported, Contradicted, 1},
		{[]results.Outcome{ok, ok}, Contradicted, Supported, 0},
		{[]results.Outcome{ok, gone}, Inconclusive, Inconclusive, 0.5},
		{[]results.Outcome{ok, diverged}, Inconclusive, Inconclusive, 0},
		{[]results.Outcome{gone, diverged}, Inconclusive, Inconclusive, 0.5},
		{[]results.Outcome{diverged, diverged}, Inconclusive, Inconclusive, 0},
		// Not all in: not run while the runs so far agree with what is asked.
		{[]results.Outcome{gone, ""}, NotRun, Inconclusive, 1},
		{[]results.Outcome{never, failed}, NotRun, Inconclusive, 1},
		{[]results.Outcome{ok, failed}, Inconclusive, NotRun, 0},
		{[]results.Outcome{ok, ""}, Inconclusive, NotRun, 0},
		{[]results.Outcome{diverged, ""}, Inconclusive, Inconclusive, 0},
		{[]results.Outcome{"", failed}, NotRun, NotRun, math.NaN()},
		{[]results.Outcome{"", ""}, NotRun, NotRun, math.NaN()},
	} {
		study := &ablations.Study{Name: "s", Alpha: 0.05, Seeds: []int{1}, Claims: []ablations.Claim{
			claim(ablations.Part{Kind: ablations.Collapsed, Cells: ab}),
			claim(ablations.Part{Kind: ablations.NotCollapsed, Cells: ab}),
		}}
		var runs [][]run
		for i, o := range c.outcomes {
			study.Cells = append(study.Cells, ablations.Cell{Name: fmt.Sprint(i), SameAs: -1})
			runs = append(runs, []run{{seed: 1, outcome: o}})
		}
		r := newReport(study, runs)
		for i, want := range []Verdict{c.collapsed, c.notCollapsed} {
			part := r.Claims[i].Parts[0]
			if part.Verdict != want || r.Claims[i].Verdict != want {
				t.Errorf("%v %s: %s, want %s", c.outcomes, part.Kind, part.Verdict, want)
			}
			if got := float64(part.Estimate); got != c.estimate && !(math.IsNaN(got) && math.IsNaN(c.estimate)) {
				t.Errorf("%v: share %v, want %v", c.outcomes, got, c.estimate)
			}
		}
	}
}

func TestTogether(t *testing.T) {
	for _, c := range []struct {
		parts []Verdict
		want  Verdict
	}{
		{nil, Inconclusive},
		{[]Verdict{Supported, Supported}, Supported},
		{[]Verdict{Supported, Inconclusive}, Inconclusive},
		{[]Verdict{Inconclusive, NotRun}, NotRun},
		{[]Verdict{NotRun, Contradicted}, Contradicted},
	} {
		var parts []Part
		for _, v := range c.parts {
			parts = append(parts, Part{Verdict: v})
		}
		if got := together(parts); got != c.want {
			t.Errorf("%v: %s, want %s", c.parts, got, c.want)
		}
	}
}

// Whatever the data: a verdict agrees with its interval, its p value and its
// level; a stricter "by" never turns a claim from not supported to supported;
// and no figure is NaN while a verdict is decided.
func TestVerdictsAgreeWithTheirFigures(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	seen := map[Verdict]int{}
	for range 3000 {
		n := 1 + rng.IntN(5)
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i], b[i] = 3*rng.NormFloat64(), rng.NormFloat64()-2*rng.Float64()
			if rng.IntN(30) == 0 {
				a[i] = math.NaN()
			}
		}
		by := 4*rng.Float64() - 2
		r := twoCells(a, b, claim(greater(by)), claim(equivalent(math.Abs(by)+2)), claim(greater(by+1), greater(-9)))
		for _, c := range r.Claims {
			for _, p := range c.Parts {
				seen[p.Verdict]++
				decided := p.Verdict == Supported || p.Verdict == Contradicted
				if decided && !(p.Estimate.known() && p.Low.known() && p.High.known() && p.P.known()) {
					t.Fatalf("%+v is decided without figures", p)
				}
				if p.P.known() && (p.P <= c.Level) != (p.Verdict == Supported) {
					t.Fatalf("%+v at level %v", p, c.Level)
				}
				if p.P > c.P {
					t.Fatalf("%+v of a claim with p = %v", p, c.P)
				}
				if p.Low.known() && !(p.Low <= p.Estimate && p.Estimate <= p.High) {
					t.Fatalf("%+v: estimate outside its interval", p)
				}
			}
			if c.Verdict == Supported && c.P > 0.05 {
				t.Fatalf("supported with p %v after Holm", c.P)
			}
		}
		if r.Claims[2].Verdict == Supported && r.Claims[2].Level >= r.Claims[0].Level && r.Claims[0].Verdict != Supported {
			t.Fatalf("more is supported than less: %+v", r.Claims)
		}
	}
	for _, v := range []Verdict{Supported, Contradicted, Inconclusive, NotRun} {
		if seen[v] < 50 {
			t.Errorf("the draws hardly reach %q: %v", v, seen)
		}
	}
}

// A claim that could not be tested still counts in the correction.
func TestHolmOverAllClaims(t *testing.T) {
	strong := []float64{10.1, 10.3, 9.9, 10.0}
	other := greater(1)
	other.Metric = "unreported"
	r := twoCells(strong, []float64{0, 0.1, 0, 0.2}, claim(greater(1)), claim(other), claim(ablations.Part{Kind: ablations.NotCollapsed, Cells: ab}))
	if got := r.Claims[0]; math.Abs(float64(got.Level)-0.025) > 1e-12 || got.Verdict != Supported {
		t.Errorf("level %v, %s, want 0.025, supported", got.Level, got.Verdict)
	}
	if got := r.Claims[2]; got.Level.known() || got.P.known() {
		t.Errorf("a claim that compares nothing has level %v and p %v", got.Level, got.P)
	}
}

// By the sign-flip test, differences that are all the same decide a claim where
// the values they come from vary; two cells that share their runs do not.
func TestEqualDifferences(t *testing.T) {
	values := []float64{71, 72, 70, 74, 73}
	study := &ablations.Study{Name: "s", Alpha: 0.05, Seeds: []int{1, 2, 3, 4, 5}, Claims: []ablations.Claim{claim(equivalent(1))}}
	var rows [2][]run
	for i := range rows {
		study.Cells = append(study.Cells, ablations.Cell{Name: string(rune('a' + i)), SameAs: -1})
		for seed, v := range values {
			rows[i] = append(rows[i], run{id: fmt.Sprint(i, seed), seed: seed + 1, outcome: results.Completed, metrics: map[string]ends{"m": {final: v}}})
		}
	}
	part := func() Part { return newReport(study, rows[:]).Claims[0].Parts[0] }
	if p := part(); p.Verdict != Inconclusive || p.P.known() {
		t.Errorf("t: %s, p = %v", p.Verdict, p.P)
	}
	study.Test = ablations.SignFlip
	if p := part(); p.Verdict != Supported || p.P != 1./32 || !strings.Contains(p.Says, "a − b = 0.00 [0.00, 0.00]") {
		t.Errorf("sign-flip: %s, p = %v, [%v, %v]", p.Verdict, p.P, p.Low, p.High)
	}
	study.Cells[1].SameAs, rows[1] = 0, rows[0]
	if p := part(); p.Verdict != Inconclusive || p.P.known() || !strings.Contains(p.Says, "a and b have the same settings, and so the same runs") {
		t.Errorf("the same runs: %s, p = %v, %s", p.Verdict, p.P, p.Says)
	}
	if d := newReport(study, rows[:]).Cells[1].Difference; d != nil {
		t.Errorf("the baseline's runs differ from the baseline's by %+v", d)
	}
}

// A value that no statistics can be made of is missing, and not passed over.
func TestUselessValuesAreMissing(t *testing.T) {
	for _, v := range []float64{1e200, math.Inf(1), math.Inf(-1)} {
		r := twoCells([]float64{5, 6, 7, v}, []float64{1, 1.5, 2, 1}, claim(greater(1)))
		if p := r.Claims[0].Parts[0]; p.Verdict != Inconclusive || !strings.Contains(p.Says, "no value in 1 of 4 runs of a") {
			t.Errorf("%v: %s, %s", v, p.Verdict, p.Says)
		}
	}
}

// Runs of several cells are not the draws of one share: the interval is each
// cell's, and there is none where cells differ.
func TestShareOfSeveralCells(t *testing.T) {
	study, runs := fixture(1, 2, 3)
	study.Claims = []ablations.Claim{claim(ablations.Part{Kind: ablations.Collapsed, Cells: []ablations.Selector{{Text: "none", Cell: 2}, {Text: "no-predictor", Cell: 5}}})}
	p := newReport(study, runs).Claims[0].Parts[0]
	// R: binom.test(3, 3)$conf.int is 0.2924018 to 1.
	if p.N != 6 || math.Abs(float64(p.Low)-0.2924018) > 1e-6 || p.High != 1 ||
		!strings.Contains(p.Says, "6 of 6 runs collapsed or never separated (counted; share 29 to 100 % in each cell)") {
		t.Errorf("n = %d [%v, %v]: %s", p.N, p.Low, p.High, p.Says)
	}
	runs[2][0].outcome = results.Completed
	if p = newReport(study, runs).Claims[0].Parts[0]; p.Low.known() || !strings.Contains(p.Says, "5 of 6 runs collapsed or never separated (counted)") {
		t.Errorf("[%v, %v]: %s", p.Low, p.High, p.Says)
	}
}

// Settings that stand in the table twice are compared once.
func TestHolmOverTheTableCountsRunsOnce(t *testing.T) {
	study, runs := fixture(1, 2, 3, 4)
	p := func() (p [6]Number, fisher Number) {
		r := newReport(study, runs)
		for i, c := range r.Cells {
			p[i] = unknown
			if c.Difference != nil {
				p[i] = c.Difference.P
			}
		}
		return p, r.Cells[2].Collapse.P
	}
	before, fisher := p()
	study.Cells = append(study.Cells, study.Cells[2], study.Cells[0])
	study.Cells[6].SameAs, study.Cells[7].SameAs = 2, 0
	runs = append(runs, runs[2], runs[0])
	r := newReport(study, runs)
	for i := range before {
		if i > 0 && r.Cells[i].Difference.P != before[i] {
			t.Errorf("%s: p = %v, without the copies %v", r.Cells[i].Name, r.Cells[i].Difference.P, before[i])
		}
	}
	if r.Cells[6].Difference.P != before[2] || r.Cells[6].Collapse.P != fisher || r.Cells[2].Collapse.P != fisher {
		t.Errorf("a copy: %+v, %+v", r.Cells[6].Difference, r.Cells[6].Collapse)
	}
	if r.Cells[7].Difference != nil || r.Cells[7].Collapse.P.known() {
		t.Errorf("the baseline's copy: %+v, %+v", r.Cells[7].Difference, r.Cells[7].Collapse)
	}
	if text := strings.Join(lines(t, r), " "); !strings.Contains(text, "Holm over 5 comparisons") {
		t.Error(text)
	}
}

// A study that does not pair its seeds says so in its table of differences.
func TestDifferencesByWelch(t *testing.T) {
	study, runs := fixture(1, 2, 3)
	study.Test = ablations.Welch
	r := newReport(study, runs)
	table, ok := r.differencesTable()
	var heads []string
	for _, c := range table.Columns {
		heads = append(heads, strings.Fields(c.Head)[0]+" "+c.Group)
	}
	if got := strings.Join(heads[:5], ", "); !ok || got != "cell , difference linear_top1, n linear_top1, p linear_top1, p linear_top1" {
		t.Errorf("columns %s", got)
	}
	if d := r.Cells[1].Difference; !d.Welch || !d.T.known() || d.T > d.P || d.SignFlip.known() {
		t.Errorf("%+v", d)
	}
}
