package reports

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/reports/table"
	"ablate/results"
)

// small is a study of two cells with two seeds whose runs are as of says.
func small(of func(cell, seed int) run) *Report {
	study := &ablations.Study{
		Name: "small", Title: "Does it need batch norm?", Alpha: 0.05, Seeds: []int{1, 2}, Axes: []ablations.Axis{{Name: "norm"}},
		Text: []byte("name = \"small\"\n"),
		Claims: []ablations.Claim{
			{ID: "collapses", Says: "Without a norm it collapses", All: []ablations.Part{{Kind: ablations.Collapsed, Cells: []ablations.Selector{{Text: "none", Cell: 1}}}}},
			{ID: "matters", Says: "Batch norm helps", All: []ablations.Part{
				{Kind: ablations.Greater, Metric: "linear_top1", Cells: []ablations.Selector{{Text: "bn"}, {Text: "none", Cell: 1}}},
			}},
		},
	}
	var runs [][]run
	for i, name := range []string{"bn", "none"} {
		cell := ablations.NewCell(name, map[string]any{"data.name": "fashion-mnist", "norm.encoder": name})
		cell.Levels = []string{name}
		study.Cells = append(study.Cells, cell)
		row := []run{of(i, 0), of(i, 1)}
		for k := range row {
			row[k].id, row[k].seed = name+string(rune('1'+k)), k+1
		}
		runs = append(runs, row)
	}
	return reportOf(study, runs)
}

// badly are reports of which there is little to tell.
func badly() map[string]*Report {
	nan := math.NaN()
	values := func(v float64) map[string]ends {
		return map[string]ends{"linear_top1": {untrained: v, final: v}, "z_std": {untrained: v, final: v}}
	}
	return map[string]*Report{
		"all_failed": small(func(cell, seed int) run {
			return run{outcome: results.Failed, reason: "exit status 2\ngoroutine 1", metrics: values(50)}
		}),
		"all_collapsed": small(func(cell, seed int) run {
			return run{outcome: results.Collapsed, reason: "z_std is 0.001", metrics: values(10)}
		}),
		"all_diverged": small(func(cell, seed int) run {
			return run{outcome: results.Diverged, reason: "the loss is not finite", metrics: values(nan)}
		}),
		"all_nan":   small(func(cell, seed int) run { return run{outcome: results.Completed, metrics: values(nan)} }),
		"no_metric": small(func(cell, seed int) run { return run{outcome: results.Completed} }),
		"no_runs":   small(func(cell, seed int) run { return run{} }),
	}
}

// markup is what the formats take for markup.
const markup = "a&b%c_d$e#f{g}h~i^j\\k<l>m\"n'o`p|q*r[s]"

// nasty is a report whose every text tries to be markup.
func nasty() *Report {
	study, runs := fixture(1, 2)
	study.Title, study.Source = "Is "+markup+" größer?", "<script>alert(1)</script> & Söhne, Table \\input{x}"
	study.Sets = []string{"data.name=</style>" + markup}
	study.Axes = []ablations.Axis{{Name: "no|rm <i>"}}
	study.Cells[1].Name, study.Cells[2].Name, study.Cells[3].Name = markup, "中文 τ=0.99 \u0301", "</td><script>alert(2)</script>"
	study.Claims[0].ID, study.Claims[0].Says = "refutes_"+markup, "100 % of \\end{document} <b>&amp; _x_ *y* $z$ \x1b[31m"
	study.Claims[0].Paper.Where, study.Claims[0].Paper.Unit = "Table <2>", "top-1 %"
	study.Paper = &ablations.PaperValues{Metric: "linear_top1", Unit: "top-1 %", Where: "Table 2 of \\foo{} & <bar>", Values: map[int]float64{0: 74.3, 2: 0.1}}
	runs[4][1].outcome, runs[4][1].reason = results.Failed, "cannot open C:\\dir_1\\{x}: 100% <full> | $HOME ~ ^ #1\nstack"
	r := reportOf(study, runs)
	r.shipped = false
	r.warn("edited: it said %q", markup)
	r.Claims[1].Flags, r.Claims[1].Advice = []string{"edited on 2026-01-01; before, it said: \"" + markup + "\""}, "about 3 further seeds & <1 h"
	return r
}

// endings of the golden files, by format.
var endings = map[Format]string{Text: "txt", Markdown: "md", LaTeX: "tex", CSV: "csv", JSON: "json", HTML: "html"}

// Reports with little to tell, and with texts that try to be markup, in every
// format.
func TestGoldenFormats(t *testing.T) {
	samples := badly()
	samples["nasty"] = nasty()
	samples["two_seeds"] = report(1, 2)
	for name, r := range samples {
		for _, format := range Formats {
			if name == "two_seeds" && (format == Text || format == Markdown || format == JSON) {
				continue // TestGolden has them
			}
			var s bytes.Buffer
			if err := r.Write(&s, format, 100); err != nil {
				t.Errorf("%s as %s: %v", name, format, err)
			}
			golden(t, name+"."+endings[format], s.Bytes())
		}
	}
}

