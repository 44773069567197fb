package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"ablate/ablations"
	"ablate/reports/figure"
	"ablate/results"
	"ablate/trainer/config"
)

// sized is a study of n cells: up to six are levels of one axis; beyond, two
// axes are crossed, the second with three levels. Its runs report everything
// that figures show.
func sized(n, seeds int) (*ablations.Study, [][]run) {
	study, runs := fixture(slices.Collect(func(yield func(int) bool) {
		for i := 1; i <= seeds && yield(i); i++ {
		}
	})...)
	if n <= len(study.Cells) {
		study.Cells, runs, study.Claims = study.Cells[:n], runs[:n], nil
	} else {
		study.Axes = append(study.Axes, ablations.Axis{Name: "width"})
		study.Cells, study.Claims = nil, nil
		var crossed [][]run
		for i := range n {
			norm, width := arms[i/3%len(arms)].name+strings.Repeat("'", i/3/len(arms)), fmt.Sprint(16<<(i%3))
			cell := ablations.NewCell("norm="+norm+",width="+width, nil)
			cell.Levels = []string{norm, width}
			study.Cells = append(study.Cells, cell)
			row := make([]run, seeds)
			for k := range row {
				row[k] = arms[i/3%len(arms)].run(i, k+1)
				row[k].id = fmt.Sprintf("%d-%d", i, k)
			}
			crossed = append(crossed, row)
		}
		runs = crossed
	}
	study.Paper = &ablations.PaperValues{
		Metric: "linear_top1", Unit: "top-1 %", Where: "Table 2: ImageNet, 1000 epochs", Values: map[int]float64{0: 74.3, 1: 0.1},
	}
	for i, row := range runs {
		for k := range row {
			row[k].seconds = float64(100 + 10*i + k)
			for rank := 1; rank <= 64; rank *= 2 {
				v := 0.9 / math.Pow(float64(rank), 0.2*float64(i+1))
				row[k].metrics[fmt.Sprint("z_spectrum_", rank)] = ends{untrained: 0.8 / float64(rank), final: v}
			}
			for _, name := range []string{"z_cosine", "y_cosine", "y_rankme"} {
				row[k].metrics[name] = ends{untrained: 0.9, final: 0.5 + 0.01*float64(i)}
			}
		}
	}
	return study, runs
}

// reportSized is the report of sized, after change.
func reportSized(n, seeds int, change func(*run)) *Report {
	study, runs := sized(n, seeds)
	if change != nil {
		for _, row := range runs {
			for k := range row {
				change(&row[k])
			}
		}
	}
	r := newReport(study, runs)
	r.curves = curvesOf(runs)
	return r
}

func figuresOf(t *testing.T, r *Report) map[string]Figure {
	t.Helper()
	all, err := r.Figures()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Figure{}
	for _, f := range all {
		if f.Title == "" || f.Alt == "" || byName[f.Name].Name != "" {
			t.Errorf("%+v: no title, no alternative text or there twice", f)
		}
		byName[f.Name] = f
	}
	return byName
}

// box is one text of an SVG file and the rectangle that it fills.
type box struct {
	text                     string
	left, right, top, bottom float64
}

func boxesOf(t *testing.T, file []byte) (width, height float64, boxes []box) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return width, height, boxes
		}
		if err != nil {
			t.Fatal(err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		value := map[string]string{}
		number := func(name string) (v float64) {
			fmt.Sscanf(value[name], "%g", &v)
			return v
		}
		for _, a := range element.Attr {
			value[a.Name.Local] = a.Value
		}
		switch element.Name.Local {
		case "svg":
			fmt.Sscanf(value["viewBox"], "0 0 %g %g", &width, &height)
		case "text":
			b := box{left: number("x"), right: number("x") + number("textLength")}
			b.bottom, b.top = -number("y")-0.2*number("font-size"), -number("y")+0.75*number("font-size")
			if err := decoder.DecodeElement(&b.text, &element); err != nil {
				t.Fatal(err)
			}
			boxes = append(boxes, b)
		}
	}
}

