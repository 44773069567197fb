package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/reports/table"
	"ablate/results"
	"ablate/words"
)

// comparisonTable lays out the comparison, a row a cell. brackets says whether means
// carry their interval's ends as well as its half-width.
func (r *Report) comparisonTable(brackets bool) table.Table {
	t := table.Table{Name: "comparison", Title: "Comparison"}
	names := table.Column{Head: "cell", Left: true}
	for _, c := range r.Cells {
		names.Cells = append(names.Cells, c.Name)
	}
	t.Columns = append(t.Columns, names)
	if r.Metric != "" {
		t.Columns = append(t.Columns, r.meanColumn(&t, brackets))
		t.Columns = append(t.Columns, r.paperColumn(&t)...)
		if len(r.Cells) > 1 {
			t.Columns = append(t.Columns, r.differenceColumns(&t)...)
		}
		r.addMetric(&t, r.Metric+untrainedSuffix, "untrained")
	}
	others := []string{"knn_top1", "z_std"}
	if r.own != nil {
		others = r.own
	}
	for _, name := range others {
		if name != r.Metric {
			r.addMetric(&t, name, headOf(name))
		}
	}
	n := table.Column{Head: "n"}
	outcomes := table.Column{Head: "outcome", Left: true}
	for _, c := range r.Cells {
		n.Cells, n.Values = append(n.Cells, fmt.Sprint(c.N)), append(n.Values, float64(c.N))
		outcomes.Cells = append(outcomes.Cells, c.outcome()+r.marks(&t, c))
	}
	t.Columns = append(t.Columns, n, outcomes)
	r.generalNotes(&t)
	return t
}

// headOf is a metric's name over a column.
func headOf(metric string) string {
	if unit := unitOf(metric); unit != "" {
		return strings.TrimSuffix(metric, "_top1") + " " + unit
	}
	return metric
}

// meanColumn shows the main metric as "71.3 ± 3.1 [68.2, 74.4]", aligned at
// every part.
func (r *Report) meanColumn(t *table.Table, brackets bool) table.Column {
	head := r.Metric
	if unit := unitOf(r.Metric); unit != "" {
		head += " " + unit
	}
	var halfWidths []Number
	for _, c := range r.Cells {
		m := c.metric(r.Metric)
		halfWidths = append(halfWidths, (m.High-m.Low)/2)
	}
	decimals := decimalsWithin(unitOf(r.Metric), r.means(r.Metric), halfWidths)
	if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.metric(r.Metric).Low.known() }) {
		shape := "mean ± half-width"
		if brackets {
			shape += " [low, high]"
		}
		head += " " + t.Note(fmt.Sprintf("%s of the %s t interval over seeds", shape, percent(1-r.Alpha)))
	}
	rows := make([][]string, len(r.Cells))
	for i, c := range r.Cells {
		m := c.metric(r.Metric)
		rows[i] = []string{table.Nothing, "", "", "", "", ""}
		if m.Mean.known() {
			rows[i][0] = m.Mean.fixed(decimals)
		}
		switch {
		case m.Low.known():
			rows[i][1], rows[i][2] = " ± ", ((m.High - m.Low) / 2).fixed(decimals)
			if brackets {
				low, high, note := cut(m, unitOf(r.Metric))
				rows[i][3], rows[i][4] = " ["+low.fixed(decimals)+", ", high.fixed(decimals)+"]"
				if note != "" {
					rows[i][5] = " " + t.Note(note)
				}
			}
		case m.Refused != "":
			rows[i][5] = " " + t.Note(c.Name+": "+m.Refused)
		case m.known() > 1:
			rows[i][5] = " " + t.Note("all seeds gave the same value: no interval")
		}
	}
	return table.Column{Head: head, Cells: join(rows), Values: floats(r.means(r.Metric))}
}

