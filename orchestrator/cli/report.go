package cli

import (
	"fmt"
	"io"

	"ablate/reports"

	"github.com/urfave/cli/v2"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "print a study's table and what became of its claims",
		UsageText: "ablate report [STUDY] [--set KEY=VALUE ...] [--json] [--out DIR] [--check] [--store DIR]",
		Description: choosing + "\n\n" +
			"With --out the report is also written to DIR, with figures. With --check the\n" +
			"exit code is 3 if a claim is contradicted.",
		Flags: []cli.Flag{
			jsonFlag(),
			outFlag(),
			&cli.BoolFlag{Name: "check", Usage: "exit with 3 if a claim is contradicted"},
			choiceFlag(),
			storeFlag(),
		},
		Action: report,
	}
}

func report(c *cli.Context) error {
	store, study, err := openStudy(c)
	if err != nil {
		return err
	}
	defer store.Close()
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
	return printText(c, r)
}

// printText prints the report with commands for the store at hand.
func printText(c *cli.Context, r *reports.Report) error {
	if dir := storeDir(c); dir != defaultStore {
		r.Store = dir
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
