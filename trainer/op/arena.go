package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ablate/trainer/kernel"
)

// ShareMemory lets the ops of a finished graph take turns in using memory: a
// value is given back when the last op that reads it has run. The machine
// runs the program in the same order every time, so after the first run
// nothing is allocated.
//
// A value keeps its memory if nobody reads it, or if an op of Gorgonia's own
// does, which may edit it in place.
func ShareMemory[T kernel.Float](g *G.ExprGraph) {
	kept := make(map[*op[T]]bool)
	for _, n := range g.AllNodes() {
		o, ours := n.Op().(*op[T])
		for _, source := range reads[T](g, n) {
			if ours {
				o.sources = append(o.sources, source)
				source.readers++
			} else {
				kept[source] = true
			}
		}
	}
	pools := make(map[string]*pool[T])
	for _, n := range g.AllNodes() {
		o, ours := n.Op().(*op[T])
		if !ours || kept[o] || o.readers == 0 || len(o.shape) == 0 || o.foreign {
			continue
		}
		key := fmt.Sprint(o.shape)
		if pools[key] == nil {
			pools[key] = &pool[T]{}
		}
		o.pool = pools[key]
	}
}

// reads lists the ops of ours whose values n reads, once for every time.
func reads[T kernel.Float](g *G.ExprGraph, n *G.Node) (ops []*op[T]) {
	for children := g.From(n.ID()); children.Next(); {
		if o, ours := children.Node().(*G.Node).Op().(*op[T]); ours {
			ops = append(ops, o)
		}
	}
	return ops
}

// memory is what a value lies in.
type memory[T kernel.Float] struct {
	out   []T
	value *tensor.Dense // over out; nil for a scalar
}

func newMemory[T kernel.Float](shape tensor.Shape) memory[T] {
	return memoryOver(shape, make([]T, shape.TotalSize()))
}

func memoryOver[T kernel.Float](shape tensor.Shape, out []T) memory[T] {
	return memory[T]{out, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(out))}
}

// pool is the memory of one shape that is not in use.
type pool[T kernel.Float] struct{ free []memory[T] }

func (p *pool[T]) take(shape tensor.Shape) memory[T] {
	if len(p.free) == 0 {
		return newMemory[T](shape)
	}
	m := p.free[len(p.free)-1] // the last one used is likely to be in cache
	p.free = p.free[:len(p.free)-1]
	return m
}

func (p *pool[T]) give(m memory[T]) { p.free = append(p.free, m) }

// take gets memory for the result: from the pool in every run, or once for
// good.
func (o *op[T]) take() {
	switch {
	case o.pool != nil:
		o.memory = o.pool.take(o.shape)
	case o.out == nil:
		o.memory = newMemory[T](o.shape)
	}
	o.unread = o.readers
}

// done gives back the memory of the values that were read for the last time.
func (o *op[T]) done() {
	for _, s := range o.sources {
		if s.unread--; s.unread == 0 && s.pool != nil {
			s.pool.give(s.memory)
		}
	}
}
