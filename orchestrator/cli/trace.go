package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/trainer"
	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func traceCommand() *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "write one training step laid bare, to check it against another framework",
		UsageText: "ablate trace STUDY --cell CELL --out FILE.safetensors [--step K] [--seed N]\n   [--set KEY=VALUE ...] [--data DIR]",
		Description: "STUDY is the name of a shipped study or, if it has a slash or ends in .toml, a file.\n" +
			"CELL is a cell's name, or settings that single it out: \"norm=gn+ws,predictor=true\".\n\n" +
			"The cell's run is trained from its beginning, in memory and without probes, until\n" +
			"K steps are done; the next one, step K, is written. The tensors of the file are\n" +
			"float32, of batches of B images:\n\n" +
			"  views              [2B, H, W, C]: the first views of B images, then their second ones\n" +
			"  loss               a scalar\n" +
			"  output/encoder     [2B, features], of the online network\n" +
			"  output/projection  [2B, heads.out]\n" +
			"  output/prediction  [2B, heads.out], if there is a predictor\n" +
			"  output/target      [2B, heads.out], the target network's projection, if there is one\n" +
			"  gradient/NAME      of the loss with respect to online/NAME\n" +
			"  before/STATE       the state that the step begins with\n" +
			"  after/STATE        the state that it leaves\n\n" +
			"where STATE is\n\n" +
			"  online/NAME        a weight, or batch norm's running .../mean or .../var\n" +
			"  target/NAME        the same weight of the target network, which has no predictor\n" +
			"  momentum/NAME      of sgd and lars the momentum, of adam the first moment\n" +
			"  variance/NAME      adam's second moment\n\n" +
			"and NAME is a path such as encoder/stage1/block1/conv1/weight. Convolutions are\n" +
			"[out, height, width, in], linear maps [out, in]. The metadata are format, config,\n" +
			"seed, step, steps, learning_rate, tau (with a target network), layout, dataset,\n" +
			"trainer, kernels and instruction set, and diverged (why, if the run ends by this\n" +
			"step, which leaves the weights as they were then). The trainer's source has a\n" +
			"PyTorch script that repeats a trace: trainer/testdata/parity.py.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cell", Usage: "the `CELL` to run", DefaultText: "the only one"},
			&cli.StringFlag{Name: "out", Usage: "the `FILE` to write", TakesFile: true},
			&cli.Int64Flag{Name: "step", Value: 1, Usage: "the step to write: `K` steps come before it"},
			&cli.Int64Flag{Name: "seed", Usage: "the run's seed `N`", DefaultText: "the study's first"},
			setFlag(),
			dataFlag(),
		},
		Action: trace,
	}
}

func trace(c *cli.Context) error {
	name, err := only(c, "a study")
	if err != nil {
		return err
	}
	out, step := c.String("out"), c.Int64("step")
	if out == "" {
		return usagef("trace needs a file to write: --out FILE.safetensors")
	}
	if step < 0 {
		return usagef("--step must be at least 0")
	}
	if seed := c.Int64("seed"); c.IsSet("seed") && (seed < 1 || seed > ablations.MaxSeed) {
		return usagef("--seed must be from 1 to %d, as in a study, not %d", ablations.MaxSeed, seed)
	}
	study, err := loadStudy(name, c.StringSlice("set"))
	if err != nil {
		return err
	}
	if study.Trainer != nil {
		return fmt.Errorf("%s has a trainer of its own (%s): only the embedded trainer's steps can be traced", study.Name, study.Trainer.Command[0])
	}
	cell, err := pickCell(study, c.String("cell"))
	if err != nil {
		return err
	}
	job := trainer.Job{Seed: study.Seeds[0]}
	if c.IsSet("seed") {
		job.Seed = int(c.Int64("seed"))
	}
	if job.Config, err = cell.Settings().Config(); err != nil {
		return err
	}
	if job.DataDir, err = dataDir(c); err != nil {
		return err
	}
	if err := checkFile(out); err != nil {
		return err
	}
	f, err := trainer.Trace(c.Context, job, step)
	if errors.Is(err, trainer.ErrInterrupted) {
		return exitError{code: exitInterrupted}
	}
	if err != nil {
		return fmt.Errorf("%s seed %d: %w", cell.Name, job.Seed, err)
	}
	if err := checkpoint.Write(out, f); err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "ablate: wrote step %d of %s, %s seed %d, loss %.6g, to %s\n",
		step, f.Meta["steps"], cell.Name, job.Seed, f.Get("loss")[0], words.Printable(out))
	if why, ok := f.Meta["diverged"]; ok {
		fmt.Fprintf(c.App.ErrWriter, "ablate: the run diverges in this step: %s; its weights stay as they were\n", why)
	}
	return nil
}

// pickCell finds the one cell that text names or whose settings it gives as
// key=value, where a key is an axis or one of a configuration. A study of one
// cell needs no text.
func pickCell(s *ablations.Study, text string) (ablations.Cell, error) {
	if i, ok := s.Cell(text); ok {
		return s.Cells[i], nil
	}
	if text == "" && len(s.Cells) > 1 {
		return ablations.Cell{}, usagef("%s has several cells; choose with --cell: %s", s.Name, cellNames(s.Cells))
	}
	var found []ablations.Cell
	for _, cell := range s.Cells {
		if matches(s, cell, text) {
			found = append(found, cell)
		}
	}
	switch len(found) {
	case 0:
		return ablations.Cell{}, usagef("%s has no cell %q; there are %s", s.Name, text, cellNames(s.Cells))
	case 1:
		return found[0], nil
	}
	return ablations.Cell{}, usagef("--cell %q means several cells of %s: %s", text, s.Name, cellNames(found))
}

// matches reports whether the cell has all settings of text.
func matches(s *ablations.Study, cell ablations.Cell, text string) bool {
	if text == "" {
		return true
	}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, isPair := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !isPair || !has(s, cell, key, value) {
			return false
		}
	}
	return true
}

// has reports whether value is the cell's level on the axis called key, or its
// setting of that name.
func has(s *ablations.Study, cell ablations.Cell, key, value string) bool {
	axis := slices.IndexFunc(s.Axes, func(a ablations.Axis) bool { return a.Name == key })
	if axis >= 0 { // a named cell is on no axis
		return axis < len(cell.Levels) && cell.Levels[axis] == value
	}
	setting, ok := cell.Settings()[key]
	return ok && config.Print(setting) == value
}

func cellNames(cells []ablations.Cell) string {
	names := make([]string, len(cells))
	for i, c := range cells {
		names[i] = c.Name
	}
	return strings.Join(names, "; ")
}
