package cli

import (
	"slices"
	"strings"
	"testing"

	"ablate/trainer"

	"github.com/urfave/cli/v2"
)

// Only what processes did while all of them were at work counts.
func TestJointRate(t *testing.T) {
	speed := func(times ...float64) trainerSpeed {
		return trainerSpeed{measured{Batch: 10}, trainer.Speed{Times: times}}
	}
	// Together from 2 to 6: one step a second (the slow ones before and after
	// do not count), and two steps in three seconds.
	rate, err := jointRate([]trainerSpeed{speed(0, 2, 3, 4, 5, 6, 9), speed(2, 3.5, 5, 6.5)})
	if want := 10.0 + 20.0/3; err != nil || rate != want {
		t.Errorf("%g images/s, %v; want %g", rate, err, want)
	}
	if rate, err := jointRate([]trainerSpeed{speed(0, 1, 2), speed(1.5, 2.5, 3.5)}); err == nil {
		t.Errorf("%g images/s of processes without a whole step side by side", rate)
	}
}

// A norm is measured once, however often and carelessly it is named.
func TestBenchNorms(t *testing.T) {
	for args, want := range map[string][]string{
		"":                             {""},
		"--norm=bn,bn,":                {"bn"},
		"--norm=ln,bn --norm=gn+ws,ln": {"ln", "bn", "gn+ws"},
	} {
		command := benchTrainerCommand()
		command.Action = func(c *cli.Context) error {
			if got := benchNorms(c); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", args, got, want)
			}
			return nil
		}
		app := &cli.App{Commands: []*cli.Command{command}, DisableSliceFlagSeparator: true}
		words := append([]string{"ablate", "trainer"}, strings.Fields(args)...)
		if err := app.Run(words); err != nil {
			t.Error(err)
		}
	}
}
