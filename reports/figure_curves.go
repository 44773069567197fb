package reports

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ablate/reports/figure"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"
)

// curve is a figure of one metric over the steps.
type curve struct {
	file, metric string
	title, axis  string
	log          bool
}

// curves are the figures of what the embedded trainer reports while training.
var curves = []curve{
	{"learning-loss", "loss", "Training loss", "loss: 0 = the views agree, as when everything has collapsed", true},
	{"learning-knn_top1", "knn_top1", "Nearest-neighbour accuracy while training", "knn_top1 of the frozen encoder", false},
	{"collapse-z_std", "z_std", "Spread of the projection while training", "z_std: 0 = collapsed, near 1 = spread out", true},
	{"collapse-y_std", "y_std", "Spread of the encoder's output while training", "y_std: 0 = collapsed, near 1 = spread out", true},
	{"collapse-z_cosine", "z_cosine", "Cosine between different images while training", "z_cosine of their projections: 1 = collapsed, 0 = spread out", false},
	{"collapse-z_rankme", "z_rankme", "Effective rank of the projection while training", "z_rankme: 1 = collapsed to one direction", true},
}

// maxPoints is about how many points a line is drawn with. Where there are more
// steps, each point is the mean over several of them.
const maxPoints = 120

// curvesFigure draws a metric over the steps; found is false if no run has it.
func (r *Report) curvesFigure(c curve) (f Figure, found bool, err error) {
	cells, left := r.pick(mostLines)
	runs, each, err := r.load(cells, c.metric)
	if err != nil {
		return Figure{}, false, err
	}
	picture := &figure.Curves{
		Title:      c.title,
		X:          figure.Axis{Label: r.steps()},
		Y:          figure.Axis{Label: c.axis, Unit: unitOf(c.metric), Log: c.log},
		Thresholds: r.thresholds(c.metric),
	}
	for i, cell := range cells {
		s := seriesOf(r.Cells[cell], r.looks[cell], runs[i])
		picture.Series = append(picture.Series, s)
		found = found || len(s.X) > 0
	}
	note := "Line: mean over seeds"
	if each > 1 {
		note += fmt.Sprintf(", each point the mean over %d steps", each)
	}
	if len(r.Seeds) > 1 {
		note += "; band: lowest to highest seed"
	}
	if slices.ContainsFunc(picture.Series, func(s figure.Series) bool { return len(s.Ends) > 0 }) {
		note += "; a cross: a run diverged" + r.orStopped() + ", and the line goes on over the others"
	}
	picture.Note = r.figureNote(note + left)
	return Figure{c.file, c.title, "Lines of " + c.metric + " over the training steps, one for each cell", picture}, found, nil
}

// thresholds are the lines under which a metric counts as collapsed.
func (r *Report) thresholds(metric string) []figure.Threshold {
	switch metric {
	case "z_std":
		return []figure.Threshold{{Label: fmt.Sprintf("collapsed below %v", config.SeparatedStd), Value: config.SeparatedStd}}
	case "z_rankme":
		// No rank is below 1, and where the baseline's is below 10, none is a tenth of it.
		if at := lowRank * float64(r.Cells[0].metric("z_rankme").Mean); at > 1 {
			return []figure.Threshold{{Label: "below " + percent(lowRank) + " of " + r.Cells[0].Name + "'s", Value: at}}
		}
	}
	return nil
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

// load reads a metric of these cells' runs with a result, by cell and seed; each
// is how many steps a point is the mean over.
func (r *Report) load(cells []int, metric string) (runs [][]results.Curve, each int64, err error) {
	ids := map[string]bool{}
	for _, cell := range cells {
		for _, run := range r.Cells[cell].runs {
			if run.draws(metric) {
				ids[run.id] = true
			}
		}
	}
	all, err := r.curves(metric, slices.Sorted(maps.Keys(ids)), maxPoints)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the runs' %s: %w", metric, err)
	}
	for _, cell := range cells {
		curves := make([]results.Curve, len(r.Cells[cell].runs))
		for i, run := range r.Cells[cell].runs {
			curves[i] = all.Runs[run.id]
		}
		runs = append(runs, curves)
	}
	return runs, all.Each, nil
}

// draws reports whether the run has a line in a figure of the metric.
func (r run) draws(metric string) bool {
	_, ok := r.metrics[metric]
	return ok && r.outcome.IsResult()
}

