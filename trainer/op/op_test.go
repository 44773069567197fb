package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ablate/trainer/kernel"
)

var portable = kernel.Portable[float64]{}

// harness runs one op in a graph of its own and knows its gradients.
type harness struct {
	vm     G.VM
	inputs [][]float64
	cost   []float64
	grads  [][]float64 // nil where the op has none
}

// newHarness builds op on inputs of the given shapes, filled by fill, and
// makes the scalar cost sum(y * r) with fixed random r.
func newHarness(t *testing.T, shapes []tensor.Shape, fill func(i, j int) float64, build func(in G.Nodes) *G.Node) *harness {
	t.Helper()
	g := G.NewGraph()
	h := &harness{cost: make([]float64, 1)}
	var nodes G.Nodes
	for i, s := range shapes {
		data := make([]float64, s.TotalSize())
		for j := range data {
			data[j] = fill(i, j)
		}
		h.inputs = append(h.inputs, data)
		nodes = append(nodes, G.NewTensor(g, tensor.Float64, s.Dims(), G.WithShape(s...), G.WithName(fmt.Sprintf("in%d", i)),
			G.WithValue(tensor.New(tensor.WithShape(s...), tensor.WithBacking(data)))))
	}
	y := build(nodes)
	cost := y
	if !y.IsScalar() {
		cost = weightedSum(y)
	}
	Capture(cost, h.cost)

	var wrt G.Nodes
	diff := y.Op().(*op[float64]).diff
	for i, n := range nodes {
		if diff[i] {
			wrt = append(wrt, n)
		}
	}
	grads, err := G.Grad(cost, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	h.grads = make([][]float64, len(nodes))
	for i := range nodes {
		if diff[i] {
			h.grads[i] = make([]float64, len(h.inputs[i]))
			Capture(grads[0], h.grads[i])
			grads = grads[1:]
		}
	}
	h.vm = G.NewTapeMachine(g)
	t.Cleanup(func() { h.vm.Close() })
	return h
}

func weightedSum(y *G.Node) *G.Node {
	r := rand.New(rand.NewPCG(11, 12))
	w := make([]float64, y.Shape().TotalSize())
	for i := range w {
		w[i] = r.NormFloat64()
	}
	return apply(&op[float64]{
		name: "sum",
		forward: func(out []float64, in [][]float64) {
			out[0] = 0
			for i, v := range in[0] {
				out[0] += v * w[i]
			}
		},
		diff: []bool{true},
		backward: func(in G.Nodes, _, dy *G.Node) G.Nodes {
			return G.Nodes{apply(&op[float64]{name: "sum.dx", forward: func(dx []float64, in [][]float64) {
				for i := range dx {
					dx[i] = w[i] * in[0][0]
				}
			}}, y.Shape(), dy)}
		},
	}, tensor.Shape{}, y)
}

func (h *harness) run(t *testing.T) float64 {
	t.Helper()
	if err := h.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	h.vm.Reset()
	return h.cost[0]
}

// checkGradients compares every gradient with central differences.
func (h *harness) checkGradients(t *testing.T) {
	t.Helper()
	h.run(t)
	want := make([][]float64, len(h.grads))
	for i, g := range h.grads {
		want[i] = append([]float64(nil), g...)
	}
	const step = 1e-5
	for i, data := range h.inputs {
		if want[i] == nil {
			continue
		}
		largest, worst := 1e-3, 0.0
		for j := range data {
			x := data[j]
			data[j] = x + step
			up := h.run(t)
			data[j] = x - step
			down := h.run(t)
			data[j] = x
			numeric := (up - down) / (2 * step)
			largest = max(largest, math.Abs(numeric))
			worst = max(worst, math.Abs(numeric-want[i][j]))
		}
		if !(worst <= 1e-6*largest) {
			t.Errorf("gradient of input %d is off by %g where the largest is %g", i, worst, largest)
		}
	}
}

func normal(seed uint64) func(i, j int) float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(i, j int) float64 { return r.NormFloat64() }
}

