package orchestrator

import (
	"errors"
	"fmt"

	"ablate/ablations"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/config"
)

// Programs is the folder of the programs that the queue keeps, in a store's
// folder.
const Programs = "programs"

// Record stores a plan, and the files of its trainer, as the study that is to be
// executed, and returns it. say is told what a person should know about it.
func Record(store *results.Store, dir string, plan *ablations.Plan, say func(text string)) (*results.Study, error) {
	if err := tellChanged(store, plan, say); err != nil {
		return nil, err
	}
	if err := Freeze(dir, plan); err != nil {
		return nil, err
	}
	study, runs := Stored(plan)
	return study, store.SaveStudy(study, runs)
}

// Enqueue stores a plan, and the files of its trainer, and puts it into the
// store's queue as e says.
func Enqueue(store *results.Store, dir string, plan *ablations.Plan, e *results.Entry) error {
	if err := Freeze(dir, plan); err != nil {
		return err
	}
	study, runs := Stored(plan)
	return store.Enqueue(study, runs, e)
}

// Stored puts a plan as the store keeps it.
func Stored(plan *ablations.Plan) (*results.Study, []results.Run) {
	s := plan.Study
	study := &results.Study{Name: s.Name, Text: s.Text, Sets: s.Sets}
	for _, cell := range s.Cells {
		study.Cells = append(study.Cells, cell.Name)
	}
	var runs []results.Run
	configs := make([][]byte, len(s.Cells))
	planned := map[string]bool{}
	for _, r := range plan.Runs {
		study.Slots = append(study.Slots, results.Slot{Cell: r.Cell, Seed: r.Seed, RunID: r.ID})
		if planned[r.ID] {
			continue
		}
		planned[r.ID] = true
		cell := s.Cells[r.Cell]
		if configs[r.Cell] == nil { // it is the same for all seeds
			configs[r.Cell] = cell.Settings().JSON()
		}
		runs = append(runs, results.Run{
			ID: r.ID, Cell: cell.Name, Seed: r.Seed, Config: configs[r.Cell], Dataset: plan.Dataset[cell.Data().Name], Trainer: plan.Trainer,
		})
	}
	return study, runs
}

// Anew opens all runs of a study, whatever became of them, to be done from their
// first step.
func Anew(store *results.Store, dir string, study *results.Study) error {
	runs := runsOf(study, "")
	for _, id := range runs {
		attempts, err := worker.Attempts(RunDir(dir, id))
		if err != nil {
			return err
		}
		for _, a := range attempts {
			if err := a.DropCheckpoints(-1); err != nil {
				return err
			}
		}
	}
	return store.Restart(runs)
}

// tellChanged says which datasets are not what they were when the study was
// last run. A run's id is made of its data's hash: on other data it is another
// run, and nothing of what was done before counts.
func tellChanged(store *results.Store, plan *ablations.Plan, say func(text string)) error {
	last, err := store.Study(plan.Study.Name)
	if errors.Is(err, results.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	runs, err := store.Runs(last)
	if err != nil {
		return err
	}
	if text := otherTrainer(runs, plan); text != "" {
		say(text)
	}
	known := map[string]bool{}
	for _, r := range runs {
		if known[r.Dataset] || r.Attempts == 0 {
			continue
		}
		known[r.Dataset] = true
		name, err := datasetOf(store, r)
		if err != nil {
			return err
		}
		if now, planned := plan.Dataset[name]; planned && now != r.Dataset {
			say(fmt.Sprintf("the dataset %q is not what %s was last run on: its hash is %.10s now and was %.10s. "+
				"All runs on it begin anew; to go on with those of before, put the old files back", name, plan.Study.Name, now, r.Dataset))
		}
	}
	return nil
}

// datasetOf is the name of a stored run's dataset, "" if its configuration is
// of another age or trainer.
func datasetOf(store *results.Store, r results.Run) (string, error) {
	whole, err := store.Run(r.ID)
	if err != nil {
		return "", err
	}
	c, err := config.Parse(whole.Config)
	if err != nil {
		return "", nil
	}
	return c.Data.Name, nil
}
