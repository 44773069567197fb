package cli

import (
	"github.com/urfave/cli/v2"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:      "bench",
		Usage:     "measure what ablate achieves on this machine",
		UsageText: "ablate bench trainer|scheduler|store [FLAGS]",
		Subcommands: []*cli.Command{
			benchTrainerCommand(),
			benchSchedulerCommand(),
			benchStoreCommand(),
		},
		Action: func(c *cli.Context) error {
			return usagef("bench needs to know what to measure: %s", c.Command.UsageText)
		},
	}
}
