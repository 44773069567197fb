package figure

import (
	"strings"

	"gonum.org/v1/plot/vg"
)

// Comparison is a figure with a row for each cell: every seed's value, their
// mean and its interval, and the same networks untrained.
type Comparison struct {
	Title         string
	X             Axis
	Rows          []Row
	Reference     float64 // a vertical line, usually the baseline's mean; NaN for none
	ReferenceName string
	Interval      string // what the interval is: "95 % t interval"
	Note          string
}

// Row is one cell. Values that are not finite are not drawn.
type Row struct {
	Name      string
	Remark    string // to the right of the plot, such as "collapsed 2 of 2"
	Style     Style
	Values    []float64 // one a seed
	Untrained []float64 // one a seed; their mean is drawn
	Mean      float64
	Low, High float64 // the interval; infinite where there is none
}

const (
	rowHeight = vg.Length(30)
	nearby    = vg.Length(8) // between a row's middle and the marks above and below
)

// remarkLines breaks the remark at its first comma into two lines if it is
// long; what is longer still is cut.
func (r Row) remarkLines() []string {
	const longest = vg.Length(150)
	if textWidth(r.Remark, noteSize) <= longest {
		return []string{r.Remark}
	}
	first, rest, found := strings.Cut(r.Remark, ", ")
	if !found {
		return []string{shorten(r.Remark, longest, noteSize)}
	}
	return []string{shorten(first+",", longest, noteSize), shorten(rest, longest, noteSize)}
}

func (c *Comparison) title() string { return c.Title }

// layout implements Picture.
func (c *Comparison) layout() (width, height vg.Length, draw func(pen)) {
	x, clipped := c.scale()
	var names, remarks vg.Length
	for _, r := range c.Rows {
		names = max(names, textWidth(shorten(r.Name, longestLabel, labelSize), labelSize))
		for _, l := range r.remarkLines() {
			remarks = max(remarks, textWidth(l, noteSize))
		}
	}
	leftRoom := margin + names + 10
	width = leftRoom + plotWidth + 10 + remarks + margin
	note := c.Note
	if clipped {
		note += " An arrow: the interval goes on beyond the figure."
	}
	f := newFrame(c.Title, "", note, width)
	key := c.key()
	keyRows := keyLayout(key, leftRoom, width-margin)
	keyHeight := labelSize*1.5*vg.Length(1+keyRows) + 2
	inner := rowHeight * vg.Length(max(1, len(c.Rows)))
	height = f.top() + keyHeight + inner + axisHeight + f.bottom()
	bottom := f.bottom() + axisHeight
	area := vg.Rectangle{Min: vg.Point{X: leftRoom, Y: bottom}, Max: vg.Point{X: leftRoom + plotWidth, Y: bottom + inner}}
	return width, height, func(p pen) {
		f.draw(p, height)
		drawKey(p, key, height-f.top()-labelSize*0.75+4)
		in := plot{p.within(area), x, scale{low: 0, high: 1}}
		drawXAxis(in, c.X.name())
		c.drawReference(in)
		if len(c.Rows) == 0 {
			p.text(noData, (area.Min.X+area.Max.X)/2, (area.Min.Y+area.Max.Y)/2, centre, labelSize, softInk)
		}
		for i, r := range c.Rows {
			y := area.Max.Y - rowHeight*(vg.Length(i)+0.5)
			if i > 0 {
				p.line(gridLine, 0.7, nil, vg.Point{X: margin, Y: y + rowHeight/2}, vg.Point{X: width - margin, Y: y + rowHeight/2})
			}
			p.text(shorten(r.Name, longestLabel, labelSize), leftRoom-10, y, right, labelSize, ink)
			lines := r.remarkLines()
			for k, l := range lines {
				above := lineStep * noteSize * (vg.Length(len(lines)-1)/2 - vg.Length(k))
				p.text(l, area.Max.X+10, y+above, left, noteSize, softInk)
			}
			drawRow(in, r, y)
		}
	}
}

// scale fits the axis to every mark, and to the intervals as far as they do
// not squeeze the marks: an interval from two seeds can be many times wider
// than all that was measured. clipped says whether one is cut.
func (c *Comparison) scale() (s scale, clipped bool) {
	var marks span
	for _, r := range c.Rows {
		marks.add(r.Values...)
		marks.add(r.Untrained...)
		marks.add(r.Mean)
	}
	marks.add(c.Reference)
	all := marks
	room := 0.4 * (marks.high - marks.low)
	for _, r := range c.Rows {
		if isNumber(r.Low) && isNumber(r.High) {
			all.add(max(r.Low, marks.low-room), min(r.High, marks.high+room))
		}
	}
	s = roundScale(all, 6, c.X.Unit)
	for _, r := range c.Rows {
		clipped = clipped || isNumber(r.Low) && isNumber(r.High) && (r.Low < s.low || r.High > s.high)
	}
	return s, clipped
}

