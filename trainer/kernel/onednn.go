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
	"unsafe"
)

// OneDNN is the kernel set for training: convolutions and matrix products of
// the oneDNN library, and vectorized passes for the rest.
type OneDNN struct{}

var _ Set[float32] = OneDNN{}

func best32() Set[float32] { return OneDNN{} }

// Name implements Set.
func (OneDNN) Name() string {
	v := C.dnnl_version()
	return fmt.Sprintf("onednn %d.%d.%d", v.major, v.minor, v.patch)
}

// Notice is what a person should know before training with this kernel set:
// nothing.
func Notice() string { return "" }

// Conv implements Set. It panics if oneDNN cannot do the shape, which a
// checked configuration does not ask for.
func (OneDNN) Conv(s ConvShape) Conv[float32] {
	var status C.int
	c := C.conv_new(C.int(s.N), C.int(s.H), C.int(s.W), C.int(s.In), C.int(s.Out), C.int(s.Kernel), C.int(s.Stride), C.int(s.Pad), &status)
	if c == nil {
		panic(fmt.Sprintf("kernel: oneDNN refuses the convolution %+v (status %d)", s, int(status)))
	}
	conv := &dnnConv{c}
	runtime.AddCleanup(conv, func(c *C.conv) { C.conv_free(c) }, c)
	return conv
}

type dnnConv struct{ c *C.conv }

func (d *dnnConv) Forward(y, x, w []float32) {
	check("convolution", C.conv_forward(d.c, ptr(y), ptr(x), ptr(w)))
	runtime.KeepAlive(d)
}

func (d *dnnConv) BackwardData(dx, dy, w []float32) {
	check("convolution gradient", C.conv_backward_data(d.c, ptr(dx), ptr(dy), ptr(w)))
	runtime.KeepAlive(d)
}

func (d *dnnConv) BackwardWeights(dw, x, dy []float32) {
	check("weight gradient", C.conv_backward_weights(d.c, ptr(dw), ptr(x), ptr(dy)))
	runtime.KeepAlive(d)
}

// Gemm implements Set.
func (OneDNN) Gemm(transA, transB bool, m, n, k int, a, b, c []float32) {
	check("matrix product", C.gemm(truth(transA), truth(transB), C.int(m), C.int(n), C.int(k), ptr(a), ptr(b), ptr(c)))
}

// Moments implements Set.
func (OneDNN) Moments(mean, m2, x []float32, v View) {
	C.pass_moments(ptr(mean), ptr(m2), ptr(x), C.int(v.Blocks), C.int(v.Rows), C.int(v.Channels))
}

// ScaleShift implements Set.
func (OneDNN) ScaleShift(y, x, residual, scale, shift []float32, v View, relu bool) {
	C.pass_scale_shift(ptr(y), ptr(x), ptr(residual), ptr(scale), ptr(shift), C.int(v.Blocks), C.int(v.Rows), C.int(v.Channels), truth(relu))
}

// GradMoments implements Set.
func (OneDNN) GradMoments(sumG, sumGX, dy, y, x, center []float32, v View) {
	C.pass_grad_moments(ptr(sumG), ptr(sumGX), ptr(dy), ptr(y), ptr(x), ptr(center), C.int(v.Blocks), C.int(v.Rows), C.int(v.Channels))
}

// GradApply implements Set.
func (OneDNN) GradApply(dx, dres, dy, y, x, scale, slope, shift []float32, v View) {
	C.pass_grad_apply(ptr(dx), ptr(dres), ptr(dy), ptr(y), ptr(x), ptr(scale), ptr(slope), ptr(shift), C.int(v.Blocks), C.int(v.Rows), C.int(v.Channels))
}

// MeanRows implements Set.
func (OneDNN) MeanRows(y, x []float32, v View) {
	C.pass_mean_rows(ptr(y), ptr(x), C.int(v.Blocks), C.int(v.Rows), C.int(v.Channels))
}

// SpreadRows implements Set.
func (OneDNN) SpreadRows(dx, dy []float32, v View) {
	C.pass_spread_rows(ptr(dx), ptr(dy), C.int(v.Blocks), C.int(v.Rows), C.int(v.Channels))
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
