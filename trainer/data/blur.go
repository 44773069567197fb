package data

import "math"

// blurRadius is half the width of the blur's kernel, which is a tenth of the
// image (23 pixels at 224, 3 at 32), in pixels.
func blurRadius(size int) int { return max(1, size/20) }

// gaussianBlur convolves with a Gaussian of standard deviation sigma pixels,
// cut off at the kernel's border: rows first, then columns. Beyond the image's
// border its mirror image continues it, without repeating the border itself.
func (a *Augmenter) gaussianBlur(pix []float32, sigma float64) {
	sum := 1.0
	for k := 1; k < len(a.kernel); k++ {
		sum += 2 * gauss(k, sigma)
	}
	for k := range a.kernel {
		a.kernel[k] = float32(gauss(k, sigma) / sum)
	}
	stride := a.width * a.channels
	for y := range a.height {
		a.blurRow(a.wide[y*stride:(y+1)*stride], pix[y*stride:(y+1)*stride])
	}
	row := func(y int) []float32 {
		y = mirror(y, a.height)
		return a.wide[y*stride : (y+1)*stride]
	}
	for y := range a.height {
		a.blend(pix[y*stride:(y+1)*stride], func(k int) []float32 { return row(y + k) })
	}
}

func (a *Augmenter) blurRow(dst, src []float32) {
	radius := len(a.kernel) - 1
	for x := -radius; x < a.width+radius; x++ {
		from := mirror(x, a.width) * a.channels
		copy(a.line[(x+radius)*a.channels:], src[from:from+a.channels])
	}
	a.blend(dst, func(k int) []float32 { return a.line[(radius+k)*a.channels:] })
}

// blend writes to dst the sum of its neighbours at -radius..radius, weighted
// with the kernel.
func (a *Augmenter) blend(dst []float32, neighbour func(k int) []float32) {
	for i, v := range neighbour(0)[:len(dst)] {
		dst[i] = a.kernel[0] * v
	}
	for k := 1; k < len(a.kernel); k++ {
		w, before, after := a.kernel[k], neighbour(-k)[:len(dst)], neighbour(k)[:len(dst)]
		for i := range dst {
			dst[i] += w * (before[i] + after[i])
		}
	}
}

func gauss(k int, sigma float64) float64 { return math.Exp(-float64(k*k) / (2 * sigma * sigma)) }

// mirror returns the index in 0..n-1 that stands for i beyond it.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	for i < 0 || i >= n {
		if i < 0 {
			i = -i
		} else {
			i = 2*(n-1) - i
		}
	}
	return i
}