func (c *Comparison) drawReference(p plot) {
	if !isNumber(c.Reference) {
		return
	}
	x := p.point(c.Reference, 0).X
	p.line(softInk, 0.9, thresholdDash, vg.Point{X: x, Y: p.Min.Y}, vg.Point{X: x, Y: p.Max.Y})
}

// drawRow draws the interval and the mean on the row's middle, the seeds
// below and the untrained network above it, so that no mark hides another.
func drawRow(p plot, r Row, y vg.Length) {
	at := func(v float64, dy vg.Length) vg.Point { return vg.Point{X: p.point(v, 0).X, Y: y + dy} }
	var untrained, sum float64
	for _, v := range r.Untrained {
		if isNumber(v) {
			untrained++
			sum += v
		}
	}
	if untrained > 0 {
		p.mark(r.Style, at(sum/untrained, nearby), 2.8, true)
	}
	for _, v := range r.Values {
		if isNumber(v) {
			p.dot(faint(r.Style.color(), 0xB0), at(v, -nearby), 2)
		}
	}
	if !isNumber(r.Mean) {
		return
	}
	if isNumber(r.Low) && isNumber(r.High) {
		p.interval(r, y)
	}
	p.mark(r.Style, at(r.Mean, 0), 4, false)
}

// interval draws the bar from r.Low to r.High; an end beyond the plot becomes
// an arrow.
func (p plot) interval(r Row, y vg.Length) {
	low, high := p.point(max(r.Low, p.x.low), 0).X, p.point(min(r.High, p.x.high), 0).X
	c := r.Style.color()
	p.line(c, 1.8, nil, vg.Point{X: low, Y: y}, vg.Point{X: high, Y: y})
	end := func(x vg.Length, beyond bool, back vg.Length) {
		if beyond {
			p.FillPolygon(c, []vg.Point{{X: x, Y: y}, {X: x + back, Y: y + 3.2}, {X: x + back, Y: y - 3.2}})
			return
		}
		p.line(c, 1.8, nil, vg.Point{X: x, Y: y - 3}, vg.Point{X: x, Y: y + 3})
	}
	end(low, r.Low < p.x.low, 6)
	end(high, r.High > p.x.high, -6)
}

// keyEntry explains one kind of mark.
type keyEntry struct {
	text string
	draw func(p pen, at vg.Point)
	x    vg.Length
	row  int
}

const keySample = vg.Length(20)

var keyInk = Style(len(palette) - 1).color()

func (c *Comparison) key() []*keyEntry {
	key := []*keyEntry{
		{text: "mean, " + c.Interval, draw: func(p pen, at vg.Point) {
			p.line(keyInk, 1.8, nil, vg.Point{X: at.X - 8, Y: at.Y}, vg.Point{X: at.X + 8, Y: at.Y})
			p.dot(keyInk, at, 3.6)
		}},
		{text: "one seed", draw: func(p pen, at vg.Point) { p.dot(faint(keyInk, 0xB0), at, 2) }},
	}
	for _, r := range c.Rows {
		if len(r.Untrained) > 0 {
			key = append(key, &keyEntry{text: "untrained (step 0)", draw: func(p pen, at vg.Point) {
				p.dot(keyInk, at, 3.4)
				p.dot(white, at, 2.1)
			}})
			break
		}
	}
	if isNumber(c.Reference) {
		key = append(key, &keyEntry{text: c.ReferenceName, draw: func(p pen, at vg.Point) {
			p.line(softInk, 0.9, thresholdDash, vg.Point{X: at.X, Y: at.Y - 6}, vg.Point{X: at.X, Y: at.Y + 6})
		}})
	}
	return key
}

// keyLayout places the entries between two edges, in as many rows as they
// need, and returns the last row.
func keyLayout(key []*keyEntry, from, to vg.Length) (row int) {
	x := from
	for _, k := range key {
		width := keySample + textWidth(k.text, noteSize) + 12
		if x > from && x+width > to {
			x = from
			row++
		}
		k.x, k.row = x, row
		x += width
	}
	return row
}

func drawKey(p pen, key []*keyEntry, top vg.Length) {
	for _, k := range key {
		y := top - labelSize*1.5*vg.Length(k.row)
		k.draw(p, vg.Point{X: k.x + keySample/2 - 3, Y: y})
		p.text(k.text, k.x+keySample, y, left, noteSize, softInk)
	}
}
