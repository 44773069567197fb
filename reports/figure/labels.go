package figure

import (
	"cmp"
	"math"
	"sort"

	"gonum.org/v1/plot/vg"
)

// label is one entry of the key to the right of a plot.
type label struct {
	name, remark string
	share        float64 // of the plot's height, where its line ends
	style        Style
	threshold    bool
	absent       bool // no line to label
}

// labels lists the key's entries from bottom to top. A series without a value
// is listed below the others.
func (c *Curves) labels(y scale) []label {
	var labels []label
	for _, s := range c.Series {
		if s.Faint {
			continue
		}
		l := label{name: shorten(s.Name, longestLabel, labelSize), remark: s.Remark, style: s.Style, absent: true}
		for _, v := range s.Mean {
			if isNumber(v) {
				l.share, l.absent = min(max(y.at(v), 0), 1), false
			}
		}
		if l.absent {
			l.share = -1
			l.remark = cmp.Or(l.remark, "no value")
		}
		labels = append(labels, l)
	}
	for _, t := range c.Thresholds {
		labels = append(labels, label{name: t.Label, share: y.at(t.Value), threshold: true})
	}
	// Of equals, the first is listed on top.
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	sort.SliceStable(labels, func(i, j int) bool { return labels[i].share < labels[j].share })
	return labels
}

func widestLabel(labels []label) (width vg.Length) {
	for _, l := range labels {
		width = max(width, textWidth(l.name, labelSize)+remarkWidth(l.remark))
	}
	return width
}

func remarkWidth(remark string) vg.Length {
	if remark == "" {
		return 0
	}
	return 5 + textWidth(remark, noteSize)
}

// drawLabels writes the key, each entry near its line's end, with a leader
// from there.
func drawLabels(p pen, area vg.Rectangle, labels []label) {
	height := area.Size().Y
	wanted := make([]vg.Length, len(labels))
	for i, l := range labels {
		wanted[i] = vg.Length(l.share) * height
	}
	for i, y := range spread(wanted, labelStep, height) {
		l, x := labels[i], area.Max.X
		y += area.Min.Y
		if !l.absent {
			p.line(leaderInk, 0.6, nil, vg.Point{X: x + 3, Y: area.Min.Y + wanted[i]}, vg.Point{X: x + 15, Y: y})
		}
		from, to := vg.Point{X: x + 17, Y: y}, vg.Point{X: x + labelGap - 5, Y: y}
		ink := ink
		switch {
		case l.threshold:
			p.line(ink, 1, thresholdDash, from, to)
		case l.absent:
			ink = softInk
		default:
			p.line(l.style.color(), 1.6, l.style.dash(), from, to)
			p.mark(l.style, vg.Point{X: (from.X + to.X) / 2, Y: y}, 3.1, false)
		}
		p.text(l.name, x+labelGap, y, left, labelSize, ink)
		p.text(l.remark, x+labelGap+textWidth(l.name, labelSize)+5, y, left, noteSize, softInk)
	}
}

// spread moves ascending positions apart until neighbours are step apart, as
// little as possible (least squares) and within [0, height] where they fit.
func spread(wanted []vg.Length, step, height vg.Length) []vg.Length {
	type group struct {
		sum vg.Length
		n   int
	}
	// With the steps taken out, the answer is the isotonic regression, found
	// by pooling neighbours that are out of order.
	var groups []group
	for i, y := range wanted {
		groups = append(groups, group{y - vg.Length(i)*step, 1})
		for k := len(groups) - 1; k > 0; k-- {
			a, b := groups[k-1], groups[k]
			if a.sum/vg.Length(a.n) <= b.sum/vg.Length(b.n) {
				break
			}
			groups = append(groups[:k-1], group{a.sum + b.sum, a.n + b.n})
		}
	}
	top := height - vg.Length(len(wanted)-1)*step
	var placed []vg.Length
	for _, g := range groups {
		y := vg.Length(math.Max(0, math.Min(float64(top), float64(g.sum)/float64(g.n))))
		for range g.n {
			placed = append(placed, y+vg.Length(len(placed))*step)
		}
	}
	return placed
}
