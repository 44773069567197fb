package reports

import (
	"regexp"
	"slices"

	"ablate/ablations"
)

// maxShown is how many metrics of a study's own trainer stand in the table.
const maxShown = 5

// shownMetrics chooses which metrics of a study's own trainer are compared, of
// which nothing is known but their names: those that the claims are about,
// linear_top1 first if it is one of them, then the ones that the embedded
// trainer's table has, then all others; the loss last, since it says least of
// what was learned.
func shownMetrics(study *ablations.Study, cells []Cell) []string {
	var names []string
	add := func(name string) {
		final := func(c Cell) bool { return c.Metrics[name].known() > 0 }
		if !slices.Contains(names, name) && slices.ContainsFunc(cells, final) {
			names = append(names, name)
		}
	}
	var claimed []string
	for _, claim := range study.Claims {
		for _, part := range claim.All {
			claimed = append(claimed, part.Metric)
		}
	}
	if slices.Contains(claimed, "linear_top1") {
		add("linear_top1")
	}
	for _, name := range append(claimed, "linear_top1", "knn_top1", "z_std") {
		add(name)
	}
	var others []string
	for _, c := range cells {
		for name := range c.Metrics {
			if !isUntrained(c, name) && name != "loss" && spectrumRank(name) == 0 {
				others = append(others, name)
			}
		}
	}
	slices.Sort(others)
	for _, name := range append(others, "loss") {
		add(name)
	}
	return names[:min(maxShown, len(names))]
}

// isUntrained reports whether the cell's metric is another one at step 0.
func isUntrained(c Cell, name string) bool {
	of, cut := name, false
	if n := len(name) - len(untrainedSuffix); n > 0 && name[n:] == untrainedSuffix {
		of, cut = name[:n], true
	}
	_, known := c.Metrics[of]
	return cut && known
}

// shownCurves are the figures of the metrics in the table, and of the loss.
func (r *Report) shownCurves() []curve {
	if r.own == nil {
		return curves
	}
	var shown []curve
	for _, name := range r.own {
		shown = append(shown, curveOf(name))
	}
	if !slices.Contains(r.own, "loss") {
		shown = append(shown, curveOf("loss"))
	}
	for i := range shown { // names may differ in what a file's name cannot have
		for slices.ContainsFunc(shown[:i], func(c curve) bool { return c.file == shown[i].file }) {
			shown[i].file += "-"
		}
	}
	return shown
}

var notInFileNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// curveOf is the figure of a metric of a study's own trainer.
func curveOf(name string) curve {
	for _, c := range curves {
		if c.metric == name && name != "loss" { // whose loss it is, nobody knows
			return c
		}
	}
	return curve{file: "learning-" + notInFileNames.ReplaceAllString(name, "-"), metric: name, title: name + " while training", axis: name}
}
