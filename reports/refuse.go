package reports

import (
	"fmt"
	"slices"
	"strings"
)

// refusal says why the values of runs must not be averaged: they are not of
// equal work. It is "" where they are.
//
// A run that collapsed and was stopped early is not compared by its steps: it
// would be the same at the last one, and leaving it out would flatter its cell.
func refusal(runs []run, metric string) string {
	var datasets, trainers, steps []string
	for _, run := range runs {
		if run.value(metric, false) != run.value(metric, false) { // NaN: it has none
			continue
		}
		datasets, trainers = append(datasets, run.dataset), append(trainers, run.trainer)
		if run.stopped == 0 {
			steps = append(steps, fmt.Sprint(run.metrics[metric].last))
		}
	}
	for _, mix := range []struct {
		what   string
		values []string
	}{
		{"contents of the data set", datasets},
		{"trainer versions", trainers},
		{"last steps", steps},
	} {
		if counts := countUp(mix.values); len(counts) > 1 {
			return fmt.Sprintf("values of unequal work are not averaged: %s %s", mix.what, list(counts))
		}
	}
	return ""
}

// refused says which of the cells at these places have values of a metric that
// are not averaged, and why.
func (r *Report) refused(cells []int, metric string) string {
	var says []string
	for _, i := range cells {
		c := r.Cells[i]
		if why := c.metric(metric).Refused; why != "" && !slices.Contains(says, c.Name+": "+why) {
			says = append(says, c.Name+": "+why)
		}
	}
	return strings.Join(says, "; ")
}
