package figure

import "gonum.org/v1/plot/vg"

// Key says what the marks of a Dots are; "" leaves an entry out. The mean has a
// bar through it if any has an interval.
type Key struct{ Mean, Filled, Value, Hollow string }

// keyEntry explains one kind of mark.
type keyEntry struct {
	text string
	draw func(p pen, at vg.Point)
	x    vg.Length
	row  int
}

const keySample = vg.Length(20)

var keyInk = palette[len(palette)-1]

func (d *Dots) key() []*keyEntry {
	var key []*keyEntry
	add := func(text string, draw func(p pen, at vg.Point)) {
		if text != "" {
			key = append(key, &keyEntry{text: text, draw: draw})
		}
	}
	add(d.Key.Mean, func(p pen, at vg.Point) {
		if d.hasInterval() {
			p.line(keyInk, 1.8, nil, vg.Point{X: at.X - 7, Y: at.Y}, vg.Point{X: at.X + 7, Y: at.Y})
		}
		p.dot(keyInk, at, 3.6)
	})
	add(d.Key.Filled, func(p pen, at vg.Point) { p.dot(keyInk, at, 3.6) })
	add(d.Key.Value, func(p pen, at vg.Point) { p.dot(faint(keyInk, dotOpacity), at, 2.2) })
	add(d.Key.Hollow, func(p pen, at vg.Point) {
		p.dot(keyInk, at, 3.4)
		p.dot(white, at, 2.1)
	})
	for _, panel := range d.Panels {
		if panel.Reference != nil && isNumber(*panel.Reference) {
			add(panel.ReferenceName, func(p pen, at vg.Point) {
				p.line(softInk, 0.9, thresholdDash, vg.Point{X: at.X, Y: at.Y - 6}, vg.Point{X: at.X, Y: at.Y + 6})
			})
		}
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
