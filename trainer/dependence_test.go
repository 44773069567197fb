package trainer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

var everyNorm = []string{
	config.NormBN, config.NormLN, config.NormNone, config.NormNoneAffine, config.NormInit, config.NormGNWS,
}

// probed builds the dependence probe of small networks with the given norms
// and encoder's width, as they start, or with every weight moved a little as training would.
func probed[T kernel.Float](
	t *testing.T, k kernel.Set[T], norm config.Norm, width int, trained bool,
) (*dependence[T], *net.Model[T], *net.Weights[T]) {
	t.Helper()
	c := small(config.NormBN)
	c.Encoder.Width = width
	c.Norm, c.Predictor = norm, norm.Predictor != ""
	m := &net.Model[T]{Config: c, Height: 9, Width: 9, Channels: 3,
		Random: func(name string) *rand.Rand { return data.Stream(1, "init/"+name) }}
	r := rand.New(rand.NewPCG(7, 8))
	images := make([]T, dependenceBatch*m.Height*m.Width*m.Channels)
	for i := range images {
		images[i] = T(r.NormFloat64())
	}
	w := net.NewWeights[T]()
	if err := m.Calibrate(k, w, images, dependenceBatch); err != nil {
		t.Fatal(err)
	}
	for _, p := range w.Trainable() {
		for i := range p.Data {
			if trained {
				p.Data[i] += T(0.1 * r.NormFloat64())
			}
		}
	}
	d, err := newDependence(m, k, w, dependenceBatch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	copy(d.images, images)
	return d, m, w
}

func mustMeasure[T kernel.Float](t *testing.T, d *dependence[T]) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	if err := d.measure(values); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestOnlyBatchNormDepends: a component's outputs depend on the other images
// of the batch under batch norm, and not in the last digit under anything
// else, whatever the norms of the components beside it. Zero scales at the
// start do not hide it.
func TestOnlyBatchNormDepends(t *testing.T) {
	k := kernel.Best[float32]() // the kernels that train
	for i, encoder := range everyNorm {
		projector := everyNorm[(i+1)%len(everyNorm)]
		for _, norm := range []config.Norm{
			{Encoder: encoder, Projector: encoder, Predictor: encoder},
			{Encoder: encoder, Projector: projector, Predictor: config.NormBN},
			{Encoder: projector, Projector: config.NormBN, Predictor: encoder},
			{Encoder: config.NormBN, Projector: encoder}, // no predictor
		} {
			for _, test := range []struct {
				width   int
				trained bool
			}{{4, false}, {4, true}, {winogradWidth, true}} {
				t.Run(fmt.Sprintf("%+v/%+v", norm, test), func(t *testing.T) {
					d, _, _ := probed(t, k, norm, test.width, test.trained)
					values := mustMeasure(t, d)
					for name, norm := range map[string]string{"encoder": norm.Encoder, "projector": norm.Projector, "predictor": norm.Predictor} {
						got, measured := values[name+"_batch_dependence"]
						if measured != (norm != "") {
							t.Errorf("%s: measured: %v", name, measured)
						}
						if depends := norm == config.NormBN; got > 0 != depends || math.IsNaN(got) || got > 100 {
							t.Errorf("the dependence of the %s under %q is %g", name, norm, got)
						}
					}
				})
			}
		}
	}
}

// TestDependenceIsADerivative compares the projector's dependence with finite
// differences of its outputs.
func TestDependenceIsADerivative(t *testing.T) {
	d, m, w := probed(t, kernel.Portable[float64]{}, config.Norm{Encoder: config.NormLN, Projector: config.NormBN}, 4, true)
	got := mustMeasure(t, d)["projector_batch_dependence"]
	p := d.parts[1]
	projections := func() []float64 {
		if err := p.graph.Run(); err != nil {
			t.Fatal(err)
		}
		return append([]float64(nil), p.output...)
	}
	in, of := net.Features(m.Config.Encoder), m.Config.Heads.Out
	want := 0.0
	for j := range p.input {
		const h = 1e-5
		was := p.input[j]
		p.input[j] = was + h
		up := projections()
		p.input[j] = was - h
		down := projections()
		p.input[j] = was
		for _, i := range []int{0, dependenceBatch - 1} {
			slope := 0.0
			for c, u := range p.u {
				slope += u * (up[i*of+c] - down[i*of+c]) / (2 * h)
			}
			if j/in != i {
				want = max(want, math.Abs(slope))
			}
		}
	}
	if !(want > 0) || math.Abs(got-want) > 1e-4*want {
		t.Errorf("the dependence is %g, finite differences give %g", got, want)
	}

	// What a part reads is what the part before it computes of the same weights.
	for _, p := range w.Trainable() {
		clear(p.Data)
	}
	if after := mustMeasure(t, d); after["projector_batch_dependence"] != 0 {
		t.Errorf("a projector of zeros has the dependence %g: is it that of other weights?", after["projector_batch_dependence"])
	}
}

// TestDependenceOfTheSmallestBatch: in batches of one image the probe has two,
// one a view, and still measures. (Batch norm needs more, and a configuration
// with both is refused.)
func TestDependenceOfTheSmallestBatch(t *testing.T) {
	c := small(config.NormGNWS)
	c.Batch, c.Data.Train, c.Epochs = 1, 16, 1
	rec := newRecord()
	rec.finish(t, c, t.TempDir())
	for _, name := range []string{"encoder", "projector", "predictor"} {
		for _, step := range []int64{0, 16} {
			if v, ok := rec.metrics[step][name+"_batch_dependence"]; !ok || v != 0 {
				t.Errorf("step %d, %s: %v, measured %v", step, name, v, ok)
			}
		}
	}
}

// TestRunMeasuresDependence: a whole run tells batch norm from the others, at
// its start and, with the weights that it learned, at its end.
func TestRunMeasuresDependence(t *testing.T) {
	c := small(config.NormBN)
	c.Norm.Projector = config.NormInit
	rec := newRecord()
	rec.finish(t, c, t.TempDir())
	first, last := rec.metrics[0], rec.metrics[16]
	for _, name := range []string{"encoder_batch_dependence", "predictor_batch_dependence"} {
		if !(first[name] > 0 && last[name] > 0) || first[name] == last[name] {
			t.Errorf("%s is %g at the start and %g at the end", name, first[name], last[name])
		}
	}
	for step, values := range map[int64]map[string]float64{0: first, 16: last} {
		if v, ok := values["projector_batch_dependence"]; v != 0 || !ok {
			t.Errorf("step %d: the projector's is %g, measured: %v", step, v, ok)
		}
	}
}
