package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"ablate/ablations"
	"ablate/results"
)

// arm is how a cell's runs end in a fixture.
type arm struct {
	name               string
	outcome            results.Outcome
	top1, knn          float64
	zStart, zEnd, rank float64

	batch map[string]float64 // what depends on the batch, by component
}

// The dependences under batch norm and without it.
var (
	batchNorm = map[string]float64{"encoder": 0.00321, "projector": 0.27, "predictor": 0.31}
	noNorm    = map[string]float64{"encoder": 0, "projector": 0, "predictor": 0}
)

var arms = []arm{
	{"bn", results.Completed, 71.3, 66.0, 0.31, 0.81, 28, batchNorm},
	{"ln", results.Completed, 64.9, 60.2, 0.21, 0.62, 2.1, noNorm},
	{"none", results.NeverSeparated, 61.2, 55.9, 0.08, 0.004, 1.4, noNorm},
	{"init", results.Completed, 66.0, 61.5, 0.71, 0.22, 15, noNorm},
	{"gn+ws", results.Completed, 67.1, 60.4, 0.59, 0.55, 20, noNorm},
	{"no-predictor", results.Collapsed, 62.8, 57.0, 0.31, 0.02, 9, map[string]float64{"encoder": 0.00002, "projector": 0.27}},
}

// fixture is a study of six cells like the shipped "quick", and its runs.
func fixture(seeds ...int) (*ablations.Study, [][]run) {
	study := &ablations.Study{
		Name: "quick", Title: "Which normalization keeps BYOL from collapsing?", Source: "Richemond et al. 2020, Tables 1 and 2",
		Text: []byte("name = \"quick\"\n"), Sets: []string{"data.train=2000"}, Alpha: 0.05, Seeds: seeds,
		Axes: []ablations.Axis{{Name: "norm"}},
	}
	var runs [][]run
	for i, a := range arms {
		cell := ablations.NewCell(a.name, map[string]any{"data.name": "fashion-mnist", "data.train": int64(2000)})
		if a.name != "no-predictor" {
			cell.Levels = []string{a.name}
		}
		study.Cells = append(study.Cells, cell)
		var row []run
		for _, seed := range seeds {
			row = append(row, a.run(i, seed))
		}
		runs = append(runs, row)
	}
	study.Claims = fixtureClaims()
	return study, runs
}

func (a arm) run(cell, seed int) run {
	rng := rand.New(rand.NewPCG(uint64(seed), 0)) // the seed's luck, shared by the cells
	own := rand.New(rand.NewPCG(uint64(seed), uint64(cell+1)))
	wobble := func(scale float64) float64 { return scale * (rng.NormFloat64() + 0.5*own.NormFloat64()) }
	round := func(v float64) float64 { return math.Round(v*100) / 100 }
	r := run{
		id: fmt.Sprintf("%s-%d", a.name, seed), seed: seed, outcome: a.outcome,
		metrics: map[string]ends{
			"linear_top1": {round(60 + wobble(0.4)), round(a.top1 + wobble(0.8)), 390},
			"knn_top1":    {round(54 + wobble(0.4)), round(a.knn + wobble(0.8)), 390},
			"z_std":       {a.zStart, a.zEnd, 390},
			"y_std":       {a.zStart, a.zStart, 390},
			"z_rankme":    {12, a.rank, 390},
			"loss":        {math.NaN(), 2 * a.zEnd, 390},
		},
	}
	for component, d := range a.batch {
		r.metrics[component+"_batch_dependence"] = ends{untrained: d, final: d / float64(seed)}
	}
	return r
}

