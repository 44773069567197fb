// Package figure draws the figures of a report, as SVG and as PNG: curves
// over training steps (Curves) and a row of marks and intervals for each cell
// (Comparison).
//
// The same data give the same bytes. A cell keeps its Style, a colour, a
// marker and a dash pattern, in every figure; the colours are those of Okabe
// and Ito (2008), distinct to colour-blind eyes, and markers and dashes tell
// the cells apart in black and white. Lengths are in points (1/72 inch); text
// is large enough to be read when a figure is printed at half its width.
package figure

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"image/color"
	"math"
	"regexp"
	"strconv"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Picture is a figure that can be drawn: *Curves or *Comparison.
type Picture interface {
	// layout returns the picture's size and what draws it.
	layout() (width, height vg.Length, draw func(pen))
	title() string
}

// Axis says what one axis shows.
type Axis struct {
	Label string
	Unit  string // "%" or ""; percentages never leave 0 to 100
	Log   bool   // Curves.Y only; what lies some four decades under the largest value is drawn at the bottom
}

// name is the axis's label with its unit.
func (a Axis) name() string {
	if a.Unit == "" {
		return a.Label
	}
	return a.Label + " (" + a.Unit + ")"
}

// maxLength bounds a picture's sides: a report of hundreds of cells is an
// error here, not an image that fills the memory.
const maxLength = 100 * vg.Inch

// ErrTooLarge is the error of SVG and PNG for a picture that nobody could look
// at.
var ErrTooLarge = errors.New("the figure would be longer than 100 inches: it has too many rows or its names are too long")

// SVG returns the picture as an SVG file. Its text is text, in Liberation
// Sans or what the viewer has of the same widths.
func SVG(p Picture) ([]byte, error) {
	width, height, draw := p.layout()
	if width > maxLength || height > maxLength {
		return nil, ErrTooLarge
	}
	canvas := vgsvg.New(width, height)
	draw(newPen(canvas, width, height))
	var file bytes.Buffer
	if _, err := canvas.WriteTo(&file); err != nil {
		return nil, fmt.Errorf("drawing %q as SVG: %w", p.title(), err)
	}
	return finishSVG(file.Bytes(), p.title()), nil
}

var (
	svgOpening = regexp.MustCompile(`(?s)<svg [^>]*>`)
	svgText    = regexp.MustCompile(`(?s)<text ([^>]*font-weight:(\w+)[^>]*font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)
)

// finishSVG names fonts that other machines have too, fixes the length of each
// text so that a wider font cannot run into its neighbours, and gives the
// picture the accessible name that screen readers read.
func finishSVG(file []byte, title string) []byte {
	file = bytes.ReplaceAll(file, []byte("font-family:Liberation Sans;font-variant:normal"),
		[]byte("font-family:'Liberation Sans',Arimo,Helvetica,Arial,sans-serif"))
	file = svgText.ReplaceAllFunc(file, func(element []byte) []byte {
		part := svgText.FindSubmatch(element)
		size, _ := strconv.ParseFloat(string(part[3]), 64)
		f := face(vg.Length(size), string(part[2]) == "bold")
		length := f.Width(html.UnescapeString(string(part[4])))
		return fmt.Appendf(nil, `<text textLength="%.2f" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, length.Points(), part[1], part[4])
	})
	at := svgOpening.FindIndex(file)
	opening := bytes.TrimSuffix(file[at[0]:at[1]], []byte(">"))
	named := fmt.Sprintf("%s\n\trole=\"img\">\n<title>%s</title>", opening, html.EscapeString(clean(title)))
	return bytes.Join([][]byte{file[:at[0]], []byte(named), file[at[1]:]}, nil)
}

// PNG returns the picture as a PNG file of 192 pixels an inch.
func PNG(p Picture) ([]byte, error) {
	width, height, draw := p.layout()
	if width > maxLength || height > maxLength {
		return nil, ErrTooLarge
	}
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(192))}
	draw(newPen(canvas, width, height))
	var file bytes.Buffer
	if _, err := canvas.WriteTo(&file); err != nil {
		return nil, fmt.Errorf("drawing %q as PNG: %w", p.title(), err)
	}
	return file.Bytes(), nil
}

// Style is the look of a cell. Give each cell of a study its position there:
// the first 36 look different even without their colours, since the numbers of
// colours, markers and dashes have no common divisor.
type Style int

// palette is Okabe and Ito's, without its yellow, which is too pale for lines
// on white.
var palette = []color.NRGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermillion
	{0x00, 0x9E, 0x73, 0xFF}, // bluish green
	{0xCC, 0x79, 0xA7, 0xFF}, // reddish purple
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky blue
	{0x00, 0x00, 0x00, 0xFF}, // black
}

var dashes = [][]vg.Length{nil, {6, 2.5}, {1.8, 1.8}, {7, 2, 1.8, 2}}

func (s Style) color() color.NRGBA { return palette[int(s)%len(palette)] }
func (s Style) dash() []vg.Length  { return dashes[int(s)%len(dashes)] }
func (s Style) marker() []vg.Point { return markers[int(s)%len(markers)] }

// faint is c with the given opacity.
func faint(c color.NRGBA, opacity uint8) color.NRGBA {
	c.A = opacity
	return c
}

func isNumber(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// The greys of everything that is not data.
var (
	white     = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF}
	ink       = color.NRGBA{0x22, 0x22, 0x22, 0xFF}
	softInk   = color.NRGBA{0x5A, 0x5A, 0x5A, 0xFF}
	axisLine  = color.NRGBA{0x88, 0x88, 0x88, 0xFF}
	gridLine  = color.NRGBA{0xE2, 0xE2, 0xE2, 0xFF}
	leaderInk = color.NRGBA{0xAA, 0xAA, 0xAA, 0xFF}
)

// markers are polygons of about equal area around the origin, for a size of 1.
var markers = [][]vg.Point{
	regular(24, 1, 1, 0),
	{{X: -.88, Y: -.88}, {X: .88, Y: -.88}, {X: .88, Y: .88}, {X: -.88, Y: .88}}, // square
	regular(3, 1.35, 1.35, math.Pi/2),                                            // triangle
	{{X: 0, Y: -1.3}, {X: 1.05, Y: 0}, {X: 0, Y: 1.3}, {X: -1.05, Y: 0}},         // diamond
	regular(3, 1.35, 1.35, -math.Pi/2),                                           // triangle on its tip
	regular(10, 1.5, 0.62, math.Pi/2),                                            // star
	regular(3, 1.35, 1.35, math.Pi),                                              // triangle to the left
	regular(3, 1.35, 1.35, 0),                                                    // triangle to the right
	{ // plus
		{X: -.4, Y: -1.2}, {X: .4, Y: -1.2}, {X: .4, Y: -.4}, {X: 1.2, Y: -.4}, {X: 1.2, Y: .4}, {X: .4, Y: .4},
		{X: .4, Y: 1.2}, {X: -.4, Y: 1.2}, {X: -.4, Y: .4}, {X: -1.2, Y: .4}, {X: -1.2, Y: -.4}, {X: -.4, Y: -.4},
	},
}

// regular is a polygon of n corners that lie outer and inner from the origin
// in turn.
func regular(n int, outer, inner, start float64) []vg.Point {
	corners := make([]vg.Point, n)
	for i := range corners {
		r := outer
		if i%2 == 1 {
			r = inner
		}
		sin, cos := math.Sincos(start + 2*math.Pi*float64(i)/float64(n))
		corners[i] = vg.Point{X: vg.Length(r * cos), Y: vg.Length(r * sin)}
	}
	return corners
}