// paperColumn quotes what the paper found for cells; it is empty if the study
// quotes nothing.
func (r *Report) paperColumn(t *table.Table) []table.Column {
	if r.Paper == nil {
		return nil
	}
	what := "what the paper found"
	if r.Paper.Unit != "" {
		what += ", " + r.Paper.Unit
	}
	if r.Paper.Where != "" {
		what += " (" + r.Paper.Where + ")"
	}
	c := table.Column{Head: "paper " + t.Note(words.Printable(what+": quoted, not measured here, and in no test"))}
	for _, cell := range r.Cells {
		text := table.Nothing
		if cell.Paper.known() {
			text = cell.Paper.shortest()
		}
		c.Cells, c.Values = append(c.Cells, text), append(c.Values, float64(cell.Paper))
	}
	return []table.Column{c}
}

// cut returns the interval's ends, those of an accuracy cut at 0 and 100, and
// what is to be noted if that took something away.
func cut(m Metric, unit string) (low, high Number, note string) {
	if unit != "%" || m.Low >= 0 && m.High <= 100 {
		return m.Low, m.High, ""
	}
	note = "cut at 0 or 100 %, bounds that a t interval does not know"
	if m.High-m.Low > 100 {
		note = "cut at 0 or 100 %: with so few seeds the t interval says next to nothing"
	}
	return max(m.Low, 0), min(m.High, 100), note
}

// differenceColumns shows the difference to the baseline and its p value.
func (r *Report) differenceColumns(t *table.Table) []table.Column {
	welch, tested := false, 0
	for _, c := range r.Cells {
		if d := c.Difference; d != nil {
			if d.P.known() {
				tested++
			}
			welch = welch || d.Welch
		}
	}
	mark := ""
	if compared := len(r.compared()); tested > 0 {
		text := fmt.Sprintf("difference to the baseline %s, %s, and two-sided p of %s after Holm over %s",
			r.Cells[0].Name, r.intervalOfDifferences(welch), testNames[r.Test], words.Plural(compared, "comparison"))
		if compared > 1 {
			text += fmt.Sprintf("; the interval is not adjusted, so it can leave out 0 where p is above %s", Number(r.Alpha).shortest())
		}
		mark = " " + t.Note(text)
	}
	decimals := r.differenceDecimals()
	rows := make([][]string, len(r.Cells))
	estimate, p := table.Column{}, table.Column{Head: "p" + mark}
	for i, c := range r.Cells {
		rows[i] = make([]string, 4)
		estimate.Values, p.Values = append(estimate.Values, math.NaN()), append(p.Values, math.NaN())
		d := c.Difference
		if d == nil || !d.Estimate.known() {
			rows[i][0] = table.Nothing
			p.Cells = append(p.Cells, table.Nothing)
			continue
		}
		rows[i][0] = d.Estimate.fixed(decimals)
		if !d.Welch && d.N < len(r.Seeds) {
			rows[i][3] = " " + t.Note(fmt.Sprintf("over %d of %s: the others lack a value on one side", d.N, words.Plural(len(r.Seeds), "pair")))
		}
		estimate.Values[i], p.Values[i] = float64(d.Estimate), float64(d.P)
		switch {
		case d.Low.known():
			rows[i][1], rows[i][2] = " ["+d.Low.fixed(decimals)+", ", d.High.fixed(decimals)+"]"
		case d.N > 1:
			rows[i][3] += " " + t.Note(r.noInterval(d))
		}
		if d.P.known() {
			p.Cells = append(p.Cells, pValue(d.P))
		} else {
			p.Cells = append(p.Cells, table.Nothing)
		}
	}
	baseline := r.Cells[0].Name
	if table.Width(baseline) > 14 {
		baseline = "baseline"
	}
	estimate.Head, estimate.Cells = "vs "+baseline+mark, join(rows)
	columns := []table.Column{estimate}
	if tested > 0 {
		columns = append(columns, p)
	}
	return columns
}

// testNames are the study's tests in words.
var testNames = map[ablations.Test]string{
	ablations.T: "the t test", ablations.SignFlip: "the exact sign-flip test", ablations.Welch: "Welch's t test",
}

