package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ablate/reports"
	"ablate/results"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check that a report says what its store says",
		UsageText: "ablate verify REPORT [--rerun] [--json] [--store DIR]",
		Description: "REPORT is a folder that \"ablate report --out\" has written, or its report.json or\n" +
			"report.html. Every figure, verdict and word of it is computed anew from the store, and\n" +
			"every file is compared with what the command would write; whatever differs is named,\n" +
			"with what is reported and what was recomputed. The study is found in the store by the\n" +
			"identity that the report has of it. Another version of the program may write the same\n" +
			"figures in other words. The journals in which the runs told their figures are read\n" +
			"again, and what they say is compared with the store.\n\n" +
			"With --rerun one run of each cell, that of the lowest seed with a result, is done anew\n" +
			"in a store of its own below TMPDIR, with the same data and trainer, and each of its\n" +
			"figures has to be equal to the bit. With other kernels or on another processor that\n" +
			"cannot be expected: then the outcome has to be the same, and the last value of the main\n" +
			"metric is shown beside the stored one. The flags of execution are those of\n" +
			"\"ablate run\".\n\n" +
			"It exits with 0 if all is equal, and with 1 if anything differs.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "rerun", Usage: "also do one run of each cell anew and compare its figures"},
			jsonFlag(),
			storeFlag(),
		}, optionFlags()...),
		Action: verify,
	}
}

// verifyJSON is what "verify --json" prints.
type verifyJSON struct {
	Study       string                `json:"study"`       // name
	Identity    string                `json:"identity"`    // of the study in the store
	Equal       bool                  `json:"equal"`       // nothing differs
	Cells       int                   `json:"cells"`       // that were compared
	Claims      int                   `json:"claims"`      // that were compared
	Values      int                   `json:"values"`      // of the report's JSON that were compared: figures, verdicts, words
	Files       []string              `json:"files"`       // that were compared
	Others      []string              `json:"others"`      // files of the folder that no report has; they were not looked at
	Differences []reports.Discrepancy `json:"differences"` // what is reported and not so
	Journals    journalsJSON          `json:"journals"`    // what was read again
	Rerun       []rerunJSON           `json:"rerun"`       // runs that were done anew; null without --rerun
}

type journalsJSON struct {
	Runs   int                 `json:"runs"`   // whose journals were read again
	Points int                 `json:"points"` // figures that were compared
	Gone   int                 `json:"gone"`   // runs of which a journal is no more
	Differ []journalDifference `json:"differ"` // runs of which the store says something else
}

type journalDifference struct {
	Run    string               `json:"run"`    // its ID
	Cell   string               `json:"cell"`   // that it is in
	Seed   int                  `json:"seed"`   // its seed
	Points int                  `json:"points"` // figures that were compared
	Differ int                  `json:"differ"` // of them, those that are not equal
	First  *reports.Discrepancy `json:"first"`  // of those, the first: reported is what the store has, recomputed what the journal has
}

type rerunJSON struct {
	Run          string               `json:"run"`           // its ID
	Cell         string               `json:"cell"`          // that it stands for
	Seed         int                  `json:"seed"`          // the lowest of the cell that has a result
	Equal        bool                 `json:"equal"`         // to the bit, or on another machine in its outcome
	Outcome      string               `json:"outcome"`       // as it is stored
	OutcomeAgain string               `json:"outcome_again"` // of the run done anew
	Machine      string               `json:"machine"`       // kernel set and processor that made what is stored
	MachineAgain string               `json:"machine_again"` // kernel set and processor here
	Points       int                  `json:"points"`        // figures that were compared
	Differ       int                  `json:"differ"`        // of them, those that are not equal to the bit
	First        *reports.Discrepancy `json:"first"`         // of those, the first; null if there is none
	Metric       string               `json:"metric"`        // the main one
	Final        reports.Number       `json:"final"`         // its last value as it is stored; null if there is none
	FinalAgain   reports.Number       `json:"final_again"`   // its last value of the run done anew
}

func verify(c *cli.Context) error {
	path, err := only(c, "a report")
	if err != nil {
		return err
	}
	store, err := openStore(c)
	if err != nil {
		return err
	}
	defer store.Close()
	made, err := reports.ReadMade(path)
	if err != nil {
		return err
	}
	study, err := studyOf(c, store, made)
	if err != nil {
		return err
	}
	report, err := reports.Build(store, study)
	if err != nil {
		return err
	}
	found, err := report.Verify(made)
	if err != nil {
		return err
	}
	read, err := reread(c, store, study, report)
	if err != nil {
		return err
	}
	var again []reports.Again
	if c.Bool("rerun") {
		if again, err = rerun(c, store, study, report); err != nil {
			return err
		}
	}
	return tellVerified(c, verified(study, found, read, again, c.Bool("rerun")), again)
}

// studyOf finds in the store the study that a report is of.
func studyOf(c *cli.Context, store *results.Store, made *reports.Made) (*results.Study, error) {
	all, err := store.Outlines()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s results.Study) bool { return s.Hash == made.Identity })
	if i >= 0 {
		return store.StudyByID(all[i].ID)
	}
	what := fmt.Sprintf("the store %s has no study with the identity %s, of which the report is", storeDir(c), made.Identity)
	if slices.ContainsFunc(all, func(s results.Study) bool { return s.Name == made.Study }) {
		return nil, fmt.Errorf("%s; its studies called %s have others: another text, other overrides or other runs", what, made.Study)
	}
	return nil, fmt.Errorf("%s; name the store that it was made from with --store DIR", what)
}

