package reports

import (
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ablate/ablations"
)

// csvColumn is a column of a report's CSV, which makes its value of a cell and
// one of its metrics.
type csvColumn struct {
	name, says string
	value      func(r *Report, c Cell, metric string) string
}

// csvColumns are the columns but for those of the axes, which stand behind the
// cell.
var csvColumns = []csvColumn{
	{"study", "name of the study", func(r *Report, _ Cell, _ string) string { return r.Name }},
	{"cell", "name of the cell", ofCell(func(c Cell) string { return c.Name })},
	{"metric", "name of the metric; NAME_untrained is NAME at step 0, all others are of the last step",
		func(_ *Report, _ Cell, metric string) string { return metric }},
	{"unit", "of the metric: % or nothing", func(_ *Report, _ Cell, metric string) string { return unitOf(metric) }},
	{"seeds", "runs that the study has of the cell", ofCell(func(c Cell) string { return strconv.Itoa(len(c.Seeds)) })},
	{"n", "runs with a result", ofCell(func(c Cell) string { return strconv.Itoa(c.N) })},
	{"values", "runs with a value, which the mean is over", ofMetric(func(m Metric) string { return strconv.Itoa(m.known()) })},
	{"mean", "over the values", ofMetric(func(m Metric) string { return m.Mean.full() })},
	{"low", "lower end of the mean's t interval; not cut at 0", ofMetric(func(m Metric) string { return m.Low.full() })},
	{"high", "upper end; not cut at 100", ofMetric(func(m Metric) string { return m.High.full() })},
	{"confidence", "of all intervals here", func(r *Report, _ Cell, _ string) string { return Number(1 - r.Alpha).full() }},
	{"refused", "why values that are there have no mean", ofMetric(func(m Metric) string { return m.Refused })},
	{"difference", "of the main metric to the baseline, which is the study's first cell",
		ofDifference(func(_ *Report, d *Difference) string { return d.Estimate.full() })},
	{"diff_low", "lower end of its interval", ofDifference(func(_ *Report, d *Difference) string { return d.Low.full() })},
	{"diff_high", "upper end", ofDifference(func(_ *Report, d *Difference) string { return d.High.full() })},
	{"pairs", "of seeds; of a Welch test, the smaller of the two samples",
		ofDifference(func(_ *Report, d *Difference) string { return strconv.Itoa(d.N) })},
	{"test", "that p is of: t (paired), sign-flip (paired, exact) or welch (not paired)",
		ofDifference(func(r *Report, d *Difference) string { return string(d.test(r)) })},
	{"p", "two-sided, of that test, after Holm over the cells", ofDifference(func(_ *Report, d *Difference) string { return d.P.full() })},
	{"p_t", "two-sided, of the t test (Welch's where it is not paired), before Holm", ofDifference(func(_ *Report, d *Difference) string { return d.T.full() })},
	{"p_sign_flip", "two-sided, of the exact sign-flip test, before Holm",
		ofDifference(func(_ *Report, d *Difference) string { return d.SignFlip.full() })},
	{"correlation", "of the two cells' values over the seeds",
		ofDifference(func(_ *Report, d *Difference) string { return d.Correlation.full() })},
	{"collapsed", "runs of the cell that collapsed or never separated, of n", ofCell(func(c Cell) string { return strconv.Itoa(c.Collapse.K) })},
	{"collapsed_low", "lower end of the interval of their share (Clopper and Pearson)", ofCell(func(c Cell) string { return c.Collapse.Low.full() })},
	{"collapsed_high", "upper end", ofCell(func(c Cell) string { return c.Collapse.High.full() })},
	{"collapsed_p", "two-sided, of Fisher's exact test against the baseline, after Holm over the cells",
		ofCell(func(c Cell) string { return c.Collapse.P.full() })},
	{"stopped_early", "runs that collapsed and were stopped: their values are of the step they stopped at",
		ofCell(func(c Cell) string { return strconv.Itoa(c.Stopped) })},
	{"diverged", "runs that diverged; they are among the n and have no value", ofCell(func(c Cell) string { return strconv.Itoa(c.Diverged) })},
	{"failed", "runs that ended without a result", ofCell(func(c Cell) string { return strconv.Itoa(c.Failed) })},
	{"pending", "runs that have not ended", ofCell(func(c Cell) string { return strconv.Itoa(c.Pending) })},
	{"same_as", "an earlier cell with the same settings, whose runs these are", ofCell(func(c Cell) string { return c.SameAs })},
	{"paper", "what the paper found for the cell, beside the metric that the study names",
		ofPaper(func(_ *Report, c Cell) string { return c.Paper.full() })},
	{"paper_unit", "its unit", ofPaper(func(r *Report, _ Cell) string { return r.Paper.Unit })},
	{"paper_where", "its source", ofPaper(func(r *Report, _ Cell) string { return r.Paper.Where })},
}

