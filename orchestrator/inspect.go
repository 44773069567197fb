package orchestrator

import (
	"ablate/ablations"
	"ablate/results"
)

// Inspection is what a store knows of a plan.
type Inspection struct {
	Total       int // different runs
	Done        int // have a result
	AtWork      int // a worker has them, for all the store knows
	Interrupted int // have begun and wait to go on
	Failed      int // failed or timed out
	Cancelled   int
	By          map[string]int // of the done ones, those that another study was the first to ask for, by its name
	Causes      []Cause        // why runs that were never begun are to be done

	runs     map[string]results.Run // by ID
	extended map[string]float64     // share that a shorter run has done, by ID
}

// Inspect looks up the plan's runs in the store in dir. There need not be one
// yet: store may be nil.
func Inspect(store *results.Store, dir string, plan *ablations.Plan) (*Inspection, error) {
	i := &Inspection{extended: map[string]float64{}}
	ids := distinctRuns(plan)
	i.Total = len(ids)
	if store == nil {
		return i, nil
	}
	var err error
	if i.runs, err = store.RunsByID(ids); err != nil {
		return nil, err
	}
	i.count()
	if i.Done > 0 {
		if i.By, err = store.DoneBy(ids, plan.Study.Name); err != nil {
			return nil, err
		}
	}
	return i, i.explain(store, dir, plan)
}

func distinctRuns(plan *ablations.Plan) []string {
	ids := make([]string, 0, len(plan.Runs))
	seen := make(map[string]bool, len(plan.Runs))
	for _, r := range plan.Runs {
		if !seen[r.ID] {
			seen[r.ID] = true
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (i *Inspection) count() {
	for _, r := range i.runs {
		switch {
		case r.Outcome.IsResult():
			i.Done++
		case r.Outcome == results.Cancelled:
			i.Cancelled++
		case r.Outcome != "":
			i.Failed++
		case r.Running:
			i.AtWork++
		case r.Attempts > 0:
			i.Interrupted++
		}
	}
}

// ToDo reports whether "run" would execute a run.
func (i *Inspection) ToDo(id string) bool {
	o := i.runs[id].Outcome
	return !o.IsResult() && o != results.Cancelled
}

// Run is what the store knows of a run; the zero Run if nothing.
func (i *Inspection) Run(id string) results.Run { return i.runs[id] }

// StateOf says where a run stands: its outcome, "running", "interrupted" or
// "waiting". An attempt that is open in the store is at work only if there is a
// head; what is to go on waits while there is one.
func StateOf(r results.Run, head bool) string {
	switch {
	case r.Running && head:
		return "running"
	case r.Outcome != "":
		return string(r.Outcome)
	case r.Attempts > 0 && !head:
		return "interrupted"
	}
	return "waiting"
}

// Progress is the mean share of their training that the runs have done that are
// at work, and those that are interrupted.
func (i *Inspection) Progress() (atWork, interrupted float64) {
	for id, r := range i.runs {
		switch {
		case r.Outcome != "" || r.Attempts == 0:
		case r.Running:
			atWork += i.share(id)
		default:
			interrupted += i.share(id)
		}
	}
	return atWork / float64(max(1, i.AtWork)), interrupted / float64(max(1, i.Interrupted))
}

// share is how much of a run's training needs not be done any more.
func (i *Inspection) share(id string) float64 {
	r := i.runs[id]
	if r.Attempts == 0 {
		return i.extended[id]
	}
	if r.Steps == 0 {
		return 0
	}
	return min(1, float64(r.Step)/float64(r.Steps))
}