// verified sums up what was compared and what differs.
func verified(study *results.Study, v reports.Verification, read journalsJSON, again []reports.Again, rerun bool) verifyJSON {
	j := verifyJSON{
		Study: study.Name, Identity: study.Hash, Cells: v.Cells, Claims: v.Claims, Values: v.Values,
		Files: append([]string{}, v.Files...), Others: append([]string{}, v.Others...), Differences: append([]reports.Discrepancy{}, v.Differences...),
		Journals: read, Equal: len(v.Differences) == 0 && len(read.Differ) == 0,
	}
	if rerun {
		j.Rerun = []rerunJSON{}
	}
	for _, a := range again {
		j.Equal = j.Equal && a.Equal()
		j.Rerun = append(j.Rerun, rerunJSON{
			a.RunID, a.Cell, a.Seed, a.Equal(), string(a.Outcome), string(a.OutcomeAgain), a.Machine, a.MachineAgain,
			a.Points, a.Differ, a.First, a.Metric, a.Final, a.FinalAgain,
		})
	}
	return j
}

// tellVerified says what was compared and what differs, and ends the command.
func tellVerified(c *cli.Context, j verifyJSON, again []reports.Again) error {
	if c.Bool("json") {
		if err := writeJSON(c.App.Writer, j); err != nil {
			return err
		}
	} else {
		printVerified(c.App.Writer, j, again)
	}
	if j.Equal {
		return nil
	}
	switch {
	case len(j.Differences) > 0:
		return exitError{exitFailed, "the report does not say what the store says"}
	case len(j.Journals.Differ) > 0:
		return exitError{exitFailed, "the store does not say what its runs told"}
	}
	return exitError{exitFailed, "runs that were done anew did not come out as they are stored"}
}

func printVerified(w io.Writer, j verifyJSON, again []reports.Again) {
	line := func(format string, args ...any) { fmt.Fprintln(w, words.Printable(fmt.Sprintf(format, args...))) }
	for _, d := range j.Differences {
		line("%s: %s: reported %s, recomputed %s", d.File, d.Where, orNothing(d.Reported), orNothing(d.Recomputed))
	}
	for _, d := range j.Journals.Differ {
		line("%s seed %d: %d of %s in the store not as its journal has them, first %s: stored %s, told %s", d.Cell, d.Seed, d.Differ,
			words.Plural(d.Points, "figure"), d.First.Where, orNothing(d.First.Reported), orNothing(d.First.Recomputed))
	}
	for _, a := range again {
		printAgain(line, a)
	}
	if len(j.Others) > 0 {
		line("not looked at: %s", strings.Join(j.Others, ", "))
	}
	line("compared %s: %s, %s, %s of the report's data; %s", j.Study, words.Plural(j.Cells, "cell"), words.Plural(j.Claims, "claim"),
		words.Plural(j.Values, "value"), fewFiles(j.Files))
	line("read again: journals of %s, %s", words.Plural(j.Journals.Runs, "run"), words.Plural(j.Journals.Points, "figure"))
	if n := j.Journals.Gone; n > 0 {
		line("of %s a journal is gone: what the store has of it cannot be compared with what was told", words.Plural(n, "run"))
	}
	if j.Rerun != nil {
		line("done anew: %d of %s with a result, that of the lowest seed of each cell", len(j.Rerun), words.Plural(j.Journals.Runs+j.Journals.Gone, "run"))
	}
	switch n := len(j.Differences); {
	case n > 0:
		line("%s", words.Plural(n, "difference"))
	case j.Equal:
		line("equal")
	}
}

// fewFiles names files if they are few.
func fewFiles(files []string) string {
	if len(files) > 3 {
		return words.Plural(len(files), "file")
	}
	return strings.Join(files, ", ")
}

func printAgain(line func(format string, args ...any), a reports.Again) {
	name := fmt.Sprintf("%s seed %d anew", a.Cell, a.Seed)
	if a.Outcome != a.OutcomeAgain {
		line("%s: its outcome is %s, stored is %s", name, orNone(a.OutcomeAgain), orNone(a.Outcome))
	}
	switch {
	case a.Differ == 0:
		line("%s: all of %s equal to the bit", name, words.Plural(a.Points, "figure"))
	case a.SameMachine():
		line("%s: %d of %s differ, first %s: stored %s, anew %s", name, a.Differ, words.Plural(a.Points, "figure"),
			a.First.Where, orNothing(a.First.Reported), orNothing(a.First.Recomputed))
	default:
		line("%s: made with %s, here with %s, so that equality to the bit cannot be expected: %d of %s differ", name,
			a.Machine, a.MachineAgain, a.Differ, words.Plural(a.Points, "figure"))
	}
	if a.Differ > 0 && a.Metric != "" {
		line("%s: %s at the end: stored %v, anew %v", name, a.Metric, float64(a.Final), float64(a.FinalAgain))
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func orNone(o results.Outcome) string {
	if o == "" {
		return "none"
	}
	return o.Words()
}
