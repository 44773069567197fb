package figure

import (
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
)

// Dots is a figure with a row for each cell: its values as dots, their mean and
// its interval. With several panels, each has an axis of its own, and the rows
// go through all of them.
type Dots struct {
	Title  string
	Rows   []Row
	Panels []Panel
	Key    Key
	Note   string
}

// Row is one cell.
type Row struct {
	Name   string
	Remark string // to the right of the plot, such as "collapsed 2 of 2"
	Marks  []Mark // in place of a remark: at most two markers with their names
	Style  Style
}

// Panel is one axis and what lies on it.
type Panel struct {
	Title         string // above it; "" where there is one panel only
	X             Axis
	Marks         []Marks   // one a row
	Reference     *float64  // a vertical line, usually the baseline's mean
	ReferenceName string    // of the line, for the key
	Wide          []float64 // values that the axis is to hold although nothing is drawn there
}

// Marks are what a panel shows of a row. What is not finite is not drawn.
type Marks struct {
	Values []float64 // dots below the row's middle
	Mean   *Interval // on the middle
	Hollow []float64 // hollow markers above the middle
	Pair   []Mark    // on the middle, joined by a line, each in a style of its own
}

// Interval is a mean with its interval; without one, Low and High are infinite.
type Interval struct{ Mean, Low, High float64 }

// Mark is a single marker.
type Mark struct {
	Name   string // in Row.Marks only
	At     float64
	Style  Style
	Hollow bool
}

const (
	rowHeight  = vg.Length(28)
	nearby     = vg.Length(8)  // between a row's middle and the marks above and below
	meanSize   = vg.Length(4)  // of the marks on a row's middle
	panelGap   = vg.Length(28) // between two panels
	longestSay = vg.Length(150)
	markName   = vg.Length(12) // from the left of a marker beside a row to its name
)

// panelWidths are the widths of one of so many panels.
var panelWidths = []vg.Length{plotWidth, plotWidth, 140, 110}

// remarkLines breaks the remark at its first comma into two lines if it is
// long; what is longer still is cut.
func (r Row) remarkLines() []string {
	if textWidth(r.Remark, noteSize) <= longestSay {
		return []string{r.Remark}
	}
	first, rest, found := strings.Cut(r.Remark, ", ")
	if !found {
		return []string{shorten(r.Remark, longestSay, noteSize)}
	}
	return []string{shorten(first+",", longestSay, noteSize), shorten(rest, longestSay, noteSize)}
}

func (d *Dots) title() string { return d.Title }

// grid is where everything is that a Dots does not draw from values.
type grid struct {
	panels []vg.Rectangle
	scales []scale
	names  [][]string // of each panel's axis, in lines
	titled bool
	right  vg.Length // where the panels end
	width  vg.Length // of the picture
}

// layout implements Picture.
func (d *Dots) layout() (width, height vg.Length, draw func(pen)) {
	g := d.grid()
	f := newFrame(d.Title, "", d.Note+d.intervalNote(g), g.width)
	key := d.key()
	keyHeight := vg.Length(0)
	if len(key) > 0 {
		keyHeight = labelSize*1.5*vg.Length(1+keyLayout(key, margin, g.width-margin)) + 2
	}
	inner := rowHeight * vg.Length(max(1, len(d.Rows)))
	bottom := f.bottom() + g.axisHeight()
	for i := range g.panels {
		g.panels[i].Min.Y, g.panels[i].Max.Y = bottom, bottom+inner
	}
	above := keyHeight
	if g.titled {
		above += labelSize * 1.5
	}
	height = f.top() + above + inner + bottom
	return g.width, height, func(p pen) {
		f.draw(p, height)
		drawKey(p, key, height-f.top()-labelSize*0.75+4)
		d.drawRows(p, g)
		for i, panel := range d.Panels {
			panel.draw(plot{p.within(g.panels[i]), g.scales[i], scale{low: 0, high: 1}}, d.Rows, g.names[i])
		}
		if len(d.Rows) == 0 {
			p.text(noData, g.width/2, bottom+inner/2, centre, labelSize, softInk)
		}
	}
}

// intervalNote says what those intervals are that do not show both their ends.
func (d *Dots) intervalNote(g grid) (note string) {
	ends := map[ending]bool{}
	hidden := false
	for i, panel := range d.Panels {
		for _, m := range panel.Marks {
			if m.HasInterval() {
				ends[g.scales[i].ending(m.Mean.Low)], ends[g.scales[i].ending(m.Mean.High)] = true, true
				hidden = hidden || g.scales[i].hides(*m.Mean, g.panels[i].Size().X)
			}
		}
	}
	if ends[cut] {
		note += " An arrow: the interval goes on beyond the figure."
	}
	if ends[open] {
		note += " An interval without an end goes on beyond 0 or 100 %, where no value can be."
	}
	if hidden {
		note += " An interval that its mark would cover is not drawn."
	}
	return note
}

