package trainer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// Speed is what a training step achieves.
type Speed struct {
	Kernels         string   `json:"kernels"`           // kernel set with version
	StepSeconds     float64  `json:"step_seconds"`      // median of a whole step, update included
	ImagesPerSecond float64  `json:"images_per_second"` // the batch divided by step_seconds; an image counts once for both its views
	GFLOPS          float64  `json:"gflops"`            // of the step's convolutions, as direct ones, and matrix products, per second
	LimitGFLOPS     float64  `json:"limit_gflops"`      // rate of a large matrix product in the same process
	Share           float64  `json:"share"`             // of the limit; above 1 where Winograd's algorithm saves multiplications
	PeakBytes       int64    `json:"peak_bytes"`        // the process's largest resident memory so far; 0 where the system does not tell
	Ops             []OpTime `json:"ops"`               // the slowest first

	// Times are Unix times in seconds: when the first of the measured steps
	// began, and when each of them ended.
	Times []float64 `json:"times"`
}

// OpTime is the time that one kind of op takes in a step, the mean over all of
// them. "update" is what follows the gradients: the optimizer and the target's
// moving average. "other" is what is left, between the ops: with it they add up
// to the mean step.
type OpTime struct {
	Name    string  `json:"name"`    // kind of op
	Seconds float64 `json:"seconds"` // in a step
}

// Bench measures steps whole training steps of c on random images of side
// pixels and 3 channels: both views through the online network forward and
// backward and through the target network forward, and the update. An image
// counts once, for both its views. The limit is the rate of a large matrix
// product in the same process. It takes one thread, whatever GOMAXPROCS was.
// ready is called when all is set up and the timing is about to begin.
func Bench(c config.Config, side, steps int, ready func()) (s Speed, err error) {
	defer func() {
		if p := recover(); p != nil { // shapes that do not fit
			err = fmt.Errorf("building the network: %v", p)
		}
	}()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as in a worker
	b, err := newBench(c, side)
	if err != nil {
		return s, err
	}
	defer b.step.close()
	for range 2 { // the first steps get the memory
		if err := b.once(); err != nil {
			return s, err
		}
	}
	ready()
	warm := b.times()
	ends := []time.Time{time.Now()}
	for range steps {
		if err := b.once(); err != nil {
			return s, err
		}
		ends = append(ends, time.Now())
	}
	k := kernel.Best[float32]()
	s.PeakBytes = peakResident()
	s.Times = unixTimes(ends)
	s.Kernels = k.Name()
	s.StepSeconds = medianGap(ends).Seconds()
	s.ImagesPerSecond = float64(c.Batch) / s.StepSeconds
	s.GFLOPS = b.step.graph.Flops() / s.StepSeconds / 1e9
	s.LimitGFLOPS = productRate(k) / 1e9
	s.Share = s.GFLOPS / s.LimitGFLOPS
	s.Ops = opTimes(warm, b.times(), ends[steps].Sub(ends[0]), steps)
	return s, nil
}

// bench is a training step on random images, over and over.
type bench struct {
	config         config.Config
	step           *step[float32]
	online, target *net.Weights[float32]
	optimizer      *optimizer[float32]
	updates        time.Duration // spent in all updates so far
}

func newBench(c config.Config, side int) (*bench, error) {
	m := &net.Model[float32]{Config: c, Height: side, Width: side, Channels: 3,
		Random: func(name string) *rand.Rand { return data.Stream(1, "init/"+name) }}
	views := make([]float32, 2*c.Batch*side*side*3)
	r := data.Stream(1, "bench")
	for i := range views {
		views[i] = float32(r.NormFloat64())
	}
	k := kernel.Best[float32]()
	b := &bench{config: c, online: net.NewWeights[float32]()}
	if err := m.Calibrate(k, b.online, views, 2*c.Batch); err != nil {
		return nil, err
	}
	b.target = targetOf(c, b.online)
	b.optimizer = newOptimizer[float32](c.Optimizer, b.online)
	var err error
	if b.step, err = newStep(m, k, b.online, b.target); err != nil {
		return nil, err
	}
	copy(b.step.views, views)
	return b, nil
}

// once does a whole step, update included.
func (b *bench) once() error {
	if err := b.step.run(); err != nil {
		return err
	}
	start := time.Now()
	b.step.finish(b.config, b.optimizer, b.online, b.target, 0, 1)
	b.updates += time.Since(start)
	return nil
}

// times is how long each part of the steps has taken since b was made.
func (b *bench) times() map[string]time.Duration {
	t := b.step.graph.Times()
	t["update"] = b.updates
	return t
}

// medianGap is the median of the times between neighbours.
func medianGap(at []time.Time) time.Duration {
	var gaps []time.Duration
	for i, t := range at[1:] {
		gaps = append(gaps, t.Sub(at[i]))
	}
	slices.Sort(gaps)
	n := len(gaps)
	return (gaps[(n-1)/2] + gaps[n/2]) / 2
}

func unixTimes(at []time.Time) (seconds []float64) {
	for _, t := range at {
		seconds = append(seconds, float64(t.UnixMicro())/1e6)
	}
	return seconds
}

// peakResident is the largest resident memory that this process has had, in
// bytes, or 0 where the system does not tell.
func peakResident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	fmt.Sscan(peak, &kib)
	return kib << 10
}

// opTimes is the time by op of one of steps, which took whole together, the
// slowest first.
func opTimes(before, after map[string]time.Duration, whole time.Duration, steps int) (ops []OpTime) {
	other := whole
	for _, name := range slices.Sorted(maps.Keys(after)) {
		spent := after[name] - before[name]
		other -= spent
		ops = append(ops, OpTime{name, spent.Seconds() / float64(steps)})
	}
	ops = append(ops, OpTime{"other", other.Seconds() / float64(steps)})
	slices.SortStableFunc(ops, func(a, b OpTime) int {
		if a.Seconds > b.Seconds {
			return -1
		}
		return 1
	})
	return ops
}

// productRate is the floating-point operations per second of a matrix product
// large enough to reach the processor's limit.
func productRate(k kernel.Set[float32]) float64 {
	const n = 1024
	a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	for i := range a {
		a[i], b[i] = 1/float32(i+1), float32(i%7)
	}
	best := time.Duration(1 << 62)
	begun := time.Now()
	for i := 0; i < 10 && (i < 2 || time.Since(begun) < time.Second/2); i++ {
		start := time.Now()
		k.Gemm(false, false, n, n, n, a, b, c)
		best = min(best, time.Since(start))
	}
	return 2 * n * n * n / best.Seconds()
}
