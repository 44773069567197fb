package reports

import (
	"fmt"
	"slices"

	"ablate/ablations"
	"ablate/reports/figure"
)

// looks gives each of a study's cells its style, which it keeps in all figures.
//
// Where axes are crossed, a level of the first one that varies has the same
// colour in all its cells, and the same marker, and the levels of the others have
// the same dash. Where those do not suffice, markers and dashes tell all cells
// apart, since there may be no colours in print. Elsewhere every cell has a look
// of its own.
func looks(study *ablations.Study) []figure.Style {
	styles := make([]figure.Style, len(study.Cells))
	for i := range styles {
		styles[i] = figure.StyleOf(i)
	}
	axes := crossed(study)
	if len(axes) < 2 {
		return styles
	}
	others := 1 // combinations of the other axes' levels
	for _, a := range axes[1:] {
		others *= len(a.levels)
	}
	extra := len(axes[0].levels) // the next colour that no level has
	for i, cell := range study.Cells {
		if cell.Levels == nil {
			styles[i].Colour = extra
			extra++
		} else {
			styles[i].Colour = axes[0].level(cell)
		}
		if others > figure.Dashes {
			continue
		}
		styles[i].Marker, styles[i].Dash = styles[i].Colour, 0
		for _, a := range axes[1:] {
			if cell.Levels != nil {
				styles[i].Dash = styles[i].Dash*len(a.levels) + a.level(cell)
			}
		}
	}
	return styles
}

// levels are those of an axis that cells have, in the order of the cells.
type levels struct {
	axis   int
	levels []string
}

func (l levels) level(c ablations.Cell) int { return slices.Index(l.levels, c.Levels[l.axis]) }

// crossed lists the axes with more than one level, if most combinations of their
// levels are cells: where each cell leaves the baseline on one axis alone, the
// other axes' levels would give nearly all of them one look.
func crossed(study *ablations.Study) []levels {
	var axes []levels
	product, n := 1, 0
	for i := range study.Axes {
		l := levels{axis: i}
		for _, c := range study.Cells {
			if c.Levels != nil && !slices.Contains(l.levels, c.Levels[i]) {
				l.levels = append(l.levels, c.Levels[i])
			}
		}
		if len(l.levels) > 1 {
			axes = append(axes, l)
			product *= len(l.levels)
		}
	}
	for _, c := range study.Cells {
		if c.Levels != nil {
			n++
		}
	}
	if 2*n <= product {
		return nil
	}
	return axes
}

// pick chooses which of the cells a figure shows that has room for most: the
// baseline, those that the claims name, then the others in the study's order,
// which is the order that they stay in. left says what is not shown, "" if
// nothing is.
func (r *Report) pick(most int) (cells []int, left string) {
	picked := map[int]bool{}
	add := func(cell int) {
		if len(cells) < most && !picked[cell] {
			picked[cell] = true
			cells = append(cells, cell)
		}
	}
	add(0)
	for _, claim := range r.study.Claims {
		for _, part := range claim.All {
			for _, selector := range part.Cells {
				add(selector.Cell)
			}
		}
	}
	named := len(cells) > 1
	for i := 0; i < len(r.Cells) && len(cells) < most; i++ {
		add(i)
	}
	slices.Sort(cells)
	switch {
	case len(cells) == len(r.Cells):
		return cells, ""
	case named:
		return cells, fmt.Sprintf("; %s cells are drawn, those that claims name first: the table has all", countOf(len(cells), len(r.Cells)))
	}
	return cells, fmt.Sprintf("; the first %s cells are drawn: the table has all", countOf(len(cells), len(r.Cells)))
}
