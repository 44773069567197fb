package reports

import (
	"math"
	"strings"
	"testing"
	"time"

	"ablate/ablations"
	"ablate/results"
)

func TestUnequalWorkIsNotAveraged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*run)
		want   string // "" for a mean
	}{
		{"equal", func(*run) {}, ""},
		{"another content", func(r *run) { r.dataset = "other" }, "contents of the data set d (2), other (1)"},
		{"another trainer", func(r *run) { r.trainer = "9" }, "trainer versions 2 (2), 9 (1)"},
		{"fewer steps", func(r *run) { shorten(r, 3) }, "last steps 390 (2), 3 (1)"},
		{"collapsed and stopped early", func(r *run) { r.outcome, r.stopped = results.Collapsed, 3; shorten(r, 3) }, ""},
		{"diverged, so without a value", func(r *run) { r.outcome = results.Diverged; shorten(r, 3) }, ""},
	} {
		study, runs := fixture(1, 2, 3)
		const gnws = 4
		for i := range runs[gnws] {
			runs[gnws][i].dataset, runs[gnws][i].trainer = "d", "2"
		}
		c.change(&runs[gnws][1])
		r := newReport(study, runs)
		cell := r.Cells[gnws]
		m := cell.Metrics["linear_top1"]
		if c.want == "" {
			if cell.Refused != "" || !m.Mean.known() {
				t.Errorf("%s: refused: %s", c.name, cell.Refused)
			}
			continue
		}
		if !strings.HasSuffix(cell.Refused, c.want) || m.Mean.known() || m.Low.known() || !m.Values[1].known() {
			t.Errorf("%s: %q, %+v", c.name, cell.Refused, m)
		}
		if d := cell.Difference; d.Estimate.known() || d.P.known() {
			t.Errorf("%s: compared all the same: %+v", c.name, *d)
		}
		part := r.Claims[1].Parts[0] // gn+ws is equivalent to bn
		if part.Verdict != Inconclusive || part.Estimate.known() || !strings.Contains(part.Says, c.want) {
			t.Errorf("%s: %+v", c.name, part)
		}
		if !strings.Contains(strings.Join(r.Warnings, "\n"), "gn+ws: "+cell.Refused) {
			t.Errorf("%s: nobody is warned: %q", c.name, r.Warnings)
		}
	}
}

// shorten lets a run's last values be of an earlier step.
func shorten(r *run, step int64) {
	for name, e := range r.metrics {
		e.last = step
		r.metrics[name] = e
	}
}

// Every run once, and the interval of the share beside it.
func TestCollapseIsCompared(t *testing.T) {
	r := report(1, 2, 3, 4)
	baseline, none := r.Cells[0].Collapse, r.Cells[2].Collapse
	if baseline.K != 0 || baseline.N != 4 || baseline.Low != 0 || baseline.P.known() {
		t.Errorf("bn: %+v", baseline)
	}
	// R: binom.test(4, 4)$conf.int is 0.3976354 to 1; fisher.test of 4 of 4
	// against 0 of 4 is p = 0.02857143, times 5 comparisons.
	if none.K != 4 || none.N != 4 || math.Abs(float64(none.Low)-0.3976354) > 1e-6 || none.High != 1 || math.Abs(float64(none.P)-5*0.02857143) > 1e-6 {
		t.Errorf("none: %+v", none)
	}
	if p := r.Cells[1].Collapse.P; p != 1 {
		t.Errorf("0 of 4 against 0 of 4: p = %v", p)
	}
}

