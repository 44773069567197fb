package net

import (
	"math"
	"slices"
	"strings"

	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/op"
)

// Calibrate makes the online network's initial weights from one pass over
// images [N, H, W, C], N of them, with batch norm in the place of every init
// norm and gamma_0 applied. From the statistics of that pass,
//
//   - every init norm gets scale = gamma_0/sigma and bias = -mu*scale, with
//     sigma = sqrt(var + eps): on these images the network computes just what
//     the batch-normalized one did (paper, section 3.2);
//   - every batch norm gets its first running statistics, without which an
//     untrained network would be evaluated as one without normalization.
func (m *Model[T]) Calibrate(k kernel.Set[T], w *Weights[T], images []T, n int) error {
	stats := make(map[string]statistics[T])
	g := NewGraph(k)
	x := g.Input("images", images, n, m.Height, m.Width, m.Channels)
	b := m.builder(g, "", w, Calibrate, func(name string, mean, m2 []T, rows int) {
		stats[name] = statistics[T]{slices.Clone(mean), slices.Clone(m2), rows}
	})
	b.predict(b.build(x))
	if err := g.Compile(); err != nil {
		return err
	}
	defer g.Close()
	if err := g.Run(); err != nil {
		return err
	}
	for _, t := range w.All() { // in a fixed order, since it adds tensors
		name, isScale := strings.CutSuffix(t.Name, "/scale")
		s, ok := stats[name]
		if !isScale || !ok {
			continue
		}
		if m.normOf(name) == config.NormInit {
			s.compensate(t.Data, w.Get(name+"/bias").Data)
		} else {
			s.start(w, name, t.Shape)
		}
	}
	return nil
}

// normOf is the normalization of the component that a tensor belongs to.
func (m *Model[T]) normOf(name string) string {
	switch component, _, _ := strings.Cut(name, "/"); component {
	case "encoder":
		return m.Config.Norm.Encoder
	case "projector":
		return m.Config.Norm.Projector
	default:
		return m.Config.Norm.Predictor
	}
}

// statistics of one norm over a batch.
type statistics[T kernel.Float] struct {
	mean, m2 []T
	rows     int
}

func (s statistics[T]) compensate(scale, bias []T) {
	for c := range scale {
		sigma := math.Sqrt(float64(s.m2[c])/float64(s.rows) + op.NormEps)
		gamma := float64(scale[c]) / sigma
		scale[c] = T(gamma)
		bias[c] = T(-float64(s.mean[c]) * gamma)
	}
}

func (s statistics[T]) start(w *Weights[T], name string, shape []int) {
	mean, variance := runningStatistics(w, name, shape)
	copy(mean, s.mean)
	for c := range variance {
		variance[c] = unbiased(s.m2[c], s.rows)
	}
}
