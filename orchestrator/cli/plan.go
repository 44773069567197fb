package cli

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"ablate/ablations"
	"ablate/results"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "show what a study would run, and what is done already",
		UsageText: "ablate plan STUDY [--set KEY=VALUE ...] [--json] [--data DIR] [--store DIR]",
		Flags:     []cli.Flag{setFlag(), jsonFlag(), dataFlag(), storeFlag()},
		Action:    plan,
	}
}

type planJSON struct {
	Study string         `json:"study"` // name
	Title string         `json:"title"` // what it asks; may be empty
	Seeds []int          `json:"seeds"` // in the order of execution
	Cells []planCellJSON `json:"cells"` // in the order of the study
	Runs  []planRunJSON  `json:"runs"`  // in the order of execution
	Total int            `json:"total"` // different runs
	Done  int            `json:"done"`  // those that have a result
}

type planCellJSON struct {
	Name   string            `json:"name"`              // as claims and tables call it
	Cell   map[string]string `json:"cell"`              // level by axis; null for a named cell
	SameAs string            `json:"same_as,omitempty"` // an earlier cell with equal settings
}

type planRunJSON struct {
	ID      string          `json:"id"`      // hash of all that decides the result
	Cell    string          `json:"cell"`    // name
	Seed    int             `json:"seed"`    // of all its random streams
	Outcome results.Outcome `json:"outcome"` // "" while there is none
}

func plan(c *cli.Context) error {
	p, _, err := planned(c)
	if err != nil {
		return err
	}
	outcomes, err := storedOutcomes(storeDir(c), p)
	if err != nil {
		return err
	}
	described := describePlan(p, outcomes)
	if c.Bool("json") {
		return writeJSON(c.App.Writer, described)
	}
	return printPlan(c.App.Writer, described)
}

// storedOutcomes looks up the outcomes of the plan's runs. There need not be
// a store yet.
func storedOutcomes(dir string, p *ablations.Plan) (map[string]results.Outcome, error) {
	store, err := results.OpenReadOnly(dir)
	if errors.Is(err, results.ErrNoStore) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer store.Close()
	outcomes := map[string]results.Outcome{}
	for _, r := range p.Runs {
		run, err := store.Run(r.ID)
		if err == nil {
			outcomes[r.ID] = run.Outcome
		}
	}
	return outcomes, nil
}

func describePlan(p *ablations.Plan, outcomes map[string]results.Outcome) planJSON {
	s := p.Study
	d := planJSON{Study: s.Name, Title: s.Title, Seeds: s.Seeds}
	for _, cell := range s.Cells {
		pc := planCellJSON{Name: cell.Name}
		for i, level := range cell.Levels {
			if pc.Cell == nil {
				pc.Cell = map[string]string{}
			}
			pc.Cell[s.Axes[i].Name] = level
		}
		if cell.SameAs >= 0 {
			pc.SameAs = s.Cells[cell.SameAs].Name
		}
		d.Cells = append(d.Cells, pc)
	}
	seen := map[string]bool{}
	for _, r := range p.Runs {
		d.Runs = append(d.Runs, planRunJSON{r.ID, s.Cells[r.Cell].Name, r.Seed, outcomes[r.ID]})
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		d.Total++
		if outcomes[r.ID].IsResult() {
			d.Done++
		}
	}
	return d
}

func printPlan(w io.Writer, d planJSON) error {
	if d.Title != "" {
		fmt.Fprintf(w, "%s: %s\n", d.Study, words.Printable(d.Title))
	} else {
		fmt.Fprintln(w, d.Study)
	}
	fmt.Fprintf(w, "%s x %s: %s, %d done, %d to do\n\n", words.Plural(len(d.Cells), "cell"), words.Plural(len(d.Seeds), "seed"), words.Plural(d.Total, "run"), d.Done, d.Total-d.Done)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "CELL")
	for _, seed := range d.Seeds {
		fmt.Fprintf(t, "\tSEED %d", seed)
	}
	fmt.Fprintln(t)
	for _, cell := range d.Cells {
		fmt.Fprint(t, cell.Name)
		for _, r := range d.Runs {
			if r.Cell == cell.Name {
				fmt.Fprintf(t, "\t%s %s", shortID(r.ID), orElse(outcomeName(r.Outcome), "to do"))
			}
		}
		if cell.SameAs != "" {
			fmt.Fprintf(t, "\tthe same as %s", cell.SameAs)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// shortID is enough of a run's id to tell it from others and to ask for it.
func shortID(id string) string { return id[:min(len(id), 10)] }

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
