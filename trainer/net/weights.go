package net

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"ablate/trainer/kernel"
)

// Tensor is one named array of a network.
//
// Names are paths: encoder/stage1/block1/conv1/weight. A convolution's weight
// is [out, kernel, kernel, in], a linear one [out, in]; a norm has scale and
// bias [channels] and, for batch norm, running mean and var [channels].
type Tensor[T kernel.Float] struct {
	Name      string
	Shape     []int
	Data      []T
	Trainable bool // false for running statistics
}

// Weights are the tensors of one network, in the order in which the network
// uses them.
type Weights[T kernel.Float] struct {
	list  []*Tensor[T]
	named map[string]*Tensor[T]
}

// NewWeights returns an empty set. Building a network fills it.
func NewWeights[T kernel.Float]() *Weights[T] {
	return &Weights[T]{named: make(map[string]*Tensor[T])}
}

// All returns every tensor.
func (w *Weights[T]) All() []*Tensor[T] { return w.list }

// Trainable returns the tensors that are trained.
func (w *Weights[T]) Trainable() []*Tensor[T] {
	var ts []*Tensor[T]
	for _, t := range w.list {
		if t.Trainable {
			ts = append(ts, t)
		}
	}
	return ts
}

// Get returns the tensor called name, or nil.
func (w *Weights[T]) Get(name string) *Tensor[T] { return w.named[name] }

// Target returns a copy of what a target network has: the trainable tensors
// of encoder and projector.
func (w *Weights[T]) Target() *Weights[T] {
	c := NewWeights[T]()
	for _, t := range w.list {
		if t.Trainable && !strings.HasPrefix(t.Name, "predictor/") {
			d := *t
			d.Data = slices.Clone(t.Data)
			c.add(&d)
		}
	}
	return c
}

func (w *Weights[T]) add(t *Tensor[T]) {
	w.list = append(w.list, t)
	w.named[t.Name] = t
}

// want returns the tensor called name, making it with fill on first use.
func (w *Weights[T]) want(name string, shape []int, trainable bool, fill func(name string, data []T)) *Tensor[T] {
	if t := w.named[name]; t != nil {
		return t
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	t := &Tensor[T]{Name: name, Shape: shape, Data: make([]T, n), Trainable: trainable}
	fill(name, t.Data)
	w.add(t)
	return t
}

// constant fills a tensor with one value.
func constant[T kernel.Float](v T) func(string, []T) {
	return func(_ string, data []T) {
		for i := range data {
			data[i] = v
		}
	}
}

// truncatedNormal fills data from a normal distribution of standard deviation
// 1/sqrt(fanIn), cut at two standard deviations: the initialization of the
// library that the paper's networks are written in.
func truncatedNormal[T kernel.Float](data []T, fanIn int, r *rand.Rand) {
	std := 1 / math.Sqrt(float64(fanIn))
	for i := range data {
		v := r.NormFloat64()
		for math.Abs(v) > 2 {
			v = r.NormFloat64()
		}
		data[i] = T(v * std)
	}
}
