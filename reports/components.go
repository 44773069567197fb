package reports

import (
	"fmt"
	"slices"
	"strings"

	"ablate/reports/table"
	"ablate/trainer/config"
)

// maxGridColumns is how many columns one can still read as the methods of a
// grid; a study with more is not of this shape.
const maxGridColumns = 8

// grid is the main metric by the normalization of encoder, projector and
// predictor, in the shape of the paper's Table 1.
type grid struct {
	cells   []gridCell
	without []string // named cells that are left out, since their place is taken
}

// gridCell is a cell with its place in the grid.
type gridCell struct {
	cell     int
	settings config.Settings
	headless bool // it has no predictor
	gridPlace
}

// gridPlace is a place in the grid.
type gridPlace struct {
	norms  [3]string // of encoder, projector, predictor
	column string
}

// The names that the field has for norms and methods.
var (
	normNames   = map[string]string{config.NormBN: "BN", config.NormLN: "LN", config.NormGNWS: "GN+WS", config.NormNone: table.Nothing}
	methodNames = map[string]string{"byol": "BYOL", "simclr": "SimCLR"}
)

// componentsTable is the main metric by the components' norms. It is false if
// all cells have one norm in all of their components, or there is no metric.
func (r *Report) componentsTable() (table.Table, bool) {
	if r.study.Trainer != nil || r.Metric == "" {
		return table.Table{}, false
	}
	if _, ok := r.study.Cells[0].Settings()["norm.predictor"]; !ok {
		return table.Table{}, false
	}
	g := r.grid()
	if !slices.ContainsFunc(g.cells, gridCell.mixed) {
		return table.Table{}, false
	}
	g.tellApart(r)
	if len(g.columns()) > maxGridColumns {
		return table.Table{}, false
	}
	return g.table(r), true
}

// grid finds each cell's place.
func (r *Report) grid() (g grid) {
	named := func(c int) bool { return len(r.study.Axes) > 0 && r.Cells[c].Levels == nil }
	taken := map[gridPlace]bool{}
	for i := range r.Cells {
		if r.study.Cells[i].SameAs < 0 && !named(i) {
			c := r.gridCell(i)
			taken[c.gridPlace] = true
			g.cells = append(g.cells, c)
		}
	}
	for i := range r.Cells {
		if r.study.Cells[i].SameAs >= 0 || !named(i) {
			continue
		}
		if c := r.gridCell(i); taken[c.gridPlace] {
			g.without = append(g.without, r.Cells[i].Name)
		} else {
			g.cells = append(g.cells, c)
		}
	}
	return g
}

func (r *Report) gridCell(cell int) gridCell {
	s := r.study.Cells[cell].Settings()
	c := gridCell{cell: cell, settings: s, headless: s["method"] == "simclr" || s["predictor"] == false}
	for i, component := range components {
		norm := fmt.Sprint(s["norm."+component])
		if c.norms[i] = norm; normNames[norm] != "" {
			c.norms[i] = normNames[norm]
		}
	}
	method := fmt.Sprint(s["method"])
	if c.column = method; methodNames[method] != "" {
		c.column = methodNames[method]
	}
	if c.headless {
		c.norms[2] = table.Nothing
		if method != "simclr" { // which never has one
			c.column += ", no predictor"
		}
	}
	return c
}

// mixed reports whether the cell's components have different norms.
func (c gridCell) mixed() bool {
	return c.norms[0] != c.norms[1] || !c.headless && c.norms[1] != c.norms[2]
}

// tellApart gives cells that have the same place columns of their own, which
// say in which settings they differ, as long as there are few columns.
func (g *grid) tellApart(r *Report) {
	for len(g.columns()) <= maxGridColumns { // each round adds a key
		key := g.differingKey(r)
		if key == "" {
			return
		}
		for i := range g.cells {
			value := absent
			if v, ok := g.cells[i].settings[key]; ok {
				value = config.Print(v)
			}
			g.cells[i].column += ", " + key + "=" + value
		}
	}
}

