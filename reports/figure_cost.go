package reports

import (
	"math"
	"slices"

	"ablate/reports/figure"
	"ablate/results"
)

// costFigure shows how long the cells' runs take, and beside each cell what it
// has cost: the time of all attempts, and how much of that was lost. The store
// knows no other cost.
func (r *Report) costFigure() (f Figure, found bool) {
	cells, left := r.pick(mostRows)
	seconds := make([][]float64, len(cells))
	longest := 0.0
	for k, i := range cells {
		for _, run := range r.Cells[i].runs {
			if run.outcome.IsResult() && run.seconds > 0 {
				seconds[k] = append(seconds[k], run.seconds-run.lost())
				longest = max(longest, run.seconds-run.lost())
			}
		}
	}
	unit := unitOfTime(longest)
	panel := figure.Panel{X: figure.Axis{Label: "time of a run", Unit: unit.name}, Wide: []float64{0}}
	d := &figure.Dots{Title: "What it costs", Rows: r.rows(cells), Key: figure.Key{Mean: "mean", Value: "one seed"}}
	for k, i := range cells {
		panel.Marks = append(panel.Marks, unit.marks(seconds[k]))
		d.Rows[k].Remark = costOf(r.Cells[i].runs).says(unit)
	}
	d.Panels = []figure.Panel{panel}
	all := costOf(distinct(r.Cells))
	on := ""
	if len(r.Provenance.CPUs) > 0 {
		on = ", on " + list(r.Provenance.CPUs)
	}
	d.Note = r.figureNote("Wall-clock time of the attempts that made a result" + on + ". In all: of every attempt at the cell's runs. Lost: of those that failed or were done again. The study: " +
		all.says(unitOfTime(all.seconds)) + ", each run once" + left)
	return Figure{"time", d.Title, "Every cell's time of a run, mean and each seed, and the time that all attempts at its runs took", d}, longest > 0
}

// marks are the mean of times and each of them.
func (u timeUnit) marks(seconds []float64) figure.Marks {
	var values []float64
	for _, s := range seconds {
		values = append(values, s/u.seconds)
	}
	return figure.Marks{Values: values, Mean: &figure.Interval{Mean: meanOf(values), Low: math.Inf(-1), High: math.Inf(1)}}
}

// lost is the wall-clock time of attempts whose work is in no result, in
// seconds: of all where the run ended without one, else of those that no later
// one went on from.
func (r run) lost() (seconds float64) {
	switch {
	case r.outcome == "":
		return 0 // it may go on yet
	case !r.outcome.IsResult():
		return r.seconds
	}
	kept := counting(r.attempts)
	for _, a := range r.attempts {
		if !slices.ContainsFunc(kept, func(k results.Attempt) bool { return k.Number == a.Number }) {
			seconds += max(0, a.Active.Sub(a.Started).Seconds())
		}
	}
	return seconds
}

// cost is the time that all attempts at some runs took, and that of it which
// was lost.
type cost struct{ seconds, lost float64 }

func costOf(runs []run) (c cost) {
	for _, run := range runs {
		c.seconds += run.seconds
		c.lost += run.lost()
	}
	return c
}

func (c cost) says(unit timeUnit) string {
	switch {
	case c.seconds == 0:
		return "no run yet"
	case c.lost == 0:
		return unit.write(c.seconds) + " in all"
	}
	return unit.write(c.seconds) + " in all, " + unit.write(c.lost) + " lost"
}

type timeUnit struct {
	name    string
	seconds float64
}

// unitOfTime is the largest unit that a time has two of.
func unitOfTime(seconds float64) timeUnit {
	units := []timeUnit{{"h", 3600}, {"min", 60}, {"s", 1}}
	for _, u := range units {
		if seconds >= 2*u.seconds {
			return u
		}
	}
	return units[len(units)-1]
}

// write writes a time with two or three digits.
func (u timeUnit) write(seconds float64) string {
	v := Number(seconds / u.seconds)
	decimals := 0
	switch {
	case v < 1:
		decimals = 2
	case v < 100:
		decimals = 1
	}
	return v.fixed(decimals) + " " + u.name
}