func TestWarnings(t *testing.T) {
	few := report(1, 2)
	if all := strings.Join(few.Warnings, "\n"); !strings.Contains(all, "2 seeds: the exact test of paired differences (sign-flip) cannot reach 0.05, its smallest two-sided p is 0.5") {
		t.Error(all)
	}
	if many := report(1, 2, 3, 4, 5, 6, 7); len(many.Warnings) > 0 {
		t.Errorf("warned of %q", many.Warnings)
	}
	study, runs := fixture(1, 2)
	study.Test = ablations.Welch
	if all := strings.Join(newReport(study, runs).Warnings, "\n"); all != "2 seeds: Welch's intervals assume that the values of each cell scatter normally, which so few do not show" {
		t.Errorf("Welch: %s", all)
	}
	for seeds, want := range map[int]string{
		4: "4 seeds can support no comparison, whatever the data: the sign-flip test takes 5",
		5: "5 seeds cannot support the first of 2 claims that compare, whatever the data: at Holm's smallest level the sign-flip test takes 6",
		6: "6 seeds cannot bring a p value of the table to 0.05, whatever the data: the smallest of the sign-flip test is 0.15625, after Holm over 5 comparisons",
		8: "",
	} {
		study, runs := fixture([]int{1, 2, 3, 4, 5, 6, 7, 8}[:seeds]...)
		study.Test = ablations.SignFlip
		if got := strings.Join(newReport(study, runs).Warnings, "\n"); !strings.HasSuffix(got, want) || want == "" && got != "" {
			t.Errorf("sign-flip of %d seeds: %q", seeds, got)
		}
	}
	for _, c := range []struct {
		name   string
		change func(runs [][]run)
		want   string
	}{
		{"all open", func(runs [][]run) { setAll(runs, "") }, "no run has a result yet"},
		{"all failed", func(runs [][]run) { setAll(runs, results.Failed) }, "no run has a result: all 36 ended without one"},
		{"some failed", func(runs [][]run) { runs[1][0].outcome = results.TimedOut }, "1 of 36 runs ended without a result"},
		{"some open", func(runs [][]run) { runs[1][0].outcome, runs[2][0].outcome = "", results.Failed },
			"1 of 36 runs ended without a result, 1 have none yet: what is said here will change"},
		{"unequal", func(runs [][]run) { runs[1][0].outcome = results.Diverged }, "cells do not rest on equally many values of linear_top1: those that have any on 5 to 6, of 6 seeds"},
		{"a gain that may be nothing", func(runs [][]run) {
			for i, gain := range []float64{3, -2, 1, 0, 2, -1} {
				m := runs[0][i].metrics["linear_top1"]
				m.final = m.untrained + gain
				runs[0][i].metrics["linear_top1"] = m
			}
		}, "the baseline bn is not shown to have learned anything: trained minus untrained is 0.5 [−1.5, 2.5] in linear_top1"},
	} {
		study, runs := fixture(1, 2, 3, 4, 5, 6)
		c.change(runs)
		r := newReport(study, runs)
		if all := strings.Join(r.Warnings, "\n"); !strings.Contains(all, c.want) {
			t.Errorf("%s: %q", c.name, all)
		}
	}
}

// That few runs can show nothing is said where it is so, and nowhere else.
func TestFewRunsForFisher(t *testing.T) {
	for seeds, few := range map[int]bool{2: true, 5: false} {
		r := report([]int{1, 2, 3, 4, 5}[:seeds]...)
		table, _ := r.differencesTable()
		if got := strings.Contains(strings.Join(table.Notes, "\n"), "no counts of so few runs could reach 0.05"); got != few {
			t.Errorf("%d seeds: said %v: %q", seeds, got, table.Notes)
		}
	}
}

func setAll(runs [][]run, o results.Outcome) {
	for i := range runs {
		for j := range runs[i] {
			runs[i][j].outcome = o
		}
	}
}

// The study's test decides, and no other.
func TestTheTestIsTheStudys(t *testing.T) {
	verdict := func(test ablations.Test, seeds ...int) Part {
		study, runs := fixture(seeds...)
		study.Test = test
		return newReport(study, runs).Claims[1].Parts[1] // bn is above bn@untrained by 3
	}
	if p := verdict("", 1, 2, 3); p.Verdict != Supported {
		t.Errorf("t: %+v", p)
	}
	if p := verdict(ablations.SignFlip, 1, 2, 3); p.Verdict != Inconclusive || p.P != 0.125 {
		t.Errorf("sign-flip of 3 seeds: %+v", p)
	}
	if p := verdict(ablations.SignFlip, 1, 2, 3, 4, 5, 6); p.Verdict != Supported || p.P != 1./64 || !p.Low.known() {
		t.Errorf("sign-flip of 6 seeds: %+v", p)
	}
	if p := verdict(ablations.Welch, 1, 2, 3); p.Verdict != Supported || strings.Contains(p.Says, "not paired") {
		t.Errorf("Welch: %+v", p)
	}
}