// mustBeReadable checks that no texts of a figure overlap or leave it, and that
// nothing is drawn at NaN.
func mustBeReadable(t *testing.T, name string, f Figure) {
	t.Helper()
	file, err := f.SVG()
	if err != nil {
		t.Fatalf("%s, %s: %v", name, f.Name, err)
	}
	if bytes.Contains(file, []byte("NaN")) || bytes.Contains(file, []byte("Inf")) {
		t.Errorf("%s, %s: something is drawn at NaN", name, f.Name)
	}
	width, height, boxes := boxesOf(t, file)
	for i, a := range boxes {
		if a.left < 0 || a.right > width+0.1 || a.bottom < 0 || a.top > height {
			t.Errorf("%s, %s: %q leaves the figure", name, f.Name, a.text)
		}
		for _, b := range boxes[:i] {
			if a.left < b.right && b.left < a.right && a.bottom < b.top && b.bottom < a.top {
				t.Errorf("%s, %s: %q overlaps %q", name, f.Name, a.text, b.text)
			}
		}
	}
}

var everyFigure = []string{
	"comparison", "paper", "learning-loss", "learning-knn_top1", "collapse-z_std", "collapse-y_std", "collapse-z_cosine", "collapse-z_rankme",
	"spectrum", "untrained", "time",
}

// Whatever there is to show, it can be read.
func TestFiguresAreReadable(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name        string
		cells, runs int
		change      func(*run)
		want        []string
	}{
		{"two cells", 2, 2, nil, everyFigure},
		{"five cells", 5, 5, nil, everyFigure},
		{"fifteen cells", 15, 3, nil, everyFigure},
		{"sixty cells", 60, 2, nil, everyFigure},
		{"one seed", 5, 1, nil, everyFigure},
		{"all collapsed", 5, 2, func(r *run) {
			r.outcome = results.Collapsed
			r.metrics["z_std"], r.metrics["z_rankme"], r.metrics["loss"] = ends{untrained: 0.3, final: 0}, ends{untrained: 20, final: 1}, ends{untrained: nan, final: 0}
			for rank := 2; rank <= 64; rank *= 2 {
				r.metrics[fmt.Sprint("z_spectrum_", rank)] = ends{untrained: 0.1, final: 0}
			}
		}, everyFigure},
		{"all diverged", 5, 2, func(r *run) { r.outcome = results.Diverged }, slices.DeleteFunc(slices.Clone(everyFigure), func(name string) bool {
			return name == "comparison" || name == "paper" || name == "spectrum"
		})},
		{"not a number", 5, 2, func(r *run) {
			for name := range r.metrics {
				r.metrics[name] = ends{untrained: nan, final: nan}
			}
		}, []string{"time"}},
		{"all failed", 5, 2, func(r *run) { r.outcome = results.Failed }, nil},
		{"nothing yet", 5, 2, func(r *run) { *r = run{seed: r.seed} }, nil},
	} {
		r := reportSized(c.cells, c.runs, c.change)
		if c.name == "not a number" {
			r.curves = func(string, []string, int) (results.Curves, error) { return results.Curves{Each: 1}, nil }
		}
		figures := figuresOf(t, r)
		for _, name := range c.want {
			if _, ok := figures[name]; !ok {
				t.Errorf("%s: there is no %s", c.name, name)
			}
		}
		if len(figures) != len(c.want) {
			t.Errorf("%s: %d figures, want %d", c.name, len(figures), len(c.want))
		}
		for _, f := range figures {
			mustBeReadable(t, c.name, f)
		}
	}
}

