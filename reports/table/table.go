// Package table renders a table for a terminal, in Markdown, LaTeX and
// HTML. It knows nothing of what the table is about.
//
// Everything in a Table is plain text: each renderer escapes what its format
// would take for markup, and replaces control characters by blanks.
package table

import (
	"fmt"
	"slices"
	"strings"
)

// Table is a table as data.
type Table struct {
	Name    string   // short id, also its file's name: "comparison"
	Title   string   // its heading: "Comparison"
	Columns []Column // all with a cell for each row
	Names   int      // leading columns that name the rows and are repeated where the table is split; 0 is 1
	Notes   []string // numbered footnotes; their marks (superscripts) stand in heads and cells
	General []string // notes on the whole
	Again   []string // commands that make this table again
}

// Column is one column, from its head down.
type Column struct {
	Group  string // a head over this and the neighbours of the same group; "" is none
	Head   string
	Left   bool // aligned left
	Cells  []string
	Values []float64 // numbers behind the cells for sorting; NaN unknown; nil: sort by text
}

// Nothing stands in a cell where there is no value.
const Nothing = "–"

// Note adds a footnote, unless it is there already, and returns its mark, to
// stand after a blank behind what it is about.
func (t *Table) Note(text string) string {
	i := slices.Index(t.Notes, text)
	if i < 0 {
		i, t.Notes = len(t.Notes), append(t.Notes, text)
	}
	return Mark(i + 1)
}

const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹"

// Mark is the mark of footnote n: its number in superscript.
func Mark(n int) string {
	digits := []rune(superscripts)
	var s strings.Builder
	for _, d := range fmt.Sprint(n) {
		s.WriteRune(digits[d-'0'])
	}
	return s.String()
}

// number is the number of a footnote's mark, 0 if s is none.
func number(s string) (n int) {
	digits := []rune(superscripts)
	for _, c := range s {
		d := slices.Index(digits, c)
		if d < 0 || n > 1e6 {
			return 0
		}
		n = 10*n + d
	}
	return n
}

// names is how many leading columns name the rows.
func (t Table) names() int { return min(max(1, t.Names), len(t.Columns)) }

// rows is how many rows there are below the head.
func (t Table) rows() int {
	if len(t.Columns) == 0 {
		return 0
	}
	return len(t.Columns[0].Cells)
}

// span is a head over some neighbouring columns.
type span struct {
	text    string
	columns int
}

// groups lists the heads over columns; it is empty if no column has one.
func groups(columns []Column) (spans []span) {
	any := false
	for _, c := range columns {
		any = any || c.Group != ""
		if n := len(spans); n > 0 && spans[n-1].text == c.Group {
			spans[n-1].columns++
		} else {
			spans = append(spans, span{c.Group, 1})
		}
	}
	if !any {
		return nil
	}
	return spans
}

// oneLine joins the words of s by single blanks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
