package reports

import (
	"strings"
	"testing"

	"ablate/reports/figure"
	"ablate/results"
	"ablate/results/journal"
)

const stoppedStudy = `
name  = "norms"
seeds = 2
[base]
data      = { name = "generated" }
stop_when = "collapsed"
[axes.norm]
bn   = { norm = "bn" }
none = { norm = "none" }
[[claims]]
id   = "a"
says = "a"
all  = [{ metric = "linear_top1", greater = ["bn", "none"], by = 1.0 }, { collapsed = ["none"] }]
[[claims]]
id   = "b"
says = "b"
all  = [{ metric = "linear_top1", greater = ["bn", "none@untrained"], by = 1.0 }]
`

// A run that was stopped early is nowhere compared with whole ones in silence:
// the table, its JSON, the claims and the curves all say so.
func TestStoppedEarlyIsTold(t *testing.T) {
	store, stored := storeOf(t, stoppedStudy, func(cell string, seed int, w *journal.Writer) results.Outcome {
		if cell == "bn" {
			journalOf(t, w, "k", 30, 50+float64(seed), 0.8)
			return results.Completed
		}
		if seed == 2 {
			journalOf(t, w, "k", 30, 10, 0.001)
			return results.Collapsed
		}
		for _, l := range []journal.Line{
			{Kind: journal.Start, Time: 1, Start: &journal.StartInfo{Steps: 20, Version: "v1", Kernels: "k", CPU: "cpu"}},
			{Kind: journal.Metrics, Step: 0, Metrics: map[string]journal.Value{"z_std": 0.3, "linear_top1": 30, "loss": 1}},
			{Kind: journal.Metrics, Step: 10, Metrics: map[string]journal.Value{"z_std": 0.002, "linear_top1": 12}},
		} {
			if err := w.Write(l); err != nil {
				t.Fatal(err)
			}
		}
		return results.Collapsed
	})
	r, err := Build(store, stored)
	if err != nil {
		t.Fatal(err)
	}
	bn, none := r.Cells[0], r.Cells[1]
	if bn.Stopped != 0 || none.Stopped != 1 || none.Collapsed != 2 || none.N != 2 {
		t.Errorf("stopped: %d of bn, %d of none", bn.Stopped, none.Stopped)
	}
	if v := none.Metrics["linear_top1"].Values; len(v) != 2 || v[0] != 12 || v[1] != 10 {
		t.Errorf("final values of none are %v", v)
	}
	const note = "none: 1 of 2 results stopped early, having collapsed: their figures are those at step 10 of 20, not at the end"
	if table := r.comparisonTable(true); !strings.Contains(strings.Join(table.Notes, "\n"), note) {
		t.Errorf("the table's notes are %q", table.Notes)
	}
	for i, want := range []string{"; 1 of 2 runs of none were stopped early", "2 of 2 runs collapsed or never separated (counted; share 16 to 100 %), 1 of them stopped early"} {
		if says := r.Claims[0].Parts[i].Says; !strings.HasSuffix(says, want) {
			t.Errorf("a part of the claim says %q, want %q at its end", says, want)
		}
	}
	if says := r.Claims[1].Parts[0].Says; strings.Contains(says, "stopped") {
		t.Errorf("about untrained networks: %q", says)
	}
	f, _, err := r.curvesFigure(curve{metric: "z_std", title: "z"})
	if err != nil {
		t.Fatal(err)
	}
	picture := f.picture.(*figure.Curves)
	if s := picture.Series[1]; len(s.Ends) != 1 || s.Ends[0].X != 10 || s.Remark != "1 of 2 stopped early" || !strings.Contains(picture.Note, "was stopped early") {
		t.Errorf("the curve's ends are %v, %q; %q", s.Ends, s.Remark, picture.Note)
	}
}
