package figure

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/recorder"
)

var keep = flag.String("figures", "", "folder to leave the sample figures in, to be looked at")

var normNames = []string{"bn", "ln", "none", "init", "gn+ws", "no-predictor"}

// sampleNames returns n names as a study of that size would have them.
func sampleNames(n int) []string {
	if n <= len(normNames) {
		return normNames[:n]
	}
	var names []string
	for _, norm := range []string{"bn", "ln", "none", "init", "gn+ws"} {
		for _, other := range []string{"", ",predictor=false", ",width=32"} {
			names = append(names, "norm="+norm+other)
		}
	}
	return names[:n]
}

// sampleCurves looks like z_std of n cells: some collapse, some do not.
func sampleCurves(n int, log bool) *Curves {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	c := &Curves{
		Title:      "BYOL without batch statistics: spread of the projection",
		X:          Axis{Label: "optimizer steps"},
		Y:          Axis{Label: "z_std: 0 = collapsed, near 1 = spread out", Log: log},
		Thresholds: []Threshold{{"collapsed below 0.1", 0.1}},
		Note:       "Line: mean over seeds; band: lowest to highest seed.",
	}
	for i, name := range sampleNames(n) {
		s := Series{Name: name, Style: StyleOf(i)}
		end := []float64{0.82, 0.45, 0.004, 0.25, 0.62, 0.03}[i%6] * (1 - 0.03*float64(i/6))
		start := 0.15 + 0.6*rng.Float64()
		for step := 0; step <= 10; step++ {
			t := float64(step) / 10
			mean := start * math.Pow(end/start, math.Min(1, 1.6*t)) * math.Exp(0.08*rng.NormFloat64())
			s.X = append(s.X, float64(step*39))
			s.Mean = append(s.Mean, mean)
			s.Low = append(s.Low, mean*0.85)
			s.High = append(s.High, mean*1.2)
		}
		c.Series = append(c.Series, s)
	}
	if n >= 5 {
		s := &c.Series[4]
		s.Remark = "1 of 2 diverged"
		s.Ends = []Point{{s.X[6], s.Mean[6]}}
	}
	return c
}

// sampleLoss has many noisy points, and a series without any.
func sampleLoss(n int, log bool) *Curves {
	rng := rand.New(rand.NewPCG(2, uint64(n)))
	c := &Curves{
		Title: "BYOL without batch statistics: training loss",
		X:     Axis{Label: "optimizer steps"},
		Y:     Axis{Label: "loss, from 0 (views agree) to 8", Log: log},
		Note:  "Line: mean over seeds, each point the mean of 12 steps; band: lowest to highest seed.",
	}
	for i, name := range sampleNames(n) {
		s := Series{Name: name, Style: StyleOf(i)}
		end := []float64{0.81, 0.3, 0.0000004, 0.1, 0.06, 0.02}[i%6]
		for step := range 200 {
			t := float64(step) / 200
			mean := (end + (2-end)*math.Exp(-6*t)) * math.Exp(0.06*rng.NormFloat64())
			if i == 2 {
				mean = 2 * math.Exp(-20*t)
			}
			s.X = append(s.X, float64(step*80))
			s.Mean = append(s.Mean, mean)
			s.Low = append(s.Low, mean*0.9)
			s.High = append(s.High, mean*1.12)
		}
		c.Series = append(c.Series, s)
	}
	c.Series[n-1].Mean = nil
	c.Series[n-1].X = nil
	return c
}

func number64(v float64) *float64 { return &v }

