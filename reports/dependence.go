package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"ablate/ablations"
	"ablate/reports/table"
)

// components are the parts of a network of which it is measured whether their
// outputs depend on the other images of the batch.
var components = []string{"encoder", "projector", "predictor"}

// dependenceSuffix makes a component's name that of the metric.
const dependenceSuffix = "_batch_dependence"

// Dependence says whether the outputs of one component depend on the other
// images of the batch, in the runs of a cell.
type Dependence struct {
	Largest Number // derivative over the seeds; exactly 0 = no dependence
	N       int    // seeds with a value
}

// depends reports whether any run shows a dependence.
func (d Dependence) depends() bool { return d.N > 0 && d.Largest > 0 }

// dependence is that of a component at the last step. N is 0 if no run of the
// cell has it or none measured it.
func (c Cell) dependence(component string) (d Dependence) {
	for _, v := range c.metric(component + dependenceSuffix).Values {
		if v.known() {
			d.Largest = max(d.Largest, v)
			d.N++
		}
	}
	return d
}

// dependent lists the components that depend on the batch. n is how many seeds
// measured any.
func (c Cell) dependent() (names []string, n int) {
	for _, component := range components {
		d := c.dependence(component)
		if d.depends() {
			names = append(names, component)
		}
		n = max(n, d.N)
	}
	return names, n
}

// dependenceTitle stands above the table of dependences.
const dependenceTitle = "Depends on the batch"

// dependenceTable says for every cell and component whether outputs depend on
// the other images of the batch. It is false if no run measured that.
func (r *Report) dependenceTable() (t table.Table, ok bool) {
	t.Name, t.Title = "dependence", dependenceTitle
	names, seeds := table.Column{Head: "cell", Left: true}, table.Column{Head: "n"}
	for _, c := range r.Cells {
		_, n := c.dependent()
		names.Cells = append(names.Cells, c.Name)
		seeds.Cells, seeds.Values = append(seeds.Cells, fmt.Sprint(n)), append(seeds.Values, float64(n))
	}
	t.Columns = append(t.Columns, names)
	for _, component := range components {
		if column, known := r.dependenceColumn(component); known {
			t.Columns = append(t.Columns, column)
		}
	}
	if len(t.Columns) == 1 {
		return table.Table{}, false
	}
	t.Columns = append(t.Columns, seeds)
	t.General = []string{
		"the largest derivative of a component's output for one image, along one random direction, by its input for another image of " +
			"the batch: in training mode, after the last step, over n seeds; no = exactly 0 in all of them: no batch statistics",
	}
	return t, true
}

// dependenceColumn is false if no run measured the component.
func (r *Report) dependenceColumn(component string) (col table.Column, known bool) {
	col = table.Column{Head: component, Left: true}
	for _, c := range r.Cells {
		d := c.dependence(component)
		known = known || d.N > 0
		value := math.NaN()
		if d.N > 0 {
			value = float64(d.Largest)
		}
		col.Cells, col.Values = append(col.Cells, d.String()), append(col.Values, value)
	}
	return col, known
}

// String is "no (0)", "yes (max 0.013)" or, without a measurement, a dash.
func (d Dependence) String() string {
	switch {
	case d.N == 0:
		return table.Nothing
	case !d.depends():
		return "no (0)"
	}
	return fmt.Sprintf("yes (max %s)", strings.Replace(strconv.FormatFloat(float64(d.Largest), 'g', 2, 64), "-", "−", 1))
}

// batchStatistics says which of the cells that a claim hangs on use batch
// statistics, and where; "" if no run of theirs measured it.
func (r *Report) batchStatistics(claim ablations.Claim) string {
	type group struct {
		where    string // what depends on the batch, alike in all cells of the group
		measured bool   // alike as well
		cells    []Cell
	}
	var groups []group
	for _, c := range r.cellsOf(claim.All...) {
		names, n := c.dependent()
		where := strings.Join(names, ", ")
		i := slices.IndexFunc(groups, func(g group) bool { return g.where == where && g.measured == (n > 0) })
		if i < 0 {
			i, groups = len(groups), append(groups, group{where: where, measured: n > 0})
		}
		groups[i].cells = append(groups[i].cells, c)
	}
	if !slices.ContainsFunc(groups, func(g group) bool { return g.measured }) {
		return ""
	}
	var says []string
	for _, g := range groups {
		var names []string
		for _, c := range g.cells {
			names = append(names, c.Name)
		}
		cells, n := strings.Join(names, ", "), measuring(distinct(g.cells))
		switch {
		case !g.measured:
			says = append(says, "not measured in "+cells)
		case g.where == "":
			says = append(says, fmt.Sprintf("no batch statistics in %s (dependence exactly 0, n = %d)", cells, n))
		default:
			says = append(says, fmt.Sprintf("batch statistics in %s (%s; n = %d)", cells, g.where, n))
		}
	}
	return strings.Join(says, "; ")
}

// measuring counts the runs that measured the dependence of any component.
func measuring(runs []run) (n int) {
	for _, run := range runs {
		if slices.ContainsFunc(components, func(c string) bool { return Number(run.value(c+dependenceSuffix, false)).known() }) {
			n++
		}
	}
	return n
}

// cellsOf lists the cells that parts name, each once.
func (r *Report) cellsOf(parts ...ablations.Part) (cells []Cell) {
	var seen []int
	for _, part := range parts {
		for _, s := range part.Cells {
			if !slices.Contains(seen, s.Cell) {
				seen = append(seen, s.Cell)
				cells = append(cells, r.Cells[s.Cell])
			}
		}
	}
	return cells
}
