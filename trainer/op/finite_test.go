package op

import (
	"maps"
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
)

// TestPlaces: every op of a network says where it is, those of the gradients
// as their layer does.
func TestPlaces(t *testing.T) {
	g := G.NewGraph()
	network(g, noise(192, 1))
	got := map[string]bool{}
	for _, n := range g.AllNodes() {
		if o, ours := n.Op().(*op[float64]); ours && o.name != "capture" {
			got[o.describe()] = true
		}
	}
	want := []string{
		"avgpool after b", "avgpool.dx after b", "byol after b", "byol.dp after b", "byol.dz after b",
		"conv2d at a", "conv2d at b", "conv2d.dw at a", "conv2d.dw at b", "conv2d.dx at b",
		"norm at b", "norm.dbeta at b", "norm.dgamma at b", "norm.dresidual at b", "norm.dx at b",
		"standardize at b", "standardize.dw at b", "stop_gradient after b",
	}
	if places := slices.Sorted(maps.Keys(got)); !slices.Equal(places, want) {
		t.Errorf("places %q,\nwant   %q", places, want)
	}
}

// TestFirstNotFinite: of all the ops that an infinity passes through, the one
// that made it is named; none is where it came from outside. To be watched
// changes no value.
func TestFirstNotFinite(t *testing.T) {
	g, x := G.NewGraph(), noise(192, 1)
	_, grads, weights := network(g, x)
	ShareMemory[float64](g)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	run := func() error {
		defer vm.Reset()
		return vm.RunAll()
	}
	first := func() string {
		t.Helper()
		culprit, err := FirstNotFinite[float64](g, run)
		if err != nil {
			t.Fatal(err)
		}
		return culprit
	}
	if culprit := first(); culprit != "" {
		t.Errorf("%s, where all is finite", culprit)
	}
	before := slices.Clone(grads[0])
	if err := run(); err != nil || !slices.Equal(grads[0], before) {
		t.Errorf("the gradient is %v unwatched and %v watched, error %v", grads[0][:3], before[:3], err)
	}
	scale := weights[2][0]
	weights[2][0] = math.MaxFloat64
	if culprit := first(); culprit != "norm at b" {
		t.Errorf("%q, where a scale is huge", culprit)
	}
	weights[2][0] = scale
	x[0] = math.NaN()
	if culprit := first(); culprit != "" {
		t.Errorf("%s, where the images are not finite", culprit)
	}
}
