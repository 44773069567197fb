package reports

import (
	"slices"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/results"
)

// A run that serves two cells is one run, in the totals and in the claims.
func TestASharedRunCountsOnce(t *testing.T) {
	study, runs := fixture(1)
	const bn, dup = 0, 5
	study.Cells[dup].Name, study.Cells[dup].SameAs = "dup", bn
	runs[dup] = runs[bn]
	both := []ablations.Selector{{Text: "bn", Cell: bn}, {Text: "dup", Cell: dup}}
	study.Claims = []ablations.Claim{{ID: "c", All: []ablations.Part{
		{Kind: ablations.NotCollapsed, Cells: both},
		{Kind: ablations.Greater, Metric: "linear_top1", Cells: both},
	}}}

	r := reportOf(study, runs)
	if done, all := r.total(); done != 5 || all != 5 {
		t.Errorf("%d of %d runs, want 5 of 5", done, all)
	}
	if data := r.Provenance.Data; len(data) != 1 || data[0].N != 5 {
		t.Errorf("data of the runs: %v, want of 5", data)
	}
	claim := r.Claims[0]
	if p := claim.Parts[0]; p.N != 1 || !strings.Contains(p.Says, "0 of 1 runs collapsed") {
		t.Errorf("n = %d: %s", p.N, p.Says)
	}
	if want := "batch statistics in bn, dup (encoder, projector, predictor; n = 1)"; claim.Statistics != want {
		t.Errorf("%q, want %q", claim.Statistics, want)
	}

	runs[bn][0].outcome = results.Failed
	r = reportOf(study, runs)
	if p := r.Claims[0].Parts[1]; !strings.Contains(p.Says, "1 of 1 runs without a result (1 failed)") {
		t.Errorf("of a failed run: %s", p.Says)
	}
	if got := lines(t, r); !slices.Contains(got, "! 1 of 5 runs ended without a result") {
		t.Errorf("the total of a failed run is wrong in\n%s", strings.Join(got, "\n"))
	}
}
