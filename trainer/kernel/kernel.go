// Package kernel holds the arithmetic of the trainer's ops: convolutions,
// matrix products and the passes of the normalizations, on plain slices.
//
// There are two kernel sets. Portable is pure Go on gonum's BLAS, generic
// over the float type: the oracle that tests compare with. The oneDNN set
// (build tag "onednn", float32 only) is the one to train with.
//
// Activations are [N, H, W, C]. A set may keep one of several channels in slabs,
// [image][slab][pixel][lane], where a pixel's lanes fill a vector register; with
// one slab, as wide as the channels, that is plain NHWC. Matrices and what
// enters the network are always plain.
package kernel

// Float is the element type of a kernel set.
type Float interface{ float32 | float64 }

// ConvShape is the shape of a square convolution without bias.
type ConvShape struct {
	N, H, W, In int // input [N, H, W, In]
	Out         int // output channels
	Kernel      int // height and width of the filter
	Stride, Pad int
}

// OutH is the height of the output.
func (s ConvShape) OutH() int { return (s.H+2*s.Pad-s.Kernel)/s.Stride + 1 }

// OutW is the width of the output.
func (s ConvShape) OutW() int { return (s.W+2*s.Pad-s.Kernel)/s.Stride + 1 }

// Weights is the number of weights, laid out [Out, Kernel, Kernel, In].
func (s ConvShape) Weights() int { return s.Out * s.Kernel * s.Kernel * s.In }

// Conv is a convolution of one shape with the scratch memory it needs. It is
// not safe for concurrent use.
type Conv[T Float] interface {
	Forward(y, x, w []T)           // y [N, OutH, OutW, Out]
	BackwardData(dx, dy, w []T)    // dx like x
	BackwardWeights(dw, x, dy []T) // dw like w
}

// Set is one implementation of every kernel.
type Set[T Float] interface {
	// Name identifies the set and its version, as provenance.
	Name() string

	// Lanes is how many channels lie side by side in an activation of that
	// many channels.
	Lanes(channels int) int

	// Conv prepares a convolution of the given shape.
	Conv(s ConvShape) Conv[T]

	// Gemm computes c = op(a) op(b) for row-major dense matrices: op(a) is
	// m x k, op(b) is k x n, c is m x n.
	Gemm(transA, transB bool, m, n, k int, a, b, c []T)

	// Moments gives, per block and channel, the mean over the rows and the
	// sum of squared deviations from it. mean, m2: [blocks, channels].
	Moments(mean, m2, x []T, v View)

	// ScaleShift computes y = act(x*scale + shift + residual). scale and
	// shift are [blocks, channels]; a nil scale means 1, a nil residual 0. y
	// shares memory with none of the others, here and below.
	ScaleShift(y, x, residual, scale, shift []T, v View, relu bool)

	// GradMoments gives, per block and channel, the sums over the rows of g
	// and of g*(x-center), where g is dy, or zero where a ReLU gave y <= 0
	// (y is nil without one). center is [blocks, channels]; sumGX is left
	// alone if it is nil.
	GradMoments(sumG, sumGX, dy, y, x, center []T, v View)

	// GradApply computes dx = g*scale + x*slope + shift, with coefficients
	// [blocks, channels], and stores g in dres unless that is nil. A nil
	// scale means 1; a nil slope leaves out its term and the shift.
	GradApply(dx, dres, dy, y, x, scale, slope, shift []T, v View)

	// MeanRows averages over the rows: y is [blocks, channels].
	MeanRows(y, x []T, v View)

	// SpreadRows is the gradient of MeanRows: dx = dy / rows in every row.
	SpreadRows(dx, dy []T, v View)
}

// View is how a normalization sees an activation: [blocks][images][slabs][rows]
// [lanes], with one set of coefficients for each block and channel, [blocks,
// slabs*lanes]. A block is what shares its statistics: the images of a view
// under batch norm, an image under group norm.
type View struct{ Blocks, Images, Slabs, Rows, Lanes int }

// Dense is the view of a plain [blocks][rows][channels].
func Dense(blocks, rows, channels int) View { return View{blocks, 1, 1, rows, channels} }

// Slabs is the view of images of that many pixels whose channels lie in slabs.
func Slabs(blocks, images, pixels, channels, lanes int) View {
	if lanes == channels {
		return Dense(blocks, images*pixels, channels)
	}
	return View{blocks, images, channels / lanes, pixels, lanes}
}

// Channels is the number of coefficients of a block.
func (v View) Channels() int { return v.Slabs * v.Lanes }

// Count is the number of elements that share a coefficient.
func (v View) Count() int { return v.Images * v.Rows }

// Len is the number of elements.
func (v View) Len() int { return v.Blocks * v.Count() * v.Channels() }

// Block is the view of one block.
func (v View) Block() View {
	v.Blocks = 1
	return v
}