func fixtureClaims() []ablations.Claim {
	at := func(name string) ablations.Selector {
		base := name
		untrained := false
		if n := len(name) - len("@untrained"); n > 0 && name[n:] == "@untrained" {
			base, untrained = name[:n], true
		}
		for i, a := range arms {
			if a.name == base {
				return ablations.Selector{Text: name, Cell: i, Untrained: untrained}
			}
		}
		panic(name)
	}
	cells := func(names ...string) (s []ablations.Selector) {
		for _, n := range names {
			s = append(s, at(n))
		}
		return s
	}
	return []ablations.Claim{
		{
			ID: "refutes-H1", Says: "BYOL needs no batch statistics to avoid collapse once its initialization is repaired",
			Paper: &ablations.Paper{Value: 65.7, Against: 0.1, Unit: "top-1 %", Where: "Table 2"},
			All: []ablations.Part{
				{Kind: ablations.Collapsed, Cells: cells("none")},
				{Kind: ablations.NotCollapsed, Cells: cells("init")},
				{Kind: ablations.Greater, Metric: "linear_top1", Cells: cells("init", "init@untrained"), By: 2},
			},
		},
		{
			ID: "refutes-H2", Says: "Without batch statistics, GN+WS matches BN",
			Paper: &ablations.Paper{Value: 73.9, Against: 74.3, Unit: "top-1 %", Where: "Table 2"},
			All: []ablations.Part{
				{Kind: ablations.Equivalent, Metric: "linear_top1", Cells: cells("gn+ws", "bn"), Margin: 3},
				{Kind: ablations.Greater, Metric: "linear_top1", Cells: cells("bn", "bn@untrained"), By: 3},
			},
		},
		{
			ID: "controls", Says: "Collapse is seen where it is known, and not under BN",
			All: []ablations.Part{
				{Kind: ablations.Collapsed, Cells: cells("no-predictor")},
				{Kind: ablations.NotCollapsed, Cells: cells("bn")},
			},
		},
	}
}

// report builds the fixture's report, with provenance and curves.
func report(seeds ...int) *Report {
	study, runs := fixture(seeds...)
	return reportOf(study, runs)
}

func reportOf(study *ablations.Study, runs [][]run) *Report {
	r := newReport(study, runs)
	r.shipped = true
	n := len(study.Cells) * len(study.Seeds)
	r.Provenance.Datasets = []Count{{"sha256:6e3f0c", n}}
	r.Provenance.Trainers = []Count{{"1", n}}
	r.Provenance.Versions = []Count{{"v0.1.0", n}}
	r.Provenance.Kernels = []Count{{"onednn 2.6.3", n}}
	r.Provenance.CPUs = []Count{{"Xeon AVX-512", n}}
	r.curves = curvesOf(runs)
	return r
}

// curvesOf draws every metric of a run from its first value to its last.
func curvesOf(runs [][]run) func(string, []string, int) (results.Curves, error) {
	return func(metric string, ids []string, _ int) (results.Curves, error) {
		c := results.Curves{Each: 1, Runs: map[string]results.Curve{}}
		if metric == "loss" {
			c.Each = 4
		}
		for i, row := range runs {
			for _, run := range row {
				if slices.Contains(ids, run.id) {
					c.Runs[run.id] = run.curve(i, metric, c.Each)
				}
			}
		}
		return c, nil
	}
}

func (r run) curve(cell int, metric string, each int64) (c results.Curve) {
	rng := rand.New(rand.NewPCG(uint64(r.seed), uint64(10+cell)))
	e := r.metrics[metric]
	const steps = 390
	every := int64(steps / 10)
	if metric == "loss" {
		every, e.untrained = each, 2.1
	}
	for step := int64(0); step <= steps; step += every {
		t := min(1, 2.5*float64(step)/steps)
		v := e.untrained * math.Pow(e.final/e.untrained, t)
		if step > 0 && step < steps {
			v *= math.Exp(0.05 * rng.NormFloat64())
		}
		c.Bins = append(c.Bins, results.Bin{Number: step / each, First: step, Last: step, Mean: v})
		c.Last = results.Point{Step: step, Value: v}
		if r.outcome == results.Diverged && step > steps/2 {
			break
		}
	}
	return c
}
