package figure

import (
	"image/color"

	"gonum.org/v1/plot/vg"
)

// Curves is a figure of series over a common axis, each labelled to the right
// of the plot at the height where it ends.
type Curves struct {
	Title      string
	X, Y       Axis
	Series     []Series
	Thresholds []Threshold
	Note       string // below the plot: how lines and bands were made
}

// Series is one cell's curve. X ascends; Mean, Low and High are as long as X,
// or Low and High are empty. A value that is not finite interrupts the line.
type Series struct {
	Name   string
	Remark string // follows the name, such as "1 of 2 diverged"
	Style  Style
	X      []float64
	Mean   []float64
	Low    []float64 // the band
	High   []float64
	Ends   []Point // marked with a cross: where a single run stopped
	Faint  bool    // a thin line and no more: neither band nor markers nor a label
}

// Point is a place in a figure, in its axes' units.
type Point struct{ X, Y float64 }

// Threshold is a horizontal line, labelled like the series.
type Threshold struct {
	Label string
	Value float64
}

const (
	plotWidth    = vg.Length(240) // more would make the text smaller where a figure is fit into a column
	plotHeight   = vg.Length(185)
	labelStep    = vg.Length(15)  // from one label to the next
	labelGap     = vg.Length(46)  // from the plot to the text of a label: leader and sample
	longestLabel = vg.Length(230) // longer ones are cut
	axisHeight   = vg.Length(42)  // tick labels and axis name below a plot
	axisName     = vg.Length(31)  // from a plot to the middle of its axis's name
)

func (c *Curves) title() string { return c.Title }

// layout implements Picture.
func (c *Curves) layout() (width, height vg.Length, draw func(pen)) {
	x, y := c.scales()
	labels := c.labels(y)
	leftRoom := margin + widestTick(y) + 6
	width = leftRoom + plotWidth + labelGap + widestLabel(labels) + margin
	f := newFrame(c.Title, c.Y.name(), c.Note, width)
	inner := max(plotHeight, labelStep*vg.Length(len(labels)))
	height = f.top() + inner + axisHeight + f.bottom()
	area := vg.Rectangle{
		Min: vg.Point{X: leftRoom, Y: f.bottom() + axisHeight},
		Max: vg.Point{X: leftRoom + plotWidth, Y: f.bottom() + axisHeight + inner},
	}
	return width, height, func(p pen) {
		f.draw(p, height)
		drawAxes(p, area, x, y, c.X.name())
		if c.empty() {
			p.text(noData, (area.Min.X+area.Max.X)/2, (area.Min.Y+area.Max.Y)/2, centre, labelSize, softInk)
		}
		plot := plot{p.within(area), x, y}
		c.drawThresholds(plot)
		c.drawSeries(plot)
		drawLabels(p, area, labels)
	}
}

const noData = "no values yet"

func (c *Curves) empty() bool {
	for _, s := range c.Series {
		if len(s.runs()) > 0 {
			return false
		}
	}
	return true
}

// scales fits the axes to the lines and bands.
func (c *Curves) scales() (x, y scale) {
	var xs, ys span
	var all []float64
	for _, s := range c.Series {
		for i, v := range s.Mean {
			if isNumber(v) {
				xs.add(s.X[i])
				all = append(all, v)
			}
		}
		all = append(append(all, s.Low...), s.High...)
		for _, end := range s.Ends {
			xs.add(end.X)
			all = append(all, end.Y)
		}
	}
	if xs.low > 0 && xs.low < xs.high/4 && !c.X.Log {
		xs.add(0) // training starts there
	}
	for _, t := range c.Thresholds {
		all = append(all, 0.9*t.Value, 1.1*t.Value) // not on the plot's edge
	}
	if c.Y.Log {
		y = logScale(all)
	} else {
		ys.add(all...)
		y = roundScale(ys, 7, c.Y.Unit)
	}
	if c.X.Log {
		return fitTicks(powersOfTwo(xs), plotWidth), y
	}
	return fitTicks(tightScale(xs, 6), plotWidth), y
}

// plot is a pen together with the axes of the area that it draws on.
type plot struct {
	pen
	x, y scale
}

func (p plot) point(x, y float64) vg.Point {
	return vg.Point{X: p.X(p.x.at(x)), Y: p.Y(p.y.at(y))}
}

func (c *Curves) drawThresholds(p plot) {
	for _, t := range c.Thresholds {
		y := p.point(0, t.Value).Y
		p.line(ink, 1, thresholdDash, vg.Point{X: p.Min.X, Y: y}, vg.Point{X: p.Max.X, Y: y})
	}
}

var thresholdDash = []vg.Length{3, 3}

// drawSeries draws all bands below all lines, and the first series on top.
func (c *Curves) drawSeries(p plot) {
	for _, s := range c.Series {
		if s.Faint {
			p.faintCurve(s)
		}
	}
	shade := uint8(bandOpacity)
	if len(c.Series) > 8 {
		shade = manyBandsOpacity
	}
	for _, s := range c.Series {
		for _, run := range s.runs() {
			p.band(s, run, shade)
		}
	}
	for i := len(c.Series) - 1; i >= 0; i-- {
		s := c.Series[i]
		if s.Faint {
			continue
		}
		for _, run := range s.runs() {
			p.curve(s, run)
		}
		for _, at := range s.marked(i, len(c.Series)) {
			if point := p.point(s.X[at], s.Mean[at]); p.Contains(point) {
				p.mark(s.Style, point, 3.1, false)
			}
		}
	}
	for _, s := range c.Series {
		for _, end := range s.Ends {
			if isNumber(end.X) && isNumber(end.Y) {
				p.cross(s.Style, p.point(end.X, end.Y))
			}
		}
	}
}

