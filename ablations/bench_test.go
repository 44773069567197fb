package ablations

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"ablate/trainer/config"
)

// bigStudy has 100 x 100 x tenths cells, no two of them equal.
func bigStudy(tenths, seeds int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "name = \"big\"\nseeds = %d\nexclude = [{ epochs = 1, optimizer.lr = 0.02 }]\n[axes]\nepochs = [", seeds)
	for i := range 100 {
		fmt.Fprintf(&b, "%d, ", i+1)
	}
	b.WriteString("]\noptimizer.lr = [")
	for i := range 100 {
		fmt.Fprintf(&b, "%d.0e-2, ", i+1)
	}
	b.WriteString("]\ntarget.tau = [")
	for i := range tenths {
		fmt.Fprintf(&b, "0.%d, ", i)
	}
	b.WriteString("]\n")
	return []byte(b.String())
}

// BenchmarkBigStudy takes a study of 100,000 runs from text to identities,
// which should stay under a second and 200 MiB. The last case, every run a cell
// of its own, is the exception: 2.4 KiB of settings a cell are most of it.
func BenchmarkBigStudy(b *testing.B) {
	for _, c := range []struct{ tenths, seeds int }{{1, 10}, {2, 5}, {10, 1}} {
		b.Run(fmt.Sprintf("cells=%d/seeds=%d", 10_000*c.tenths, c.seeds), func(b *testing.B) {
			text := bigStudy(c.tenths, c.seeds)
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