func TestConv2DGradients(t *testing.T) {
	for _, c := range []struct {
		x, w        tensor.Shape
		stride, pad int
		stem        bool
	}{
		{tensor.Shape{1, 3, 3, 1}, tensor.Shape{1, 1, 1, 1}, 1, 0, false},
		{tensor.Shape{2, 5, 4, 3}, tensor.Shape{2, 3, 3, 3}, 1, 1, false},
		{tensor.Shape{1, 5, 7, 2}, tensor.Shape{3, 3, 3, 2}, 2, 1, false},
		{tensor.Shape{2, 5, 5, 2}, tensor.Shape{3, 1, 1, 2}, 2, 0, false},
		{tensor.Shape{2, 4, 4, 2}, tensor.Shape{3, 3, 3, 2}, 1, 1, true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			h := newHarness(t, []tensor.Shape{c.x, c.w}, normal(1), func(in G.Nodes) *G.Node {
				return Conv2D(portable, in[0], in[1], c.stride, c.pad, c.stem)
			})
			if (h.grads[0] == nil) != c.stem {
				t.Errorf("stem %v, but input gradient: %v", c.stem, h.grads[0] != nil)
			}
			h.checkGradients(t)
		})
	}
}

func TestLinearGradients(t *testing.T) {
	for _, n := range []int{1, 3} {
		for _, bias := range []bool{false, true} {
			t.Run(fmt.Sprint(n, bias), func(t *testing.T) {
				shapes := []tensor.Shape{{n, 5}, {7, 5}}
				if bias {
					shapes = append(shapes, tensor.Shape{7})
				}
				newHarness(t, shapes, normal(2), func(in G.Nodes) *G.Node {
					var b *G.Node
					if bias {
						b = in[2]
					}
					return Linear(portable, in[0], in[1], b)
				}).checkGradients(t)
			})
		}
	}
}

func TestAvgPoolGradients(t *testing.T) {
	for _, s := range []tensor.Shape{{1, 1, 1, 1}, {2, 3, 5, 3}} {
		newHarness(t, []tensor.Shape{s}, normal(3), func(in G.Nodes) *G.Node { return AvgPool(portable, in[0]) }).checkGradients(t)
	}
}

func TestStandardizeWeightsGradients(t *testing.T) {
	for _, s := range []tensor.Shape{{3, 3, 3, 2}, {4, 7}, {1, 2}} {
		newHarness(t, []tensor.Shape{s}, normal(4), func(in G.Nodes) *G.Node { return StandardizeWeights[float64](in[0]) }).checkGradients(t)
	}
}

func TestBYOLGradients(t *testing.T) {
	for _, s := range []tensor.Shape{{2, 3}, {6, 5}} {
		newHarness(t, []tensor.Shape{s, s}, normal(5), func(in G.Nodes) *G.Node { return BYOL[float64](in[0], in[1]) }).checkGradients(t)
	}
}

func TestNTXentGradients(t *testing.T) {
	for _, s := range []tensor.Shape{{2, 3}, {4, 3}, {6, 5}} {
		for _, temperature := range []float64{0.1, 1, 10} {
			newHarness(t, []tensor.Shape{s}, normal(9), func(in G.Nodes) *G.Node { return NTXent(portable, in[0], temperature) }).checkGradients(t)
		}
	}
}

// TestNTXentValue: with all projections equal, the other view is one of 2B - 1
// like it; with the views of two images opposite, it is found for certain.
func TestNTXentValue(t *testing.T) {
	for _, c := range []struct {
		z    []float64
		want float64
	}{
		{[]float64{1, 2, 1, 2, 1, 2, 1, 2}, math.Log(3)},
		{[]float64{1, 0, -1, 0, 2, 0, -2, 0}, math.Log(1 + 2*math.Exp(-2/0.5))},
	} {
		h := newHarness(t, []tensor.Shape{{4, 2}}, func(_, j int) float64 { return c.z[j] }, func(in G.Nodes) *G.Node {
			return NTXent(portable, in[0], 0.5)
		})
		if got := h.run(t); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("loss of %v is %g, want %g", c.z, got, c.want)
		}
	}
}