// runs returns the [from, to) stretches of s without a gap.
func (s Series) runs() [][2]int {
	var runs [][2]int
	from := -1
	for i := range s.Mean {
		switch known := isNumber(s.Mean[i]); {
		case known && from < 0:
			from = i
		case !known && from >= 0:
			runs = append(runs, [2]int{from, i})
			from = -1
		}
	}
	if from >= 0 {
		runs = append(runs, [2]int{from, len(s.Mean)})
	}
	return runs
}

// marked chooses which of the points carry a marker: all of a few, else about
// six, at other places for each of the series so that they seldom meet.
func (s Series) marked(i, of int) []int {
	const most = 6
	n := len(s.Mean)
	step := 1
	if n > 2*most {
		step = n / most
	}
	var at []int
	for j := step * i / of; j < n; j += step {
		if isNumber(s.Mean[j]) {
			at = append(at, j)
		}
	}
	return at
}

func (p plot) band(s Series, run [2]int, shade uint8) {
	if s.Faint || len(s.Low) != len(s.Mean) || len(s.High) != len(s.Mean) {
		return
	}
	var top, bottom []vg.Point
	for i := run[0]; i < run[1]; i++ {
		if isNumber(s.Low[i]) && isNumber(s.High[i]) {
			top = append(top, p.point(s.X[i], s.High[i]))
			bottom = append(bottom, p.point(s.X[i], s.Low[i]))
		}
	}
	for i := len(bottom) - 1; i >= 0; i-- {
		top = append(top, bottom[i])
	}
	if len(top) >= 4 {
		p.FillPolygon(faint(s.Style.color(), shade), p.ClipPolygonXY(top))
	}
}

func (p plot) curve(s Series, run [2]int) {
	for _, piece := range p.pieces(s, run) {
		p.line(s.Style.color(), 1.6, s.Style.dash(), piece...)
	}
}

func (p plot) faintCurve(s Series) {
	for _, run := range s.runs() {
		for _, piece := range p.pieces(s, run) {
			p.line(faint(s.Style.color(), faintOpacity), 0.9, s.Style.dash(), piece...)
		}
	}
}

// pieces are the parts of a stretch of s that lie in the plot.
func (p plot) pieces(s Series, run [2]int) [][]vg.Point {
	var points []vg.Point
	for i := run[0]; i < run[1]; i++ {
		points = append(points, p.point(s.X[i], s.Mean[i]))
	}
	return p.ClipLinesXY(points)
}

// cross marks where a run stopped, with a white rim so that it stands out from
// the lines and markers below it.
func (p plot) cross(s Style, at vg.Point) {
	arms := func(c color.Color, width, r vg.Length) {
		p.line(c, width, nil, vg.Point{X: at.X - r, Y: at.Y - r}, vg.Point{X: at.X + r, Y: at.Y + r})
		p.line(c, width, nil, vg.Point{X: at.X - r, Y: at.Y + r}, vg.Point{X: at.X + r, Y: at.Y - r})
	}
	arms(white, 5, 6.5)
	arms(s.color(), 2.4, 5.5)
}

// drawAxes draws grid, ticks and the name of the horizontal axis.
func drawAxes(p pen, area vg.Rectangle, x, y scale, xName string) {
	in := plot{p.within(area), x, y}
	for _, t := range y.ticks {
		at := in.point(x.low, t.value)
		p.line(gridLine, 0.7, nil, at, vg.Point{X: area.Max.X, Y: at.Y})
		p.text(t.label, area.Min.X-6, at.Y, right, labelSize, ink)
	}
	drawXAxis(in, []string{xName})
}

// drawXAxis draws the horizontal axis with its name, which may have several
// lines.
func drawXAxis(p plot, name []string) {
	for _, t := range p.x.ticks {
		x := p.point(t.value, p.y.low).X
		p.line(gridLine, 0.7, nil, vg.Point{X: x, Y: p.Min.Y}, vg.Point{X: x, Y: p.Max.Y})
		p.line(axisLine, 0.7, nil, vg.Point{X: x, Y: p.Min.Y}, vg.Point{X: x, Y: p.Min.Y - 3})
		p.text(t.label, x, p.Min.Y-12.5, centre, labelSize, ink)
	}
	p.line(axisLine, 0.9, nil, p.Min, vg.Point{X: p.Max.X, Y: p.Min.Y})
	for i, line := range name {
		p.text(line, p.Center().X, p.Min.Y-axisName-labelSize*lineStep*vg.Length(i), centre, labelSize, softInk)
	}
}

func widestTick(s scale) (width vg.Length) {
	for _, t := range s.ticks {
		width = max(width, textWidth(t.label, labelSize))
	}
	return width
}