// seriesOf sums up a cell's runs: in each bin of steps mean, lowest and highest
// of the seeds that have a finite value there.
func seriesOf(cell Cell, style figure.Style, runs []results.Curve) figure.Series {
	s := figure.Series{Name: cell.Name, Style: style, Remark: cell.remark()}
	bins := map[int64][]results.Bin{} // of all seeds, by their number
	for _, c := range runs {
		for _, b := range c.Bins {
			bins[b.Number] = append(bins[b.Number], b)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(bins)) {
		first, last := bins[number][0].First, bins[number][0].Last
		var values []float64
		for _, b := range bins[number] {
			first, last = min(first, b.First), max(last, b.Last)
			values = append(values, b.Mean)
		}
		addPoint(&s, float64(first+last)/2, values)
	}
	for i, c := range runs {
		if (cell.runs[i].outcome == results.Diverged || cell.runs[i].stopped > 0) && len(c.Bins) > 0 {
			s.Ends = append(s.Ends, figure.Point{X: float64(c.Last.Step), Y: c.Last.Value})
		}
	}
	return s
}

// remark says what a cell's line is not the mean over.
func (c Cell) remark() string {
	var remarks []string
	if c.N > 0 && c.N < len(c.runs) {
		remarks = append(remarks, countOf(c.N, len(c.runs))+" seeds")
	}
	if c.Diverged > 0 {
		remarks = append(remarks, countOf(c.Diverged, c.N)+" diverged")
	} else if c.Stopped > 0 {
		remarks = append(remarks, countOf(c.Stopped, c.N)+" stopped early")
	}
	return strings.Join(remarks, ", ")
}

// addPoint adds the mean and the range of at least one value to a series.
func addPoint(s *figure.Series, x float64, values []float64) {
	mean, low, high := 0.0, values[0], values[0]
	for _, v := range values {
		mean += v / float64(len(values))
		low, high = min(low, v), max(high, v)
	}
	s.X, s.Mean, s.Low, s.High = append(s.X, x), append(s.Mean, mean), append(s.Low, low), append(s.High, high)
}

// spectrumPrefix begins the names of the metrics that are a run's spectrum, and
// that are shown together or not at all; its members' ranks follow.
const spectrumPrefix = "z_spectrum_"

// spectrumRank is the rank of a metric of the spectrum, 0 of any other.
func spectrumRank(metric string) int {
	digits, found := strings.CutPrefix(metric, spectrumPrefix)
	if rank, err := strconv.Atoi(digits); found && err == nil && rank > 0 {
		return rank
	}
	return 0
}

// mostFaint is how many cells' spectra at step 0 are drawn behind those at the
// last step.
const mostFaint = 8

// spectrumFigure draws the singular values of the projection.
func (r *Report) spectrumFigure() (f Figure, found bool) {
	cells, left := r.pick(mostLines)
	picture := &figure.Curves{
		Title: "Spectrum of the projection",
		X:     figure.Axis{Label: "rank of the singular value", Log: true},
		Y:     figure.Axis{Label: "singular value over the largest: a steep fall = few directions in use", Log: true},
	}
	var lack spectrumLack
	faint := false
	for _, i := range cells {
		cell := r.Cells[i]
		last := spectrumOf(cell, r.looks[i], false)
		picture.Series = append(picture.Series, last)
		lack.count(cell)
		found = found || len(last.X) > 0
		if first := spectrumOf(cell, r.looks[i], true); len(first.X) > 0 && len(cells) <= mostFaint {
			first.Faint, faint = true, true
			picture.Series = append(picture.Series, first)
		}
	}
	note := "Projections of held-out images, not centred, as for RankMe. Line: mean over seeds at the last step"
	if len(r.Seeds) > 1 {
		note += "; band: lowest to highest seed"
	}
	if faint {
		note += "; thin: the same networks at step 0"
	}
	picture.Note = r.figureNote(note + lack.String() + left)
	return Figure{"spectrum", picture.Title, "Lines of the projection's singular values over their rank, one for each cell", picture}, found
}

// spectrumLack counts the runs without a spectrum, and the cells that have none.
type spectrumLack struct{ runs, of, cells int }

func (l *spectrumLack) count(cell Cell) {
	missing, of := 0, 0
	for _, run := range cell.runs {
		if !run.outcome.IsResult() || run.outcome == results.Diverged { // which has no last step
			continue
		}
		of++
		if _, ok := run.metrics[spectrumPrefix+"1"]; !ok {
			missing++
		}
	}
	l.runs, l.of = l.runs+missing, l.of+of
	if of > 0 && missing == of {
		l.cells++
	}
}

func (l spectrumLack) String() string {
	if l.runs == 0 {
		return ""
	}
	all := ""
	if l.cells > 0 {
		all = ", all of " + words.Plural(l.cells, "cell") + " among them"
	}
	return fmt.Sprintf("; %s runs have no spectrum%s: they were made by a program that did not report it yet", countOf(l.runs, l.of), all)
}

// spectrumOf sums up the singular values of a cell's runs over the largest.
func spectrumOf(cell Cell, style figure.Style, untrained bool) figure.Series {
	s := figure.Series{Name: cell.Name, Style: style, Remark: cell.remark()}
	values := map[int][]float64{}
	for _, run := range cell.runs {
		largest := run.value(spectrumPrefix+"1", untrained)
		for name := range run.metrics {
			v := run.value(name, untrained) / largest
			if rank := spectrumRank(name); rank > 0 && isFinite(v) {
				values[rank] = append(values[rank], v)
			}
		}
	}
	for _, rank := range slices.Sorted(maps.Keys(values)) {
		addPoint(&s, float64(rank), values[rank])
	}
	return s
}