// intervalOfDifferences says how the differences' intervals were made. welch
// says that some are not paired.
func (r *Report) intervalOfDifferences(welch bool) string {
	paired := "paired by seed"
	switch {
	case r.Test == ablations.Welch:
		paired = "not paired (Welch)"
	case welch:
		paired += "; Welch where fewer than two seeds have both"
	}
	interval := " t interval"
	if r.Test == ablations.SignFlip {
		interval = " interval of the exact sign-flip test"
	}
	return paired + ": " + percent(1-r.Alpha) + interval
}

// noInterval says why a difference of several seeds has none.
func (r *Report) noInterval(d *Difference) string {
	if d.P.known() {
		return fmt.Sprintf("%s are too few for a %s interval by the sign-flip test", words.Plural(d.N, "pair"), percent(1-r.Alpha))
	}
	return "no spread over the seeds: neither interval nor p"
}

// addMetric adds a column of means, if any cell has one.
func (r *Report) addMetric(t *table.Table, name, head string) {
	means := r.means(name)
	decimals := decimalsOf(name, means)
	c := table.Column{Head: head, Values: floats(means)}
	known := false
	for _, m := range means {
		if m.known() {
			known = true
			c.Cells = append(c.Cells, m.fixed(decimals))
		} else {
			c.Cells = append(c.Cells, table.Nothing)
		}
	}
	if known {
		t.Columns = append(t.Columns, c)
	}
}

// decimalsOf chooses how many decimals a metric's means are shown with.
func decimalsOf(metric string, means []Number) int {
	decimals := decimalsFor(unitOf(metric), means...)
	if strings.HasSuffix(strings.TrimSuffix(metric, untrainedSuffix), "_std") {
		return max(decimals, 3) // collapse shows in the third
	}
	return decimals
}

// metric returns a metric of the cell, of which nothing is known if it is not
// there.
func (c Cell) metric(name string) Metric {
	if m, ok := c.Metrics[name]; ok {
		return m
	}
	return Metric{Mean: unknown, Low: unknown, High: unknown}
}

func (r *Report) means(metric string) []Number {
	var means []Number
	for _, c := range r.Cells {
		means = append(means, c.metric(metric).Mean)
	}
	return means
}

const completed = "completed"

// outcome says how the cell's runs ended, as counts of those with a result.
func (c Cell) outcome() string {
	var parts []string
	add := func(what string, k, of int) {
		if k > 0 {
			parts = append(parts, fmt.Sprintf("%s %d of %d", what, k, of))
		}
	}
	add("collapsed", c.Collapsed, c.N)
	add("never separated", c.NeverSeparated, c.N)
	add("diverged", c.Diverged, c.N)
	add("failed", c.Failed, len(c.Seeds))
	add("pending", c.Pending, len(c.Seeds))
	if len(parts) == 0 {
		return completed
	}
	return strings.Join(parts, ", ")
}

// marks notes what a reader must know about one cell.
func (r *Report) marks(t *table.Table, c Cell) string {
	var marks []string
	if c.DimensionalCollapse {
		marks = append(marks, t.Note(r.lowRankNote()))
	}
	if m := c.metric(r.Metric); r.Metric != "" && c.N > 0 && m.known() < c.N {
		marks = append(marks, t.Note(fmt.Sprintf("%s: no final %s in %d of %d results; %s",
			c.Name, r.Metric, c.N-m.known(), c.N, whatIsLeft(m.known()))))
	}
	if c.Stopped > 0 {
		marks = append(marks, t.Note(c.stoppedNote()))
	}
	// Without any value there is no mean either, and the table shows that.
	if k := c.metric(r.Metric + untrainedSuffix).known(); 0 < k && k < c.N {
		marks = append(marks, t.Note(fmt.Sprintf("%s: no untrained %s in %d of %d results; its mean is over %s",
			c.Name, r.Metric, c.N-k, c.N, words.Plural(k, "value"))))
	}
	for _, note := range c.reasons() {
		marks = append(marks, t.Note(note))
	}
	if c.SameAs != "" {
		marks = append(marks, t.Note(fmt.Sprintf("%s has the settings of %s: the same runs", c.Name, c.SameAs)))
	}
	if len(marks) == 0 {
		return ""
	}
	return " " + strings.Join(marks, " ")
}

