package cli

import (
	"fmt"
	"io"
	"strings"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "take over the studies and runs of another store",
		UsageText: "ablate import DIR [--json] [--store DIR]",
		Description: "DIR is the folder of the other store, which is only read. Its studies are added\n" +
			"to this store as older ones, and its runs where this store has nothing better: a\n" +
			"result wins over none, and a run that a study here still waits for over one that\n" +
			"failed or was cancelled. Where both have a result, ours stays, and if the figures\n" +
			"differ, that is said. Logs, newest checkpoints and frozen trainers come along; the\n" +
			"queue does not. An import that was stopped is completed by the same command.",
		Flags:  []cli.Flag{jsonFlag(), storeFlag()},
		Action: importStore,
	}
}

// importJSON is what "import --json" prints.
type importJSON struct {
	From     string             `json:"from"`     // the other store
	Studies  int                `json:"studies"`  // studies that were new
	Runs     int                `json:"runs"`     // runs of the other store
	Trainers int                `json:"trainers"` // frozen trainers that were new
	Taken    []importedRunJSON  `json:"taken"`    // runs that are now as they are there
	Differ   []disagreementJSON `json:"differ"`   // runs with a result in both stores, but not the same
}

type importedRunJSON struct {
	ID       string `json:"id"`       // hash of all that decides the result
	Cell     string `json:"cell"`     // name of the cell that first asked for it
	Seed     int    `json:"seed"`     // of all its random streams
	State    string `json:"state"`    // an outcome, "interrupted" or "waiting"
	Attempts int    `json:"attempts"` // attempts taken over
}

type disagreementJSON struct {
	ID      string   `json:"id"`      // hash of all that decides the result
	Cell    string   `json:"cell"`    // name of the cell that first asked for it
	Seed    int      `json:"seed"`    // of all its random streams
	Metrics []string `json:"metrics"` // metrics that are not the same, bit for bit
	Ours    sideJSON `json:"ours"`    // in this store, as it stays
	Theirs  sideJSON `json:"theirs"`  // in the other store
}

type sideJSON struct {
	Outcome string `json:"outcome"` // how the run ended there
	Kernels string `json:"kernels"` // kernel set of the newest attempt, "" if not known
}

func importStore(c *cli.Context) error {
	from, err := only(c, "the folder of a store")
	if err != nil {
		return err
	}
	done, err := orchestrator.Import(storeDir(c), from)
	if err != nil {
		return err
	}
	for _, d := range done.Differ {
		fmt.Fprintln(c.App.ErrWriter, "ablate: "+words.Printable(disagreement(d)))
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, describeImport(from, done))
	}
	printImport(c.App.Writer, from, done)
	return nil
}

func describeImport(from string, done orchestrator.Imported) importJSON {
	j := importJSON{
		From: from, Studies: done.Studies, Runs: done.Runs, Trainers: done.Trainers,
		Taken: []importedRunJSON{}, Differ: []disagreementJSON{},
	}
	for _, r := range done.Taken {
		j.Taken = append(j.Taken, importedRunJSON{r.ID, r.Cell, r.Seed, stateOfSide(r.Theirs), r.Theirs.Attempts})
	}
	for _, d := range done.Differ {
		j.Differ = append(j.Differ, disagreementJSON{
			ID: d.ID, Cell: d.Cell, Seed: d.Seed, Metrics: append([]string{}, d.Metrics...),
			Ours:   sideJSON{string(d.Ours.Outcome), d.Ours.Kernels},
			Theirs: sideJSON{string(d.Theirs.Outcome), d.Theirs.Kernels},
		})
	}
	return j
}

func stateOfSide(s results.ImportSide) string {
	return orchestrator.StateOf(results.Run{Outcome: s.Outcome, Attempts: s.Attempts}, false)
}

// disagreement says in what two results of a run differ.
func disagreement(d orchestrator.Disagreement) string {
	var what []string
	if d.Ours.Outcome != d.Theirs.Outcome {
		what = append(what, fmt.Sprintf("it is %s here and %s there", d.Ours.Outcome.Words(), d.Theirs.Outcome.Words()))
	}
	if n := len(d.Metrics); n > 0 {
		const few = 3
		names := strings.Join(d.Metrics[:min(few, n)], ", ")
		if n > few {
			names += fmt.Sprintf(" and %d more", n-few)
		}
		what = append(what, "other figures of "+names)
	}
	text := fmt.Sprintf("the two results of run %s, %s seed %d, do not agree: %s", d.ID, d.Cell, d.Seed, strings.Join(what, ", "))
	if d.Ours.Kernels != d.Theirs.Kernels {
		text += fmt.Sprintf(" (kernels %s here, %s there)", orUnknown(d.Ours.Kernels), orUnknown(d.Theirs.Kernels))
	}
	return text + "; ours stays"
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func printImport(w io.Writer, from string, done orchestrator.Imported) {
	counts := map[string]int{}
	for _, r := range done.Taken {
		counts[stateOfSide(r.Theirs)]++
	}
	taken := ""
	if len(done.Taken) > 0 {
		taken = ": " + strings.Join(countStates(counts), ", ")
	}
	fmt.Fprintf(w, "%s: %s, %d of %s%s\n", words.Printable(from),
		plural(done.Studies, "new study", "new studies"), len(done.Taken), words.Plural(done.Runs, "run"), taken)
	if done.Trainers > 0 {
		fmt.Fprintf(w, "%s\n", words.Plural(done.Trainers, "frozen trainer"))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
