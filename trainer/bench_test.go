package trainer

import (
	"math"
	"testing"
	"time"

	"ablate/trainer/config"
)

// BenchmarkStep measures whole BYOL steps, update included, at the size that
// comparisons with other frameworks use: resnet8 of width 32, 128 images of
// 32x32x3. An image counts once, for both its views.
func BenchmarkStep(b *testing.B) {
	for _, norm := range []string{config.NormBN, config.NormLN, config.NormNone, config.NormInit, config.NormGNWS} {
		b.Run(norm, func(b *testing.B) {
			c := config.Config{
				Encoder:   config.Encoder{Arch: "resnet8", Width: 32},
				Norm:      config.Norm{Encoder: norm, Projector: norm, Predictor: norm},
				Heads:     config.Heads{Hidden: 512, Out: 128},
				Predictor: true,
				Batch:     128,
				Optimizer: config.Optimizer{Name: "sgd", LR: 0.05, Momentum: 0.9, WeightDecay: 1e-5},
				Target:    config.Target{Tau: 0.99, Schedule: "constant", StopGradient: true},
			}
			s, err := newBench(c, 32)
			if err != nil {
				b.Fatal(err)
			}
			defer s.step.close()
			b.ReportAllocs()
			for b.Loop() {
				if err := s.once(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*c.Batch)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// TestBenchAddsUp: the ops' times are the whole step, together with what is
// spent between them.
func TestBenchAddsUp(t *testing.T) {
	const steps = 3
	s, err := Bench(small(config.NormBN), 8, steps, func() {})
	if err != nil {
		t.Fatal(err)
	}
	sum, other := 0.0, 0.0
	for _, o := range s.Ops {
		sum += o.Seconds
		if o.Name == "other" {
			other = o.Seconds
		}
	}
	if whole := (s.Times[steps] - s.Times[0]) / steps; math.Abs(sum-whole) > 5e-6 || other <= 0 {
		t.Errorf("the ops take %g s, %g of it other, the step takes %g s", sum, other, whole)
	}
}

// TestMedianGap: of an even number, the median lies between the middle two.
func TestMedianGap(t *testing.T) {
	at := func(ms ...int) (times []time.Time) {
		for _, m := range ms {
			times = append(times, time.UnixMilli(int64(m)))
		}
		return times
	}
	if got := medianGap(at(0, 10, 50, 70, 170)); got != 30*time.Millisecond {
		t.Errorf("of 10, 40, 20 and 100 ms it is %v", got)
	}
	if got := medianGap(at(0, 10, 50, 70)); got != 20*time.Millisecond {
		t.Errorf("of 10, 40 and 20 ms it is %v", got)
	}
}
