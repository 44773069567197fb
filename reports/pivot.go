package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ablate/words"
)

// Choice says which table is to be made of a report's runs. A dimension is an
// axis of the study, "cell", "seed", or a key of the configuration in which
// cells differ.
type Choice struct {
	Rows    []string // dimensions; none: the axes that are no columns, or the cells
	Columns []string // dimensions
	Metrics []string // none: the main metric. NAME_untrained is NAME at step 0
	Where   []string // DIMENSION=LEVEL or DIMENSION=LEVEL,LEVEL
}

// Pivot is a table by choice: a field for each metric and each combination of
// levels that there is a run of.
type Pivot struct {
	report        *Report
	choice        Choice
	rows, columns []dimension
	metrics       []string
	without       []string // cells that are left out, having no level of a dimension
	fields        []field  // by rows, then by columns, then by metrics
}

// field is the runs of one cell that stand in one place of the table, and one
// of their metrics.
type field struct {
	row, column []int // levels of the dimensions
	metric      string
	untrained   bool
	cell        Cell // with the chosen seeds alone
	value       Metric
}

// Pivot makes a table by choice. Its errors say what there is instead of what
// was asked for. Only runs that differ in nothing but their seed are averaged:
// a choice that would mix others is refused, and what they differ in is named.
func (r *Report) Pivot(c Choice) (*Pivot, error) {
	p := &Pivot{report: r, choice: c}
	filters, err := r.filters(c.Where)
	if err != nil {
		return nil, err
	}
	if p.columns, err = r.dimensions(c.Columns); err != nil {
		return nil, err
	}
	if p.rows, err = r.dimensions(c.Rows); err != nil {
		return nil, err
	}
	if len(p.rows) == 0 {
		p.rows = r.defaultRows(p.columns)
	}
	for _, d := range p.rows {
		if slices.ContainsFunc(p.columns, func(c dimension) bool { return c.name == d.name }) {
			return nil, fmt.Errorf("%s cannot be rows and columns at once", d.name)
		}
	}
	if p.metrics, err = r.chosenMetrics(c.Metrics); err != nil {
		return nil, err
	}
	places := p.places(filters)
	if len(places) == 0 {
		return nil, p.empty()
	}
	groups := inOnePlace(places)
	for _, group := range groups {
		if err := p.checkOne(group); err != nil {
			return nil, err
		}
	}
	p.fill(groups)
	return p, nil
}

// dimensions finds several, each once.
func (r *Report) dimensions(names []string) (all []dimension, err error) {
	for i, name := range names {
		d, err := r.dimension(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%s is named twice", name)
		}
		all = append(all, d)
	}
	return all, nil
}

// defaultRows are the axes that are no columns, if an axis is one, else the
// cells.
func (r *Report) defaultRows(columns []dimension) (rows []dimension) {
	crossed := false
	for _, a := range r.study.Axes {
		if slices.ContainsFunc(columns, func(c dimension) bool { return c.name == a.Name }) {
			crossed = true
		} else if d, err := r.dimension(a.Name); err == nil {
			rows = append(rows, d)
		}
	}
	if !crossed || len(rows) == 0 {
		d, _ := r.dimension(cellDimension)
		return []dimension{d}
	}
	return rows
}

// chosenMetrics checks the names of metrics.
func (r *Report) chosenMetrics(names []string) ([]string, error) {
	var all []string
	for _, c := range r.Cells {
		for name := range c.Metrics {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("no run of %s has a value of any metric yet", r.Name)
	case len(names) == 0 && r.Metric == "":
		return nil, fmt.Errorf("no run of %s has a value of the metrics that cells are compared by; choose one of %s with --metric",
			r.Name, strings.Join(all, ", "))
	case len(names) == 0:
		return []string{r.Metric}, nil
	}
	for i, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no run of %s has a metric %q%s", r.Name, name, instead(name, all))
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("the metric %s is named twice", name)
		}
	}
	return names, nil
}

// place is where a run stands: its cell, its seed's position, and its levels.
type place struct {
	cell, seed  int
	row, column []int
}

// compare orders places as the table has them.
func (a place) compare(b place) int {
	return cmp.Or(slices.Compare(a.row, b.row), slices.Compare(a.column, b.column))
}

// places lists where the chosen runs stand, in the study's order, and notes
// which cells are left out because a dimension has no level for them.
func (p *Pivot) places(filters []filter) (places []place) {
	used := slices.Concat(p.rows, p.columns)
	for _, f := range filters {
		used = append(used, f.dimension)
	}
	for i, c := range p.report.Cells {
		if slices.ContainsFunc(used, func(d dimension) bool { return d.of(i, 0) == noLevel }) {
			p.without = append(p.without, c.Name)
			continue
		}
		for seed := range c.Seeds {
			if !slices.ContainsFunc(filters, func(f filter) bool { return !f.keeps(i, seed) }) {
				places = append(places, place{i, seed, levelsAt(p.rows, i, seed), levelsAt(p.columns, i, seed)})
			}
		}
	}
	return places
}

