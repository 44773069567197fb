package table

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"ablate/words"
)

// HTML writes the table as a fragment of a page: a figure that holds the table,
// with its title as caption, then the notes, and the commands that make it
// again. Every value is escaped. What scripts and styles hold on to:
//
//	figure.table#table-NAME   the whole
//	div.scroll                the table's frame, which may be narrower than the table
//	th[data-sort=number|text] how a column is sorted
//	td[data-sort]             the number behind a cell, "" if there is none; absent: sort by text
//	.left                     cells that are aligned left
//	.parts                    cells of several numbers, "1.5 ± 0.2 [1.3, 1.7]", padded to stand below each other from the left
//	ol.notes                  the footnotes, in the order of their numbers
//	details.again             the commands
func (t Table) HTML() template.HTML {
	var s strings.Builder
	id := "table-" + idOf(t.Name)
	fmt.Fprintf(&s, "<figure class=\"table\" id=\"%s\">\n", id)
	fmt.Fprintf(&s, "<div class=\"scroll\" role=\"region\" aria-labelledby=\"%s-title\" tabindex=\"0\">\n<table>\n", id)
	fmt.Fprintf(&s, "<caption id=\"%s-title\">%s</caption>\n", id, escapeHTML(t.Title))
	t.htmlHead(&s, id)
	t.htmlBody(&s, id)
	s.WriteString("</table>\n</div>\n")
	t.htmlNotes(&s, id)
	s.WriteString("</figure>\n")
	return template.HTML(s.String())
}

func (t Table) htmlHead(s *strings.Builder, id string) {
	s.WriteString("<thead>\n")
	if spans := groups(t.Columns); spans != nil {
		s.WriteString("<tr>")
		for _, g := range spans {
			if g.text == "" {
				fmt.Fprintf(s, `<td colspan="%d"></td>`, g.columns)
			} else {
				fmt.Fprintf(s, `<th scope="colgroup" colspan="%d">%s</th>`, g.columns, escapeHTML(g.text))
			}
		}
		s.WriteString("</tr>\n")
	}
	s.WriteString("<tr>")
	for _, c := range t.Columns {
		kind := "text"
		if c.Values != nil {
			kind = "number"
		}
		fmt.Fprintf(s, `<th scope="col"%s data-sort="%s">%s</th>`, classOf(c), kind, t.linked(c.Head, id))
	}
	s.WriteString("</tr>\n</thead>\n")
}

func (t Table) htmlBody(s *strings.Builder, id string) {
	s.WriteString("<tbody>\n")
	classes := make([]string, len(t.Columns))
	for k, c := range t.Columns {
		classes[k] = classOf(c)
	}
	for i := range t.rows() {
		s.WriteString("<tr>")
		for k, c := range t.Columns {
			sort := ""
			if c.Values != nil {
				sort = fmt.Sprintf(` data-sort="%s"`, sortKey(c.Values[i]))
			}
			if k < t.names() {
				fmt.Fprintf(s, `<th scope="row"%s%s>%s</th>`, classes[k], sort, escapeHTML(c.Cells[i]))
			} else {
				fmt.Fprintf(s, `<td%s%s>%s</td>`, classes[k], sort, t.linked(c.Cells[i], id))
			}
		}
		s.WriteString("</tr>\n")
	}
	s.WriteString("</tbody>\n")
}

func (t Table) htmlNotes(s *strings.Builder, id string) {
	if len(t.Notes) > 0 {
		s.WriteString("<ol class=\"notes\">\n")
		for i, n := range t.Notes {
			fmt.Fprintf(s, "<li id=\"%s-note-%d\">%s</li>\n", id, i+1, escapeHTML(n))
		}
		s.WriteString("</ol>\n")
	}
	for _, n := range t.General {
		fmt.Fprintf(s, "<p class=\"note\">%s</p>\n", escapeHTML(n))
	}
	if len(t.Again) > 0 {
		s.WriteString("<details class=\"again\"><summary>Make this table again</summary>\n<pre><code>")
		for _, command := range t.Again {
			s.WriteString(escapeHTML(command) + "\n")
		}
		s.WriteString("</code></pre>\n</details>\n")
	}
}

// linked escapes text, in which the marks of footnotes become links to them and
// stay with the word before. Blanks that align numbers become as wide as digits.
func (t Table) linked(text, id string) string {
	const digit, glue = "\u2007", "\u00a0"
	var s strings.Builder
	blanks := 0
	for _, word := range strings.Split(strings.TrimRight(text, " "), " ") {
		if word == "" {
			blanks++
			continue
		}
		n := number(word)
		marked := 0 < n && n <= len(t.Notes)
		switch {
		case s.Len() == 0:
			s.WriteString(strings.Repeat(digit, blanks))
		case marked:
			s.WriteString(glue)
		default:
			s.WriteString(" " + strings.Repeat(digit, blanks))
		}
		if marked {
			fmt.Fprintf(&s, `<sup><a href="#%s-note-%d" aria-label="note %d">%d</a></sup>`, id, n, n, n)
		} else {
			s.WriteString(escapeHTML(word))
		}
		blanks = 0
	}
	return s.String()
}

func classOf(c Column) string {
	several := func(cell string) bool { return strings.Contains(cell, " ± ") || strings.Contains(cell, " [") }
	switch {
	case c.Left:
		return ` class="left"`
	case slices.ContainsFunc(c.Cells, several):
		return ` class="parts"`
	}
	return ""
}

// sortKey is a number that scripts can read, "" if it is not finite.
func sortKey(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func escapeHTML(s string) string { return html.EscapeString(words.Printable(s)) }

// idOf makes a table's name fit for an id.
func idOf(name string) string {
	return strings.Map(func(c rune) rune {
		if wordRune(c) || c == '-' {
			return c
		}
		return '-'
	}, name)
}
