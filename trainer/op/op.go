// Package op holds the Gorgonia ops of the trainer: convolution, linear map,
// normalization, pooling, weight standardization and the loss, each with its
// gradient.
//
// An op belongs to one node. It owns the tensor that it returns, or shares it
// with ops whose turn comes later (ShareMemory), so that a steady training step
// allocates nothing; a caller that wants to keep a value copies it (Capture).
// Constructors panic on shapes that do not fit: the configuration is checked
// before a graph is built.
package op

import (
	"fmt"
	"hash"
	"hash/fnv"
	"sync/atomic"
	"time"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ablate/trainer/kernel"
)

// op is the one implementation of gorgonia.Op and gorgonia.SDOp in this
// package; what differs between ops is in its functions.
type op[T kernel.Float] struct {
	name  string
	place place  // for people
	id    uint64 // part of the hash: Gorgonia merges nodes whose ops and children hash alike
	dims  []int  // of every input
	shape tensor.Shape
	in    [][]T // reused at every run

	memory[T]      // of the result
	foreign   bool // the memory belongs to another op

	// Set by ShareMemory:
	pool    *pool[T] // where the memory comes from; nil if the op owns it
	sources []*op[T] // what the op reads
	readers int      // how often the result is read
	unread  int      // ... and will still be in this run

	forward func(out []T, in [][]T)
	spent   time.Duration // in forward, over all runs
	flops   float64       // of one forward, multiplications and additions; 0 if they do not count

	// diff says which inputs have a gradient; backward builds the nodes that
	// compute it, nil where diff is false.
	diff     []bool
	backward func(in G.Nodes, y, dy *G.Node) G.Nodes
}

var (
	_ G.SDOp = (*op[float32])(nil)
	_ G.SDOp = (*op[float64])(nil)
)

var ids atomic.Uint64

// apply adds an op of the given output shape to the graph of its inputs. An
// empty shape is a scalar.
func apply[T kernel.Float](o *op[T], shape tensor.Shape, inputs ...*G.Node) *G.Node {
	o.id = ids.Add(1)
	o.shape = shape
	o.place = placeOf[T](inputs)
	o.in = make([][]T, len(inputs))
	for _, n := range inputs {
		o.dims = append(o.dims, n.Dims())
	}
	if o.diff == nil {
		o.diff = make([]bool, len(inputs))
	}
	switch {
	case len(shape) == 0:
		o.out = make([]T, 1)
	case o.foreign:
		o.memory = memoryOver(shape, o.out)
	} // else it gets its memory when it first runs
	return G.Must(G.ApplyOp(o, inputs...))
}

// part exposes another result of the op at node main, which that computes
// into buf on its way. The edge to main orders the two.
func part[T kernel.Float](name string, main *G.Node, buf []T, shape tensor.Shape) *G.Node {
	return apply(&op[T]{name: name, memory: memory[T]{out: buf}, foreign: true, forward: func([]T, [][]T) {}}, shape, main)
}

// Capture copies the value of n into dst whenever the graph runs: the safe
// way to read a value, since Gorgonia may reuse the memory of any node.
func Capture[T kernel.Float](n *G.Node, dst []T) {
	apply(&op[T]{name: "capture", forward: func(_ []T, in [][]T) { copy(dst, in[0]) }}, tensor.Shape{1}, n)
}

// Times sums up how long the ops of g have run, by name. Gorgonia's own ops
// are not among them.
func Times[T kernel.Float](g *G.ExprGraph) map[string]time.Duration {
	times := make(map[string]time.Duration)
	for _, n := range g.AllNodes() {
		if o, ours := n.Op().(*op[T]); ours {
			times[o.name] += o.spent
		}
	}
	return times
}

// Flops sums up the floating-point operations that the convolutions and matrix
// products of g need in one run.
func Flops[T kernel.Float](g *G.ExprGraph) (sum float64) {
	for _, n := range g.AllNodes() {
		if o, ours := n.Op().(*op[T]); ours {
			sum += o.flops
		}
	}
	return sum
}

func (o *op[T]) Arity() int { return len(o.dims) }

func (o *op[T]) Type() hm.Type {
	a := hm.TypeVariable('a')
	var ts []hm.Type
	for _, d := range append(o.dims[:len(o.dims):len(o.dims)], len(o.shape)) {
		if d == 0 {
			ts = append(ts, a)
		} else {
			ts = append(ts, G.TensorType{Dims: d, Of: a})
		}
	}
	return hm.NewFnType(ts...)
}

func (o *op[T]) InferShape(...G.DimSizer) (tensor.Shape, error) {
	if len(o.shape) == 0 {
		return tensor.ScalarShape(), nil
	}
	return o.shape.Clone(), nil
}

// Do runs the op. A panic in a kernel becomes an error: Gorgonia runs the
// program on a goroutine of its own, where nobody could recover it.
func (o *op[T]) Do(inputs ...G.Value) (v G.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", o.name, r)
		}
	}()
	for i, v := range inputs {
		o.in[i] = floats[T](v)
	}
	o.take()
	start := time.Now()
	o.forward(o.out, o.in)
	o.spent += time.Since(start)
	o.done()
	if o.value == nil {
		return scalar(o.out[0]), nil
	}
	return o.value, nil
}

func floats[T kernel.Float](v G.Value) []T {
	switch d := v.Data().(type) {
	case []T:
		return d
	case T:
		return []T{d}
	default:
		panic(fmt.Sprintf("value of type %T where %T was expected", d, *new(T)))
	}
}

func scalar[T kernel.Float](x T) G.Value {
	if f, ok := any(x).(float32); ok {
		return G.NewF32(f)
	}
	return G.NewF64(float64(x))
}

// The result is not to be edited in place, and no register is preallocated
// or shared for it.
func (o *op[T]) ReturnsPtr() bool     { return false }
func (o *op[T]) CallsExtern() bool    { return false }
func (o *op[T]) OverwritesInput() int { return -1 }

func (o *op[T]) DiffWRT(int) []bool { return o.diff }

func (o *op[T]) SymDiff(inputs G.Nodes, output, grad *G.Node) (G.Nodes, error) {
	if o.backward == nil {
		return nil, fmt.Errorf("%s has no gradient", o.name)
	}
	grads := o.backward(inputs, output, grad)
	for _, g := range grads {
		if g != nil {
			g.Op().(*op[T]).place = o.place
		}
	}
	return grads, nil
}

func (o *op[T]) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%s#%d", o.name, o.id) }

func (o *op[T]) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *op[T]) String() string { return fmt.Sprintf("%s#%d", o.name, o.id) }
