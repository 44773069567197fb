package export

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ablate/results"
)

var formats = []Format{CSV, JSONL, Parquet, TensorBoard, MLflow}

// contents reads all files of a folder by their paths.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			files[name] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A store gives the same bytes again, wherever they are written to.
func TestSameBytes(t *testing.T) {
	s := fixture(t)
	for _, format := range formats {
		first, second := contents(t, write(t, s, format)), contents(t, write(t, s, format))
		if len(first) != len(second) || len(first) < 3 {
			t.Errorf("%s: %d and %d files", format, len(first), len(second))
		}
		for name, text := range first {
			if second[name] != text {
				t.Errorf("%s: %s differs", format, name)
			}
		}
	}
}

// A study of which nothing is known yet has its files all the same.
func TestEmptyStudy(t *testing.T) {
	store, err := results.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	study := &results.Study{Name: "empty"}
	if err := store.SaveStudy(study, nil); err != nil {
		t.Fatal(err)
	}
	for _, format := range formats {
		dir := write(t, Source{Store: store, Study: study}, format)
		if !strings.Contains(read(t, dir, "export.json"), `"points": 0`) {
			t.Errorf("%s: %s", format, read(t, dir, "export.json"))
		}
		if format == CSV && read(t, dir, "metrics.csv") != "run,cell,seed,metric,step,value\r\n" {
			t.Errorf("%q", read(t, dir, "metrics.csv"))
		}
		if format == Parquet {
			if f := readParquet(t, filepath.Join(dir, "metrics.parquet"))[0]; len(f.Rows) != 0 || len(f.Columns) != 6 {
				t.Errorf("%+v", f)
			}
		}
	}
}

// What is there already stays, unless it is an export that is to be replaced.
func TestTargets(t *testing.T) {
	s := fixture(t)
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	export := func(replace bool) error { _, err := Dir(t.Context(), s, CSV, dir, replace); return err }
	if err := export(true); err != nil { // nothing to replace
		t.Fatal(err)
	}
	if err := export(false); err == nil || !strings.Contains(err.Error(), "is there already; have it replaced (--replace)") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := export(true); err != nil {
		t.Error(err)
	}
	if files := contents(t, parent); len(files) != 5 || files["out/metrics.csv"] == "" {
		t.Errorf("replaced, there are %d files", len(files))
	}
	if err := os.Remove(filepath.Join(dir, "export.json")); err != nil {
		t.Fatal(err)
	}
	if err := export(true); err == nil || !strings.Contains(err.Error(), "no export has made it") {
		t.Error(err)
	}
	dir = filepath.Join(parent, "no", "such")
	if err := export(false); err == nil || !strings.Contains(err.Error(), "make its parent folder") {
		t.Error(err)
	}
}

// An export that is interrupted, or fails on the way, leaves nothing behind, and
// what it was to replace as it was.
func TestTornExport(t *testing.T) {
	s := fixture(t)
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	if _, err := Dir(t.Context(), s, CSV, dir, false); err != nil {
		t.Fatal(err)
	}
	before := contents(t, parent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, format := range formats {
		if _, err := Dir(ctx, s, format, dir, true); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", format, err)
		}
		if after := contents(t, parent); len(after) != len(before) || after["out/runs.csv"] != before["out/runs.csv"] {
			t.Errorf("%s: %d files, before %d", format, len(after), len(before))
		}
	}
	if _, err := File(ctx, s, CSV, "metrics", filepath.Join(parent, "metrics.csv")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if after := contents(t, parent); len(after) != len(before) {
		t.Errorf("%d files, before %d", len(after), len(before))
	}
}

// A full disk is told as one by every format.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	s := fixture(t)
	for _, format := range []Format{CSV, JSONL, Parquet} {
		for _, table := range Tables {
			if _, err := Table(t.Context(), s, format, table, full); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s of %s: %v", format, table, err)
			}
		}
	}
	if err := cannotWrite("x", syscall.ENOSPC); !strings.Contains(err.Error(), "make room") {
		t.Error(err)
	}
}

// File replaces what is there, as other commands do.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.csv")
	for range 2 {
		rows, err := File(t.Context(), fixture(t), CSV, "runs", path)
		if err != nil || rows != 6 || !strings.HasPrefix(read(t, path), "run,study,cell,") {
			t.Errorf("%d rows, %v", rows, err)
		}
	}
}
