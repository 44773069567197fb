package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/results"
	"ablate/results/export"
	"ablate/trainer/config"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

const tablesAbout = "PATH is a folder, which gets the tables runs, metrics and attempts, and which must\n" +
	"not be there yet; with --replace, an earlier export is replaced. With --table PATH\n" +
	"is a file, replaced if it is there, or - for standard output, where the table of\n" +
	"metrics goes unless another is named.\n\n" +
	"  runs      run, study, cell, axis.NAME (the cell's level on each axis), seed,\n" +
	"            outcome, reason, step, steps, seconds (of all attempts), attempts,\n" +
	"            dataset, trainer, config.KEY (the configuration by dotted key)\n" +
	"  metrics   run, cell, seed, metric, step, value\n" +
	"  attempts  run, attempt, state, outcome, reason, started, active, ended,\n" +
	"            resume_step, version, kernels, cpu, host: what made the figures\n\n" +
	"A run that stands in several cells of the study has its rows in each. Rows are in\n" +
	"the order of cells, seeds, metrics and steps, so that equal stores give equal bytes.\n"

const folderAbout = "PATH is a folder that must not be there yet; with --replace, an earlier export is\n" +
	"replaced.\n"

// exportFormats are the subcommands of export that hand over a study.
var exportFormats = []struct {
	format       export.Format
	usage, about string
}{
	{export.CSV, "write a study's runs and figures as CSV (RFC 4180)",
		tablesAbout + "Lines end in CRLF. What is missing is empty; values that are no numbers are NaN, Inf\nand -Inf. Times are RFC 3339."},
	{export.JSONL, "write a study's runs and figures as JSON lines",
		tablesAbout + "What is missing is null; values that are no numbers are the strings \"NaN\", \"+Inf\" and\n\"-Inf\". Times are RFC 3339."},
	{export.Parquet, "write a study's runs and figures as Parquet",
		tablesAbout + "What is missing is null; NaN and infinities are themselves. Times are in milliseconds."},
	{export.TensorBoard, "write a study's runs as TensorBoard's event files",
		folderAbout + "It gets CELL/seed-N for every run, with its scalars and, for the page HPARAMS, its\nconfiguration; letters of a cell's name that a file should not have become %XX. Scalars\n" +
			"are 32 bits wide, NaN and infinities themselves. A point's wall time is that at which the\nattempt that reported it began: when it was reported is not known."},
	{export.MLflow, "write a study's runs as a folder of MLflow 2 (mlruns)",
		folderAbout + "It is a file store: mlflow ui --backend-store-uri PATH. The study is an experiment,\nparameters are the configuration, tags say cell, axes, outcome and provenance. Letters of\n" +
			"names that MLflow refuses become \"_\", values longer than it takes are cut off (the tag\nablate.cut_off names them), values that are no numbers are nan, inf and -inf. A point's\n" +
			"time is that at which the attempt that reported it began."},
}

func exportStudyCommands() (commands []*cli.Command) {
	for _, f := range exportFormats {
		usage := "ablate export " + string(f.format) + " [STUDY] --out PATH [--run RUN ...] [--metric METRIC ...]"
		flags := []cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "write to `PATH`", TakesFile: true},
			&cli.StringSliceFlag{Name: "run", Usage: "only this `RUN` of the study"},
			&cli.StringSliceFlag{Name: "metric", Usage: "only this `METRIC`"},
			&cli.BoolFlag{Name: "replace", Usage: "replace an earlier export"},
		}
		if isTabular(f.format) {
			usage += " [--table TABLE]"
			flags = append(flags, &cli.StringFlag{Name: "table", Usage: "only this table: `" + strings.Join(export.Tables, "|") + "`"})
		}
		commands = append(commands, &cli.Command{
			Name: string(f.format), Usage: f.usage,
			UsageText:   usage + " [--replace] [--set KEY=VALUE ...] [--store DIR]",
			Description: choosing + "\n\n" + f.about,
			Flags:       append(flags, choiceFlag(), storeFlag()),
			Action:      func(c *cli.Context) error { return exportStudy(c, f.format) },
		})
	}
	return commands
}

