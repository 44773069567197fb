package orchestrator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"
)

// Extension is how a run stands to the runs of fewer epochs that differ from it
// in nothing else.
type Extension struct {
	From   string // ID of the longest run whose end it can go on from, exactly; "" = none
	Epochs int    // of that run
	Why    string // if there is none, but there are shorter runs: why it repeats the longest; else ""
}

// Extensions says which of runs, given with their configurations, can go on
// from a finished run of the store in dir, by their IDs. Whether a run that is
// at work or done already needs it is the caller's to know.
func Extensions(store *results.Store, dir string, runs []results.Run) (map[string]Extension, error) {
	siblings, err := store.Siblings(runs, "epochs")
	if err != nil {
		return nil, err
	}
	extensions := make(map[string]Extension)
	for _, r := range runs {
		c, ok := embedded(r)
		if !ok {
			continue // nobody knows what an external trainer's epochs are
		}
		e, err := extensionOf(c, siblings[r.ID], dir)
		if err != nil {
			return nil, err
		}
		if e != (Extension{}) {
			extensions[r.ID] = e
		}
	}
	return extensions, nil
}

// extensionOf chooses among the siblings of a run of c.
func extensionOf(c config.Config, siblings []results.Run, dir string) (best Extension, err error) {
	type sibling struct {
		id     string
		config config.Config
	}
	var shorter []sibling
	for _, s := range siblings {
		if sc, err := config.Parse(s.Config); err == nil && sc.Epochs < c.Epochs {
			shorter = append(shorter, sibling{s.ID, sc})
		}
	}
	slices.SortFunc(shorter, func(a, b sibling) int { return cmp.Compare(b.config.Epochs, a.config.Epochs) })
	for _, s := range shorter {
		ok, why := config.Extends(c, s.config)
		if ok {
			if ok, err = worker.HasCheckpoint(RunDir(dir, s.id)); err != nil {
				return best, err
			}
			why = fmt.Sprintf("the trained state of run %s of %s is not in the store any more", s.id, words.Plural(s.config.Epochs, "epoch"))
		}
		if ok {
			return Extension{From: s.id, Epochs: s.config.Epochs}, nil
		}
		best.Why = cmp.Or(best.Why, why)
	}
	return best, nil
}

// extend returns the folder of a finished run of fewer epochs from whose end the
// run can go on, "" if there is none, and lets its figures count for the run.
func (x *execution) extend(run *results.Run) (dir string, err error) {
	if x.Alone || !extends(run) {
		return "", nil
	}
	extensions, err := Extensions(x.Store, x.Dir, []results.Run{*run})
	from := extensions[run.ID].From
	if err != nil || from == "" {
		return "", err
	}
	return RunDir(x.Dir, from), x.Store.Extend(run.ID, from)
}

// extends reports whether a run could go on from a shorter one, if there is any:
// looking for those takes long in a large store.
func extends(run *results.Run) bool {
	c, ok := embedded(*run)
	if !ok || c.Epochs < 2 {
		return false
	}
	shorter := c
	shorter.Epochs--
	ok, _ = config.Extends(c, shorter)
	return ok
}

// embedded returns the configuration of a run of the embedded trainer; false for
// another one's, or one of another age.
func embedded(r results.Run) (config.Config, bool) {
	c, err := config.Parse(r.Config)
	return c, err == nil && !strings.HasPrefix(r.Trainer, ablations.External)
}
