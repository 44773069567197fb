package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"ablate/words"
)

// inline writes an SVG file anew as an element of the page: only elements and
// attributes that draw, styles as attributes (the page's policy allows no
// others), ids of the figure's own. Its width is a share of the column's: that
// of its natural width in the widest figure's, so that all have one scale.
func inline(file []byte, id, label string, widest float64) (template.HTML, error) {
	s := svgWriter{prefix: id + "-", label: label, widest: widest}
	d := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		s.token(token)
	}
	if s.out.Len() == 0 {
		return "", errors.New("there is no svg element in it")
	}
	return template.HTML(s.out.String()), nil
}

type svgWriter struct {
	out           strings.Builder
	prefix, label string
	widest        float64
	open          []string // elements that are written, from the root down
	skipped       int      // depth within an element that is not
}

// drawn are the elements that a figure may be made of.
var drawn = []string{
	"svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "title", "desc", "defs", "clipPath",
}

// drawing attributes; those of style may also come in a style attribute.
var (
	shapes = []string{"d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "cx", "cy", "r", "rx", "ry", "width", "height", "points", "transform",
		"textLength", "lengthAdjust", "viewBox", "clipPathUnits"}
	styles = []string{"fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset",
		"stroke-linecap", "stroke-linejoin", "opacity", "font-size", "font-weight", "font-style", "text-anchor", "dominant-baseline",
		"clip-path", "clip-rule"}
)

func (s *svgWriter) token(token xml.Token) {
	switch t := token.(type) {
	case xml.StartElement:
		s.start(t)
	case xml.EndElement:
		s.end()
	case xml.CharData:
		if n := len(s.open); s.skipped == 0 && n > 0 && slices.Contains([]string{"text", "tspan", "title", "desc"}, s.open[n-1]) {
			s.out.WriteString(escape(string(t)))
		}
	}
}

// wide is the natural width beyond which a figure, one with long names, needs
// more room than others to be read.
const wide = 540

func (s *svgWriter) start(t xml.StartElement) {
	name := t.Name.Local
	root := len(s.open) == 0
	// A picture's own title would be a tooltip over all of it.
	named := len(s.open) == 1 && (name == "title" || name == "desc")
	if s.skipped > 0 || !slices.Contains(drawn, name) || root != (name == "svg") || named {
		s.skipped++
		return
	}
	s.open = append(s.open, name)
	s.out.WriteString("<" + name)
	for _, a := range t.Attr {
		s.attribute(a, root)
	}
	if root {
		width := widthOf(t)
		if 0 < width && width <= s.widest {
			s.write("width", strconv.FormatFloat(100*width/s.widest, 'f', 1, 64)+"%")
		}
		if width > wide {
			s.write("class", "wide")
		}
		s.write("role", "img")
		s.write("aria-label", s.label)
	}
	s.out.WriteString(">")
}

func (s *svgWriter) end() {
	if s.skipped > 0 {
		s.skipped--
		return
	}
	last := len(s.open) - 1
	s.out.WriteString("</" + s.open[last] + ">")
	if s.open = s.open[:last]; s.open == nil || last == 1 {
		s.out.WriteString("\n")
	}
}

func (s *svgWriter) attribute(a xml.Attr, root bool) {
	name := a.Name.Local
	switch {
	case a.Name.Space != "" || root && (name == "width" || name == "height"):
	case name == "id":
		s.write("id", s.prefix+a.Value)
	case name == "style":
		for _, declaration := range strings.Split(a.Value, ";") {
			property, value, _ := strings.Cut(declaration, ":")
			s.style(strings.TrimSpace(property), strings.TrimSpace(value))
		}
	case slices.Contains(shapes, name):
		s.write(name, a.Value)
	default:
		s.style(name, a.Value)
	}
}

// style writes a property that says something; the font is the page's.
func (s *svgWriter) style(property, value string) {
	if !slices.Contains(styles, property) || value == "" || value == "normal" {
		return
	}
	if target, ok := strings.CutPrefix(value, "url(#"); ok {
		value = "url(#" + s.prefix + target
	} else if strings.Contains(value, "url(") {
		return
	}
	s.write(property, value)
}

func (s *svgWriter) write(name, value string) {
	fmt.Fprintf(&s.out, ` %s="%s"`, name, escape(value))
}

func escape(s string) string { return template.HTMLEscapeString(words.Printable(s)) }

// widest is the largest natural width of figures, 0 if they have none.
func widest(figures []Figure) (width float64) {
	for _, f := range figures {
		d := xml.NewDecoder(bytes.NewReader(f.SVG))
		for {
			token, err := d.Token()
			if err != nil {
				break
			}
			if root, ok := token.(xml.StartElement); ok {
				width = max(width, widthOf(root))
				break
			}
		}
	}
	return width
}

// widthOf is the natural width of a picture: its viewBox's.
func widthOf(root xml.StartElement) float64 {
	for _, a := range root.Attr {
		if box := strings.Fields(a.Value); a.Name.Local == "viewBox" && len(box) == 4 {
			width, _ := strconv.ParseFloat(box[2], 64) // 0 if it is no number
			return width
		}
	}
	return 0
}
