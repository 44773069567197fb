package table

import (
	"encoding/csv"
	"strings"
)

// CSV writes the table as shown, head first, as RFC 4180 has it: fields in
// quotes where they need them, lines that end in CRLF. The notes, which are no
// rows, are left out, and so are the blanks that align the cells; the marks of
// the notes stay.
func (t Table) CSV() string {
	var s strings.Builder
	w := csv.NewWriter(&s)
	w.UseCRLF = true
	record := func(text func(Column) string) {
		fields := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			fields[i] = oneLine(text(c))
		}
		w.Write(fields) // into memory: its errors are none
	}
	record(func(c Column) string { return c.Group + " " + c.Head })
	for i := range t.rows() {
		record(func(c Column) string { return c.Cells[i] })
	}
	w.Flush()
	return s.String()
}
