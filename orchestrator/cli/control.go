package cli

import (
	"errors"
	"fmt"
	"strings"

	"ablate/orchestrator"
	"ablate/results"

	"github.com/urfave/cli/v2"
)

func pauseCommand() *cli.Command {
	return &cli.Command{
		Name:      "pause",
		Usage:     "stop a study's runs for a while",
		UsageText: "ablate pause [STUDY] [--set KEY=VALUE ...] [--store DIR]",
		Description: choosing + "\n\n" +
			"Runs at work save their state and stop, and none is started until \"ablate resume\"\n" +
			"or \"ablate run\". Nothing is lost.",
		Flags:  []cli.Flag{choiceFlag(), storeFlag()},
		Action: func(c *cli.Context) error { return demandOfStudy(c, orchestrator.AskPause) },
	}
}

func resumeCommand() *cli.Command {
	return &cli.Command{
		Name:        "resume",
		Usage:       "let a paused study go on",
		UsageText:   "ablate resume [STUDY] [--set KEY=VALUE ...] [--store DIR]",
		Description: choosing,
		Flags:       []cli.Flag{choiceFlag(), storeFlag()},
		Action:      func(c *cli.Context) error { return demandOfStudy(c, orchestrator.AskResume) },
	}
}

// demandOfStudy asks something that concerns a whole study.
func demandOfStudy(c *cli.Context, kind string) error {
	store, study, err := openStudy(c)
	if err != nil {
		return err
	}
	store.Close()
	return demand(c, results.Request{Kind: kind, Study: study.ID})
}

func cancelCommand() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "give up runs, a cell or a study",
		UsageText: "ablate cancel STUDY [--cell CELL] [--set KEY=VALUE ...] [--store DIR]\nablate cancel --run ID [--run ID ...] [--store DIR]",
		Description: "Runs at work save their state and stop. What has a result keeps it. A cancelled\n" +
			"run is not started again until \"ablate retry --cancelled\".",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cell", Usage: "only the runs of the `CELL`"},
			&cli.StringSliceFlag{Name: "run", Usage: "the run `ID`; its first letters will do"},
			choiceFlag(), storeFlag(),
		},
		Action: cancel,
	}
}

func cancel(c *cli.Context) error {
	ids := c.StringSlice("run")
	switch {
	case (len(ids) > 0) == (c.NArg() > 0):
		return usagef("cancel needs either a study or --run ID: %s", strings.ReplaceAll(c.Command.UsageText, "\n", " or "))
	case len(ids) > 0 && c.IsSet("cell"):
		return usagef("--cell is for a study, not for --run")
	}
	for _, id := range ids {
		store, run, err := openRun(c, id)
		if err != nil {
			return err
		}
		store.Close()
		if err := demand(c, results.Request{Kind: orchestrator.AskCancel, Run: run.ID}); err != nil {
			return err
		}
	}
	if len(ids) > 0 {
		return nil
	}
	store, study, err := openStudy(c)
	if err != nil {
		return err
	}
	store.Close()
	cell := c.String("cell")
	if err := checkCell(study, cell); err != nil {
		return err
	}
	return demand(c, results.Request{Kind: orchestrator.AskCancel, Study: study.ID, Cell: cell})
}

// demand has something done by the store's head, or as its head, and prints
// what became of it.
func demand(c *cli.Context, r results.Request) error {
	answer, err := orchestrator.Demand(c.Context, storeDir(c), r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.App.Writer, answer)
	return err
}

func retryCommand() *cli.Command {
	return &cli.Command{
		Name:      "retry",
		Usage:     "try runs of a study again that have no result",
		UsageText: "ablate retry [STUDY] [--failed] [--timed-out] [--cancelled] [--set KEY=VALUE ...]\n   [--jobs N] [--timeout TIME] ... [--store DIR]",
		Description: choosing + "\n\n" +
			"Without a choice it is those that failed or timed out. They go on from their last\n" +
			"checkpoint. If somebody works on the store, they are added to what is to be done\n" +
			"there; else they are done now, as by \"ablate run\".",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "failed", Usage: "those that failed"},
			&cli.BoolFlag{Name: "timed-out", Usage: "those that were at work for too long"},
			&cli.BoolFlag{Name: "cancelled", Usage: "those that were cancelled"},
			choiceFlag(), storeFlag(), outFlag(),
		}, optionFlags()...),
		Action: retry,
	}
}

func retry(c *cli.Context) error {
	var outcomes []results.Outcome
	for flag, o := range map[string]results.Outcome{"failed": results.Failed, "timed-out": results.TimedOut, "cancelled": results.Cancelled} {
		if c.Bool(flag) {
			outcomes = append(outcomes, o)
		}
	}
	if len(outcomes) == 0 {
		outcomes = []results.Outcome{results.Failed, results.TimedOut}
	}
	store, study, err := openStudy(c)
	if err != nil {
		return err
	}
	store.Close()
	h, err := openHead(c)
	if held := (*orchestrator.HeldError)(nil); errors.As(err, &held) {
		return demand(c, results.Request{Kind: orchestrator.Retry(outcomes), Study: study.ID})
	}
	if err != nil {
		return err
	}
	defer h.close()
	return h.retry(study, outcomes)
}

// retry reopens runs of a stored study and executes it.
func (h *head) retry(study *results.Study, outcomes []results.Outcome) error {
	o, err := storedOptions(h.c, study)
	if err != nil {
		return err
	}
	n, err := h.store.Reopen(study, outcomes...)
	if err != nil {
		return err
	}
	if n == 0 {
		h.say("there is nothing of that kind to try again")
		return nil
	}
	if err := h.goOn(study); err != nil {
		return err
	}
	return h.finish(h.scheduler(o), study, nil)
}
