package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/results"
	"ablate/trainer"
	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "run a study and report on it",
		UsageText: "ablate run STUDY [--set KEY=VALUE ...] [--jobs N] [--retries N] [--timeout TIME]\n" +
			"   [--memory SIZE] [--gpus LIST] [--until TIME [--fill]] [--fail-fast] [--force]\n" +
			"   [--checkpoint-every TIME] [--notify-command COMMAND] [--out DIR] [--data DIR] [--store DIR]",
		Description: "STUDY is the name of a shipped study (see \"ablate studies\") or, if it has a\n" +
			"slash or ends in .toml, a file.\n\n" +
			"Runs that have a result are not repeated; what was interrupted goes on from its\n" +
			"last checkpoint, and what failed or timed out is tried again. Ctrl-C lets every\n" +
			"worker finish its step and save; pressed again, it stops at once. In either case\n" +
			"the same command goes on later.",
		Flags: slices.Concat([]cli.Flag{setFlag()}, optionFlags(), untilFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "give up the results there are, and repeat all runs from their first step"},
			notifyFlag(),
			outFlag(),
			storeFlag(),
		}),
		Action: run,
	}
}

func run(c *cli.Context) error {
	end, err := until(c, time.Now())
	if err != nil {
		return err
	}
	p, o, err := plannedWithOptions(c)
	if err != nil {
		return err
	}
	if err := checkOut(c.String("out")); err != nil {
		return err
	}
	notify, err := newNotifier(c)
	if err != nil {
		return err
	}
	h, err := openHead(c)
	if err != nil {
		return err
	}
	defer h.close()
	study, err := h.record(p)
	if err != nil {
		return err
	}
	s := h.scheduler(o)
	s.Until, s.Fill, s.Alone = end, c.Bool("fill"), c.Bool("force")
	return h.finish(s, study, notify)
}

// plannedWithOptions is planned, with what the flags say of the execution.
func plannedWithOptions(c *cli.Context) (*ablations.Plan, orchestrator.Options, error) {
	p, err := planned(c)
	if err != nil {
		return nil, orchestrator.Options{}, err
	}
	o, err := options(c, p.Study)
	return p, o, err
}

// record stores the plan and opens those of its runs that are to be done.
func (h *head) record(p *ablations.Plan) (*results.Study, error) {
	study, err := orchestrator.Record(h.store, h.dir, p, h.say)
	if err != nil {
		return nil, err
	}
	if h.c.Bool("force") {
		err = orchestrator.Anew(h.store, h.dir, study)
	} else {
		_, err = h.store.Reopen(study, results.Failed, results.TimedOut)
	}
	return study, errors.Join(err, h.goOn(study))
}

// goOn ends a study's pause: to be told to run is to be told to go on.
func (h *head) goOn(study *results.Study) error {
	study.Paused = false
	return h.store.SetPaused(study.ID, false)
}

// planned expands the study that the command names, and checks the data that
// it needs.
func planned(c *cli.Context) (*ablations.Plan, error) {
	name, err := only(c, "a study")
	if err != nil {
		return nil, err
	}
	study, err := loadStudy(name, c.StringSlice("set"))
	if err != nil {
		return nil, err
	}
	dir, err := dataDir(c)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(study, dir)
	if err != nil {
		return nil, err
	}
	return p, checkData(study, dir)
}

// newPlan gives the study's runs their identities.
func newPlan(study *ablations.Study, dataDir string) (*ablations.Plan, error) {
	fingerprint := func(d config.Data) (string, error) { return data.Fingerprint(d.Name, dataDir) }
	return ablations.NewPlan(study, fingerprint, trainer.Version)
}

// checkData loads every dataset once: a damaged file, or one with too few
// images, is better found now than by the runs at night. What a trainer of the
// study's own reads is its own business. Cells that ask the same of the data are
// looked at once.
func checkData(study *ablations.Study, dataDir string) error {
	if study.Trainer != nil {
		return nil
	}
	type needs struct {
		data  config.Data
		batch any
	}
	type images struct{ train, test int }
	loaded, checked := map[config.Data]images{}, map[needs]bool{}
	for _, cell := range study.Cells {
		batch, _ := cell.Written("batch")
		asks := needs{cell.Data(), batch}
		if checked[asks] {
			continue
		}
		checked[asks] = true
		c, err := cell.Settings().Config()
		if err != nil {
			return err
		}
		n, known := loaded[c.Data]
		if !known {
			set, err := data.Load(c.Data, dataDir)
			if err != nil {
				return err
			}
			n = images{set.Train.Len(), set.Test.Len()}
			loaded[c.Data] = n
		}
		if err := trainer.Fits(c, n.train, n.test); err != nil {
			return fmt.Errorf("cell %s: %w", cell.Name, err)
		}
	}
	return nil
}

// checkOut sees to it that the report can be written to dir, if that is named,
// before there is work to lose time on.
func checkOut(dir string) error {
	if dir == "" {
		return nil
	}
	err := os.MkdirAll(dir, 0o777)
	if err == nil {
		err = writable(dir)
	}
	if err != nil {
		return fmt.Errorf("the report cannot be written to %s: %w; name another folder with --out DIR", dir, err)
	}
	return nil
}

// checkFile sees to it that a file can be written, before there is work to lose
// time on.
func checkFile(path string) error {
	dir, name := words.Printable(filepath.Dir(path)), words.Printable(filepath.Base(path))
	if isFolder(path) {
		return fmt.Errorf("%s cannot be written: it is a folder; name a file with --out FILE", words.Printable(path))
	}
	if !isFolder(filepath.Dir(path)) {
		return fmt.Errorf("%s cannot be written to %s: it is no folder", name, dir)
	}
	if err := writable(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s cannot be written to %s: %w; name another file with --out FILE", name, dir, err)
	}
	return nil
}

// writable says why no file can be made in a folder, or nil.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) { // of a file that nobody knows
			err = path.Err
		}
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// dataDir is where the datasets lie, as an absolute path: workers may look
// from elsewhere. Empty means the usual places.
func dataDir(c *cli.Context) (string, error) {
	if dir := c.String("data"); dir != "" {
		return filepath.Abs(dir)
	}
	return "", nil
}
