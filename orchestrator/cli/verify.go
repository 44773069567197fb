package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ablate/orchestrator"
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
			"figures in other words.\n\n" +
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
	Rerun       []rerunJSON           `json:"rerun"`       // runs that were done anew; null without --rerun
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
	var again []reports.Again
	if c.Bool("rerun") {
		if again, err = rerun(c, store, study, report); err != nil {
			return err
		}
	}
	return tellVerified(c, study, found, again)
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

// tellVerified says what was compared and what differs, and ends the command.
func tellVerified(c *cli.Context, study *results.Study, v reports.Verification, again []reports.Again) error {
	j := verifyJSON{
		Study: study.Name, Identity: study.Hash, Cells: v.Cells, Claims: v.Claims, Values: v.Values,
		Files: append([]string{}, v.Files...), Others: append([]string{}, v.Others...), Differences: append([]reports.Discrepancy{}, v.Differences...),
		Equal: len(v.Differences) == 0,
	}
	for _, a := range again {
		j.Equal = j.Equal && a.Equal()
		j.Rerun = append(j.Rerun, rerunJSON{
			a.RunID, a.Cell, a.Seed, a.Equal(), string(a.Outcome), string(a.OutcomeAgain), a.Machine, a.MachineAgain,
			a.Points, a.Differ, a.First, a.Metric, a.Final, a.FinalAgain,
		})
	}
	if c.Bool("rerun") {
		j.Rerun = append([]rerunJSON{}, j.Rerun...)
	}
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
	return exitError{exitFailed, "the report does not say what the store says"}
}

func printVerified(w io.Writer, j verifyJSON, again []reports.Again) {
	line := func(format string, args ...any) { fmt.Fprintln(w, words.Printable(fmt.Sprintf(format, args...))) }
	for _, d := range j.Differences {
		line("%s: %s: reported %s, recomputed %s", d.File, d.Where, orNothing(d.Reported), orNothing(d.Recomputed))
	}
	for _, a := range again {
		printAgain(line, a)
	}
	if len(j.Others) > 0 {
		line("not looked at: %s", strings.Join(j.Others, ", "))
	}
	line("compared %s: %s, %s, %s of the report's data; %s", j.Study, words.Plural(j.Cells, "cell"), words.Plural(j.Claims, "claim"),
		words.Plural(j.Values, "value"), fewFiles(j.Files))
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
