package cli

import (
	"ablate/reports"

	"github.com/urfave/cli/v2"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "show in which settings two cells or runs differ",
		UsageText: "ablate diff [STUDY] A B [--set KEY=VALUE ...] [--json] [--store DIR]",
		Description: "A and B are cells of the study, or runs: ids, or the beginnings of such (see\n" +
			"\"ablate status\"). With two arguments the study is the one that was started last.\n" +
			"Only what differs is shown; then what is known of the two besides: seeds, outcomes,\n" +
			"the data's hash and the trainer's version.",
		Flags:  []cli.Flag{jsonFlag(), choiceFlag(), storeFlag()},
		Action: diff,
	}
}

func diff(c *cli.Context) error {
	args := c.Args().Slice()
	name := ""
	switch len(args) {
	case 2:
	case 3:
		name, args = args[0], args[1:]
	default:
		return usagef("diff needs two cells or runs, and before them a study if it is not the last: %s", c.Command.UsageText)
	}
	store, err := openStore(c)
	if err != nil {
		return err
	}
	defer store.Close()
	study, err := storedStudy(c, store, name)
	if err != nil {
		return err
	}
	d, err := reports.Diff(store, study, args[0], args[1])
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, d)
	}
	return d.Text(c.App.Writer, reportWidth(c.App.Writer))
}