// reasons says why runs have no value, those with the same reason at once.
func (c Cell) reasons() (notes []string) {
	seeds := map[string][]int{}
	var order []string
	for _, run := range c.runs {
		noValue := !run.outcome.IsResult() || run.outcome == results.Diverged
		if run.reason == "" || run.outcome == "" || !noValue {
			continue
		}
		why := fmt.Sprintf("%s (%s)", strings.ReplaceAll(string(run.outcome), "_", " "), firstLine(run.reason))
		if seeds[why] == nil {
			order = append(order, why)
		}
		seeds[why] = append(seeds[why], run.seed)
	}
	for _, why := range order {
		seed := "seed"
		if len(seeds[why]) > 1 {
			seed = "seeds"
		}
		notes = append(notes, fmt.Sprintf("%s, %s %s: %s", c.Name, seed, numbers(seeds[why]), why))
	}
	return notes
}

// whatIsLeft says what a mean over n values is worth.
func whatIsLeft(n int) string {
	switch n {
	case 0:
		return "so there is no mean"
	case 1:
		return "the mean is the one value left, without an interval"
	}
	return fmt.Sprintf("mean and interval are over the other %d", n)
}

// stoppedNote says that the cell's figures are not all of the last step.
func (c Cell) stoppedNote() string {
	var first, last, steps int64
	for _, run := range c.runs {
		if run.stopped == 0 {
			continue
		}
		if first == 0 || run.stopped < first {
			first = run.stopped
		}
		last, steps = max(last, run.stopped), run.steps
	}
	when := fmt.Sprintf("at step %d", first)
	if first < last {
		when = fmt.Sprintf("at steps %d to %d", first, last)
	}
	return fmt.Sprintf("%s: %d of %d results stopped early, having collapsed: their figures are those %s of %d, not at the end",
		c.Name, c.Stopped, c.N, when, steps)
}

// lowRankNote names the cells with dimensional collapse.
func (r *Report) lowRankNote() string {
	var ranks []string
	for _, c := range r.Cells {
		if c.DimensionalCollapse {
			ranks = append(ranks, fmt.Sprintf("%s %s", c.Name, c.metric("z_rankme").Mean.fixed(1)))
		}
	}
	return fmt.Sprintf("dimensional collapse: the projection's effective rank (%s) is under %s of %s's %s",
		strings.Join(ranks, ", "), percent(lowRank), r.Cells[0].Name, r.Cells[0].metric("z_rankme").Mean.fixed(1))
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// generalNotes explain the columns, or why there are none.
func (r *Report) generalNotes(t *table.Table) {
	add := func(note string) { t.General = append(t.General, note) }
	switch all := tallyOf(r.Cells); {
	case all.results > 0 && r.Metric == "":
		add("no run with a result has a value of a metric that cells could be compared by")
	case all.results > 0 && all.collapsed == all.results:
		add("all runs with a result collapsed or never separated")
	}
	switch {
	case len(t.Columns) <= 3:
	case r.own != nil:
		add("untrained: at step 0; all others: at the last step; means over seeds")
	default:
		add("untrained: the same networks at step 0; knn: nearest-neighbour accuracy; " +
			"z_std: spread of the projection, 0 = collapsed, near 1 = spread out; means over seeds")
	}
}

// list writes counts as "a (3), b (1)"; a single one without its count.
func list(counts []Count) string {
	if len(counts) == 1 {
		return counts[0].Value
	}
	var s []string
	for _, c := range counts {
		s = append(s, fmt.Sprintf("%s (%d)", c.Value, c.N))
	}
	return strings.Join(s, ", ")
}

// join pads the parts of all rows to common widths, to the right edge where
// they are numbers, and joins each row.
func join(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, part := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], table.Width(part))
		}
	}
	joined := make([]string, len(rows))
	for k, row := range rows {
		var s strings.Builder
		for i, part := range row {
			s.WriteString(strings.Repeat(" ", widths[i]-table.Width(part)))
			s.WriteString(part)
		}
		joined[k] = s.String()
	}
	return joined
}