func sampleComparison(n, seeds int) *Dots {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	d := &Dots{
		Title:  "BYOL without batch statistics: linear evaluation",
		Panels: []Panel{{X: Axis{Label: "linear_top1", Unit: "%"}, ReferenceName: "mean of bn"}},
		Key:    Key{Mean: "mean, 95 % t interval", Value: "one seed", Hollow: "untrained (step 0)"},
		Note:   "Fashion-MNIST, 2 seeds.",
	}
	for i, name := range sampleNames(n) {
		remarks := []string{"", "collapsed 1 of 2", "never separated 1 of 1, failed 1 of 3, pending 1 of 3", "", "diverged 1 of 2", "collapsed 2 of 2"}
		d.Rows = append(d.Rows, Row{Name: name, Style: StyleOf(i), Remark: remarks[i%6]})
		centre := 80 - 4*float64(i%6)
		m := Marks{Mean: &Interval{}}
		var sum, squares float64
		for range seeds {
			v := centre + 1.1*rng.NormFloat64()
			m.Values = append(m.Values, v)
			m.Hollow = []float64{66 + 3*rng.Float64()}
			sum += v
			squares += v * v
		}
		mean := sum / float64(seeds)
		half := map[int]float64{1: math.Inf(1), 2: 12.7}[seeds]
		if half == 0 {
			half = 2.8
		}
		sd := math.Sqrt(math.Max(0, squares/float64(seeds)-mean*mean)) / math.Sqrt(float64(max(1, seeds-1)))
		*m.Mean = Interval{mean, mean - half*sd, mean + half*sd}
		if seeds == 1 {
			*m.Mean = Interval{mean, math.Inf(-1), math.Inf(1)}
		}
		d.Panels[0].Marks = append(d.Panels[0].Marks, m)
	}
	d.Panels[0].Reference = number64(d.Panels[0].Marks[0].Mean.Mean)
	return d
}

// samplePanels has three panels: one logarithmic, one with hollow marks and one
// with pairs.
func samplePanels(n int) *Dots {
	rng := rand.New(rand.NewPCG(4, uint64(n)))
	d := sampleComparison(n, 2)
	d.Title = "Three panels"
	left := Panel{Title: "logarithmic", X: Axis{Label: "z_std, y_std: spread, 0 = collapsed", Log: true}}
	left.Reference, left.ReferenceName = number64(0.1), "collapsed below 0.1"
	right := Panel{Title: "pairs", X: Axis{Label: "z_rankme, y_rankme: effective rank, 1 = collapsed", Log: true}}
	for i := range d.Rows {
		left.Marks = append(left.Marks, Marks{Values: []float64{rng.Float64(), rng.Float64()}, Hollow: []float64{0.3 * rng.Float64()}})
		right.Marks = append(right.Marks, Marks{Pair: []Mark{{At: 1 + 60*rng.Float64(), Style: StyleOf(i)}, {At: 12, Style: StyleOf(0), Hollow: true}}})
	}
	d.Panels = []Panel{left, d.Panels[0], right}
	d.Panels[1].Title = "intervals"
	return d
}

// sampleSpectrum has a logarithmic horizontal axis and faint lines.
func sampleSpectrum(n int) *Curves {
	c := &Curves{Title: "Spectrum", X: Axis{Label: "rank", Log: true}, Y: Axis{Label: "singular value", Log: true}, Note: "Thin: at step 0."}
	for i, name := range sampleNames(n) {
		for _, faint := range []bool{false, true} {
			s := Series{Name: name, Style: StyleOf(i), Faint: faint}
			for _, rank := range []float64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64} {
				v := math.Pow(rank, -0.3-0.5*float64(i))
				if faint {
					v = math.Pow(rank, -1.5-0.2*float64(i))
				}
				s.X, s.Mean, s.Low, s.High = append(s.X, rank), append(s.Mean, v), append(s.Low, 0.8*v), append(s.High, 1.2*v)
			}
			c.Series = append(c.Series, s)
		}
	}
	return c
}

func samples() map[string]Picture {
	s := map[string]Picture{}
	for _, n := range []int{2, 5, 6, 15} {
		s[fmt.Sprintf("collapse-log-%d", n)] = sampleCurves(n, true)
		s[fmt.Sprintf("collapse-linear-%d", n)] = sampleCurves(n, false)
		s[fmt.Sprintf("loss-log-%d", n)] = sampleLoss(n, true)
		s[fmt.Sprintf("comparison-%d", n)] = sampleComparison(n, 2)
		s[fmt.Sprintf("comparison-%d-five-seeds", n)] = sampleComparison(n, 5)
		s[fmt.Sprintf("panels-%d", n)] = samplePanels(n)
		s[fmt.Sprintf("spectrum-%d", n)] = sampleSpectrum(n)
	}
	s["comparison-one-seed"] = sampleComparison(5, 1)
	s["empty"] = &Curves{Title: "Nothing yet", X: Axis{Label: "steps"}, Y: Axis{Label: "loss"}}
	s["empty-comparison"] = &Dots{Title: "Nothing yet", Panels: []Panel{{X: Axis{Label: "linear_top1", Unit: "%"}, Reference: number64(math.NaN())}}}
	long := sampleCurves(5, true)
	long.Title = strings.Repeat("A title that does not know when to stop ", 5)
	long.Series[1].Name = strings.Repeat("norm=gn+ws,predictor=false,width=64 ", 3)
	s["long-names"] = long
	return s
}