// A cell has one look in all figures, no two cells have the same, and a level
// has one colour.
func TestLooks(t *testing.T) {
	for _, n := range []int{2, 6, 15, 60} {
		r := reportSized(n, 2, nil)
		looks := map[string]figure.Style{}
		see := func(f Figure, name string, s figure.Style) {
			if known, ok := looks[name]; ok && known != s {
				t.Errorf("%d cells: %s is %v in %s and %v elsewhere", n, name, s, f.Name, known)
			}
			looks[name] = s
		}
		for _, f := range figuresOf(t, r) {
			switch p := f.picture.(type) {
			case *figure.Curves:
				for _, s := range p.Series {
					see(f, s.Name, s.Style)
				}
			case *figure.Dots:
				for i, row := range p.Rows {
					see(f, row.Name, row.Style)
					for _, m := range p.Panels[0].Marks[i].Pair {
						see(f, row.Name, m.Style)
					}
				}
			}
		}
		if want := min(n, mostRows); len(looks) != want {
			t.Errorf("%d cells: %d are in the figures, want %d", n, len(looks), want)
		}
		seen := map[figure.Style]string{}
		for name, s := range looks {
			if other, ok := seen[s]; ok {
				t.Errorf("%d cells: %s and %s look the same", n, name, other)
			}
			seen[s] = name
			norm, width, crossed := strings.Cut(name, ",width=")
			if !crossed {
				continue
			}
			for other, o := range looks {
				otherNorm, otherWidth, _ := strings.Cut(other, ",width=")
				if (norm == otherNorm) != (s.Colour == o.Colour) || (norm == otherNorm) != (s.Marker == o.Marker) || (width == otherWidth) != (s.Dash == o.Dash) {
					t.Errorf("%d cells: %s is %v and %s is %v", n, name, s, other, o)
				}
			}
		}
	}
}

// Where axes are not crossed, or there are too many combinations for dashes, a
// cell can still be told by its marker and dash alone.
func TestLooksOfOtherStudies(t *testing.T) {
	alone := func(s figure.Style) figure.Style { return figure.Style{Marker: s.Marker % 9, Dash: s.Dash % 4} }
	for name, levels := range map[string][][]string{
		"one at a time": {{"bn", "bn", "bn"}, {"ln", "bn", "bn"}, {"bn", "ln", "bn"}, {"bn", "bn", "ln"}},
		"one axis":      {{"bn"}, {"ln"}, {"none"}, nil, nil},
		"three axes": {
			{"bn", "bn", "bn"}, {"bn", "bn", "ln"}, {"bn", "bn", "none"}, {"bn", "ln", "bn"}, {"bn", "ln", "ln"}, {"bn", "ln", "none"},
			{"ln", "bn", "bn"}, {"ln", "bn", "ln"}, {"ln", "bn", "none"}, {"ln", "ln", "bn"}, {"ln", "ln", "ln"}, {"ln", "ln", "none"}, nil,
		},
	} {
		study := &ablations.Study{Axes: make([]ablations.Axis, len(levels[0]))}
		for _, l := range levels {
			study.Cells = append(study.Cells, ablations.Cell{Levels: l})
		}
		styles := looks(study)
		for i, s := range styles {
			for k, o := range styles[:i] {
				if alone(s) == alone(o) {
					t.Errorf("%s: cells %d and %d look the same in black and white", name, k, i)
				}
				same := name == "three axes" && levels[i] != nil && levels[k] != nil && levels[i][0] == levels[k][0]
				if (s.Colour == o.Colour) != same {
					t.Errorf("%s: cells %d and %d have the colours %d and %d", name, k, i, o.Colour, s.Colour)
				}
			}
		}
	}
}

