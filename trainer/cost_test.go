package trainer

import (
	"math"
	"testing"

	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
)

// measured is a run, and the processor time that it took on one core of an AMD
// EPYC with oneDNN.
type measured struct {
	cifar                       bool // CIFAR-10, else Fashion-MNIST
	norm                        string
	width, batch, epochs, every int
	train, test                 int
	seconds                     float64
}

var measuredRuns = []measured{
	{false, "bn", 8, 64, 1, 1, 1500, 1000, 3.12},
	{false, "bn", 8, 64, 3, 1, 1500, 1000, 5.64},
	{false, "bn", 16, 64, 1, 1, 1500, 1000, 5.53},
	{false, "bn", 16, 128, 2, 2, 1500, 1000, 8.04},
	{false, "bn", 16, 16, 1, 1, 1500, 1000, 5.25},
	{false, "ln", 16, 64, 1, 1, 1500, 1000, 4.91},
	{false, "none", 16, 64, 1, 1, 1500, 1000, 4.26},
	{false, "gn+ws", 16, 64, 1, 1, 1500, 1000, 5.50},
	{false, "init", 16, 64, 1, 1, 1500, 1000, 4.95},
	{false, "bn", 32, 64, 1, 1, 1000, 500, 8.75},
	{false, "none", 32, 64, 1, 1, 1000, 500, 8.34},
	{false, "gn+ws", 32, 32, 1, 1, 1000, 500, 9.94},
	{true, "bn", 16, 64, 1, 1, 1000, 500, 5.61},
}

func costed(t *testing.T, over config.Settings) config.Config {
	t.Helper()
	s, problems := config.Resolve(config.Settings{"optimizer.name": "lars"}.Merge(over))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (m measured) cost(t *testing.T) float64 {
	c := costed(t, config.Settings{"norm": m.norm, "encoder.width": int64(m.width), "batch": int64(m.batch),
		"epochs": int64(m.epochs), "probe.every": int64(m.every)})
	if m.cifar {
		return Cost(c, m.train, m.test, 32, 32, 3)
	}
	return Cost(c, m.train, m.test, 28, 28, 1)
}

// From what one run took, the cost tells what another takes within a factor of
// 1.5, over widths, batches, epochs and norms.
func TestCostIsThatOfMeasuredRuns(t *testing.T) {
	var rates []float64
	for _, m := range measuredRuns {
		rates = append(rates, m.cost(t)/m.seconds)
	}
	for i, a := range rates {
		for j, b := range rates {
			if a/b > 1.5 {
				t.Errorf("from %+v, %+v seems to take %.2f times as long as it does", measuredRuns[j], measuredRuns[i], a/b)
			}
		}
	}
}

func TestCostGrows(t *testing.T) {
	of := func(over config.Settings, train int) float64 { return Cost(costed(t, over), train, 1000, 32, 32, 3) }
	base := of(nil, 5000)
	for name, more := range map[string]float64{
		"epochs":       of(config.Settings{"epochs": int64(21)}, 5000),
		"images":       of(nil, 5128),
		"width":        of(config.Settings{"encoder.width": int64(17)}, 5000),
		"depth":        of(config.Settings{"encoder.arch": "resnet14"}, 5000),
		"stages":       of(config.Settings{"encoder.arch": "resnet18"}, 5000),
		"hidden":       of(config.Settings{"heads.hidden": int64(512)}, 5000),
		"classes":      of(config.Settings{"data.name": "cifar100"}, 5000),
		"probe images": of(config.Settings{"probe.images": int64(1001)}, 5000),
		"test images":  Cost(costed(t, nil), 5000, 1001, 32, 32, 3),
		"size":         Cost(costed(t, nil), 5000, 1000, 33, 32, 3),
	} {
		if more <= base {
			t.Errorf("more %s: %.4g in place of %.4g", name, more, base)
		}
	}
	for name, less := range map[string]float64{
		"predictor": of(config.Settings{"predictor": false}, 5000),
		"target":    of(config.Settings{"target.stop_gradient": false}, 5000),
		"probes":    of(config.Settings{"probe.every": int64(2)}, 5000),
		"norm":      of(config.Settings{"norm": "none"}, 5000),
	} {
		if less >= base {
			t.Errorf("without %s: %.4g in place of %.4g", name, less, base)
		}
	}
	// A long run is all steps: twice the epochs are twice the work.
	if ratio := of(config.Settings{"epochs": int64(2000)}, 5000) / of(config.Settings{"epochs": int64(1000)}, 5000); math.Abs(ratio-2) > 0.02 {
		t.Errorf("twice the epochs are %.3f times the work", ratio)
	}
	// A wide one is all convolutions: twice the width are four times the work.
	wide := of(config.Settings{"encoder.width": int64(512)}, 5000)
	if ratio := of(config.Settings{"encoder.width": int64(1024)}, 5000) / wide; math.Abs(ratio-4) > 0.2 {
		t.Errorf("twice the width are %.3f times the work", ratio)
	}
}

// The multiply-adds are those that the graph of a step counts itself, and the
// weights those of the network.
func TestCostCountsTheNetworks(t *testing.T) {
	for _, over := range []config.Settings{
		{}, {"encoder.arch": "resnet20", "encoder.width": int64(8)}, {"encoder.arch": "resnet18", "encoder.width": int64(8)},
		{"predictor": false}, {"method": "simclr"}, {"target.stop_gradient": false},
	} {
		c := costed(t, over)
		c.Batch = 2
		s, online := stepOf(t, c, kernel.Best[float32]())
		weights := 0
		for _, w := range online.Trainable() {
			if len(w.Shape) > 1 {
				weights += len(w.Data)
			}
		}
		n := sizeOf(c, 8, 8, 3, 0) // stepOf's images, multiplications alone
		if n.weights != float64(weights) {
			t.Errorf("%v: %.0f weights, the network has %d", over, n.weights, weights)
		}
		step := n.training(c)
		want := s.graph.Flops() / 2 / float64(2*c.Batch)
		if math.Abs(step/want-1) > 0.001 {
			t.Errorf("%v: %.0f multiply-adds for a view, the graph has %.0f", over, step, want)
		}
	}
}

func TestPlannedCost(t *testing.T) {
	for name, c := range map[string]struct {
		over                        config.Settings
		train, test, side, channels int
	}{
		"all of CIFAR":          {nil, 50_000, 10_000, 32, 3},
		"some":                  {config.Settings{"data.train": int64(3000), "data.test": int64(200)}, 3000, 200, 32, 3},
		"grey":                  {config.Settings{"data.name": "fashion-mnist", "data.train": int64(3000)}, 3000, 10_000, 28, 1},
		"own images":            {config.Settings{"data.name": "folder", "data.size": int64(64)}, 50_000, 10_000, 64, 3},
		"generated":             {config.Settings{"data.name": "generated"}, 2000, 500, 16, 3},
		"more than one's batch": {config.Settings{"data.name": "generated", "batch": int64(4096)}, 4096, 500, 16, 3},
	} {
		config := costed(t, c.over)
		if got, want := PlannedCost(config), Cost(config, c.train, c.test, c.side, c.side, c.channels); got != want {
			t.Errorf("%s: %.4g, want %.4g", name, got, want)
		}
	}
	// What it takes generated data for is what it is.
	set, err := data.Load(config.Data{Name: "generated"}, "")
	if err != nil || set.Train.Len() != 2000 || set.Test.Len() != 500 || set.Height != 16 || set.Channels != 3 {
		t.Errorf("the generated data has another shape, or none: %v", err)
	}
}
