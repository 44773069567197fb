package trainer

import (
	"math/rand/v2"
	"testing"

	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
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
			m := &net.Model[float32]{Config: c, Height: 32, Width: 32, Channels: 3,
				Random: func(name string) *rand.Rand { return data.Stream(1, name) }}
			views := make([]float32, 2*c.Batch*32*32*3)
			r := rand.New(rand.NewPCG(1, 1))
			for i := range views {
				views[i] = float32(r.NormFloat64())
			}
			k, online := kernel.Best[float32](), net.NewWeights[float32]()
			if err := m.Calibrate(k, online, views, 2*c.Batch); err != nil {
				b.Fatal(err)
			}
			target := online.Target()
			s, err := newStep(m, k, online, target)
			if err != nil {
				b.Fatal(err)
			}
			defer s.close()
			copy(s.views, views)
			o := newOptimizer[float32](c.Optimizer, online)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.run(); err != nil {
					b.Fatal(err)
				}
				o.update(online, s.grads, 0.05, 0)
				follow(target, online, 0.99)
			}
			b.ReportMetric(float64(b.N*c.Batch)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
