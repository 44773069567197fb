package reports

import (
	"ablate/words"
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report as GitHub-flavoured Markdown, without figures;
// WriteDir writes it with them.
func (r *Report) Markdown(w io.Writer) error {
	_, err := io.WriteString(w, r.markdown(nil, ""))
	return err
}

// markdown is the report with figures, beside a study file of the given name,
// if any.
func (r *Report) markdown(figures []drawing, file string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "# %s\n\n", escape(r.heading()))
	for _, line := range r.facts() {
		fmt.Fprintf(&s, "%s  \n", escape(line))
	}
	s.WriteString("\n")
	r.table(true).markdown(&s)
	if t, ok := r.dependenceTable(); ok {
		fmt.Fprintf(&s, "\n## %s\n\n", dependenceTitle)
		t.markdown(&s)
	}
	if len(r.Claims) > 0 {
		r.markdownClaims(&s)
	}
	if len(figures) > 0 {
		s.WriteString("\n## Figures\n")
		for _, f := range figures {
			fmt.Fprintf(&s, "\n![%s](%s.svg)\n\n%s ([PNG](%s.png))\n", escape(f.alt), f.name, escape(f.alt), f.name)
		}
	}
	s.WriteString("\n## Make it again\n\n```sh\n")
	for _, command := range r.commands(file) {
		s.WriteString(command + "\n")
	}
	s.WriteString("```\n")
	return s.String()
}

func (t table) markdown(s *strings.Builder) {
	row := func(text func(column) string) {
		s.WriteString("|")
		for _, c := range t.columns {
			fmt.Fprintf(s, " %s |", escape(strings.Join(strings.Fields(text(c)), " ")))
		}
		s.WriteString("\n")
	}
	row(func(c column) string { return c.head })
	s.WriteString("|")
	for _, c := range t.columns {
		if c.left {
			s.WriteString(":---|")
		} else {
			s.WriteString("---:|")
		}
	}
	s.WriteString("\n")
	for i := range t.columns[0].cells {
		row(func(c column) string { return c.cells[i] })
	}
	s.WriteString("\n")
	for i, n := range t.notes {
		fmt.Fprintf(s, "%s %s  \n", superscript(i+1), escape(n))
	}
	for _, n := range t.general {
		fmt.Fprintf(s, "%s  \n", escape(n))
	}
}

func (r *Report) markdownClaims(s *strings.Builder) {
	s.WriteString("\n## Claims\n")
	for _, c := range r.Claims {
		fmt.Fprintf(s, "\n### %s: %s\n\n", escape(c.ID), c.Verdict)
		if c.Says != "" {
			fmt.Fprintf(s, "%s.\n\n", escape(strings.TrimSuffix(words.Printable(c.Says), ".")))
		}
		s.WriteString("| verdict | part |\n|:---|:---|\n")
		for _, p := range c.Parts {
			fmt.Fprintf(s, "| %s | %s |\n", p.Verdict, escape(p.Says))
		}
		if c.Statistics != "" {
			fmt.Fprintf(s, "\nMeasured: %s.\n", escape(c.Statistics))
		}
		if c.Paper != nil {
			fmt.Fprintf(s, "\nThe paper: %s.\n", escape(r.paper(c)))
		}
	}
	if rule := r.rule(); rule != "" {
		fmt.Fprintf(s, "\n%s\n", escape(rule))
	}
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "#", `\#`, "~", `\~`, "\n", " ",
)

// escape makes s mean itself in Markdown. Underscores within words, as in the
// names of metrics, are safe as they are.
func escape(s string) string {
	s = markdownEscapes.Replace(s)
	var out strings.Builder
	runes := []rune(s)
	for i, c := range runes {
		inside := i > 0 && i < len(runes)-1 && wordRune(runes[i-1]) && wordRune(runes[i+1])
		if c == '_' && !inside {
			out.WriteRune('\\')
		}
		out.WriteRune(c)
	}
	return out.String()
}

func wordRune(c rune) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
