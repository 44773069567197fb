package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ablate/reports/figure"
	"ablate/trainer/config"
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
	if slices.ContainsFunc(panel.Marks, figure.Marks.HasInterval) {
		return "mean, " + percent(1-r.Alpha) + " t interval"
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
	}
	aside := r.addUntrained(d, panel.Marks, cells)
	d.Note = r.figureNote("Values at the last step" + aside + left)
	for k, i := range cells {
		cell := r.Cells[i]
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

// addUntrained adds what the networks were before training to the marks of cells,
// unless that is so far off that the cells could not be told apart any more: then
// it says where it is.
func (r *Report) addUntrained(d *figure.Dots, marks []figure.Marks, cells []int) (aside string) {
	var trained, untrained []float64
	for k, i := range cells {
		trained = append(trained, marks[k].Values...)
		untrained = append(untrained, meanOf(floats(r.Cells[i].metric(r.Metric+untrainedSuffix).Values)))
	}
	if low, high := extent(untrained); low <= high {
		const most = 4 // times as wide as the trained values
		from, to := extent(trained)
		if max(to, high)-min(from, low) > most*(to-from) && from < to {
			decimals := decimalsFor(unitOf(r.Metric), Number(low), Number(high))
			return fmt.Sprintf("; at step 0, from %s to %s%s, out of the figure", Number(low).fixed(decimals), Number(high).fixed(decimals), spaced(unitOf(r.Metric)))
		}
		d.Key.Hollow = "untrained (step 0)"
	}
	for k, v := range untrained {
		if isFinite(v) {
			marks[k].Hollow = []float64{v}
		}
	}
	return ""
}

// extent is the smallest and the largest of the values that are finite; low is
// above high if none is.
func extent(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if isFinite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
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
	threshold := config.SeparatedStd
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
