package data

import (
	"math"
	"slices"
	"testing"
)

func TestStreamIsDeterministic(t *testing.T) {
	// Checkpoints and published results rest on these numbers.
	r := Stream(1, "augment", 2, 3)
	got := []uint64{r.Uint64(), r.Uint64()}
	if want := []uint64{0xe42d0fddaf6f99c1, 0xef7be04223992a03}; !slices.Equal(got, want) {
		t.Errorf("the stream begins with %#x, want %#x", got, want)
	}
	if a, b := Stream(1, "augment", 2, 3).Uint64(), Stream(1, "augment", 2, 3).Uint64(); a != b {
		t.Errorf("equal arguments: %#x and %#x", a, b)
	}
}

// Whatever differs in the arguments gives another stream: also the division
// of the same numbers among purpose and keys.
func TestStreamsDiffer(t *testing.T) {
	seen := map[uint64][]int{}
	add := func(id []int, v uint64) {
		if other, ok := seen[v]; ok {
			t.Errorf("streams %v and %v begin alike", id, other)
		}
		seen[v] = id
	}
	for seed := -1; seed < 20; seed++ {
		add([]int{seed}, Stream(seed, "augment").Uint64())
		add([]int{seed, -1}, Stream(seed, "augmen").Uint64())
		add([]int{seed, -2}, Stream(seed, "").Uint64())
		for a := range 30 {
			add([]int{seed, a}, Stream(seed, "augment", a).Uint64())
			for b := range 30 {
				add([]int{seed, a, b}, Stream(seed, "augment", a, b).Uint64())
			}
		}
	}
}

// The first numbers of neighbouring streams are uniform and uncorrelated.
func TestStreamsAreIndependent(t *testing.T) {
	const n = 20000
	var mean, lag float64
	previous := Stream(7, "augment", 0, 0, 1).Float64()
	for i := 1; i <= n; i++ {
		v := Stream(7, "augment", 0, i, 1).Float64()
		mean += v / n
		lag += (v - 0.5) * (previous - 0.5) * 12 / n
		previous = v
	}
	if math.Abs(mean-0.5) > 4/math.Sqrt(12*n) {
		t.Errorf("mean %g", mean)
	}
	if math.Abs(lag) > 4/math.Sqrt(n) {
		t.Errorf("neighbouring streams correlate with %g", lag)
	}
}

func TestOrder(t *testing.T) {
	order := Order(3, 5, 1000)
	sorted := slices.Clone(order)
	slices.Sort(sorted)
	for i, v := range sorted {
		if i != v {
			t.Fatalf("not a permutation: %d at place %d of the sorted order", v, i)
		}
	}
	if !slices.Equal(order, Order(3, 5, 1000)) {
		t.Error("the same epoch has two orders")
	}
	if slices.Equal(order, Order(3, 6, 1000)) || slices.Equal(order, Order(4, 5, 1000)) {
		t.Error("another epoch or seed has the same order")
	}
}
