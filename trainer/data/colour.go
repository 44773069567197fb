package data

import "math"

// The operations below work in place on pixels in 0..1 and keep them there.
// Those on colour expect three channels: red, green, blue.

// luma is the weight of each channel in a grey value (ITU-R BT.601).
const lumaRed, lumaGreen, lumaBlue = 0.299, 0.587, 0.114

func scaleBrightness(pix []float32, factor float32) {
	for i, v := range pix {
		pix[i] = clamp(v * factor)
	}
}

// scaleContrast moves pixels away from the image's mean grey value, or
// towards it if factor is below 1.
func scaleContrast(pix []float32, channels int, factor float32) {
	offset := meanGrey(pix, channels) * (1 - factor)
	for i, v := range pix {
		pix[i] = clamp(v*factor + offset)
	}
}

func meanGrey(pix []float32, channels int) float32 {
	sums, n := [3]float32{}, float32(len(pix)/channels)
	if channels != 3 {
		for _, v := range pix {
			sums[0] += v
		}
		return sums[0] / float32(len(pix))
	}
	for ; len(pix) >= 3; pix = pix[3:] {
		sums[0] += pix[0]
		sums[1] += pix[1]
		sums[2] += pix[2]
	}
	return (lumaRed*sums[0] + lumaGreen*sums[1] + lumaBlue*sums[2]) / n
}

// scaleSaturation moves pixels away from their own grey value, or towards it
// if factor is below 1.
func scaleSaturation(pix []float32, factor float32) {
	for ; len(pix) >= 3; pix = pix[3:] {
		r, g, b := pix[0], pix[1], pix[2]
		grey := (lumaRed*r + lumaGreen*g + lumaBlue*b) * (1 - factor)
		pix[0], pix[1], pix[2] = clamp(r*factor+grey), clamp(g*factor+grey), clamp(b*factor+grey)
	}
}

// shiftHue turns the hue of the hexagonal model HSV by a share of the colour
// circle, and keeps saturation and value.
//
// It counts the way around the hexagon in units in which a side is as long as
// the chroma, high - low, so that it needs no division. On each side one
// channel moves between low and high, and the others stay there.
func shiftHue(pix []float32, share float32) {
	share -= float32(math.Floor(float64(share)))
	if share == 0 {
		return
	}
	for ; len(pix) >= 3; pix = pix[3:] {
		r, g, b := pix[0], pix[1], pix[2]
		low, high, at := hexagon(r, g, b)
		side := high - low
		at += 6 * side * share
		if at >= 6*side {
			at -= 6 * side
		}
		switch { // from red over yellow, green, cyan, blue and magenta
		case at < side:
			r, g, b = high, low+at, low
		case at < 2*side:
			r, g, b = high-(at-side), high, low
		case at < 3*side:
			r, g, b = low, high, low+(at-2*side)
		case at < 4*side:
			r, g, b = low, high-(at-3*side), high
		case at < 5*side:
			r, g, b = low+(at-4*side), low, high
		default:
			r, g, b = high, low, high-(at-5*side)
		}
		pix[0], pix[1], pix[2] = r, g, b
	}
}

// hexagon returns the lowest and the highest channel, and the place of the
// colour on the way around the hexagon: 0 is red, 6*(high-low) red again.
func hexagon(r, g, b float32) (low, high, at float32) {
	switch {
	case r >= g && g >= b:
		return b, r, g - b
	case r >= g && r >= b:
		return g, r, 6*(r-g) - (b - g)
	case r >= g:
		return g, b, 4*(b-g) + (r - g)
	case r >= b:
		return b, g, 2*(g-b) - (r - b)
	case g >= b:
		return r, g, 2*(g-r) + (b - r)
	default:
		return r, b, 4*(b-r) - (g - r)
	}
}

func grayscale(pix []float32) {
	for ; len(pix) >= 3; pix = pix[3:] {
		grey := lumaRed*pix[0] + lumaGreen*pix[1] + lumaBlue*pix[2]
		pix[0], pix[1], pix[2] = grey, grey, grey
	}
}

// solarize inverts the bright half of the range.
func solarize(pix []float32) {
	for i, v := range pix {
		if v >= 0.5 {
			pix[i] = 1 - v
		}
	}
}
