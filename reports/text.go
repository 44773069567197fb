package reports

import (
	"fmt"
	"io"
	"strings"

	"ablate/reports/table"
	"ablate/words"
)

// Text writes the report for a terminal of the given width in columns; a
// width below 40 counts as 100. A table that is too wide goes on below itself.
func (r *Report) Text(w io.Writer, columns int) error {
	if columns < 40 {
		columns = 100
	}
	var s strings.Builder
	table.Paragraph(&s, r.heading(), "", "", columns)
	for _, line := range r.facts() {
		table.Paragraph(&s, line, "", "  ", columns)
	}
	r.writeWarnings(&s, columns)
	s.WriteString("\n")
	t := r.comparisonTable(true)
	if t.Width() > columns {
		if narrow := r.comparisonTable(false); narrow.Width() <= columns {
			t = narrow
		}
	}
	s.WriteString(t.Text(columns))
	for _, t := range r.otherTables() {
		fmt.Fprintf(&s, "\n%s\n\n%s", t.Title, t.Text(columns))
	}
	r.writeClaims(&s, columns)
	s.WriteString("\n")
	for _, command := range r.hereCommands() {
		s.WriteString("  " + command + "\n")
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// writeWarnings prints what a reader must know first.
func (r *Report) writeWarnings(s *strings.Builder, columns int) {
	if len(r.Warnings) > 0 {
		s.WriteString("\n")
	}
	for _, w := range r.Warnings {
		table.Paragraph(s, words.Printable(w), "! ", "  ", columns)
	}
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
	if when := r.Registration.says(); when != "" {
		facts = append(facts, fmt.Sprintf("claims SHA-256 %s · %s", r.Registration.Claims[:12], when))
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
		table.Paragraph(s, head, verdictColumn(c.Verdict), strings.Repeat(" ", verdictWidth), columns)
		for _, flag := range c.Flags {
			table.Paragraph(s, words.Printable(flag), "  "+fmt.Sprintf("%-*s", verdictWidth, "! flagged:"), strings.Repeat(" ", verdictWidth+2), columns)
		}
		for _, p := range c.Parts {
			table.Paragraph(s, p.Says, "  "+verdictColumn(p.Verdict), strings.Repeat(" ", verdictWidth+2), columns)
		}
		if c.Advice != "" {
			table.Paragraph(s, c.Advice, "  "+fmt.Sprintf("%-*s", verdictWidth, "advice:"), strings.Repeat(" ", verdictWidth+2), columns)
		}
		if c.Statistics != "" {
			table.Paragraph(s, c.Statistics, "  "+fmt.Sprintf("%-*s", verdictWidth, "measured:"), strings.Repeat(" ", verdictWidth+2), columns)
		}
		if c.Paper != nil {
			table.Paragraph(s, r.paper(c), "  "+fmt.Sprintf("%-*s", verdictWidth, "paper:"), strings.Repeat(" ", verdictWidth+2), columns)
		}
	}
	if rule := r.rule(); rule != "" {
		s.WriteString("\n")
		table.Paragraph(s, rule, "", "", columns)
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