func ofCell(value func(Cell) string) func(*Report, Cell, string) string {
	return func(_ *Report, c Cell, _ string) string { return value(c) }
}

func ofMetric(value func(Metric) string) func(*Report, Cell, string) string {
	return func(_ *Report, c Cell, metric string) string { return value(c.metric(metric)) }
}

// test is the test that the difference's p is of.
func (d *Difference) test(r *Report) ablations.Test {
	if d.Welch {
		return ablations.Welch
	}
	return r.Test
}

// ofDifference is empty but for the main metric of the cells that are compared.
func ofDifference(value func(*Report, *Difference) string) func(*Report, Cell, string) string {
	return func(r *Report, c Cell, metric string) string {
		if metric != r.Metric || c.Difference == nil {
			return ""
		}
		return value(r, c.Difference)
	}
}

// ofPaper is empty but for the metric that the paper's values stand beside, in
// cells that have one.
func ofPaper(value func(*Report, Cell) string) func(*Report, Cell, string) string {
	return func(r *Report, c Cell, metric string) string {
		if r.Paper == nil || metric != r.Paper.Metric || !c.Paper.known() {
			return ""
		}
		return value(r, c)
	}
}

// CSV writes the report as one tidy table: a row for each cell and metric, with
// all digits, as RFC 4180 has it. What is not known is empty. A cell without
// any metric has one row, for its runs.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	head := make([]string, 0, len(csvColumns)+len(r.study.Axes))
	for _, c := range csvColumns {
		head = append(head, c.name)
	}
	const behindCell = 2
	out.Write(slices.Insert(head, behindCell, r.axisColumns()...)) // a csv.Writer keeps its first error
	for _, c := range r.Cells {
		levels := make([]string, len(r.study.Axes))
		for i, a := range r.study.Axes {
			levels[i] = c.Levels[a.Name]
		}
		metrics := slices.Sorted(maps.Keys(c.Metrics))
		if len(metrics) == 0 {
			metrics = []string{""}
		}
		for _, metric := range metrics {
			record := make([]string, 0, cap(head))
			for _, column := range csvColumns {
				record = append(record, column.value(r, c, metric))
			}
			out.Write(slices.Insert(record, behindCell, levels...))
		}
	}
	out.Flush()
	return out.Error()
}

// csv writes a chosen table as a tidy one, a record for each field: the levels
// of the dimensions, then these columns, as CSV has them of the whole report.
func (p *Pivot) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	head := slices.Concat(names(p.rows), names(p.columns))
	out.Write(append(head, "metric", "n", "mean", "low", "high", "confidence", "values", "collapsed", "diverged", "failed", "pending"))
	for _, f := range p.fields {
		c, m := f.cell, f.value
		var record []string
		for i, d := range slices.Concat(p.rows, p.columns) {
			record = append(record, d.levels[slices.Concat(f.row, f.column)[i]])
		}
		out.Write(append(record, f.metric, strconv.Itoa(m.known()), m.Mean.full(), m.Low.full(), m.High.full(), Number(1-p.report.Alpha).full(),
			strings.Join(fullAll(m.Values), " "), strconv.Itoa(c.Collapsed+c.NeverSeparated), strconv.Itoa(c.Diverged), strconv.Itoa(c.Failed), strconv.Itoa(c.Pending)))
	}
	out.Flush()
	return out.Error()
}

// fullAll writes the values that are known.
func fullAll(values []Number) (all []string) {
	for _, v := range values {
		if v.known() {
			all = append(all, v.full())
		}
	}
	return all
}

// axisColumns are the axes' names, those that another column has with "axis."
// before them.
func (r *Report) axisColumns() (names []string) {
	for _, a := range r.study.Axes {
		name := a.Name
		if slices.ContainsFunc(csvColumns, func(c csvColumn) bool { return c.name == name }) {
			name = "axis." + name
		}
		names = append(names, name)
	}
	return names
}

// full writes n with as many digits as identify it, "" if it is not known.
func (n Number) full() string {
	if !n.known() {
		return ""
	}
	return strconv.FormatFloat(float64(n), 'g', -1, 64)
}
