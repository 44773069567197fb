package trainer

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
	"ablate/trainer/op"
)

// dependenceBatch is the size, at most, of the batch that the dependence probe
// looks at. It is even: batch norm halves it, as it halves a step's 2B images.
const dependenceBatch = 8

// dependence measures whether what a component of the online network computes
// of an image depends on the other images of the batch: the question of the
// paper, asked of the network itself as it trains, not of its configuration.
//
// A component maps the inputs x_1 .. x_n of one batch to outputs y_1 .. y_n.
// Its dependence is the largest
//
//	|d(u . y_i) / dx_j|   over i = 1 and n, all j != i, and every element of x_j
//
// with one random unit vector u, the same in every run. The first image and
// the last stand for the two views, each of which has statistics of its own
// under batch norm; u stands for the hundreds of elements of an output, each of
// which would take a backward pass. Without statistics of the batch the
// dependence is 0, not nearly 0: nothing but zeros are multiplied and added up
// then. Statistics of the batch show in it unless their gradient is orthogonal
// to u, for which there is no reason.
type dependence[T kernel.Float] struct {
	images []T // [n, H, W, C]
	parts  []*part[T]
}

// part is one component on an input of its own, and its gradient.
type part[T kernel.Float] struct {
	name          string
	graph         *net.Graph[T]
	rows          int
	input, output []T // [rows, ...]
	upstream      []T // like output: the gradient that goes in
	gradient      []T // like input: the one that comes out
	u             []T // a row of output
}

// newDependence builds the probe of the network with the weights w, which must
// be initialized, on a batch of n images, an even number.
func newDependence[T kernel.Float](m *net.Model[T], k kernel.Set[T], w *net.Weights[T], n int) (*dependence[T], error) {
	shape := []int{n, m.Height, m.Width, m.Channels}
	d := &dependence[T]{images: make([]T, n*m.Height*m.Width*m.Channels)}
	input := d.images
	for _, name := range m.Components() {
		p := &part[T]{name: name, graph: net.NewGraph(k), rows: n, input: input}
		if err := p.build(m, w, shape); err != nil {
			d.close()
			return nil, fmt.Errorf("the dependence of the %s on its batch: %w", name, err)
		}
		d.parts = append(d.parts, p)
		input, shape = p.output, []int{n, len(p.output) / n}
	}
	return d, nil
}

// build adds the component on inputs of the given shape to the graph, and
// makes it ready to run.
func (p *part[T]) build(m *net.Model[T], w *net.Weights[T], shape []int) error {
	x := p.graph.Input("input", p.input, shape...)
	y := m.BuildComponent(p.graph, w, p.name, x)
	size := y.Shape().TotalSize()
	p.output, p.upstream = make([]T, size), make([]T, size)
	p.gradient = make([]T, len(p.input))
	p.u = direction[T](size / p.rows)
	op.Capture(y, p.output)
	up := p.graph.Input("upstream", p.upstream, y.Shape()...)
	grads, err := G.Backpropagate(G.Nodes{y}, G.Nodes{up}, G.Nodes{x})
	if err != nil {
		return err
	}
	op.Capture(grads[0], p.gradient)
	return p.graph.Compile()
}

// direction is a random unit vector of d elements.
func direction[T kernel.Float](d int) []T {
	r := data.Stream(0, "dependence")
	v, ss := make([]float64, d), 0.0
	for i := range v {
		v[i] = r.NormFloat64()
		ss += v[i] * v[i]
	}
	u := make([]T, d)
	for i := range u {
		u[i] = T(v[i] / math.Sqrt(ss))
	}
	return u
}

// measure adds COMPONENT_batch_dependence of every component to values.
func (d *dependence[T]) measure(values map[string]float64) error {
	for _, p := range d.parts { // in order: a part's output is the next one's input
		largest, err := p.largest()
		if err != nil {
			return err
		}
		values[p.name+"_batch_dependence"] = largest
	}
	return nil
}

// largest is the component's dependence, at its current input.
func (p *part[T]) largest() (float64, error) {
	largest := 0.0
	of, in := len(p.u), len(p.input)/p.rows
	for _, i := range []int{0, p.rows - 1} {
		clear(p.upstream)
		copy(p.upstream[i*of:], p.u)
		if err := p.graph.Run(); err != nil {
			return 0, err
		}
		for j, g := range p.gradient {
			if j/in != i {
				largest = max(largest, math.Abs(float64(g)))
			}
		}
	}
	return largest, nil
}

func (d *dependence[T]) close() {
	for _, p := range d.parts {
		p.graph.Close()
	}
}
