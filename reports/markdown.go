package reports

import (
	"fmt"
	"io"
	"strings"

	"ablate/reports/table"
	"ablate/words"
)

var escape = table.EscapeMarkdown

// Markdown writes the report as GitHub-flavoured Markdown, without figures;
// WriteDir writes it with them.
func (r *Report) Markdown(w io.Writer) error {
	_, err := io.WriteString(w, r.markdown(nil, ""))
	return err
}

// markdown is the report with figures, beside a study file of the given name,
// if any.
func (r *Report) markdown(figures []Figure, file string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "# %s\n\n", escape(r.heading()))
	for _, line := range r.facts() {
		fmt.Fprintf(&s, "%s  \n", escape(line))
	}
	s.WriteString("\n")
	r.markdownWarnings(&s)
	for i, t := range r.Tables() {
		if i > 0 {
			fmt.Fprintf(&s, "\n## %s\n\n", escape(t.Title))
		}
		s.WriteString(t.Markdown())
	}
	if len(r.Claims) > 0 {
		r.markdownClaims(&s)
	}
	if len(figures) > 0 {
		s.WriteString("\n## Figures\n")
		for _, f := range figures {
			fmt.Fprintf(&s, "\n![%s](%s.svg)\n\n%s ([PNG](%s.png))\n", escape(f.Alt), f.Name, escape(f.Alt), f.Name)
		}
	}
	s.WriteString("\n## Make it again\n\n```sh\n")
	for _, command := range r.commands(file) {
		s.WriteString(command + "\n")
	}
	s.WriteString("```\n")
	return s.String()
}

// markdownWarnings lists what a reader must know first.
func (r *Report) markdownWarnings(s *strings.Builder) {
	if len(r.Warnings) == 0 {
		return
	}
	s.WriteString("**Before believing it:**\n\n")
	for _, w := range r.Warnings {
		fmt.Fprintf(s, "- %s\n", escape(w))
	}
	s.WriteString("\n")
}

func (r *Report) markdownClaims(s *strings.Builder) {
	s.WriteString("\n## Claims\n")
	for _, c := range r.Claims {
		fmt.Fprintf(s, "\n### %s: %s\n\n", escape(c.ID), c.Verdict)
		if c.Says != "" {
			fmt.Fprintf(s, "%s.\n\n", escape(strings.TrimSuffix(words.Printable(c.Says), ".")))
		}
		for _, flag := range c.Flags {
			fmt.Fprintf(s, "**Flagged:** %s.\n\n", escape(flag))
		}
		s.WriteString("| verdict | part |\n|:---|:---|\n")
		for _, p := range c.Parts {
			fmt.Fprintf(s, "| %s | %s |\n", p.Verdict, escape(p.Says))
		}
		if c.Advice != "" {
			fmt.Fprintf(s, "\nAdvice: %s.\n", escape(c.Advice))
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