// words is one text of an SVG file and the rectangle that it fills.
type words struct {
	s                        string
	left, right, bottom, top float64
}

// allColours are those that a page knows how to replace.
func allColours() (all []string) {
	for _, c := range append([]color.NRGBA{white, ink, softInk, axisLine, gridLine, leaderInk}, palette...) {
		all = append(all, fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B))
	}
	return all
}

// read parses an SVG file and returns its size, its texts and how often each
// stroke colour occurs.
func read(t *testing.T, file []byte) (width, height float64, texts []words, strokes map[string]int) {
	t.Helper()
	strokes = map[string]int{}
	decoder := xml.NewDecoder(bytes.NewReader(file))
	decoder.Strict = true
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return width, height, texts, strokes
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := map[string]string{}
		for _, a := range element.Attr {
			attr[a.Name.Local] = a.Value
		}
		var x, y, length, size float64
		switch element.Name.Local {
		case "svg":
			fmt.Sscanf(attr["viewBox"], "0 0 %g %g", &width, &height)
		case "path":
			strokes[attr["stroke"]]++
			for _, colour := range []string{attr["stroke"], attr["fill"]} {
				if colour != "" && colour != "none" && !slices.Contains(allColours(), colour) {
					t.Errorf("a path in %s, which is no colour of ours", colour)
				}
			}
			if attr["style"] != "" || attr["fill"] == "" {
				t.Errorf("a path with style %q and fill %q", attr["style"], attr["fill"])
			}
		case "text":
			var s string
			if err := decoder.DecodeElement(&s, &element); err != nil {
				t.Fatal(err)
			}
			fmt.Sscan(attr["x"], &x)
			fmt.Sscan(attr["y"], &y)
			fmt.Sscan(attr["textLength"], &length)
			fmt.Sscan(strings.TrimSuffix(attr["font-size"], "px"), &size)
			if length == 0 || size == 0 {
				t.Errorf("text %q has no length or size", s)
			}
			texts = append(texts, words{s, x, x + length, -y - 0.2*size, -y + 0.75*size})
		}
	}
}

