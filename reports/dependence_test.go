package reports

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Runs of before it was measured are reported as they always were.
func TestNothingMeasuredOfTheBatch(t *testing.T) {
	study, runs := fixture(1, 2)
	for _, row := range runs {
		for _, run := range row {
			maps.DeleteFunc(run.metrics, func(name string, _ ends) bool { return strings.HasSuffix(name, "_batch_dependence") })
		}
	}
	r := reportOf(study, runs)
	var text, markdown, object bytes.Buffer
	for _, err := range []error{r.Text(&text, 100), r.Markdown(&markdown), r.JSON(&object)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, said := range []string{dependenceTitle, "measured:", "Measured:", "batch statistics in", `"depends"`} {
		for _, page := range []string{text.String(), markdown.String(), object.String()} {
			if strings.Contains(page, said) {
				t.Errorf("%q stands in\n%s", said, page)
			}
		}
	}
	if !strings.Contains(object.String(), `"batch_statistics": null`) {
		t.Error("JSON does not say that nothing is known of batch statistics")
	}
}

// One run that depends on its batch makes its cell do so, and a cell that did
// not measure it is not taken for one without batch statistics.
func TestDependenceOfSomeRuns(t *testing.T) {
	study, runs := fixture(1, 2)
	const bn, none, gnws = 0, 2, 4
	runs[gnws][0].metrics["projector_batch_dependence"] = ends{untrained: 0, final: 1.5e-9} // however little
	clear(runs[none][0].metrics)
	clear(runs[none][1].metrics)
	delete(runs[gnws][1].metrics, "encoder_batch_dependence")
	delete(runs[gnws][1].metrics, "projector_batch_dependence")
	delete(runs[gnws][1].metrics, "predictor_batch_dependence")
	runs[bn][1].metrics["encoder_batch_dependence"] = ends{untrained: 0.5, final: 0.25}
	r := reportOf(study, runs)
	for name, want := range map[string]string{
		"refutes-H1": "not measured in none; no batch statistics in init (dependence exactly 0, n = 2)",
		"refutes-H2": "batch statistics in gn+ws (projector; n = 1); batch statistics in bn (encoder, projector, predictor; n = 2)",
	} {
		i := slices.IndexFunc(r.Claims, func(c Claim) bool { return c.ID == name })
		if got := r.Claims[i].Statistics; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	got := lines(t, r)
	for _, want := range []string{
		"bn yes (max 0.25) yes (max 0.27) yes (max 0.31) 2",
		"none – – – 0",
		"init no (0) no (0) no (0) 2",
		"gn+ws no (0) yes (max 1.5e−09) no (0) 1",
		"no-predictor yes (max 2e−05) yes (max 0.27) – 2",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// A study in which nothing has a predictor has no column for it.
func TestNoColumnWithoutThePredictor(t *testing.T) {
	study, runs := fixture(1, 2)
	for _, row := range runs {
		for _, run := range row {
			delete(run.metrics, "predictor_batch_dependence")
		}
	}
	table, _ := reportOf(study, runs).dependenceTable()
	var heads []string
	for _, c := range table.Columns {
		heads = append(heads, c.Head)
	}
	if want := []string{"cell", "encoder", "projector", "n"}; !slices.Equal(heads, want) {
		t.Errorf("columns %q, want %q", heads, want)
	}
}
