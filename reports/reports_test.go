package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/reports/figure"
	"ablate/reports/table"
	"ablate/results"
)

var (
	update = flag.Bool("update", false, "rewrite the golden files in testdata")
	keep   = flag.String("figures", "", "folder to leave a sample report in, to be looked at")
)

// golden compares got with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Fatalf("%s, line %d:\n got %q\nwant %q", path, i+1, g, w)
		}
	}
}

// troubled is a report with everything that can go wrong: diverged, failed and
// pending runs, a missing value, mixed kernels, and equal cells.
func troubled() *Report {
	study, runs := fixture(1, 2, 3)
	runs[1][1].outcome, runs[1][1].reason = results.Diverged, "the loss is not a finite number in step 201"
	runs[2][0].outcome, runs[2][0].reason = results.TimedOut, "no progress for 10 minutes\nstack follows"
	runs[2][2].outcome = ""
	delete(runs[3][0].metrics, "linear_top1")
	runs[4][2].outcome = results.Collapsed
	study.Cells[5].SameAs, runs[5] = 4, runs[4]
	study.Claims = append(study.Claims, ablations.Claim{ID: "ln", Says: "", All: []ablations.Part{
		{Kind: ablations.Greater, Metric: "knn_top1", Cells: []ablations.Selector{{Text: "bn"}, {Text: "ln", Cell: 1}}},
		{Kind: ablations.NotCollapsed, Cells: []ablations.Selector{{Text: "ln", Cell: 1}}},
		{Kind: ablations.Collapsed, Cells: []ablations.Selector{{Text: "gn+ws", Cell: 4}}},
	}})
	r := reportOf(study, runs)
	r.Provenance.Kernels = []Count{{"onednn 2.6.3", 15}, {"portable", 2}}
	r.warnOfMixtures()
	r.shipped = false
	return r
}

func TestGolden(t *testing.T) {
	single, _ := fixture(7)
	_, runs := fixture(7)
	for name, r := range map[string]*Report{
		"two_seeds": report(1, 2),
		"troubled":  troubled(),
		"one_seed":  reportOf(single, runs),
		"nothing":   nothingYet(),
	} {
		for _, columns := range []int{80, 120} {
			var text bytes.Buffer
			if err := r.Text(&text, columns); err != nil {
				t.Fatal(err)
			}
			golden(t, name+map[int]string{80: "_80", 120: "_120"}[columns]+".txt", text.Bytes())
			for _, line := range strings.Split(text.String(), "\n") {
				if table.Width(line) > columns {
					t.Errorf("%s at %d: a line of %d columns: %s", name, columns, table.Width(line), line)
				}
			}
		}
		var markdown, object bytes.Buffer
		if err := r.Markdown(&markdown); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".md", markdown.Bytes())
		if err := r.JSON(&object); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", object.Bytes())
	}
}

// nothingYet is the report of a study whose runs have not started.
func nothingYet() *Report {
	study, runs := fixture(1, 2)
	for _, row := range runs {
		for i := range row {
			row[i].outcome, row[i].metrics = "", nil
		}
	}
	r := newReport(study, runs)
	r.shipped = true
	r.curves = curvesOf(runs)
	return r
}

// The JSON object has the keys that other programs rely on, and null where a
// figure is not known.
func TestJSONShape(t *testing.T) {
	var object bytes.Buffer
	if err := troubled().JSON(&object); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Study string
		Cells []struct {
			Name                           string
			Cell                           map[string]string
			Seeds                          []int
			N, Collapsed, Diverged, Failed *int
			NeverSeparated                 *int `json:"never_separated"`
			Metrics                        map[string]struct {
				Mean, Low, High *float64
				Values          []*float64
			}
		}
		Claims []struct {
			ID, Says, Verdict string
			Parts             []map[string]any
		}
	}
	if err := json.Unmarshal(object.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Study != "quick" || len(got.Cells) != 6 || len(got.Claims) != 4 {
		t.Fatalf("study %q, %d cells, %d claims", got.Study, len(got.Cells), len(got.Claims))
	}
	if got.Cells[0].Cell["norm"] != "bn" || got.Cells[5].Cell != nil {
		t.Errorf("levels %v and %v, want norm=bn and null", got.Cells[0].Cell, got.Cells[5].Cell)
	}
	ln := got.Cells[1]
	if *ln.N != 3 || *ln.Diverged != 1 || *ln.Collapsed != 0 || *ln.Failed != 0 || *ln.NeverSeparated != 0 {
		t.Errorf("ln: n %d, diverged %d", *ln.N, *ln.Diverged)
	}
	for name, m := range ln.Metrics {
		if len(m.Values) != len(ln.Seeds) {
			t.Errorf("%s: %d values for %d seeds", name, len(m.Values), len(ln.Seeds))
		}
		if untrained := strings.HasSuffix(name, "_untrained"); (m.Values[1] == nil) == untrained {
			t.Errorf("%s of the diverged run: %v", name, m.Values[1])
		}
	}
	for _, name := range []string{"linear_top1", "linear_top1_untrained", "knn_top1", "z_std"} {
		if m := got.Cells[0].Metrics[name]; m.Mean == nil {
			t.Errorf("bn has no %s", name)
		}
	}
	for _, c := range got.Claims {
		for _, p := range c.Parts {
			for _, key := range []string{"estimate", "low", "high", "p", "n", "verdict", "says"} {
				if _, ok := p[key]; !ok {
					t.Errorf("a part of %s has no %q", c.ID, key)
				}
			}
		}
	}
}

