package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/reports/figure"
	"ablate/words"
)

// rows are the figure's rows of these cells.
func (r *Report) rows(cells []int) []figure.Row {
	var rows []figure.Row
	for _, i := range cells {
		rows = append(rows, figure.Row{Name: r.Cells[i].Name, Style: r.looks[i]})
	}
	return rows
}

// meanKey says what the marks at the means are.
func (r *Report) meanKey(panel figure.Panel) string {
	for _, m := range panel.Marks {
		if m.Mean != nil && isFinite(m.Mean.Low) && isFinite(m.Mean.High) {
			return "mean, " + percent(1-r.Alpha) + " t interval"
		}
	}
	return "mean"
}

// panelOf shows a metric of these cells at the last step.
func (r *Report) panelOf(cells []int, metric string) figure.Panel {
	panel := figure.Panel{X: figure.Axis{Label: metric, Unit: unitOf(metric)}}
	for _, i := range cells {
		m := r.Cells[i].metric(metric)
		panel.Marks = append(panel.Marks, figure.Marks{
			Values: floats(m.Values),
			Mean:   &figure.Interval{Mean: float64(m.Mean), Low: float64(m.Low), High: float64(m.High)},
		})
	}
	return panel
}

func (r *Report) comparisonFigure() (f Figure, found bool) {
	if r.Metric == "" {
		return Figure{}, false
	}
	cells, left := r.pick(mostRows)
	panel := r.panelOf(cells, r.Metric)
	baseline := float64(r.Cells[0].metric(r.Metric).Mean)
	panel.Reference, panel.ReferenceName = &baseline, "mean of "+r.Cells[0].Name
	d := &figure.Dots{
		Title: comparisonTitle(r.Metric),
		Rows:  r.rows(cells),
		Key:   figure.Key{Mean: r.meanKey(panel), Value: "one seed"},
		Note:  r.figureNote("Values at the last step" + left),
	}
	for k, i := range cells {
		cell := r.Cells[i]
		if untrained := meanOf(floats(cell.Metrics[r.Metric+untrainedSuffix].Values)); isFinite(untrained) {
			panel.Marks[k].Hollow = []float64{untrained}
			d.Key.Hollow = "untrained (step 0)"
		}
		var remarks []string
		if outcome := cell.outcome(); outcome != completed {
			remarks = append(remarks, outcome)
		}
		if cell.Refused != "" {
			remarks = append(remarks, "not averaged")
		}
		d.Rows[k].Remark = strings.Join(remarks, ", ")
	}
	d.Panels = []figure.Panel{panel}
	return Figure{"comparison", d.Title, "Every cell's " + r.Metric + r.range_(r.Metric) + ": mean, interval, each seed, and the network before training", d}, true
}

// range_ names the cells with the lowest and the highest mean.
func (r *Report) range_(metric string) string {
	low, high := -1, -1
	mean := func(i int) Number { return r.Cells[i].metric(metric).Mean }
	for i := range r.Cells {
		if !mean(i).known() {
			continue
		}
		if low < 0 || mean(i) < mean(low) {
			low = i
		}
		if high < 0 || mean(i) > mean(high) {
			high = i
		}
	}
	if low == high {
		return ""
	}
	decimals, unit := decimalsFor(unitOf(metric), mean(low), mean(high)), spaced(unitOf(metric))
	of := func(i int) string { return mean(i).fixed(decimals) + unit + " of " + r.Cells[i].Name }
	return ", from " + of(low) + " to " + of(high)
}

// spaced is a unit as it follows a number.
func spaced(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}

func comparisonTitle(metric string) string {
	switch metric {
	case "linear_top1":
		return "Linear evaluation of the frozen encoder"
	case "knn_top1":
		return "Nearest-neighbour evaluation of the frozen encoder"
	}
	return "Every cell's " + metric
}

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