// TestNTXentAtLowTemperature: where all but the largest of the exponentials
// vanish, the loss is the distance of the other view's cosine from the largest
// one in temperatures.
func TestNTXentAtLowTemperature(t *testing.T) {
	const temperature = 1e-4
	z := []float64{1, 0, -0.6, 0.8, 0, -1, -0.8, -0.6}
	want := 0.0
	for i := range 4 {
		cosine := func(j int) float64 { return z[2*i]*z[2*j] + z[2*i+1]*z[2*j+1] }
		largest := math.Inf(-1)
		for j := range 4 {
			if j != i {
				largest = max(largest, cosine(j))
			}
		}
		want += (largest - cosine((i+2)%4)) / temperature / 4
	}
	h := newHarness(t, []tensor.Shape{{4, 2}}, func(_, j int) float64 { return z[j] }, func(in G.Nodes) *G.Node {
		return NTXent(portable, in[0], temperature)
	})
	if got := h.run(t); math.Abs(got-want) > 1e-6 || want < 1 {
		t.Errorf("loss is %g, want %g", got, want)
	}
}

// normCase is one way to use Norm.
type normCase struct {
	spec            NormSpec[float64]
	shape           tensor.Shape
	gamma, residual bool
}

func (c normCase) String() string {
	return fmt.Sprintf("kind%d/groups%d/views%d/relu%v/%v/gamma%v/residual%v", c.spec.Kind, c.spec.Groups, c.spec.Views, c.spec.ReLU, c.shape, c.gamma, c.residual)
}

func normCases() (cases []normCase) {
	for _, relu := range []bool{false, true} {
		for _, residual := range []bool{false, true} {
			cases = append(cases,
				normCase{NormSpec[float64]{Kind: Affine, ReLU: relu}, tensor.Shape{2, 3, 3, 5}, false, residual},
				normCase{NormSpec[float64]{Kind: Affine, ReLU: relu}, tensor.Shape{1, 3, 3, 3}, true, residual},
				normCase{NormSpec[float64]{Kind: Affine, ReLU: relu}, tensor.Shape{3, 4}, true, residual},
				normCase{NormSpec[float64]{Kind: Batch, Views: 2, ReLU: relu}, tensor.Shape{4, 3, 3, 3}, true, residual},
				normCase{NormSpec[float64]{Kind: Batch, Views: 1, ReLU: relu}, tensor.Shape{1, 5, 3, 2}, true, residual},
				normCase{NormSpec[float64]{Kind: Batch, Views: 2, ReLU: relu}, tensor.Shape{6, 5}, true, residual},
				normCase{NormSpec[float64]{Kind: Group, Groups: 1, ReLU: relu}, tensor.Shape{2, 3, 3, 3}, true, residual},
				normCase{NormSpec[float64]{Kind: Group, Groups: 2, ReLU: relu}, tensor.Shape{1, 3, 2, 8}, true, residual},
				normCase{NormSpec[float64]{Kind: Group, Groups: 4, ReLU: relu}, tensor.Shape{3, 16}, true, residual},
				normCase{NormSpec[float64]{Kind: Group, Groups: 1, ReLU: relu}, tensor.Shape{1, 6}, true, residual},
			)
		}
	}
	return cases
}

// build makes the inputs' shapes and the node for c.
func (c normCase) build() ([]tensor.Shape, func(in G.Nodes) *G.Node) {
	ch := c.shape[len(c.shape)-1]
	shapes := []tensor.Shape{c.shape, {ch}}
	gamma, residual := 0, 0
	if c.gamma {
		gamma = len(shapes)
		shapes = append(shapes, tensor.Shape{ch})
	}
	if c.residual {
		residual = len(shapes)
		shapes = append(shapes, c.shape)
	}
	return shapes, func(in G.Nodes) *G.Node {
		pick := func(i int) *G.Node {
			if i == 0 {
				return nil
			}
			return in[i]
		}
		return Norm(portable, c.spec, in[0], pick(gamma), in[1], pick(residual))
	}
}

func TestNormGradients(t *testing.T) {
	for _, c := range normCases() {
		t.Run(c.String(), func(t *testing.T) {
			shapes, build := c.build()
			newHarness(t, shapes, normal(6), build).checkGradients(t)
		})
	}
}

