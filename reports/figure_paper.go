package reports

import (
	"fmt"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/reports/figure"
	"ablate/words"
)

// axisOfUnit is the axis of what a paper gives in "top-1 %".
func axisOfUnit(unit string) figure.Axis {
	if label, ok := strings.CutSuffix(unit, "%"); ok {
		return figure.Axis{Label: strings.TrimSpace(label), Unit: "%"}
	}
	return figure.Axis{Label: unit}
}

const twoScales = "each panel has a scale of its own: compare orders, not values"

// whole makes panels of percentages go from 0 to 100, lest a difference looks as
// large in one as another in the other.
func whole(panels ...*figure.Panel) {
	for _, p := range panels {
		if p.X.Unit == "%" {
			p.Wide = []float64{0, 100}
		}
	}
}

// paperFigure shows what the paper found for the study's cells beside what was
// measured here.
func (r *Report) paperFigure() (f Figure, found bool) {
	if r.Paper == nil {
		return Figure{}, false
	}
	var cells []int
	for i, c := range r.Cells {
		if c.Paper.known() && len(cells) < mostRows {
			cells = append(cells, i)
		}
	}
	left := ""
	if n := len(r.Paper.Values); n > len(cells) {
		left = fmt.Sprintf("; the first %s quoted cells are drawn: the table has all", countOf(len(cells), n))
	}
	here := r.panelOf(cells, r.Paper.Metric)
	here.Title = "here"
	paper := figure.Panel{Title: "the paper", X: axisOfUnit(r.Paper.Unit)}
	for k, i := range cells {
		paper.Marks = append(paper.Marks, figure.Marks{Pair: []figure.Mark{{At: float64(r.Cells[i].Paper), Style: r.looks[i]}}})
		found = found || anyFinite(here.Marks[k].Values)
	}
	whole(&paper, &here)
	d := &figure.Dots{
		Title: "The paper and this study", Rows: r.rows(cells), Panels: []figure.Panel{paper, here},
		Key:  figure.Key{Filled: "the paper's value", Mean: r.meanKey(here), Value: "one seed"},
		Note: r.figureNote("Paper: " + r.Paper.Where + ". Here: values at the last step; " + twoScales + left),
	}
	return Figure{"paper", d.Title, "Two panels side by side: the cells' values in the paper, and their " + r.Paper.Metric + " here", d}, found
}

// quoted is a claim with the paper's two values and ours.
type quoted struct {
	id     string
	paper  *ablations.Paper
	metric string
	cells  []ablations.Selector // the two that it compares first
	means  [2]float64           // of the two cells here
}

// quotedClaims lists the claims that quote the paper and compare two cells, as
// the quoted values do.
func (r *Report) quotedClaims() []quoted {
	var all []quoted
	for _, claim := range r.study.Claims {
		k := slices.IndexFunc(claim.All, func(p ablations.Part) bool { return p.Metric != "" && len(p.Cells) == 2 })
		if claim.Paper == nil || k < 0 {
			continue
		}
		part := claim.All[k]
		q := quoted{id: claim.ID, paper: claim.Paper, metric: part.Metric, cells: part.Cells}
		for i, selector := range part.Cells {
			name := part.Metric
			if selector.Untrained {
				name += untrainedSuffix
			}
			q.means[i] = float64(r.Cells[selector.Cell].metric(name).Mean)
		}
		if isFinite(q.means[0]) || isFinite(q.means[1]) {
			all = append(all, q)
		}
	}
	return all
}

// paperClaimsFigure shows the two values that a claim quotes from the paper
// beside the two means that it compares here.
func (r *Report) paperClaimsFigure() (f Figure, found bool) {
	all := r.quotedClaims()
	if len(all) == 0 {
		return Figure{}, false
	}
	first := all[0]
	paper := figure.Panel{Title: "the paper", X: axisOfUnit(first.paper.Unit)}
	here := figure.Panel{Title: "here", X: figure.Axis{Label: first.metric, Unit: unitOf(first.metric)}}
	whole(&paper, &here)
	d := &figure.Dots{
		Title: "What the claims quote, and this study",
		Key:   figure.Key{Filled: "the first of two", Hollow: "what it is compared with"},
	}
	var sources []string
	for _, q := range all {
		if q.paper.Unit != first.paper.Unit || q.metric != first.metric {
			continue // of another scale, which the note says
		}
		pair := func(a, b float64) []figure.Mark {
			return []figure.Mark{
				{Name: q.cells[0].Text, At: a, Style: r.looks[q.cells[0].Cell]},
				{Name: q.cells[1].Text, At: b, Style: r.looks[q.cells[1].Cell], Hollow: true},
			}
		}
		d.Rows = append(d.Rows, figure.Row{Name: q.id, Marks: pair(0, 0)})
		paper.Marks = append(paper.Marks, figure.Marks{Pair: pair(q.paper.Value, q.paper.Against)})
		here.Marks = append(here.Marks, figure.Marks{Pair: pair(q.means[0], q.means[1])})
		if !slices.Contains(sources, q.paper.Where) {
			sources = append(sources, q.paper.Where)
		}
	}
	note := "Paper: " + strings.Join(sources, "; ") + ". Here: means over seeds of the two cells that the claim compares first, " +
		"at the last step, or at step 0 where it says untrained; " + twoScales
	if left := len(all) - len(d.Rows); left > 0 {
		note += "; not drawn: " + words.Plural(left, "claim") + " of another scale"
	}
	d.Panels, d.Note = []figure.Panel{paper, here}, r.figureNote(note)
	const alt = "Two panels side by side: the two values that each claim quotes from the paper, and the two means that it compares here"
	return Figure{"paper-claims", d.Title, alt, d}, true
}
