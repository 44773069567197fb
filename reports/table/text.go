package table

import (
	"slices"
	"strings"
	"unicode"

	"ablate/words"
)

const gap = 2 // between columns

// Text lays out the table for a terminal of so many columns, without its title.
// A table that is too wide goes on below itself; each part begins with the
// rows' names. The notes follow.
func (t Table) Text(columns int) string {
	var s strings.Builder
	for i, part := range t.parts(columns) {
		if i > 0 {
			s.WriteString("\n")
		}
		part.write(&s)
	}
	for i, n := range t.Notes {
		mark := Mark(i + 1)
		Paragraph(&s, words.Printable(n), mark+" ", strings.Repeat(" ", Width(mark)+1), columns)
	}
	for _, n := range t.General {
		Paragraph(&s, words.Printable(n), "", "  ", columns)
	}
	return s.String()
}

// Width is the number of terminal columns that the table takes in one piece.
func (t Table) Width() int {
	p := part{t.Columns, t.rows()}
	return p.width()
}

// part is what stands side by side of a table.
type part struct {
	columns []Column
	rows    int
}

// parts deals the columns out to as few parts as fit into the width, and those
// as equally wide as can be.
func (t Table) parts(columns int) []part {
	parts := t.partsWithin(columns)
	for limit := columns - 1; limit > 0; limit-- {
		narrower := t.partsWithin(limit)
		if len(narrower) > len(parts) {
			break
		}
		parts = narrower
	}
	return parts
}

// partsWithin deals the columns out to parts no wider than limit, unless a
// single column is.
func (t Table) partsWithin(limit int) (parts []part) {
	names, rest := t.Columns[:t.names()], t.Columns[t.names():]
	for len(rest) > 0 || len(parts) == 0 {
		p := part{slices.Clone(names), t.rows()}
		for first := true; len(rest) > 0; first = false {
			wider := part{append(p.columns[:len(p.columns):len(p.columns)], rest[0]), p.rows}
			if !first && wider.width() > limit {
				break
			}
			p, rest = wider, rest[1:]
		}
		parts = append(parts, p)
	}
	return parts
}

// widths are those of the columns, the last of a group wide enough for its
// head.
func (p part) widths() []int {
	widths := make([]int, len(p.columns))
	for i, c := range p.columns {
		widths[i] = Width(c.Head)
		for _, cell := range c.Cells {
			widths[i] = max(widths[i], Width(cell))
		}
	}
	i := 0
	for _, g := range groups(p.columns) {
		last := i + g.columns - 1
		widths[last] += max(0, Width(g.text)-total(widths[i:last+1]))
		i = last + 1
	}
	return widths
}

// total is the width of neighbouring columns.
func total(widths []int) int {
	sum := -gap
	for _, w := range widths {
		sum += w + gap
	}
	return max(0, sum)
}

func (p part) width() int { return total(p.widths()) }

// write prints the heads, and the rows between two lines.
func (p part) write(s *strings.Builder) {
	widths := p.widths()
	line := func(text func(Column) string) {
		var l strings.Builder
		for i, c := range p.columns {
			if i > 0 {
				l.WriteString(strings.Repeat(" ", gap))
			}
			pad := strings.Repeat(" ", widths[i]-Width(text(c)))
			if c.Left {
				l.WriteString(words.Printable(text(c)) + pad)
			} else {
				l.WriteString(pad + words.Printable(text(c)))
			}
		}
		s.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	p.writeGroups(s, widths)
	line(func(c Column) string { return c.Head })
	rule := strings.Repeat("─", total(widths)) + "\n"
	s.WriteString(rule)
	for i := range p.rows {
		line(func(c Column) string { return c.Cells[i] })
	}
	s.WriteString(rule)
}

// writeGroups prints the heads over several columns, each in the middle of them
// between dashes.
func (p part) writeGroups(s *strings.Builder, widths []int) {
	spans := groups(p.columns)
	if spans == nil {
		return
	}
	var l strings.Builder
	i := 0
	for _, g := range spans {
		if i > 0 {
			l.WriteString(strings.Repeat(" ", gap))
		}
		room := total(widths[i : i+g.columns])
		i += g.columns
		text, fill := words.Printable(g.text), " "
		if free := room - Width(text); text != "" && free >= 4 {
			text, fill = " "+text+" ", "─"
		}
		free := room - Width(text)
		l.WriteString(strings.Repeat(fill, free/2) + text + strings.Repeat(fill, free-free/2))
	}
	s.WriteString(strings.TrimRight(l.String(), " ") + "\n")
}

// Width is the number of columns that s takes in a terminal: two for a
// character of East Asian scripts and pictures, none for a mark that joins the
// one before it.
func Width(s string) (n int) {
	for _, c := range s {
		switch {
		case c < 0x300:
			n++
		case unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf):
		case unicode.In(c, wide):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide holds the blocks of Unicode whose characters take two columns (East Asian
// Width W and F, by blocks).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

// Paragraph writes text broken at blanks to fit the columns, the first line
// after first, the others after rest.
func Paragraph(s *strings.Builder, text, first, rest string, columns int) {
	line, empty := first, true
	for _, word := range units(text) {
		if !empty && Width(line)+1+Width(word) > columns {
			s.WriteString(line + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	s.WriteString(strings.TrimRight(line, " ") + "\n")
}

// units splits text into what may not be broken: words, and "p = 0.05" and
// "95 %" as a whole.
func units(text string) []string {
	var units []string
	glue := false
	for _, word := range strings.Fields(text) {
		operator := word == "=" || word == "<" || word == "−"
		if n := len(units); n > 0 && (glue || operator || strings.HasPrefix(word, "%")) {
			units[n-1] += " " + word
		} else {
			units = append(units, word)
		}
		glue = operator
	}
	return units
}
