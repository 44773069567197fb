package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
)

// The CSV is what another reader of RFC 4180 reads, and its lines end in CRLF.
func TestCSV(t *testing.T) {
	dir := write(t, fixture(t), CSV)
	text := read(t, dir, "metrics.csv")
	const head = "run,cell,seed,metric,step,value\r\naa,bn,1,loss,0,3\r\naa,bn,1,loss,1,2\r\naa,bn,1,loss,2,0.1\r\naa,bn,1,loss,3,1e-300\r\n"
	if !strings.HasPrefix(text, head) {
		t.Errorf("metrics.csv begins %q", text[:min(len(text), len(head))])
	}
	rows := rowsOf(t, text)
	for i, p := range points() {
		// encoding/csv reads CRLF in a quoted field as LF.
		want := []string{p.run, strings.ReplaceAll(p.cell, "\r\n", "\n"), strconv.Itoa(p.seed), p.metric, strconv.FormatInt(p.step, 10)}
		if got := rows[i+1]; strings.Join(got[:5], "|") != strings.Join(want, "|") || !same(parse(t, got[5]), p.value) {
			t.Errorf("row %d is %q, want %q, %v", i+1, got, want, p.value)
		}
	}
	if len(rows) != 1+len(points()) {
		t.Errorf("%d rows", len(rows))
	}
	for _, want := range []string{"NaN", ",Inf\r\n", ",-Inf\r\n", "\"../a \"\"b\"\",\r\nc=\u00e9\xff'/..\""} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics.csv has no %q", want)
		}
	}
}

func TestCSVOfRuns(t *testing.T) {
	dir := write(t, fixture(t), CSV)
	rows := rowsOf(t, read(t, dir, "runs.csv"))
	head := "run study cell axis.norm axis.x/y seed outcome reason step steps seconds attempts dataset trainer config.lr config.n config.on config.opt.name config.opt.warm"
	if got := strings.Join(rows[0], " "); got != head {
		t.Errorf("columns %s", got)
	}
	for i, want := range []string{
		`aa|a, "study"|bn|bn|1|1|completed||3|4|1.5|2|d|2|0.1|0|true|s,"gd"|[1,"x"]`,
		`bb|a, "study"|bn|bn|1|2|||0|4|0|1|d|2|0.2|1|true|s,"gd"|[1,"x"]`,
		`cc|a, "study"|../a "b",` + "\nc=\u00e9\xff'/..|ln|2|1|diverged||3|4|1.5|1|d|2|1|2.5|perhaps||",
	} {
		if got := strings.Join(rows[i+1], "|"); got != want {
			t.Errorf("row %d is %q, want %q", i+1, got, want)
		}
	}
	if last := rows[6]; last[0] != "ee" || last[3] != "" || last[6] != "" || len(rows) != 7 {
		t.Errorf("the last of %d rows is %q", len(rows), last)
	}
	attempts := read(t, dir, "attempts.csv")
	for _, want := range []string{"aa,1,fenced,", "2023-11-14T22:13:20.000Z", "aa,2,ended,completed,,2023-11-14T22:14:20.000Z", ",2,v1,portable,a CPU,here\r\n"} {
		if !strings.Contains(attempts, want) {
			t.Errorf("attempts.csv has no %q:\n%s", want, attempts)
		}
	}
	if n := strings.Count(attempts, "\r\naa,"); n != 2 {
		t.Errorf("the run that stands in two cells has %d attempts", n)
	}
}

func TestJSONLines(t *testing.T) {
	dir := write(t, fixture(t), JSONL)
	lines := strings.Split(strings.TrimSuffix(read(t, dir, "metrics.jsonl"), "\n"), "\n")
	for i, p := range points() {
		var row struct {
			Run, Cell, Metric string
			Seed              int
			Step              int64
			Value             any
		}
		if err := json.Unmarshal([]byte(lines[i]), &row); err != nil {
			t.Fatal(err)
		}
		v, isNumber := row.Value.(float64)
		if !isNumber {
			v = parse(t, row.Value.(string))
		}
		cell := strings.ToValidUTF8(p.cell, "\uFFFD")
		if row.Run != p.run || row.Cell != cell || row.Seed != p.seed || row.Metric != p.metric || row.Step != p.step || !same(v, p.value) {
			t.Errorf("line %d is %s, want %+v", i+1, lines[i], p)
		}
	}
	if len(lines) != len(points()) {
		t.Errorf("%d lines", len(lines))
	}
	for i, line := range strings.Split(strings.TrimSpace(read(t, dir, "runs.jsonl")), "\n") {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if i == 0 && (row["config.lr"] != 0.1 || row["config.on"] != "true" || row["reason"] != nil || row["seed"] != 1.0) {
			t.Errorf("the first run is %s", line)
		}
	}
}

// A table goes anywhere by itself, and only with the runs and metrics that are
// wanted.
func TestTableOfSomeRuns(t *testing.T) {
	s := fixture(t)
	s.Runs, s.Metrics = []string{"aa", "cc"}, []string{"z std", "a/b:c"}
	var b bytes.Buffer
	rows, err := Table(t.Context(), s, JSONL, "metrics", &b)
	if err != nil || rows != 3 || strings.Count(b.String(), "\n") != 3 || strings.Contains(b.String(), "loss") {
		t.Errorf("%d rows, %v:\n%s", rows, err, b.String())
	}
	if _, err := Table(t.Context(), s, CSV, "figures", &b); err == nil || !strings.Contains(err.Error(), "there is runs, metrics, attempts") {
		t.Error(err)
	}
	if _, err := Table(t.Context(), s, MLflow, "runs", &b); err == nil || !strings.Contains(err.Error(), "mlflow has no tables") {
		t.Error(err)
	}
}

func rowsOf(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func parse(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Error(err)
	}
	return f
}

// same reports whether two figures are one, bit for bit but for NaN's.
func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}