func TestWithVerdict(t *testing.T) {
	r := report(1, 2)
	if got := r.WithVerdict(Contradicted); got != nil {
		t.Errorf("contradicted: %q", got)
	}
	r.Claims[1].Verdict = Contradicted
	if got, want := r.WithVerdict(Contradicted), []string{"refutes-H2"}; !slices.Equal(got, want) {
		t.Errorf("contradicted: %q, want %q", got, want)
	}
}

// The baseline itself is not compared, the others are, and Holm's p values are
// no smaller than the raw ones.
func TestDifferences(t *testing.T) {
	r := report(1, 2, 3)
	if r.Cells[0].Difference != nil {
		t.Error("the baseline is compared with itself")
	}
	for _, c := range r.Cells[1:] {
		d := c.Difference
		want := c.Metrics["linear_top1"].Mean - r.Cells[0].Metrics["linear_top1"].Mean
		if math.Abs(float64(d.Estimate-want)) > 1e-9 || d.N != 3 || d.Welch {
			t.Errorf("%s: %+v, want estimate %v of 3 pairs", c.Name, *d, want)
		}
		if d.P < d.T || d.SignFlip < 0.25 || d.SignFlip > 1 {
			t.Errorf("%s: p after Holm %v, before %v, of the sign-flip test %v", c.Name, d.P, d.T, d.SignFlip)
		}
	}
}

func TestDimensionalCollapse(t *testing.T) {
	r := report(1, 2)
	for _, c := range r.Cells {
		if want := c.Name == "ln" || c.Name == "none"; c.DimensionalCollapse != want {
			t.Errorf("%s: dimensional collapse %v, want %v", c.Name, c.DimensionalCollapse, want)
		}
	}
}

func TestWriteDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "report")
	if *keep != "" {
		dir = *keep
	}
	r := troubled()
	files, err := r.WriteDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if filepath.Dir(f) != dir {
			t.Errorf("%s is not in %s", f, dir)
		}
		names = append(names, filepath.Base(f))
	}
	var drawn []string
	figures, err := r.Figures()
	for _, f := range figures {
		drawn = append(drawn, f.Name+".svg", f.Name+".png")
	}
	if err != nil || len(drawn) < 10 {
		t.Fatalf("figures %q, error %v", drawn, err)
	}
	want := append([]string{"report.csv", "report.html", "report.json", "report.md", "report.tex", "study.toml"}, drawn...)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	there, err := os.ReadDir(dir)
	if err != nil || len(there) != len(want) {
		t.Errorf("%d files in the folder (%v), want %d: temporary ones must not stay", len(there), err, len(want))
	}
	page, _ := os.ReadFile(filepath.Join(dir, "report.md"))
	for _, name := range drawn {
		if !strings.Contains(string(page), "("+name+")") {
			t.Errorf("report.md does not link %s", name)
		}
	}
	var text bytes.Buffer
	if err := r.JSON(&text); err != nil {
		t.Fatal(err)
	}
	if object, _ := os.ReadFile(filepath.Join(dir, "report.json")); !bytes.Equal(object, text.Bytes()) {
		t.Error("report.json is not what JSON writes")
	}
	if study, _ := os.ReadFile(filepath.Join(dir, "study.toml")); string(study) != "name = \"quick\"\n" {
		t.Errorf("study.toml is %q", study)
	}
}

