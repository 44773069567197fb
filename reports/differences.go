package reports

import (
	"fmt"
	"math"
	"slices"

	"ablate/ablations"
	"ablate/reports/stats"
	"ablate/reports/table"
	"ablate/words"
)

// differencesTable compares every cell with the baseline by all tests, so that
// nobody has to wonder what another one had said. It is false where there is
// nothing to compare.
func (r *Report) differencesTable() (t table.Table, ok bool) {
	t = table.Table{Name: "differences", Title: "Against the baseline " + words.Printable(r.Cells[0].Name)}
	cells := r.Cells[1:]
	names := table.Column{Head: "cell", Left: true}
	for _, c := range cells {
		names.Cells = append(names.Cells, c.Name)
	}
	t.Columns = []table.Column{names}
	if slices.ContainsFunc(cells, func(c Cell) bool { return c.Difference != nil && c.Difference.tested() }) {
		t.Columns = append(t.Columns, r.testColumns(&t, cells)...)
	}
	if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Collapse.K > 0 }) {
		t.Columns = append(t.Columns, r.collapseColumns(&t, cells)...)
	}
	return t, len(t.Columns) > 1
}

// tested reports whether any test could be made.
func (d *Difference) tested() bool { return d.T.known() || d.SignFlip.known() || d.P.known() }

// testColumns are what the differences in the main metric say.
func (r *Report) testColumns(t *table.Table, cells []Cell) []table.Column {
	decimals := r.differenceDecimals()
	difference := r.differenceColumn(cells, "difference", func(d *Difference) Number { return d.Estimate }, func(v Number) string { return v.fixed(decimals) })
	if r.Test == ablations.Welch {
		return append([]table.Column{difference}, r.welchColumns(t, cells)...)
	}
	return append([]table.Column{difference}, r.pairColumns(t, cells)...)
}

// differenceColumn shows one figure of every cell's difference.
func (r *Report) differenceColumn(cells []Cell, head string, value func(*Difference) Number, text func(Number) string) table.Column {
	c := table.Column{Head: head, Group: r.Metric}
	for _, cell := range cells {
		v := unknown
		if cell.Difference != nil {
			v = value(cell.Difference)
		}
		shown := table.Nothing
		if v.known() {
			shown = text(v)
		}
		c.Cells, c.Values = append(c.Cells, shown), append(c.Values, float64(v))
	}
	return c
}

func (r *Report) pairColumns(t *table.Table, cells []Cell) []table.Column {
	columns := []table.Column{
		r.differenceColumn(cells, "pairs", func(d *Difference) Number { return Number(d.N) }, func(v Number) string { return v.fixed(0) }),
		r.differenceColumn(cells, "r "+t.Note("correlation of the two cells' values over the seeds, which is what pairing exploits; of three pairs or more"),
			func(d *Difference) Number { return d.Correlation }, func(v Number) string { return v.fixed(2) }),
		r.differenceColumn(cells, "p t "+t.Note("two-sided, before Holm: of the t test (paired, or Welch's where it is not), and of the exact sign-flip test"),
			func(d *Difference) Number { return d.T }, pValue),
		r.differenceColumn(cells, "p flip", func(d *Difference) Number { return d.SignFlip }, pValue),
		r.differenceColumn(cells, "p Holm "+t.Note("two-sided, of "+testNames[r.Test]+", the study's, after Holm over the cells"),
			func(d *Difference) Number { return d.P }, pValue),
	}
	for i, c := range cells {
		if d := c.Difference; d != nil && d.Welch {
			columns[0].Cells[i] += " " + t.Note("not paired (Welch): the smaller of the two samples")
		}
	}
	return columns
}

// welchColumns are those of a study that does not pair its seeds.
func (r *Report) welchColumns(t *table.Table, cells []Cell) []table.Column {
	return []table.Column{
		r.differenceColumn(cells, "n "+t.Note("of the smaller of the two samples"), func(d *Difference) Number { return Number(d.N) }, func(v Number) string { return v.fixed(0) }),
		r.differenceColumn(cells, "p Welch "+t.Note("two-sided, of Welch's t test, the study's, before and after Holm over the cells"),
			func(d *Difference) Number { return d.T }, pValue),
		r.differenceColumn(cells, "p Holm", func(d *Difference) Number { return d.P }, pValue),
	}
}

// differenceDecimals is how many decimals the differences are shown with.
func (r *Report) differenceDecimals() int {
	var estimates, halfWidths []Number
	for _, c := range r.Cells {
		if d := c.Difference; d != nil {
			estimates, halfWidths = append(estimates, d.Estimate), append(halfWidths, (d.High-d.Low)/2)
		}
	}
	return decimalsWithin(unitOf(r.Metric), estimates, halfWidths)
}

// collapseColumns are how many runs collapsed, and whether that is other than
// in the baseline.
func (r *Report) collapseColumns(t *table.Table, cells []Cell) []table.Column {
	shares := table.Column{Group: "collapsed", Head: "runs"}
	clopper := t.Note(fmt.Sprintf("Clopper and Pearson's %s interval of the share of runs that collapse or never separate; in the baseline it is %s",
		percent(1-r.Alpha), r.Cells[0].Collapse))
	fisher := t.Note("two-sided, of Fisher's exact test against the baseline, before and after Holm over the cells" + r.fewRuns())
	intervals := table.Column{Group: "collapsed", Head: "share % " + clopper}
	raw := table.Column{Group: "collapsed", Head: "p Fisher " + fisher}
	p := table.Column{Group: "collapsed", Head: "p Holm " + fisher}
	for _, cell := range cells {
		c := cell.Collapse
		share := math.NaN()
		if c.N > 0 {
			share = float64(c.K) / float64(c.N)
		}
		shares.Cells, shares.Values = append(shares.Cells, fmt.Sprintf("%d of %d", c.K, c.N)), append(shares.Values, share)
		interval, shown, before := table.Nothing, table.Nothing, table.Nothing
		if c.Low.known() {
			interval = c.interval()
		}
		if c.P.known() {
			before, shown = pValue(c.Fisher), pValue(c.P)
		}
		intervals.Cells = append(intervals.Cells, interval)
		raw.Cells, raw.Values = append(raw.Cells, before), append(raw.Values, float64(c.Fisher))
		p.Cells, p.Values = append(p.Cells, shown), append(p.Values, float64(c.P))
	}
	return []table.Column{shares, intervals, raw, p}
}

// fewRuns says that no counts of so few runs could reach alpha after Holm, if so.
func (r *Report) fewRuns() string {
	most, baseline := 0, r.Cells[0].Collapse.N
	for _, c := range r.Cells[1:] {
		most = max(most, c.Collapse.N)
	}
	if smallest := stats.Fisher(most, most, 0, baseline); float64(len(r.compared()))*smallest > r.Alpha {
		return "; no counts of so few runs could reach " + Number(r.Alpha).shortest()
	}
	return ""
}

// interval is that of the share, in percent.
func (c Collapse) interval() string {
	return fmt.Sprintf("%s to %s", (100 * c.Low).fixed(0), (100 * c.High).fixed(0))
}

// String is "2 of 2 (16 to 100 %)".
func (c Collapse) String() string {
	if !c.Low.known() {
		return fmt.Sprintf("%d of %d", c.K, c.N)
	}
	return fmt.Sprintf("%d of %d (%s %%)", c.K, c.N, c.interval())
}
