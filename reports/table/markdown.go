package table

import (
	"fmt"
	"strings"

	"ablate/words"
)

// Markdown writes the table as GitHub-flavoured Markdown, without its title,
// the notes below it. Where columns have a head in common, it stands in each
// of theirs: Markdown's tables know no wider heads.
func (t Table) Markdown() string {
	var s strings.Builder
	row := func(text func(Column) string) {
		s.WriteString("|")
		for _, c := range t.Columns {
			fmt.Fprintf(&s, " %s |", EscapeMarkdown(oneLine(text(c))))
		}
		s.WriteString("\n")
	}
	row(func(c Column) string { return c.Group + " " + c.Head })
	s.WriteString("|")
	for _, c := range t.Columns {
		if c.Left {
			s.WriteString(":---|")
		} else {
			s.WriteString("---:|")
		}
	}
	s.WriteString("\n")
	for i := range t.rows() {
		row(func(c Column) string { return c.Cells[i] })
	}
	s.WriteString("\n")
	for i, n := range t.Notes {
		fmt.Fprintf(&s, "%s %s  \n", Mark(i+1), EscapeMarkdown(n))
	}
	for _, n := range t.General {
		fmt.Fprintf(&s, "%s  \n", EscapeMarkdown(n))
	}
	return s.String()
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "#", `\#`, "~", `\~`, "$", `\$`,
)

// EscapeMarkdown makes s mean itself in Markdown, on one line. Underscores
// within words, as in the names of metrics, are safe as they are.
func EscapeMarkdown(s string) string {
	s = markdownEscapes.Replace(words.Printable(s))
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