func TestWriteDirTwiceIsTheSame(t *testing.T) {
	first, err := report(1, 2).render()
	if err != nil {
		t.Fatal(err)
	}
	second, err := report(1, 2).render()
	if err != nil {
		t.Fatal(err)
	}
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs the second time", name)
		}
	}
	if _, ok := first["study.toml"]; ok {
		t.Error("a shipped study's file is written out")
	}
}

func TestWriteDirSaysWhatIsInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		_, err := report(1).WriteDir(dir)
		if err == nil || !strings.Contains(err.Error(), "cannot write the report to "+dir) {
			t.Errorf("%s: error %v", dir, err)
		}
	}
}

// A store that cannot be read leaves the folder as it was.
func TestWriteDirNothingOnError(t *testing.T) {
	dir := t.TempDir()
	r := report(1, 2)
	r.curves = func(string, []string, int) (results.Curves, error) { return results.Curves{}, io.ErrUnexpectedEOF }
	if _, err := r.WriteDir(dir); err == nil || !strings.Contains(err.Error(), "reading") {
		t.Errorf("error %v", err)
	}
	if there, _ := os.ReadDir(dir); len(there) != 0 {
		t.Errorf("%d files were written all the same", len(there))
	}
}

func TestNothingToDraw(t *testing.T) {
	files, err := nothingYet().render()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"report.csv", "report.html", "report.json", "report.md", "report.tex"}
	if names := slices.Sorted(maps.Keys(files)); !slices.Equal(names, want) {
		t.Errorf("files %q, want %q alone", names, want)
	}
}

// svgTexts returns the texts of an SVG file.
func svgTexts(t *testing.T, file []byte) (texts []string) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "text" {
			var s string
			if err := decoder.DecodeElement(&s, &element); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, s)
		}
	}
}

func TestFiguresShowEveryCell(t *testing.T) {
	files, err := troubled().render()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"comparison.svg":        {"linear_top1 (%)", "mean of bn", "diverged 1 of 3", "collapsed 1 of 3"},
		"learning-loss.svg":     {"1 of 3 diverged", "optimizer steps"},
		"learning-knn_top1.svg": {"knn_top1 of the frozen encoder (%)"},
		"collapse-z_std.svg":    {"collapsed below 0.1"},
		"collapse-y_std.svg":    {"y_std: 0 = collapsed, near 1 = spread out"},
		"collapse-z_rankme.svg": {"below 10 % of bn's"},
		"untrained.svg":         {"spread", "effective rank", "z collapsed below 0.1"},
	} {
		texts := svgTexts(t, files[name])
		for _, a := range arms {
			want = append(want, a.name)
		}
		for _, w := range want {
			if !slices.Contains(texts, w) {
				t.Errorf("%s has no %q: %q", name, w, texts)
			}
		}
	}
}

// Curves: the mean is over the seeds that have a value, and a diverged run's
// last value is where its cross is.
func TestSeries(t *testing.T) {
	cell := Cell{Name: "a", N: 2, Diverged: 1, runs: []run{{outcome: results.Completed}, {outcome: results.Diverged}}}
	s := seriesOf(cell, figure.Style{}, []results.Curve{
		{Bins: bins(0, 1, 1, 2, 2, 3, 3, 5), Last: results.Point{Step: 3, Value: 5}},
		{Bins: bins(0, 3, 1, 8), Last: results.Point{Step: 1, Value: 8}},
	})
	if !slices.Equal(s.Mean, []float64{2, 5, 3, 5}) || !slices.Equal(s.Low, []float64{1, 2, 3, 5}) || !slices.Equal(s.High, []float64{3, 8, 3, 5}) {
		t.Errorf("mean %v, low %v, high %v", s.Mean, s.Low, s.High)
	}
	if len(s.Ends) != 1 || s.Ends[0].X != 1 || s.Ends[0].Y != 8 || s.Remark != "1 of 2 diverged" {
		t.Errorf("ends %v, remark %q", s.Ends, s.Remark)
	}
	// A bin's place is the middle of the steps that any seed has there.
	s = seriesOf(cell, figure.Style{}, []results.Curve{
		{Bins: []results.Bin{{Number: 0, First: 2, Last: 9, Mean: 1}}},
		{Bins: []results.Bin{{Number: 0, First: 0, Last: 4, Mean: 2}}},
	})
	if !slices.Equal(s.X, []float64{4.5}) || !slices.Equal(s.Mean, []float64{1.5}) {
		t.Errorf("of bins: x %v, mean %v", s.X, s.Mean)
	}
}

