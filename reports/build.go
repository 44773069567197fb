package reports

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"ablate/ablations"
	"ablate/results"
)

// source is what a report reads of the store.
type source interface {
	Runs(study *results.Study) (map[string]results.Run, error)
	Versions(study *results.Study) ([]results.Version, error)
	StudyByID(id int64) (*results.Study, error)
	FirstResults(studies ...int64) (map[string]time.Time, error)
	AttemptsOf(study *results.Study) (map[string][]results.Attempt, error)
	Ends(runIDs []string) (map[string]map[string]results.Ends, error)
	Curves(metric string, runIDs []string, most int) (results.Curves, error)
}

// Build reads a study's results from the store. The study is read as it was
// when it was started: its text and overrides are in the store.
func Build(store *results.Store, study *results.Study) (*Report, error) {
	return build(store, study)
}

func build(store source, stored *results.Study) (*Report, error) {
	study, err := ablations.Parse(stored.Name, stored.Text, stored.Sets)
	if err != nil {
		return nil, fmt.Errorf("study %s, as it was started, cannot be read by this version of ablate: %w", stored.Name, err)
	}
	found, err := read(store, stored)
	if err != nil {
		return nil, err
	}
	runs, err := found.inPlace(study, stored)
	if err != nil {
		return nil, err
	}
	r := newReport(study, runs)
	r.curves = store.Curves
	r.shipped = isShipped(stored)
	r.Identity = stored.Hash
	past, err := historyOf(store, stored, study)
	if err != nil {
		return nil, err
	}
	r.tell(past)
	return r, nil
}

// found is what the store has of a study, by run.
type found struct {
	runs     map[string]results.Run
	attempts map[string][]results.Attempt
	metrics  map[string]map[string]results.Ends
}

func read(store source, stored *results.Study) (f found, err error) {
	if f.runs, err = store.Runs(stored); err != nil {
		return f, err
	}
	if f.attempts, err = store.AttemptsOf(stored); err != nil {
		return f, err
	}
	f.metrics, err = store.Ends(slices.Sorted(maps.Keys(f.runs)))
	return f, err
}

// inPlace lays out the runs by the study's cells and seeds. A place without a
// run in the store is pending.
func (f found) inPlace(study *ablations.Study, stored *results.Study) ([][]run, error) {
	runs := make([][]run, len(study.Cells))
	for i := range runs {
		for _, seed := range study.Seeds {
			runs[i] = append(runs[i], run{seed: seed})
		}
	}
	for _, slot := range stored.Slots {
		cell, ok := study.Cell(stored.Cells[slot.Cell])
		seed := slices.Index(study.Seeds, slot.Seed)
		if !ok || seed < 0 {
			return nil, fmt.Errorf("the store's study %s has cell %s with seed %d, which its own text does not; the store was made by another version of ablate",
				stored.Name, stored.Cells[slot.Cell], slot.Seed)
		}
		runs[cell][seed] = f.run(slot)
	}
	return runs, noRunTwice(study, runs)
}

func (f found) run(slot results.Slot) run {
	is := f.runs[slot.RunID]
	place := run{
		id: slot.RunID, seed: slot.Seed, outcome: is.Outcome, reason: is.Reason,
		dataset: is.Dataset, trainer: is.Trainer, seconds: is.Seconds, attempts: f.attempts[slot.RunID],
		stopped: stoppedAt(is), steps: is.Steps, metrics: map[string]ends{},
	}
	for name, e := range f.metrics[slot.RunID] {
		place.metrics[name] = endsOf(e, is.Steps)
	}
	return place
}

// noRunTwice refuses a cell in which one run stands for two seeds: it would be
// counted twice, and make the spread look smaller than it is.
func noRunTwice(study *ablations.Study, runs [][]run) error {
	for i, row := range runs {
		seeds := map[string]int{}
		for _, run := range row {
			if first, twice := seeds[run.id]; twice && run.id != "" {
				return fmt.Errorf("run %s stands for seeds %d and %d of cell %s; one run is one value, and is not counted twice", run.id, first, run.seed, study.Cells[i].Name)
			}
			seeds[run.id] = run.seed
		}
	}
	return nil
}

// stoppedAt is the step at which a run that collapsed was stopped early, 0 if it
// was not.
func stoppedAt(r results.Run) int64 {
	if (r.Outcome == results.Collapsed || r.Outcome == results.NeverSeparated) && r.Step < r.Steps {
		return r.Step
	}
	return 0
}

// endsOf reads a metric's value at step 0 and at the end; a metric that was
// only reported at step 0 of a longer run has none at the end.
func endsOf(e results.Ends, steps int64) ends {
	both := ends{untrained: math.NaN(), final: math.NaN(), last: e.Last.Step}
	if e.First.Step == 0 {
		both.untrained = e.First.Value
	}
	if e.Last.Step > 0 || steps == 0 {
		both.final = e.Last.Value
	}
	return both
}

// isShipped reports whether the program carries the very study under its name.
func isShipped(stored *results.Study) bool {
	if !slices.Contains(ablations.Shipped(), stored.Name) {
		return false
	}
	shipped, err := ablations.Load(stored.Name, nil)
	return err == nil && bytes.Equal(shipped.Text, stored.Text)
}

// addProvenance counts what made the results: the attempts whose points count.
func (r *Report) addProvenance() {
	var datasets, trainers, versions, kernels, cpus []string
	for _, run := range distinct(r.Cells) {
		if !run.outcome.IsResult() {
			continue
		}
		datasets = append(datasets, run.dataset)
		trainers = append(trainers, run.trainer)
		for _, a := range counting(run.attempts) {
			versions = append(versions, a.Version)
			kernels = append(kernels, a.Kernels)
			cpus = append(cpus, a.CPU)
		}
	}
	p := &r.Provenance
	p.Datasets, p.Trainers, p.Versions, p.Kernels, p.CPUs = countUp(datasets), countUp(trainers), countUp(versions), countUp(kernels), countUp(cpus)
}

// counting picks the attempts whose points count: one that a later attempt did
// not go on from, but did again from its first step, has none.
func counting(attempts []results.Attempt) (counted []results.Attempt) {
	until := int64(math.MaxInt64)
	for _, a := range slices.Backward(attempts) {
		if a.Version != "" && a.ResumeStep < until { // without a version it never got to start
			counted = append(counted, a)
			until = a.ResumeStep
		}
	}
	return counted
}
