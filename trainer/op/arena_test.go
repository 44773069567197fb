package op

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// double is an op of its own for the tests below.
func double(x *G.Node) *G.Node {
	return apply(&op[float64]{name: "double", forward: func(y []float64, in [][]float64) {
		for i, v := range in[0] {
			y[i] = 2 * v
		}
	}}, x.Shape(), x)
}

// TestMemoryIsShared: a chain of any length needs two pieces of memory, and a
// value that is read late keeps its own until then.
func TestMemoryIsShared(t *testing.T) {
	g := G.NewGraph()
	data := []float64{1, -3}
	x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(2), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(2), tensor.WithBacking(data))))
	early := double(x)
	y := early
	for range 7 {
		y = double(y)
	}
	end, again := make([]float64, 2), make([]float64, 2)
	Capture(y, end)
	// Reads early's value after the chain has run.
	late := apply(&op[float64]{name: "late", forward: func(out []float64, in [][]float64) { copy(out, in[1]) }}, tensor.Shape{2}, y, early)
	Capture(late, again)
	ShareMemory[float64](g)
	vm := G.NewTapeMachine(g)
	defer vm.Close()

	pool := early.Op().(*op[float64]).pool
	var sizes []int
	for run := range 3 {
		data[0] = float64(run + 1)
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
		if end[0] != 256*data[0] || end[1] != -768 || again[0] != 2*data[0] || again[1] != -6 {
			t.Fatalf("run %d: the chain gives %v, its beginning %v", run, end, again)
		}
		sizes = append(sizes, len(pool.free))
	}
	if sizes[0] > 4 || sizes[2] != sizes[0] {
		t.Errorf("%v pieces of memory after each run, want at most 4 and no growth", sizes)
	}
}

// TestForeignReadersKeepMemory: what an op of Gorgonia's own reads is not
// given away, since that op may write into it.
func TestForeignReadersKeepMemory(t *testing.T) {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(2), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(2), tensor.WithBacking([]float64{1, 2}))))
	a, b := double(x), double(x)
	sum := G.Must(G.Add(a, b))
	got := make([]float64, 2)
	Capture(double(sum), got)
	ShareMemory[float64](g)
	for _, n := range []*G.Node{a, b} {
		if n.Op().(*op[float64]).pool != nil {
			t.Error("an input of Gorgonia's sum shares its memory")
		}
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	for range 2 {
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
		if got[0] != 8 || got[1] != 16 {
			t.Fatalf("got %v, want [8 16]", got)
		}
	}
}
