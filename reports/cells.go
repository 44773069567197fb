package reports

import (
	"math"
	"sort"
	"strings"

	"ablate/ablations"
	"ablate/reports/stats"
	"ablate/results"
)

const untrainedSuffix = "_untrained"

// newReport sums up runs, which are given by cell and, in the order of
// study.Seeds, by seed.
func newReport(study *ablations.Study, runs [][]run) *Report {
	r := judged(study, runs)
	r.advise(study)
	r.Provenance.Data = dataOf(study)
	r.addProvenance()
	r.warnOfRuns()
	r.warnOfMixtures()
	return r
}

// judged compares the cells and decides the claims.
func judged(study *ablations.Study, runs [][]run) *Report {
	r := &Report{
		Name: study.Name, Title: study.Title, Source: study.Source, Sets: study.Sets,
		Alpha: study.Alpha, Test: testOf(study), Seeds: study.Seeds, Paper: study.Paper,
		study: study, text: study.Text, looks: looks(study),
	}
	for i, c := range study.Cells {
		r.Cells = append(r.Cells, r.sumUp(study, c, runs[i]))
		if study.Paper != nil {
			if value, ok := study.Paper.Values[i]; ok {
				r.Cells[i].Paper = Number(value)
			}
		}
	}
	r.Metric = mainMetric(study, r.Cells)
	if study.Trainer != nil {
		r.own = append([]string{}, shownMetrics(study, r.Cells)...)
		r.Metric = ""
		if len(r.own) > 0 {
			r.Metric = r.own[0]
		}
	}
	for i := range r.Cells {
		r.Cells[i].Refused = r.Cells[i].metric(r.Metric).Refused
	}
	r.compareToBaseline()
	r.compareCollapse()
	r.flagLowRank()
	r.judge(study)
	return r
}

func (r *Report) sumUp(study *ablations.Study, c ablations.Cell, runs []run) Cell {
	cell := Cell{Name: c.Name, Seeds: study.Seeds, Metrics: map[string]Metric{}, Paper: unknown, runs: runs}
	if c.Levels != nil {
		cell.Levels = map[string]string{}
		for i, level := range c.Levels {
			cell.Levels[study.Axes[i].Name] = level
		}
	}
	if c.SameAs >= 0 {
		cell.SameAs = study.Cells[c.SameAs].Name
	}
	for _, run := range runs {
		cell.count(run.outcome)
		if run.stopped > 0 {
			cell.Stopped++
		}
	}
	for _, name := range metricNames(runs) {
		for _, untrained := range []bool{false, true} {
			m := r.metric(runs, name, untrained)
			switch {
			case !untrained:
				cell.Metrics[name] = m
			case m.known() > 0:
				cell.Metrics[name+untrainedSuffix] = m
			}
		}
	}
	return cell
}

func (c *Cell) count(o results.Outcome) {
	if o.IsResult() {
		c.N++
	}
	switch o {
	case results.Completed:
	case results.Collapsed:
		c.Collapsed++
	case results.NeverSeparated:
		c.NeverSeparated++
	case results.Diverged:
		c.Diverged++
	case "":
		c.Pending++
	default:
		c.Failed++
	}
}

// metric sums up one metric over the seeds.
func (r *Report) metric(runs []run, name string, untrained bool) Metric {
	values := valuesOf(runs, name, untrained)
	e := stats.Mean(values)
	m := Metric{Mean: unknown}
	if e.N > 0 {
		m.Mean = Number(e.Mean)
	}
	low, high := e.Interval(1 - r.Alpha)
	m.Low, m.High = Number(low), Number(high)
	for _, v := range values {
		m.Values = append(m.Values, Number(v))
	}
	if m.Refused = refusal(runs, name); m.Refused != "" && !untrained {
		m.Mean, m.Low, m.High = unknown, Number(math.Inf(-1)), Number(math.Inf(1))
	}
	return m
}

// valuesOf returns a metric by seed, NaN where it is missing or of no use.
func valuesOf(runs []run, name string, untrained bool) []float64 {
	values := make([]float64, len(runs))
	for i, run := range runs {
		values[i] = run.value(name, untrained)
		if !stats.Usable(values[i]) {
			values[i] = math.NaN()
		}
	}
	return values
}

