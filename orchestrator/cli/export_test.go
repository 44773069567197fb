package cli

import (
	"strings"
	"testing"

	"ablate/results"
)

func TestOnlyTrainedEncodersAreExported(t *testing.T) {
	for _, c := range []struct {
		run  results.Run
		want string
	}{
		{results.Run{Step: 3, Steps: 8}, "it is at step 3 of 8; finish it first"},
		{results.Run{Outcome: results.Failed, Reason: "no memory"}, "its outcome is failed: no memory"},
		{results.Run{Outcome: results.TimedOut, Reason: "too slow"}, "its outcome is timed out: too slow"},
		{results.Run{Outcome: results.Diverged, Reason: "NaN"}, "its outcome is diverged: NaN"},
	} {
		if _, err := encoderOf(&c.run, t.TempDir()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: the error is %v, want %q", c.run, err, c.want)
		}
	}
}
