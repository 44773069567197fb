package figure

import (
	"image/color"
	"math"
	"strings"
	"unicode"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes of text.
const (
	titleSize = vg.Length(14)
	labelSize = vg.Length(12)
	noteSize  = vg.Length(10.5)
	lineStep  = vg.Length(1.25) // from one line to the next, times its size
	margin    = vg.Length(12)
)

// fonts are part of the program, so figures look the same on every machine.
var fonts = font.NewCache(liberation.Collection())

// face is Liberation Sans in the given size.
func face(size vg.Length, bold bool) font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return fonts.Lookup(f, size)
}

func textWidth(s string, size vg.Length) vg.Length {
	f := face(size, false)
	return f.Width(clean(s))
}

// clean replaces what neither XML nor a font can show.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// pen draws on a canvas whose origin is at the bottom left.
type pen struct {
	draw.Canvas
}

func newPen(c vg.Canvas, width, height vg.Length) pen {
	p := pen{draw.NewCanvas(c, width, height)}
	p.fill(white, p.Rectangle)
	return p
}

// within returns a pen whose lines and polygons can be clipped to r.
func (p pen) within(r vg.Rectangle) pen {
	p.Rectangle = r
	return p
}

// align says which point of a text its position is.
type align float64

const (
	left   align = 0
	centre align = 0.5
	right  align = 1
)

// text writes one line of text whose vertical middle is at y.
func (p pen) text(s string, x, y vg.Length, a align, size vg.Length, c color.Color) {
	p.write(s, x, y, a, face(size, false), c)
}

func (p pen) bold(s string, x, y vg.Length, size vg.Length) {
	p.write(s, x, y, left, face(size, true), ink)
}

func (p pen) write(s string, x, y vg.Length, a align, f font.Face, c color.Color) {
	if s = clean(s); s == "" {
		return
	}
	p.SetColor(c)
	const halfCapital = 0.35 // of the size: capitals then stand centred on y
	p.FillString(f, vg.Point{X: x - vg.Length(a)*f.Width(s), Y: y - halfCapital*f.Font.Size}, s)
}

func (p pen) fill(c color.Color, r vg.Rectangle) {
	p.SetColor(c)
	p.Fill(r.Path())
}

func (p pen) line(c color.Color, width vg.Length, dash []vg.Length, points ...vg.Point) {
	p.StrokeLines(draw.LineStyle{Color: c, Width: width, Dashes: dash}, points)
}

// mark draws a style's marker: filled with a thin white edge, or hollow.
func (p pen) mark(s Style, at vg.Point, size vg.Length, hollow bool) {
	var path vg.Path
	for i, corner := range s.marker() {
		point := at.Add(corner.Scale(size))
		if i == 0 {
			path.Move(point)
		} else {
			path.Line(point)
		}
	}
	path.Close()
	fill, edge, width := color.Color(s.color()), color.Color(white), vg.Length(0.7)
	if hollow {
		fill, edge, width = white, s.color(), 1.3
	}
	p.SetColor(fill)
	p.Fill(path)
	p.SetLineStyle(draw.LineStyle{Color: edge, Width: width})
	p.Stroke(path)
}

func (p pen) dot(c color.Color, at vg.Point, radius vg.Length) {
	var path vg.Path
	path.Move(vg.Point{X: at.X + radius, Y: at.Y})
	path.Arc(at, radius, 0, 2*math.Pi)
	path.Close()
	p.SetColor(c)
	p.Fill(path)
}

// wrap breaks s into lines no wider than width; a word that is wider is broken
// where it must be.
func wrap(s string, width vg.Length, f font.Face) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(clean(s)) {
		joined := strings.TrimSpace(line + " " + word)
		if f.Width(joined) <= width {
			line = joined
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = ""
		for _, r := range word {
			if line != "" && f.Width(line+string(r)) > width {
				lines = append(lines, line)
				line = ""
			}
			line += string(r)
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// shorten puts "…" for as much of the middle of s as does not fit into width:
// names that begin alike often differ at their ends.
func shorten(s string, width, size vg.Length) string {
	short, runes := s, []rune(clean(s))
	for n := len(runes) - 1; n > 0 && textWidth(short, size) > width; n-- {
		short = string(runes[:n-n/2]) + "…" + string(runes[len(runes)-n/2:])
	}
	return short
}

// frame is a picture's outline: its title and axis name above the plot, its
// axis name and note below.
type frame struct {
	heading    []string // bold
	subheading []string
	note       []string
	width      vg.Length
}

func newFrame(title, subtitle, note string, width vg.Length) frame {
	inner := width - 2*margin
	return frame{
		heading:    wrap(title, inner, face(titleSize, true)),
		subheading: wrap(subtitle, inner, face(labelSize, false)),
		note:       wrap(note, inner, face(noteSize, false)),
		width:      width,
	}
}

func (f frame) top() vg.Length {
	return margin + lineStep*(vg.Length(len(f.heading))*titleSize+vg.Length(len(f.subheading))*labelSize) + 10
}

func (f frame) bottom() vg.Length {
	return margin + lineStep*vg.Length(len(f.note))*noteSize
}

// draw writes the texts above and below the plot.
func (f frame) draw(p pen, height vg.Length) {
	y := height - margin
	for _, l := range f.heading {
		p.bold(l, margin, y-titleSize*lineStep/2, titleSize)
		y -= titleSize * lineStep
	}
	for _, l := range f.subheading {
		p.text(l, margin, y-labelSize*lineStep/2, left, labelSize, softInk)
		y -= labelSize * lineStep
	}
	y = f.bottom()
	for _, l := range f.note {
		p.text(l, margin, y-noteSize*lineStep/2, left, noteSize, softInk)
		y -= noteSize * lineStep
	}
}
