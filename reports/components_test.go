package reports

import (
	"slices"
	"strings"
	"testing"

	"ablate/reports/table"
	"ablate/results"
)

// table1 is a study in the shape of the paper's Table 1.
const table1 = `
name  = "table1"
seeds = 3
[base]
data = { name = "generated" }
[axes.encoder]
bn   = { norm.encoder = "bn" }
none = { norm.encoder = "none" }
[axes.predictor]
bn   = { norm.predictor = "bn" }
none = { norm.predictor = "none" }
[axes]
method = ["byol", "simclr"]
[cells]
no-stopgrad = { target.stop_gradient = false }
projector   = { norm.projector = "gn+ws" }
headless    = { predictor = false }
`

func TestComponents(t *testing.T) {
	r := parsed(t, table1, func(cell, seed int) run {
		r := completedRun(cell, seed)
		if cell == 6 { // nothing normalized but the projector, BYOL
			r.outcome = results.Collapsed
		}
		return r
	})
	grid, ok := r.componentsTable()
	if !ok {
		t.Fatal("there is no table")
	}
	var lines []string
	for line := range strings.Lines(grid.Text(200)) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"encoder projector predictor BYOL SimCLR BYOL, no predictor",
		"BN BN BN 21.0 ± 2.5 (3) 26.0 ± 2.5 (3) 71.0 ± 2.5 (3)",
		"BN BN – 31.0 ± 2.5 (3) (26.0 ± 2.5 (3)) (71.0 ± 2.5 (3))",
		"– BN BN 41.0 ± 2.5 (3) 46.0 ± 2.5 (3)",
		"– BN – 51.0 ± 2.5 (3) ¹ (46.0 ± 2.5 (3))",
		"BN GN+WS BN 66.0 ± 2.5 (3)",
		"¹ collapsed 3 of 3",
		"in parentheses: without a predictor, so the same runs as in the row of this encoder and projector above",
		"left out, since other cells stand in their places: no-stopgrad",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if at := slices.IndexFunc(r.Tables(), func(t table.Table) bool { return t.Name == "components" }); at != 1 {
		t.Errorf("the table is number %d", at)
	}
}

// What else cells differ in gives columns of its own.
func TestComponentsAndMore(t *testing.T) {
	const study = "name = \"s\"\nseeds = 2\n[base]\ndata.name = \"generated\"\n[axes.norm]\nbn = {}\nbare = { norm.projector = \"none\" }\n[axes]\noptimizer.lr = [0.1, 0.2]\n"
	r := parsed(t, study, completedRun)
	grid, _ := r.componentsTable()
	var heads []string
	for _, c := range grid.Columns {
		heads = append(heads, c.Head)
	}
	if want := []string{"encoder", "projector", "predictor", "BYOL, optimizer.lr=0.1", "BYOL, optimizer.lr=0.2"}; !slices.Equal(heads, want) {
		t.Errorf("columns %q, want %q", heads, want)
	}
}

// Where all components have one norm the comparison says it all.
func TestNoComponents(t *testing.T) {
	for name, r := range map[string]*Report{
		"one norm a cell": parsed(t, "name = \"n\"\nseeds = 1\n[base]\ndata.name = \"generated\"\n[axes]\nnorm = [\"bn\", \"none\"]\n[cells]\nheadless = { predictor = false }\n", completedRun),
		"no results":      parsed(t, table1, func(int, int) run { return run{} }),
	} {
		if _, ok := r.componentsTable(); ok {
			t.Errorf("%s: there is a table", name)
		}
	}
}
