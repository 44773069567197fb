package trainer

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"ablate/trainer/config"
)

// Every moment counts for one thing, and what interrupts another gives back.
func TestClock(t *testing.T) {
	c := newClock()
	back := func(d time.Duration) { c.begun, c.since = c.begun.Add(-d), c.since.Add(-d) } // as if d had passed
	back(time.Hour)
	c.turn(inStep)
	back(6 * time.Hour)
	func() {
		defer c.turn(c.turn(inProbes))
		back(2 * time.Hour)
	}()
	back(time.Hour)
	const want = "step 70.0 %, augmentation 0.0 %, probes 20.0 %, checkpoints 0.0 %, logging 0.0 %, setup 10.0 %"
	if got := c.String(); !strings.HasPrefix(got, "time: 36000.") || !strings.HasSuffix(got, "; "+want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A run tells at its end what its time went into, which is something of each
// kind.
func TestRunTellsItsTime(t *testing.T) {
	r, err := newRun(Job{Config: small(config.NormBN), Seed: 3, Checkpoints: t.TempDir()}, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if _, err := r.loop(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{inSetup, inAugmentation, inStep, inProbes, inCheckpoints, inLogging} {
		if r.clock.spent[what] == 0 {
			t.Errorf("no time went into %s: %s", what, r.clock)
		}
	}

	rec := newRecord()
	rec.finish(t, small(config.NormBN), t.TempDir())
	told := regexp.MustCompile(`^time: [0-9.]+ s; step [0-9.]+ %, .*, setup [0-9.]+ %$`)
	if len(rec.events) != 1 || !told.MatchString(rec.events[0]) {
		t.Errorf("events: %q", rec.events)
	}
}
