package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/engine/local"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func benchSchedulerCommand() *cli.Command {
	return &cli.Command{
		Name:      "scheduler",
		Usage:     "measure what executing a run costs besides its training",
		UsageText: "ablate bench scheduler [--runs N] [--jobs N] [--json]",
		Description: "Executes runs whose trainer is the program \"true\", which does nothing, in a store\n" +
			"of its own that lies in the folder for temporary files (TMPDIR) and is removed\n" +
			"afterwards. Every run is started, journaled and stored as any other.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "runs", Value: 1000, Usage: "execute `N` runs"},
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Usage: "`N` runs at a time", DefaultText: "the number of cores"},
			jsonFlag(),
		},
		Action: benchScheduler,
	}
}

type benchSchedulerJSON struct {
	Runs          int     `json:"runs"`                   // executed
	Jobs          int     `json:"jobs"`                   // at a time
	Seconds       float64 `json:"seconds"`                // from the first to the last
	RunsPerSecond float64 `json:"runs_per_second"`        // runs / seconds
	HeadCPU       float64 `json:"head_cpu_ms_per_run"`    // processor time of the head, user and system
	WorkersCPU    float64 `json:"workers_cpu_ms_per_run"` // of the workers and their trainers
	CPU           string  `json:"cpu"`                    // processor with its vector extension
	Version       string  `json:"version"`                // of ablate
}

func benchScheduler(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	runs, jobs := c.Int("runs"), physicalCores()
	if c.IsSet("jobs") {
		jobs = c.Int("jobs")
	}
	if runs < 1 || jobs < 1 {
		return usagef("--runs and --jobs must be at least 1")
	}
	dir, err := os.MkdirTemp("", "ablate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	measured, err := scheduleNothing(c.Context, dir, runs, jobs)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, measured)
	}
	fmt.Fprintf(c.App.Writer, "%s of nothing, %d at a time: %.0f runs/s, %.1f ms of the head's processor time a run, %.1f ms of the workers'\n%s\n",
		words.Plural(measured.Runs, "run"), measured.Jobs, measured.RunsPerSecond, measured.HeadCPU, measured.WorkersCPU, measured.CPU)
	return nil
}

// scheduleNothing executes runs of a trainer that does nothing, in a store in
// dir.
func scheduleNothing(ctx context.Context, dir string, runs, jobs int) (m benchSchedulerJSON, err error) {
	text := fmt.Sprintf("name = \"nothing\"\nseeds = %d\n[trainer]\ncommand = [\"true\"]\nfiles = []\n", runs)
	study, err := ablations.Parse(filepath.Join(dir, "nothing.toml"), []byte(text), nil)
	if err != nil {
		return m, err
	}
	plan, err := newPlan(study, "")
	if err != nil {
		return m, err
	}
	store, err := results.Open(filepath.Join(dir, "store"))
	if err != nil {
		return m, err
	}
	defer store.Close()
	s := orchestrator.Scheduler{
		Store: store, Dir: filepath.Join(dir, "store"), Engine: local.Self(), Display: silent{}, Kill: killed(ctx),
		Options: orchestrator.Options{Jobs: jobs},
	}
	stored, err := orchestrator.Record(store, s.Dir, plan, func(string) {})
	if err != nil {
		return m, err
	}
	head, workers := processorTime(syscall.RUSAGE_SELF), processorTime(syscall.RUSAGE_CHILDREN)
	summary, err := s.Run(ctx, stored)
	switch {
	case err != nil:
		return m, err
	case summary.Stopped == orchestrator.Interrupted:
		return m, exitError{code: exitInterrupted}
	case summary.Done != runs:
		return m, fmt.Errorf("%d of %d runs have a result; the first failure: %s", summary.Done, runs, firstFailure(summary))
	}
	perRun := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(runs) }
	return benchSchedulerJSON{
		Runs: runs, Jobs: jobs, Seconds: summary.Took.Seconds(), RunsPerSecond: float64(runs) / summary.Took.Seconds(),
		HeadCPU:    perRun(processorTime(syscall.RUSAGE_SELF) - head),
		WorkersCPU: perRun(processorTime(syscall.RUSAGE_CHILDREN) - workers),
		CPU:        worker.CPU(), Version: worker.Version(),
	}, nil
}

func firstFailure(s orchestrator.Summary) string {
	if len(s.Failed) == 0 {
		return "none"
	}
	return s.Failed[0].Reason
}

// processorTime is what this process, or its children that have ended, have
// had of the processor.
func processorTime(who int) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(who, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// silent shows nothing.
type silent struct{}

func (silent) Begin(orchestrator.Status)                          {}
func (silent) Progress([]orchestrator.Status, orchestrator.Total) {}
func (silent) End(orchestrator.Status, orchestrator.End)          {}
func (silent) Idle(orchestrator.Status)                           {}
func (silent) Say(string)                                         {}
