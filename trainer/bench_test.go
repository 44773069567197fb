package trainer

import (
	"testing"

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