// bins pairs steps with values.
func bins(pairs ...float64) (all []results.Bin) {
	for i := 0; i < len(pairs); i += 2 {
		step := int64(pairs[i])
		all = append(all, results.Bin{Number: step, First: step, Last: step, Mean: pairs[i+1]})
	}
	return all
}

func TestCommands(t *testing.T) {
	r := &Report{Name: "mine", Sets: []string{"data.name=cifar10", "axes.norm=[\"a b\", 'c']"}}
	const sets = ` --set data.name=cifar10 --set 'axes.norm=["a b", '\''c'\'']'`
	for _, c := range []struct {
		shipped bool
		file    string
		want    []string
	}{
		{false, "", []string{"ablate report mine" + sets}},
		{false, "./study.toml", []string{"ablate run ./study.toml" + sets, "ablate report mine" + sets}},
		{true, "", []string{"ablate run mine" + sets, "ablate report mine" + sets}},
		{true, "./study.toml", []string{"ablate run mine" + sets, "ablate report mine" + sets}},
	} {
		r.shipped = c.shipped
		if got := r.commands(c.file); !slices.Equal(got, c.want) {
			t.Errorf("shipped %v, file %q: %q, want %q", c.shipped, c.file, got, c.want)
		}
	}
	own := &Report{Name: "own", study: &ablations.Study{Trainer: &ablations.Trainer{Files: []string{"train.py", "lib"}}}}
	if got, want := own.commands("./study.toml")[0], "ablate run ./study.toml # with train.py, lib beside it"; got != want {
		t.Errorf("with a trainer of its own: %q, want %q", got, want)
	}
}

// Commands for the store at hand are for whoever sees the text.
func TestStoreIsNamedInTextOnly(t *testing.T) {
	r := report(1)
	r.Store = "an other"
	const argument = " --store 'an other'"
	var text, markdown, object bytes.Buffer
	for _, err := range []error{r.Text(&text, 100), r.Markdown(&markdown), r.JSON(&object)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "  ablate run quick --set data.train=2000" + argument + "\n  ablate report quick --set data.train=2000" + argument + "\n"
	if !strings.HasSuffix(text.String(), want) {
		t.Errorf("the text does not end in\n%s:\n%s", want, text.String())
	}
	if strings.Contains(markdown.String(), argument) || strings.Contains(object.String(), argument) {
		t.Error("a page for other places names the store")
	}
}

// Only what has the study's file beside it says to run that file.
func TestWhereTheStudyFileIs(t *testing.T) {
	r := troubled()
	files, err := r.render()
	if err != nil {
		t.Fatal(err)
	}
	var text, markdown bytes.Buffer
	if err := r.Text(&text, 120); err != nil {
		t.Fatal(err)
	}
	if err := r.Markdown(&markdown); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		page []byte
		want bool
	}{
		"report.html": {files["report.html"], true}, "report.md": {files["report.md"], true}, "report.json": {files["report.json"], false},
		"the text": {text.Bytes(), false}, "Markdown alone": {markdown.Bytes(), false},
	} {
		if got := bytes.Contains(c.page, []byte("study.toml")); got != c.want {
			t.Errorf("%s names study.toml: %v, want %v", name, got, c.want)
		}
	}
}

func TestPaper(t *testing.T) {
	for _, c := range []struct{ source, where, want string }{
		{"Grill et al. 2020, Table 19", "Grill et al. 2020, Table 19", " (Grill et al. 2020, Table 19)"},
		{"Grill et al. 2020, Table 19", "Table 5 of Grill et al. 2020", " (Table 5 of Grill et al. 2020)"},
		{"Richemond et al. 2020, Table 2, at a very small scale", "Table 2", " (Table 2 of Richemond et al. 2020)"},
		{"Grill et al. 2020, Table 19", "", " (Grill et al. 2020, Table 19)"},
		{"", "Table 19", " (Table 19)"},
		{"", "", ""},
	} {
		r := &Report{Source: c.source}
		got := r.paper(Claim{Paper: &ablations.Paper{Value: 0.2, Against: 72.5, Unit: "top-1 %", Where: c.where}})
		if want := "0.2 against 72.5 top-1 %" + c.want; got != want {
			t.Errorf("%q, %q: %q, want %q", c.source, c.where, got, want)
		}
	}
}

