package reports

import (
	"ablate/words"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is the number of columns that s takes in a terminal.
func width(s string) int { return utf8.RuneCountInString(s) }

// Text writes the report for a terminal of the given width in columns; a
// width below 40 counts as 100. A table that is too wide goes on below itself.
func (r *Report) Text(w io.Writer, columns int) error {
	if columns < 40 {
		columns = 100
	}
	var s strings.Builder
	paragraph(&s, r.heading(), "", "", columns)
	for _, line := range r.facts() {
		paragraph(&s, line, "", "  ", columns)
	}
	s.WriteString("\n")
	t := r.table(true)
	if t.width() > columns {
		if narrow := r.table(false); narrow.width() <= columns {
			t = narrow
		}
	}
	t.write(&s, columns)
	r.writeDependence(&s, columns)
	r.writeClaims(&s, columns)
	s.WriteString("\n")
	for _, command := range r.hereCommands() {
		s.WriteString("  " + command + "\n")
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// heading is the study's title, or its name if it has none.
func (r *Report) heading() string {
	if r.Title != "" {
		return words.Printable(r.Title)
	}
	return words.Printable(r.Name)
}

// facts are the lines below the title: what was run, on what, by what.
func (r *Report) facts() []string {
	done, all := r.total()
	first := []string{"study " + r.Name}
	if r.Source != "" {
		first = append(first, words.Printable(r.Source))
	}
	second := []string{fmt.Sprintf("%d of %d runs", done, all), words.Plural(len(r.Cells), "cell"), words.Plural(len(r.Seeds), "seed")}
	if len(r.Provenance.Data) > 0 {
		second = append(second, list(r.Provenance.Data))
	}
	if len(r.Sets) > 0 {
		second = append(second, "with "+strings.Join(r.Sets, ", "))
	}
	facts := []string{strings.Join(first, " · "), strings.Join(second, " · ")}
	if made := r.madeBy(); made != "" {
		facts = append(facts, made)
	}
	return facts
}

func (r *Report) madeBy() string {
	var parts []string
	for _, p := range []struct {
		what   string
		counts []Count
	}{{"ablate", r.Provenance.Versions}, {"trainer", r.Provenance.Trainers}, {"kernels", r.Provenance.Kernels}, {"on", r.Provenance.CPUs}} {
		if len(p.counts) > 0 {
			parts = append(parts, p.what+" "+list(p.counts))
		}
	}
	return strings.Join(parts, " · ")
}

const gap = 2 // between columns

func (t table) width() int {
	total := -gap
	for _, c := range t.columns {
		total += c.width() + gap
	}
	return total
}

func (c column) width() int {
	w := width(c.head)
	for _, cell := range c.cells {
		w = max(w, width(cell))
	}
	return w
}

// write prints the table, in as many blocks below each other as the width
// asks for; each begins with the cells' names. Its notes follow.
func (t table) write(s *strings.Builder, columns int) {
	blocks := t.blocks(columns)
	for limit := columns - 1; limit > 0; limit-- { // as many blocks, as equal as can be
		narrower := t.blocks(limit)
		if len(narrower) > len(blocks) {
			break
		}
		blocks = narrower
	}
	for i, block := range blocks {
		if i > 0 {
			s.WriteString("\n")
		}
		writeBlock(s, block, table{columns: block}.width())
	}
	for i, n := range t.notes {
		paragraph(s, n, superscript(i+1)+" ", strings.Repeat(" ", width(superscript(i+1))+1), columns)
	}
	for _, n := range t.general {
		paragraph(s, n, "", "  ", columns)
	}
}

// blocks deals the columns out to blocks no wider than limit, unless a single
// column is.
func (t table) blocks(limit int) (blocks [][]column) {
	names, rest := t.columns[0], t.columns[1:]
	for len(rest) > 0 {
		block := []column{names, rest[0]}
		rest = rest[1:]
		for len(rest) > 0 && (table{columns: append(block[:len(block):len(block)], rest[0])}).width() <= limit {
			block, rest = append(block, rest[0]), rest[1:]
		}
		blocks = append(blocks, block)
	}
	return blocks
}

func writeBlock(s *strings.Builder, block []column, used int) {
	line := func(text func(column) string) {
		var l strings.Builder
		for i, c := range block {
			if i > 0 {
				l.WriteString(strings.Repeat(" ", gap))
			}
			pad := strings.Repeat(" ", c.width()-width(text(c)))
			if c.left {
				l.WriteString(text(c) + pad)
			} else {
				l.WriteString(pad + text(c))
			}
		}
		s.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	line(func(c column) string { return c.head })
	s.WriteString(strings.Repeat("─", used) + "\n")
	for i := range block[0].cells {
		line(func(c column) string { return c.cells[i] })
	}
	s.WriteString(strings.Repeat("─", used) + "\n")
}

// writeDependence prints the table of dependences, if there is one.
func (r *Report) writeDependence(s *strings.Builder, columns int) {
	t, ok := r.dependenceTable()
	if !ok {
		return
	}
	fmt.Fprintf(s, "\n%s\n\n", dependenceTitle)
	t.write(s, columns)
}

// writeClaims lists the claims, each verdict first, with its parts below.
func (r *Report) writeClaims(s *strings.Builder, columns int) {
	if len(r.Claims) == 0 {
		return
	}
	fmt.Fprintf(s, "\nClaims\n")
	for _, c := range r.Claims {
		s.WriteString("\n")
		head := c.ID
		if c.Says != "" {
			head += ": " + words.Printable(c.Says)
		}
		paragraph(s, head, verdictColumn(c.Verdict), strings.Repeat(" ", verdictWidth), columns)
		for _, p := range c.Parts {
			paragraph(s, p.Says, "  "+verdictColumn(p.Verdict), strings.Repeat(" ", verdictWidth+2), columns)
		}
		if c.Statistics != "" {
			paragraph(s, c.Statistics, "  "+fmt.Sprintf("%-*s", verdictWidth, "measured:"), strings.Repeat(" ", verdictWidth+2), columns)
		}
		if c.Paper != nil {
			paragraph(s, r.paper(c), "  "+fmt.Sprintf("%-*s", verdictWidth, "paper:"), strings.Repeat(" ", verdictWidth+2), columns)
		}
	}
	if rule := r.rule(); rule != "" {
		s.WriteString("\n")
		paragraph(s, rule, "", "", columns)
	}
}

const verdictWidth = len(Contradicted) + 2

func verdictColumn(v Verdict) string { return fmt.Sprintf("%-*s", verdictWidth, v) }

// paper quotes what the paper found, with its place.
func (r *Report) paper(c Claim) string {
	s := Number(c.Paper.Value).shortest()
	if c.Paper.Against != 0 {
		s += " against " + Number(c.Paper.Against).shortest()
	}
	if c.Paper.Unit != "" {
		s += " " + c.Paper.Unit
	}
	where := c.Paper.Where
	paper, _, _ := strings.Cut(r.Source, ", Table") // the study's table need not be the claim's
	switch {
	case where == "":
		where = r.Source
	case !strings.Contains(where, paper):
		where += " of " + paper
	}
	if where != "" {
		s += " (" + where + ")"
	}
	return words.Printable(s)
}

// rule says how comparisons were tested, and at which levels.
func (r *Report) rule() string {
	var levels []string
	brackets := ""
	for _, c := range r.Claims {
		if c.Level.known() {
			levels = append(levels, fmt.Sprintf("%s at %.3g", c.ID, float64(c.Level)))
		}
		for _, p := range c.Parts {
			if p.Low.known() {
				brackets = " In brackets, the interval whose ends are one-sided bounds at that level."
			}
		}
	}
	if len(levels) == 0 {
		return ""
	}
	return fmt.Sprintf("Comparisons: paired by seed, one-sided t tests of the opposite, Holm over %s at %s (%s).%s",
		words.Plural(len(levels), "claim"), Number(r.Alpha).shortest(), strings.Join(levels, ", "), brackets)
}

// paragraph writes text broken at spaces to fit the columns, the first line
// after first, the others after rest.
func paragraph(s *strings.Builder, text, first, rest string, columns int) {
	line, empty := first, true
	for _, word := range units(text) {
		if !empty && width(line)+1+width(word) > columns {
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
