package reports

import (
	"fmt"
	"io"
	"strings"

	"ablate/reports/table"
	"ablate/words"
)

// LaTeX writes the report as a document that pdflatex compiles as it stands.
// Each table in it is a float that can be taken out into another document; the
// packages that it needs are those of the preamble.
func (r *Report) LaTeX(w io.Writer) error {
	var s strings.Builder
	s.WriteString("\\documentclass[a4paper]{article}\n\\usepackage[margin=2.5cm]{geometry}\n" + table.LaTeXPackages)
	s.WriteString("\\setlength{\\parindent}{0pt}\n\\sloppy\n")
	fmt.Fprintf(&s, "\\title{%s}\n\\author{}\n\\date{}\n\\begin{document}\n\\maketitle\n\n", latex(r.heading()))
	for _, line := range r.facts() {
		fmt.Fprintf(&s, "%s\\par\n", latex(line))
	}
	r.latexWarnings(&s)
	for _, t := range append([]table.Table{r.comparisonTable(false)}, r.otherTables()...) { // a page is narrow
		fmt.Fprintf(&s, "\n%% table: %s\n%s", t.Name, t.LaTeX())
	}
	r.latexClaims(&s)
	s.WriteString("\n\\section*{Make it again}\n\\begin{flushleft}\\ttfamily\n")
	for _, command := range r.commands("") {
		fmt.Fprintf(&s, "%s\\par\n", latex(command))
	}
	s.WriteString("\\end{flushleft}\n\\end{document}\n")
	_, err := io.WriteString(w, s.String())
	return err
}

func latex(s string) string { return table.EscapeLaTeX(s) }

// latexWarnings lists what a reader must know first.
func (r *Report) latexWarnings(s *strings.Builder) {
	if len(r.Warnings) == 0 {
		return
	}
	s.WriteString("\n\\medskip\\textbf{Before believing it:}\n")
	latexList(s, r.Warnings)
}

func latexList(s *strings.Builder, items []string) {
	s.WriteString("\\begin{itemize}\n")
	for _, item := range items {
		fmt.Fprintf(s, "\\item {}%s\n", latex(item))
	}
	s.WriteString("\\end{itemize}\n")
}

func (r *Report) latexClaims(s *strings.Builder) {
	if len(r.Claims) == 0 {
		return
	}
	s.WriteString("\n\\clearpage\n\\section*{Claims}\n")
	for _, c := range r.Claims {
		fmt.Fprintf(s, "\n\\subsection*{%s: %s}\n", latex(c.ID), latex(string(c.Verdict)))
		if c.Says != "" {
			fmt.Fprintf(s, "%s.\\par\n", latex(strings.TrimSuffix(words.Printable(c.Says), ".")))
		}
		var items []string
		for _, flag := range c.Flags {
			items = append(items, "Flagged: "+flag)
		}
		for _, p := range c.Parts {
			items = append(items, string(p.Verdict)+": "+p.Says)
		}
		if c.Advice != "" {
			items = append(items, "Advice: "+c.Advice)
		}
		if c.Statistics != "" {
			items = append(items, "Measured: "+c.Statistics)
		}
		if c.Paper != nil {
			items = append(items, "The paper: "+r.paper(c))
		}
		latexList(s, items)
	}
	if rule := r.rule(); rule != "" {
		fmt.Fprintf(s, "\n\\medskip\n%s\\par\n", latex(rule))
	}
}
