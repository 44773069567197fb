package data

import (
	"math"
	"math/rand/v2"

	"ablate/trainer/config"
)

// Augmenter draws augmented views of a set's images: the pipeline of BYOL
// (Grill et al. 2020, appendix B) at the images' own size. A view is a random
// resized crop, flipped or not; then, each with its probability, a colour
// jitter, grayscale, a Gaussian blur and a solarization; last, it is
// standardized per channel. Images of one channel have no saturation, no hue
// and no grayscale.
//
// The operations are those of torchvision's transforms: jitter multiplies
// (BYOL's own code adds brightness and takes contrast per channel). Every
// operation keeps pixels within 0..1.
//
// An Augmenter has scratch space, so it serves one goroutine at a time.
type Augmenter struct {
	height, width, channels int

	settings config.Augment
	blur     [2]float64 // probability by view
	solarize [2]float64

	unit   [256]float32 // a byte as 0..1
	mean   []float32    // by channel
	invStd []float32

	toWidth, toHeight [][]taps // how to enlarge a crop, by its length

	kernel []float32 // the blur's, from its centre on
	line   []float32 // a row of the crop, or one to be blurred with its margins
	wide   []float32 // rows of full width that wait for their columns' turn
}

// NewAugmenter returns an Augmenter of the images of s.
func NewAugmenter(a config.Augment, s *Set, st Standard) *Augmenter {
	aug := &Augmenter{
		height: s.Height, width: s.Width, channels: s.Channels,
		settings: a,
		blur:     [2]float64{a.Blur1, a.Blur2},
		solarize: [2]float64{a.Solarize1, a.Solarize2},
		mean:     st.Mean,
		invStd:   make([]float32, s.Channels),
		toWidth:  enlargements(s.Width),
		toHeight: enlargements(s.Height),
		kernel:   make([]float32, 1+blurRadius(s.Height)),
		line:     make([]float32, max(s.Width+2*blurRadius(s.Height), 4)*s.Channels),
		wide:     make([]float32, max(s.Height, 4)*s.Width*s.Channels),
	}
	for b := range aug.unit {
		aug.unit[b] = float32(b) / 255
	}
	for c, std := range st.Std {
		aug.invStd[c] = 1 / std
	}
	return aug
}

// Clean writes img, standardized and nothing else, to dst. Both hold
// Height*Width*Channels values.
func (a *Augmenter) Clean(dst []float32, img []byte) {
	for i, b := range img {
		dst[i] = a.unit[b]
	}
	a.standardize(dst)
}

// View writes one augmented, standardized view of img to dst, drawn from rng.
// Both hold Height*Width*Channels values. View is 0 for the first view and 1
// for the second, which differ in the probabilities of blur and solarization
// (config.Augment's Blur1 and Solarize1, Blur2 and Solarize2).
func (a *Augmenter) View(dst []float32, img []byte, view int, rng *rand.Rand) {
	s := &a.settings
	crop := a.drawCrop(rng)
	flip := chance(rng, s.Flip)
	a.resize(dst, img, crop, flip)
	if chance(rng, s.Jitter) {
		a.jitter(dst, rng)
	}
	if chance(rng, s.Grayscale) && a.channels == 3 {
		grayscale(dst)
	}
	if chance(rng, a.blur[view]) {
		a.gaussianBlur(dst, uniform(rng, 0.1, 2))
	}
	if chance(rng, a.solarize[view]) {
		solarize(dst)
	}
	a.standardize(dst)
}

// chance is true with probability p. It draws from rng in any case, so that
// settings which differ in one probability share everything else.
func chance(rng *rand.Rand, p float64) bool { return rng.Float64() < p }

func uniform(rng *rand.Rand, low, high float64) float64 { return low + (high-low)*rng.Float64() }

// box is a part of an image.
type box struct{ x, y, width, height int }

// drawCrop draws the crop's area uniformly from CropMin to 1 of the image's
// and the logarithm of its aspect ratio from that of 3/4 to that of 4/3. After
// ten draws that do not fit it takes the largest central crop whose aspect
// ratio is within these bounds. (torchvision's RandomResizedCrop.)
func (a *Augmenter) drawCrop(rng *rand.Rand) box {
	const narrow, broad = 3.0 / 4, 4.0 / 3
	w, h := float64(a.width), float64(a.height)
	for range 10 {
		area := w * h * uniform(rng, a.settings.CropMin, 1)
		aspect := math.Exp(uniform(rng, math.Log(narrow), math.Log(broad)))
		c := box{width: int(math.RoundToEven(math.Sqrt(area * aspect))), height: int(math.RoundToEven(math.Sqrt(area / aspect)))}
		if c.width >= 1 && c.width <= a.width && c.height >= 1 && c.height <= a.height {
			c.x, c.y = rng.IntN(a.width-c.width+1), rng.IntN(a.height-c.height+1)
			return c
		}
	}
	c := box{width: a.width, height: a.height}
	if w/h < narrow {
		c.height = int(math.RoundToEven(w / narrow))
	} else if w/h > broad {
		c.width = int(math.RoundToEven(h * broad))
	}
	c.x, c.y = (a.width-c.width)/2, (a.height-c.height)/2
	return c
}

// jitter changes brightness, contrast, saturation and hue in a random order.
// Factors are uniform in 1 +- the setting, not below 0; hue is shifted by up
// to the setting, as a share of the colour circle.
func (a *Augmenter) jitter(pix []float32, rng *rand.Rand) {
	s := &a.settings
	ops := [4]int{0, 1, 2, 3}
	rng.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	factor := func(change float64) float32 { return float32(uniform(rng, max(0, 1-change), 1+change)) }
	brightness, contrast, saturation := factor(s.Brightness), factor(s.Contrast), factor(s.Saturation)
	shift := float32(uniform(rng, -s.Hue, s.Hue))
	for _, op := range ops {
		switch {
		case op == 0:
			scaleBrightness(pix, brightness)
		case op == 1:
			scaleContrast(pix, a.channels, contrast)
		case op == 2 && a.channels == 3:
			scaleSaturation(pix, saturation)
		case op == 3 && a.channels == 3:
			shiftHue(pix, shift)
		}
	}
}

func (a *Augmenter) standardize(pix []float32) {
	if a.channels == 3 {
		m0, m1, m2 := a.mean[0], a.mean[1], a.mean[2]
		s0, s1, s2 := a.invStd[0], a.invStd[1], a.invStd[2]
		for ; len(pix) >= 3; pix = pix[3:] {
			pix[0], pix[1], pix[2] = (pix[0]-m0)*s0, (pix[1]-m1)*s1, (pix[2]-m2)*s2
		}
		return
	}
	for c := range a.channels {
		m, s := a.mean[c], a.invStd[c]
		for i := c; i < len(pix); i += a.channels {
			pix[i] = (pix[i] - m) * s
		}
	}
}
