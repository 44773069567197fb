package figure

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
		s := Series{Name: name, Style: Style(i)}
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
		s := Series{Name: name, Style: Style(i)}
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

func sampleComparison(n, seeds int) *Comparison {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	c := &Comparison{
		Title:         "BYOL without batch statistics: linear evaluation",
		X:             Axis{Label: "linear_top1", Unit: "%"},
		ReferenceName: "mean of bn",
		Interval:      "95 % t interval",
		Note:          "Fashion-MNIST, 2 seeds.",
	}
	for i, name := range sampleNames(n) {
		r := Row{Name: name, Style: Style(i), Remark: []string{"", "collapsed 1 of 2", "never separated 1 of 1, failed 1 of 3, pending 1 of 3", "", "diverged 1 of 2", "collapsed 2 of 2"}[i%6]}
		centre := 80 - 4*float64(i%6)
		var sum, squares float64
		for range seeds {
			v := centre + 1.1*rng.NormFloat64()
			r.Values = append(r.Values, v)
			r.Untrained = append(r.Untrained, 66+3*rng.Float64())
			sum += v
			squares += v * v
		}
		r.Mean = sum / float64(seeds)
		half := map[int]float64{1: math.Inf(1), 2: 12.7}[seeds]
		if half == 0 {
			half = 2.8
		}
		sd := math.Sqrt(math.Max(0, squares/float64(seeds)-r.Mean*r.Mean)) / math.Sqrt(float64(max(1, seeds-1)))
		r.Low, r.High = r.Mean-half*sd, r.Mean+half*sd
		if seeds == 1 {
			r.Low, r.High = math.Inf(-1), math.Inf(1)
		}
		c.Rows = append(c.Rows, r)
	}
	c.Reference = c.Rows[0].Mean
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
	}
	s["comparison-one-seed"] = sampleComparison(5, 1)
	s["empty"] = &Curves{Title: "Nothing yet", X: Axis{Label: "steps"}, Y: Axis{Label: "loss"}}
	s["empty-comparison"] = &Comparison{Title: "Nothing yet", X: Axis{Label: "linear_top1", Unit: "%"}, Reference: math.NaN(), Interval: "95 % t interval"}
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
			if _, after, ok := strings.Cut(attr["style"], "stroke:#"); ok {
				strokes["#"+after[:6]]++
			}
		case "text":
			var s string
			if err := decoder.DecodeElement(&s, &element); err != nil {
				t.Fatal(err)
			}
			fmt.Sscan(attr["x"], &x)
			fmt.Sscan(attr["y"], &y)
			fmt.Sscan(attr["textLength"], &length)
			_, after, _ := strings.Cut(attr["style"], "font-size:")
			after, _, _ = strings.Cut(after, "px")
			fmt.Sscan(after, &size)
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

// Two seeds can give an interval far wider than the data: it must not squeeze
// them, and the cut must be said.
func TestWideIntervalsAreCut(t *testing.T) {
	c := &Comparison{X: Axis{Label: "a", Unit: "%"}, Reference: math.NaN(), Rows: []Row{
		{Name: "a", Values: []float64{70, 71}, Mean: 70.5, Low: -300, High: 400},
		{Name: "b", Values: []float64{72, 73}, Mean: 72.5, Low: 72, High: 73},
	}}
	s, clipped := c.scale()
	if !clipped || s.low < 65 || s.high > 80 {
		t.Errorf("axis %v to %v, clipped %v", s.low, s.high, clipped)
	}
	if _, _, texts, _ := read(t, mustSVG(t, c)); !strings.Contains(strings.Join(textsOf(texts), " "), "interval goes on beyond") {
		t.Error("the figure does not say that it cuts an interval")
	}
	c.Rows = c.Rows[1:]
	if _, clipped := c.scale(); clipped {
		t.Error("an interval that fits counts as cut")
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
	rows := []Row{{Name: "a", Values: []float64{nan}, Untrained: []float64{inf}, Mean: nan, Low: nan, High: inf}}
	if file := mustSVG(t, &Comparison{Title: "t", Rows: rows, Reference: nan}); bytes.Contains(file, []byte("NaN")) {
		t.Error("a comparison of nothing draws at NaN")
	}
}

func TestTooLarge(t *testing.T) {
	c := &Comparison{Rows: make([]Row, 1000)}
	if _, err := SVG(c); err == nil {
		t.Error("a figure of a thousand rows is drawn as SVG")
	}
	if _, err := PNG(c); err == nil {
		t.Error("a figure of a thousand rows is drawn as PNG")
	}
}

// In black and white, markers and dashes must be enough to tell cells apart.
func TestStylesDiffer(t *testing.T) {
	seen := map[string]Style{}
	for s := Style(0); s < 36; s++ {
		look := fmt.Sprint(s.marker(), s.dash())
		if other, ok := seen[look]; ok {
			t.Errorf("styles %d and %d look the same without colour", other, s)
		}
		seen[look] = s
	}
}
