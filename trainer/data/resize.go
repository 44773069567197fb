package data

import "math"

// taps says how one pixel is interpolated: from four consecutive ones, the
// first of them at at, with these weights.
type taps struct {
	at      int
	weights [4]float32
}

// enlargements returns, for every length n up to size, how size pixels are
// interpolated from n: cubic convolution (Keys 1981) with a = -0.5, as Pillow
// and TensorFlow do it, pixel centres at halves. Pixels beyond the border do
// not count; the weights of the others sum to one. For n < 4 the taps beyond
// n have weight zero. Pixels that need no interpolation are kept exactly.
func enlargements(size int) [][]taps {
	all := make([][]taps, size+1)
	for n := 1; n <= size; n++ {
		all[n] = make([]taps, size)
		for i := range all[n] {
			centre := (float64(i)+0.5)*float64(n)/float64(size) - 0.5
			all[n][i] = tapsAt(centre, n)
		}
	}
	return all
}

func tapsAt(centre float64, n int) taps {
	t := taps{at: max(0, min(int(math.Floor(centre))-1, n-4))}
	var w [4]float64
	sum := 0.0
	for k := range w {
		if t.at+k < n {
			w[k] = keys(float64(t.at+k) - centre)
			sum += w[k]
		}
	}
	for k := range w {
		t.weights[k] = float32(w[k] / sum)
	}
	return t
}

// keys is the kernel of cubic convolution.
func keys(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}

// resize enlarges a crop of img to the image's size, in 0..1, mirrored if
// flip is set: first its rows, then its columns.
func (a *Augmenter) resize(dst []float32, img []byte, crop box, flip bool) {
	stride := a.width * a.channels
	for y := range crop.height {
		start := (crop.y+y)*stride + crop.x*a.channels
		row := img[start : start+crop.width*a.channels]
		for i, b := range row {
			a.line[i] = a.unit[b]
		}
		a.widen(a.wide[y*stride:(y+1)*stride], a.toWidth[crop.width], flip)
	}
	for y, t := range a.toHeight[crop.height] {
		blendRows(dst[y*stride:(y+1)*stride], a.wide[t.at*stride:], stride, &t.weights)
	}
}

// widen interpolates one row of full width from a.line.
func (a *Augmenter) widen(row []float32, columns []taps, flip bool) {
	at, step := 0, a.channels
	if flip {
		at, step = len(row)-a.channels, -a.channels
	}
	for i := range columns {
		t := &columns[i]
		w0, w1, w2, w3 := t.weights[0], t.weights[1], t.weights[2], t.weights[3]
		if a.channels == 3 {
			s, d := a.line[3*t.at:3*t.at+12], row[at:at+3]
			d[0] = w0*s[0] + w1*s[3] + w2*s[6] + w3*s[9]
			d[1] = w0*s[1] + w1*s[4] + w2*s[7] + w3*s[10]
			d[2] = w0*s[2] + w1*s[5] + w2*s[8] + w3*s[11]
		} else {
			s := a.line[a.channels*t.at:]
			for c := range a.channels {
				row[at+c] = w0*s[c] + w1*s[c+a.channels] + w2*s[c+2*a.channels] + w3*s[c+3*a.channels]
			}
		}
		at += step
	}
}

// blendRows writes the weighted sum of four rows, clamped to 0..1, to dst.
func blendRows(dst, rows []float32, stride int, w *[4]float32) {
	n := len(dst)
	r0, r1, r2, r3 := rows[:n], rows[stride:stride+n], rows[2*stride:2*stride+n], rows[3*stride:3*stride+n]
	w0, w1, w2, w3 := w[0], w[1], w[2], w[3]
	for i := range dst {
		dst[i] = clamp(w0*r0[i] + w1*r1[i] + w2*r2[i] + w3*r3[i])
	}
}

// clamp returns x, or the nearer end of 0..1 if x is beyond it.
func clamp(x float32) float32 {
	if x < 0 {
		return 0
	}
	if x > 1 {
		return 1
	}
	return x
}
