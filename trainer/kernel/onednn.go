//go:build onednn

package kernel

// #cgo CFLAGS: -O3 -fopenmp-simd -Wall -Wno-unused-function
// #cgo LDFLAGS: -ldnnl -lgomp
// #include <oneapi/dnnl/dnnl.h>
// #include "conv.h"
// #include "passes.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// OneDNN is the kernel set for training: convolutions and matrix products of
// the oneDNN library, and vectorized passes for the rest.
type OneDNN struct{}

var _ Set[float32] = OneDNN{}

func best32() Set[float32] { return OneDNN{} }

// Name implements Set. Without slabs there is no Winograd, and all numbers
// round otherwise.
func (OneDNN) Name() string {
	v := C.dnnl_version()
	name := fmt.Sprintf("onednn %d.%d.%d", v.major, v.minor, v.patch)
	if C.conv_lanes() == 0 {
		name += " without slabs"
	}
	return name
}

// Notice is what a person should know before training with this kernel set:
// nothing.
func Notice() string { return "" }

// Conv implements Set. It panics when out of memory.
func (OneDNN) Conv(s ConvShape) Conv[float32] {
	c := C.conv_new(C.conv_shape{
		n: C.int(s.N), h: C.int(s.H), w: C.int(s.W), in: C.int(s.In), out: C.int(s.Out),
		kernel: C.int(s.Kernel), stride: C.int(s.Stride), pad: C.int(s.Pad),
	})
	if c == nil {
		panic(fmt.Sprintf("kernel: no memory for the convolution %+v", s))
	}
	conv := &dnnConv{c}
	runtime.AddCleanup(conv, func(c *C.conv) { C.conv_free(c) }, c)
	return conv
}

type dnnConv struct{ c *C.conv }

// turn orders the convolutions of a process, which share what they work with.
var turn sync.Mutex

// winograd reports whether all three directions, each of which must have been
// used, go by Winograd's algorithm.
func (d *dnnConv) winograd() bool {
	defer runtime.KeepAlive(d)
	return C.conv_winograd(d.c) == 1
}

func (d *dnnConv) Forward(y, x, w []float32) {
	turn.Lock()
	defer turn.Unlock()
	check("convolution", C.conv_forward(d.c, ptr(y), ptr(x), ptr(w)))
	runtime.KeepAlive(d)
}

func (d *dnnConv) BackwardData(dx, dy, w []float32) {
	turn.Lock()
	defer turn.Unlock()
	check("convolution gradient", C.conv_backward_data(d.c, ptr(dx), ptr(dy), ptr(w)))
	runtime.KeepAlive(d)
}

func (d *dnnConv) BackwardWeights(dw, x, dy []float32) {
	turn.Lock()
	defer turn.Unlock()
	check("weight gradient", C.conv_backward_weights(d.c, ptr(dw), ptr(x), ptr(dy)))
	runtime.KeepAlive(d)
}

// Gemm implements Set.
func (OneDNN) Gemm(transA, transB bool, m, n, k int, a, b, c []float32) {
	check("matrix product", C.gemm(truth(transA), truth(transB), C.int(m), C.int(n), C.int(k), ptr(a), ptr(b), ptr(c)))
}

// Lanes implements Set: a register's worth where oneDNN has convolutions on
// slabs that wide. Its Winograd convolutions know no other layout.
func (OneDNN) Lanes(channels int) int {
	if vector := int(C.conv_lanes()); vector > 0 && channels%vector == 0 {
		return vector
	}
	return channels
}

// layout is v as the passes take it.
func layout(v View) C.view {
	return C.view{C.int(v.Blocks), C.int(v.Images), C.int(v.Slabs), C.int(v.Rows), C.int(v.Lanes)}
}

// Moments implements Set.
func (OneDNN) Moments(mean, m2, x []float32, v View) {
	C.pass_moments(ptr(mean), ptr(m2), ptr(x), layout(v))
}

// ScaleShift implements Set.
func (OneDNN) ScaleShift(y, x, residual, scale, shift []float32, v View, relu bool) {
	C.pass_scale_shift(ptr(y), ptr(x), ptr(residual), ptr(scale), ptr(shift), layout(v), truth(relu))
}

// GradMoments implements Set.
func (OneDNN) GradMoments(sumG, sumGX, dy, y, x, center []float32, v View) {
	C.pass_grad_moments(ptr(sumG), ptr(sumGX), ptr(dy), ptr(y), ptr(x), ptr(center), layout(v))
}

// GradApply implements Set.
func (OneDNN) GradApply(dx, dres, dy, y, x, scale, slope, shift []float32, v View) {
	C.pass_grad_apply(ptr(dx), ptr(dres), ptr(dy), ptr(y), ptr(x), ptr(scale), ptr(slope), ptr(shift), layout(v))
}

// MeanRows implements Set.
func (OneDNN) MeanRows(y, x []float32, v View) {
	C.pass_mean_rows(ptr(y), ptr(x), layout(v))
}

// SpreadRows implements Set.
func (OneDNN) SpreadRows(dx, dy []float32, v View) {
	C.pass_spread_rows(ptr(dx), ptr(dy), layout(v))
}

func ptr(s []float32) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(s))) }

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// check panics on a failure inside oneDNN: out of memory, or a bug of ours.
func check(what string, status C.int) {
	if status != 0 {
		panic(fmt.Sprintf("kernel: oneDNN failed in a %s (status %d)", what, int(status)))
	}
}
