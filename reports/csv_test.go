package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// rows reads a report's CSV strictly, each row by the columns' names.
func rows(t *testing.T, r *Report) (head []string, rows []map[string]string) {
	t.Helper()
	var text bytes.Buffer
	if err := r.CSV(&text); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return records[0], rows
}

func TestCSV(t *testing.T) {
	r := troubled()
	head, all := rows(t, r)
	if len(head) != len(csvColumns)+1 || head[2] != "norm" {
		t.Errorf("columns %q", head)
	}
	n := 0
	for _, c := range r.Cells {
		n += len(c.Metrics)
	}
	if len(all) != n {
		t.Errorf("%d rows, want one for each of %d metrics", len(all), n)
	}
	find := func(cell, metric string) map[string]string {
		i := slices.IndexFunc(all, func(row map[string]string) bool { return row["cell"] == cell && row["metric"] == metric })
		if i < 0 {
			t.Fatalf("no row of %s, %s", cell, metric)
		}
		return all[i]
	}
	ln, d := find("ln", "linear_top1"), r.Cells[1].Difference
	for name, want := range map[string]string{
		"study": "quick", "norm": "ln", "unit": "%", "seeds": "3", "n": "3", "values": "2", "diverged": "1", "confidence": "0.95", "pairs": "2", "test": "t",
		"mean": fmt.Sprint(float64(r.Cells[1].Metrics["linear_top1"].Mean)), "low": fmt.Sprint(float64(r.Cells[1].Metrics["linear_top1"].Low)),
		"difference": fmt.Sprint(float64(d.Estimate)), "diff_high": fmt.Sprint(float64(d.High)), "p": fmt.Sprint(float64(d.P)), "p_sign_flip": "0.5", "paper": "",
	} {
		if ln[name] != want {
			t.Errorf("ln has %s %q, want %q", name, ln[name], want)
		}
	}
	if row := find("none", "linear_top1"); row["low"] != "" || row["p"] != "" || row["failed"] != "1" || row["pending"] != "1" || row["collapsed"] != "1" {
		t.Errorf("none: %v", row)
	}
	if row := find("ln", "knn_top1"); row["difference"] != "" || row["mean"] == "" {
		t.Errorf("a metric that is not compared: %v", row)
	}
	if row := find("no-predictor", "z_std"); row["norm"] != "" || row["same_as"] != "gn+ws" {
		t.Errorf("an extra: %v", row)
	}
}

// Axes do not hide columns, and cells without metrics are there.
func TestCSVOfAxes(t *testing.T) {
	text := "name = \"s\"\nseeds = 1\n[base]\ndata.name = \"generated\"\n[axes.mean]\n\"a, \\\"b\\\"\" = {}\nc = { batch = 64 }\n"
	head, all := rows(t, parsed(t, strings.Replace(text, "a, ", "a ", 1), func(int, int) run { return run{} }))
	if head[2] != "axis.mean" || len(all) != 2 || all[0]["axis.mean"] != `a "b"` || all[0]["metric"] != "" || all[0]["pending"] != "1" {
		t.Errorf("%q\n%v", head, all)
	}
}

// The page on the CSV is what the source says.
func TestCSVDocs(t *testing.T) {
	var s strings.Builder
	s.WriteString(`# The CSV of a report

` + "`ablate report --format csv`" + ` prints, and ` + "`--out DIR`" + ` writes to ` + "`report.csv`" + `, one tidy table: a row for each cell and metric, as RFC 4180
has it, with a head and all digits. What is not known, or has no meaning in a row, is empty. A cell of which no run has a metric has one row.
Behind the cell there is a column for each axis of the study, named like it (` + "`axis.NAME`" + ` where another column has that name); extras
have no levels. Columns may be added; read them by their names. The page is made from the source
(` + "`go test ./reports -run TestCSVDocs -update`" + `).

| column | |
|---|---|
`)
	for _, c := range csvColumns {
		fmt.Fprintf(&s, "| `%s` | %s |\n", c.name, c.says)
	}
	const path = "../docs/report-csv.md"
	if *update {
		if err := os.WriteFile(path, []byte(s.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != s.String() {
		t.Errorf("%s is not what the source says (%v); make it anew: go test ./reports -run TestCSVDocs -update", path, err)
	}
}
