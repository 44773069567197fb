package net

import (
	"fmt"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"

	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/op"
)

// Model knows the shape of a configuration's networks.
type Model[T kernel.Float] struct {
	Config                  config.Config
	Height, Width, Channels int // of an image

	// Random is the source of the initial values of the weight called name.
	// It depends on nothing else, so that weights of equal name and shape
	// start equal in every arm of a study.
	Random func(name string) *rand.Rand
}

// Phase is what a network is built for.
type Phase int

// The phases.
const (
	Train     Phase = iota // batch norm uses the batch's statistics, those of each view
	Evaluate               // batch norm uses its running statistics
	Calibrate              // as Train, with one set of statistics over both views, and init norms are batch norms
)

// Network is a network in a graph. Encoder is [N, features], Projection and
// Prediction are [N, heads.out]. Prediction is nil where the network was
// built without a predictor, and is Projection where the configuration has none.
type Network struct {
	Encoder, Projection, Prediction *G.Node
	Params                          map[string]*G.Node // trainable, by name
}

// running is the decay of batch norm's running statistics (BYOL's code: 0.9).
const running = 0.9

// stages are the basic blocks of each stage, by architecture.
var stages = map[string][]int{
	"resnet8":  {1, 1, 1},
	"resnet14": {2, 2, 2},
	"resnet20": {3, 3, 3},
	"resnet18": {2, 2, 2, 2},
}

// Blocks are the basic blocks of each stage of the encoder called arch.
func Blocks(arch string) []int { return slices.Clone(stages[arch]) }

// Groups is the number of groups that the normalization called kind makes of
// channels, 0 if it is none of groups.
func Groups(kind string, channels int) int {
	switch kind {
	case config.NormLN:
		return 1
	case config.NormGNWS:
		return config.GroupsFor(channels)
	}
	return 0
}

// Features is the width of the encoder's output.
func Features(e config.Encoder) int { return e.Width << (len(stages[e.Arch]) - 1) }

// Build adds encoder and projector on images x [N, H, W, C] to g. Weights that
// w lacks are made and initialized; scope sets apart networks of one graph.
func (m *Model[T]) Build(g *Graph[T], scope string, w *Weights[T], x *G.Node, phase Phase) *Network {
	return m.builder(g, scope, w, phase, nil).build(x)
}

// BuildTraining adds the whole online network, predictor included, which
// also moves batch norm's running statistics.
func (m *Model[T]) BuildTraining(g *Graph[T], scope string, w *Weights[T], x *G.Node) *Network {
	b := m.builder(g, scope, w, Train, func(name string, mean, m2 []T, rows int) {
		rm, rv := w.Get(name+"/mean").Data, w.Get(name+"/var").Data
		for c := range mean {
			rm[c] = running*rm[c] + (1-running)*mean[c]
			rv[c] = running*rv[c] + (1-running)*unbiased(m2[c], rows)
		}
	})
	return b.predict(b.build(x))
}

// Components are the parts of the online network, in the order in which an
// image passes them. The last is missing if the configuration has no predictor.
func (m *Model[T]) Components() []string {
	if m.Config.Predictor {
		return []string{"encoder", "projector", "predictor"}
	}
	return []string{"encoder", "projector"}
}

// BuildComponent adds one of the Components, as it is in training, on an input
// of its own: images [N, H, W, C] for the encoder, encoder outputs for the
// projector, projections for the predictor. It gives [N, features] or
// [N, heads.out], lets a gradient back to x, even where x are images, and
// moves no running statistics.
func (m *Model[T]) BuildComponent(g *Graph[T], w *Weights[T], component string, x *G.Node) *G.Node {
	b := m.builder(g, "", w, Train, nil)
	b.imageGradient = true
	if component == "encoder" {
		return b.encoder(x)
	}
	return b.head(component, m.normOf(component), x)
}

func unbiased[T kernel.Float](m2 T, rows int) T { return m2 / T(max(rows-1, 1)) }

func (m *Model[T]) builder(g *Graph[T], scope string, w *Weights[T], phase Phase, observe observer[T]) *builder[T] {
	return &builder[T]{m: m, g: g, k: g.Kernels, scope: scope, w: w, phase: phase, observe: observe, params: make(map[string]*G.Node)}
}

// observer is told the statistics of every batch norm, by the norm's name.
type observer[T kernel.Float] func(name string, mean, m2 []T, rows int)

// builder adds the layers of one network.
type builder[T kernel.Float] struct {
	m       *Model[T]
	g       *Graph[T]
	k       kernel.Set[T]
	scope   string
	w       *Weights[T]
	phase   Phase
	observe observer[T]
	params  map[string]*G.Node

	imageGradient bool // images get a gradient too, which training does not need
}

func (b *builder[T]) build(x *G.Node) *Network {
	y := b.encoder(x)
	return &Network{Encoder: y, Projection: b.head("projector", b.m.Config.Norm.Projector, y), Params: b.params}
}

// predict adds the predictor, if the configuration has one.
func (b *builder[T]) predict(n *Network) *Network {
	n.Prediction = n.Projection
	if b.m.Config.Predictor {
		n.Prediction = b.head("predictor", b.m.Config.Norm.Predictor, n.Projection)
	}
	return n
}

// param returns the input node of a trainable tensor.
func (b *builder[T]) param(name string, shape []int, fill func(string, []T)) *G.Node {
	t := b.w.want(name, shape, true, fill)
	n := b.g.Input(b.scope+name, t.Data, t.Shape...)
	b.params[name] = n
	return n
}

