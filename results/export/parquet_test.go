package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// parquetFile is what another reader finds in a Parquet file.
type parquetFile struct {
	Columns [][]any
	Groups  int
	Rows    []map[string]any
}

// readParquet reads files with hyparquet, which ./justw test puts into .browser/
// of the project's folder.
func readParquet(t *testing.T, files ...string) (read []parquetFile) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node to read Parquet with")
	}
	reader := filepath.FromSlash("../../.browser/node_modules/hyparquet/src/index.js")
	if _, err := os.Stat(reader); err != nil {
		t.Skip("there is no hyparquet in .browser/ to read Parquet with; ./justw test fetches it")
	}
	var stderr bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", append([]string{filepath.FromSlash("testdata/read.mjs"), reader}, files...)...)
	node.Stderr = &stderr
	output, err := node.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	d := json.NewDecoder(bytes.NewReader(output))
	for range files {
		var f parquetFile
		if err := d.Decode(&f); err != nil {
			t.Fatal(err)
		}
		read = append(read, f)
	}
	return read
}

func TestParquet(t *testing.T) {
	dir := write(t, fixture(t), Parquet)
	files := readParquet(t, filepath.Join(dir, "metrics.parquet"), filepath.Join(dir, "runs.parquet"), filepath.Join(dir, "attempts.parquet"))
	metrics, runs, attempts := files[0], files[1], files[2]
	for i, p := range points() {
		row := metrics.Rows[i]
		want := []any{p.run, strings.ToValidUTF8(p.cell, "\uFFFD"), strconv.Itoa(p.seed), p.metric, strconv.FormatInt(p.step, 10)}
		got := []any{row["run"], row["cell"], row["seed"], row["metric"], row["step"]}
		v, isNumber := row["value"].(float64)
		if !isNumber {
			v = parse(t, row["value"].(string))
		}
		if !reflect.DeepEqual(got, want) || !same(v, p.value) {
			t.Errorf("row %d is %v, want %+v", i, row, p)
		}
	}
	if len(metrics.Rows) != len(points()) || len(runs.Rows) != 6 || len(attempts.Rows) != 4 {
		t.Fatalf("%d, %d and %d rows", len(metrics.Rows), len(runs.Rows), len(attempts.Rows))
	}
	first, third, last := runs.Rows[0], runs.Rows[2], runs.Rows[5]
	if first["config.on"] != "true" || first["config.lr"] != 0.1 || first["config.opt.name"] != `s,"gd"` || first["reason"] != nil || first["axis.x/y"] != "1" || first["seconds"] != 1.5 {
		t.Errorf("the first run is %v", first)
	}
	if third["config.n"] != 2.5 || third["config.opt.warm"] != nil || third["outcome"] != "diverged" || last["axis.norm"] != nil || last["outcome"] != nil {
		t.Errorf("the third run is %v, the last %v", third, last)
	}
	if a := attempts.Rows[1]; a["started"] != "2023-11-14T22:14:20.000Z" || a["resume_step"] != "2" || a["kernels"] != "portable" {
		t.Errorf("the second attempt is %v", a)
	}
}

// Every kind of column, with and without gaps, over several groups of rows.
func TestParquetColumns(t *testing.T) {
	columns := []column{{"few", text}, {"many", text}, {"runs", integer}, {"steps", integer}, {"noise", real}, {"flag", boolean}, {"when", instant}, {"never", text}}
	defer func(n int64) { rowsPerGroup = n }(rowsPerGroup)
	rowsPerGroup = 7000
	const n = 7000 + 3001
	at := func(i int) []value {
		row := []value{textOf(fmt.Sprint("name", i%7)), textOf(fmt.Sprint(i)), integerOf(int64(i / 1000)), integerOf(int64(i % 801)),
			realOf(float64(i) / 3), booleanOf(i%3 == 0), {known: true, int: int64(i)}, {}}
		for k := range row {
			if k > 2 && (i+k)%11 == 0 || k == 1 && i%4096 < 100 {
				row[k] = value{}
			}
		}
		return row
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	if err := os.WriteFile(path, parquetOf(t, columns, n, at), 0o666); err != nil {
		t.Fatal(err)
	}
	file := readParquet(t, path)[0]
	if len(file.Rows) != n || file.Groups != 2 {
		t.Fatalf("%d rows in %d groups", len(file.Rows), file.Groups)
	}
	if want := `[[few BYTE_ARRAY UTF8] [many BYTE_ARRAY UTF8] [runs INT64 ] [steps INT64 ] [noise DOUBLE ] [flag BOOLEAN ] [when INT64 TIMESTAMP_MILLIS] [never BYTE_ARRAY UTF8]]`; fmt.Sprint(file.Columns) != want {
		t.Errorf("columns %v", file.Columns)
	}
	wrong := 0
	for i, row := range file.Rows {
		for k, v := range at(i) {
			if got := row[columns[k].name]; !reflect.DeepEqual(got, asRead(columns[k].kind, v)) && wrong < 10 {
				t.Errorf("row %d: %s is %v, want %+v", i, columns[k].name, got, v)
				wrong++
			}
		}
	}
}

// parquetOf is a file of n rows.
func parquetOf(t *testing.T, columns []column, n int, at func(i int) []value) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := newParquet(&b, columns)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.row(at(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// No bounds say that a value is not there which is: readers that filter rows pass
// over what lies outside of them. NaN is where they go wrong.
func TestParquetBounds(t *testing.T) {
	values := []float64{1, math.NaN(), 2}
	b := parquetOf(t, []column{{"value", real}}, len(values), func(i int) []value { return []value{realOf(values[i])} })
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if s := f.Metadata().RowGroups[0].Columns[0].MetaData.Statistics; s.MinValue != nil || s.MaxValue != nil {
		t.Errorf("the group is said to lie between %x and %x", s.MinValue, s.MaxValue)
	}
	index, err := f.RowGroups()[0].ColumnChunks()[0].ColumnIndex()
	if err != nil || index.NumPages() != 1 {
		t.Fatal(index, err)
	}
	if low, high := index.MinValue(0).Double(), index.MaxValue(0).Double(); !(low <= 1 && high >= 2) {
		t.Errorf("the page is said to lie between %v and %v", low, high)
	}
}

// asRead is what readParquet is to find.
func asRead(k kind, v value) any {
	switch {
	case !v.known:
		return nil
	case k == text:
		return v.text
	case k == integer:
		return strconv.FormatInt(v.int, 10)
	case k == boolean:
		return v.int != 0
	case k == instant:
		return string(appendTime(nil, v.int))
	}
	return v.real
}
