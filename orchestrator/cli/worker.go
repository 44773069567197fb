package cli

import (
	"context"
	"io"
	"os"

	"ablate/orchestrator/worker"
	"ablate/trainer"
	"ablate/trainer/kernel"

	"github.com/urfave/cli/v2"
)

// workerCommand is what engines start; people do not.
func workerCommand() *cli.Command {
	return &cli.Command{
		Name:      "worker",
		Usage:     "make one attempt at a run",
		UsageText: "ablate worker RUNDIR",
		Hidden:    true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "token", Usage: "goes into the attempt's claim"},
			&cli.BoolFlag{Name: "leash", Usage: "stop when standard input ends"},
			&cli.Int64Flag{Name: "memory", Usage: "take no more than `N` bytes, nor let a program that it starts"},
		},
		Action: work,
	}
}

func work(c *cli.Context) error {
	runDir, err := only(c, "a run's folder")
	if err != nil {
		return err
	}
	if n := c.Int64("memory"); n > 0 {
		if err := worker.LimitMemory(n); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	if c.Bool("leash") {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	w := worker.Worker{Train: worker.Embedded(trainer.Run), Kernels: kernel.Name(), Token: c.String("token"), Claimed: worker.RedirectStderr}
	if err = w.Run(ctx, runDir); err != nil {
		return exitError{worker.ExitCode(err), err.Error()}
	}
	return nil
}