func levelsAt(dimensions []dimension, cell, seed int) []int {
	levels := make([]int, len(dimensions))
	for i, d := range dimensions {
		levels[i] = d.of(cell, seed)
	}
	return levels
}

// inOnePlace collects the places that are one in the table.
func inOnePlace(places []place) (groups [][]place) {
	slices.SortStableFunc(places, place.compare)
	for i, at := range places {
		if i == 0 || at.compare(places[i-1]) != 0 {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], at)
	}
	return groups
}

// empty is the error of a choice that leaves nothing.
func (p *Pivot) empty() error {
	r := p.report
	if len(r.Cells) == len(p.without) {
		return fmt.Errorf("no cell of %s has a level of every axis that is asked for", r.Name)
	}
	return fmt.Errorf("no run of %s has %s; \"ablate status %s\" lists them all",
		r.Name, strings.Join(p.choice.Where, " and "), words.Quote(r.Name))
}

// checkOne refuses places that are one in the table but of several
// configurations, whose mean would be of nothing. Cells that share their runs
// are one.
func (p *Pivot) checkOne(group []place) error {
	var cells []int
	for _, at := range group {
		if first := p.report.first(at.cell); !slices.Contains(cells, first) {
			cells = append(cells, first)
		}
	}
	if len(cells) < 2 {
		return nil
	}
	differing := p.report.differing(cells)
	const most = 5
	var what, names []string
	for i, d := range differing {
		if i == most {
			what = append(what, fmt.Sprintf("%d other keys", len(differing)-most))
			break
		}
		what, names = append(what, d.name+" ("+few(d.levelsAt(cells), 5)+")"), append(names, d.name)
	}
	add, level := strings.Join(names, " and "), differing[0].name+"="+differing[0].levelsAt(cells)[0]
	if len(differing) > 1 && !p.report.isAxis(differing[0].name) { // one key may not be enough
		add, level = cellDimension, cellDimension+"="+p.report.Cells[cells[0]].Name
	}
	return fmt.Errorf("at %s the mean would be over different configurations, which differ in %s. "+
		"Add %s to --rows or --columns, or choose, as in --where %s",
		p.name(group[0]), strings.Join(what, ", "), add, words.Quote(level))
}

// first is the first cell with the settings of the one at i: they share runs.
func (r *Report) first(i int) int {
	if same := r.study.Cells[i].SameAs; same >= 0 {
		return same
	}
	return i
}

// name is what a place is called: "norm=bn, predictor=true".
func (p *Pivot) name(at place) string {
	parts := append(pairs(p.rows, at.row), pairs(p.columns, at.column)...)
	return strings.Join(parts, ", ")
}

// pairs writes levels as DIMENSION=LEVEL.
func pairs(dimensions []dimension, levels []int) (all []string) {
	for i, d := range dimensions {
		all = append(all, d.name+"="+d.levels[levels[i]])
	}
	return all
}

// fill makes the fields.
func (p *Pivot) fill(groups [][]place) {
	type named struct {
		base      string
		untrained bool
	}
	metrics := map[string]named{}
	for _, name := range p.metrics {
		base, untrained := p.report.metricNamed(name)
		metrics[name] = named{base, untrained}
	}
	for _, group := range groups {
		cell := p.report.part(group)
		for _, name := range p.metrics {
			m := metrics[name]
			value := p.report.metric(cell.runs, m.base, m.untrained)
			p.fields = append(p.fields, field{group[0].row, group[0].column, name, m.untrained, cell, value})
		}
	}
}

// part is the cell of the first of some places, with the runs at these alone.
// The other cells among them share its runs.
func (r *Report) part(group []place) Cell {
	from := r.Cells[group[0].cell]
	cell := Cell{Name: from.Name, Levels: from.Levels}
	for _, at := range group {
		if at.cell != group[0].cell {
			continue
		}
		run := from.runs[at.seed]
		cell.Seeds, cell.runs = append(cell.Seeds, from.Seeds[at.seed]), append(cell.runs, run)
		cell.count(run.outcome)
		if run.stopped > 0 {
			cell.Stopped++
		}
	}
	return cell
}

// metricNamed splits NAME_untrained, unless that is what a metric is called.
func (r *Report) metricNamed(name string) (base string, untrained bool) {
	if slices.ContainsFunc(r.Cells, func(c Cell) bool { return isUntrained(c, name) }) {
		return strings.TrimSuffix(name, untrainedSuffix), true
	}
	return name, false
}

// single reports whether each field is one run's.
func (p *Pivot) single() bool {
	return slices.ContainsFunc(slices.Concat(p.rows, p.columns), func(d dimension) bool { return d.name == seedDimension })
}
