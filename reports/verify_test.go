package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ablate/results"
	"ablate/results/journal"
)

// made writes the report of a study of three cells, and returns it with its
// folder.
func made(t *testing.T) (r *Report, dir string) {
	t.Helper()
	store, stored := storeOf(t, studyText, func(cell string, seed int, w *journal.Writer) results.Outcome {
		journalOf(t, w, "portable", 50, 60+float64(seed)+float64(seed*len(cell))/7, 0.5)
		return results.Completed
	})
	r, err := Build(store, stored)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "report")
	if _, err := r.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	return r, dir
}

func verified(t *testing.T, r *Report, path string) Verification {
	t.Helper()
	m, err := ReadMade(path)
	if err != nil {
		t.Fatal(err)
	}
	if m.Identity != r.Identity || m.Study != r.Name {
		t.Errorf("it is of %s, %s", m.Study, m.Identity)
	}
	v, err := r.Verify(m)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// alter replaces text in a file by hand, which must stand there.
func alter(t *testing.T, path, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %q", path, old)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(replacement), 1), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A report of the store as it stands is equal, as a folder and each file alone.
func TestVerifyEqual(t *testing.T) {
	r, dir := made(t)
	v := verified(t, r, dir)
	there, err := os.ReadDir(dir)
	if err != nil || len(v.Differences) > 0 || len(v.Files) != len(there) || v.Values < 100 || v.Cells != 3 || v.Claims != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	for _, name := range []string{"report.json", "report.html"} {
		if v := verified(t, r, filepath.Join(dir, name)); len(v.Differences) > 0 || !slices.Contains(v.Files, name) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, r, dir); len(v.Differences) > 0 || !slices.Equal(v.Others, []string{"mine.txt"}) {
		t.Errorf("%+v", v)
	}
}

// Every figure, verdict and word that was changed by hand is named.
func TestVerifyNamesChanges(t *testing.T) {
	r, _ := made(t)
	var text bytes.Buffer
	if err := r.JSON(&text); err != nil {
		t.Fatal(err)
	}
	mean := string(must(t, r.Cells[1].Metrics["linear_top1"].Mean))
	for _, c := range []struct {
		change func(report map[string]any)
		where  string
		was    string
		is     string
	}{
		{func(j map[string]any) { object(j, "cells", 1, "metrics", "linear_top1")["mean"] = 99.5 }, "cell none, metric linear_top1, mean", "99.5", mean},
		{func(j map[string]any) { object(j, "cells", 2, "metrics", "z_std")["values"].([]any)[1] = nil }, "cell no-predictor, metric z_std, value 2", "null", "0.5"},
		{func(j map[string]any) { object(j, "cells", 1, "difference")["n"] = 3.0 }, "cell none, table comparison, difference, n", "3", "2"},
		{func(j map[string]any) { object(j, "claims", 0)["verdict"] = "supported" }, "claim learns, verdict", `"supported"`, `"` + string(r.Claims[0].Verdict) + `"`},
		{func(j map[string]any) { delete(object(j, "cells", 0), "n") }, "cell bn, n", "", "2"},
		{func(j map[string]any) { j["award"] = "first" }, "award", `"first"`, ""},
		{func(j map[string]any) { j["cells"] = j["cells"].([]any)[:2] }, "cell no-predictor", "", "{"},
		{func(j map[string]any) { slices.Reverse(j["cells"].([]any)) }, "order of cells", "no-predictor, none, bn", "bn, none, no-predictor"},
		{func(j map[string]any) { object(j, "claims", 0, "parts", 0)["says"] = "so it is" }, "claim learns, part 1, says", `"so it is"`, `"`},
	} {
		var report map[string]any
		if err := json.Unmarshal(text.Bytes(), &report); err != nil {
			t.Fatal(err)
		}
		c.change(report)
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, must(t, report), 0o666); err != nil {
			t.Fatal(err)
		}
		v := verified(t, r, path)
		if len(v.Differences) != 1 {
			t.Errorf("%s: %+v", c.where, v.Differences)
			continue
		}
		if d := v.Differences[0]; d.Where != c.where || d.Reported != c.was || !strings.HasPrefix(d.Recomputed, c.is) {
			t.Errorf("%s: %+v", c.where, d)
		}
	}
}

// object follows keys and numbers into JSON.
func object(v any, path ...any) map[string]any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v.(map[string]any)
}

func must(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// So are files that were changed by hand while the JSON was not, with the place.
func TestVerifyNamesFiles(t *testing.T) {
	r, dir := made(t)
	alter(t, filepath.Join(dir, "report.md"), "no-predictor", "with-predictor")
	alter(t, filepath.Join(dir, "report.tex"), "no-predictor", "with-predictor")
	alter(t, filepath.Join(dir, "report.html"), "<td", "<td data-better")
	alter(t, filepath.Join(dir, "comparison.svg"), "<svg", "<svg ")
	alter(t, filepath.Join(dir, "comparison.png"), "PNG", "PNg")
	alter(t, filepath.Join(dir, "report.json"), "{", "{ ")
	if err := os.Remove(filepath.Join(dir, "report.csv")); err != nil {
		t.Fatal(err)
	}
	found := map[string]Discrepancy{}
	for _, d := range verified(t, r, dir).Differences {
		found[d.File] = d
	}
	if len(found) != 7 {
		t.Errorf("%+v", found)
	}
	md := found["report.md"]
	if !strings.Contains(md.Where, "line ") || !strings.Contains(md.Reported, "with-predictor") || !strings.Contains(md.Recomputed, "no-predictor") {
		t.Errorf("%+v", md)
	}
	if html := found["report.html"]; !strings.HasPrefix(html.Where, "table comparison, line ") || !strings.Contains(html.Reported, "data-better") {
		t.Errorf("%+v", html)
	}
	if d := found["report.csv"]; d.Recomputed != "a file that is missing" {
		t.Errorf("%+v", d)
	}
}

func TestReadMadeErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "cannot be read",
		t.TempDir():                "has neither report.json nor report.html",
		write("a.html", "<!doctype html><p>hello</p>"): "has no data in it",
		write("b.json", "{"):                           "is no report: unexpected end",
		write("c.json", "[1]"):                         "is no report",
		write("d.json", "{}"):                          `does not say by its "identity"`,
		write("e.json", `{"identity": 7}`):             `does not say by its "identity"`,
	} {
		if _, err := ReadMade(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// Rounding in the last digits is no change, anything more is.
func TestEqualValues(t *testing.T) {
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{0.1 + 0.2, 0.3, true}, {1.0, 1.000001, false}, {0.0, 1e-300, false}, {nil, nil, true}, {nil, 0.0, false}, {"1", 1.0, false}, {true, true, true},
	} {
		if got := equalValues(c.a, c.b); got != c.want {
			t.Error(fmt.Sprint(c.a, " and ", c.b, ": ", got))
		}
	}
}
