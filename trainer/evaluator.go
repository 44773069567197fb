package trainer

import (
	"context"
	"errors"

	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
	"ablate/trainer/op"
)

// evaluator runs the frozen online encoder and projector over clean images.
type evaluator struct {
	graph  *net.Graph[float32]
	aug    *data.Augmenter
	batch  int
	images []float32 // [batch, H, W, C]

	features, projections       []float32 // of one batch
	featureSize, projectionSize int
}

// newEvaluator makes an evaluator of the weights w for sets of up to n images.
func newEvaluator(m *net.Model[float32], w *net.Weights[float32], aug *data.Augmenter, n int) (*evaluator, error) {
	batch := min(250, n)
	e := &evaluator{
		graph: net.NewGraph(kernel.Best[float32]()), aug: aug, batch: batch,
		images:         make([]float32, batch*m.Height*m.Width*m.Channels),
		featureSize:    net.Features(m.Config.Encoder),
		projectionSize: m.Config.Heads.Out,
	}
	e.features = make([]float32, batch*e.featureSize)
	e.projections = make([]float32, batch*e.projectionSize)
	x := e.graph.Input("images", e.images, batch, m.Height, m.Width, m.Channels)
	frozen := m.Build(e.graph, "", w, x, net.Evaluate)
	op.Capture(frozen.Encoder, e.features)
	op.Capture(frozen.Projection, e.projections)
	return e, e.graph.Compile()
}

// run gives the features [n, featureSize] and projections [n, projectionSize]
// of n = to - from images of s. The last batch is filled up with leftovers,
// which is harmless: no output depends on another image here. It returns
// ErrInterrupted if ctx ends, and a notFiniteError if an output is not finite.
func (e *evaluator) run(ctx context.Context, s data.Split, from, to int) (features, projections []float32, err error) {
	size := len(e.images) / e.batch
	for ; from < to; from += e.batch {
		if ctx.Err() != nil {
			return nil, nil, ErrInterrupted
		}
		count := min(e.batch, to-from)
		for i := range count {
			e.aug.Clean(e.images[i*size:(i+1)*size], s.Image(from+i))
		}
		if err := e.graph.Run(); err != nil {
			return nil, nil, err
		}
		if !op.Finite(e.features) || !op.Finite(e.projections) {
			culprit, err := e.graph.FirstNotFinite()
			return nil, nil, errors.Join(err, notFiniteError{culprit})
		}
		features = append(features, e.features[:count*e.featureSize]...)
		projections = append(projections, e.projections[:count*e.projectionSize]...)
	}
	return features, projections, nil
}

func (e *evaluator) close() error { return e.graph.Close() }
