package cli

import (
	"fmt"
	"io"
	"strings"

	"ablate/reports"

	"github.com/urfave/cli/v2"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:  "report",
		Usage: "print a study's tables and what became of its claims",
		UsageText: "ablate report [STUDY] [--set KEY=VALUE ...] [--format FORMAT] [--out DIR] [--check]\n" +
			"   [--rows DIMENSION ...] [--columns DIMENSION ...] [--metric METRIC ...]\n" +
			"   [--where DIMENSION=LEVEL,... ...] [--store DIR]",
		Description: choosing + "\n\n" +
			"With --rows, --columns, --metric or --where it prints a table of your own instead. A\n" +
			"dimension is an axis of the study, \"cell\", \"seed\", or a key of the configuration in\n" +
			"which cells differ, as norm.encoder. Several take several flags, or commas. Only runs\n" +
			"that differ in their seed alone are averaged: a choice that would mix others is refused\n" +
			"and says what they differ in. NAME_untrained is the metric NAME at step 0.\n\n" +
			"  ablate report heads --rows norm --columns predictor --metric z_std\n" +
			"  ablate report heads --rows cell --columns seed --where norm=bn,bare\n\n" +
			"Formats: latex is a document, of one table a float, and needs booktabs and graphicx; csv\n" +
			"is a row for each cell and metric with all digits (docs/report-csv.md), of one table a\n" +
			"row for each field; html is the tables alone: the page comes with --out.\n\n" +
			"With --out all of the report is also written to DIR, with figures; report.html is the\n" +
			"page to begin with. With --check the exit code is 3 if a claim is contradicted, and 1 if\n" +
			"one is not decided because runs have no result.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "print `text|markdown|latex|csv|json|html`", DefaultText: "text"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON: --format json"},
			outFlag(),
			&cli.BoolFlag{Name: "check", Usage: "exit with 3 if a claim is contradicted, 1 if one is not run"},
			&cli.StringSliceFlag{Name: "rows", Usage: "a row for each level of this `DIMENSION`", DefaultText: "the axes that are no columns, or the cells"},
			&cli.StringSliceFlag{Name: "columns", Usage: "a column for each level of this `DIMENSION`"},
			&cli.StringSliceFlag{Name: "metric", Usage: "show this `METRIC`", DefaultText: "the study's main one"},
			&cli.StringSliceFlag{Name: "where", Usage: "only runs at these levels: `DIMENSION=LEVEL`,..."},
			choiceFlag(),
			storeFlag(),
		},
		Action: report,
	}
}

func report(c *cli.Context) error {
	format, err := reportFormat(c)
	if err != nil {
		return err
	}
	store, study, err := openStudy(c)
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := reports.Build(store, study)
	if err != nil {
		return err
	}
	if err := printReport(c, r, format); err != nil {
		return err
	}
	if err := writeReport(c, r); err != nil {
		return err
	}
	if !c.Bool("check") {
		return nil
	}
	return check(r)
}

// check fails if a claim is contradicted, or if nothing can be said of one: runs
// that all failed must not pass for a study that holds.
func check(r *reports.Report) error {
	if ids := r.WithVerdict(reports.Contradicted); len(ids) > 0 {
		return exitError{exitContradicted, "contradicted: " + strings.Join(ids, ", ")}
	}
	if ids := r.WithVerdict(reports.NotRun); len(ids) > 0 {
		return fmt.Errorf("not decided, as runs have no result: %s", strings.Join(ids, ", "))
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
	fmt.Fprintf(c.App.ErrWriter, "ablate: the report lies in %s: %d files, report.html the one to begin with\n", dir, len(files))
	return nil
}

// reportFormat reads --format and --json.
func reportFormat(c *cli.Context) (reports.Format, error) {
	name := c.String("format")
	switch {
	case c.Bool("json") && name != "" && name != string(reports.JSON):
		return "", usagef("--json and --format %s contradict each other", name)
	case c.Bool("json"):
		return reports.JSON, nil
	case name == "":
		return reports.Text, nil
	}
	format, err := reports.ParseFormat(name)
	if err != nil {
		return "", usagef("--format: %v", err)
	}
	return format, nil
}

// printReport prints the report, or the table that flags choose.
func printReport(c *cli.Context, r *reports.Report, format reports.Format) error {
	nameStore(c, r)
	choice, chosen := chosenTable(c)
	if !chosen {
		return r.Write(c.App.Writer, format, reportWidth(c.App.Writer))
	}
	p, err := r.Pivot(choice)
	if err != nil {
		return usageError{err.Error()}
	}
	return p.Write(c.App.Writer, format, reportWidth(c.App.Writer))
}

// chosenTable reads the flags that choose a table.
func chosenTable(c *cli.Context) (choice reports.Choice, chosen bool) {
	list := func(flag string) (all []string) {
		for _, text := range c.StringSlice(flag) {
			for name := range strings.SplitSeq(text, ",") {
				all = append(all, strings.TrimSpace(name))
			}
		}
		return all
	}
	choice = reports.Choice{Rows: list("rows"), Columns: list("columns"), Metrics: list("metric"), Where: c.StringSlice("where")}
	for _, flag := range []string{"rows", "columns", "metric", "where"} {
		chosen = chosen || c.IsSet(flag)
	}
	return choice, chosen
}

// nameStore makes the commands in the text name the store at hand.
func nameStore(c *cli.Context, r *reports.Report) {
	if dir := storeDir(c); dir != defaultStore {
		r.Store = dir
	}
}

// printText prints the report with commands for the store at hand.
func printText(c *cli.Context, r *reports.Report) error {
	nameStore(c, r)
	return r.Text(c.App.Writer, reportWidth(c.App.Writer))
}

// reportWidth is the terminal's width, or what is usual where there is none.
func reportWidth(w io.Writer) int {
	if width := terminal(w); width > 0 {
		return width
	}
	return 100
}
