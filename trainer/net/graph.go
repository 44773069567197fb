// Package net builds the networks: a CIFAR ResNet encoder, a projector and a
// predictor, with the normalization of each component chosen separately.
package net

import (
	"fmt"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ablate/trainer/kernel"
	"ablate/trainer/op"
)

// Graph is a Gorgonia graph that runs over and over on one machine. It is
// built, compiled once, and then run; inputs are slices that the caller fills
// in place.
type Graph[T kernel.Float] struct {
	Kernels kernel.Set[T]
	g       *G.ExprGraph
	vm      G.VM
	names   map[string]bool // of inputs
	twice   []string        // names given to more than one input
}

// NewGraph returns an empty graph whose ops use k.
func NewGraph[T kernel.Float](k kernel.Set[T]) *Graph[T] {
	return &Graph[T]{Kernels: k, g: G.NewGraph(), names: make(map[string]bool)}
}

// Input adds an input over data. Its name must be unique in the graph, since
// Gorgonia takes inputs of equal name and shape for one; Compile checks that.
func (g *Graph[T]) Input(name string, data []T, shape ...int) *G.Node {
	if g.names[name] {
		g.twice = append(g.twice, name)
	}
	g.names[name] = true
	value := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	return G.NewTensor(g.g, value.Dtype(), len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(value))
}

// Compile makes the graph ready to run. It refuses a graph in which two inputs
// have one name or two nodes one hash, since either pair would be taken for
// one node.
func (g *Graph[T]) Compile() error {
	if g.twice != nil {
		return fmt.Errorf("graph: more than one input is called %v", g.twice)
	}
	seen := make(map[uint32]*G.Node)
	for _, n := range g.g.AllNodes() {
		if other := seen[n.Hashcode()]; other != nil {
			return fmt.Errorf("graph: nodes %v and %v have the same hash", other, n)
		}
		seen[n.Hashcode()] = n
	}
	op.ShareMemory[T](g.g)
	g.vm = G.NewTapeMachine(g.g)
	return nil
}

// Run runs the whole graph once.
func (g *Graph[T]) Run() error {
	defer g.vm.Reset()
	return g.vm.RunAll()
}

// FirstNotFinite runs the graph once more and describes the first op that made
// a NaN or an infinity of finite values, "" if none did.
func (g *Graph[T]) FirstNotFinite() (string, error) {
	return op.FirstNotFinite[T](g.g, g.Run)
}

// Times is how long the graph's ops have run since it was made, by name.
func (g *Graph[T]) Times() map[string]time.Duration { return op.Times[T](g.g) }

// Flops is the floating-point operations of one run's convolutions and matrix
// products.
func (g *Graph[T]) Flops() float64 { return op.Flops[T](g.g) }

// Close frees the machine.
func (g *Graph[T]) Close() error { return g.vm.Close() }
