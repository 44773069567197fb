package trainer

import (
	"fmt"
	"strings"
	"time"
)

// What a run's time goes into.
const (
	inSetup        = "setup" // data, graphs and the checkpoint that it goes on from
	inAugmentation = "augmentation"
	inStep         = "step" // the networks both ways, and the update
	inProbes       = "probes"
	inCheckpoints  = "checkpoints"
	inLogging      = "logging"
)

// TimesEvent begins the event that a run ends with, which says what its time
// went into.
const TimesEvent = "time: "

// clock adds up what a run's time goes into.
type clock struct {
	begun, since time.Time
	doing        string
	spent        map[string]time.Duration
}

func newClock() *clock {
	now := time.Now()
	return &clock{begun: now, since: now, doing: inSetup, spent: make(map[string]time.Duration)}
}

// turn says what the time goes into from now on, and returns what it went into
// until now.
func (c *clock) turn(to string) (from string) {
	now := time.Now()
	c.spent[c.doing] += now.Sub(c.since)
	from, c.doing, c.since = c.doing, to, now
	return from
}

// String gives the shares of all the time until now.
func (c *clock) String() string {
	c.turn(c.doing)
	all := c.since.Sub(c.begun).Seconds()
	var parts []string
	for _, what := range []string{inStep, inAugmentation, inProbes, inCheckpoints, inLogging, inSetup} {
		parts = append(parts, fmt.Sprintf("%s %.1f %%", what, 100*c.spent[what].Seconds()/all))
	}
	return fmt.Sprintf("%s%.1f s; %s", TimesEvent, all, strings.Join(parts, ", "))
}