// TestNormValues checks the forward pass against the definitions.
func TestNormValues(t *testing.T) {
	const rows, ch = 6, 4
	x := make([]float64, rows*ch)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range x {
		x[i] = r.NormFloat64()*3 + 1
	}
	gamma, beta := []float64{1, 2, 3, 4}, []float64{.1, .2, .3, .4}
	// members lists the elements that are normalized together with row, c.
	for name, c := range map[string]struct {
		spec    NormSpec[float64]
		members func(row, c, row2, c2 int) bool
	}{
		"batch, two views": {NormSpec[float64]{Kind: Batch, Views: 2}, func(r, c, r2, c2 int) bool { return c == c2 && r/3 == r2/3 }},
		"layer":            {NormSpec[float64]{Kind: Group, Groups: 1}, func(r, c, r2, c2 int) bool { return r == r2 }},
		"group":            {NormSpec[float64]{Kind: Group, Groups: 2}, func(r, c, r2, c2 int) bool { return r == r2 && c/2 == c2/2 }},
	} {
		t.Run(name, func(t *testing.T) {
			got := make([]float64, len(x))
			h := newHarness(t, []tensor.Shape{{rows, ch}, {ch}, {ch}}, func(i, j int) float64 {
				return [][]float64{x, beta, gamma}[i][j]
			}, func(in G.Nodes) *G.Node {
				y := Norm(portable, c.spec, in[0], in[2], in[1], nil)
				Capture(y, got)
				return y
			})
			h.run(t)
			for i := range x {
				var sum, ss, n float64
				for j := range x {
					if c.members(i/ch, i%ch, j/ch, j%ch) {
						sum += x[j]
						n++
					}
				}
				for j := range x {
					if c.members(i/ch, i%ch, j/ch, j%ch) {
						ss += (x[j] - sum/n) * (x[j] - sum/n)
					}
				}
				want := (x[i]-sum/n)/math.Sqrt(ss/n+NormEps)*gamma[i%ch] + beta[i%ch]
				if math.Abs(got[i]-want) > 1e-12 {
					t.Fatalf("element %d is %g, want %g", i, got[i], want)
				}
			}
		})
	}
}

func TestFrozenNormUsesGivenStatistics(t *testing.T) {
	x, mean, variance := []float64{1, 2, 3, 4}, []float64{1, 0}, []float64{4, 1}
	got := make([]float64, 4)
	g := G.NewGraph()
	in := func(name string, data []float64, s ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(s), G.WithShape(s...), G.WithName(name), G.WithValue(tensor.New(tensor.WithShape(s...), tensor.WithBacking(data))))
	}
	y := Norm(portable, NormSpec[float64]{Kind: Batch, Mean: mean, Var: variance},
		in("x", x, 2, 2), in("gamma", []float64{1, 1}, 2), in("beta", []float64{0, 10}, 2), nil)
	Capture(y, got)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0, 12, 1, 14} {
		if math.Abs(got[i]-want) > 1e-4 {
			t.Errorf("element %d is %g, want %g", i, got[i], want)
		}
	}
}

func TestStopGradientStopsGradients(t *testing.T) {
	shape := tensor.Shape{4, 3}
	h := newHarness(t, []tensor.Shape{shape}, normal(8), func(in G.Nodes) *G.Node {
		return BYOL[float64](in[0], StopGradient[float64](in[0]))
	})
	through := newHarness(t, []tensor.Shape{shape}, normal(8), func(in G.Nodes) *G.Node { return BYOL[float64](in[0], in[0]) })
	if a, b := h.run(t), through.run(t); a != b {
		t.Errorf("the loss changed from %g to %g", b, a)
	}
	// The loss is symmetric in its arguments here, so half the gradient is left.
	for i, g := range h.grads[0] {
		if math.Abs(2*g-through.grads[0][i]) > 1e-12 {
			t.Fatalf("gradient %d is %g with the gradient stopped, %g without", i, g, through.grads[0][i])
		}
	}
}

// TestNodesAreNeverMerged: equal ops on equal inputs stay apart, since each
// owns state.
func TestNodesAreNeverMerged(t *testing.T) {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 2, G.WithShape(2, 2), G.WithName("x"))
	if a, b := StopGradient[float64](x), StopGradient[float64](x); a == b || a.Hashcode() == b.Hashcode() {
		t.Error("two ops on one input were merged")
	}
}

// TestKernelPanicIsAnError: the graph reports it instead of ending the process.
func TestKernelPanicIsAnError(t *testing.T) {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(2), G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(2), tensor.WithBacking([]float64{1, 2}))))
	apply(&op[float64]{name: "bad", forward: func([]float64, [][]float64) { panic("out of memory") }}, tensor.Shape{1}, x)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err == nil {
		t.Error("no error")
	}
}