// weight is a convolution's or linear map's weight, standardized where the
// component's norm asks for it.
func (b *builder[T]) weight(name, norm string, shape ...int) *G.Node {
	fanIn := 1
	for _, d := range shape[1:] {
		fanIn *= d
	}
	w := b.param(name+"/weight", shape, func(name string, data []T) { truncatedNormal(data, fanIn, b.m.Random(name)) })
	if norm == config.NormGNWS {
		w = op.StandardizeWeights[T](w)
	}
	return w
}

// encoder is a CIFAR ResNet: a 3x3 stem, stages of basic blocks, each stage
// of twice the width at half the size, and the average over the pixels.
func (b *builder[T]) encoder(x *G.Node) *G.Node {
	width := b.m.Config.Encoder.Width
	layout, known := stages[b.m.Config.Encoder.Arch]
	if !known {
		panic(fmt.Sprintf("net: unknown architecture %q", b.m.Config.Encoder.Arch))
	}
	x = b.conv("encoder/stem/conv", x, width, 3, 1)
	x = b.norm("encoder/stem/norm", b.m.Config.Norm.Encoder, x, layer{gamma: 1, relu: true})
	for stage, blocks := range layout {
		for block := range blocks {
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			x = b.block(fmt.Sprintf("encoder/stage%d/block%d", stage+1, block+1), x, width<<stage, stride)
		}
	}
	return op.AvgPool(b.k, x)
}

// block is a basic residual block. The scale of its last norm starts at zero
// (paper, section 3.2: gamma_0), so that it starts as its shortcut.
func (b *builder[T]) block(name string, x *G.Node, channels, stride int) *G.Node {
	norm := b.m.Config.Norm.Encoder
	shortcut := x
	if stride > 1 || x.Shape()[3] != channels {
		shortcut = b.conv(name+"/shortcut/conv", x, channels, 1, stride)
		shortcut = b.norm(name+"/shortcut/norm", norm, shortcut, layer{gamma: 1})
	}
	y := b.conv(name+"/conv1", x, channels, 3, stride)
	y = b.norm(name+"/norm1", norm, y, layer{gamma: 1, relu: true})
	y = b.conv(name+"/conv2", y, channels, 3, 1)
	return b.norm(name+"/norm2", norm, y, layer{gamma: 0, relu: true, residual: shortcut})
}

func (b *builder[T]) conv(name string, x *G.Node, channels, kernel, stride int) *G.Node {
	in := x.Shape()[3]
	w := b.weight(name, b.m.Config.Norm.Encoder, channels, kernel, kernel, in)
	stem := x.Op() == nil && !b.imageGradient
	return op.Conv2D(b.k, x, w, stride, kernel/2, stem)
}

// head is a projector or predictor: linear, norm, ReLU, linear (BYOL, section
// 3.2). The first linear map has a bias, the last has none.
func (b *builder[T]) head(name, norm string, x *G.Node) *G.Node {
	h := b.m.Config.Heads
	w := b.weight(name+"/linear1", norm, h.Hidden, x.Shape()[1])
	bias := b.param(name+"/linear1/bias", []int{h.Hidden}, constant[T](0))
	y := op.Linear(b.k, x, w, bias)
	y = b.norm(name+"/norm", norm, y, layer{gamma: 1, relu: true})
	return op.Linear(b.k, y, b.weight(name+"/linear2", norm, h.Out, h.Hidden), nil)
}

// layer is what surrounds a norm.
type layer struct {
	gamma    float64 // gamma_0
	relu     bool
	residual *G.Node
}

// norm adds the normalization called kind.
func (b *builder[T]) norm(name, kind string, x *G.Node, l layer) *G.Node {
	channels := x.Shape()[x.Dims()-1]
	shape := []int{channels}
	beta := b.param(name+"/bias", shape, constant[T](0))
	var gamma *G.Node
	if kind != config.NormNone {
		gamma = b.param(name+"/scale", shape, constant(T(l.gamma)))
	}
	spec := op.NormSpec[T]{Kind: op.Affine, ReLU: l.relu}
	switch kind {
	case config.NormBN:
		spec = b.batchNorm(name, spec, shape)
	case config.NormInit:
		if b.phase == Calibrate {
			spec = b.batchNorm(name, spec, shape)
		}
	case config.NormLN, config.NormGNWS:
		spec.Kind, spec.Groups = op.Group, Groups(kind, channels)
	}
	return op.Norm(b.k, spec, x, gamma, beta, l.residual)
}

func (b *builder[T]) batchNorm(name string, spec op.NormSpec[T], shape []int) op.NormSpec[T] {
	spec.Kind, spec.Views = op.Batch, 2
	if b.phase == Calibrate {
		spec.Views = 1
	}
	if b.phase == Evaluate {
		spec.Mean, spec.Var = runningStatistics(b.w, name, shape)
	}
	if b.observe != nil {
		spec.Observe = func(mean, m2 []T, rows int) { b.observe(name, mean, m2, rows) }
	}
	return spec
}

// runningStatistics are those of the batch norm called name, made as 0 and 1
// on first use.
func runningStatistics[T kernel.Float](w *Weights[T], name string, shape []int) (mean, variance []T) {
	mean = w.want(name+"/mean", shape, false, constant[T](0)).Data
	return mean, w.want(name+"/var", shape, false, constant[T](1)).Data
}
