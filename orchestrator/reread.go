package orchestrator

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"ablate/orchestrator/worker"
	"ablate/results"
)

// Reread reads the journals of a study's runs with a result again, from the store
// in dir into an empty one, which then has what they say and nothing else. It
// returns the runs of which a journal that the store has read is gone.
func Reread(ctx context.Context, dir string, store *results.Store, study *results.Study, into *results.Store) (gone map[string]bool, err error) {
	runs, err := store.Runs(study)
	if err != nil {
		return nil, err
	}
	configs, err := store.Configs(study)
	if err != nil {
		return nil, err
	}
	attempts, err := store.AttemptsOf(study)
	if err != nil {
		return nil, err
	}
	again := &results.Study{Name: study.Name, Text: study.Text, Sets: study.Sets, Cells: study.Cells, Slots: study.Slots}
	var all []results.Run
	for id, run := range runs {
		run.Config = configs[id]
		all = append(all, run)
	}
	if err := into.SaveStudy(again, all); err != nil {
		return nil, err
	}
	gone = map[string]bool{}
	for id, run := range runs {
		if !run.Outcome.IsResult() {
			continue
		}
		whole, err := rereadRun(ctx, RunDir(dir, id), id, attempts[id], into)
		if err != nil {
			return nil, err
		}
		if !whole {
			gone[id] = true
		}
	}
	return gone, nil
}

// rereadRun reads the journals of a run's attempts, and reports whether all were
// there.
func rereadRun(ctx context.Context, runDir, id string, attempts []results.Attempt, into *results.Store) (whole bool, err error) {
	whole = true
	for _, a := range attempts {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		path := worker.Attempt{RunDir: runDir, N: a.Number}.Journal()
		_, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			whole = whole && a.Offset == 0
			continue
		case err != nil:
			return false, err
		}
		if err := into.BeginAttempt(id, a.Number); err != nil {
			return false, err
		}
		if err := into.Ingest(id, a.Number, path); err != nil {
			return false, err
		}
	}
	return whole, nil
}