// grid fits the axes and places the panels from left to right.
func (d *Dots) grid() (g grid) {
	var names, remarks vg.Length
	for _, r := range d.Rows {
		names = max(names, textWidth(shorten(r.Name, longestLabel, labelSize), labelSize))
		for _, l := range r.remarkLines() {
			remarks = max(remarks, textWidth(l, noteSize))
		}
		for _, m := range r.Marks {
			remarks = max(remarks, markName+textWidth(shorten(m.Name, longestSay, noteSize), noteSize))
		}
	}
	width := panelWidths[min(len(d.Panels), len(panelWidths)-1)]
	x := margin + names + 10
	for i, panel := range d.Panels {
		if i > 0 {
			x += panelGap
		}
		g.panels = append(g.panels, vg.Rectangle{Min: vg.Point{X: x}, Max: vg.Point{X: x + width}})
		g.scales = append(g.scales, panel.scale(width))
		g.names = append(g.names, wrap(panel.X.name(), width+panelGap-8, face(labelSize, false)))
		g.titled = g.titled || panel.Title != ""
		x += width
	}
	g.right = x
	g.width = x + 10 + remarks + margin
	return g
}

// axisHeight is the room for tick labels and axis names below the panels.
func (g grid) axisHeight() vg.Length {
	lines := 1
	for _, n := range g.names {
		lines = max(lines, len(n))
	}
	return axisHeight + labelSize*lineStep*vg.Length(lines-1)
}

// drawRows writes the rows' names and remarks and the lines between them.
func (d *Dots) drawRows(p pen, g grid) {
	for i, r := range d.Rows {
		y := g.middle(i)
		if i > 0 {
			p.line(gridLine, 0.7, nil, vg.Point{X: margin, Y: y + rowHeight/2}, vg.Point{X: g.width - margin, Y: y + rowHeight/2})
		}
		p.text(shorten(r.Name, longestLabel, labelSize), g.panels[0].Min.X-10, y, right, labelSize, ink)
		lines := r.remarkLines()
		for k, l := range lines {
			p.text(l, g.right+10, y+above(k, len(lines)), left, noteSize, softInk)
		}
		for k, m := range r.Marks {
			y := y + above(k, len(r.Marks))
			p.mark(m.Style, vg.Point{X: g.right + 14, Y: y}, 3.1, m.Hollow)
			p.text(shorten(m.Name, longestSay, noteSize), g.right+10+markName, y, left, noteSize, softInk)
		}
	}
}

// above is how far above the middle of a row the line with this number of so
// many is.
func above(line, of int) vg.Length {
	return lineStep * noteSize * (vg.Length(of-1)/2 - vg.Length(line))
}

// middle is the height of a row's middle.
func (g grid) middle(row int) vg.Length {
	return g.panels[0].Max.Y - rowHeight*(vg.Length(row)+0.5)
}

func (panel Panel) draw(p plot, rows []Row, name []string) {
	p.text(panel.Title, p.Center().X, p.Max.Y+labelSize*0.75, centre, labelSize, ink)
	drawXAxis(p, name)
	if panel.Reference != nil && isNumber(*panel.Reference) {
		x := p.point(*panel.Reference, 0).X
		p.line(softInk, 0.9, thresholdDash, vg.Point{X: x, Y: p.Min.Y}, vg.Point{X: x, Y: p.Max.Y})
	}
	for i, m := range panel.Marks {
		m.draw(p, rows[i].Style, p.Max.Y-rowHeight*(vg.Length(i)+0.5))
	}
}

