package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ablate/orchestrator"
	"ablate/results"

	"github.com/vbauerster/mpb/v8"
)

// play shows a display two runs: one that ends and one that does not.
func play(d display) {
	first := orchestrator.Status{ID: "1", Cell: "bn", Seed: 1, Attempt: 1}
	second := orchestrator.Status{ID: "2", Cell: "none", Seed: 1, Attempt: 2}
	total := orchestrator.Total{Done: 3, All: 8, Left: -1}
	d.Begin(first)
	d.Begin(second)
	for step := int64(0); step <= 100; step += 4 {
		first.Step, first.Steps, first.Phase, first.ImagesPerSecond = step, 100, "train", 1234.5
		d.Progress([]orchestrator.Status{first, second}, total)
	}
	d.End(first, orchestrator.End{Outcome: results.Collapsed, Reason: "z_std", Took: 65 * time.Second,
		Total: orchestrator.Total{Done: 4, All: 8, Left: 3 * time.Hour}})
	d.Idle(second)
	d.Say("something")
	d.End(second, orchestrator.End{Outcome: results.Failed, Reason: "no luck", Took: time.Second, Total: orchestrator.Total{Done: 8, All: 8}})
	d.close()
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	play(newLines(&out))
	want := `bn seed 1: started
none seed 1: started, attempt 2
bn seed 1: train,  12 %, 1234 images/s; 3/8 runs done
bn seed 1: train,  24 %, 1234 images/s; 3/8 runs done
bn seed 1: train,  36 %, 1234 images/s; 3/8 runs done
bn seed 1: train,  48 %, 1234 images/s; 3/8 runs done
bn seed 1: train,  60 %, 1234 images/s; 3/8 runs done
bn seed 1: train,  72 %, 1234 images/s; 3/8 runs done
bn seed 1: train,  84 %, 1234 images/s; 3/8 runs done
bn seed 1: train,  96 %, 1234 images/s; 3/8 runs done
bn seed 1: collapsed after 1 min 05 s; 4/8 runs done, about 3 h 00 min left
ablate: something
none seed 1: failed after 1.0 s (no luck); 8/8 runs done
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Why a run has no value is said with its end.
func TestEnding(t *testing.T) {
	for outcome, want := range map[results.Outcome]string{
		results.Completed: "completed after 1.0 s",
		results.Collapsed: "collapsed after 1.0 s",
		results.Diverged:  "diverged after 1.0 s (because)",
		results.Failed:    "failed after 1.0 s (because)",
		results.TimedOut:  "timed out after 1.0 s (because)",
	} {
		if got := ending(orchestrator.End{Outcome: outcome, Reason: "because", Took: time.Second}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What a run does next, nobody knows between its phases; its speed is that of
// the training.
func TestLinesPhases(t *testing.T) {
	for phase, want := range map[string]string{
		"":         "bn seed 1:  50 %; 0/1 run done\n",
		"train":    "bn seed 1: train,  50 %, 2843 images/s; 0/1 run done\n",
		"evaluate": "bn seed 1: evaluate,  50 %; 0/1 run done\n",
	} {
		var out bytes.Buffer
		l := newLines(&out)
		s := orchestrator.Status{ID: "1", Cell: "bn", Seed: 1, Phase: phase, Step: 1, Steps: 2, ImagesPerSecond: 2843}
		l.shown[s.ID] = mark{at: time.Now()}
		l.Progress([]orchestrator.Status{s}, orchestrator.Total{All: 1, Left: -1})
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}

func TestBars(t *testing.T) {
	var out bytes.Buffer
	play(newBars(&out, mpb.ForceAutoRefresh(), mpb.WithRefreshRate(5*time.Millisecond)))
	text := out.String()
	for _, want := range []string{
		"bn seed 1: collapsed after 1 min 05 s\n",
		"ablate: something\n",
		"none seed 1: failed after 1.0 s (no luck)\n",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q does not have %q once", text, want)
		}
	}
}

func TestStored(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"", "", true},
		{"", "a=1", false},
		{"a=1 b=2", "b=2 a=1", true},
		{"a=1 b=2", "a=1", false},
		{"a=1", "a=2", false},
	} {
		if got := equalSets(strings.Fields(test.a), strings.Fields(test.b)); got != test.same {
			t.Errorf("equalSets(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

func TestSummaryLine(t *testing.T) {
	for total, want := range map[int]string{1: "tiny: 1 of 1 run has a result; 2.0 s", 2: "tiny: 1 of 2 runs have a result; 2.0 s"} {
		if got := summaryLine("tiny", orchestrator.Summary{Total: total, Done: 1, Took: 2 * time.Second}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestStatusSaysWhatIsLeft(t *testing.T) {
	left := 125.0
	for want, left := range map[string]*float64{"s: 2 runs: 2 running, about 2 min 05 s left\n": &left, "s: 2 runs: 2 running\n": nil} {
		var b strings.Builder
		if err := printStatus(&b, statusJSON{Study: "s", Total: 2, Counts: map[string]int{"running": 2}, Left: left}); err != nil || !strings.HasPrefix(b.String(), want) {
			t.Errorf("it says %q, %v, want %q", b.String(), err, want)
		}
	}
}
