package reports

import (
	"fmt"
	"slices"
	"strings"

	"ablate/reports/stats"
	"ablate/results"
	"ablate/words"
)

// table is the comparison as text: a row a cell, footnotes and all, for the
// terminal and for Markdown.
type table struct {
	columns []column
	notes   []string // footnotes by number, each with its mark in the table
	general []string // notes on the whole, without a mark
}

type column struct {
	head  string
	left  bool // aligned left
	cells []string
}

// note adds a footnote, unless it is there already, and returns its mark.
func (t *table) note(text string) string {
	for i, n := range t.notes {
		if n == text {
			return superscript(i + 1)
		}
	}
	t.notes = append(t.notes, text)
	return superscript(len(t.notes))
}

func superscript(n int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var s strings.Builder
	for _, d := range fmt.Sprint(n) {
		s.WriteRune(digits[d-'0'])
	}
	return s.String()
}

const nothing = "–"

// table lays out the comparison. brackets says whether means carry their
// interval's ends as well as its half-width.
func (r *Report) table(brackets bool) table {
	var t table
	names := column{head: "cell", left: true}
	for _, c := range r.Cells {
		names.cells = append(names.cells, c.Name)
	}
	t.columns = append(t.columns, names)
	if r.Metric != "" {
		t.columns = append(t.columns, r.meanColumn(&t, brackets))
		if len(r.Cells) > 1 {
			t.columns = append(t.columns, r.differenceColumns(&t)...)
		}
		t.addMetric(r, r.Metric+untrainedSuffix, "untrained")
	}
	others := []string{"knn_top1", "z_std"}
	if r.own != nil {
		others = r.own
	}
	for _, name := range others {
		if name != r.Metric {
			t.addMetric(r, name, headOf(name))
		}
	}
	n := column{head: "n"}
	outcomes := column{head: "outcome", left: true}
	for _, c := range r.Cells {
		n.cells = append(n.cells, fmt.Sprint(c.N))
		outcomes.cells = append(outcomes.cells, c.outcome()+r.marks(&t, c))
	}
	t.columns = append(t.columns, n, outcomes)
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
func (r *Report) meanColumn(t *table, brackets bool) column {
	head := r.Metric
	if unit := unitOf(r.Metric); unit != "" {
		head += " " + unit
	}
	decimals := decimalsFor(unitOf(r.Metric), r.means(r.Metric)...)
	if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.metric(r.Metric).Low.known() }) {
		shape := "mean ± half-width"
		if brackets {
			shape += " [low, high]"
		}
		head += " " + t.note(fmt.Sprintf("%s of the %s t interval over seeds", shape, percent(1-r.Alpha)))
	}
	rows := make([][]string, len(r.Cells))
	for i, c := range r.Cells {
		m := c.metric(r.Metric)
		rows[i] = []string{nothing, "", "", "", "", ""}
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
					rows[i][5] = " " + t.note(note)
				}
			}
		case m.known() > 1:
			rows[i][5] = " " + t.note("all seeds gave the same value: no interval")
		}
	}
	return column{head: head, cells: join(rows)}
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
func (r *Report) differenceColumns(t *table) []column {
	var figures []Number
	compared, welch, tested := 0, "", 0
	for _, c := range r.Cells {
		if d := c.Difference; d != nil {
			compared++
			figures = append(figures, d.Estimate)
			if d.P.known() {
				tested++
			}
			if d.Welch {
				welch = "; Welch where fewer than two seeds have both"
			}
		}
	}
	mark := ""
	if tested > 0 {
		text := fmt.Sprintf("difference to the baseline %s, paired by seed%s: %s t interval, and two-sided p of the t test after Holm over %s",
			r.Cells[0].Name, welch, percent(1-r.Alpha), words.Plural(compared, "comparison"))
		if compared > 1 {
			text += fmt.Sprintf("; the interval is not adjusted, so it can leave out 0 where p is above %s", Number(r.Alpha).shortest())
		}
		mark = " " + t.note(text)
	}
	decimals := decimalsFor(unitOf(r.Metric), figures...)
	rows := make([][]string, len(r.Cells))
	p := column{head: "p" + mark}
	for i, c := range r.Cells {
		rows[i] = make([]string, 4)
		d := c.Difference
		if d == nil || !d.Estimate.known() {
			rows[i][0] = nothing
			p.cells = append(p.cells, nothing)
			continue
		}
		rows[i][0] = d.Estimate.fixed(decimals)
		switch {
		case d.Low.known():
			rows[i][1], rows[i][2] = " ["+d.Low.fixed(decimals)+", ", d.High.fixed(decimals)+"]"
		case d.N > 1:
			rows[i][3] = " " + t.note("no spread over the seeds: neither interval nor p")
		}
		if d.P.known() {
			p.cells = append(p.cells, pValue(d.P))
		} else {
			p.cells = append(p.cells, nothing)
		}
	}
	baseline := r.Cells[0].Name
	if width(baseline) > 14 {
		baseline = "baseline"
	}
	columns := []column{{head: "vs " + baseline + mark, cells: join(rows)}}
	if tested > 0 {
		columns = append(columns, p)
	}
	return columns
}

