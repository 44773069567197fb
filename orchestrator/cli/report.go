package cli

import (
	"fmt"
	"io"

	"ablate/reports"
	"ablate/results"

	"github.com/urfave/cli/v2"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "print a study's table and what became of its claims",
		UsageText: "ablate report [STUDY] [--json] [--out DIR] [--check] [--store DIR]",
		Description: "Without STUDY it is the one that was started last. With --out the report is\n" +
			"also written to DIR, with figures. With --check the exit code is 3 if a claim is\n" +
			"contradicted.",
		Flags: []cli.Flag{
			jsonFlag(),
			outFlag(),
			&cli.BoolFlag{Name: "check", Usage: "exit with 3 if a claim is contradicted"},
			&cli.StringSliceFlag{Name: "set", Usage: "the study as it was run with this `KEY=VALUE`"},
			storeFlag(),
		},
		Action: report,
	}
}

func report(c *cli.Context) error {
	name, err := optional(c, "a study")
	if err != nil {
		return err
	}
	store, err := results.OpenReadOnly(c.String("store"))
	if err != nil {
		return err
	}
	defer store.Close()
	study, err := storedStudy(store, name, c.StringSlice("set"))
	if err != nil {
		return err
	}
	r, err := reports.Build(store, study)
	if err != nil {
		return err
	}
	if err := printReport(c, r); err != nil {
		return err
	}
	if err := writeReport(c, r); err != nil {
		return err
	}
	if c.Bool("check") && r.Contradicted() {
		return exitError{exitContradicted, "a claim of the study is contradicted"}
	}
	return nil
}

// writeReport writes the tables and figures, if --out says where.
func writeReport(c *cli.Context, r *reports.Report) error {
	dir := c.String("out")
	if dir == "" {
		return nil
	}
	files, err := r.WriteDir(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "ablate: the report lies in %s: %d files, report.md the one to begin with\n", dir, len(files))
	return nil
}

func printReport(c *cli.Context, r *reports.Report) error {
	if c.Bool("json") {
		return r.JSON(c.App.Writer)
	}
	return r.Text(c.App.Writer, reportWidth(c.App.Writer))
}

// reportWidth is the terminal's width, or what is usual where there is none.
func reportWidth(w io.Writer) int {
	if width := terminal(w); width > 0 {
		return width
	}
	return 100
}
