package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ablate/reports/table"
	"ablate/words"
)

// Table lays the fields out.
func (p *Pivot) Table() table.Table {
	t := table.Table{Name: "pivot", Title: p.title(), Names: len(p.rows), Again: p.again()}
	rows, columns := p.used(func(f field) []int { return f.row }), p.used(func(f field) []int { return f.column })
	for i, d := range p.rows {
		t.Columns = append(t.Columns, d.column(rows, i))
	}
	var shown []table.Column
	for _, levels := range columns {
		for _, metric := range p.metrics {
			shown = append(shown, p.head(levels, metric))
		}
	}
	decimals := map[string]int{}
	for _, metric := range p.metrics {
		decimals[metric] = p.decimals(metric)
	}
	fields := map[string]field{}
	for _, f := range p.fields {
		fields[f.place()] = f
	}
	parts := make([][][]string, len(shown)) // by columns, then by rows
	for _, row := range rows {              // first, so that notes are numbered as one reads
		for i := range shown {
			levels, metric := columns[i/len(p.metrics)], p.metrics[i%len(p.metrics)]
			text, value := make([]string, 5), unknown
			if f, ok := fields[field{row: row, column: levels, metric: metric}.place()]; ok {
				text, value = f.text(&t, decimals[metric], p.single()), f.value.Mean
			}
			parts[i], shown[i].Values = append(parts[i], text), append(shown[i].Values, float64(value))
		}
	}
	for i := range shown {
		shown[i].Cells = join(parts[i])
	}
	t.Columns = append(t.Columns, shown...)
	t.General = p.generalNotes(len(p.fields) < len(rows)*len(shown))
	return t
}

// place identifies a field.
func (f field) place() string { return fmt.Sprint(f.row, f.column, f.metric) }

// title says what the table shows: "linear_top1 % by norm and predictor, of
// seed=1".
func (p *Pivot) title() string {
	var metrics, by []string
	for _, m := range p.metrics {
		metrics = append(metrics, withUnit(m))
	}
	for _, d := range slices.Concat(p.rows, p.columns) {
		by = append(by, d.name)
	}
	s := strings.Join(metrics, ", ") + " by " + strings.Join(by, " and ")
	if len(p.choice.Where) > 0 {
		s += ", of " + strings.Join(p.choice.Where, " and ")
	}
	return s
}

// withUnit is a metric's name with its unit.
func withUnit(metric string) string { return strings.TrimSpace(metric + " " + unitOf(metric)) }

// again is the command that makes the table again.
func (p *Pivot) again() []string {
	commands := p.report.commands("")
	last := &commands[len(commands)-1]
	for _, f := range []struct {
		flag   string
		values []string
	}{{"rows", p.choice.Rows}, {"columns", p.choice.Columns}, {"metric", p.choice.Metrics}, {"where", p.choice.Where}} {
		for _, v := range f.values {
			*last += " --" + f.flag + " " + words.Quote(v)
		}
	}
	return commands
}

// used lists the combinations of levels that fields have, in their order.
func (p *Pivot) used(levels func(field) []int) (all [][]int) {
	for _, f := range p.fields {
		all = append(all, levels(f))
	}
	slices.SortFunc(all, slices.Compare)
	return slices.CompactFunc(all, slices.Equal)
}

// column names the rows by their levels of a dimension. Levels that are numbers
// are sorted as such.
func (d dimension) column(rows [][]int, i int) table.Column {
	c := table.Column{Head: d.name, Left: true}
	numbers := true
	for _, levels := range rows {
		level := d.levels[levels[i]]
		v, err := strconv.ParseFloat(level, 64)
		numbers = numbers && err == nil
		c.Cells, c.Values = append(c.Cells, level), append(c.Values, v)
	}
	if !numbers {
		c.Values = nil
	}
	return c
}

// head is that of a metric at some levels of the columns' dimensions.
func (p *Pivot) head(levels []int, metric string) table.Column {
	switch {
	case len(p.columns) == 0:
		return table.Column{Head: withUnit(metric)}
	case len(p.metrics) > 1:
		return table.Column{Group: strings.Join(pairs(p.columns, levels), ", "), Head: withUnit(metric)}
	case len(p.columns) > 1:
		return table.Column{Head: strings.Join(pairs(p.columns, levels), ", ")}
	}
	return table.Column{Group: p.columns[0].name, Head: p.columns[0].levels[levels[0]]}
}

// decimals are those of a metric's means, the same in all of the table.
func (p *Pivot) decimals(metric string) int {
	var means, halfWidths []Number
	for _, f := range p.fields {
		if f.metric == metric {
			means, halfWidths = append(means, f.value.Mean), append(halfWidths, (f.value.High-f.value.Low)/2)
		}
	}
	return max(decimalsOf(metric, means), decimalsWithin(unitOf(metric), means, halfWidths))
}

// text is a field's mean, " ± ", half-width, " (n)" and marks. One run's has no
// half-width and no n.
func (f field) text(t *table.Table, decimals int, single bool) []string {
	parts := []string{table.Nothing, "", "", "", ""}
	m := f.value
	if m.Mean.known() {
		parts[0] = m.Mean.fixed(decimals)
	}
	if m.Low.known() {
		parts[1], parts[2] = " ± ", ((m.High - m.Low) / 2).fixed(decimals)
	}
	if !single {
		parts[3] = fmt.Sprintf(" (%d)", m.known())
	}
	for _, note := range f.notes(single) {
		parts[4] += " " + t.Note(note)
	}
	return parts
}

// notes are what a reader must know about a field.
func (f field) notes(single bool) (notes []string) {
	c := f.cell
	if f.untrained { // how a run ended says nothing of how it began
		c.Collapsed, c.NeverSeparated, c.Diverged, c.Stopped = 0, 0, 0, 0
	}
	if outcome := c.outcome(); outcome != completed {
		if single {
			outcome = strings.TrimSuffix(outcome, " 1 of 1")
		}
		notes = append(notes, outcome)
	}
	if c.Stopped > 0 {
		notes = append(notes, c.stoppedNote())
	}
	known := f.value.known()
	if lacking := c.N - c.Diverged - known; lacking > 0 {
		notes = append(notes, fmt.Sprintf("no value in %d of %d results", lacking, c.N))
	}
	switch {
	case f.value.Refused != "":
		notes = append(notes, f.value.Refused)
	case known > 1 && !f.value.Low.known():
		notes = append(notes, "all seeds gave the same value: no interval")
	}
	return notes
}

// generalNotes say how to read the fields.
func (p *Pivot) generalNotes(blank bool) (notes []string) {
	r := p.report
	if p.single() {
		notes = append(notes, "values of single runs")
	} else {
		notes = append(notes, fmt.Sprintf("mean ± half-width of the %s t interval over seeds (number of values)", percent(1-r.Alpha)))
	}
	if slices.ContainsFunc(p.fields, func(f field) bool { return !f.value.Mean.known() }) {
		notes = append(notes, table.Nothing+": there are runs, but no value")
	}
	if blank {
		notes = append(notes, "blank: the study has no such cell")
	}
	if len(p.without) > 0 {
		notes = append(notes, "left out, having no level of an axis that is used here: "+strings.Join(p.without, ", "))
	}
	return notes
}
