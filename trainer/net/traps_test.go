package net

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"ablate/trainer/config"
	"ablate/trainer/op"
)

// Traps of Gorgonia that a graph as a whole can fall into. The others have
// their tests in trainer/op and trainer; which of its features may be used at
// all stands in gorgonia_test.go.

// trainingGraph is the graph of a whole training step, not yet compiled.
func trainingGraph(t *testing.T, norm string) (g *Graph[float64], params G.Nodes) {
	t.Helper()
	m, x := model(norm), noise(1)
	w := calibrated(t, m, x)
	g = NewGraph(portable)
	in := g.Input("views", x, images, size, size, 3)
	student := m.BuildTraining(g, "online/", w, in)
	teacher := m.Build(g, "target/", w.Target(), in, Train)
	loss := op.BYOL[float64](student.Prediction, op.StopGradient[float64](teacher.Projection))
	for _, p := range w.Trainable() {
		params = append(params, student.Params[p.Name])
	}
	grads, err := G.Grad(loss, params...)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range w.Trainable() {
		op.Capture(grads[i], make([]float64, len(p.Data)))
	}
	return g, params
}

// Trap: Gorgonia's compiler takes two nodes for one if their 32-bit hashes are
// equal, whatever they compute. Two inputs whose names were chosen to collide
// are refused.
func TestHashCollisionIsRefused(t *testing.T) {
	g := NewGraph(portable)
	like := g.Input("like", make([]float64, 2), 2)
	a, b := collidingNames(fmt.Sprintf("%v%v", like.Type(), like.Shape()))
	x, y := g.Input(a, []float64{1, 2}, 2), g.Input(b, []float64{3, 4}, 2)
	if a == b || x.Hashcode() != y.Hashcode() {
		t.Fatalf("the names %s and %s do not collide", a, b)
	}
	op.Capture(x, make([]float64, 2))
	op.Capture(y, make([]float64, 2))
	if err := g.Compile(); err == nil || !strings.Contains(err.Error(), "the same hash") {
		t.Errorf("error is %v", err)
	}
}

// collidingNames finds two names of inputs that begin their hash with prefix.
func collidingNames(prefix string) (a, b string) {
	seen := map[uint32]string{}
	for i := 0; ; i++ {
		name := fmt.Sprint("input", i)
		h := fnv.New32a()
		fmt.Fprint(h, prefix, name)
		binary.Write(h, binary.LittleEndian, byte(0)) // children
		if other, ok := seen[h.Sum32()]; ok {
			return other, name
		}
		seen[h.Sum32()] = name
	}
}

// Trap: Gorgonia's own ops share registers, edit their inputs in place, trust
// short hashes and compute some gradients wrongly. In a step all ops are ours,
// but for the sums of gradients that meet and the 1 that they begin with.
func TestOnlySumsAreGorgonias(t *testing.T) {
	for _, norm := range []string{config.NormBN, config.NormLN, config.NormNone, config.NormInit, config.NormGNWS} {
		g, _ := trainingGraph(t, norm)
		sums := 0
		for _, n := range g.g.AllNodes() {
			if n.Op() == nil || strings.HasPrefix(fmt.Sprintf("%T", n.Op()), "*op.op[") {
				continue // an input, or ours
			}
			switch text := n.Op().String(); {
			case strings.HasPrefix(text, "+ "):
				sums++
			case text != "const 1":
				t.Errorf("%s: op %q of type %T", norm, text, n.Op())
			}
		}
		if sums == 0 {
			t.Errorf("%s: no gradients are added up: is this a residual network?", norm)
		}
	}
}

// Trap: a gradient that does not flow is nil, or absent from the graph, with
// no error. Every parameter of the online network has one.
func TestEveryParameterIsDifferentiated(t *testing.T) {
	_, params := trainingGraph(t, config.NormGNWS)
	if len(params) < 30 {
		t.Fatalf("the network has only %d parameters", len(params))
	}
	for _, p := range params {
		if grad := p.Deriv(); grad == nil || !slices.Equal(grad.Shape(), p.Shape()) {
			t.Errorf("the gradient of %s is %v", p.Name(), grad)
		}
	}
}

// Trap: to make a machine resets the state of some ops, and a second run
// without a reset does nothing. A graph run twice sees its inputs anew, on a
// second machine of the same weights too.
func TestRunsSeeNewInputs(t *testing.T) {
	m, x := model(config.NormBN), noise(1)
	w := calibrated(t, m, x)
	g := NewGraph(portable)
	out := make([]float64, images*m.Config.Heads.Out)
	op.Capture(m.Build(g, "", w, g.Input("images", x, images, size, size, 3), Evaluate).Projection, out)
	if err := g.Compile(); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, seed := range []uint64{2, 3} {
		copy(x, noise(seed))
		if err := g.Run(); err != nil {
			t.Fatal(err)
		}
		if want := outputs(t, m, w, slices.Clone(x), Evaluate)[1]; !slices.Equal(out, want) {
			t.Errorf("images %d: a graph that ran before gives %v, a new one %v", seed, out[:3], want[:3])
		}
	}
}
