package orchestrator

import (
	"cmp"
	"time"

	"ablate/results"
)

// Left predicts how long it takes until all runs of a stored study have an
// outcome, as its head does, if as many stay at work as are: from the speed of
// those at work and from what those that are done have taken. Without a run that
// can be measured it is not known. runs are the study's (Store.Runs), and cost is
// the relative duration of a run with a configuration.
func Left(store *results.Store, study *results.Study, runs map[string]results.Run, cost func(config []byte) float64,
	now time.Time) (left time.Duration, known bool, err error) {
	costs, err := costsOf(store, study, cost)
	if err != nil {
		return 0, false, err
	}
	var e estimate
	var waiting, active []*task
	seen := make(map[string]bool, len(runs))
	for _, slot := range study.Slots {
		run := runs[slot.RunID]
		if seen[slot.RunID] || run.Outcome != "" && !run.Outcome.IsResult() {
			continue
		}
		seen[slot.RunID] = true
		t := &task{id: run.ID, cell: study.Cells[slot.Cell], cost: cmp.Or(costs[slot.Cell], 1)}
		switch {
		case run.Outcome != "":
			e.add(t, run.Seconds)
		case run.Running:
			if t.status, err = statusOf(store, run); err != nil {
				return 0, false, err
			}
			active = append(active, t)
		default:
			t.open(run)
			waiting = append(waiting, t)
		}
	}
	left = e.left(waiting, active, max(1, len(active)), now)
	return max(0, left), left >= 0, nil
}

// fewCells is how many cells' costs are asked for: of more it would take too
// long for what is a guess, and all count alike.
const fewCells = 200

// costsOf is the relative duration of a run of each cell of a study.
func costsOf(store *results.Store, study *results.Study, cost func(config []byte) float64) (map[int]float64, error) {
	if len(study.Cells) > fewCells {
		return nil, nil
	}
	first := map[int]string{} // a run of each cell
	var ids []string
	for _, slot := range study.Slots {
		if first[slot.Cell] == "" {
			first[slot.Cell] = slot.RunID
			ids = append(ids, slot.RunID)
		}
	}
	configs, err := store.ConfigsByID(ids)
	costs := map[int]float64{}
	for cell, id := range first {
		costs[cell] = cost(configs[id])
	}
	return costs, err
}

// statusOf is what the head knows of a run at work, as far as the store does.
func statusOf(store *results.Store, run results.Run) (Status, error) {
	s := Status{ID: run.ID, Step: run.Step, Steps: run.Steps, Attempt: run.Attempts}
	attempts, err := store.Attempts(run.ID)
	if n := len(attempts); n > 0 {
		s.From, s.Began = attempts[n-1].ResumeStep, attempts[n-1].Started
	}
	return s, err
}
