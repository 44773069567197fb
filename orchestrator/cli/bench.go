package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"ablate/ablations"
	"ablate/trainer"
	"ablate/trainer/config"

	"github.com/urfave/cli/v2"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:      "bench",
		Usage:     "measure what the trainer achieves on this machine",
		UsageText: "ablate bench [--set KEY=VALUE ...] [--size PIXELS] [--steps N] [--json]",
		Description: "Times whole training steps on random images, in one thread and on one core: leave\n" +
			"the machine alone meanwhile. An image counts once, for both its views through the\n" +
			"online network forward and backward and through the target network forward. The\n" +
			"limit is the rate of a large matrix product in the same process.",
		Flags: []cli.Flag{
			setFlag(),
			&cli.IntFlag{Name: "size", Value: 32, Usage: "`PIXELS` of an image, in width and height"},
			&cli.IntFlag{Name: "steps", Value: 10, Usage: "`N` steps to time"},
			jsonFlag(),
		},
		Action: bench,
	}
}

func bench(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	size, steps := c.Int("size"), c.Int("steps")
	if size < 4 || steps < 1 {
		return usagef("--size must be at least 4 and --steps at least 1")
	}
	conf, err := benchConfig(c.StringSlice("set"))
	if err != nil {
		return err
	}
	speed, err := trainer.Bench(conf, size, steps)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, speed)
	}
	return printSpeed(c.App.Writer, conf, speed)
}

func printSpeed(w io.Writer, conf config.Config, s trainer.Speed) error {
	fmt.Fprintf(w, "%s, width %d, batch %d, norm %s: %.1f images/s, %.0f ms a step\n",
		conf.Encoder.Arch, conf.Encoder.Width, conf.Batch, conf.Norm.Encoder, s.ImagesPerSecond, 1e3*s.StepSeconds)
	fmt.Fprintf(w, "%s: %.0f of %.0f GFLOP/s, %.0f %% of what a matrix product reaches\n\n", s.Kernels, s.GFLOPS, s.LimitGFLOPS, 100*s.Share)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "op\tms\t%\t")
	for _, o := range s.Ops {
		if share := o.Seconds / s.StepSeconds; share >= 0.0005 {
			fmt.Fprintf(t, "%s\t%.1f\t%.1f\t\n", o.Name, 1e3*o.Seconds, 100*share)
		}
	}
	return t.Flush()
}

// benchStudy is the configuration that comparisons with other frameworks use.
const benchStudy = `
[base]
encoder   = { arch = "resnet8", width = 32 }
heads     = { hidden = 512, out = 128 }
batch     = 128
optimizer = { name = "sgd", lr = 0.05, weight_decay = 1e-5 }
`

func benchConfig(sets []string) (config.Config, error) {
	study, err := ablations.Parse("bench.toml", []byte(benchStudy), sets)
	if err != nil {
		return config.Config{}, studyError{err}
	}
	return study.Cells[0].Settings.Config()
}
