package orchestrator

import (
	"errors"
	"fmt"

	"ablate/ablations"
	"ablate/results"
	"ablate/trainer/config"
)

// tellChanged says which datasets are not what they were when the study was
// last run. A run's id is made of its data's hash: on other data it is another
// run, and nothing of what was done before counts.
func (x *execution) tellChanged(plan *ablations.Plan) {
	last, err := x.Store.Study(plan.Study.Name)
	if errors.Is(err, results.ErrNotFound) || x.err != nil {
		return
	}
	x.fail(err)
	if err != nil {
		return
	}
	runs, err := x.Store.Runs(last)
	x.fail(err)
	known := map[string]bool{}
	for _, r := range runs {
		if known[r.Dataset] || r.Attempts == 0 {
			continue
		}
		known[r.Dataset] = true
		name := x.datasetOf(r)
		if now, planned := plan.Dataset[name]; planned && now != r.Dataset {
			x.Display.Say(fmt.Sprintf("the dataset %q is not what %s was last run on: its hash is %.10s now and was %.10s. "+
				"All runs on it begin anew; to go on with those of before, put the old files back", name, plan.Study.Name, now, r.Dataset))
		}
	}
}

// datasetOf is the name of a stored run's dataset, "" if its configuration is
// of another age.
func (x *execution) datasetOf(r results.Run) string {
	whole, err := x.Store.Run(r.ID)
	x.fail(err)
	if err != nil {
		return ""
	}
	c, err := config.Parse(whole.Config)
	if err != nil {
		return ""
	}
	return c.Data.Name
}
