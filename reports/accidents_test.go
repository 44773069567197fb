package reports

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/reports/stats"
	"ablate/results"
	"ablate/results/journal"
)

// Accidents that befell others' statistics. (Those that take many draws to show
// are with the simulations, the quantile of a fixed number of seeds is in stats,
// and averages over mixed runs are where they are refused.)

// A run's points are one seed's, however many there are: n counts seeds.
func TestPointsAreNotSeeds(t *testing.T) {
	text := strings.Replace(studyText, "seeds = 2", "seeds = 3", 1)
	store, stored := storeOf(t, text, func(_ string, seed int, w *journal.Writer) results.Outcome {
		journalOf(t, w, "onednn", 30, 50+float64(seed*seed), 0.8) // which probes three times, and has 20 losses
		return results.Completed
	})
	r, err := Build(store, stored)
	if err != nil {
		t.Fatal(err)
	}
	want := stats.Mean([]float64{51, 54, 59})
	low, high := want.Interval(0.95)
	for _, c := range r.Cells {
		m := c.Metrics["linear_top1"]
		if len(m.Values) != 3 || !near(m.Mean, want.Mean) || !near(m.Low, low) || !near(m.High, high) {
			t.Errorf("%s: %+v, want %v [%v, %v] of 3 values", c.Name, m, want.Mean, low, high)
		}
	}
	if p := r.Claims[0].Parts[0]; p.N != 3 {
		t.Errorf("n = %d, want 3: %s", p.N, p.Says)
	}
}

func near(got Number, want float64) bool { return math.Abs(float64(got)-want) < 1e-9 }

// A seed that is listed twice would count twice.
func TestASeedCannotCountTwice(t *testing.T) {
	text := strings.Replace(studyText, "seeds = 2", "seeds = [1, 2, 2]", 1)
	if _, err := ablations.Parse("norms.toml", []byte(text), nil); err == nil || !strings.Contains(err.Error(), "seed 2 is listed twice") {
		t.Errorf("seeds 1, 2, 2: %v", err)
	}
}

// A trainer that ignores its seed makes one run many times. However many, and by
// whichever test, it is no evidence of any size.
func TestOneRunManyTimesIsNoEvidence(t *testing.T) {
	const seeds = 12
	for _, test := range ablations.Tests {
		same := world{means: []float64{73.12, 70.45}, seeds: seeds} // without luck or spread
		study, runs := same.study(rand.New(rand.NewPCG(1, 1)), test, claim(above(0, 1, 0)), claim(within(0, 1, 50)))
		for _, c := range newReport(study, runs).Claims {
			if p := c.Parts[0]; c.Verdict != Inconclusive || p.N != seeds || p.P.known() || !strings.Contains(p.Says, "the same for every seed") {
				t.Errorf("%s: %s: %s", test, c.Verdict, p.Says)
			}
		}
	}
}
