package cli

import (
	"strings"
	"time"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/trainer"

	"github.com/urfave/cli/v2"
)

// optionFlags say how runs are executed; the queue keeps them with a study.
func optionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Usage: "`N` runs at a time, each on one core", DefaultText: "the number of cores, or of GPUs"},
		&cli.IntFlag{Name: "retries", Value: 1, Usage: "`N` further attempts at a run that crashes"},
		&cli.DurationFlag{Name: "timeout", Usage: "end a run that has been at work for longer than `TIME`, as in 90m or 2h", DefaultText: "what the study says"},
		&cli.StringFlag{Name: "memory", Usage: "let a run take `SIZE` at most, as in 4GiB", DefaultText: "what the study says"},
		&cli.BoolFlag{Name: "fail-fast", Usage: "stop everything when a run has failed for good"},
		&cli.StringFlag{Name: "gpus", Usage: "a run at a time on each GPU of `LIST`, as in 0,1; for trainers of one's own"},
		&cli.DurationFlag{Name: "checkpoint-every", Value: trainer.DefaultSaveEvery, DefaultText: "10m",
			Usage: "save a run at least every `TIME`, as in 90s or 5m, besides at its epochs' ends"},
		dataFlag(),
	}
}

// options reads the flags of optionFlags. What they do not say, the study may.
func options(c *cli.Context, study *ablations.Study) (orchestrator.Options, error) {
	o := orchestrator.Options{
		Jobs: c.Int("jobs"), Retries: c.Int("retries"), FailFast: c.Bool("fail-fast"), SaveEvery: c.Duration("checkpoint-every"),
		Timeout: study.Timeout, Memory: study.Memory,
	}
	if list := c.String("gpus"); list != "" {
		o.GPUs = strings.Split(list, ",")
	}
	if !c.IsSet("jobs") {
		o.Jobs = physicalCores()
		if len(o.GPUs) > 0 {
			o.Jobs = len(o.GPUs)
		}
	}
	if c.IsSet("timeout") {
		o.Timeout = c.Duration("timeout")
	}
	if size := c.String("memory"); size != "" {
		var err error
		if o.Memory, err = ablations.ParseMemory(size); err != nil {
			return o, usagef("--memory: %v", err)
		}
	}
	var err error
	if o.DataDir, err = dataDir(c); err != nil {
		return o, err
	}
	return o, checkOptions(c, study, o)
}

func checkOptions(c *cli.Context, study *ablations.Study, o orchestrator.Options) error {
	switch {
	case o.Jobs < 1 || o.Retries < 0:
		return usagef("--jobs must be at least 1 and --retries at least 0")
	case o.SaveEvery <= 0:
		return usagef("--checkpoint-every must be above 0, as in 90s or 5m")
	case c.IsSet("timeout") && o.Timeout <= 0:
		return usagef("--timeout must be above 0, as in 90m or 2h")
	case len(o.GPUs) > 0 && study.Trainer == nil:
		return usagef("--gpus is for studies with a trainer of their own; the embedded one computes on processor cores")
	case len(o.GPUs) > 0 && o.Jobs > len(o.GPUs):
		return usagef("--jobs %d is more than --gpus has; name a GPU twice to let two runs share it", o.Jobs)
	}
	for _, gpu := range o.GPUs {
		if strings.TrimSpace(gpu) != gpu || gpu == "" {
			return usagef("--gpus must be numbers or names of GPUs with commas between, as in 0,1")
		}
	}
	return nil
}

// untilFlags bound the time in which runs are executed.
func untilFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "until", Usage: "have all work saved and stopped at `TIME`, as in 08:00; a seed is begun only if\n\tall its runs will have ended"},
		&cli.BoolFlag{Name: "fill", Usage: "use what is left of that time for single runs"},
	}
}

// until reads --until: a time of the day, the next there is, or of a date.
func until(c *cli.Context, now time.Time) (time.Time, error) {
	text := c.String("until")
	if text == "" {
		if c.Bool("fill") {
			return time.Time{}, usagef("--fill needs --until")
		}
		return time.Time{}, nil
	}
	if clock, err := orchestrator.ParseClock(text); err == nil {
		return clock.Next(now), nil
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			if !t.After(now) {
				return t, usagef("--until %s is in the past", text)
			}
			return t, nil
		}
	}
	return time.Time{}, usagef("--until must be a time of the day, as in 08:00, or of a date, as in \"2026-03-01 08:00\", not %q", text)
}