// Every format but CSV, which has it in its figures, says in words what is
// wrong with a bad result.
func TestBadResultsAreTold(t *testing.T) {
	for name, want := range map[string][]string{
		"all_failed":    {"no run has a result: all 4 ended without one", "failed 2 of 2", "bn, seeds 1, 2: failed (exit status 2)", "not run"},
		"all_collapsed": {"collapsed 2 of 2", "all runs with a result collapsed or never separated", "supported", "all seeds gave the same value: no interval"},
		"all_diverged":  {"diverged 2 of 2", "the loss is not finite"},
		"all_nan":       {"no run with a result has a value of a metric that cells could be compared by", "completed"},
		"no_metric":     {"no run with a result has a value of a metric that cells could be compared by", "completed"},
		"no_runs":       {"no run has a result yet", "pending 2 of 2", "not run"},
	} {
		r := badly()[name]
		for _, format := range []Format{Text, Markdown, LaTeX} {
			var s bytes.Buffer
			if err := r.Write(&s, format, 1000); err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				if format == LaTeX {
					w = table.EscapeLaTeX(w)
				}
				if !strings.Contains(s.String(), w) {
					t.Errorf("%s as %s does not say %q", name, format, w)
				}
			}
		}
	}
}

// A mean that is refused is not there, and the reason is.
func TestRefusedIsTold(t *testing.T) {
	r := small(func(cell, seed int) run {
		r := completedRun(cell, seed)
		r.dataset = []string{"abc", "def"}[seed*cell]
		return r
	})
	got := lines(t, r)
	for _, want := range []string{
		"none – ² – 11.0 – 2 completed",
		"² none: values of unequal work are not averaged: contents of the data set abc (1), def (1)",
		"! none: values of unequal work are not averaged: contents of the data set abc (1), def (1)",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// The notes name the study's own test.
func TestNotesOfTests(t *testing.T) {
	for test, want := range map[ablations.Test][]string{
		ablations.T:        {"paired by seed: 95 % t interval, and two-sided p of the t test after Holm", "two-sided, of the t test, the study's, after Holm"},
		ablations.SignFlip: {"paired by seed: 95 % interval of the exact sign-flip test, and two-sided p of the exact sign-flip test after Holm"},
		ablations.Welch:    {"not paired (Welch): 95 % t interval, and two-sided p of Welch's t test after Holm"},
	} {
		study, runs := fixture(1, 2, 3, 4, 5, 6, 7, 8)
		study.Test = test
		got := strings.Join(lines(t, reportOf(study, runs)), "\n")
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: nothing says %q in\n%s", test, w, got)
			}
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats {
		if got, err := ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("%s: %s, %v", f, got, err)
		}
	}
	if _, err := ParseFormat("latx"); err == nil || err.Error() != `there is no format "latx"; did you mean latex?` {
		t.Error(err)
	}
	if _, err := ParseFormat("pdf"); err == nil || !strings.Contains(err.Error(), "there is text, markdown, latex, csv, json, html") {
		t.Error(err)
	}
}

// The documents compile, and what pdflatex sets has no line that sticks out of
// the page. It takes a few seconds: ./justw slow does it.
func TestLaTeXCompiles(t *testing.T) {
	if os.Getenv("ABLATE_SLOW") == "" {
		t.Skip("slow: ./justw slow compiles the LaTeX")
	}
	pdflatex, err := exec.LookPath("pdflatex")
	if err != nil {
		t.Fatalf("%v: install texlive-latex-recommended", err)
	}
	samples := badly()
	samples["nasty"], samples["troubled"], samples["table1"] = nasty(), troubled(), parsed(t, table1, completedRun)
	var levels strings.Builder
	for i := range 60 {
		fmt.Fprintf(&levels, "%g, ", float64(i+1)/1000)
	}
	samples["long"] = parsed(t, "name = \"long\"\nseeds = 2\n[base]\ndata.name = \"generated\"\n[axes]\noptimizer.lr = ["+levels.String()+"]\n", completedRun)
	for name, r := range samples {
		dir := t.TempDir()
		if kept := os.Getenv("ABLATE_KEEP"); kept != "" {
			dir = kept
		}
		var s bytes.Buffer
		if err := r.LaTeX(&s); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".tex"), s.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(pdflatex, "-interaction=nonstopmode", "-halt-on-error", name+".tex")
		c.Dir = dir
		said, err := c.CombinedOutput()
		if err != nil || !bytes.Contains(said, []byte("Output written on "+name+".pdf")) {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
		for _, trouble := range []string{"Missing character", "Undefined", "Overfull \\hbox"} {
			if bytes.Contains(said, []byte(trouble)) {
				t.Errorf("%s: %s\n%s", name, trouble, said)
			}
		}
	}
}
