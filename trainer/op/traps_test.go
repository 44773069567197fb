package op

import (
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Traps of Gorgonia that a single op can fall into.

// input is an input of a graph.
func input(g *G.ExprGraph, name string, data []float64, shape ...int) *G.Node {
	return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name),
		G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))))
}

// network is a small network with a residual sum, in which gradients meet,
// and its loss. It captures the gradients of its weights.
func network(g *G.ExprGraph, x []float64) (loss []float64, grads [][]float64, weights [][]float64) {
	r := rand.New(rand.NewPCG(3, 4))
	weight := func(name string, shape ...int) *G.Node {
		data := make([]float64, tensor.Shape(shape).TotalSize())
		for i := range data {
			data[i] = r.NormFloat64()
		}
		weights = append(weights, data)
		return input(g, name, data, shape...)
	}
	in := input(g, "x", x, 4, 4, 4, 3)
	params := G.Nodes{weight("a/weight", 4, 3, 3, 3), weight("b/weight", 4, 3, 3, 4), weight("b/scale", 4), weight("b/bias", 4)}
	a := Conv2D(portable, in, params[0], 1, 1, true)
	b := Conv2D(portable, a, StandardizeWeights[float64](params[1]), 1, 1, false)
	b = Norm(portable, NormSpec[float64]{Kind: Batch, Views: 2, ReLU: true}, b, params[2], params[3], a)
	y := AvgPool(portable, b)
	cost := BYOL[float64](y, StopGradient[float64](y))
	loss = make([]float64, 1)
	Capture(cost, loss)
	nodes, err := G.Grad(cost, params...)
	if err != nil {
		panic(err)
	}
	for i, n := range nodes {
		grads = append(grads, make([]float64, len(weights[i])))
		Capture(n, grads[i])
	}
	return loss, grads, weights
}

