package reports

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"

	"ablate/reports/figure"
	"ablate/results"
	"ablate/words"
)

// collapseThreshold is the z_std below which a projection counts as collapsed.
const collapseThreshold = 0.1

// curve is a figure of one metric over the steps.
type curve struct {
	file, metric string
	title, axis  string
	log          bool
	threshold    bool
}

// curves are the figures of a report besides its comparison.
var curves = []curve{
	{"learning-loss", "loss", "Training loss", "loss: 0 = the views agree, as when everything has collapsed", true, false},
	{"learning-knn_top1", "knn_top1", "Nearest-neighbour accuracy while training", "knn_top1 of the frozen encoder", false, false},
	{"collapse-z_std", "z_std", "Spread of the projection while training", "z_std: 0 = collapsed, near 1 = spread out", true, true},
	{"collapse-y_std", "y_std", "Spread of the encoder's output while training", "y_std: 0 = collapsed, near 1 = spread out", true, false},
}

// drawing is a figure with its file name, less the extension.
type drawing struct {
	name, alt string
	picture   figure.Picture
}

// drawings are the figures that there is data for.
func (r *Report) drawings() ([]drawing, error) {
	var all []drawing
	if r.Metric != "" {
		all = append(all, drawing{"comparison", "Every cell's " + r.Metric + ": mean, interval, each seed, and the network before training", r.comparisonFigure()})
	}
	for _, c := range r.shownCurves() {
		picture, found, err := r.curvesFigure(c)
		if err != nil {
			return nil, err
		}
		if found {
			all = append(all, drawing{c.file, "Every cell's " + c.metric + " over the training steps", picture})
		}
	}
	return all, nil
}