// untrainedFigure shows how well conditioned the cells' networks are before the
// first step.
func (r *Report) untrainedFigure() (f Figure, found bool) {
	cells, left := r.pick(mostRows)
	d := &figure.Dots{
		Title: "Before the first step",
		Rows:  r.rows(cells),
		Key:   figure.Key{Value: "projection (z), one seed", Hollow: "encoder's output (y), one seed"},
		Note: r.figureNote("Outputs of the untrained networks for held-out images, " +
			"which are all alike at a spread of 0, a cosine of 1 and a rank of 1" + left),
	}
	threshold := collapseThreshold
	for _, panel := range []figure.Panel{
		{
			Title: "spread", X: figure.Axis{Label: "std", Log: true}, Wide: []float64{0.9 * threshold},
			Reference: &threshold, ReferenceName: fmt.Sprintf("z collapsed below %v", threshold),
		},
		{Title: "cosine", X: figure.Axis{Label: "cosine"}, Wide: []float64{1}},
		{Title: "effective rank", X: figure.Axis{Label: "rankme", Log: true}, Wide: []float64{1}},
	} {
		if r.fillUntrained(&panel, cells) {
			d.Panels = append(d.Panels, panel)
		}
	}
	return Figure{"untrained", d.Title, "Spread, cosine and effective rank of every cell's untrained networks, each seed a dot", d}, len(d.Panels) > 0
}

// fillUntrained adds the marks of a metric of both outputs at step 0; found is
// false if there are none. The panel's label is the metric less "z_" and "y_".
func (r *Report) fillUntrained(panel *figure.Panel, cells []int) (found bool) {
	z, y := "z_"+panel.X.Label, "y_"+panel.X.Label
	for _, i := range cells {
		of := func(metric string) []float64 { return floats(r.Cells[i].metric(metric + untrainedSuffix).Values) }
		m := figure.Marks{Values: of(z), Hollow: of(y)}
		panel.Marks = append(panel.Marks, m)
		found = found || anyFinite(m.Values) || anyFinite(m.Hollow)
	}
	panel.X.Label = z + ", " + y
	return found
}

// timeFigure shows what the cells' runs cost.
func (r *Report) timeFigure() (f Figure, found bool) {
	cells, left := r.pick(mostRows)
	d := &figure.Dots{Title: "What it costs", Rows: r.rows(cells), Key: figure.Key{Filled: "mean", Value: "one seed"}}
	seconds := make([][]float64, len(cells))
	longest := 0.0
	for k, i := range cells {
		for _, run := range r.Cells[i].runs {
			if run.outcome.IsResult() && run.seconds > 0 {
				seconds[k] = append(seconds[k], run.seconds)
				longest = max(longest, run.seconds)
			}
		}
		d.Rows[k].Remark = lasting(secondsOf(r.Cells[i].runs)) + " in all"
	}
	d.Panels = []figure.Panel{timePanel(seconds, unitOfTime(longest))}
	d.Note = r.figureNote("Wall-clock time of runs with a result, over all their attempts, on " + list(r.Provenance.CPUs) + "; " +
		lasting(secondsOf(distinct(r.Cells))) + " in all, with the runs that failed, each run once" + left)
	return Figure{"time", d.Title, "Every cell's time of a run, mean and each seed, and the time that its runs took together", d}, longest > 0
}

// timePanel shows the seconds of each row's runs in a unit.
func timePanel(seconds [][]float64, unit timeUnit) figure.Panel {
	panel := figure.Panel{X: figure.Axis{Label: "time of a run", Unit: unit.name}, Wide: []float64{0}}
	for _, row := range seconds {
		var values []float64
		for _, s := range row {
			values = append(values, s/unit.seconds)
		}
		mean := figure.Interval{Mean: meanOf(values), Low: math.Inf(-1), High: math.Inf(1)}
		panel.Marks = append(panel.Marks, figure.Marks{Values: values, Mean: &mean})
	}
	return panel
}

func secondsOf(runs []run) (sum float64) {
	for _, run := range runs {
		sum += run.seconds
	}
	return sum
}

type timeUnit struct {
	name    string
	seconds float64
}

// unitOfTime is the largest unit that a time has two of.
func unitOfTime(seconds float64) timeUnit {
	units := []timeUnit{{"h", 3600}, {"min", 60}, {"s", 1}}
	for _, u := range units {
		if seconds >= 2*u.seconds {
			return u
		}
	}
	return units[len(units)-1]
}

// lasting writes a time with two or three digits.
func lasting(seconds float64) string {
	u := unitOfTime(seconds)
	v := Number(seconds / u.seconds)
	decimals := 0
	if u.name != "s" && v < 100 {
		decimals = 1
	}
	return v.fixed(decimals) + " " + u.name
}
