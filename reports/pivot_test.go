package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/results"
)

// crossedStudy is a study of two axes with an extra.
const crossedStudy = `
name  = "crossed"
seeds = 3
[base]
data   = { name = "generated" }
epochs = 1
[axes.norm]
bn   = { norm = "bn" }
bare = { norm.projector = "none" }
[axes]
predictor = [true, false]
optimizer.lr = [0.1, 0.5]
[cells]
no-stopgrad = { target.stop_gradient = false }
`

// parsed reads a study and gives each of its runs an outcome and metrics.
func parsed(t *testing.T, text string, of func(cell, seed int) run) *Report {
	t.Helper()
	study, err := ablations.Parse("x.toml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	runs := make([][]run, len(study.Cells))
	for cell := range runs {
		from := cell
		if same := study.Cells[cell].SameAs; same >= 0 {
			from = same
		}
		for i, seed := range study.Seeds {
			r := of(from, i)
			r.id, r.seed = fmt.Sprintf("run-%d-%d", from, seed), seed
			runs[cell] = append(runs[cell], r)
		}
	}
	return newReport(study, runs)
}

// completedRun has a linear_top1 that tells its cell and its seed.
func completedRun(cell, seed int) run {
	return run{outcome: results.Completed, metrics: map[string]ends{
		"linear_top1": {untrained: 10 + float64(cell), final: 20 + 5*float64(cell) + float64(seed)},
		"z_std":       {untrained: 0.9, final: 0.5 + float64(seed)/100},
	}}
}

// pivotLines are the lines of a chosen table, with single blanks.
func pivotLines(t *testing.T, r *Report, c Choice) (lines []string) {
	t.Helper()
	p, err := r.Pivot(c)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(p.Table().Text(200)) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

func TestPivot(t *testing.T) {
	r := parsed(t, crossedStudy, completedRun)
	for name, c := range map[string]struct {
		choice Choice
		want   []string
	}{
		"rows and columns": {Choice{Rows: []string{"norm"}, Columns: []string{"predictor"}, Where: []string{"optimizer.lr=0.1"}}, []string{
			"───────── predictor ──────────", "norm true false", "bn 21.0 ± 2.5 (3) 31.0 ± 2.5 (3)", "bare 41.0 ± 2.5 (3) 51.0 ± 2.5 (3)",
			"left out, having no level of an axis that is used here: no-stopgrad",
		}},
		"default rows": {Choice{Columns: []string{"norm"}, Where: []string{"predictor=true"}}, []string{
			"predictor optimizer.lr bn bare", "true 0.1 21.0 ± 2.5 (3) 41.0 ± 2.5 (3)", "true 0.5 26.0 ± 2.5 (3) 46.0 ± 2.5 (3)",
		}},
		"seeds": {Choice{Rows: []string{"seed"}, Columns: []string{"cell"}, Where: []string{"cell=no-stopgrad", "seed=1,3"}}, []string{
			"seed no-stopgrad", "1 60.0", "3 62.0", "values of single runs",
		}},
		"metrics": {Choice{Metrics: []string{"z_std", "linear_top1_untrained"}, Where: []string{"cell=no-stopgrad"}}, []string{
			"cell z_std linear_top1_untrained %", "no-stopgrad 0.510 ± 0.025 (3) 18.0 (3) ¹", "¹ all seeds gave the same value: no interval",
		}},
		"metrics in columns": {Choice{Rows: []string{"predictor"}, Columns: []string{"norm"}, Metrics: []string{"z_std", "linear_top1"}, Where: []string{"optimizer.lr=0.5"}}, []string{
			"──────────── norm=bn ──────────── ─────────── norm=bare ───────────", "predictor z_std linear_top1 % z_std linear_top1 %",
			"true 0.510 ± 0.025 (3) 26.0 ± 2.5 (3) 0.510 ± 0.025 (3) 46.0 ± 2.5 (3)",
		}},
		"a key of the configuration": {Choice{Rows: []string{"norm.projector"}, Where: []string{"predictor=false", "optimizer.lr=0.5"}}, []string{
			"norm.projector linear_top1 %", "bn 36.0 ± 2.5 (3)", "none 56.0 ± 2.5 (3)",
		}},
		"a key that means nothing without a predictor": {Choice{Rows: []string{"norm.predictor"}, Where: []string{"norm.predictor=", "norm=bn", "optimizer.lr=0.5"}}, []string{
			"– 36.0 ± 2.5 (3)",
		}},
		"two axes in the columns": {Choice{Rows: []string{"norm"}, Columns: []string{"predictor", "optimizer.lr"}}, []string{
			"norm predictor=true, optimizer.lr=0.1 predictor=true, optimizer.lr=0.5 predictor=false, optimizer.lr=0.1 predictor=false, optimizer.lr=0.5",
		}},
	} {
		lines := pivotLines(t, r, c.choice)
		for _, want := range c.want {
			if !slices.Contains(lines, want) {
				t.Errorf("%s: no line %q in\n%s", name, want, strings.Join(lines, "\n"))
			}
		}
	}
}

// What cannot be shown says what can.
func TestPivotErrors(t *testing.T) {
	r := parsed(t, crossedStudy, completedRun)
	for _, c := range []struct {
		choice Choice
		want   string
	}{
		{Choice{Rows: []string{"nrom"}}, `the runs of crossed do not differ in "nrom"; did you mean norm?`},
		{Choice{Columns: []string{"xyz"}}, `do not differ in "xyz"; there is cell, seed, norm, predictor, optimizer.lr, norm.predictor, `},
		{Choice{Rows: []string{"batch"}}, "batch is 128 in all cells of crossed, so it tells no runs apart"},
		{Choice{Metrics: []string{"linear_topl"}}, `no run of crossed has a metric "linear_topl"; did you mean linear_top1?`},
		{Choice{Metrics: []string{"z_std", "z_std"}}, "z_std is named twice"},
		{Choice{Where: []string{"norm=ban"}}, `norm has no level "ban"; did you mean bn?`},
		{Choice{Where: []string{"norm=bn,bore"}}, `norm has no level "bore"; did you mean bare?`},
		{Choice{Where: []string{"seed=9"}}, `seed has no level "9"; there is 1, 2, 3`},
		{Choice{Where: []string{"cell=no-stop"}}, `cell has no level "no-stop"`},
		{Choice{Where: []string{"norm"}}, `"norm" is no choice of levels: it must be like norm=bn or norm=bn,ln`},
		{Choice{Where: []string{"norm=bn", "norm=bare"}}, "norm is chosen twice; name all its levels at once, as in norm=A,B"},
		{Choice{Rows: []string{"norm"}, Columns: []string{"norm"}}, "norm cannot be rows and columns at once"},
		{Choice{Rows: []string{"norm", "norm"}}, "norm is named twice"},
		{Choice{Rows: []string{"norm"}, Columns: []string{"predictor"}},
			"at norm=bn, predictor=true the mean would be over different configurations, which differ in optimizer.lr (0.1, 0.5). " +
				"Add optimizer.lr to --rows or --columns, or choose, as in --where optimizer.lr=0.1"},
		{Choice{Rows: []string{"norm"}},
			"which differ in predictor (true, false), optimizer.lr (0.1, 0.5). Add predictor and optimizer.lr to --rows or --columns"},
		{Choice{Rows: []string{"target.stop_gradient"}, Where: []string{"norm.projector=bn"}},
			"at target.stop_gradient=true the mean would be over different configurations"},
		{Choice{Where: []string{"cell=no-stopgrad", "norm.projector=none"}},
			`no run of crossed has cell=no-stopgrad and norm.projector=none; "ablate status crossed" lists them all`},
		{Choice{Rows: []string{"norm"}, Where: []string{"cell=no-stopgrad"}}, "no run of crossed has cell=no-stopgrad"},
	} {
		_, err := r.Pivot(c.choice)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.choice, err, c.want)
		}
	}
	empty := parsed(t, crossedStudy, func(int, int) run { return run{} })
	if _, err := empty.Pivot(Choice{Rows: []string{"norm"}}); err == nil || err.Error() != "no run of crossed has a value of any metric yet" {
		t.Errorf("without results: %v", err)
	}
}

