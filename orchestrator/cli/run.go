package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/engine/local"
	"ablate/reports"
	"ablate/results"
	"ablate/trainer"
	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a study and report on it",
		UsageText: "ablate run STUDY [--set KEY=VALUE ...] [--jobs N] [--retries N]\n   [--checkpoint-every TIME] [--out DIR] [--data DIR] [--store DIR]",
		Description: "STUDY is the name of a shipped study (see \"ablate studies\") or, if it has a\n" +
			"slash or ends in .toml, a file.\n\n" +
			"Runs that have a result are not repeated; what was interrupted goes on from its\n" +
			"last checkpoint. Ctrl-C lets every worker finish its step and save; pressed\n" +
			"again, it stops at once. In either case the same command goes on later.",
		Flags: []cli.Flag{
			setFlag(),
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Usage: "`N` runs at a time, each on one core", DefaultText: "the number of cores"},
			&cli.IntFlag{Name: "retries", Value: 1, Usage: "`N` further attempts at a run that crashes"},
			&cli.DurationFlag{Name: "checkpoint-every", Value: trainer.DefaultSaveEvery, DefaultText: "10m",
				Usage: "save a run at least every `TIME`, as in 90s or 5m, besides at its epochs' ends"},
			outFlag(),
			dataFlag(),
			storeFlag(),
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	jobs, retries := physicalCores(), c.Int("retries")
	if c.IsSet("jobs") {
		jobs = c.Int("jobs")
	}
	if jobs < 1 || retries < 0 {
		return usagef("--jobs must be at least 1 and --retries at least 0")
	}
	every := c.Duration("checkpoint-every")
	if every <= 0 {
		return usagef("--checkpoint-every must be above 0, as in 90s or 5m")
	}
	p, dir, err := planned(c)
	if err != nil {
		return err
	}
	if err := checkOut(c.String("out")); err != nil {
		return err
	}
	return execute(c, p, orchestrator.Scheduler{Jobs: jobs, Retries: retries, DataDir: dir, SaveEvery: every})
}

// execute runs the plan as the head of the store, then reports.
func execute(c *cli.Context, p *ablations.Plan, s orchestrator.Scheduler) error {
	dir, err := filepath.Abs(storeDir(c))
	if err != nil {
		return err
	}
	lock, err := orchestrator.Acquire(dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	store, err := results.Open(dir)
	if err != nil {
		return err
	}
	defer store.Close()

	// Ctrl-C also ends whoever reads our output in a pipe; the workers are to be
	// stopped in good order all the same.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	stderr := c.App.ErrWriter
	if notice := kernel.Notice(); notice != "" {
		fmt.Fprintf(stderr, "ablate: %s\n", notice)
	}
	d := newDisplay(stderr)
	s.Store, s.Dir, s.Engine, s.Display, s.Kill = store, dir, local.Self(), d, killed(c.Context)
	summary, err := s.Run(c.Context, p)
	d.close()
	if err != nil {
		return fmt.Errorf("the work was stopped: %w", err)
	}
	return conclude(c, store, p.Study, summary)
}

// conclude says how it went, and prints the report.
func conclude(c *cli.Context, store *results.Store, study *ablations.Study, s orchestrator.Summary) error {
	stderr := c.App.ErrWriter
	fmt.Fprintf(stderr, "ablate: %s\n", summaryLine(study.Name, s))
	for _, f := range s.Failed {
		fmt.Fprintf(stderr, "ablate: %s seed %d failed: %s; its log is %s\n", f.Cell, f.Seed, words.Printable(f.Reason), f.Log)
	}
	if s.Interrupted {
		fmt.Fprintln(stderr, "ablate: to go on, give the same command again")
		return exitError{code: exitInterrupted}
	}
	saved, err := store.Study(study.Name)
	if err != nil {
		return err
	}
	report, err := reports.Build(store, saved)
	if err != nil {
		return err
	}
	if err := printText(c, report); err != nil {
		return err
	}
	if err := writeReport(c, report); err != nil {
		return err
	}
	if c.String("out") == "" {
		fmt.Fprintf(stderr, "ablate: for figures and tables: ablate report %s%s%s --out DIR\n", study.Name, repeatSets(study.Sets), storeArgument(c))
	}
	if len(s.Failed) > 0 {
		return exitError{code: exitFailed}
	}
	return nil
}

func summaryLine(study string, s orchestrator.Summary) string {
	have := "have"
	if s.Total == 1 {
		have = "has"
	}
	text := fmt.Sprintf("%s: %d of %s %s a result", study, s.Done, words.Plural(s.Total, "run"), have)
	if s.Before > 0 {
		text += fmt.Sprintf(" (%d had one before)", s.Before)
	}
	var parts []string
	for _, o := range results.Outcomes {
		if n := s.Outcomes[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, outcomeName(o)))
		}
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text + "; " + duration(s.Took)
}

// storeArgument repeats --store if it was given, for hints.
func storeArgument(c *cli.Context) string {
	if dir := storeDir(c); dir != defaultStore {
		return " --store " + words.Quote(dir)
	}
	return ""
}

// planned expands the study that the command names, and checks the data that
// it needs. dir is where that lies, "" for the usual places.
func planned(c *cli.Context) (p *ablations.Plan, dir string, err error) {
	name, err := only(c, "a study")
	if err != nil {
		return nil, "", err
	}
	study, err := loadStudy(name, c.StringSlice("set"))
	if err != nil {
		return nil, "", err
	}
	if dir, err = dataDir(c); err != nil {
		return nil, "", err
	}
	if p, err = newPlan(study, dir); err != nil {
		return nil, "", err
	}
	return p, dir, checkData(study, dir)
}

// newPlan expands the study for the embedded trainer.
func newPlan(study *ablations.Study, dataDir string) (*ablations.Plan, error) {
	fingerprint := func(d config.Data) (string, error) { return data.Fingerprint(d.Name, dataDir) }
	return ablations.NewPlan(study, fingerprint, trainer.Version)
}

// checkData loads every dataset once: a damaged file, or one with too few
// images, is better found now than by the runs at night.
func checkData(study *ablations.Study, dataDir string) error {
	type images struct{ train, test int }
	loaded := map[config.Data]images{}
	for _, cell := range study.Cells {
		c, err := cell.Settings.Config()
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

// display shows what the scheduler does until it is closed.
type display interface {
	orchestrator.Display
	close()
}

func newDisplay(w io.Writer) display {
	if terminal(w) > 0 && os.Getenv("TERM") != "dumb" {
		return newBars(w)
	}
	return newLines(w)
}
