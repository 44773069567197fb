// Package figure draws the figures of a report, as SVG and as PNG: curves
// over training steps or ranks (Curves), and a row of marks and intervals for each
// cell (Dots).
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
	"image/png"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Picture is a figure that can be drawn: *Curves or *Dots.
type Picture interface {
	// layout returns the picture's size and what draws it.
	layout() (width, height vg.Length, draw func(pen))
	title() string
}

// Axis says what one axis shows.
type Axis struct {
	Label string
	Unit  string // "%", "min" or ""; percentages never leave 0 to 100
	Log   bool   // what lies some four decades under the largest value is drawn at the lower end; of Curves.X the ticks are powers of two
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
	svgStyle   = regexp.MustCompile(`style="([^"]*)"`)
	unstyled   = []byte(`Z"  />`) // filled with black
)

// finishSVG names fonts that other machines have too, fixes the length of each
// text so that a wider font cannot run into its neighbours, and gives the
// picture the accessible name that screen readers read. What style attributes
// say it turns into attributes of their own, since a page's security policy may
// forbid the former, and so that a style sheet has precedence.
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
	file = bytes.ReplaceAll(file, unstyled, []byte(`Z" style="fill:#000000" />`))
	file = svgStyle.ReplaceAllFunc(file, attributes)
	at := svgOpening.FindIndex(file)
	opening := bytes.TrimSuffix(file[at[0]:at[1]], []byte(">"))
	named := fmt.Sprintf("%s\n\trole=\"img\">\n<title>%s</title>", opening, html.EscapeString(clean(title)))
	return bytes.Join([][]byte{file[:at[0]], []byte(named), file[at[1]:]}, nil)
}

// svgColours are the colours as they are by what SVG makes of them where they are
// not opaque, which may be off by one.
var svgColours = func() map[string]string {
	exact := map[string]string{}
	for _, c := range append([]color.NRGBA{white, ink, softInk, axisLine, gridLine, leaderInk}, palette...) {
		for _, opacity := range opacities {
			c.A = opacity
			r, g, b, a := c.RGBA() // as vgsvg does
			of := func(v uint32) int { return int(float64(v) * (255 / float64(a))) }
			exact[fmt.Sprintf("#%02X%02X%02X", of(r), of(g), of(b))] = fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B)
		}
	}
	return exact
}()

// attributes turns style="a:b;c:d" into a="b" c="d", with the colour of what is
// filled and has none, which is black.
func attributes(style []byte) []byte {
	var b bytes.Buffer
	text := string(svgStyle.FindSubmatch(style)[1])
	if strings.HasPrefix(text, "fill-opacity") {
		text = "fill:#000000;" + text
	}
	for _, declaration := range strings.Split(text, ";") {
		name, value, _ := strings.Cut(declaration, ":")
		if exact, ok := svgColours[value]; ok {
			value = exact
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, `%s="%s"`, name, value)
	}
	return b.Bytes()
}

// PNG returns the picture as a PNG file of 192 pixels an inch.
func PNG(p Picture) ([]byte, error) {
	width, height, draw := p.layout()
	if width > maxLength || height > maxLength {
		return nil, ErrTooLarge
	}
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(192))
	draw(newPen(canvas, width, height))
	var file bytes.Buffer
	fast := png.Encoder{CompressionLevel: png.BestSpeed} // in half the time, a twentieth larger
	if err := fast.Encode(&file, canvas.Image()); err != nil {
		return nil, fmt.Errorf("drawing %q as PNG: %w", p.title(), err)
	}
	return file.Bytes(), nil
}

func isNumber(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
