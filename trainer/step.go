package trainer

import (
	G "gorgonia.org/gorgonia"

	"ablate/trainer/config"
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

	outputs []output[T] // what the networks gave, for traces
}

// output is what a part of a network gave: data is [2B, len(data)/2B].
type output[T kernel.Float] struct {
	name string
	data []T
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
	s.watch("encoder", student.Encoder)
	s.watch("projection", student.Projection)
	if m.Config.Predictor {
		s.watch("prediction", student.Prediction)
	}
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
	case hasTarget(m.Config):
		teacher := m.Build(s.graph, "target/", target, x, net.Train)
		s.watch("target", teacher.Projection)
		return op.BYOL[T](student.Prediction, op.StopGradient[T](teacher.Projection))
	default:
		return op.BYOL[T](student.Prediction, student.Projection)
	}
}

// targetOf is the target network's weights as they start, nil if c has none.
func targetOf[T kernel.Float](c config.Config, online *net.Weights[T]) *net.Weights[T] {
	if !hasTarget(c) {
		return nil
	}
	return online.Target()
}

// hasTarget reports whether the method has a target network of its own.
func hasTarget(c config.Config) bool { return c.Method != "simclr" && c.Target.StopGradient }

// watch keeps the value of n under name.
func (s *step[T]) watch(name string, n *G.Node) {
	o := output[T]{name, make([]T, n.Shape().TotalSize())}
	op.Capture(n, o.data)
	s.outputs = append(s.outputs, o)
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

// finish does what follows the gradients at step k of n: the optimizer moves
// the online network, and the target network, if there is one, follows it.
func (s *step[T]) finish(c config.Config, o *optimizer[T], online, target *net.Weights[T], k, n int64) {
	o.update(online, s.grads, learningRate(c.Optimizer, k, n), k)
	if target != nil {
		follow(target, online, targetRate(c.Target, k, n))
	}
}

func (s *step[T]) close() error { return s.graph.Close() }
