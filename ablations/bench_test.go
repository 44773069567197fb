package ablations

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"ablate/trainer/config"
)

// bigStudy has 10 levels on each of some axes, no two cells of which are equal.
func bigStudy(axes, seeds int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "name = \"big\"\nseeds = %d\n[axes]\n", seeds)
	for _, key := range []string{"optimizer.lr", "optimizer.weight_decay", "target.tau", "augment.flip", "augment.grayscale"}[:axes] {
		fmt.Fprintf(&b, "%s = [", key)
		for i := range 10 {
			fmt.Fprintf(&b, "%d.0e-2, ", i+1)
		}
		b.WriteString("]\n")
	}
	return []byte(b.String())
}

// BenchmarkBigStudy takes a study of 100,000 runs from text to identities,
// which should stay under a second and 200 MiB.
func BenchmarkBigStudy(b *testing.B) {
	for _, c := range []struct{ axes, seeds int }{{5, 1}, {4, 10}, {3, 100}} {
		b.Run(fmt.Sprintf("axes=%d/seeds=%d", c.axes, c.seeds), func(b *testing.B) {
			text := bigStudy(c.axes, c.seeds)
			var plan *Plan
			for b.Loop() {
				s, err := Parse("big.toml", text, nil)
				if err != nil {
					b.Fatal(err)
				}
				if plan, err = NewPlan(s, fakeHash, "1"); err != nil {
					b.Fatal(err)
				}
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-peak")
			b.ReportMetric(float64(len(plan.Runs)), "runs")
		})
	}
}

func fakeHash(d config.Data) (string, error) { return "hash of " + d.Name, nil }
