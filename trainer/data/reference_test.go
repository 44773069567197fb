package data

import (
	"math"
	"slices"
	"testing"
)

// The references below are written for clarity, in float64, from the
// operations' definitions, and share no code with them.

func compare(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > tolerance {
			t.Errorf("%s: value %d is %g, want %g", what, i, got[i], want[i])
			return
		}
	}
}

// refResize weighs all pixels of the crop for every pixel of the image.
func refResize(s *Set, crop box, flip bool) []float64 {
	cubic := func(x float64) float64 {
		x = math.Abs(x)
		if x < 1 {
			return 1.5*x*x*x - 2.5*x*x + 1
		} else if x < 2 {
			return -0.5*x*x*x + 2.5*x*x - 4*x + 2
		}
		return 0
	}
	out := make([]float64, s.Height*s.Width*s.Channels)
	for y := range s.Height {
		for x := range s.Width {
			cy := (float64(y)+0.5)*float64(crop.height)/float64(s.Height) - 0.5
			cx := (float64(x)+0.5)*float64(crop.width)/float64(s.Width) - 0.5
			for c := range s.Channels {
				value, weight := 0.0, 0.0
				for i := range crop.height {
					for j := range crop.width {
						w := cubic(cy-float64(i)) * cubic(cx-float64(j))
						value += w * float64(s.Train.Images[((crop.y+i)*s.Width+crop.x+j)*s.Channels+c]) / 255
						weight += w
					}
				}
				to := x
				if flip {
					to = s.Width - 1 - x
				}
				out[(y*s.Width+to)*s.Channels+c] = max(0, min(1, value/weight))
			}
		}
	}
	return out
}

func TestResizeAgainstReference(t *testing.T) {
	for _, size := range sizes {
		s := picture(size.height, size.width, size.channels)
		rng := Stream(1, "resize")
		for i := range s.Train.Images { // hard edges, to need the clamp
			if rng.IntN(3) == 0 {
				s.Train.Images[i] = byte(255 * rng.IntN(2))
			}
		}
		a := NewAugmenter(byol, s, identity(size.channels))
		got, _ := buffers(s)
		for i := range 12 {
			crop := box{width: 1 + rng.IntN(s.Width), height: 1 + rng.IntN(s.Height)}
			crop.x, crop.y = rng.IntN(s.Width-crop.width+1), rng.IntN(s.Height-crop.height+1)
			a.resize(got, s.Train.Images, crop, i%2 == 1)
			compare(t, "resize", got, refResize(s, crop, i%2 == 1), 2e-6)
		}
	}
}

func refLuma(p []float32) float64 {
	return 0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])
}

// refBlend is torchvision's: factor of the image and the rest of another.
func refBlend(v, other, factor float64) float64 {
	return max(0, min(1, factor*v+(1-factor)*other))
}

func refColours(op string, pix []float32, factor float64) []float64 {
	mean := 0.0
	for i := 0; i < len(pix); i += 3 {
		mean += refLuma(pix[i:]) / float64(len(pix)/3)
	}
	var out []float64
	for i := 0; i < len(pix); i += 3 {
		for _, v32 := range pix[i : i+3] {
			v := float64(v32)
			switch op {
			case "brightness":
				v = refBlend(v, 0, factor)
			case "contrast":
				v = refBlend(v, mean, factor)
			case "saturation":
				v = refBlend(v, refLuma(pix[i:]), factor)
			case "grayscale":
				v = refLuma(pix[i:])
			case "solarize":
				if v >= 0.5 {
					v = 1 - v
				}
			}
			out = append(out, v)
		}
	}
	return out
}

func TestColoursAgainstReference(t *testing.T) {
	rng := Stream(1, "colours")
	for _, factor := range []float64{0, 0.3, 0.6, 1, 1.4, 2} {
		f := float32(factor)
		for op, do := range map[string]func(pix []float32){
			"brightness": func(pix []float32) { scaleBrightness(pix, f) },
			"contrast":   func(pix []float32) { scaleContrast(pix, 3, f) },
			"saturation": func(pix []float32) { scaleSaturation(pix, f) },
			"grayscale":  grayscale,
			"solarize":   solarize,
		} {
			pix := randomPixels(rng, 3*81)
			want := refColours(op, pix, factor)
			do(pix)
			compare(t, op, pix, want, 2e-6)
		}
	}
}