// scale fits the axis to every mark, and to the intervals as far as they do
// not squeeze the marks: an interval from two seeds can be many times wider
// than all that was measured. One that ends within a step of the axis is shown
// whole.
func (panel Panel) scale(width vg.Length) scale {
	marks := append([]float64{}, panel.Wide...)
	for _, m := range panel.Marks {
		marks = append(append(marks, m.Values...), m.Hollow...)
		if m.Mean != nil {
			marks = append(marks, m.Mean.Mean)
		}
		for _, one := range m.Pair {
			marks = append(marks, one.At)
		}
	}
	if panel.Reference != nil {
		marks = append(marks, *panel.Reference)
	}
	if panel.X.Log {
		return fitTicks(logScale(marks), width)
	}
	var all span
	all.add(marks...)
	round := func(low, high float64) scale { // with as much of each interval as lies within
		held := all
		for _, m := range panel.Marks {
			if m.HasInterval() {
				held.add(max(m.Mean.Low, low), min(m.Mean.High, high))
			}
		}
		return roundScale(held, min(6, int(width/28)), panel.X.Unit)
	}
	room := 0.4 * (all.high - all.low)
	s := round(all.low-room, all.high+room)
	low, high, step := s.low, s.high, s.ticks[1].value-s.ticks[0].value
	for _, m := range panel.Marks {
		if m.HasInterval() && m.Mean.Low >= s.low-step {
			low = min(low, m.Mean.Low)
		}
		if m.HasInterval() && m.Mean.High <= s.high+step {
			high = max(high, m.Mean.High)
		}
	}
	return fitTicks(round(low, high), width)
}

func (d *Dots) hasInterval() bool {
	return slices.ContainsFunc(d.Panels, func(p Panel) bool { return slices.ContainsFunc(p.Marks, Marks.HasInterval) })
}

// HasInterval reports whether the mean has an interval.
func (m Marks) HasInterval() bool {
	return m.Mean != nil && isNumber(m.Mean.Low) && isNumber(m.Mean.High)
}

// draw draws the interval and the mean on the row's middle, the values below
// and the hollow marks above it, so that no mark hides another.
func (m Marks) draw(p plot, style Style, y vg.Length) {
	at := func(v float64, dy vg.Length) vg.Point { return vg.Point{X: p.point(v, 0).X, Y: y + dy} }
	away := nearby
	if m.Mean == nil && m.Pair == nil {
		away *= 0.7
	}
	for _, v := range p.apart(m.Hollow) {
		p.mark(style, at(v, away), 2.8, true)
	}
	for _, v := range p.apart(m.Values) {
		p.dot(faint(style.color(), dotOpacity), at(v, -away), 2.2)
	}
	if m.HasInterval() && isNumber(m.Mean.Mean) {
		p.interval(*m.Mean, style, y)
	}
	if m.Mean != nil && isNumber(m.Mean.Mean) {
		p.mark(style, at(m.Mean.Mean, 0), meanSize, false)
	}
	p.pair(m.Pair, y)
}

// apart leaves out values that are not finite, and those whose marks would lie
// on another's to a quarter of a point: hundreds of seeds make no larger file.
func (p plot) apart(values []float64) (kept []float64) {
	taken := map[int]bool{}
	for _, v := range values {
		if !isNumber(v) {
			continue
		}
		if place := int(4 * p.point(v, 0).X); !taken[place] {
			taken[place] = true
			kept = append(kept, v)
		}
	}
	return kept
}

// pair draws marks, and a line between the first two.
func (p plot) pair(marks []Mark, y vg.Length) {
	var points []vg.Point
	for _, m := range marks {
		if isNumber(m.At) {
			points = append(points, vg.Point{X: p.point(m.At, 0).X, Y: y})
		}
	}
	if len(points) > 1 {
		p.line(leaderInk, 1.4, nil, points...)
	}
	for i := len(marks) - 1; i >= 0; i-- {
		if m := marks[i]; isNumber(m.At) {
			p.mark(m.Style, vg.Point{X: p.point(m.At, 0).X, Y: y}, meanSize, m.Hollow)
		}
	}
}

// interval draws the bar from low to high, unless the mark at its mean would
// cover it.
func (p plot) interval(i Interval, s Style, y vg.Length) {
	if p.x.hides(i, p.Size().X) {
		return
	}
	low, high := p.point(max(i.Low, p.x.low), 0).X, p.point(min(i.High, p.x.high), 0).X
	c := s.color()
	p.line(c, 1.8, nil, vg.Point{X: low, Y: y}, vg.Point{X: high, Y: y})
	end := func(x vg.Length, how ending, back vg.Length) {
		switch how {
		case cut:
			p.FillPolygon(c, []vg.Point{{X: x, Y: y}, {X: x + back, Y: y + 3.2}, {X: x + back, Y: y - 3.2}})
		case whole:
			p.line(c, 1.8, nil, vg.Point{X: x, Y: y - 3}, vg.Point{X: x, Y: y + 3})
		}
	}
	end(low, p.x.ending(i.Low), 6)
	end(high, p.x.ending(i.High), -6)
}
