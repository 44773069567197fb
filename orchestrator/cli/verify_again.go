package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ablate/orchestrator"
	"ablate/reports"
	"ablate/results"

	"github.com/urfave/cli/v2"
)

// reread reads the journals of the study's runs into a store of its own, and
// compares their figures with the store's.
func reread(c *cli.Context, store *results.Store, study *results.Study, report *reports.Report) (j journalsJSON, err error) {
	dir, err := os.MkdirTemp("", "ablate-verify-")
	if err != nil {
		return j, fmt.Errorf("no room to read journals again: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	told, err := results.Open(dir)
	if err != nil {
		return j, err
	}
	defer told.Close()
	gone, err := orchestrator.Reread(c.Context, storeDir(c), store, study, told)
	if err != nil {
		return j, err
	}
	j.Gone, j.Differ = len(gone), []journalDifference{}
	for _, run := range report.Results() {
		if gone[run.RunID] {
			continue
		}
		a, err := reports.CompareJournals(c.Context, store, told, run)
		if err != nil {
			return j, err
		}
		j.Runs++
		j.Points += a.Points
		if a.Differ > 0 {
			j.Differ = append(j.Differ, journalDifference{a.RunID, a.Cell, a.Seed, a.Points, a.Differ, a.First})
		}
	}
	return j, nil
}

// rerun does one run of each cell anew, in a store of its own, and compares it
// with how it is in the store.
func rerun(c *cli.Context, store *results.Store, study *results.Study, report *reports.Report) (again []reports.Again, err error) {
	samples := report.Samples()
	if len(samples) == 0 {
		return nil, fmt.Errorf("no run of %s has a result, so there is none to do anew", study.Name)
	}
	dir, err := os.MkdirTemp("", "ablate-verify-")
	if err != nil {
		return nil, fmt.Errorf("no room for runs done anew: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h, err := openHeadIn(c, dir)
	if err != nil {
		return nil, err
	}
	defer h.close()
	anew, err := h.sample(store, study, samples)
	if err != nil {
		return nil, err
	}
	o, err := storedOptions(c, study)
	if err != nil {
		return nil, err
	}
	s := h.scheduler(o)
	s.Alone = true
	summary, err := h.execute(s, anew)
	if err != nil {
		return nil, err
	}
	if summary.Stopped == orchestrator.Interrupted {
		return nil, exitError{code: exitInterrupted}
	}
	for _, sample := range samples {
		a, err := report.CompareAgain(c.Context, store, h.store, sample)
		if err != nil {
			return nil, err
		}
		again = append(again, a)
	}
	return again, nil
}

// sample puts a study of the samples alone, with all that its runs need, into the
// head's store.
func (h *head) sample(from *results.Store, study *results.Study, samples []reports.Sample) (*results.Study, error) {
	anew := &results.Study{Name: study.Name, Text: study.Text, Sets: study.Sets, Cells: study.Cells}
	var runs []results.Run
	for _, s := range samples {
		run, err := from.Run(s.RunID)
		if err != nil {
			return nil, err
		}
		anew.Slots = append(anew.Slots, results.Slot{Cell: slices.Index(study.Cells, s.Cell), Seed: s.Seed, RunID: s.RunID})
		runs = append(runs, *run)
		if err := copyTrainer(storeDir(h.c), h.dir, run.Trainer); err != nil {
			return nil, err
		}
	}
	return anew, h.store.SaveStudy(anew, runs)
}

// copyTrainer copies the files of a study's own trainer from one store to another.
func copyTrainer(from, to, trainer string) error {
	source, target := orchestrator.TrainerDir(from, trainer), orchestrator.TrainerDir(to, trainer)
	if source == "" {
		return nil
	}
	if _, err := os.Stat(target); err == nil {
		return nil // another run's, too
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return err
	}
	err := os.CopyFS(target, os.DirFS(source))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the store has the trainer's files no more (%w), so that its runs cannot be done anew", err)
	}
	return err
}
