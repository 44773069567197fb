package cli

import (
	"errors"
	"fmt"
	"strings"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer"
	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "hand over a study's figures, or what a run has made",
		UsageText: "ablate export csv|jsonl|parquet|tensorboard|mlflow [STUDY] --out PATH\n\nablate export encoder RUN --out FILE.safetensors",
		Subcommands: append(exportStudyCommands(), &cli.Command{
			Name:      "encoder",
			Usage:     "write the trained encoder of a run for PyTorch",
			UsageText: "ablate export encoder RUN --out FILE.safetensors [--store DIR]",
			Description: "RUN is the id, or the beginning of the id, of a run that has a result (see\n" +
				"\"ablate status\"). An older FILE is replaced. docs/load_encoder.py, in the source,\n" +
				"loads it into PyTorch; the names and layouts are those of torchvision's ResNet:\n\n" +
				"  conv1, bn1                  the stem's 3x3 convolution, and its normalization\n" +
				"  layerS.B.convN, .bnN        stage S from 1, block B from 0, N 1 or 2\n" +
				"  layerS.B.downsample.0, .1   convolution and normalization of a block's shortcut\n\n" +
				"Convolutions have a weight [out, in, height, width]. A normalization is called bn\n" +
				"whatever it is:\n\n" +
				"  bn                 weight, bias, running_mean, running_var\n" +
				"  ln                 weight, bias: a group normalization of one group\n" +
				"  gn+ws              weight, bias: a group normalization; the standardization is\n" +
				"                     folded into the convolutions' weights\n" +
				"  init, none-affine  weight, bias: to multiply with and to add\n" +
				"  none               bias, to add\n\n" +
				"The encoder takes (pixels / 255 - mean) / std and ends in the mean over all pixels.\n" +
				"The metadata say that and all else that it takes to rebuild and to trace it: arch,\n" +
				"width, features, blocks (of each stage), norm, groups (by channels; ln and gn+ws\n" +
				"only), eps, image ([height, width, channels]), mean, std, weight_standardization,\n" +
				"dataset, dataset_hash, config, seed, steps, run, cell, studies, outcome,\n" +
				"linear_top1, knn_top1 (%), trainer, kernels, ablate. Lists are JSON.",
			Flags:  []cli.Flag{&cli.StringFlag{Name: "out", Usage: "the `FILE` to write", TakesFile: true}},
			Action: exportEncoder,
		}),
		Action: func(c *cli.Context) error {
			return usagef("export needs to know what to hand over: csv, jsonl, parquet, tensorboard, mlflow or encoder")
		},
	}
}

func exportEncoder(c *cli.Context) error {
	id, err := only(c, "a run")
	if err != nil {
		return err
	}
	out := c.String("out")
	if out == "" {
		return usagef("export encoder needs a file to write: --out FILE.safetensors")
	}
	if err := checkFile(out); err != nil {
		return err
	}
	store, run, err := openRun(c, id)
	if err != nil {
		return err
	}
	defer store.Close()
	f, err := encoderOf(run, storeDir(c))
	if err != nil {
		return fmt.Errorf("run %s has no encoder to export: %w", run.ID, err)
	}
	if err := tellAbout(f.Meta, store, run); err != nil {
		return err
	}
	if err := checkpoint.Write(out, f); err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "ablate: wrote the encoder of run %s, %s seed %d, linear_top1 %s %%, to %s\n",
		run.ID, words.Printable(run.Cell), run.Seed, f.Meta["linear_top1"], words.Printable(out))
	return nil
}

// encoderOf reads the trained encoder of a run of the store in dir.
func encoderOf(run *results.Run, dir string) (*checkpoint.File, error) {
	switch {
	case strings.HasPrefix(run.Trainer, ablations.External):
		return nil, errors.New("it was trained by a program of the study's own; what that has saved lies in " +
			worker.Attempt{RunDir: orchestrator.RunDir(dir, run.ID), N: run.Attempts}.Checkpoints())
	case run.Outcome == "":
		return nil, fmt.Errorf("it is at step %d of %d; finish it first (ablate run)", run.Step, run.Steps)
	case !run.Outcome.IsResult() || run.Outcome == results.Diverged:
		return nil, fmt.Errorf("its outcome is %s: %s", run.Outcome.Words(), run.Reason)
	}
	c, err := config.Parse(run.Config)
	if err != nil {
		return nil, err
	}
	attempt := worker.Attempt{RunDir: orchestrator.RunDir(dir, run.ID), N: run.Attempts}
	return trainer.ExportEncoder(
		trainer.Job{Config: c, Seed: run.Seed, Dataset: run.Dataset, Checkpoints: attempt.Checkpoints()}, run.Step)
}

// tellAbout adds to an encoder's metadata what the store knows of its run.
func tellAbout(meta map[string]string, store *results.Store, run *results.Run) error {
	studies, err := store.StudiesOf(run.ID)
	if err != nil {
		return err
	}
	ends, err := store.Ends([]string{run.ID})
	if err != nil {
		return err
	}
	for _, name := range []string{"linear_top1", "knn_top1"} {
		if e, ok := ends[run.ID][name]; ok {
			meta[name] = config.Print(e.Last.Value)
		}
	}
	meta["run"], meta["cell"], meta["outcome"] = run.ID, run.Cell, string(run.Outcome)
	meta["studies"] = strings.Join(studies, ", ")
	meta["ablate"] = worker.Version()
	return nil
}
