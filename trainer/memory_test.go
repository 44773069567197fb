package trainer

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"ablate/trainer/config"
)

// steps returns whole training steps of a small network, update included.
func steps(t *testing.T, norm string, width, batch int) func(n int) {
	t.Helper()
	c := small(norm)
	c.Encoder.Width, c.Batch = width, batch
	b, err := newBench(c, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.step.close() })
	return func(n int) {
		for range n {
			if err := b.once(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestResidentMemoryIsFlat: in hundreds of steps the resident memory grows by no
// more than what the heap's bookkeeping scatters, on either side of cgo. One
// activation of the first stage that every step keeps would make 12 MiB or more.
func TestResidentMemoryIsFlat(t *testing.T) {
	resident := func() int {
		runtime.GC()
		debug.FreeOSMemory()
		text, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Skip("the system does not tell the resident memory: ", err)
		}
		var size, pages int
		if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
			t.Fatal(err)
		}
		return pages * os.Getpagesize()
	}
	for _, test := range []struct {
		norm         string
		width, steps int
	}{{config.NormBN, 4, 1000}, {config.NormGNWS, 4, 1000}, {config.NormBN, winogradWidth, 200}} {
		step := steps(t, test.norm, test.width, 8)
		step(test.steps / 10)
		before := resident()
		step(test.steps)
		if grown := resident() - before; grown > 2<<20 {
			t.Errorf("%s, width %d: %d steps took %d KiB of resident memory for ever", test.norm, test.width, test.steps, grown>>10)
		}
	}
}

// TestGarbageDoesNotGrowWithTheBatch: what Gorgonia's machine leaves behind in
// a step depends on the number of nodes alone.
func TestGarbageDoesNotGrowWithTheBatch(t *testing.T) {
	garbage := func(batch int) int {
		step := steps(t, config.NormBN, 4, batch)
		step(2) // get the memory
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		step(20)
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc-before.TotalAlloc) / 20
	}
	few, many := garbage(8), garbage(64)
	if many > few+1024 {
		t.Errorf("a step leaves %d bytes of garbage with 8 images and %d with 64", few, many)
	}
}