func isTabular(f export.Format) bool { return f != export.TensorBoard && f != export.MLflow }

func exportStudy(c *cli.Context, format export.Format) error {
	out, table := c.String("out"), c.String("table")
	switch {
	case out == "":
		return usagef("%s needs a place to write to: --out PATH", nameOf(c))
	case out == "-" && !isTabular(format):
		return usagef("%s is a folder and does not go to standard output; name one with --out PATH", format)
	case table != "" && !slices.Contains(export.Tables, table):
		return usagef("there is no table %q; there is %s", table, strings.Join(export.Tables, ", "))
	case out == "-" && table == "":
		table = "metrics"
	}
	if table != "" && out != "-" {
		if err := checkFile(out); err != nil {
			return err
		}
	}
	store, study, err := openStudy(c)
	if err != nil {
		return err
	}
	defer store.Close()
	source, err := exportSource(c, store, study)
	if err != nil {
		return err
	}
	err = writeExport(c, source, format, table, out)
	if errors.Is(err, context.Canceled) {
		return exitError{code: exitInterrupted}
	}
	return err
}

func writeExport(c *cli.Context, source export.Source, format export.Format, table, out string) error {
	if out == "-" {
		_, err := export.Table(c.Context, source, format, table, c.App.Writer)
		return err
	}
	if table != "" {
		rows, err := export.File(c.Context, source, format, table, out)
		if err == nil {
			fmt.Fprintf(c.App.ErrWriter, "ablate: wrote %d rows of %s to %s\n", rows, table, words.Printable(out))
		}
		return err
	}
	points, err := export.Dir(c.Context, source, format, out, c.Bool("replace"))
	if err == nil {
		fmt.Fprintf(c.App.ErrWriter, "ablate: wrote study %s, %d figures, to %s\n", words.Printable(source.Study.Name), points, words.Printable(out))
	}
	return err
}

// exportSource is what the command line asks for.
func exportSource(c *cli.Context, store *results.Store, study *results.Study) (export.Source, error) {
	s := export.Source{Store: store, Study: study}
	for _, prefix := range c.StringSlice("run") {
		run, err := store.Run(prefix)
		if err != nil {
			return s, err
		}
		if !slices.ContainsFunc(study.Slots, func(slot results.Slot) bool { return slot.RunID == run.ID }) {
			return s, fmt.Errorf("run %s is none of study %s; \"ablate show %s\" says whose it is", run.ID, study.Name, shortID(run.ID))
		}
		s.Runs = append(s.Runs, run.ID)
	}
	if metrics := c.StringSlice("metric"); len(metrics) > 0 {
		if err := checkMetrics(store, metrics); err != nil {
			return s, err
		}
		s.Metrics = metrics
	}
	parsed, err := ablations.Parse(study.Name, study.Text, study.Sets)
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "ablate: the study %s was stored by another version of the program, so the levels of its axes are left out\n", words.Printable(study.Name))
		return s, nil
	}
	for _, axis := range parsed.Axes {
		s.Axes = append(s.Axes, axis.Name)
	}
	for _, name := range study.Cells {
		var levels []string
		if i, ok := parsed.Cell(name); ok {
			levels = parsed.Cells[i].Levels
		}
		s.Levels = append(s.Levels, levels)
	}
	return s, nil
}

// checkMetrics refuses names that no run of the store has reported.
func checkMetrics(store *results.Store, metrics []string) error {
	known, err := store.MetricNames()
	if err != nil {
		return err
	}
	for _, m := range metrics {
		if slices.Contains(known, m) {
			continue
		}
		if near := config.Near(m, known); len(near) > 0 {
			return usagef("no run has a metric %q; did you mean %s?", m, strings.Join(near, " or "))
		}
		return usagef("no run has a metric %q; there is %s", m, strings.Join(known, ", "))
	}
	return nil
}