// Cells with equal settings are one configuration, whose runs count once.
func TestPivotOfEqualCells(t *testing.T) {
	text := strings.Replace(crossedStudy, "no-stopgrad = { target.stop_gradient = false }", `again = { norm = "bn", optimizer.lr = 0.5 }`, 1)
	r := parsed(t, text, completedRun)
	const same = "norm=bn,predictor=true,optimizer.lr=0.5"
	if last := r.Cells[len(r.Cells)-1]; last.SameAs != same {
		t.Fatalf("%s is the same as %q", last.Name, last.SameAs)
	}
	lines := pivotLines(t, r, Choice{Rows: []string{"norm.projector"}, Where: []string{"cell=again," + same + ", norm=bare,predictor=true,optimizer.lr=0.5"}})
	for _, want := range []string{"bn 26.0 ± 2.5 (3)", "none 46.0 ± 2.5 (3)"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

// Nothing is dropped without a word: what became of runs is noted at their
// field.
func TestPivotNotes(t *testing.T) {
	nan := math.NaN()
	r := parsed(t, "name = \"n\"\nseeds = 3\n[base]\ndata.name = \"generated\"\n[axes]\nnorm = [\"bn\", \"ln\", \"none\", \"gn+ws\", \"init\"]\n", func(cell, seed int) run {
		r := completedRun(cell, seed)
		switch {
		case cell == 0 && seed == 1:
			r.outcome = results.Diverged
		case cell == 1 && seed == 1:
			r.metrics["linear_top1"] = ends{untrained: 11, final: nan}
		case cell == 2:
			r.outcome = results.Collapsed
		case cell == 3:
			r.outcome = []results.Outcome{results.Failed, results.TimedOut, ""}[seed]
		}
		return r
	})
	lines := pivotLines(t, r, Choice{Rows: []string{"norm"}, Metrics: []string{"linear_top1", "linear_top1_untrained"}})
	for _, want := range []string{
		"bn 21.0 ± 12.7 (2) ¹ 10.0 (3) ²", "ln 26.0 ± 12.7 (2) ³ 11.0 (3) ²", "none 31.0 ± 2.5 (3) ⁴ 12.0 (3) ²", "gn+ws – (0) ⁵ – (0) ⁵", "init 41.0 ± 2.5 (3) 14.0 (3) ²",
		"¹ diverged 1 of 3", "³ no value in 1 of 3 results", "⁴ collapsed 3 of 3", "⁵ failed 2 of 3, pending 1 of 3", "–: there are runs, but no value",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

// All formats of a chosen table say the same.
func TestPivotFormats(t *testing.T) {
	r := parsed(t, crossedStudy, completedRun)
	p, err := r.Pivot(Choice{Rows: []string{"norm"}, Columns: []string{"predictor"}, Where: []string{"optimizer.lr=0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[Format]string{}
	for _, f := range Formats {
		var s bytes.Buffer
		if err := p.Write(&s, f, 80); err != nil {
			t.Fatal(err)
		}
		texts[f] = s.String()
		golden(t, "pivot."+map[Format]string{Text: "txt", Markdown: "md", LaTeX: "tex", CSV: "csv", JSON: "json", HTML: "html"}[f], s.Bytes())
	}
	records, err := csv.NewReader(strings.NewReader(texts[CSV])).ReadAll()
	if err != nil || len(records) != 5 || !slices.Equal(records[0][:6], []string{"norm", "predictor", "metric", "n", "mean", "low"}) ||
		!slices.Equal(records[4][:5], []string{"bare", "false", "linear_top1", "3", "51"}) || records[4][8] != "50 51 52" {
		t.Errorf("CSV: %q, %v", records, err)
	}
	var object struct {
		Fields []struct {
			Row, Column map[string]string
			Cell        string
			Values      []float64
			Mean        float64
		}
	}
	if err := json.Unmarshal([]byte(texts[JSON]), &object); err != nil {
		t.Fatal(err)
	}
	if len(object.Fields) != 4 {
		t.Fatalf("%d fields", len(object.Fields))
	}
	if f := object.Fields[3]; f.Row["norm"] != "bare" || f.Column["predictor"] != "false" || f.Cell != "norm=bare,predictor=false,optimizer.lr=0.1" ||
		f.Mean != 51 || !slices.Equal(f.Values, []float64{50, 51, 52}) {
		t.Errorf("the last field is %+v", f)
	}
}