func (r *Report) comparisonFigure() *figure.Comparison {
	c := &figure.Comparison{
		Title:     comparisonTitle(r.Metric),
		X:         figure.Axis{Label: r.Metric, Unit: unitOf(r.Metric)},
		Reference: float64(r.Cells[0].metric(r.Metric).Mean), ReferenceName: "mean of " + r.Cells[0].Name,
		Interval: percent(1-r.Alpha) + " t interval",
		Note:     r.figureNote("Values at the last step"),
	}
	for i, cell := range r.Cells {
		m := cell.metric(r.Metric)
		row := figure.Row{
			Name: cell.Name, Style: figure.Style(i), Values: floats(m.Values), Untrained: floats(cell.Metrics[r.Metric+untrainedSuffix].Values),
			Mean: float64(m.Mean), Low: float64(m.Low), High: float64(m.High),
		}
		if outcome := cell.outcome(); outcome != completed {
			row.Remark = outcome
		}
		c.Rows = append(c.Rows, row)
	}
	return c
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

// figureNote says how a figure is to be read and what it was made from.
func (r *Report) figureNote(how string) string {
	made := []string{"Study " + r.Name, words.Plural(len(r.Seeds), "seed")}
	if len(r.Provenance.Data) > 0 {
		made = append(made, list(r.Provenance.Data))
	}
	return how + ". " + strings.Join(made, "; ") + "."
}

func floats(numbers []Number) []float64 {
	var f []float64
	for _, n := range numbers {
		f = append(f, float64(n))
	}
	return f
}

// maxPoints is how many points a line is drawn with. Where there are more
// steps, each point is the mean over several of them.
const maxPoints = 120

// curvesFigure draws a metric over the steps; found is false if no run has it.
func (r *Report) curvesFigure(c curve) (picture *figure.Curves, found bool, err error) {
	picture = &figure.Curves{
		Title: c.title,
		X:     figure.Axis{Label: r.steps()},
		Y:     figure.Axis{Label: c.axis, Unit: unitOf(c.metric), Log: c.log},
	}
	if c.threshold {
		picture.Thresholds = []figure.Threshold{{Label: fmt.Sprintf("collapsed below %v", collapseThreshold), Value: collapseThreshold}}
	}
	loaded := make([][][]results.Point, len(r.Cells))
	longest := 0
	for i, cell := range r.Cells {
		if loaded[i], err = r.load(cell, c.metric); err != nil {
			return nil, false, err
		}
		for _, points := range loaded[i] {
			longest = max(longest, len(points))
		}
	}
	each := (longest + maxPoints - 1) / maxPoints
	for i, cell := range r.Cells {
		picture.Series = append(picture.Series, seriesOf(cell, figure.Style(i), loaded[i], each))
	}
	note := "Line: mean over seeds"
	if each > 1 {
		note += fmt.Sprintf(", each point the mean of %d steps", each)
	}
	if len(r.Seeds) > 1 {
		note += "; band: lowest to highest seed"
	}
	for _, s := range picture.Series {
		if len(s.Ends) > 0 {
			note += "; a cross: a run diverged" + r.orStopped() + ", and the line goes on over the others"
			break
		}
	}
	picture.Note = r.figureNote(note)
	return picture, longest > 0, nil
}

// orStopped is what else a cross may mean.
func (r *Report) orStopped() string {
	for _, c := range r.Cells {
		if c.Stopped > 0 {
			return " or was stopped early"
		}
	}
	return ""
}

// steps says what the steps of a curve are.
func (r *Report) steps() string {
	if r.own != nil {
		return "steps, as the trainer counts them"
	}
	return "optimizer steps"
}

// load reads a metric of a cell's runs with a result, by seed.
func (r *Report) load(cell Cell, metric string) ([][]results.Point, error) {
	series := make([][]results.Point, len(cell.runs))
	for i, run := range cell.runs {
		if _, ok := run.metrics[metric]; !ok || !run.outcome.IsResult() {
			continue
		}
		points, err := r.series(run.id, metric)
		if err != nil {
			return nil, fmt.Errorf("reading %s of run %s: %w", metric, run.id, err)
		}
		series[i] = points
	}
	return series, nil
}

// seriesOf sums up a cell's runs: at each step mean, lowest and highest of the
// seeds that have a finite value there, after averaging every each steps.
func seriesOf(cell Cell, style figure.Style, runs [][]results.Point, each int) figure.Series {
	s := figure.Series{Name: cell.Name, Style: style}
	if cell.Diverged > 0 {
		s.Remark = fmt.Sprintf("%d of %d diverged", cell.Diverged, cell.N)
	} else if cell.Stopped > 0 {
		s.Remark = fmt.Sprintf("%d of %d stopped early", cell.Stopped, cell.N)
	}
	steps := stepsOf(runs)
	for from := 0; from < len(steps); from += max(each, 1) {
		bin := steps[from:min(from+max(each, 1), len(steps))]
		var values []float64
		for _, points := range runs {
			if v, ok := meanWithin(points, bin[0], bin[len(bin)-1]); ok {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			continue // only runs that diverged have a point here
		}
		x := float64(bin[0]+bin[len(bin)-1]) / 2
		mean, low, high := spanOf(values)
		s.X, s.Mean, s.Low, s.High = append(s.X, x), append(s.Mean, mean), append(s.Low, low), append(s.High, high)
	}
	for i, points := range runs {
		if cell.runs[i].outcome != results.Diverged && cell.runs[i].stopped == 0 {
			continue
		}
		if last, ok := lastFinite(points); ok {
			s.Ends = append(s.Ends, figure.Point{X: float64(last.Step), Y: last.Value})
		}
	}
	return s
}

// stepsOf lists the steps at which any of the runs has a point, in order.
func stepsOf(runs [][]results.Point) []int64 {
	seen := map[int64]bool{}
	var steps []int64
	for _, points := range runs {
		for _, p := range points {
			if !seen[p.Step] {
				seen[p.Step] = true
				steps = append(steps, p.Step)
			}
		}
	}
	sort.Slice(steps, func(i, j int) bool { return steps[i] < steps[j] })
	return steps
}

// meanWithin averages the finite points, which ascend by step, from first to
// last.
func meanWithin(points []results.Point, first, last int64) (mean float64, ok bool) {
	from := sort.Search(len(points), func(i int) bool { return points[i].Step >= first })
	sum, n := 0.0, 0
	for _, p := range points[from:] {
		if p.Step > last {
			break
		}
		if isFinite(p.Value) {
			sum += p.Value
			n++
		}
	}
	return sum / float64(max(n, 1)), n > 0
}

// spanOf returns the mean, the lowest and the highest of at least one value.
func spanOf(values []float64) (mean, low, high float64) {
	low, high = values[0], values[0]
	for _, v := range values {
		mean += v / float64(len(values))
		low, high = min(low, v), max(high, v)
	}
	return mean, low, high
}

func lastFinite(points []results.Point) (results.Point, bool) {
	for i := len(points) - 1; i >= 0; i-- {
		if isFinite(points[i].Value) {
			return points[i], true
		}
	}
	return results.Point{}, false
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// draw renders the drawings as SVG and PNG files by name. Those that would be
// too large to look at are left out.
func draw(drawings []drawing) (kept []drawing, files map[string][]byte, err error) {
	files = map[string][]byte{}
	for _, d := range drawings {
		svg, err := figure.SVG(d.picture)
		if errors.Is(err, figure.ErrTooLarge) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		png, err := figure.PNG(d.picture)
		if err != nil {
			return nil, nil, err
		}
		files[d.name+".svg"], files[d.name+".png"] = svg, png
		kept = append(kept, d)
	}
	return kept, files, nil
}