func TestAdvice(t *testing.T) {
	advice := func(change func(*ablations.Study, [][]run), seeds ...int) string {
		study, runs := fixture(seeds...)
		for i := range runs {
			for j := range runs[i] {
				runs[i][j].seconds = 60
			}
		}
		change(study, runs)
		return newReport(study, runs).Claims[1].Advice // gn+ws is equivalent to bn, and bn above untrained
	}
	asIs := func(*ablations.Study, [][]run) {}
	margin := func(m float64) func(*ablations.Study, [][]run) {
		return func(s *ablations.Study, _ [][]run) { s.Claims[1].All[0].Margin = m }
	}
	for _, c := range []struct {
		name   string
		got    string
		prefix string
	}{
		{"contradicted", advice(margin(2), 1, 2, 3, 4), ""},
		{"a wider margin", advice(margin(4.9), 1, 2, 3, 4), "9 seeds in all, 5 more, would support it with a probability of 80 %, if the true difference and spread are what 4 seeds show, and they may be far off: 30 further runs, about 30 min with 1 worker;"},
		{"one seed", advice(asIs, 1), "no number of seeds can be named that would settle it: one seed has no spread"},
		{"diverged", advice(func(_ *ablations.Study, runs [][]run) { runs[4][0].outcome = results.Diverged }, 1, 2, 3), "no number of seeds can be named that would settle it: 1 of 3 runs of gn+ws diverged"},
	} {
		if !strings.HasPrefix(c.got, c.prefix) || c.prefix == "" && c.got != "" {
			t.Errorf("%s: %q", c.name, c.got)
		}
	}
}

// A claim is contradicted by one part, and supported by all at once.
func TestAdviceForSeveralParts(t *testing.T) {
	need := func(parts ...ablations.Part) int {
		r := twoCells([]float64{0, 2, 1, -1, 3}, make([]float64, 5), claim(parts...))
		c := r.Claims[0]
		if n := c.seedsAgainst(parts); n > 0 {
			return n
		}
		n, _ := c.seedsFor(parts)
		return n
	}
	one, two := need(greater(0)), need(greater(0), equivalent(2))
	if one < 6 || two <= one {
		t.Errorf("%d seeds for one part, %d for two", one, two)
	}
	against := need(greater(3), greater(0))
	if alone := need(greater(3)); against <= alone || against > alone+4 {
		t.Errorf("%d seeds against a claim of one part, %d against one of two", alone, against)
	}
	if n := need(greater(3), greater(2.2)); n != against {
		t.Errorf("%d seeds, but the part that takes fewest takes %d", n, against)
	}
}

// What further seeds take is told for as many workers as there were, and in
// nights where one is not enough.
func TestAdviceCountsWorkersAndNights(t *testing.T) {
	at := func(minutes int) time.Time { return time.Date(2026, 1, 1, 0, minutes, 0, 0, time.UTC) }
	attempt := func(from, to int) run {
		return run{attempts: []results.Attempt{{Started: at(from), Ended: at(to)}}}
	}
	unended := run{attempts: []results.Attempt{{Started: at(0)}}}
	for _, c := range []struct {
		name string
		runs []run
		want int
	}{
		{"none", nil, 1},
		{"one after the other", []run{attempt(0, 1), attempt(1, 2), unended}, 1},
		{"two and a third later", []run{attempt(0, 3), attempt(1, 2), attempt(2, 4)}, 2},
	} {
		if got := atOnce(c.runs); got != c.want {
			t.Errorf("%s: %d at once, want %d", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		workers int
		work    time.Duration
		want    string
	}{
		{1, 9 * time.Hour, "about 9 h with 1 worker"},
		{2, 50 * time.Hour, "about 25 h with 2 workers, which is 3 nights of 10 h"},
	} {
		if got := lastingWith(c.workers, c.work); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A run that stands for two seeds is one value, not two.
func TestDuplicateSeedsAreRefused(t *testing.T) {
	store, stored := storeOf(t, studyText, normally(t))
	stored.Slots[1].RunID = stored.Slots[0].RunID // cell bn
	_, err := Build(store, stored)
	if err == nil || !strings.Contains(err.Error(), "run bn-1 stands for seeds 1 and 2 of cell bn") {
		t.Errorf("got %v", err)
	}
}