// What a line is not the mean over stands beside its name.
func TestRemarks(t *testing.T) {
	r := reportSized(5, 3, func(r *run) {
		switch r.id {
		case "ln-2":
			r.outcome = results.Failed
		case "none-1":
			*r = run{seed: 1}
		case "none-2":
			r.outcome = results.Diverged
		case "init-3":
			r.stopped = 100
		}
	})
	want := []string{"", "2 of 3 seeds", "2 of 3 seeds, 1 of 2 diverged", "1 of 3 stopped early", ""}
	figures := figuresOf(t, r)
	for _, name := range []string{"collapse-z_std", "spectrum"} {
		var got []string
		for _, s := range figures[name].picture.(*figure.Curves).Series {
			if !s.Faint {
				got = append(got, s.Remark)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: remarks %q, want %q", name, got, want)
		}
	}
}

func TestPick(t *testing.T) {
	r := reportSized(60, 1, nil)
	cells, left := r.pick(mostLines)
	if !slices.Equal(cells, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}) || !strings.Contains(left, "the first 15 of 60 cells are drawn") {
		t.Errorf("without claims: %v%s", cells, left)
	}
	r.study.Claims = []ablations.Claim{{All: []ablations.Part{
		{Cells: []ablations.Selector{{Cell: 59}, {Cell: 30}}}, {Cells: []ablations.Selector{{Cell: 30, Untrained: true}}},
	}}}
	cells, left = r.pick(4)
	if !slices.Equal(cells, []int{0, 1, 30, 59}) || !strings.Contains(left, "4 of 60 cells are drawn, those that claims name first") {
		t.Errorf("with claims: %v%s", cells, left)
	}
	if cells, left := r.pick(60); len(cells) != 60 || left != "" {
		t.Errorf("with room for all: %d cells%s", len(cells), left)
	}
	curves := figuresOf(t, r)["collapse-z_std"].picture.(*figure.Curves)
	if len(curves.Series) != mostLines || curves.Series[mostLines-1].Name != r.Cells[59].Name || !strings.Contains(curves.Note, "15 of 60") {
		t.Errorf("%d lines, the last of %s; %s", len(curves.Series), curves.Series[len(curves.Series)-1].Name, curves.Note)
	}
}

// The spectrum is relative to its largest value, run by run, and what has none
// is counted.
func TestSpectrum(t *testing.T) {
	r := reportSized(5, 2, func(r *run) {
		if r.seed == 2 {
			for rank := 1; rank <= 64; rank *= 2 {
				name := fmt.Sprint("z_spectrum_", rank)
				r.metrics[name] = ends{untrained: r.metrics[name].untrained / 2, final: 0.5 / float64(rank)}
			}
		}
		if r.id == "none-1" {
			r.outcome = results.Diverged
		}
		if strings.HasPrefix(r.id, "ln-") || r.id == "init-2" || r.id == "none-1" { // an earlier program's
			for name := range r.metrics {
				if spectrumRank(name) > 0 {
					delete(r.metrics, name)
				}
			}
		}
	})
	p := figuresOf(t, r)["spectrum"].picture.(*figure.Curves)
	if !strings.Contains(p.Note, "3 of 9 runs have no spectrum, all of 1 cell among them: they were") {
		t.Errorf("the note says %s", p.Note)
	}
	bn, faint, ln := p.Series[0], p.Series[1], p.Series[2]
	want := []float64{1, 2, 4, 8, 16, 32, 64}
	if !slices.Equal(bn.X, want) || bn.Mean[0] != 1 || bn.Faint || len(ln.X) != 0 {
		t.Errorf("of bn %v: %v, of ln %v", bn.X, bn.Mean, ln.X)
	}
	if low, high := 0.5, math.Pow(2, -0.2); math.Abs(bn.Mean[1]-(low+high)/2) > 1e-12 || bn.Low[1] != low || math.Abs(bn.High[1]-high) > 1e-12 {
		t.Errorf("at rank 2: %v in %v to %v, want between %v and %v", bn.Mean[1], bn.Low[1], bn.High[1], low, high)
	}
	if !faint.Faint || faint.Style != bn.Style || faint.Mean[1] != 0.5 {
		t.Errorf("at step 0: %+v", faint)
	}
	if p := figuresOf(t, reportSized(15, 1, nil))["spectrum"].picture.(*figure.Curves); len(p.Series) != 15 || strings.Contains(p.Note, "thin") {
		t.Errorf("of 15 cells %d lines; %s", len(p.Series), p.Note)
	}
	for name, want := range map[string]int{"z_spectrum_12": 12, "z_spectrum_": 0, "z_spectrum_x": 0, "z_std": 0, "z_spectrum_-1": 0} {
		if got := spectrumRank(name); got != want {
			t.Errorf("%s has rank %d, want %d", name, got, want)
		}
	}
}