// addMetric adds a column of means, if any cell has one.
func (t *table) addMetric(r *Report, name, head string) {
	means := r.means(name)
	decimals := decimalsFor(unitOf(name), means...)
	if strings.HasSuffix(strings.TrimSuffix(name, untrainedSuffix), "_std") {
		decimals = max(decimals, 3) // collapse shows in the third
	}
	c := column{head: head}
	known := false
	for _, m := range means {
		if m.known() {
			known = true
			c.cells = append(c.cells, m.fixed(decimals))
		} else {
			c.cells = append(c.cells, nothing)
		}
	}
	if known {
		t.columns = append(t.columns, c)
	}
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
func (r *Report) marks(t *table, c Cell) string {
	var marks []string
	if c.DimensionalCollapse {
		marks = append(marks, t.note(r.lowRankNote()))
	}
	if m := c.metric(r.Metric); r.Metric != "" && c.N > 0 && m.known() < c.N {
		marks = append(marks, t.note(fmt.Sprintf("%s: no final %s in %d of %d results; %s",
			c.Name, r.Metric, c.N-m.known(), c.N, whatIsLeft(m.known()))))
	}
	if c.Stopped > 0 {
		marks = append(marks, t.note(c.stoppedNote()))
	}
	// Without any value there is no mean either, and the table shows that.
	if k := c.metric(r.Metric + untrainedSuffix).known(); 0 < k && k < c.N {
		marks = append(marks, t.note(fmt.Sprintf("%s: no untrained %s in %d of %d results; its mean is over %s",
			c.Name, r.Metric, c.N-k, c.N, words.Plural(k, "value"))))
	}
	for _, run := range c.runs {
		noValue := !run.outcome.IsResult() || run.outcome == results.Diverged
		if run.reason != "" && run.outcome != "" && noValue {
			marks = append(marks, t.note(fmt.Sprintf("%s, seed %d: %s (%s)", c.Name, run.seed, strings.ReplaceAll(string(run.outcome), "_", " "), firstLine(run.reason))))
		}
	}
	if c.SameAs != "" {
		marks = append(marks, t.note(fmt.Sprintf("%s has the settings of %s: the same runs", c.Name, c.SameAs)))
	}
	if len(marks) == 0 {
		return ""
	}
	return " " + strings.Join(marks, " ")
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

// generalNotes warns of what concerns the whole table.
func (r *Report) generalNotes(t *table) {
	add := func(note string) { t.general = append(t.general, note) }
	done, all := r.total()
	if done < all {
		add(fmt.Sprintf("%d of %d runs have no result yet: the table will change", all-done, all))
	}
	if r.own != nil && len(t.columns) > 3 {
		add("untrained: at step 0; all others: at the last step; means over seeds")
	} else if len(t.columns) > 3 {
		add("untrained: the same networks at step 0; knn: nearest-neighbour accuracy; z_std: spread of the projection, 0 = collapsed, near 1 = spread out; means over seeds")
	}
	if n := len(r.Seeds); n == 1 {
		add("1 seed: neither intervals nor tests are possible")
	} else if stats.SmallestExactP(n) > r.Alpha {
		add(fmt.Sprintf("%s: no exact test (sign-flip) can reach %s, its smallest p is %s; the t intervals assume that differences scatter normally",
			words.Plural(n, "seed"), Number(r.Alpha).shortest(), Number(stats.SmallestExactP(n)).shortest()))
	}
	for _, mix := range []struct {
		what   string
		counts []Count
	}{
		{"data", r.Provenance.Data},
		{"data set contents", r.Provenance.Datasets},
		{"trainer versions", r.Provenance.Trainers},
		{"kernel sets", r.Provenance.Kernels},
		{"program versions", r.Provenance.Versions},
		{"processors", r.Provenance.CPUs},
	} {
		expected := mix.what == "data set contents" && len(r.Provenance.Data) > 1
		if len(mix.counts) > 1 && !expected {
			add(fmt.Sprintf("mixed %s: %s", mix.what, list(mix.counts)))
		}
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
			widths[i] = max(widths[i], width(part))
		}
	}
	joined := make([]string, len(rows))
	for k, row := range rows {
		var s strings.Builder
		for i, part := range row {
			s.WriteString(strings.Repeat(" ", widths[i]-width(part)))
			s.WriteString(part)
		}
		joined[k] = s.String()
	}
	return joined
}