func TestContrastOfOneChannel(t *testing.T) {
	pix := []float32{0.1, 0.3, 0.8}
	scaleContrast(pix, 1, 0.5)
	compare(t, "contrast", pix, []float64{0.25, 0.35, 0.6}, 1e-6)
}

// refHue goes to HSV and back, as textbooks do.
func refHue(r, g, b, shift float64) [3]float64 {
	high, low := max(r, g, b), min(r, g, b)
	h, saturation := 0.0, 0.0
	if high > low {
		saturation = (high - low) / high
		switch high {
		case r:
			h = (g - b) / (high - low)
		case g:
			h = 2 + (b-r)/(high-low)
		default:
			h = 4 + (r-g)/(high-low)
		}
	}
	h = math.Mod(h/6+shift+2, 1)
	sector, part := math.Modf(6 * h)
	p, q, s := high*(1-saturation), high*(1-saturation*part), high*(1-saturation*(1-part))
	return [][3]float64{{high, s, p}, {q, high, p}, {p, high, s}, {p, q, high}, {s, p, high}, {high, p, q}}[int(sector)%6]
}

func TestHueAgainstReference(t *testing.T) {
	rng := Stream(1, "hue")
	pix := randomPixels(rng, 3*2000)
	for i := 0; i < 300; i += 3 { // ties between channels, greys, black and white
		levels := []float32{0, 0.5, 1}
		pix[i], pix[i+1], pix[i+2] = levels[i/3%3], levels[i/9%3], levels[i/27%3]
	}
	for _, shift := range []float64{-0.5, -0.3, -0.1, 0, 0.05, 1.0 / 6, 0.25, 0.5, 1} {
		var want []float64
		for i := 0; i < len(pix); i += 3 {
			p := refHue(float64(pix[i]), float64(pix[i+1]), float64(pix[i+2]), shift)
			want = append(want, p[:]...)
		}
		got := slices.Clone(pix)
		shiftHue(got, float32(shift))
		compare(t, "hue", got, want, 3e-6)
	}
}

// refBlur convolves in two dimensions at once, on an image continued by its
// mirror image.
func refBlur(pix []float32, height, width, channels, radius int, sigma float64) []float64 {
	at := func(i, n int) int {
		if period := 2 * (n - 1); period > 0 {
			i = ((i % period) + period) % period
			return min(i, period-i)
		}
		return 0
	}
	out := make([]float64, len(pix))
	for y := range height {
		for x := range width {
			for c := range channels {
				value, weight := 0.0, 0.0
				for i := -radius; i <= radius; i++ {
					for j := -radius; j <= radius; j++ {
						w := math.Exp(-float64(i*i+j*j) / (2 * sigma * sigma))
						value += w * float64(pix[(at(y+i, height)*width+at(x+j, width))*channels+c])
						weight += w
					}
				}
				out[(y*width+x)*channels+c] = value / weight
			}
		}
	}
	return out
}

func TestBlurAgainstReference(t *testing.T) {
	rng := Stream(1, "blur")
	for _, size := range append(sizes, struct{ height, width, channels int }{64, 4, 3}) {
		s := picture(size.height, size.width, size.channels)
		a := NewAugmenter(byol, s, identity(size.channels))
		for _, sigma := range []float64{0.1, 0.7, 2} {
			pix := randomPixels(rng, len(s.Train.Images))
			want := refBlur(pix, size.height, size.width, size.channels, max(1, size.height/20), sigma)
			a.gaussianBlur(pix, sigma)
			compare(t, "blur", pix, want, 2e-6)
		}
	}
}

// The kernel's width is that of BYOL at its size, and small at CIFAR's.
func TestBlurKernel(t *testing.T) {
	for size, want := range map[int]int{224: 23, 96: 9, 64: 7, 32: 3, 28: 3, 16: 3} {
		if got := 2*blurRadius(size) + 1; got != want {
			t.Errorf("at %d pixels: %d, want %d", size, got, want)
		}
	}
}