// The paper's values and ours never share an axis.
func TestPaperFigure(t *testing.T) {
	r := reportSized(5, 2, nil)
	d := figuresOf(t, r)["paper"].picture.(*figure.Dots)
	paper, here := d.Panels[0], d.Panels[1]
	if len(d.Rows) != 2 || d.Rows[0].Name != "bn" || d.Rows[1].Name != "ln" {
		t.Errorf("the rows are %v, want the quoted cells", d.Rows)
	}
	if paper.X != (figure.Axis{Label: "top-1", Unit: "%"}) || here.X != (figure.Axis{Label: "linear_top1", Unit: "%"}) {
		t.Errorf("the axes are %v and %v", paper.X, here.X)
	}
	if whole := []float64{0, 100}; !slices.Equal(paper.Wide, whole) || !slices.Equal(here.Wide, whole) {
		t.Errorf("percentages are shown within %v and %v", paper.Wide, here.Wide)
	}
	for i, want := range []float64{74.3, 0.1} {
		if m := paper.Marks[i]; len(m.Pair) != 1 || m.Pair[0].At != want || m.Values != nil || m.Mean != nil {
			t.Errorf("row %d of the paper is %+v", i, m)
		}
		if m := here.Marks[i]; m.Pair != nil || len(m.Values) != 2 || m.Mean.Mean != float64(r.Cells[i].metric("linear_top1").Mean) {
			t.Errorf("row %d of ours is %+v", i, m)
		}
	}
	if !strings.Contains(d.Note, "Table 2: ImageNet, 1000 epochs") {
		t.Errorf("the note does not name the source: %s", d.Note)
	}
	r.Paper.Metric = "z_std"
	r.Paper.Unit = "epochs"
	d = figuresOf(t, r)["paper"].picture.(*figure.Dots)
	if d.Panels[0].X != (figure.Axis{Label: "epochs"}) || d.Panels[1].X.Label != "z_std" || d.Panels[1].Wide != nil {
		t.Errorf("of another metric the panels are %v and %v", d.Panels[0].X, d.Panels[1])
	}
}

func TestPaperClaimsFigure(t *testing.T) {
	study, runs := fixture(1, 2)
	study.Claims[0].All[2].Cells[0].Cell = 3
	study.Claims = append(study.Claims, study.Claims[1])
	study.Claims[3].Paper = &ablations.Paper{Value: 3, Against: 1, Unit: "nats", Where: "Table 9"}
	r := reportOf(study, runs)
	d := figuresOf(t, r)["paper-claims"].picture.(*figure.Dots)
	if len(d.Rows) != 2 || d.Rows[0].Name != "refutes-H1" || d.Rows[1].Name != "refutes-H2" {
		t.Fatalf("the rows are %v: want the claims that quote the paper and compare", d.Rows)
	}
	first := d.Panels[0].Marks[0].Pair
	if first[0].At != 65.7 || first[1].At != 0.1 || first[0].Style != r.looks[3] || !first[1].Hollow {
		t.Errorf("the paper's two are %+v", first)
	}
	first = d.Panels[1].Marks[0].Pair
	init := r.Cells[3]
	if first[0].At != float64(init.metric("linear_top1").Mean) || first[1].At != float64(init.metric("linear_top1_untrained").Mean) {
		t.Errorf("ours are %+v", first)
	}
	if d.Rows[0].Marks[1].Name != "init@untrained" || !strings.Contains(d.Note, "not drawn: 1 claim of another scale") || !strings.Contains(d.Note, "Table 2") {
		t.Errorf("%+v; %s", d.Rows[0].Marks, d.Note)
	}
}

func TestUntrainedFigure(t *testing.T) {
	r := reportSized(5, 2, func(r *run) { delete(r.metrics, "y_rankme") })
	d := figuresOf(t, r)["untrained"].picture.(*figure.Dots)
	if len(d.Panels) != 3 || d.Panels[0].Title != "spread" || *d.Panels[0].Reference != config.SeparatedStd || d.Panels[1].Reference != nil {
		t.Errorf("the panels are %+v", d.Panels)
	}
	m := d.Panels[0].Marks[2]
	if !slices.Equal(m.Values, []float64{0.08, 0.08}) || !slices.Equal(m.Hollow, []float64{0.08, 0.08}) {
		t.Errorf("none is shown as %+v", m)
	}
	if m := d.Panels[2].Marks[0]; !slices.Equal(m.Values, []float64{12, 12}) || anyFinite(m.Hollow) {
		t.Errorf("the rank of bn is shown as %+v", m)
	}
}