// metricNames lists what the runs with a result report, sorted.
func metricNames(runs []run) []string {
	seen := map[string]bool{}
	for _, run := range runs {
		if run.outcome.IsResult() {
			for name := range run.metrics {
				seen[name] = true
			}
		}
	}
	var names []string
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// mainMetric chooses what cells are compared by: linear evaluation, else what
// the first claim with a comparison asks about, else kNN.
func mainMetric(study *ablations.Study, cells []Cell) string {
	candidates := []string{"linear_top1"}
	for _, claim := range study.Claims {
		for _, part := range claim.All {
			if part.Metric != "" {
				candidates = append(candidates, part.Metric)
			}
		}
	}
	for _, name := range append(candidates, "knn_top1", "loss") {
		for _, c := range cells {
			if c.Metrics[name].known() > 0 {
				return name
			}
		}
	}
	return ""
}

// compared lists the cells that are compared with the baseline: those with runs
// of their own. It does not depend on what they found, so neither does Holm's
// correction over them: a comparison that could not be made counts with p = 1.
func (r *Report) compared() (cells []int) {
	for i := range r.Cells {
		if i > 0 && r.first(i) == i {
			cells = append(cells, i)
		}
	}
	return cells
}

// compareToBaseline fills in every cell's difference, with Holm's correction
// over the table.
func (r *Report) compareToBaseline() {
	if r.Metric == "" {
		return
	}
	var p []float64
	for _, i := range r.compared() {
		r.Cells[i].Difference = r.differenceTo(i)
		p = append(p, float64(r.Cells[i].Difference.P))
	}
	adjusted, _ := stats.Holm(p, r.Alpha)
	for k, i := range r.compared() {
		if d := r.Cells[i].Difference; d.P.known() {
			d.P = Number(adjusted[k])
		}
	}
	for i := range r.Cells {
		r.Cells[i].Difference = r.Cells[r.first(i)].Difference
	}
}

// differenceTo is that of one cell to the baseline, before Holm.
func (r *Report) differenceTo(cell int) *Difference {
	d := &Difference{Estimate: unknown, Low: Number(math.Inf(-1)), High: Number(math.Inf(1)), P: unknown, T: unknown, SignFlip: unknown, Correlation: unknown}
	if r.refused([]int{cell, 0}, r.Metric) != "" {
		return d
	}
	first, second := valuesOf(r.Cells[cell].runs, r.Metric, false), valuesOf(r.Cells[0].runs, r.Metric, false)
	c := stats.Compare(stats.Method(r.Test), first, second)
	d.N, d.Welch = c.N, c.Method == stats.ByWelch
	if c.N > 0 {
		d.Estimate = Number(c.Mean)
	}
	low, high := c.Interval(1 - r.Alpha)
	d.Low, d.High = Number(low), Number(high)
	if c.HasSpread() {
		d.P = Number(c.PDiffers())
	}
	if d.Welch {
		d.T = d.P // before Holm, which is to come
		return d
	}
	if t := stats.Paired(first, second); t.HasSpread() {
		d.T = Number(t.PDiffers())
	}
	if flips := stats.Flips(first, second); flips.HasSpread() {
		d.SignFlip = Number(flips.PDiffers())
	}
	if correlation, known := stats.Correlation(first, second); known {
		d.Correlation = Number(correlation)
	}
	return d
}

// compareCollapse counts the collapsed runs of every cell and compares them with
// the baseline's, with Holm's correction over the table.
func (r *Report) compareCollapse() {
	for i := range r.Cells {
		r.Cells[i].Collapse = r.countCollapse(r.Cells[i])
	}
	var p []float64
	baseline := r.Cells[0].Collapse
	for _, i := range r.compared() {
		c := &r.Cells[i].Collapse
		p = append(p, stats.Fisher(c.K, c.N, baseline.K, baseline.N))
		if c.N > 0 && baseline.N > 0 {
			c.Fisher = Number(p[len(p)-1])
		}
	}
	adjusted, _ := stats.Holm(p, r.Alpha)
	for k, i := range r.compared() {
		if c := &r.Cells[i].Collapse; c.Fisher.known() {
			c.P = Number(adjusted[k])
		}
	}
	for i := range r.Cells {
		c, first := &r.Cells[i].Collapse, r.Cells[r.first(i)].Collapse
		c.Fisher, c.P = first.Fisher, first.P
	}
}

// countCollapse counts the runs of a cell that collapsed, compared with nothing.
func (r *Report) countCollapse(cell Cell) Collapse {
	c := Collapse{K: cell.Collapsed + cell.NeverSeparated, N: cell.N, Low: unknown, High: unknown, Fisher: unknown, P: unknown}
	if c.N > 0 {
		low, high := stats.ShareInterval(c.K, c.N, 1-r.Alpha)
		c.Low, c.High = Number(low), Number(high)
	}
	return c
}

// lowRank is the share of the baseline's effective rank under which a cell
// counts as collapsed in dimension.
const lowRank = 0.1

func (r *Report) flagLowRank() {
	if len(r.Cells) == 0 {
		return
	}
	baseline, ok := r.Cells[0].Metrics["z_rankme"]
	if !ok || !baseline.Mean.known() {
		return
	}
	for i := range r.Cells {
		rank, ok := r.Cells[i].Metrics["z_rankme"]
		r.Cells[i].DimensionalCollapse = ok && rank.Mean.known() && rank.Mean < lowRank*baseline.Mean
	}
}

// dataOf lists the data that the cells are configured with.
func dataOf(study *ablations.Study) []Count {
	var values []string
	for _, c := range study.Cells {
		data := c.Data()
		name := data.Name
		if name == "" || c.SameAs >= 0 {
			continue
		}
		if data.Train > 0 {
			name += ", " + grouped(int64(data.Train)) + " training images"
		}
		for range study.Seeds {
			values = append(values, name)
		}
	}
	return countUp(values)
}

// countUp counts equal values, the most frequent first. Empty ones are left
// out.
func countUp(values []string) []Count {
	n := map[string]int{}
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			n[v]++
		}
	}
	var counts []Count
	for v, k := range n {
		counts = append(counts, Count{v, k})
	}
	sort.Slice(counts, func(i, j int) bool {
		if counts[i].N != counts[j].N {
			return counts[i].N > counts[j].N
		}
		return counts[i].Value < counts[j].Value
	})
	return counts
}