// accuracies is a report of accuracies by cell and seed.
func accuracies(values ...[]float64) *Report {
	study := &ablations.Study{Name: "s", Alpha: 0.05}
	var runs [][]run
	for i, row := range values {
		study.Cells = append(study.Cells, ablations.Cell{Name: string(rune('a' + i)), SameAs: -1})
		var cell []run
		for seed, v := range row {
			cell = append(cell, run{seed: seed, outcome: results.Completed, metrics: map[string]ends{"linear_top1": {untrained: math.NaN(), final: v}}})
		}
		runs = append(runs, cell)
	}
	for seed := range values[0] {
		study.Seeds = append(study.Seeds, seed)
	}
	return newReport(study, runs)
}

// lines returns the text report's lines, with single spaces.
func lines(t *testing.T, r *Report) (all []string) {
	t.Helper()
	var text bytes.Buffer
	if err := r.Text(&text, 200); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(text.String(), "\n") {
		all = append(all, strings.Join(strings.Fields(line), " "))
	}
	return all
}

// A figure that is missing or cut says why, and JSON has the bounds uncut.
func TestOddFiguresAreNoted(t *testing.T) {
	nan := math.NaN()
	r := accuracies([]float64{40.1, 61.9}, []float64{99.5, 99.9}, []float64{10, 10}, []float64{50, nan}, []float64{nan, nan}, []float64{42.1, 63.9})
	got := lines(t, r)
	for _, want := range []string{
		"a 51.0 ± 138.5 [0.0, 100.0] ² – – 2 completed",
		"b 99.7 ± 2.5 [97.2, 100.0] ³ 48.7 [−87.3, 184.7] 0.688 2 completed",
		"c 10.0 ⁴ −41.0 [−179.5, 97.5] 0.688 2 completed",
		"d 50.0 9.9 ⁶ – 2 completed ⁸",
		"e – – – 2 completed ⁹",
		"f 53.0 ± 138.5 [0.0, 100.0] ² 2.0 ⁷ – 2 completed",
		"² cut at 0 or 100 %: with so few seeds the t interval says next to nothing",
		"³ cut at 0 or 100 %, bounds that a t interval does not know",
		"⁴ all seeds gave the same value: no interval",
		"⁶ over 1 of 2 pairs: the others lack a value on one side",
		"⁷ no spread over the seeds: neither interval nor p",
		"⁸ d: no final linear_top1 in 1 of 2 results; the mean is the one value left, without an interval",
		"⁹ e: no final linear_top1 in 2 of 2 results; so there is no mean",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if m := r.Cells[0].Metrics["linear_top1"]; m.Low > 0 || m.High < 100 {
		t.Errorf("the report itself has cut bounds: %v, %v", m.Low, m.High)
	}
	if slices.ContainsFunc(r.notes(), func(n string) bool { return strings.Contains(n, "cut at") }) {
		t.Errorf("JSON says that its bounds are cut: %q", r.notes())
	}
}

// The untrained network's mean says so too if a run has no value: its evaluation
// may fail at step 0 alone.
func TestMissingUntrainedIsNoted(t *testing.T) {
	nan := math.NaN()
	r := accuracies([]float64{40, 62, 50}, []float64{90, 92, 91})
	for i, untrained := range []float64{30, nan, 32} {
		runs := r.Cells[0].runs
		runs[i].metrics["linear_top1"] = ends{untrained: untrained, final: runs[i].metrics["linear_top1"].final}
	}
	cells := [][]run{r.Cells[0].runs, r.Cells[1].runs}
	study := &ablations.Study{Seeds: r.Seeds, Alpha: r.Alpha}
	for _, c := range r.Cells {
		study.Cells = append(study.Cells, ablations.Cell{Name: c.Name, SameAs: -1})
	}
	got := strings.Join(lines(t, newReport(study, cells)), "\n")
	if want := "a: no untrained linear_top1 in 1 of 3 results; its mean is over 2 values"; !strings.Contains(got, want) {
		t.Errorf("no note %q in\n%s", want, got)
	}
}

// The end of a reason, behind a long path, is what says what was wrong. How a
// run collapsed is in its figures.
func TestReasonsAreNoted(t *testing.T) {
	r := accuracies([]float64{40, 62, 50})
	runs := r.Cells[0].runs
	long := "cannot write " + strings.Repeat("/folder", 20) + ": no space left on device"
	runs[0].outcome, runs[0].reason = results.Failed, long+"\nstack"
	runs[1].outcome, runs[1].reason = results.Diverged, "the loss is not finite"
	runs[2].outcome, runs[2].reason = results.Collapsed, "z_std is 0"
	got := strings.Join(r.notes(), "\n")
	for _, want := range []string{"a, seed 0: failed (" + long + ")", "a, seed 1: diverged (the loss is not finite)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no note %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "z_std is 0") || strings.Contains(got, "stack") {
		t.Errorf("too much is noted:\n%s", got)
	}
}

// Bounds of figures other than accuracies are as they are.
func TestOnlyAccuraciesAreCut(t *testing.T) {
	m := Metric{Low: -3, High: 120}
	if low, high, note := cut(m, ""); low != -3 || high != 120 || note != "" {
		t.Errorf("[%v, %v] %q", low, high, note)
	}
	if low, high, note := cut(m, "%"); low != 0 || high != 100 || note == "" {
		t.Errorf("[%v, %v] %q", low, high, note)
	}
}

// Every footnote's number stands in the table, and every note without one is
// about the whole of it.
func TestNumberedNotesAreReferenced(t *testing.T) {
	for name, r := range map[string]*Report{
		"two seeds": report(1, 2), "troubled": troubled(), "one seed": report(7), "nothing": nothingYet(),
	} {
		for _, brackets := range []bool{true, false} {
			shown := r.comparisonTable(brackets)
			var marks []string
			for _, c := range shown.Columns {
				for _, cell := range append([]string{c.Head}, c.Cells...) {
					marks = append(marks, strings.Fields(cell)...)
				}
			}
			for i, n := range shown.Notes {
				if !slices.Contains(marks, table.Mark(i+1)) {
					t.Errorf("%s: nothing refers to note %d, %q", name, i+1, n)
				}
			}
			if len(shown.General) == 0 && len(shown.Columns) > 3 {
				t.Errorf("%s: no general note", name)
			}
		}
	}
}

// One comparison is not adjusted, so there is nothing to say about it.
func TestUnadjustedIntervalsAreNoted(t *testing.T) {
	one := accuracies([]float64{50, 52}, []float64{60, 63})
	two := accuracies([]float64{50, 52}, []float64{60, 63}, []float64{61, 62})
	for r, want := range map[*Report]bool{one: false, two: true} {
		said := strings.Contains(strings.Join(r.notes(), "\n"), "; the interval is not adjusted, so it can leave out 0 where p is above 0.05")
		if said != want {
			t.Errorf("%d cells: said %v, want %v", len(r.Cells), said, want)
		}
	}
}

// Brackets are explained where there are any.
func TestRuleExplainsBrackets(t *testing.T) {
	for name, c := range map[string]struct {
		r    *Report
		want bool
	}{
		"two seeds": {report(1, 2), true}, "one seed": {report(1), false}, "nothing": {nothingYet(), false},
	} {
		if got := strings.Contains(c.r.rule(), "In brackets"); got != c.want {
			t.Errorf("%s: brackets explained: %v, want %v", name, got, c.want)
		}
	}
}

func TestMarkdownEscapes(t *testing.T) {
	for in, want := range map[string]string{
		"linear_top1":          "linear_top1",
		"_init_ and a*b":       `\_init\_ and a\*b`,
		"a|b <script>`x`":      "a\\|b &lt;script&gt;\\`x\\`",
		"[x](y) # 1 ~ & \\ \n": `\[x\](y) \# 1 \~ &amp; \\  `,
	} {
		if got := table.EscapeMarkdown(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Names and titles come from files: they must not steer the terminal.
func TestTextIsPrintable(t *testing.T) {
	study, runs := fixture(1, 2)
	study.Title = "red \x1b[31m alert\x07\u009b"
	study.Claims[0].Says = "a\x1b]0;b"
	var text bytes.Buffer
	if err := reportOf(study, runs).Text(&text, 100); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(text.String(), func(c rune) bool { return c < ' ' && c != '\n' || c == 0x9b }); i >= 0 {
		t.Errorf("a control character at %q", text.String()[i:min(i+20, text.Len())])
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Number(-0.04).fixed(1), "0.0"},
		{Number(-1.25).fixed(1), "−1.2"},
		{unknown.fixed(1), "?"},
		{Number(math.Inf(1)).fixed(1), "?"},
		{pValue(0.0001), "<0.001"},
		{pValue(0.05), "0.050"},
		{percent(0.95), "95 %"},
		{percent(1 - 0.001), "99.9 %"},
		{grouped(1234567), "1,234,567"},
		{grouped(999), "999"},
		{table.Mark(12), "¹²"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	for _, n := range []Number{unknown, Number(math.Inf(1)), Number(math.Inf(-1))} {
		if text, err := json.Marshal(n); err != nil || string(text) != "null" {
			t.Errorf("%v in JSON: %s, %v", float64(n), text, err)
		}
	}
}
