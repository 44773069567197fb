package reports

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"ablate/results"
)

// Sample is a run that stands for its cell.
type Sample struct {
	Cell  string
	Seed  int
	RunID string
}

// Samples picks for each cell the run of the lowest seed that has a result. A run
// that stands for several cells is there once.
func (r *Report) Samples() (samples []Sample) {
	sampled := map[string]bool{}
	for _, s := range r.Results() {
		if !sampled[s.Cell] {
			sampled[s.Cell] = true
			samples = append(samples, s)
		}
	}
	return samples
}

// Results lists the runs with a result, by cell and seed, each once.
func (r *Report) Results() (all []Sample) {
	seen := map[string]bool{}
	for _, c := range r.Cells {
		runs := slices.SortedFunc(slices.Values(c.runs), func(a, b run) int { return cmp.Compare(a.seed, b.seed) })
		for _, run := range runs {
			if run.outcome.IsResult() && !seen[run.id] {
				seen[run.id] = true
				all = append(all, Sample{c.Name, run.seed, run.id})
			}
		}
	}
	return all
}

// Again is a run that was made anew, compared with how it was stored.
type Again struct {
	Sample
	Outcome, OutcomeAgain results.Outcome

	// Kernel set and processor that made the figures. Where they are not the
	// same, the last digits need not be.
	Machine, MachineAgain string

	Points int          // figures that either has
	Differ int          // of them, those that are not equal to the bit
	First  *Discrepancy // of those, the first

	Metric            string // the report's main one
	Final, FinalAgain Number // its last value
}

// SameMachine reports whether equality to the bit can be expected.
func (a Again) SameMachine() bool { return a.Machine == a.MachineAgain }

// Equal reports whether the run came out as it was stored: to the bit, or on
// another machine with the same outcome.
func (a Again) Equal() bool {
	return a.Outcome == a.OutcomeAgain && (a.Differ == 0 || !a.SameMachine())
}

// CompareAgain compares a run as it is in one store, and anew in another.
func (r *Report) CompareAgain(ctx context.Context, stored, anew *results.Store, s Sample) (a Again, err error) {
	a = Again{Sample: s, Metric: r.Metric}
	if a.Outcome, a.Machine, a.Final, err = r.endOf(stored, s.RunID); err != nil {
		return a, err
	}
	if a.OutcomeAgain, a.MachineAgain, a.FinalAgain, err = r.endOf(anew, s.RunID); err != nil {
		return a, err
	}
	was, err := pointsOf(ctx, stored, s.RunID)
	if err != nil {
		return a, err
	}
	is, err := pointsOf(ctx, anew, s.RunID)
	if err != nil {
		return a, err
	}
	a.comparePoints(was, is)
	return a, nil
}

// CompareJournals compares a run's figures as the store has them with those of its
// journals, read again into another store. Figures from before the steps that its
// journals are of, which it has from a shorter run, are not looked at.
func CompareJournals(ctx context.Context, stored, reread *results.Store, s Sample) (a Again, err error) {
	a = Again{Sample: s}
	attempts, err := reread.Attempts(s.RunID)
	if err != nil || len(attempts) == 0 {
		return a, err
	}
	was, err := pointsOf(ctx, stored, s.RunID)
	if err != nil {
		return a, err
	}
	is, err := pointsOf(ctx, reread, s.RunID)
	if err != nil {
		return a, err
	}
	first := slices.MinFunc(attempts, func(a, b results.Attempt) int { return cmp.Compare(a.ResumeStep, b.ResumeStep) }).ResumeStep
	was = slices.DeleteFunc(was, func(p metricPoint) bool { return p.Step < first })
	a.comparePoints(was, is)
	return a, nil
}

// endOf returns how a run ended, what made it, and the last value of the main
// metric.
func (r *Report) endOf(store *results.Store, id string) (o results.Outcome, machine string, final Number, err error) {
	final = unknown
	found, err := store.Run(id)
	if err != nil {
		return "", "", final, err
	}
	attempts, err := store.Attempts(id)
	if err != nil {
		return "", "", final, err
	}
	var machines []string
	for _, a := range counting(attempts) {
		if m := strings.TrimSpace(a.Kernels + " on " + a.CPU); !slices.Contains(machines, m) {
			machines = append(machines, m)
		}
	}
	slices.Sort(machines)
	last, err := store.Ends([]string{id})
	if e, ok := last[id][r.Metric]; ok {
		final = Number(e.Last.Value)
	}
	return found.Outcome, strings.Join(machines, ", "), final, err
}

// metricPoint is one figure of a run.
type metricPoint struct {
	metric string
	results.Point
}

func pointsOf(ctx context.Context, store *results.Store, id string) (points []metricPoint, err error) {
	err = store.EachPoint(ctx, []string{id}, nil, func(_ int, metric string, p results.Point) error {
		points = append(points, metricPoint{metric, p})
		return nil
	})
	return points, err
}

// comparePoints goes through two lists, both by metric and step.
func (a *Again) comparePoints(was, is []metricPoint) {
	for len(was) > 0 || len(is) > 0 {
		a.Points++
		before := comparePlaces(was, is)
		var d Discrepancy
		if before <= 0 {
			d.Where, d.Reported = wherePoint(was[0]), show(was[0].Value)
		}
		if before >= 0 {
			d.Where, d.Recomputed = wherePoint(is[0]), show(is[0].Value)
		}
		if before != 0 || math.Float64bits(was[0].Value) != math.Float64bits(is[0].Value) && !bothNaN(was[0].Value, is[0].Value) {
			if a.Differ++; a.First == nil {
				a.First = &d
			}
		}
		if before <= 0 {
			was = was[1:]
		}
		if before >= 0 {
			is = is[1:]
		}
	}
}

// comparePlaces says whose first point comes first; an empty list's comes last.
func comparePlaces(was, is []metricPoint) int {
	switch {
	case len(was) == 0:
		return 1
	case len(is) == 0:
		return -1
	case was[0].metric != is[0].metric:
		return strings.Compare(was[0].metric, is[0].metric)
	case was[0].Step < is[0].Step:
		return -1
	case was[0].Step > is[0].Step:
		return 1
	}
	return 0
}

func bothNaN(a, b float64) bool { return math.IsNaN(a) && math.IsNaN(b) }

func wherePoint(p metricPoint) string { return p.metric + " at step " + grouped(p.Step) }
