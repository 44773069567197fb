package trainer

import (
	G "gorgonia.org/gorgonia"

	"ablate/trainer/kernel"
	"ablate/trainer/net"
	"ablate/trainer/op"
)

// step is the graph of one training step: both views through the online
// network, the method's loss, and its gradient with respect to every online
// weight.
type step[T kernel.Float] struct {
	graph *net.Graph[T]
	views []T   // [2B, H, W, C]: the first views of B images, then the second
	loss  []T   // one element
	grads [][]T // of online.Trainable(), in that order
}

// newStep builds the step for batches of m.Config.Batch images. The online
// weights must be initialized; target is ignored by methods without one.
func newStep[T kernel.Float](m *net.Model[T], k kernel.Set[T], online, target *net.Weights[T]) (*step[T], error) {
	n := 2 * m.Config.Batch
	s := &step[T]{
		graph: net.NewGraph(k),
		views: make([]T, n*m.Height*m.Width*m.Channels),
		loss:  make([]T, 1),
	}
	x := s.graph.Input("views", s.views, n, m.Height, m.Width, m.Channels)
	student := m.BuildTraining(s.graph, "online/", online, x)
	loss := s.objective(m, student, target, x)
	op.Capture(loss, s.loss)
	if err := s.differentiate(loss, student, online); err != nil {
		return nil, err
	}
	return s, s.graph.Compile()
}

// objective is the method's loss. BYOL compares the prediction from one view
// with the target network's projection of the other; without a stop-gradient
// the online network is its own target. SimCLR has neither predictor nor
// target.
func (s *step[T]) objective(m *net.Model[T], student *net.Network, target *net.Weights[T], x *G.Node) *G.Node {
	switch {
	case m.Config.Method == "simclr":
		return op.NTXent(s.graph.Kernels, student.Projection, m.Config.SimCLR.Temperature)
	case m.Config.Target.StopGradient:
		teacher := m.Build(s.graph, "target/", target, x, net.Train)
		return op.BYOL[T](student.Prediction, op.StopGradient[T](teacher.Projection))
	default:
		return op.BYOL[T](student.Prediction, student.Projection)
	}
}

// differentiate adds the gradients of loss to the graph.
func (s *step[T]) differentiate(loss *G.Node, student *net.Network, online *net.Weights[T]) error {
	var wrt G.Nodes
	for _, t := range online.Trainable() {
		wrt = append(wrt, student.Params[t.Name])
		s.grads = append(s.grads, make([]T, len(t.Data)))
	}
	grads, err := G.Grad(loss, wrt...)
	if err != nil {
		return err
	}
	for i, g := range grads {
		op.Capture(g, s.grads[i])
	}
	return nil
}

// run computes loss and grads of the current views and weights.
func (s *step[T]) run() error { return s.graph.Run() }

func (s *step[T]) close() error { return s.graph.Close() }