// A run that two cells share is paid for once; one that failed, and attempts
// that were done again, are paid for too.
func TestCostFigure(t *testing.T) {
	study, runs := sized(4, 2)
	runs[1] = runs[0]
	runs[2][1].outcome, runs[2][1].seconds = results.TimedOut, 7100
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	again := func(n int, from int64, seconds time.Duration) results.Attempt {
		return results.Attempt{Number: n, Version: "v", ResumeStep: from, Started: start, Active: start.Add(seconds * time.Second)}
	}
	runs[3][0].seconds = 120 + 60 + 120
	runs[3][0].attempts = []results.Attempt{again(1, 0, 120), again(2, 0, 60), again(3, 40, 120)} // the second began anew, the third went on
	runs[3][1] = run{seed: 2}
	d := figuresOf(t, reportOf(study, runs))["time"].picture.(*figure.Dots)
	if d.Panels[0].X.Unit != "min" {
		t.Errorf("the unit is %q", d.Panels[0].X.Unit)
	}
	if got := d.Panels[0].Marks[2]; len(got.Values) != 1 || got.Values[0] != 2 || got.Mean.Mean != 2 {
		t.Errorf("the cell with a failed run takes %v, %+v min; want 2", got.Values, got.Mean)
	}
	if got := d.Panels[0].Marks[3]; len(got.Values) != 1 || got.Values[0] != 3 {
		t.Errorf("the run with an attempt that was done again takes %v min; want 3", got.Values)
	}
	want := []string{"3.4 min in all", "3.4 min in all", "120 min in all, 118 min lost", "5.0 min in all, 2.0 min lost"}
	for i, row := range d.Rows {
		if row.Remark != want[i] {
			t.Errorf("%s: %q, want %q", row.Name, row.Remark, want[i])
		}
	}
	if !strings.Contains(d.Note, "The study: 2.1 h in all, 2.0 h lost, each run once") {
		t.Errorf("the note says %s", d.Note)
	}
}

func TestThresholds(t *testing.T) {
	r := reportSized(2, 2, nil)
	if got := r.thresholds("z_rankme"); len(got) != 1 || math.Abs(got[0].Value-2.8) > 1e-12 || got[0].Label != "below 10 % of bn's" {
		t.Errorf("of RankMe: %v", got)
	}
	if got := r.thresholds("z_std"); len(got) != 1 || got[0].Value != 0.1 {
		t.Errorf("of the spread: %v", got)
	}
	r = reportSized(2, 2, func(r *run) { r.metrics["z_rankme"] = ends{untrained: 12, final: 9} })
	if got := append(r.thresholds("z_rankme"), r.thresholds("z_cosine")...); len(got) != 0 {
		t.Errorf("a rank below 1: %v", got)
	}
}

// What the networks were before training is drawn beside what they became, unless
// it is so far off that the cells would run together.
func TestUntrainedFarOff(t *testing.T) {
	draw := func(untrained float64) *figure.Dots {
		study, runs := fixture(1, 2, 3)
		for _, row := range runs {
			for i := range row {
				m := row[i].metrics["linear_top1"]
				m.untrained = untrained
				row[i].metrics["linear_top1"] = m
			}
		}
		f, _ := newReport(study, runs).comparisonFigure()
		return f.picture.(*figure.Dots)
	}
	near := draw(60)
	if near.Key.Hollow == "" || len(near.Panels[0].Marks[0].Hollow) != 1 || strings.Contains(near.Note, "step 0") {
		t.Errorf("near: key %q, note %q", near.Key.Hollow, near.Note)
	}
	far := draw(1)
	if far.Key.Hollow != "" || far.Panels[0].Marks[0].Hollow != nil || !strings.Contains(far.Note, "at step 0, from 1.0 to 1.0 %, out of the figure") {
		t.Errorf("far: key %q, note %q", far.Key.Hollow, far.Note)
	}
}
