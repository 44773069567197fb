package figure

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
)

// Style is the look of a cell: a colour, a marker and a dash pattern, each by
// its number, which starts anew behind the last that there is.
type Style struct{ Colour, Marker, Dash int }

// StyleOf is a look of its own for the cell at a position of a study: the first
// 36 look different even without their colours, since the numbers of markers and
// dashes have no common divisor, and the first 252 with them.
func StyleOf(position int) Style { return Style{position, position, position} }

// Dashes is how many dash patterns there are.
var Dashes = len(dashes)

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

func (s Style) color() color.NRGBA { return palette[s.Colour%len(palette)] }
func (s Style) dash() []vg.Length  { return dashes[s.Dash%len(dashes)] }
func (s Style) marker() []vg.Point { return markers[s.Marker%len(markers)] }

// Opacities of what lies over or under something else.
const (
	bandOpacity      = 0x2C
	manyBandsOpacity = 0x16 // many overlap
	faintOpacity     = 0x78
	dotOpacity       = 0xB0
)

var opacities = []uint8{bandOpacity, manyBandsOpacity, faintOpacity, dotOpacity, 0xFF}

// faint is c with one of the opacities.
func faint(c color.NRGBA, opacity uint8) color.NRGBA {
	c.A = opacity
	return c
}

// The greys of everything that is not data. A page that shows figures on a dark
// background finds them in the file by their values: there are no others.
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
