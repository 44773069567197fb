package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"ablate/reports/table"
	"ablate/words"
)

// Format is what a report is written as.
type Format string

// The formats.
const (
	Text     Format = "text"
	Markdown Format = "markdown"
	LaTeX    Format = "latex"
	CSV      Format = "csv"
	JSON     Format = "json"
	HTML     Format = "html"
)

// Formats lists the formats, the usual one first.
var Formats = []Format{Text, Markdown, LaTeX, CSV, JSON, HTML}

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	var names []string
	for _, f := range Formats {
		if name == string(f) {
			return f, nil
		}
		names = append(names, string(f))
	}
	return "", fmt.Errorf("there is no format %q%s", name, instead(name, names))
}

// Write writes the report. columns is the width of text; HTML is the tables
// alone, as fragments: WriteDir writes the page.
func (r *Report) Write(w io.Writer, format Format, columns int) error {
	switch format {
	case Markdown:
		return r.Markdown(w)
	case LaTeX:
		return r.LaTeX(w)
	case CSV:
		return r.CSV(w)
	case JSON:
		return r.JSON(w)
	case HTML:
		for _, t := range r.Tables() {
			if _, err := io.WriteString(w, string(t.HTML())); err != nil {
				return err
			}
		}
		return nil
	}
	return r.Text(w, columns)
}

// Write writes the table. columns is the width of text; CSV has a record for
// each field, LaTeX is a float and HTML a fragment.
func (p *Pivot) Write(w io.Writer, format Format, columns int) error {
	t := p.Table()
	var s strings.Builder
	switch format {
	case Markdown:
		p.markdown(&s, t)
	case LaTeX:
		s.WriteString(t.LaTeX())
	case CSV:
		return p.csv(w)
	case HTML:
		s.WriteString(string(t.HTML()))
	case JSON:
		return p.json(w)
	default:
		p.writeText(&s, t, columns)
	}
	_, err := io.WriteString(w, s.String())
	return err
}

func (p *Pivot) writeText(s *strings.Builder, t table.Table, columns int) {
	r := p.report
	table.Paragraph(s, r.heading(), "", "", columns)
	for _, line := range r.facts() {
		table.Paragraph(s, line, "", "  ", columns)
	}
	r.writeWarnings(s, columns)
	s.WriteString("\n")
	table.Paragraph(s, words.Printable(t.Title), "", "", columns)
	fmt.Fprintf(s, "\n%s\n", t.Text(columns))
	for _, command := range p.report.here(t.Again) {
		s.WriteString("  " + command + "\n")
	}
}

func (p *Pivot) markdown(s *strings.Builder, t table.Table) {
	r := p.report
	fmt.Fprintf(s, "# %s\n\n", escape(r.heading()))
	for _, line := range r.facts() {
		fmt.Fprintf(s, "%s  \n", escape(line))
	}
	s.WriteString("\n")
	r.markdownWarnings(s)
	fmt.Fprintf(s, "## %s\n\n%s\n```sh\n", escape(t.Title), t.Markdown())
	for _, command := range t.Again {
		s.WriteString(command + "\n")
	}
	s.WriteString("```\n")
}

// The shape of a chosen table's JSON.
type (
	jsonPivot struct {
		Study    string      `json:"study"`    // name
		Rows     []string    `json:"rows"`     // dimensions: axes, "cell", "seed" or keys of the configuration
		Columns  []string    `json:"columns"`  // likewise
		Where    []string    `json:"where"`    // the levels that were chosen
		Alpha    float64     `json:"alpha"`    // intervals have confidence 1 - alpha
		Warnings []string    `json:"warnings"` // what a reader must know before believing any of it
		Fields   []jsonField `json:"fields"`   // those that there are runs for: by rows, then by columns, then by metrics
		Notes    []string    `json:"notes"`    // the table's footnotes
		Again    []string    `json:"again"`    // commands that make the table again
	}
	jsonField struct {
		Row            map[string]string `json:"row"`             // level by dimension
		Column         map[string]string `json:"column"`          // likewise
		Metric         string            `json:"metric"`          // name
		Cell           string            `json:"cell"`            // that the runs are of
		Seeds          []int             `json:"seeds"`           // of the runs
		N              int               `json:"n"`               // runs with a result
		Mean           Number            `json:"mean"`            // over the values that are known
		Low            Number            `json:"low"`             // lower end of its t interval
		High           Number            `json:"high"`            // upper end
		Values         []Number          `json:"values"`          // by seeds
		Refused        *string           `json:"refused"`         // why there is no mean of values that are there; null where nothing is wrong
		Collapsed      int               `json:"collapsed"`       // runs that collapsed
		NeverSeparated int               `json:"never_separated"` // runs whose projections were collapsed from step 0 on
		Diverged       int               `json:"diverged"`        // runs that diverged
		Failed         int               `json:"failed"`          // runs that ended without a result
		Pending        int               `json:"pending"`         // runs that have not ended
	}
)

func (p *Pivot) json(w io.Writer) error {
	t := p.Table()
	j := jsonPivot{
		Study: p.report.Name, Rows: names(p.rows), Columns: names(p.columns), Where: notNil(p.choice.Where), Alpha: p.report.Alpha,
		Warnings: notNil(p.report.Warnings), Fields: []jsonField{}, Notes: append(notNil(t.Notes), t.General...), Again: t.Again,
	}
	for _, f := range p.fields {
		c, m := f.cell, f.value
		j.Fields = append(j.Fields, jsonField{
			Row: levelsByName(p.rows, f.row), Column: levelsByName(p.columns, f.column), Metric: f.metric, Cell: c.Name, Seeds: c.Seeds, N: c.N,
			Mean: m.Mean, Low: m.Low, High: m.High, Values: m.Values, Refused: orNull(m.Refused),
			Collapsed: c.Collapsed, NeverSeparated: c.NeverSeparated, Diverged: c.Diverged, Failed: c.Failed, Pending: c.Pending,
		})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(j)
}

func names(dimensions []dimension) []string {
	s := []string{}
	for _, d := range dimensions {
		s = append(s, d.name)
	}
	return s
}

// levelsByName gives levels by their dimensions.
func levelsByName(dimensions []dimension, levels []int) map[string]string {
	m := map[string]string{}
	for i, d := range dimensions {
		m[d.name] = d.levels[levels[i]]
	}
	return m
}
