package reports

import (
	"slices"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/results"
)

// ownStudy is a study of two cells and two seeds with a trainer of its own, and
// its runs, whose metrics have the values of the run's number and up.
func ownStudy(claimed []string, metrics ...string) (*ablations.Study, [][]run) {
	study := &ablations.Study{
		Name: "own", Text: []byte("name = \"own\"\n"), Alpha: 0.05, Seeds: []int{1, 2},
		Axes: []ablations.Axis{{Name: "lr"}}, Trainer: &ablations.Trainer{Command: []string{"true"}},
	}
	var runs [][]run
	for i, name := range []string{"low", "high"} {
		cell := ablations.NewCell(name, map[string]any{"lr": name})
		cell.Levels = []string{name}
		study.Cells = append(study.Cells, cell)
		var row []run
		for _, seed := range study.Seeds {
			r := run{id: name, seed: seed, outcome: results.Completed, metrics: map[string]ends{}}
			for _, m := range metrics {
				r.metrics[m] = ends{untrained: 0, final: float64(10*i + seed)}
			}
			row = append(row, r)
		}
		runs = append(runs, row)
	}
	for _, metric := range claimed {
		study.Claims = append(study.Claims, ablations.Claim{ID: metric, Says: metric, All: []ablations.Part{{
			Kind: ablations.Greater, Metric: metric, Cells: []ablations.Selector{{Text: "high", Cell: 1}, {Text: "low"}},
		}}})
	}
	return study, runs
}

func TestShownMetrics(t *testing.T) {
	tests := []struct {
		name             string
		claimed, metrics []string
		want             string
	}{
		{"what claims are about comes first", []string{"f1", "recall"}, []string{"a", "f1", "loss", "recall"}, "f1 recall a loss"},
		{"accuracy above all if it is claimed", []string{"z_std", "linear_top1"}, []string{"linear_top1", "loss", "z_std"}, "linear_top1 z_std loss"},
		{"but not else", []string{"f1"}, []string{"f1", "knn_top1", "linear_top1"}, "f1 linear_top1 knn_top1"},
		{"claims about nothing", []string{"f1"}, []string{"b", "a"}, "a b"},
		{"no more than fit", nil, []string{"a", "b", "c", "d", "e", "f", "loss"}, "a b c d e"},
		{"nothing", nil, nil, ""},
		{"the loss if that is all", nil, []string{"loss"}, "loss"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			study, runs := ownStudy(test.claimed, test.metrics...)
			r := newReport(study, runs)
			if got := strings.Join(r.own, " "); got != test.want {
				t.Errorf("shown: %s, want %s", got, test.want)
			}
			if main, _, _ := strings.Cut(test.want, " "); r.Metric != main {
				t.Errorf("the main metric is %q", r.Metric)
			}
		})
	}
}

func TestTableOfOwnMetrics(t *testing.T) {
	r := newReport(ownStudy([]string{"f1"}, "f1", "loss", "other_top1"))
	var heads []string
	table := r.comparisonTable(false)
	for _, c := range table.Columns {
		heads = append(heads, strings.TrimRight(c.Head, " ⁰¹²³⁴⁵⁶⁷⁸⁹"))
	}
	if got, want := strings.Join(heads, "|"), "cell|f1|vs low|untrained|other %|loss|n|outcome"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	notes := strings.Join(table.General, "\n")
	if strings.Contains(notes, "nearest-neighbour") || !strings.Contains(notes, "untrained: at step 0") {
		t.Errorf("notes %s", notes)
	}
}

func TestCurvesOfOwnMetrics(t *testing.T) {
	r := newReport(ownStudy([]string{"val/acc"}, "val/acc", "val:acc", "z_std", "../x"))
	var files []string
	for _, c := range r.shownCurves() {
		files = append(files, c.file)
	}
	want := []string{"learning-val-acc", "collapse-z_std", "learning-..-x", "learning-val-acc-", "learning-loss"}
	if !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
}