// differingKey is a key in which two cells differ that have the same place, ""
// if none have.
func (g *grid) differingKey(r *Report) string {
	seen := map[gridPlace]int{}
	for _, c := range g.cells {
		if first, ok := seen[c.gridPlace]; ok {
			for _, key := range r.varyingKeys([]int{first, c.cell}) {
				if !strings.HasPrefix(key, "norm.") {
					return key
				}
			}
		}
		seen[c.gridPlace] = c.cell
	}
	return ""
}

// table lays the grid out. A cell without a predictor stands in all rows of its
// encoder's and projector's norms, as in the paper, from the second on in
// parentheses.
func (g *grid) table(r *Report) table.Table {
	t := table.Table{Name: "components", Title: "By the normalization of each component", Names: 3}
	rows, columns := g.rows(), g.columns()
	for i, component := range components {
		c := table.Column{Head: component, Left: true}
		for _, row := range rows {
			c.Cells = append(c.Cells, row[i])
		}
		t.Columns = append(t.Columns, c)
	}
	decimals := decimalsOf(r.Metric, r.means(r.Metric))
	repeated := false
	parts := make([][][]string, len(columns)) // by columns, then by rows
	shown := make([]table.Column, len(columns))
	for i, row := range rows { // first, so that notes are numbered as one reads
		for k, head := range columns {
			text, value := make([]string, 5), unknown
			if cell, again := g.at(rows[:i], row, head); cell >= 0 {
				f := field{cell: r.Cells[cell], value: r.Cells[cell].metric(r.Metric)}
				text, value = f.text(&t, decimals, false), f.value.Mean
				if again {
					repeated, text[0], text[3] = true, "("+text[0], text[3]+")"
				}
			}
			parts[k], shown[k].Values = append(parts[k], text), append(shown[k].Values, float64(value))
		}
	}
	for k, head := range columns {
		shown[k].Group, shown[k].Head, shown[k].Cells = withUnit(r.Metric), head, join(parts[k])
	}
	t.Columns = append(t.Columns, shown...)
	t.General = g.notes(r, repeated)
	return t
}

// at finds the cell of a place, −1 if there is none. again says that it stands
// in one of the rows above, too.
func (g *grid) at(above [][3]string, row [3]string, column string) (cell int, again bool) {
	for _, c := range g.cells {
		if c.column != column {
			continue
		}
		alike := func(r [3]string) bool { return r[0] == c.norms[0] && r[1] == c.norms[1] }
		if c.headless && alike(row) {
			return c.cell, slices.ContainsFunc(above, alike)
		}
		if c.norms == row {
			return c.cell, false
		}
	}
	return -1, false
}

// rows lists the norms of the cells with a predictor, and those of the others
// that have no row among them.
func (g *grid) rows() (rows [][3]string) {
	for _, c := range g.cells {
		if !c.headless && !slices.Contains(rows, c.norms) {
			rows = append(rows, c.norms)
		}
	}
	for _, c := range g.cells {
		if !slices.ContainsFunc(rows, func(r [3]string) bool { return r[0] == c.norms[0] && r[1] == c.norms[1] }) {
			rows = append(rows, c.norms)
		}
	}
	return rows
}

func (g *grid) columns() (columns []string) {
	seen := map[string]bool{}
	for _, c := range g.cells {
		if !seen[c.column] {
			seen[c.column] = true
			columns = append(columns, c.column)
		}
	}
	return columns
}

func (g *grid) notes(r *Report, repeated bool) []string {
	notes := []string{
		fmt.Sprintf("mean ± half-width of the %s t interval over seeds (number of values); %s below a component: no normalization, or no predictor",
			percent(1-r.Alpha), table.Nothing),
	}
	if repeated {
		notes = append(notes, "in parentheses: without a predictor, so the same runs as in the row of this encoder and projector above")
	}
	if len(g.without) > 0 {
		notes = append(notes, "left out, since other cells stand in their places: "+strings.Join(g.without, ", "))
	}
	return notes
}