// TestSamples draws every sample in both formats and looks at where the texts
// are; with -figures DIR it leaves the files there.
func TestSamples(t *testing.T) {
	for name, p := range samples() {
		svg, err := SVG(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		width, height, texts, _ := read(t, svg)
		for i, a := range texts {
			if a.left < 0 || a.right > width+0.1 || a.bottom < 0 || a.top > height {
				t.Errorf("%s: %q at %.0f..%.0f, %.0f..%.0f leaves the figure of %.0f x %.0f", name, a.s, a.left, a.right, a.bottom, a.top, width, height)
			}
			for _, b := range texts[:i] {
				if a.left < b.right && b.left < a.right && a.bottom < b.top && b.bottom < a.top {
					t.Errorf("%s: %q overlaps %q", name, a.s, b.s)
				}
			}
		}
		if *keep == "" {
			continue
		}
		image, err := PNG(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for ext, file := range map[string][]byte{".svg": svg, ".png": image} {
			if err := os.WriteFile(filepath.Join(*keep, name+ext), file, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func textsOf(texts []words) []string {
	var s []string
	for _, w := range texts {
		s = append(s, w.s)
	}
	return s
}

func mustSVG(t *testing.T, p Picture) []byte {
	t.Helper()
	svg, err := SVG(p)
	if err != nil {
		t.Fatal(err)
	}
	return svg
}

func TestCurvesSayWhatTheyShow(t *testing.T) {
	c := sampleCurves(6, true)
	width, _, texts, strokes := read(t, mustSVG(t, c))
	got := textsOf(texts)
	for _, want := range append([]string{c.Title, c.Y.Label, c.X.Label, c.Note, "collapsed below 0.1", "1 of 2 diverged", "0.01", "0.1", "1", "300"}, normNames...) {
		if !slices.Contains(got, want) {
			t.Errorf("no text %q in %q", want, got)
		}
	}
	// The key stands to the right of everything that is drawn from data.
	for _, w := range texts {
		if slices.Contains(normNames, w.s) && w.left < float64(plotWidth) {
			t.Errorf("label %q starts at %.0f of %.0f, inside the plot", w.s, w.left, width)
		}
	}
	// Each cell's line and its sample in the key are in its own colour.
	for i, name := range normNames {
		colour := palette[i]
		hex := fmt.Sprintf("#%02X%02X%02X", colour.R, colour.G, colour.B)
		if strokes[hex] < 2 {
			t.Errorf("%s: %d strokes in %s, want its line and its key", name, strokes[hex], hex)
		}
	}
}

// A label stands where its line ends, above those that end lower.
func TestLabelsFollowTheLines(t *testing.T) {
	_, _, texts, _ := read(t, mustSVG(t, sampleCurves(6, true)))
	at := map[string]float64{}
	for _, w := range texts {
		at[w.s] = w.bottom
	}
	order := []string{"none", "no-predictor", "collapsed below 0.1", "init", "ln", "gn+ws", "bn"}
	for i := 1; i < len(order); i++ {
		if at[order[i]] <= at[order[i-1]] {
			t.Errorf("%q at %.0f is not above %q at %.0f", order[i], at[order[i]], order[i-1], at[order[i-1]])
		}
	}
}

func TestComparisonSaysWhatItShows(t *testing.T) {
	c := sampleComparison(5, 2)
	_, _, texts, _ := read(t, mustSVG(t, c))
	got := textsOf(texts)
	want := append([]string{c.Title, "linear_top1 (%)", "mean, 95 % t interval", "one seed", "untrained (step 0)", "mean of bn", "never separated 1 of 1,", "failed 1 of 3, pending 1 of 3", "collapsed 1 of 2"}, normNames[:5]...)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no text %q in %q", w, got)
		}
	}
	last := math.Inf(1)
	for _, name := range normNames[:5] {
		i := slices.Index(got, name)
		if texts[i].bottom >= last {
			t.Errorf("row %q is not below the one before", name)
		}
		last = texts[i].bottom
	}
}

// Each panel has an axis of its own below it and a title above it, and the rows
// go through all of them.
func TestPanels(t *testing.T) {
	d := samplePanels(5)
	_, _, texts, _ := read(t, mustSVG(t, d))
	g := d.grid()
	middle := func(w words) float64 { return (w.left + w.right) / 2 }
	find := func(s string) (w words) {
		i := slices.IndexFunc(texts, func(w words) bool { return w.s == s })
		if i < 0 {
			t.Fatalf("no text %q in %q", s, textsOf(texts))
		}
		return texts[i]
	}
	for i, panel := range d.Panels {
		left, right := g.panels[i].Min.X.Points(), g.panels[i].Max.X.Points()
		if i > 0 && left < g.panels[i-1].Max.X.Points()+20 {
			t.Errorf("panel %d begins at %.0f, the one before ends at %.0f", i, left, g.panels[i-1].Max.X)
		}
		title, name := find(panel.Title), find(g.names[i][0])
		for _, w := range []words{title, name} {
			if math.Abs(middle(w)-(left+right)/2) > 1 {
				t.Errorf("%q is centred on %.0f, its panel on %.0f", w.s, middle(w), (left+right)/2)
			}
		}
		if row := find("bn"); title.bottom < row.top || name.top > row.bottom {
			t.Errorf("panel %d: the title at %.0f and the axis's name at %.0f do not enclose the row at %.0f", i, title.bottom, name.top, row.bottom)
		}
		for _, k := range g.scales[i].ticks {
			at := left + g.scales[i].at(k.value)*(right-left)
			if !slices.ContainsFunc(texts, func(w words) bool { return w.s == k.label && math.Abs(middle(w)-at) < 1 }) {
				t.Errorf("panel %d has no %s at %.0f", i, k.label, at)
			}
		}
	}
	if find("bn").right > g.panels[0].Min.X.Points() {
		t.Error("a row's name reaches into its first panel")
	}
}

// Marks lie where their values are, in their row and their colour.
func TestMarksAreWhereTheirValuesAre(t *testing.T) {
	d := &Dots{
		Rows: []Row{{Name: "a", Style: StyleOf(0)}, {Name: "b", Style: StyleOf(1)}},
		Panels: []Panel{{X: Axis{Label: "x"}, Wide: []float64{0, 10}, Marks: []Marks{
			{Values: []float64{2}, Hollow: []float64{4}},
			{Pair: []Mark{{At: 6, Style: StyleOf(2)}, {At: 8, Style: StyleOf(3), Hollow: true}}},
		}}},
	}
	g := d.grid()
	var canvas recorder.Canvas
	width, height, draw := d.layout()
	draw(newPen(&canvas, width, height))
	panel := g.panels[0]
	top := 0.0 // of the first row
	for _, a := range canvas.Actions {
		if s, ok := a.(*recorder.FillString); ok && s.String == "a" {
			top = (s.Point.Y + 0.35*labelSize + rowHeight/2).Points()
		}
	}
	marks := map[string]bool{} // row, value and colour of each fill within the panel
	var colour string
	for _, a := range canvas.Actions {
		switch a := a.(type) {
		case *recorder.SetColor:
			c := color.NRGBAModel.Convert(a.Color).(color.NRGBA)
			colour = fmt.Sprintf("%02X%02X%02X", c.R, c.G, c.B)
		case *recorder.Fill:
			var low, high vg.Point = a.Path[0].Pos, a.Path[0].Pos
			for _, c := range a.Path {
				if c.Type != vg.CloseComp && c.Type != vg.ArcComp {
					low.X, high.X, low.Y, high.Y = min(low.X, c.Pos.X), max(high.X, c.Pos.X), min(low.Y, c.Pos.Y), max(high.Y, c.Pos.Y)
				}
				if c.Type == vg.ArcComp {
					low, high = c.Pos, c.Pos
				}
			}
			x, y := (low.X+high.X).Points()/2, (low.Y+high.Y).Points()/2
			if width := (panel.Max.X - panel.Min.X).Points(); x > panel.Min.X.Points() && x < panel.Max.X.Points() && y < top && high.X-low.X < rowHeight {
				row, below := math.Modf((top - y) / rowHeight.Points())
				place := "on"
				switch {
				case below < 0.45:
					place = "above"
				case below > 0.55:
					place = "below"
				}
				marks[fmt.Sprintf("%s row %.0f at %.0f in %s", place, row, (x-panel.Min.X.Points())/width*10, colour)] = true
			}
		}
	}
	hex := func(i int) string { c := palette[i]; return fmt.Sprintf("%02X%02X%02X", c.R, c.G, c.B) }
	for _, want := range []string{"below row 0 at 2 in " + hex(0), "above row 0 at 4 in FFFFFF", "on row 1 at 6 in " + hex(2), "on row 1 at 8 in FFFFFF"} {
		if !marks[want] {
			t.Errorf("no mark in %s; there are %v", want, slices.Sorted(maps.Keys(marks)))
		}
	}
	if len(marks) != 4 {
		t.Errorf("%d marks, want 4: %v", len(marks), marks)
	}
}

// Many seeds with nearly the same values need few marks.
func TestMarksOnEachOtherAreDrawnOnce(t *testing.T) {
	panel := func(n int) *Dots {
		m := Marks{}
		for i := range n {
			m.Values, m.Hollow = append(m.Values, float64(i%3)), append(m.Hollow, float64(i%3)+1e-9*float64(i))
		}
		return &Dots{Rows: []Row{{Name: "a"}}, Panels: []Panel{{Wide: []float64{0, 3}, Marks: []Marks{m}}}}
	}
	if few, many := mustSVG(t, panel(3)), mustSVG(t, panel(300)); len(many) > len(few) {
		t.Errorf("3 seeds take %d bytes, 300 at the same places %d", len(few), len(many))
	}
}

// Faint lines have neither labels nor markers, and lie beneath the others.
func TestFaintLines(t *testing.T) {
	c := sampleSpectrum(2)
	_, _, texts, strokes := read(t, mustSVG(t, c))
	n := 0
	for _, w := range texts {
		if w.s == "bn" || w.s == "ln" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d labels of two cells", n)
	}
	if got := strokes["#0072B2"]; got != 3 { // line, faint line, sample
		t.Errorf("%d strokes in the first cell's colour, want 3", got)
	}
	for _, want := range []string{"1", "2", "4", "8", "16", "32", "64", "rank"} {
		if !slices.Contains(textsOf(texts), want) {
			t.Errorf("no %q below the axis in %q", want, textsOf(texts))
		}
	}
}

// Two seeds can give an interval far wider than the data: it must not squeeze
// them, and what is not drawn as it is must be said.
func TestWideIntervalsAreCut(t *testing.T) {
	const (
		arrow  = "An arrow: the interval goes on"
		noEnd  = "An interval without an end"
		hidden = "its mark would cover"
	)
	for _, c := range []struct {
		name      string
		unit      string
		interval  Interval
		low, high float64 // of the axis
		notes     string
	}{
		{"as wide as the data", "%", Interval{71, 69, 73}, 69, 73, ""},
		{"far too wide", "%", Interval{71, -300, 400}, 69, 73, arrow},
		{"a little too wide", "%", Interval{71, 69, 73.9}, 69, 74, ""},
		{"too wide on one side", "%", Interval{71, 60, 73}, 69, 73, arrow},
		{"beyond 100 %", "%", Interval{99, 97, 107}, 70, 100, noEnd},
		{"beyond 0 %", "%", Interval{10, -30, 70}, 0, 80, noEnd},
		{"beyond 0", "", Interval{10, -200, 70}, -20, 80, arrow},
		{"narrow", "%", Interval{71, 70.99, 71.01}, 70, 72, hidden},
	} {
		panel := Panel{X: Axis{Label: "a", Unit: c.unit}, Marks: []Marks{{Values: []float64{70, 72}, Mean: &c.interval}}}
		if s := panel.scale(plotWidth); s.low != c.low || s.high != c.high {
			t.Errorf("%s: the axis goes from %v to %v, want %v to %v", c.name, s.low, s.high, c.low, c.high)
		}
		d := &Dots{Rows: []Row{{Name: "a"}}, Panels: []Panel{panel}}
		note := d.intervalNote(d.grid())
		for _, n := range []string{arrow, noEnd, hidden} {
			if strings.Contains(note, n) != (n == c.notes) {
				t.Errorf("%s: the note says %q", c.name, note)
			}
		}
	}
}

// An end of an interval is a bar where it is, an arrow where it is beyond the
// axis, and nothing where no value can be.
func TestIntervalEnds(t *testing.T) {
	draws := func(i Interval) (strokes, fills int) {
		var canvas recorder.Canvas
		p := plot{newPen(&canvas, 100, 100), scale{high: 50, percent: true}, scale{high: 1}}
		canvas.Actions = nil
		p.interval(i, StyleOf(0), 50)
		for _, a := range canvas.Actions {
			switch a.(type) {
			case *recorder.Stroke:
				strokes++
			case *recorder.Fill:
				fills++
			}
		}
		return strokes, fills
	}
	for _, c := range []struct {
		interval       Interval
		strokes, fills int
	}{
		{Interval{20, 10, 30}, 3, 0},
		{Interval{20, -10, 30}, 2, 0},
		{Interval{20, 10, 60}, 2, 1},
		{Interval{20, -10, 60}, 1, 1},
		{Interval{20, 19, 21}, 0, 0}, // the mark covers it
	} {
		if strokes, fills := draws(c.interval); strokes != c.strokes || fills != c.fills {
			t.Errorf("%v: %d lines and %d arrows, want %d and %d", c.interval, strokes, fills, c.strokes, c.fills)
		}
	}
}

// The key shows a bar through the mean where there is one to be seen.
func TestKeyOfMeans(t *testing.T) {
	for _, c := range []struct {
		name  string
		high  float64
		lines int
	}{{"interval", 3, 1}, {"none", math.Inf(1), 0}} {
		d := &Dots{
			Rows: []Row{{Name: "a", Style: StyleOf(1)}}, Key: Key{Mean: "mean"},
			Panels: []Panel{{Marks: []Marks{{Mean: &Interval{2, 1, c.high}}}}},
		}
		if _, _, _, strokes := read(t, mustSVG(t, d)); strokes["#000000"] != c.lines {
			t.Errorf("%s: %d black lines, want %d", c.name, strokes["#000000"], c.lines)
		}
	}
}

func TestSameDataSameBytes(t *testing.T) {
	for name, p := range map[string]func() Picture{
		"curves":     func() Picture { return sampleCurves(6, true) },
		"comparison": func() Picture { return sampleComparison(5, 2) },
	} {
		if a, b := mustSVG(t, p()), mustSVG(t, p()); !bytes.Equal(a, b) {
			t.Errorf("%s: two SVG files differ", name)
		}
		a, errA := PNG(p())
		b, errB := PNG(p())
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: two PNG files differ (%v, %v)", name, errA, errB)
		}
	}
}

func TestPNGSize(t *testing.T) {
	c := sampleCurves(2, true)
	file, err := PNG(c)
	if err != nil {
		t.Fatal(err)
	}
	image, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	width, height, _ := c.layout()
	if want := width.Points() / 72 * 192; math.Abs(float64(image.Width)-want) > 1 {
		t.Errorf("%d pixels wide, want %.0f", image.Width, want)
	}
	if want := height.Points() / 72 * 192; math.Abs(float64(image.Height)-want) > 1 {
		t.Errorf("%d pixels high, want %.0f", image.Height, want)
	}
}

func TestTextIsEscaped(t *testing.T) {
	c := sampleCurves(2, true)
	nasty := "</text><script>alert(1)</script> & \"x\" '\x00\x07\xff"
	c.Title, c.Series[0].Name, c.Note = nasty, nasty, nasty
	svg := mustSVG(t, c)
	if bytes.Contains(svg, []byte("<script")) {
		t.Error("markup got through")
	}
	_, _, texts, _ := read(t, svg)
	if !slices.Contains(textsOf(texts), "</text><script>alert(1)</script> & \"x\" '  \uFFFD") {
		t.Errorf("the name is not there as it was: %q", textsOf(texts))
	}
}

// Whatever the data, a figure is drawn and stays well-formed.
func TestOddData(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	x := []float64{0, 1, 2}
	for name, s := range map[string]Series{
		"none":         {},
		"NaN":          {X: x, Mean: []float64{nan, nan, nan}},
		"infinite":     {X: x, Mean: []float64{1, inf, -inf}, Low: []float64{nan, 0, 0}, High: []float64{inf, inf, inf}},
		"zero":         {X: x, Mean: []float64{0, 0, 0}},
		"negative":     {X: x, Mean: []float64{-1, -2, -3}},
		"constant":     {X: x, Mean: []float64{5, 5, 5}},
		"one point":    {X: x[:1], Mean: []float64{5}},
		"a gap":        {X: x, Mean: []float64{5, nan, 6}},
		"huge":         {X: x, Mean: []float64{1e300, -1e300, 0}},
		"tiny":         {X: x, Mean: []float64{1e-300, 2e-300, 0}},
		"end at a NaN": {X: x, Mean: []float64{1, 2, nan}, Ends: []Point{{2, nan}}},
	} {
		for _, log := range []bool{false, true} {
			file := mustSVG(t, &Curves{Title: name, Y: Axis{Log: log}, Series: []Series{s, {Name: "empty"}}})
			for _, bad := range []string{"NaN", "Inf"} {
				for _, line := range strings.Split(string(file), "\n") {
					if strings.Contains(line, bad) && !strings.Contains(line, "<title>") && !strings.Contains(line, "</text>") {
						t.Errorf("%s, log %v: %s", name, log, line)
					}
				}
			}
			read(t, file)
		}
	}
	for _, log := range []bool{false, true} {
		marks := []Marks{{Values: []float64{nan}, Hollow: []float64{inf}, Mean: &Interval{nan, nan, inf}, Pair: []Mark{{At: nan}, {At: inf}}}}
		panel := Panel{X: Axis{Log: log}, Marks: marks, Reference: &nan, Wide: []float64{nan}}
		if file := mustSVG(t, &Dots{Title: "t", Rows: []Row{{Name: "a"}}, Panels: []Panel{panel, panel}}); bytes.Contains(file, []byte("NaN")) {
			t.Error("dots of nothing are drawn at NaN")
		}
	}
}

func TestTooLarge(t *testing.T) {
	c := &Dots{Rows: make([]Row, 1000), Panels: []Panel{{}}}
	if _, err := SVG(c); err == nil {
		t.Error("a figure of a thousand rows is drawn as SVG")
	}
	if _, err := PNG(c); err == nil {
		t.Error("a figure of a thousand rows is drawn as PNG")
	}
}

// In black and white, markers and dashes must be enough to tell cells apart.
func TestStylesDiffer(t *testing.T) {
	seen := map[string]int{}
	for i := range 36 {
		look := fmt.Sprint(StyleOf(i).marker(), StyleOf(i).dash())
		if other, ok := seen[look]; ok {
			t.Errorf("styles %d and %d look the same without colour", other, i)
		}
		seen[look] = i
	}
}