func noise(n int, seed uint64) []float64 {
	r, x := rand.New(rand.NewPCG(seed, 1)), make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

// Trap: nodes are merged whose hashes are equal, nodes that nobody reads may
// be dropped, and closures left by one run are run again by the next. Every op
// of a graph runs exactly once in every run.
func TestEveryOpRunsOnce(t *testing.T) {
	g := G.NewGraph()
	network(g, noise(192, 1))
	runs := map[*op[float64]]int{}
	for _, n := range g.AllNodes() {
		if o, ours := n.Op().(*op[float64]); ours {
			forward := o.forward
			runs[o] = 0
			o.forward = func(out []float64, in [][]float64) { runs[o]++; forward(out, in) }
		}
	}
	ShareMemory[float64](g)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	for run := 1; run <= 3; run++ {
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
		for o, n := range runs {
			if n != run {
				t.Errorf("%v ran %d times in %d runs", o, n, run)
			}
		}
	}
	if len(runs) < 20 {
		t.Errorf("the graph has %d ops only", len(runs))
	}
}

// Trap: gradients are added to those of the run before where nobody clears
// them, and state of one run can be taken for that of the next. A graph that
// has seen other inputs computes what a new one does, to the last bit.
func TestRunsAreIndependent(t *testing.T) {
	run := func(vm G.VM) {
		t.Helper()
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
	}
	g, x := G.NewGraph(), noise(192, 1)
	loss, grads, _ := network(g, x)
	ShareMemory[float64](g)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	run(vm)
	first := loss[0]
	for range 2 {
		copy(x, noise(192, 2))
		run(vm)
		g := G.NewGraph()
		fresh, want, _ := network(g, noise(192, 2))
		vm := G.NewTapeMachine(g) // without shared memory
		run(vm)
		vm.Close()
		if loss[0] != fresh[0] || loss[0] == first {
			t.Errorf("loss %g, of a new graph %g, of other inputs %g", loss[0], fresh[0], first)
		}
		for i := range want {
			if !slices.Equal(grads[i], want[i]) {
				t.Errorf("gradient %d is %v, of a new graph %v", i, grads[i][:3], want[i][:3])
			}
		}
	}
}

// Trap: an op of Gorgonia's own may write its result over an input that it
// takes to be read by nobody else, and a matrix product turns its inputs over
// while it runs. No run changes what went in.
func TestRunsLeaveInputsAlone(t *testing.T) {
	g, x := G.NewGraph(), noise(192, 1)
	_, _, weights := network(g, x)
	var before [][]float64
	for _, w := range weights {
		before = append(before, slices.Clone(w))
	}
	ShareMemory[float64](g)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for i, w := range weights {
		if !slices.Equal(w, before[i]) {
			t.Errorf("weight %d has changed", i)
		}
	}
	if !slices.Equal(x, noise(192, 1)) {
		t.Error("the images have changed")
	}
}

// Trap: a sum of Gorgonia's own overwrites its first summand in place, even if
// that is read again later. Ours are not to be edited (ReturnsPtr), whoever
// reads them and in whatever order.
func TestSumsDoNotOverwriteOurValues(t *testing.T) {
	g := G.NewGraph()
	x := input(g, "x", []float64{1, 2}, 2)
	a, b := double(x), double(double(x))
	sum := G.Must(G.Add(a, b))
	total, late, later := make([]float64, 2), make([]float64, 2), make([]float64, 2)
	Capture(sum, total)
	// Both read a and b after the sum.
	for i, dst := range [][]float64{late, later} {
		after := &op[float64]{name: "after", forward: func(out []float64, in [][]float64) { copy(out, in[i]) }}
		Capture(apply(after, tensor.Shape{2}, a, b, sum), dst)
	}
	ShareMemory[float64](g)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	for range 2 {
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
		if !slices.Equal(total, []float64{6, 12}) || !slices.Equal(late, []float64{2, 4}) || !slices.Equal(later, []float64{4, 8}) {
			t.Errorf("%v + %v = %v", late, later, total)
		}
	}
}

// Trap: an op of Gorgonia's own does not count itself as a reader. What it sums
// is still there when its turn comes, though our readers are done with it.
func TestSumsSeeOurValues(t *testing.T) {
	g := G.NewGraph()
	a := double(input(g, "x", []float64{1, 2}, 2))
	b := double(double(double(a))) // the second would take a's memory, were it free
	total := make([]float64, 2)
	Capture(G.Must(G.Add(a, b)), total)
	ShareMemory[float64](g)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(total, []float64{2 + 16, 4 + 32}) {
		t.Errorf("the sum is %v", total)
	}
}

// Trap: the machine gives an op a register that it shares with others, or
// allocates one anew at every run, if the op says that it may.
func TestOpsKeepTheirMemoryToThemselves(t *testing.T) {
	g := G.NewGraph()
	network(g, noise(192, 1))
	for _, n := range g.AllNodes() {
		if o, ours := n.Op().(*op[float64]); ours && (o.ReturnsPtr() || o.CallsExtern() || o.OverwritesInput() >= 0) {
			t.Errorf("%v lets the machine choose its memory", o)
		}
		switch n.Op().(type) {
		case G.UsePreallocDoer, G.UnsafeDoer, G.IncrDoer:
			if _, ours := n.Op().(*op[float64]); ours {
				t.Errorf("%v can be told to write somewhere", n.Op())
			}
		}
	}
}

// Trap: an op cannot return two gradients. What one computes beside its result
// is handed out by further nodes, and the machine knows of their order by an
// edge alone.
func TestPartsComeAfterTheirMain(t *testing.T) {
	g := G.NewGraph()
	network(g, noise(192, 1))
	parts := 0
	for _, n := range g.AllNodes() {
		o, ours := n.Op().(*op[float64])
		if !ours || !o.foreign {
			continue
		}
		parts++
		sources := reads[float64](g, n)
		if len(sources) != 1 || sources[0].name != "norm.dx" {
			t.Errorf("%v comes after %v", o, sources)
		}
	}
	if parts != 3 {
		t.Errorf("%d parts, want those of scale, bias and residual", parts)
	}
}
